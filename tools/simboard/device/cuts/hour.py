"""The scripted hour: what happens when, varied by its seed.

Two runs, by two profiles: the second begins when someone copies another profile to the board, in
the middle of the hour, with a file that takes most of the room. In each there are an excursion or
the end of one, knocks with windows, a pull with its confirmation, a custody step, a clock sync, a
handoff, the radio switched, a refused proof, a signature, an acknowledgement, a self-test, the
lock set and opened. In the second another firmware comes with the files that are copied, and it
fills what room is left: the confirmed first run goes, then, by the policy, the oldest of the
second, or recording stops.
"""

from simboard.device.cuts import bench_visits, host
from simboard.device.noise import Noise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MINUTE_US = 60000000
HOUR_US = 60 * MINUTE_US
# Seeds of hours, short ones, in which the board is on a bench: profiles put in force, runs erased,
# another device key made.
BENCH_HOURS = range(900, 910)
_BENCH_MINUTES = 21
STOP = "stop"
OVERWRITE = "overwrite"


class Hour:
    """What one seed makes of the hour. Times in us since its beginning."""

    def __init__(self, seed: int) -> None:
        noise = Noise(seed * 7919 + 3)
        self.seed = seed
        self.policies = (OVERWRITE, STOP) if seed & 1 else (STOP, OVERWRITE)
        self.flash_kib = 104 + 4 * (noise.bits(8) % 5)
        # When someone copies files to the board and resets it: another profile first, then one
        # that is no business of the logger's and leave it little room above its reserve, in KiB,
        # and with it another firmware.
        self.copies = [
            (_at(noise, 27), True, 24),
            (_at(noise, 38), False, 4),
            (_at(noise, 47), False, 8 if self.policies[1] == OVERWRITE else 0),
        ]
        self.knocks = []  # (at_us, peak_g, pulse_us, axis)
        for minute in (4, 16, 24, 34, 37, 41, 45, 48, 52):
            peak_g = 30 + noise.bits(7)
            self.knocks.append([_at(noise, minute), peak_g, 6000, [0.0, 0.6, 0.8]])
        self.locks = seed & 2 != 0  # the second profile has the board locked
        self.length_us = HOUR_US
        if seed in BENCH_HOURS:
            self._lie_on_a_bench(noise)
            return
        self.visits = [
            (_at(noise, 1), host.sync),
            (_at(noise, 2), host.mark),
            (_at(noise, 3), host.give_seal_key),
            (_at(noise, 5), host.claim),
            (_at(noise, 6), host.fail),
            (_at(noise, 7), host.selftest),
            (_at(noise, 8), host.sign),
            (_at(noise, 10), host.pull),
            (_at(noise, 12), host.handoff),
            (_at(noise, 14), host.radio_off),
            (_at(noise, 15), host.acknowledge),
            (_at(noise, 17), host.lock),
            (_at(noise, 19), host.break_in),
            (_at(noise, 21), host.unlock),
            (_at(noise, 25), host.pull),
            (_at(noise, 29), host.sync),
            (_at(noise, 30), host.pull),
            (_at(noise, 31), host.selftest),
            (_at(noise, 33), host.radio_off),
            (_at(noise, 35), host.radio_on),
            (_at(noise, 36), host.fail),
            (_at(noise, 39), host.lock),
            (_at(noise, 40), host.break_in),
            (_at(noise, 42), host.unlock),
            (_at(noise, 43), host.pull),
            (_at(noise, 44), host.sign),
            (_at(noise, 46), host.handoff),
            (_at(noise, 49), host.acknowledge),
            (_at(noise, 50), host.mark),
            (_at(noise, 57), host.stop),
        ]

    def _lie_on_a_bench(self, noise: "Noise") -> None:
        self.length_us = _BENCH_MINUTES * MINUTE_US
        self.copies = []
        self.visits = [
            (_at(noise, 1), host.sync),
            (_at(noise, 2), host.claim),
            (_at(noise, 4), bench_visits.put),
            (_at(noise, 6), host.pull),
            (_at(noise, 7), bench_visits.erase),
            (_at(noise, 9), bench_visits.put_again),
            (_at(noise, 11), host.pull),
            (_at(noise, 12), bench_visits.seed),
            (_at(noise, 14), host.claim),
            (_at(noise, 15), host.handoff),
            (_at(noise, 17), bench_visits.erase),
            (_at(noise, 18), bench_visits.put),
            (_at(noise, 20), host.mark),
        ]

    def put_into(self, scenario: "dict[str, Any]") -> None:
        """Change a scenario as the launcher gives it into this hour's."""
        noise = Noise(self.seed * 104729 + 11)
        scenario["seed"] = self.seed
        scenario["board"]["flash_kib"] = self.flash_kib
        scenario["motion"]["knocks"] = self.knocks
        for dry_out in scenario["dry_outs"]:
            dry_out[0] += noise.bits(10) % 240 * 1000000


def _at(noise: "Noise", minute: int) -> int:
    """Return a moment within that minute."""
    return minute * MINUTE_US + noise.bits(16) % 60000 * 1000
