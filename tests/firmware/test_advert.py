"""What the board says to everybody: exactly 31 bytes, and only when something is new."""

from __future__ import annotations

import struct
import uuid

import pytest

from dewarlog_firmware.advert import Advert, payload_columns, uuid_bytes, warmest
from dewarlog_firmware.config import parse_config
from dewarlog_firmware.profile import reading_columns
from dewarlog_wire import layout
from memory_board import DEVICE_ID

ABSENT = layout.state_code(layout.STATE_ABSENT)
OPEN = layout.state_code(layout.STATE_OPEN)
SHORT = layout.state_code(layout.STATE_SHORT)


def fields_of(data: bytes) -> dict[int, bytes]:
    """Return {type: bytes} of the fields of an advertisement."""
    fields: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        length = data[at]
        fields[data[at + 1]] = bytes(data[at + 2 : at + 1 + length])
        at += 1 + length
    assert at == len(data)
    return fields


def advert_of(advert: Advert) -> tuple[int, ...]:
    """Return the values of the ADVERT record."""
    data = fields_of(bytes(advert.payload))[0xFF]
    assert data[:2] == struct.pack("<H", layout.BLE_COMPANY)
    return struct.unpack(layout.ADVERT.format, data[2:])


def test_the_payload_is_31_bytes_of_three_fields() -> None:
    """Flags, the service, and manufacturer data: all that a legacy advertisement holds."""
    payload = bytes(Advert(DEVICE_ID).payload)

    assert len(payload) == 31
    assert list(fields_of(payload)) == [0x01, 0x07, 0xFF]
    assert fields_of(payload)[0x01] == b"\x06"


def test_the_service_is_found_by_its_uuid() -> None:
    """Least significant byte first, as everything on the air."""
    expected = uuid.UUID(layout.BLE_SERVICE_UUID).bytes[::-1]

    assert fields_of(bytes(Advert(DEVICE_ID).payload))[0x07] == expected
    assert uuid_bytes(layout.BLE_SERVICE_UUID) == expected


def test_the_scan_response_holds_the_name() -> None:
    """`dewarlog-` and the last four digits of the device id."""
    assert fields_of(Advert(DEVICE_ID).response) == {0x09: b"dewarlog-4b2f"}


def test_before_the_first_look_nothing_is_claimed() -> None:
    """No state, no backlog, no reading."""
    assert advert_of(Advert(DEVICE_ID)) == (layout.ADVERT_VERSION, 0, 0, ABSENT)


def test_what_is_told_is_what_is_sent() -> None:
    """State bits, backlog rounded up, reading."""
    advert = Advert(DEVICE_ID)

    advert.update(layout.STATUS_RECORDING | layout.STATUS_EXCURSION, 10 * 1024 + 1, -25061)

    assert advert_of(advert) == (1, 3, 11, -25061)


@pytest.mark.parametrize(
    ("backlog_bytes", "kib"),
    [(0, 0), (1, 1), (1024, 1), (1025, 2), (65535 << 10, 65535), (1 << 30, 65535)],
)
def test_the_backlog_is_rounded_up_and_never_wraps(backlog_bytes: int, kib: int) -> None:
    """One byte not confirmed is not none."""
    advert = Advert(DEVICE_ID)

    advert.update(0, backlog_bytes, ABSENT)

    assert advert_of(advert)[2] == kib


def test_the_same_again_is_no_change() -> None:
    """Whoever sends it is not told; a byte more within the same KiB is the same."""
    advert = Advert(DEVICE_ID)
    advert.update(1, 5000, -20000)
    advert.changed = False

    advert.update(1, 5001, -20000)

    assert advert.changed is False


@pytest.mark.parametrize("told", [(0, 5000, -20000), (1, 9000, -20000), (1, 5000, -19999)])
def test_each_value_that_changed_is_a_change(told: tuple[int, int, int]) -> None:
    """State, backlog, reading."""
    advert = Advert(DEVICE_ID)
    advert.update(1, 5000, -20000)
    advert.changed = False

    advert.update(*told)

    assert advert.changed is True


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([-25000, -24000], -24000),
        ([-24000, -25000], -24000),
        ([OPEN, -25000], -25000),
        ([-25000, SHORT], -25000),
        ([OPEN, SHORT], OPEN),
        ([SHORT, OPEN], SHORT),
    ],
)
def test_the_warmest_probe_counts_or_else_the_firsts_state(
    codes: list[int], expected: int
) -> None:
    """A probe that gives no temperature does not hide one that does."""
    assert warmest(codes, (0, 1)) == expected


def columns(*placements: str, conversions: int = 1) -> tuple[int, ...]:
    """Return the payload columns of a board with probes so placed."""
    channels = [{"channel": n, "placement": name} for n, name in enumerate(placements)]
    sampling = {"interval_ms": 60000, "conversions": conversions}
    config = parse_config({"channels": channels, "rules": [], "sampling": sampling})
    return payload_columns(config.channels, reading_columns(config))


def test_only_payload_probes_count() -> None:
    """The neck is warm by nature."""
    assert columns("neck", "payload top", "payload bottom") == (1, 2)


def test_a_minimum_or_maximum_is_no_reading() -> None:
    """Of several conversions the mean counts."""
    assert columns("neck", "payload top", conversions=5) == (3,)


def test_a_board_without_a_payload_probe_shows_what_it_has() -> None:
    """Rather than nothing at all."""
    assert columns("neck", "other") == (0, 1)
