"""Cases made by atheris, which follows what code a case reaches.

Run as a program of its own:

    by_atheris.py TARGET COUNT SEED SCRATCH OUT      writes a pickled Tally to OUT and ends

libFuzzer never returns, so the process ends itself once it has counted COUNT cases. Every second
case, by its own bytes, has its CRCs put right first.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
import zlib
from importlib import util
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine import Tally
    from targets import Target

ABSENT: Final = "atheris has no package for this computer's Python; the other engines go on"
_PACKAGES: Final = ["dewarlog", "dewarlog_wire", "dewarlog_firmware"]


def is_here() -> bool:
    """Tell whether atheris is installed: it has packages for Linux and some Pythons only."""
    return util.find_spec("atheris") is not None


def run_by_atheris(target: Target, number: int, count: int, scratch: Path) -> Tally:
    """Run that many cases in a process of its own."""
    from engine import Finding, Tally

    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        out = Path(folder) / "tally"
        command = [
            sys.executable,
            __file__,
            target.name,
            str(count),
            str(number),
            folder,
            str(out),
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", check=False
        )
        if out.exists():
            tally: Tally = pickle.loads(out.read_bytes())  # noqa: S301 - we wrote it
            return tally
        tally = Tally(target.name, "atheris")
        tally.add("finding")
        crash = next(Path(folder).glob("crash-*"), None)
        data = b"" if crash is None else crash.read_bytes()
        tally.find(Finding(target.name, "atheris: the process ended", data, done.stderr[-4000:]))
        return tally


def main(name: str, count: int, number: int, scratch: Path, out: Path) -> None:
    """Fuzz one target until it has read that many cases."""
    import atheris  # pyright: ignore[reportMissingImports] - where there is a package for it

    with atheris.instrument_imports(include=_PACKAGES):  # pyright: ignore[reportAttributeAccessIssue]
        import host_readers
        import targets
    from engine import Tally, alarm, run_case

    host_readers.use_scratch(scratch)
    target = targets.BY_NAME[name]
    corpus = scratch / "corpus"
    corpus.mkdir()
    for index, data in enumerate(target.seeds()):
        (corpus / f"{index:04}").write_bytes(data)
    tally = Tally(name, "atheris")

    def examine(data: bytes) -> None:
        if target.fix_up is not None and zlib.crc32(data) & 1:
            data = target.fix_up(data)
        finding = run_case(target, tally, data, measured=False)
        if finding is not None:
            tally.find(finding)
        if tally.cases >= count:
            out.write_bytes(pickle.dumps(tally))
            os._exit(0)

    options = ["-runs=-1", f"-seed={number}", f"-max_len={target.max_bytes}", "-rss_limit_mb=0"]
    os.chdir(scratch)
    with alarm():
        atheris.Setup([sys.argv[0], *options, "-verbosity=0", str(corpus)], examine)
        atheris.Fuzz()


if __name__ == "__main__":
    import where  # noqa: F401 - makes the other modules importable

    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
