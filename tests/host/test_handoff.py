"""A handoff at the door: synced, checked, recorded and receipted, or a clear reason why not."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.testing import CliRunner

from crashes import Killed, Killer
from dewarlog import cli, handoff
from dewarlog.archive import Archive
from dewarlog.cli import reach as cli_reach
from dewarlog.errors import (
    DewarlogError,
    ExitCode,
    NoDewar,
    NotRecorded,
    SeveralDewars,
    Unplugged,
)
from dewarlog.keys import BoardKeys, KeyStore
from dewarlog.pull import PullOptions, pull
from dewarlog.receipt import HeldLog, read_receipt
from dewarlog_wire import layout, proof
from dewarlog_wire.events import read_handoff
from door_board import DEVICE_ID, DEVICE_KEY, DoorLink, GrowingStore
from log_writer import DEGC, LogWriter
from memory_board import StoredRun
from trips import quiet, trip

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COURIER = proof.derived_key(DEVICE_KEY, layout.KEY_COURIER)
RECEIPT = proof.derived_key(DEVICE_KEY, layout.KEY_RECEIPT)
WHO = ("--giver", "A. Jansen", "--receiver", "S. Haddad", "--role", "receiving-site")
NAMES: tuple[str, ...] = (*WHO, "--place", "Ward 4")


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the test machine's disk."""
    monkeypatch.setattr("os.fsync", lambda handle: None)


class Door:
    """A courier's computer, and the board that its port leads to."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.archive = folder / "archive"
        self.keys = KeyStore(folder / "keys")
        self.link = DoorLink()
        monkeypatch.setattr("dewarlog.link.open_link", self._opened)

    def _opened(self, _: str) -> DoorLink:
        self.link.open()
        return self.link

    def pair(self, *, receipts: bool = False) -> None:
        """Keep the board's keys here."""
        self.keys.keep(BoardKeys(DEVICE_ID, COURIER, RECEIPT if receipts else None))

    def run(self, *more: str, names: tuple[str, ...] = NAMES) -> tuple[int, str]:
        """Run the command; return its exit code and all it said."""
        places = ("--archive", str(self.archive), "--keys", str(self.keys.root))
        result = CliRunner().invoke(cli.app, ["handoff", "usb:x", *names, *places, *more])
        return result.exit_code, " ".join(result.output.split())

    def json(self) -> tuple[int, Any]:
        """Run the command with --json."""
        places = ("--archive", str(self.archive), "--keys", str(self.keys.root))
        result = CliRunner().invoke(cli.app, ["handoff", "usb:x", *NAMES, *places, "--json"])
        return result.exit_code, json.loads(result.stdout)

    @property
    def receipts(self) -> list[Path]:
        """Every receipt in the archive."""
        return sorted(self.archive.rglob("*.handoff-*.json"))

    @property
    def log(self) -> Path:
        """The one log in the archive."""
        (found,) = self.archive.rglob("*.dwl")
        return found


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Door:
    """Stand at a door with a board that records."""
    return Door(tmp_path, monkeypatch)


# --- all well ------------------------------------------------------------------------------------
def test_a_handoff_says_one_word_one_sentence_what_to_do_and_who_has_it(door: Door) -> None:
    """And each step before that in a line with its time."""
    door.pair(receipts=True)

    code, output = door.run()

    assert code == ExitCode.USE
    for part in (
        "0.0 s connecting to usb:x",
        f"s logger {DEVICE_ID.hex()}: proven",
        "s checked: USE",
        "s recorded in its log",
        "s the logger signs its log",
        "s the archive holds the record",
        "USE No reading came near a limit that means HOLD",
        "1. Go on with the receiving steps of this shipment.",
        "S. Haddad (receiving site) has the dewar now, from A. Jansen, at Ward 4.",
        "The logger is proven to be the right one, by the courier key, and so is the receipt.",
        "It has signed its log up to this handoff.",
    ):
        assert part in output
    order = ["connecting", "proven", "checked", "recorded", "receipt", "archive holds", "USE No"]
    places = [output.index(part) for part in order]
    assert places == sorted(places)


def test_the_record_stands_in_the_log_the_archive_holds_and_names_its_head(door: Door) -> None:
    """Who, whom, where, what was checked; the log's own chain agrees."""
    _, data = door.json()

    held = HeldLog.read(door.log)
    ((number, event),) = held.handoffs.items()
    assert (event.giver, event.receiver, event.place) == ("A. Jansen", "S. Haddad", "Ward 4")
    assert (event.role_name, event.verdict_word) == ("receiving site", "USE")
    assert held.heads == {number: True}
    assert data["archive_holds_record"] is True
    assert data["receipt"]["number"] == number


def test_the_receipt_holds_every_field_beside_the_log(door: Door) -> None:
    """Body, tag and ids as the logger proved them, and the same again for people."""
    door.pair()
    _, data = door.json()

    (path,) = door.receipts
    receipt = read_receipt(path)
    assert path.parent == door.log.parent
    assert path.name == f"{door.log.stem}.handoff-{receipt.recorded.number}.json"
    assert (receipt.proven, receipt.tag_holds(RECEIPT)) == (True, True)
    assert read_handoff(receipt.body)[-3:] == ("A. Jansen", "S. Haddad", "Ward 4")
    assert json.loads(path.read_text()) == data["receipt"]
    assert any("From A. Jansen to S. Haddad" in line for line in data["receipt"]["text"])


def test_without_a_key_it_goes_on_and_says_so_in_the_receipt_too(door: Door) -> None:
    """Not proven is no reason to leave a dewar at the door, but nobody is told otherwise."""
    code, output = door.run()

    assert code == ExitCode.USE
    assert f"logger {DEVICE_ID.hex()}: not proven" in output
    assert "Not proven: this computer has no key" in output
    receipt = read_receipt(door.receipts[0])
    assert receipt.proven is False
    assert any(line.startswith("Not proven: the computer") for line in receipt.lines())
    assert layout.MSG_AUTH not in door.link.kinds_sent


def test_only_what_the_archive_lacks_is_fetched(door: Door) -> None:
    """Another pull has been here before: its bytes are not sent again."""
    link = DoorLink(door.link.store)
    pull(link, Archive(door.archive), PullOptions(utc_s=lambda: 0), clock=link.clock)
    before = len(door.link.store.log_bytes(7))

    door.run()

    sent = sum(length for _, length in door.link.data)
    assert sent == len(door.link.store.log_bytes(7)) - before


def test_every_conversation_is_proven(door: Door) -> None:
    """One up to the check, one from the record on: another board cannot slip in between.

    There are no more: at a door each costs two round trips.
    """
    door.pair()

    door.run()

    kinds = door.link.kinds_sent
    assert kinds.count(layout.MSG_HELLO) == kinds.count(layout.MSG_AUTH) == 2
    assert kinds.index(layout.MSG_HANDOFF) == kinds.index(layout.MSG_CONFIRM) + 3


def test_the_board_is_told_the_time_once_unless_told_not_to(door: Door) -> None:
    """As a pull does."""
    door.run("--no-tell-time")
    assert door.link.device.time_set is None
    door.run("--time-error-ms", "40")
    assert door.link.device.time_set is not None
    assert door.link.device.time_set[2] == 40
    assert door.link.kinds_sent.count(layout.MSG_TIME) == 1


def test_a_second_handoff_has_a_receipt_of_its_own(door: Door) -> None:
    """The first one stays as it is, and the log holds both."""
    door.run()
    first = door.receipts[0].read_bytes()

    door.run()

    assert len(door.receipts) == 2
    assert first in [path.read_bytes() for path in door.receipts]
    assert len(HeldLog.read(door.log).handoffs) == 2


# --- verdicts ------------------------------------------------------------------------------------
def warm(hour: int, readings: list[list[int]]) -> list[Any]:
    """Leave the dewar warm for an hour."""
    if hour == 1:
        readings[0][:] = [round(-120 * DEGC)] * len(readings[0])
    return []


def test_a_dewar_on_hold_changes_hands_with_its_hold(door: Door) -> None:
    """The record, the receipt, the screen and the exit code all say HOLD."""
    writer = trip(2, change=warm, writer=LogWriter(channels=2), stop=False)
    door.link = DoorLink(GrowingStore(writer))

    code, output = door.run()

    assert code == ExitCode.HOLD
    assert "checked: HOLD" in output
    assert " below" not in output
    assert "Do not use the product, and do not discard it." in output
    assert "S. Haddad (receiving site) has the dewar now" in output
    assert read_receipt(door.receipts[0]).handoff.verdict_word == "HOLD"


def test_a_log_that_is_not_intact_is_handed_over_as_such(door: Door) -> None:
    """Damaged on the board itself: the bytes are its own, and the word is NOT INTACT."""
    store = door.link.store
    data = bytearray(store.writer.data)
    data[store.writer.offsets[1] + 60] ^= 1
    store.writer.data = data
    store.runs[7].segments = [bytes(data)]

    code, output = door.run()

    assert code == ExitCode.NOT_INTACT
    assert "checked: NOT INTACT" in output
    assert read_receipt(door.receipts[0]).handoff.verdict_word == "NOT INTACT"


def test_a_log_without_a_reading_is_no_data(door: Door) -> None:
    """There is nothing to judge, and the record says so."""
    writer = LogWriter(channels=2)
    writer.start()
    door.link = DoorLink(GrowingStore(writer))

    code, output = door.run()

    assert code == ExitCode.NO_DATA
    assert "checked: NO DATA" in output
    assert read_receipt(door.receipts[0]).handoff.verdict_word == "NO DATA"


def test_a_log_other_than_the_one_held_is_tampering(door: Door) -> None:
    """The archive holds another block: NOT INTACT, and the block is named."""
    door.run()
    door.link.store.runs[7].closed = True  # filed for good by this pull
    door.run()
    other = trip(
        2,
        change=lambda hour, readings: readings.__setitem__(0, quiet(99 + hour)) or [],
        writer=LogWriter(channels=2),
        stop=False,
    )
    store = GrowingStore(other)
    store.runs[7].closed = True
    door.link = DoorLink(store)

    code, output = door.run()

    assert code == ExitCode.NOT_INTACT
    assert "NOT INTACT TAMPERING: logger 0102030405060708, run 7: block 1 is not" in output
    assert "Do not use the product, and do not discard it." in output


# --- the journey ---------------------------------------------------------------------------------
HOURS_2: Final = 2 * 3600
DAY_S: Final = 24 * 3600


def after_another_run(
    door: Door,
    ahead_s: int,
    change: Callable[[int, list[list[int]]], list[Any]] | None = warm,
    hours: int = 2,
) -> None:
    """Put a run into the board's memory that began `ahead_s` before the open one."""
    earlier = trip(hours, change=change, writer=LogWriter(run=6, channels=2), ahead_s=-ahead_s)
    run = StoredRun([bytes(earlier.data)], bytes(range(8)), closed=True)
    door.link.store.runs = {6: run, 7: door.link.store.runs[7]}


def warm_at_once(hour: int, readings: list[list[int]]) -> list[Any]:
    """Leave the dewar warm from the first hour on."""
    return warm(1, readings)


def test_a_run_that_ended_shortly_before_decides_with_the_open_one(door: Door) -> None:
    """The gravest verdict is recorded and shown, and the run named."""
    after_another_run(door, HOURS_2 + 60)

    code, output = door.run()

    assert code == ExitCode.HOLD
    assert "checked: HOLD, for run 6 of this journey" in output
    assert "HOLD Earlier on this journey, in run 6: Probe 1" in output
    assert "Do not use the product, and do not discard it." in output
    assert "00000006-0001020304050607.dwl" in output
    (path,) = door.receipts
    receipt = read_receipt(path)
    assert (receipt.handoff.verdict_word, receipt.recorded.run) == ("HOLD", 7)
    assert HeldLog.read(path.parent / receipt.log).heads == {receipt.recorded.number: True}


def test_a_calm_run_before_leaves_the_open_one_to_decide(door: Door) -> None:
    """Both are pulled and judged; nothing is said of the earlier one but that it came."""
    after_another_run(door, HOURS_2 + 60, change=None)

    code, data = door.json()

    assert (code, data["verdict"], data["decides_run"]) == (ExitCode.USE, "USE", 7)
    assert [check["verdict"] for check in data["earlier_checks"]] == ["USE"]
    assert any("run 6, before this one" in step for step in data["course"])


def test_a_run_of_another_journey_does_not_decide(door: Door) -> None:
    """It ended more than a day before the open one began."""
    after_another_run(door, HOURS_2 + DAY_S + 60)

    code, output = door.run()

    assert (code, "checked: USE" in output) == (ExitCode.USE, True)
    assert "Earlier on this journey" not in output


def test_a_run_before_is_pulled_once(door: Door) -> None:
    """At the next handoff the archive holds it, and it decides all the same."""
    after_another_run(door, HOURS_2 + 60)
    door.run()
    sent = len(door.link.data)

    code, output = door.run()

    more = sum(length for _, length in door.link.data[sent:])
    assert (code, more < 2000, "run 6, before" in output) == (ExitCode.HOLD, True, False)


def test_a_run_before_that_is_another_than_the_one_held_is_tampering(door: Door) -> None:
    """NOT INTACT, with the block, whatever the open run says."""
    after_another_run(door, HOURS_2 + 60, change=None)
    door.run()
    after_another_run(door, HOURS_2 + 60, change=warm_at_once, hours=1)

    code, output = door.run()

    assert code == ExitCode.NOT_INTACT
    assert "TAMPERING: logger 0102030405060708, run 6: block 1 is not" in output
    words = {read_receipt(path).handoff.verdict_word for path in door.receipts}
    assert words == {"USE", "NOT INTACT"}


# --- a board that is not what it says ------------------------------------------------------------
@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32])
def test_a_logger_that_does_not_take_the_key_stops_before_anything_is_done(
    door: Door, key: bytes
) -> None:
    """Nothing is pulled, recorded or written."""
    door.keys.keep(BoardKeys(DEVICE_ID, key))

    code, output = door.run()

    assert code == ExitCode.DEVICE
    assert "does not take the key this computer holds" in output
    assert (door.link.door.handoffs, door.link.data, door.receipts) == ([], [], [])
    assert not door.archive.exists()


def lie_in(kind: int, lie: Callable[[bytes], bytes]) -> Callable[[int, bytes], bytes]:
    """Change one kind of reply."""
    return lambda request, reply: lie(reply) if request == kind else reply


def test_a_wrong_proof_stops_before_anything_is_done(door: Door) -> None:
    """This is not the logger it says it is."""
    door.pair()
    door.link.lie = lie_in(layout.MSG_AUTH, lambda reply: bytes(16))

    code, output = door.run()

    assert code == ExitCode.DEVICE
    assert "This is not the logger it says it is" in output
    assert (door.link.door.handoffs, door.receipts, door.archive.exists()) == ([], [], False)


def test_a_wrong_tag_leaves_no_receipt(door: Door) -> None:
    """Where the receipt key is here; what carries no proof is no receipt."""
    door.pair(receipts=True)
    honest = door.link.door.handoff

    def forge(body: bytes) -> tuple[int, int, int, int, bytes] | None:
        answer = honest(body)
        return None if answer is None else (*answer[:-1], bytes(32))

    door.link.door.handoff = forge  # type: ignore[method-assign]

    code, output = door.run()

    assert code == ExitCode.DEVICE
    assert "its receipt does not carry that logger's proof" in output
    assert door.receipts == []


def test_a_logger_that_does_not_sign_hands_over_all_the_same(door: Door) -> None:
    """It is said, in the receipt by what is not in it; nothing else is wanting."""
    door.pair()
    door.link.door.signing_refused = True

    code, output = door.run()

    assert code == ExitCode.USE
    assert "note: not signed: a signature is worked on" in output
    assert read_receipt(door.receipts[0]).signed is None


def test_the_receipt_holds_the_signature_over_the_head_that_holds_the_record(door: Door) -> None:
    """It covers the handoff, and holds by the board's public key."""
    door.run()

    receipt = read_receipt(door.receipts[0])
    assert receipt.signed is not None
    key = door.link.door.signing_key().public_key()
    key.verify(receipt.signed.signature, receipt.signed.message(DEVICE_ID))
    assert receipt.signed.blocks > receipt.handoff.blocks


def test_a_signature_that_the_boards_own_key_denies_is_no_signature(door: Door) -> None:
    """This computer took the public key by cable: it looks at once, not when it is too late."""
    keys = BoardKeys(DEVICE_ID, COURIER, public_key=bytes.fromhex("d75a980182b10ab7") * 4)
    door.keys.keep(keys)

    code, output = door.run()

    assert code == ExitCode.USE
    assert "its signature does not hold by the public key it gave this computer" in output
    assert read_receipt(door.receipts[0]).signed is None


def test_a_signature_that_ends_before_the_handoff_is_not_said_to_cover_it(door: Door) -> None:
    """The board signs an older head than the one that holds the record."""
    device = door.link.door
    device.head = lambda _run: (bytes(range(8)), 1, bytes(32), 0, 0)  # type: ignore[method-assign]
    door.pair()

    _, output = door.run()

    assert "note: not signed: what it signed ends before this handoff" in output
    assert "It has signed its log" not in output


def test_a_log_that_is_not_what_was_signed_is_a_contradiction(door: Door) -> None:
    """The head that was signed is not the one that the log has after so many blocks."""
    device = door.link.door
    honest = device.head

    def lie(run: int) -> tuple[bytes, int, bytes, int, int]:
        log_id, blocks, _, uptime_s, uptime_ms = honest(run)
        return log_id, blocks, bytes(32), uptime_s, uptime_ms

    device.head = lie  # type: ignore[method-assign]
    door.pair()

    code, output = door.run()

    assert code == ExitCode.NOT_INTACT
    assert "the log is not the one that the logger signed" in output


@pytest.mark.parametrize(
    ("paired", "words"),
    [
        (True, "The logger had proven itself to the computer that wrote this."),
        (False, "Not proven: the computer that wrote this had no key or token to use."),
    ],
)
def test_a_receipt_names_no_key_that_was_not_used(door: Door, words: str, *, paired: bool) -> None:
    """A token proves as well as a key."""
    if paired:
        door.pair()
    door.run()

    assert words in read_receipt(door.receipts[0]).lines()


def test_ctrl_c_while_the_logger_signs_leaves_the_receipt(door: Door) -> None:
    """The handoff is recorded by then."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    door.link.door.sign = interrupt  # type: ignore[method-assign,assignment]

    code, _ = door.run()

    assert code == ExitCode.INTERRUPTED
    assert len(door.receipts) == 1


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        (lambda reply: (9).to_bytes(4, "little") + reply[4:], "in run 9, not in the open run 7"),
        (lambda reply: reply[:-1], "handoff_reply has 45 bytes"),
        (lambda reply: b"", "handoff_reply has 0 bytes"),
    ],
)
def test_an_answer_that_breaks_the_protocol_leaves_no_receipt(
    door: Door, lie: Callable[[bytes], bytes], words: str
) -> None:
    """Whether the record stands nobody can say, and that is what is said."""
    door.link.lie = lie_in(layout.MSG_HANDOFF, lie)

    code, output = door.run()

    assert code == ExitCode.DEVICE
    assert words in output
    assert "It is not known whether the handoff stands in its log" in output
    assert door.receipts == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(2, "contradicts the logger's answer in number"), (900, "the log ends before it")],
)
def test_a_wrong_number_is_found_out_when_the_record_is_pulled(
    door: Door, number: int, words: str
) -> None:
    """Another event stands there, or none; without the receipt key only the log tells."""
    packed = number.to_bytes(4, "little")
    door.link.lie = lie_in(layout.MSG_HANDOFF, lambda reply: reply[:4] + packed + reply[8:])

    code, output = door.run()

    assert words in output
    assert code == (ExitCode.NOT_INTACT if number == 2 else ExitCode.USE)


def test_another_board_in_the_middle_is_noticed(door: Door) -> None:
    """The device id of every conversation must be the first one's."""
    hellos: list[bytes] = []

    def lie(reply: bytes) -> bytes:
        hellos.append(reply)
        return reply.replace(DEVICE_ID, b"another!") if len(hellos) == 2 else reply

    door.link.lie = lie_in(layout.MSG_HELLO, lie)

    code, output = door.run()

    assert code == ExitCode.DEVICE
    assert "became logger" in output
    assert "The handoff is not recorded; there is no receipt." in output
    assert (door.link.door.handoffs, door.receipts) == ([], [])


# --- a board that cannot -------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "words"),
    [(0, "it is not recording"), (layout.STATUS_MEMORY_FULL, "its memory is full")],
)
def test_without_an_open_run_there_is_nothing_to_record_in(
    door: Door, state: int, words: str
) -> None:
    """Said before anything is done, with what can be done."""
    door.link.door.state = state

    code, output = door.run()

    assert code == ExitCode.DEVICE
    assert words in output
    assert "`dewarlog pull --check` still brings its log" in output
    assert (door.link.data, door.receipts) == ([], [])


def test_firmware_that_knows_no_handoff_is_named(door: Door) -> None:
    """By its feature bits."""
    door.link.door.features = 0

    code, output = door.run()

    assert (code, "its firmware knows none" in output) == (ExitCode.DEVICE, True)


def test_a_full_memory_refuses_the_record_and_leaves_no_receipt(door: Door) -> None:
    """The log was pulled and checked all the same, and the verdict is said."""
    door.link.store.full = True

    code, output = door.run()

    assert code == ExitCode.DEVICE
    assert (
        "The log was pulled and checked (USE), but: The logger refused HANDOFF: memory full"
        in (output)
    )
    assert "The handoff is not recorded; there is no receipt." in output
    assert (door.receipts, door.log.exists()) == ([], True)


def test_a_board_that_cannot_seal_gives_the_record_in_its_journal(door: Door) -> None:
    """The archive holds it all the same."""
    door.link.store.seals_refused = True

    code, output = door.run()

    assert code == ExitCode.USE
    assert "the archive holds the record" in output
    assert len(HeldLog.read(door.log).handoffs) == 1


def test_a_board_that_offers_no_log_is_no_data(door: Door) -> None:
    """It says that it records, and lists nothing."""
    door.link.store.runs.clear()

    code, output = door.run()

    assert (code, "gives no log of the run" in output) == (ExitCode.NO_DATA, True)
    assert door.receipts == []


# --- cuts ----------------------------------------------------------------------------------------
def cut(frame: int, direction: str) -> Callable[[str, int, bytes], bytes]:
    """Pull the line out before a frame of that number and direction arrives."""

    def fault(where: str, index: int, wire: bytes) -> bytes:
        if where == direction and index >= frame:
            raise Unplugged("usb:x", "cut by the test")
        return wire

    return fault


@pytest.mark.parametrize("direction", ["out", "in"])
def test_a_cut_at_every_frame_leaves_no_receipt_without_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    """The archive is never half-written, and running the command again ends well."""
    plain = Door(tmp_path / "plain", monkeypatch)
    plain.pair()
    plain.run()
    frames = plain.link.sent_out if direction == "out" else plain.link.sent_in
    wrong: list[tuple[int, str]] = []

    for frame in range(frames):
        door = Door(tmp_path / str(frame), monkeypatch)
        door.pair()
        store = door.link.store
        door.link = DoorLink(store, fault=cut(frame, direction))
        code, output = door.run()
        recorded = len(door.link.door.handoffs)
        if len(door.receipts) > recorded:
            wrong.append((frame, "a receipt without a record"))
        if code != ExitCode.DEVICE and len(door.receipts) != 1:
            wrong.append((frame, f"ended with {code}: {output}"))
        if code == ExitCode.DEVICE and recorded and "not known whether" not in output:
            wrong.append((frame, f"a record nobody tells of: {output}"))
        logs = list(Archive(door.archive).filed())
        if any(not store.log_bytes(7).startswith(log.path.read_bytes()) for log in logs):
            wrong.append((frame, "other bytes"))
        door.link = DoorLink(store)
        code, output = door.run()
        if (code, "the archive holds the record" in output) != (ExitCode.USE, True):
            wrong.append((frame, f"the second run: {output}"))
        if recorded and not door.receipts and "recorded in its log already" not in output:
            wrong.append((frame, f"a record that was not recognised: {output}"))

    assert frames > 15
    assert wrong == []


def test_a_crash_at_any_step_leaves_no_receipt_without_its_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This program ends at any change to the file system: files are whole or not there."""
    killer = Killer(monkeypatch)
    plain = Door(tmp_path / "plain", monkeypatch)
    plain.run()
    steps = killer.count
    wrong: list[tuple[int, str]] = []

    for step in range(steps):
        door = Door(tmp_path / str(step), monkeypatch)
        killer.left = step
        with pytest.raises(Killed):
            door.run()
        killer.left = -1
        if len(door.receipts) > len(door.link.door.handoffs):
            wrong.append((step, "a receipt without a record"))
        for path in door.receipts:
            read_receipt(path)
        code, output = door.run()
        if (code, "the archive holds the record" in output) != (ExitCode.USE, True):
            wrong.append((step, output))

    assert steps > 15
    assert wrong == []


def test_a_line_cut_behind_the_record_leaves_receipt_and_reason(door: Door) -> None:
    """The dewar has changed hands; only the archive does not hold the record yet."""

    def after_the_record(direction: str, index: int, wire: bytes) -> bytes:
        if door.link.door.handoffs and door.link.kinds_sent[-1] == layout.MSG_SEAL:
            raise Unplugged("usb:x", "cut by the test")
        return wire

    door.link.fault = after_the_record

    code, output = door.run()

    assert code == ExitCode.USE
    assert "note: the archive does not hold the record yet: usb:x: the port went away" in output
    assert len(door.receipts) == 1


def test_a_board_that_falls_silent_at_the_record_is_told_apart_from_a_refusal(
    door: Door,
) -> None:
    """NotRecorded, perhaps: the record may stand."""
    course = handoff.HandoffCourse(
        door.link,
        Archive(door.archive),
        door.keys,
        say=lambda _: None,
        bar=lambda: cli_reach.progress_bar(show=False),
        clock=door.link.clock,
    )

    def silent(direction: str, index: int, wire: bytes) -> bytes:
        return b"" if door.link.kinds_sent[-1] == layout.MSG_HANDOFF else wire

    door.link.fault = silent

    with pytest.raises(NotRecorded) as caught:
        course.run(handoff.Parties("A", "B", 0, "C"))

    assert (caught.value.perhaps, caught.value.verdict) == (True, "USE")
    assert "no answer to HANDOFF" in str(caught.value)


def test_no_room_for_the_receipt_is_told_with_the_event(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record stands in the log: nobody hands the dewar over twice for want of a file."""

    def full(path: Path, data: bytes) -> None:
        raise OSError(28, "no space left on device", str(path))

    monkeypatch.setattr("dewarlog.receipt.write_for_good", full)

    code, output = door.run()

    assert code == ExitCode.STORAGE
    assert "recorded by the logger as event" in output
    assert door.receipts == []


# --- a lost answer -------------------------------------------------------------------------------
def answer_lost(door: Door) -> int:
    """Hand over, the answer to HANDOFF being lost; return the number of the record."""

    def fault(direction: str, index: int, wire: bytes) -> bytes:
        if door.link.door.handoffs and direction == "out":
            raise Unplugged("usb:x", "cut by the test")
        return wire

    door.link.fault = fault
    code, output = door.run()
    assert (code, "Run the command again: it looks" in output) == (ExitCode.DEVICE, True)
    store = door.link.store
    number = store.writer.next_event + len(store.waiting) - 1
    door.link = DoorLink(store)
    return number


def test_a_record_whose_answer_was_lost_is_found_and_not_made_twice(door: Door) -> None:
    """The second run says which it is and since when, and how to come by a receipt."""
    number = answer_lost(door)

    code, output = door.run()

    assert code == ExitCode.USE
    assert f"This handoff stands in the log already, as event {number}, recorded" in output
    assert "it was not recorded again" in output
    assert "S. Haddad (receiving site) has the dewar now" in output
    assert (list(HeldLog.read(door.log).handoffs), door.receipts) == ([number], [])


def test_a_found_record_is_told_to_programs(door: Door) -> None:
    """No receipt, the event, and how long it had stood."""
    number = answer_lost(door)

    _, data = door.json()

    assert (data["event"], data["receipt"], data["receipt_file"]) == (number, None, None)
    assert data["archive_holds_record"] is True
    assert 0 <= data["recorded_before_s"] < 60


def test_again_records_it_anew_with_a_receipt(door: Door) -> None:
    """The log then holds both."""
    first = answer_lost(door)

    door.run("--again")

    (receipt,) = door.receipts
    assert list(HeldLog.read(door.log).handoffs) == [first, read_receipt(receipt).recorded.number]


@pytest.mark.parametrize(
    "names",
    [(*WHO, "--place", "Ward 5"), ("--giver", "B", *WHO[2:], "--place", "Ward 4")],
)
def test_another_handoff_than_the_lost_one_is_recorded(door: Door, names: tuple[str, ...]) -> None:
    """Other people, or another place."""
    first = answer_lost(door)

    door.run(names=names)

    assert len(door.receipts) == 1
    assert len(HeldLog.read(door.log).handoffs) == 2
    assert first in HeldLog.read(door.log).handoffs


def test_the_same_handoff_long_after_is_another_one(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a quarter of an hour nobody is still at the door with a lost answer."""
    answer_lost(door)
    now_s = time.time()
    monkeypatch.setattr("time.time", lambda: now_s + handoff.SAME_HANDOFF_S + 60)

    door.run()

    assert (len(door.receipts), len(HeldLog.read(door.log).handoffs)) == (1, 2)


# --- what is typed -------------------------------------------------------------------------------
@pytest.mark.parametrize("missing", ["--giver", "--receiver", "--role", "--place"])
def test_a_missing_name_is_asked_for_by_its_option(door: Door, missing: str) -> None:
    """Where no person can be asked, the command line is wrong, and the port stays closed."""
    at = NAMES.index(missing)

    code, output = door.run(names=NAMES[:at] + NAMES[at + 2 :])

    assert (code, f"Invalid value for {missing}: it is missing" in output) == (
        ExitCode.USAGE,
        True,
    )
    assert door.link.opens == 0


def test_a_person_is_asked_for_what_is_missing(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal; a wrong answer is asked again."""
    monkeypatch.setattr("dewarlog.cli.door._is_terminal", lambda: True)
    places = ("--archive", str(door.archive), "--keys", str(door.keys.root))
    answers = "\x1b[2J\nA. Jansen\nS. Haddad\npilot\ndepot\nDock 2\n"

    result = CliRunner().invoke(cli.app, ["handoff", "usb:x", *places], input=answers)

    assert result.exit_code == ExitCode.USE
    assert "it holds a control character" in result.output
    assert "is no role" in result.output
    assert read_receipt(door.receipts[0]).handoff.role_name == "depot"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is empty"),
        ("   ", "it is empty"),
        ("x" * 60, "it takes 60 bytes of UTF-8, and 59 fit"),
        ("\u00e9" * 30, "it takes 60 bytes"),
        ("A\nB", "it holds a control character: A\\x0aB"),
        ("A\x1b[31m", "control character"),
        ("A\u202eB", "control character: A\\u202eB"),
    ],
)
@pytest.mark.parametrize("option", ["--giver", "--receiver", "--place"])
def test_a_text_that_cannot_be_recorded_is_wrong_use(
    door: Door, option: str, text: str, words: str
) -> None:
    """Too long, empty, or written to deceive a terminal: refused before the port is opened."""
    names = list(NAMES)
    names[names.index(option) + 1] = text

    code, output = door.run(names=tuple(names))

    assert (code, door.link.opens) == (ExitCode.USAGE, 0)
    assert words in output


def test_the_longest_names_fit(door: Door) -> None:
    """59 bytes each, in one request."""
    longest = "\u00e9" * 29 + "x"
    names = ("--giver", longest, "--receiver", longest, "--role", "other", "--place", longest)

    assert door.run(names=names)[0] == ExitCode.USE
    assert read_receipt(door.receipts[0]).handoff.giver == longest


def test_an_unknown_role_is_wrong_use(door: Door) -> None:
    """With the ones there are."""
    names = tuple("pilot" if name == "receiving-site" else name for name in NAMES)

    code, output = door.run(names=names)

    assert (code, "courier, depot, receiving-site" in output) == (ExitCode.USAGE, True)


# --- which dewar ---------------------------------------------------------------------------------
def test_the_only_dewar_on_the_air_is_chosen() -> None:
    """None, or more than one, is said with what to do."""
    assert handoff.only_one(["ble:dewarlog-0708"]) == "ble:dewarlog-0708"
    with pytest.raises(NoDewar, match="flight mode"):
        handoff.only_one([])
    with pytest.raises(SeveralDewars) as caught:
        handoff.only_one(["ble:dewarlog-0708", "ble:dewarlog-0910"])
    assert "2 loggers are on the air" in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_keys_that_others_can_read_stop_the_handoff(door: Door) -> None:
    """They prove nothing; the sentence says what to do."""
    door.pair()
    os.chmod(door.keys.path(DEVICE_ID), 0o644)  # noqa: PTH101 - as a slip of the hand does it

    code, output = door.run()

    assert (code, "others on this computer may know this key" in output) == (
        ExitCode.STORAGE,
        True,
    )
    assert (door.link.door.handoffs, door.receipts) == ([], [])


def test_every_error_of_a_handoff_is_of_the_package() -> None:
    """So that each ends with a sentence and a code of its own."""
    assert issubclass(NotRecorded, DewarlogError)
    assert NotRecorded("USE", NoDewar(), perhaps=False).exit_code == ExitCode.DEVICE
