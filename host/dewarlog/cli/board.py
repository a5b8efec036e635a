"""The commands to a logger at hand: status, mark.

Beside cli, which adds them to the others. Heavy imports wait inside the commands, so that `--help`
comes at once.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console, words
from dewarlog.cli.options import AsJson, Device, KeysFolder
from dewarlog.cli.reach import credentials_over, host_time, is_radio, opened, session_over
from dewarlog.cli.typed import expect_short

if TYPE_CHECKING:
    from dewarlog.bench.requests import Live
    from dewarlog.replies import Board
    from dewarlog.session import Session


def status(device: Device, keys: KeysFolder = None, as_json: AsJson = False) -> None:
    """Say how a board is doing now: readings, clock, memory, power, and who may change it."""
    from dewarlog import answers

    with console.failures(as_json=as_json):
        credentials = credentials_over(device, keys)
        with opened(device) as link:
            # It is told to everyone; a proof only says that it is the right board that tells.
            session = session_over(link, credentials, strict=False)
            board = session.hello()
            now = session.status()
            live = figures(session, board)
    proven_by = None if session.proof is None else session.proof.name
    if as_json:
        proof = {"proven_by": proven_by, "not_proven": session.not_proven}
        console.say_json(answers.status_data(board, now) | answers.software_data(live) | proof)
        return
    rows = answers.status_words(board, now)
    if live is not None:
        rows.insert(1, ("Firmware", f"{live.firmware} on MicroPython {live.micropython}"))
    if proven_by is not None:
        rows.insert(1, ("Proven", f"by the {proven_by}"))
    elif session.not_proven is not None:
        rows.insert(1, ("Not proven", session.not_proven))
    for name, value in rows:
        console.say(f"{name + ':':<18}{value}")


def figures(session: Session, board: Board) -> Live | None:
    """Ask for a board's figures; None where it has none, or tells holders of a key only."""
    from dewarlog.bench import requests
    from dewarlog.errors import DeviceRefused
    from dewarlog_wire import layout

    if not board.features & layout.FEATURE_BENCH:
        return None
    try:
        return requests.live(session)
    except DeviceRefused:
        return None


def mark(
    device: Device,
    step: Annotated[
        str,
        typer.Argument(
            metavar="STEP",
            help="pack-out, depart, handoff, receive, store, remove, thaw-start, infuse or note.",
        ),
    ],
    actor: Annotated[str, typer.Option(help="Who does it.")] = "",
    place: Annotated[str, typer.Option(help="Where.")] = "",
    note: Annotated[str, typer.Option(help="Anything else. No patient data.")] = "",
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Record a custody step in the board's log.

    The step says who has the dewar from now on, and where; it is sealed with the readings.
    """
    from dewarlog.bench.requests import in_an_open_run
    from dewarlog_wire import layout
    from dewarlog_wire.errors import BlockError
    from dewarlog_wire.events import custody_body

    wanted = step.strip().lower().replace("-", " ")
    steps = [name.replace("-", " ") for name in layout.CUSTODY_STEP_NAMES]
    if wanted not in steps:
        known = ", ".join(layout.CUSTODY_STEP_NAMES)
        raise typer.BadParameter(f"{step!r} is not a custody step; one of: {known}")
    number = steps.index(wanted)
    utc_s = host_time(0)[0]
    try:
        for name, text in (("--actor", actor), ("--place", place), ("--note", note)):
            expect_short(name, text, layout.KIND_CUSTODY)
        body = custody_body(number, utc_s, (actor, place, note))
    except BlockError as error:
        raise typer.BadParameter(str(error)) from None
    with console.failures(as_json=as_json):
        credentials = credentials_over(device, keys)
        with opened(device) as link:
            session = session_over(link, credentials, strict=is_radio(device))
            board = session.hello()
            with in_an_open_run(session, "a custody step"):
                session.mark(body)
    name = layout.CUSTODY_STEP_NAMES[number]
    if as_json:
        console.say_json(
            {
                "device_id": board.name,
                "step": name,
                "unix_s": utc_s + layout.UTC_EPOCH_UNIX_S,
                "actor": actor,
                "place": place,
                "note": note,
            }
        )
    else:
        console.say(f"Recorded on {board.name}: {name}, {words.utc(time.time())}")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    for command in (status, mark):
        app.command(epilog=console.exit_code_table())(command)
