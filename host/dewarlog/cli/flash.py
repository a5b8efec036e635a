"""The command that puts the firmware on a board: flash.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console
from dewarlog.cli.options import AsJson, KeysFolder
from dewarlog.cli.reach import progress_bar

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dewarlog.flash.upload import UploadProgress


def flash(
    port: Annotated[
        str,
        typer.Argument(
            metavar="PORT",
            help="The board's serial port: /dev/ttyACM0, COM3 or usb:PORT, as `dewarlog scan` "
            "lists them.",
        ),
    ],
    show_list: Annotated[
        bool,
        typer.Option("--list", help="Say what is on the board and what would change; no more."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do all but the flash, refusals included.")
    ] = False,
    stop_logger: Annotated[
        bool,
        typer.Option(
            "--stop-logger",
            help="With --list or --dry-run: a logger that records may be stopped for it, and is "
            "started again; its log tells the gap.",
        ),
    ] = False,
    erase_log: Annotated[
        bool,
        typer.Option(
            "--erase-log",
            help="First end the run and erase the logger's whole log, pulled or not. It takes "
            "the admin key.",
        ),
    ] = False,
    replace_main: Annotated[
        bool,
        typer.Option("--replace-main", help="Replace the start-up files of another program."),
    ] = False,
    overdue_too: Annotated[
        bool,
        typer.Option(
            "--overdue-too",
            help="Flash although the profile refuses a probe past its calibration's due date.",
        ),
    ] = False,
    firmware: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Source tree of the firmware. Default: the clone this program runs from.",
        ),
    ] = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Put the firmware on a board by its USB cable, or bring it up to date.

    Compiles it for the board, uploads only what is not there yet, verifies all of it and starts
    it. The log, keys and profile stay as they are, and an open run goes on. A flash that was cut
    at any point is run again: until then the board starts nothing.
    """
    with console.failures(as_json=as_json):
        from dewarlog.flash.flasher import Flasher, FlashOptions

        name = _port_name(port)
        options = FlashOptions(
            tree=firmware,
            only_look=show_list or dry_run,
            refuse=not show_list,
            may_stop=stop_logger,
            erase_log=erase_log,
            replace_main=replace_main,
            overdue_too=overdue_too,
        )
        with _bar(show=not as_json) as tell:
            flasher = Flasher(name, options, admin_key=_admin_key(keys), tell=tell)
            try:
                outcome = flasher.run()
            except KeyboardInterrupt:
                console.warn(f"dewarlog: {flasher.state}")
                raise
    from dewarlog.answers import flash as answers

    if as_json:
        console.say_json(answers.flash_data(outcome))
    elif options.only_look:
        answers.say_list(outcome, whole=show_list)
    else:
        answers.say_flash(outcome)


def _port_name(port: str) -> str:
    """Take the port out of a device name."""
    from dewarlog.errors import BadDeviceName, NotByRadio

    if port.startswith("ble:"):
        raise NotByRadio(port, "A board is flashed")
    name = port.removeprefix("usb:")
    if not name or name.startswith("sim:"):
        reason = "write the port, for example /dev/ttyACM0 or COM3; `dewarlog scan` lists them."
        raise BadDeviceName(port, reason)
    return name


def _admin_key(keys: Path | None) -> Callable[[bytes], bytes | None]:
    """Give what looks up the admin key that this computer holds for a logger."""

    def look_up(device_id: bytes) -> bytes | None:
        from dewarlog.keys import KeyStore

        return KeyStore(keys).of(device_id).admin

    return look_up


@contextlib.contextmanager
def _bar(*, show: bool) -> Generator[Callable[[UploadProgress], None]]:
    """Show how far the flash is, as a pull does."""
    from dewarlog.pull import Progress

    with progress_bar(show=show) as update:
        began_s = 0.0

        def tell(now: UploadProgress) -> None:
            nonlocal began_s
            if update is None:
                return
            if not now.done_bytes:
                began_s = time.monotonic()
            rate = now.done_bytes / max(time.monotonic() - began_s, 0.001)
            left_s = (now.total_bytes - now.done_bytes) / rate if rate else None
            update(Progress(now.done_bytes, now.total_bytes, 0, rate, left_s, now.what))

        yield tell


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(flash)
