"""The `bluetooth` module a board imports, without air: names, errors, trips in virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from air_rig import scenario
from simboard import launch

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import MicroPython

_TRY = """
import bluetooth
ble = bluetooth.BLE()
def attempt(call):
    try:
        return call()
    except Exception as error:
        return error
"""


def _printed(tmp_path: Path, radio: str, *lines: str) -> list[str]:
    """Run lines of Python on a board in virtual time; return what they printed."""
    with launch.start(scenario(tmp_path, radio), main=_TRY + "\n".join(lines)) as board:
        board.wait_end(30)
        output, _, _ = board.console_output().decode().partition("MicroPython v")  # the prompt
        return output.splitlines()


def test_calls_before_active_are_refused_with_enodev(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """As MicroPython does on every port."""
    output = _printed(
        tmp_path,
        "btstack",
        "print(ble.active())",
        "for call in (",
        "    lambda: ble.gap_advertise(1000),",
        "    lambda: ble.gatts_read(3),",
        "    lambda: ble.config('mac'),",
        "    lambda: ble.config(mtu=100),",
        "    lambda: ble.gatts_notify(0, 3, b''),",
        "):",
        "    print(repr(attempt(call)))",
    )

    assert output == ["False", *["OSError(19,)"] * 5]


def test_config_has_no_receive_buffer(tmp_path: Path, micropython: MicroPython) -> None:
    """Ports with synchronous events know no rxbuf, though the documentation names it."""
    output = _printed(
        tmp_path,
        "btstack",
        "ble.active(True)",
        "print(repr(attempt(lambda: ble.config(rxbuf=512))))",
        "print(attempt(lambda: ble.config(mtu=20)), attempt(lambda: ble.config(addr_mode=0)))",
        "ble.config(gap_name='dewar', mtu=247, addr_mode=1)",
        "kind, address = ble.config('mac')",
        "print(ble.config('gap_name'), ble.config('mtu'), kind, address[0] >> 6, len(address))",
    )

    assert output == [
        "ValueError('unknown config param',)",
        "[Errno 22] EINVAL [Errno 22] EINVAL",
        "b'dewar' 247 1 3 6",
    ]


def test_a_notification_to_nobody_fails_as_each_stack_does(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """EINVAL on BTstack, the ESP32's ENOTCONN on NimBLE."""
    lines = (
        "ble.active(True)",
        "((value,),) = ble.gatts_register_services((",
        "    (bluetooth.UUID(0x181A), ((bluetooth.UUID(0x2A6E), bluetooth.FLAG_NOTIFY),)),))",
        "print(attempt(lambda: ble.gatts_notify(0, value, b'x')).errno)",
    )

    assert _printed(tmp_path, "btstack", *lines) == ["22"]
    assert _printed(tmp_path, "nimble", *lines) == ["128"]


def test_uuids_are_written_and_compared(tmp_path: Path, micropython: MicroPython) -> None:
    """Their bytes go least significant first, as in an advertisement."""
    output = _printed(
        tmp_path,
        "btstack",
        "u = bluetooth.UUID('602e7c8a-a783-40c4-9ab4-ee1a151d1bb3')",
        "print(u, u == bluetooth.UUID(bytes(u)), u in {u: 1}, bytes(u)[0])",
        "print(bluetooth.UUID(0x180A), bytes(bluetooth.UUID(0x180A)))",
        "print(repr(attempt(lambda: bluetooth.UUID('12'))))",
    )

    assert output == [
        "UUID('602e7c8a-a783-40c4-9ab4-ee1a151d1bb3') True True 179",
        "UUID(0x180a) b'\\n\\x18'",
        "ValueError('invalid UUID',)",
    ]


def test_in_virtual_time_calls_are_taken_and_nothing_happens(
    tmp_path: Path, micropython: MicroPython
) -> None:
    """A trip of days goes through with the radio on."""
    output = _printed(
        tmp_path,
        "nimble",
        "import time",
        "ble.active(True)",
        "ble.irq(lambda event, values: print(event))",
        "ble.gap_advertise(500000, b'\\x02\\x01\\x06')",
        "time.sleep(600)",
        "print(attempt(lambda: ble.gap_advertise(500000, bytes(32))))",
        "ble.gap_advertise(None)",
        "print(ble.active(False), ble.gap_disconnect if ble.active() else 'off')",
    )

    assert output == ["[Errno 22] EINVAL", "False off"]


def test_a_board_without_radio_has_no_module(tmp_path: Path, micropython: MicroPython) -> None:
    """`import bluetooth` fails, as on a Pico without W."""
    file = scenario(tmp_path, "none")
    main = "try:\n    import bluetooth\nexcept ImportError:\n    print('none')\n"
    with launch.start(file, main=main) as board:
        board.wait_end(30)
        assert board.console_output().startswith(b"none\r\n")
