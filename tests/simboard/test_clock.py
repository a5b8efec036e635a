"""Virtual time and interrupts: what comes first, what waits, what is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from device_script import on_device

if TYPE_CHECKING:
    from conftest import MicroPython

_BOARD: Final = """
from simboard.device.clock import Clock, Event
from simboard.device.gpio import FALLING, RISING, Line
from simboard.device.processor import Processor
from simboard.device.modules import make_time, make_micropython
from simboard.device.console import Console

clock = Clock(CRYSTAL)
lines = {n: Line(clock, n) for n in range(30)}
processor = Processor(clock, lines, {}, {}, lambda pin: 0, b"12345678", True)
machine = processor.module
time = make_time(processor)
console = Console(clock)
console.sink = lambda data: None
clock.report = lambda error: None
log = []

def at(us, action):
    event = Event(action)
    clock.at(event, us)
    return event
"""
_TRUE: Final = _BOARD.replace("CRYSTAL", "0")


def test_events_happen_in_order_of_time_then_of_scheduling(micropython: MicroPython) -> None:
    """Two events of one moment keep the order they were put on the clock in."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        for name, us in (("c", 30), ("a", 10), ("b1", 20), ("b2", 20)):
            at(us, lambda name=name: log.append((name, clock.now)))
        cancelled = at(15, lambda: log.append("never"))
        clock.cancel(cancelled)
        clock.advance_to(100)
        show(log)
        """,
    )

    assert shown == [[["a", 10], ["b1", 20], ["b2", 20], ["c", 30]]]


def test_interrupts_wait_while_they_are_off_and_timers_come_before_pins(
    micropython: MicroPython,
) -> None:
    """RP2040: the timer's interrupt number is below the pins', and a lower pin comes first."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        for n in (7, 3):
            pin = machine.Pin(n, machine.Pin.IN, machine.Pin.PULL_UP)
            pin.irq(lambda p: log.append(repr(p)), machine.Pin.IRQ_FALLING, hard=False)
        timer = machine.Timer(-1, period=5, callback=lambda t: log.append("timer"), hard=False)
        at(1000, lambda: lines[7].set_level(0))
        at(2000, lambda: lines[3].set_level(0))
        state = machine.disable_irq()
        clock.advance_to(6000)
        show(log)
        machine.enable_irq(state)
        clock.main_thread()
        show(log)
        """,
    )

    assert shown == [[], ["timer", "Pin(GPIO3)", "Pin(GPIO7)"]]


def test_two_edges_during_a_stall_are_one_interrupt(micropython: MicroPython) -> None:
    """The bank remembers that a pin fell, not how often."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        calls = bytearray(1)
        def count(pin):
            calls[0] += 1
        pin = machine.Pin(2, machine.Pin.IN, machine.Pin.PULL_UP)
        pin.irq(count, machine.Pin.IRQ_FALLING, hard=True)
        state = machine.disable_irq()
        for level in (0, 1, 0, 1):
            lines[2].set_level(level)
        machine.enable_irq(state)
        show(calls[0])
        lines[2].set_level(0)
        clock.deliver()
        show(calls[0])
        """,
    )

    assert shown == [1, 2]


def test_handlers_do_not_nest(micropython: MicroPython) -> None:
    """What becomes due while a handler runs waits for its end."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        order = bytearray(8)
        place = bytearray(1)
        def note(what):
            order[place[0]] = what
            place[0] += 1
        def first(timer):
            note(1)
            time.ticks_us()
            clock.spend(5000)
            note(2)
        def second(pin):
            note(3)
        pin = machine.Pin(2, machine.Pin.IN, machine.Pin.PULL_UP)
        pin.irq(second, machine.Pin.IRQ_FALLING, hard=True)
        timer = machine.Timer(-1, mode=machine.Timer.ONE_SHOT, period=1, callback=first, hard=True)
        at(2000, lambda: lines[2].set_level(0))
        clock.advance_to(10000)
        show(list(order[:place[0]]))
        """,
    )

    assert shown == [[1, 2, 3]]


def test_a_hard_handler_that_allocates_fails_and_is_switched_off(micropython: MicroPython) -> None:
    """As on a board: the heap is locked in a hard interrupt, and a handler that raised is done."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        kept = []
        def keep(timer):
            kept.append(bytearray(64))
        timer = machine.Timer(-1, period=1, callback=keep, hard=True)
        clock.advance_to(5000)
        show(len(kept))
        show([failure[1][:11] for failure in clock.failures])
        soft = machine.Timer(-1, period=1, callback=keep)
        clock.advance_to(8500)
        clock.main_thread()
        show(len(kept))
        """,
    )

    assert shown == [0, ["MemoryError"], 3]


def test_a_periodic_timer_keeps_its_raster_over_a_stall(micropython: MicroPython) -> None:
    """The alarm pool counts from when a tick was due, not from when it was served."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        timer = machine.Timer(-1, period=10, callback=lambda t: log.append(clock.now), hard=False)
        clock.advance_to(15000)
        clock.main_thread()
        state = machine.disable_irq()
        clock.advance_to(34000)
        machine.enable_irq(state)
        clock.main_thread()
        for us in (40000, 50000):
            clock.advance_to(us)
            clock.main_thread()
        show(log)
        """,
    )

    # Served at 10 ms (logged when the main thread runs next), late at 34, then 40 and 50.
    assert shown == [[15000, 34000, 34000, 40000, 50000]]


def test_the_scheduler_holds_eight_calls(micropython: MicroPython) -> None:
    """MICROPY_SCHEDULER_DEPTH of rp2: the ninth call raises RuntimeError."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        schedule = make_micropython(console).schedule
        for i in range(8):
            schedule(log.append, i)
        try:
            schedule(log.append, 8)
        except RuntimeError as error:
            show(str(error))
        clock.spend(1)
        show(log)
        """,
    )

    assert shown == ["schedule queue full", [0, 1, 2, 3, 4, 5, 6, 7]]


def test_ticks_count_by_the_crystal_and_wrap_at_2_to_the_30(micropython: MicroPython) -> None:
    """A crystal 50 ppm fast counts 50 us more in a second; ticks wrap as on 32-bit boards."""
    shown = on_device(
        micropython,
        _BOARD.replace("CRYSTAL", "50000"),
        """
        clock.advance_to(1000000)
        show(processor.uptime_us())
        clock.advance_to((1 << 30) * 1000 + 5000000)
        ticks = time.ticks_ms()
        show(ticks < 70000)
        show(time.ticks_diff(ticks, (1 << 30) - 1))
        before = clock.now
        time.sleep_ms(1000)
        show(clock.now - before)
        """,
    )

    assert shown[0] == 1_000_050
    assert shown[1] is True
    assert shown[2] == 58_688  # 5 s, and 50 ppm of 2**30 ms
    assert abs(shown[3] - 999_950) <= 1


def test_idle_returns_at_the_next_interrupt_or_after_a_millisecond(
    micropython: MicroPython,
) -> None:
    """machine.idle() of the rp2 port waits no longer (mp_wfe_or_timeout(1))."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        timer = machine.Timer(-1, mode=machine.Timer.ONE_SHOT, tick_hz=10000, period=4,
                              callback=lambda t: None, hard=True)
        machine.idle()
        show(clock.now)
        machine.idle()
        show(clock.now)
        """,
    )

    assert shown == [400, 1_400]


def test_ctrl_c_reaches_the_main_thread_and_empties_the_input(micropython: MicroPython) -> None:
    """A received 0x03 drops what waits in the input buffer and raises KeyboardInterrupt."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        at(1000, lambda: console.receive(b"before"))
        at(2000, lambda: console.receive(b"lost\\x03kept"))
        try:
            time.sleep_ms(10)
        except KeyboardInterrupt:
            show(clock.now)
        show(console.stdin_buffer.read(4).decode())
        make_micropython(console).kbd_intr(-1)
        console.receive(b"\\x03")
        time.sleep_ms(1)
        show(console.available())
        """,
    )

    assert shown == [2000, "kept", 1]


def test_the_watchdog_bites_a_board_that_hangs(micropython: MicroPython) -> None:
    """A main loop that never feeds it is reset, with the watchdog as the cause."""
    shown = on_device(
        micropython,
        _TRUE,
        """
        from simboard.device.power import HardReset
        dog = machine.WDT(timeout=2000)
        time.sleep_ms(1500)
        dog.feed()
        try:
            time.sleep_ms(5000)
        except HardReset as reset:
            show([clock.now, reset.cause == machine.WDT_RESET])
        """,
    )

    assert shown == [[3_500_000, True]]
