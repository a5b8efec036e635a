"""The bench's requests on the board: figures, the profile, self-test, erasure; the real log."""

from __future__ import annotations

import errno
import json
import os
import struct
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest

from bench_board import RESULTS, BenchBoard, put
from dewarlog_firmware import bench as bench_module
from dewarlog_firmware.bench import FAREWELL_MS, RESTART_MS
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.former_run import close_former_run
from dewarlog_firmware.profile import default_document
from dewarlog_wire import events, layout
from dewarlog_wire.column import encode_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROFILE = json.dumps(default_document()).encode()
OTHER = json.dumps(default_document() | {"texts": {"dewar": "D-7"}}).encode()
PUT, PUT_END = layout.MSG_PUT, layout.MSG_PUT_END


@pytest.fixture
def board(tmp_path: Path) -> Iterator[BenchBoard]:
    """Give a board with a profile and a run of one sample."""
    (tmp_path / "profile.json").write_bytes(PROFILE)
    made = BenchBoard(tmp_path)
    made.keeping.convert(1000)
    yield made
    made.close()


def words_of(answer: tuple[int, bytes]) -> tuple[int, str]:
    """Return code and words of an ERROR."""
    assert answer[0] == layout.MSG_ERROR
    return answer[1][0], answer[1][1:].decode()


# --- figures -------------------------------------------------------------------------------------
def live_of(board: BenchBoard) -> dict[str, int]:
    """Ask LIVE; return its fields."""
    kind, reply = board.ask(layout.MSG_LIVE)
    assert kind == layout.MSG_LIVE | layout.REPLY
    names = [name for name, *_ in layout.LIVE_REPLY.fields]
    return dict(zip(names, struct.unpack(layout.LIVE_REPLY.format, reply), strict=True))


def test_live_tells_the_boards_figures(board: BenchBoard) -> None:
    """Each from the part that counts it."""
    board.logbook.note_shock((3, 2, 0, 1, 2, 900, 901, 4000, 1250))
    board.logbook.shocks = 3

    told = live_of(board)

    assert told["profile_crc32"] == crc32(PROFILE)
    assert (told["heap_free_bytes"], told["heap_low_bytes"]) == (90_000, 80_000)
    assert (told["pass_max_us"], told["wake_ups"], told["awake_s"]) == (5000, 77, 61)
    assert (told["parts"], told["tilt_angle_deg"], told["tilt_band"]) == (0x20001, 255, 1)
    assert [told[f"band_{band}_s"] for band in range(4)] == [10, 20, 30, 40]
    assert (told["shocks"], told["shock_band"], told["shock_peak"]) == (3, 2, 901)
    assert told["shock_velocity_change_mm_s"] == 1250
    assert (told["voltage_raw_0"], told["cold_junction_raw_0"]) == (-41_000, 20 * 64)
    assert (told["voltage_raw_1"], told["fault_3"]) == (0, 0)


def test_the_longest_pass_counts_anew_from_each_answer(board: BenchBoard) -> None:
    """Else one stall at boot would hide all later ones."""
    live_of(board)

    assert live_of(board)["pass_max_us"] == 0


def test_a_tilt_angle_is_told_once_it_is_known(board: BenchBoard) -> None:
    """Before the first look it is 255."""
    board.app.tilt.is_known = True

    assert live_of(board)["tilt_angle_deg"] == 33


@pytest.mark.parametrize(("late_ms", "told"), [(-5, 0), (12, 12), (70_000, 0xFFFF)])
def test_lateness_is_told_as_what_its_field_can_hold(
    board: BenchBoard, late_ms: int, told: int
) -> None:
    """A sample that came early was not late."""
    board.app.keeper.late_ms = late_ms

    assert live_of(board)["late_ms"] == told


def test_live_has_no_body(board: BenchBoard) -> None:
    """As any request without one."""
    assert board.code(layout.MSG_LIVE, b"x") == layout.ERROR_MALFORMED


# --- the profile, read ---------------------------------------------------------------------------
def test_the_profile_is_given_in_parts_that_fit_the_conversation(board: BenchBoard) -> None:
    """Each says how long the whole is and which."""
    board.hello(body_max=160)
    got = reply = b""
    while len(got) < len(PROFILE):
        kind, reply = board.ask(layout.MSG_GET, struct.pack(layout.GET.format, len(got)))
        assert kind == layout.MSG_GET | layout.REPLY
        assert len(reply) <= 160
        head = struct.unpack_from(layout.GET_REPLY.format, reply)
        assert head == (len(PROFILE), crc32(PROFILE))
        got += reply[layout.GET_REPLY.size :]

    assert got == PROFILE
    assert board.ask(layout.MSG_GET, struct.pack("<H", len(got)))[1] == reply[:6]
    assert board.code(layout.MSG_GET, struct.pack("<H", len(got) + 1)) == layout.ERROR_RANGE


def test_a_board_without_a_profile_gives_none(tmp_path: Path) -> None:
    """It runs by its built-in one."""
    board = BenchBoard(tmp_path)

    assert board.ask(layout.MSG_GET, bytes(2)) == (layout.MSG_GET | layout.REPLY, bytes(6))
    assert live_of(board)["profile_crc32"] == 0
    board.close()


def test_a_file_longer_than_its_length_can_be_told_is_out_of_range(board: BenchBoard) -> None:
    """Somebody put it there by hand."""
    board.profile.write_bytes(b" " * 70_000)

    assert board.code(layout.MSG_GET, bytes(2)) == layout.ERROR_RANGE


# --- the profile, handed over --------------------------------------------------------------------
def test_a_profile_is_put_in_force(board: BenchBoard) -> None:
    """Written whole, recorded with who and what for, the run ended."""
    board.hand_over(OTHER)
    answer = board.put_end(OTHER)

    assert answer == (PUT_END | layout.REPLY, b"")
    assert board.profile.read_bytes() == OTHER
    assert not (board.root / "profile.json.new").exists()
    assert board.stops == 1
    told = (1, 1000, crc32(PROFILE), crc32(OTHER), "Ann", "ice point")
    assert board.recorded(layout.KIND_PROFILE) == [told]


def test_who_put_it_in_force_stands_before_it_in_the_log(board: BenchBoard) -> None:
    """The audit asks for a speaker while the event is recorded."""
    speakers: list[Any] = []
    board.logbook.on_event = lambda kind, _: (
        speakers.append(board.guard.speaker) if kind == layout.KIND_PROFILE else None
    )
    board.hand_over(OTHER)
    board.put_end(OTHER)

    assert speakers == [board.server.visitor]


def test_the_board_starts_again_once_the_reply_is_away_and_not_sooner(board: BenchBoard) -> None:
    """A host that never heard it would not know."""
    board.hand_over(OTHER)
    board.takes = False
    board.say(PUT_END, end_body(OTHER))
    for _ in range(5):
        board.turn()
    board.device.now_ms += FAREWELL_MS
    board.turn()
    assert (board.restarts, board.profile.read_bytes()) == (0, OTHER)

    board.takes = True
    board.turn()
    assert board.restarts == 1


def test_the_board_starts_again_although_nobody_takes_the_reply(board: BenchBoard) -> None:
    """Within 2 s, whatever the link does."""
    board.hand_over(OTHER)
    board.takes = False
    board.say(PUT_END, end_body(OTHER))
    board.turn()
    board.device.now_ms += RESTART_MS
    board.turn()

    assert RESTART_MS < 2000
    assert board.restarts == 1


def end_body(profile: bytes) -> bytes:
    """Return PUT_END's body over PROFILE."""
    values = (3, 1000, crc32(PROFILE), crc32(profile))
    return struct.pack("<H", len(profile)) + events.texts_body(
        layout.KIND_PROFILE, values, ("Ann", "")
    )


def test_the_next_boot_ends_the_run_even_where_the_profile_is_the_same(
    board: BenchBoard,
) -> None:
    """Power fails behind the answer: the boot's own look at the profile sees no difference."""
    run = board.logbook.recorder.run
    board.hand_over(PROFILE)
    assert board.put_end(PROFILE)[0] == PUT_END | layout.REPLY
    board.close()

    assert close_former_run(str(board.root / "log"), 1, encode_page)
    state = FlashLog(str(board.root / "log")).read_state(run)
    assert state is not None
    assert state.closed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"texts": {"dewar": 5}}, "profile: texts.dewar is 5; allowed: a text of at most"),
        ({"rules": [{"kind": "above"}]}, "profile: rules[0].threshold_degc is missing"),
        ({"nonsense": 1}, "profile: nonsense is no setting of this board; allowed: texts"),
        ({"handling": {"thaw_to_infusion_min": -1}}, "profile: handling.thaw_to_infusion_min"),
        ({"sampling": {"interval_ms": 500}}, "from 1000 to 600000"),
    ],
)
def test_a_profile_the_board_cannot_use_is_refused_by_key_and_nothing_changes(
    board: BenchBoard, change: dict[str, Any], words: str
) -> None:
    """Not the file, not the run, not the log; and no restart."""
    bad = json.dumps(default_document() | change).encode()
    board.hand_over(bad)
    code, said = words_of(board.put_end(bad))

    assert code == layout.ERROR_MALFORMED
    assert words in said
    expect_nothing_changed(board)


@pytest.mark.parametrize("text", [b"{", b"[1]", b"\xff\xfe", b"[" * 500, b"null", b'{"a"'])
def test_what_is_no_json_object_is_refused(board: BenchBoard, text: bytes) -> None:
    """And the board lives on."""
    board.hand_over(text)

    assert words_of(board.put_end(text))[0] == layout.ERROR_MALFORMED
    expect_nothing_changed(board)


def expect_nothing_changed(board: BenchBoard) -> None:
    """Look at everything that a profile in force changes."""
    board.device.now_ms += RESTART_MS
    board.turn()
    assert board.profile.read_bytes() == PROFILE
    assert sorted(entry.name for entry in board.root.iterdir()) == ["log", "profile.json"]
    assert (board.stops, board.restarts) == (0, 0)
    assert board.recorded(layout.KIND_PROFILE) == []
    state = board.logbook.flash.read_state(board.logbook.recorder.run)
    assert state is not None
    assert (state.closed, state.config_crc) == (False, 1)


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"before": 7}, layout.ERROR_CHANGED),
        ({"before": 0}, layout.ERROR_CHANGED),
        ({"crc": 7}, layout.ERROR_CHANGED),
        ({"total": len(OTHER) - 1}, layout.ERROR_RANGE),
        ({"purpose": len(layout.PURPOSE_NAMES)}, layout.ERROR_RANGE),
    ],
)
def test_what_does_not_fit_what_was_handed_over_changes_nothing(
    board: BenchBoard, changed: dict[str, int], code: int
) -> None:
    """Another profile before, other bytes, another length, a purpose that is none."""
    board.hand_over(OTHER)

    assert words_of(board.put_end(OTHER, **changed))[0] == code
    expect_nothing_changed(board)


def test_a_profile_that_is_not_whole_is_not_put_in_force(board: BenchBoard) -> None:
    """Nor is none at all."""
    assert words_of(board.put_end(OTHER))[0] == layout.ERROR_RANGE
    board.ask(PUT, put(len(OTHER), 0, OTHER[:50]))

    assert words_of(board.put_end(OTHER))[0] == layout.ERROR_RANGE
    expect_nothing_changed(board)


@pytest.mark.parametrize("body", [b"", b"\1", bytes(2), bytes(20), bytes(15) + b"\5ab\0"])
def test_an_end_that_cannot_be_read_is_malformed(board: BenchBoard, body: bytes) -> None:
    """Cut short, or with texts that do not fit."""
    board.hand_over(OTHER)

    assert board.code(PUT_END, body) == layout.ERROR_MALFORMED
    expect_nothing_changed(board)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", layout.ERROR_MALFORMED),
        (bytes(4), layout.ERROR_MALFORMED),
        (put(0, 0, b"x"), layout.ERROR_RANGE),
        (put(layout.PROFILE_MAX_BYTES + 1, 0, b"x"), layout.ERROR_RANGE),
        (put(0xFFFF, 0, b"x"), layout.ERROR_RANGE),
        (put(3, 0, b"xxxx"), layout.ERROR_RANGE),
        (put(90, 1, b"x"), layout.ERROR_RANGE),
        (put(90, 0xFFFF, b"x"), layout.ERROR_RANGE),
    ],
)
def test_a_part_that_fits_nothing_is_refused(board: BenchBoard, body: bytes, code: int) -> None:
    """Nothing begun, too large, or more than announced."""
    assert board.code(PUT, body) == code


def test_parts_follow_one_another(board: BenchBoard) -> None:
    """Another offset or total is out of range; offset 0 begins anew."""
    assert board.code(PUT, put(20, 0, b"01234")) == 0
    assert board.code(PUT, put(20, 4, b"x")) == layout.ERROR_RANGE
    assert board.code(PUT, put(20, 6, b"x")) == layout.ERROR_RANGE
    assert board.code(PUT, put(21, 5, b"x")) == layout.ERROR_RANGE
    assert board.code(PUT, put(20, 5, b"y" * 16)) == layout.ERROR_RANGE
    assert board.server.drafted == 5
    assert board.code(PUT, put(30, 0, b"z")) == 0
    assert (len(board.server.draft or b""), board.server.drafted) == (30, 1)


@pytest.mark.parametrize("end", ["hello", "drop"])
def test_what_was_handed_over_goes_with_the_conversation(board: BenchBoard, end: str) -> None:
    """Its memory too."""
    board.hand_over(OTHER)
    if end == "drop":
        board.server.drop()
        assert board.server.draft is None
    board.hello()

    assert board.server.draft is None
    assert words_of(board.put_end(OTHER))[0] == layout.ERROR_RANGE


@pytest.mark.parametrize("where", ["write", "room", "event", "rename"])
def test_a_flash_that_is_full_keeps_all_as_it_was(
    board: BenchBoard, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file aside, the event and the rename may each find no room."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    board.hand_over(OTHER)
    if where == "write":
        monkeypatch.setattr(bench_module, "open", full, raising=False)
    elif where == "room":
        monkeypatch.setattr(board.logbook, "has_last_words", lambda: False)
    elif where == "event":
        monkeypatch.setattr(board.logbook, "record", full)
    else:
        monkeypatch.setattr(bench_module.os, "rename", full)
    # The profile's CRC was asked for before: only what is written may fail.
    code, _ = words_of(board.put_end(OTHER))
    monkeypatch.undo()

    assert code == layout.ERROR_MEMORY_FULL
    assert board.profile.read_bytes() == PROFILE
    assert not (board.root / "profile.json.new").exists()
    assert (board.stops, board.restarts) == (0, 0)


def test_a_board_that_records_nothing_takes_a_profile(board: BenchBoard) -> None:
    """Its own was broken, or its run has ended: the admin mends it, and the next boot records."""
    board.logbook.is_open = board.logbook.takes_events = False
    run = board.logbook.recorder.run
    board.profile.write_bytes(b"{broken")
    board.hand_over(PROFILE)
    assert board.put_end(PROFILE)[0] == PUT_END | layout.REPLY
    board.device.now_ms += RESTART_MS
    board.turn()

    assert (board.profile.read_bytes(), board.restarts) == (PROFILE, 1)
    state = board.logbook.flash.read_state(run)
    assert state is not None
    assert state.config_crc != 1


def test_a_second_profile_waits_for_the_restart(board: BenchBoard) -> None:
    """It would be written behind the event that tells of the first."""
    board.hand_over(OTHER)
    board.put_end(OTHER)

    assert board.code(layout.MSG_PUT, put(len(PROFILE), 0, PROFILE[:50])) == layout.ERROR_BUSY
    assert words_of(board.put_end(PROFILE))[0] == layout.ERROR_BUSY
    assert board.profile.read_bytes() == OTHER


def test_a_rename_that_fails_leaves_the_run_to_its_profile(
    board: BenchBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing has changed: a boot before the next try goes on with the run."""
    run = board.logbook.recorder.run
    board.hand_over(OTHER)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(bench_module.os, "rename", full)
        assert words_of(board.put_end(OTHER))[0] == layout.ERROR_MEMORY_FULL

    state = board.logbook.flash.read_state(run)
    assert state is not None
    assert (state.closed, state.config_crc) == (False, 1)


def test_a_run_that_was_given_up_twice_stays_given_up(board: BenchBoard) -> None:
    """Power fails before the rename, and the same profile is put in force after that boot."""
    run = board.logbook.recorder.run
    board.logbook.flash.disown(run)
    board.hand_over(PROFILE)
    assert board.put_end(PROFILE)[0] == PUT_END | layout.REPLY
    board.close()

    assert close_former_run(str(board.root / "log"), 1, encode_page)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (layout.MSG_AUTH, bytes(layout.AUTH.size)),
        (layout.MSG_MARK, events.custody_body(3, 5000, ("A", "B", "C"))),
        (layout.MSG_HANDOFF, bytes(60)),
        (layout.MSG_TIME, struct.pack(layout.TIME.format, 200_000_000, 5, 10)),
        (layout.MSG_LOCK, b"\1"),
        (layout.MSG_STOP, b""),
        (layout.MSG_SELFTEST, b"\0"),
        (layout.MSG_ERASE, struct.pack(layout.ERASE.format, 9, 0)),
        (layout.MSG_KEY, b"\1"),
        (layout.MSG_RADIO, struct.pack(layout.RADIO.format, 0, 5)),
    ],
)
def test_nothing_is_promised_by_a_board_that_is_about_to_start_again(
    board: BenchBoard, kind: int, body: bytes
) -> None:
    """What it did then might be lost, or be done by a key that is another after the start."""
    board.hand_over(OTHER)
    board.put_end(OTHER)
    writes = board.logbook.recorder.next_event

    assert words_of(board.ask(kind, body)) == (
        layout.ERROR_BUSY,
        "the board is about to start again",
    )
    assert board.logbook.recorder.next_event == writes


def test_a_board_about_to_start_again_still_says_how_it_is(board: BenchBoard) -> None:
    """A host that lost the reply greets it and looks; the request sent again is answered too."""
    board.hand_over(OTHER)
    answer = board.put_end(OTHER)
    seq, body = board.seq, end_body(OTHER)
    board.server.handle(PUT_END, seq, struct.pack("<H", len(OTHER)) + body[2:])

    assert answer[0] == PUT_END | layout.REPLY
    assert board.ask(layout.MSG_STATUS)[0] == layout.MSG_STATUS | layout.REPLY
    board.hello()
    assert board.ask(layout.MSG_ABORT)[0] == layout.MSG_ABORT | layout.REPLY


def test_the_restart_waits_for_the_clock_that_is_to_be_set(board: BenchBoard) -> None:
    """The time was answered as taken, and the chip takes it at its next whole second."""
    board.app.awaits_second = True
    board.hand_over(OTHER)
    board.put_end(OTHER)
    board.device.now_ms += FAREWELL_MS
    board.turn()
    assert board.restarts == 0

    board.app.awaits_second = False
    board.turn()
    assert board.restarts == 1


def test_profiles_that_are_put_are_bounded_as_all_that_writes(board: BenchBoard) -> None:
    """So is a self-test, and an erasure."""
    for _ in range(64):
        assert board.code(layout.MSG_ERASE, struct.pack(layout.ERASE.format, 0, 0)) == 0
    board.hand_over(OTHER)

    assert words_of(board.put_end(OTHER))[0] == layout.ERROR_BUSY
    assert board.code(layout.MSG_SELFTEST, b"\0") == layout.ERROR_BUSY
    assert board.profile.read_bytes() == PROFILE


# --- self-test -----------------------------------------------------------------------------------
def page_of(reply: bytes) -> tuple[int, int, list[tuple[int, ...]]]:
    """Return (total, from_index, results) of a page."""
    total, first, count = struct.unpack_from(layout.SELFTEST_REPLY.format, reply)
    entries = list(struct.iter_unpack(layout.EVENT_SELFTEST.format, reply[3:]))
    assert len(entries) == count
    return total, first, entries


def test_a_selftest_is_answered_when_it_is_over_and_read_in_pages(board: BenchBoard) -> None:
    """Its results stand in the log too."""
    got: list[tuple[int, ...]] = []
    while len(got) < len(RESULTS):
        kind, reply = board.ask(layout.MSG_SELFTEST, bytes((len(got),)))
        assert kind == layout.MSG_SELFTEST | layout.REPLY
        total, first, entries = page_of(reply)
        assert (total, first) == (len(RESULTS), len(got))
        got += entries

    assert got == RESULTS
    assert board.tester.begun == 1
    assert board.recorded(layout.KIND_SELFTEST) == RESULTS
    beyond = bytes((len(RESULTS),))
    assert board.code(layout.MSG_SELFTEST, beyond) == layout.ERROR_RANGE


def test_a_page_fits_the_conversation(board: BenchBoard) -> None:
    """The smallest body there is."""
    board.hello(body_max=160)
    _, reply = board.ask(layout.MSG_SELFTEST, b"\0")

    assert len(page_of(reply)[2]) == (160 - 3) // 15


def test_the_last_results_are_read_again_without_another_test(board: BenchBoard) -> None:
    """From the first on, and as often as one likes; nothing more is recorded."""
    board.ask(layout.MSG_SELFTEST, b"\0")
    for _ in range(2):
        _, reply = board.ask(layout.MSG_SELFTEST, bytes((layout.SELFTEST_LAST,)))
        total, first, entries = page_of(reply)
        assert (total, first) == (len(RESULTS), 0)
        assert entries == RESULTS[: len(entries)]
    assert board.recorded(layout.KIND_SELFTEST) == RESULTS


def test_other_requests_are_answered_while_a_selftest_goes_on(board: BenchBoard) -> None:
    """Only what would take its place has to wait."""
    board.tester.steps = 50
    board.say(layout.MSG_SELFTEST, b"\0")
    asked = board.seq

    assert board.code(layout.MSG_LIVE) == 0
    assert board.code(layout.MSG_SELFTEST, b"\0") == layout.ERROR_BUSY
    assert board.code(layout.MSG_ERASE, bytes(5)) == layout.ERROR_BUSY
    for _ in range(60):
        board.turn()
    assert board.answers[-1][:2] == (layout.MSG_SELFTEST | layout.REPLY, asked)


def test_a_host_that_leaves_does_not_stop_a_selftest(board: BenchBoard) -> None:
    """The sensor it holds must be given back, and the log told."""
    board.say(layout.MSG_SELFTEST, b"\0")
    board.server.drop()
    for _ in range(5):
        board.turn()
    board.hello()

    assert board.recorded(layout.KIND_SELFTEST) == RESULTS
    _, reply = board.ask(layout.MSG_SELFTEST, b"\1")
    assert page_of(reply)[:2] == (len(RESULTS), 1)


def test_results_of_no_selftest_are_out_of_range(board: BenchBoard) -> None:
    """Nothing was tested since the boot."""
    board.app.selftest = None

    assert board.code(layout.MSG_SELFTEST, b"\1") == layout.ERROR_RANGE
    assert board.code(layout.MSG_SELFTEST, b"\xff") == layout.ERROR_RANGE


def test_a_selftest_that_has_to_wait_is_busy(board: BenchBoard) -> None:
    """A shock is being captured."""
    board.tester.busy = True

    assert board.code(layout.MSG_SELFTEST, b"\0") == layout.ERROR_BUSY
    assert not board.bench.step()


def test_a_log_that_is_full_keeps_no_results_and_they_are_answered(board: BenchBoard) -> None:
    """The host has them."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC)

    board.logbook.emit = full  # type: ignore[method-assign]
    kind, reply = board.ask(layout.MSG_SELFTEST, b"\0")

    assert (kind, page_of(reply)[0]) == (layout.MSG_SELFTEST | layout.REPLY, len(RESULTS))


# --- erasure -------------------------------------------------------------------------------------
def erase(board: BenchBoard, to_run: int, flags: int = 0) -> tuple[int, ...]:
    """ERASE; return (erased, kept)."""
    kind, reply = board.ask(layout.MSG_ERASE, struct.pack(layout.ERASE.format, to_run, flags))
    assert kind == layout.MSG_ERASE | layout.REPLY, reply
    return struct.unpack(layout.ERASE_REPLY.format, reply)


def test_runs_that_a_host_holds_are_erased_and_others_kept(board: BenchBoard) -> None:
    """Each is told in the open run's log: which it was, how long, and that it was held."""
    board.confirm(board.next_run())
    board.next_run()
    board.confirm(board.next_run())

    assert erase(board, 9) == (2, 1)
    assert board.logbook.flash.runs() == [2, 4]
    assert board.recorded(layout.KIND_ERASE) == [
        (1, b"logid123", 2, 1),
        (3, b"logid003", 1, 1),
    ]


def test_what_nobody_holds_is_erased_when_that_is_asked_for(board: BenchBoard) -> None:
    """And the log says that nobody held it."""
    board.next_run()

    assert erase(board, 1) == (0, 1)
    assert erase(board, 1, layout.ERASE_UNPULLED) == (1, 0)
    assert [values[3] for values in board.recorded(layout.KIND_ERASE)] == [0]


def test_the_open_run_and_later_ones_are_never_erased(board: BenchBoard) -> None:
    """Whatever the number and the flags say."""
    board.next_run()
    board.next_run()

    assert erase(board, 1, layout.ERASE_UNPULLED) == (1, 0)
    assert erase(board, 0xFFFF_FFFF, layout.ERASE_UNPULLED) == (1, 0)
    assert board.logbook.flash.runs() == [3]


def test_a_run_whose_state_cannot_be_read_is_nobodys(board: BenchBoard) -> None:
    """It may be the only copy."""
    run = board.next_run()
    (board.root / "log" / f"{run:08x}" / "state").write_bytes(b"torn")

    assert erase(board, 9) == (0, 1)
    assert erase(board, 9, layout.ERASE_UNPULLED) == (1, 0)
    assert board.recorded(layout.KIND_ERASE) == [(run, bytes(8), 2, 0)]


def test_an_erasure_is_durable_in_the_log_before_the_run_is_gone(
    board: BenchBoard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut between the two tells too much, never too little."""
    board.next_run()
    told: list[bytes] = []
    remove = board.logbook.flash.remove_run

    def look(run: int) -> int:
        journal = next((board.root / "log").glob("*/journal")).read_bytes()
        told.append(struct.pack("<I8s", run, b"logid123"))
        assert told[-1] in journal
        return remove(run)

    monkeypatch.setattr(board.logbook.flash, "remove_run", look)

    assert erase(board, 1, layout.ERASE_UNPULLED) == (1, 0)
    assert len(told) == 1


def test_erasing_takes_flags_it_knows_and_an_open_run(board: BenchBoard) -> None:
    """Who erased what must stand somewhere."""
    board.next_run()
    unknown = struct.pack(layout.ERASE.format, 1, 2)
    assert board.code(layout.MSG_ERASE, unknown) == layout.ERROR_RANGE
    assert board.code(layout.MSG_ERASE, bytes(4)) == layout.ERROR_MALFORMED
    board.logbook.end()

    code, words = words_of(board.ask(layout.MSG_ERASE, bytes(5)))
    assert (code, words) == (layout.ERROR_MALFORMED, "no run is open to record it in")
    assert board.logbook.flash.runs() == [1, 2]


def test_erasing_that_finds_no_room_for_its_event_erases_nothing(board: BenchBoard) -> None:
    """What nobody is told of does not go."""
    board.next_run()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    board.logbook.commit = full  # type: ignore[method-assign]
    request = struct.pack(layout.ERASE.format, 1, layout.ERASE_UNPULLED)

    assert board.code(layout.MSG_ERASE, request) == layout.ERROR_MEMORY_FULL
    assert board.logbook.flash.runs() == [1, 2]


def test_one_run_is_erased_a_pass(board: BenchBoard) -> None:
    """Samples come between."""
    for _ in range(3):
        board.next_run()
    board.say(layout.MSG_ERASE, struct.pack(layout.ERASE.format, 9, layout.ERASE_UNPULLED))
    left: list[int] = []
    for _ in range(5):
        left.append(len(board.logbook.flash.runs()))
        board.turn()

    assert left == [4, 3, 2, 1, 1]


@pytest.mark.parametrize("names_left", [0, 1, 2])
def test_a_cut_during_an_erasure_leaves_nothing_that_a_boot_takes_for_a_run(
    tmp_path: Path, names_left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next boot erases the rest."""
    board = BenchBoard(tmp_path)
    run = board.next_run()
    real, left = os.remove, [2 - names_left]

    def cut(path: str) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        real(path)

    monkeypatch.setattr("dewarlog_firmware.flash_log.os.remove", cut)
    monkeypatch.setattr("dewarlog_firmware.flash_log.os.rmdir", cut)
    with pytest.raises(KeyboardInterrupt):
        board.logbook.flash.remove_run(run)
    monkeypatch.undo()
    board.close()
    flash = FlashLog(str(tmp_path / "log"))

    assert flash.runs() == [2]
    assert flash.open_run() is not None
    names = sorted(entry.name for entry in (tmp_path / "log").iterdir())
    assert names == ["00000002", "counter"]
