"""The command of what this computer holds: archive.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console, words
from dewarlog.cli.options import ArchiveFolder, AsJson
from dewarlog.errors import ExitCode

if TYPE_CHECKING:
    from dewarlog.calibrate.file import Joined


def archive(
    folder: ArchiveFolder = None,
    merge_from: Annotated[
        Path | None,
        typer.Option(
            "--merge",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Take over the logs, receipts and calibrations of another archive (another "
            "courier's, or a copy of it); it is only read.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the logs this computer holds, or join another archive into them.

    Of two copies of one log the longer is kept. Two that disagree on any block are both kept and
    reported as tampering, with the block; the exit code then says that a log is not intact.
    """
    with console.failures(as_json=as_json):
        from dewarlog import answers
        from dewarlog.archive import Archive

        held = Archive(folder)
        if merge_from is not None:
            from dewarlog.errors import NothingToMerge
            from dewarlog.merge import merge

            joined = _join_calibrations(held.root, merge_from)
            try:
                merged = merge(held, Archive(merge_from))
            except NothingToMerge:
                if joined is None:
                    raise
                merged = []
            if as_json:
                console.say_json(answers.merge_data(held.root, merged, joined))
            else:
                answers.say_merge(merged, joined)
            suspect = any(log.disagrees is not None or log.damage is not None for log in merged)
            suspect = suspect or (joined is not None and bool(joined.damage))
            raise typer.Exit(ExitCode.NOT_INTACT if suspect else ExitCode.USE)
        logs = list(held.filed())
    if as_json:
        console.say_json({"root": str(held.root), "logs": [answers.log_data(log) for log in logs]})
        return
    console.say(f"{words.plural(len(logs), 'log')} in {words.plain(str(held.root))}")
    if logs:
        console.say_table(
            ("Logger", "Run", "Bytes", "Blocks", "SHA-256", "File"),
            [
                (
                    log.device_id.hex(),
                    str(log.run),
                    f"{log.size_bytes:,}",
                    f"{log.blocks:,}",
                    log.sha256.hex()[:16],
                    str(log.path),
                )
                for log in logs
            ],
        )


def _join_calibrations(root: Path, other: Path) -> Joined | None:
    """Take over another archive's calibrations; None where it has none, or is this archive."""
    if not any(other.glob("*/calibrations/*.json")) or (root.exists() and root.samefile(other)):
        return None
    from dewarlog.calibrate.file import CalibrationShelf

    return CalibrationShelf(root).take_over(CalibrationShelf(other))


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(archive)
