"""The processor's own peripherals and its `machine` module, as the rp2 port has them."""

import time as wall_time

from simboard.device.bus import make_i2c_class, make_spi_class
from simboard.device.clock import Event, Interrupt
from simboard.device.gpio import make_pin_class
from simboard.device.power import HardReset, SoftReset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never

    from simboard.device.bus import I2cBus, SpiBus
    from simboard.device.clock import Clock
    from simboard.device.gpio import Line

PWRON_RESET = 1
WDT_RESET = 3  # machine.reset() goes through the watchdog on rp2
_TIMER_IRQ = 3  # TIMER_IRQ_3, the alarm pool's: before every pin
_WDT_MAX_MS = 8388  # RP2040: 24-bit microseconds, counted twice as fast (erratum E1)


class Module:
    """A stand-in for a module: its attributes are what it is given."""

    def __init__(self, name: str, attributes: "dict[str, Any]") -> None:
        self.__name__ = name
        for key in attributes:
            setattr(self, key, attributes[key])


class Processor:
    """Timers, watchdog, clock calendar and identity; `module` is what `import machine` gives.

    `lines`, `spi_buses`, `i2c_buses` are the board's wires; `adc_u16(pin)` is what the converter
    reads on a pin. `hard_timers` says whether Timer takes hard=: MicroPython 1.26 and later.
    """

    def __init__(
        self,
        clock: "Clock",
        lines: "dict[Any, Line]",
        spi_buses: "dict[int, SpiBus]",
        i2c_buses: "dict[int, I2cBus]",
        adc_u16: "Callable[[object], int]",
        unique_id: bytes,
        hard_timers: bool,
    ) -> None:
        self.clock = clock
        self.lines = lines
        self.spi_buses = spi_buses
        self.reset_cause = PWRON_RESET
        self.boot_local_us = 0
        self.before_light_sleep = lambda: None  # stops what cannot live through it
        self.registers = {}  # address: what returns its value
        self._timers = []
        self._timer_number = 0
        self._watchdog = Event(self._bite)
        self._watchdog_us = 0
        self._calendar_offset_s = 0  # calendar seconds = local seconds since boot + this
        self.module = self._make_module(spi_buses, i2c_buses, adc_u16, unique_id, hard_timers)

    # --- reset --------------------------------------------------------------------------------

    def power_on(self, cause: int) -> None:
        """Start counting anew, as after power-on or a reset with `cause`."""
        self.reset_cause = cause
        self.boot_local_us = self.clock.local_us()
        self.clock.cancel(self._watchdog)
        self._watchdog_us = 0
        self._calendar_offset_s = 1609459200  # rp2 starts its calendar at 2021-01-01
        self.stop_firmware()
        for line in self.lines.values():
            line.to_input()

    def stop_firmware(self) -> None:
        """Switch off what a soft reset switches off: timers and pin interrupts."""
        for timer in list(self._timers):
            timer.deinit()
        for line in self.lines.values():
            line.release()
        self.clock.forget_firmware()

    def _bite(self) -> "Never":
        raise HardReset(WDT_RESET)

    # --- time ---------------------------------------------------------------------------------

    def uptime_us(self) -> int:
        """Return the microseconds counted since power-on or reset."""
        return self.clock.local_us() - self.boot_local_us

    def calendar_s(self) -> tuple[int, int]:
        """Return seconds since 1970 as the processor's calendar has it, and its microseconds."""
        up_us = self.uptime_us()
        return up_us // 1000000 + self._calendar_offset_s, up_us % 1000000

    def set_calendar(self, seconds: int) -> None:
        """Set the calendar to `seconds` since 1970."""
        self._calendar_offset_s = seconds - self.uptime_us() // 1000000

    # --- the module ---------------------------------------------------------------------------

    def _make_module(
        self,
        spi_buses: "dict[int, SpiBus]",
        i2c_buses: "dict[int, I2cBus]",
        adc_u16: "Callable[[object], int]",
        unique_id: bytes,
        hard_timers: bool,
    ) -> "Module":
        clock = self.clock
        processor = self

        class Timer:
            """A software timer on the alarm pool, as in MicroPython's machine.Timer on rp2."""

            ONE_SHOT = 0
            PERIODIC = 1

            def __init__(self, id: "Any" = -1, **settings: "Any") -> None:
                if id != -1:
                    raise ValueError("Timer doesn't exist")
                processor._timer_number += 1
                self._event = Event(self._fire)
                self._irq = Interrupt(
                    clock, _TIMER_IRQ * 64 + processor._timer_number % 64, self._serve
                )
                self._callback = None
                if settings:
                    self.init(**settings)

            def init(
                self,
                *,
                mode: int = PERIODIC,
                freq: float = -1,
                period: int = -1,
                callback: "Callable[[Any], object] | None" = None,
                **more: "Any",
            ) -> None:
                """Start the timer; `period` in ms or `freq` in Hz."""
                if "tick_hz" in more:
                    tick_hz = more.pop("tick_hz")
                else:
                    tick_hz = 1000
                if hard_timers:
                    hard = more.pop("hard", False)
                else:
                    hard = False
                if more:
                    raise TypeError("extra keyword arguments given")
                self.deinit()
                if freq != -1:
                    period_us = int(1000000 / freq)
                else:
                    period_us = period * 1000000 // tick_hz
                if period_us < 1:
                    period_us = 1
                self._period_us = period_us
                self._mode = mode
                self._callback = callback
                self._hard = hard
                self._due_local_us = clock.local_us() + period_us
                processor._timers.append(self)
                clock.at(self._event, clock.true_us(self._due_local_us))

            def deinit(self) -> None:
                """Stop the timer."""
                clock.cancel(self._event)
                self._irq.clear()
                if self in processor._timers:
                    processor._timers.remove(self)

            def _fire(self) -> None:
                self._irq.trigger()

            def _serve(self) -> None:
                # The alarm pool counts a period from when the last one was due, not served.
                if self._mode == Timer.PERIODIC:
                    self._due_local_us += self._period_us
                    due_us = clock.true_us(self._due_local_us)
                    if due_us > clock.now:
                        clock.at(self._event, due_us)
                    else:
                        self._irq.trigger()  # missed one during a stall: it follows at once
                else:
                    processor._timers.remove(self)
                callback = self._callback
                if callback is None:
                    return
                if self._hard:
                    if not clock.run_hard(callback, self):
                        self.deinit()
                else:
                    clock.schedule(callback, self)

        class ADC:
            """The 12-bit converter, read as 16 bits."""

            CORE_TEMP = 4

            def __init__(self, pin: "Any") -> None:
                self._pin = pin

            def read_u16(self) -> int:
                """Return one conversion scaled to 0..65535."""
                clock.spend(2)
                return adc_u16(self._pin)

        class WDT:
            """The watchdog; once started it can only be fed."""

            def __init__(self, id: "Any" = 0, timeout: int = 5000) -> None:
                if not 1 <= timeout <= _WDT_MAX_MS:
                    raise ValueError("timeout exceeds %d" % _WDT_MAX_MS)
                processor._watchdog_us = timeout * 1000
                if clock.idle_limit_us > timeout * 250:  # one that a scenario stretched
                    clock.idle_limit_us = timeout * 250
                self.feed()

            def feed(self) -> None:
                """Put the bite off by the whole timeout."""
                clock.at(processor._watchdog, clock.now + processor._watchdog_us)

        class RTC:
            """The processor's own calendar: lost at every power cut."""

            def datetime(self, fields: tuple[int, ...] | None = None) -> tuple[int, ...] | None:
                """Return or set (year, month, day, weekday, hours, minutes, seconds, 0)."""
                if fields is None:
                    t = wall_time.gmtime(processor.calendar_s()[0])
                    return (t[0], t[1], t[2], t[6], t[3], t[4], t[5], 0)
                year, month, day, _, hours, minutes, seconds, _ = fields
                processor.set_calendar(
                    wall_time.mktime((year, month, day, hours, minutes, seconds, 0, 0, 0))
                )
                return None

        def lightsleep(time_ms: int | None = None) -> None:
            """Stop the clocks for `time_ms` or until a timer's interrupt; USB and radio are dead.

            ports/rp2/modmachine.c: all but the timer is gated, a short sleep is a plain delay.
            """
            if time_ms is None:
                raise ValueError("simulated: nothing would end it")
            if time_ms <= 1:
                clock.sleep(time_ms * 1000)
                return
            processor.before_light_sleep()
            clock.light_sleep(time_ms * 1000)

        class Memory:
            """machine.mem32: the registers the firmware reads."""

            def __getitem__(self, address: int) -> int:
                clock.spend(1)
                return processor.registers[address]()

        def deepsleep(time_ms: int | None = None) -> "Never":
            """Sleep, then reset."""
            lightsleep(time_ms)
            raise HardReset(WDT_RESET)

        def reset() -> "Never":
            raise HardReset(WDT_RESET)

        def soft_reset() -> "Never":
            raise SoftReset

        def freq(hz: int | None = None) -> int:
            return 125000000

        return Module(
            "machine",
            {
                "Pin": make_pin_class(clock, self.lines),
                "SPI": make_spi_class(clock, spi_buses),
                "I2C": make_i2c_class(clock, i2c_buses),
                "Timer": Timer,
                "ADC": ADC,
                "WDT": WDT,
                "RTC": RTC,
                "idle": clock.idle,
                "lightsleep": lightsleep,
                "mem32": Memory(),
                "deepsleep": deepsleep,
                "reset": reset,
                "soft_reset": soft_reset,
                "reset_cause": lambda: processor.reset_cause,
                "unique_id": lambda: unique_id,
                "freq": freq,
                "disable_irq": clock.disable_irq,
                "enable_irq": clock.enable_irq,
                "PWRON_RESET": PWRON_RESET,
                "WDT_RESET": WDT_RESET,
            },
        )
