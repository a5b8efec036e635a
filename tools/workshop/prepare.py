"""Set up everything the repository needs; the second half of tools/setup, run by .venv's Python.

Each step first asks whether it is done, so a second run takes a moment and needs no network. A
step that is interrupted leaves nothing that a later run would take for finished.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Final

from workshop import debian, interpreters
from workshop.places import KAITAI_HOME, MICROPYTHON_HOME, ROOT, TYPINGS, VENV

# Stubs of one board of each port; the firmware is type-checked against each.
STUBS: Final = {
    "rp2": "micropython-rp2-rpi_pico_w-stubs>=1.25,<1.30",
    "esp32": "micropython-esp32-esp32_generic_s3-stubs>=1.25,<1.30",
}
# What compiles protocol/dewarlog.ksy: the compiler takes the file as data, js-yaml reads it.
KAITAI: Final = {"kaitai-struct-compiler": "0.11", "js-yaml": "4"}
# The test of bleak's BlueZ backend has a message bus of its own; Debian's package of it.
MESSAGE_BUS: Final = "dbus-daemon"
MESSAGE_BUS_PACKAGE: Final = "dbus"


class SetupError(Exception):
    """A step cannot be done on this machine; the message says what a person can do about it."""


def main() -> int:
    """Do every step that is not done yet; return the exit status."""
    try:
        packages()
        micropython()
        micropython32()
        kaitai()
        stubs()
        message_bus()
    except (SetupError, FileNotFoundError) as error:
        print(f"tools/setup: {error}", file=sys.stderr)
        return 1
    return 0


def packages() -> None:
    """Install dewarlog and its tools into .venv, from the folders here."""
    stamp = VENV / "dewarlog-packages"
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    installed = [settings["build-system"], settings["project"], settings["tool"]["hatch"]]
    digest = hashlib.sha256(json.dumps(installed).encode()).hexdigest()
    # The path stands in the stamp: programs in .venv/bin name it, so a moved clone starts anew.
    content = f"{ROOT}\n{digest}\n"
    if _holds(stamp, content):
        return
    _say("installing Python packages into .venv")
    _pip("install", "--editable", f"{ROOT}[dev]")
    stamp.write_text(content)


def micropython() -> None:
    """Find a MicroPython for this machine, or get one."""
    if (found := interpreters.find_micropython()) is None:
        _say("getting MicroPython")
        reasons = _get_micropython()
        found = interpreters.find_micropython()
        if found is None:
            oldest = ".".join(map(str, interpreters.OLDEST))
            raise SetupError(
                f"no MicroPython {oldest} or later, and none could be got ({'; '.join(reasons)}). "
                f"Put one on PATH, or name it in {interpreters.OVERRIDE}, and start again."
            )
    print(f"MicroPython {found.version}: {found.command[0]}")


def _get_micropython() -> list[str]:
    """Try this machine's package manager; return why each way that failed did."""
    reasons: list[str] = []
    if brew := shutil.which("brew"):
        if subprocess.run([brew, "install", "micropython"], check=False).returncode != 0:
            reasons.append("brew install micropython failed")
    elif debian.is_here():
        for way in (debian.install, debian.unpack):
            try:
                way()
            except debian.PackageError as error:
                reasons.append(str(error))
            if interpreters.find_micropython() is not None:
                break
    else:
        reasons.append("neither apt nor brew is here")
    return reasons


def micropython32() -> None:
    """Get the 32-bit MicroPython; without it tests skip its runs, but never in CI."""
    found = interpreters.find_micropython32()
    if found is None or not found.version.startswith(interpreters.WEB_VERSION):
        _say("getting the 32-bit MicroPython")
        wanted = f"{interpreters.WEB_PACKAGE}@{interpreters.WEB_VERSION}"
        problem = _npm_install(MICROPYTHON_HOME, wanted)
        found = interpreters.find_micropython32()
        if found is None:
            if os.environ.get("CI"):
                raise SetupError(f"no 32-bit MicroPython: {problem}")
            print(f"no 32-bit MicroPython ({problem}): its tests will be skipped")
            return
    print(f"MicroPython {found.version}, 32-bit: {found.command[-1]}")


def kaitai() -> None:
    """Get the Kaitai Struct compiler; without it its test is skipped, but never in CI."""
    if all((KAITAI_HOME / "node_modules" / name).exists() for name in KAITAI):
        return
    _say("getting the Kaitai Struct compiler")
    wanted = (f"{name}@{version}" for name, version in KAITAI.items())
    problem = _npm_install(KAITAI_HOME, *wanted)
    if problem and os.environ.get("CI"):
        raise SetupError(f"no Kaitai Struct compiler: {problem}")
    if problem:
        print(f"no Kaitai Struct compiler ({problem}): its test will be skipped")


def _npm_install(home: Path, *wanted: str) -> str:
    """Install npm packages into a folder of their own; return why not, in words.

    All packages of a folder at once: npm removes those it has not put there itself.
    """
    node = interpreters.find_node()
    if node is None:
        return "node is not here"
    program = node.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"
    on_path = shutil.which("npm")
    npm = [str(node), str(program)] if program.exists() else [on_path] if on_path else None
    if npm is None:
        return "npm is not here"
    home.mkdir(exist_ok=True)
    options = ["--no-audit", "--no-fund", "--silent"]
    environment = {**os.environ, "PATH": f"{node.parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [*npm, "install", *options, "--prefix", str(home), *wanted],
        env=environment,
        check=False,
    )
    return "npm install failed" if done.returncode else ""


def stubs() -> None:
    """Install MicroPython's stubs apart from .venv: they would hide CPython's `time` there."""
    for port, requirement in STUBS.items():
        stamp = TYPINGS / port / "dewarlog-stubs"
        if _holds(stamp, requirement):
            continue
        _say(f"installing MicroPython's type stubs for {port}")
        TYPINGS.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="stubs-", dir=TYPINGS) as name:
            folder = Path(name) / port
            _pip("install", "--target", str(folder), requirement)
            (folder / stamp.name).write_text(requirement)
            shutil.rmtree(TYPINGS / port, ignore_errors=True)
            folder.rename(TYPINGS / port)


def message_bus() -> None:
    """Get dbus-daemon, for the test of bleak on BlueZ; without it that is skipped, never in CI."""
    if sys.platform != "linux" or shutil.which(MESSAGE_BUS):
        return
    _say(f"getting {MESSAGE_BUS}")
    problem = "apt is not here"
    if debian.is_here():
        problem = debian.install_package(MESSAGE_BUS_PACKAGE)
    if shutil.which(MESSAGE_BUS):
        return
    if os.environ.get("CI"):
        raise SetupError(f"no {MESSAGE_BUS}: {problem}")
    print(f"no {MESSAGE_BUS} ({problem}): its test will be skipped")


def _pip(*arguments: str) -> None:
    options = ["--disable-pip-version-check", "--no-input"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        print(done.stdout)
        raise SetupError("pip failed; its message stands above. Is the network there?")


def _holds(file: Path, content: str) -> bool:
    return file.exists() and file.read_text() == content


def _say(what: str) -> None:
    print(f"{what} ...", flush=True)


if __name__ == "__main__":
    sys.exit(main())
