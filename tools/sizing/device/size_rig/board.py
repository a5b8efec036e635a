"""The modules a board has and a PC has not: time, machine, rp2, bluetooth; and what moves time.

Time stands still while the firmware works and goes on while it sleeps: machine.idle() goes to
what is due next. The flash is a file of the PC, past which nothing of it is in the heap.
"""

import io
import sys

from size_rig import chips

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

FLASH_BYTES = 848 * 1024  # a Pico W's file system
_BLOCK = 4096
_CONVERSION_MS = 800
_TICKS_MASK = 0x3FFFFFFF


class Module:
    """A module by its attributes."""


class Flash:
    """rp2.Flash: a block device in a file of the PC; erased bytes are FF."""

    file = None

    def readblocks(self, number: int, buffer: bytearray, offset: int = 0) -> None:
        """Read."""
        Flash.file.seek(number * _BLOCK + offset)
        Flash.file.readinto(buffer)

    def writeblocks(self, number: int, buffer: bytes, offset: "int | None" = None) -> None:
        """Program."""
        if offset is None:
            offset = 0
        Flash.file.seek(number * _BLOCK + offset)
        Flash.file.write(buffer)

    def ioctl(self, operation: int, number: int) -> int:
        """Tell the size, or erase."""
        if operation == 4:
            return FLASH_BYTES // _BLOCK
        if operation == 5:
            return _BLOCK
        if operation == 6:
            Flash.file.seek(number * _BLOCK)
            for _ in range(_BLOCK // 64):
                Flash.file.write(b"\xff" * 64)
        return 0


class Timer:
    """machine.Timer: periodic."""

    PERIODIC = 0

    def __init__(self, _number: int) -> None:
        self.callback = None
        self.period_ms = 0
        self.due_ms = 0

    def init(self, *, mode: int, period: int, callback: "Callable", hard: bool = True) -> None:
        """Begin."""
        self.period_ms = period
        self.callback = callback
        self.due_ms = world.now_ms + period
        if self not in world.timers:
            world.timers.append(self)

    def deinit(self) -> None:
        """End."""
        self.callback = None


class Console(io.IOBase):
    """The USB console: `heard` is what the board says, `said` what the host has for it."""

    def __init__(self) -> None:
        self.reader = self.writer = self
        self.said = b""
        self.heard = None

    def ioctl(self, request: int, flags: int) -> int:
        """Tell a poller what can be done: always write; read, when the host has said something."""
        return flags & (5 if self.said else 4) if request == 3 else 0

    def readinto(self, buffer: bytearray) -> int:
        """Give a byte."""
        if not self.said:
            return 0
        buffer[0] = self.said[0]
        self.said = self.said[1:]
        return 1

    def write(self, data: bytes) -> int:
        """Let the host hear it."""
        if self.heard is not None:
            self.heard(data)
        return len(data)


class Radio:
    """bluetooth.BLE as BTstack is: a copy of each notification stays in the heap until it went."""

    def __init__(self) -> None:
        self.handler = None
        self.heard = None
        self.queue = []
        self.values = {}
        self.is_active = False
        self.handles = {}
        self.mtu = 23

    def active(self, *state: bool) -> bool:
        """Switch."""
        if state:
            self.is_active = state[0]
        return self.is_active

    def config(self, **_settings: object) -> None:
        """Do nothing."""

    def irq(self, handler: "Callable") -> None:
        """Keep the handler."""
        self.handler = handler

    def gatts_register_services(self, services: tuple) -> tuple:
        """Give each characteristic a handle."""
        handles = []
        for number, characteristic in enumerate(services[0][1]):
            self.handles[characteristic[0]] = number
            self.values[number] = b""
            handles.append(number)
        return (tuple(handles),)

    def gatts_set_buffer(self, handle: int, length: int, append: bool = False) -> None:
        """Hold as much as a stack does."""
        self.values[handle] = bytes(length)

    def gatts_write(self, handle: int, data: bytes, send_update: bool = False) -> None:
        """Set a value."""
        self.values[handle] = bytes(data)

    def gatts_read(self, handle: int) -> bytes:
        """Return a value."""
        return self.values[handle]

    def gatts_notify(self, connection: int, handle: int, data: memoryview) -> None:
        """Take a notification."""
        self.queue.append((handle, bytes(data)))

    def gap_advertise(self, *_settings: object, **_more: object) -> None:
        """Do nothing."""

    def gap_disconnect(self, connection: int) -> bool:
        """Part."""
        self.handler(2, (connection, 0, b"phone!"))
        return True

    def carry(self) -> bool:
        """Send what waits; say whether anything did."""
        if not self.queue:
            return False
        while self.queue:
            handle, data = self.queue.pop(0)
            if self.heard is not None:
                self.heard(handle, data)
        return True


class World:
    """What happens around the firmware. `turn() -> bool` is the host's: it did something."""

    def __init__(self) -> None:
        self.now_ms = 1000
        self.timers = []
        self.console = Console()
        self.radio = Radio()
        self.turn = None
        self.ticks = 0
        self.warm = False
        self.due_ms = -1  # when conversions are done
        self.late = []  # (ms, function), the next one last

    def build(self) -> None:
        """Solder the chips on, as board.py has them for RP2."""
        probes, shock = chips.SPI(0), chips.SPI(1)
        pin = chips.Pin
        self.converters = [
            chips.Converter(probes, pin(select), pin(ready))
            for select, ready in ((17, 2), (20, 3), (21, 6), (22, 7))
        ]
        self.accelerometer = chips.Accelerometer(shock, pin(13), pin(14))

    def idle(self, limit_ms: int = 1000) -> None:
        """Do what is due next, if it is due within the limit."""
        if self.radio.carry():
            return
        if self.turn is not None and self.turn():
            return
        self.pass_to(min(self._next_ms(), self.now_ms + limit_ms))

    def sleep_ms(self, ms: int) -> None:
        """Let time pass."""
        self.pass_to(self.now_ms + ms)

    def pass_to(self, until_ms: int) -> None:
        """Let everything happen that is due until then."""
        while True:
            next_ms = self._next_ms()
            if next_ms > until_ms:
                self.now_ms = max(until_ms, self.now_ms)
                return
            self.now_ms = max(next_ms, self.now_ms)
            if next_ms == self.due_ms:
                self.due_ms = -1
                for converter in self.converters:
                    converter.convert(self.warm)
            elif self.late and self.late[-1][0] == next_ms:
                self.late.pop()[1]()
            else:
                for timer in self.timers:
                    if timer.callback is not None and timer.due_ms == next_ms:
                        timer.due_ms += timer.period_ms
                        if timer is self.timers[0]:
                            self.ticks += 1
                            self.due_ms = self.now_ms + _CONVERSION_MS
                        timer.callback(timer)

    def after(self, ms: int, function: "Callable") -> None:
        """Call a function when that much time has passed."""
        self.late.append((self.now_ms + ms, function))
        self.late.sort(key=lambda entry: -entry[0])

    def _next_ms(self) -> int:
        next_ms = self.now_ms + 1000
        if self.due_ms >= 0:
            next_ms = min(next_ms, self.due_ms)
        if self.late:
            next_ms = min(next_ms, self.late[-1][0])
        for timer in self.timers:
            if timer.callback is not None:
                next_ms = min(next_ms, timer.due_ms)
        return next_ms


class Waiter:
    """board.Waiter: what the main loop waits with."""

    def __init__(self, _console: Console, has_work: "Callable[[], bool]") -> None:
        self.has_work = has_work

    def wait(self, ms: int) -> None:
        """Let time pass until something happens."""
        world.idle(ms)


class Memory:
    """machine.mem32: the number of the USB frame, and a host is always there."""

    def __getitem__(self, _address: int) -> int:
        return world.now_ms & 0x7FF


world = World()


def install() -> None:
    """Put the modules in place, before the firmware is imported."""
    import time

    clock = Module()
    clock.ticks_ms = lambda: world.now_ms & _TICKS_MASK
    clock.ticks_us = lambda: world.now_ms * 1000 & _TICKS_MASK
    clock.sleep_ms = world.sleep_ms
    clock.gmtime = time.gmtime
    machine = Module()
    machine.Pin, machine.SPI, machine.I2C, machine.ADC = chips.Pin, chips.SPI, chips.I2C, chips.ADC
    machine.Timer = Timer
    machine.idle = world.idle
    machine.lightsleep = world.sleep_ms
    machine.mem32 = Memory()
    machine.disable_irq = lambda: 0
    machine.enable_irq = lambda _state: None
    machine.reset_cause = lambda: 1
    machine.PWRON_RESET = 1
    machine.unique_id = lambda: b"sizetest"
    rp2 = Module()
    rp2.Flash = Flash
    bluetooth = Module()
    bluetooth.BLE = lambda: world.radio
    bluetooth.UUID = str
    for name, module in (
        ("time", clock),
        ("machine", machine),
        ("rp2", rp2),
        ("bluetooth", bluetooth),
    ):
        sys.modules[name] = module
    world.build()
