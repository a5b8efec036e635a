"""A device certificate: exactly one, or refused with the field that is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.certificate import (
    Certificate,
    certificate_path,
    is_weak,
    read_certificate,
    write_certificate,
)
from dewarlog.errors import CertificateDamaged, DiskFull
from dewarlog.signatures import signature_holds
from trips import HOUR_MS
from trusted import TrustedBoard

if TYPE_CHECKING:
    from collections.abc import Callable

# The points of small order of edwards25519, from its curve equation: see `small_order_points`.
P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Write the certificate of a board."""
    board = TrustedBoard()
    place = certificate_path(tmp_path, board.device_id)
    write_certificate(board.certificate, place)
    return place


def refusal(path: Path, edit: Callable[[dict[str, Any]], object]) -> str:
    """Change the file; return the field that reading it names."""
    fields = json.loads(path.read_text())
    edit(fields)
    path.write_text(json.dumps(fields))
    with pytest.raises(CertificateDamaged) as refused:
        read_certificate(path)
    assert str(path) in str(refused.value)
    return refused.value.field


def test_a_certificate_is_read_as_it_was_written(path: Path) -> None:
    """With the fields of SPEC 7.10.3, and no others."""
    assert read_certificate(path) == TrustedBoard().certificate
    fields = json.loads(path.read_text())
    assert list(fields) == ["format", "device_id", "public_key", "made_unix_s"]


def test_a_device_or_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    """One of root's would be gone; a link stays one, and what it leads to is written."""
    board = TrustedBoard()
    device = tmp_path / "device"
    device.symlink_to("/dev/full")
    with pytest.raises(DiskFull):
        write_certificate(board.certificate, device)
    assert device.readlink() == Path("/dev/full")
    assert not list(tmp_path.glob("*.new"))
    link = tmp_path / "link.json"
    link.symlink_to("there.json")
    write_certificate(board.certificate, link)
    assert link.is_symlink()
    assert read_certificate(tmp_path / "there.json") == board.certificate


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("format", value) for value in (2, True, "1", None)),
        *(("device_id", value) for value in ("01", "zz" * 8, "AB" * 8, " 1" * 8, 7, None)),
        *(("public_key", value) for value in ("01" * 31, "AB" * 32, "  " * 32, ["01" * 32])),
        *(("made_unix_s", value) for value in (-1, 1.5, True, "0", 1 << 50)),
    ],
)
def test_a_wrong_field_is_named(path: Path, field: str, value: object) -> None:
    """Another type, another length, another spelling."""
    assert refusal(path, lambda fields: fields.update({field: value})) == field


@pytest.mark.parametrize("field", ["format", "device_id", "public_key", "made_unix_s"])
def test_a_missing_field_is_named(path: Path, field: str) -> None:
    """All four are needed."""
    assert refusal(path, lambda fields: fields.pop(field)) == field


def test_a_field_that_no_certificate_has_is_named(path: Path) -> None:
    """Nobody may read more out of it than it says."""
    assert refusal(path, lambda fields: fields.update(valid_until=1)) == "valid_until"


def test_a_key_that_stands_there_twice_is_refused(path: Path) -> None:
    """One reader would take the first, another the last."""
    text = path.read_text()
    path.write_text(text.replace("{", '{"public_key": "' + "00" * 32 + '",', 1))
    with pytest.raises(CertificateDamaged) as refused:
        read_certificate(path)
    assert (refused.value.field, refused.value.reason) == ("public_key", "it stands there twice")


@given(data=st.binary(max_size=200) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_certificate_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    """Nothing else ever leaves the reader."""
    path = tmp_path_factory.mktemp("any") / "c.json"
    path.write_bytes(data)
    with pytest.raises(CertificateDamaged):
        read_certificate(path)


def test_deep_json_is_refused(path: Path) -> None:
    """And does not end the program."""
    path.write_text("[" * 100_000)
    with pytest.raises(CertificateDamaged):
        read_certificate(path)


def test_a_fingerprint_is_four_groups_and_another_for_another_key() -> None:
    """Letters and digits that cannot be taken for each other: RFC 4648 base32."""
    one, other = TrustedBoard(1).certificate.fingerprint, TrustedBoard(2).certificate.fingerprint

    groups = one.split("-")
    assert [len(group) for group in groups] == [5] * 4
    assert set("".join(groups)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")
    assert one != other


# --- keys under which anybody could sign ---------------------------------------------------------
def added(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    """Add two points (RFC 8032, 5.1.4, in affine coordinates)."""
    (x1, y1), (x2, y2) = one, other
    both = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + both, -1, P) % P
    y = (y1 * y2 + x1 * x2) * pow(1 - both, -1, P) % P
    return x, y


def x_of(y: int) -> int | None:
    """Give the even x that belongs to a y, or None (RFC 8032, 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    root = pow(square, (P + 3) // 8, P)
    if (root * root - square) % P:
        root = root * pow(2, (P - 1) // 4, P) % P
    if (root * root - square) % P:
        return None
    return root if root % 2 == 0 else P - root


def small_order_points() -> set[bytes]:
    """Find the points of order 1, 2, 4 and 8: of any point, its multiple by the large prime."""
    prime = 2**252 + 27742317777372353535851937790883648493
    found: set[bytes] = set()
    for y in range(2, 40):
        x = x_of(y)
        if x is None:
            continue
        point, rest, total = (x, y), prime, (0, 1)
        while rest:
            if rest & 1:
                total = added(total, point)
            point, rest = added(point, point), rest >> 1
        found.add((total[1] | (total[0] & 1) << 255).to_bytes(32, "little"))
    return found


def test_every_key_of_small_order_is_refused(path: Path) -> None:
    """The eight points, found by arithmetic here, and none of them passes as a key."""
    weak = small_order_points()

    assert len(weak) == 8
    for key in weak:
        assert is_weak(key)
    assert refusal(path, lambda fields: fields.update(public_key=min(weak).hex())) == "public_key"


def test_a_key_that_is_no_point_makes_no_signature_hold() -> None:
    """Not every 32 bytes are a key; the library's refusal is an answer, not a crash."""
    board = TrustedBoard()
    signed = board.signed(board.begin(), HOUR_MS)

    assert signature_holds(board.certificate, signed)
    for byte in range(2, 12):
        forged = Certificate(board.device_id, bytes([byte]) + bytes(31), 0)
        assert not signature_holds(forged, signed)
