"""Puts the board together: chips on their buses and pins, in the scenario's world.

The wiring is firmware/README.md's for the rp2 boards. What a scenario may say has been checked by
the launcher (tools/simboard/scenario.py); here its values are taken as they are, times in us.
"""

import binascii
import io
import sys
from collections import namedtuple

from simboard.device.bath import Baths
from simboard.device.bus import I2cBus, SpiBus
from simboard.device.chips.adxl372 import ADXL372
from simboard.device.chips.ds3231 import DS3231
from simboard.device.chips.lis3dh import LIS3DH
from simboard.device.chips.max31856 import MAX31856
from simboard.device.chips.supply import Supply
from simboard.device.clock import Clock
from simboard.device.console import Console
from simboard.device.dewar import Dewar
from simboard.device.gpio import GPIO_COUNT, Line
from simboard.device.motion import Drop, HalfSine, Motion, Recording, Tilt
from simboard.device.noise import Noise
from simboard.device.nor_flash import NorFlash
from simboard.device.probe import OPEN, SHORTED, Probe
from simboard.device.processor import Processor
from simboard.device.radio.radio import Radio

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_say = print  # the launcher's; print() is the board's while the firmware runs
_PROBE_SPI = 0
_PROBE_SELECT = (17, 20, 21, 22)
_PROBE_READY = (2, 3, 6, 7)
_SHOCK_SPI = 1
_SHOCK_SELECT = 13
_SHOCK_INT1 = 14
_I2C = 0
_USB_SOF_RD = 0x50110048  # USBCTRL_REGS of RP2040 and RP2350
_SUPPLY_ADC = 26

_Implementation = namedtuple("implementation", ("name", "version", "_machine", "_mpy", "_build"))
_Uname = namedtuple("uname", ("sysname", "nodename", "release", "version", "machine"))
_MACHINES = {
    "RPI_PICO": "Raspberry Pi Pico with RP2040",
    "RPI_PICO_W": "Raspberry Pi Pico W with RP2040",
    "RPI_PICO2_W": "Raspberry Pi Pico 2 W with RP2350",
}
_HARD_TIMERS_SINCE = (1, 26, 0)  # Timer(hard=) on rp2: micropython/micropython#17363


def identity(board: "dict[str, Any]") -> "dict[str, Any]":
    """Return what sys and os say of the board: see modules.make_sys."""
    version = tuple(board["micropython"])
    name = _MACHINES[board["name"]]
    release = "%d.%d.%d" % version
    # What loads .mpy files here is the interpreter beneath, whose machine code is not a Pico's:
    # that alone is said as it is, so that a host compiles what runs.
    mpy = sys.implementation._mpy  # noqa: SLF001 - its only name
    return {
        "platform": "rp2",
        "version": version,
        "implementation": _Implementation(
            "micropython", version + ("",), name, mpy, board["name"]
        ),
        "uname": _Uname("rp2", "rp2", release, "v" + release + " (simulated board)", name),
    }


class Board:
    """The assembled board: processor, chips, flash, and the world around them."""

    def __init__(self, scenario: "dict[str, Any]") -> None:
        board = scenario["board"]
        seed = scenario["seed"]
        self.clock = Clock(int(board["crystal_ppm"] * 1000), board["idle_limit_ms"] * 1000)
        self.console = Console(self.clock)
        self.clock.report = self._report
        self.identity = identity(board)
        self.flash = NorFlash(
            self.clock,
            board["flash_kib"] // 4,
            seed + 1,
            (int(board["erase_ms"][0] * 1000), int(board["erase_ms"][1] * 1000)),
        )
        self.lines = {number: Line(self.clock, number) for number in range(GPIO_COUNT)}
        self.lines["LED"] = Line(self.clock, GPIO_COUNT)  # on the radio chip of the W boards
        self.lines["LED"].level = 0
        self.motion = _motion(scenario)
        self.dewar = _dewar(scenario, self.motion)
        self.chips = []  # those that lose their settings with the supply
        self.converters = {}
        self.probes = {}
        self._wire_probes(scenario)
        self._wire_motion_sensors(scenario)
        self.clock_chip = DS3231(
            self.clock,
            scenario["start_utc_s"],
            board["clock_drift_ppm"],
            board["clock_set"],
            lambda: self.dewar.board_degc,
        )
        if board["clock_fitted"]:
            self.i2c.attach(self.clock_chip)
        supply = scenario["supply"]
        self.supply = Supply(
            self.clock,
            Noise(seed + 2),
            supply["start_mv"],
            supply["end_mv"],
            scenario["length_us"],
            supply["dips"],
            supply["source_ohm"],
            lambda: self.flash.worked_us,
        )
        self.processor = Processor(
            self.clock,
            self.lines,
            {_PROBE_SPI: self.probe_spi, _SHOCK_SPI: self.shock_spi},
            {_I2C: self.i2c},
            self._adc_u16,
            binascii.unhexlify(board["unique_id"]),
            tuple(board["micropython"]) >= _HARD_TIMERS_SINCE,
        )

        self.radio = None
        if board["radio"] != "none":
            address = binascii.unhexlify(scenario["radio_address"])
            self.radio = Radio(self.clock, board["radio"], address)
        self.processor.registers[_USB_SOF_RD] = self.console.frame_number
        self.processor.before_light_sleep = self._stop_radio

    def _wire_probes(self, scenario: "dict[str, Any]") -> None:
        self.probe_spi = SpiBus(_PROBE_SPI)
        for entry in scenario["probes"]:
            channel = entry["channel"]
            faults = []
            for fault in scenario["probe_faults"]:
                if fault[0] == channel and fault[3] in ("open", "short"):
                    faults.append((fault[1], fault[2], OPEN if fault[3] == "open" else SHORTED))
            probe = Probe(
                self.dewar,
                entry["type"],
                entry["placement"],
                faults,
                entry["offset_uv"] * 1000,
                entry["cold_junction_error_k"],
                entry["slope_percent"] * 10000,
            )
            probe.baths = Baths(
                entry["baths"],
                scenario["bath_micro_degc"],
                entry["settle_us"],
                int(entry["stir_k"] * 1000000),
                scenario["seed"] + 50 + channel,
                probe.place_micro_degc,
            )
            self.probes[channel] = probe
            chip = MAX31856(
                self.clock,
                probe,
                self.lines[_PROBE_READY[channel]],
                scenario["seed"] + 10 + channel,
                entry["clock_ppm"],
            )
            if entry["fitted"]:
                self.probe_spi.attach(chip, self.lines[_PROBE_SELECT[channel]])
            self.chips.append(chip)
            self.converters[channel] = chip

    def _wire_motion_sensors(self, scenario: "dict[str, Any]") -> None:
        motion = scenario["motion"]
        seed = scenario["seed"]
        self.shock_spi = SpiBus(_SHOCK_SPI)
        self.accelerometer = ADXL372(
            self.clock,
            self.motion,
            self.lines[_SHOCK_INT1],
            seed + 20,
            tuple(motion["shock_offset_g"]),
            motion["shock_rate_ppm"],
            motion["shock_noise"],
            stuck=motion["shock_stuck"],
        )
        if motion["shock_fitted"]:
            self.shock_spi.attach(self.accelerometer, self.lines[_SHOCK_SELECT])
        self.i2c = I2cBus(_I2C)
        self.tilt_sensor = LIS3DH(
            self.clock,
            self.motion,
            seed + 30,
            tuple(motion["tilt_offset_g"]),
            stuck=motion["tilt_stuck"],
        )
        if motion["tilt_fitted"]:
            self.i2c.attach(self.tilt_sensor)
        self.motion_sensors = {
            "accelerometer": self.accelerometer,
            "tilt sensor": self.tilt_sensor,
        }
        self.chips += [self.accelerometer, self.tilt_sensor]

    def bus_us(self) -> int:
        """Return how long the buses to the chips were busy."""
        return self.probe_spi.busy_us + self.shock_spi.busy_us + self.i2c.busy_us

    def _stop_radio(self) -> None:
        """Do to a radio that is on what lightsleep does: its stack gets no turn."""
        if self.radio is not None and self.radio.active:
            self.clock.energy.radio_lost += 1
            self.radio.reset()

    def power_on(self) -> None:
        """Give every chip its supply."""
        for chip in self.chips:
            chip.power_on()

    def chip_settings(self) -> "dict[str, str]":
        """Return what stands in the settings registers of each chip, hexadecimal."""
        found = {}
        for channel in self.converters:
            registers = bytearray(self.converters[channel].registers[0x00:0x0A])
            registers[0] &= 0xBF  # 1SHOT is no setting: a conversion is going on
            found["converter %d" % channel] = registers
        found["accelerometer"] = self.accelerometer.registers[0x20:0x41]
        found["tilt sensor"] = self.tilt_sensor.registers[0x20:0x26]
        found["clock"] = self.clock_chip.registers[0x0E:0x10]
        return {name: binascii.hexlify(found[name]).decode() for name in found}

    def power_off(self) -> None:
        """Take the supply from every chip but the clock, which has its coin cell."""
        for chip in self.chips:
            chip.power_off()
        self.probe_spi.drop_selections()
        self.shock_spi.drop_selections()

    def _adc_u16(self, pin: "Any") -> int:
        number = getattr(getattr(pin, "_line", None), "number", pin)
        if number == _SUPPLY_ADC:
            return self.supply.read_u16()
        return 0

    def _report(self, error: BaseException) -> None:
        """Tell of a handler that raised: on the console as a board does, and to the launcher."""
        text = io.StringIO()
        sys.print_exception(error, text)
        self.console.stdout.write(text.getvalue())
        _say("board: an interrupt handler failed:\n" + text.getvalue())


def _motion(scenario: "dict[str, Any]") -> "Motion":
    motion = scenario["motion"]
    tilts = [Tilt(*entry) for entry in motion["tilts"]]
    disturbances = [HalfSine(*entry) for entry in motion["knocks"]]
    disturbances += [Drop(*entry) for entry in motion["drops"]]
    for start_us, interval_us, samples, has_gravity in motion["recordings"]:
        disturbances.append(Recording(start_us, interval_us, samples, has_gravity))
    return Motion(tilts, disturbances, motion["vibrations"], scenario["seed"] + 40)


def _dewar(scenario: "dict[str, Any]", motion: "Motion") -> "Dewar":
    settings = dict(scenario["dewar"])
    settings.update(scenario["ambient"])
    return Dewar(
        settings,
        scenario["lids"],
        scenario["heats"],
        scenario["refills"],
        scenario["dry_outs"],
        motion.tilt_deg,
    )
