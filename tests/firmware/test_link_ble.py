"""The board's BLE link on both stacks: pieces, packets, comings and goings at any moment."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bluetooth import ACL_BUFFERS, BTSTACK, MBUFS, NIMBLE, Module, Phone
from dewarlog_firmware.advert import Advert
from dewarlog_firmware.link_ble import BleLink
from dewarlog_firmware.server import Server
from dewarlog_wire import PROTOCOL_VERSION, layout
from dewarlog_wire.frame import PieceReader, encode_frame, parse_short_data
from guarded_board import guard_of
from memory_board import DEVICE_ID, MemoryDevice, MemoryStore, StoredRun

if TYPE_CHECKING:
    from collections.abc import Callable

DATA = bytes(range(256)) * 64
INFO = bytes(range(layout.INFO.size))
CREDIT = 1 << 17  # more than the file: the window alone bounds what is sent
HELLO = struct.pack(layout.HELLO.format, PROTOCOL_VERSION, 0, 236, bytes(8))
ADVERTISE_MS = 500
STACKS = [BTSTACK, NIMBLE]
MTUS = [23, 65, 185, 247]


class Rig:
    """A board on the air, a phone beside it, and a clock that counts polls as milliseconds."""

    def __init__(self, stack: str = BTSTACK, data: bytes = DATA) -> None:
        self.module = Module(stack)
        self.ble = self.module.ble
        self.now_ms = 1000
        self.advert = Advert(DEVICE_ID)
        self.link = BleLink(self.module, self.advert, INFO, ADVERTISE_MS, self.ticks_ms)
        self.device = MemoryDevice()
        store = MemoryStore({1: StoredRun([data])})
        self.server = Server(
            store,  # type: ignore[arg-type]
            self.device,  # type: ignore[arg-type]
            guard_of(self.device),
            bytes,
            layout.BLE_BODY_MAX_BYTES,
            packets=True,
            in_hand=True,  # STOP shows who was heard
        )
        self.link.open()
        self.link.poll(self.server)
        self.phone = Phone(self.ble)
        self.seq = 0
        self.read_seq = 0
        self.received = b""

    def ticks_ms(self) -> int:
        """Return the time."""
        return self.now_ms & 0x3FFFFFFF

    def poll(self, times: int = 1, *, carry: int = 1000) -> None:
        """Let the board work, one millisecond each, and the air carry what it sent."""
        for _ in range(times):
            self.link.poll(self.server)
            self.now_ms += 1
            self.ble.carry(carry)

    def settle(self, most: int = 3000) -> None:
        """Poll until the board comes to rest."""
        while self.link.poll(self.server):
            self.now_ms += 1
            self.ble.carry()
            most -= 1
            assert most, "the link never comes to rest"
        self.ble.carry()

    def join(self, mtu: int = 247, *, greet: bool = True) -> None:
        """Connect, agree on an MTU and say HELLO."""
        self.phone.connect()
        if mtu != 23:
            self.phone.exchange_mtu(mtu)
        self.poll()
        if greet:
            self.say(layout.MSG_HELLO, HELLO)
            self.settle()
            assert [kind for kind, _, _ in self.frames()] == [layout.MSG_HELLO | layout.REPLY]

    def say(self, kind: int, body: bytes = b"") -> None:
        """Write one request, in pieces where it must be."""
        self.seq = (self.seq + 1) % 256
        frame = bytes(encode_frame(kind, self.seq, body))
        for piece in pieces(frame, self.phone.mtu - 3):
            self.phone.write(layout.BLE_CONTROL_UUID, piece)

    def read(self, offset: int = 0) -> None:
        """Ask for the file from there on."""
        self.say(
            layout.MSG_READ,
            struct.pack(layout.READ.format, 1, 0, 1000, offset, 1 << 20, 0, CREDIT),
        )
        self.read_seq = self.seq

    def frames(self) -> list[tuple[int, int, bytes]]:
        """Return the control frames heard since the last call; take in the data."""
        reader = PieceReader()
        found: list[tuple[int, int, bytes]] = []
        control = self.ble.handles[layout.BLE_CONTROL_UUID]
        for handle, data in self.phone.heard:
            assert len(data) <= self.phone.mtu - 3
            if handle == control:
                frame = reader.feed(data, 0)
                if frame is not None:
                    found.append(frame)
            else:
                offset, payload = parse_short_data(data, self.read_seq, 1, len(self.received))
                assert offset == len(self.received)
                self.received += payload
        assert reader.dropped == 0
        self.phone.heard.clear()
        return found

    def pull(self) -> None:
        """Read the whole file, acknowledging every half window."""
        self.read()
        acked = 0
        room = min(self.phone.mtu, 247) - 8
        for _ in range(20000):
            self.poll(carry=1)
            if any(kind == layout.MSG_END for kind, _, _ in self.frames()):
                return
            if len(self.received) - acked >= layout.BLE_ACK_PACKETS * room:
                acked = len(self.received)
                self.say(layout.MSG_ACK, struct.pack(layout.ACK.format, 1, acked, CREDIT))
        raise AssertionError("the pull never ends")


def pieces(frame: bytes, most: int) -> list[bytes]:
    """Return a frame as the writes or notifications that carry it."""
    return [frame[at : at + most] for at in range(0, len(frame), most)]


# --- what is registered ------------------------------------------------------------------------
def test_the_service_is_the_one_of_the_specification() -> None:
    """Control, data and info, with their properties."""
    [(service, characteristics)] = Rig().ble.services

    assert service.value == layout.BLE_SERVICE_UUID
    assert [(uuid.value, flags) for uuid, flags in characteristics] == [
        (layout.BLE_CONTROL_UUID, 0x08 | 0x04 | 0x10),
        (layout.BLE_DATA_UUID, 0x10),
        (layout.BLE_INFO_UUID, 0x02),
    ]


def test_the_stack_is_set_up_before_anybody_comes() -> None:
    """MTU, name, info, and a control value that holds a whole frame."""
    rig = Rig()

    assert (rig.ble.preferred_mtu, rig.ble.gap_name) == (247, "dewarlog-4b2f")
    assert rig.ble.values[rig.ble.handles[layout.BLE_INFO_UUID]] == INFO
    assert rig.ble.buffers[rig.ble.handles[layout.BLE_CONTROL_UUID]] > layout.BLE_FRAME_MAX_BYTES


# --- advertising -------------------------------------------------------------------------------
def test_it_advertises_from_the_start() -> None:
    """At the profile's interval, with the name in the scan response."""
    rig = Rig()

    assert rig.ble.advertisement == (
        ADVERTISE_MS * 1000,
        bytes(rig.advert.payload),
        rig.advert.response,
    )


def test_it_says_anew_only_what_has_changed() -> None:
    """One call of the stack a change."""
    rig = Rig()
    rig.poll(10)
    before = len(rig.ble.advertised)

    rig.advert.update(1, 5000, -20000)
    rig.poll(10)

    assert (before, len(rig.ble.advertised)) == (1, 2)
    assert rig.ble.advertisement is not None
    assert rig.ble.advertisement[1] == bytes(rig.advert.payload)


def test_it_is_off_the_air_while_a_host_is_there_and_back_after() -> None:
    """In the pass after the host went."""
    rig = Rig()
    rig.join()
    rig.ble.advertisement = (1, b"", b"")  # a stack that takes it up again by itself
    rig.phone.disconnect()
    rig.phone.connect()
    rig.poll()
    while_connected = rig.ble.advertisement
    rig.phone.disconnect()

    rig.poll()

    assert while_connected is None
    assert rig.ble.advertisement is not None


def test_it_is_easily_found_for_half_a_minute_after_a_host_was_lost() -> None:
    """Every 200 ms, then at the profile's interval again; a profile's shorter one stays."""
    rig = Rig()
    rig.join()
    rig.phone.disconnect()
    rig.poll()
    found = [rig.ble.advertisement]
    for wait_ms in (29_000, 2_000):
        rig.poll(wait_ms)
        found.append(rig.ble.advertisement)

    intervals_us = [said[0] for said in found if said is not None]

    assert intervals_us == [200_000, 200_000, ADVERTISE_MS * 1000]


def test_advertising_that_fails_is_tried_again() -> None:
    """Within a second, and not in every pass."""
    rig = Rig()
    rig.join()
    rig.ble.fail_advertise = 2
    rig.phone.disconnect()

    rig.poll()
    rig.poll(100)
    tries = 2 - rig.ble.fail_advertise
    rig.poll(900)

    assert tries == 1
    assert rig.ble.advertisement is not None


# --- silence, pieces, requests -----------------------------------------------------------------
def test_nothing_is_sent_before_hello() -> None:
    """Whoever connects hears nothing until it asks."""
    rig = Rig()
    rig.join(greet=False)
    rig.say(layout.MSG_STATUS)
    rig.poll(50)

    assert rig.phone.heard == []


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("mtu", MTUS)
def test_requests_and_replies_cross_in_pieces_at_every_mtu(stack: str, mtu: int) -> None:
    """STATUS has 80 bytes: five pieces at an MTU of 23."""
    rig = Rig(stack)
    rig.join(mtu)

    rig.say(layout.MSG_STATUS)
    rig.settle()
    heard = [len(data) for _, data in rig.phone.heard]
    [(kind, seq, body)] = rig.frames()

    assert (kind, seq) == (layout.MSG_STATUS | layout.REPLY, rig.seq)
    assert len(body) == layout.STATUS_REPLY.size
    assert heard == [len(piece) for piece in pieces(bytes(len(body) + 8), mtu - 3)]


def test_hello_fits_before_an_mtu_is_exchanged() -> None:
    """20 bytes: one write."""
    assert len(encode_frame(layout.MSG_HELLO, 1, HELLO)) == 20


def test_the_longest_request_is_heard_in_pieces_of_20() -> None:
    """It fits the ring, with its reply to come."""
    rig = Rig()
    rig.join(23)

    rig.say(layout.MSG_MARK, b"m" * layout.REQUEST_BODY_MAX_BYTES)
    rig.settle()

    assert rig.device.marks == [b"m" * layout.REQUEST_BODY_MAX_BYTES]


def test_two_requests_in_a_row_are_both_answered() -> None:
    """The second waits until the first has its answer."""
    rig = Rig()
    rig.join(23)

    rig.say(layout.MSG_STATUS)
    rig.say(layout.MSG_ABORT)
    rig.settle()

    assert [kind for kind, _, _ in rig.frames()] == [
        layout.MSG_STATUS | layout.REPLY,
        layout.MSG_ABORT | layout.REPLY,
    ]


def test_one_poll_sends_one_notification() -> None:
    """So that sampling comes first."""
    rig = Rig()
    rig.join(23)
    rig.say(layout.MSG_STATUS)
    rig.poll()
    rig.phone.heard.clear()

    rig.link.poll(rig.server)

    assert len(rig.ble.queue) == 1


def test_an_oversized_write_is_dropped_and_the_next_is_heard() -> None:
    """A long write may exceed any MTU."""
    rig = Rig()
    rig.join()

    frame = bytes(encode_frame(layout.MSG_MARK, 2, b"m" * 300))
    rig.phone.write(layout.BLE_CONTROL_UUID, frame)
    rig.say(layout.MSG_STATUS)
    rig.settle()

    assert rig.link.dropped == 1
    assert [kind for kind, _, _ in rig.frames()] == [layout.MSG_STATUS | layout.REPLY]


@pytest.mark.parametrize("length", [1, 3, 4, 11, 20, 60])
def test_a_truncated_write_costs_that_request_alone(length: int) -> None:
    """After the pause of the specification the next is heard."""
    rig = Rig()
    rig.join()
    frame = bytes(encode_frame(layout.MSG_MARK, 2, b"m" * 100))

    rig.phone.write(layout.BLE_CONTROL_UUID, frame[:length])
    rig.poll(layout.BLE_PIECE_PAUSE_MS + 10)
    rig.say(layout.MSG_STATUS)
    rig.settle()

    assert rig.device.marks == []
    assert [kind for kind, _, _ in rig.frames()] == [layout.MSG_STATUS | layout.REPLY]


def test_an_empty_write_is_nothing() -> None:
    """Some hosts probe with one."""
    rig = Rig()
    rig.join()

    rig.phone.write(layout.BLE_CONTROL_UUID, b"")
    rig.say(layout.MSG_STATUS)
    rig.settle()

    assert [kind for kind, _, _ in rig.frames()] == [layout.MSG_STATUS | layout.REPLY]


def test_a_flood_of_writes_is_bounded_and_over_when_it_is_over() -> None:
    """What meets a full ring is counted; the next request is heard."""
    rig = Rig()
    rig.join()
    for _ in range(100):
        rig.phone.write(layout.BLE_CONTROL_UUID, b"x" * 244)
    dropped = rig.link.dropped
    rig.poll(layout.BLE_PIECE_PAUSE_MS + 10)

    rig.say(layout.MSG_STATUS)
    rig.settle()

    assert dropped >= 97
    assert [kind for kind, _, _ in rig.frames()] == [layout.MSG_STATUS | layout.REPLY]


@given(st.lists(st.binary(max_size=250), max_size=12))
def test_whatever_is_written_the_next_hello_is_heard(noise: list[bytes]) -> None:
    """No bytes make the board fail, or stay deaf for longer than the pause."""
    rig = Rig()
    rig.join(greet=False)
    for data in noise:
        rig.phone.write(layout.BLE_CONTROL_UUID, data)
        rig.poll()
    rig.poll(layout.BLE_PIECE_PAUSE_MS + 10)
    rig.phone.heard.clear()

    rig.say(layout.MSG_HELLO, HELLO)
    rig.settle()

    assert [kind for kind, _, _ in rig.frames()][-1] == layout.MSG_HELLO | layout.REPLY


def test_pieces_that_came_in_time_are_one_frame_however_late_the_loop_reads() -> None:
    """The time of arrival counts: a flash erase may keep the loop for long."""
    rig = Rig()
    rig.join(23)
    body = b"m" * 40
    first, *rest = pieces(bytes(encode_frame(layout.MSG_MARK, 9, body)), 20)

    rig.phone.write(layout.BLE_CONTROL_UUID, first)
    rig.poll()
    rig.now_ms += 10
    for piece in rest:
        rig.phone.write(layout.BLE_CONTROL_UUID, piece)
    rig.now_ms += 2 * layout.BLE_PIECE_PAUSE_MS
    rig.settle()

    assert rig.device.marks == [body]


# --- transfers -----------------------------------------------------------------------------------
@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("mtu", MTUS)
def test_a_file_streams_through(stack: str, mtu: int) -> None:
    """Every byte once, in order, at every MTU."""
    rig = Rig(stack)
    rig.join(mtu)

    rig.pull()

    assert rig.received == DATA


def test_a_packet_is_as_long_as_the_mtu_exchanged() -> None:
    """And never over 244 bytes."""
    lengths: list[int] = []
    for mtu in (23, 100, 247, 512):
        rig = Rig()
        rig.ble.preferred_mtu = mtu
        rig.join(mtu)
        rig.read()
        rig.settle()
        lengths.append(max(len(data) for _, data in rig.phone.heard))

    assert lengths == [20, 97, 244, 244]


def test_an_mtu_exchanged_after_hello_counts_from_the_next_read_on() -> None:
    """Some hosts exchange it late."""
    rig = Rig()
    rig.join(23)

    rig.phone.exchange_mtu(247)
    rig.read()
    rig.settle()

    assert max(len(data) for _, data in rig.phone.heard) == 244


@pytest.mark.parametrize("mtu", [23, 65, 247])
def test_what_is_on_its_way_stays_within_the_window(mtu: int) -> None:
    """On BTstack nothing else bounds the heap."""
    rig = Rig(BTSTACK)
    rig.join(mtu)
    rig.read()
    for _ in range(1000):
        rig.link.poll(rig.server)

    data = [entry for entry in rig.ble.queue if entry[1] == rig.ble.handles[layout.BLE_DATA_UUID]]

    assert len(data) == layout.BLE_WINDOW_PACKETS


def test_a_stack_without_buffers_gets_the_same_packet_3_ms_later() -> None:
    """ENOMEM is not a lost link."""
    rig = Rig(NIMBLE)
    rig.join()
    rig.read()
    rig.poll(2)
    calls: list[int] = []
    rig.ble.on_notify = lambda: calls.append(rig.now_ms)
    rig.ble.refuse = 3

    rig.poll(20)
    rig.ble.on_notify = None
    rig.frames()

    assert [later - calls[0] for later in calls[:4]] == [0, 3, 6, 9]
    assert rig.received == DATA[: len(rig.received)]


def test_nimbles_buffers_bound_what_waits() -> None:
    """A host whose air is gone for a while loses nothing."""
    rig = Rig(NIMBLE)
    rig.join()
    rig.say(layout.MSG_READ, struct.pack(layout.READ.format, 1, 0, 1000, 0, 1 << 20, 0, 1 << 20))
    rig.read_seq = rig.seq
    for _ in range(500):
        rig.link.poll(rig.server)
        rig.now_ms += 1
    waiting = len(rig.ble.queue)

    rig.settle()
    rig.frames()

    assert waiting == ACL_BUFFERS + MBUFS
    assert rig.received == DATA[: layout.BLE_WINDOW_PACKETS * 239]


# --- comings and goings --------------------------------------------------------------------------
def test_any_other_error_ends_session_and_connection() -> None:
    """The board is on the air again in the next passes."""
    rig = Rig()
    rig.join()
    rig.read()
    rig.poll(3)
    rig.ble.refuse, rig.ble.refusal = 1, 128

    rig.poll(3)

    assert rig.phone.connection == -1
    assert rig.ble.advertisement is not None


def test_a_stack_that_lost_track_of_a_connection_does_not_keep_the_board() -> None:
    """It will never say that it ended."""
    rig = Rig()
    rig.join()
    rig.read()
    rig.poll(3)
    rig.ble.refuse, rig.ble.refusal = 1, 128
    rig.ble.disconnect_answer = False

    rig.poll(3)

    assert rig.ble.advertisement is not None


@pytest.mark.parametrize("stack", STACKS)
@pytest.mark.parametrize("mtu", [23, 247])
def test_a_connection_lost_at_any_frame_leaves_the_board_ready(stack: str, mtu: int) -> None:
    """On the air in the next pass; whoever comes next hears nothing of before."""
    for cut_after in range(60):
        rig = Rig(stack)
        rig.join(mtu)
        rig.read()
        rig.poll(cut_after, carry=1)
        rig.phone.disconnect()
        rig.poll()
        assert rig.ble.advertisement is not None

        rig.phone.heard.clear()
        rig.received = b""
        rig.phone.connect(65)
        rig.poll(20)
        assert rig.phone.heard == []
        rig.phone.disconnect()
        rig.join(mtu)


@pytest.mark.parametrize("cut", range(1, 18))
def test_a_connection_lost_in_the_middle_of_a_request_leaves_nothing_behind(cut: int) -> None:
    """What one host began, the next does not end."""
    rig = Rig()
    rig.join(23)
    frame = bytes(encode_frame(layout.MSG_MARK, 9, b"m" * 100))
    for piece in pieces(frame[: cut * 6], 20):
        rig.phone.write(layout.BLE_CONTROL_UUID, piece)
    if cut % 2:
        rig.poll()
    rig.phone.disconnect()

    rig.join(23)
    rig.say(layout.MSG_STATUS)
    rig.settle()

    assert rig.device.marks == []
    assert [kind for kind, _, _ in rig.frames()] == [layout.MSG_STATUS | layout.REPLY]


def test_a_host_that_comes_back_between_two_passes_is_another() -> None:
    """The session before it is over, though the board saw nobody missing."""
    rig = Rig()
    rig.join()
    rig.read()
    rig.poll(2)
    rig.phone.disconnect()
    rig.phone.connect()
    rig.phone.heard.clear()

    rig.poll(50)

    assert rig.phone.heard == []


def test_what_a_host_wrote_before_it_went_is_not_the_next_ones() -> None:
    """Its request still stood in the ring."""
    rig = Rig()
    rig.join()
    rig.say(layout.MSG_STOP)
    rig.phone.disconnect()

    rig.join()
    rig.poll(10)

    assert rig.device.stopped is False


def test_a_hello_right_behind_the_connection_is_heard() -> None:
    """Both came between two passes of the loop."""
    rig = Rig()
    rig.phone.connect()
    rig.say(layout.MSG_HELLO, HELLO)

    rig.settle()

    assert [kind for kind, _, _ in rig.frames()] == [layout.MSG_HELLO | layout.REPLY]


def test_a_connection_lost_inside_the_stacks_own_call_is_noticed() -> None:
    """The handler may run between any two steps of the loop."""
    rig = Rig()
    rig.join()
    rig.read()
    rig.poll(3)

    def lose() -> None:
        rig.ble.on_notify = None
        rig.phone.disconnect()
        Phone(rig.ble).connect(64)

    rig.ble.on_notify = lose
    rig.poll(10)
    newcomer = rig.ble.phones[64]

    # That one call was under way; nothing follows it.
    assert len(newcomer.heard) <= 1


def test_a_host_that_says_nothing_for_a_minute_is_sent_away() -> None:
    """It holds the one connection there is."""
    rig = Rig()
    rig.join()
    rig.now_ms += 59_990
    rig.poll(5)
    kept = rig.phone.connection

    rig.poll(10)

    assert kept != -1
    assert rig.phone.connection == -1
    assert rig.ble.advertisement is not None


def test_a_host_that_never_greets_is_sent_away_too() -> None:
    """The minute begins when it comes, however long the board was up."""
    rig = Rig()
    rig.now_ms += 500_000
    rig.join(greet=False)
    rig.now_ms += 59_000
    rig.poll()
    kept = rig.phone.connection
    rig.now_ms += 1_000

    rig.poll(2)

    assert (kept != -1, rig.phone.connection) == (True, -1)


def test_noise_does_not_keep_a_connection() -> None:
    """Only a sound frame is a host's word."""
    rig = Rig()
    rig.join()
    for _ in range(70):
        rig.phone.write(layout.BLE_CONTROL_UUID, b"noise, noise, noise")
        rig.now_ms += 1_000
        rig.poll()

    assert rig.phone.connection == -1


def test_a_host_that_acks_is_not_idle_however_long_a_transfer_takes() -> None:
    """An ack has no reply, and is a word all the same."""
    rig = Rig()
    rig.join()
    rig.read()
    acked = 0
    for _ in range(100):
        rig.poll(20)
        rig.frames()
        acked = min(acked + 200, len(rig.received))
        rig.say(layout.MSG_ACK, struct.pack(layout.ACK.format, 1, acked, CREDIT))
        rig.now_ms += 50_000

    assert rig.phone.connection != -1
    assert rig.received == DATA


def test_a_stack_that_does_not_know_the_silent_host_lets_the_next_one_in() -> None:
    """It will never say that the connection ended."""
    rig = Rig()
    rig.join()
    rig.ble.disconnect_answer = False
    rig.now_ms += 60_000

    rig.poll(3)

    assert rig.ble.advertisement is not None


def test_a_second_host_is_sent_away() -> None:
    """NimBLE lets up to four in; the first goes on undisturbed."""
    rig = Rig(NIMBLE)
    rig.join()
    second = Phone(rig.ble)
    second.connect(70)
    second.write(layout.BLE_CONTROL_UUID, bytes(encode_frame(layout.MSG_STOP, 1, b"")))

    rig.pull()

    assert second.connection == -1
    assert rig.device.stopped is False
    assert rig.received == DATA


# --- on and off ----------------------------------------------------------------------------------
def test_closed_it_sends_nothing_and_lets_nobody_in() -> None:
    """Flight mode: the host is told goodbye, the stack is off."""
    rig = Rig()
    rig.join()

    rig.link.close(rig.server)

    assert (rig.ble.active(), rig.ble.advertisement, rig.phone.connection) == (False, None, -1)
    assert rig.link.poll(rig.server) is False
    assert not rig.link.connected


def test_opened_again_it_is_as_before() -> None:
    """Service, buffers, advertisement and all."""
    rig = Rig()
    rig.join()
    rig.link.close(rig.server)
    rig.link.open()
    rig.poll()

    rig.join()
    rig.pull()

    assert rig.received == DATA


def test_a_stack_that_does_not_start_is_the_callers_to_know() -> None:
    """OSError, and the link stays closed."""
    rig = Rig()
    rig.link.close(rig.server)
    rig.ble.fail_active = True

    with pytest.raises(OSError, match="110"):
        rig.link.open()

    assert not rig.link.is_open


def test_a_stack_that_fails_half_way_is_switched_off_again() -> None:
    """Not left on the air without a service."""
    rig = Rig()
    rig.link.close(rig.server)

    def fail(_services: tuple[object, ...]) -> tuple[object, ...]:
        raise OSError(12)

    rig.ble.gatts_register_services = fail  # type: ignore[method-assign]
    with pytest.raises(OSError, match="12"):
        rig.link.open()

    assert (rig.link.is_open, rig.ble.active()) == (False, False)


def _switch_off(rig: Rig) -> None:
    rig.ble.is_active = False


def _fail_to_stop(rig: Rig) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(5)

    rig.ble.gap_advertise = fail  # type: ignore[method-assign]


@pytest.mark.parametrize("how", [_switch_off, _fail_to_stop])
def test_a_stack_that_fails_while_it_is_closed_is_closed(how: Callable[[Rig], None]) -> None:
    """There is nothing else to be done about it."""
    rig = Rig()
    how(rig)

    rig.link.close(rig.server)

    assert rig.ble.active() is False


# --- rest --------------------------------------------------------------------------------------


def test_what_the_handler_leaves_is_news_until_it_is_polled() -> None:
    """A host that comes, and each thing it says."""
    rig = Rig()
    rig.poll()
    assert not rig.link.has_news

    rig.phone.connect()
    assert rig.link.has_news
    rig.poll()
    assert not rig.link.has_news
    rig.say(layout.MSG_HELLO, HELLO)
    assert rig.link.has_news
    rig.settle()
    assert not rig.link.has_news


def test_a_radio_that_is_off_has_no_news() -> None:
    """Whatever it left behind: nobody would poll it away, and the board would never sleep."""
    rig = Rig()
    rig.join()
    rig.say(layout.MSG_HELLO, HELLO)

    rig.link.close(rig.server)

    assert not rig.link.has_news


def test_the_rest_it_bears_depends_on_what_it_waits_for() -> None:
    """Milliseconds after a refusal, a second with a host or shortly after one, else an hour."""
    rig = Rig()
    rig.poll()
    assert rig.link.rest_ms() > 60_000
    rig.join()
    assert rig.link.rest_ms() == 1_000
    rig.phone.disconnect()
    rig.poll()
    assert rig.link.rest_ms() == 1_000
