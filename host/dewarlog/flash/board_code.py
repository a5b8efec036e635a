"""What runs on the board while it is flashed: MicroPython source, sent to its prompt.

Kept short, since a board compiles it each time, and plain enough to run on every MicroPython that
could be met: a board that is refused must have been looked at first. What it prints is read by
looked.py and upload.py, one fact a line, fields parted by tabs, names as repr().

Removed is only what is named, written only what is named: no call here takes a pattern.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Final

FOLDERS: Final = ("/dewarlog_firmware", "/dewarlog_wire")
"""The only folders in which anything is ever removed."""
MARKER: Final = "/flashing"
"""Stands while a flash is under way; firmware/main.py starts nothing while it does."""
SCRIPTS: Final = ("/boot.py", "/main.py")
PROFILE: Final = "/profile.json"
LOCK: Final = "/lock.bin"
# A block of littlefs; 5.4 KB as base64, which the smallest heap (a Pico W's) has room to compile.
CHUNK_BYTES: Final = 4096
_TEXT_MAX_BYTES: Final = 9000

# Asked on its own and first: needs next to nothing, so that any Python answers it.
IDENTIFY: Final = """
import sys
try:
    import os
    u = os.uname()
except Exception:
    u = ("", "", "", "", "")
i = sys.implementation
m = getattr(i, "_mpy", 0)
print("id", repr(u[4]), repr(u[3]), repr(i[0]), repr(tuple(i[1])), m, sep="\\t")
"""

TOOLS: Final = """
import os, hashlib, binascii
def _hash(path):
    digest = hashlib.sha256()
    block = bytearray(2048)
    view = memoryview(block)
    with open(path, "rb") as file:
        while True:
            count = file.readinto(block)
            if not count:
                break
            digest.update(view[:count])
    return binascii.hexlify(digest.digest()).decode()
def _kind(path):
    try:
        return os.stat(path)[0] & 0xF000
    except OSError:
        return 0
def _file(path):
    try:
        size, digest = os.stat(path)[6], _hash(path)
    except OSError:
        size, digest = 0, "-"
    print("file", repr(path), size, digest, sep="\\t")
def _tree(path):
    kind = _kind(path)
    if kind == 0x4000:
        print("folder", repr(path), sep="\\t")
        for entry in sorted([e[0] for e in os.ilistdir(path)]):
            _tree(path + "/" + entry)
    elif kind:
        _file(path)
def _text(path, most):
    if _kind(path) in (0, 0x4000):
        return
    left = most
    with open(path, "rb") as file:
        while left > 0:
            part = file.read(min(510, left))
            if not part:
                break
            left -= len(part)
            print("text", repr(path), binascii.b2a_base64(part).decode().strip(), sep="\\t")
def _open(path):
    global _out
    _out = open(path, "wb")
def _add(text):
    _out.write(binascii.a2b_base64(text))
def _done(aside, path, digest):
    _out.close()
    if _hash(aside) != digest:
        print("differs", repr(path), sep="\\t")
    else:
        os.rename(aside, path)
        print("written", repr(path), sep="\\t")
"""

_SIZES = """
def _sum(path):
    if _kind(path) != 0x4000:
        return os.stat(path)[6], 1
    total = files = 0
    for entry in os.ilistdir(path):
        size, count = _sum(path + "/" + entry[0])
        total += size
        files += count
    return total, files
for _entry in sorted([e[0] for e in os.ilistdir("/")]):
    _path = "/" + _entry
    if _path not in {skipped!r}:
        try:
            print("other", repr(_path), *_sum(_path), sep="\\t")
        except OSError:
            print("other", repr(_path), 0, 0, sep="\\t")
"""


def verify() -> str:
    """Return code that tells the hash of every file of the firmware, and no other."""
    calls = [f"_tree({path!r})" for path in (*FOLDERS, *SCRIPTS)]
    return "\n".join(calls)


def look() -> str:
    """Return code that tells all a plan is made of; it changes nothing. TOOLS must have run."""
    lines = [
        "_stat = os.statvfs('/')",
        'print("room", _stat[1], _stat[2], _stat[3], sep="\\t")',
        verify(),
        f"_tree({MARKER!r})",
        f"_tree({root_aside()!r})",
        f"_text({MARKER!r}, 200)",
        f"_text({LOCK!r}, 16)",
        *(f"_text({path!r}, {_TEXT_MAX_BYTES})" for path in (*SCRIPTS, PROFILE)),
        _SIZES.format(skipped=(*FOLDERS, *SCRIPTS, MARKER, root_aside())),
    ]
    return "\n".join(lines)


BUILT_IN: Final = """
try:
    import dewarlog_firmware
    print("built in", repr(getattr(dewarlog_firmware, "VERSION", ())), sep="\\t")
except Exception:
    pass
"""
"""Whether the image itself carries a firmware; asked where the flash holds none."""


def root_aside() -> str:
    """Return the name under which boot.py and main.py are written first."""
    return MARKER + ".new"


def aside(path: str) -> str:
    """Return the name under which a file is written before it is verified and renamed."""
    return root_aside() if path in SCRIPTS else path + ".new"


def mark(text: str) -> str:
    """Return code that puts the marker there."""
    return f"with open({MARKER!r}, 'w') as _file_:\n    _file_.write({text!r})"


def write_file(path: str, data: bytes, sha256: str) -> list[str]:
    """Return code, part by part, that writes a file aside, verifies it and renames it."""
    parts = [data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES)] or [b""]
    pieces = [f"_add('{b64encode(part).decode()}')" for part in parts]
    pieces[0] = f"_open({aside(path)!r})\n{pieces[0]}"
    pieces[-1] += f"\n_done({aside(path)!r}, {path!r}, {sha256!r})"
    return pieces


def remove(path: str) -> str:
    """Return code that removes one file."""
    return f"os.remove({path!r})"


def remove_folder(path: str) -> str:
    """Return code that removes one empty folder."""
    return f"os.rmdir({path!r})"


def make_folder(path: str) -> str:
    """Return code that makes one folder."""
    return f"os.mkdir({path!r})"


RESET: Final = "import machine\nmachine.reset()"
