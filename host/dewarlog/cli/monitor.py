"""The command an engineer keeps open on the bench: monitor.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once. It only asks (STATUS, LIVE, GET), once a second at most: sampling goes on as before.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from dewarlog import console
from dewarlog.cli.options import AsJson, Device, KeysFolder
from dewarlog.cli.reach import credentials_over, opened, session_over
from dewarlog.cli.typed import a_number

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from rich.live import Live as Screen

    from dewarlog.bench.monitor import Look
    from dewarlog.bench.requests import Live
    from dewarlog.profile.model import Profile
    from dewarlog.session import Session

_EVERY_S: Final = 1.0
_REOPEN_S: Final = 1.0
_KEY_LOOK_S: Final = 0.1


def monitor(
    device: Device,
    once: Annotated[bool, typer.Option("--once", help="Print one view, and end.")] = False,
    every: Annotated[
        float,
        typer.Option(
            min=1.0,
            max=3600.0,
            callback=a_number,
            metavar="S",
            help="Seconds between two looks.",
        ),
    ] = _EVERY_S,
    svg: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write the last view as a picture."),
    ] = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Watch a board live: probes, rules, shock, tilt, memory, timing, power, link.

    It reads and changes nothing. A board that goes away is waited for. `q` or Ctrl-C ends it. Into
    a pipe it prints one view; with --json one line of JSON for each look, until Ctrl-C or the end
    of the pipe.
    """
    with console.failures(as_json=as_json), opened(device) as link:
        session = session_over(link, credentials_over(device, keys), strict=False)
        watch = _Watch(session, device)
        watch.begin()
        if as_json:
            watch.lines(every, once=once)
        elif once or not sys.stdout.isatty():
            watch.print_one()
        else:
            watch.screen(every)
        if svg is not None:
            from dewarlog.bench.monitor_view import as_svg
            from dewarlog.output import refuse_logs, whole

            refuse_logs(svg)
            with whole(svg) as place:
                place.write_bytes(as_svg(watch.last, device).encode())


class _Watch:
    """One board, looked at again and again; a lost link is opened anew."""

    def __init__(self, session: Session, device: str) -> None:
        from dewarlog.bench.monitor import Monitor

        self._session = session
        self._device = device
        self._monitor = Monitor()
        self._profile: Profile | None = None
        self._profile_crc: int | None = None
        self._profile_note = ""
        self.last: Look | None = None
        self.lost = ""
        self.losses = 0
        self._show: Callable[[], None] = lambda: None
        session.on_waiting = self._waiting

    def begin(self) -> None:
        """Say HELLO and look once. Raises what that meets: a wrong port is no lost link."""
        self._session.hello()
        self._look()

    def lines(self, every_s: float, *, once: bool) -> None:
        """Print a line of JSON a look, until Ctrl-C, or until nobody reads them."""
        self._say_line()
        while not once and console.has_reader():
            time.sleep(every_s)
            self.again()
            self._say_line()

    def print_one(self) -> None:
        """Print one view, as wide as the terminal, or 100 columns in a pipe."""
        from rich.console import Console

        out = Console() if sys.stdout.isatty() else Console(width=100, color_system=None)
        out.print(self.view((out.width, 60)))

    def screen(self, every_s: float) -> None:
        """Keep the terminal until `q`; it is as it was afterwards, whatever happens."""
        from rich.console import Console
        from rich.live import Live as Screen

        out = Console()
        with (
            _keys() as has_quit,
            Screen(console=out, screen=True, auto_refresh=False) as screen,
            contextlib.suppress(KeyboardInterrupt),
        ):
            self._show = lambda: self._draw(screen)
            self._show()
            while not _waited(every_s if not self.lost else _REOPEN_S, has_quit):
                self.again()
                self._show()

    def view(self, size: tuple[int, int]) -> object:
        """Return the newest view."""
        from dewarlog.bench.monitor_view import frame

        return frame(self.last, self._device, self.lost, self.losses, size)

    def again(self) -> None:
        """Look again; open a lost link anew first. What is no loss of a link goes through."""
        from dewarlog.errors import LinkError

        try:
            if self.lost:
                self._session.reopen()
                self.lost = ""
            self._look()
        except LinkError as loss:
            self._lose(str(loss))

    def _look(self) -> None:
        from dewarlog.errors import DeviceRefused

        session = self._session
        board = session.board or session.hello()
        status = session.status()
        notes: list[str] = []
        live: Live | None = None
        try:
            live = self._live()
        except DeviceRefused as refusal:
            notes.append(f"Its figures are not told: {refusal.text}")
        if live is None and not notes:
            notes.append("Its firmware tells STATUS alone: no raw figures, shock, tilt or heap.")
        self._read_profile(live)
        if self._profile_note:
            notes.append(self._profile_note)
        self.last = self._monitor.look(
            time.time(), board, status, live, self._profile, tuple(notes)
        )

    def _live(self) -> Live | None:
        from dewarlog.bench import requests
        from dewarlog.errors import NoBench

        try:
            return requests.live(self._session)
        except NoBench:
            return None

    def _read_profile(self, live: Live | None) -> None:
        """Read the profile once, and again when LIVE tells of another."""
        if live is None or live.profile_crc32 == self._profile_crc:
            return
        from dewarlog.bench import requests
        from dewarlog.errors import DeviceRefused, ProfileChanged, ProfileInvalid
        from dewarlog.profile.model import Profile

        self._profile, self._profile_note = None, ""
        try:
            data = requests.get_profile(self._session)
            if data:
                self._profile = Profile.read(data, "/profile.json")
            else:
                self._profile_note = "It has no profile: it runs by its built-in rules."
        except ProfileChanged:
            return
        except (DeviceRefused, ProfileInvalid) as error:
            first = str(error).splitlines()[0]
            self._profile_note = f"The text of its rules is not known: {first}"
        self._profile_crc = live.profile_crc32

    def _waiting(self, waiting: bool) -> None:
        if waiting and not self.lost:
            self._lose("out of reach")
        elif not waiting:
            self.lost = ""
        self._show()

    def _lose(self, reason: str) -> None:
        if not self.lost:
            self.losses += 1
        self.lost = reason.splitlines()[0]

    def _draw(self, screen: Screen) -> None:
        size = screen.console.size
        screen.update(self.view((size.width, size.height)), refresh=True)  # type: ignore[arg-type]

    def _say_line(self) -> None:
        if self.lost or self.last is None:
            data: dict[str, object] = {
                "at_unix_s": round(time.time(), 3),
                "connected": False,
                "reason": self.lost,
            }
        else:
            data = self.last.data()
        console.say(json.dumps(data | {"losses": self.losses}))
        console.flush()


@contextlib.contextmanager
def _keys() -> Generator[Callable[[float], bool]]:
    """Give what waits for some seconds and tells whether `q` was typed; keys are not echoed."""
    try:
        import termios
        import tty
    except ImportError:  # Windows: Ctrl-C ends it
        yield _sleep
        return
    if not sys.stdin.isatty():
        yield _sleep
        return
    import select

    before = termios.tcgetattr(sys.stdin)

    def typed(seconds: float) -> bool:
        ready, _, _ = select.select([sys.stdin], [], [], seconds)
        return bool(ready) and sys.stdin.read(1) in "qQ"

    try:
        tty.setcbreak(sys.stdin)
        yield typed
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False


def _waited(seconds: float, has_quit: Callable[[float], bool]) -> bool:
    """Wait; True as soon as the person wants to end."""
    until_s = time.monotonic() + seconds
    while (left_s := until_s - time.monotonic()) > 0:
        if has_quit(min(left_s, _KEY_LOOK_S)):
            return True
    return False


def add_commands(app: typer.Typer) -> None:
    """Add the command of this file."""
    app.command(epilog=console.exit_code_table())(monitor)
