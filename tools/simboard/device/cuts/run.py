"""Cuts the power in scripted hours: `micropython run.py job.json`, one worker of tools/cuts.

An hour runs once without a cut. At each operation where a cut is wanted the process forks: the
child has its power cut there, boots, goes on with the hour and says how it went; the
parent waits, and goes on to the next. So every cut costs only what comes after it.

One line of output a cut:  ok ID CUTS BOOTS CHECKED  |  broken ID TEXT
and one an hour:           hour SEED OPERATIONS CHECKED
ID is the cut's number (see `Cut`): it says everything, so that it can be done again.
"""

import gc
import json
import sys

import ffi

from simboard.device.cuts.broken import ClaimBroken
from simboard.device.cuts.rig import Rig
from simboard.device.noise import Noise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_libc = ffi.open(None)
_fork = _libc.func("i", "fork", "")
_waitpid = _libc.func("i", "waitpid", "ipi")
_exit = _libc.func("v", "_exit", "i")
_alarm = _libc.func("I", "alarm", "I")
_say = print  # print() is the board's while the firmware runs

_GARBAGE_BYTES = 2000000
_TOLD = 3  # exit status of a child that has said what was broken; 1: MicroPython's own, of errors
_CHILD_S = 120  # one cut takes below a second
BEFORE, TORN, AFTER = 0, 1, 2
DOUBLE = 3  # added to one of these: power goes again soon after the boot
ROT = 6  # to 9: before the operation, and a bit turns over while the board lies dark, see rot.py
WAYS = 10
_OPERATIONS = 1000000
# Hours from here on are cut at random, and go on for some minutes behind the cut; the others,
# which are cut everywhere, to their end.
RANDOM_HOURS = 1000000
# Of random cuts: one in so many operations, by what the firmware is at. Sampling is most of an
# hour and always the same.
_EVERY = {"": 400, "journal": 120, "block": 40, "boot": 60}
_EVERY_OTHER = 12
_SECOND_WITHIN = 60  # operations after the boot


class Cut:
    """One cut: `number` = ((hour's seed) * 1000000 + operation) * 10 + way."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.hour = number // (_OPERATIONS * 10)
        self.operation = number // 10 % _OPERATIONS
        self.way = number % 10
        noise = Noise(number & 0x3FFFFFFF)
        noise.bits(8)
        place = self.way % 3
        self.fraction = 0.0 if place == BEFORE else 1.0 if place == AFTER else _part(noise)
        self.second = -1
        if self.way >= ROT:
            self.fraction = 0.0
        elif self.way >= DOUBLE:
            self.second = noise.bits(16) % _SECOND_WITHIN
        self.second_fraction = _part(noise)
        self.minutes = 0  # that the hour goes on; 0: to its end
        if self.hour >= RANDOM_HOURS:
            self.minutes = 2 + noise.bits(3)

    def arm(self, rig: "Rig") -> None:
        """Have the power go at the operation that is about to begin."""
        rig.flash.watch = None
        rig.flash.cut_operation = self.operation
        rig.flash.cut_fraction = self.fraction
        rig.second_cut = self.second
        rig.second_fraction = self.second_fraction
        if self.minutes:
            rig.end_in(self.minutes)
        rig.rot_kind = self.way if self.way >= ROT else 0


def _whole_hour(seed: int) -> int:
    """Return the number that names an hour without a cut: no hour has so many operations."""
    return (seed + 1) * _OPERATIONS * 10 - 1


def _part(noise: "Noise") -> float:
    return 0.02 + noise.bits(10) / 1070


class Systematic:
    """Every `stride`-th cut of all operations and ways, from `offset` on."""

    def __init__(self, hour: int, stride: int, offset: int) -> None:
        self._hour = hour
        self._stride = stride
        self._offset = offset
        self.left = 1 << 30

    def cuts(self, operation: int, context: str) -> list:
        """Return the numbers of the cuts wanted at this operation."""
        first = operation * WAYS
        wanted = []
        for way in range(WAYS):
            if (first + way) % self._stride == self._offset:
                wanted.append((self._hour * _OPERATIONS + operation) * 10 + way)
        return wanted


class AtRandom:
    """Cuts at random operations of one hour, `left` of them at most; the seed is the hour's."""

    def __init__(self, hour: int, left: int) -> None:
        self._hour = hour
        self._noise = Noise(hour + 5)
        self.left = left

    def cuts(self, operation: int, context: str) -> list:
        """Return the number of the cut wanted at this operation, if one is."""
        every = _EVERY.get(context, _EVERY_OTHER)
        way = self._noise.bits(16) % WAYS
        if self._noise.bits(20) % every or not self.left:
            return []
        self.left -= 1
        return [(self._hour * _OPERATIONS + operation) * 10 + way]


class Only:
    """The cuts that are named."""

    left = 1 << 30

    def __init__(self, numbers: list) -> None:
        self._numbers = numbers

    def cuts(self, operation: int, context: str) -> list:
        """Return those at this operation."""
        return [number for number in self._numbers if number // 10 % _OPERATIONS == operation]


class Worker:
    """Runs hours and their cuts."""

    def __init__(self, job: "dict[str, Any]") -> None:
        self.job = job

    def hour(self, seed: int, plan: "Any") -> None:
        """Run one hour, in a process of its own."""
        child = _fork()
        if child:
            status = _wait(child)
            if status not in (0, _TOLD):
                _say("broken %d the hour failed: status %d" % (seed * _OPERATIONS * 10, status))
            return
        gc.threshold(_GARBAGE_BYTES)
        rig = Rig(self.job["scenario"], self.job["profile"], seed)
        # For tests: what a worse firmware would do, which must not go unnoticed.
        exec(self.job["sabotage"], {})  # noqa: S102 - by our own tests
        cut = None

        def watch(operation: int) -> None:
            nonlocal cut
            for number in plan.cuts(operation, rig.witness.context):
                child = _fork()
                if child == 0:
                    cut = Cut(number)
                    _alarm(_CHILD_S)
                    rig.export_as(self.job["export"], number, self.job["export_every"])
                    cut.arm(rig)
                    return
                status = _wait(child)
                if status not in (0, _TOLD):
                    _say("broken %d it hung, or MicroPython failed: status %d" % (number, status))

        rig.flash.watch = watch
        try:
            rig.run()
        except ClaimBroken as broken:
            number = _whole_hour(seed) if cut is None else cut.number
            _say("broken %d %s" % (number, str(broken).replace("\n", " / ")))
            _exit(_TOLD)
        except Exception as error:  # noqa: BLE001 - of the rig itself: no cut passes unjudged
            number = _whole_hour(seed) if cut is None else cut.number
            _say("broken %d the rig failed: %r" % (number, error))
            _exit(_TOLD)
        if cut is None:
            _say("hour %d %d %d" % (seed, rig.flash.operations, rig.witness.checks))
        else:
            _say("ok %d %d %d %d" % (cut.number, rig.cuts, rig.boots, rig.witness.checks))
        _exit(0)


def _wait(child: int) -> int:
    """Return how a child ended: its exit status, or 256 and the signal."""
    status = bytearray(4)
    while _waitpid(child, status, 0) < 0:
        pass
    return status[1] if not status[0] & 127 else 256 + (status[0] & 127)


def main() -> None:
    """Do the job in the file that is the argument."""
    with open(sys.argv[1]) as file:
        job = json.load(file)
    worker = Worker(job)
    if job["only"]:
        for seed in sorted({number // (_OPERATIONS * 10) for number in job["only"]}):
            worker.hour(seed, Only([n for n in job["only"] if n // (_OPERATIONS * 10) == seed]))
        return
    for seed in job["hours"]:
        if job["stride"]:
            worker.hour(seed, Systematic(seed, job["stride"], job["offset"]))
        else:
            worker.hour(seed, AtRandom(seed, job["per_hour"]))


if __name__ == "__main__":
    main()
