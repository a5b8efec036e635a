"""Which boards and which MicroPython the firmware is made for, and what a board says it is.

The boards are those of firmware/dewarlog_firmware/board.py, by the same beginnings of what they
call themselves; a test holds the two together. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from dewarlog.errors import (
    CompilerMismatch,
    NeedsImage,
    UnknownBoard,
    UnknownMicroPython,
)
from dewarlog.flash.byte_code import read_mpy

OLDEST: Final = (1, 25)
NEWEST: Final = (1, 29)
# How the simulated board tells that it is one: it calls itself a Pico and runs on this computer's
# processor, whose machine code no Pico would take.
SIMULATED: Final = "(simulated board)"
_HERE: Final = ("x86", "x64", "armv7emdp")


@dataclass(frozen=True, slots=True)
class KnownBoard:
    """One board: its name, how `os.uname().machine` begins there, the machine code it takes."""

    name: str
    machine: str
    processors: tuple[str, ...]
    takes_files: bool = True
    """Its RAM holds the code of loaded files too: 135 KB more (tools/size)."""


# A Cortex-M33 takes the code of the smaller cores of its family; which of the three a build names
# hangs on its compiler's options.
BOARDS: Final = (
    KnownBoard(
        "RPI_PICO2_W", "Raspberry Pi Pico 2 W", ("armv7m", "armv7em", "armv7emsp", "armv7emdp")
    ),
    KnownBoard("RPI_PICO_W", "Raspberry Pi Pico W", ("armv6m",), takes_files=False),
    KnownBoard("RPI_PICO", "Raspberry Pi Pico with", ("armv6m",), takes_files=False),
    KnownBoard("ESP32_GENERIC_S3", "Generic ESP32S3", ("xtensawin",)),
)


@dataclass(frozen=True, slots=True)
class Identity:
    """What a board says of itself at its prompt."""

    machine: str
    """os.uname().machine: `Raspberry Pi Pico 2 W with RP2350`."""
    build: str
    """os.uname().version: MicroPython's version and build date."""
    python: str
    """sys.implementation.name: `micropython`."""
    version: tuple[int, ...]
    mpy: int
    """sys.implementation._mpy; 0 where there is none."""

    @property
    def version_name(self) -> str:
        """The version of its MicroPython: `1.26.0`."""
        return ".".join(map(str, self.version))

    @property
    def is_simulated(self) -> bool:
        """True for the simulated board."""
        return self.build.endswith(SIMULATED)


def recognise(port: str, identity: Identity, compiler_version: str) -> KnownBoard:
    """Return which board this is, once all it says of itself is known to go with the firmware.

    `compiler_version` is that of the .mpy files made here.

    Raises:
        UnknownBoard: no wiring for this board, or it takes other machine code than its kind does.
        UnknownMicroPython: it runs another Python, or a version the firmware is not made for.
        CompilerMismatch: it loads other .mpy files than are made here.
        NeedsImage: its memory holds the firmware frozen into an image, and not as files.
    """
    names = ", ".join(board.name for board in BOARDS)
    versions = f"MicroPython {'.'.join(map(str, OLDEST))} to {'.'.join(map(str, NEWEST))}"
    if identity.python != "micropython":
        raise UnknownMicroPython(port, f"{identity.python} {identity.version_name}", versions)
    board = next((one for one in BOARDS if identity.machine.startswith(one.machine)), None)
    if board is None:
        raise UnknownBoard(port, identity.machine, names)
    if not OLDEST <= identity.version[:2] <= NEWEST:
        raise UnknownMicroPython(port, f"MicroPython {identity.version_name}", versions)
    wanted = read_mpy(identity.mpy)
    if wanted.version_name != compiler_version:
        raise CompilerMismatch(wanted.version_name, compiler_version)
    processors = board.processors + (_HERE if identity.is_simulated else ())
    if wanted.processor not in processors:
        found = f"{identity.machine}, with machine code {wanted.processor or 'of no processor'}"
        raise UnknownBoard(port, found, f"{board.name} with {', '.join(board.processors)}")
    if not board.takes_files and not identity.is_simulated:
        raise NeedsImage(port, board.name)
    return board
