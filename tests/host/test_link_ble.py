"""The radio link over the board's real server behind GATT in memory: found, met, lost, found.

bleak itself is the real one; only its backends are in memory. test_bluez.py runs one of its own.
"""

from __future__ import annotations

import random
import signal
import struct
import threading
import time
from typing import TYPE_CHECKING

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
)
from typer.testing import CliRunner

from dewarlog import cli, fetch, session
from dewarlog.archive import Archive
from dewarlog.errors import (
    AirMissing,
    BadDeviceName,
    DewarlogError,
    ExitCode,
    Incomplete,
    LinkError,
    NoAnswer,
    NoBluetooth,
    NotHeard,
    NotOurs,
    OutOfRange,
    PeerViolation,
    Stranger,
    TwoOfOneName,
)
from dewarlog.link import open_link, radio
from dewarlog.link.ble import BleLink, Waits
from dewarlog.pull import OUT_OF_RANGE, Progress, PullOptions, PullResult, pull
from dewarlog.session import Session
from dewarlog_wire import layout
from dewarlog_wire.frame import encode_frame
from memory_air import ADDRESS, Cut, MemoryAir, MemoryPeripheral
from memory_board import DEVICE_ID, MemoryStore, StoredRun, make_log

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

WAITS = Waits(find_s=0.3, settle_s=0.05, connect_s=2.0, write_s=1.0, mtu_s=1.0)


@pytest.fixture(autouse=True)
def clean_radio(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """End the radio's thread after each test, so that whatever it leaves open is found."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    yield
    radio.end()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait tenths of seconds where a person would wait seconds."""
    monkeypatch.setattr(session, "HELLO_AGAIN_S", 0.05)
    monkeypatch.setattr(session, "HELLO_GIVE_UP_S", 0.3)
    monkeypatch.setattr(session, "REQUEST_AGAIN_S", 0.05)
    monkeypatch.setattr(session, "REQUEST_GIVE_UP_S", 0.3)
    monkeypatch.setattr(session, "REOPEN_EVERY_S", 0.02)
    steps = ((0.1, 1), (0.2, 2), (0.4, 0))
    monkeypatch.setattr(fetch, "_STEPS", steps)


def small_store() -> MemoryStore:
    """Return a board with one run of three segments."""
    return MemoryStore({7: StoredRun(make_log(7, [900] * 30, 12000))})


def link_to(*peripherals: MemoryPeripheral, wanted: str = ADDRESS) -> BleLink:
    """Return a link, not yet open, with these on the air."""
    return BleLink(wanted, MemoryAir(list(peripherals)).backends(), WAITS)


def pull_now(
    link: BleLink, root: Path, progress: Callable[[Progress], None] | None = None
) -> PullResult:
    """Open the link and pull everything into an archive at `root`."""
    try:
        link.open()
        return pull(link, Archive(root), PullOptions(utc_s=lambda: 1000), progress=progress)
    finally:
        link.close()


def cut_once_at(notification: int) -> Callable[[str, int, bytes], bytes | None]:
    """Return a fault that loses the connection before one notification, once."""
    fresh = [True]

    def fault(direction: str, index: int, value: bytes) -> bytes:
        if direction == "out" and index >= notification and fresh:
            fresh.clear()
            raise Cut
        return value

    return fault


# --- whom it finds -------------------------------------------------------------------------------
@pytest.mark.parametrize("wanted", ["dewarlog-4b2f", "4B2F", ADDRESS.lower(), DEVICE_ID.hex()])
def test_a_dewar_is_found_by_name_digits_or_address(wanted: str) -> None:
    """Among others on the air."""
    other = MemoryPeripheral(address="11:22:33:44:55:66", name="dewarlog-ffff")
    peripheral = MemoryPeripheral()
    link = link_to(other, peripheral, wanted=wanted)

    link.open()
    link.close()

    assert (peripheral.connections, other.connections) == (1, 0)


def test_a_name_that_comes_with_the_scan_response_is_waited_for() -> None:
    """The first advertisement has none."""
    air = MemoryAir([MemoryPeripheral()], name_comes_late=True)
    link = BleLink("4b2f", air.backends(), WAITS)

    link.open()
    link.close()


def test_who_never_tells_a_name_is_asked_for_its_device_id() -> None:
    """INFO decides; the wrong one is let go again."""
    wrong = MemoryPeripheral(address="11:22:33:44:55:66", name=None, device_id=bytes(8))
    right = MemoryPeripheral(name=None)
    link = link_to(wrong, right, wanted="4b2f")

    link.open()

    assert (wrong.on_cut, wrong.connections) == (None, 1)
    assert right.on_cut is not None
    link.close()


def test_nobody_on_the_air_is_said_with_who_else_is_there() -> None:
    """And what to do."""
    link = link_to(MemoryPeripheral(), wanted="dewarlog-0000")

    with pytest.raises(NotHeard, match="Go nearer") as caught:
        link.open()

    assert caught.value.heard == (f"ble:{ADDRESS} (dewarlog-4b2f, -60 dBm)",)
    assert caught.value.exit_code == ExitCode.DEVICE


def test_two_of_one_name_are_both_named_and_neither_is_taken() -> None:
    """The person chooses, by address."""
    other = MemoryPeripheral(address="11:22:33:44:55:66")
    peripheral = MemoryPeripheral()
    link = link_to(other, peripheral, wanted="dewarlog-4b2f")

    with pytest.raises(TwoOfOneName) as caught:
        link.open()

    assert all(address in str(caught.value) for address in (ADDRESS, "11:22:33:44:55:66"))
    assert caught.value.exit_code == ExitCode.USAGE
    assert peripheral.connections == other.connections == 0


def test_of_two_with_one_name_an_address_takes_one() -> None:
    """No question about it."""
    other = MemoryPeripheral(address="11:22:33:44:55:66")
    link = link_to(other, MemoryPeripheral(), wanted="11:22:33:44:55:66")

    link.open()
    link.close()

    assert other.connections == 1


# --- strangers -----------------------------------------------------------------------------------
def _without_data(peripheral: MemoryPeripheral) -> None:
    del peripheral.characteristics[layout.BLE_DATA_UUID]


def _control_indicates(peripheral: MemoryPeripheral) -> None:
    peripheral.characteristics[layout.BLE_CONTROL_UUID] = ("write", "indicate")


def _short_info(peripheral: MemoryPeripheral) -> None:
    peripheral.info = peripheral.info[:-1]


def _no_info(peripheral: MemoryPeripheral) -> None:
    peripheral.info = b""


def _huge_frames(peripheral: MemoryPeripheral) -> None:
    peripheral.info = peripheral.info[:2] + b"\xff\xff" + peripheral.info[4:]


def _another_id(peripheral: MemoryPeripheral) -> None:
    peripheral.info = peripheral.info[:8] + bytes(8)


@pytest.mark.parametrize(
    "change",
    [_without_data, _control_indicates, _short_info, _no_info, _huge_frames, _another_id],
)
def test_a_stranger_with_our_service_is_refused(
    change: Callable[[MemoryPeripheral], None],
) -> None:
    """A clear sentence, and the connection is given up."""
    peripheral = MemoryPeripheral()
    change(peripheral)
    link = link_to(peripheral, wanted="4b2f")

    with pytest.raises(Stranger, match="not the logger asked for"):
        link.open()

    assert peripheral.on_cut is None


def test_a_board_of_another_protocol_is_told_apart_from_a_stranger() -> None:
    """It is a logger, only newer."""
    peripheral = MemoryPeripheral()
    peripheral.info = bytes([9]) + peripheral.info[1:]

    with pytest.raises(PeerViolation, match="protocol version 9"):
        link_to(peripheral).open()

    assert peripheral.on_cut is None


# --- connecting ----------------------------------------------------------------------------------
def test_both_subscriptions_stand_before_the_first_request(tmp_path: Path) -> None:
    """A board answers at once, and what nobody is subscribed to is lost."""
    peripheral = MemoryPeripheral(small_store())

    pull_now(link_to(peripheral), tmp_path)

    assert peripheral.calls[:4] == ["info", "notify b", "notify c", "write"]


def test_only_our_service_is_looked_for_and_discovered() -> None:
    """Both filters spare seconds, and macOS demands the first."""
    air = MemoryAir([MemoryPeripheral()])
    link = BleLink(ADDRESS, air.backends(), WAITS)

    link.open()
    link.close()

    assert air.scans == [[layout.BLE_SERVICE_UUID]]
    assert air.filters == [{layout.BLE_SERVICE_UUID}]


def test_a_connection_that_fails_is_tried_again() -> None:
    """Three tries: a busy room fails two."""
    peripheral = MemoryPeripheral()
    peripheral.refuses_connections = 2
    link = link_to(peripheral)

    link.open()
    link.close()

    assert peripheral.connections == 1


def test_a_connection_that_never_comes_about_is_out_of_range() -> None:
    """With the reason the system gave."""
    peripheral = MemoryPeripheral()
    peripheral.refuses_connections = 99

    with pytest.raises(OutOfRange, match="le-connection-abort-by-local"):
        link_to(peripheral).open()


def test_a_connect_that_hangs_ends_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No stack is trusted to keep its own timeout."""
    air = MemoryAir([MemoryPeripheral()])
    chosen = air.backends()
    assert chosen.client is not None

    async def hang(*_: object, **__: object) -> None:
        await radio.asyncio.sleep(60)

    monkeypatch.setattr(chosen.client, "connect", hang)
    link = BleLink(ADDRESS, chosen, Waits(find_s=0.3, connect_s=0.05, write_s=0.2))
    began_s = time.monotonic()

    with pytest.raises(OutOfRange, match="no answer in time"):
        link.open()

    assert time.monotonic() - began_s < 2


def test_ctrl_c_while_connecting_ends_the_connecting_too() -> None:
    """Nothing stays connected behind a person who gave up."""
    ended: list[str] = []

    async def work() -> None:
        try:
            await radio.asyncio.sleep(60)
        finally:
            await radio.asyncio.sleep(0.05)
            ended.append("cleared up")

    threading.Timer(0.1, signal.raise_signal, (signal.SIGINT,)).start()
    with pytest.raises(KeyboardInterrupt):
        radio.run(work(), 30)

    assert ended == ["cleared up"]


def test_an_mtu_that_windows_tells_late_is_waited_for() -> None:
    """Frames are not cut by the 20 bytes it says at first."""
    peripheral = MemoryPeripheral()
    air = MemoryAir([peripheral], mtu_comes_late=True)
    link = BleLink(ADDRESS, air.backends(), WAITS, mtu_comes_late=True)
    link.open()

    link.send(layout.MSG_MARK, 1, bytes(100))
    link.close()

    assert peripheral.sent_in == 1


def test_an_mtu_that_is_exchanged_later_is_used_from_then_on() -> None:
    """The length of a write is asked for each time, never kept."""
    peripheral = MemoryPeripheral()
    air = MemoryAir([peripheral], mtu_comes_late=True)
    link = BleLink(ADDRESS, air.backends(), WAITS, mtu_comes_late=False)
    link.open()
    writes: list[int] = []
    for _ in range(6):
        before = peripheral.sent_in
        link.send(layout.MSG_MARK, 1, bytes(40))
        writes.append(peripheral.sent_in - before)
    link.close()

    assert writes == [3, 3, 3, 3, 1, 1]


def test_a_write_that_may_only_have_20_bytes_comes_in_pieces() -> None:
    """Each begins where the last ended; the board puts them together."""
    peripheral = MemoryPeripheral(mtu=23)
    link = link_to(peripheral)
    link.open()
    talk = Session(link)
    talk.hello()
    before = peripheral.sent_in

    talk.mark(struct.pack(layout.EVENT_CUSTODY.format, 2, 99) + b"\x02me\x00\x00" + bytes(40))
    link.close()

    assert len(peripheral.device.marks) == 1
    assert peripheral.sent_in - before == 3


# --- pulling -------------------------------------------------------------------------------------
@pytest.mark.parametrize("mtu", [23, 65, 185, 247])
def test_a_pull_files_the_log_byte_for_byte_at_every_mtu(tmp_path: Path, mtu: int) -> None:
    """One code path above the link; notifications as long as the MTU allows."""
    store = small_store()
    peripheral = MemoryPeripheral(store, mtu=mtu)

    result = pull_now(link_to(peripheral), tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert store.runs[7].confirmed_blocks == 30
    assert peripheral.data_bytes == len(store.log_bytes(7))
    assert peripheral.longest <= mtu - 3


def test_a_pull_never_grants_more_than_the_boards_heap_bears(tmp_path: Path) -> None:
    """A window of the longest packets ahead of what is acknowledged, not the file."""
    peripheral = MemoryPeripheral(small_store())
    granted: list[int] = []
    handle = peripheral.server.handle

    def watch(kind: int, seq: int, body: bytes | memoryview) -> None:
        if kind == layout.MSG_READ:
            granted.append(struct.unpack(layout.READ.format, body)[6])
        if kind == layout.MSG_ACK:
            granted.append(struct.unpack(layout.ACK.format, body)[2])
        handle(kind, seq, body)

    peripheral.server.handle = watch

    pull_now(link_to(peripheral), tmp_path)

    assert set(granted) == {21 * 239}
    assert len(granted) > 10


@pytest.mark.usefixtures("quick")
def test_lost_and_damaged_notifications_are_read_again(tmp_path: Path) -> None:
    """One in forty is lost, one in fifty damaged: the same bytes in the end."""
    chance = random.Random(5)

    def fault(_direction: str, _index: int, value: bytes) -> bytes | None:
        if chance.random() < 1 / 40:
            return None
        if chance.random() < 1 / 50:
            at = chance.randrange(len(value))
            return value[:at] + bytes([value[at] ^ 4]) + value[at + 1 :]
        return value

    store = small_store()

    result = pull_now(link_to(MemoryPeripheral(store, fault=fault)), tmp_path)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)


@pytest.mark.usefixtures("quick")
def test_a_cut_at_each_of_200_random_points_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    """The courier walks: the pull finds the dewar again and goes on, at every MTU.

    What comes twice is less than one block: the notification that the cut met.
    """
    store = small_store()
    whole = store.log_bytes(7)
    chance = random.Random(1)
    uncut = {mtu: MemoryPeripheral(store, mtu=mtu) for mtu in (23, 65, 185, 247)}
    for mtu, peripheral in uncut.items():
        pull_now(link_to(peripheral), tmp_path / f"mtu {mtu}")
    cuts = 0
    for cut in range(200):
        mtu = chance.choice(list(uncut))
        point = chance.randrange(uncut[mtu].sent_out)
        peripheral = MemoryPeripheral(store, mtu=mtu, fault=cut_once_at(point))

        result = pull_now(link_to(peripheral), tmp_path / str(cut))

        assert result.logs[0].path.read_bytes() == whole
        assert result.received_bytes == len(whole)
        assert peripheral.data_bytes - len(whole) < mtu
        cuts += peripheral.connections - 1
    assert cuts == 200


@pytest.mark.usefixtures("quick")
def test_the_person_is_told_to_go_nearer_while_the_dewar_is_out_of_range(tmp_path: Path) -> None:
    """Through the progress of the pull; then it goes on."""
    store = small_store()
    peripheral = MemoryPeripheral(store, fault=cut_once_at(60))
    told: list[str] = []

    def progress(now: Progress) -> None:
        told.append(now.what)
        if now.what == OUT_OF_RANGE and told.count(OUT_OF_RANGE) == 1:
            peripheral.in_range = False
            threading.Timer(0.4, setattr, (peripheral, "in_range", True)).start()

    result = pull_now(link_to(peripheral), tmp_path, progress=progress)

    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert told.count(OUT_OF_RANGE) > 1
    assert told[-1] != OUT_OF_RANGE


@pytest.mark.usefixtures("quick")
def test_a_dewar_that_stays_away_ends_the_pull_and_what_came_is_kept(tmp_path: Path) -> None:
    """OutOfRange after the link's patience, nothing filed half; the next pull goes on."""
    store = small_store()
    peripheral = MemoryPeripheral(store)

    def fault(direction: str, index: int, value: bytes) -> bytes:
        if direction == "out" and index >= 60:
            peripheral.in_range = False
            raise Cut
        return value

    peripheral.fault = fault
    link = link_to(peripheral)
    link.patience_s = 0.5

    with pytest.raises(OutOfRange, match="did not come back in") as caught:
        pull_now(link, tmp_path)

    assert caught.value.exit_code == ExitCode.DEVICE
    assert list(tmp_path.rglob("*.dwl")) == []
    again = MemoryPeripheral(store)
    result = pull_now(link_to(again), tmp_path)
    assert result.logs[0].path.read_bytes() == store.log_bytes(7)
    assert 0 < again.data_bytes < len(store.log_bytes(7))


@pytest.mark.usefixtures("quick")
def test_a_dewar_that_comes_back_and_brings_nothing_ends_the_pull(tmp_path: Path) -> None:
    """It can be found for ever, and drops every READ: patience ends all the same."""
    store = small_store()

    def fault(_direction: str, _index: int, value: bytes) -> bytes:
        if value[0] == layout.MSG_DATA_SHORT:
            raise Cut
        return value

    link = link_to(MemoryPeripheral(store, fault=fault))
    link.patience_s = 0.5

    with pytest.raises(OutOfRange):
        pull_now(link, tmp_path)


@pytest.mark.usefixtures("quick")
def test_another_board_at_the_same_address_is_refused(tmp_path: Path) -> None:
    """A pull never goes on with a board that is not the one it began with."""
    store = small_store()
    peripheral = MemoryPeripheral(store)

    def fault(direction: str, index: int, value: bytes) -> bytes:
        if direction == "out" and index == 60:
            peripheral.info = peripheral.info[:8] + bytes(8)
            raise Cut
        return value

    peripheral.fault = fault

    with pytest.raises(Stranger, match="took its place"):
        pull_now(link_to(peripheral), tmp_path)

    assert list(tmp_path.rglob("*.dwl")) == []


@pytest.mark.usefixtures("quick")
def test_a_mark_is_never_asked_twice_over_a_lost_link() -> None:
    """Nobody knows whether it was recorded: twice would be worse than saying so."""
    peripheral = MemoryPeripheral()
    link = link_to(peripheral)
    link.open()
    talk = Session(link)
    talk.hello()
    peripheral.fault = cut_once_at(peripheral.sent_out)

    with pytest.raises(OutOfRange):
        talk.mark(struct.pack(layout.EVENT_CUSTODY.format, 2, 99) + b"\x02me\x00\x00")
    link.close()

    assert len(peripheral.device.marks) == 1


# --- those who answer wrongly --------------------------------------------------------------------
@pytest.mark.usefixtures("quick")
def test_a_board_that_never_answers_is_said_to_be_silent() -> None:
    """NoAnswer, in time."""
    peripheral = MemoryPeripheral()
    peripheral.answers = False
    link = link_to(peripheral)
    link.open()

    with pytest.raises(NoAnswer, match="HELLO"):
        Session(link).hello()
    link.close()


@pytest.mark.usefixtures("quick")
def test_a_board_that_answers_garbage_is_not_ours() -> None:
    """What it said is shown."""
    peripheral = MemoryPeripheral()

    def answer(value: bytes) -> None:
        peripheral.say(layout.BLE_CONTROL_UUID, b"AT+ERROR\r\n")

    peripheral.write = answer
    link = link_to(peripheral)
    link.open()

    with pytest.raises(NotOurs, match=r"AT\+ERROR"):
        Session(link).hello()
    link.close()


@pytest.mark.usefixtures("quick")
def test_a_board_that_lies_about_offsets_breaks_the_protocol(tmp_path: Path) -> None:
    """Sound frames beyond the file's end are refused; nothing is filed."""
    store = small_store()
    peripheral = MemoryPeripheral(store)
    send = peripheral.send

    def lie(frame: bytearray, length: int) -> bool:
        if frame[0] == layout.MSG_DATA:
            struct.pack_into("<I", frame, layout.FRAME_HEAD.size + 2, 20_000)
        return send(frame, length)

    peripheral.send = lie

    with pytest.raises(PeerViolation, match="sends run 7, part 1 up to byte"):
        pull_now(link_to(peripheral), tmp_path)

    assert list(tmp_path.rglob("*.dwl")) == []


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("seed", range(8))
def test_random_notifications_end_in_an_error_of_ours_or_the_right_log(
    tmp_path: Path, seed: int
) -> None:
    """Garbage among the answers costs time, never a wrong byte and never another exception."""
    chance = random.Random(seed)
    store = small_store()
    peripheral = MemoryPeripheral(store)

    def fault(direction: str, _index: int, value: bytes) -> bytes:
        if direction == "out" and chance.random() < 0.05:
            uuid = chance.choice((layout.BLE_CONTROL_UUID, layout.BLE_DATA_UUID))
            junk = chance.randbytes(chance.randrange(244))
            peripheral.say(uuid, chance.choice((junk, bytes(encode_frame(66, 1, junk[:200])))))
        return value

    peripheral.fault = fault
    link = link_to(peripheral)
    link.patience_s = 0.3
    try:
        result = pull_now(link, tmp_path)
    except DewarlogError:
        assert list(tmp_path.rglob("*.dwl")) == []
    else:
        assert result.logs[0].path.read_bytes() == store.log_bytes(7)


def test_a_flood_is_bounded() -> None:
    """What a board sends unasked costs a fixed amount of memory."""
    peripheral = MemoryPeripheral()
    link = link_to(peripheral)
    link.open()
    for _ in range(5000):
        peripheral.say(layout.BLE_DATA_UUID, bytes(244))

    count = 0
    while link.receive(0) is not None:
        count += 1
    link.close()

    assert count == 1024


# --- a link that is not there --------------------------------------------------------------------
def test_a_link_that_is_not_open_says_so() -> None:
    """In both directions, and close is harmless."""
    link = link_to(MemoryPeripheral())
    link.close()

    with pytest.raises(OutOfRange, match="it is not open"):
        link.send(1, 1, b"")
    with pytest.raises(OutOfRange, match="it is not open"):
        link.receive(0)


def test_what_arrived_before_the_loss_is_received_first() -> None:
    """No byte that came is given away."""
    peripheral = MemoryPeripheral()
    link = link_to(peripheral)
    link.open()
    peripheral.say(layout.BLE_DATA_UUID, b"B12")
    peripheral.cut()

    assert link.receive(0) == (layout.MSG_DATA_SHORT, 0, b"B12")
    with pytest.raises(OutOfRange, match="connection was lost"):
        link.receive(1)
    with pytest.raises(OutOfRange, match="connection was lost"):
        link.send(1, 1, b"")
    link.close()


@pytest.mark.parametrize(
    ("error", "cause", "words"),
    [
        (
            BleakBluetoothNotAvailableError(
                "No powered adapters.", BleakBluetoothNotAvailableReason.POWERED_OFF
            ),
            "off",
            "Switch it on",
        ),
        (
            BleakBluetoothNotAvailableError("none", BleakBluetoothNotAvailableReason.NO_BLUETOOTH),
            "absent",
            "USB cable",
        ),
        (
            BleakBluetoothNotAvailableError(
                "classic", BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE
            ),
            "absent",
            "Plug in an adapter",
        ),
        (
            BleakBluetoothNotAvailableError("no", BleakBluetoothNotAvailableReason.DENIED_BY_USER),
            "denied",
            "privacy settings",
        ),
        (
            BleakBluetoothNotAvailableError("?", BleakBluetoothNotAvailableReason.UNKNOWN),
            "failed",
            "off and on",
        ),
        (BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", []), "no service", "bluez"),
        (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", []), "denied", "privacy"),
        (BleakDBusError("org.bluez.Error.NotReady", ["x"]), "off", "Switch it on"),
        (BleakDBusError("org.bluez.Error.InProgress", ["x"]), "busy", "Another program"),
        (FileNotFoundError(2, "No such file"), "no service", "systemctl start bluetooth"),
        (ConnectionRefusedError(111, "refused"), "no service", "systemctl"),
        (PermissionError(13, "Permission denied"), "denied", "privacy"),
        (EOFError(), "no service", "EOFError"),
        (TimeoutError(), "failed", "no answer in time"),
        (ImportError("no dbus_fast"), "failed", "ImportError: no dbus_fast"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_a_radio_that_cannot_be_used_is_explained(
    error: BaseException, cause: str, words: str
) -> None:
    """One sentence that says what is so and what to do."""
    air = MemoryAir([MemoryPeripheral()], radio_error=error)

    with pytest.raises(NoBluetooth) as caught:
        BleLink(ADDRESS, air.backends(), WAITS).open()

    assert caught.value.cause == cause
    assert words in str(caught.value)
    assert caught.value.exit_code == ExitCode.DEVICE


def test_bluetooth_switched_off_during_a_pull_ends_it_at_once(tmp_path: Path) -> None:
    """No waiting for what cannot come back; what came is kept."""
    store = small_store()
    air = MemoryAir([MemoryPeripheral(store, fault=cut_once_at(60))])
    link = BleLink(ADDRESS, air.backends(), WAITS)

    def switch_off(now: Progress) -> None:
        if now.what == OUT_OF_RANGE:
            air.radio_error = BleakBluetoothNotAvailableError(
                "off", BleakBluetoothNotAvailableReason.POWERED_OFF
            )

    with pytest.raises(NoBluetooth):
        pull_now(link, tmp_path, progress=switch_off)


@pytest.mark.usefixtures("quick")
def test_a_command_says_that_it_waits_for_a_dewar_out_of_range(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`status` over a link that is cut once: a word to the person, then the answer."""
    air = MemoryAir([MemoryPeripheral(fault=cut_once_at(1))])
    monkeypatch.setattr(radio, "backends", air.backends)

    result = CliRunner().invoke(cli.app, ["status", f"ble:{ADDRESS}"])

    assert result.exit_code == ExitCode.USE
    assert OUT_OF_RANGE in result.output
    assert DEVICE_ID.hex() in result.output


# --- which radio ---------------------------------------------------------------------------------
def test_a_ble_name_opens_the_radio(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the device name every command takes."""
    air = MemoryAir([MemoryPeripheral()])
    monkeypatch.setattr(radio, "backends", air.backends)

    link = open_link(f"ble:{ADDRESS}")
    link.close()

    assert link.name == f"ble:{ADDRESS}"


def test_a_ble_name_without_a_name_is_refused() -> None:
    """It says what to write."""
    with pytest.raises(BadDeviceName, match="dewarlog-4b2f"):
        open_link("ble:")


def test_the_virtual_radio_needs_a_source_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a wheel, the variable that asks for it is an error, not silently the real radio."""
    monkeypatch.setenv(radio.AIR, str(tmp_path / "air"))

    with pytest.raises(AirMissing, match="source tree") as caught:
        radio.backends(tmp_path)

    assert caught.value.exit_code == ExitCode.USAGE


def test_without_the_variable_bleak_chooses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's own radio."""
    monkeypatch.delenv(radio.AIR, raising=False)

    assert radio.backends() == (None, None)


def test_every_error_of_the_radio_is_a_link_error() -> None:
    """So that a caller who catches LinkError has them all."""
    errors = (NotHeard, OutOfRange, TwoOfOneName, Stranger, NoBluetooth)

    assert all(issubclass(error, LinkError) for error in errors)
    assert not issubclass(Incomplete, LinkError)
