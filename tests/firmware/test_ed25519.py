"""Ed25519 in slices: RFC 8032's own vectors, and a library as judge of everything else."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog_firmware import ed25519
from dewarlog_firmware.ed25519 import SLICES_MAX, Ed25519

if TYPE_CHECKING:
    from conftest import MicroPython

# RFC 8032, 7.1: secret key, public key, message, signature.
VECTORS: Final = {
    "test 1": (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    "test 2": (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    "test 3": (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
    "test SHA(abc)": (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        (
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
            "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"
        ),
        (
            "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
            "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704"
        ),
    ),
}
SEEDS: Final = st.binary(min_size=32, max_size=32)


def finish(key: Ed25519) -> int:
    """Do a job to its end; return its slices."""
    slices = 1
    while not key.step():
        slices += 1
    return slices


def signed(seed: bytes, message: bytes, public: bytes = b"") -> tuple[bytes, bytes]:
    """Return public key and signature."""
    key = Ed25519(seed, public)
    key.begin(message)
    finish(key)
    return key.public, key.result


def judged(seed: bytes, message: bytes) -> tuple[bytes, bytes]:
    """Return the same by the library."""
    key = Ed25519PrivateKey.from_private_bytes(seed)
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), key.sign(message)


@pytest.mark.parametrize("name", VECTORS)
def test_rfc_8032_vectors(name: str) -> None:
    """7.1, those of at most 64 bytes; longer messages are the library's to judge."""
    seed, public, message, signature = map(bytes.fromhex, VECTORS[name])

    assert signed(seed, message) == (public, signature)
    assert judged(seed, message) == (public, signature)


@settings(max_examples=40)
@given(SEEDS, st.binary(max_size=400))
def test_any_seed_and_message_sign_as_the_library_does(seed: bytes, message: bytes) -> None:
    """The public key given or not: the same bytes."""
    public, signature = judged(seed, message)

    assert signed(seed, message) == (public, signature)
    assert signed(seed, message, public) == (public, signature)


@pytest.mark.parametrize("seed", [bytes(32), b"\xff" * 32], ids=["zeros", "ones"])
@given(st.binary(max_size=64))
@settings(max_examples=5)
def test_seeds_at_the_ends_are_no_exception(seed: bytes, message: bytes) -> None:
    """All bits clear, all set."""
    assert signed(seed, message) == judged(seed, message)


@pytest.mark.parametrize("which", ["micropython", "micropython32"])
def test_micropython_signs_the_same(which: str, request: pytest.FixtureRequest) -> None:
    """The vectors, and messages of the lengths at which the hash takes another block."""
    interpreter: MicroPython = request.getfixturevalue(which)
    cases = [(seed, message) for seed, _, message, _ in VECTORS.values()]
    cases += [(cases[0][0], bytes(range(n)).hex()) for n in (47, 48, 79, 80, 98, 175, 176)]
    done = interpreter(
        f"""
from binascii import hexlify, unhexlify
from dewarlog_firmware.ed25519 import Ed25519
for seed, message in {json.dumps(cases)}:
    key = Ed25519(unhexlify(seed))
    key.begin(unhexlify(message))
    slices = 1
    while not key.step():
        slices += 1
    print(hexlify(key.public).decode(), hexlify(key.result).decode(), slices)
"""
    )

    lines = [line.split() for line in done.stdout.splitlines()]
    assert [(bytes.fromhex(a), bytes.fromhex(b)) for a, b, _ in lines] == [
        judged(bytes.fromhex(seed), bytes.fromhex(message)) for seed, message in cases
    ]
    assert max(int(slices) for _, _, slices in lines) <= SLICES_MAX


@settings(max_examples=20)
@given(SEEDS, SEEDS)
def test_every_key_and_message_takes_the_same_slices(one: bytes, other: bytes) -> None:
    """The sequence of point operations tells nothing of the bits; and it has an end."""
    counts: list[int] = []
    for seed in (one, other):
        key = Ed25519(seed)
        key.begin(other)
        counts.append(finish(key))
        key.begin(other)  # the public key is known by now
        counts.append(finish(key))

    assert counts[:2] == counts[2:]
    assert counts[1] < counts[0] <= SLICES_MAX


@given(st.integers(0, (1 << 256) - 1))
@settings(max_examples=10)
def test_a_scalar_takes_the_same_point_operations(scalar: int) -> None:
    """Fourteen to make the table, then four doublings and one addition for each digit."""
    done: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        for name in ("_add", "_double"):
            real = getattr(ed25519, name)

            def noted(*points: object, name: str = name, real: object = real) -> object:
                done.append(name)
                return real(*points)  # type: ignore[operator]

            patch.setattr(ed25519, name, noted)
        for _ in ed25519._base_times(scalar):  # noqa: SLF001
            pass

    assert done == ["_add"] * 14 + (["_double"] * 4 + ["_add"]) * 64


def test_one_job_at_a_time() -> None:
    """A second is refused, and the first goes on; a job that is dropped makes room."""
    seed = bytes(range(32))
    key = Ed25519(seed)
    assert key.step()
    key.begin(b"first")
    key.step()
    with pytest.raises(ValueError, match="being made"):
        key.begin(b"second")
    with pytest.raises(ValueError, match="being made"):
        key.begin_public()
    finish(key)
    assert key.result == judged(seed, b"first")[1]

    key.begin(b"third")
    key.drop()
    assert not key.is_busy
    key.begin_public()
    finish(key)
    assert key.result == key.public == judged(seed, b"")[0]


def test_a_seed_of_another_length_is_none() -> None:
    """Nor is an empty one."""
    for seed in (b"", bytes(31), bytes(33)):
        with pytest.raises(ValueError, match="32"):
            Ed25519(seed)


def test_a_signature_takes_a_bounded_heap_and_gives_it_back(micropython: MicroPython) -> None:
    """16 KB while it is made, on the 64-bit build whose words are twice a board's."""
    done = micropython(
        """
import gc
from dewarlog_firmware.ed25519 import Ed25519
key = Ed25519(bytes(32))
key.begin(bytes(98))
while not key.step():
    pass
gc.collect()
before = gc.mem_alloc()
most = 0
key.begin(bytes(98))
while not key.step():
    gc.collect()
    most = max(most, gc.mem_alloc() - before)
gc.collect()
print(most, gc.mem_alloc() - before)
"""
    )

    most, left = map(int, done.stdout.split())
    assert most <= 16 * 1024
    assert left <= 256
