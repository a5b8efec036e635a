"""The ADXL372 driver and its FIFO decoder against a chip of registers."""

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dewarlog_firmware.sensors import adxl372
from dewarlog_firmware.sensors.adxl372 import ADXL372, FifoDecoder
from register_chips import Adxl372Chip, SpiBus


def connect() -> tuple[Adxl372Chip, ADXL372, list[int]]:
    """Return a chip, its driver and the times the driver slept."""
    chip = Adxl372Chip()
    slept_ms: list[int] = []
    return chip, ADXL372(SpiBus(chip), chip.cs, slept_ms.append), slept_ms


def burst_of(words: list[int]) -> bytes:
    """Return the bytes of a FIFO read: one byte that means nothing, then the words."""
    return b"\xff" + b"".join(word.to_bytes(2, "big") for word in words)


def words_of(sets: list[tuple[int, int, int]]) -> list[int]:
    """Return FIFO words: 12 bits left-justified, the x word marked."""
    return [
        (value & 0xFFF) << 4 | (axis == 0) for values in sets for axis, value in enumerate(values)
    ]


def test_it_knows_its_chip_and_no_other() -> None:
    """Three fixed bytes."""
    chip, driver, _ = connect()
    assert driver.identified()
    chip.registers[2] = 0xFB

    assert not driver.identified()
    assert driver.answered()


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_a_dead_line_is_not_a_wrong_chip(byte: int) -> None:
    """Silence and a wrong identity are two findings."""
    chip, driver, _ = connect()
    chip.dead = byte

    assert not driver.identified()
    assert not driver.answered()


def test_settings_are_what_the_datasheet_names() -> None:
    """Trigger 100 counts = 10 g on each axis, no activity time; stream xyz; 3200 Hz."""
    chip, driver, slept_ms = connect()
    assert driver.configure(trigger_count=100)
    registers = chip.registers

    assert chip.resets == 1
    assert slept_ms == [5]
    assert registers[0x23:0x2A].hex() == "0c81" * 3 + "00"
    assert registers[0x2A:0x32].hex() == "0c81" * 3 + "0001"
    assert (registers[0x39], registers[0x3A]) == (72, 0x02)
    assert (registers[0x3B], registers[0x3C]) == (0x20, 0x00)
    assert (registers[0x3D], registers[0x3E], registers[0x3F]) == (0x60, 0x1B, 0x1F)


def test_measurement_starts_with_the_last_register_written() -> None:
    """All else is to be written in standby."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=100)
    settings = next(frame for frame in chip.frames if len(frame) > 2 and not frame[0] & 1)

    assert settings[0] == 0x20 << 1
    assert settings[-1] == 0x1F
    assert 0x20 + len(settings) - 2 == 0x3F


@pytest.mark.parametrize(
    ("rate_hz", "timing", "bandwidth"),
    [(400, 0x00, 0), (800, 0x20, 1), (1600, 0x40, 2), (3200, 0x60, 3), (6400, 0x80, 4)],
)
def test_bandwidth_is_half_the_rate_unless_named(
    rate_hz: int, timing: int, bandwidth: int
) -> None:
    """More would alias."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=100, rate_hz=rate_hz, low_noise=False)

    assert (chip.registers[0x3D], chip.registers[0x3E]) == (timing, 0x10 | bandwidth)
    assert driver.rate_hz == rate_hz


def test_referenced_detection_is_set_on_the_x_axis() -> None:
    """One bit for all axes."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=50, referenced=True)

    assert (chip.registers[0x24], chip.registers[0x26]) == (0x43, 0x41)


@pytest.mark.parametrize(("rate_hz", "count"), [(3200, 39), (6400, 77)])
def test_quiet_time_is_rounded_up_to_the_timer(rate_hz: int, count: int) -> None:
    """26 ms a count, 13 ms at 6400 Hz."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=50, rate_hz=rate_hz, quiet_ms=1000)

    assert chip.registers[0x30] << 8 | chip.registers[0x31] == count


@pytest.mark.parametrize(
    "options",
    [
        {"trigger_count": 0},
        {"trigger_count": 2048},
        {"trigger_count": 100, "rate_hz": 1000},
        {"trigger_count": 100, "rate_hz": 400, "bandwidth_hz": 1600},
        {"trigger_count": 100, "watermark_sets": 16},
        {"trigger_count": 100, "watermark_sets": 170},
    ],
)
def test_what_the_chip_cannot_do_is_refused(options: dict[str, Any]) -> None:
    """Rather than rounded to something else."""
    _, driver, _ = connect()
    with pytest.raises(ValueError):  # noqa: PT011 - tuple.index words it differently by interpreter
        driver.configure(**options)


def test_settings_that_were_lost_are_found() -> None:
    """A map that the capture changed is not lost."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=100)
    driver.map_watermark()
    assert chip.registers[0x3B] == 0x04
    assert driver.settings_kept()
    chip.power_on()

    assert not driver.settings_kept()


@pytest.mark.parametrize(
    ("mode", "high", "register"),
    [
        (adxl372.MODE_STANDBY, False, 0x1C),
        (adxl372.MODE_WAKE_UP, False, 0x1D),
        (adxl372.MODE_INSTANT_ON, False, 0x1E),
        (adxl372.MODE_INSTANT_ON, True, 0x3E),
        (adxl372.MODE_MEASURE, False, 0x1F),
    ],
)
def test_modes_set_the_power_register_and_count_as_settings(
    mode: int, high: bool, register: int
) -> None:
    """Register 0x3F."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=100)
    driver.set_mode(mode, high)

    assert chip.registers[0x3F] == register
    assert driver.settings_kept()


def test_status_bits_mean_what_they_say() -> None:
    """Registers 0x04 to 0x07 in one read, which takes activity off the record."""
    chip, driver, _ = connect()
    chip.registers[0x3E] = 0x10
    chip.registers[0x05] = 0x20
    chip.upset = chip.awake = chip.overrun = True
    chip.fifo.extend(range(511))
    driver.read_status()
    before = (driver.overrun(), driver.upset(), driver.awake(), driver.active())
    chip.upset = chip.awake = chip.overrun = False
    driver.read_status()
    after = (driver.overrun(), driver.upset(), driver.awake(), driver.active())

    assert driver.fifo_sets() == 170
    assert before == (True, True, True, True)
    assert after == (False, False, False, False)


@pytest.mark.parametrize("byte", [0x00, 0xFF])
def test_a_dead_line_is_neither_awake_nor_full(byte: int) -> None:
    """Else a capture would never end, and fill with nonsense."""
    chip, driver, _ = connect()
    chip.dead = byte
    driver.read_status()

    assert driver.fifo_sets() == 0
    assert not any((driver.overrun(), driver.upset(), driver.awake(), driver.active()))


def test_a_released_interrupt_falls() -> None:
    """INT1 stays up after the FIFO was read, until STATUS is read too."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=2000)
    driver.map_watermark()
    for _ in range(24):
        chip.measure(0, 0, 0)
    driver.read_fifo(bytearray(driver.burst_bytes))
    before = chip.int1.now
    driver.release_interrupt()

    assert (before, chip.int1.now) == (1, 0)


def test_a_burst_takes_whole_sets_and_decodes_to_counts() -> None:
    """From the extremes of 12 bits through the chip's FIFO and back."""
    chip, driver, _ = connect()
    sets = [(-2048, 2047, 0), (1, -1, 10)] * 9
    for x, y, z in sets:
        chip.measure(x, y, z)
    burst = bytearray(driver.burst_bytes)
    driver.read_fifo(burst)
    counts = array("h", [0] * 48)

    assert FifoDecoder().decode(burst, counts, 0) == 16
    assert counts.tolist() == [value for values in sets[:16] for value in values]
    assert len(chip.fifo) == 6


axis = st.integers(-2048, 2047)


@given(
    sets=st.lists(st.tuples(axis, axis, axis), min_size=8, max_size=30),
    skip=st.integers(0, 2),
    burst_words=st.integers(1, 30),
)
def test_decoding_finds_the_sets_however_they_are_cut(
    sets: list[tuple[int, int, int]], skip: int, burst_words: int
) -> None:
    """512 words are no multiple of 3: an overrun leaves the FIFO beginning inside a set."""
    words = words_of(sets)[skip:]
    decoder = FifoDecoder()
    counts = array("h", [0] * (3 * len(sets)))
    found = 0
    for first in range(0, len(words), burst_words):
        burst = burst_of(words[first : first + burst_words])
        found += decoder.decode(burst, counts, 3 * found)
    whole = sets[1:] if skip else sets

    assert found == len(whole)
    assert counts[: 3 * found].tolist() == [value for values in whole for value in values]
    assert decoder.misplaced == (3 - skip if skip else 0)


def test_a_set_cut_short_is_dropped() -> None:
    """When the next mark comes early, what was begun is not made up."""
    words = words_of([(1, 2, 3), (4, 5, 6), (7, 8, 9)])
    del words[5]
    decoder = FifoDecoder()
    counts = array("h", [0] * 9)

    assert decoder.decode(burst_of(words), counts, 0) == 2
    assert counts[:6].tolist() == [1, 2, 3, 7, 8, 9]
    assert decoder.misplaced == 2


def test_reset_forgets_half_a_set() -> None:
    """A new capture does not begin with the tail of the last."""
    decoder = FifoDecoder()
    counts = array("h", [0] * 9)
    decoder.decode(burst_of(words_of([(1, 2, 3)])[:2]), counts, 0)
    decoder.reset()

    assert decoder.decode(burst_of(words_of([(4, 5, 6)])), counts, 0) == 1
    assert counts[:3].tolist() == [4, 5, 6]


# --- self-test -----------------------------------------------------------------------------------


def z_words(*values: int) -> list[int]:
    """Return FIFO words of z alone: each is the first of its set."""
    return [(value & 0xFFF) << 4 | 1 for value in values]


def test_the_self_test_is_set_up_as_the_datasheet_asks() -> None:
    """After a reset: low-pass activity filter on, high-pass off, measuring, z alone streamed."""
    chip, driver, slept_ms = connect()
    driver.configure(trigger_count=100)
    driver.begin_self_test()

    assert chip.resets == 2
    assert slept_ms == [5, 5]
    assert chip.registers[0x3F] & 0x0F == 0x07
    assert chip.registers[0x3A] == 0x22
    assert (chip.registers[0x3B], chip.registers[0x3D]) == (0, 0)


def test_a_push_counts_the_samples_before_it_and_tells_when_it_is_over() -> None:
    """ST begins it, ST_DONE ends it."""
    chip, driver, _ = connect()
    driver.begin_self_test()
    chip.fifo.extend(z_words(*[10] * 7))

    assert driver.push() == 7
    assert chip.registers[0x40] == 0x01
    chip.fifo.extend(z_words(*[10] * 100))
    assert driver.pushed() == 107
    chip.registers[0x40] = 0x06
    assert driver.pushed() == -107


@pytest.mark.parametrize("change", [-40, -5, 0, 1, 6, 300])
def test_the_change_is_that_of_the_means_at_both_ends(change: int) -> None:
    """Twenty samples from the push on, twenty before its end; what lies outside has no say."""
    chip, driver, _ = connect()
    driver.begin_self_test()
    first = [10 + (at % 3) - 1 for at in range(21)][:20]
    last = [value + change for value in first]
    chip.fifo.extend(z_words(*[900] * 5, *first, *[500] * 30, *last, *[900] * 4))

    assert driver.self_test_change(5, 75) == change


def test_too_few_samples_are_no_measure() -> None:
    """Both ends would overlap."""
    chip, driver, _ = connect()
    driver.begin_self_test()
    chip.fifo.extend(z_words(*range(45)))

    assert driver.self_test_change(5, 44) == 0


def test_configure_ends_a_self_test() -> None:
    """Whatever came of it."""
    chip, driver, _ = connect()
    driver.configure(trigger_count=100)
    settings = chip.registers[0x20:0x42]
    driver.begin_self_test()
    driver.push()

    assert driver.configure(trigger_count=100)
    assert chip.registers[0x20:0x42] == settings
