"""GPIO lines and the `machine.Pin` class of the rp2 port.

A `Line` is the copper; chips drive it or listen to it. A pin interrupt remembers one edge of each
kind until it is served, as the RP2040's bank does, so two falls during a flash stall are one.
"""

from micropython import heap_lock, heap_unlock

from simboard.device.clock import Interrupt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from simboard.device.clock import Clock

GPIO_COUNT = 30
_IO_IRQ_BANK0 = 13  # RP2040 data sheet, table 80: interrupt numbers; lower is served first
_CALL_US = 1  # a pin call from MicroPython at 125 MHz takes about this long

FALLING = 4  # GPIO_IRQ_EDGE_FALL, GPIO_IRQ_EDGE_RISE of the pico-sdk
RISING = 8


class Line:
    """One conductor: its level, who listens to what the processor drives, and its interrupt."""

    def __init__(self, clock: "Clock", number: int) -> None:
        self.number = number
        self.level = 1
        self.listeners = []  # called with the level when the processor changes it
        self.driven = False  # by a chip
        self.interrupt = Interrupt(clock, _IO_IRQ_BANK0 * 64 + number, self._serve)
        self.handler = None
        self.trigger = 0
        self.hard = False
        self.flags = 0
        self._edges = 0
        self._pin = None
        self._clock = clock

    def drive(self, level: int) -> None:
        """Set the level from the processor's side."""
        if level != self.level:
            self.level = level
            for listener in self.listeners:
                listener(level)
            self._edge(RISING if level else FALLING)

    def set_level(self, level: int) -> None:
        """Set the level from a chip's side."""
        self.driven = True
        if level != self.level:
            self.level = level
            self._edge(RISING if level else FALLING)

    def watch(
        self, pin: "Any", handler: "Callable[[Any], object] | None", trigger: int, hard: bool
    ) -> None:
        """Arm or disarm the pin interrupt; edges from before are forgotten."""
        self.interrupt.clear()
        self._edges = 0
        self.handler = handler
        self.trigger = trigger if handler is not None else 0
        self.hard = hard
        self._pin = pin

    def release(self) -> None:
        """Let go of the interrupt the firmware set up."""
        self.watch(None, None, 0, False)

    def to_input(self) -> None:
        """Go back to what a pin is after a reset: an input, pulled high on this board."""
        if not self.driven:
            self.drive(1)

    def _edge(self, kind: int) -> None:
        # The bank's edge detectors stand still in lightsleep (SLEEP_EN0.CLK_SYS_IO): the edge is
        # lost. A board may see it all the same; firmware must not count on that.
        if self.trigger & kind and not self._clock.timer_only:
            self._edges |= kind
            self.interrupt.trigger()

    def _serve(self) -> None:
        self.flags = self._edges
        self._edges = 0
        handler = self.handler
        if handler is None:
            return
        if self.hard:
            if not self._clock.run_hard(handler, self._pin):
                self.release()  # the port switches off a handler that raised
        else:
            self._clock.schedule(handler, self._pin)


def make_pin_class(clock: "Clock", lines: "dict[Any, Line]") -> type:
    """Return the `machine.Pin` class over `lines`, a dict from pin id to Line."""

    class PinIrq:
        """What Pin.irq returns."""

        def __init__(self, line: "Line") -> None:
            self._line = line

        def flags(self) -> int:
            """Return the edges that caused the last call."""
            return self._line.flags

        def trigger(self) -> int:
            """Return the edges watched for."""
            return self._line.trigger

    class Pin:
        """A GPIO pin, as in MicroPython's machine.Pin on rp2."""

        IN = 0
        OUT = 1
        OPEN_DRAIN = 2
        ALT = 3
        PULL_UP = 1
        PULL_DOWN = 2
        IRQ_FALLING = FALLING
        IRQ_RISING = RISING

        def __init__(
            self,
            id: "Any",
            mode: int = -1,
            pull: int = -1,
            *,
            value: int | None = None,
            alt: int = -1,
        ) -> None:
            if isinstance(id, Pin):
                self._line = id._line  # noqa: SLF001 - another of ours
            else:
                if isinstance(id, str) and id.startswith("GP"):
                    id = int(id[2:])
                if id not in lines:
                    raise ValueError("invalid pin")
                self._line = lines[id]
            if mode != -1 or value is not None:
                self.init(mode, pull, value=value)

        def init(
            self, mode: int = -1, pull: int = -1, *, value: int | None = None, alt: int = -1
        ) -> None:
            """Set direction, pull and first level."""
            line = self._line
            if mode == Pin.IN and not line.driven:
                line.level = 0 if pull == Pin.PULL_DOWN else 1
            elif mode in (Pin.OUT, Pin.OPEN_DRAIN) or value is not None:
                line.drive(1 if value else 0)

        def value(self, level: int | None = None) -> int | None:
            """Return the level, or set it."""
            return self(level)

        def __call__(self, level: int | None = None) -> int | None:
            if level is None:
                clock.spend(_CALL_US)
                return self._line.level
            if clock.in_irq:
                heap_unlock()
                try:
                    self._line.drive(1 if level else 0)
                finally:
                    heap_lock()
            else:
                self._line.drive(1 if level else 0)
            return None

        def on(self) -> None:
            """Set the level to 1."""
            self(1)

        def off(self) -> None:
            """Set the level to 0."""
            self(0)

        def high(self) -> None:
            """Set the level to 1."""
            self(1)

        def low(self) -> None:
            """Set the level to 0."""
            self(0)

        def toggle(self) -> None:
            """Set the level to what it is not."""
            self(not self._line.level)

        def irq(
            self,
            handler: "Callable[[Any], object] | None" = None,
            trigger: int = FALLING | RISING,
            hard: bool = False,
        ) -> object:
            """Call `handler` with this pin at the edges of `trigger`; None stops it."""
            self._line.watch(self, handler, trigger, hard)
            return PinIrq(self._line)

        def __repr__(self) -> str:
            return "Pin(GPIO%s)" % self._line.number

    return Pin
