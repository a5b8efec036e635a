"""Errors of putting the firmware on a board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.errors.root import DewarlogError

if TYPE_CHECKING:
    from collections.abc import Sequence


class FlashError(DewarlogError):
    """The firmware could not be put on the board at `name`."""

    def __init__(self, name: str, sentence: str) -> None:
        super().__init__(f"{name}: {sentence}")
        self.name = name


_UNCHANGED = "Nothing was changed on the board."


class NoPrompt(FlashError):
    """Whatever is behind the port, it does not open MicroPython's prompt."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(
            name,
            f"no MicroPython prompt there ({reason}). {_UNCHANGED} See that this is the board: "
            "`dewarlog scan` lists the ports. A new board needs MicroPython first "
            "(micropython.org/download); one that hangs is unplugged and plugged in again; a "
            "locked one opens for its admin: `dewarlog unlock usb:PORT`.",
        )
        self.reason = reason


class BoardLocked(FlashError):
    """The board is locked, so that it has no prompt to be flashed by."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"the logger is locked, and gives nobody its prompt. {_UNCHANGED} Open it with its "
            "admin key, flash it, and lock it again: `dewarlog unlock usb:PORT`.",
        )


class UnknownBoard(FlashError):
    """A board that the firmware has no wiring for; `found` and `known` name both."""

    def __init__(self, name: str, found: str, known: str) -> None:
        super().__init__(
            name,
            f"this board is {found or 'one that does not say what it is'}; the firmware is made "
            f"for {known}. {_UNCHANGED} Choose another port, or port the firmware: "
            "firmware/README.md says how.",
        )
        self.found = found
        self.known = known


class NeedsImage(FlashError):
    """A board whose RAM does not hold the code of loaded files; `board` is its name."""

    def __init__(self, name: str, board: str) -> None:
        super().__init__(
            name,
            f"the memory of a {board} does not hold the firmware as files. {_UNCHANGED} Build an "
            f"image with it: `make BOARD={board} FROZEN_MANIFEST=.../firmware/manifest.py` in "
            "MicroPython's ports/rp2 (firmware/README.md, Memory), and put that on the board.",
        )
        self.board = board


class UnknownMicroPython(FlashError):
    """Another Python, or a version that the firmware was never run on."""

    def __init__(self, name: str, found: str, known: str) -> None:
        super().__init__(
            name,
            f"{found} runs on this board; the firmware is made for {known}. {_UNCHANGED} Put one "
            "of these on it first (micropython.org/download).",
        )
        self.found = found
        self.known = known


class OtherCode(FlashError):
    """A start-up file of the board is not of this firmware."""

    def __init__(self, name: str, places: Sequence[str]) -> None:
        files = " and ".join(places)
        super().__init__(
            name,
            f"this board runs other code: its {files} is not of this firmware. {_UNCHANGED} Copy "
            f"it if it is wanted (`mpremote connect PORT cp :{places[0]} .`), and run the command "
            "again with --replace-main; other files of it are left as they are.",
        )
        self.places = tuple(places)


class NoRoom(FlashError):
    """The flash of the board has not the room that the firmware takes."""

    def __init__(self, name: str, needed_bytes: int, free_bytes: int, *, begun: bool) -> None:
        state = (
            "The board holds part of the new firmware and starts none of it; its log is kept."
            if begun
            else _UNCHANGED
        )
        super().__init__(
            name,
            f"too little room: the firmware needs {needed_bytes:,} bytes more, and "
            f"{free_bytes:,} are free. {state} Make room: `dewarlog pull usb:PORT` brings its log "
            "home, and `dewarlog flash PORT --erase-log`, with the admin key, takes it off the "
            "logger.",
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


class CalibrationOverdue(FlashError):
    """The board's profile refuses a probe that is past its calibration's due date."""

    def __init__(self, name: str, probes: Sequence[str]) -> None:
        super().__init__(
            name,
            f"the calibration of {', '.join(probes)} is past due, and the board's profile says "
            f"to refuse that. {_UNCHANGED} Calibrate (`dewarlog calibrate`), or flash all the "
            "same with --overdue-too.",
        )
        self.probes = tuple(probes)


class NothingToErase(FlashError):
    """--erase-log takes a logger that answers: the log is erased by wire, as its own record."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            f"no logger answers there, so that nobody can prove a key to it. {_UNCHANGED} If its "
            "program is only stopped, start it (`mpremote connect PORT reset`) and run the "
            "command again; without --erase-log its log stays as it is.",
        )


class NotClaimed(FlashError):
    """A log is erased by the admin of a logger, and this one has none."""

    def __init__(self, name: str, device_name: str) -> None:
        super().__init__(
            name,
            f"nobody has claimed logger {device_name}, and its log is erased for its admin "
            f"alone. {_UNCHANGED} Claim it (`dewarlog claim usb:PORT`), bring its log home "
            "(`dewarlog pull usb:PORT`), and run the command again.",
        )
        self.device_name = device_name


class FlashCut(FlashError):
    """The board went away while it was flashed; `step` is where, `state` what it holds now."""

    def __init__(self, name: str, step: str, state: str, reason: str) -> None:
        super().__init__(
            name,
            f"the board went away during: {step} ({reason}). {state} Plug it in and run the "
            "command again.",
        )
        self.step = step
        self.state = state
        self.reason = reason


class FlashFailed(FlashError):
    """The board could not do what it was told; `said` is its own last line."""

    def __init__(self, name: str, step: str, state: str, said: str) -> None:
        super().__init__(
            name,
            f"the board failed during: {step} ({said}). {state} Run the command again; if it "
            "fails at the same place, its flash may be worn out.",
        )
        self.step = step
        self.state = state
        self.said = said


class NotStarted(FlashError):
    """The firmware is on the board, whole and verified, and the logger does not answer."""

    def __init__(self, name: str, waited_s: float, said: str) -> None:
        told = f" It says: {said!r}." if said else ""
        super().__init__(
            name,
            f"the firmware is on the board, whole and verified, but the logger does not answer "
            f"after its reset, waited {waited_s:.0f} s.{told} Unplug it and plug it in again; "
            "`mpremote connect PORT` shows its prompt, and Ctrl-D there why it does not start.",
        )
        self.waited_s = waited_s
        self.said = said
