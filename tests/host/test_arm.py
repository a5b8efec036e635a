"""What an arming puts together and asks, without a board: one profile, pages, watches."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from dewarlog.arm import gate, look, trip_profile, watch
from dewarlog.arm.manifest_files import read_manifest
from dewarlog.errors import (
    DeviceRefused,
    NotProvisioned,
    ProbesDiffer,
    ProfileInvalid,
    StartedAgain,
)
from dewarlog.profile.model import Profile
from dewarlog.replies import Board, Status, StoredFile
from dewarlog_firmware.config import load_config
from dewarlog_wire import layout
from workshop.places import FIRMWARE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dewarlog.session import Session

EXAMPLE: Final = (FIRMWARE / "profile.example.json").read_bytes()
MANIFEST: Final = read_manifest(FIRMWARE / "shipment.example.toml").manifest
INTERVAL_MS: Final = 10_000
PASSED: Final = (0, 0, 0, 0, 0, 0)


def rules_only() -> dict[str, Any]:
    """Return a profile file that leaves probes to the board."""
    document: dict[str, Any] = json.loads(EXAMPLE)
    del document["channels"]
    del document["access"]
    return document


# --- one profile of three ------------------------------------------------------------------------


def test_the_board_the_file_and_the_manifest_each_say_their_own() -> None:
    """Probes and lock are the board's, rules the file's, papers the manifest's."""
    board = (
        Profile.read(EXAMPLE, "board")
        .with_channel(0, offset_degc=1.25)
        .with_texts(board="DL-0099", hardware="rev C", account="OLD")
        .with_(access={"lock": True}, sampling={"interval_ms": 60_000}, rules=[])
    )
    made = trip_profile.joined(rules_only(), "rules.json", board, MANIFEST)
    assert made.channels == board.channels
    assert made.access.lock is True
    assert (made.texts.board, made.texts.hardware) == ("DL-0099", "rev C")
    assert made.rules == Profile.read(EXAMPLE, "file").rules
    assert made.sampling.interval_ms == 10_000
    assert (made.texts.account, made.texts.shipment) == ("ACC-20417", "SHP-2026-00318")
    assert made.texts.instructions == MANIFEST.handling
    assert made.texts.dewar == "Dry shipper 4 L serial 41187"
    assert made.handling.thaw_to_infusion_min == 30
    assert made.arming is None
    assert load_config(made.write()).channels == load_config(board.write()).channels


def test_what_a_manifest_does_not_tell_stays_the_file_s() -> None:
    """Texts and the thaw limit; an `arming` in a file is nobody's."""
    document = rules_only()
    document["handling"] = {"thaw_to_infusion_min": 45, "calibration_policy": "refuse"}
    document["arming"] = {"at": "2026-03-02T08:00:00Z", "planned_h": 1, "actor": "somebody"}
    bare = MANIFEST.model_copy(update={"contacts": (), "handling": (), "thaw_to_infusion_min": 0})
    made = trip_profile.joined(document, "rules.json", Profile.read(EXAMPLE, "board"), bare)
    assert made.texts.contact == "Cell therapy desk +41 44 555 01 23"
    assert len(made.texts.instructions) == 2
    assert made.handling.thaw_to_infusion_min == 45
    assert made.handling.calibration_policy == "refuse"
    assert made.arming is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"serial": "TC-T-9999"}, ("TC-T-9999", "TC-T-0412")),
        ({"probe_type": "K"}, ("type K", "has T")),
        ({"channel": 3}, ("channel 3", "not fitted")),
        ({"placement": "neck"}, ("at neck there", "at payload top on the logger")),
    ],
)
def test_a_file_for_other_probes_is_refused_naming_both(
    change: dict[str, Any], named: tuple[str, str]
) -> None:
    """Another serial, another type, another place, a channel that is not there."""
    document: dict[str, Any] = json.loads(EXAMPLE)
    document["channels"][0] |= change
    if "channel" in change:
        for rule in document["rules"]:
            rule["channels"] = "all"
    with pytest.raises(ProbesDiffer) as caught:
        trip_profile.joined(document, "my.json", Profile.read(EXAMPLE, "board"), MANIFEST)
    assert all(word in str(caught.value) for word in named)


def test_a_file_that_says_no_place_is_for_a_probe_wherever_it_is() -> None:
    """What it leaves out is no default of its own."""
    document: dict[str, Any] = json.loads(EXAMPLE)
    del document["channels"][1]["placement"]
    made = trip_profile.joined(document, "my.json", Profile.read(EXAMPLE, "board"), MANIFEST)
    assert made.channels[1].placement == "payload bottom"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b" " * (2 << 20), "more than 1,048,576 bytes"),
        (b"", "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
        (b'{"rules": ' + b"[" * 100_000, "not JSON"),
        (b'{"rules": [], "rules": []}', "there twice"),
    ],
)
def test_a_file_that_is_no_profile_is_refused(tmp_path: Path, data: bytes, reason: str) -> None:
    """Whatever stands in it, and however long it is: a device never ends."""
    path = tmp_path / "rules.json"
    path.write_bytes(data)
    with pytest.raises(ProfileInvalid, match=reason):
        trip_profile.read_file(path)


def test_a_board_without_a_profile_is_sent_to_be_provisioned() -> None:
    """Nobody knows its probes."""
    with pytest.raises(NotProvisioned, match="dewarlog provision"):
        trip_profile.board_profile(b"", "e660")


def test_an_armed_board_is_known_by_everything_but_the_moment() -> None:
    """Another plan, shipment or rule is another trip."""
    board = Profile.read(EXAMPLE, "board")
    wanted = trip_profile.joined(rules_only(), "rules.json", board, MANIFEST)
    arming = {"at": "2026-03-02T08:00:00Z", "planned_h": 72, "actor": "A", "charge_g": 3000}
    held = wanted.with_(arming=arming)
    again = trip_profile.joined(rules_only(), "rules.json", held, MANIFEST)
    assert trip_profile.same_trip(held, again, 72)
    assert not trip_profile.same_trip(held, again, 73)
    assert not trip_profile.same_trip(wanted, again, 72)
    assert not trip_profile.same_trip(held, again.with_texts(shipment="S-9"), 72)
    assert not trip_profile.same_trip(held, again.with_(rules=again.rules[:1]), 72)


# --- the newest self-test ------------------------------------------------------------------------


class Pages:
    """A session that answers SELFTEST from a list of results, three a page."""

    def __init__(self, results: list[tuple[int, ...]]) -> None:
        self.results = results
        self.asked: list[int] = []

    @property
    def board(self) -> Board:
        """Be a board that tests itself."""
        return Board(bytes(8), 1, 4096, layout.FEATURE_BENCH)

    def request(self, kind: int, body: bytes, what: str, **_patience: float) -> bytes:
        """Answer as a board does."""
        assert kind == layout.MSG_SELFTEST
        (first,) = struct.unpack(layout.SELFTEST.format, body)
        self.asked.append(first)
        first = 0 if first == layout.SELFTEST_LAST else first
        if first >= len(self.results):
            name = layout.ERROR_NAMES[layout.ERROR_RANGE]
            raise DeviceRefused(what, layout.ERROR_RANGE, name, "there are 0 results")
        page = self.results[first : first + 3]
        head = struct.pack(layout.SELFTEST_REPLY.format, len(self.results), first, len(page))
        return head + b"".join(struct.pack(layout.EVENT_SELFTEST.format, *one) for one in page)


def failed(pages: Pages) -> tuple[str, ...] | None:
    """Return what the newest self-test failed."""
    return look.failed_tests(cast("Session", pages))


def test_the_newest_self_test_is_read_and_none_is_begun() -> None:
    """Never from 0, which would begin one; failures by name, what is not there is none."""
    pages = Pages([PASSED] * 8)
    pages.results[0] = (0, 0, 1, 3, 0, 0)
    pages.results[5] = (10, 0, 1, 3, 0, 0)
    pages.results[6] = (7, 2, 1, 900, 50, 600)
    pages.results[7] = (17, 0, 2, 0, 1, 1)
    assert failed(pages) == (
        "converter settings, probe 1",
        "flash",
        "tilt sensor self-test, z",
    )
    assert pages.asked == [layout.SELFTEST_LAST, 3, 6]
    assert failed(Pages([])) is None
    assert failed(Pages([PASSED] * 4)) == ()


def test_runs_that_were_pulled_are_room() -> None:
    """Earlier ones, and only where all of one is held; never the one that is open."""

    def file(run: int, number: int, *, held: bool) -> StoredFile:
        return StoredFile(run, number, layout.ENTRY_CONFIRMED * held, 0, 1000 * run, bytes(8))

    files = (
        *(file(1, 0, held=True), file(1, 1, held=True)),
        *(file(2, 0, held=True), file(2, 1, held=False)),
        file(3, 0, held=True),
        file(4, 0, held=True),
    )
    values = {name: 0 for name, *_ in layout.STATUS_REPLY.fields}
    status = Status(**values | {"run": 4, "free_bytes": 500})
    assert look.room_bytes(status, files) == 500 + 2 * 1000 + 3000


# --- the watch -----------------------------------------------------------------------------------


class Watched:
    """A session whose board samples while it is looked at; `readings` give degC by sample."""

    board = Board(bytes.fromhex("e660583883724a32"), 1, 4096, 0)

    def __init__(
        self, degc_of: Callable[[int], float | None], *, silent_from: int = 10**9
    ) -> None:
        self._degc_of = degc_of
        self._silent_from = silent_from
        self.boot = 0
        self.now_s = 0.0

    def clock(self) -> float:
        """Count seconds; waiting costs nothing."""
        return self.now_s

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        self.now_s += seconds

    def status(self) -> Status:
        """Tell the newest sample."""
        samples = min(int(self.now_s * 1000) // INTERVAL_MS, self._silent_from)
        degc = self._degc_of(samples)
        open_code = layout.state_code(layout.STATE_OPEN)
        code = open_code if degc is None else round(degc * layout.TEMPERATURE_PER_DEGC)
        values = {name: 0 for name, *_ in layout.STATUS_REPLY.fields}
        values |= {
            "state": layout.STATUS_RECORDING,
            "run": 1,
            "boot": self.boot,
            "uptime_s": int(self.now_s),
            "uptime_ms": int(self.now_s * 1000) % 1000,
            "interval_ms": INTERVAL_MS,
            "samples": samples,
            "reading_0": code,
        }
        return Status(**values)


def watched(session: Watched) -> dict[int, gate.Slope]:
    """Watch a board with one probe."""
    told: list[tuple[float, float]] = []
    slopes, _ = watch.follow(
        cast("Session", session), session.status(), [0], lambda *now: told.append(now)
    )
    assert told[0] == (0, gate.WATCH_S)
    assert told == sorted(told)
    return slopes


def test_a_watch_measures_how_fast_a_probe_moves() -> None:
    """Five minutes of every sample, each counted once."""
    slope = watched(Watched(lambda sample: -192 + 6 * sample * INTERVAL_MS / 3_600_000))[0]
    assert slope.k_per_h == pytest.approx(6, abs=0.3)
    assert slope.watched_s >= gate.WATCH_S
    assert 29 <= slope.samples <= 32


def test_a_probe_that_fails_once_has_no_slope() -> None:
    """A gap in the readings is no rest."""
    assert watched(Watched(lambda sample: None if sample == 12 else -192.0)) == {}


def test_a_board_that_stops_sampling_ends_the_watch() -> None:
    """Nobody waits for ever, and nothing is made of what there was."""
    session = Watched(lambda _: -192.0, silent_from=5)
    assert watched(session) == {}
    assert session.now_s < 200


def test_a_board_that_starts_again_ends_it_too() -> None:
    """Its count of samples and time is another."""
    session = Watched(lambda _: -192.0)
    first = session.status

    def restarted() -> Status:
        session.boot = int(session.now_s > 60)
        return first()

    session.status = restarted  # type: ignore[method-assign]
    with pytest.raises(
        StartedAgain, match=r"Logger e660583883724a32 started again .* was not armed"
    ):
        watched(session)
