"""Provisioning on plain data: what a channel map makes of a board's profile."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog.errors import MapDamaged
from dewarlog.provision.channel_map import ChannelMap, parse_map, read_map
from dewarlog.provision.plan import BUILT_IN, provision
from dewarlog_firmware.config import load_config
from dewarlog_firmware.profile import default_document
from workshop.places import FIRMWARE

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLE = json.loads((FIRMWARE / "profile.example.json").read_text())


def map_of(*probes: tuple[int, str, str, str], name: str = "DL-0007") -> ChannelMap:
    """Make a map of (terminal, serial, type, placement)."""
    keys = ("terminal", "serial", "type", "placement")
    rows = [dict(zip(keys, probe, strict=True)) for probe in probes]
    return parse_map({"name": name, "hardware": "C", "probe": rows})


FULL = map_of(
    (1, "TC-T-0412", "T", "payload top"),
    (2, "TC-T-0413", "T", "payload bottom"),
    (3, "TC-E-0021", "E", "neck"),
)


def test_a_board_without_a_profile_keeps_the_limits_built_into_its_firmware() -> None:
    """The two copies of those limits are one."""
    built_in = default_document()
    assert {key: built_in[key] for key in BUILT_IN} == BUILT_IN
    made = provision(None, FULL).document
    assert made["rules"] == built_in["rules"]
    assert load_config(json.dumps(made)).channels[2].serial == b"TC-E-0021"


def test_what_the_board_knows_already_changes_nothing() -> None:
    """Calibrations, rules and texts stay as they are, and no change is told."""
    present = copy.deepcopy(EXAMPLE)
    present["texts"]["hardware"] = "C"
    present.pop("arming", None)
    done = provision(present, FULL)
    assert done.changes == ()
    assert load_config(json.dumps(done.document)) == load_config(json.dumps(present))


def test_a_probe_that_moves_takes_its_calibration_along() -> None:
    """It is the probe that was calibrated, not the terminal."""
    moved = map_of(
        (1, "TC-T-0413", "T", "payload top"),
        (2, "TC-T-0412", "T", "payload bottom"),
        (3, "TC-E-0021", "E", "neck"),
    )
    channels = provision(EXAMPLE, moved).document["channels"]
    assert [channel.get("offset_degc") for channel in channels] == [0.5, -0.25, 0]


def test_rules_judge_the_probes_that_are_left() -> None:
    """A broken probe is left out, and the others stay held to their limits."""
    hold = {"kind": "above", "threshold_degc": -150, "severity": "hold"}
    rate = {"kind": "rising", "threshold_k_per_h": 12, "severity": "warn"}
    rules = [hold | {"channels": [0, 1]}, hold | {"channels": "all"}, rate | {"channels": [0]}]
    done = provision(EXAMPLE | {"rules": rules}, map_of((2, "TC-T-0413", "T", "payload bottom")))
    assert done.document["rules"] == [hold | {"channels": [1]}, hold | {"channels": "all"}]
    assert (
        "rule 1 (above -150 degC) no longer judges terminal 1, where no probe is" in done.changes
    )
    assert (
        "rule 3 (rising 12 K/h) is gone: it judged terminal 1 alone, where no probe is"
        in done.changes
    )
    load_config(json.dumps(done.document))


def test_a_board_whose_last_limit_goes_gets_those_of_its_firmware() -> None:
    """No board is left without one that had one."""
    rules = [{"kind": "above", "threshold_degc": -150, "severity": "hold", "channels": [0]}]
    done = provision(EXAMPLE | {"rules": rules}, map_of((2, "TC-T-0413", "T", "payload bottom")))
    assert done.document["rules"] == BUILT_IN["rules"]
    assert done.changes[-4:-2] == (
        "rule 1 (above -150 degC) is gone: it judged terminal 1 alone, where no probe is",
        "no limit of its own that means HOLD is left: it has those built in",
    )


def test_a_new_probe_has_no_calibration() -> None:
    """Nor one whose type is another than was thought."""
    swapped = map_of(
        (1, "TC-T-0500", "T", "payload top"),
        (2, "TC-T-0413", "K", "payload bottom"),
        (3, "TC-E-0021", "E", "neck"),
    )
    done = provision(EXAMPLE, swapped)
    for channel in done.document["channels"][:2]:
        assert "offset_degc" not in channel
        assert "calibrated" not in channel
    said = "; ".join(done.changes)
    assert "TC-T-0500 is new at terminal 1" in said
    assert "TC-T-0413 is type K, not T: its calibration is void" in said
    assert "TC-T-0412 is gone from terminal 1" in said


def test_the_arming_of_the_last_trip_goes() -> None:
    """A run begun by provisioning was not armed by anybody."""
    armed = EXAMPLE | {"arming": {"actor": "S. Haddad"}}
    assert "arming" not in provision(armed, FULL).document


def test_a_map_reads_back_as_it_was_written(tmp_path: Path) -> None:
    """What `--print-map` writes, `--map` takes, quotes and all."""
    wanted = map_of((4, 'A"\\B', "K", "other"), name='Dewar "7" \u00e9')
    path = tmp_path / "map.toml"
    path.write_text(wanted.toml())
    assert read_map(path) == wanted


@pytest.mark.parametrize(
    ("change", "key", "reason"),
    [
        ({"name": ""}, "name", "at least 1"),
        ({"name": "a\x1bb"}, "name", "control characters"),
        ({"name": "   "}, "name", "no blanks"),
        ({"hardware": "C "}, "hardware", "no blanks"),
        ({"hardware": 3}, "hardware", "string"),
        ({"colour": "red"}, "colour", "no such key"),
        ({"probe": []}, "probe", "at least 1"),
        ({"probe": [{"terminal": 0}]}, "probe[0].terminal", "greater than or equal to 1"),
        ({"probe": [{"terminal": 5}]}, "probe[0].terminal", "less than or equal to 4"),
        ({"probe": [{"serial": "x" * 13}]}, "probe[0].serial", "at most 12"),
        ({"probe": [{"serial": "TC\u00e9"}]}, "probe[0].serial", "pattern"),
        ({"probe": [{"serial": " A"}]}, "probe[0].serial", "no blanks"),
        ({"probe": [{"type": "N"}]}, "probe[0].type", "'T', 'K' or 'E'"),
        ({"probe": [{"placement": "lid"}]}, "probe[0].placement", "payload top, payload bottom"),
        ({"probe": [{}, {"serial": "B"}]}, "probe", "terminal 1 stands 2 times"),
        ({"probe": [{}, {"terminal": 2}]}, "probe", "serial A stands 2 times"),
    ],
)
def test_a_mistake_in_a_map_is_named_by_its_place(
    tmp_path: Path, change: dict[str, Any], key: str, reason: str
) -> None:
    """The file, the key, what stands there and what may; nothing is asked of the board."""
    probe = {"terminal": 1, "serial": "A", "type": "T", "placement": "neck"}
    document: dict[str, Any] = {"name": "DL-0007", "hardware": "C", "probe": [probe]} | change
    lines = [
        f"{name} = {json.dumps(value)}" for name, value in document.items() if name != "probe"
    ]
    if not document["probe"]:
        lines.append("probe = []")
    for row in document["probe"]:
        lines.append("[[probe]]")
        lines += [f"{name} = {json.dumps(value)}" for name, value in (probe | row).items()]
    path = tmp_path / "map.toml"
    path.write_text("\n".join(lines).replace("\x1b", "\\u001b"))
    with pytest.raises(MapDamaged, match="Nothing was changed") as caught:
        read_map(path)
    assert caught.value.key == key
    assert reason in caught.value.reason


def test_a_map_from_an_editor_that_marks_utf_8_is_read(tmp_path: Path) -> None:
    """Windows' Notepad begins a file with a byte order mark."""
    path = tmp_path / "map.toml"
    path.write_text(FULL.toml(), encoding="utf-8-sig")
    assert read_map(path) == FULL


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"name = ", "not TOML"),
        (b"name = '\xff'", "not UTF-8"),
        ('name = "A"'.encode("utf-16"), "UTF-16: save it as UTF-8"),
        (b"name = " + b"[" * 5000, "not TOML"),
        (b"name = " + b"1" * 5000, "not TOML"),
        (b"#" * 70000, "more than 65536 bytes"),
        (b"", "missing"),
    ],
)
def test_a_file_that_is_no_map_is_told(tmp_path: Path, data: bytes, reason: str) -> None:
    """Another file, half a file, an endless one."""
    path = tmp_path / "map.toml"
    path.write_bytes(data)
    with pytest.raises(MapDamaged, match=reason):
        read_map(path)
