"""What becomes of a chip around the main loop that falls silent or forgets its settings."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from dewarlog_firmware.chips import PART_ACCELEROMETER, PART_TILT_SENSOR, Chips
from dewarlog_firmware.sensors import lis3dh
from dewarlog_firmware.sensors.adxl372 import ADXL372
from dewarlog_firmware.sensors.ds3231 import DS3231
from dewarlog_firmware.shock_sampler import SENSOR_FAULT, SENSOR_OK, SENSOR_SILENT, ShockSampler
from dewarlog_wire import layout
from register_chips import Adxl372Chip, I2cBus, Lis3dhChip, SpiBus

TRIGGER = 50
LEVEL_RAW = (0, 0, 0x3E80)  # 1 g along z


class Rig:
    """The chips of one board, and the SENSOR events they gave rise to."""

    def __init__(self) -> None:
        self.bus = I2cBus()
        self.tilt_chip = Lis3dhChip()
        self.bus.chips[lis3dh.ADDRESS] = self.tilt_chip
        self.events: list[tuple[int, int]] = []  # part, state
        board: Any = SimpleNamespace(
            clock=lambda: DS3231(self.bus),
            tilt_sensor=lambda: lis3dh.LIS3DH(self.bus),
            supply=lambda: None,
        )
        self.chips = Chips(board, self.note)
        self.chips.configure_tilt()
        self.tilt_chip.measure(*LEVEL_RAW)
        self.shock_chip = Adxl372Chip()
        self.driver = ADXL372(SpiBus(self.shock_chip), self.shock_chip.cs, lambda _ms: None)
        self.sampler = ShockSampler(self.driver, self.shock_chip.int1, lambda: 0)
        self.start()

    def note(self, kind: int, values: tuple[int, int]) -> None:
        """Keep a SENSOR event."""
        assert kind == layout.KIND_SENSOR
        self.events.append(values)

    def start(self) -> bool:
        """Set the accelerometer up, as app does."""
        self.sampler.stop()
        held = self.driver.identified() and self.driver.configure(TRIGGER)
        self.sampler.start()
        return held

    def look(self) -> bool:
        """Look at the accelerometer."""
        return self.chips.look_at_accelerometer(self.sampler, self.start)


def test_an_accelerometer_that_is_well_is_no_news() -> None:
    """However often it is looked at."""
    rig = Rig()

    assert [rig.look(), rig.look()] == [False, False]
    assert rig.events == []


def test_the_states_of_all_parts_are_told_at_once() -> None:
    """Four bits each, the first lowest."""
    rig = Rig()
    rig.chips.note(2, 1)
    rig.chips.note(4, 3)

    assert rig.chips.states() == 0x30100


def test_an_accelerometer_that_lost_its_settings_is_told_and_set_up_again() -> None:
    """After a dip of the supply it stands by: no shock would ever be seen again."""
    rig = Rig()
    rig.shock_chip.power_on()

    assert rig.look()
    assert rig.events == [(PART_ACCELEROMETER, SENSOR_FAULT), (PART_ACCELEROMETER, SENSOR_OK)]
    for _ in range(40):
        rig.shock_chip.measure(0, TRIGGER + 1, 0)
    assert rig.sampler.capturing()


def test_an_accelerometer_that_loses_its_settings_in_a_capture_watches_again() -> None:
    """The capture would never end otherwise: no more samples come to end it."""
    rig = Rig()
    for _ in range(40):
        rig.shock_chip.measure(0, TRIGGER + 1, 0)
    assert rig.sampler.capturing()
    rig.shock_chip.power_on()
    rig.look()

    assert not rig.sampler.capturing()


def test_an_accelerometer_that_comes_back_is_set_up_again() -> None:
    """It was unplugged: told once, and found with its power-on settings."""
    rig = Rig()
    rig.shock_chip.dead = 0xFF
    news = [rig.look(), rig.look()]
    rig.shock_chip.dead = None
    rig.shock_chip.power_on()
    news.append(rig.look())

    assert news == [True, False, True]
    assert [state for _, state in rig.events] == [SENSOR_SILENT, SENSOR_FAULT, SENSOR_OK]


def test_a_tilt_sensor_that_lost_its_settings_is_told_and_set_up_again() -> None:
    """It answers as before, but has powered down and measures nothing."""
    rig = Rig()
    rig.tilt_chip.registers[0x20:0x28] = bytes(8)

    assert rig.chips.read_tilt() is None
    assert rig.events == [(PART_TILT_SENSOR, SENSOR_FAULT), (PART_TILT_SENSOR, SENSOR_OK)]
    rig.tilt_chip.measure(*LEVEL_RAW)
    assert rig.chips.read_tilt() == [0, 0, 1000]


def test_a_tilt_sensor_that_is_only_asked_too_early_has_no_fault() -> None:
    """Its settings stand: the next set is merely not there yet."""
    rig = Rig()
    rig.tilt_chip.measure(*LEVEL_RAW, status=0)

    assert rig.chips.read_tilt() is None
    assert rig.events == []


def test_a_tilt_sensor_that_does_not_answer_is_told_once() -> None:
    """And set up again when it does."""
    rig = Rig()
    del rig.bus.chips[lis3dh.ADDRESS]
    rig.chips.read_tilt()
    rig.chips.read_tilt()
    rig.bus.chips[lis3dh.ADDRESS] = rig.tilt_chip
    rig.chips.read_tilt()

    assert rig.events == [(PART_TILT_SENSOR, SENSOR_SILENT), (PART_TILT_SENSOR, SENSOR_OK)]


def test_an_accelerometer_that_tests_itself_is_not_looked_at() -> None:
    """Its settings are the test's: no event, and nobody sets it up in the middle."""
    rig = Rig()
    rig.sampler.stop()
    rig.driver.begin_self_test()

    assert not rig.look()
    assert rig.events == []
    assert rig.shock_chip.registers[0x3A] == 0x22


def test_a_tilt_sensor_that_tests_itself_gives_no_reading() -> None:
    """What it measures is the test's force; that its settings are others is no fault."""
    rig = Rig()
    rig.chips.tilt_away = True
    rig.chips.tilt_sensor.begin_self_test(push=True)
    rig.tilt_chip.measure(*LEVEL_RAW)

    assert rig.chips.read_tilt() is None
    assert rig.events == []
