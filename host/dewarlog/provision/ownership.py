"""Making a board one's own: fresh randomness for its key, its keys taken, its owner proven.

Beside keys, for the commands `claim` and `provision`. Over the cable only: keys go in the clear
there, and the board gives them to nobody over the air. What each key proves, and what SEED does:
protocol/SPEC.md 7.7.
"""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING

from dewarlog.errors import NoKey, PullError
from dewarlog.keys import BoardKeys
from dewarlog.proven import Credential
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.keys import KeyStore
    from dewarlog.proven import Credentials
    from dewarlog.replies import Board
    from dewarlog.session import Session

SECRET_BYTES = 32


def seed(session: Session, secret: bytes | None = None) -> None:
    """Have the board make another device key, of its own and 32 bytes of this computer's.

    Every key, token and certificate of the board is void then; it starts again within 2 s.

    Raises:
        DeviceRefused: it is claimed, and the admin key was not proven; or it is locked; or it has
            no device key, or no room for another.
    """
    body = struct.pack(layout.SEED.format, secret or secrets.token_bytes(SECRET_BYTES))
    session.request(layout.MSG_SEED, body, "SEED", once=True)


def take_all(session: Session, board: Board) -> BoardKeys:
    """Ask for every key of a board that it has.

    Raises:
        NoKey: its firmware has none.
    """
    if not board.features & layout.FEATURE_AUTH:
        raise NoKey(board.name, "admin key", "The logger has none; update its firmware.")
    has_seal = board.features & layout.FEATURE_SEAL
    has_signatures = board.features & layout.FEATURE_SIGN
    return BoardKeys(
        board.device_id,
        courier=session.key(layout.KEY_COURIER),
        receipt=session.key(layout.KEY_RECEIPT),
        reader=session.key(layout.KEY_READER),
        admin=session.key(layout.KEY_ADMIN),
        seal=session.seal_key() if has_seal else None,
        public_key=session.public_key() if has_signatures else None,
    )


def keep_and_claim(
    store: KeyStore, taken: BoardKeys, talk: Callable[[Credentials], Session]
) -> None:
    """Keep a board's keys, and prove the admin key to it: by that it is claimed.

    `talk` begins a conversation that proves itself by what it is given. Keys are kept first: a
    claimed board that locks itself, and whose key nobody holds, would open to nobody. Those that
    prove nothing do not stay; where the link is lost nobody knows, and they do.

    Raises:
        Impostor, KeyRefused and the like: they are not its keys; those held before are back.
        ArchiveError: they cannot be kept; the board is not claimed.
    """
    before = store.of(taken.device_id)
    store.keep(taken)
    proof = Credential(layout.KEY_ADMIN, taken.admin or b"", b"", "admin key")
    try:
        talk(lambda _device_id: proof).hello()
    except PullError:
        store.put_back(before)
        raise
