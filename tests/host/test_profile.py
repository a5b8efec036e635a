"""The host's model of a profile is the board's reader, and names every mistake at once."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dewarlog.arm import contradictions
from dewarlog.errors import ExitCode, ProfileInvalid, ProfileTooLarge
from dewarlog.profile.model import Profile
from dewarlog_firmware.config import Config, ConfigError, load_config
from dewarlog_wire import layout
from simboard.scenario import PROFILES
from workshop.places import FIRMWARE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

EXAMPLE: Final[dict[str, Any]] = json.loads(
    (FIRMWARE / "profile.example.json").read_text(encoding="utf-8")
)
POINT: Final = {
    "point": "LN2 point",
    "reference_degc": -195.9,
    "indicated_degc": -195.4,
    "u_degc": 0.12,
    "pressure_hpa": 1002.5,
    "at": "2026-03-01T09:30:00Z",
    "serial": "TC-T-0412",
    "reference": "boiling nitrogen, barometer B-7",
}
ARMING: Final = {
    "at": "2026-03-02T08:00:00Z",
    "planned_h": 72,
    "static_hold_h": 235.4,
    "charge_g": 3240,
    "overridden": ["charge"],
    "actor": "R. Lindqvist",
    "reason": "the patient cannot wait",
}


def whole() -> dict[str, Any]:
    """Return a profile in which every key stands."""
    document = copy.deepcopy(EXAMPLE)
    document["texts"] |= {
        "hardware": "rev B",
        "account": "ACC-1",
        "purchase_order": "PO-1",
        "cost_centre": "CC-1",
        "consignee": "Clinic",
    }
    other = POINT | {"point": "other bath", "pressure_hpa": None}
    document["channels"][0]["calibration"] = [POINT, POINT | {"point": "ice point"}, other]
    document["handling"] = {"thaw_to_infusion_min": 30, "calibration_policy": "refuse"}
    document["power"] = {"sleep": "light"}
    document["arming"] = ARMING
    return copy.deepcopy(document)


def written(document: object) -> bytes:
    """Return the bytes of a document as any program would write it."""
    return json.dumps(document).encode()


def refused(document: object) -> ProfileInvalid:
    """Return the error that reading the document ends with."""
    with pytest.raises(ProfileInvalid) as caught:
        Profile.read(written(document), "my.json")
    return caught.value


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return the whole profile with a change to it."""
    document = whole()
    change(document)
    return document


# --- the model and the board --------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [FIRMWARE / "profile.example.json", *sorted(PROFILES.glob("*.json"))],
    ids=lambda file: file.name,
)
def test_every_profile_of_ours_means_the_same_to_the_board_before_and_after(file: Path) -> None:
    """What the model writes is what it read, to the board's own reader."""
    data = file.read_bytes()
    made = Profile.read(data, file.name).write()
    assert load_config(made) == load_config(data)


def test_a_profile_with_every_key_survives_being_written() -> None:
    """Nothing is lost or changed on the way, and equal profiles have equal bytes."""
    profile = Profile.read(written(whole()), "my.json")
    made = profile.write()
    assert load_config(made) == load_config(written(whole()))
    assert Profile.read(made, "again") == profile
    assert Profile.read(made, "again").write() == made


VALUES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(
        [
            *(0, 1, -1, 2, 3, 4, 5, 7, 8, 9, 12, 32, 60, 59, 100, 101, 128, 179, 180, 200, 340),
            *(1000, 999, 600000, 600001, 10080, 10081, 30000, 30001, 1209600, 1209601, 10**400),
            *(0.5, -0.5, 1.0, 1.5, 10.0, -10.01, 130, 130.01, -250, -250.01, 8.0, 1e300, -1e300),
            *(16.0, 50.0, 1100, 1100.5, 299.9, 65, 65.01, 2160, 2160.5, 8760, 0.1, 0.09),
        ]
    ),
    st.sampled_from(
        [
            *("", " ", "all", "above", "below", "rising", "falling", "hold", "warn", "single"),
            *("cumulative", "stop", "overwrite", "on", "off", "T", "K", "E", "J", "neck", "other"),
            *("ice point", "LN2 point", "other bath", "refuse", "charge", "\u00e9" * 100),
            *("\u00e9" * 101, "x" * 12, "x" * 13, "x" * 76, "x" * 77, "\ud800", "\x00", "\x7f"),
            *("2025-02-29", "2024-02-29", "2025-13-01", "2020-01-01", "2053-12-31", "2019-12-31"),
            *("2054-01-01", "2025-W01-1", "2025-03-01T00:00:00Z", "2025-03-01T24:00:00Z"),
            *("2025-03-01T09:30:60Z", "2025-W01-1T00:00:00Z", "2025-03-01 09:30:00Z"),
            *("2025-03-01T09:30:00+", "2053-12-31T23:59:59Z", "20250301"),
        ]
    ),
    st.sampled_from(
        [[], {}, [0], [0, 1], [3], [0, 0], ["all"], [True], [1.0], [[]], [30, 60, 120]]
    ),
    st.text(max_size=14),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**40), 2**40),
)


def _places(value: object, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the path of every value in a document but the whole."""
    inner = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    return [place for key, each in inner for place in ((*path, key), *_places(each, (*path, key)))]


@st.composite
def _documents(draw: st.DrawFn) -> dict[str, Any]:
    """Return the whole profile with one to three things replaced, taken out or put in."""
    document = whole()
    for _ in range(draw(st.integers(1, 3))):
        *way, key = draw(st.sampled_from(_places(document)))
        place: Any = document
        for step in way:
            place = place[step]
        what = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "twice"]))
        if what == "replace":
            place[key] = copy.deepcopy(draw(VALUES))
        elif what == "remove":
            del place[key]
        elif what == "add" and isinstance(place, dict):
            place[draw(st.sampled_from(["arming", "serial", "gain", "at", "odd"]))] = (
                copy.deepcopy(draw(VALUES))
            )
        elif isinstance(place, list):
            place.append(copy.deepcopy(place[draw(st.integers(0, len(place) - 1))]))
    return document


@given(_documents())
@settings(max_examples=150)
def test_the_model_takes_what_the_board_takes_and_nothing_else(document: dict[str, Any]) -> None:
    """One reader on two sides: neither refuses or takes what the other does not."""
    data = written(document)
    config, field = _board_reads(data)
    if config is None:
        with pytest.raises(ProfileInvalid) as caught:
            Profile.read(data, "my.json")
        # The board names the first mistake: the model has it among its own, or one that hides it.
        named = [mistake.path for mistake in caught.value.mistakes]
        assert any(_near(field, path) for path in named), (field, named)
        return
    made = Profile.read(data, "my.json").write()
    assert load_config(made) == config


def _board_reads(data: bytes) -> tuple[Config | None, str]:
    """Return what the board makes of a profile, or the key that it refuses."""
    try:
        return load_config(data), ""
    except ConfigError as error:
        return None, error.field


def _near(field: str, path: str) -> bool:
    """Tell whether two places are one, or one in the other, or in one object.

    That a channel stands twice, or rates have too many windows, is seen once all else is right.
    """
    if field.endswith((".channel", ".rate_window_s")):
        return True
    holders = [place.rpartition(".")[0] or place for place in (field, path)]
    return field.startswith((path, holders[1])) or path.startswith((field, holders[0]))


# --- mistakes -----------------------------------------------------------------------------------


def test_every_mistake_is_named_at_once() -> None:
    """Where it is, what stands there, and what may."""

    def change(document: dict[str, Any]) -> None:
        document["rules"][2]["threshold_degc"] = "warm"
        document["sampling"]["interval_ms"] = 10
        document["channels"][0]["calibration"][1]["at"] = "yesterday"
        document["tilt"]["edges_deg"] = [30, 20, 10]
        del document["rules"][0]["threshold_degc"]
        document["shcok"] = {}
        document["rules"][3]["channels"] = [0, 3]

    error = refused(changed(change))
    assert [(one.path, one.found) for one in error.mistakes] == [
        ("sampling.interval_ms", "10"),
        ("channels[0].calibration[1].at", '"yesterday"'),
        ("rules[0].threshold_degc", "missing"),
        ("rules[2].threshold_degc", '"warm"'),
        ("tilt.edges_deg", "[30, 20, 10]"),
        ("shcok", "no setting of this board"),
        ("rules[3].channels", "[0, 3]"),
    ]
    allowed = {one.path: one.allowed for one in error.mistakes}
    assert allowed["rules[2].threshold_degc"] == "a number from -250 to 130"
    assert allowed["rules[0].threshold_degc"] == "a number from -250 to 130"
    assert "shock" in allowed["shcok"]
    assert error.exit_code == ExitCode.USAGE
    assert error.lines[0] == "my.json: this profile cannot be used:"


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        (b"[]", "no object"),
        (b'{"rules": 1, "rules": 2}', "there twice"),
        (b"\xff", "not UTF-8"),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_what_is_no_profile_is_said_so(data: bytes, found: str) -> None:
    """No traceback for bytes that are no object."""
    with pytest.raises(ProfileInvalid) as caught:
        Profile.read(data, "my.json")
    [mistake] = caught.value.mistakes
    assert mistake.found.startswith(found)


def test_a_rule_names_only_what_its_kind_has() -> None:
    """A rate in a rule that is a limit is a mistake, and the keys that are right are told."""
    error = refused(changed(lambda document: document["rules"][0].update(threshold_k_per_h=3)))
    [mistake] = error.mistakes
    assert mistake.path == "rules[0].threshold_k_per_h"
    assert "threshold_degc" in mistake.allowed


def test_more_bytes_than_a_board_takes_are_refused_with_their_number() -> None:
    """8192 and not one more."""
    others = [POINT | {"point": "other bath", "reference": "x" * 76}] * 4
    profile = Profile.of(whole(), "my.json").with_texts(instructions=["x" * 200] * 11)
    for number in (1, 2, 3):
        profile = profile.with_channel(number, calibration=others)
    profile = profile.with_texts(consignee="x")
    left = layout.PROFILE_MAX_BYTES - len(profile.write())
    full = profile.with_texts(consignee="x" * (1 + left))
    assert len(full.write()) == layout.PROFILE_MAX_BYTES
    assert load_config(full.write()).texts
    with pytest.raises(ProfileTooLarge) as caught:
        full.with_texts(consignee="x" * (2 + left)).write()
    assert caught.value.size_bytes == layout.PROFILE_MAX_BYTES + 1
    assert "8193" in str(caught.value)


def test_a_changed_copy_is_checked_and_leaves_the_first_alone() -> None:
    """Channels are changed, added and left out; what does not fit is refused by name."""
    profile = Profile.of(EXAMPLE, "my.json")
    made = profile.with_channel(0, offset_degc=1.5).with_channel(3, serial="NEW")
    assert [channel.offset_degc for channel in made.channels] == [1.5, 0.5, 0, 0]
    assert made.channel(3).serial == "NEW"
    assert profile.channel(0).offset_degc == -0.25
    with pytest.raises(ProfileInvalid, match=r"channels\[0\].offset_degc is 11"):
        profile.with_channel(0, offset_degc=11)
    with pytest.raises(ProfileInvalid, match=r"rules\[2\].channels"):
        profile.without_channel(2)


def test_pydantic_waits_until_it_is_needed() -> None:
    """`check` and `pull` do not pay the tenth of a second that it takes to load."""
    code = (
        "import sys, dewarlog.cli, dewarlog.pull, dewarlog.checks.review\n"
        "print('pydantic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- contradictions -----------------------------------------------------------------------------


def _rule(**settings: object) -> dict[str, object]:
    return {"kind": "above", "threshold_degc": -150, "severity": "hold"} | settings


def _judged(
    rules: list[dict[str, object]], planned_s: float | None = None, **parts: object
) -> list[tuple[str, bool]]:
    """Return (path, refused) of what contradicts itself."""
    document = {"channels": [{"channel": 0}, {"channel": 1}], "rules": rules} | parts
    load_config(written(document))  # the board takes every one of them
    profile = Profile.of(document, "my.json")
    found = contradictions.judge(profile, planned_s)
    refuses = [one for one in found if one.refused]
    if refuses:
        with pytest.raises(ProfileInvalid) as caught:
            contradictions.expect_agreement(profile, "my.json", planned_s)
        assert [one.path for one in caught.value.mistakes] == [one.path for one in refuses]
    return [(one.path, one.refused) for one in found]


WARN: Final = _rule(severity="warn", threshold_degc=-160)


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        ([_rule(threshold_degc=-165), WARN], "rules[0].threshold_degc"),
        ([WARN, _rule(threshold_degc=-160.1, dwell_s=9999)], "rules[1].threshold_degc"),
        (
            [
                _rule(kind="below", threshold_degc=-199, hysteresis_degc=0),
                _rule(kind="below", threshold_degc=-199.5, severity="warn", hysteresis_degc=0),
            ],
            "rules[0].threshold_degc",
        ),
        (
            [
                {"kind": "rising", "threshold_k_per_h": 10},
                {"kind": "rising", "threshold_k_per_h": 20, "severity": "warn"},
            ],
            "rules[0].threshold_k_per_h",
        ),
        ([_rule(), _rule(kind="below", threshold_degc=-140)], "rules[0].threshold_degc"),
        ([_rule(), _rule(kind="below", threshold_degc=-150)], "rules[0].threshold_degc"),
        ([_rule(hysteresis_degc=48.9)], "rules[0].hysteresis_degc"),
        ([_rule(threshold_degc=-199, hysteresis_degc=0)], "rules[0].threshold_degc"),
        (
            [_rule(hysteresis_degc=11), _rule(kind="below", threshold_degc=-160)],
            "rules[0].hysteresis_degc",
        ),
        (
            [{"kind": "falling", "threshold_k_per_h": 10, "hysteresis_k_per_h": 11}],
            "rules[0].hysteresis_k_per_h",
        ),
    ],
)
def test_limits_that_undo_each_other_are_refused_by_name(
    rules: list[dict[str, object]], path: str
) -> None:
    """A hold limit before its warning, an empty band, an excursion without an end."""
    assert (path, True) in _judged(rules)


@pytest.mark.parametrize(
    "rules",
    [
        [_rule(), WARN],
        [_rule(channels=[0], threshold_degc=-165), WARN | {"channels": [1]}],
        [_rule(hysteresis_degc=48.8)],
        [_rule(hysteresis_degc=10), _rule(kind="below", threshold_degc=-196, hysteresis_degc=10)],
        [_rule(threshold_degc=-165), _rule(threshold_degc=-160)],
    ],
)
def test_limits_that_agree_are_taken(rules: list[dict[str, object]]) -> None:
    """Other channels, other severities, and limits that just reach."""
    assert _judged(rules) == []


def test_a_dwell_as_long_as_the_trip_is_the_longest() -> None:
    """A rule that could say nothing on this trip is refused."""
    assert _judged([_rule(dwell_s=7200)], 7200) == []
    assert _judged([_rule(dwell_s=7201)], 7200) == [("rules[0].dwell_s", True)]
    assert _judged([_rule(dwell_s=7201)]) == []
    rate = {"kind": "rising", "threshold_k_per_h": 10, "rate_window_s": 7200}
    assert _judged([_rule(), rate], 7200) == []
    assert _judged([_rule(), rate], 7199) == [("rules[1].rate_window_s", True)]
    assert _judged([_rule()], 3600) == []
    assert _judged([_rule()], 3599) == [("tilt.hold_minutes", False)]
    assert _judged([_rule()], 3599, tilt={"hold_band": 0}) == []


def test_a_rate_is_not_taken_over_less_than_the_interval() -> None:
    """The window holds an interval."""
    rate = {"kind": "rising", "threshold_k_per_h": 10, "rate_window_s": 60}
    hold = _rule()
    assert _judged([hold, rate], sampling={"interval_ms": 60000}) == []
    slow = _judged([hold, rate], sampling={"interval_ms": 61000})
    assert slow == [("rules[1].rate_window_s", True)]


def test_one_probe_is_not_on_two_channels() -> None:
    """A serial that stands twice is refused; no serial is none."""
    twice = [{"channel": 0, "serial": "A"}, {"channel": 1, "serial": "A"}]
    assert _judged([_rule()], channels=twice) == [("channels[1].serial", True)]
    assert _judged([_rule()], channels=[{"channel": 0}, {"channel": 1}]) == []


def test_what_may_be_meant_so_is_told_and_taken() -> None:
    """No rule means HOLD; a warning as late as its hold; a shock that never holds; and such."""
    assert _judged([WARN]) == [("rules", False)]
    late = _rule(severity="warn")
    assert _judged([_rule(), late]) == [("rules[1].dwell_s", False)]
    shock = {"hold_band": 0, "hold_velocity_change_m_s": 3.5}
    assert _judged([_rule()], shock=shock) == [("shock.hold_velocity_change_m_s", False)]
    below = _rule(kind="below", threshold_degc=-195, hysteresis_degc=1)
    assert _judged([_rule(), below]) == [("rules[1].threshold_degc", False)]
    assert _judged([_rule(), below | {"threshold_degc": -196}]) == []
    light = {"sleep": "light"}
    assert _judged([_rule()], power=light, radio={"mode": "on"}) == [("power.sleep", False)]
    assert _judged([_rule()], power=light, radio={"mode": "off"}) == []


def test_the_example_contradicts_itself_nowhere() -> None:
    """Nor do the profiles of the simulated board."""
    for file in (FIRMWARE / "profile.example.json", PROFILES / "cryo_shipper.json"):
        profile = Profile.read(file.read_bytes(), file.name)
        assert contradictions.expect_agreement(profile, file.name, 10 * 86400) == ()
