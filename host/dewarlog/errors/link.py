"""Errors of the way to a board: the port and the radio."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.root import DewarlogError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence


# --- the port -----------------------------------------------------------------------------------


class LinkError(DewarlogError):
    """Nothing useful came through the link called `name`."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(sentence)
        self.name = name


class BadDeviceName(LinkError):
    """The device name is not one this program can open."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(name, f"{name!r} is not a device name this program can open: {reason}")
        self.reason = reason


class PortMissing(LinkError):
    """No port of that name exists."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"{name}: no such port. Check the cable (some carry power only) and the name; "
            "`dewarlog scan` lists what is there.",
        )


class PortBusy(LinkError):
    """Another program has the port open."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"{name}: another program has this port open. Close it (a terminal, mpremote, "
            "another pull) and run the command again.",
        )


class PortDenied(LinkError):
    """The operating system does not let this user open the port."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"{name}: not allowed to open this port ({reason}). On Linux, join the group that "
            "owns it (often `dialout`) and log in again.",
        )
        self.reason = reason


class NotOurs(LinkError):
    """Bytes came, but no frame of ours: another device, or the logger is not running."""

    def __init__(self, name: str, seen: bytes) -> None:
        super().__init__(
            name,
            f"{name}: something is there, but it does not speak dewarlog (it sent {seen[:40]!r}). "
            "If this is the logger, its program is stopped: reset it. "
            "Otherwise choose another device.",
        )
        self.seen = seen


class NoAnswer(LinkError):
    """Nothing came back."""

    def __init__(self, name: str, asked: str, waited_s: float) -> None:
        super().__init__(
            name,
            f"{name}: no answer to {asked} in {waited_s:.0f} s. Check that this is the "
            "logger and that it has power; if so, reset it and run the command again.",
        )
        self.asked = asked
        self.waited_s = waited_s


class NoDewar(LinkError):
    """No logger advertises itself here."""

    def __init__(self) -> None:
        super().__init__(
            "ble:",
            "No logger is on the air here. Go nearer to the dewar; its radio may be in flight "
            "mode (`dewarlog radio usb:PORT on`). By cable: `dewarlog handoff usb:PORT`.",
        )


class SeveralDewars(LinkError):
    """More than one logger is on the air, and nobody named one."""

    exit_code = ExitCode.USAGE

    def __init__(self, found: Sequence[str]) -> None:
        super().__init__(
            "ble:",
            f"{len(found)} loggers are on the air: {', '.join(found)}. Name the one at hand, for "
            f"example: `dewarlog handoff {found[0]}`.",
        )
        self.found = tuple(found)


class Unreachable(LinkError):
    """The other end is not there, or not any more; a link that bears it can be opened again."""

    reason: str = "it is not there"


class Unplugged(Unreachable):
    """The port disappeared while it was in use."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"{name}: the port went away ({reason}). Plug the logger in again and run the command "
            "again: what was received is kept.",
        )
        self.reason = reason


# --- the radio ----------------------------------------------------------------------------------


class NotHeard(Unreachable):
    """No dewar of that name was heard; `heard` names those that were."""

    def __init__(self, name: str, waited_s: float, heard: tuple[str, ...]) -> None:
        others = f"Heard: {', '.join(heard)}." if heard else "No other dewar was heard either."
        super().__init__(
            name,
            f"{name}: not on the air here, listened for {waited_s:.0f} s. {others} Go nearer; "
            "see that the logger has power, is not in flight mode, and that no other computer is "
            "connected to it; `dewarlog scan` shows what is in range.",
        )
        self.waited_s = waited_s
        self.heard = heard


class OutOfRange(Unreachable):
    """The radio link was lost, or could not be made."""

    def __init__(self, name: str, reason: str, waited_s: float = 0.0) -> None:
        waited = f" and did not come back in {waited_s:.0f} s" if waited_s else ""
        super().__init__(
            name,
            f"{name}: the radio link is gone ({reason}){waited}. Go nearer and run the command "
            "again: what was received is kept.",
        )
        self.reason = reason
        self.waited_s = waited_s


class TwoOfOneName(LinkError):
    """More than one dewar answers to the name; `heard` says how to name each."""

    exit_code = ExitCode.USAGE

    def __init__(self, name: str, heard: tuple[str, ...]) -> None:
        super().__init__(
            name,
            f"{name}: {len(heard)} dewars here answer to that name. Name one by its address: "
            f"{', '.join(heard)}.",
        )
        self.heard = heard


class Stranger(LinkError):
    """A radio with our service, or of the name asked for, that is not the dewar meant."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"{name}: this is not the logger asked for ({reason}). Nothing was read from it. "
            "Choose another: `dewarlog scan` shows what is in range.",
        )
        self.reason = reason


# Why there is no Bluetooth: what is so, and what to do about it.
_NO_BLUETOOTH = {
    "absent": (
        "This computer has no Bluetooth LE radio",
        "Plug in an adapter, or use the USB cable.",
    ),
    "off": ("Bluetooth is switched off", "Switch it on and run the command again."),
    "denied": (
        "This program is not allowed to use Bluetooth",
        "Allow it in the system's privacy settings, for the terminal too, or use the USB cable.",
    ),
    "no service": (
        "The system's Bluetooth service does not answer",
        "On Linux, install bluez and start it (systemctl start bluetooth), or use the USB cable.",
    ),
    "busy": (
        "Another program keeps the Bluetooth radio busy",
        "Close it, or wait a moment, and run the command again.",
    ),
    "failed": (
        "The Bluetooth radio does not work just now",
        "Switch Bluetooth off and on again, or use the USB cable.",
    ),
}


class NoBluetooth(LinkError):
    """This computer's Bluetooth cannot be used.

    `cause` is absent, off, denied, no service, busy or failed.
    """

    def __init__(self, name: str, cause: str, reason: str) -> None:
        what, then = _NO_BLUETOOTH[cause]
        super().__init__(name, f"{what} ({reason}). {then}")
        self.cause = cause
        self.reason = reason
