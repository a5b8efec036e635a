"""The interrupt side of the thermocouples, driven edge by edge."""

from collections.abc import Callable

import pytest

from dewarlog_firmware.sampler import Sample, Sampler
from dewarlog_firmware.sensors import max31856
from dewarlog_firmware.sensors.max31856 import MAX31856
from dewarlog_wire import layout
from register_chips import Max31856Chip, SpiBus

PERIOD_MS = 10_000


class Timer:
    """A timer that ticks when a test says so."""

    def __init__(self) -> None:
        self.period_ms = 0
        self.hard = True
        self.callback: Callable[[object], None] | None = None

    def start(self, period_ms: int, callback: Callable[[object], None]) -> None:
        """Remember the callback."""
        self.period_ms = period_ms
        self.callback = callback

    def stop(self) -> None:
        """Forget it."""
        self.callback = None


class Rig:
    """Probes with their chips, a timer, a clock and the sampler over them."""

    def __init__(self, probe_count: int = 2, slot_count: int = 4) -> None:
        self.chips = [Max31856Chip() for _ in range(probe_count)]
        self.bus = SpiBus(*self.chips)
        self.timer = Timer()
        self.now_ms = 5_000
        drivers = [MAX31856(self.bus, chip.cs) for chip in self.chips]
        for driver in drivers:
            driver.configure()
        self.sampler = Sampler(
            [(driver, chip.drdy) for driver, chip in zip(drivers, self.chips, strict=True)],
            self.timer,
            lambda: self.now_ms,
            slot_count,
        )
        self.sampler.start(PERIOD_MS)

    def tick(self, late_ms: int = 0) -> None:
        """Let the timer fire, maybe late."""
        self.now_ms += PERIOD_MS + late_ms
        assert self.timer.callback is not None
        self.timer.callback(self.timer)

    def convert(self, *codes: int | None) -> None:
        """Finish a conversion on each chip that has a code; the cold junction is its position."""
        for position, (chip, code) in enumerate(zip(self.chips, codes, strict=True)):
            if code is not None:
                chip.convert(code, 64 * position)

    def take(self) -> Sample | None:
        """Return the oldest sample, if there is one."""
        sample = Sample(len(self.chips))
        return sample if self.sampler.take(sample) else None


def taken(rig: Rig) -> Sample:
    """Return the oldest sample, which must be there."""
    sample = rig.take()
    assert sample is not None
    return sample


def test_the_first_sample_is_taken_at_the_start() -> None:
    """Not one period later."""
    rig = Rig()
    rig.convert(-100, -200)
    sample = taken(rig)

    assert (sample.ticks_ms, sample.tick_no) == (5_000, 0)
    assert list(sample.voltage_raw) == [-100, -200]
    assert list(sample.cold_junction_raw) == [0, 64]
    assert list(sample.states) == [layout.STATE_OK, layout.STATE_OK]


def test_all_converters_start_at_the_tick() -> None:
    """So that the readings of one sample belong to one moment."""
    rig = Rig(probe_count=4)

    assert [chip.conversions_started for chip in rig.chips] == [1, 1, 1, 1]


def test_the_last_converter_hands_the_sample_over() -> None:
    """Whichever it is."""
    rig = Rig()
    rig.convert(None, -2)
    assert rig.take() is None
    rig.convert(-1, None)

    assert list(taken(rig).voltage_raw) == [-1, -2]


def test_a_sample_carries_the_time_of_its_tick() -> None:
    """Not the time the conversions ended; a late tick is recorded as it was."""
    rig = Rig()
    rig.convert(1, 1)
    taken(rig)
    rig.tick(late_ms=137)
    rig.now_ms += 300
    rig.convert(2, 2)

    assert taken(rig).ticks_ms == 5_000 + PERIOD_MS + 137


def test_time_is_kept_to_30_bits() -> None:
    """On a port whose ticks count further."""
    rig = Rig()
    rig.convert(1, 1)
    taken(rig)
    rig.now_ms = 2**31 + 5
    rig.tick()
    rig.convert(1, 1)

    assert taken(rig).ticks_ms == PERIOD_MS + 5


def test_a_missing_converter_is_told_at_the_next_tick() -> None:
    """And the one that answered is not lost with it."""
    rig = Rig()
    rig.convert(-1, None)
    rig.tick()
    sample = taken(rig)

    assert list(sample.states) == [layout.STATE_OK, layout.STATE_SILENT]
    assert sample.voltage_raw[0] == -1
    assert sample.tick_no == 0


def test_an_unplugged_converter_is_silent() -> None:
    """No edge, and a line that floats high."""
    rig = Rig()
    rig.chips[1].dead = 0xFF
    rig.convert(-1, None)
    rig.tick()

    assert list(taken(rig).states) == [layout.STATE_OK, layout.STATE_SILENT]


def test_overvoltage_stops_conversions_and_is_told_as_a_short() -> None:
    """The chip suspends conversions, so the reason is only found by asking."""
    rig = Rig()
    rig.chips[1].put_result(0, 0, max31856.FAULT_OVUV)
    rig.convert(-1, None)
    rig.tick()
    sample = taken(rig)

    assert list(sample.states) == [layout.STATE_OK, layout.STATE_SHORT]
    assert sample.faults[1] == max31856.FAULT_OVUV


def test_a_conversion_whose_edge_was_missed_still_counts() -> None:
    """DRDY is low at the next tick: the conversion is there."""
    rig = Rig()
    rig.convert(-1, None)
    chip = rig.chips[1]
    chip.put_result(-2, 0)
    chip.registers[0] &= ~0x40
    chip.drdy(0)  # no handler called
    rig.tick()
    sample = taken(rig)

    assert list(sample.states) == [layout.STATE_OK, layout.STATE_OK]
    assert list(sample.voltage_raw) == [-1, -2]


def test_a_conversion_that_ends_after_it_was_given_up_spoils_nothing() -> None:
    """Its edge comes during the tick and must not pass for the new conversion."""
    rig = Rig()
    rig.convert(-1, None)
    rig.tick()
    taken(rig)
    rig.chips[1].drdy.edge(1)
    assert rig.chips[1].drdy.handler is not None
    rig.chips[1].drdy.handler(None)  # latched during the tick; the line is high again
    rig.convert(-3, -4)

    assert list(taken(rig).voltage_raw) == [-3, -4]


def test_a_data_ready_that_stays_low_is_released_before_the_next_conversion() -> None:
    """Else the next conversion would make no edge."""
    rig = Rig()
    rig.convert(1, 1)
    taken(rig)
    rig.chips[0].drdy(0)
    rig.tick()

    assert rig.chips[0].drdy.now == 1


def test_an_edge_with_nothing_to_gather_is_read_away() -> None:
    """A converter that reports twice does not fill two samples."""
    rig = Rig()
    rig.convert(1, None)
    rig.convert(9, None)
    rig.convert(None, 2)

    assert list(taken(rig).voltage_raw) == [1, 2]
    assert rig.chips[0].drdy.now == 1


def test_lost_settings_are_told_and_given_back_at_the_next_tick() -> None:
    """One sample is lost, not the rest of the trip."""
    rig = Rig()
    rig.chips[0].power_on()
    rig.convert(-1, -2)
    assert list(taken(rig).states) == [layout.STATE_BROWN_OUT, layout.STATE_OK]
    rig.tick()
    rig.convert(-1, -2)

    assert list(taken(rig).states) == [layout.STATE_OK, layout.STATE_OK]


def test_a_converter_that_was_off_and_comes_back_is_set_up_again() -> None:
    """Silent while off, brown-out until the main loop has seen it, then good."""
    rig = Rig(probe_count=1)
    chip = rig.chips[0]
    chip.dead = 0xFF
    rig.tick()
    states = [taken(rig).states[0]]
    chip.dead = None
    chip.power_on()
    for _ in range(2):
        rig.tick()
        states.append(taken(rig).states[0])
    rig.convert(-1)
    states.append(taken(rig).states[0])

    assert states == [
        layout.STATE_SILENT,
        layout.STATE_BROWN_OUT,
        layout.STATE_BROWN_OUT,
        layout.STATE_OK,
    ]


def test_a_full_ring_keeps_the_oldest_and_the_jump_shows() -> None:
    """Samples that found no room are counted, and the tick numbers tell where."""
    rig = Rig(slot_count=2)
    rig.convert(0, 0)
    for number in range(1, 5):
        rig.tick()
        if number < 2:
            rig.convert(number, number)
    numbers = [taken(rig).tick_no, taken(rig).tick_no]
    rig.tick()
    rig.convert(7, 7)
    numbers.append(taken(rig).tick_no)

    assert numbers == [0, 1, 5]
    assert rig.sampler.ring.dropped == 3
    assert rig.sampler.ring.high_water == 2


def test_no_conversion_is_started_that_has_no_slot() -> None:
    """Nobody could tell what it measured."""
    rig = Rig(slot_count=1)
    rig.convert(0, 0)
    rig.tick()

    assert [chip.conversions_started for chip in rig.chips] == [1, 1]


def test_a_data_ready_in_the_midst_of_a_tick_leaves_the_bus_alone() -> None:
    """A hard DRDY may interrupt a scheduled tick: it must not touch the bus then."""
    rig = Rig()
    rig.convert(1, None)
    intruder = rig.chips[1]
    selected = rig.chips[0].cs.on_change
    assert selected is not None

    def interrupted(level: int) -> None:
        selected(level)
        if level == 0 and intruder.drdy.now == 1:
            intruder.convert(-9, 0)

    rig.chips[0].cs.on_change = interrupted
    rig.tick()  # SpiBus asserts that no two chips are selected at once
    rig.chips[0].cs.on_change = selected
    rig.tick()
    taken(rig)

    assert rig.sampler.ring.used() == 1


def test_the_period_can_change_on_the_run() -> None:
    """The tick being gathered is finished first."""
    rig = Rig()
    rig.sampler.set_period_ms(1_000)
    rig.convert(1, 1)

    assert rig.timer.period_ms == 1_000
    assert taken(rig).tick_no == 0


@pytest.mark.parametrize("period_ms", [0, 185 + 600 + 15 + 19])
def test_a_period_shorter_than_a_conversion_is_refused(period_ms: int) -> None:
    """No conversion would ever end."""
    rig = Rig()
    with pytest.raises(ValueError, match="820 ms"):
        rig.sampler.set_period_ms(period_ms)


def test_stop_gives_up_the_sample_and_can_be_followed_by_a_start() -> None:
    """After which the numbers go on and nothing stale comes."""
    rig = Rig()
    rig.convert(1, None)
    rig.sampler.stop()
    assert rig.timer.callback is None
    rig.sampler.start(PERIOD_MS)
    rig.convert(3, 4)
    sample = taken(rig)

    assert (sample.tick_no, list(sample.voltage_raw)) == (1, [3, 4])
    assert rig.take() is None


def test_a_timer_that_fell_silent_is_started_again() -> None:
    """A handler the port has dropped: two periods and a second later sampling goes on."""
    rig = Rig()
    rig.convert(1, 1)
    taken(rig)
    rig.timer.stop()
    rig.now_ms += 2 * PERIOD_MS + 999
    assert not rig.sampler.revive()
    rig.now_ms += 1
    assert rig.sampler.revive()
    rig.convert(2, 2)
    sample = taken(rig)

    assert (sample.ticks_ms, list(sample.voltage_raw)) == (5_000 + 2 * PERIOD_MS + 1000, [2, 2])
    assert rig.timer.callback is not None


def test_a_timer_that_ticks_is_left_alone() -> None:
    """Late as the loop may be, and after a change of the period."""
    rig = Rig()
    rig.sampler.set_period_ms(2 * PERIOD_MS)
    rig.now_ms += 3 * PERIOD_MS

    assert not rig.sampler.revive()
    rig.tick()
    assert not rig.sampler.revive()


# --- looks ---------------------------------------------------------------------------------------


def test_a_look_is_a_conversion_that_is_no_sample() -> None:
    """It has no tick of its own: the ticks of the samples around it follow one another."""
    rig = Rig()
    rig.convert(1, 2)
    first = taken(rig)
    assert rig.sampler.look()
    rig.convert(3, 4)
    look = taken(rig)
    rig.tick()
    rig.convert(5, 6)
    second = taken(rig)

    assert [one.is_look for one in (first, look, second)] == [False, True, False]
    assert list(look.voltage_raw) == [3, 4]
    assert second.tick_no == first.tick_no + 1
    assert second.ticks_ms == first.ticks_ms + PERIOD_MS


def test_no_look_while_a_slot_is_open_or_waits() -> None:
    """The sample comes first."""
    rig = Rig()
    assert not rig.sampler.look()
    rig.convert(1, 2)
    assert not rig.sampler.look()
    taken(rig)

    assert rig.sampler.look()


def test_no_look_that_the_next_tick_would_end_early() -> None:
    """Its longest conversion and a little more must fit before it."""
    rig = Rig()
    rig.convert(1, 2)
    taken(rig)
    room_ms = rig.sampler.period_min_ms + 50
    rig.now_ms = 5_000 + PERIOD_MS - room_ms
    assert not rig.sampler.look()
    rig.now_ms -= 1

    assert rig.sampler.look()


def test_a_converter_that_says_nothing_is_handed_over_after_its_longest_conversion() -> None:
    """In a sample as in a look, and not before."""
    rig = Rig()
    rig.convert(1, None)
    assert not rig.sampler.hurry()
    rig.now_ms += rig.sampler.period_min_ms + 1
    assert rig.sampler.hurry()
    sample = taken(rig)

    assert list(sample.states) == [layout.STATE_OK, layout.STATE_SILENT]
    assert list(sample.lost) == [0, 0]
    assert not rig.sampler.is_gathering


def test_a_dead_converter_s_lost_registers_are_counted() -> None:
    """All that a dead line does not happen to read as."""
    rig = Rig()
    rig.chips[1].dead = 0xFF
    rig.convert(1, None)
    rig.now_ms += rig.sampler.period_min_ms + 1
    rig.sampler.hurry()

    assert list(taken(rig).lost) == [0, 9]


def test_a_stopped_sampler_looks_too_and_lets_go_of_its_lines() -> None:
    """A board that does not record tests itself all the same."""
    rig = Rig()
    rig.sampler.stop()
    assert rig.sampler.look()
    rig.convert(7, 8)
    look = taken(rig)
    rig.sampler.end_looks()

    assert look.is_look
    assert list(look.voltage_raw) == [7, 8]
    assert [chip.drdy.handler for chip in rig.chips] == [None, None]


def test_settings_are_rewritten_before_the_next_conversion() -> None:
    """A limit is lowered by the interrupt that owns the bus."""
    rig = Rig()
    rig.convert(1, 2)
    taken(rig)
    for driver in rig.sampler.converters:
        driver.provoke(-20)
    rig.sampler.rewrite()
    assert [chip.registers[3] for chip in rig.chips] == [0x7F, 0x7F]
    rig.tick()
    rig.chips[0].convert(1, 0, max31856.FAULT_CJ_HIGH)
    rig.chips[1].convert(2, 0, 0)
    sample = taken(rig)

    assert [chip.registers[3] for chip in rig.chips] == [0xEC, 0xEC]
    assert list(sample.states) == [layout.STATE_OK, layout.STATE_OK]
    assert list(sample.provoked) == [max31856.FAULT_CJ_HIGH, 0]
    assert list(sample.faults) == [0, 0]


# --- rest ----------------------------------------------------------------------------------------


def test_a_reading_whose_edge_was_slept_through_is_fetched_by_its_level() -> None:
    """DRDY is low when the board wakes: nobody has to wait for the next tick."""
    rig = Rig()
    rig.convert(-1, None)
    chip = rig.chips[1]
    chip.put_result(-2, 0)
    chip.registers[0] &= ~0x40
    chip.drdy(0)  # no handler called

    rig.sampler.service()

    sample = taken(rig)
    assert list(sample.states) == [layout.STATE_OK, layout.STATE_OK]
    assert list(sample.voltage_raw) == [-1, -2]


def test_service_takes_nothing_that_is_not_ready_and_nothing_twice() -> None:
    """Between samples, and with one converter still at work."""
    rig = Rig()
    rig.convert(-1, None)
    rig.sampler.service()
    assert rig.take() is None

    rig.convert(None, -2)
    sample = taken(rig)
    rig.sampler.service()

    assert list(sample.voltage_raw) == [-1, -2]
    assert rig.take() is None


def test_the_next_tick_is_told_in_milliseconds() -> None:
    """From a whole period down to 0, and no further when it is late."""
    rig = Rig()
    assert rig.sampler.until_tick_ms() == PERIOD_MS
    rig.now_ms += 400
    assert rig.sampler.until_tick_ms() == PERIOD_MS - 400
    rig.now_ms += PERIOD_MS
    assert rig.sampler.until_tick_ms() == 0
    rig.sampler.set_period_ms(2 * PERIOD_MS)
    assert rig.sampler.until_tick_ms() == 2 * PERIOD_MS


def test_the_kind_of_tick_is_the_timers() -> None:
    """A scheduled tick could come in the midst of what `service` reads."""
    rig = Rig()
    assert rig.sampler.is_hard is True
    rig.timer.hard = False
    assert rig.sampler.is_hard is False
