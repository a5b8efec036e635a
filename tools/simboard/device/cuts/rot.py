"""Turns one bit of a stored file over while the board lies dark.

Of the sealing key's two blocks it is turned where they stand, which nothing but the key reads. Of
a segment or a journal it is turned where the file's data stand on the chip: in its first
block, at their own offset (littlefs DESIGN.md, "CTZ skip-lists"). Smaller files stand in littlefs'
metadata, whose CRC is littlefs' own business: of those the bit is turned in what it hands on.
"""

import os

import vfs

from simboard.device.cuts.stored import read_file, run_folders
from simboard.device.nor_flash import BLOCK_BYTES, PAGE_BYTES, BlockDevice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.noise import Noise
    from simboard.device.nor_flash import NorFlash

SEGMENT, JOURNAL, SMALL, SEAL = 6, 7, 8, 9
_ROOT = "/log"
# Those of no run.
_SMALL = ("firmware.bin", "key.bin", "lock.bin", "public.bin", "radio.bin", "seal.made")
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
        if kind == SEAL:
            return _turn_seal(flash, noise)
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
    if kind == SMALL:
        found += [(0, "/" + name) for name in _SMALL if _has("/" + name)]
    return found


def _turn_seal(flash: "NorFlash", noise: "Noise") -> "Rot | None":
    """Turn a bit over in one of the sealing key's blocks: its mark, a state, a spent or free slot.

    More often than not in a page that is neither free nor spent.
    """
    which = noise.bits(1)
    made = read_file("/seal.made") or b""
    mark = bytes([0xFF ^ byte for byte in made[16 * which : 16 * which + 16]])
    place = flash.image.find(mark) if mark else -1
    if place < 0 or place % BLOCK_BYTES:
        return None
    at = noise.bits(12)
    if noise.bits(2):
        for page in range(0, BLOCK_BYTES, PAGE_BYTES):
            data = bytes(flash.image[place + page : place + page + PAGE_BYTES])
            if data not in (bytes(PAGE_BYTES), b"\xff" * PAGE_BYTES):
                at = page + at % PAGE_BYTES
                if page:
                    break
    flash.flip(8 * (place + at) + noise.bits(3))
    return Rot(0, "seal." + "ab"[which], at)


def _has(path: str) -> bool:
    try:
        os.stat(path)
    except OSError:
        return False
    return True
