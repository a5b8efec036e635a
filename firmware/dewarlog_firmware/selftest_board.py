"""Self-test of the clock, the memory, the radio and the keys.

A job of selftest.
"""

from micropython import const

from dewarlog_firmware.logbook import RESERVE_BYTES
from dewarlog_firmware.radio import STATE_ON

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dewarlog_firmware.app import App
    from dewarlog_firmware.selftest import SelfTest

_OSCILLATOR = const(8)
_RATE = const(9)
_FREE_FLASH = const(16)
_RADIO = const(17)
_DEVICE_KEY = const(18)
_SEALING_KEY = const(19)

# The two crystals agree to 0.1 ms in a second; an edge that is seen late by 10 ms is no fault of
# theirs, one per cent is.
_RATE_LEAST_MS = const(980)
_RATE_MOST_MS = const(1020)
_SHARP_MS = const(10)  # an edge between two looks no further apart than this
_RATE_WAIT_MS = const(4000)
# Ten days at a sample every 10 s, and as many events as such a trip has, take 135 KB.
_TRIP_BYTES = const(144 * 1024)
# A board that has just been told to send advertises within a second; a Pico W then loads the
# radio's own firmware first.
_RADIO_WAIT_MS = const(5000)
_TICKS_MASK = const(0x3FFFFFFF)
_MOST = const(0x7FFFFFFF)


def run(app: "App", found: "SelfTest") -> "Iterator[bool]":
    """Test one after the other. Each `yield` hands the main loop back."""
    found.judge(_DEVICE_KEY, int(app.has_key), 1, 1)
    if app.seal_key is None:
        found.leave_out(_SEALING_KEY, 1, 1)  # this board has no place for one
    else:
        found.judge(_SEALING_KEY, int(app.seal_key.index != 0), 1, 1)
    free_bytes = min(app.logbook.flash.free_bytes(), _MOST)
    found.judge(_FREE_FLASH, free_bytes, RESERVE_BYTES + _TRIP_BYTES)
    yield from _clock(app, found)
    yield from _radio(app, found)


def _clock(app: "App", found: "SelfTest") -> "Iterator[bool]":
    clock = app.chips.clock
    try:
        found.judge(_OSCILLATOR, int(not clock.has_stopped()), 1, 1)
        rate_ms = yield from _rate(app)
    except OSError:
        if not found.has(_OSCILLATOR):
            found.judge(_OSCILLATOR, 0, 1, 1)
            found.leave_out(_RATE, _RATE_LEAST_MS, _RATE_MOST_MS)
            return
        rate_ms = 0
    found.judge(_RATE, rate_ms, _RATE_LEAST_MS, _RATE_MOST_MS)


def _rate(app: "App") -> "Iterator[bool]":
    """Return the board's ms in a second of the clock chip, from edge to edge; 0: it stands still.

    A pass of the loop may be long: edges that were seen late are left out while there is time.
    """
    clock, ticks_ms = app.chips.clock, app.board.ticks_ms
    asked_ms = looked_ms = ticks_ms()
    second = clock.second()
    first_s = first_ms = last_ms = -1
    seconds = 0
    is_sharp = False
    while (looked_ms - asked_ms) & _TICKS_MASK < _RATE_WAIT_MS:
        yield False
        before_ms, looked_ms = looked_ms, ticks_ms()
        now_s = clock.second()
        if now_s == second:
            continue
        second = now_s
        was_sharp = is_sharp
        is_sharp = (looked_ms - before_ms) & _TICKS_MASK <= _SHARP_MS
        if first_s < 0 or (is_sharp and not was_sharp and not seconds):
            first_s, first_ms = now_s, looked_ms
            continue
        seconds = (now_s - first_s) % 60
        last_ms = looked_ms
        if is_sharp and was_sharp:
            break
    if not seconds:
        return 0
    return (((last_ms - first_ms) & _TICKS_MASK) + seconds // 2) // seconds


def _radio(app: "App", found: "SelfTest") -> "Iterator[bool]":
    radio = app.radio
    if radio is None:
        if app.board.has_radio:
            found.judge(_RADIO, 0, 1, 1)  # this MicroPython was built without it
        else:
            found.leave_out(_RADIO, 1, 1)
        return
    asked_ms = app.board.ticks_ms()
    while radio.state == STATE_ON and not app.air.is_heard:
        if (app.board.ticks_ms() - asked_ms) & _TICKS_MASK > _RADIO_WAIT_MS:
            break
        yield False
    if radio.state != STATE_ON and not radio.has_failed:
        found.leave_out(_RADIO, 1, 1)  # flight mode: a test does not make it send
    else:
        found.judge(_RADIO, int(app.air.is_heard), 1, 1)
