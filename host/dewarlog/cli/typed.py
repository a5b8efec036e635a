"""What a person types: options that typer does not hold to enough by itself, and answers.

Below cli. What is wrong with an option is a typer.BadParameter, before anything is opened.
"""

from __future__ import annotations

import contextlib
import getpass
import math
from typing import TYPE_CHECKING

import typer

from dewarlog import words
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Generator


def a_number(value: float | None) -> float | None:
    """Refuse `nan` and `inf`, which pass every least and most that typer holds them to."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no number")
    return value


def expect_short(option: str, text: str, kind: int) -> None:
    """Refuse a text that is too long for a tagged request that has the board record it."""
    expect_fits(option, text, layout.EVENT_TEXT_ASKED_MAX_BYTES[kind])


def expect_fits(option: str, text: str, most: int) -> None:
    """Refuse a text of more than `most` bytes, of another code, or with control characters."""
    problem = words.misfit(text, most)
    if problem is not None:
        raise typer.BadParameter(problem, param_hint=option)


def this_user() -> str:
    """Name who is at this computer; empty for a user without a name, as in some containers."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # ImportError: Windows, without USERNAME
        return ""


def actor_named(typed: str | None) -> str:
    """Name who does what a log keeps for good: as typed, else who is at this computer.

    Raises:
        typer.BadParameter: nobody, or more than the log has room for.
    """
    actor = this_user() if typed is None else typed
    if not actor.strip():
        raise typer.BadParameter("nobody is named", param_hint="--actor")
    expect_short("--actor", actor, layout.KIND_PROFILE)
    return actor


@contextlib.contextmanager
def asking() -> Generator[None]:
    """Take Ctrl-C at a question for what it is: typer would end with the exit code of HOLD."""
    try:
        yield
    except typer.Abort:
        raise KeyboardInterrupt from None
