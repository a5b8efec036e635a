"""The command that makes a board known: its name, its probes, its keys, its label.

Beside cli, which adds it to the others. Heavy imports wait inside the command.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console, words
from dewarlog.cli.options import AsJson, Device, KeysFolder
from dewarlog.cli.reach import (
    credentials_over,
    greeted_in_hand,
    host_time,
    is_radio,
    opened,
    session_over,
)
from dewarlog.cli.typed import actor_named
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Generator

    from dewarlog.certificate import Certificate
    from dewarlog.provision.channel_map import ChannelMap
    from dewarlog.replies import Board
    from dewarlog.session import Session

_PURPOSE = layout.PURPOSE_NAMES.index("provision")
# As long as every board's: the label is drawn once before the board has the key it will tell.
_ANY_FINGERPRINT = "AAAAA-AAAAA-AAAAA-AAAAA"


@dataclass(frozen=True, slots=True)
class _Done:
    """What provisioning did."""

    board: Board
    changes: tuple[str, ...]
    new_keys: bool
    certificate: Certificate | None
    place: str


def provision(
    device: Device,
    map_file: Annotated[
        Path | None,
        typer.Option(
            "--map",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="The channel map, a TOML file: the board's name, hardware revision and probes.",
        ),
    ] = None,
    print_map: Annotated[
        bool,
        typer.Option("--print-map", help="Print the map the board has now, and change nothing."),
    ] = False,
    label: Annotated[
        Path | None,
        typer.Option(
            "--label",
            metavar="FILE",
            dir_okay=False,
            help="Where to write the label, a PNG for 62 mm tape. Default: dewarlog-ID.label.png "
            "here.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            dir_okay=False,
            help="Where to write the certificate. Default: dewarlog-ID.certificate.json here.",
        ),
    ] = None,
    new_keys: Annotated[
        bool,
        typer.Option(
            "--new-keys",
            help="Give a board that is claimed new keys too: its tokens and certificates are "
            "void from then on.",
        ),
    ] = False,
    actor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who does it, for its log. Default: this user."),
    ] = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make a board known: name, hardware revision and probes on it, its keys here, a label.

    By its USB cable. A board that nobody has claimed is given new keys first, with randomness of
    this computer; then this computer takes them, and the certificate for receivers is written. A
    probe is known by its serial: its calibration goes where it goes, a new one has none. What
    changed, and who changed it, stands in the board's log; its open run ends, and the next begins.
    """
    if print_map == (map_file is not None):
        raise typer.BadParameter("give one of --map and --print-map", param_hint="--map")
    # A look changes nothing, and needs nobody's name.
    who = "" if print_map and actor is None else actor_named(actor)
    with console.failures(as_json=as_json):
        from dewarlog.errors import NotByRadio

        if is_radio(device):
            raise NotByRadio(device, "A logger gives its keys")
        if map_file is None:
            _print_map(device, keys, as_json=as_json)
            return
        from dewarlog.provision.channel_map import read_map

        wanted = read_map(map_file)
        asked = _Papers(wanted, map_file, label, certificate)
        with _told_if_half() as half:
            done = _provision(device, asked, keys, who, half, new_keys=new_keys)
            paths = asked.write(done)
    _say(done, wanted, paths, as_json=as_json)


class _Half:
    """How far it got: `done` is told where it ends there."""

    def __init__(self) -> None:
        self.done: tuple[str, ...] = ()

    @contextlib.contextmanager
    def step(self, may: str, did: str) -> Generator[None]:
        """Do one: `may` is told where it ends within, `did` where it ends later."""
        from dewarlog.errors import DeviceRefused, ProfileChanged, ProfileNotPut, ProfileRefused

        before = self.done
        self.done = (*before, may)
        try:
            yield
        except (DeviceRefused, ProfileChanged, ProfileNotPut, ProfileRefused):
            self.done = before
            raise
        self.done = (*before, did)


@contextlib.contextmanager
def _told_if_half() -> Generator[_Half]:
    """Say what is done already where the rest fails or is stopped: nobody else can know it."""
    from dewarlog.errors import DewarlogError

    half = _Half()
    try:
        yield half
    except (DewarlogError, OSError, KeyboardInterrupt):
        if half.done:
            done = "; ".join(half.done)
            console.warn(f"dewarlog: note: {done}. Run the command again: it does the rest.")
        raise


@dataclass(frozen=True, slots=True)
class _Papers:
    """What is written beside the board: its label, and its certificate; where, if asked for."""

    wanted: ChannelMap
    map_file: Path
    label: Path | None
    certificate: Path | None

    def label_of(self, board: Board) -> Path:
        """Say where the label of a board goes."""
        return self.label or Path(f"dewarlog-{board.name}.label.png")

    def certificate_of(self, board: Board) -> Path:
        """Say where its certificate goes."""
        return self.certificate or Path(f"dewarlog-{board.name}.certificate.json")

    def expect_writable(self, board: Board) -> None:
        """Refuse what could not be drawn or written, before the board is changed.

        Raises:
            LabelTooSmall: the board's name is too long for its code.
            LogInTheWay: one of them would be written over a log.
            OSError: there is no room, or no right.
        """
        from dewarlog.output import expect_writable

        self._picture(board, _ANY_FINGERPRINT)
        label, certificate = self.label_of(board), self.certificate_of(board)
        for option, path, others in (
            ("--label", label, (self.map_file,)),
            ("--certificate", certificate, (self.map_file, label)),
        ):
            if path.resolve() in {other.resolve() for other in others}:
                raise typer.BadParameter(
                    f"{words.plain(str(path))} is the file of another option: one would be "
                    "written over the other",
                    param_hint=option,
                )
        expect_writable(label)
        expect_writable(certificate)

    def write(self, done: _Done) -> tuple[Path, Path | None]:
        """Write the label, and the certificate where there is one; return where they are."""
        from dewarlog import output
        from dewarlog.certificate import write_certificate

        made = done.certificate
        label = self.label_of(done.board)
        with output.whole(label) as path:
            path.write_bytes(self._picture(done.board, made.fingerprint if made else ""))
        if made is None:
            return label, None
        certificate = self.certificate_of(done.board)
        write_certificate(made, certificate)
        return label, certificate

    def _picture(self, board: Board, fingerprint: str) -> bytes:
        from dewarlog.provision.label import Label, Probe, png

        wanted = self.wanted
        probes = tuple(Probe(one.terminal, one.serial, one.placement) for one in wanted.probe)
        return png(Label(board.name, wanted.name, wanted.hardware, fingerprint, probes))


def _provision(
    device: str, asked: _Papers, keys: Path | None, actor: str, half: _Half, *, new_keys: bool
) -> _Done:
    """Do it all over one opened cable: keys, profile, claim."""
    from dewarlog.bench.requests import await_boot
    from dewarlog.certificate import Certificate
    from dewarlog.keys import KeyStore
    from dewarlog.provision.ownership import keep_and_claim, seed, take_all

    store = KeyStore(keys)
    with opened(device) as link:
        session, board = greeted_in_hand(link, credentials_over(device, keys))
        # What can be refused is refused now: the board is as it was.
        change = _change(session, asked.wanted)
        asked.expect_writable(board)
        store.prepare()
        status = session.status()
        fresh = new_keys or not status.claimed
        if fresh:
            if status.claimed and not session.proven:
                session = session_over(link, credentials_over(device, keys))
                session.hello()
            with half.step(
                "the logger may have made new keys, which no computer has",
                "the logger has new keys, which no computer has",
            ):
                seed(session)
                session = session_over(link)
            await_boot(session, board, status)
        if change.after != change.before:
            with half.step("it may have its new profile", "it has its new profile"):
                _put(session, change, actor)
        taken = take_all(session, board)
        keep_and_claim(store, taken, partial(session_over, link))
    half.done = ("the logger is done, and this computer has its keys; its papers are not",)
    made = None
    if taken.public_key is not None:
        made = Certificate(board.device_id, taken.public_key, int(time.time()))
    return _Done(board, change.said, fresh, made, store.place(board.device_id))


@dataclass(frozen=True, slots=True)
class _Change:
    """What becomes of a board's profile."""

    before: bytes
    after: bytes
    said: tuple[str, ...]
    """One sentence each; none: it stays."""


def _change(session: Session, wanted: ChannelMap) -> _Change:
    """Put the map into the board's profile, here, and say what is new.

    Raises:
        ProfileInvalid, ProfileTooLarge: with this map it would be none.
    """
    from dewarlog.bench.requests import get_profile
    from dewarlog.profile.model import Profile
    from dewarlog.provision.plan import provision as provisioned

    before = get_profile(session)
    present = Profile.read(before, "the board's profile").document() if before else None
    made = provisioned(present, wanted)
    if before and not made.changes:
        return _Change(before, before, ())
    after = Profile.of(made.document, "the profile with this map").write()
    return _Change(before, after, made.changes)


def _put(session: Session, change: _Change, actor: str) -> None:
    """Put the profile in force; the board begins a new run with it."""
    from dewarlog.bench.requests import await_restart, put_profile

    run = session.status().run
    put_profile(
        session,
        change.after,
        before=change.before,
        purpose=_PURPOSE,
        utc_s=host_time(0)[0],
        actor=actor,
        note=_cut("; ".join(change.said)),
    )
    await_restart(session, run)


def _cut(note: str) -> str:
    """Shorten a note to what a board records of it; the log says the rest, setting by setting."""
    most = layout.EVENT_TEXT_ASKED_MAX_BYTES[layout.KIND_PROFILE]
    return note.encode()[:most].decode(errors="ignore")


def _print_map(device: str, keys: Path | None, *, as_json: bool) -> None:
    import tomllib

    from dewarlog.bench.requests import get_profile
    from dewarlog.profile.model import Profile
    from dewarlog.provision.channel_map import form_of

    with opened(device) as link:
        session, board = greeted_in_hand(link, credentials_over(device, keys))
        data = get_profile(session)
    profile = Profile.read(data, "the board's profile") if data else None
    form = form_of(profile)
    if as_json:
        console.say_json({"device_id": board.name, **tomllib.loads(form)})
        return
    for line in form.splitlines():
        console.say(words.plain(line))


def _say(
    done: _Done, wanted: ChannelMap, paths: tuple[Path, Path | None], *, as_json: bool
) -> None:
    label, certificate = paths
    fingerprint = done.certificate.fingerprint if done.certificate else None
    if as_json:
        console.say_json(
            {
                "device_id": done.board.name,
                "name": wanted.name,
                "new_keys": done.new_keys,
                "changes": list(done.changes),
                "keys": done.place,
                "fingerprint": fingerprint,
                "certificate": None if certificate is None else str(certificate),
                "label": str(label),
            }
        )
        return
    name = words.plain(wanted.name)
    console.say(f"Logger {done.board.name} is {name} now, and claimed by this computer.")
    for change in done.changes:
        console.say(console.wrapped(change, "      ", "    - "))
    if not done.changes:
        console.say("    Its profile said all of this already.")
    made = "made with randomness of this computer, " if done.new_keys else ""
    console.say(f"Keys:        {made}kept in {words.plain(done.place)}")
    if certificate is not None:
        console.say(f"Public key:  {fingerprint}")
        console.say(f"Certificate: {words.plain(str(certificate))}")
    console.say(f"Label:       {words.plain(str(label))}")
    console.say("Next: dewarlog calibrate, dewarlog selftest.")


def add_commands(app: typer.Typer) -> None:
    """Add the command to the others."""
    app.command(epilog=console.exit_code_table())(provision)
