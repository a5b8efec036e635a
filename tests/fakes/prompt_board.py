"""A board's prompt in memory: the code that flash sends runs here, over a file system of a dict.

Only what is beneath the code is made up: os, open, the reset. Every change of the file system
counts, and at the one that is asked for the power goes: what was renamed, removed or closed stays,
what was open is as littlefs leaves it, without what was written since.
"""

from __future__ import annotations

import hashlib
import io
import traceback
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self

from dewarlog.flash.prompt import CodeFailed, PromptLost

if TYPE_CHECKING:
    from collections.abc import Iterable

PICO_2_W: Final = "Raspberry Pi Pico 2 W with RP2350"
ARMV7EMSP: Final = 6 | 3 << 8 | 7 << 10  # _mpy of that board: .mpy 6.3 for a Cortex-M33
_FOLDER, _FILE = 0x4000, 0x8000
_BLOCK: Final = 4096


class PowerGone(BaseException):
    """The supply went away in the middle of the code; nothing there catches it."""


class Disk:
    """Files and folders by path, and the operation at which the power goes."""

    def __init__(self, files: dict[str, bytes] | None = None, blocks: int = 512) -> None:
        self.files: dict[str, bytes] = dict(files or {})
        self.folders: set[str] = {"/"}
        for path in self.files:
            parts = path.split("/")[1:-1]
            self.folders |= {"/" + "/".join(parts[: n + 1]) for n in range(len(parts))}
        self.blocks = blocks
        self.operations = 0
        self.cut_at = -1
        self.spoil_next = False

    @property
    def used_blocks(self) -> int:
        """Return how many blocks are in use, two for a folder."""
        files = sum(max(1, -(-len(data) // _BLOCK)) for data in self.files.values())
        return files + 2 * len(self.folders)

    def changes(self) -> None:
        """Count a change; the power goes just before the one that was asked for."""
        if self.operations == self.cut_at:
            raise PowerGone
        self.operations += 1


class _Writer:
    """An open file: it is on the disk when it is closed."""

    def __init__(self, disk: Disk, path: str) -> None:
        disk.changes()
        disk.files[path] = b""
        self._disk, self._path = disk, path
        self._data = b""

    def write(self, data: str | bytes) -> int:
        self._disk.changes()
        self._data += data.encode() if isinstance(data, str) else data
        room = (self._disk.blocks - self._disk.used_blocks) * _BLOCK
        if len(self._data) > room:
            raise OSError(28)
        return len(data)

    def close(self) -> None:
        self._disk.changes()
        data = self._data
        if self._disk.spoil_next and data:
            self._disk.spoil_next = False
            data = bytes([data[0] ^ 1]) + data[1:]
        self._disk.files[self._path] = data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()


class PromptBoard:
    """One board; `prompt` opens its prompt. What it was told is in `ran`."""

    def __init__(
        self,
        disk: Disk,
        machine: str = PICO_2_W,
        version: tuple[int, ...] = (1, 26, 0),
        mpy: int = ARMV7EMSP,
    ) -> None:
        self.disk = disk
        self.sent_bytes = 0
        self.ran: list[str] = []
        self.resets = 0
        self.cable_cut_at = -1
        """Number of the code during which the cable is pulled; what it does is done."""
        self.has_prompt = True
        self.uname = SimpleNamespace(machine=machine, version=f"v{'.'.join(map(str, version))}")
        self.implementation = ("micropython", (*version, ""))
        self.mpy = mpy
        self._names: dict[str, Any] = {}
        self._said = io.StringIO()

    def prompt(self, _port: str) -> PromptBoard:
        """Open the prompt."""
        return self

    def enter(self) -> None:
        """Forget all names, as a soft reset does."""
        if not self.has_prompt:
            raise PromptLost("could not enter raw repl")
        self._names = {"__name__": "__main__", "__builtins__": _builtins(self)}

    def say(self, text: str) -> None:
        """Print on the console."""
        self._said.write(text)

    def run(self, code: str) -> str:
        """Run code as the board would."""
        self.sent_bytes += len(code)
        self.ran.append(code)
        self._said = io.StringIO()
        try:
            exec(compile(code, "<stdin>", "exec"), self._names)  # noqa: S102 - it is a prompt
        except PowerGone:
            raise PromptLost("device reports readiness to read but returned no data") from None
        except Exception as error:
            trace = traceback.format_exception_only(error)
            if isinstance(error, OSError):
                trace = [f"OSError: {error.args[0]}\r\n"]
            raise CodeFailed("Traceback\r\n" + "".join(trace)) from error
        if len(self.ran) - 1 == self.cable_cut_at:
            raise PromptLost("[Errno 5] Input/output error")
        return self._said.getvalue().replace("\n", "\r\n")

    def send(self, code: str) -> None:
        """Take a reset."""
        self.ran.append(code)
        self.resets += "machine.reset()" in code

    def close(self) -> None:
        """Nothing is to be given back."""


def _builtins(board: PromptBoard) -> dict[str, Any]:
    import builtins

    disk = board.disk

    def opened(path: str, mode: str = "r") -> io.BytesIO | _Writer:
        if "w" in mode:
            if path.rpartition("/")[0] not in {"", *disk.folders}:
                raise OSError(2)
            return _Writer(disk, path)
        if path not in disk.files:
            raise OSError(2)
        return io.BytesIO(disk.files[path])

    def imported(name: str, *_: object) -> ModuleType:
        if name == "os":
            return _os(board)
        if name == "sys":
            return _sys(board)
        if name == "dewarlog_firmware":
            raise ImportError(name)
        return __import__(name)

    def said(*values: object, sep: str = " ", end: str = "\n") -> None:
        board.say(sep.join(map(str, values)) + end)

    return {**vars(builtins), "open": opened, "__import__": imported, "print": said}


def _sys(board: PromptBoard) -> ModuleType:
    module = ModuleType("sys")

    class Implementation(tuple[Any, ...]):
        __slots__ = ()
        _mpy = board.mpy

    module.implementation = Implementation(board.implementation)  # type: ignore[attr-defined]
    return module


def _os(board: PromptBoard) -> ModuleType:  # noqa: C901 - one module, a function a name
    disk = board.disk
    module: Any = ModuleType("os")

    def stat(path: str) -> tuple[int, ...]:
        if path in disk.files:
            return (_FILE, 0, 0, 0, 0, 0, len(disk.files[path]), 0, 0, 0)
        if path in disk.folders:
            return (_FOLDER, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        raise OSError(2)

    def ilistdir(path: str) -> Iterable[tuple[str, int, int, int]]:
        base = path.rstrip("/") + "/"
        for name in sorted({*disk.files, *disk.folders} - {"/"}):
            if name.startswith(base) and "/" not in name[len(base) :]:
                yield (name[len(base) :], stat(name)[0], 0, stat(name)[6])

    def rename(old: str, new: str) -> None:
        disk.changes()
        if new in disk.folders:
            raise OSError(21)
        disk.files[new] = disk.files.pop(old)

    def remove(path: str) -> None:
        disk.changes()
        if path not in disk.files:
            raise OSError(2)
        del disk.files[path]

    def mkdir(path: str) -> None:
        disk.changes()
        if path in disk.folders or path in disk.files:
            raise OSError(17)
        disk.folders.add(path)

    def rmdir(path: str) -> None:
        disk.changes()
        if list(ilistdir(path)):
            raise OSError(39)
        disk.folders.remove(path)

    def statvfs(_path: str) -> tuple[int, ...]:
        free = max(0, disk.blocks - disk.used_blocks)
        return (_BLOCK, _BLOCK, disk.blocks, free, free, 0, 0, 0, 0, 255)

    def uname() -> tuple[str, ...]:
        return ("rp2", "rp2", "", board.uname.version, board.uname.machine)

    for call in (stat, ilistdir, rename, remove, mkdir, rmdir, statvfs, uname):
        setattr(module, call.__name__, call)
    return module


def sha256(data: bytes) -> str:
    """Return a hash as the board writes it."""
    return hashlib.sha256(data).hexdigest()
