"""What is not as it was: settings against the run before, firmware against the last boot."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog_firmware import changes
from dewarlog_firmware.changes import FirmwareFile, changed_settings, former_sections
from dewarlog_firmware.config import parse_config
from dewarlog_firmware.profile import default_document, profile_sections
from dewarlog_wire import events, layout
from test_keeper import Bench

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Section = tuple[int, bytes]


def sections(change: Callable[[dict[str, Any]], object] = lambda document: None) -> list[Section]:
    """Return what block 0 says of the default profile with a change to it."""
    document: dict[str, Any] = default_document()
    change(document)
    board = (layout.SECTION_TEXT, bytes((layout.TEXT_BOARD,)) + b"RPI_PICO2_W")
    return [(layout.SECTION_IDENTITY, bytes(26)), board, *profile_sections(parse_config(document))]


def difference(before: list[Section], after: list[Section]) -> list[tuple[int, int, bytes, bytes]]:
    """Return (section, index, old, new) of each SETTING event."""
    found: list[tuple[int, int, bytes, bytes]] = []
    for body in changed_settings(7, before, after):
        section, index, flags, run, _, old, new = events.read_setting(body)
        assert (run, flags) == (7, 0)
        found.append((section, index, old, new))
    return found


def test_the_same_profile_has_changed_nothing() -> None:
    """Another log id and another name of the board are no settings."""
    after = sections()
    after[0] = (layout.SECTION_IDENTITY, b"x" * 26)
    after[1] = (layout.SECTION_TEXT, bytes((layout.TEXT_BOARD,)) + b"RPI_PICO")

    assert difference(sections(), after) == []


def test_one_changed_number_is_one_event_with_both_payloads() -> None:
    """A threshold."""

    def warmer(document: dict[str, Any]) -> None:
        document["rules"][1]["threshold_degc"] = -140

    before, after = sections(), sections(warmer)
    old = [body for kind, body in before if kind == layout.SECTION_RULE]
    new = [body for kind, body in after if kind == layout.SECTION_RULE]

    assert difference(before, after) == [(layout.SECTION_RULE, 1, old[1], new[1])]


def test_a_text_is_compared_with_the_one_of_its_name() -> None:
    """A new one before it moves its place and changes nothing of it."""

    def named(document: dict[str, Any]) -> None:
        document["texts"]["dewar"] = "17"

    new = bytes((layout.TEXT_DEWAR,)) + b"17"
    assert difference(sections(), sections(named)) == [(layout.SECTION_TEXT, 1, b"", new)]
    assert difference(sections(named), sections()) == [(layout.SECTION_TEXT, 1, new, b"")]


def test_instructions_are_compared_in_their_order() -> None:
    """They all have the same name."""

    def steps(*texts: str) -> list[Section]:
        return sections(lambda document: document["texts"].update(instructions=list(texts)))

    found = difference(steps("weigh", "open", "move"), steps("weigh", "move"))

    instruction = bytes((layout.TEXT_INSTRUCTION,))
    assert [(old, new) for _, _, old, new in found] == [
        (instruction + b"open", instruction + b"move"),
        (instruction + b"move", b""),
    ]


def test_a_channel_is_compared_with_that_of_its_terminal() -> None:
    """A new probe there is a change of its serial, not of the others."""

    def two(serial: str) -> Callable[[dict[str, Any]], None]:
        def change(document: dict[str, Any]) -> None:
            document["channels"] = [
                {"channel": 0, "serial": "A"},
                {"channel": 2, "serial": serial},
            ]

        return change

    found = difference(sections(two("B")), sections(two("C")))
    ((section, index, old, new),) = found

    assert (section, index) == (layout.SECTION_CHANNEL, 1)
    assert (old[0], new[0]) == (2, 2)
    assert b"B" in old
    assert b"C" in new


def test_a_calibration_is_compared_with_that_of_its_channel_and_point() -> None:
    """A new point before it moves its place and changes nothing of it."""
    ice = {"point": "ice point", "reference_degc": 0, "indicated_degc": 0.1, "u_degc": 0.05}
    ice["at"] = "2025-03-01T09:30:00Z"
    boiling = ice | {"point": "LN2 point", "reference_degc": -195.8, "indicated_degc": -195.5}
    colder = boiling | {"indicated_degc": -195.75}

    def with_points(*points: dict[str, Any]) -> list[Section]:
        return sections(lambda document: document["channels"][0].update(calibration=list(points)))

    def bodies(found: list[Section]) -> list[bytes]:
        return [body for kind, body in found if kind == layout.SECTION_CALIBRATION]

    kind = layout.SECTION_CALIBRATION
    one, both, other = with_points(boiling), with_points(ice, boiling), with_points(colder)
    assert difference(one, both) == [(kind, 0, b"", bodies(both)[0])]
    assert difference(both, one) == [(kind, 0, bodies(both)[0], b"")]
    assert difference(one, other) == [(kind, 0, bodies(one)[0], bodies(other)[0])]


def test_handling_is_a_setting_and_an_arming_is_none() -> None:
    """Each run has its own arming; what the profile asks of people is compared."""
    arming = {"at": "2025-03-01T09:30:00Z", "planned_h": 96, "actor": "A"}
    armed = sections(lambda document: document.update(arming=arming))
    handled = sections(lambda document: document.update(handling={"thaw_to_infusion_min": 30}))

    assert difference(sections(), armed) == []
    expected = [(layout.SECTION_HANDLING, 0, b"", b"\x1e\0\0")]
    assert difference(sections(), handled) == expected


def test_a_long_text_is_cut_and_says_so() -> None:
    """120 bytes of each stand in the event."""

    def long(letter: str) -> list[Section]:
        return sections(lambda document: document["texts"].update(contact=letter * 200))

    (body,) = changed_settings(7, long("a"), long("b"))
    _, _, flags, _, _, old, new = events.read_setting(body)

    assert flags == layout.SETTING_BEFORE_CUT | layout.SETTING_AFTER_CUT
    assert (len(old), len(new)) == (120, 120)


# --- the run before ------------------------------------------------------------------------------
def test_the_newest_run_that_can_be_read_is_the_one_before(tmp_path: Path) -> None:
    """A damaged first block is passed over; a board without any run has none."""
    config = parse_config(default_document())
    bench = Bench(tmp_path, config)
    flash = bench.logbook.flash
    bench.logbook.end()
    bench.logbook.begin([], b"logid456", 2)
    bench.logbook.end()
    newest = former_sections(flash)
    segment = tmp_path / "00000002/0000.seg"
    data = bytearray(segment.read_bytes())
    data[30] ^= 1
    segment.write_bytes(data)

    older = former_sections(flash)

    assert newest == (2, [])
    assert former_sections(flash, before=2) == older
    assert older == (1, list(profile_sections(config)))
    for run in (1, 2):
        flash.remove_run(run)
    assert former_sections(flash) is None


# --- firmware ------------------------------------------------------------------------------------
OLD, NEW = (0, 1, 0, 1, 25, 0), (0, 2, 0, 1, 26, 1)


def test_another_firmware_is_told_until_it_is_kept(tmp_path: Path) -> None:
    """The first boot of all has none before it."""
    path = str(tmp_path / "firmware.bin")
    first = FirmwareFile(path, OLD)
    told = [first.before()]
    first.keep()
    told.append(FirmwareFile(path, OLD).before())
    second = FirmwareFile(path, NEW)
    told += [second.before(), second.before()]
    second.keep()
    told.append(FirmwareFile(path, NEW).before())

    assert told == [None, None, OLD, OLD, None]


@pytest.mark.parametrize("data", [b"", b"short", b"longer than six"])
def test_a_file_of_another_length_is_none(tmp_path: Path, data: bytes) -> None:
    """Nothing is told, and it is replaced."""
    path = tmp_path / "firmware.bin"
    path.write_bytes(data)

    file = FirmwareFile(str(path), NEW)

    assert file.before() is None
    file.keep()
    assert FirmwareFile(str(path), OLD).before() == NEW


@pytest.mark.parametrize("bit", [0, 40, 79])
def test_a_bit_that_turned_over_is_no_other_firmware(tmp_path: Path, bit: int) -> None:
    """A wrong version in the log would be believed."""
    path = tmp_path / "firmware.bin"
    FirmwareFile(str(path), NEW).keep()
    data = bytearray(path.read_bytes())
    data[bit >> 3] ^= 1 << (bit & 7)
    path.write_bytes(data)

    assert FirmwareFile(str(path), NEW).before() is None


def test_a_full_file_system_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next boot says it again."""

    def full(path: str, data: bytes) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(changes, "write_whole", full)
    file = FirmwareFile(str(tmp_path / "firmware.bin"), NEW)

    file.keep()

    assert file.before() is None
