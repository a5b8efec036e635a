"""Writes a board's stored runs out as the host files them, with what was recorded beside them.

FOLDER/ID.BOOT.RUN.dwl is the run's segments in order, then its journal; FOLDER/ID.BOOT.RUN.json
says what stood in the recorder's hands: samples, events, and how many of each were durable.
"""

import json
import os

import vfs

from simboard.device.cuts.stored import read_file, run_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from simboard.device.cuts.witness import Witness

_ROOT = "/log"


class Export:
    """The exports of one cut."""

    def __init__(self, folder: str, number: int) -> None:
        self._host = vfs.VfsPosix()  # the process's own file system, beside the board's
        self._folder = folder
        self._number = number
        self._boot = 0

    def write(self, witness: "Witness") -> None:
        """Write every run as it stands after this boot."""
        self._boot += 1
        for number in run_folders(_ROOT):
            run = witness.runs.get(number)
            if run is None or number in witness.removed_runs:
                continue
            name = "%s/%d.%d.%d" % (self._folder, self._number, self._boot, number)
            folder = "%s/%08x" % (_ROOT, number)
            with self._host.open(name + ".dwl", "wb") as file:
                for entry in sorted(os.listdir(folder)):
                    if entry.endswith(".seg"):
                        file.write(read_file(folder + "/" + entry))
                file.write(read_file(folder + "/journal") or b"")
            with self._host.open(name + ".json", "w") as file:
                file.write(
                    json.dumps(
                        {
                            "samples": [list(codes) for _, codes in run.samples],
                            "durable_samples": run.durable_samples,
                            "events": [kind for kind, _, _, _ in run.events],
                            "rot": repr(witness.rot)
                            if witness.rot is not None and witness.rot.run == number
                            else "",
                            "removed_blocks": sorted(run.removed_blocks),
                        }
                    )
                )
