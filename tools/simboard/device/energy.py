"""What the processor did with its time: awake, waiting, in lightsleep, and what woke it.

Counts of simulated time. Waiting is WFE with all clocks on (machine.idle, time.sleep_ms, a poll
that waits), lightsleep has the PLLs off. What is left is awake, and is no board's speed: only
buses, flash and calls of the port take simulated time, Python code takes none.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PINS_IRQ = 13  # IO_IRQ_BANK0: RP2040 data sheet, table of interrupts; numbers below are timers
_CAUSES = ("timer", "pin", "usb or radio")


class Energy:
    """The account of one board, over all its boots."""

    def __init__(self) -> None:
        self.wait_us = 0
        self.light_us = 0
        self.waits = 0  # times it waited, and was woken
        self.light_sleeps = 0
        self.radio_lost = 0  # times lightsleep stopped a radio that was on
        self.usb_lost_bytes = 0  # bytes of a host that came while USB had no clock
        self.interrupts = [0, 0, 0]

    def waited(self, us: int, counts: bool = True) -> None:
        """Add a wait; `counts` says whether the main loop waited for what comes."""
        self.wait_us += us
        if counts:
            self.waits += 1

    def slept_lightly(self, us: int) -> None:
        """Add a lightsleep."""
        self.light_us += us
        self.light_sleeps += 1

    def interrupted(self, number: int) -> None:
        """Count an interrupt by its number, 64 to each source; -1: USB or radio."""
        cause = 2 if number < 0 else 1 if number >= PINS_IRQ * 64 else 0
        self.interrupts[cause] += 1

    def report(self, powered_us: int, flash_us: int, bus_us: int) -> "dict[str, Any]":
        """Return all of it for the launcher, times in ms."""
        awake_us = powered_us - self.wait_us - self.light_us
        return {
            "awake_ms": awake_us // 1000,
            "awake_flash_ms": flash_us // 1000,
            "awake_bus_ms": bus_us // 1000,
            "wait_ms": self.wait_us // 1000,
            "light_ms": self.light_us // 1000,
            "wake_ups": self.waits + self.light_sleeps,
            "light_sleeps": self.light_sleeps,
            "radio_lost": self.radio_lost,
            "usb_lost_bytes": self.usb_lost_bytes,
            "interrupts": {_CAUSES[n]: self.interrupts[n] for n in range(3)},
        }
