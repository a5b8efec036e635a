"""The profile of one trip: the board's own, a profile file and a shipment's manifest, joined.

Left of `arm`. Pure. Who says what:
- the board: its probes and their calibration, its name and hardware, whether it locks itself;
- the file: rules, bands, intervals, radio and policy, and texts. It may name channels; their
  probes must then be the board's, for limits chosen for other probes are no limits;
- the manifest: the shipment's texts and handling, where it tells them; else the file's stand.

A line between board and trip: a calibration never comes from a file that was written for many
boards, and an account never from a board.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from dewarlog.errors import Mistake, NotProvisioned, ProbesDiffer, ProfileInvalid
from dewarlog.profile.model import Profile
from dewarlog.strict_json import NotStrict, read_at_most, read_object

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dewarlog.arm.manifest import Manifest

_OF_THE_BOARD: Final = ("board", "hardware")
_NOT_OF_A_FILE: Final = "arming"
"""Written by this program, and by nobody else."""


def read_file(path: Path) -> dict[str, Any]:
    """Read a profile file as an object; it may leave its channels out. OSError as the system says.

    Raises:
        ProfileInvalid: it is no JSON object, or a name stands in it twice; or it is far too long.
    """
    where = str(path)
    try:
        data = read_at_most(path)
    except NotStrict as error:
        mistake = Mistake("", f"no profile: {error.reason}", "a JSON object {...}")
        raise ProfileInvalid(where, [mistake]) from error
    try:
        return read_object(data.decode("utf-8-sig").encode())
    except (UnicodeError, NotStrict):
        Profile.read(data, where)  # says what is wrong
        raise AssertionError from None


def board_profile(data: bytes, board: str) -> Profile:
    """Read the profile that a board gave.

    Raises:
        NotProvisioned: it has none, so that nobody knows which probes it has.
        ProfileInvalid: it has one that this program would not write.
    """
    if not data:
        raise NotProvisioned(board)
    return Profile.read(data, f"the profile of logger {board}")


def joined(
    document: Mapping[str, Any],
    where: str,
    board: Profile,
    manifest: Manifest,
) -> Profile:
    """Join a profile file, a board's profile and a manifest; without `arming`.

    Raises:
        ProbesDiffer: the file is for other probes than the board's.
        ProfileInvalid: the file cannot be used, or not with the board's channels.
    """
    own = dict(document)
    own.pop(_NOT_OF_A_FILE, None)
    channels = [channel.model_dump() for channel in board.channels]
    if "channels" in own:
        file = Profile.of(own, where)
        _expect_same_probes(file, where, board)
    own["channels"] = channels
    if "access" not in own:
        own["access"] = board.access
    file = Profile.of(own, where)
    texts = {name: text for name, text in _texts(manifest).items() if text}
    texts |= {name: getattr(board.texts, name) for name in _OF_THE_BOARD}
    profile = file.with_texts(**texts)
    if manifest.thaw_to_infusion_min:
        handling = {
            "thaw_to_infusion_min": manifest.thaw_to_infusion_min,
            "calibration_policy": file.handling.calibration_policy,
        }
        profile = profile.with_(handling=handling)
    return profile


def _texts(manifest: Manifest) -> dict[str, object]:
    return {
        "shipment": manifest.shipment,
        "dewar": manifest.dewar,
        "contact": manifest.contact,
        "instructions": manifest.handling,
        "chain_of_identity": manifest.chain_of_identity,
        "account": manifest.account,
        "purchase_order": manifest.purchase_order,
        "cost_centre": manifest.cost_centre,
        "consignee": manifest.consignee,
    }


def _expect_same_probes(file: Profile, where: str, board: Profile) -> None:
    fitted = {channel.channel: channel for channel in board.channels}
    differences: list[str] = []
    for channel in file.channels:
        there = fitted.get(channel.channel)
        name = f"channel {channel.channel}"
        if there is None:
            differences.append(f"{name} ({channel.serial or 'no serial'}) is not fitted")
        elif channel.serial and channel.serial != there.serial:
            has = there.serial or "none with a serial"
            differences.append(f"{name} names probe {channel.serial}, the logger has {has}")
        elif channel.probe_type != there.probe_type:
            differences.append(
                f"{name} names type {channel.probe_type}, the logger has {there.probe_type}"
            )
        elif "placement" in channel.model_fields_set and channel.placement != there.placement:
            # A limit for the payload is none for the neck.
            differences.append(
                f"{name} is at {channel.placement} there, and at {there.placement} on the logger"
            )
    if differences:
        raise ProbesDiffer(where, differences)


def same_trip(held: Profile, wanted: Profile, planned_h: float) -> bool:
    """Tell whether a board holds the profile of this very trip, armed.

    The rest of `arming` is of the moment it was armed in, and not compared.
    """
    if held.arming is None or held.arming.planned_h != planned_h:
        return False
    without = cast("dict[str, object]", {"arming": None})
    return held.with_(**without).write() == wanted.with_(**without).write()
