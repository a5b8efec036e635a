"""Making a board one's own: fresh randomness for its key, its keys taken, its owner proven.

Beside keys, for the commands `claim` and `provision`. Over the cable only: keys go in the clear
there, and the board gives them to nobody over the air. What each key proves, and what SEED does:
protocol/SPEC.md 7.7.
"""

from __future__ import annotations

import secrets
import struct
from typing import TYPE_CHECKING

from dewarlog.errors import NoKey
from dewarlog.keys import BoardKeys
from dewarlog.proven import Credential
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable

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


def prove_admin(talk: Callable[[Credentials], Session], taken: BoardKeys) -> None:
    """Prove the admin key before it is kept: only then the board is claimed.

    `talk` begins a conversation that proves itself by what it is given.
    """
    proof = Credential(layout.KEY_ADMIN, taken.admin or b"", b"", "admin key")
    talk(lambda _device_id: proof).hello()
