"""Sleep on the simulated board: what ends a wait or a lightsleep, what is dead, what counts.

The rules are those of MicroPython's rp2 port: ports/rp2/modmachine.c, mp_machine_lightsleep, and
extmod/modselect.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from device_script import on_device

if TYPE_CHECKING:
    from conftest import MicroPython

_BOARD: Final = """
from simboard.device.clock import Clock, Event
from simboard.device.console import Console
from simboard.device.gpio import Line, make_pin_class
from simboard.device.modules import make_select
from simboard.device.processor import Processor

clock = Clock()
console = Console(clock)
line = Line(clock, 5)
line.set_level(1)
processor = Processor(clock, {5: line}, {}, {}, lambda pin: 0, b"12345678", True)
processor.registers[0x50110048] = console.frame_number
machine = processor.module
select = make_select(console)
poll = select.poll()
kept = []

def at(us, action):
    event = Event(action)
    kept.append(event)
    clock.at(event, us)

def tick(ms):
    kept.append(machine.Timer(-1, mode=machine.Timer.ONE_SHOT, period=ms,
                              callback=lambda t: None, hard=True))
"""


def test_lightsleep_lasts_its_time_and_the_timer_alone_ends_it(micropython: MicroPython) -> None:
    """A pin's edge and a host's byte do not; the timer goes on."""
    shown = on_device(
        micropython,
        _BOARD,
        """
        edges = []
        machine.Pin(5, machine.Pin.IN).irq(lambda pin: edges.append(1), machine.Pin.IRQ_FALLING)
        at(10000, lambda: line.set_level(0))
        at(20000, lambda: console.receive(b"lost"))
        machine.lightsleep(100)
        show([clock.now, len(edges), line.level, console.available(), clock.energy.usb_lost_bytes])
        tick(30)
        machine.lightsleep(100)
        show(clock.now)
        """,
    )

    assert shown == [[100_000, 0, 0, 0, 4], 130_000]


def test_a_lightsleep_of_a_millisecond_is_a_plain_delay(micropython: MicroPython) -> None:
    """The port says so: too short to stop clocks for; interrupts and USB go on."""
    shown = on_device(
        micropython,
        _BOARD,
        """
        at(500, lambda: console.receive(b"kept"))
        machine.lightsleep(1)
        show([clock.now, console.available(), clock.energy.light_sleeps])
        """,
    )

    assert shown == [[1_000, 4, 0]]


def test_what_the_timer_calls_in_a_lightsleep_finds_the_clocks_on(
    micropython: MicroPython,
) -> None:
    """The handler runs after the clocks are back: pins and USB work in it and behind it."""
    shown = on_device(
        micropython,
        _BOARD,
        """
        pin = machine.Pin(5, machine.Pin.IN)
        edges = []
        pin.irq(lambda pin: edges.append(clock.now), machine.Pin.IRQ_FALLING, hard=True)
        heard = []
        timer = machine.Timer(-1, mode=machine.Timer.ONE_SHOT, period=7, hard=True,
                              callback=lambda t: heard.append(clock.timer_only))
        at(8000, lambda: line.set_level(0))
        try:
            machine.lightsleep(50)
        except Exception as error:
            show(repr(error))
        show([clock.now, heard])
        poll.register(console.stdin_buffer, 1)
        poll.poll(2)
        show(edges)
        """,
    )

    assert shown == [[7_000, [False]], [8_000]]


def test_a_poll_waits_for_its_streams_and_looks_after_every_interrupt(
    micropython: MicroPython,
) -> None:
    """One of the firmware's own ends it too, by its ioctl."""
    shown = on_device(
        micropython,
        _BOARD,
        """
        import io
        asked = []

        class Bell(io.IOBase):
            rings = False
            def ioctl(self, request, argument):
                asked.append(clock.now)
                return 1 if self.rings else 0

        bell = Bell()
        poll.register(console.stdin_buffer, 1)
        poll.register(bell, 1)
        tick(5)
        show(len(poll.poll(20)))
        show([clock.now // 1000, len(asked)])
        at(clock.now + 3000, lambda: console.receive(b"x"))
        show([len(poll.poll(20)), clock.now // 1000])
        console.take(bytearray(1))
        tick(4)
        bell.rings = True
        show([len(poll.poll(20)), clock.now // 1000])
        """,
    )

    assert shown[0] == 0
    assert shown[1] == [20, 3]  # before it waits, after the tick, at its end
    assert shown[2] == [1, 23]
    assert shown[3] == [1, 23]


def test_frames_of_a_host_move_while_its_cable_is_in(micropython: MicroPython) -> None:
    """Each millisecond one, in the register the firmware reads; without a host it stands."""
    shown = on_device(
        micropython,
        _BOARD,
        """
        def frames():
            first = machine.mem32[0x50110048]
            machine.lightsleep(1)
            machine.lightsleep(1)
            return machine.mem32[0x50110048] - first

        show(frames())
        console.cables = [(0, 50000)]
        show(frames())
        clock.sleep(60000)
        show(frames())
        """,
    )

    assert shown[0] == 0
    assert shown[1] >= 2
    assert shown[2] == 0


def test_time_is_counted_as_waiting_light_or_awake(micropython: MicroPython) -> None:
    """By what the processor did, and what woke it."""
    shown = on_device(
        micropython,
        _BOARD,
        """
        machine.lightsleep(40)
        tick(5)
        poll.register(console.stdin_buffer, 1)
        poll.poll(10)
        clock.sleep(3000)
        clock.spend(2000)
        told = clock.energy.report(clock.now, 0, 0)
        show([told["light_ms"], told["wait_ms"], told["awake_ms"]])
        show([told["wake_ups"], told["light_sleeps"], told["interrupts"]["timer"]])
        """,
    )

    assert shown == [[40, 12, 2], [3, 1, 1]]  # a poll takes some us of its 10 ms itself
