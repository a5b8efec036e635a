"""Links: the names devices are opened by, serial ports on a pseudo-terminal, and recordings."""

from __future__ import annotations

import contextlib
import os
import pty
import tty
from typing import TYPE_CHECKING

import pytest
import serial

from dewarlog import session
from dewarlog.errors import (
    BadDeviceName,
    ExitCode,
    LinkError,
    NoAnswer,
    NotOurs,
    PortBusy,
    PortDenied,
    PortMissing,
    Unplugged,
)
from dewarlog.link import Frame, Link, open_link
from dewarlog.link.replay import ReplayLink
from dewarlog.link.usb import UsbLink
from dewarlog_wire import layout
from dewarlog_wire.frame import LineReader, encode_frame, encode_serial_out

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REPLY = (layout.MSG_STATUS | layout.REPLY, 7, b"reply body")
TEXT = b"MicroPython v1.25.0; Raspberry Pi Pico W with RP2040\r\n>>> "


def on_wire(kind: int, seq: int, body: bytes) -> bytes:
    """Return one frame as a board sends it."""
    frame = encode_frame(kind, seq, body)
    wire = bytearray(len(frame) + 40)
    return bytes(wire[: encode_serial_out(frame, len(frame), wire)])


class Port:
    """A pseudo-terminal: the test holds the board's end."""

    def __init__(self) -> None:
        self.board, self.host = pty.openpty()
        tty.setraw(self.host)
        self.name = os.ttyname(self.host)

    def unplug(self) -> None:
        """Let the port go away."""
        for handle in (self.board, self.host):
            with contextlib.suppress(OSError):
                os.close(handle)


@pytest.fixture
def port() -> Iterator[Port]:
    """Give a port nothing is connected to."""
    made = Port()
    yield made
    made.unplug()


@pytest.fixture
def quick_hello(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait five seconds for an answer that does not come."""
    monkeypatch.setattr(session, "HELLO_AGAIN_S", 0.05)
    monkeypatch.setattr(session, "HELLO_GIVE_UP_S", 0.2)


# --- names ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/dev/ttyACM0", "write usb:PORT"),
        ("usb:", "write usb:PORT"),
        ("", "write usb:PORT"),
        ("ble:", "or ble:NAME"),
        ("tcp:host:1", "'tcp' is not a kind of link"),
    ],
)
def test_a_name_it_cannot_open_is_explained(name: str, words: str) -> None:
    """A usage error that says what to write instead."""
    with pytest.raises(BadDeviceName) as caught:
        open_link(name)

    assert words in str(caught.value)
    assert caught.value.exit_code == ExitCode.USAGE


def test_a_usb_name_opens_its_port(port: Port) -> None:
    """The link is open and knows its name."""
    link = open_link(f"usb:{port.name}")

    os.write(port.board, on_wire(*REPLY))

    assert link.receive(1.0) == Frame(*REPLY)
    assert link.name == f"usb:{port.name}"
    link.close()


# --- ports that cannot be opened -----------------------------------------------------------------
def test_a_port_that_is_not_there_is_missing(tmp_path: Path) -> None:
    """Check the cable and the name."""
    with pytest.raises(PortMissing, match="Check the cable"):
        open_link(f"usb:{tmp_path / 'ttyACM9'}")


def test_a_port_in_use_is_busy(port: Port) -> None:
    """Two programs would read half a frame each."""
    link = open_link(f"usb:{port.name}")

    with pytest.raises(PortBusy, match="another program has this port open"):
        open_link(f"usb:{port.name}")
    link.close()


def test_a_port_one_may_not_open_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The group that owns it is the usual cure."""

    def refuse(port: serial.Serial) -> None:
        raise serial.SerialException(13, "could not open port: Permission denied")

    monkeypatch.setattr(serial.Serial, "open", refuse)

    with pytest.raises(PortDenied, match="dialout"):
        open_link("usb:/dev/ttyACM0")


def test_a_file_that_is_no_port_is_a_wrong_name(tmp_path: Path) -> None:
    """A usage error, not a fault of the board."""
    path = tmp_path / "file"
    path.write_bytes(b"")

    with pytest.raises(BadDeviceName, match="it is no serial port"):
        open_link(f"usb:{path}")


# --- frames over a port --------------------------------------------------------------------------
def test_requests_go_out_as_lines_a_board_reads(port: Port) -> None:
    """What `send` writes, the board's LineReader finds."""
    link = open_link(f"usb:{port.name}")
    lines = LineReader()

    link.send(layout.MSG_STATUS, 9, b"body")

    pushed = [lines.push(byte) for byte in os.read(port.board, 1000)]
    assert pushed[-1] == (layout.MSG_STATUS, 9, b"body")
    link.close()


def test_text_between_frames_is_skipped_and_kept_for_a_message(port: Port) -> None:
    """A banner, a traceback, a damaged frame."""
    link = UsbLink(port.name)
    link.open()
    damaged = bytearray(on_wire(*REPLY))
    damaged[8] ^= 1

    os.write(port.board, TEXT + on_wire(*REPLY) + TEXT + bytes(damaged) + on_wire(*REPLY))

    assert [link.receive(1.0), link.receive(1.0)] == [Frame(*REPLY), Frame(*REPLY)]
    assert link.receive(0.0) is None
    assert link.stray == TEXT + TEXT + bytes(damaged[1:-1])
    assert link.received_bytes == 2 * len(TEXT) + 3 * len(damaged)
    link.close()


def test_no_frame_in_time_is_none(port: Port) -> None:
    """Waiting ends."""
    link = open_link(f"usb:{port.name}")

    assert link.receive(0.01) is None
    link.close()


def test_a_port_that_goes_away_is_unplugged(port: Port) -> None:
    """While waiting, and while sending."""
    link = open_link(f"usb:{port.name}")
    port.unplug()

    with pytest.raises(Unplugged, match="what was received is kept"):
        link.receive(1.0)
    with pytest.raises(Unplugged):
        link.send(layout.MSG_STATUS, 1, b"")
    link.close()


def test_a_closed_link_says_so(port: Port) -> None:
    """Closing twice is harmless; using it is not."""
    link = open_link(f"usb:{port.name}")
    link.close()
    link.close()

    with pytest.raises(Unplugged, match="it is not open"):
        link.receive(0.0)


# --- whose port it is ----------------------------------------------------------------------------
@pytest.mark.usefixtures("quick_hello")
def test_another_device_behind_the_port_is_not_ours(port: Port) -> None:
    """It talks, but never in frames: the message shows what it said."""
    link = open_link(f"usb:{port.name}")
    os.write(port.board, b"$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9*47\r\n" * 3)

    with pytest.raises(NotOurs, match="GPGGA") as caught:
        session.Session(link).hello()

    assert "choose another device" in str(caught.value)
    link.close()


@pytest.mark.usefixtures("quick_hello")
def test_a_silent_port_gives_no_answer(port: Port) -> None:
    """Nothing is there, or it has no power."""
    link = open_link(f"usb:{port.name}")

    with pytest.raises(NoAnswer, match="no answer to HELLO"):
        session.Session(link).hello()
    link.close()


# --- recordings ----------------------------------------------------------------------------------
@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_recording_is_a_link(step: int) -> None:
    """The frames of a recording, however it is cut into pieces; what is sent is kept."""
    recording = TEXT + on_wire(*REPLY) + TEXT + on_wire(*REPLY)
    pieces = [recording[at : at + step] for at in range(0, len(recording), step)]
    link: Link = ReplayLink(pieces)
    link.open()

    link.send(layout.MSG_STATUS, 1, b"")

    assert [link.receive(9.0) for _ in range(3)] == [Frame(*REPLY), Frame(*REPLY), None]
    assert link.stray.startswith(TEXT)
    link.close()


def test_every_link_error_names_its_link() -> None:
    """Data for a caller, beside the sentence."""
    errors = [PortMissing("usb:x"), PortBusy("usb:x"), Unplugged("usb:x", "why")]

    assert [(error.name, isinstance(error, LinkError)) for error in errors] == [
        ("usb:x", True)
    ] * 3
