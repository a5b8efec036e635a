"""Self-test of the shock and the tilt sensor, and of the flash while the shock sensor settles.

A job of selftest. The shock sensor is away for about 0.7 s: from the reset its self-test begins
with to being set up as before, and a GAP event of the shock stream says for how long. It is
taken away when no shock is going on, and the flash is written while it is away, so that flash
operations cost no shock.
"""

import gc

from micropython import const

from dewarlog_firmware import selftest_flash
from dewarlog_firmware.logbook import NO_ROOM
from dewarlog_firmware.sensors import adxl372, lis3dh
from dewarlog_firmware.shock_sampler import SENSOR_FAULT, SENSOR_OK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dewarlog_firmware.app import App
    from dewarlog_firmware.selftest import SelfTest

_SHOCK_IDENTITY, _SHOCK_TEST, _TILT_IDENTITY, _TILT_TEST = range(4, 8)  # layout.SELFTESTS
_AXES = const(3)
# A board that lies still is calm at once; on the road it has to wait for a moment of calm.
_CALM_MS = const(8000)
_PUSH_MS = const(1000)  # the push lasts some 300
# The last 50 ms are counted from a look back: a look so late that they were not among the first
# samples is no measure. Twice 50 ms and as much between. Where passes of the main loop are too
# long for such a look, it has to wait for the next push: the sensor is away, no shock is lost.
_PUSH_LEAST_SAMPLES = const(60)
_TRIES = const(3)
_COUNTS_MOST = const(2047)
_HELD_MS = const(5)  # between two looks at the push when the main loop has to wait for it
_SETS = const(5)
# A set comes every 10 ms. Silent is a sensor that had time for 20 and was looked at thrice in it:
# passes of the main loop may be long, and say nothing of the sensor.
_SILENT_MS = const(200)
_SILENT_LOOKS = const(3)
_TICKS_MASK = const(0x3FFFFFFF)


def run(app: "App", found: "SelfTest") -> "Iterator[bool]":
    """Test both sensors and the flash. Each `yield` hands the main loop back."""
    state = app.shock_sampler.check()
    is_there = state in (SENSOR_OK, SENSOR_FAULT)
    found.judge(_SHOCK_IDENTITY, int(is_there), 1, 1)
    if is_there:
        yield from _shock(app, found)
    else:
        found.leave_out(_SHOCK_TEST, adxl372.SELF_TEST_LEAST, _COUNTS_MOST)
        yield from selftest_flash.run(app, found)
    yield from _tilt(app, found)


def _passed(app: "App", since_ms: int) -> int:
    return (app.board.ticks_ms() - since_ms) & _TICKS_MASK


# --- shock --------------------------------------------------------------------------------------


def _shock(app: "App", found: "SelfTest") -> "Iterator[bool]":
    board, chip, sampler = app.board, app.accelerometer, app.shock_sampler
    asked_ms = board.ticks_ms()
    while app.is_recording and app.shocks.busy:
        if _passed(app, asked_ms) > _CALM_MS:
            found.judge(_SHOCK_TEST, 0, adxl372.SELF_TEST_LEAST, _COUNTS_MOST)
            yield from selftest_flash.run(app, found)
            return
        yield False
    was_kept = chip.settings_kept()
    app.shocks.begin_away()
    sampler.stop()
    try:
        chip.begin_self_test()
        reset_ms = board.ticks_ms()
        yield from selftest_flash.run(app, found)
        while _passed(app, reset_ms) < adxl372.SELF_TEST_SETTLE_MS:
            yield False
        change = 0
        for attempt in range(_TRIES):
            before = chip.push()
            if attempt:
                after = _held_up(app, before)
                found.was_held()
            else:
                after = yield from _pushed(app, before)
            if after - before >= _PUSH_LEAST_SAMPLES:
                change = chip.self_test_change(before, after)
                break
            chip.begin_self_test()
            reset_ms = board.ticks_ms()
            while _passed(app, reset_ms) < adxl372.SELF_TEST_SETTLE_MS:
                yield False
        found.judge(_SHOCK_TEST, abs(change), adxl372.SELF_TEST_LEAST, _COUNTS_MOST)
    finally:
        _bring_back(app, was_kept=was_kept)
        _tell_away(app)


def _pushed(app: "App", before: int) -> "Iterator[bool]":
    """Wait for the end of the push; return how many samples there were when it still went on."""
    chip = app.accelerometer
    pushed_ms = app.board.ticks_ms()
    going_on = before
    while _passed(app, pushed_ms) < _PUSH_MS:
        yield False
        samples = chip.pushed()
        if samples < 0:
            return going_on
        going_on = samples
    return before


def _held_up(app: "App", before: int) -> int:
    """Return what `_pushed` does, without a turn for the main loop: for some 300 ms."""
    chip = app.accelerometer
    pushed_ms = app.board.ticks_ms()
    going_on = before
    while _passed(app, pushed_ms) < _PUSH_MS:
        app.board.sleep_ms(_HELD_MS)
        samples = chip.pushed()
        if samples < 0:
            return going_on
        going_on = samples
    return before


def _bring_back(app: "App", *, was_kept: bool) -> None:
    """Set the shock sensor up as it was found; a heap that is full is cleared first."""
    try:
        _set_up(app, was_kept=was_kept)
    except MemoryError:
        gc.collect()
        _set_up(app, was_kept=was_kept)


def _set_up(app: "App", *, was_kept: bool) -> None:
    if app.is_recording:
        app.start_accelerometer()
    elif was_kept:
        app.configure_accelerometer()
    else:
        app.accelerometer.reset()


def _tell_away(app: "App") -> None:
    if not app.logbook.is_open:
        return
    try:
        app.shocks.tell_away()
        app.logbook.commit()
    except OSError as error:
        if error.args[0] not in NO_ROOM:
            raise  # a full log says so itself


# --- tilt ---------------------------------------------------------------------------------------


def _tilt(app: "App", found: "SelfTest") -> "Iterator[bool]":
    sensor = app.chips.tilt_sensor
    try:
        is_own = sensor.identified()
    except OSError:
        is_own = None
    if is_own is None and not app.config.tilt.hold_band:
        found.leave_out(_TILT_IDENTITY, 1, 1)
    else:
        found.judge(_TILT_IDENTITY, int(is_own is True), 1, 1)
    sums = None
    if is_own:
        sums = yield from _tilt_sums(app)
    for axis in range(_AXES):
        least, most = lis3dh.SELF_TEST_LEAST, lis3dh.SELF_TEST_MOST
        if not is_own:
            found.leave_out(_TILT_TEST, least, most, axis)
        elif sums is None:
            found.judge(_TILT_TEST, 0, least, most, axis)
        else:
            found.judge(_TILT_TEST, (abs(sums[axis]) + _SETS // 2) // _SETS, least, most, axis)


def _tilt_sums(app: "App") -> "Iterator[bool]":
    """Return by how much five sets change on each axis, together; None when it fell silent."""
    sensor = app.chips.tilt_sensor
    sums = [0, 0, 0]
    registers = b""
    app.chips.tilt_away = True
    try:
        registers = sensor.registers()
        for push in (False, True):
            sensor.begin_self_test(push=push)
            since_ms = app.board.ticks_ms()
            while _passed(app, since_ms) < lis3dh.SELF_TEST_SETTLE_MS:
                yield False
            sensor.add_digits([0, 0, 0])  # from before the change
            for axis in range(_AXES):
                sums[axis] = -sums[axis]
            sets = looks = 0
            since_ms = app.board.ticks_ms()
            while sets < _SETS:
                yield False
                if sensor.add_digits(sums):
                    sets += 1
                    looks = 0
                    since_ms = app.board.ticks_ms()
                    continue
                looks += 1
                if looks >= _SILENT_LOOKS and _passed(app, since_ms) > _SILENT_MS:
                    return None
    except OSError:
        return None
    finally:
        _leave_tilt(app, registers)
    return sums


def _leave_tilt(app: "App", registers: bytes) -> None:
    app.chips.tilt_away = False
    if registers:
        try:
            app.chips.tilt_sensor.set_registers(registers)
        except OSError:
            pass  # chips finds it silent
