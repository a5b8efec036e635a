"""The chips around the main loop: clock, tilt sensor, accelerometer, supply; each may be missing.

Takes drivers from board, answers keeper and desk. A chip that does not answer is told once, as a
SENSOR event, and tried again; so is one that lost its settings, for a chip that was without supply
for a moment answers as before but measures nothing. Sampling of the probes never waits for it.
"""

from dewarlog_firmware.shock_sampler import SENSOR_FAULT, SENSOR_OK, SENSOR_SILENT
from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog_firmware.board import Board
    from dewarlog_firmware.shock_sampler import ShockSampler

PART_ACCELEROMETER = 0
PART_TILT_SENSOR = 1
PART_CLOCK = 2
PART_SUPPLY = 3
PART_DEVICE_KEY = 4  # no chip, but told of like one: it is there or not
# Below this the radio and the flash are no longer safe (RP2040 board: 1.8 V regulator minimum is
# lower still; three alkaline cells are spent at 3.0 V).
SUPPLY_LOW_MV = 3000
SUPPLY_HYSTERESIS_MV = 150


class Chips:
    """Reads the slow chips for the main loop. `emit(kind, values)` takes events."""

    def __init__(self, board: "Board", emit: "Callable[[int, tuple], None]") -> None:
        self._emit = emit
        self.clock = board.clock()
        self.tilt_sensor = board.tilt_sensor()
        self.tilt_away = False  # it is being tested: its readings say nothing of the shipper
        self.supply = board.supply()
        self._axes = [0, 0, 0]
        self._states = [SENSOR_OK] * len(layout.PART_NAMES)
        self.supply_mv = 0
        self.supply_low = False
        self.clock_state = layout.CLOCK_OK

    def configure_tilt(self) -> None:
        """Set the tilt sensor up; its absence is an event, not a failure."""
        self.note(PART_TILT_SENSOR, self._start_tilt_sensor())

    def _start_tilt_sensor(self) -> int:
        try:
            if not self.tilt_sensor.identified():
                return 2  # layout.SENSOR_STATE_NAMES: wrong identity
            return SENSOR_OK if self.tilt_sensor.configure() else SENSOR_FAULT
        except OSError:
            return SENSOR_SILENT

    def note(self, part: int, state: int) -> None:
        """Record a chip's state when it has changed."""
        if state != self._states[part]:
            self._states[part] = state
            self._emit(layout.KIND_SENSOR, (part, state))

    def look_at_accelerometer(self, sampler: "ShockSampler", start: "Callable[[], bool]") -> bool:
        """Record how the accelerometer is; say whether that is news.

        `start` sets it up anew and says whether it took its settings: called when they are lost.
        """
        if sampler.is_away:
            return False
        before = self._states[PART_ACCELEROMETER]
        state = sampler.check()
        self.note(PART_ACCELEROMETER, state)
        if state == SENSOR_FAULT:
            state = SENSOR_OK if start() else sampler.check()
            self.note(PART_ACCELEROMETER, state)
            return True
        return state != before

    @property
    def has_fault(self) -> bool:
        """Tell whether any chip is not as it should be."""
        return any(self._states)

    def states(self) -> int:
        """Return 4 bits for each part, the first lowest: layout.SENSOR_STATE_NAMES."""
        bits = 0
        for part in range(len(self._states)):
            bits |= self._states[part] << 4 * part
        return bits

    def read_clock(self) -> tuple:
        """Return (utc_s, clock state) of the clock chip."""
        utc_s, state = self.clock.read()
        self.clock_state = state
        self.note(PART_CLOCK, SENSOR_SILENT if state == layout.CLOCK_ABSENT else SENSOR_OK)
        return utc_s, state

    def set_clock(self, utc_s: int) -> None:
        """Set the clock chip as the second begins; one that does not answer is recorded."""
        try:
            agrees = self.clock.set(utc_s)
        except OSError:
            self.note(PART_CLOCK, SENSOR_SILENT)
            return
        self.note(PART_CLOCK, SENSOR_OK if agrees else SENSOR_FAULT)
        self.clock_state = layout.CLOCK_OK if agrees else layout.CLOCK_UNSET

    def read_supply(self) -> tuple:
        """Return (mV, 1 when low) of the supply, with hysteresis."""
        self.supply_mv = self.supply.read_mv()
        limit_mv = SUPPLY_LOW_MV + (SUPPLY_HYSTERESIS_MV if self.supply_low else 0)
        self.supply_low = self.supply_mv < limit_mv
        return self.supply_mv, int(self.supply_low)

    def read_tilt(self) -> "list | None":
        """Return x, y, z in mg when a new set is there; None otherwise."""
        if self.tilt_away:
            return None
        try:
            fresh = self.tilt_sensor.read_mg(self._axes)
            if not fresh and not self.tilt_sensor.settings_kept():
                self.note(PART_TILT_SENSOR, SENSOR_FAULT)
        except OSError:
            self.note(PART_TILT_SENSOR, SENSOR_SILENT)
            return None
        if self._states[PART_TILT_SENSOR] != SENSOR_OK:
            # It answers again, perhaps with its power-on settings.
            self.note(PART_TILT_SENSOR, self._start_tilt_sensor())
            return None
        return self._axes if fresh else None
