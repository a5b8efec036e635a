"""The command that makes room on a logger: erase.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dewarlog import console
from dewarlog.cli.options import AsJson, Device, KeysFolder
from dewarlog.cli.reach import credentials_over, is_radio, opened, session_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dewarlog.replies import StoredFile

_EVERY_RUN: Final = 0xFFFF_FFFF
_NOT_HELD: Final = "no computer has confirmed to hold all of it"


def erase(
    device: Device,
    to_run: Annotated[
        int | None,
        typer.Option(
            min=0,
            max=_EVERY_RUN,
            metavar="N",
            help="This run and those before it. Default: every run but the open one.",
        ),
    ] = None,
    unpulled: Annotated[
        bool,
        typer.Option(
            "--unpulled",
            help="Also runs that were never pulled: their readings are lost for good.",
        ),
    ] = False,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Erase earlier runs from a logger, to make room for the next trip.

    The run that is open always stays, and so does what no computer has confirmed to hold, unless
    --unpulled is given. Each erasure stands in the log of the open run, with who asked for it. It
    takes the admin key, or an unlocked logger at its cable.
    """
    from dewarlog import words

    with console.failures(as_json=as_json):
        from dewarlog.bench import requests

        with opened(device) as link:
            session = session_over(link, credentials_over(device, keys), strict=is_radio(device))
            board = session.hello()
            last = _EVERY_RUN if to_run is None else to_run
            before = _runs(session.list_files())
            with requests.in_an_open_run(session, "an erasure"):
                requests.erase(session, last, unpulled=unpulled)
            after = _runs(session.list_files())
            now = session.status()
    went = {run: size for run, size in before.items() if run not in after}
    kept = {run: (size, _why(run, now.run)) for run, size in after.items() if run <= last}
    if as_json:
        console.say_json(
            {
                "device_id": board.name,
                "erased": [{"run": run, "bytes": size} for run, size in went.items()],
                "kept": [
                    {"run": run, "bytes": size, "why": why} for run, (size, why) in kept.items()
                ],
                "free_bytes": now.free_bytes,
            }
        )
        return
    for run, size in went.items():
        console.say(f"run {run}: erased, {words.byte_count(size)}")
    for run, (size, why) in kept.items():
        console.say(f"run {run}: kept, {words.byte_count(size)}: {why}")
    if not went:
        console.say("Nothing was erased.")
    console.say(f"Free memory: {words.byte_count(now.free_bytes)}")
    if any(why == _NOT_HELD for _, why in kept.values()):
        console.say("Pull what nobody holds first: dewarlog pull. --unpulled erases it unread.")


def _runs(files: Sequence[StoredFile]) -> Counter[int]:
    """Return the bytes of each stored run."""
    found: Counter[int] = Counter()
    for file in files:
        found[file.run] += file.size
    return found


def _why(run: int, open_run: int) -> str:
    return "it is open" if run == open_run else _NOT_HELD


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    app.command(epilog=console.exit_code_table())(erase)
