"""The device key: made once, stored whole or not at all."""

from __future__ import annotations

import hmac
import os
from hashlib import sha256
from typing import TYPE_CHECKING, Final

import pytest

from dewarlog_firmware import device_key, whole_file
from dewarlog_firmware.device_key import (
    derived_keys,
    load_device_key,
    seed_device_key,
    signing_seed,
    stands_at,
)
from dewarlog_wire import layout, proof

if TYPE_CHECKING:
    from pathlib import Path


def numbers(count: int) -> bytes:
    """Return `count` bytes that are random for this purpose."""
    return bytes(number & 0xFF for number in range(count))


MADE: Final = sha256(numbers(1024)).digest()


def test_the_first_start_makes_a_key_and_the_next_finds_it(tmp_path: Path) -> None:
    """32 bytes, from many times as many; whatever the random source says later."""
    path = str(tmp_path / "key.bin")

    first = load_device_key(path, numbers)

    assert first == MADE
    assert load_device_key(path, bytes) == first
    assert os.listdir(tmp_path) == ["key.bin"]  # noqa: PTH208 - the names alone


@pytest.mark.parametrize("length", [0, 32, 35, 37])
def test_a_file_of_another_length_is_no_key(tmp_path: Path, length: int) -> None:
    """It is left as it is: no power cut makes one, so it was a key once."""
    path = tmp_path / "key.bin"
    path.write_bytes(bytes(length))

    assert load_device_key(str(path), numbers) == b""
    assert path.read_bytes() == bytes(length)


@pytest.mark.parametrize("bit", [0, 255, 256, 287])
def test_a_bit_that_turned_over_leaves_no_key_and_makes_no_other(tmp_path: Path, bit: int) -> None:
    """In the key or in its check: what the owner has is not replaced without a word."""
    path = tmp_path / "key.bin"
    load_device_key(str(path), numbers)
    data = bytearray(path.read_bytes())
    data[bit >> 3] ^= 1 << (bit & 7)
    path.write_bytes(data)

    assert load_device_key(str(path), bytes) == b""
    assert path.read_bytes() == data


def test_a_cut_before_the_rename_leaves_no_half_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next start makes another, whole."""
    path = str(tmp_path / "key.bin")

    def cut(_old: str, _new: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(whole_file.os, "rename", cut)
    with pytest.raises(KeyboardInterrupt):
        load_device_key(path, numbers)
    monkeypatch.undo()

    assert not (tmp_path / "key.bin").exists()
    assert load_device_key(path, bytes) == sha256(bytes(1024)).digest()


def test_a_key_that_cannot_be_stored_is_not_used(tmp_path: Path) -> None:
    """It would be another after the next boot."""
    assert load_device_key(str(tmp_path / "gone" / "key.bin"), numbers) == b""


def test_a_key_that_cannot_be_read_now_is_not_replaced(tmp_path: Path) -> None:
    """A new one would shut the board's owner out for good; this boot proves nothing."""
    folder = tmp_path / "key.bin"
    folder.mkdir()  # opening it fails, and not because it is missing

    assert load_device_key(str(folder), numbers) == b""
    assert folder.is_dir()


def test_every_purpose_has_a_key_of_its_own() -> None:
    """None is the device key, and none is the seed of the signatures."""
    keys = derived_keys(bytes(32))

    assert keys == {key: proof.derived_key(bytes(32), key) for key in layout.KEY_NAMES}
    assert signing_seed(bytes(32)) == proof.signing_seed(bytes(32))
    assert len({bytes(32), signing_seed(bytes(32)), *keys.values()}) == 6


def test_without_a_device_key_there_is_no_secret() -> None:
    """Not the derivation of nothing, which anybody could compute."""
    assert set(derived_keys(b"").values()) == {b""}
    assert signing_seed(b"") == b""


def test_a_key_that_cannot_be_read_stands_there_all_the_same(tmp_path: Path) -> None:
    """So the lock stays shut: only a board that has no key is nobody's."""
    folder = tmp_path / "key.bin"
    missing = stands_at(str(folder))
    folder.mkdir()

    assert not missing
    assert stands_at(str(folder))


def test_a_seeded_key_is_of_both_and_is_found_at_the_next_boot(tmp_path: Path) -> None:
    """HMAC of RFC 2104 as the standard library computes it; one file, whole."""
    path = str(tmp_path / "key.bin")
    before = load_device_key(path, numbers)

    seed_device_key(path, before, b"s" * 32, lambda: None)

    expected = hmac.digest(before, b"dewarlog seed" + b"s" * 32, "sha256")
    assert load_device_key(path, bytes) == expected
    assert os.listdir(tmp_path) == ["key.bin"]  # noqa: PTH208 - the names alone


def test_a_seed_that_finds_no_room_leaves_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is told, and the board goes on with what its owner has."""
    path = str(tmp_path / "key.bin")
    before = load_device_key(path, numbers)

    def full(*_: object) -> None:
        raise OSError(28)

    monkeypatch.setattr(whole_file.os, "rename", full)
    with pytest.raises(OSError, match="28"):
        seed_device_key(path, before, b"s" * 32, lambda: None)
    monkeypatch.undo()
    assert load_device_key(path, bytes) == before
    assert os.listdir(tmp_path) == ["key.bin"]  # noqa: PTH208 - the names alone


@pytest.mark.parametrize("error", [OSError(28), MemoryError()], ids=["room", "memory"])
def test_what_must_come_before_the_new_key_comes_when_there_is_room_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """A board that finds no room for the key is asked for nothing, and stays as it was."""
    path = str(tmp_path / "key.bin")
    before = load_device_key(path, numbers)
    told: list[bytes] = []

    def full(*_: object) -> bytes:
        raise error

    monkeypatch.setattr(device_key, "_with_crc", full)
    with pytest.raises(type(error)):
        seed_device_key(path, before, b"s" * 32, lambda: told.append(b"room"))
    monkeypatch.undo()
    seed_device_key(path, before, b"s" * 32, lambda: told.append(load_device_key(path, bytes)))

    assert told == [before]
    assert load_device_key(path, bytes) != before
