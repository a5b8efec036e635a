"""Turns one bit of a stored file over while the board lies dark.

Of a segment or a journal it is turned where the file's data stand on the chip: in its first
block, at their own offset (littlefs DESIGN.md, "CTZ skip-lists"). Smaller files stand in littlefs'
metadata, whose CRC is littlefs' own business: of those the bit is turned in what it hands on.
"""

import os

import vfs

from simboard.device.cuts.stored import read_file, run_folders
from simboard.device.nor_flash import BLOCK_BYTES, BlockDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.noise import Noise
    from simboard.device.nor_flash import NorFlash

SEGMENT, JOURNAL, SMALL = 6, 7, 8
_ROOT = "/log"
_INLINE_BYTES = 1024  # beyond it a file has blocks of its own: lfs2 of MicroPython, cache 4 pages


class Rot:
    """What was turned over: `run` and `name` of the file, `at` in it; run 0: no run's."""

    def __init__(self, run: int, name: str, at: int) -> None:
        self.run = run
        self.name = name
        self.at = at

    def __repr__(self) -> str:
        return "bit at byte %d of %08x/%s" % (self.at, self.run, self.name)


def turn_one_over(
    flash: "NorFlash", kind: int, noise: "Noise", program_bytes: int
) -> "Rot | None":
    """Turn one bit over in a file of that kind; None when there is none, or it is not found."""
    device = BlockDevice(flash)
    vfs.mount(vfs.VfsLfs2(device, progsize=program_bytes), "/")
    try:
        files = _files(kind)
        if not files:
            return None
        run, path = files[noise.bits(16) % len(files)]
        data = read_file(path) or b""
        if not data or (kind != SMALL and len(data) <= _INLINE_BYTES):
            return None
        at = noise.bits(24) % min(len(data), BLOCK_BYTES)
        bit = noise.bits(3)
        if kind == SMALL:
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            with open(path, "wb") as file:
                file.write(changed)
            return Rot(run, path[path.rfind("/") + 1 :], at)
    finally:
        vfs.umount("/")
        device.dead = True
    first = data[:BLOCK_BYTES]
    found = False
    for block in range(flash.block_count):
        place = block * BLOCK_BYTES
        if flash.image[place : place + len(first)] == first:
            flash.flip(8 * (place + at) + bit)
            found = True
    return Rot(run, path[path.rfind("/") + 1 :], at) if found else None


def _files(kind: int) -> list:
    """Return (run, path) of the files of a kind."""
    found = []
    for run in run_folders(_ROOT) if _has(_ROOT) else []:
        folder = "%s/%08x" % (_ROOT, run)
        for name in os.listdir(folder):
            if kind == (SMALL if name == "state" else JOURNAL if name == "journal" else SEGMENT):
                found.append((run, folder + "/" + name))
    if kind == JOURNAL:
        found = found[-1:]  # the open one
    if kind == SMALL and _has("/radio.bin"):
        found.append((0, "/radio.bin"))
    return found


def _has(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True
