"""Advertisements: exactly ours or nothing, and who is meant by a name."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog.link.advert import Advert, Heard, answers_to, id_digits, is_address, parse_advert
from dewarlog_wire import layout

COMPANY = layout.BLE_COMPANY


def packed(
    version: int = layout.ADVERT_VERSION, state: int = 1, backlog: int = 12, reading: int = -24320
) -> bytes:
    """Return an advertisement's manufacturer data."""
    return struct.pack(layout.ADVERT.format, version, state, backlog, reading)


def heard(name: str | None, address: str = "28:CD:C1:00:4B:2F") -> Heard:
    """Return a peripheral of some name and address."""
    return Heard(address, name, None, -60, 0.0)


def test_an_advertisement_says_state_backlog_and_temperature() -> None:
    """Its fields as data; bytes written by hand."""
    data = bytes.fromhex("01 05 0c00 00a1")

    assert parse_advert({COMPANY: data}) == Advert(5, 12, -24320)
    assert Advert(5, 12, -24320).temperature_degc == -190


def test_a_probe_without_a_temperature_gives_none() -> None:
    """An open probe is no cold one."""
    advert = parse_advert({COMPANY: packed(reading=layout.state_code(layout.STATE_OPEN))})

    assert advert is not None
    assert advert.temperature_degc is None


@pytest.mark.parametrize(
    "data",
    [
        {},
        {0x004C: packed()},
        {COMPANY: b""},
        {COMPANY: packed()[:-1]},
        {COMPANY: packed() + b"\0"},
        {COMPANY: packed(version=0)},
        {COMPANY: packed(version=2)},
        {COMPANY: packed(reading=-32759)},
        {COMPANY: packed(reading=-32001)},
    ],
    ids=[
        "none",
        "another company",
        "empty",
        "short",
        "long",
        "version 0",
        "version 2",
        "unknown probe state",
        "no temperature and no state",
    ],
)
def test_what_is_not_exactly_an_advertisement_is_none(data: dict[int, bytes]) -> None:
    """Anyone may send anything: it is ignored, never guessed at."""
    assert parse_advert(data) is None


@given(st.dictionaries(st.integers(0, 0xFFFF) | st.just(COMPANY), st.binary(max_size=31)))
def test_garbage_raises_nothing(data: dict[int, bytes]) -> None:
    """An advertisement or None, never an exception."""
    advert = parse_advert(data)

    assert advert is None or len(data[COMPANY]) == layout.ADVERT.size


@pytest.mark.parametrize(
    "wanted",
    [
        "dewarlog-4b2f",
        "DEWARLOG-4B2F",
        "4b2f",
        "4B2F",
        "e660583883724b2f",
        "28:cd:c1:00:4b:2f",
        "28-CD-C1-00-4B-2F",
    ],
)
def test_a_dewar_answers_to_name_digits_and_address(wanted: str) -> None:
    """Whatever case they are written in."""
    assert answers_to(wanted, heard("dewarlog-4b2f"))


@pytest.mark.parametrize(
    "wanted", ["dewarlog-4b2e", "2f", "b2f", "dewarlog", "4b2f0", "", "-4b2f"]
)
def test_a_dewar_answers_to_nothing_else(wanted: str) -> None:
    """Too few digits, other digits, half a name."""
    assert not answers_to(wanted, heard("dewarlog-4b2f"))


def test_a_dewar_without_a_name_answers_to_its_address_only() -> None:
    """Until its scan response comes."""
    assert answers_to("28:CD:C1:00:4B:2F", heard(None))
    assert not answers_to("4b2f", heard(None))


def test_an_address_on_apples_systems_is_a_uuid() -> None:
    """Its last digits are not those of a device id."""
    address = "6E9A0DC2-2B3C-4D5E-8F60-0123456789AB"

    assert is_address(address)
    assert id_digits(address) == ""
    assert answers_to(address.lower(), heard(None, address))
    assert not answers_to(address, heard("dewarlog-89ab"))
