"""The serial ports of this computer, the likeliest boards first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from serial.tools import list_ports

# USB vendor ids, as assigned by the USB-IF or the pid.codes registry.
_BOARD_VENDORS: Final = {
    0x2E8A: "Raspberry Pi",  # RP2040 and RP2350 boards
    0x303A: "Espressif",  # ESP32-S3 with native USB
    0xF055: "MicroPython",
}


@dataclass(frozen=True, slots=True)
class SerialPort:
    """One port: its device name and what the operating system says of it."""

    name: str
    about: str
    likely: bool  # made by a vendor of boards the firmware runs on


def serial_ports() -> list[SerialPort]:
    """List the ports there are, likely boards first, each group by name."""
    ports: list[SerialPort] = []
    for port in list_ports.comports():
        vendor = _BOARD_VENDORS.get(port.vid or 0)
        parts = [vendor, port.description if port.description != "n/a" else None]
        if port.serial_number:
            parts.append(f"serial {port.serial_number}")
        about = ", ".join(part for part in parts if part) or "no description"
        ports.append(SerialPort(port.device, about, vendor is not None))
    return sorted(ports, key=lambda port: (not port.likely, port.name))
