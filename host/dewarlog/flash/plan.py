"""What has to be done to a board so that it holds this firmware and no other. Pure.

The order is the plan's point. The marker comes first and goes last: with it on the flash, main.py
starts nothing. main.py itself comes next, since an older one may not know the marker. Then what is
removed goes, before all else is written, so that a full flash has the room.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from dewarlog.flash import board_code

if TYPE_CHECKING:
    from dewarlog.flash.byte_code import BoardFile
    from dewarlog.flash.looked import Held, Looked

SAME: Final = "same"
CHANGED: Final = "changed"
NEW: Final = "new"
OLD: Final = "to be removed"
DAMAGED: Final = "cannot be read"
# littlefs: a folder is a pair of blocks, and each change of one may take a pair anew.
_FOLDER_BLOCKS: Final = 2
_SPARE_BLOCKS: Final = 4


@dataclass(frozen=True, slots=True)
class FileState:
    """One file: what it is now and what it will be, sizes in bytes, None where it is not."""

    place: str
    state: str
    on_board_bytes: int | None
    wanted_bytes: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order: scripts, removed, made, written; then the whole is verified."""

    wanted: tuple[BoardFile, ...]
    states: tuple[FileState, ...]
    scripts: tuple[BoardFile, ...]
    removed: tuple[str, ...]
    removed_folders: tuple[str, ...]
    made_folders: tuple[str, ...]
    written: tuple[BoardFile, ...]
    goes_on: bool
    """An earlier flash of this board was cut."""
    needed_bytes: int
    """Room it takes at its fullest moment, beyond what is used now."""
    free_bytes: int

    @property
    def has_changes(self) -> bool:
        """False where the board holds the firmware already, and no flash was cut."""
        return self.goes_on or bool(
            self.scripts
            or self.removed
            or self.removed_folders
            or self.made_folders
            or self.written
        )

    @property
    def written_bytes(self) -> int:
        """Size of all that is uploaded."""
        return sum(len(file.data) for file in (*self.scripts, *self.written))

    @property
    def steps(self) -> int:
        """Count its changes."""
        changes = (self.scripts, self.removed, self.removed_folders, self.made_folders)
        return sum(map(len, changes)) + len(self.written)

    @property
    def fits(self) -> bool:
        """Whether the board has the room."""
        return self.needed_bytes <= self.free_bytes

    def count(self, state: str) -> int:
        """Count the files in a state."""
        return sum(entry.state == state for entry in self.states)


def make_plan(wanted: list[BoardFile], looked: Looked) -> Plan:
    """Compare what a board is to hold with what it holds."""
    files = {file.place: file for file in wanted}
    folders = {folder for place in files for folder in _folders_of(place)}
    # A file where a folder must be goes; what is to be a file and is a folder is emptied first.
    stale_folders = sorted(
        (path for path in looked.folders - folders if path.startswith(board_code.FOLDERS)),
        key=lambda path: (-path.count("/"), path),
    )
    differing = [
        file
        for file in wanted
        if file.place not in looked.files or looked.files[file.place].sha256 != file.sha256
    ]
    scripts = [file for file in differing if file.place in board_code.SCRIPTS]
    written = [file for file in differing if file.place not in board_code.SCRIPTS]
    stale = [held for held in looked.files.values() if _is_stale(held, files)]
    if scripts:  # written aside under this name, and renamed: it is gone by then
        stale = [held for held in stale if held.place != board_code.root_aside()]
    made = sorted(folders - looked.folders)
    return Plan(
        wanted=tuple(wanted),
        states=tuple(_states(wanted, stale, looked)),
        scripts=tuple(scripts),
        removed=tuple(held.place for held in stale),
        removed_folders=tuple(stale_folders),
        made_folders=tuple(made),
        written=tuple(written),
        goes_on=looked.is_marked,
        needed_bytes=_needed(looked, scripts, stale, stale_folders, made, written),
        free_bytes=looked.free_bytes,
    )


def missing(wanted: tuple[BoardFile, ...], files: dict[str, Held]) -> list[str]:
    """Name every place that is not as wanted: absent, different, or there and not wanted."""
    hashes = {file.place: file.sha256 for file in wanted}
    wrong = [
        place
        for place, sha256 in hashes.items()
        if place not in files or files[place].sha256 != sha256
    ]
    return wrong + [place for place in files if place not in hashes]


def _folders_of(place: str) -> list[str]:
    parts = place.split("/")[1:-1]
    return ["/" + "/".join(parts[: depth + 1]) for depth in range(len(parts))]


def _is_stale(held: Held, files: dict[str, BoardFile]) -> bool:
    """Tell whether a file is to go: only in our own folders, or what a cut flash left behind."""
    if held.place == board_code.root_aside():
        return True
    ours = any(
        held.place == folder or held.place.startswith(folder + "/")
        for folder in board_code.FOLDERS
    )
    return ours and held.place not in files


def _states(wanted: list[BoardFile], stale: list[Held], looked: Looked) -> list[FileState]:
    states: list[FileState] = []
    for file in wanted:
        held = looked.files.get(file.place)
        if held is None:
            states.append(FileState(file.place, NEW, None, len(file.data)))
            continue
        state = SAME if held.sha256 == file.sha256 else CHANGED if held.sha256 else DAMAGED
        states.append(FileState(file.place, state, held.size_bytes, len(file.data)))
    states += [FileState(held.place, OLD, held.size_bytes, None) for held in stale]
    return sorted(states, key=lambda entry: entry.place)


def _needed(
    looked: Looked,
    scripts: list[BoardFile],
    stale: list[Held],
    stale_folders: list[str],
    made: list[str],
    written: list[BoardFile],
) -> int:
    """Follow the plan block by block; return its fullest moment in bytes."""
    if not (scripts or stale or stale_folders or made or written):
        return 0
    used = fullest = _SPARE_BLOCKS

    def blocks(size_bytes: int) -> int:
        return max(1, -(-size_bytes // looked.block_bytes))

    def write(files: list[BoardFile]) -> None:
        nonlocal used, fullest
        for file in files:
            used += blocks(len(file.data))
            fullest = max(fullest, used)
            if file.place in looked.files:
                used -= blocks(looked.files[file.place].size_bytes)

    write(scripts)
    used -= sum(blocks(held.size_bytes) for held in stale)
    used += _FOLDER_BLOCKS * (len(made) - len(stale_folders))
    fullest = max(fullest, used)
    write(written)
    return fullest * looked.block_bytes
