"""The commands of the door: handoff, receipt, pair, radio. They wire the line, as all cli_*.py do.

Heavy imports wait inside the commands, so that `--help` comes at once.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console, words
from dewarlog.cli.options import ArchiveFolder, AsJson, Device, KeysFolder, Secret
from dewarlog.cli.reach import (
    credentials_over,
    greeted_in_hand,
    host_time,
    is_radio,
    opened,
    progress_bar,
    session_over,
)
from dewarlog.cli.typed import asking
from dewarlog.errors import ExitCode
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dewarlog.handoff import Parties

_ROLES = ", ".join(name.replace(" ", "-") for name in layout.ROLE_NAMES)
_MINUTES_MAX = 0xFFFF
# A logger advertises a few times a second: long enough to hear every one, at a door.
LISTEN_S = 2.0


# --- handoff -------------------------------------------------------------------------------------


def handoff(
    device: Annotated[
        str | None,
        typer.Argument(
            metavar="[DEVICE]",
            help="usb:PORT, or ble:NAME as `dewarlog scan` shows it. Without it: the one logger "
            "that is on the air here.",
        ),
    ] = None,
    giver: Annotated[str | None, typer.Option(help="Who gives the dewar away.")] = None,
    receiver: Annotated[str | None, typer.Option(help="Who has it from now on.")] = None,
    role: Annotated[
        str | None, typer.Option(metavar="ROLE", help=f"What the receiver is: {_ROLES}.")
    ] = None,
    place: Annotated[str | None, typer.Option(help="Where, as you would say it.")] = None,
    archive: ArchiveFolder = None,
    keys: KeysFolder = None,
    tell_time: Annotated[
        bool, typer.Option(help="Tell the logger this computer's time; the log bounds its clock.")
    ] = True,
    time_error_ms: Annotated[
        int, typer.Option(min=0, max=60_000, help="How wrong this computer's clock may be.")
    ] = 1000,
    again: Annotated[
        bool,
        typer.Option(
            "--again", help="Record it even where the log holds the same handoff from just now."
        ),
    ] = False,
    secret: Secret = False,
    as_json: AsJson = False,
) -> None:
    """Hand a dewar over: sync, check, record who has it now, and keep a receipt.

    Fetches only what this archive lacks, judges the whole journey on the spot, has the logger
    record the handoff and sign its log, and writes a receipt with the logger's proof beside the
    log. Needs no network and no account; a locked logger takes a key or a token (`dewarlog token
    add`), which is used by itself. What is not given as an option is asked for. The exit code says
    the verdict.

    Where the connection is lost just as the handoff is recorded, run the command again: if the
    log holds it (same people, place and verdict, in the last 15 minutes, and no receipt here), it
    says so and records no second one. That one has no receipt here; --again makes one.
    """
    parties = _parties(giver=giver, receiver=receiver, role=role, place=place)
    steps: list[str] = []
    with console.failures(as_json=as_json):
        from dewarlog.answers import door as answers_door
        from dewarlog.archive import Archive
        from dewarlog.handoff import HandoffCourse
        from dewarlog.keys import KeyStore

        began_s = time.monotonic()

        def say(step: str) -> None:
            line = f"{time.monotonic() - began_s:5.1f} s  {words.plain(step)}"
            steps.append(line)
            if not as_json:
                console.say(line)

        if device is None:
            say("listening for the logger on the air")
        name = device or _only_dewar()
        say(f"connecting to {name}")
        with opened(name) as link:
            # A simulated board lives in its own time.
            told = tell_time and not name.startswith("sim:")
            course = HandoffCourse(
                link,
                Archive(archive),
                KeyStore(keys),
                say=say,
                bar=lambda: progress_bar(show=not as_json),
                set_time=(lambda: host_time(time_error_ms)) if told else None,
                secret=secret,
            )
            done = course.run(parties, again=again)
        if as_json:
            console.say_json(answers_door.handoff_data(done, steps))
        else:
            answers_door.say_handoff(done)
    raise typer.Exit(done.exit_code)


def _only_dewar() -> str:
    """Name the one logger that is on the air here."""
    from dewarlog import scan
    from dewarlog.handoff import only_one
    from dewarlog.link.radio import listening

    with listening("ble:") as ear:
        time.sleep(LISTEN_S)  # to its end: there may be a second one
        heard = [one for one in ear.heard() if one.advert is not None]
    return only_one(sorted(scan.devices(heard).values()))


def _parties(**typed: str | None) -> Parties:
    """Take who, to whom and where from the options, and ask for what is missing."""
    from dewarlog.handoff import Parties, role_number, text_problem

    def text_of(value: str) -> str:
        problem = text_problem(value)
        if problem is not None:
            raise typer.BadParameter(problem)
        return value.strip()

    def role_of(value: str) -> str:
        if role_number(value) is None:
            raise typer.BadParameter(f"{words.plain(value)!r} is no role; one of: {_ROLES}")
        return value

    def answer(name: str, question: str, check: Callable[[str], str]) -> str:
        value = typed[name]
        if value is None and not _is_terminal():
            raise typer.BadParameter(f"it is missing: {question}", param_hint=f"--{name}")
        if value is None:
            with asking():
                asked: str = typer.prompt(question, value_proc=check, err=True)
            return asked
        with _option(name):
            return check(value)

    return Parties(
        giver=answer("giver", "Who gives the dewar away", text_of),
        receiver=answer("receiver", "Who has it from now on", text_of),
        role=role_number(answer("role", f"What the receiver is ({_ROLES})", role_of)) or 0,
        place=answer("place", "Where", text_of),
    )


def _is_terminal() -> bool:
    return sys.stdin.isatty()


@contextlib.contextmanager
def _option(name: str) -> Generator[None]:
    """Say which option a wrong value was given to."""
    try:
        yield
    except typer.BadParameter as error:
        error.param_hint = f"--{name}"
        raise


# --- receipt -------------------------------------------------------------------------------------


def receipt(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="A receipt (*.handoff-*.json).",
        ),
    ],
    log: Annotated[
        Path | None,
        typer.Option(
            metavar="LOG",
            exists=True,
            dir_okay=False,
            readable=True,
            help="The log it belongs to. Default: the one beside it.",
        ),
    ] = None,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="The logger's device certificate, from somebody you trust. Default: the public "
            "key taken when this computer claimed it.",
        ),
    ] = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Say what a receipt proves, by which key, and what it does not.

    Holds every field against the others, against the log, and against the logger's own proof
    where the receipt key is here (`dewarlog pair --receipts`); its signature against the logger's
    certificate.
    """
    with console.failures(as_json=as_json):
        from dewarlog.answers import door as answers_door
        from dewarlog.certificate import trusted_certificate
        from dewarlog.keys import KeyStore
        from dewarlog.receipt import judge_receipt, read_receipt

        read = read_receipt(file)
        beside = file.parent / Path(read.log).name
        held = log or (beside if read.log and beside.is_file() else None)
        ours = KeyStore(keys).of(read.device_id)
        trusted = trusted_certificate(certificate, ours)
        found = judge_receipt(read, ours.receipt, held, trusted)
        if as_json:
            console.say_json(answers_door.receipt_data(read, found, held))
        else:
            answers_door.say_receipt(read, found)
    if found.wrong:
        raise typer.Exit(ExitCode.NOT_INTACT)
    raise typer.Exit(ExitCode.USE if found.proved else ExitCode.NO_DATA)


# --- pair ----------------------------------------------------------------------------------------


def pair(
    device: Device,
    role: Annotated[
        str,
        typer.Option(
            metavar="ROLE",
            help="Whose key to take: reader (reads), courier (also records, and sets clock and "
            "radio) or admin (everything). `dewarlog claim` takes all of them.",
        ),
    ] = "courier",
    receipts: Annotated[
        bool,
        typer.Option(
            "--receipts",
            help="Take the key that proves receipts, too. Whoever holds it can "
            "make receipts: for the few who check them.",
        ),
    ] = False,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Take a logger's key over its USB cable, and keep it on this computer.

    With it, the two prove to each other who they are before every handoff. A logger gives its
    keys through the cable only; a locked one to whoever holds its admin key.
    """
    from dewarlog.tokens import ROLE_NAMES

    if role not in ROLE_NAMES:
        roles = ", ".join(ROLE_NAMES)
        raise typer.BadParameter(f"{words.plain(role)!r} is none of {roles}", param_hint="--role")
    with console.failures(as_json=as_json):
        from dataclasses import replace

        from dewarlog.keys import KeyStore
        from dewarlog.proven import Credential
        from dewarlog.session import Session

        store = KeyStore(keys)
        with opened(device) as link:
            session, board = greeted_in_hand(link, credentials_over(device, keys))
            store.prepare()
            before = store.of(board.device_id)
            key = session.key(ROLE_NAMES[role])
            receipt_key = session.key(layout.KEY_RECEIPT) if receipts else before.receipt
            # Kept only once it has proved what it is for.
            proof = Credential(ROLE_NAMES[role], key, b"", f"{role} key")
            Session(link, credentials=lambda _device_id: proof).hello()
        changed = getattr(before, role) not in (None, key)
        store.keep(replace(before, **{role: key, "receipt": receipt_key}))
    stale = changed and not receipts and receipt_key is not None
    if as_json:
        held = {role: True, "receipt": receipt_key is not None}
        place = store.place(board.device_id)
        console.say_json(
            {"device_id": board.name, "place": place, "keys": held, "changed": changed}
        )
        return
    kinds = f"{role} and receipt keys" if receipts else f"{role} key"
    console.say(f"Paired with logger {board.name}: this computer holds its {kinds}.")
    if changed:
        console.warn("note: it had another key before; that one is replaced.")
    if stale:
        console.warn("note: the receipt key held is older; take the new one with --receipts.")


# --- radio ---------------------------------------------------------------------------------------


def radio(
    device: Device,
    state: Annotated[str, typer.Argument(metavar="on|off", help="off is flight mode.")],
    minutes: Annotated[
        int,
        typer.Option(
            min=0,
            max=_MINUTES_MAX,
            help="How long; it changes back by itself. 0: until told otherwise.",
        ),
    ] = 0,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Switch a logger's radio off (flight mode) or on; the log tells of both.

    By radio, a logger does so only for who proves himself by the courier key, the admin key or a
    token. A logger whose radio is off is reached by its USB cable.
    """
    if state not in ("on", "off"):
        raise typer.BadParameter(f"{state!r} is neither on nor off", param_hint="on|off")
    with console.failures(as_json=as_json):
        credentials = credentials_over(device, keys)
        with opened(device) as link:
            session = session_over(link, credentials, strict=is_radio(device))
            board = session.hello()
            session.radio(on=state == "on", minutes=minutes)
    if as_json:
        console.say_json({"device_id": board.name, "radio": state, "minutes": minutes})
        return
    lasting = f" for {words.duration(60 * minutes)}" if minutes else ""
    mode = "" if state == "on" else " (flight mode)"
    console.say(f"Radio of logger {board.name}: {state}{lasting}{mode}")


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    for command in (handoff, receipt, pair, radio):
        app.command(epilog=console.exit_code_table())(command)
