"""A board's life in one heap: a boot, samples, shocks, an excursion, hosts at cable and door.

    micropython -X heapsize=190k -c "from size_rig.scenario import main; main()" STEP FLASH PROFILE

STEP `first`: a new board's first boot, everything, then the power is cut. `again`: it boots again,
and everything once more. `other`: its profile has changed, so that the boot closes the run before.
Each is a process of its own, as a board begins with an empty heap, on the flash the last one left.
Prints what the heap held at each place, and `passed STEP` at its end.
"""

import gc
import os
import sys

import vfs

from size_rig import board as rig
from size_rig.imports import LATE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MACHINE = "Raspberry Pi Pico W with RP2040"
_TICKS = 40
_WARM_FROM, _WARM_TO = 10, 20
_SHOCKS_AT = (5, 12, 30)
_PARTS = (
    "Advert",
    "Audit",
    "BleLink",
    "Chips",
    "Desk",
    "Engine",
    "FlashLog",
    "Guard",
    "Keeper",
    "Logbook",
    "Radio",
    "Recorder",
    "Sample",
    "Sampler",
    "Server",
    "ShockCapture",
    "ShockKeeper",
    "ShockSampler",
    "Signer",
    "Signing",
    "Tilt",
    "UsbLink",
)


class _Over(Exception):
    """The step is over: the power goes."""


def held() -> int:
    """Return the bytes that are alive in the heap."""
    gc.collect()
    return gc.mem_alloc()


def say(name: str, value: int) -> None:
    """Print one figure."""
    print(name, value)


def main() -> None:
    """Run one step."""
    step, flash, profile = sys.argv[1:4]
    begins = held()
    say("total", gc.mem_alloc() + gc.mem_free())
    with open(profile, "rb") as file:
        text = file.read()
    rig.install()
    say("rig", held() - begins)
    before = held()
    from dewarlog_firmware import app, board, once

    if sys.path[1] != ".frozen":  # behind "": files that the board's own file system now hides
        for name in LATE + once.LET_GO:
            __import__("dewarlog_firmware." + name)
        once.let_go = lambda: None
    say("imports", held() - before)
    rig.Flash.file = open(flash, "r+b")
    if step == "first":
        vfs.VfsLfs2.mkfs(rig.Flash(), progsize=256)
    vfs.umount("/")
    vfs.mount(vfs.VfsLfs2(rig.Flash(), progsize=256), "/")
    if step != "again":
        with open("/profile.json", "wb") as file:
            file.write(text)
    del text, file
    before = held()
    from size_rig import host

    say("rig", held() - before)
    board.machine_name = lambda: _MACHINE
    board.Console = lambda: rig.world.console
    board.Waiter = rig.Waiter
    make = app.App.__init__
    for name in _PARTS:
        setattr(app, name, _Part(name, getattr(app, name)))

    def measured(self: "Any", *arguments: "Any") -> None:
        life.logbook = None  # an app whose profile found no room makes place for another
        start = held()
        make(self, *arguments)
        say("parts", held() - start)
        say("in_one_piece_at_start", _largest())
        life.logbook = self.logbook

    app.App.__init__ = measured
    life = _Life(host)
    rig.world.turn = life.turn
    try:
        app.run()
    except _Over:
        print("passed", step)


class _Part:
    """A part of the app, measured as it is made; what it makes itself with it."""

    def __init__(self, name: str, make: "Any") -> None:
        self._name = name
        self._make = make

    def __call__(self, *arguments: "Any", **more: "Any") -> "Any":
        """Make one."""
        before = held()
        part = self._make(*arguments, **more)
        say("part " + self._name, held() - before)
        return part


class _Life:
    """Leads the world through one step."""

    def __init__(self, host: "Any") -> None:
        self._hosts = host
        self._cable = host.Host(rig.world, by_radio=False)
        self._air = host.Host(rig.world, by_radio=True)
        self._shocks = 0
        self._stage = 0
        self.logbook = None

    def turn(self) -> bool:
        """Do what is due at this moment; called when the firmware sleeps."""
        world = rig.world
        ticks = world.ticks
        world.warm = _WARM_FROM <= ticks < _WARM_TO
        if self._shocks < len(_SHOCKS_AT) and ticks >= _SHOCKS_AT[self._shocks]:
            self._shocks += 1
            self._shock(world)
        if ticks < _TICKS:
            return False
        self._stage += 1
        if self._stage == 1:
            say("running", held())
            self._cable.begin(self._hosts.cable_visit, self.turn)
        elif self._stage == 2:
            say("behind_cable", held())
            self._air.begin(self._hosts.air_visit, self.turn)
        else:
            say("behind_air", held())
            say("in_one_piece", _largest())
            say("cable_bytes", self._cable.received)
            say("air_bytes", self._air.received)
            say("stored_bytes", _stored())
            say("shocks", self.logbook.shocks)
            say("signed", int(self._cable.has_signed and self._air.has_signed))
            raise _Over
        return True

    def _shock(self, world: "rig.World") -> None:
        """60 g for 10 ms, then the mass swings out: 24 FIFOs of 7.5 ms."""
        chip = world.accelerometer
        for burst in range(24):
            peak = 600 if burst < 2 else 10
            world.after(
                8 * burst,
                lambda peak=peak, burst=burst: chip.measure(
                    24, peak, begins=burst == 0, awake=burst < 20
                ),
            )


def _largest() -> int:
    """Return how large a buffer could be had now."""
    gc.collect()
    least, most = 0, gc.mem_free()
    while most - least > 64:
        middle = (least + most) // 2
        try:
            bytearray(middle)
            least = middle
        except MemoryError:
            most = middle
        gc.collect()
    return least


def _stored() -> int:
    total = 0
    for folder, kind, *_ in os.ilistdir("/log"):
        if kind == 0x4000:
            for entry in os.ilistdir("/log/" + folder):
                total += entry[3]
    return total
