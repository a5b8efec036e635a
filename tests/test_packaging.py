"""What reaches a computer and what reaches a board: the wheel and the frozen manifest."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from dewarlog.flash.source import firmware_files
from workshop.places import FIRMWARE, ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Build the wheel from this clone; return the names of the files in it."""
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    [wheel] = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def _sources(folder: Path) -> set[str]:
    return {file.relative_to(folder.parent).as_posix() for file in folder.rglob("*.py")}


def test_the_wheel_holds_the_host_tool_and_the_wire(wheel_names: set[str]) -> None:
    """Both packages, every file, under their import names."""
    wanted = _sources(ROOT / "host/dewarlog") | _sources(ROOT / "protocol/dewarlog_wire")
    assert wanted - wheel_names == set()


def test_the_wheel_is_typed(wheel_names: set[str]) -> None:
    """Annotations are part of both packages' interface (PEP 561)."""
    assert {"dewarlog/py.typed", "dewarlog_wire/py.typed"} - wheel_names == set()


def test_the_wheel_holds_the_manifests_that_arm_prints(wheel_names: set[str]) -> None:
    """`dewarlog arm --template` needs no source tree."""
    kinds = {f"dewarlog/arm/shipment.example.{kind}" for kind in ("toml", "csv")}
    assert kinds - wheel_names == set()


def test_the_wheel_holds_no_firmware_tools_or_tests(wheel_names: set[str]) -> None:
    """Nothing at the top but the two packages and the wheel's own notes."""
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"dewarlog", "dewarlog_wire"}


def test_the_manifest_freezes_every_device_file() -> None:
    """MicroPython's builder is told of each file that `flash` puts on a board, and of no other."""
    frozen: set[Path] = set()
    included: list[str] = []

    def package(name: str, base_path: str = ".") -> None:
        frozen.update((FIRMWARE / base_path / name).resolve().rglob("*.py"))

    def module(name: str) -> None:
        frozen.add(FIRMWARE / name)

    words = {"package": package, "module": module, "include": included.append}
    manifest = FIRMWARE / "manifest.py"
    exec(compile(manifest.read_text(), manifest, "exec"), words)  # noqa: S102 - the builder does so

    assert frozen == {source.file for source in firmware_files()}
    assert included == ["$(PORT_DIR)/boards/manifest.py"]
