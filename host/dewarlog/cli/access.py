"""The commands of who may do what: claim, lock, unlock, keys, token, acknowledge.

Beside cli, which adds them to the others. Heavy imports wait inside the commands, so that `--help`
comes at once.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from dewarlog.cli.typed import a_number, expect_short
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.keys import KeyStore
    from dewarlog.tokens import Token

_DAY_S = 86_400
_DAYS_MAX = 3650
TokenFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", exists=True, dir_okay=False, readable=True, help="A token file."
    ),
]
Holder = Annotated[
    str | None,
    typer.Option(metavar="WHO", help="Who gets it; the log names him with every use."),
]
Days = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        max=_DAYS_MAX,
        callback=a_number,
        metavar="DAYS",
        help="How long it is valid from now.",
    ),
]
Log = Annotated[
    str | None,
    typer.Option(
        metavar="ID", help="Only while the run with this log id (16 hex digits) is open."
    ),
]
May = Annotated[
    list[str] | None,
    typer.Option(
        metavar="WHAT", help="Only this: read, record, set, stop, keys. May be given again."
    ),
]


# --- claim ---------------------------------------------------------------------------------------


def claim(
    device: Device,
    certificate: Annotated[
        Path | None,
        typer.Option(
            "--certificate",
            metavar="FILE",
            dir_okay=False,
            help="Where to write the device certificate. Default: dewarlog-ID.certificate.json in "
            "this folder.",
        ),
    ] = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make a logger yours, by its USB cable: take its keys and its public key.

    This computer then holds every key of the logger and the state of its sealing key, and proves
    itself by the admin key once: the logger is claimed, and can be locked. Prints the fingerprint
    of its public key, and writes its certificate: what a receiver checks signatures by. Takes the
    logger some seconds.
    """
    with console.failures(as_json=as_json):
        from dewarlog.certificate import Certificate, write_certificate
        from dewarlog.errors import NotByRadio
        from dewarlog.keys import KeyStore
        from dewarlog.output import expect_writable
        from dewarlog.provision.ownership import keep_and_claim, take_all

        if is_radio(device):
            raise NotByRadio(device, "A logger gives its keys")
        store = KeyStore(keys)
        with opened(device) as link:
            session, board = greeted_in_hand(link, credentials_over(device, keys))
            store.prepare()
            path = certificate or Path(f"dewarlog-{board.name}.certificate.json")
            expect_writable(path)
            before = store.of(board.device_id)
            taken = take_all(session, board)
            keep_and_claim(store, taken, partial(session_over, link))
        made = None
        if taken.public_key is not None:
            made = Certificate(board.device_id, taken.public_key, int(time.time()))
            write_certificate(made, path)
        place = store.place(board.device_id)
    changed = before.admin not in (None, taken.admin)
    fingerprint = None if made is None else made.fingerprint
    if as_json:
        console.say_json(
            {
                "device_id": board.name,
                "place": place,
                "keys": taken.held,
                "changed": changed,
                "fingerprint": fingerprint,
                "certificate": None if made is None else str(path),
            }
        )
        return
    console.say(f"Logger {board.name} is claimed. This computer holds: {', '.join(taken.held)}.")
    console.say(f"Kept in: {words.plain(place)}")
    if changed:
        console.warn("note: it had other keys before; those are replaced.")
    if made is None:
        console.say("It signs nothing: its firmware has no signatures.")
    else:
        console.say(f"Public key: {fingerprint} (compare it when you hand the certificate over)")
        console.say(f"Certificate: {words.plain(str(path))}")
    console.say("Next: dewarlog lock, and dewarlog token make for whoever carries it.")


# --- lock ----------------------------------------------------------------------------------------


def lock(device: Device, keys: KeysFolder = None, as_json: AsJson = False) -> None:
    """Lock a claimed logger: roles are asked for on every link, and its console is closed.

    By its USB cable, with the admin key (`dewarlog claim`). A locked logger still tells everyone
    how it is; its log is for holders of a key or a token.
    """
    _set_lock(device, keys, on=True, as_json=as_json)


def unlock(device: Device, keys: KeysFolder = None, as_json: AsJson = False) -> None:
    """Open a locked logger again, by its USB cable, with the admin key."""
    _set_lock(device, keys, on=False, as_json=as_json)


def _set_lock(device: str, keys: Path | None, *, on: bool, as_json: bool) -> None:
    with console.failures(as_json=as_json):
        from dewarlog.errors import NoKey, NotByRadio
        from dewarlog.keys import KeyStore

        if is_radio(device):
            raise NotByRadio(device, "A logger is locked and opened")
        store = KeyStore(keys)
        with opened(device) as link:
            session = session_over(link, credentials_over(device, keys))
            board = session.hello()
            if store.of(board.device_id).admin is None:
                raise NoKey(board.name, "admin key", "Claim it first: `dewarlog claim usb:PORT`.")
            session.lock(on=on)
    if as_json:
        console.say_json({"device_id": board.name, "locked": on})
        return
    console.say(f"Logger {board.name} is {'locked' if on else 'open'}.")


# --- acknowledge ---------------------------------------------------------------------------------


def acknowledge(
    device: Device,
    actor: Annotated[str, typer.Option(help="Who has seen the alarm.")],
    note: Annotated[str, typer.Option(help="What was done about it. No patient data.")] = "",
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Record in a logger's log that somebody has seen its alarm.

    The state that was seen stands in the record, with who, when and what was done. An alarm is not
    taken back by it: the verdict stays what the readings say.
    """
    from dewarlog_wire.events import acknowledge_body

    with console.failures(as_json=as_json):
        for name, text in (("--actor", actor), ("--note", note)):
            expect_short(name, text, layout.KIND_ACKNOWLEDGE)
        if not actor.strip():
            raise typer.BadParameter("it is empty", param_hint="--actor")
        credentials = credentials_over(device, keys)
        with opened(device) as link:
            session = session_over(link, credentials, strict=is_radio(device))
            board = session.hello()
            seen = session.status().state
            utc_s = host_time(0)[0]
            session.acknowledge(acknowledge_body(seen, utc_s, (actor, note)))
    alarms = [name for bit, name in _ALARMS.items() if seen & bit]
    if as_json:
        console.say_json(
            {
                "device_id": board.name,
                "unix_s": utc_s + layout.UTC_EPOCH_UNIX_S,
                "actor": actor,
                "note": note,
                "seen": alarms,
            }
        )
        return
    seen_words = ", ".join(alarms) or "no alarm"
    console.say(f"Recorded on {board.name}: {words.plain(actor)} has seen: {seen_words}.")


_ALARMS = {
    layout.STATUS_EXCURSION: "excursion",
    layout.STATUS_HELD: "hold",
    layout.STATUS_WARNING: "warning",
    layout.STATUS_FAULT: "fault",
    layout.STATUS_LOW_SUPPLY: "low supply",
    layout.STATUS_MEMORY_FULL: "memory full",
    layout.STATUS_CLOCK_UNSET: "clock not set",
}


# --- keys ----------------------------------------------------------------------------------------


def list_keys(
    forget: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Remove everything held of this logger (16 hex digits)."),
    ] = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """List which keys and tokens this computer holds, and where; never a secret."""
    with console.failures(as_json=as_json):
        from dewarlog.keys import KeyStore

        store = KeyStore(keys)
        if forget is not None:
            store.forget(_device_id(forget, "--forget"))
        boards = [(board, store.of(board), store.place(board)) for board in store.boards()]
        tokens = store.placed_tokens()
    now_s = host_time(0)[0]
    rows = [(held.device_id.hex(), ", ".join(held.held), place) for _, held, place in boards]
    rows += [
        (one.device_id.hex(), _token_words(one, one.why_not(one.device_id, now_s)), place)
        for place, one in tokens
    ]
    if as_json:
        console.say_json(
            {
                "boards": [
                    {"device_id": held.device_id.hex(), "keys": held.held, "place": place}
                    for _, held, place in boards
                ],
                "tokens": [_token_data(one, now_s) | {"place": place} for place, one in tokens],
            }
        )
        return
    if not rows:
        console.say("This computer holds no key and no token.")
        return
    console.say_table(("Logger", "Holds", "Where"), rows)


def _token_words(one: Token, problem: str | None) -> str:
    role = layout.KEY_NAMES[one.role]
    return f"{one.name} ({role})" + ("" if problem is None else f": {problem}")


def _token_data(one: Token, now_s: int) -> dict[str, Any]:
    fields = one.fields()
    del fields["secret"]
    return fields | {
        "token_id": one.token_id.hex(),
        "holder": one.holder,
        "problem": one.why_not(one.device_id, now_s),
    }


# --- token ---------------------------------------------------------------------------------------

token_app = typer.Typer(
    name="token",
    help="Lend a role of a logger to somebody for some days, without a network.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@token_app.command(epilog=console.exit_code_table())
def make(
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Where to.")
    ],
    device: Annotated[
        list[str],
        typer.Option(
            metavar="ID",
            help="The logger it is for (16 hex digits, or its last 4). May be given again.",
        ),
    ],
    holder: Holder = None,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help="What is lent: reader, courier or admin.")
    ] = "courier",
    days: Days = 14,
    log: Log = None,
    may: May = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Make a token from a key that this computer holds; give the file to its holder.

    The logger checks it by itself, at the door, without a network. The file is a key while it is
    valid: send it as you would send one, and let its holder put it away with `token add`.
    """
    from dewarlog.tokens import ROLE_NAMES

    if role not in ROLE_NAMES:
        roles = ", ".join(ROLE_NAMES)
        raise typer.BadParameter(f"{words.plain(role)!r} is none of {roles}", param_hint="--role")
    with console.failures(as_json=as_json):
        from dewarlog.errors import NoKey
        from dewarlog.keys import KeyStore
        from dewarlog.tokens import make_token, new_id, write_tokens

        store = KeyStore(keys)
        caveats = _caveats(holder=holder, days=days, log=log, may=may)
        made: list[Token] = []
        for name in device:
            board = _held_board(store, name)
            secret: bytes | None = getattr(store.of(board), role)
            if secret is None:
                raise NoKey(
                    board.hex(),
                    f"{role} key",
                    "Take it by its USB cable: `dewarlog claim usb:PORT`, or `dewarlog pair "
                    f"usb:PORT --role {role}`.",
                )
            lent = partial(make_token, board, ROLE_NAMES[role], secret, new_id(), caveats)
            made.append(_short_enough(lent))
        write_tokens(output, made)
    _say_tokens(made, as_json=as_json, file=output)


@token_app.command(epilog=console.exit_code_table())
def narrow(
    file: TokenFile,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", dir_okay=False, help="Where to.")
    ],
    holder: Holder = None,
    days: Days = None,
    log: Log = None,
    may: May = None,
    as_json: AsJson = False,
) -> None:
    """Make a token of less from a token: shorter, for one run, for fewer things, for another.

    It takes no key and no logger. What was taken away cannot be put back.
    """
    if holder is days is log is may is None:
        raise typer.BadParameter("say what to take away: --days, --log, --may or --holder")
    with console.failures(as_json=as_json):
        from dewarlog.tokens import read_tokens, write_tokens

        caveats = _caveats(holder=holder, days=days, log=log, may=may)
        tokens = read_tokens(file)
        made = [_short_enough(partial(one.narrowed, caveats)) for one in tokens]
        write_tokens(output, made)
    _say_tokens(made, as_json=as_json, file=output)


@token_app.command(epilog=console.exit_code_table())
def show(file: TokenFile, as_json: AsJson = False) -> None:
    """Say what a token allows, to whom and until when; never its secret.

    The exit code is 4 where none of its tokens can be used now.
    """
    from dewarlog.errors import ExitCode

    with console.failures(as_json=as_json):
        from dewarlog.tokens import read_tokens

        tokens = read_tokens(file)
    _say_tokens(tokens, as_json=as_json)
    now_s = host_time(0)[0]
    if all(one.why_not(one.device_id, now_s) is not None for one in tokens):
        raise typer.Exit(ExitCode.NO_DATA)


@token_app.command(epilog=console.exit_code_table())
def add(file: TokenFile, keys: KeysFolder = None, as_json: AsJson = False) -> None:
    """Put a token into this computer's store: handoff, pull and status then use it by themselves.

    One that has expired is refused. Remove the file then: it is a key.
    """
    with console.failures(as_json=as_json):
        from dewarlog.errors import TokenUseless
        from dewarlog.keys import KeyStore
        from dewarlog.tokens import read_tokens

        store = KeyStore(keys)
        tokens = read_tokens(file)
        now_s = host_time(0)[0]
        for one in tokens:
            if now_s >= one.until_s:
                raise TokenUseless(file, one.name, "it has expired")
        for one in tokens:
            store.keep_token(one)
    _say_tokens(tokens, as_json=as_json)
    if not as_json:
        console.say(f"Kept. Now remove {words.plain(str(file))}: it is as good as a key.")


def _caveats(
    *, holder: str | None, days: float | None, log: str | None, may: list[str] | None
) -> list[bytes]:
    """Make caveats of options."""
    from dewarlog.tokens import MAY_NAMES, time_caveats
    from dewarlog_wire.errors import TokenError
    from dewarlog_wire.token import caveat

    made = [] if days is None else time_caveats(None, host_time(0)[0] + int(days * _DAY_S))
    if log is not None:
        made.append(caveat(layout.CAVEAT_LOG, _device_id(log, "--log")))
    if may is not None:
        unknown = [name for name in may if name not in MAY_NAMES]
        if unknown:
            known = ", ".join(MAY_NAMES)
            raise typer.BadParameter(
                f"{words.plain(unknown[0])!r} is none of {known}", param_hint="--may"
            )
        bits = 0
        for name in may:
            bits |= MAY_NAMES[name]
        made.append(caveat(layout.CAVEAT_MAY, bytes((bits,))))
    if holder is not None:
        try:
            made.append(caveat(layout.CAVEAT_HOLDER, holder.encode()))
        except (TokenError, UnicodeError) as error:
            raise typer.BadParameter(str(error), param_hint="--holder") from error
    return made


def _short_enough(make_it: Callable[[], Token]) -> Token:
    """Make a token; say so where the command line asks for too long a one."""
    from dewarlog_wire.errors import TokenError

    try:
        return make_it()
    except TokenError as error:
        raise typer.BadParameter(f"{error}: take less away, or name a shorter holder") from error


def _say_tokens(tokens: list[Token], *, as_json: bool, file: Path | None = None) -> None:
    now_s = host_time(0)[0]
    if as_json:
        data: dict[str, Any] = {"tokens": [_token_data(one, now_s) for one in tokens]}
        console.say_json(data | ({} if file is None else {"file": str(file)}))
        return
    for one in tokens:
        for line in one.lines():
            console.say(words.plain(line))
        problem = one.why_not(one.device_id, now_s)
        if problem is not None:
            console.warn(f"note: it cannot be used now: {problem}.")
        console.say()
    if file is not None:
        console.say(
            f"Written: {words.plain(str(file))}. It is as good as a key while it is valid."
        )


# --- names of loggers ----------------------------------------------------------------------------


def _device_id(text: str, option: str) -> bytes:
    try:
        found = bytes.fromhex(text)
    except ValueError:
        found = b""
    if len(found) != 8:
        raise typer.BadParameter(f"{words.plain(text)!r} is not 16 hex digits", param_hint=option)
    return found


def _held_board(store: KeyStore, name: str) -> bytes:
    """Find the board that an id, or the end of one, names among those whose keys are held."""
    wanted = name.strip().lower()
    if len(wanted) == 16:
        return _device_id(wanted, "--device")
    found = [board for board in store.boards() if wanted and board.hex().endswith(wanted)]
    if len(found) != 1:
        count = "no logger" if not found else f"{len(found)} loggers"
        raise typer.BadParameter(
            f"{count} whose keys are here ends with {words.plain(name)!r}; `dewarlog keys` lists "
            "them",
            param_hint="--device",
        )
    return found[0]


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    for command in (claim, lock, unlock, acknowledge):
        app.command(epilog=console.exit_code_table())(command)
    app.command(name="keys", epilog=console.exit_code_table())(list_keys)
    app.add_typer(token_app, epilog=console.exit_code_table())
