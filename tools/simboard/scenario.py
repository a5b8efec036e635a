"""A scenario file (TOML) as checked data, and as the JSON the board's side takes.

Every key is explained in README.md. Nothing here is guessed at: a key that is missing, misspelt or
out of range is refused by name.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from simboard import host_actions, recording
from simboard.errors import ScenarioError
from simboard.fields import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simboard.host_actions import Request

SCENARIOS: Final = Path(__file__).parent / "scenarios"
PROFILES: Final = Path(__file__).parent / "profiles"
# Where a probe may be: in one of two baths, in the air of the room, or back in its dewar.
BATHS: Final = ("ice", "ln2", "air", "dewar")
PLACEMENTS: Final = ("payload top", "payload bottom", "neck", "other")
BOARDS: Final = ("RPI_PICO_W", "RPI_PICO2_W", "RPI_PICO")
RADIOS: Final = ("btstack", "nimble", "none")
_WITHOUT_RADIO: Final = "RPI_PICO"
_CUSTODY_STEPS: Final = (
    "pack-out",
    "depart",
    "handoff",
    "receive",
    "store",
    "remove",
    "thaw start",
    "infuse",
    "note",
)
_REQUESTS_MAX: Final = 120  # each takes two of the 256 sequence numbers replies are told by
_DAY_US: Final = 86_400_000_000
# Saturation of nitrogen: K and hPa, from the tables of Span et al., J. Phys. Chem. Ref. Data 29
# (2000) 1361. Between them ln(p) is taken as a line in 1/T: 0.008 K at 550 hPa, 0.001 K from 750.
_SATURATION: Final = ((70.0, 385.45), (75.0, 760.43), (77.355, 1013.25), (80.0, 1368.7))
_DRY_OUT_SLOWEST: Final = 0.2  # the warm-up takes no less of the stay above the limit than this


@dataclass(frozen=True, slots=True)
class Happening:
    """Something the scenario makes happen, for whoever compares a log with it."""

    kind: str
    at_us: int
    end_us: int
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording to replay: the CSV file, when, and whether gravity is in it."""

    path: Path
    at_us: int
    has_gravity: bool
    where: str


@dataclass(frozen=True, slots=True)
class Scenario:
    """A checked scenario. `device` is the board's JSON but for what one start adds to it."""

    path: Path
    title: str
    begins: datetime
    length_us: int
    profile: Path
    device: dict[str, object]
    happenings: tuple[Happening, ...]
    requests: tuple[Request, ...]
    recordings: tuple[Recording, ...]

    def moment(self, us: int) -> datetime:
        """Return a moment of the trip as a date and time."""
        return self.begins + timedelta(microseconds=us)


def find(name: str | Path) -> Path:
    """Return the file of a scenario given by path or by the name of one of ours."""
    path = Path(name)
    if path.suffix != ".toml" and (SCENARIOS / f"{name}.toml").exists():
        return SCENARIOS / f"{name}.toml"
    return path


def load(
    name: str | Path, *, begins: datetime | None = None, ends: datetime | None = None
) -> Scenario:
    """Read and check a scenario.

    Args:
        name: A file, or the name of one of ours.
        begins: When the trip begins, instead of the date in the file; all else keeps its distance
            from the beginning.
        ends: The same, by when it ends.

    Raises:
        ScenarioError: The file cannot be read, or a key of it cannot be right.
    """
    path = find(name)
    try:
        with path.open("rb") as file:
            values = tomllib.load(file)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        ours = ", ".join(sorted(entry.stem for entry in SCENARIOS.glob("*.toml")))
        raise ScenarioError(str(path), f"{error}; scenarios of our own: {ours}") from error
    reader = _Reader(path, values)
    if ends is not None:
        begins = ends - timedelta(microseconds=reader.length_us)
    return reader.read(begins)


class _Reader:
    """Reads one file, table by table."""

    def __init__(self, path: Path, values: dict[str, object]) -> None:
        self._path = path
        self._values = values
        self._happenings: list[Happening] = []
        self._top = Table(
            {key: item for key, item in values.items() if not isinstance(item, dict | list)},
            path.name,
            None,
        )
        self._begins = self._top.date_time("begins")
        self.length_us = self._top.duration_us("length")
        self._shown_begin = self._begins

    def read(self, begins: datetime | None) -> Scenario:
        """Return the scenario once every table has been read and nothing is left over."""
        top = self._top
        if begins is not None:
            self._shown_begin = begins.replace(microsecond=0)
        # The log's time begins with 2020; a host's clock in a scenario may be a day behind.
        if not 2021 <= self._shown_begin.year <= 2100:
            raise top.fail("begins", "a year from 2021 to 2100")
        title = top.text("title")
        seed = top.whole("seed", 0, 2**31 - 1, 1)
        profile = self._beside(top.text("profile", "cryo_shipper.json"), PROFILES)
        if not profile.exists():
            raise top.fail("profile", f"there is no file {profile}")
        top.finish()
        device: dict[str, object] = {
            "name": title,
            "seed": seed,
            "length_us": self.length_us,
            "start_utc_s": int(self._shown_begin.timestamp()),
            "board": self._board(),
            "supply": self._supply(),
            "ambient": self._ambient(),
            "dewar": self._dewar(),
            "probes": self._probes(),
            "bath_micro_degc": {"ice": 0, "ln2": round(_boils_degc(self._pressure_hpa) * 1e6)},
            "probe_faults": self._probe_faults(),
            "brown_outs": self._brown_outs(),
            "lids": [list(span) for _, *span in self._spans("lid_open")],
            "heats": [
                [start, end, table.number("by_k", -60, 60)]
                for table, start, end in self._spans("heat")
            ],
            "refills": self._refills(),
            "dry_outs": self._dry_outs(),
            "motion": self._motion(),
        }
        device.update(self._power_cuts())
        recordings = tuple(self._recordings())
        requests = tuple(self._requests())
        if self._values:
            leftover = [key for key, item in self._values.items() if isinstance(item, dict | list)]
            if leftover:
                raise ScenarioError(f"{self._path.name}: {', '.join(leftover)}", "unknown table")
        late = [entry for entry in self._happenings if entry.at_us >= self.length_us]
        if late:
            raise ScenarioError(
                f"{self._path.name}: {late[0].kind}", "begins when the trip is over"
            )
        self._happenings.sort(key=lambda entry: entry.at_us)
        return Scenario(
            self._path,
            title,
            self._shown_begin,
            self.length_us,
            profile,
            device,
            tuple(self._happenings),
            requests,
            recordings,
        )

    # --- tables -------------------------------------------------------------------------------

    def _one(self, key: str) -> Table:
        """Return the table [key], empty when the file has none."""
        values = self._values.pop(key, {})
        if not isinstance(values, dict):
            raise ScenarioError(f"{self._path.name}: {key}", f"is not a table [{key}]")
        return Table(cast("dict[str, object]", values), self._where(f"[{key}]"), self._begins)

    def _many(self, key: str) -> Iterator[Table]:
        """Yield the tables [[key]] in the order they stand, each closed after its use."""
        entries = self._values.pop(key, [])
        if not isinstance(entries, list):
            raise ScenarioError(f"{self._path.name}: {key}", f"is not a list of tables [[{key}]]")
        for number, values in enumerate(cast("list[object]", entries), 1):
            if not isinstance(values, dict):
                raise ScenarioError(f"{self._path.name}: {key}", f"is no table [[{key}]]")
            where = self._where(f"[[{key}]] {number}")
            table = Table(cast("dict[str, object]", values), where, self._begins)
            yield table
            table.finish()

    def _where(self, what: str) -> str:
        return f"{self._path.name}: {what}"

    def _beside(self, name: str, otherwise: Path) -> Path:
        """Return a file named in the scenario: beside it, or among ours."""
        found = (self._path.parent / name).resolve()
        return found if found.exists() else otherwise / name

    def _note(self, kind: str, start_us: int, end_us: int, **details: object) -> None:
        self._happenings.append(Happening(kind, start_us, end_us, details))

    def _spans(self, key: str) -> Iterator[tuple[Table, int, int]]:
        """Yield entries that last from `at`, for `for`."""
        for table in self._many(key):
            start_us, end_us = table.span_us()
            self._note(key, start_us, end_us)
            yield table, start_us, end_us

    def _board(self) -> dict[str, object]:
        table = self._one("board")
        text = table.text("micropython", "1.26.0")
        try:
            version = [int(part) for part in text.split(".")]
        except ValueError:
            version = []
        if len(version) != 3:  # major, minor, patch
            raise table.fail("micropython", f"{text!r} is no version such as 1.26.0")
        unique_id = table.text("unique_id", "e660583883724a32")
        try:
            bytes.fromhex(unique_id)
        except ValueError:
            raise table.fail("unique_id", f"{unique_id!r} is not hexadecimal") from None
        name = table.choice("name", BOARDS, "RPI_PICO_W")
        board: dict[str, object] = {
            "name": name,
            "radio": table.choice(
                "radio", RADIOS, "none" if name == _WITHOUT_RADIO else "btstack"
            ),
            "micropython": version,
            "unique_id": unique_id,
            "crystal_ppm": table.number("crystal_ppm", -1000, 1000, 0),
            "clock_drift_ppm": table.number("clock_drift_ppm", -50000, 50000, 0),
            "clock_set": table.flag("clock_set", default=True),
            "clock_fitted": table.flag("clock_fitted", default=True),
            "flash_kib": table.whole("flash_kib", 32, 16384, 848),
            "erase_ms": table.vector("erase_ms", 0, 3000, [45, 300], 2),
            "idle_limit_ms": table.whole("idle_limit_ms", 1, 60000, 1),
        }
        table.finish()
        return board

    def _supply(self) -> dict[str, object]:
        table = self._one("supply")
        supply: dict[str, object] = {
            "start_mv": table.number("start_mv", 0, 6500, 4150),
            "end_mv": table.number("end_mv", 0, 6500, 3800),
            "source_ohm": table.number("source_ohm", 0, 1000, 0),
        }
        table.finish()
        supply["dips"] = [
            [start, end, dip.number("to_mv", 0, 6500)] for dip, start, end in self._spans("dip")
        ]
        return supply

    def _ambient(self) -> dict[str, object]:
        table = self._one("ambient")
        begins = self._begins
        self._pressure_hpa = table.number("pressure_hpa", 500, 1100, 1013.25)
        ambient: dict[str, object] = {
            "ambient_mean_degc": table.number("mean_degc", -40, 60, 21),
            "ambient_swing_k": table.number("swing_k", 0, 40, 4),
            "ambient_warmest_h": table.number("warmest_hour", 0, 24, 15),
            "start_h": begins.hour + begins.minute / 60 + begins.second / 3600,
        }
        table.finish()
        return ambient

    def _dewar(self) -> dict[str, object]:
        table = self._one("dewar")
        dewar: dict[str, object] = {
            "hold_days": table.duration_us("hold", "14 days") / _DAY_US,
            "charge": table.number("charge", 0, 1, 1),
            "full_kg": table.number("full_kg", 0.1, 100, 3.3),
        }
        table.finish()
        return dewar

    def _probes(self) -> list[dict[str, object]]:
        probes: list[dict[str, object]] = []
        for table in self._many("probe"):
            channel = table.whole("channel", 0, 3)
            if channel in [probe["channel"] for probe in probes]:
                raise table.fail("channel", f"there are two probes on channel {channel}")
            probe: dict[str, object] = {
                "channel": channel,
                "type": table.choice("type", ("T", "K", "E"), "T"),
                "placement": table.choice("placement", PLACEMENTS, "payload top"),
                "offset_uv": table.number("offset_uv", -1000, 1000, 0),
                "cold_junction_error_k": table.number("cold_junction_error_k", -5, 5, 0),
                "clock_ppm": table.number("converter_clock_ppm", -50000, 50000, 0),
                "fitted": table.flag("converter_fitted", default=True),
                "slope_percent": table.number("slope_percent", -20, 20, 0),
                "baths": _baths(table),
                "settle_us": table.duration_us("settle", "20 s"),
                "stir_k": table.number("stir_k", 0, 5, 0.01),
            }
            if not probe["settle_us"]:
                raise table.fail("settle", "no probe is where its bath is at once")
            probes.append(probe)
        if not probes:
            raise ScenarioError(self._where("[[probe]]"), "there is no probe at all")
        self._channels = [probe["channel"] for probe in probes]
        return probes

    def _probe_faults(self) -> list[list[object]]:
        faults: list[list[object]] = []
        for table in self._many("probe_fault"):
            channel = table.whole("channel", 0, 3)
            if channel not in self._channels:
                raise table.fail("channel", f"no probe is on channel {channel}")
            kind = table.choice("kind", ("open", "short", "brown-out"))
            if kind == "brown-out":
                start_us = end_us = table.moment_us("at")
            else:
                start_us, end_us = table.span_us()
            self._note("probe_fault", start_us, end_us, channel=channel, fault=kind)
            faults.append([channel, start_us, end_us, kind])
        return faults

    def _brown_outs(self) -> list[list[object]]:
        found: list[list[object]] = []
        for table in self._many("brown_out"):
            at_us = table.moment_us("at")
            part = table.choice("part", ("accelerometer", "tilt sensor"))
            self._note("brown_out", at_us, at_us, part=part)
            found.append([at_us, part])
        return found

    def _refills(self) -> list[list[float]]:
        refills: list[list[float]] = []
        for table in self._many("refill"):
            at_us = table.moment_us("at")
            self._note("refill", at_us, at_us)
            refills.append([at_us, table.number("charge", 0, 1, 1)])
        return sorted(refills)

    def _dry_outs(self) -> list[list[float]]:
        dry_outs: list[list[float]] = []
        for table in self._many("dry_out"):
            start_us = table.moment_us("from")
            length_us = table.duration_us("for")
            limit = table.number("above_degc", -185, 0, -150)
            peak = table.number("peak_degc", -185, 20, limit + 12)
            if peak <= limit + 0.5:
                raise table.fail("peak_degc", f"{peak:g} is not above the limit, {limit:g}")
            if length_us < 600_000_000:  # ten minutes
                raise table.fail("for", "a dry-out shorter than 10 min is not physical")
            self._note("dry_out", start_us, start_us + length_us, limit_degc=limit, peak_degc=peak)
            dry_outs.append([start_us, length_us, limit, peak])
        return dry_outs

    def _motion(self) -> dict[str, object]:
        sensors = self._one("sensors")
        motion: dict[str, object] = {
            "shock_offset_g": sensors.vector("shock_offset_g", -10, 10, [0.3, -0.2, 0.4]),
            "shock_rate_ppm": sensors.number("shock_rate_ppm", -50000, 50000, 0),
            "shock_noise": sensors.number("shock_noise", 0, 10, 1),
            "shock_fitted": sensors.flag("shock_fitted", default=True),
            "tilt_offset_g": sensors.vector("tilt_offset_g", -1, 1, [0.01, -0.015, 0.02]),
            "tilt_fitted": sensors.flag("tilt_fitted", default=True),
            "shock_stuck": sensors.flag("shock_stuck", default=False),
            "tilt_stuck": sensors.flag("tilt_stuck", default=False),
        }
        sensors.finish()
        tilts: list[list[float]] = []
        for table, start_us, end_us in self._spans("tilt"):
            tilts.append([start_us, end_us, table.number("angle_deg", 0, 180)])
        motion["tilts"] = tilts
        motion["vibrations"] = [
            [start_us, end_us, table.number("rms_g", 0, 1)]
            for table, start_us, end_us in self._spans("vibration")
        ]
        motion["knocks"] = self._knocks()
        motion["drops"] = self._drops()
        return motion

    def _knocks(self) -> list[list[object]]:
        knocks: list[list[object]] = []
        for table in self._many("knock"):
            at_us = table.moment_us("at")
            peak_g = table.number("peak_g", 0, 2000)
            pulse_us = table.duration_us("pulse")
            self._note("knock", at_us, at_us + pulse_us, peak_g=peak_g, pulse_us=pulse_us)
            knocks.append([at_us, peak_g, pulse_us, _unit(table)])
        return knocks

    def _drops(self) -> list[list[object]]:
        drops: list[list[object]] = []
        for table in self._many("drop"):
            at_us = table.moment_us("at")
            height_m = table.number("height_m", 0.01, 10)
            pulse_us = table.duration_us("pulse", "11 ms")
            self._note("drop", at_us, at_us + pulse_us, height_m=height_m, pulse_us=pulse_us)
            drops.append([at_us, height_m, pulse_us, _unit(table)])
        return drops

    def _recordings(self) -> Iterator[Recording]:
        for number, table in enumerate(self._many("recording"), 1):
            at_us = table.moment_us("at")
            name = table.text("file")
            path = (self._path.parent / name).resolve()
            coupling = table.choice("coupling", ("ac", "dc"))
            self._note("recording", at_us, at_us, file=name)
            yield Recording(path, at_us, coupling == "dc", self._where(f"[[recording]] {number}"))

    def _power_cuts(self) -> dict[str, object]:
        timed: list[list[int]] = []
        by_operation: list[list[float]] = []
        for table in self._many("power_cut"):
            off_us = table.duration_us("off", "1 s")
            if table.has("flash_operation"):
                operation = table.whole("flash_operation", 0, 10**9)
                by_operation.append([operation, table.number("part_done", 0, 1, 0.5), off_us])
            else:
                at_us = table.moment_us("at")
                self._note("power_cut", at_us, at_us + off_us)
                timed.append([at_us, off_us])
        if len(by_operation) > 1:
            raise ScenarioError(
                self._where("[[power_cut]]"), "at most one may name a flash_operation"
            )
        return {"power_cuts": timed, "flash_cuts": by_operation}

    def _requests(self) -> Iterator[Request]:
        requests: list[Request] = []
        begins_us = int(self._shown_begin.timestamp()) * 1_000_000
        for table in self._many("time_sync"):
            at_us = table.moment_us("at")
            off_us = round(table.number("host_off_ms", -86_400_000, 86_400_000, 0) * 1000)
            error_ms = table.whole("error_ms", 0, 65_535, 50)
            self._note("time_sync", at_us, at_us, host_off_us=off_us, error_ms=error_ms)
            requests.append(host_actions.time_sync(at_us, begins_us + at_us + off_us, error_ms))
        for table in self._many("mark"):
            at_us = table.moment_us("at")
            step = table.choice("step", _CUSTODY_STEPS)
            texts = (table.text("actor", ""), table.text("place", ""), table.text("note", ""))
            if any(len(text.encode()) > 76 for text in texts):  # SPEC, custody
                raise table.fail("actor, place, note", "76 bytes of UTF-8 at most, each")
            self._note("mark", at_us, at_us, step=step)
            requests.append(host_actions.mark(at_us, begins_us + at_us, step, texts))
        for table in self._many("selftest"):
            at_us = table.moment_us("at")
            self._note("selftest", at_us, at_us)
            requests.append(host_actions.selftest(at_us))
        for table in self._many("stop"):
            at_us = table.moment_us("at")
            self._note("stop", at_us, at_us)
            requests.append(host_actions.stop(at_us))
        if len(requests) > _REQUESTS_MAX:
            raise ScenarioError(self._path.name, f"more than {_REQUESTS_MAX} host actions")
        yield from requests


def _baths(table: Table) -> list[list[object]]:
    """Return the key `bath`, a list of [moment, name], as [us, name] in order of time."""
    entries = table.pairs("bath", [])
    found: list[list[object]] = []
    for at, name in entries:
        if name not in BATHS:
            raise table.fail("bath", f"{name!r} is none of {', '.join(BATHS)}")
        found.append([table.moment_of_us("bath", at), name])
    if found != sorted(found, key=lambda entry: cast("int", entry[0])):
        raise table.fail("bath", "its moments are not in order")
    return found


def _boils_degc(pressure_hpa: float) -> float:
    """Return at what temperature nitrogen boils under air of this pressure."""
    spans = pairwise(_SATURATION)
    (low_k, low), (high_k, high) = next(span for span in spans if pressure_hpa <= span[1][1])
    part = math.log(pressure_hpa / low) / math.log(high / low)
    return 1 / (1 / low_k + part * (1 / high_k - 1 / low_k)) - 273.15


def _unit(table: Table) -> list[float]:
    """Return the key `axis` as a unit vector; straight down on the board's z when not given."""
    axis = table.vector("axis", -1, 1, [0, 0, 1])
    length = sum(value * value for value in axis) ** 0.5
    if length == 0:
        raise table.fail("axis", "has no direction")
    return [value / length for value in axis]


def device_json(scenario: Scenario, folder: Path, **added: object) -> str:
    """Return the board's JSON; sample files of recordings are written to `folder`."""
    device = dict(scenario.device)
    motion = dict(cast("dict[str, object]", device["motion"]))
    recordings: list[list[object]] = []
    for number, entry in enumerate(scenario.recordings):
        target = folder / f"recording_{number}.f32"
        interval_us, _ = recording.prepare(entry.path, target, entry.where)
        recordings.append([entry.at_us, interval_us, str(target), entry.has_gravity])
    motion["recordings"] = recordings
    device["motion"] = motion
    device.update(added)
    return json.dumps(device)
