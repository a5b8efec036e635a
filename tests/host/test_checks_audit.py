"""The audit trail: who did what and when; what looks wrong is said and never decides."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from dewarlog import cli
from dewarlog.checks.review import review_log
from dewarlog.verdict import judge
from dewarlog_wire import layout
from log_writer import UTC_2026_03_01, LogWriter
from trips import HOUR_MS, trip, written

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.checks.audit import AuditEntry
    from dewarlog.checks.finding import Finding
    from dewarlog.checks.review import Review
    from log_writer import EventSpec

TOKEN = bytes.fromhex("a1b2c3d4e5f60718")
NOBODY = bytes(8)
USB, RADIO = 0, 1
UNPROVEN, PROVEN, REFUSED, TOKEN_REFUSED, LOCKED_OUT = range(5)


def access(
    at_ms: int,
    result: int,
    *,
    link: int = RADIO,
    key: int = layout.KEY_COURIER,
    failures: int = 0,
    token: bytes = NOBODY,
    holder: str = "",
) -> EventSpec:
    """Give an access event."""
    return (layout.KIND_ACCESS, at_ms, (result, link, key, failures, token, holder))


SYNC = (layout.KIND_CLOCK_SYNC, 9000, (UTC_2026_03_01 + 9, 0, 500, UTC_2026_03_01 + 9, 0))
PULL = (layout.KIND_PULL, 9500, (0, UTC_2026_03_01 + 9))
SIGNED = (layout.KIND_SIGNATURE, 9600, (1, 9, 0, 9, 0, bytes(16), bytes(64)))
ACKNOWLEDGED = (layout.KIND_ACKNOWLEDGE, 9700, (64, UTC_2026_03_01 + 9, "A. Jansen", "seen"))
LOCKED = (layout.KIND_LOCK, 500, (1, 0))
OPENED = (layout.KIND_LOCK, 9800, (0, 1))
STOPPED = (layout.KIND_STOP, 9900, (0,))
RADIO_BY_HOST = (layout.KIND_RADIO, 9100, (0, 1, 90))
RADIO_BY_PROFILE = (layout.KIND_RADIO, 400, (1, 0, 0))


def log_of(*events: EventSpec) -> LogWriter:
    """Write a log whose first samples come with these events."""
    writer = LogWriter(channels=1)
    writer.start()
    boot = (layout.KIND_BOOT, 0, (3, 0, 0, 0, UTC_2026_03_01, 0))
    writer.samples(0, [[-24320] * 360], events=[boot, *events])
    return writer


def reviewed(folder: Path, *events: EventSpec) -> Review:
    """Check such a log."""
    return review_log(written(folder, log_of(*events)))


def entry(review: Review, name: str) -> AuditEntry:
    """Give the one entry of a kind."""
    (found,) = [item for item in review.audit.entries if name == item.event.NAME]
    return found


def findings(review: Review) -> list[Finding]:
    """Give what the audit found."""
    return [item for item in review.findings if item.check == "audit"]


def run_json(*arguments: str) -> Any:  # noqa: ANN401 - JSON
    """Run a command with --json."""
    return json.loads(CliRunner().invoke(cli.app, [*arguments, "--json"]).stdout)


@pytest.mark.parametrize(
    "deed", [SYNC, PULL, SIGNED, ACKNOWLEDGED, OPENED, STOPPED, RADIO_BY_HOST]
)
def test_what_a_host_did_has_the_actor_proven_before_it(tmp_path: Path, deed: EventSpec) -> None:
    """A token's holder by name, with the token, the role and the link."""
    proven = access(8000, PROVEN, token=TOKEN, holder="K. Mori")
    review = reviewed(tmp_path, proven, deed)

    last = review.audit.entries[-1]
    assert last.who == "K. Mori (token a1b2c3d4e5f60718 of the courier key), by radio"
    assert last.by_host


def test_somebody_without_a_proof_is_called_that(tmp_path: Path) -> None:
    """Over the cable of an open board anybody may act: the trail says that nobody proved who."""
    review = reviewed(tmp_path, access(8000, UNPROVEN, link=USB, key=0), SYNC)

    assert entry(review, "clock set").who == "somebody without a proof, by USB"
    assert findings(review) == []


def test_the_newest_proof_counts_and_a_refused_one_does_not(tmp_path: Path) -> None:
    """Who failed to prove himself has done nothing."""
    review = reviewed(
        tmp_path,
        access(7000, PROVEN, key=layout.KEY_ADMIN, link=USB),
        access(8000, REFUSED, failures=1),
        SYNC,
    )

    assert entry(review, "clock set").who == "holder of the admin key, by USB"


def test_what_the_board_did_by_itself_has_no_actor(tmp_path: Path) -> None:
    """A reset with its cause, a lock by the profile, the radio by the profile, a low supply."""
    low = (layout.KIND_SUPPLY, 9000, (3300, 1))
    still = (layout.KIND_SUPPLY, 9500, (3290, 1))
    review = reviewed(tmp_path, RADIO_BY_PROFILE, LOCKED, low, still)

    assert [(item.event.NAME, item.who) for item in review.audit.entries] == [
        ("boot", "the logger"),
        ("radio", "the logger"),
        ("lock", "the logger"),
        ("supply", "the logger"),
    ]
    assert findings(review) == []


def test_a_deed_of_another_boot_is_not_laid_to_who_spoke_before(tmp_path: Path) -> None:
    """Each boot tells anew; a deed that no ACCESS event stands before is a finding."""
    writer = log_of(access(8000, PROVEN), SYNC)
    writer.boot = 1
    writer.samples(0, [[-24320] * 10], events=[(layout.KIND_BOOT, 0, (1, 1, 0, 0, 0, 1)), SYNC])
    review = review_log(written(tmp_path, writer))

    (finding,) = findings(review)
    assert (finding.code, finding.evidence["events"]) == ("no-actor", 1)
    assert review.audit.entries[-1].who == "not told"
    assert finding.severity == "warn"


def test_a_hole_in_the_log_accuses_nobody(tmp_path: Path) -> None:
    """Behind a damaged block the speaker is unknown, and that is no finding of the audit."""
    writer = log_of(access(8000, PROVEN), SYNC)
    hole = len(writer.data)
    writer.samples(HOUR_MS, [[-24320] * 10], events=[access(HOUR_MS, UNPROVEN)])
    after = (layout.KIND_PULL, 2 * HOUR_MS, (1, 0))
    writer.samples(2 * HOUR_MS, [[-24320] * 10], events=[after])
    writer.data[hole + 40] ^= 1
    review = review_log(written(tmp_path, writer))

    assert entry(review, "pull").who == "not told"
    assert findings(review) == []


def test_a_locked_run_that_a_host_opened_is_told_with_who_did_it(tmp_path: Path) -> None:
    """A warning; the verdict is what the readings say."""
    proven = access(8000, PROVEN, link=USB, key=layout.KEY_ADMIN)
    review = reviewed(tmp_path, LOCKED, proven, OPENED)

    (finding,) = findings(review)
    assert finding.code == "lock-opened"
    assert "by holder of the admin key, by USB" in finding.message
    assert judge(review).word == "USE"


def test_many_refused_proofs_are_told_with_their_sum(tmp_path: Path) -> None:
    """The first, second and fourth have an event; a success tells how many there were in all."""
    tried = [access(1000 * count, REFUSED, failures=count) for count in (1, 2, 4)]
    review = reviewed(tmp_path, *tried, access(8000, PROVEN, failures=5))

    assert review.audit.failures == 5
    (finding,) = findings(review)
    assert (finding.code, finding.severity) == ("proofs-refused", "warn")
    assert "5 proofs were refused, 5 in a row; by radio" in finding.message


def test_two_refused_proofs_are_in_the_trail_and_no_finding(tmp_path: Path) -> None:
    """Somebody typed a key wrong."""
    review = reviewed(
        tmp_path, access(1000, REFUSED, failures=1), access(2000, REFUSED, failures=2)
    )

    assert review.audit.failures == 2
    assert findings(review) == []
    assert [item.event.NAME for item in review.audit.entries] == ["boot", "access", "access"]


def test_another_firmware_is_told(tmp_path: Path) -> None:
    """Old and new version of both."""
    changed = (layout.KIND_FIRMWARE, 10, (0, 1, 0, 1, 27, 0, 0, 2, 0, 1, 27, 0))
    (finding,) = findings(reviewed(tmp_path, changed))

    assert (finding.code, finding.severity) == ("firmware-changed", "warn")
    assert "0.1.0 on MicroPython 1.27.0 before, 0.2.0" in finding.message


def test_an_acknowledged_alarm_changes_no_verdict(tmp_path: Path) -> None:
    """What is HOLD stays HOLD, with the same reasons."""
    warm = [[-140 * 128] * 360, [-140 * 128] * 360]

    def change(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        if hour == 1:
            readings[:] = warm
        return []

    def seen(hour: int, readings: list[list[int]]) -> list[EventSpec]:
        change(hour, readings)
        at_ms = 2 * HOUR_MS + 9700
        acknowledged = (layout.KIND_ACKNOWLEDGE, at_ms, ACKNOWLEDGED[2])
        return [access(at_ms - 100, PROVEN), acknowledged] if hour == 2 else []

    plain = judge(review_log(written(tmp_path, trip(4, change=change), "plain.dwl")))
    told = judge(review_log(written(tmp_path, trip(4, change=seen), "seen.dwl")))

    def reasons(verdict: Any) -> list[str]:  # noqa: ANN401
        return [item.finding.message for item in verdict.reasons]

    assert (plain.word, told.word) == ("HOLD", "HOLD")
    assert reasons(plain) == reasons(told)


def test_a_changed_setting_is_in_the_trail_with_its_old_and_new_value(tmp_path: Path) -> None:
    """The event holds both payloads; the words name them."""
    old, new = b"\x03OLD-1", b"\x03SHIP-2"
    body = (layout.SECTION_TEXT, 0, 0, 6, len(old), old, new)
    path = written(tmp_path, log_of((layout.KIND_SETTING, 5, body)))

    entries = run_json("check", str(path))["audit"]["entries"]

    (setting,) = [item for item in entries if item["what"] == "setting"]
    assert "OLD-1" in setting["details"]
    assert "SHIP-2" in setting["details"]
    assert (setting["by_host"], setting["actor"]) == (False, None)


def test_a_program_reads_every_entry_with_its_actor_and_its_time(tmp_path: Path) -> None:
    """Uptime and fitted wall clock with its bound; role, link, token and holder."""
    proven = access(8000, PROVEN, token=TOKEN, holder="K. Mori")
    path = written(tmp_path, log_of(proven, SYNC))

    trail = run_json("check", str(path))["audit"]

    sync = trail["entries"][-1]
    assert (sync["what"], sync["at"]["uptime_ms"], sync["by_host"]) == ("clock set", 9000, True)
    assert abs(sync["at"]["unix_s"] - (UTC_2026_03_01 + layout.UTC_EPOCH_UNIX_S + 9)) < 2
    assert sync["at"]["error_s"] > 0
    assert sync["actor"] == {
        "proven": True,
        "link": "radio",
        "role": "courier",
        "token": TOKEN.hex(),
        "holder": "K. Mori",
    }


def test_check_counts_the_trail_and_tells_all_of_it_when_asked(tmp_path: Path) -> None:
    """One line, or an entry each with time and actor."""
    path = written(tmp_path, log_of(access(8000, PROVEN), SYNC, PULL))

    short = " ".join(CliRunner().invoke(cli.app, ["check", str(path)]).stdout.split())
    whole = " ".join(CliRunner().invoke(cli.app, ["check", str(path), "--audit"]).stdout.split())

    assert (
        "Who did what 1 x boot, 1 x access, 1 x clock set, 1 x pull. All of it: --audit" in short
    )
    assert "holder of the courier key" not in short
    assert "pull: log held by a host up to block 0" in whole
    assert "; holder of the courier key, by radio" in whole


def test_the_report_and_the_table_of_events_say_who(tmp_path: Path) -> None:
    """A holder's name is escaped in the page and cannot be a formula in a spreadsheet."""
    proven = access(8000, PROVEN, token=TOKEN, holder="=<b>K</b>")
    path = written(tmp_path, log_of(proven, SYNC))

    CliRunner().invoke(cli.app, ["report", str(path), "--output", str(tmp_path / "page.html")])
    page = (tmp_path / "page.html").read_text()
    table = CliRunner().invoke(cli.app, ["export", str(path), "--table", "events"]).stdout

    assert "Who did what" in page
    assert "=&lt;b&gt;K&lt;/b&gt; (token" in page
    rows = [row for row in csv.reader(table.splitlines()) if "clock set" in row]
    assert rows[0][-1].startswith("'=<b>K</b> (token a1b2c3d4e5f60718")
