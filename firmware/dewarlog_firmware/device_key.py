"""The board's own key: 32 random bytes, made at the first start, from which proofs are derived.

The file holds the key and its CRC-32, which tells a bit that has turned over.

Place in the line: beside it; app loads the derived keys at boot, desk answers with them and signer
signs with the seed. The key stands in one file and nowhere in the log; whoever holds an open board
can read it over the REPL. What is proved by it: protocol/SPEC.md 7.7.
"""

import os
import struct
from hashlib import sha256

from micropython import const

from dewarlog_firmware.whole_file import write_whole
from dewarlog_wire import proof
from dewarlog_wire.crc import crc32
from dewarlog_wire.layout import KEY_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

KEY_PATH = "/key.bin"
_RAW_BYTES = const(1024)
_ENOENT = const(2)  # errno, the same on every port
_CRC_BYTES = const(4)


def load_device_key(path: str, random_bytes: "Callable[[int], bytes]") -> bytes:
    """Return the key at `path`, made now if there is no such file.

    Empty when it cannot be stored: a key that would be another after the next boot proves nothing.
    Empty too when the file is there and cannot be read, or is not what was written: a new key
    would shut the board's owner out for good, without a word. No power cut leaves half of one.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(proof.SECRET_BYTES + _CRC_BYTES + 1)
    except OSError as error:
        return _make(path, random_bytes) if error.args[0] == _ENOENT else b""
    key = data[: proof.SECRET_BYTES]
    return key if data == _with_crc(key) else b""


def _make(path: str, random_bytes: "Callable[[int], bytes]") -> bytes:
    """Make the key, at the first start."""
    # RP2040's source is a ring oscillator, one bit a microsecond, biased and not independent (data
    # sheet 2.17.5): a hash of many times what is needed stands in for what such bits lack.
    key = sha256(random_bytes(_RAW_BYTES)).digest()
    try:
        write_whole(path, _with_crc(key))
    except OSError:
        return b""
    return key


def seed_device_key(
    path: str, device_key: bytes, secret: bytes, once_there: "Callable[[], None]"
) -> None:
    """Store another key in the place of `device_key`, made of it and a host's secret.

    Whoever trusts either has a random key: RP2040's own source is a poor one. `once_there` is
    called when there is room for it, just before it takes the old one's place. OSError when it
    cannot be stored, or what that raises; the old one stays then. A board uses the new one from
    its next boot on.
    """
    aside = path + ".new"
    try:
        with open(aside, "wb") as file:
            file.write(_with_crc(proof.seeded_key(device_key, secret)))
        once_there()
        os.rename(aside, path)
    except (OSError, MemoryError):
        try:
            os.remove(aside)
        except OSError:
            pass  # it was not written
        raise


def _with_crc(key: bytes) -> bytes:
    return key + struct.pack("<I", crc32(key))


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
