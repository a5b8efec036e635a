"""The ADXL372 model against its data sheet (rev. C): registers, FIFO, detection, interrupts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from device_script import ACCELEROMETER, on_device

if TYPE_CHECKING:
    from conftest import MicroPython


def test_registers_hold_table_15_after_power_on(micropython: MicroPython) -> None:
    """Identity, status, FIFO_SAMPLES; everything else is 0."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world()
        show(read(0x00, 8))
        show(read(0x20, 0x21))
        clock.advance_to(1000)
        write(0x29, 0)
        show(read(0x04))
        """,
    )

    assert shown[0] == [0xAD, 0x1D, 0xFA, 0x03, 0xA0, 0x00, 0x00, 0x00]
    assert shown[1] == [0x80 if register == 0x39 else 0 for register in range(0x20, 0x41)]
    assert shown[2] == [0x00]  # the user registers' error bit clears with the first write


def test_a_soft_reset_takes_its_code_alone(micropython: MicroPython) -> None:
    """0x52 in RESET restores the defaults; any other value does nothing."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world()
        write(0x29, 7)
        write(0x41, 1)
        show(read(0x29))
        write(0x41, 0x52)
        show(read(0x29))
        """,
    )

    assert shown == [[7], [0]]


@pytest.mark.parametrize(("settle", "expected_us"), [(0x00, 370_000), (0x10, 16_000)])
def test_the_first_sample_comes_after_the_filter_has_settled(
    micropython: MicroPython, settle: int, expected_us: int
) -> None:
    """DATA_RDY on INT1 tells when."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        f"""
        world()
        write(0x3B, 0x01)
        write(0x3F, {0x0F | settle})
        begun = clock.now
        while not int1.level:
            clock.advance_to(clock.now + 10)
        show(clock.now - begun)
        """,
    )

    assert abs(shown[0] - expected_us) <= 30


@pytest.mark.parametrize(
    ("code", "hz"), [(0x00, 400), (0x20, 800), (0x40, 1600), (0x60, 3200), (0x80, 6400)]
)
def test_the_fifo_fills_at_the_output_data_rate(
    micropython: MicroPython, code: int, hz: int
) -> None:
    """Stream mode: 100 sets take 100 periods; the watermark interrupt tells."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        f"""
        world()
        write(0x3D, {code})
        write(0x39, 300 & 0xFF, 300 >> 8 | 0x02)
        write(0x3B, 0x04)
        write(0x3F, MEASURE)
        begun = clock.now
        while not int1.level:
            clock.advance_to(clock.now + 10)
        show(clock.now - begun - 16000)
        show(entries())
        """,
    )

    assert abs(shown[0] - 99 * 1e6 / hz) <= 30
    assert shown[1] == 300


def test_fifo_entries_are_left_justified_with_a_mark_on_the_first_of_a_set(
    micropython: MicroPython,
) -> None:
    """Table 12: 12 bits from the top, bit 0 set for x only; at rest z reads 1 g."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world()
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600)
        write(0x3A, 0x02)
        write(0x3F, MEASURE)
        clock.advance_to(clock.now + 60000)
        values, marks = fifo(100)
        show(marks[:6])
        show([sum(values[axis::3]) / 100 for axis in range(3)])
        """,
    )

    assert shown[0] == [1, 0, 0, 1, 0, 0]
    # 3.5 counts rms of noise (table 10) leave 0.35 in a mean of 100.
    assert shown[1] == pytest.approx([0, 0, 10], abs=1.5)


def test_stream_mode_keeps_the_newest_and_says_that_it_overran(micropython: MicroPython) -> None:
    """170 sets; FIFO_OVR stands until the FIFO and the status have been read."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world()
        write(0x3D, RATE_3200)
        write(0x3A, 0x02)
        write(0x3F, MEASURE)
        clock.advance_to(clock.now + 200000)
        show(entries())
        show(read(0x04)[0] & 0x0E)
        while entries() > 3:
            fifo(min(20, entries() // 3 - 1))
        show(read(0x04)[0] & 0x08)
        """,
    )

    assert shown[0] == 510
    assert shown[1] == 0x0E
    assert shown[2] == 0x08  # not emptied: one set must stay


def test_oldest_saved_mode_stops_when_it_is_full(micropython: MicroPython) -> None:
    """The first 170 sets stay; what came later is lost."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(10000, 60.0, 11000, (1.0, 0.0, 0.0)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600)
        write(0x3A, 0x06)
        write(0x3F, MEASURE)
        clock.advance_to(clock.now + 500000)
        show(entries())
        show(max(fifo(169)[0][0::3]) > 300)
        """,
    )

    assert shown == [510, True]


def test_triggered_mode_keeps_what_was_before_the_activity(micropython: MicroPython) -> None:
    """FIFO_SAMPLES entries come after the trigger, the rest is from before; then it waits."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1000000, 60.0, 11000, (1.0, 0.0, 0.0)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600)
        thresholds(0x23, 200)
        write(0x39, 120, 0x04)
        write(0x3F, MEASURE)
        clock.advance_to(900000)
        show(read(0x04)[0] & 2)
        clock.advance_to(3000000)
        show(read(0x04)[0] & 2)
        show(entries())
        x = fifo(169)[0][0::3]
        show(x.index(max(x)))
        """,
    )

    assert shown[0] == 0  # nothing to read before the trigger
    assert shown[1] == 2
    assert shown[2] == 510
    # 40 sets after the trigger at 20 g; the peak comes some 4 ms, 12 samples, after it.
    assert 130 <= shown[3] <= 148


def test_activity_needs_its_time_and_any_one_axis(micropython: MicroPython) -> None:
    """TIME_ACT counts 6.6 ms at 3200 Hz: 5 ms are too short, 30 ms are enough."""
    script = """
        world(HalfSine(1000000, 60.0, {length_us}, (0.0, 1.0, 0.0)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600)
        thresholds(0x23, 200)
        write(0x29, 1)
        write(0x3B, 0x20)
        write(0x3F, MEASURE)
        clock.advance_to(2000000)
        show(int1.level)
        show(read(0x05)[0])
        show(int1.level)
        """
    short = on_device(micropython, ACCELEROMETER, script.format(length_us=5000))
    long = on_device(micropython, ACCELEROMETER, script.format(length_us=30000))

    assert short == [0, 0x00, 0]
    assert long == [1, 0x20, 0]  # reading STATUS2 clears it: the timer is not 0


def test_default_mode_without_a_timer_keeps_activity_until_standby(
    micropython: MicroPython,
) -> None:
    """Data sheet, "Interrupt pins": then the only way to clear it is to restart measurement."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1000000, 60.0, 11000, (0.0, 1.0, 0.0)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600)
        thresholds(0x23, 200)
        write(0x3B, 0x20)
        write(0x3F, MEASURE)
        clock.advance_to(2000000)
        show([read(0x05)[0], read(0x05)[0], int1.level])
        write(0x3F, MEASURE & ~3)
        write(0x3F, MEASURE)
        show([read(0x05)[0], int1.level])
        """,
    )

    assert shown == [[0x20, 0x20, 1], [0x00, 0]]


def test_the_activity_interrupt_comes_with_the_first_sample_beyond(
    micropython: MicroPython,
) -> None:
    """Half a second of quiet costs nothing, and the sample is found to its period."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1000000, 100.0, 10000, (0.0, 0.0, 1.0)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600)
        thresholds(0x23, 500)
        write(0x3B, 0x20)
        write(0x3F, MEASURE)
        while not int1.level:
            clock.advance_to(clock.now + 50)
        show(clock.now)
        """,
    )

    # 100 sin(pi t / 10 ms) + 1 g passes 50 g after 1.63 ms; the filter delays it by some 0.26 ms.
    assert 1_001_500 < shown[0] < 1_002_600


def test_loop_mode_alternates_and_clears_by_itself(micropython: MicroPython) -> None:
    """Activity, then inactivity after its time, then activity again; AWAKE follows."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1000000, 60.0, 11000, (0, 0, 1)), HalfSine(3000000, 60.0, 11000, (0, 0, 1)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600 | 0x20)
        thresholds(0x23, 200)
        thresholds(0x2A, 100)
        write(0x30, 0, 4)
        write(0x3B, 0x40)
        write(0x3F, MEASURE)
        changes, before = [], int1.level
        while clock.now < 4000000:
            clock.advance_to(clock.now + 1000)
            if int1.level != before:
                before = int1.level
                changes.append([clock.now // 1000, before])
        show(changes)
        """,
    )

    rises = [ms for ms, level in shown[0] if level]
    falls = [ms for ms, level in shown[0] if not level]
    assert [ms // 10 for ms in rises] == [100, 300]
    # 4 x 26 ms below 10 g after the knock of 11 ms.
    assert falls == pytest.approx([1114, 3114], abs=4)


def test_fifo_interrupts_fall_once_the_cause_is_gone_and_status_was_read(
    micropython: MicroPython,
) -> None:
    """Draining alone leaves the pin up; reading STATUS as well lets it fall."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world()
        write(0x3D, RATE_3200)
        write(0x39, 60, 0x02)
        write(0x3B, 0x04)
        write(0x3F, MEASURE)
        clock.advance_to(clock.now + 30000)
        levels = [int1.level]
        fifo(40)
        levels.append(int1.level)
        read(0x04)
        levels.append(int1.level)
        clock.advance_to(clock.now + 30000)
        levels.append(int1.level)
        show(levels)
        """,
    )

    assert shown == [[1, 1, 0, 1]]


def test_a_fifo_read_to_the_last_entry_loses_its_step(micropython: MicroPython) -> None:
    """The data sheet asks to leave one set; a driver that does not finds sets out of order."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world()
        write(0x3D, RATE_3200)
        write(0x3A, 0x02)
        write(0x3F, MEASURE)
        clock.advance_to(clock.now + 30000)
        fifo(entries() // 3)
        clock.advance_to(clock.now + 30000)
        show(fifo(2)[1])
        """,
    )

    assert shown == [[0, 0, 1, 0, 0, 1]]


def test_the_range_ends_at_12_bits(micropython: MicroPython) -> None:
    """Beyond 204.7 g the count stands at 2047: the knock is clipped, not wrapped."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1000000, 400.0, 11000, (0.0, -1.0, 0.0)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600)
        write(0x3A, 0x02)
        write(0x3F, MEASURE)
        clock.advance_to(1030000)
        show(min(fifo(169)[0]))
        """,
    )

    assert shown == [-2048]


def test_peak_mode_keeps_the_largest_set_of_each_impact(micropython: MicroPython) -> None:
    """FIFO_FORMAT 111: one set an impact; MAXPEAK is the largest since it was read."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1000000, 80.0, 11000, (0, 0, 1)), HalfSine(2000000, 40.0, 11000, (0, 0, 1)))
        write(0x3D, RATE_3200)
        write(0x3E, BAND_1600 | 0x20)
        thresholds(0x23, 200)
        thresholds(0x2A, 100)
        write(0x30, 0, 2)
        write(0x3A, 0x3A)
        write(0x3F, MEASURE)
        clock.advance_to(3000000)
        show(entries())
        peak = read(0x15, 6)
        show((peak[4] << 4 | peak[5] >> 4))
        show(read(0x15, 6))
        values = fifo(2)[0]
        show([values[2], values[5]])
        """,
    )

    assert shown[0] == 6
    assert shown[1] == pytest.approx(810, abs=25)
    assert shown[2] == [0] * 6
    assert shown[3] == pytest.approx([810, 410], abs=25)


def test_instant_on_wakes_into_measurement_at_an_impact(micropython: MicroPython) -> None:
    """Entered from measurement, it ignores 8 g and wakes at 20 g; the threshold is about 10 g."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1000000, 8.0, 11000, (0, 1, 0)), HalfSine(2000000, 20.0, 11000, (0, 1, 0)))
        write(0x3D, RATE_3200)
        write(0x3A, 0x06)
        write(0x3F, MEASURE)
        write(0x3F, MEASURE & ~1)
        clock.advance_to(1900000)
        show([read(0x3F)[0] & 3, entries()])
        clock.advance_to(2100000)
        show(read(0x3F)[0] & 3)
        show(max(fifo(160)[0][1::3]) > 150)
        """,
    )

    assert shown == [[2, 0], 3, True]


def test_wake_up_mode_sees_lasting_motion_and_misses_a_short_knock(
    micropython: MicroPython,
) -> None:
    """It looks every 52 ms: a tilt is seen, a knock of 5 ms between two looks is not."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world(HalfSine(1010000, 40.0, 5000, (0, 1, 0)), tilts=[Tilt(3000000, 9000000, 90.0)])
        write(0x3D, RATE_3200)
        thresholds(0x23, 6, 3)
        write(0x3F, MEASURE & ~2)
        clock.advance_to(2900000)
        show(read(0x3F)[0] & 3)
        clock.advance_to(7000000)
        show(read(0x3F)[0] & 3)
        """,
    )

    assert shown == [1, 3]


def test_the_high_pass_filter_takes_gravity_away(micropython: MicroPython) -> None:
    """HPF_DISABLE is 0 after reset: a driver that forgets it measures no gravity."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        world()
        for power in (0x1B, 0x1F):
            write(0x3F, 0)
            write(0x3A, 0x02)
            write(0x3F, power)
            clock.advance_to(clock.now + 400000)
            values = fifo(100)[0]
            show(sum(values[2::3]) / 100)
        """,
    )

    assert shown == pytest.approx([0, 10], abs=1.5)


def test_a_quiet_month_costs_no_time(micropython: MicroPython) -> None:
    """No event falls due while nothing moves, however long that lasts."""
    shown = on_device(
        micropython,
        ACCELEROMETER,
        """
        import time
        world()
        write(0x3D, RATE_3200)
        thresholds(0x23, 80)
        write(0x39, 0x80, 0x02)
        write(0x3B, 0x20)
        write(0x3F, MEASURE)
        began = time.ticks_ms()
        clock.advance_to(30 * 86400 * 1000000)
        show(entries())
        show(time.ticks_diff(time.ticks_ms(), began) < 100)
        show(int1.level)
        """,
    )

    assert shown == [510, True, 0]


_PUSH: str = """
    world()
    write(0x3A, 0x22)
    write(0x3F, {power})
    clock.advance_to(500000)
    before = entries()
    write(0x40, 1)
    clock.advance_to(799000)
    during = read(0x40)[0]
    clock.advance_to(801000)
    show([during, read(0x40)[0]])
    data = read(0x42, 2 * (entries() - 1))
    z = [data[i] << 4 | data[i + 1] >> 4 for i in range(0, len(data), 2)]
    show(sum(z[before:before + 20]) / 20)
    show(sum(z[-24:-4]) / 20)
    """


def test_the_self_test_pushes_z_and_says_when_it_is_done(micropython: MicroPython) -> None:
    """Section "Self Test": ST_DONE after 300 ms; the ends of the data differ by over 5 counts."""
    shown = on_device(micropython, ACCELEROMETER, _PUSH.format(power="0x07"))

    assert shown[0] == [0x01, 0x07]
    assert shown[1] == pytest.approx(10, abs=1.5)  # 1 g
    assert shown[2] - shown[1] > 5


def test_without_its_filter_the_self_test_pushes_nothing(micropython: MicroPython) -> None:
    """The low-pass activity filter has to be on."""
    shown = on_device(micropython, ACCELEROMETER, _PUSH.format(power="0x0F"))

    assert shown[0] == [0x01, 0x01]
    assert shown[2] == pytest.approx(shown[1], abs=1.5)
