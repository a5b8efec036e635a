"""The one place where the parts are wired: simulated board, the whole firmware, witness, host.

The firmware is the unchanged App, booted as main.py boots it, in virtual time. A cut takes the
supply in the middle of a flash operation; the rig lets the board lie dark, boots it again and has
every claim checked before it goes on. Limits that a board reaches in weeks are made small here.
"""

import gc
import io
import json
import os
import sys

import vfs

from simboard.device.clock import Event
from simboard.device.console import CTRL_C
from simboard.device.cuts.broken import ClaimBroken, need
from simboard.device.cuts.export import Export
from simboard.device.cuts.host import Host
from simboard.device.cuts.hour import Hour
from simboard.device.cuts.rot import turn_one_over
from simboard.device.modules import Overlay
from simboard.device.noise import Noise
from simboard.device.nor_flash import BlockDevice
from simboard.device.power import BoardStop, HardReset, PowerCut, TripOver
from simboard.device.processor import PWRON_RESET, WDT_RESET
from simboard.device.wiring import Board

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Never

PROGRAM_BYTES = 256  # what rp2's _boot.py gives littlefs
# A board has 64 KiB segments and blocks of 3072 samples; the hour shall see several of each.
SEGMENT_BYTES = 1536
BLOCK_SAMPLES = 64
RESERVE_BYTES = 16 * 1024
LAST_WORDS_BYTES = 8 * 1024
_SLICE_US = 50000  # of a signature: samples come due while it is worked on
NEW_VERSION = (9, 8, 7)  # of the firmware that someone copies to the board


class _Copies(BoardStop):
    """Someone stops the firmware, to copy files to the board and reset it."""


class Rig:
    """One board through one hour. `run` returns when the hour and its closing boot are over."""

    def __init__(self, scenario: "dict[str, Any]", profile: str, seed: int) -> None:
        self.hour = Hour(seed)
        self.hour.put_into(scenario)
        self.board = Board(scenario)
        self.flash = self.board.flash
        self.clock = self.board.clock
        self.cuts = 0
        self.boots = 0
        self.second_cut = -1  # operations after the next boot's first at which power goes again
        self.second_fraction = 0.5
        self.rot_kind = 0  # rot.SEGMENT and so on: a bit turns over while the board lies dark
        self.app = None  # the firmware's App of this boot
        self._export = None
        self._device = BlockDevice(self.flash)  # the file system's, of this boot
        self._start_files = [_compiled(name) for name in ("boot.py", "main.py")]
        self._noise = Noise(seed + 77)
        self._profile = json.loads(profile)
        self._copies = []  # (with a profile?, KiB to leave above the reserve), not yet copied
        self._is_on = False
        self._is_closing = False
        self._darkness = Event(self._stop_dead)
        self._overlay = Overlay(
            self.board.processor, self.board.console, self.board.identity, self.board.radio
        )
        self._keep = []
        self._device.dead = True
        self._install()
        self.host = Host(self.clock, self.board.console, self.witness, scenario["start_utc_s"])

    def _install(self) -> None:
        """Put the stand-ins in place, import the firmware among them, and watch it."""
        self._overlay.install(self._device)
        sys.modules["rp2"].Flash = self._open_flash
        sys.modules["os"].urandom = self._random
        from dewarlog_firmware import sizes
        from dewarlog_wire import layout

        layout.SEGMENT_MAX_BYTES = SEGMENT_BYTES
        sizes.LARGE = sizes.SMALL = sizes.Sizes(BLOCK_SAMPLES, *sizes.LARGE[1:])
        # The firmware can be imported only now: it takes `machine` and the rest as it finds them.
        # What it imports later too: the process's files are then out of reach.
        from dewarlog_firmware import (
            app,
            ed25519,
            gauges,
            logbook,
            once,
            opening,
            restart,
            selftest,
            sha512,
            signer,
        )
        from simboard.device.cuts import claims, witness

        logbook.RESERVE_BYTES = RESERVE_BYTES
        logbook._LAST_WORDS_BYTES = LAST_WORDS_BYTES  # noqa: SLF001
        self.firmware = app
        self.imported_late = (ed25519, restart, selftest, sha512)
        self.let_go = [__import__("dewarlog_firmware." + name) for name in once.LET_GO]
        once.let_go = lambda: None
        self.versions = gauges  # the module that has the firmware's version
        self.first_version = gauges.VERSION
        self.firmware_path = opening.FIRMWARE_PATH
        self.claims = claims.CLAIMS
        self.witness = witness.Witness(self.flash.image)
        witness.attach(self.witness)
        rig = self

        class WatchedApp(app.App):
            """The firmware's App, with the witness beside it."""

            def __init__(self, *arguments: "Any") -> None:
                super().__init__(*arguments)
                rig.app = rig.witness.app = self
                rig.witness.on_engine(self.engine, self.config.rules, self.columns)

            def _start_sampling(self) -> None:
                rig.check_claims()
                super()._start_sampling()

        app.App = WatchedApp
        run = app._run  # noqa: SLF001 - a locked board's error would end in a reset, unseen

        def watched_run(lock: "Any") -> None:
            try:
                run(lock)
            except Exception as error:
                if not rig.witness.is_dark:
                    raise _as_broken(error)
                raise

        app._run = watched_run  # noqa: SLF001
        step = signer.Signer.step

        def slow_step(self: "Any") -> bool:
            rig.clock.spend(_SLICE_US)
            return step(self)

        signer.Signer.step = slow_step

    def _random(self, count: int) -> bytes:
        """Return what repeats: os.urandom of this board."""
        return bytes([self._noise.bits(8) for _ in range(count)])

    # --- the hour -----------------------------------------------------------------------------

    def run(self) -> None:
        """Boot again and again until the hour is over. Raises ClaimBroken."""
        self._make_file_system()
        self._schedule()
        cause = PWRON_RESET
        powered = False
        while True:
            if not powered:
                self.board.power_on()
                powered = True
            self.board.processor.power_on(cause)
            self.board.console.reset()
            try:
                self._boot()
                need(False, "the firmware returned to the prompt")
            except _Copies:
                cause = WDT_RESET
            except HardReset as reset:
                cause = reset.cause
            except PowerCut:
                cause = PWRON_RESET
                powered = False
                self._stay_off()
            except TripOver:
                if self._is_closing:
                    return
                # The last boot only looks at what the hour has left.
                self._is_closing = True
                self.flash.watch = None
                cause = PWRON_RESET
                powered = False
                self._stay_off()
            except ClaimBroken:
                raise
            except Exception as error:  # noqa: BLE001 - whatever ends the firmware
                if self.witness.is_dark:  # what littlefs said when the power went
                    cause = PWRON_RESET
                    powered = False
                    self._stay_off()
                    self.host.leave()
                    continue
                raise _as_broken(error)
            self.host.leave()

    def _boot(self) -> None:
        self.boots += 1
        BoardStop.newest = None
        self._is_on = True
        self.witness.context = "boot"
        self.witness.is_replaying = False
        if self.second_cut >= 0:
            self.flash.cut_operation = self.flash.operations + self.second_cut
            self.flash.cut_fraction = self.second_fraction
            self.second_cut = -1
        device = self._device = BlockDevice(self.flash, self._go_dark)
        try:
            vfs.mount(vfs.VfsLfs2(device, progsize=PROGRAM_BYTES), "/")
            while self._copies:
                self._copy(*self._copies[0])
                self._copies.pop(0)
            for file in self._start_files:
                self.board.console.interrupt_char = CTRL_C  # as MicroPython does before each
                exec(file, {"__name__": "__main__"})  # noqa: S102 - that is what booting is
        finally:
            self._is_on = False
            device.dead = True
            if self.board.radio is not None:
                self.board.radio.reset()
            self.app = None
            try:
                vfs.umount("/")
            except OSError:
                pass
            gc.collect()

    def _open_flash(self) -> "BlockDevice":
        """Return what rp2.Flash() gives: the file system's flash, past the file system."""
        device = self._device

        def go_dark() -> "Never":
            device.dead = True
            self._go_dark()
            raise PowerCut

        raw = BlockDevice(self.flash, go_dark)
        raw.dead = device.dead
        return raw

    def _go_dark(self) -> None:
        """The flash lost its supply: so has the processor, before it does anything one can see."""
        self.witness.is_dark = True
        self.cuts += 1
        self.clock.at(self._darkness, self.clock.now)

    def _stop_dead(self) -> "Never":
        raise PowerCut

    def check_claims(self) -> None:
        """Check what must hold after a boot; end here if this boot was only for that."""
        if self.witness.open_run is None:
            need(False, "no run is open after a boot")
        for claim in self.claims:
            claim(self)
        self.witness.context = ""
        if self._export is not None and self.cuts:
            self._export.write(self.witness)
        if self._is_closing:
            raise TripOver

    def end_in(self, minutes: int) -> None:
        """Let the hour be over in so many minutes already."""
        self._at(self.clock.now + minutes * 60000000, self._end)

    def export_as(self, folder: str, number: int, every: int) -> None:
        """Write the log out after each boot, for the host's reader: one cut in `every`."""
        if every and number // 10 % every == 0:
            self._export = Export(folder, number)

    def _stay_off(self) -> None:
        """Let the time of an outage pass: 1 s to a minute."""
        self.witness.is_dark = False
        self.clock.cancel(self._darkness)
        self.board.power_off()
        self.clock.forget_firmware()
        self.clock.irq_on = False
        self.flash.cut_operation = -1
        if self.rot_kind:
            self.witness.rot = turn_one_over(self.flash, self.rot_kind, self._noise, PROGRAM_BYTES)
            self.rot_kind = 0
        until_us = self.clock.now + 1000000 + self._noise.bits(16) * 1000
        self.clock.advance_to(until_us)
        self.clock.irq_on = True

    # --- before it begins ---------------------------------------------------------------------

    def _make_file_system(self) -> None:
        stall, self.flash.erase_us = self.flash.erase_us, (0, 0)
        watch, self.flash.watch = self.flash.watch, None
        device = BlockDevice(self.flash)
        vfs.umount("/")
        vfs.VfsLfs2.mkfs(device, progsize=PROGRAM_BYTES)
        vfs.mount(vfs.VfsLfs2(device, progsize=PROGRAM_BYTES), "/")
        self._write_profile("/profile.json", self.hour.policies[0])
        vfs.umount("/")
        device.dead = True
        self.flash.erase_us = stall
        self.flash.watch = watch
        self.flash.operations = 0
        self.clock.now = 0

    def _write_profile(self, path: str, policy: str, *, lock: bool = False) -> None:
        self._profile["sampling"]["when_full"] = policy
        self._profile["access"] = {"lock": lock}
        with open(path, "w") as file:
            file.write(json.dumps(self._profile))

    def _copy(self, with_profile: bool, room_kib: int) -> None:
        """Copy files to the board, as mpremote does: each is there whole once it is closed."""
        if with_profile:
            self._write_profile("/profile.json", self.hour.policies[1], lock=self.hour.locks)
        else:
            self.versions.VERSION = NEW_VERSION
        stat = os.statvfs("/")
        spare = stat[0] * stat[3] - RESERVE_BYTES - room_kib * 1024
        if spare > 0 and stat[3] <= stat[2]:
            with open("/notes%d" % room_kib, "wb") as file:
                file.write(bytes(spare))

    def _schedule(self) -> None:
        for at_us, visit in self.hour.visits:
            self._at(at_us, self._visitor(visit))
        for at_us, with_profile, room_kib in self.hour.copies:
            self._at(at_us, self._copier(with_profile, room_kib))
        self._at(self.hour.length_us, self._end)

    def _at(self, at_us: int, action: "Any") -> None:
        """Do something then; if a flash operation is under way, behind it."""

        def due() -> None:
            if self.clock.irq_on:
                action()
            else:
                self.clock.at(event, self.clock.now + 1000)

        event = Event(due)
        self._keep.append(event)
        self.clock.at(event, at_us)

    def _visitor(self, visit: "Any") -> "Any":
        def come() -> None:
            if self._is_on:
                self.host.begin(visit)

        return come

    def _copier(self, with_profile: bool, room_kib: int) -> "Any":
        def stop() -> None:
            self._copies.append((with_profile, room_kib))
            if self._is_on:
                raise _Copies

        return stop

    def _end(self) -> None:
        if self._is_closing:
            return
        if self._is_on:
            raise TripOver
        self._at(self.clock.now + 1000000, self._end)  # when it is on again


def _as_broken(error: Exception) -> ClaimBroken:
    """Return what tells of an error that ended the firmware."""
    text = io.StringIO()
    sys.print_exception(error, text)
    return ClaimBroken("the firmware ended with an error: " + text.getvalue())


def _compiled(name: str) -> "Any":
    """Return the code of one of the firmware's start files, found where its package is."""
    for folder in sys.path:
        try:
            with open(folder + "/" + name) as file:
                return compile(file.read(), name, "exec")
        except OSError:
            continue
    raise OSError(name + " is not on the path")
