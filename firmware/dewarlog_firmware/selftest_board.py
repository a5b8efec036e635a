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
# theirs, two per cent are.
_RATE_LEAST_MS = const(980)
_RATE_MOST_MS = const(1020)
_SHARP_MS = const(10)  # an edge between two looks no further apart than this
_RATE_WAIT_MS = const(4000)
_RATE_SLOW_MS = const(10_000)
_RATE_OFF_MS = const(200)  # a clock that is further off is as good as none
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

    Two edges in a row that were seen in time tell. Where passes of the loop are so long that none
    are, each look still says which second it was: of the rates that fit all of them, the one
    nearest to the right one is returned, so that only what is certainly wrong fails.
    """
    clock, ticks_ms = app.chips.clock, app.board.ticks_ms
    asked_ms = ticks_ms()
    looked_ms = edge_ms = seconds = 0  # from `asked_ms` on
    second = clock.second()
    seen = []  # (ms, second) of the looks on either side of each edge
    is_sharp = False
    while looked_ms < (_RATE_SLOW_MS if seen else _RATE_WAIT_MS):
        yield False
        before_ms, looked_ms = looked_ms, (ticks_ms() - asked_ms) & _TICKS_MASK
        now_s = clock.second()
        if now_s == second:
            continue
        passed = (now_s - second) % 60
        second = now_s
        was_sharp, is_sharp = is_sharp, looked_ms - before_ms <= _SHARP_MS
        if is_sharp and was_sharp:
            return (looked_ms - edge_ms + passed // 2) // passed
        edge_ms = looked_ms
        seen.append((before_ms, seconds))
        seconds += passed
        seen.append((looked_ms, seconds))
    if seen:
        for off_ms in range(_RATE_OFF_MS):
            for rate_ms in (1000 - off_ms, 1000 + off_ms):
                if _fits(seen, rate_ms):
                    return rate_ms
    return 0


def _fits(seen: "list[tuple[int, int]]", rate_ms: int) -> bool:
    """Tell whether seconds of that length, counted from one moment, are what was seen."""
    begins = [ms - rate_ms * second for ms, second in seen]
    return max(begins) - rate_ms < min(begins)


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
