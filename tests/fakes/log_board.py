"""A board with its real log: every part between the sampler and the links, on files, on CPython.

Recorder, flash log, logbook, excursion engine, keeper, desk, one server and one link for the cable
and one of each for the air are the firmware's own; probes, clock chip and the two wires stand in.
Time is counted. `boot` is what a power cut is followed by, `Flash.cut_in` says when it comes.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bluetooth import BTSTACK, Module
from dewarlog_firmware.access import Guard
from dewarlog_firmware.advert import Advert
from dewarlog_firmware.audit import Audit
from dewarlog_firmware.config import parse_config
from dewarlog_firmware.desk import Desk
from dewarlog_firmware.device_key import derived_keys
from dewarlog_firmware.excursion import Engine
from dewarlog_firmware.flash_log import FlashLog
from dewarlog_firmware.keeper import Keeper
from dewarlog_firmware.link_ble import BleLink
from dewarlog_firmware.logbook import Logbook
from dewarlog_firmware.profile import default_document, profile_sections, reading_columns
from dewarlog_firmware.recorder import Recorder, SealedBlock
from dewarlog_firmware.sampler import Sample
from dewarlog_firmware.server import Server
from dewarlog_wire import layout
from memory_board import DEVICE_ID, DEVICE_KEY, Console, MemoryLock, usb_link_on

RAW_COLD = -41_000  # about -190 degC
COLD_RAW = 20 * 64
FLASH_BYTES = 848 * 1024
TICKS_MASK = 0x3FFFFFFF
FEATURES = layout.FEATURE_RADIO | layout.FEATURE_HANDOFF | layout.FEATURE_AUTH
INFO = bytes(layout.INFO.size)


class PowerCut(Exception):
    """The supply is gone: nothing after this reaches the flash."""


class Flash(FlashLog):
    """The real flash log over a power that fails at a chosen write, which is torn half-way.

    `journals` is every journal there was, as far as it was written: what a host may have read.
    """

    def __init__(self, root: str, journals: list[bytearray]) -> None:
        self.cut_in = -1
        self.segment_max_bytes = layout.SEGMENT_MAX_BYTES
        self.journals = journals
        super().__init__(root)

    def free_bytes(self) -> int:
        """Return what a small board has left: this computer's disk tells nothing."""
        root = Path(self.root)
        return FLASH_BYTES - sum(file.stat().st_size for file in root.rglob("*") if file.is_file())

    def _spend(self) -> bool:
        self.cut_in -= self.cut_in >= 0
        return self.cut_in == 0

    def append_block(self, sealed: SealedBlock) -> None:
        """Store a block, or half of it."""
        if self._segment_bytes and self._segment_bytes + len(sealed) > self.segment_max_bytes:
            self._segment += 1
            self._segment_bytes = 0
        if self._spend():
            half = sealed.joined()[: len(sealed) // 2]
            super().append_block(SealedBlock([half], len(half)))
            raise PowerCut
        super().append_block(sealed)

    def append_journal(self, view: memoryview) -> None:
        """Store records, or half of them."""
        torn = self._spend()
        stored = view[: len(view) // 2] if torn else view
        super().append_journal(stored)
        self.journals[-1] += stored
        if torn:
            raise PowerCut

    def start_journal(self, view: memoryview) -> None:
        """Replace the journal, or leave the old one."""
        if self._spend():
            raise PowerCut
        super().start_journal(view)
        self.journals.append(bytearray(view))

    def write_state(self, run: int, state: Any) -> None:  # noqa: ANN401 - the firmware's own
        """Replace what is remembered of a run, or leave the old."""
        if self._spend():
            raise PowerCut
        super().write_state(run, state)


class LogBoard:
    """A logger that samples every 10 s of its counted time, whoever talks to it.

    `samples` is how many are durable: after a power cut the log must hold as many, or one more.
    """

    def __init__(
        self,
        root: Path,
        stack: str = BTSTACK,
        segment_max_bytes: int = layout.SEGMENT_MAX_BYTES,
    ) -> None:
        self.root = root
        self.stack = stack
        self.segment_max_bytes = segment_max_bytes
        self.config = parse_config(default_document())
        self.now_ms = 0
        self.samples = 0
        self.boots = 0
        self.clock_set: list[tuple[int, int]] = []
        self.journals: list[bytearray] = []
        self.lock = MemoryLock()
        self.boot()

    # --- power --------------------------------------------------------------------------------

    def boot(self) -> None:
        """Start as after a power cut: everything in RAM is new, the files are as they stand."""
        if self.boots:
            self.close()
        self.boots += 1
        recorder = Recorder(tuple(one.channel for one in self.config.channels), False)  # noqa: FBT003
        self.flash = Flash(str(self.root), self.journals)
        self.flash.segment_max_bytes = self.segment_max_bytes
        columns = reading_columns(self.config)
        self.engine = Engine(self.config.rules, columns)
        self.logbook = Logbook(recorder, self.flash, self.engine, layout.FULL_STOP)
        self.engine.emit = self.logbook.emit
        self._sample = Sample(len(self.config.channels))
        self._tick = 0
        self._boot_ms = self._sampled_ms = self.now_ms
        self.keeper = Keeper(self.config, self.logbook, self.engine, self)  # type: ignore[arg-type]
        self.logbook.at(0, 0)
        if self.flash.open_run() is not None:
            recovery = self.logbook.resume()
            found = (0, recorder.boot, recovery.recovered_samples, recovery.dropped_bytes)
            self.logbook.emit(layout.KIND_BOOT, (*found, *self.read_clock()))
            self.logbook.emit(
                layout.KIND_GAP,
                (layout.STREAM_SAMPLES, layout.GAP_POWER, 0, layout.GAP_LENGTH_UNKNOWN, 0),
            )
            self.keeper.start(0, 0)
        else:
            self.begin()
        self._make_servers()

    def close(self) -> None:
        """Let go of every open file, as a power cut does."""
        self.usb_server.drop()
        self.air_server.drop()
        self.flash.release()

    def begin(self) -> None:
        """Open a new run."""
        # Before its first block is stored, a run of no length can be left by a cut.
        self.samples = 0
        log_id = b"run%05d" % len(self.journals)
        self.logbook.begin(list(profile_sections(self.config)), log_id, 1)
        self.logbook.emit(layout.KIND_BOOT, (0, 0, 0, 0, *self.read_clock()))
        self.keeper.start(*self.now())

    def _make_servers(self) -> None:
        app: Any = SimpleNamespace(
            has_held=False,
            config=self.config,
            columns=reading_columns(self.config),
            logbook=self.logbook,
            keeper=self.keeper,
            engine=self.engine,
            board=SimpleNamespace(device_id=DEVICE_ID, ticks_ms=self.ticks_ms),
            chips=SimpleNamespace(
                has_fault=False, supply_low=False, supply_mv=4100, read_clock=self.read_clock
            ),
            sampler=SimpleNamespace(ring=SimpleNamespace(high_water=1, dropped=0)),
            is_recording=True,
            now=self.now,
            stamp=lambda: self.logbook.at(*self.now()),
            switch_radio=lambda _state, _minutes: None,
            set_clock_in=lambda utc_s, wait_ms: self.clock_set.append((utc_s, wait_ms)),
            end_requested=False,
            seal_key=None,
            signing=None,
        )
        self.app = app
        self.desk = Desk(app, derived_keys(DEVICE_KEY), FEATURES)
        self.guard = app.guard = Guard(self.desk, DEVICE_ID, self.lock)
        app.audit = Audit(
            self.logbook,
            self.guard,
            app.stamp,
            lambda: app.has_held,
            lambda _shock: False,
        )
        self.logbook.on_event = app.audit.before
        self.usb_server = Server(self.logbook, self.desk, self.guard, self._random, in_hand=True)
        self.console = Console()
        self.usb = usb_link_on(self.console)
        self.air_server = Server(
            self.logbook,
            self.desk,
            self.guard,
            self._random,
            layout.BLE_BODY_MAX_BYTES,
            packets=True,
        )
        self.module = Module(self.stack)
        self.air = BleLink(self.module, Advert(DEVICE_ID), INFO, 500, self.ticks_ms)
        self.air.open()
        self.air.poll(self.air_server)

    def _random(self, count: int) -> bytes:
        return (self.boots * 1_000_003 + self.now_ms).to_bytes(count, "little")

    # --- time ---------------------------------------------------------------------------------

    def ticks_ms(self) -> int:
        """Return the count that the board's parts see."""
        return self.now_ms & TICKS_MASK

    def now(self) -> tuple[int, int]:
        """Return the uptime as (s, ms)."""
        return divmod(self.now_ms - self._boot_ms, 1000)

    def pass_time(self, ms: int) -> None:
        """Let time pass; a sample is taken whenever one is due."""
        end_ms = self.now_ms + ms
        while self._sampled_ms + 10_000 <= end_ms:
            self.now_ms = self._sampled_ms = self._sampled_ms + 10_000
            self._take_sample()
        self.now_ms = end_ms

    def _take_sample(self) -> None:
        if not self.logbook.is_open:
            return
        sample = self._sample
        sample.tick_no = self._tick
        self._tick += 1
        sample.states[0] = layout.STATE_OK
        sample.voltage_raw[0] = RAW_COLD + (self.now_ms // 10_000 * 37) % 50
        sample.cold_junction_raw[0] = COLD_RAW
        self.keeper.conversion(sample, *self.now(), layout.GAP_LATE)
        self.logbook.commit()
        self.samples += 1

    # --- what keeper asks of the chips --------------------------------------------------------

    def set_period_ms(self, period_ms: int) -> None:
        """Keep the pace: all of this board's samples are 10 s apart."""

    def read_clock(self) -> tuple[int, int]:
        """Return a time."""
        return 195_000_000 + self.now_ms // 1000, layout.CLOCK_OK

    def read_supply(self) -> tuple[int, int]:
        """Return a healthy supply."""
        return 4_100, 0

    def tilt_totals(self) -> tuple[int, ...]:
        """Return a dewar that stood upright."""
        return (0, 1, 100, 0, 0, 0)

    # --- what stands in the files -------------------------------------------------------------

    def logs(self) -> dict[str, bytes]:
        """Return every run's segments, joined, by the run's folder."""
        found: dict[str, bytes] = {}
        for folder in sorted(self.root.glob("????????")):
            parts = [path.read_bytes() for path in sorted(folder.glob("*.seg"))]
            found[folder.name] = b"".join(parts)
        return found
