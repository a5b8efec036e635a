"""The interrupt side of the accelerometer: what the FIFO held is kept, what was lost is told.

Every sample carries its own number in its three axes, so a test sees at once what is missing.
"""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware.sensors.adxl372 import ADXL372, FIFO_SETS
from dewarlog_firmware.shock_sampler import (
    FLAG_AWAKE,
    FLAG_BEGIN,
    FLAG_FULL,
    FLAG_GAP,
    FLAG_LATE,
    FLAG_UPSET,
    SENSOR_FAULT,
    SENSOR_OK,
    SENSOR_SILENT,
    SENSOR_WRONG_IDENTITY,
    ShockSampler,
)
from register_chips import Adxl372Chip, SpiBus

RATE_HZ = 3200
PERIOD_US = 312.5
TRIGGER = 2000  # y of a sample is the trigger's side; x and z number the sample
QUIET = 0
LOUD = 2001


class Rig:
    """A chip that measures in time, its driver and the sampler over it."""

    def __init__(self, slot_count: int = 64, fifo_words: int = 510) -> None:
        self.chip = Adxl372Chip()
        self.chip.fifo_words_most = fifo_words
        self.samples = 0
        self.late_us = 0
        driver = ADXL372(SpiBus(self.chip), self.chip.cs, lambda _ms: None)
        driver.configure(TRIGGER, RATE_HZ)
        self.sampler = ShockSampler(driver, self.chip.int1, self.now_us, slot_count)
        self.sampler.start()
        self.interrupts_on = True
        self.numbers: list[int] = []  # of the samples taken, in order
        self.slots: list[tuple[int, int, int, int]] = []  # flags, gap_us, first number, first_us

    def now_us(self) -> int:
        """Return the time: a little after the newest sample."""
        return 2**30 - 20_000 + int(self.samples * PERIOD_US) + 100 + self.late_us

    def shake(self, count: int, level: int = QUIET) -> None:
        """Take samples; with interrupts on, INT1 is heard."""
        for _ in range(count):
            x, z = self.samples % 1000, self.samples // 1000
            self.samples += 1
            self.chip.measure(x, level, z, edges=self.interrupts_on)

    def stall(self, count: int, *, announced: bool = True, level: int = QUIET) -> None:
        """Take samples with interrupts off; an edge that came meanwhile is heard afterwards."""
        level_before = self.chip.int1.now
        if announced:
            self.sampler.stall_begins()
        self.interrupts_on = False
        self.shake(count, level)
        self.interrupts_on = True
        if self.chip.int1.now and not level_before:
            self.chip.int1.interrupt()
        if announced:
            self.sampler.stall_ends()

    def take(self) -> None:
        """Empty the ring as the main loop does."""
        counts = array("h", [0] * 48)
        while sets := self.sampler.take(counts, 0):
            taken = [counts[at] + 1000 * counts[at + 2] for at in range(0, 3 * sets, 3)]
            self.slots.append(
                (self.sampler.flags, self.sampler.gap_us, taken[0], self.sampler.first_us)
            )
            self.numbers += taken

    def holes(self) -> list[int]:
        """Return how many samples are missing at each place where any are."""
        pairs = zip(self.numbers, self.numbers[1:], strict=False)
        return [after - before - 1 for before, after in pairs if after != before + 1]


def test_nothing_is_drained_while_all_is_quiet() -> None:
    """The FIFO runs over, which is its purpose."""
    rig = Rig()
    rig.shake(1000)
    rig.take()

    assert rig.numbers == []
    assert not rig.sampler.capturing()


def test_a_start_amid_a_shock_knows_no_gap_from_before_it() -> None:
    """A flash operation then hides as much as it hides, not the time since the last capture."""
    rig = Rig()
    rig.sampler.stop()
    rig.shake(100_000)  # half a minute
    rig.shake(1, LOUD)
    rig.sampler.start()
    assert rig.sampler.capturing()

    rig.stall(1000, level=LOUD)
    rig.take()

    flags, gap_us, _, _ = rig.slots[0]
    assert flags & FLAG_BEGIN
    assert gap_us <= 1000 * PERIOD_US


def test_a_trigger_brings_what_came_before_it() -> None:
    """The newest 53 ms, less the few that stay behind."""
    rig = Rig()
    rig.shake(1000)
    rig.shake(1, LOUD)
    rig.take()

    assert rig.sampler.capturing()
    assert rig.numbers[0] == 1001 - FIFO_SETS
    assert len(rig.numbers) == FIFO_SETS // 16 * 16
    assert rig.slots[0][0] == FLAG_BEGIN | FLAG_AWAKE
    assert all(flags == 0 for flags, _, _, _ in rig.slots[1:])


@pytest.mark.parametrize("fifo_words", [510, 511, 512])
def test_a_capture_goes_on_without_a_hole(fifo_words: int) -> None:
    """Through as many drains as it takes, also when the FIFO begins inside a set."""
    rig = Rig(fifo_words=fifo_words)
    rig.shake(500)
    rig.shake(5, LOUD)
    for _ in range(40):
        rig.shake(25)
        rig.take()

    assert rig.holes() == []
    assert rig.numbers[-1] > 1450
    assert sum(1 for flags, _, _, _ in rig.slots if flags & FLAG_BEGIN) == 1


@pytest.mark.parametrize("before", [15, 31, 32, 33, 500])
def test_at_least_one_set_stays_in_the_fifo(before: int) -> None:
    """What the chip demands so that it stores nothing out of order."""
    rig = Rig()
    rig.shake(before)
    rig.shake(1, LOUD)
    for _ in range(100):
        assert len(rig.chip.fifo) >= 3
        rig.shake(1)


@pytest.mark.parametrize("ran_over", [False, True])
def test_a_fifo_found_full_is_told_unless_the_chip_says_it_never_ran_over(ran_over: bool) -> None:
    """FIFO_OVR does not fall again while the FIFO is used, so it may be an old one."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.take()
    rig.chip.overrun = ran_over
    rig.late_us = 2650  # the chip's clock and ours are 5 % apart
    rig.stall(FIFO_SETS - len(rig.chip.fifo) // 3)
    rig.take()

    assert rig.holes() == []
    assert any(flags & FLAG_GAP for flags, _, _, _ in rig.slots) is ran_over
    assert all(gap_us <= 3000 for _, gap_us, _, _ in rig.slots)


def test_the_time_of_a_slot_is_that_of_its_first_sample() -> None:
    """To one sample and the age of the newest one."""
    rig = Rig()
    rig.shake(400)
    rig.shake(1, LOUD)
    rig.shake(300)
    rig.take()

    for _, _, number, first_us in rig.slots:
        true_us = 2**30 - 20_000 + int((number + 1) * PERIOD_US)
        assert abs(first_us - true_us % 2**30) <= 200


def test_a_stall_the_fifo_can_bridge_loses_nothing() -> None:
    """45 ms with interrupts off, at the worst moment of a capture."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    for fill in range(24):
        rig.shake(30 + fill)
        rig.stall(144)
        rig.shake(20)
        rig.take()

    assert rig.holes() == []
    assert not any(flags & FLAG_GAP for flags, _, _, _ in rig.slots)


@pytest.mark.parametrize("stall_ms", [60, 100, 200, 300])
@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("fifo_words", [510, 512])
def test_a_longer_stall_keeps_what_the_fifo_held_and_tells_the_rest(
    stall_ms: int, announced: bool, fifo_words: int
) -> None:
    """The gap is as long as the samples that are missing, to one sample."""
    rig = Rig(fifo_words=fifo_words)
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(100)
    rig.stall(stall_ms * RATE_HZ // 1000, announced=announced)
    newest_of_stall = rig.samples
    rig.shake(200)
    rig.take()
    gaps = [(gap_us, number) for flags, gap_us, number, _ in rig.slots if flags & FLAG_GAP]
    [(gap_us, first_after)] = gaps
    [missing] = rig.holes()

    # The sample that raised the watermark again came one after the stall at the most.
    assert newest_of_stall - FIFO_SETS <= first_after <= newest_of_stall - FIFO_SETS + 1
    assert abs(gap_us - missing * PERIOD_US) <= PERIOD_US


def test_activity_in_a_short_stall_is_captured_whole() -> None:
    """The edge is latched, and the FIFO still holds the trigger and what came before."""
    rig = Rig()
    rig.shake(500)
    rig.sampler.stall_begins()
    rig.interrupts_on = False
    rig.shake(60)
    trigger = rig.samples
    rig.shake(1, LOUD)
    rig.shake(60)
    rig.interrupts_on = True
    rig.chip.int1.interrupt()
    rig.sampler.stall_ends()
    rig.take()

    assert trigger in rig.numbers
    assert not any(flags & FLAG_LATE for flags, _, _, _ in rig.slots)


def test_activity_in_a_long_stall_tells_how_much_may_be_missing() -> None:
    """Nobody knows when it came, only that it was not before the stall."""
    rig = Rig()
    rig.shake(500)
    rig.sampler.stall_begins()
    began = rig.samples
    rig.interrupts_on = False
    rig.shake(1, LOUD)
    rig.shake(640)
    rig.interrupts_on = True
    rig.chip.int1.interrupt()
    rig.sampler.stall_ends()
    rig.take()
    flags, gap_us, number, _ = rig.slots[0]

    assert flags & FLAG_BEGIN
    assert flags & FLAG_LATE
    assert abs(gap_us - (number - began) * PERIOD_US) <= PERIOD_US


def test_a_full_ring_leaves_samples_in_the_fifo_until_there_is_room() -> None:
    """Nothing is lost as long as the FIFO lasts, though no edge comes again."""
    rig = Rig(slot_count=12)
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(150)
    assert rig.sampler.ring.full()
    rig.take()
    rig.sampler.service()
    rig.shake(100)
    rig.take()

    assert rig.holes() == []
    assert rig.numbers[-1] > 700
    assert rig.sampler.ring.dropped == 0


def test_a_main_loop_that_stays_away_too_long_is_told_as_a_gap() -> None:
    """Ring and FIFO both ran over; the length is right all the same."""
    rig = Rig(slot_count=12)
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(1000)
    rig.take()
    rig.sampler.service()
    rig.shake(100)
    rig.take()
    [(flags, gap_us)] = [(slot[0], slot[1]) for slot in rig.slots if slot[0] & FLAG_GAP]
    [missing] = rig.holes()

    assert missing > 700
    assert abs(gap_us - missing * PERIOD_US) <= PERIOD_US
    assert flags & FLAG_FULL


def test_a_stall_is_not_blamed_on_a_ring_that_once_was_full() -> None:
    """Each gap has its own cause."""
    rig = Rig(slot_count=12)
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(150)
    assert rig.sampler.ring.high_water == rig.sampler.ring.slot_count
    for _ in range(6):
        rig.take()
        rig.sampler.service()
        rig.shake(16)
    rig.take()
    rig.slots = []
    rig.stall(600)
    rig.take()
    rig.sampler.service()
    rig.take()
    [flags] = [flags for flags, _, _, _ in rig.slots if flags & FLAG_GAP]

    assert not flags & FLAG_FULL


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["shake", "stall", "take"]), st.integers(1, 900)), max_size=40
    ),
    fifo_words=st.sampled_from([510, 512]),
)
def test_every_hole_is_told_and_no_gap_is_made_up(
    steps: list[tuple[str, int]], fifo_words: int
) -> None:
    """For any order of samples, stalls and visits of the main loop in one capture."""
    rig = Rig(slot_count=20, fifo_words=fifo_words)
    rig.shake(500)
    rig.shake(1, LOUD)
    for kind, count in steps:
        if kind == "shake":
            rig.shake(count)
        elif kind == "stall":
            rig.stall(count)
        else:
            rig.take()
            rig.sampler.service()
    rig.take()
    rig.sampler.service()
    rig.take()
    gaps_us = [gap_us for flags, gap_us, _, _ in rig.slots if flags & FLAG_GAP]
    holes = rig.holes()

    assert len(holes) <= len(gaps_us)
    assert abs(sum(gaps_us) - sum(holes) * PERIOD_US) <= PERIOD_US * (1 + len(gaps_us))


def test_rearm_ends_the_capture_and_the_next_shock_begins_another() -> None:
    """With its own pre-trigger."""
    rig = Rig()
    rig.shake(500)
    rig.shake(3, LOUD)
    rig.shake(200)
    rig.take()
    rig.sampler.rearm()
    assert not rig.sampler.capturing()
    rig.shake(1000)
    rig.take()
    before = len(rig.slots)
    rig.shake(1, LOUD)
    rig.take()

    assert rig.slots[before][0] == FLAG_BEGIN | FLAG_AWAKE
    assert rig.slots[before][2] == rig.samples - FIFO_SETS


def test_the_flags_tell_when_the_chip_has_been_quiet() -> None:
    """So the main loop knows that the shock may be over without decoding."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(200)
    rig.take()
    awake = [bool(flags & FLAG_AWAKE) for flags, _, _, _ in rig.slots]

    assert awake[0]
    assert awake[-5:] == [False] * 5


def test_a_capture_goes_on_until_the_chip_has_been_quiet() -> None:
    """Only then does it look for activity again; a second knock before that is in the capture."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(50)
    assert not rig.sampler.rearm()
    rig.shake(1, LOUD)
    rig.shake(50)
    assert not rig.sampler.rearm()
    assert rig.sampler.capturing()
    rig.shake(100)
    assert rig.sampler.rearm()
    rig.take()

    assert rig.holes() == []
    assert sum(1 for flags, _, _, _ in rig.slots if flags & FLAG_BEGIN) == 1


def test_a_second_knock_after_the_chip_was_quiet_keeps_the_capture_open() -> None:
    """It came between the last drain and the end of the capture."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(200)
    rig.interrupts_on = False
    rig.shake(1, LOUD)
    rig.interrupts_on = True

    assert not rig.sampler.rearm()
    assert rig.sampler.capturing()


def test_activity_between_two_bytes_of_the_status_keeps_the_capture_open() -> None:
    """STATUS said quiet, STATUS2 already activity, which the read took off the record."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(200)
    read_status = rig.chip._read_status  # noqa: SLF001 - the moment between two bytes

    def shaken_just_after() -> int:
        status = read_status()
        rig.shake(1, LOUD)
        return status

    rig.chip._read_status = shaken_just_after  # noqa: SLF001

    assert not rig.sampler.rearm()


@pytest.mark.parametrize("meanwhile", [15, 20, 40])
def test_what_comes_while_the_fifo_is_read_does_not_end_the_interrupts(meanwhile: int) -> None:
    """The watermark is reached again during the drain: INT1 stays high, without another edge."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(100)
    read_fifo = rig.sampler._chip.read_fifo  # noqa: SLF001 - the moment between two steps

    def shaken_meanwhile(burst: bytearray | memoryview) -> None:
        read_fifo(burst)
        rig.sampler._chip.read_fifo = read_fifo  # noqa: SLF001
        rig.shake(meanwhile)

    rig.sampler._chip.read_fifo = shaken_meanwhile  # noqa: SLF001
    rig.shake(300)
    rig.take()

    assert rig.holes() == []
    assert rig.numbers[-1] > rig.samples - 40


def test_a_drain_reads_no_more_than_it_must() -> None:
    """One status, the bursts, one release: a knock is no reason to keep other interrupts out."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(100)
    rig.chip.frames.clear()
    rig.shake(16)

    assert [frame[0] >> 1 for frame in rig.chip.frames] == [0x04, 0x42, 0x04]


def test_a_shock_under_way_at_the_start_is_captured() -> None:
    """The chip was awake before anybody watched."""
    rig = Rig()
    rig.sampler.stop()
    rig.shake(300)
    rig.shake(1, LOUD)
    rig.sampler.start()
    rig.shake(200)
    rig.sampler.service()
    rig.take()

    assert rig.slots[0][0] & FLAG_BEGIN
    assert 300 in rig.numbers


def test_activity_that_comes_while_rearming_is_not_missed() -> None:
    """INT1 stays high from watermark to activity, so no edge tells."""
    rig = Rig()
    rig.shake(500)
    rig.shake(1, LOUD)
    rig.shake(100)
    rig.take()
    read_status = rig.sampler._chip.read_status  # noqa: SLF001 - the moment between two steps

    def shaken_just_after() -> None:
        read_status()
        rig.sampler._chip.read_status = read_status  # noqa: SLF001
        rig.shake(60, LOUD)

    rig.sampler._chip.read_status = shaken_just_after  # noqa: SLF001
    rig.sampler.rearm()
    rig.take()

    assert rig.sampler.capturing()
    assert sum(1 for flags, _, _, _ in rig.slots if flags & FLAG_BEGIN) == 2


def test_an_interrupt_while_the_main_loop_has_the_chip_is_served_afterwards() -> None:
    """Neither lost nor in the midst of the other transfer."""
    rig = Rig()
    rig.shake(500)
    identified = rig.sampler._chip.identified  # noqa: SLF001 - the moment between two steps

    def shaken() -> bool:
        rig.shake(1, LOUD)
        assert not rig.sampler.capturing()
        return identified()

    rig.sampler._chip.identified = shaken  # noqa: SLF001
    rig.sampler.check()
    rig.take()

    assert rig.sampler.capturing()
    assert rig.numbers[0] == 501 - FIFO_SETS


def test_a_disturbance_on_the_line_starts_nothing() -> None:
    """Without activity in the status there is none."""
    rig = Rig()
    rig.shake(500)
    rig.chip.int1.interrupt()
    rig.take()

    assert rig.numbers == []
    assert not rig.sampler.capturing()


def test_an_upset_of_the_chip_is_told() -> None:
    """It found its own settings corrupted."""
    rig = Rig()
    rig.shake(500)
    rig.chip.upset = True
    rig.shake(1, LOUD)
    rig.take()

    assert rig.slots[0][0] & FLAG_UPSET


def test_check_tells_the_ways_a_chip_can_fail_apart() -> None:
    """In the words of the sensor event."""
    rig = Rig()
    states = [rig.sampler.check()]
    rig.chip.power_on()
    states.append(rig.sampler.check())
    rig.chip.registers[2] = 0x00
    states.append(rig.sampler.check())
    rig.chip.dead = 0xFF
    states.append(rig.sampler.check())

    assert states == [SENSOR_OK, SENSOR_FAULT, SENSOR_WRONG_IDENTITY, SENSOR_SILENT]


def test_stop_hears_no_more() -> None:
    """Whatever the chip does."""
    rig = Rig()
    rig.sampler.stop()

    assert rig.chip.int1.handler is None


def test_a_shock_in_a_sleep_of_half_the_fifo_is_captured_whole() -> None:
    """INT1 made no edge that was seen; its level, read before the stall ends, says it all."""
    rig = Rig()
    rig.shake(1000)
    asleep = rig.sampler.bridged_ms(32) // 2 * RATE_HZ // 1000
    rig.sampler.stall_begins()
    rig.interrupts_on = False
    rig.shake(asleep // 2)
    hit = rig.samples
    rig.shake(1, LOUD)
    rig.shake(asleep - asleep // 2 - 1)
    rig.interrupts_on = True
    rig.sampler.service()
    rig.sampler.stall_ends()
    rig.take()

    assert rig.slots[0][0] & FLAG_BEGIN
    assert not rig.slots[0][0] & FLAG_LATE
    assert rig.numbers[0] <= hit - 32
    assert rig.numbers == list(range(rig.numbers[0], rig.numbers[-1] + 1))
    assert rig.numbers[-1] > hit


@pytest.mark.parametrize(("pre_trigger", "bridged_ms"), [(8, 50), (32, 43), (128, 13)])
def test_what_the_chip_bridges_leaves_room_for_what_came_before(
    pre_trigger: int, bridged_ms: int
) -> None:
    """170 samples at 3200 Hz, less the pre-trigger's."""
    assert Rig().sampler.bridged_ms(pre_trigger) == bridged_ms


def test_a_line_that_stays_high_is_no_news() -> None:
    """A broken chip must not keep the board awake; its fall and rise are news again."""
    rig = Rig()
    assert not rig.sampler.has_news()
    rig.chip.int1.now = 1
    assert rig.sampler.has_news()
    assert rig.sampler.rest_begins() is True
    assert not rig.sampler.has_news()
    rig.chip.int1.now = 0
    assert rig.sampler.rest_begins() is False
    rig.chip.int1.now = 1
    assert rig.sampler.has_news()
