"""What a host may ask of the board besides its stored bytes: status, time, custody, stop.

Answers server (its Device protocol); acts through keeper, chips and logbook. No message bytes
here: those are server's.
"""

from dewarlog_wire import events, layout
from dewarlog_wire.errors import BlockError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dewarlog_firmware.app import App


class Desk:
    """The board's front desk for one server. `app` is told of a stop and a clock to be set."""

    def __init__(self, app: "App") -> None:
        self._app = app

    def status(self) -> tuple:
        """Return the values of STATUS_REPLY, in order."""
        app = self._app
        recorder = app.logbook.recorder
        codes = [layout.state_code(layout.STATE_ABSENT)] * 4
        cold_code = layout.state_code(layout.STATE_ABSENT)
        if recorder.next_sample:
            for channel, column in app.columns:
                codes[channel] = app.keeper.codes[column]
            cold_code = app.keeper.codes[-1]
        uptime_s, uptime_ms = app.now()
        utc_s, clock_state = app.chips.read_clock()
        return (
            self._state_bits(clock_state),
            recorder.run,
            recorder.boot,
            uptime_ms,
            uptime_s,
            utc_s,
            clock_state,
            app.keeper.interval_ms,
            recorder.next_sample,
            recorder.next_event,
            recorder.blocks,
            app.logbook.backlog_bytes(),
            app.logbook.flash.free_bytes(),
            app.chips.supply_mv,
            codes[0],
            codes[1],
            codes[2],
            codes[3],
            cold_code,
            app.sampler.ring.high_water,
            min(app.sampler.ring.dropped, 0xFFFF),
            app.engine.active_mask,
        )

    def _state_bits(self, clock_state: int) -> int:
        app = self._app
        bits = 0
        for bit, is_set in (
            (layout.STATUS_RECORDING, app.is_recording),
            (layout.STATUS_EXCURSION, app.engine.active_mask),
            (layout.STATUS_FAULT, app.keeper.has_fault or app.chips.has_fault),
            (layout.STATUS_CLOCK_UNSET, clock_state != layout.CLOCK_OK),
            (layout.STATUS_LOW_SUPPLY, app.chips.supply_low),
            (layout.STATUS_MEMORY_FULL, app.keeper.is_full or app.logbook.is_full),
        ):
            if is_set:
                bits |= bit
        return bits

    def set_time(self, utc_s: int, utc_ms: int, error_ms: int) -> tuple:
        """Record the host's time and have the clock chip set at its next whole second."""
        app = self._app
        before_utc_s, before_state = app.chips.read_clock()
        if app.logbook.is_open:
            app.stamp()
            app.logbook.emit(
                layout.KIND_CLOCK_SYNC, (utc_s, utc_ms, error_ms, before_utc_s, before_state)
            )
            app.logbook.commit()
        app.set_clock_in(utc_s + 1, 1000 - utc_ms)
        return before_utc_s, before_state

    def mark(self, custody: bytes) -> None:
        """Record a custody event; ValueError when the body is none or the run has ended."""
        if not self._app.logbook.is_open:
            raise ValueError("no run is open: its log has ended")
        try:
            events.read_custody(custody)
        except BlockError as error:
            raise ValueError(str(error)) from None
        app = self._app
        app.stamp()
        app.logbook.record(layout.KIND_CUSTODY, custody)
        app.logbook.commit()

    def stop(self) -> None:
        """End the run once the answer is on its way."""
        self._app.end_requested = True
