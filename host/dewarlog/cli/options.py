"""Arguments and options that several commands take, told to typer once.

Below the commands of cli_*.py; it knows nothing of them.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dewarlog import words


def _a_file(path: Path) -> Path:
    if not path.is_file():
        raise typer.BadParameter(
            f"{words.plain(str(path))} is a pipe or a device. A log is read more than once: save "
            "it to a file first."
        )
    return path


LogPath = Annotated[
    Path,
    typer.Argument(
        metavar="LOG",
        exists=True,
        dir_okay=False,
        readable=True,
        callback=_a_file,
        help="A log file (*.dwl).",
    ),
]
Device = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE",
        help="usb:PORT (usb:/dev/ttyACM0, usb:COM3), ble:NAME (ble:dewarlog-4b2f, ble:4b2f, or "
        "its address) as `dewarlog scan` shows it, sim: for a simulated board that starts now, or "
        "sim:bad for one that has the bad trip behind it.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON for a program.")]
ArchiveFolder = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="DIR",
        file_okay=False,
        help="Folder of the archive. Default: this user's data folder.",
    ),
]
KeysFolder = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="DIR",
        file_okay=False,
        help="Folder of this computer's keys and tokens. Default: this user's keyring; where "
        "there is none, this user's data folder.",
    ),
]
# Not by itself: it costs the board a hash for every 32 bytes beside its sampling, and a door has
# no time to give away. The log holds no patient data; who listens learns temperatures, names and
# places. Tags, which keep anybody from changing them, are always there.
Secret = Annotated[
    bool,
    typer.Option(
        "--secret",
        help="Encipher what goes over the link, or do nothing: names, places and readings are "
        "then for the two ends alone. It takes a key or a token, and more time.",
    ),
]
