"""The command line: each group adds its commands, and nothing but a documented exit code leaves.

A file holds a group; what they share is in options.py, reach.py and typed.py. They wire the line
together and do nothing else. Imports of anything heavy wait inside the commands, so that `--help`
and errors come at once; a test holds that. What is printed goes through console.py.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from dewarlog import __version__, console
from dewarlog.cli import (
    access,
    archive,
    arm,
    bench,
    board,
    calibrate,
    door,
    flash,
    log,
    monitor,
    provision,
    pull,
    scan,
    selftest,
    sim,
    verify,
)
from dewarlog.errors import DewarlogError, ExitCode

app = typer.Typer(
    name="dewarlog",
    help="Pull, check and explain the logs of dewarlog temperature loggers.",
    epilog=console.exit_code_table(),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        console.say(f"dewarlog {__version__}")
        raise typer.Exit


@app.callback()
def common(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """Pull, check and explain the logs of dewarlog temperature loggers."""


# What is done with a log and a logger every day, then in the order of a board's life, as `--help`
# lists them.
for group in (
    log,
    pull,
    board,
    scan,
    archive,
    sim,
    verify,
    door,
    access,
    flash,
    provision,
    calibrate,
    selftest,
    arm,
    monitor,
    bench,
):
    group.add_commands(app)


def main() -> None:
    """Run the command line; nothing but a documented exit code leaves it."""
    # numpy's linear algebra starts a thread for every core when it loads; nothing here uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    console.prepare()
    code = _exit_code()
    try:
        console.flush()
    except OSError as error:
        console.warn(f"dewarlog: standard output: {error.strerror}")
        code = ExitCode.STORAGE
    sys.exit(code)


def _exit_code() -> int:
    """Run the command; give the code to end with."""
    try:
        app()
    except SystemExit as ended:
        code = _told(ended)
        if code == ExitCode.INTERRUPTED:
            console.warn("dewarlog: stopped")
        return code
    except DewarlogError as error:
        console.warn(f"dewarlog: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        console.warn("dewarlog: stopped")
        return ExitCode.INTERRUPTED
    except BrokenPipeError as gone:
        # Whoever read a help page, or what is wrong with the command line, has gone.
        return int(getattr(gone.__context__, "exit_code", ExitCode.USE))
    except OSError as error:
        # What a command reads and writes is caught where it does so: this is its output.
        console.warn(f"dewarlog: standard output: {error.strerror}")
        console.reader_gone()
        return ExitCode.STORAGE
    except Exception:  # noqa: BLE001 - exit code 1 means HOLD, so no traceback may end with it
        import traceback

        traceback.print_exc()
        console.warn("dewarlog: this is a fault of the program; please report the lines above.")
        return ExitCode.FAULT
    return ExitCode.USE


def _told(ended: SystemExit) -> int:
    """Give the code a command ended with; where typer says 1, it means no HOLD by it."""
    if isinstance(ended.__context__, BrokenPipeError):
        return ExitCode.USE  # the reader of a help page went
    if isinstance(ended.__context__, typer.Abort):
        return ExitCode.INTERRUPTED  # Ctrl-C at a question
    return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
