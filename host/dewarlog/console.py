"""What commands print: plain text that is safe, wraps, and needs no library to load.

Everything that came from a log, a board or a file name goes through words.plain, so that no
control character reaches the terminal. Colour only where a person looks, and never alone: the word
says it too (https://no-color.org).
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from dewarlog import words
from dewarlog.errors import DewarlogError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

_STYLES: Final = {
    "USE": "\x1b[1;97;42m",
    "HOLD": "\x1b[1;97;41m",
    "NOT INTACT": "\x1b[1;97;41m",
    "NO DATA": "\x1b[1;97;100m",
    "strong": "\x1b[1m",
    "soft": "\x1b[2m",
}
_RESET: Final = "\x1b[0m"
_WIDEST: Final = 100

EXIT_CODES: Final = (
    (ExitCode.USE, "done; where a log was judged: intact, and USE"),
    (ExitCode.HOLD, "the log is intact, and HOLD"),
    (ExitCode.USAGE, "wrong command line, or something is not installed"),
    (ExitCode.NOT_INTACT, "the log, or a copy of it, is not what the board recorded"),
    (ExitCode.NO_DATA, "there is nothing to judge"),
    (ExitCode.DEVICE, "the port or the board; what was received is kept"),
    (ExitCode.STORAGE, "this computer's storage; what was received is kept"),
    (ExitCode.FAULT, "a fault of this program: please report it"),
    (ExitCode.INTERRUPTED, "stopped by Ctrl-C; what was received is kept"),
)


def exit_code_table() -> str:
    """Give the table of exit codes for a help page."""
    lines = [f"{int(code):>5}  {meaning}" for code, meaning in EXIT_CODES]
    return "\b\nExit codes:\n" + "\n".join(lines)


def styled(text: str, style: str) -> str:
    """Colour text where standard output is a terminal and nobody asked for none."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"{_STYLES[style]}{text}{_RESET}"


def say(text: str = "") -> None:
    """Print a line; text from outside must have gone through words.plain."""
    print(text)  # noqa: T201 - this is where the program prints


def warn(text: str) -> None:
    """Print a line for the person, apart from the output."""
    print(words.plain(text), file=sys.stderr)  # noqa: T201


def wrapped(text: str, indent: str, first: str | None = None) -> str:
    """Wrap text to the terminal, escaped."""
    width = min(shutil.get_terminal_size((_WIDEST, 24)).columns, _WIDEST)
    return textwrap.fill(
        words.plain(text),
        width=max(40, width),
        initial_indent=indent if first is None else first,
        subsequent_indent=indent,
        break_on_hyphens=False,
    )


def say_json(data: dict[str, Any]) -> None:
    """Print data as JSON: ASCII only, so that nothing in it can speak to a terminal."""
    print(json.dumps(data, indent=2))  # noqa: T201


def say_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows under headings, columns as wide as they need to be."""
    safe = [tuple(words.plain(cell) for cell in row) for row in rows]
    widths = [max(len(row[at]) for row in (heads, *safe)) for at in range(len(heads))]
    for row in (heads, *safe):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(styled(line.rstrip(), "soft") if row is heads else line.rstrip())


@contextmanager
def failures(*, as_json: bool) -> Generator[None]:
    """End the command with the exit code of what went wrong, said in words or as data."""
    try:
        yield
    except DewarlogError as error:
        if as_json:
            say_json({"error": type(error).__name__, "message": str(error)})
        else:
            warn(f"dewarlog: {error}")
        raise SystemExit(int(error.exit_code)) from None
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            raise
        place = "" if error.filename is None else f"{error.filename}: "
        if as_json:
            say_json({"error": "OSError", "message": f"{place}{error.strerror}"})
        else:
            warn(f"dewarlog: {place}{error.strerror}")
        raise SystemExit(int(ExitCode.STORAGE)) from None
