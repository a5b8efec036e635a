"""What wakes the board, how long it is awake, and what a battery makes of it.

    python tools/bench/energy.py [--hours 2] [--json]

Runs calm trips at 10 s on the simulated board in several set-ups, and in the same run the same
loop polling (machine.idle, 1 ms on rp2), as it would without waiting for work. Then puts currents
to the shares of time. Prints, never gates.

What the shares are: time of the simulated board. Buses, flash and sleeps take what they take on a
board; Python takes none. So how long a wake-up keeps a processor at work is not known from here:
it is an assumption of the budget, named in each line, until somebody measures a board.

Currents are of data sheets where they tell, else of people who measured a board and said how; each
has its source. What neither tells is None and is left out of every sum, with a word.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from simboard.launch import start  # noqa: E402 - the path above first: run as a script
from simboard.scenario import PROFILES  # noqa: E402

INTERVAL_S: Final = 10
PLAN_DAYS: Final = 14
TIMES_THE_PLAN: Final = 3
POLLED_MIN: Final = 1  # a polling minute has as many passes as an hour that waits
TRIP: Final = """
title = "Energy"
begins = 2026-03-02T08:00:00Z
length = "{minutes} min"
[[probe]]
channel = 0
[[probe]]
channel = 1
placement = "payload bottom"
[[probe]]
channel = 2
placement = "neck"
[[probe]]
channel = 3
placement = "other"
"""
KNOCKS_AN_HOUR: Final = 30
# Counts the passes of the loop, and polls where `{polls}` is 1.
MAIN: Final = """
import machine
from dewarlog_firmware import app, rest
passes = 0
step = app.App.step
def counted(self):
    global passes
    passes += 1
    step(self)
app.App.step = counted
if {polls}:
    rest.Rest.sleep = lambda self, *_: machine.idle()
try:
    app.run()
finally:
    print("passes", passes)
"""


@dataclass(frozen=True)
class SetUp:
    """One way to travel: what is changed in the profile, and whether knocks come."""

    name: str
    radio: bool
    light: bool
    shock_hz: int
    knocks: bool = False


SET_UPS: Final = (
    SetUp("radio on, idle", radio=True, light=False, shock_hz=3200),
    SetUp("flight mode, idle", radio=False, light=False, shock_hz=3200),
    SetUp("flight mode, light, 3200 Hz", radio=False, light=True, shock_hz=3200),
    SetUp("the same, 30 knocks an hour", radio=False, light=True, shock_hz=3200, knocks=True),
    SetUp("flight mode, light, 800 Hz", radio=False, light=True, shock_hz=800),
)


@dataclass(frozen=True)
class Measured:
    """What a trip of one set-up came to, by the hour."""

    set_up: str
    passes_h: float
    wake_ups_h: float
    timer_h: float
    pin_h: float
    light_sleeps_h: float
    light_share: float
    wait_share: float
    awake_share: float
    flash_share: float


@dataclass(frozen=True)
class Current:
    """A current with where it is from; `ma` None: not known."""

    state: str
    ma: float | None
    volt: float
    kind: str  # "typical", "maximum", "measured by others"
    source: str

    def mw(self) -> float:
        """Return the power; ValueError for a current that is not known."""
        if self.ma is None:
            raise ValueError(self.state)
        return self.ma * self.volt


PICO_AWAKE: Final = Current(
    "Pico, 125 MHz, MicroPython waiting in time.sleep",
    21,
    5,
    "measured by others",
    "micropython issue 8770, bench supply at VSYS",
)
PICO_LIGHT: Final = Current(
    "Pico, machine.lightsleep(5000)",
    0.99,
    5,
    "measured by others",
    "micropython pull request 8832, bench supply at VSYS",
)
PICO_W_RADIO: Final = Current(
    "Pico W or 2 W, Bluetooth on",
    35,
    5,
    "measured by others",
    "petzval/btferret issue 64 (17 mA without Bluetooth); its supply voltage is not told",
)
CURRENTS: Final = (
    Current("RP2040 SLEEP, DVDD", 0.39, 1.1, "typical", "RP2040 data sheet, Power Consumption"),
    Current("RP2040 SLEEP, DVDD", 4.5, 1.1, "maximum", "RP2040 data sheet, Power Consumption"),
    Current(
        "RP2040 BOOTSEL idle (48 MHz), DVDD + IOVDD + USB_VDD",
        9.0 + 1.2 + 0.2,
        3.3,
        "typical",
        "RP2040 data sheet, Power Consumption",
    ),
    Current("the same", 14.3 + 4.3 + 0.6, 3.3, "maximum", "RP2040 data sheet, Power Consumption"),
    PICO_AWAKE,
    PICO_LIGHT,
    PICO_W_RADIO,
    Current("RP2350 waiting at 150 MHz, and in lightsleep", None, 3.3, "not known", "-"),
    Current("CYW43439 when MicroPython has switched it off", None, 3.3, "not known", "-"),
    Current(
        "ESP32-S3 waiting (WAITI), 160 MHz, peripheral clocks off",
        27.6,
        3.3,
        "typical",
        "ESP32-S3 data sheet v2.0, table 5-9",
    ),
    Current(
        "the same, peripheral clocks on",
        42.3,
        3.3,
        "typical",
        "ESP32-S3 data sheet v2.0, table 5-9",
    ),
    Current("ESP32-S3, Bluetooth LE advertising, mean", None, 3.3, "not known", "-"),
)
# Sensors at 3.3 V, by their data sheets; DS3231: the most. firmware/README.md, "Current".
SENSORS_MA: Final = 0.37 + 0.033 + 0.003 + 0.110
DIVIDER_MW: Final = 0.025 * 5
REGULATOR: Final = 0.85  # assumed for the Pico's RT6150 between battery and 3.3 V, at light load
WAKE_MS: Final = (1.0, 3.0)  # assumed: what one wake-up keeps the processor at work

CELLS: Final = (
    # name, Wh at 20 degC by the maker's mAh and 1.5 V
    ("3 x AA lithium L91", 3 * 1.5 * 3.0),
    ("6 x AA lithium L91", 6 * 1.5 * 3.0),
)
COLD: Final = 0.8  # assumed share of it that a cold hold or an old cell leaves; not a data sheet's


def travel(set_up: SetUp, minutes: float, *, polls: bool = False) -> Measured:
    """Run one trip and return what woke the board."""
    profile: dict[str, Any] = json.loads((PROFILES / "cryo_shipper.json").read_text())
    channels = profile["channels"]
    if len(channels) < 4:
        channels.append({"channel": 3, "placement": "other"})
    profile["radio"] = {"mode": "on" if set_up.radio else "off"}
    profile["power"] = {"sleep": "light" if set_up.light else "idle"}
    profile["shock"] |= {"rate_hz": set_up.shock_hz}
    scenario = TRIP.format(minutes=minutes)
    if set_up.knocks:
        for number in range(int(KNOCKS_AN_HOUR * minutes / 60)):
            at_s = 60 + number * 3500 / KNOCKS_AN_HOUR
            scenario += f'[[knock]]\nat = "{at_s:.3f} s"\npeak_g = 40\npulse = "6 ms"\n'
    with tempfile.TemporaryDirectory() as folder:
        trip = Path(folder) / "trip.toml"
        trip.write_text(scenario)
        file = Path(folder) / "profile.json"
        file.write_text(json.dumps(profile))
        with start(trip, profile=file, main=MAIN.format(polls=int(polls))) as board:
            report: dict[str, Any] = board.wait_end()
            told = board.console_output().decode()
    found = re.search(r"passes (\d+)", told)
    if found is None or report["firmware_errors"]:
        raise SystemExit(f"the trip failed: {told}\n{board.lines}")
    energy = report["energy"]
    hours = minutes / 60
    total_ms = energy["light_ms"] + energy["wait_ms"] + energy["awake_ms"]
    return Measured(
        set_up.name + (", polling" if polls else ""),
        int(found[1]) / hours,
        energy["wake_ups"] / hours,
        energy["interrupts"]["timer"] / hours,
        energy["interrupts"]["pin"] / hours,
        energy["light_sleeps"] / hours,
        energy["light_ms"] / total_ms,
        energy["wait_ms"] / total_ms,
        energy["awake_ms"] / total_ms,
        energy["awake_flash_ms"] / total_ms,
    )


def mean_mw(measured: Measured, *, radio: bool, wake_ms: float) -> float:
    """Return the mean power at the battery of a Pico W with all sensors, in mW."""
    awake_mw = (PICO_W_RADIO if radio else PICO_AWAKE).mw()
    # A wake-up out of lightsleep is at the current of an awake board, and so is a wait.
    light = measured.light_share - measured.light_sleeps_h * wake_ms / 3.6e6
    mw = awake_mw * (1 - light) + PICO_LIGHT.mw() * light
    return mw + SENSORS_MA * 3.3 / REGULATOR + DIVIDER_MW


def print_measured(rows: list[Measured], polled: list[Measured]) -> None:
    """Print what woke the board."""
    print(f"{'an hour at 10 s':42}{'passes':>9}{'wake-ups':>10}{'timer':>7}{'pins':>7}", end="")
    print(f"{'light':>9}{'lightsleep':>12}{'waiting':>9}{'awake*':>8}{'flash':>8}")
    for row in (*polled, *rows):
        print(
            f"{row.set_up:42}{row.passes_h:9.0f}{row.wake_ups_h:10.0f}{row.timer_h:7.0f}"
            f"{row.pin_h:7.0f}{row.light_sleeps_h:9.0f}{row.light_share:12.2%}"
            f"{row.wait_share:9.2%}{row.awake_share:8.2%}{row.flash_share:8.2%}"
        )
    print("* of simulated time: buses, flash, calls of the port; Python takes none there")
    waiting = {row.set_up: row for row in rows}
    for before in polled:
        after = waiting[before.set_up.removesuffix(", polling")]
        ratio = before.wake_ups_h / after.wake_ups_h
        passes = before.passes_h / after.passes_h
        print(f"{after.set_up}: wake-ups 1/{ratio:.0f}, passes of the loop 1/{passes:.0f}")


def print_budget(rows: list[Measured]) -> None:
    """Print what the shares come to on a battery."""
    print("\ncurrents")
    for current in CURRENTS:
        ma = "not known" if current.ma is None else f"{current.ma:.2f} mA"
        print(f"  {current.state:56}{ma:>10} at {current.volt:.1f} V  {current.kind}; ", end="")
        print(current.source)
    print(f"  {'sensors, mean':56}{SENSORS_MA:7.2f} mA at 3.3 V  typical; DS3231 maximum")
    days = PLAN_DAYS * TIMES_THE_PLAN
    print(f"\nPico W: mean power at the battery, and days ({days} are three times the plan)")
    cells = "".join(f"{name + ', cold':>26}" for name, _ in CELLS)
    print(f"  {'':30}{'a wake-up':>10}{'mean':>10}{cells}{'Wh for it':>12}")
    for row, set_up in zip(rows, SET_UPS, strict=True):
        for wake_ms in WAKE_MS if set_up.light else WAKE_MS[:1]:
            mw = mean_mw(row, radio=set_up.radio, wake_ms=wake_ms)
            life = "".join(f"{wh * COLD * 1000 / mw / 24:24.0f} d" for _, wh in CELLS)
            wake = f"{wake_ms:g} ms" if set_up.light else "-"
            need = mw * days * 24 / 1000 / COLD
            print(f"  {row.set_up:30}{wake:>10}{mw:7.1f} mW{life}{need:12.0f}")
    print(f"assumed: a wake-up's length; regulator {REGULATOR:.0%}; {COLD:.0%} of the cells' Wh")


def main() -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--hours", type=float, default=2, help="length of each trip (2)")
    parser.add_argument("--json", action="store_true", help="print the counts as JSON")
    options = parser.parse_args()
    if not 0 < options.hours <= 240:
        parser.error("--hours: more than 0, 240 at most")
    rows = [travel(set_up, options.hours * 60) for set_up in SET_UPS]
    polled = [travel(set_up, POLLED_MIN, polls=True) for set_up in SET_UPS[:3]]
    if options.json:
        print(json.dumps([asdict(row) for row in (*polled, *rows)], indent=1))
        return 0
    print_measured(rows, polled)
    print_budget(rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
