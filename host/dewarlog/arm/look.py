"""What a board tells of itself before it is armed: facts for the gate; nothing changes.

Left of `arm`: one look over an open conversation, and what of its status the gate judges.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from dewarlog.arm import gate
from dewarlog.bench import requests
from dewarlog.checks.selftest_words import title_of
from dewarlog.errors import DeviceRefused
from dewarlog.profile.parts import LimitRule
from dewarlog.profile.settings import utc_s
from dewarlog.uncertainty import budget
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from dewarlog.arm.gate import Slope
    from dewarlog.bench.requests import Live
    from dewarlog.profile.model import Profile
    from dewarlog.profile.parts import Channel
    from dewarlog.replies import Board, Status, StoredFile
    from dewarlog.session import Session

_FAILED: Final = layout.SELFTEST_VERDICT_NAMES.index("fail")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a board told before anything was changed."""

    board: Board
    status: Status
    live: Live
    profile: bytes
    files: tuple[StoredFile, ...]
    failed_tests: tuple[str, ...] | None


def look(session: Session) -> Seen:
    """Ask a board for everything that is judged; nothing changes.

    Raises:
        NoBench: its firmware is too old.
    """
    board = session.board or session.hello()
    live = requests.live(session)
    return Seen(
        board=board,
        status=session.status(),
        live=live,
        profile=requests.get_profile(session),
        files=tuple(session.list_files()),
        failed_tests=failed_tests(session),
    )


def failed_tests(session: Session) -> tuple[str, ...] | None:
    """Return what of the newest self-test failed; None where the board has none to show.

    A host that may not ask for results, by its key, sees none: the gate then says so.
    """
    try:
        results = requests.last_selftest(session)
    except DeviceRefused:
        return None
    if not results:
        return None
    return tuple(title_of(result) for result in results if result.verdict == _FAILED)


def is_held(file: StoredFile) -> bool:
    """Tell whether a host has confirmed to hold all of a file; an empty one holds nothing."""
    return bool(file.flags & layout.ENTRY_CONFIRMED) or not file.size


def room_bytes(status: Status, files: Sequence[StoredFile]) -> int:
    """Return what a board has room for: free, or in earlier runs that were pulled.

    It gives those up by itself when it needs their place, whatever it does when it is full.
    """
    sizes: Counter[int] = Counter()
    for file in files:
        sizes[file.run] += file.size
    kept = {file.run for file in files if not is_held(file)} | {status.run}
    return status.free_bytes + sum(size for run, size in sizes.items() if run not in kept)


def probes_of(
    profile: Profile, status: Status, slopes: Mapping[int, Slope]
) -> tuple[gate.Probe, ...]:
    """Return what the gate judges of each fitted probe."""
    return tuple(
        _probe_of(profile, channel, status, slopes.get(channel.channel))
        for channel in profile.channels
    )


def _probe_of(
    profile: Profile, channel: Channel, status: Status, slope: Slope | None
) -> gate.Probe:
    code = status.readings[channel.channel]
    state = layout.state_of(code)
    degc = code / layout.TEMPERATURE_PER_DEGC if state == layout.STATE_OK else None
    calibrated = channel.calibrated
    expanded_k = 0.0
    if degc is not None:
        cold_junction = status.cold_junction / layout.COLD_JUNCTION_PER_DEGC
        expanded_k = budget(
            channel.probe_type,
            degc,
            *((cold_junction,) if status.cold_junction >= layout.READING_MIN else ()),
            gain=profile.sampling.gain,
            calibration_u_k=None if calibrated is None else channel.calibration_u_degc,
        ).expanded_k
    return gate.Probe(
        channel=channel.channel,
        serial=channel.serial,
        placement=channel.placement,
        state=state,
        degc=degc,
        expanded_k=expanded_k,
        limit_degc=_limit_of(profile, channel.channel),
        slope=slope,
        calibrated_utc_s=_midnight_s(calibrated),
        due_utc_s=_midnight_s(channel.calibration_due),
        point_serials=tuple(point.serial for point in channel.calibration),
    )


def _midnight_s(day: date | None) -> int | None:
    if day is None:
        return None
    return utc_s(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _limit_of(profile: Profile, channel: int) -> float | None:
    """Return the coldest hold limit above which a channel may not be."""
    limits = [
        rule.threshold_degc
        for rule in profile.rules
        if isinstance(rule, LimitRule)
        and rule.kind == "above"
        and rule.severity == "hold"
        and channel in profile.channels_of(rule)
    ]
    return min(limits, default=None)
