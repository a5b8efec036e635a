"""The composition root: the only module that knows pins and `machine` objects.

Everything else takes what it needs as arguments. `open_board()` finds out which board it runs on;
the `Board` it returns makes drivers and lines on request. Nothing here is global but the wiring
tables, which firmware/README.md repeats for the person with the soldering iron.
"""

import io
import os
import select
import sys
import time
from collections import namedtuple

import machine

from dewarlog_firmware.sensors import adxl372, max31856
from dewarlog_firmware.sensors.adxl372 import ADXL372
from dewarlog_firmware.sensors.ds3231 import DS3231
from dewarlog_firmware.sensors.lis3dh import LIS3DH
from dewarlog_firmware.sensors.max31856 import MAX31856
from dewarlog_firmware.sensors.supply import Supply
from dewarlog_firmware.sizes import LARGE, SMALL
from dewarlog_wire.layout import BOOT_CAUSE_NAMES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
# One board. Pins are GPIO numbers; `probe_cs` and `probe_ready` are in probe order.
Wiring = namedtuple(
    "Wiring",
    (
        "name",  # as MicroPython names the build
        "spi_probes",  # SPI bus of the MAX31856: (id, sck, mosi, miso)
        "probe_cs",
        "probe_ready",  # DRDY
        "spi_shock",  # SPI bus of the ADXL372
        "shock_cs",
        "shock_int1",
        "i2c",  # LIS3DH and DS3231: (id, scl, sda)
        "supply_adc",
        "adc_reference_mv",
        "timer",  # id for machine.Timer
        "light_sleep",  # whether machine.lightsleep(ms) can be used: see Board.light_sleep
        "sizes",  # of the buffers, by how much RAM there is (sizes.py)
        "usb_frame",  # address of the register with the last USB frame's number; 0: none
    ),
)

# SPI and I2C functions of RP2040 and RP2350 pins: RP2040 datasheet, table 2 "GPIO functions"; the
# same on RP2350. GP23 to GP25 and GP29 belong to the radio of the W boards, GP0 and GP1 are left
# to a serial console.
_RP2 = {
    "spi_probes": (0, 18, 19, 16),
    "probe_cs": (17, 20, 21, 22),
    "probe_ready": (2, 3, 6, 7),
    "spi_shock": (1, 10, 11, 12),
    "shock_cs": 13,
    "shock_int1": 14,
    "i2c": (0, 5, 4),
    "supply_adc": 26,
    "adc_reference_mv": 3300,
    "timer": -1,
    "light_sleep": True,
    "sizes": LARGE,
    "usb_frame": 0x5011_0048,  # USBCTRL_REGS, SOF_RD: RP2040 and RP2350 data sheets, "USB"
}
_RP2040 = dict(_RP2, sizes=SMALL)
# Any pin takes any function on ESP32-S3. Avoided: strapping pins 0, 3, 45, 46; USB 19, 20; flash
# and PSRAM 26 to 37; console 43, 44 (ESP32-S3 series data sheet, sections on pins and strapping).
_ESP32_S3 = {
    "spi_probes": (1, 12, 11, 13),
    "probe_cs": (10, 14, 15, 16),
    "probe_ready": (4, 5, 6, 7),
    "spi_shock": (2, 39, 40, 41),
    "shock_cs": 42,
    "shock_int1": 2,
    "i2c": (0, 9, 8),
    "supply_adc": 1,
    "adc_reference_mv": 3100,
    "timer": 0,
    # Light sleep stops the clock of the timer that ticks here, and USB (ESP-IDF, "Sleep Modes").
    "light_sleep": False,
    "sizes": LARGE,
    "usb_frame": 0,
}

# How `os.uname().machine` begins, and what that board is. Order matters: first match.
_BOARDS = (
    ("Raspberry Pi Pico 2 W", "RPI_PICO2_W", _RP2),
    ("Raspberry Pi Pico W", "RPI_PICO_W", _RP2040),
    ("Raspberry Pi Pico with", "RPI_PICO", _RP2040),
    ("Generic ESP32S3", "ESP32_GENERIC_S3", _ESP32_S3),
)

_STREAM_POLL = 3  # MP_STREAM_POLL: what `select` asks of a stream
_USB_FRAME_MASK = 0x7FF
_WITHOUT_RADIO = ("RPI_PICO",)
_I2C_HZ = 400_000
_DIVIDER_KOHM = 100  # both resistors of the supply divider
_DEVICE_ID_BYTES = 8

# machine.reset_cause() constants, where the port has them. rp2 asks its watchdog and nothing else:
# a brown-out and the reset pin show as power on there, machine.reset(), which works by the
# watchdog, as watchdog, and Ctrl-D at the REPL as whatever came before it.
_RESET_CAUSES = (
    ("PWRON_RESET", "power on"),
    ("HARD_RESET", "reset pin"),
    ("WDT_RESET", "watchdog"),
    ("DEEPSLEEP_RESET", "deep sleep"),
    ("SOFT_RESET", "soft reset"),
    ("BROWNOUT_RESET", "brown-out"),
)


class UnknownBoardError(Exception):
    """No wiring table for this board; `machine` is what it calls itself."""

    def __init__(self, machine_name: str) -> None:
        super().__init__(
            "no wiring for %r; known: %s" % (machine_name, ", ".join([row[1] for row in _BOARDS]))
        )
        self.machine = machine_name


def machine_name() -> str:
    """Return what the board calls itself, such as "Raspberry Pi Pico W with RP2040"."""
    if hasattr(os, "uname"):
        return os.uname().machine
    return getattr(sys.implementation, "_machine", "")


def wiring_of(name: str) -> Wiring:
    """Return the wiring of the board with this `machine_name`; raises UnknownBoardError."""
    for beginning, board_name, wiring in _BOARDS:
        if name.startswith(beginning):
            return Wiring(name=board_name, **wiring)
    raise UnknownBoardError(name)


class PeriodicTimer:
    """A periodic interrupt: hard where the port has it, else from the scheduler."""

    def __init__(self, timer: "machine.Timer") -> None:
        self._timer = timer
        self.hard = False  # after `start`: what the port could do

    def start(self, period_ms: int, callback: "Callable[[object], None]") -> None:
        """Call `callback` every `period_ms` from now on, instead of what was before."""
        self._timer.deinit()
        try:
            self._timer.init(
                mode=machine.Timer.PERIODIC, period=period_ms, callback=callback, hard=True
            )
            self.hard = True
        # esp32: ValueError, hard timers are not implemented. rp2 before 1.26: TypeError, no such
        # argument.
        except (ValueError, TypeError):
            self._timer.init(mode=machine.Timer.PERIODIC, period=period_ms, callback=callback)
            self.hard = False

    def stop(self) -> None:
        """Call no more."""
        self._timer.deinit()


class InterruptLine:
    """An input whose one edge interrupts: hard where the port has it, else scheduled."""

    def __init__(self, pin: "machine.Pin", edge: int) -> None:
        self._edge = edge
        self._pin = pin
        self.level: "Callable[[], int]" = pin.value  # bound once: interrupts call it

    def watch(self, handler: "Callable[[object], None] | None") -> None:
        """Call `handler` at every edge; with None, call nothing."""
        try:
            self._pin.irq(handler=handler, trigger=self._edge, hard=True)
        except TypeError:  # esp32 knows no such argument
            self._pin.irq(handler=handler, trigger=self._edge)


class Waiter(io.IOBase):
    """Waits for a byte of the console, or for what an interrupt brings: `select` looks at both.

    `has_work()` is asked after every interrupt, so it allocates nothing. machine.idle would do
    less: it returns after 1 ms on rp2, at once on esp32, with nothing to do.
    """

    def __init__(self, console: "Console", has_work: "Callable[[], bool]") -> None:
        self.has_work = has_work
        self._poll = select.poll()
        self._poll.register(console.reader, select.POLLIN)
        self._poll.register(self, select.POLLIN)

    def wait(self, ms: int) -> None:
        """Wait at most `ms`, interrupts and the scheduler on."""
        for _ in self._poll.ipoll(ms):
            return

    def ioctl(self, request: int, _argument: int) -> int:
        """Tell `select` whether there is work."""
        return select.POLLIN if request == _STREAM_POLL and self.has_work() else 0


class Board:
    """Makes the `machine` objects of one board, each at most once."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.name: str = wiring.name
        self.has_radio = wiring.name not in _WITHOUT_RADIO  # whether the build can use it or not
        # esp32 has 6 bytes: zeros go before them, so that ids differ where names are made of them.
        self.device_id = (bytes(_DEVICE_ID_BYTES) + machine.unique_id())[-_DEVICE_ID_BYTES:]
        self.boot_cause = _boot_cause()  # index into layout.BOOT_CAUSE_NAMES
        # The stubs keep ticks opaque, to be subtracted by ticks_diff; here they are masked (ring).
        self.ticks_ms: "Callable[[], int]" = time.ticks_ms  # pyright: ignore[reportAttributeAccessIssue]
        self.ticks_us: "Callable[[], int]" = time.ticks_us  # pyright: ignore[reportAttributeAccessIssue]
        self.sleep_ms: "Callable[[int], None]" = time.sleep_ms
        self.sleeps_lightly: bool = wiring.light_sleep
        # Every chip select is high before the first bus moves: a low one would listen in.
        self._probe_cs = [machine.Pin(pin, machine.Pin.OUT, value=1) for pin in wiring.probe_cs]
        self._shock_cs = machine.Pin(wiring.shock_cs, machine.Pin.OUT, value=1)
        self._spi_probes = _open_spi(
            wiring.spi_probes, max31856.BAUDRATE, max31856.POLARITY, max31856.PHASE
        )
        self._spi_shock = _open_spi(
            wiring.spi_shock, adxl372.BAUDRATE, adxl372.POLARITY, adxl372.PHASE
        )
        bus, scl, sda = wiring.i2c
        self._i2c = machine.I2C(bus, scl=machine.Pin(scl), sda=machine.Pin(sda), freq=_I2C_HZ)

    def converter(self, probe: int, gain: int, averaging: int, mains_hz: int) -> MAX31856:
        """Return the driver of the converter of probe 0 to 3, not configured yet."""
        return MAX31856(self._spi_probes, self._probe_cs[probe], gain, averaging, mains_hz)

    def ready_line(self, probe: int) -> InterruptLine:
        """Return the DRDY line of probe 0 to 3: it falls when a conversion is done."""
        # A converter that is missing leaves the line open: the pull-up keeps it from interrupting.
        pin = machine.Pin(self.wiring.probe_ready[probe], machine.Pin.IN, machine.Pin.PULL_UP)
        return InterruptLine(pin, machine.Pin.IRQ_FALLING)

    def accelerometer(self) -> ADXL372:
        """Return the driver of the shock accelerometer, not configured yet."""
        return ADXL372(self._spi_shock, self._shock_cs, self.sleep_ms)

    def shock_line(self) -> InterruptLine:
        """Return the INT1 line of the shock accelerometer: it rises."""
        pin = machine.Pin(self.wiring.shock_int1, machine.Pin.IN, machine.Pin.PULL_DOWN)
        return InterruptLine(pin, machine.Pin.IRQ_RISING)

    def tilt_sensor(self) -> LIS3DH:
        """Return the driver of the tilt sensor, not configured yet."""
        return LIS3DH(self._i2c)

    def clock(self) -> DS3231:
        """Return the driver of the clock chip."""
        return DS3231(self._i2c)

    def supply(self) -> Supply:
        """Return the supply monitor."""
        adc = machine.ADC(machine.Pin(self.wiring.supply_adc))
        if hasattr(adc, "atten"):  # esp32 alone: 11 dB reaches 3.1 V
            adc.atten(machine.ADC.ATTN_11DB)
        return Supply(adc, self.wiring.adc_reference_mv, _DIVIDER_KOHM, _DIVIDER_KOHM)

    def timer(self, number: int) -> PeriodicTimer:
        """Return a timer: 0 is the sampler's tick."""
        first = self.wiring.timer
        return PeriodicTimer(machine.Timer(first if first < 0 else first + number))

    def light_sleep(self, ms: int) -> None:
        """Stop every clock but the timer's for `ms`, 2 or more; an interrupt of a timer ends it.

        What comes meanwhile over USB or the radio is lost, and an edge on a pin may be: look at
        levels afterwards. ticks_ms goes on; buses keep their settings. Only where
        `sleeps_lightly`. ports/rp2/modmachine.c, mp_machine_lightsleep.
        """
        machine.lightsleep(ms)

    def usb_frame(self) -> int:
        """Return the number of the newest USB frame; it changes each ms while a host is there.

        Every host sends frames, from before it has asked the device anything until it suspends
        the bus or goes. 0 where no register tells.
        """
        address = self.wiring.usb_frame
        return machine.mem32[address] & _USB_FRAME_MASK if address else 0

    def hold_interrupts(self) -> int:
        """Hold interrupts back; return what `let_interrupts` wants."""
        return machine.disable_irq()

    def let_interrupts(self, state: int) -> None:
        """Let interrupts come again."""
        machine.enable_irq(state)

    def waiter(self, has_work: "Callable[[], bool]") -> Waiter:
        """Return what the main loop waits with."""
        return Waiter(self.console(), has_work)

    def console(self) -> "Console":
        """Return the streams of the USB console."""
        return Console()

    def key_flash(self):  # noqa: ANN201 - rp2.Flash or esp32.Partition: a seal_key.Device
        """Return the block device of the file system, in which the sealing key has its place.

        None where there is none that can be told.
        """
        try:
            # rp2: a new object for the same flash as that of _boot.py.
            from rp2 import Flash  # pyright: ignore[reportMissingImports]
        except ImportError:
            pass
        else:
            return Flash()
        try:
            from esp32 import Partition  # pyright: ignore[reportMissingImports]
        except ImportError:
            return None
        found = Partition.find(Partition.TYPE_DATA, label="vfs")  # as flashbdev.py there
        return found[0] if found else None

    def radio(self) -> "ModuleType | None":
        """Return the `bluetooth` module; None on a build or a board without a radio."""
        try:
            import bluetooth
        except ImportError:
            return None
        return bluetooth


class Console:
    """The USB console as raw streams: bytes in, bytes out."""

    def __init__(self) -> None:
        self.reader = sys.stdin.buffer
        self.writer = sys.stdout.buffer


def open_board() -> Board:
    """Return the board this runs on; raises UnknownBoardError."""
    return Board(wiring_of(machine_name()))


def _open_spi(
    pins: "tuple[int, int, int, int]", baudrate: int, polarity: int, phase: int
) -> "machine.SPI":
    bus, sck, mosi, miso = pins
    return machine.SPI(
        bus,
        baudrate=baudrate,
        polarity=polarity,
        phase=phase,
        sck=machine.Pin(sck),
        mosi=machine.Pin(mosi),
        # With the chip gone the line would float: pulled up, it reads as silence.
        miso=machine.Pin(miso, machine.Pin.IN, machine.Pin.PULL_UP),
    )


def _boot_cause() -> int:
    cause = machine.reset_cause()
    for constant, name in _RESET_CAUSES:
        if getattr(machine, constant, None) == cause:
            return BOOT_CAUSE_NAMES.index(name)
    return BOOT_CAUSE_NAMES.index("unknown")
