"""What commands print: plain text that is safe, wraps, and needs no library to load.

Output never decides a verdict: a terminal or a pipe that cannot show a character gets another one,
and a reader that goes away (`| head`) leaves the command to end with its own exit code.

Everything that came from a log, a board or a file name goes through words.plain, so that no
control character reaches the terminal. Colour only where a person looks, and never alone: the word
says it too (https://no-color.org).
"""

from __future__ import annotations

import codecs
import io
import json
import os
import shutil
import sys
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TextIO

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
# For terminals and pipes that are not UTF-8: Windows' cp1252, LC_ALL=POSIX.
_PLAINER_NAME: Final = "dewarlog.plainer"
_PLAINER: Final = {
    "\u2212": "-",
    "\u2013": "-",
    "\u00b0": "deg",
    "\u00b1": "+/-",
    "\u2192": "->",
    "\u00b7": "-",
    "\u00b5": "u",
    "\u2026": "~",
    # Lines and columns of the monitor, each as wide as it is.
    "\u2500": "-",
    **dict(zip("\u2581\u2582\u2583\u2584\u2585\u2586\u2587\u2588", "_.-=+*#@", strict=True)),
}

_gone: Final[list[TextIO]] = []

EXIT_CODES: Final = (
    (ExitCode.USE, "done; where a log was judged: intact, and USE"),
    (ExitCode.HOLD, "the log is intact, and HOLD; of a self-test: a test failed"),
    (ExitCode.USAGE, "wrong command line, or something is not installed"),
    (ExitCode.NOT_INTACT, "the log, or a copy of it, is not what the board recorded"),
    (ExitCode.NO_DATA, "there is nothing to judge"),
    (ExitCode.DEVICE, "the port or the board; what was received is kept"),
    (ExitCode.STORAGE, "this computer's storage; what was received is kept"),
    (ExitCode.REFUSED, "the logger may not be armed now; the reasons are printed"),
    (ExitCode.FAULT, "a fault of this program: please report it"),
    (ExitCode.INTERRUPTED, "stopped by Ctrl-C; what was received is kept"),
)


def exit_code_table() -> str:
    """Give the table of exit codes for a help page."""
    lines = [f"{int(code):>5}  {meaning}" for code, meaning in EXIT_CODES]
    return "\b\nExit codes:\n" + "\n".join(lines)


def prepare() -> None:
    """Make standard output and error safe to print to, whatever they are."""
    codecs.register_error(_PLAINER_NAME, _plainer)
    # A stream that the caller closed is None: its number must not go to a file opened later.
    if sys.stdout is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stdout = _nowhere()
    if sys.stderr is None:  # pyright: ignore[reportUnnecessaryComparison]
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_PLAINER_NAME)


def _nowhere() -> io.TextIOWrapper:
    return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - open until the end


def _plainer(error: UnicodeError) -> tuple[str | bytes, int]:
    """Write a character that the stream cannot show with ones that it can."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(_PLAINER.get(char, words.escaped(char)) for char in text), error.end


def reader_gone() -> None:
    """Go on in silence: whoever read standard output has gone, and nobody is left to tell."""
    if not _silenced(sys.stdout):
        sys.stdout = _nowhere()
    _gone.append(sys.stdout)


def has_reader() -> bool:
    """Tell whether anybody may still read what is printed: an endless command ends by it."""
    return not any(sys.stdout is stream for stream in _gone)


def _silenced(stream: TextIO) -> bool:
    """Have a stream lead nowhere; False for one that is no file."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):
        return False
    finally:
        os.close(nowhere)
    return True


def flush() -> None:
    """Bring out everything printed; what standard output cannot take is an OSError."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        reader_gone()
    except OSError:
        reader_gone()  # so that Python, when it ends, does not try again
        raise


def styled(text: str, style: str) -> str:
    """Colour text where standard output is a terminal and nobody asked for none."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"{_STYLES[style]}{text}{_RESET}"


def say(text: str = "") -> None:
    """Print a line; text from outside must have gone through words.plain."""
    try:
        print(text)  # noqa: T201 - this is where the program prints
    except BrokenPipeError:
        reader_gone()


def warn(text: str) -> None:
    """Print a line for the person, apart from the output; one who has gone misses it."""
    try:
        print(words.plain(text), file=sys.stderr)  # noqa: T201
    except BrokenPipeError:
        if not _silenced(sys.stderr):
            sys.stderr = _nowhere()


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
    say(json.dumps(data, indent=2))


def say_table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    """Print rows under headings, columns as wide as they need to be."""
    safe = [tuple(words.plain(cell) for cell in row) for row in rows]
    widths = [max(len(row[at]) for row in (heads, *safe)) for at in range(len(heads))]
    for row in (heads, *safe):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        say(styled(line.rstrip(), "soft") if row is heads else line.rstrip())


@contextmanager
def table_output() -> Generator[TextIO]:
    """Give standard output for a table: UTF-8 as in a file, unless a person looks at it."""
    out = sys.stdout
    if isinstance(out, io.TextIOWrapper) and not out.isatty():
        out.flush()
        out.reconfigure(encoding="utf-8", newline="")
    try:
        yield out
    except BrokenPipeError:
        reader_gone()


def _warn_of(error: DewarlogError) -> None:
    """Print an error; one of several lines as a list between its first line and its last."""
    first, *between = error.lines or (str(error),)
    warn(f"dewarlog: {first}")
    for line in between[:-1]:
        warn(f"  - {line}")
    for line in between[-1:]:
        warn(line)


@contextmanager
def failures(*, as_json: bool) -> Generator[None]:
    """End the command with the exit code of what went wrong, said in words or as data."""
    try:
        yield
    except DewarlogError as error:
        if as_json:
            say_json({"error": type(error).__name__, "message": str(error)})
        else:
            _warn_of(error)
        raise SystemExit(int(error.exit_code)) from None
    except OSError as error:
        place = "" if error.filename is None else f"{error.filename}: "
        if as_json:
            say_json({"error": "OSError", "message": f"{place}{error.strerror}"})
        else:
            warn(f"dewarlog: {place}{error.strerror}")
        raise SystemExit(int(ExitCode.STORAGE)) from None
