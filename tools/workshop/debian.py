"""Get MicroPython from the Debian (or Ubuntu) archive this machine already uses.

Where the release has MicroPython 1.25 and we may, the package is installed. Otherwise the
packages of a release that has it are unpacked into a private folder and started through that
folder's own loader: nothing on the machine changes, and no rights are needed. The archive's
address, keys and options are taken from the machine's own apt sources.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from workshop.interpreters import OLDEST, PRIVATE, version_of
from workshop.places import MICROPYTHON_HOME

PACKAGE: Final = "micropython"
# A long-lived release of each distribution that has MicroPython 1.25 or later (Debian 12 has none,
# Ubuntu 24.04 has 1.22), and the parts of the archive that hold it and what it needs.
RELEASE_WITH_PACKAGE: Final = {
    "debian": ("trixie", "main"),
    "ubuntu": ("resolute", "main universe"),
}
_ONE_LINE: Final = re.compile(r"deb\s+(?:\[(?P<options>[^]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)")

# Hooks that other programs hang on apt (caches, desktop notices) have no business here.
_APT_SETTINGS: Final = """\
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear Acquire::IndexTargets::deb::DEP-11;
#clear Acquire::IndexTargets::deb::Contents-deb;
Acquire::Languages "none";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Dir::State "{folder}/state";
Dir::State::status "/dev/null";
Dir::Cache "{folder}/cache";
Dir::Etc::sourcelist "{folder}/archive.sources";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
"""


_UNASKED: Final = ("env", "DEBIAN_FRONTEND=noninteractive")


class PackageError(Exception):
    """This way of getting a package does not work here; the message says why."""


def is_here() -> bool:
    """Say whether this machine has apt and dpkg."""
    return all(shutil.which(name) for name in ("apt-get", "apt-cache", "dpkg", "dpkg-deb"))


def root_command() -> list[str] | None:
    """Return what to put before a command that needs root; None when there is no way."""
    if os.geteuid() == 0:
        return []
    sudo = shutil.which("sudo")
    if (
        sudo
        and subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode == 0
    ):
        return [sudo, "-n"]
    return None


def install_package(name: str) -> str:
    """Install another package of the machine's own release if we may; return why not, in words."""
    root = root_command()
    if root is None:
        return f"not allowed to install; sudo apt-get install {name}"
    _run([*root, "apt-get", "-q", "update"], strict=False)
    try:
        _run([*root, *_UNASKED, "apt-get", "-q", "-y", "install", name])
    except PackageError as error:
        return str(error)
    return ""


def install() -> bool:
    """Install the machine's own package if it is new enough and we may; say whether it is so."""
    root = root_command()
    if root is None:
        return False
    if not _new_enough(_candidate()):
        _run([*root, "apt-get", "-q", "update"], strict=False)
        if not _new_enough(_candidate()):
            return False
    _run([*root, *_UNASKED, "apt-get", "-q", "-y", "install", PACKAGE])
    return True


def unpack() -> None:
    """Unpack MicroPython and what it needs below MICROPYTHON_HOME, and write its starter.

    Raises:
        PackageError: The archive is out of reach or has no such package.
    """
    release = platform.freedesktop_os_release()
    distribution = release.get("ID", "")
    if distribution not in RELEASE_WITH_PACKAGE:
        raise PackageError(f"which release of {distribution!r} has MicroPython is not known")
    wanted, components = RELEASE_WITH_PACKAGE[distribution]
    MICROPYTHON_HOME.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="unpack-", dir=MICROPYTHON_HOME) as name:
        folder = Path(name)
        for part in ("state/lists/partial", "cache/archives/partial", "packages", "root"):
            (folder / part).mkdir(parents=True)
        entries = archive_sources(source_texts(), release["VERSION_CODENAME"], wanted)
        text = "\n".join(entry + f"Components: {components}\n" for entry in entries)
        (folder / "archive.sources").write_text(text)
        (folder / "apt.conf").write_text(_APT_SETTINGS.format(folder=folder))
        settings = ["-c", str(folder / "apt.conf")]
        _run(["apt-get", *settings, "-q", "update"])
        _run(["apt-get", *settings, "-q", "download", *_closure(settings)], folder / "packages")
        for package in sorted((folder / "packages").glob("*.deb")):
            _run(["dpkg-deb", "-x", str(package), str(folder / "root")])
        shutil.rmtree(folder / "root/usr/share", ignore_errors=True)
        shutil.rmtree(MICROPYTHON_HOME / "root", ignore_errors=True)
        (folder / "root").rename(MICROPYTHON_HOME / "root")
    _write_starter()


def fetch(folder: Path, packages: tuple[str, ...], *, architecture: str, source: str) -> None:
    """Unpack packages of another architecture into `folder`/root, a source into `folder`/source.

    From the release that has MicroPython; the source is left packed, as its authors made it.

    Raises:
        PackageError: The archive is out of reach, or has no such package.
    """
    release = platform.freedesktop_os_release()
    distribution = release.get("ID", "")
    if distribution not in RELEASE_WITH_PACKAGE:
        raise PackageError(f"which release of {distribution!r} has MicroPython is not known")
    wanted, components = RELEASE_WITH_PACKAGE[distribution]
    for part in ("state/lists/partial", "cache/archives/partial", "packages", "root", "source"):
        (folder / part).mkdir(parents=True)
    entries = archive_sources(source_texts(), release["VERSION_CODENAME"], wanted)
    text = "\n".join(entry + f"Components: {components}\n" for entry in entries)
    text = re.sub(r"^Architectures:.*\n", "", text, flags=re.MULTILINE)
    text = text.replace("Types: deb\n", "Types: deb deb-src\n")
    (folder / "archive.sources").write_text(text)
    foreign = f'APT::Architecture "{architecture}";\nAPT::Architectures "{architecture}";\n'
    (folder / "apt.conf").write_text(_APT_SETTINGS.format(folder=folder) + foreign)
    settings = ["-c", str(folder / "apt.conf")]
    _run(["apt-get", *settings, "-q", "update"])
    _run(["apt-get", *settings, "-q", "download", *packages], folder / "packages")
    for package in sorted((folder / "packages").glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(folder / "root")])
    _run(["apt-get", *settings, "-q", "source", "--download-only", source], folder / "source")


def archive_sources(texts: list[tuple[str, str]], release: str, wanted: str) -> list[str]:
    """Return the entries of `release` among apt's sources, pointed at `wanted`, as deb822 text.

    Each is without its components: those of the machine need not be those that are needed.

    Args:
        texts: (file name, content) of every sources file; `.sources` is deb822, the rest one-line.
        release: Code name of the machine's release.
        wanted: Code name to put in its place.

    Raises:
        PackageError: No entry serves that release.
    """
    found: list[str] = []
    for name, text in texts:
        entries = _deb822_entries(text) if name.endswith(".sources") else _one_line_entries(text)
        for entry in entries:
            serves = {release, "stable", "oldstable"} & set(entry["Suites"].split())
            if serves and "deb" in entry["Types"].split() and "cdrom:" not in entry["URIs"]:
                changed = {**entry, "Types": "deb", "Suites": wanted}
                changed.pop("Components", None)
                found.append("".join(f"{key}: {value}\n" for key, value in changed.items()))
    if not found:
        raise PackageError(f"no apt source of this machine serves {release}")
    return list(dict.fromkeys(found))


def _deb822_entries(text: str) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        entry: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line[:1] in " \t" and key:  # a field goes on: an inline key, for one
                entry[key] += "\n" + line
            elif ":" in line:
                key, value = line.split(":", 1)
                entry[key] = value.strip()
        if entry.get("Enabled", "yes") == "yes" and {"Types", "URIs", "Suites"} <= entry.keys():
            entries.append(entry)
    return entries


def _one_line_entries(text: str) -> list[dict[str, str]]:
    entries: list[dict[str, str]] = []
    names = {"signed-by": "Signed-By", "arch": "Architectures", "trusted": "Trusted"}
    for line in text.splitlines():
        match = _ONE_LINE.match(line.strip())
        if match is None:
            continue
        entry = {"Types": "deb", "URIs": match["uri"], "Suites": match["suite"]}
        for option in (match["options"] or "").split():
            key, _, value = option.partition("=")
            if key in names:
                entry[names[key]] = value.replace(",", " ")
        entries.append(entry)
    return entries


def source_texts() -> list[tuple[str, str]]:
    """Return (file name, content) of every apt sources file of this machine."""
    folder = Path("/etc/apt")
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    return [
        (file.name, file.read_text())
        for file in files
        if file.suffix in {".list", ".sources"} and file.is_file()
    ]


def _closure(settings: list[str]) -> list[str]:
    """Return the package and everything it needs, by name."""
    kinds = ("recommends", "suggests", "conflicts", "breaks", "replaces", "enhances")
    without = [f"--no-{kind}" for kind in kinds]
    command = ["apt-cache", *settings, "depends", "--recurse", *without, PACKAGE]
    names = [line for line in _run(command).splitlines() if re.match(r"[a-z0-9]", line)]
    architecture = _run(["dpkg", "--print-architecture"]).strip()
    closure = sorted({name.removesuffix(f":{architecture}") for name in names})
    if PACKAGE not in closure:
        raise PackageError(f"the archive has no package named {PACKAGE}")
    return [name for name in closure if ":" not in name]


def _write_starter() -> None:
    triplet = next(
        (file.parent for file in (MICROPYTHON_HOME / "root").glob("usr/lib/*/libc.so.6")), None
    )
    loader = next(triplet.glob("ld-linux*.so.*"), None) if triplet else None
    if triplet is None or loader is None:
        raise PackageError("the unpacked packages have no loader where one was expected")
    folder = triplet.relative_to(MICROPYTHON_HOME)
    PRIVATE.write_text(
        "#!/bin/sh\n"
        "# Starts the unpacked MicroPython with the loader and libraries it was built for.\n"
        "here=${0%/*}\n"
        f'exec "$here/{folder}/{loader.name}" --library-path "$here/{folder}" '
        '"$here/root/usr/bin/micropython" "$@"\n'
    )
    PRIVATE.chmod(0o755)
    if not _new_enough(version_of(PRIVATE)):
        raise PackageError("the unpacked MicroPython does not start")


def _candidate() -> tuple[int, ...] | None:
    """Return the version of the package apt would install."""
    policy = _run(["apt-cache", "policy", PACKAGE], strict=False)
    match = re.search(r"Candidate: (\d+)\.(\d+)", policy)
    return tuple(map(int, match.groups())) if match else None


def _new_enough(version: tuple[int, ...] | None) -> bool:
    return version is not None and version >= OLDEST


def _run(command: list[str], folder: Path | None = None, *, strict: bool = True) -> str:
    plain = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        command, cwd=folder, env=plain, capture_output=True, text=True, check=False
    )
    if strict and done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise PackageError(f"{' '.join(command[:2])} failed: {''.join(last)}")
    return done.stdout
