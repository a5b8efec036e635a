"""tools/setup and tools/demo: where MicroPython comes from, a second run, and the options."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from workshop import interpreters
from workshop.debian import PackageError, archive_sources
from workshop.places import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DEB822 = """\
# a comment
Types: deb deb-src
URIs: http://archive.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mQINBF

Types: deb
URIs: http://archive.test/debian-security
Suites: bookworm-security
Components: main

Enabled: no
Types: deb
URIs: http://off.test/debian
Suites: bookworm
Components: main
"""
INLINE_KEY = "Signed-By: \n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"


def test_deb822_entry_of_this_release_is_pointed_at_the_wanted_one() -> None:
    """Address and key stay; the suite changes; security, updates and disabled entries go."""
    entries = archive_sources([("debian.sources", DEB822)], "bookworm", "trixie")
    head = "Types: deb\nURIs: http://archive.test/debian\nSuites: trixie\n"
    assert entries == [head + INLINE_KEY]


def test_one_line_entry_keeps_its_key_and_architectures() -> None:
    """The older format, with options in brackets; a source-code line is no package source."""
    text = (
        "deb-src http://archive.test/debian bookworm main\n"
        "#deb http://off.test/debian bookworm main\n"
        "deb [arch=amd64,arm64 signed-by=/k.gpg] http://archive.test/debian bookworm main\n"
    )
    entries = archive_sources([("sources.list", text)], "bookworm", "trixie")
    head = "Types: deb\nURIs: http://archive.test/debian\nSuites: trixie\n"
    assert entries == [head + "Architectures: amd64 arm64\nSigned-By: /k.gpg\n"]


def test_entry_named_by_the_state_of_the_release_is_found() -> None:
    """`stable` names the release too, for a while."""
    entries = archive_sources([("a.list", "deb http://archive.test/ stable main")], "x", "trixie")
    assert entries == ["Types: deb\nURIs: http://archive.test/\nSuites: trixie\n"]


@pytest.mark.parametrize(
    "line", ["", "deb http://archive.test/debian jammy main", "deb cdrom:[disc]/ bookworm main"]
)
def test_machine_without_an_archive_for_its_release_is_told_so(line: str) -> None:
    """Nothing to go by: an error that names the release, not an empty list for apt."""
    with pytest.raises(PackageError, match="serves bookworm"):
        archive_sources([("sources.list", line)], "bookworm", "trixie")


def _program(folder: Path, text: str) -> Path:
    file = folder / "micropython"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_override_that_is_too_old_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person who names an interpreter gets that one or a reason, never another."""
    old = _program(tmp_path, "echo micropython 1 22 1")
    monkeypatch.setenv(interpreters.OVERRIDE, str(old))
    with pytest.raises(FileNotFoundError, match=r"micropython is no MicroPython 1\.25"):
        interpreters.find_micropython()


def test_override_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands before everything found by searching."""
    program = _program(tmp_path, "echo micropython 1 28 0")
    monkeypatch.setenv(interpreters.OVERRIDE, str(program))
    assert interpreters.find_micropython() == interpreters.Interpreter((str(program),), "1.28.0")


@pytest.mark.parametrize("text", ["exit 3", "echo CPython 3 11 0", "echo"])
def test_program_that_is_no_micropython_has_no_version(tmp_path: Path, text: str) -> None:
    """Something else may carry the name."""
    assert interpreters.version_of(_program(tmp_path, text)) is None


def test_second_set_up_from_another_folder_only_reports(tmp_path: Path) -> None:
    """All is done already: it says what it found and does nothing, from any working folder."""
    if not (ROOT / ".venv/dewarlog-packages").exists():
        pytest.skip("this clone was not set up by tools/setup")
    setup = str(ROOT / "tools/setup")
    subprocess.run([setup], check=True, capture_output=True)
    again = subprocess.run([setup], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert again.stdout.startswith("MicroPython 1.")
    assert "..." not in again.stdout


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_demo_says_what_it_shows(option: str) -> None:
    """Both of them, without setting anything up."""
    told = subprocess.run(
        [ROOT / "tools/demo", option], check=True, capture_output=True, text=True
    )
    assert "tools/demo --ble" in told.stdout
    assert "two couriers" in told.stdout
    assert told.stdout.startswith("Show the main job")
    assert "set -eu" not in told.stdout


@pytest.mark.parametrize("arguments", [["--bel"], ["--ble", "x"], [""]])
def test_demo_refuses_what_it_does_not_know(arguments: list[str]) -> None:
    """Before anything is set up."""
    refused = subprocess.run(
        [ROOT / "tools/demo", *arguments], check=False, capture_output=True, text=True
    )
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "it takes --ble, --bench or nothing" in refused.stderr
