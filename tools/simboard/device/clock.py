"""Virtual time and interrupts: the one place that decides what happens next.

Time is in microseconds of true time since the scenario began. It advances only when the firmware
does something that takes time on a board: sleeping, idling, bus transfers, flash operations,
reading a clock. Chips put events on the clock; events raise interrupts; interrupts reach the
firmware as soon as time advances with interrupts on, in the order of the RP2040's priorities
(lower interrupt number first: timers before pins). A hard handler runs with the heap locked, as
on a board, so one that allocates fails here too. In real time the same clock follows the wall.
"""

import sys

from micropython import heap_lock, heap_unlock

from simboard.device.energy import Energy
from simboard.device.power import BoardStop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

NEVER = 1 << 60
WAIT_US = 2500000  # a wait without an end is made of waits as long as this
IDLE_US = 1000  # machine.idle of the rp2 port: mp_wfe_or_timeout(1)
SCHEDULE_DEPTH = 8  # MICROPY_SCHEDULER_DEPTH of the rp2 port


class Event:
    """Something that will happen at `due_us`; `action` takes no argument."""

    def __init__(self, action: "Callable[[], object]") -> None:
        self.action = action
        self.due_us = NEVER


class Interrupt:
    """One interrupt source. `service` runs when the processor takes it."""

    def __init__(self, clock: "Clock", number: int, service: "Callable[[], object]") -> None:
        self.number = number
        self.pending = False
        self._clock = clock
        self.service = service

    def trigger(self) -> None:
        """Ask for the processor's attention; asking twice before it comes is asking once."""
        if not self.pending:
            self.pending = True
            self._clock.waiting.append(self)

    def clear(self) -> None:
        """Forget a request the processor has not taken yet."""
        if self.pending:
            self.pending = False
            self._clock.waiting.remove(self)


class Clock:
    """Virtual time, the events on it, and the interrupts they cause.

    `crystal_ppb` is how fast the processor's crystal runs, in parts per billion: `local_us` is
    what the processor counts. `pace`, when set, ties the clock to the wall (see pace.Pace).
    """

    def __init__(self, crystal_ppb: int = 0, idle_limit_us: int = IDLE_US) -> None:
        self.now = 0
        self.next_due = NEVER
        self.crystal_ppb = crystal_ppb
        self.idle_limit_us = idle_limit_us
        self.pace = None
        self.waiting = []  # interrupts triggered and not yet taken
        self.irq_on = True
        self.in_irq = False
        self.served = 0  # interrupts taken, console input included
        self.energy = Energy()
        self.timer_only = False  # in lightsleep: what is not the timer's interrupts nobody
        self.keyboard = False  # a KeyboardInterrupt waits for the main thread
        self.failures = []  # (what, exception) of handlers that raised
        self.report = sys.print_exception  # how a failing handler is told to the person
        self._events = []  # sorted, the next one last
        self._soft = []  # (callback, argument), run by the scheduler of the port
        self._in_soft = False

    # --- events -------------------------------------------------------------------------------

    def at(self, event: "Event", due_us: int) -> None:
        """Put `event` on the clock for `due_us`; an event stands on it once, at its last date."""
        events = self._events
        if event.due_us != NEVER:
            events.remove(event)
        event.due_us = due_us
        place = len(events)
        while place and events[place - 1].due_us <= due_us:
            place -= 1
        events.insert(place, event)
        self.next_due = events[-1].due_us

    def cancel(self, event: "Event") -> None:
        """Take `event` off the clock, if it is on it."""
        if event.due_us != NEVER:
            self._events.remove(event)
            event.due_us = NEVER
            self.next_due = self._events[-1].due_us if self._events else NEVER

    # --- time ---------------------------------------------------------------------------------

    def advance_to(self, target_us: int) -> None:
        """Let everything happen that is due by `target_us`, interrupts included."""
        events = self._events
        while self.next_due <= target_us:
            event = events.pop()
            due_us = event.due_us
            if due_us > self.now:
                self.now = due_us
            event.due_us = NEVER
            self.next_due = events[-1].due_us if events else NEVER
            event.action()
            if self.waiting:
                self.deliver()
        if target_us > self.now:
            self.now = target_us

    def spend(self, us: int) -> None:
        """Let `us` pass because the firmware did something that takes that long.

        Inside a handler what comes due meanwhile waits for its end, and nothing is allocated.
        """
        target_us = self.now + us
        if self.in_irq:
            self.now = target_us
            return
        if self.pace is not None:
            wall_us = self.pace.now_us()
            if wall_us > target_us:
                target_us = wall_us
        if self.next_due <= target_us:
            self.advance_to(target_us)
        else:
            self.now = target_us
        if self._soft or self.keyboard:
            self.main_thread()

    def idle(self) -> None:
        """Do as machine.idle does: wait for an interrupt, for `idle_limit_us` at most."""
        self.wait_until(self.now + self.idle_limit_us)

    def wait_until(self, limit_us: int) -> None:
        """Wait (WFE) for the next interrupt, for console input, or until `limit_us`.

        As `sleep`, no longer where the processor was taken away.
        """
        if BoardStop.newest is not None:
            raise BoardStop.newest
        began_us = self.now
        served = self.served
        while self.served == served:
            target_us = self.next_due if self.next_due < limit_us else limit_us
            if self.pace is not None:
                self.pace.wait_until(target_us)
                wall_us = self.pace.now_us()
                if wall_us < target_us:  # woken early, by input
                    self.advance_to(wall_us)
                    break
            self.advance_to(target_us)
            if target_us == limit_us:
                break
        self.energy.waited(self.now - began_us)
        if self._soft or self.keyboard:
            self.main_thread()

    def light_sleep(self, us: int) -> None:
        """Stop all clocks but the timer's for `us`, or until an interrupt of a timer.

        Nothing else wakes the processor, and an edge on a pin is not seen, then or later.
        """
        if BoardStop.newest is not None:
            raise BoardStop.newest
        began_us = self.now
        limit_us = began_us + us
        served = self.served
        self.timer_only = True
        try:
            while self.served == served and self.now < limit_us:
                target_us = self.next_due if self.next_due < limit_us else limit_us
                if self.pace is not None:
                    self.pace.wait_until(target_us)
                    wall_us = self.pace.now_us()
                    self.advance_to(target_us if target_us < wall_us else wall_us)
                else:
                    self.advance_to(target_us)
        finally:
            self.timer_only = False
        self.energy.slept_lightly(self.now - began_us)
        if self._soft or self.keyboard:
            self.main_thread()

    def sleep(self, us: int) -> None:
        """Let `us` of the processor's time pass, interrupts and Ctrl-C included.

        A processor that was taken away sleeps no more: what took it is raised again.
        """
        if BoardStop.newest is not None:
            raise BoardStop.newest
        until_us = self.now + us - us * self.crystal_ppb // (1000000000 + self.crystal_ppb)
        self.energy.waited(until_us - self.now, counts=False)
        while self.now < until_us:
            if self.pace is not None:
                self.pace.wait_until(until_us if until_us < self.next_due else self.next_due)
                wall_us = self.pace.now_us()
                self.advance_to(until_us if until_us < wall_us else wall_us)
            else:
                self.advance_to(until_us if until_us < self.next_due else self.next_due)
            if self._soft or self.keyboard:
                self.main_thread()

    def local_us(self) -> int:
        """Return the microseconds the processor's crystal has counted since the scenario began."""
        return self.now + self.now * self.crystal_ppb // 1000000000

    def true_us(self, local_us: int) -> int:
        """Return when the processor's crystal will have counted `local_us`."""
        return local_us - local_us * self.crystal_ppb // (1000000000 + self.crystal_ppb)

    # --- interrupts ---------------------------------------------------------------------------

    def disable_irq(self) -> bool:
        """Hold interrupts back; return the state to give back to `enable_irq`."""
        before = self.irq_on
        self.irq_on = False
        return before

    def enable_irq(self, state: bool) -> None:
        """Restore the state `disable_irq` returned; what waited is served at once."""
        self.irq_on = state
        if state and self.waiting:
            self.deliver()

    def deliver(self) -> None:
        """Serve the interrupts that wait, lowest number first; handlers do not nest."""
        waiting = self.waiting
        while waiting and self.irq_on and not self.in_irq:
            source = waiting[0]
            for other in waiting:
                if other.number < source.number:
                    source = other
            waiting.remove(source)
            source.pending = False
            self.served += 1
            self.energy.interrupted(source.number)
            self.timer_only = False  # the clocks are back before a handler runs
            self.in_irq = True
            try:
                source.service()
            finally:
                self.in_irq = False

    def run_hard(self, callback: "Callable[[Any], object]", argument: object) -> bool:
        """Call a firmware handler as the port does: heap locked. Return False if it raised."""
        heap_lock()
        try:
            callback(argument)
        except Exception as error:  # noqa: BLE001 - as the port: told, and the board goes on
            heap_unlock()
            try:
                self.handler_failed(callback, error)
            finally:
                heap_lock()
            return False
        finally:
            heap_unlock()
        return True

    def schedule(self, callback: "Callable[[Any], object]", argument: object) -> bool:
        """Queue a call for the main thread; return False when the queue is full."""
        if len(self._soft) >= SCHEDULE_DEPTH:
            return False
        self._soft.append((callback, argument))
        return True

    def call_soon(self, node: "Callable[[Any], object]") -> None:
        """Queue a node of the port's own: it stands there once, and always has a place."""
        for callback, _ in self._soft:
            if callback is node:
                return
        self._soft.append((node, None))

    def main_thread(self) -> None:
        """Outside handlers: run scheduled calls, then raise a KeyboardInterrupt that waits."""
        if self.in_irq or self._in_soft or not self.irq_on:
            return
        while self._soft:
            callback, argument = self._soft.pop(0)
            self._in_soft = True
            try:
                callback(argument)
            except Exception as error:  # noqa: BLE001 - as the port
                self.handler_failed(callback, error)
            finally:
                self._in_soft = False
        if self.keyboard:
            self.keyboard = False
            raise KeyboardInterrupt

    def wake(self) -> None:
        """Count an interrupt that needs no service, such as a byte received on USB."""
        if not self.timer_only:
            self.served += 1
            self.energy.interrupted(-1)

    def forget_firmware(self) -> None:
        """Drop what a reset drops on the processor's side; chip events stay."""
        for source in self.waiting:
            source.pending = False
        self.waiting.clear()
        self._soft.clear()
        self.irq_on = True
        self.in_irq = False
        self._in_soft = False
        self.keyboard = False

    def handler_failed(self, callback: "Callable[[Any], object]", error: Exception) -> None:
        """Tell the person of a handler that raised; the board goes on."""
        self.failures.append((repr(callback), repr(error)))
        self.report(error)
