"""How a command reaches a logger: the link, a session over it, what this computer has for it.

Below the commands of cli_*.py. Heavy imports wait inside the functions, so that `--help` comes at
once.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from dewarlog import console, words

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dewarlog.link import Link
    from dewarlog.proven import Credential, Credentials
    from dewarlog.pull import Progress
    from dewarlog.replies import Board
    from dewarlog.session import Session


@contextlib.contextmanager
def opened(name: str) -> Generator[Link]:
    """Open a device by name; `sim:` starts a simulated board for as long as it is open."""
    from dewarlog.link import open_link

    if name == "sim:" or name.startswith("sim:"):
        from dewarlog.sim import running

        with (
            running(name.partition(":")[2]) as port,
            contextlib.closing(open_link(f"usb:{port}")) as link,
        ):
            yield link
        return
    with contextlib.closing(open_link(name)) as link:
        yield link


def is_radio(device: str) -> bool:
    """Tell whether a device is reached over the air."""
    return device.startswith("ble:")


def credentials_over(device: str, keys: Path | None) -> Credentials:
    """Give what looks up what this computer has for a logger: a key, a token, or nothing.

    Where the name tells which logger is meant, and only tokens that have expired are held for it,
    that is said before anything is asked of the air.
    """
    from dewarlog.keys import KeyStore

    store = KeyStore(keys)
    found: dict[bytes, Credential | str | None] = {}

    def look_up(device_id: bytes) -> Credential | str | None:
        # Once a command: every lost link asks again, and a keyring may ask the person.
        if device_id not in found:
            found[device_id] = store.credential_over(device, device_id, host_time(0)[0])
        return found[device_id]

    if is_radio(device):
        for device_id in store.token_boards():
            if device.lower().endswith(device_id.hex()[-4:]):
                problem = look_up(device_id)
                if isinstance(problem, str):
                    console.warn(f"dewarlog: note: {problem}. Going on without.")
    return look_up


def session_over(
    link: Link,
    credentials: Credentials | None = None,
    *,
    strict: bool = True,
    secret: bool = False,
) -> Session:
    """Begin to talk over a link; a person is told when it was lost and is waited for."""
    from dewarlog.pull import OUT_OF_RANGE, locked_out_words
    from dewarlog.session import Session

    session = Session(link, credentials=credentials, strict=strict, secret=secret)
    session.on_waiting = lambda waiting: console.warn(OUT_OF_RANGE) if waiting else None
    session.on_locked_out = lambda seconds: console.warn(locked_out_words(seconds))
    return session


def greeted_in_hand(link: Link, credentials: Credentials) -> tuple[Session, Board]:
    """Say HELLO to a board that one holds, to be given its keys.

    It takes a proof only where it is locked: a key from before must not stand in the way of a new.
    """
    session = session_over(link)
    board = session.hello()
    if session.status().locked:
        session = session_over(link, credentials)
        board = session.hello()
    return session, board


def host_time(error_ms: int) -> tuple[int, int, int]:
    """Give this computer's time as a board wants it."""
    from dewarlog_wire import layout

    now_ms = time.time_ns() // 1_000_000
    return now_ms // 1000 - layout.UTC_EPOCH_UNIX_S, now_ms % 1000, error_ms


@contextlib.contextmanager
def progress_bar(*, show: bool) -> Generator[Callable[[Progress], None] | None]:
    """Show a bar with bytes, rate and time left on standard error; none where nobody looks."""
    if not show or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from dewarlog.words import byte_count

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("connecting", total=None, figures="")

        def update(now: Progress) -> None:
            left = "" if now.left_s is None else f", {words.duration(now.left_s)} left"
            rate = f"{byte_count(now.rate_bytes_s)}/s{left}" if now.rate_bytes_s else ""
            done, total = byte_count(now.done_bytes), byte_count(now.total_bytes)
            figures = f"{done} of {total}  {rate}"
            bar.update(
                task,
                description=words.plain(now.what) or "listing",
                completed=now.done_bytes,
                total=max(now.total_bytes, 1),
                figures=figures,
            )

        yield update
