"""The board's own key: 32 random bytes, made at the first start, from which proofs are derived.

Place in the line: beside it; app loads the derived keys at boot, desk answers with them and signer
signs with the seed. The key stands in one file and nowhere in the log; whoever holds an open board
can read it over the REPL. What is proved by it: protocol/SPEC.md 7.7.
"""

import os
from hashlib import sha256

from micropython import const

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire import proof
from dewarlog_wire.layout import KEY_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_RAW_BYTES = const(1024)
_ENOENT = const(2)  # errno, the same on every port


def load_device_key(path: str, random_bytes: "Callable[[int], bytes]") -> bytes:
    """Return the key at `path`, made now if there is none; empty when it cannot be stored.

    A key that would be another after the next boot proves nothing: better none. So with one that
    is there and cannot be read now: a new one would shut its owner out for good. A file of another
    length is no key and is replaced: the rename below never leaves half of one.
    """
    try:
        with open(path, "rb") as file:
            key = file.read(proof.SECRET_BYTES + 1)
        if len(key) == proof.SECRET_BYTES:
            return key
    except OSError as error:
        if error.args[0] != _ENOENT:
            return b""
        # The first start.
    # RP2040's source is a ring oscillator, one bit a microsecond, biased and not independent (data
    # sheet 2.17.5): a hash of many times what is needed stands in for what such bits lack.
    key = sha256(random_bytes(_RAW_BYTES)).digest()
    try:
        write_whole(path, key)
    except OSError:
        return b""
    return key


def stands_at(path: str) -> bool:
    """Tell whether a key is there, though it may not be readable now."""
    try:
        os.stat(path)
    except OSError as error:
        return error.args[0] != _ENOENT
    return True


def derived_keys(device_key: bytes) -> dict:
    """Return {KEY_*: secret} of every key; without a device key each is empty."""
    keys = {}
    for key in KEY_NAMES:
        keys[key] = proof.derived_key(device_key, key) if device_key else b""
    return keys


def signing_seed(device_key: bytes) -> bytes:
    """Return the seed of the board's signatures; empty without a device key."""
    return proof.signing_seed(device_key) if device_key else b""
