"""The board's signature over the head of a run: what it covers, and what the log says of it."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from dewarlog_firmware.ed25519 import SLICES_MAX
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.former_run import _NoRules
from dewarlog_firmware.logbook import ENOSPC, Logbook
from dewarlog_firmware.recorder import Recorder
from dewarlog_firmware.signer import Signer
from dewarlog_wire import block, events, layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import MicroPython

SEED: Final = bytes(range(32))
DEVICE_ID: Final = b"device-1"
LOG_ID: Final = b"logid123"
NONCE: Final = bytes(range(16))
UTC_S: Final = 200_000_000


def public_key(seed: bytes = SEED) -> bytes:
    """Return the public key of a seed, by a library."""
    key = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Logbook]:
    """Begin run 1; what is open of it is one event."""
    recorder = Recorder((0,), has_extremes=False)
    flash = FlashLog(str(tmp_path / "log"))
    logbook = Logbook(recorder, flash, _NoRules(), layout.FULL_STOP)
    logbook.at(1, 0)
    logbook.begin([(layout.SECTION_TEXT, b"\x02dewar 7")], LOG_ID, 7)
    logbook.emit(layout.KIND_SUPPLY, (3300, 0))
    logbook.commit()
    yield logbook
    logbook.flash.release()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the public key is kept."""
    return tmp_path / "public.bin"


def new_signer(book: Logbook, path: Path, seed: bytes = SEED) -> Signer:
    """Return a signer whose clocks stand still."""
    return Signer(
        book, seed, DEVICE_ID, lambda: (50, 7), lambda: (UTC_S, layout.CLOCK_OK), str(path)
    )


@pytest.fixture
def signer(book: Logbook, path: Path) -> Signer:
    """Return the signer of that logbook."""
    return new_signer(book, path)


def finish(signer: Signer) -> int:
    """Do the job to its end; return its steps."""
    steps = 1
    while not signer.step():
        steps += 1
    return steps


def message_of(reply: tuple, nonce: bytes = NONCE) -> bytes:
    """Return what SPEC 7.10 says was signed, packed field by field as the table has it."""
    fields = dict(zip([name for name, _, _, _ in layout.SIGN_REPLY.fields], reply, strict=True))
    head = struct.pack(
        "<I8sI32sIHIB",
        *(fields[name] for name in ("run", "log_id", "blocks", "chain")),
        *(fields[name] for name in ("uptime_s", "uptime_ms", "utc_s", "clock_state")),
    )
    return b"dewarlog head 1" + DEVICE_ID + head + nonce


def signatures_in(book: Logbook) -> list[tuple]:
    """Seal the run, and return the bodies of its SIGNATURE events."""
    book.seal()
    found = []
    data = book.flash.open_stored(1, 0, book.flash.entry(1, 0)[3])
    view = memoryview(bytearray(data.size))
    data.read_into(0, view)
    data.close()
    offset = 0
    while offset < len(view):
        one = block.check_block(view, offset, None)
        for kind, start, end in block.sections(view, one.body_start, one.body_end):
            if kind == layout.SECTION_EVENTS:
                for _, event, _, _, body in events.read_events(view, start, end):
                    if event == layout.KIND_SIGNATURE:
                        found.append(body)
        offset += one.length
    return found


def test_the_open_run_is_sealed_first_and_all_of_it_signed(book: Logbook, signer: Signer) -> None:
    """What a host then pulls is covered up to its last block but the signature's own."""
    signer.begin(1, NONCE)
    steps = finish(signer)

    reply = signer.reply()
    assert reply[:4] == (1, LOG_ID, 2, book.recorder.chain)
    assert reply[4:8] == (50, 7, UTC_S, layout.CLOCK_OK)
    assert steps <= SLICES_MAX
    Ed25519PublicKey.from_public_bytes(public_key()).verify(reply[8], message_of(reply))
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(public_key()).verify(
            reply[8], message_of(reply, bytes(16))
        )


def test_the_log_carries_the_signature(book: Logbook, signer: Signer) -> None:
    """The event has what the log itself does not say."""
    signer.begin(1, NONCE)
    finish(signer)
    reply = signer.reply()

    assert signatures_in(book) == [(2, 50, 7, UTC_S, layout.CLOCK_OK, NONCE, reply[8])]


def test_sampling_goes_on_while_a_signature_is_made(book: Logbook, signer: Signer) -> None:
    """Blocks sealed meanwhile are not in it, and do not harm it."""
    signer.begin(1, NONCE)
    chain = book.recorder.chain
    for number in range(5):
        assert not signer.step()
        book.at(60 + number, 0)
        book.emit(layout.KIND_SUPPLY, (3200, 0))
        book.seal()
    finish(signer)

    reply = signer.reply()
    assert reply[2:4] == (2, chain)
    Ed25519PublicKey.from_public_bytes(public_key()).verify(reply[8], message_of(reply))


def test_a_closed_run_is_signed_as_it_stands(book: Logbook, signer: Signer) -> None:
    """Its last block's chain value, and no event anywhere."""
    book.end()
    chain = book.recorder.chain
    signer.begin(1, NONCE)
    finish(signer)

    reply = signer.reply()
    assert reply[:4] == (1, LOG_ID, 2, chain)
    Ed25519PublicKey.from_public_bytes(public_key()).verify(reply[8], message_of(reply))
    assert book.flash.head_of(1) == (2, chain)


def test_a_run_that_ends_meanwhile_takes_no_event(book: Logbook, signer: Signer) -> None:
    """The signature holds all the same."""
    signer.begin(1, NONCE)
    book.end()
    finish(signer)

    reply = signer.reply()
    Ed25519PublicKey.from_public_bytes(public_key()).verify(reply[8], message_of(reply))
    assert book.flash.head_of(1) == (2, reply[3])


def test_no_such_run_and_no_second_job(signer: Signer) -> None:
    """KeyError for the one, ValueError for the other; the first job is not disturbed."""
    with pytest.raises(KeyError):
        signer.begin(9, NONCE)
    assert not signer.is_busy
    with pytest.raises(ValueError, match="nothing"):
        signer.reply()
    signer.begin(1, NONCE)
    with pytest.raises(ValueError, match="being made"):
        signer.begin(1, bytes(16))
    with pytest.raises(ValueError, match="being made"):
        signer.begin_public()
    finish(signer)
    reply = signer.reply()
    Ed25519PublicKey.from_public_bytes(public_key()).verify(reply[8], message_of(reply))


def test_a_log_without_a_journal_keeps_the_signature_from_nobody(
    book: Logbook, signer: Signer
) -> None:
    """As after a boot that found no room for one."""
    signer.begin(1, NONCE)
    book.flash.release()

    finish(signer)

    reply = signer.reply()
    Ed25519PublicKey.from_public_bytes(public_key()).verify(reply[8], message_of(reply))


def test_a_full_log_keeps_the_signature_from_nobody(
    book: Logbook, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no room for the event, and the log says that it is full."""
    signer.begin(1, NONCE)

    def full(*_: object) -> None:
        raise OSError(ENOSPC, "no room")

    monkeypatch.setattr(book.flash, "append_journal", full)
    finish(signer)

    reply = signer.reply()
    assert book.is_full
    Ed25519PublicKey.from_public_bytes(public_key()).verify(reply[8], message_of(reply))


def test_the_public_key_is_computed_once_and_kept(
    book: Logbook, signer: Signer, path: Path
) -> None:
    """The next boot has it at once, and signs in half the steps."""
    assert signer.public() == b""
    signer.begin_public()
    long = finish(signer)
    assert signer.public() == public_key()
    with pytest.raises(ValueError, match="nothing"):
        signer.reply()

    again = new_signer(book, path)
    assert again.public() == public_key()
    again.begin_public()
    assert again.step()
    again.begin(1, NONCE)
    assert finish(again) < long * 1.2
    Ed25519PublicKey.from_public_bytes(public_key()).verify(
        again.reply()[8], message_of(again.reply())
    )


@pytest.mark.parametrize("damage", ["other seed", "swapped", "bit", "short", "empty"])
def test_a_public_key_that_is_not_the_seeds_is_not_signed_with(
    book: Logbook, path: Path, damage: str
) -> None:
    """Two signatures of one message under two public keys would give the secret away."""
    first = new_signer(book, path, SEED[::-1] if damage == "other seed" else SEED)
    first.begin_public()
    finish(first)
    data = bytearray(path.read_bytes())
    if damage == "swapped":
        data[:32] = public_key(SEED[::-1])
    elif damage == "bit":
        data[5] ^= 1
    elif damage == "short":
        del data[40:]
    elif damage == "empty":
        del data[:]
    path.write_bytes(data)

    signer = new_signer(book, path)
    assert signer.public() == b""
    signer.begin(1, NONCE)
    finish(signer)
    assert signer.public() == public_key()
    Ed25519PublicKey.from_public_bytes(public_key()).verify(
        signer.reply()[8], message_of(signer.reply())
    )
    assert new_signer(book, path).public() == public_key()


def test_a_board_without_a_device_key_signs_nothing(book: Logbook, path: Path) -> None:
    """It says so instead of signing with a key that anybody has."""
    signer = new_signer(book, path, b"")

    assert not signer.can_sign
    assert signer.public() == b""
    assert signer.step()
    for begin in (lambda: signer.begin(1, NONCE), signer.begin_public):
        with pytest.raises(ValueError, match="no signing key"):
            begin()


def test_a_board_that_is_never_asked_to_sign_loads_no_code_for_it(
    micropython: MicroPython,
) -> None:
    """11 KB of heap on this build, where code is not frozen into the image."""
    done = micropython(
        "import sys\n"
        "from dewarlog_firmware.signer import Signer\n"
        "signer = Signer(None, bytes(32), bytes(8), None, None, '/none')\n"
        "def loaded():\n"
        "    return 'dewarlog_firmware.ed25519' in sys.modules\n"
        "before = loaded()\n"
        "signer.begin_public()\n"
        "print(signer.can_sign, before, loaded())\n"
    )

    assert done.stdout == "True False True\n"
