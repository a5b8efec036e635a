"""The composition root over a `machine` module of our own."""

# What was asked of the stand-ins is read back through the objects made of them, private names and
# all, and those objects are typed by a `machine` that does not exist here.
# ruff: noqa: ANN401, SLF001

from __future__ import annotations

import importlib
import os
import re
import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from dewarlog_wire.layout import BOOT_CAUSE_NAMES, CLOCK_UNSET, UTC_UNKNOWN
from register_chips import Ds3231Chip, I2cBus, Lis3dhChip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RP2_IRQ_RISING = 8
RP2_IRQ_FALLING = 4


class Pin:
    """A pin that remembers how it was made."""

    IN, OUT, PULL_UP, PULL_DOWN = 0, 1, 1, 2
    IRQ_RISING, IRQ_FALLING = RP2_IRQ_RISING, RP2_IRQ_FALLING

    def __init__(self, number: int, mode: int = IN, pull: int = 0, value: int = 0) -> None:
        self.number = number
        self.mode = mode
        self.pull = pull
        self.now = value
        self.irqs: list[dict[str, Any]] = []
        self.hard_irq_known = True

    def value(self) -> int:
        """Return the level."""
        return self.now

    def irq(self, **options: object) -> None:
        """Remember the handler; some ports know no `hard`."""
        if "hard" in options and not self.hard_irq_known:
            raise TypeError("extra keyword arguments given")
        self.irqs.append(options)


class Timer:
    """A timer that remembers how it was started."""

    PERIODIC = 1
    refusal: type[Exception] | None = None

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls: list[dict[str, object]] = []
        self.stops = 0

    def init(self, **options: object) -> None:
        """Remember; some ports refuse `hard`, in two ways."""
        if self.refusal is not None and "hard" in options:
            raise self.refusal
        self.calls.append(options)

    def deinit(self) -> None:
        """Count."""
        self.stops += 1


class Recorded:
    """A bus, converter or watchdog that remembers how it was made."""

    def __init__(self, *arguments: object, **options: Any) -> None:
        self.arguments = arguments
        self.options = options

    def read_u16(self) -> int:
        """Stand in the middle of the scale."""
        return 32768


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """Put a `machine` under the board module, which is imported anew."""
    module = types.ModuleType("machine")
    slept: list[int] = []
    vars(module).update(
        slept=slept,
        Pin=Pin,
        Timer=Timer,
        SPI=Recorded,
        I2C=lambda *_, **__: I2cBus(),
        ADC=Recorded,
        WDT=Recorded,
        PWRON_RESET=1,
        WDT_RESET=3,
        unique_id=lambda: b"\x01\x02\x03\x04\x05\x06",
        reset_cause=lambda: 3,
        lightsleep=slept.append,
        mem32={0x5011_0048: 0xFFFF_F812},
    )
    monkeypatch.setitem(sys.modules, "machine", module)
    monkeypatch.delitem(sys.modules, "dewarlog_firmware.board", raising=False)
    for name in ("ticks_ms", "ticks_us", "sleep_ms"):
        monkeypatch.setattr(time, name, lambda *_: 0, raising=False)
    yield module
    sys.modules.pop("dewarlog_firmware.board", None)


@pytest.fixture
def board(machine: types.ModuleType) -> Any:
    """Return the board module."""
    return importlib.import_module("dewarlog_firmware.board")


@pytest.fixture
def pico_w(board: Any) -> Any:
    """Return a Pico W."""
    return board.Board(board.wiring_of("Raspberry Pi Pico W with RP2040"))


@pytest.mark.parametrize(
    ("machine_name", "name"),
    [
        ("Raspberry Pi Pico 2 W with RP2350", "RPI_PICO2_W"),
        ("Raspberry Pi Pico W with RP2040", "RPI_PICO_W"),
        ("Raspberry Pi Pico with RP2040", "RPI_PICO"),
        ("Generic ESP32S3 module with ESP32S3", "ESP32_GENERIC_S3"),
        ("Generic ESP32S3 module with Octal-SPIRAM with ESP32S3", "ESP32_GENERIC_S3"),
    ],
)
def test_each_board_is_known_by_what_micropython_calls_it(
    board: Any, machine_name: str, name: str
) -> None:
    """MICROPY_HW_BOARD_NAME with MICROPY_HW_MCU_NAME."""
    assert board.wiring_of(machine_name).name == name


def test_an_unknown_board_is_refused_with_its_name(board: Any) -> None:
    """Rather than driven with somebody else's pins."""
    with pytest.raises(board.UnknownBoardError, match=r"'PYBv1.1.*RPI_PICO2_W") as caught:
        board.wiring_of("PYBv1.1 with STM32F405RG")

    assert caught.value.machine == "PYBv1.1 with STM32F405RG"


def test_the_name_comes_from_uname_or_else_from_the_interpreter(
    board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not every port has os.uname."""
    uname = types.SimpleNamespace(machine="Raspberry Pi Pico with RP2040")
    monkeypatch.setattr(os, "uname", lambda: uname)
    assert board.machine_name() == "Raspberry Pi Pico with RP2040"
    monkeypatch.delattr(os, "uname")
    monkeypatch.setattr(sys, "implementation", types.SimpleNamespace(_machine="other"))

    assert board.machine_name() == "other"


def test_no_pin_is_used_twice(board: Any) -> None:
    """Neither within a bus nor between buses, on any board there is a row for."""
    for beginning, name, _ in board._BOARDS:
        wiring = board.wiring_of(beginning)
        pins = [
            *wiring.spi_probes[1:],
            *wiring.probe_cs,
            *wiring.probe_ready,
            *wiring.spi_shock[1:],
            wiring.shock_cs,
            wiring.shock_int1,
            *wiring.i2c[1:],
            wiring.supply_adc,
        ]

        assert (name, len(set(pins)), len(pins)) == (name, 19, 19)


def test_the_readme_tells_the_wiring_of_every_board(board: Any) -> None:
    """A person wires by its tables, so each row of _BOARDS stands in the title of one."""
    readme = (Path(board.__file__).parents[1] / "README.md").read_text()
    tables = {
        name: section
        for section in re.split(r"^### ", readme, flags=re.MULTILINE)[1:]
        for name in section.partition("\n")[0].split(", ")
    }
    for beginning, name, _ in board._BOARDS:
        section = tables.get(name, "").partition("\n## ")[0]
        rows = [row.split("|") for row in section.splitlines() if row.startswith("| ")][1:5]
        left = [
            [int(pin) for cell in row[2:6] for pin in re.findall(r"\d+", cell)] for row in rows
        ]
        right = [[int(pin) for pin in re.findall(r"\d+", row[8])] for row in rows]
        wiring = board.wiring_of(beginning)

        assert (name, left, right) == (
            name,
            [list(wiring.probe_cs), list(wiring.probe_ready), list(wiring.spi_probes[1:]), []],
            [
                list(wiring.spi_shock[1:]),
                [wiring.shock_cs, wiring.shock_int1],
                list(wiring.i2c[1:]),
                [wiring.supply_adc],
            ],
        )


def test_the_example_of_another_board_in_the_readme_is_a_wiring(board: Any) -> None:
    """It has every field, uses no pin twice, and its buses where an RP2040 has them."""
    readme = (Path(board.__file__).parents[1] / "README.md").read_text()
    _, _, code = readme.partition("```python\n_FEATHER = ")
    source = code.partition("```")[0]
    wiring = board.Wiring(name="x", **eval(source, vars(board)))  # noqa: S307 - our own page

    pins = [*wiring.probe_cs, *wiring.probe_ready, wiring.shock_cs, wiring.shock_int1]
    for bus, sck, mosi, miso in (wiring.spi_probes, wiring.spi_shock):
        pins += [sck, mosi, miso]
        assert [pin % 4 for pin in (sck, mosi, miso)] == [2, 3, 0]
        assert [pin >> 3 & 1 for pin in (sck, mosi)] == [bus] * 2
    pins += [*wiring.i2c[1:], wiring.supply_adc]
    assert len(set(pins)) == len(pins) == 19


def test_rp2_pins_have_the_functions_they_are_used_for(board: Any) -> None:
    """SPI and I2C functions repeat every eight and four pins (RP2040 datasheet, table 2)."""
    names = [name for _, name, _ in board._BOARDS if "ESP32" not in name]
    for beginning, name, _ in board._BOARDS:
        if name not in names:
            continue
        wiring = board.wiring_of(beginning)
        for bus, sck, mosi, miso in (wiring.spi_probes, wiring.spi_shock):
            assert [name, *(pin % 4 for pin in (sck, mosi, miso))] == [name, 2, 3, 0]
            assert [pin >> 3 & 1 for pin in (sck, mosi, miso)] == [bus] * 3
        bus, scl, sda = wiring.i2c
        assert (name, sda % 4, scl % 4) == (name, 2 * bus, 2 * bus + 1)
        assert wiring.supply_adc in (26, 27, 28, 29)
        if name.startswith("RPI_PICO"):  # GPIO 29 measures VSYS there, the others are the radio's
            used = {*wiring.probe_cs, *wiring.probe_ready, wiring.shock_cs, wiring.shock_int1}
            assert not {23, 24, 25, 29} & {*used, wiring.supply_adc}
    assert names


def test_a_short_unique_id_is_padded(pico_w: Any) -> None:
    """esp32 gives 6 bytes, the identity record has 8; a name is made of the last two."""
    assert pico_w.device_id == b"\x00\x00\x01\x02\x03\x04\x05\x06"


def test_a_board_with_bluetooth_has_a_radio(pico_w: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module itself: what it makes is the link's."""
    module = types.ModuleType("bluetooth")
    monkeypatch.setitem(sys.modules, "bluetooth", module)

    assert pico_w.radio() is module


def test_a_board_without_bluetooth_has_none(pico_w: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """RPI_PICO: its build has no such module."""
    monkeypatch.setitem(sys.modules, "bluetooth", None)

    assert pico_w.radio() is None


@pytest.mark.parametrize(("cause", "name"), [(1, "power on"), (3, "watchdog"), (9, "unknown")])
def test_the_reset_cause_is_named(
    machine: types.ModuleType, board: Any, cause: int, name: str
) -> None:
    """In the words of the boot event; rp2 knows only these two."""
    machine.reset_cause = lambda: cause  # type: ignore[attr-defined]
    wired = board.Board(board.wiring_of("Raspberry Pi Pico W with RP2040"))

    assert BOOT_CAUSE_NAMES[wired.boot_cause] == name


def test_a_restart_waits_and_then_resets(
    machine: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A firmware that fails at each start must not wear the flash as fast as it can."""
    done: list[object] = []
    monkeypatch.setattr(time, "sleep_ms", done.append, raising=False)
    machine.reset = lambda: done.append("reset")  # type: ignore[attr-defined]

    monkeypatch.delitem(sys.modules, "dewarlog_firmware.restart", raising=False)
    importlib.import_module("dewarlog_firmware.restart").restart(2000)

    assert done == [2000, "reset"]


def test_rp2_sleeps_lightly_and_tells_the_newest_usb_frame(
    pico_w: Any, machine: types.ModuleType
) -> None:
    """Eleven bits of SOF_RD; the port's lightsleep, with its milliseconds."""
    pico_w.light_sleep(21)

    assert pico_w.sleeps_lightly is True
    assert machine.slept == [21]  # type: ignore[attr-defined]
    assert pico_w.usb_frame() == 0x012


def test_esp32_neither_sleeps_lightly_nor_tells_frames(board: Any) -> None:
    """Its tick's timer and USB stand still in light sleep, and no register is read."""
    wired = board.Board(board.wiring_of("Generic ESP32S3 module with ESP32S3"))

    assert wired.sleeps_lightly is False
    assert wired.usb_frame() == 0


def test_a_wait_is_one_poll_of_console_and_work(
    pico_w: Any, board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`select` asks both after each interrupt; the work's answer is that of `has_work`."""
    asked: list[object] = []

    class Poll:
        """Remembers what is registered, and asks once as a port does."""

        def __init__(self) -> None:
            self.streams: list[Any] = []

        def register(self, stream: object, events: int) -> None:
            """Remember."""
            self.streams.append((stream, events))

        def ipoll(self, timeout_ms: int) -> Iterator[object]:
            """Ask the second stream."""
            stream, events = self.streams[1]
            asked.append((timeout_ms, stream.ioctl(3, events), stream.ioctl(4, events)))
            return iter(())

    select = types.SimpleNamespace(poll=Poll, POLLIN=1)
    monkeypatch.setattr(board, "select", select)
    work = [False, True]
    console = types.SimpleNamespace(reader=object())
    monkeypatch.setattr(pico_w, "console", lambda: console)
    waiter = pico_w.waiter(lambda: work.pop(0))

    waiter.wait(700)
    waiter.wait(20)

    assert asked == [(700, 0, 0), (20, 1, 0)]


def test_every_chip_select_is_high_from_the_start(pico_w: Any) -> None:
    """Before a bus moves."""
    converters = [pico_w.converter(probe, 32, 16, 50) for probe in range(4)]
    selects = [driver._cs for driver in converters] + [pico_w.accelerometer()._cs]

    assert [(pin.number, pin.mode, pin.now) for pin in selects] == [
        (17, Pin.OUT, 1),
        (20, Pin.OUT, 1),
        (21, Pin.OUT, 1),
        (22, Pin.OUT, 1),
        (13, Pin.OUT, 1),
    ]


def test_buses_run_at_the_clock_and_mode_of_their_chips(pico_w: Any) -> None:
    """MAX31856: 5 MHz, mode 1. ADXL372: 8 MHz, mode 0."""
    probes = pico_w.converter(0, 32, 16, 50)._spi.options
    shock = pico_w.accelerometer()._spi.options

    assert (probes["baudrate"], probes["polarity"], probes["phase"]) == (5_000_000, 0, 1)
    assert (shock["baudrate"], shock["polarity"], shock["phase"]) == (8_000_000, 0, 0)


def test_lines_interrupt_on_their_own_edge(pico_w: Any) -> None:
    """DRDY falls, INT1 rises; both hard, and both at rest when nothing is connected."""
    ready, shock = pico_w.ready_line(1), pico_w.shock_line()
    handler: Callable[[object], None] = print
    ready.watch(handler)
    shock.watch(handler)

    assert ready._pin.irqs == [{"handler": print, "trigger": RP2_IRQ_FALLING, "hard": True}]
    assert shock._pin.irqs == [{"handler": print, "trigger": RP2_IRQ_RISING, "hard": True}]
    assert (ready._pin.number, ready._pin.pull) == (3, Pin.PULL_UP)
    assert (shock._pin.number, shock._pin.pull) == (14, Pin.PULL_DOWN)


def test_a_port_without_hard_pin_interrupts_gets_scheduled_ones(pico_w: Any) -> None:
    """esp32 knows no such argument."""
    line = pico_w.ready_line(0)
    line._pin.hard_irq_known = False
    line.watch(print)

    assert line._pin.irqs == [{"handler": print, "trigger": RP2_IRQ_FALLING}]


@pytest.mark.parametrize(
    ("refusal", "hard"), [(None, True), (ValueError, False), (TypeError, False)]
)
def test_the_timer_is_hard_where_the_port_has_it(
    pico_w: Any, monkeypatch: pytest.MonkeyPatch, refusal: type[Exception] | None, hard: bool
) -> None:
    """esp32 refuses with ValueError, rp2 before 1.26 with TypeError."""
    monkeypatch.setattr(Timer, "refusal", refusal)
    timer = pico_w.timer(0)
    timer.start(1000, print)
    [options] = timer._timer.calls

    assert timer.hard is hard
    assert options["period"] == 1000
    assert ("hard" in options) is hard


def test_a_restarted_timer_is_stopped_first(pico_w: Any) -> None:
    """Else the old period would go on beside the new one."""
    timer = pico_w.timer(0)
    timer.start(1000, print)
    timer.start(2000, print)
    timer.stop()

    assert timer._timer.stops == 3


@pytest.mark.parametrize(
    ("machine_name", "numbers"),
    [
        ("Raspberry Pi Pico W with RP2040", [-1, -1]),
        ("Generic ESP32S3 module with ESP32S3", [0, 1]),
    ],
)
def test_timers_are_numbered_where_the_port_counts_them(
    board: Any, machine_name: str, numbers: list[int]
) -> None:
    """rp2 has as many as one likes, all called -1."""
    wired = board.Board(board.wiring_of(machine_name))

    assert [wired.timer(number)._timer.number for number in range(2)] == numbers


def test_drivers_reach_their_chips(pico_w: Any) -> None:
    """The I2C chips on one bus, by their addresses."""
    chips = pico_w._i2c.chips
    chips[0x18], chips[0x68] = Lis3dhChip(), Ds3231Chip()

    assert pico_w.tilt_sensor().identified()
    assert pico_w.clock().read() == (UTC_UNKNOWN, CLOCK_UNSET)


def test_the_supply_is_read_through_the_divider(pico_w: Any) -> None:
    """Two equal resistors."""
    assert pico_w.supply().read_mv() == 3300


BOARD_SCRIPT = """
import sys

class Pin:
    IN = OUT = PULL_UP = PULL_DOWN = IRQ_RISING = IRQ_FALLING = 1
    def __init__(self, *arguments, **options):
        pass
    def value(self):
        return 1

class Bus:
    def __init__(self, *arguments, **options):
        pass

class Machine:
    Pin = Pin
    SPI = I2C = ADC = Timer = WDT = Bus
    PWRON_RESET = 1
    def unique_id():
        return b"12345678"
    def reset_cause():
        return 1
    def idle():
        pass

class Select:
    POLLIN = 1
    class poll:
        def register(self, stream, events):
            pass

sys.modules["machine"] = Machine
sys.modules["select"] = Select
import time
for name in ("ticks_ms", "ticks_us", "sleep_ms"):
    if not hasattr(time, name):
        setattr(time, name, None)
from dewarlog_firmware import board

wired = board.Board(board.wiring_of("Raspberry Pi Pico W with RP2040"))
print(wired.name, wired.device_id, wired.boot_cause, wired.wiring.i2c)
print(wired.converter(3, 32, 16, 50).conversion_max_ms, wired.accelerometer().burst_bytes)
print(type(wired.ready_line(0)).__name__, type(wired.shock_line()).__name__)
try:
    board.wiring_of("other")
except board.UnknownBoardError as error:
    print(error)
"""


@pytest.mark.micropython
@pytest.mark.parametrize("interpreter", ["micropython", "micropython32"])
def test_the_board_is_composed_on_micropython(
    interpreter: str, request: pytest.FixtureRequest, board: Any
) -> None:
    """Its tables and named tuples are of that dialect."""
    known = ", ".join(name for _, name, _ in board._BOARDS)
    printed = request.getfixturevalue(interpreter)(BOARD_SCRIPT).stdout

    assert printed.splitlines() == [
        "RPI_PICO_W b'12345678' 1 (0, 5, 4)",
        "800 97",
        "InterruptLine InterruptLine",
        f"no wiring for 'other'; known: {known}",
    ]


def test_the_key_stands_in_the_file_systems_flash(
    board: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rp2 has one for the whole; esp32 a partition of that name; elsewhere there is none."""
    opened = board.Board(board.wiring_of("Raspberry Pi Pico W with RP2040"))
    assert opened.key_flash() is None

    class Partition:
        TYPE_DATA = 1
        found: list[str] = []  # noqa: RUF012 - a stand-in

        @classmethod
        def find(cls, kind: int, *, label: str) -> list[str]:
            """Return the partitions of a type with that label."""
            assert (kind, label) == (1, "vfs")
            return cls.found

    esp32 = types.ModuleType("esp32")
    vars(esp32).update(Partition=Partition)
    monkeypatch.setitem(sys.modules, "esp32", esp32)
    assert opened.key_flash() is None
    Partition.found = ["the partition"]
    assert opened.key_flash() == "the partition"

    rp2 = types.ModuleType("rp2")
    vars(rp2).update(Flash=lambda: "the flash")
    monkeypatch.setitem(sys.modules, "rp2", rp2)
    assert opened.key_flash() == "the flash"
