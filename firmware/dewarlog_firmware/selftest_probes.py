"""Self-test of the converters and their probes, beside the sampling of a run or without one.

A job of selftest. It looks at each probe three times: as it is; with the cold-junction high limit
set below the present cold junction, which must raise CJHIGH and nothing else (MAX31856 data sheet,
p. 21 and 25); and with the limit set back, when the fault must be gone (comparator mode, p. 19).
Every look is a conversion with its open-circuit test. Between samples that are far apart the
sampler makes looks out of rhythm; where they come too often for that, the samples themselves
serve, and lose nothing: the driver keeps what was provoked out of them.
"""

from micropython import const

from dewarlog_firmware.reading import ReadingBuilder
from dewarlog_wire import layout

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from dewarlog_firmware.app import App
    from dewarlog_firmware.selftest import SelfTest

_SETTINGS, _FAULT_LOGIC, _PROBE, _COLD_JUNCTION = range(4)  # layout.SELFTESTS

_DEGC_CODES = const(128)
# From the lower end of the tables of T, K and E to what no place has that a dewar is prepared in.
_PROBE_LEAST = const(-210 * _DEGC_CODES)
_PROBE_MOST = const(60 * _DEGC_CODES)
# The terminals are where the board is: a cell gives its charge from -20 to 60 degC, so what is
# outside is a broken sensor.
_COLD_LEAST = const(-20 * 64)
_COLD_MOST = const(60 * 64)
_BELOW_DEGC = const(5)  # the limit that provokes; CJHF has whole degrees and 2 of hysteresis
_LIMIT_LEAST_DEGC = const(-128)
_TICKS_MASK = const(0x3FFFFFFF)
_TICKS_HALF = const(0x20000000)
# What has no say in the other tests: the converter did not convert.
_DUMB = (layout.STATE_SHORT, layout.STATE_SILENT, layout.STATE_BROWN_OUT)


def run(app: "App", found: "SelfTest") -> "Iterator[bool]":
    """Test every fitted channel. Each `yield` hands the main loop back."""
    channels = app.config.channels
    sampler, sample = app.sampler, app.sample
    drivers = sampler.converters
    try:
        yield from _look(app)
        states = bytes(sample.states)
        faults = bytes(sample.faults)
        colds = list(sample.cold_junction_raw)
        codes = _readings(app)
        for position in range(len(channels)):
            channel = channels[position].channel
            found.judge(_SETTINGS, sample.lost[position], 0, 0, channel)
            _judge_probe(found, channel, states[position], sample.lost[position], codes[position])
            if states[position] in _DUMB:
                found.leave_out(_COLD_JUNCTION, _COLD_LEAST, _COLD_MOST, channel)
            else:
                found.judge(_COLD_JUNCTION, colds[position], _COLD_LEAST, _COLD_MOST, channel)
        for position in range(len(channels)):
            limit_degc = (colds[position] >> 6) - _BELOW_DEGC
            drivers[position].provoke(max(_LIMIT_LEAST_DEGC, limit_degc))
        sampler.rewrite()
        yield from _look(app)
        raised = bytes(sample.provoked)
        others = bytes(sample.faults)
        for driver in drivers:
            driver.calm()
        sampler.rewrite()
        yield from _look(app)
        for driver in drivers:
            driver.calmed()
        for position in range(len(channels)):
            channel = channels[position].channel
            if states[position] in _DUMB:
                found.leave_out(_FAULT_LOGIC, 1, 1, channel)
                continue
            holds = (
                raised[position] != 0
                and others[position] == faults[position]
                and not sample.provoked[position]
                and sample.faults[position] == faults[position]
            )
            found.judge(_FAULT_LOGIC, int(holds), 1, 1, channel)
    finally:
        _leave(app)


def _judge_probe(found: "SelfTest", channel: int, state: int, lost: int, code: int) -> None:
    if lost or state == layout.STATE_COLD_JUNCTION:
        found.leave_out(_PROBE, _PROBE_LEAST, _PROBE_MOST, channel)  # another test tells why
    else:
        found.judge(_PROBE, code, _PROBE_LEAST, _PROBE_MOST, channel)


def _readings(app: "App") -> list:
    """Return the reading code of each channel in the sample taken last."""
    sample = app.sample
    builder = ReadingBuilder(app.config.channels, app.config.converter.gain, 1)
    for position in range(len(app.config.channels)):
        builder.add(
            position,
            sample.states[position],
            sample.faults[position],
            sample.voltage_raw[position],
            sample.cold_junction_raw[position],
        )
    builder.complete()
    return builder.finish()


def _look(app: "App") -> "Iterator[bool]":
    """Wait until `app.sample` holds a conversion that began after this call."""
    sampler = app.sampler
    asked_ms = app.board.ticks_ms()
    taken = sampler.taken
    is_begun = False
    while True:
        sampler.hurry()
        # A run that ends takes what was being gathered with it.
        if not is_begun or not (sampler.is_gathering or sampler.ring.used()):
            is_begun = sampler.look()
        yield False
        if not app.is_recording:
            sampler.take(app.sample)
        if sampler.taken != taken:
            taken = sampler.taken
            if (app.sample.ticks_ms - asked_ms) & _TICKS_MASK < _TICKS_HALF:
                return


def _leave(app: "App") -> None:
    """Have every converter's settings as they were."""
    sampler = app.sampler
    for driver in sampler.converters:
        driver.calm()
    if sampler.is_running:
        # Their next conversion brings the settings back, if the third look has not yet.
        sampler.rewrite()
        return
    sampler.end_looks()
    for driver in sampler.converters:
        driver.calmed()
        driver.restore()
