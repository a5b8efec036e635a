"""Stand-ins for the modules the firmware imports, with the names the rp2 port gives them.

Names the unix port has and boards have not are left out, so that firmware cannot lean on them.
"""

import builtins
import gc
import os
import sys
import time

import micropython

from simboard.device.clock import NEVER
from simboard.device.processor import Module
from simboard.device.radio.module import make_bluetooth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from simboard.device.console import Console
    from simboard.device.nor_flash import BlockDevice
    from simboard.device.processor import Processor
    from simboard.device.radio.radio import Radio

TICKS_PERIOD = 1 << 30  # small ints of a 32-bit board end there
_HALF = TICKS_PERIOD >> 1
_CALL_US = 1
_POLL_US = 3
_OS_NAMES = (
    "VfsLfs2",
    "VfsFat",
    "chdir",
    "getcwd",
    "ilistdir",
    "listdir",
    "mkdir",
    "mount",
    "remove",
    "rename",
    "rmdir",
    "stat",
    "statvfs",
    "umount",
    "unlink",
    "urandom",
)


def make_time(processor: "Processor") -> "Module":
    """Return the `time` module: ticks of the simulated crystal, calendar of the processor."""
    clock = processor.clock

    def ticks_us() -> int:
        clock.spend(_CALL_US)
        return processor.uptime_us() % TICKS_PERIOD

    def ticks_ms() -> int:
        clock.spend(_CALL_US)
        return processor.uptime_us() // 1000 % TICKS_PERIOD

    def ticks_add(ticks: int, delta: int) -> int:
        return (ticks + delta) % TICKS_PERIOD

    def ticks_diff(end: int, start: int) -> int:
        return (end - start + _HALF) % TICKS_PERIOD - _HALF

    def sleep(seconds: float) -> None:
        clock.sleep(int(seconds * 1000000))

    def sleep_ms(ms: int) -> None:
        clock.sleep(ms * 1000)

    def calendar() -> int:
        clock.spend(_CALL_US)
        return processor.calendar_s()[0]

    def calendar_ns() -> int:
        clock.spend(_CALL_US)
        seconds, us = processor.calendar_s()
        return (seconds * 1000000 + us) * 1000

    def gmtime(seconds: int | None = None) -> tuple[int, ...]:
        return time.gmtime(calendar() if seconds is None else seconds)

    return Module(
        "time",
        {
            "ticks_us": ticks_us,
            "ticks_cpu": ticks_us,
            "ticks_ms": ticks_ms,
            "ticks_add": ticks_add,
            "ticks_diff": ticks_diff,
            "sleep": sleep,
            "sleep_ms": sleep_ms,
            "sleep_us": clock.sleep,
            "time": calendar,
            "time_ns": calendar_ns,
            "gmtime": gmtime,
            "localtime": gmtime,
            "mktime": time.mktime,
        },
    )


def make_select(console: "Console") -> "Module":
    """Return the `select` module. What waits looks at its streams after every interrupt."""
    clock = console.clock

    class poll:  # noqa: N801 - MicroPython's name
        def __init__(self) -> None:
            self._streams = []

        def register(self, obj: "Any", eventmask: int = 5) -> None:
            self.unregister(obj)
            self._streams.append((obj, eventmask))

        def unregister(self, obj: "Any") -> None:
            self._streams = [entry for entry in self._streams if entry[0] is not obj]

        def modify(self, obj: "Any", eventmask: int) -> None:
            self.register(obj, eventmask)

        def poll(self, timeout: int = -1) -> "list[Any]":
            clock.spend(_POLL_US)
            ready = self._ready()
            if ready or timeout == 0:
                return ready
            until_us = clock.now + timeout * 1000 if timeout > 0 else NEVER
            while not ready and clock.now < until_us:
                clock.wait_until(until_us)
                ready = self._ready()
            return ready

        def ipoll(self, timeout: int = -1, flags: int = 0) -> "Iterator[Any]":
            return iter(self.poll(timeout))

        def _ready(self) -> "list[Any]":
            found = []
            for stream, mask in self._streams:
                events = stream.ioctl(3, mask)
                if events:
                    found.append((stream, events))
            return found

    return Module("select", {"poll": poll, "POLLIN": 1, "POLLOUT": 4, "POLLERR": 8, "POLLHUP": 16})


def make_sys(console: "Console", identity: "dict[str, Any]") -> "Module":
    """Return the `sys` module of the board named by `identity` (see wiring.IDENTITIES)."""

    def print_exception(error: BaseException, file: "Any" = console.stdout) -> None:
        sys.print_exception(error, file)

    version = identity["version"]
    return Module(
        "sys",
        {
            "stdin": console.stdin,
            "stdout": console.stdout,
            "stderr": console.stdout,
            "modules": sys.modules,
            "path": sys.path,
            "argv": [],
            "exit": sys.exit,
            "print_exception": print_exception,
            "byteorder": "little",
            "maxsize": 0x7FFFFFFF,
            "platform": identity["platform"],
            "implementation": identity["implementation"],
            "version": "3.4.0; MicroPython v%d.%d.%d" % version,
            "version_info": (3, 4, 0),
            "ps1": ">>> ",
            "ps2": "... ",
        },
    )


def make_os(identity: "dict[str, Any]") -> "Module":
    """Return the `os` module: the file system's names and the board's."""
    attributes = {name: getattr(os, name) for name in _OS_NAMES}
    attributes["uname"] = lambda: identity["uname"]
    attributes["sync"] = lambda: None
    attributes["sep"] = "/"
    return Module("os", attributes)


def make_micropython(console: "Console") -> "Module":
    """Return the `micropython` module; scheduling and Ctrl-C go by the simulated clock."""
    clock = console.clock

    def schedule(callback: "Callable[[Any], object]", argument: object) -> None:
        if not clock.schedule(callback, argument):
            raise RuntimeError("schedule queue full")

    def kbd_intr(character: int) -> None:
        console.interrupt_char = character

    return Module(
        "micropython",
        {
            "const": micropython.const,
            "RingIO": micropython.RingIO,
            "heap_lock": micropython.heap_lock,
            "heap_unlock": micropython.heap_unlock,
            "mem_info": micropython.mem_info,
            "qstr_info": micropython.qstr_info,
            "stack_use": micropython.stack_use,
            "opt_level": micropython.opt_level,
            "alloc_emergency_exception_buf": lambda size: None,
            "schedule": schedule,
            "kbd_intr": kbd_intr,
        },
    )


class Overlay:
    """The stand-ins, put in place for the firmware and taken away again for ourselves."""

    def __init__(
        self,
        processor: "Processor",
        console: "Console",
        identity: "dict[str, Any]",
        radio: "Radio | None" = None,
    ) -> None:
        self._ours = {}
        self._boards = {
            "machine": processor.module,
            "time": make_time(processor),
            "select": make_select(console),
            "sys": make_sys(console, identity),
            "os": make_os(identity),
            "micropython": make_micropython(console),
        }
        if radio is not None:
            self._boards["bluetooth"] = make_bluetooth(radio)
        for name in ("time", "select", "os", "machine"):
            self._boards["u" + name] = self._boards[name]
        self._print = builtins.print
        self._input = builtins.input
        self._console = console
        self._kept = set(sys.modules)

    def install(self, flash: "BlockDevice") -> None:
        """Make the stand-ins what `import` finds, and print() the console's.

        `flash` is what rp2.Flash() gives: the device the file system stands on.
        """
        self._boards["rp2"] = Module("rp2", {"Flash": lambda: flash})
        real_print = self._print
        stdout = self._console.stdout

        def board_print(
            *values: "Any", sep: str = " ", end: str = "\n", file: "Any" = stdout
        ) -> None:
            real_print(*values, sep=sep, end=end, file=file)

        for name in self._boards:
            sys.modules[name] = self._boards[name]
        builtins.print = board_print

    def remove(self) -> None:
        """Give the interpreter its own modules back and forget what the firmware imported."""
        builtins.print = self._print
        for name in list(sys.modules):
            if name not in self._kept:
                del sys.modules[name]
        gc.collect()
