"""Handoffs and flight mode in a log: shown to a person and to a program, and held to the chain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.checks.review import review_log
from dewarlog.errors import ExitCode
from dewarlog.report.custody import custody_steps
from dewarlog.verdict import judge
from dewarlog_wire import layout
from log_writer import LogWriter
from trips import HOUR_MS, handoff, trip, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from log_writer import EventSpec

RADIO_OFF = (layout.KIND_RADIO, HOUR_MS + 2000, (0, 1, 90))
RADIO_ON = (layout.KIND_RADIO, 2 * HOUR_MS + 9000, (1, 2, 0))


def handed(
    tmp_path: Path, told: Callable[[LogWriter], EventSpec], *more: EventSpec, journal: bool = False
) -> Path:
    """Write a calm trip with an event that `told` makes of the log as it stands behind hour 1."""
    writer = LogWriter(channels=2)

    def change(hour: int, _: list[list[int]]) -> list[EventSpec]:
        return [told(writer), *more] if hour == 2 and not journal else []

    trip(3, change=change, writer=writer, stop=not journal)
    if journal:
        samples = [(0, -24320, -24320, 1600)] * 3
        writer.journal(3 * HOUR_MS, samples, events=[told(writer)])
    return written(tmp_path, writer)


def right(writer: LogWriter) -> EventSpec:
    """Give a handoff that names the head of the log before it."""
    return handoff(2 * HOUR_MS + 5000, writer.blocks, writer.chain, role=2)


def run_json(*arguments: str) -> tuple[int, Any]:
    """Run a command with --json."""
    result = CliRunner().invoke(cli.app, [*arguments, "--json"])
    return result.exit_code, json.loads(result.stdout)


@pytest.mark.parametrize("journal", [False, True], ids=["sealed", "in the journal"])
def test_a_handoff_that_names_this_log_is_shown_with_who_where_and_what(
    tmp_path: Path, *, journal: bool
) -> None:
    """Giver, receiver, role, place, verdict, and that the head matches."""
    review = review_log(handed(tmp_path, right, journal=journal))

    step = next(item for item in custody_steps(review) if item.step == "handoff")

    assert judge(review).word == "USE"
    assert step.actor == "A. Jansen \u2192 K. Mori (receiving site)"
    assert step.place == "Gate 4"
    assert step.note == "checked then: USE; what was checked is the beginning of this log"


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(lambda log: handoff(2 * HOUR_MS, log.blocks, bytes(32)), id="other chain"),
        pytest.param(
            lambda log: handoff(2 * HOUR_MS, log.blocks - 1, log.chain), id="other count"
        ),
        pytest.param(lambda log: handoff(2 * HOUR_MS, 99, log.chain), id="blocks to come"),
        pytest.param(lambda log: handoff(2 * HOUR_MS, 0, log.chain), id="no block"),
    ],
)
def test_a_handoff_that_names_another_log_breaks_this_one(
    tmp_path: Path, told: Callable[[LogWriter], EventSpec]
) -> None:
    """A finding of integrity: what was checked at the door is not what is here."""
    path = handed(tmp_path, told)

    code, data = run_json("check", str(path))

    assert (code, data["intact"]) == (ExitCode.NOT_INTACT, False)
    finding = next(item for item in data["findings"] if item["code"] == "handoff-head")
    assert (finding["check"], finding["severity"]) == ("integrity", "broken")
    assert "names another log than this one" in data["sentence"]


def test_a_handoff_whose_block_was_lost_is_left_open(tmp_path: Path) -> None:
    """A hole where the head stood proves nothing either way."""
    path = handed(tmp_path, right)
    writer = trip(3, writer=LogWriter(channels=2))
    data = bytearray(path.read_bytes())
    data[writer.offsets[2] + 60] ^= 1
    path.write_bytes(data)

    review = review_log(path)

    assert set(review.handoff_heads.values()) == {None}
    assert "block 2, its last then, is not in this log" in [
        item.note.partition("; ")[2] for item in custody_steps(review)
    ]


def test_a_program_reads_the_handoff_with_every_field(tmp_path: Path) -> None:
    """`check --json` gives it in the list of custody steps, among the older ones."""
    _, data = run_json("check", str(handed(tmp_path, right)))

    assert [item["step"] for item in data["custody"]] == ["pack-out", "handoff", "receive"]
    step = data["custody"][1]
    names = ("actor", "giver", "receiver", "role", "place", "verdict", "blocks", "head_matches")
    assert [step[name] for name in names] == [
        *("A. Jansen", "A. Jansen", "K. Mori", "receiving site", "Gate 4", "USE", 3, True)
    ]
    assert len(bytes.fromhex(step["chain"])) == 32


def test_check_tells_a_person_of_every_handoff(tmp_path: Path) -> None:
    """Below the verdict and its reasons; a log without any says nothing of it."""
    result = CliRunner().invoke(cli.app, ["check", str(handed(tmp_path, right))])
    plain = CliRunner().invoke(cli.app, ["check", str(written(tmp_path, trip(2), "plain.dwl"))])

    output = " ".join(result.stdout.split())
    assert "Handed over - A. Jansen \u2192 K. Mori (receiving site), Gate 4" in output
    assert "checked then: USE; what was checked is the beginning of this log" in output
    assert "Handed over" not in plain.stdout


def test_the_events_table_tells_handoffs_and_windows_of_flight_mode(tmp_path: Path) -> None:
    """In the CSV of events, with their cause."""
    path = handed(tmp_path, right, RADIO_OFF, RADIO_ON)

    result = CliRunner().invoke(cli.app, ["export", str(path), "--table", "events"])

    assert "off (flight mode) for 1 h 30 min, by host" in result.stdout
    assert ',radio,"on, by time over"' in result.stdout
    assert "A. Jansen \u2192 K. Mori (receiving site), Gate 4; checked: USE, 3 blocks" in (
        result.stdout
    )


def test_a_receiving_site_ends_the_journey(tmp_path: Path) -> None:
    """Readings that end long before the handoff leave a part of the journey without any."""
    path = handed(tmp_path, lambda log: handoff(40 * HOUR_MS, log.blocks, log.chain, role=2))

    _, data = run_json("check", str(path))

    finding = next(item for item in data["findings"] if item["code"] == "journey-not-covered")
    assert "before 'handoff'" in finding["message"]


def test_a_handoff_alone_does_not_span_the_journey(tmp_path: Path) -> None:
    """Neither pack-out nor departure is in the log: that is noted, and nothing else fails."""
    writer = LogWriter(channels=2)
    writer.start()
    writer.samples(0, [[-24320] * 360, [-24320] * 360], events=[right(writer)])

    _, data = run_json("check", str(written(tmp_path, writer)))

    (note,) = [item for item in data["findings"] if item["code"] == "no-custody"]
    assert note["message"].startswith("No pack-out or departure is in the log")


def test_hostile_names_reach_no_terminal(tmp_path: Path) -> None:
    """Control characters of a receiver's name are escaped in the finding that quotes it."""
    hostile = "\x1b[2J\u202eK"
    path = handed(tmp_path, lambda _: handoff(2 * HOUR_MS, 1, bytes(32), receiver=hostile))

    result = CliRunner().invoke(cli.app, ["check", str(path)])

    assert "\x1b" not in result.stdout
    assert "\\x1b[2J\\u202eK" in result.stdout
