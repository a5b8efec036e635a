"""This computer's radio: which one, who is on the air, and why not.

Below link.ble and scan; the only place besides link.ble that knows bleak. bleak is asyncio and
wants one event loop for a whole program, so one thread runs that loop, and everything here may be
called from any other thread, without asyncio.

    DEWARLOG_AIR=SOCKET    the virtual radio of tools/simboard/air in place of the real one
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import importlib
import logging
import os
import sys
import threading
import time
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as NotYet
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from bleak import BleakScanner
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakBluetoothNotAvailableReason,
    BleakDBusError,
    BleakError,
)

from dewarlog.errors import AirMissing, DewarlogError, LinkError, NoBluetooth
from dewarlog.link.advert import Heard, parse_advert
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from bleak.backends.client import BaseBleakClient
    from bleak.backends.device import BLEDevice
    from bleak.backends.scanner import AdvertisementData, BaseBleakScanner

_Result = TypeVar("_Result")
_LOG: Final = logging.getLogger(__name__)

AIR: Final = "DEWARLOG_AIR"
TOOLS: Final = Path(__file__).parents[3] / "tools"
_AIR_MODULE: Final = "simboard.air.bleak_backend"
# Python on Windows does not notice Ctrl-C while it waits for a lock: wait in turns.
TURN_S: Final = 0.25
_START_S: Final = 10.0
_END_S: Final = 2.0

# What a system's radio may raise: bleak's errors, and whatever comes through it from below (the
# D-Bus socket's OSError and EOFError, WinRT's own, an assertion of a stack whose peer is gone).
# Ours are no such error: who catches these lets DewarlogError pass first.
RADIO_ERRORS: Final = (Exception, asyncio.CancelledError)

_REASONS: Final = {
    BleakBluetoothNotAvailableReason.NO_BLUETOOTH: "absent",
    BleakBluetoothNotAvailableReason.NO_BLE_CENTRAL_ROLE: "absent",
    BleakBluetoothNotAvailableReason.POWERED_OFF: "off",
    BleakBluetoothNotAvailableReason.DENIED_BY_USER: "denied",
    BleakBluetoothNotAvailableReason.DENIED_BY_SYSTEM: "denied",
    BleakBluetoothNotAvailableReason.DENIED_BY_UNKNOWN: "denied",
    BleakBluetoothNotAvailableReason.UNKNOWN: "failed",
}
# D-Bus error names as BlueZ and the bus give them.
_DBUS: Final = {
    "org.bluez.Error.NotReady": "off",
    "org.bluez.Error.InProgress": "busy",
    "org.bluez.Error.NotAuthorized": "denied",
    "org.freedesktop.DBus.Error.AccessDenied": "denied",
    "org.freedesktop.DBus.Error.ServiceUnknown": "no service",
    "org.freedesktop.DBus.Error.NameHasNoOwner": "no service",
    "org.freedesktop.DBus.Error.NoReply": "no service",
}
# Of a try to connect, those that mean that no radio is left. NoReply, for one, is only late.
_NO_RADIO: Final = (
    "org.bluez.Error.NotReady",
    "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
)


class Backends(NamedTuple):
    """The classes bleak is told to use; None: its own for this system."""

    scanner: type[BaseBleakScanner] | None = None
    client: type[BaseBleakClient] | None = None


def backends(tools: Path = TOOLS) -> Backends:
    """Choose the radio: this computer's, or the virtual one that DEWARLOG_AIR names.

    Raises:
        AirMissing: DEWARLOG_AIR is set, and this is no source tree or lacks a library.
    """
    if not os.environ.get(AIR):
        return Backends()
    if not (tools / "simboard").is_dir():
        raise AirMissing("this dewarlog was installed without its source tree")
    if str(tools) not in sys.path:
        sys.path.append(str(tools))
    try:
        air = importlib.import_module(_AIR_MODULE)
        return Backends(air.AirScanner, air.AirClient)
    except ImportError as error:
        raise AirMissing(str(error)) from error


# --- the one event loop -------------------------------------------------------------------------
class _Thread:
    """An event loop in a thread of its own, from the first call of `run` to `end`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def loop(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_exception_handler(_note)
                # A daemon: a radio that hangs must not keep a program from ending.
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="dewarlog radio", daemon=True
                )
                self._thread.start()
            return self._loop

    def end(self) -> None:
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None:
            return
        stopping = asyncio.run_coroutine_threadsafe(_cancel_tasks(), loop)
        with contextlib.suppress(NotYet, CancelledError):
            stopping.result(_END_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_END_S)
        if not thread.is_alive():
            loop.close()


def _note(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Keep a stack's afterpains off the screen: who waited for it has been told what failed.

    A failed connect leaves dbus-fast with a broken pipe that nobody asks for, for one.
    """
    _LOG.debug("%s", context.get("message"), exc_info=context.get("exception"))


async def _cancel_tasks() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


_THREAD: Final = _Thread()
atexit.register(_THREAD.end)


def end() -> None:
    """Stop the radio's thread; it starts again when it is needed. Programs need not call this."""
    _THREAD.end()


def run(work: Coroutine[Any, Any, _Result], timeout_s: float) -> _Result:
    """Run a coroutine in the radio's loop and return what it does.

    Whatever ends the waiting, Ctrl-C too, ends the work as well, with its clearing up.

    Raises:
        TimeoutError: it took longer, and was cancelled.
    """
    ended = threading.Event()
    future = asyncio.run_coroutine_threadsafe(_timed(work, timeout_s, ended), _THREAD.loop())
    # The loop keeps the time; this side only gives up on a loop that is stuck.
    deadline = time.monotonic() + timeout_s + _END_S
    try:
        while True:
            try:
                return future.result(TURN_S)
            except NotYet:
                if future.done():  # with its own TimeoutError, or just now
                    return future.result()
                if time.monotonic() > deadline:
                    raise
    except CancelledError as error:
        raise TimeoutError("cancelled") from error
    finally:
        if future.cancel():
            ended.wait(_END_S)


async def _timed(
    work: Coroutine[Any, Any, _Result], timeout_s: float, ended: threading.Event
) -> _Result:
    try:
        return await asyncio.wait_for(work, timeout_s)
    finally:
        ended.set()


# --- who is on the air --------------------------------------------------------------------------
class Ear:
    """Who has been heard since listening began; made by `listening`."""

    def __init__(self) -> None:
        self._heard: dict[str, tuple[BLEDevice, Heard]] = {}
        self._news = threading.Event()

    def take(self, device: BLEDevice, data: AdvertisementData) -> None:
        """Keep an advertisement; called in the radio's loop, for every one."""
        if layout.BLE_SERVICE_UUID not in data.service_uuids:
            return
        before = self._heard.get(device.address)
        # A backend may forget a name between two advertisements; the person need not.
        name = data.local_name or device.name or (before[1].name if before else None)
        advert = parse_advert(data.manufacturer_data)
        heard = Heard(device.address, name, advert, data.rssi, time.monotonic())
        self._heard[device.address] = (device, heard)
        self._news.set()

    def heard(self) -> list[Heard]:
        """Return everyone heard so far, each as last heard."""
        return [heard for _, heard in list(self._heard.values())]

    def device(self, address: str) -> BLEDevice:
        """Return what bleak needs to connect to one of them."""
        return self._heard[address][0]

    def wait(self, timeout_s: float) -> None:
        """Wait for the next advertisement, at most so long."""
        self._news.wait(min(max(timeout_s, 0.0), TURN_S))
        self._news.clear()


@contextlib.contextmanager
def listening(name: str, chosen: Backends | None = None) -> Generator[Ear]:
    """Listen as long as the block lasts; `name` stands in messages.

    Raises:
        NoBluetooth: the radio cannot be used.
        AirMissing: the virtual one is asked for, and is not here.
    """
    chosen = backends() if chosen is None else chosen
    ear = Ear()
    try:
        scanner = run(_start(ear, chosen), _START_S)
    except DewarlogError:
        raise
    except RADIO_ERRORS as error:
        raise why_not(name, error) from error
    try:
        yield ear
    finally:
        # Nothing to be done about a scan that does not stop: the loop's end will end it.
        with contextlib.suppress(*RADIO_ERRORS):
            run(scanner.stop(), _START_S)


async def _start(ear: Ear, chosen: Backends) -> BleakScanner:
    scanner = BleakScanner(
        ear.take, service_uuids=[layout.BLE_SERVICE_UUID], backend=chosen.scanner
    )
    await scanner.start()
    return scanner


# --- why not ------------------------------------------------------------------------------------
def why_not(name: str, error: BaseException) -> LinkError:
    """Say what an error of starting the radio means for the person at the keyboard."""
    cause = "failed"
    if isinstance(error, BleakBluetoothNotAvailableError):
        cause = _REASONS.get(error.reason, "failed")
    elif isinstance(error, BleakDBusError):
        cause = _DBUS.get(error.dbus_error, "failed")
    elif isinstance(error, PermissionError):
        cause = "denied"
    elif isinstance(error, OSError | EOFError) and not isinstance(error, TimeoutError):
        cause = "no service"  # no D-Bus socket, or nobody behind it
    return NoBluetooth(name, cause, reason(error))


def is_unavailable(error: BaseException) -> bool:
    """Tell whether there is no radio to connect with, so that another try would be in vain."""
    if isinstance(error, BleakDBusError):
        return error.dbus_error in _NO_RADIO
    return isinstance(error, BleakBluetoothNotAvailableError)


def reason(error: BaseException) -> str:
    """Return the plainest words of an error."""
    if isinstance(error, BleakBluetoothNotAvailableError):
        return str(cast("object", error.args[0])).rstrip(".")
    if isinstance(error, TimeoutError | NotYet):
        return "no answer in time"
    words = str(getattr(error, "strerror", None) or error).strip().rstrip(".")
    if not words:
        return type(error).__name__
    foreseen = isinstance(error, BleakError | OSError)
    return words if foreseen else f"{type(error).__name__}: {words}"
