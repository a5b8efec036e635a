"""The command that starts a simulated board: sim.

Beside cli, which adds it to the others. From a source tree only.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dewarlog import console
from dewarlog.cli.typed import a_number
from dewarlog.errors import ExitCode


def sim(
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="calm, bad, replay, or a scenario file.")
    ] = "calm",
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Run the trip in real time, to play with.")
    ] = False,
    serve: Annotated[
        bool, typer.Option(help="When the trip is over, run on in real time behind the port.")
    ] = True,
    speed: Annotated[
        float,
        typer.Option(min=0.1, callback=a_number, help="Simulated seconds a second, in real time."),
    ] = 1.0,
    pty_link: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make a symbolic link to the port.")
    ] = None,
    flash_image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the flash content here, and go on from it."),
    ] = None,
    air: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Be on the virtual radio whose socket this is."),
    ] = None,
    blank: Annotated[
        bool, typer.Option("--blank", help="MicroPython without firmware: a board to be flashed.")
    ] = False,
) -> None:
    """Start a simulated board behind a serial port.

    It is the real firmware on modelled chips. Prints the port's name, runs the trip, then waits;
    Ctrl-C ends it. From a source tree only.
    """
    from dewarlog.sim import run

    arguments = ["--scenario", scenario, "--speed", str(speed)]
    arguments += ["--real-time"] if real_time else ["--serve"] if serve else []
    if pty_link is not None:
        arguments += ["--pty-link", str(pty_link)]
    if flash_image is not None:
        arguments += ["--flash-image", str(flash_image)]
    if air is not None:
        arguments += ["--air", str(air)]
    arguments += ["--blank"] if blank else []
    with console.failures(as_json=False):
        status = run(arguments)
    raise typer.Exit(ExitCode.FAULT if status == 1 else ExitCode(status))


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(sim)
