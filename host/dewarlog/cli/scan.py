"""The command that shows which loggers are here: scan.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console
from dewarlog.cli.options import AsJson
from dewarlog.cli.typed import a_number
from dewarlog.errors import DewarlogError

if TYPE_CHECKING:
    from dewarlog.link.advert import Heard

# How long `scan` listens when nobody watches: boards advertise a few times a second.
SCAN_S = 5.0


def scan(
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600,
            callback=a_number,
            metavar="SECONDS",
            help="How long to listen. Default: 5; in a terminal, until Ctrl-C.",
        ),
    ] = None,
    ble: Annotated[bool, typer.Option(help="Listen for dewars on the air.")] = True,
    usb: Annotated[bool, typer.Option(help="List the serial ports, likely boards first.")] = True,
    as_json: AsJson = False,
) -> None:
    """Show which dewars are here and how they are, before connecting to any.

    A dewar's line says whether it is recording, whether it is in an excursion or has a fault now,
    its warmest probe, how much is still to be pulled, and how near it is. What was before, its
    log tells: `handoff` and `pull --check` judge that. In a terminal the table follows what is
    heard. The serial ports of this computer stand below.
    """
    if not (ble or usb):
        raise typer.BadParameter("--no-ble and --no-usb together leave nothing to look for")
    from dewarlog import scan as view
    from dewarlog.link.ports import serial_ports

    problem: DewarlogError | None = None
    heard: list[Heard] = []
    if ble:
        live = sys.stdout.isatty() and not as_json
        try:
            from dewarlog.link.radio import listening

            with listening("ble:") as ear:
                if live:
                    view.show_live(ear, serial_ports if usb else None, seconds)
                    return
                if sys.stderr.isatty():
                    console.warn(f"listening for {seconds or SCAN_S:g} s ...")
                time.sleep(seconds or SCAN_S)
                heard = ear.heard()
        except DewarlogError as error:
            problem = error
    ports = serial_ports() if usb else []
    now_s = time.monotonic()
    if as_json:
        console.say_json(
            {
                "dewars": view.as_data(heard, now_s),
                "bluetooth": None
                if problem is None
                else {"error": type(problem).__name__, "message": str(problem)},
                "ports": [
                    {"device": f"usb:{port.name}", "about": port.about, "likely": port.likely}
                    for port in ports
                ],
            }
        )
    else:
        if ble and problem is None:
            view.say(heard, now_s)
        if usb:
            view.say_ports(ports)
        if problem is not None:
            console.warn(f"dewarlog: {problem}")
    if problem is not None:
        raise typer.Exit(problem.exit_code)


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(scan)
