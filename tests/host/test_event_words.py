"""What each event of the audit says to a person: who did what, and what was changed to what."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from dewarlog.records import (
    AccessEvent,
    AcknowledgeEvent,
    Event,
    FirmwareEvent,
    LockEvent,
    PinEvent,
    ProfileWritten,
    RunErased,
    SealKeyEvent,
    SelfTestResult,
    SettingEvent,
    SignatureEvent,
)
from dewarlog.report.event_words import describe
from dewarlog_wire import events, layout, texts

UTC_2026_08_27 = 210_000_000
RULE = (0, layout.RULE_ABOVE, 0, layout.SEVERITY_HOLD, 1, -150 * 128, 256, 600, 0)
CHANNEL = (1, ord("T"), 0, -7, 13, layout.UTC_UNKNOWN, UTC_2026_08_27, b"TC-001")


def setting(
    section: int, before: bytes, after: bytes, *, index: int = 0, before_run: int = 41
) -> SettingEvent:
    """Give a setting event as a board packs it."""
    body = events.setting_body(section, index, before_run, before, after)
    return SettingEvent(0, 0, 0, *events.read_setting(body))


def packed(record: layout.Record, values: tuple[Any, ...], **changed: object) -> bytes:
    """Pack a record, with some of its fields given other values."""
    fields = dict(zip([name for name, *_ in record.fields], values, strict=True))
    return struct.pack(record.format, *{**fields, **changed}.values())


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            AccessEvent(0, 0, 0, 2, 1, layout.KEY_ADMIN, 4, bytes(8), ""),
            "proof refused by radio for the admin key, 4 since the last that held",
        ),
        (AccessEvent(0, 0, 0, 0, 0, 0, 0, bytes(8), ""), "unproven by USB"),
        (
            AccessEvent(0, 0, 0, 1, 1, layout.KEY_COURIER, 7, bytes.fromhex("a1" * 8), "J. Doe"),
            (
                "proven by radio for the courier key, token a1a1a1a1a1a1a1a1 of J. Doe, "
                "7 refused before"
            ),
        ),
        (
            AccessEvent(0, 0, 0, 4, 0, 9, 65535, bytes(8), ""),
            "locked out by USB for the number 9 key, 65535 or more since the last that held",
        ),
        (
            AcknowledgeEvent(0, 0, 0, 0x42, UTC_2026_08_27, "A. Nurse", "called the site"),
            "A. Nurse has seen: excursion, hold; called the site; 2026-08-27 13:20:00 UTC",
        ),
        (LockEvent(0, 0, 0, 1, 1), "locked, by host"),
        (
            FirmwareEvent(0, 0, 0, 0, 1, 0, 1, 27, 0, 0, 2, 0, 1, 27, 0),
            "firmware 0.1.0 \u2192 0.2.0, MicroPython 1.27.0",
        ),
        (PinEvent(0, 0, 0, 3, bytes([0xAB] * 32)), f"head then: 3 blocks, chain {'ab' * 32}"),
        (
            SignatureEvent(0, 0, 0, 9, 60, 5, UTC_2026_08_27, 0, bytes(16), bytes(64)),
            "the board signed 9 blocks, 2026-08-27 13:20:00 UTC",
        ),
        (
            SignatureEvent(0, 0, 0, 1, 60, 5, UTC_2026_08_27, 1, bytes(16), bytes(64)),
            "the board signed 1 block, clock unset",
        ),
        (SealKeyEvent(0, 0, 0, 1, 1), "new; the next seal is number 1"),
        (SealKeyEvent(0, 0, 0, 2, 0), "lost; blocks are not sealed"),
    ],
)
def test_events_of_the_audit_are_said_in_words(event: Event, said: str) -> None:
    """Names instead of numbers, a token by its id, a time only from a clock that was set."""
    assert describe(event) == said


def test_a_changed_rule_says_each_field_old_and_new() -> None:
    """Only what differs, in its own unit."""
    before = packed(layout.RULE, RULE)
    after = packed(layout.RULE, RULE, dwell_s=300, threshold=-140 * 128, severity=0)

    assert describe(setting(layout.SECTION_RULE, before, after)) == (
        "rule 1: severity hold \u2192 warn, threshold -150.00 \u00b0C \u2192 -140.00 \u00b0C, "
        "dwell_s 600 \u2192 300 (before: run 41)"
    )


def test_a_changed_kind_of_rule_gives_each_threshold_in_its_own_unit() -> None:
    """A threshold is a temperature or a rate as the rule's own kind says."""
    before = packed(layout.RULE, RULE)
    after = packed(layout.RULE, RULE, kind=layout.RULE_RISING, threshold=30, rate_window_s=600)

    said = describe(setting(layout.SECTION_RULE, before, after))

    assert "kind above \u2192 rising, threshold -150.00 \u00b0C \u2192 30 K/h" in said


def test_a_calibration_that_changed_says_probe_offset_and_dates() -> None:
    """A probe is numbered from 1; a date that never was is no date."""
    before = packed(layout.CHANNEL, CHANNEL)
    after = packed(
        layout.CHANNEL, CHANNEL, offset_count=9, calibrated_utc_s=UTC_2026_08_27, serial=b"TC-2"
    )

    assert describe(setting(layout.SECTION_CHANNEL, before, after)) == (
        "probe 2: offset_count -0.055 K \u2192 0.070 K, "
        "calibrated_utc_s never \u2192 2026-08-27 13:20:00 UTC, "
        'serial "TC-001" \u2192 "TC-2" (before: run 41)'
    )


def test_a_section_that_came_or_went_is_said_whole() -> None:
    """No old payload: new. No new one: taken away."""
    tilt = struct.pack(layout.TILT_SETTINGS.format, 30, 60, 120, 2, 120, 10)
    whole = "edge_1_deg 30, edge_2_deg 60, edge_3_deg 120, hold_band 2, hold_minutes 120"

    came = describe(setting(layout.SECTION_TILT_SETTINGS, b"", tilt))
    went = describe(setting(layout.SECTION_TILT_SETTINGS, tilt, b""))

    assert came == f"tilt settings: new, {whole}, period_s 10 (before: run 41)"
    assert went == f"tilt settings: taken away, {whole}, period_s 10 (before: run 41)"


def test_a_text_is_quoted_and_a_cut_one_says_so() -> None:
    """A cut in the middle of a letter drops that letter."""
    before = bytes([layout.TEXT_DEWAR]) + b"DW-1"
    long = bytes([layout.TEXT_DEWAR]) + ("\u00e9" * 100).encode()

    said = describe(setting(layout.SECTION_TEXT, before, long, index=1))

    assert said == (
        f'text 2 (dewar): "DW-1" \u2192 "{chr(0xE9) * 59}{chr(0x2026)}" (before: run 41)'
    )


@pytest.mark.parametrize("section", [layout.SECTION_RULE, 99])
def test_a_payload_that_cannot_be_read_is_shown_as_bytes(section: int) -> None:
    """A newer board's section, or one that was forged, loses nothing."""
    said = describe(setting(section, b"\x01\x02", b""))

    assert said == f"section {section}, number 1: not read, 0102 \u2192 nothing (before: run 41)"


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            ProfileWritten(0, 0, 0, 2, UTC_2026_08_27, 0x1A2B, 0xFFEEDDCC, "A. Jansen", "trip 4"),
            "arm, profile 00001a2b \u2192 ffeeddcc; A. Jansen; trip 4; 2026-08-27 13:20:00 UTC",
        ),
        (
            ProfileWritten(0, 0, 0, 9, layout.UTC_UNKNOWN, 0, 7, "", ""),
            "number 9, profile none \u2192 00000007; no time",
        ),
        (
            SelfTestResult(0, 0, 0, 12, 0, 1, 3100, 3300, 2**31 - 1),
            "fail: supply under load 3,100 mV (must be at least 3,300 mV)",
        ),
        (SelfTestResult(0, 0, 0, 17, 0, 2, 0, 1, 1), "not there: radio no (must be yes)"),
        (
            RunErased(0, 0, 0, 41, bytes.fromhex("a1" * 8), 1, 1),
            "run 41, log a1a1a1a1a1a1a1a1, 1 block; held by a host",
        ),
        (
            RunErased(0, 0, 0, 41, bytes(8), 900, 0),
            "run 41, log 0000000000000000, 900 blocks; no host had confirmed to hold it",
        ),
    ],
)
def test_events_of_the_bench_are_said_in_words(event: Event, said: str) -> None:
    """Who wrote a profile and what for, each test with its limits, whether anybody holds a run."""
    assert describe(event) == said


POINT = (1, 1, -25069, -25005, 13, 100_900, UTC_2026_08_27, b"TC-2")
ARMING = (UTC_2026_08_27, 432_000, 0, 4500, 1 << 4 | 1 << 12)


def test_a_changed_point_of_calibration_says_what_differs() -> None:
    """The probe from 1, the point by its name, the reference in quotes."""
    section = layout.SECTION_CALIBRATION
    before = texts.section_texts_body(section, POINT, ("Pt100 no. 7",))
    after = texts.section_texts_body(
        section, (1, 0, 0, 64, 4, 0, UTC_2026_08_27, b"TC-3"), ("ice",)
    )

    assert describe(setting(section, before, after)) == (
        "calibration of probe 2: point LN2 point \u2192 ice point, "
        "reference_count -195.852 \u00b0C \u2192 0.000 \u00b0C, "
        "indicated_count -195.352 \u00b0C \u2192 0.500 \u00b0C, u_count 0.102 K \u2192 0.031 K, "
        'pressure_pa 100900 \u2192 0, serial "TC-2" \u2192 "TC-3", '
        'reference "Pt100 no. 7" \u2192 "ice" (before: run 41)'
    )


def test_an_arming_that_came_new_names_what_it_was_begun_over() -> None:
    """Also what a newer host may refuse for."""
    after = texts.section_texts_body(layout.SECTION_ARMING, ARMING, ("A. Jansen", "new probe"))

    assert describe(setting(layout.SECTION_ARMING, b"", after)) == (
        "arming: new, utc_s 2026-08-27 13:20:00 UTC, planned_s 432000, static_hold_s 0, "
        'charge_g 4500, overridden calibration+number 12, actor "A. Jansen", '
        'reason "new probe" (before: run 41)'
    )


def test_handling_that_changed_says_policy_and_limit() -> None:
    """By name."""
    before = struct.pack(layout.HANDLING.format, 30, 0)
    after = struct.pack(layout.HANDLING.format, 45, 1)

    assert describe(setting(layout.SECTION_HANDLING, before, after)) == (
        "handling: thaw_to_infusion_min 30 \u2192 45, calibration_policy warn \u2192 refuse "
        "(before: run 41)"
    )


@pytest.mark.parametrize(
    ("which", "name"),
    [
        (layout.TEXT_HARDWARE, "hardware"),
        (layout.TEXT_ACCOUNT, "account"),
        (layout.TEXT_PURCHASE_ORDER, "purchase order"),
        (layout.TEXT_COST_CENTRE, "cost centre"),
        (layout.TEXT_CONSIGNEE, "consignee"),
    ],
)
def test_changed_references_are_said_by_name(which: int, name: str) -> None:
    """As any text."""
    said = describe(setting(layout.SECTION_TEXT, bytes([which]) + b"A", bytes([which]) + b"B"))

    assert said == f'text 1 ({name}): "A" \u2192 "B" (before: run 41)'


def test_an_arming_too_long_for_a_setting_says_where_it_was_cut() -> None:
    """Its figures stand, and its texts up to there."""
    told = ("A. Jansen", "\u00e9" * 38)
    after = texts.section_texts_body(layout.SECTION_ARMING, ARMING, (told[0] * 5, told[1]))
    said = describe(setting(layout.SECTION_ARMING, b"", after))

    assert len(after) > layout.SETTING_PART_MAX_BYTES
    assert f'actor "{told[0] * 5}", reason "{chr(0xE9) * 27}{chr(0x2026)}" (before' in said


def test_an_arming_cut_within_its_first_text_has_no_second() -> None:
    """What is not there is not made up; nor is a record that is cut itself."""
    record = struct.pack(layout.ARMING.format, *ARMING)
    head = (layout.SECTION_ARMING, 0, layout.SETTING_AFTER_CUT, 41, 0, b"")
    short = SettingEvent(0, 0, 0, *head, record + b"\x05ab")
    shorter = SettingEvent(0, 0, 0, *head, record[:-1])

    assert describe(short).endswith(
        f'actor "ab{chr(0x2026)}", reason "{chr(0x2026)}" (before: run 41)'
    )
    assert describe(shorter).startswith("section 24, number 1: not read, nothing")
