"""The command that makes a board known: its name, its probes, its keys, its label.

Beside cli, which adds it to the others. Heavy imports wait inside the command.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dewarlog import console, words
from dewarlog.cli import (
    AsJson,
    Device,
    KeysFolder,
    credentials_over,
    expect_short,
    greeted_in_hand,
    host_time,
    is_radio,
    opened,
    session_over,
)
from dewarlog_wire import layout

if TYPE_CHECKING:
    from dewarlog.bench.channel_map import ChannelMap
    from dewarlog.bench.provision import Document
    from dewarlog.certificate import Certificate
    from dewarlog.keys import KeyStore
    from dewarlog.link import Link
    from dewarlog.session import Board, Session

_PURPOSE = layout.PURPOSE_NAMES.index("provision")


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
            help="Where to write the label, a PNG for 62 mm tape. Default: NAME.label.png here.",
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
    actor: Annotated[str, typer.Option(help="Who does it, for the board's log.")] = "",
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
    expect_short("--actor", actor, layout.KIND_PROFILE)
    with console.failures(as_json=as_json):
        from dewarlog.errors import NotByRadio

        if is_radio(device):
            raise NotByRadio(device, "A logger gives its keys")
        if map_file is None:
            _print_map(device, keys)
            return
        from dewarlog.bench.channel_map import read_map

        wanted = read_map(map_file)
        done = _provision(device, wanted, keys, actor, new_keys=new_keys)
        paths = _write_papers(done, wanted, label, certificate)
    _say(done, paths, as_json=as_json)


def _provision(
    device: str, wanted: ChannelMap, keys: Path | None, actor: str, *, new_keys: bool
) -> _Done:
    from dewarlog.certificate import Certificate
    from dewarlog.keys import KeyStore

    store = KeyStore(keys)
    with opened(device) as link:
        session, board = greeted_in_hand(link, credentials_over(device, keys))
        fresh = new_keys or not session.status().claimed
        if fresh:
            session = _seed(session, link, device, keys)
        changes = _put(session, wanted, actor)
        taken = _take_keys(link, session, board, store)
    made = None
    if taken.public_key is not None:
        made = Certificate(board.device_id, taken.public_key, int(time.time()))
    return _Done(board, changes, fresh, made, store.place(board.device_id))


def _seed(session: Session, link: Link, device: str, keys: Path | None) -> Session:
    """Have the board make new keys; return a conversation with it as it is then."""
    from dewarlog.bench.ownership import seed
    from dewarlog.bench.requests import await_boot

    status = session.status()
    if status.claimed and not session.proven:
        # An open board that is claimed takes new keys from its owner alone.
        session = session_over(link, credentials_over(device, keys))
        session.hello()
    seed(session)
    session = session_over(link)
    await_boot(session, (status.run, status.boot))
    return session


def _put(session: Session, wanted: ChannelMap, actor: str) -> tuple[str, ...]:
    """Put the map into the board's profile, unless it stands there."""
    from dewarlog.bench.profile import Profile
    from dewarlog.bench.provision import provision as provisioned
    from dewarlog.bench.requests import await_restart, get_profile, put_profile

    before = get_profile(session)
    made = provisioned(json.loads(before) if before else None, wanted)
    if before and not made.changes:
        return ()
    profile = Profile.read(json.dumps(made.document).encode(), "the new profile").write()
    run = session.status().run
    most = layout.EVENT_TEXT_ASKED_MAX_BYTES[layout.KIND_PROFILE]
    put_profile(
        session,
        profile,
        before=before,
        purpose=_PURPOSE,
        utc_s=host_time(0)[0],
        actor=actor,
        note="; ".join(made.changes).encode()[:most].decode(errors="ignore"),
    )
    await_restart(session, run)
    return made.changes


def _take_keys(link: Link, session: Session, board: Board, store: KeyStore) -> Any: ...


def _print_map(device: str, keys: Path | None) -> None: ...
