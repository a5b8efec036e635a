"""A device certificate: which public key is a board's, in a file that anybody may have.

Beside keys, on durable. Its format: protocol/SPEC.md 7.10.3. It holds no secret, and it proves
nothing by itself: a receiver trusts it because of whom he has it from, or because he compared its
fingerprint over the telephone. So nothing takes one from beside a log, where the courier put both.
"""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from dewarlog.durable import storage, write_whole
from dewarlog.errors import CertificateDamaged
from dewarlog.strict_json import NotStrict, read_object_of

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.keys import BoardKeys

CERTIFICATE_FORMAT: Final = 1
DEVICE_ID_BYTES: Final = 8
PUBLIC_KEY_BYTES: Final = 32
_MADE_MAX_UNIX_S: Final = 1 << 40
_LENGTHS: Final = {"device_id": DEVICE_ID_BYTES, "public_key": PUBLIC_KEY_BYTES}
# 100 of SHA-256's 256 bits: too many to find another key for, few enough to be read aloud.
_GROUPS: Final = 4
_GROUP_LETTERS: Final = 5
# Under a point of small order some signatures hold for every message, so that anybody could sign.
# The y of each (RFC 8032, 5.1; two of them also spelled p and p + 1), without its sign bit.
_SIGN_BIT: Final = 0x80
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(y)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


@dataclass(frozen=True, slots=True)
class Certificate:
    """The public key of one board, and when this was written down."""

    device_id: bytes
    public_key: bytes
    made_unix_s: int

    @property
    def fingerprint(self) -> str:
        """Give the key as four groups of letters and digits that two people can compare."""
        return fingerprint(self.public_key)

    def fields(self) -> dict[str, int | str]:
        """Give everything as the file holds it."""
        return {
            "format": CERTIFICATE_FORMAT,
            "device_id": self.device_id.hex(),
            "public_key": self.public_key.hex(),
            "made_unix_s": self.made_unix_s,
        }


def fingerprint(public_key: bytes) -> str:
    """Give the first 100 bits of a key's SHA-256 in base32: `K7QDM-2XW4T-AAB3C-ZZP5L`."""
    letters = base64.b32encode(hashlib.sha256(public_key).digest()).decode()
    starts = range(0, _GROUPS * _GROUP_LETTERS, _GROUP_LETTERS)
    return "-".join(letters[start : start + _GROUP_LETTERS] for start in starts)


def is_weak(public_key: bytes) -> bool:
    """Say whether anybody could sign under this key."""
    return public_key[:-1] + bytes((public_key[-1] & ~_SIGN_BIT & 0xFF,)) in _SMALL_ORDER


def certificate_path(folder: Path, device_id: bytes) -> Path:
    """Return where the certificate of a board stands in a folder of keys."""
    return folder / f"{device_id.hex()}.certificate.json"


def write_certificate(certificate: Certificate, path: Path) -> None:
    """Write a certificate, durably and whole; into a device or a pipe as it is."""
    data = json.dumps(certificate.fields(), indent=2).encode() + b"\n"
    with storage(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            path.write_bytes(data)
        else:
            write_whole(path.resolve(), data)


def paired_certificate(keys: BoardKeys) -> Certificate | None:
    """Make a certificate of the public key this computer took from the board itself, if it did."""
    if keys.public_key is None:
        return None
    return Certificate(keys.device_id, keys.public_key, 0)


def trusted_certificate(path: Path | None, keys: BoardKeys | None) -> Certificate | None:
    """Return the certificate in a file, else that of the key this computer took from the board.

    Raises:
        CertificateDamaged: as `read_certificate`; or the file names another key for that board
            than the board itself did, over its cable: it may be a forger's.
    """
    paired = None if keys is None else paired_certificate(keys)
    if path is None:
        return paired
    named = read_certificate(path)
    if (
        paired is not None
        and named.device_id == paired.device_id
        and named.public_key != paired.public_key
    ):
        reason = (
            f"it is not the key that the logger gave this computer by its cable (there "
            f"{named.fingerprint}, here {paired.fingerprint}). Ask its owner which is right"
        )
        raise CertificateDamaged(path, "public_key", reason)
    return named


def read_certificate(path: Path) -> Certificate:
    """Read a certificate, and refuse one that is not exactly one.

    Raises:
        CertificateDamaged: the field it names is wrong, missing, there twice or not known.
    """
    try:
        with storage(path):
            fields = read_object_of(path)
    except NotStrict as error:
        raise CertificateDamaged(path, error.field, error.reason) from error
    if type(fields.get("format")) is not int or fields["format"] != CERTIFICATE_FORMAT:
        raise CertificateDamaged(path, "format", "not one this program knows")
    certificate = _certificate_of(path, fields)
    for name in fields:
        if name not in certificate.fields():
            raise CertificateDamaged(path, name, "no certificate has it")
    if is_weak(certificate.public_key):
        raise CertificateDamaged(path, "public_key", "anybody could sign under it")
    return certificate


def _certificate_of(path: Path, fields: dict[str, Any]) -> Certificate:
    held: dict[str, bytes] = {}
    for name, length in _LENGTHS.items():
        digits = fields.get(name)
        if type(digits) is not str or len(digits) != 2 * length:
            raise CertificateDamaged(path, name, f"it is not {2 * length} hex digits")
        try:
            held[name] = bytes.fromhex(digits)
        except ValueError as error:
            raise CertificateDamaged(path, name, "it is not hex digits") from error
        # fromhex takes blanks and capitals: there is to be one spelling of a key.
        if held[name].hex() != digits:
            raise CertificateDamaged(path, name, "it is not in small hex digits alone")
    made = fields.get("made_unix_s")
    if type(made) is not int or not 0 <= made < _MADE_MAX_UNIX_S:
        raise CertificateDamaged(path, "made_unix_s", "it is no time")
    return Certificate(held["device_id"], held["public_key"], made)
