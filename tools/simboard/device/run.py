"""Runs the firmware on the simulated board: `micropython run.py scenario.json`.

The scenario is the launcher's JSON (tools/simboard/scenario.py writes it). Boots as a board does:
/boot.py and /main.py from flash, or the firmware folder's in their place; then the prompt. A blank
board has MicroPython and no firmware but what is put on its flash. Power
cuts and resets start over in the same process, with the flash image as it was.
"""

import gc
import io
import json
import os
import sys
import time
from array import array

import vfs

from simboard.device.clock import Event
from simboard.device.console import CTRL_C
from simboard.device.modules import Overlay
from simboard.device.nor_flash import BlockDevice
from simboard.device.pace import Pace
from simboard.device.power import BoardStop, HardReset, PowerCut, SoftReset, TripOver
from simboard.device.processor import PWRON_RESET
from simboard.device.pty_port import PtyPort
from simboard.device.repl import Repl
from simboard.device.wiring import Board

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Never

_DAY_US = 86400 * 1000000
_PROGRAM_BYTES = 256  # what rp2's _boot.py gives littlefs
_CABLE_US = 8000000  # a host's cable is in before its bytes, and after
_OUTAGE_US = 1000000  # how long power stays off when nothing else is said
_GARBAGE_BYTES = 2000000
_say = print  # the launcher's; print() is the board's while the firmware runs
_CAUGHT_UP_US = 20000
_BEHIND_MAX_US = 6 * 3600 * 1000000
_MAIN = "from dewarlog_firmware import app\napp.run()\n"


class Run:
    """One trip of one board, from the first boot to the end of the process."""

    def __init__(self, scenario: "dict[str, Any]") -> None:
        self.scenario = scenario
        _load_recordings(scenario)
        self.board = Board(scenario)
        self.clock = self.board.clock
        self.host = vfs.VfsPosix()  # without a root: rename of 1.25 mixes up rooted paths
        self.boots = 0
        self.wall_start_ms = time.ticks_ms()
        self._outage_us = _OUTAGE_US
        self._off_us = 0
        self._inputs = [(at_us, bytes(data)) for at_us, data in scenario["inputs"]]
        self._next_input = Event(self._on_input)
        self._port = None
        self._keep = []  # events of the scenario
        self._reached_end = False
        self._raw_mode = False
        self._firmware_errors = 0
        if scenario["pty_fd"] >= 0:
            self._port = PtyPort(scenario["pty_fd"], scenario["order_fd"], self.board.console)

    # --- the process --------------------------------------------------------------------------

    def run(self) -> None:
        """Boot again and again until the trip is over; then save and report."""
        board = self.board
        self._open_flash()
        self._schedule()
        self._capture = None
        if self.scenario["console_log"]:
            self._capture = self.host.open(self.scenario["console_log"], "wb")
            board.console.sink = self._capture.write
        if self.scenario["real_time"]:
            self._go_real_time()
        vfs.umount("/")
        # MicroPython looks for free memory from the last hole on: with much garbage before the
        # next hole each allocation takes long. So collect what setting up left, and collect early.
        gc.collect()
        gc.threshold(_GARBAGE_BYTES)
        overlay = Overlay(board.processor, board.console, board.identity, board.radio)
        cause = PWRON_RESET
        powered = False
        try:
            while True:
                if not powered:
                    board.power_on()
                    powered = True
                if cause is not None:
                    board.processor.power_on(cause)
                    board.console.reset()
                try:
                    self._boot(overlay, soft=cause is None)
                except SoftReset:
                    cause = None
                    board.processor.stop_firmware()
                except HardReset as reset:
                    cause = reset.cause
                except PowerCut:
                    cause = PWRON_RESET
                    powered = False
                    self._stay_off()
        except TripOver:
            pass
        finally:
            vfs.mount(self.host, "/")
            self.save()
            if self._capture is not None:
                self._capture.close()
        self._report()

    def _boot(self, overlay: "Overlay", soft: bool) -> None:
        """Run the firmware until something takes the processor away from it."""
        board = self.board
        BoardStop.newest = None
        self.boots += 1
        console = board.console
        device = BlockDevice(board.flash)
        names = {"__name__": "__main__"}
        path = list(sys.path)
        try:
            vfs.mount(vfs.VfsLfs2(device, progsize=_PROGRAM_BYTES), "/")
            if self.scenario["blank"]:  # only what was put on its flash
                sys.path[:] = ["", "/lib"]
            else:
                vfs.mount(vfs.VfsPosix(self.scenario["repository"]), "/rom", readonly=True)
                sys.path[:] = ["", "/lib", "/rom/firmware", "/rom/protocol"]
            os.chdir("/")
            overlay.install(device)
            if soft:
                console.send(b"MPY: soft reboot\r\n")
            self._run_file("/boot.py", "/rom/firmware/boot.py", "", names)
            repl = Repl(console, names, self._banner())
            repl.raw = self._raw_mode if soft else False
            if not repl.raw:
                main = self.scenario["main"]
                if main:
                    self._execute(main, "main.py", names)
                else:
                    otherwise = "" if self.scenario["blank"] else _MAIN
                    self._run_file("/main.py", "/rom/firmware/main.py", otherwise, names)
            try:
                repl.run()
            finally:
                self._raw_mode = repl.raw
        finally:
            device.dead = True
            if board.radio is not None:
                board.radio.reset()
            overlay.remove()
            sys.path[:] = path
            for point in ("/rom", "/"):
                try:
                    vfs.umount(point)
                except OSError:
                    pass

    def _run_file(
        self, in_flash: str, in_rom: str, otherwise: str, names: "dict[str, Any]"
    ) -> None:
        """Execute the first of the two files there is, or `otherwise`."""
        for path in (in_flash, in_rom):
            try:
                with open(path) as file:
                    source = file.read()
            except OSError:
                continue
            self._execute(source, path, names)
            return
        self._execute(otherwise, in_flash, names)

    def _execute(self, source: "Any", name: str, names: "dict[str, Any]") -> None:
        """Run source text as a board's start-up does; print what it raises.

        Ctrl-C interrupts from the first statement on and no longer behind the last one, whatever
        was set before: shared/runtime/pyexec.c, parse_compile_execute.
        """
        console = self.board.console
        try:
            code = compile(source, name, "exec")
            console.interrupt_char = CTRL_C
            exec(code, names)  # noqa: S102 - that is what booting is
        except SystemExit:
            raise SoftReset
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - as boards do
            if BoardStop.newest is not None:  # what littlefs said when the power went
                raise BoardStop.newest
            text = io.StringIO()
            sys.print_exception(error, text)
            self.board.console.stdout.write(text.getvalue())
            if not isinstance(error, KeyboardInterrupt):
                self._firmware_errors += 1
                _say("board: the firmware ended with an error:\n" + text.getvalue())
        finally:
            console.interrupt_char = -1
            self.clock.keyboard = False

    def _banner(self) -> str:
        uname = self.board.identity["uname"]
        return 'MicroPython %s; %s\r\nType "help()" for more information.\r\n' % (
            uname.version,
            uname.machine,
        )

    # --- flash --------------------------------------------------------------------------------

    def _open_flash(self) -> None:
        """Load the image, or make a new file system with the profile in it."""
        flash = self.board.flash
        path = self.scenario["flash_image"]
        if path:
            try:
                file = self.host.open(path, "rb")
            except OSError:
                file = None
            if file is not None:
                flash.load(file.read())
                file.close()
                return
        stall = flash.erase_us
        flash.erase_us = (0, 0)
        device = BlockDevice(flash)
        vfs.VfsLfs2.mkfs(device, progsize=_PROGRAM_BYTES)
        filesystem = vfs.VfsLfs2(device, progsize=_PROGRAM_BYTES)
        vfs.mount(filesystem, "/flash")
        for name in self.scenario["files"]:
            with open("/flash/" + name, "w") as file:
                file.write(self.scenario["files"][name])
        vfs.umount("/flash")
        device.dead = True
        flash.erase_us = stall
        flash.operations = flash.erases = flash.programmed_pages = 0
        self.clock.now = 0

    def save(self) -> None:
        """Write the flash image to its host file."""
        path = self.scenario["flash_image"]
        if path:
            with self.host.open(path + ".part", "wb") as file:
                file.write(self.board.flash.image)
            self.host.rename(path + ".part", path)

    # --- the scenario's events ----------------------------------------------------------------

    def _schedule(self) -> None:
        scenario = self.scenario
        for at_us, off_us in scenario["power_cuts"]:
            self._at(at_us, self._cutter(off_us))
        for channel, at_us, _, kind in scenario["probe_faults"]:
            if kind == "brown-out":
                self._at(at_us, self.board.converters[channel].brown_out)
        for at_us, part in scenario["brown_outs"]:
            self._at(at_us, self.board.motion_sensors[part].brown_out)
        cuts = scenario["flash_cuts"]
        if cuts:
            flash = self.board.flash
            flash.cut_operation, flash.cut_fraction, self._outage_us = cuts[0]
        self._inputs.sort()
        self.board.console.cables = [
            (at_us - _CABLE_US, at_us + _CABLE_US) for at_us, _ in self._inputs
        ]
        if self._inputs:
            self.clock.at(self._next_input, self._inputs[0][0])
        days = (scenario["length_us"] + _DAY_US - 1) // _DAY_US
        for day in range(1, days):
            self._at(day * _DAY_US, self._teller(day, days))
        self._at(scenario["length_us"], self._end)

    def _at(self, at_us: int, action: "Callable[[], object]") -> None:
        event = Event(action)
        self._keep.append(event)
        self.clock.at(event, at_us)

    def _cutter(self, off_us: int) -> "Callable[[], None]":
        def cut() -> "Never":
            self._outage_us = off_us
            raise PowerCut

        return cut

    def _teller(self, day: int, days: int) -> "Callable[[], None]":
        return lambda: _say("day %d of %d" % (day, days))

    def _on_input(self) -> None:
        _, data = self._inputs.pop(0)
        if self._inputs:
            self.clock.at(self._next_input, self._inputs[0][0])
        self.board.console.receive(data)

    def _end(self) -> None:
        self._reached_end = True
        if not self.scenario["serve"]:
            raise TripOver
        if self.clock.pace is None and not self._behind():
            self._report()
            self._go_real_time()
            _say("serving")

    def _behind(self) -> bool:
        """Go on in virtual time until it is now by the wall, if the trip's dates end about now."""
        wall_us = time.time_ns() // 1000
        behind_us = wall_us - self.scenario["start_utc_s"] * 1000000 - self.clock.now
        if not _CAUGHT_UP_US < behind_us < _BEHIND_MAX_US:
            return False
        self._at(self.clock.now + behind_us, self._end)
        return True

    def _stay_off(self) -> None:
        """Let the time of an outage pass; nothing runs but the world and the clock chip."""
        board = self.board
        board.power_off()
        self.clock.forget_firmware()
        self.clock.irq_on = False
        off_from_us = self.clock.now
        board.flash.cut_operation = -1
        until_us = self.clock.now + self._outage_us
        self._outage_us = _OUTAGE_US
        if self.clock.pace is not None:
            while self.clock.pace.now_us() < until_us:
                self.clock.pace.wait_until(until_us)
                self._port.read(64)  # the host's bytes reach nobody
        self.clock.advance_to(until_us)
        self._off_us += self.clock.now - off_from_us
        self.clock.irq_on = True

    # --- real time ----------------------------------------------------------------------------

    def _go_real_time(self) -> None:
        """Tie the clock to the wall, the console to the pty and the radio to the air."""
        board = self.board
        if self._port is None:
            raise ValueError("real time needs a pty")
        board.console.port = self._port
        self._keep_pace(self.scenario["speed"])
        if board.radio is not None and self.scenario["air_fd"] >= 0:
            board.radio.go_live(self.scenario["air_fd"])
            self._port.attach_radio(board.radio)

    def _keep_pace(self, speed: float) -> None:
        """Let so many seconds of the board pass in one of the wall from now on."""
        self.clock.pace = Pace(self.clock.now, self._port.wait, speed)
        self.clock.pace.on_look = self._look

    def _look(self) -> None:
        """See to input and the launcher's orders; called every few milliseconds of wall time."""
        self.board.console.pump()
        if self.board.radio is not None:
            self.board.radio.pump()
        for line in self._port.orders():
            words = line.split()
            if words[0] == "quit":
                raise TripOver
            if words[0] == "save":
                self.save()
                _say("saved")
            elif words[0] == "speed":
                self._keep_pace(float(words[1]))
            elif words[0] == "bath":
                baths = self.board.probes[int(words[1])].baths
                baths.put(words[2], self.clock.now)
            elif words[0] == "cut":
                self._outage_us = int(float(words[1]) * 1000000) if len(words) > 1 else _OUTAGE_US
                raise PowerCut

    def _report(self) -> None:
        """Tell the person and the launcher what it took, in one line of JSON."""
        flash = self.board.flash
        radio = self.board.radio
        _say(
            "report "
            + json.dumps(
                {
                    "simulated_s": self.clock.now // 1000000,
                    "wall_s": time.ticks_diff(time.ticks_ms(), self.wall_start_ms) / 1000,
                    "boots": self.boots,
                    "interrupts": self.clock.served,
                    "energy": self.clock.energy.report(
                        self.clock.now - self._off_us, flash.busy_us, self.board.bus_us()
                    ),
                    "chip_settings": self.board.chip_settings(),
                    "flash_erases": flash.erases,
                    "flash_pages": flash.programmed_pages,
                    "flash_wear_max": max(flash.wear),
                    "flash_longest_stall_ms": flash.longest_stall_us // 1000,
                    "console_dropped_bytes": self.board.console.dropped_bytes,
                    "handler_failures": self.clock.failures,
                    "firmware_errors": self._firmware_errors,
                    "radio_values_sent": radio.sent if radio else 0,
                    "radio_values_refused": radio.stack.refused if radio else 0,
                    "radio_queue_max_bytes": radio.stack.queue_max_bytes if radio else 0,
                }
            )
        )


def _load_recordings(scenario: "dict[str, Any]") -> None:
    """Read the launcher's sample files (32-bit floats, x y z x y z ...) into arrays."""
    for entry in scenario["motion"]["recordings"]:
        with open(entry[2], "rb") as file:
            data = file.read()
        samples = array("f", data)
        entry[2] = samples


def main() -> None:
    """Run the scenario whose JSON file is the argument."""
    with open(sys.argv[1]) as file:
        scenario = json.load(file)
    Run(scenario).run()


if __name__ == "__main__":
    main()
