"""The demo at the door: a bad trip handed over twice by radio, and what that proves afterwards.

The dewar's owner claims and locks its logger and lends two couriers a token each; a stranger in
reach gets nothing.

Started by `tools/demo --ble`. The radio is the virtual one of tools/simboard/air; all else is what
people use: the firmware, bleak, the commands. Each person has a computer of their own, which is a
folder below `demo/` with an archive and keys; nothing else is touched.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from simboard import air, launch
from simboard.errors import SimboardError
from simboard.scenario import find
from workshop.demo import (
    FOLDER,
    JUDGED,
    SCENARIO,
    StepFailed,
    begin,
    only_log,
    place,
    run,
    show_progress,
    step,
)
from workshop.places import ROOT

if TYPE_CHECKING:
    from simboard.launch import SimBoard

# Another dewar on the air, which is well: a day in a fraction of the other trip's time.
NEIGHBOUR: Final = Path(__file__).with_name("neighbour.toml")
# What the bad trip lacks to be told from it on the air: `scan` shows how a dewar is now.
DRY_AGAIN: Final = """
# The nitrogen is gone again when the courier comes.
[[dry_out]]
from = "day 11 07:20"
for = "3 h"
above_degc = -150
peak_degc = -125
"""
STEPS: Final = 9
TRIP_S: Final = 600.0
SCAN_S: Final = 3
# A connection as phones and laptops choose it: one event every 15 ms.
INTERVAL_MS: Final = 15
FIRST: Final = ("S. Haddad", "J. Bakker", "Clinic, cell lab")
SECOND: Final = ("J. Bakker", "A. Costa", "Depot 7, gate")
# Exit code of what the board or the link did not do.
DEVICE: Final = 5


def main() -> int:
    """Run the demo; return 0 when the trip was handed over twice and judged."""
    begin()
    try:
        with air.start(interval_ms=INTERVAL_MS) as socket:
            seconds = _at_the_door(socket)
        judged = _at_the_receiving_site()
    except (SimboardError, StepFailed) as error:
        print(f"tools/demo: {error}", file=sys.stderr)
        return 1
    site = ROOT / place("receiver")
    log = only_log(site / "archive")
    receipts = "\n".join(f"              {path}" for path in _receipts(site))
    print(f"""
The verdict is {("USE", "HOLD")[judged]}.
Handed over in {seconds[0]:.1f} s and {seconds[1]:.1f} s, from the command to its last line.
The report:   {site / "report.html"}
The log:      {ROOT / log}
The receipts: {receipts.strip()}

Try next:
    change a word in a receipt, and run `.venv/bin/dewarlog receipt` on it again
    change a byte of the log, and run `.venv/bin/dewarlog verify` on it
    tools/simboard/README.md, "The virtual radio": your own dewars on the air, and faults""")
    return 0


# --- at the door ---------------------------------------------------------------------------------
def _at_the_door(socket: str) -> list[float]:
    """Run both dewars' trips, and hand the bad one over twice; return how long each took."""
    step(1, STEPS, "two dewars: ten bad days, and one calm day; the real firmware, some 40 s")
    trip = FOLDER / "bad_and_dry_again.toml"
    trip.write_text(find(SCENARIO).read_text() + DRY_AGAIN)
    with (
        launch.start(trip, serve=True, air=socket, tell=show_progress) as sick,
        launch.start(NEIGHBOUR, serve=True, air=socket) as well,
    ):
        for board in (sick, well):
            board.wait_serving(TRIP_S)
        step(
            2, STEPS, "on the bench, by cable: the owner claims the logger, locks it, lends it out"
        )
        port, dewar = f"usb:{sick.pty}", _name(sick)
        run("claim", port, "--certificate", CERTIFICATE, "--keys", OWNERS_KEYS)
        run("lock", port, "--keys", OWNERS_KEYS)
        for computer, holder in (("courier-1", FIRST[1]), ("courier-2", SECOND[1])):
            _lend(computer, holder, _id(sick))
        step(3, STEPS, "at the door, by radio from here on: who is here?")
        os.environ["DEWARLOG_AIR"] = socket
        print(f"$ export DEWARLOG_AIR={socket}", flush=True)
        run("scan", "--no-usb", "--seconds", str(SCAN_S))
        step(4, STEPS, "a stranger in reach tries to read it, and gets nothing")
        run("pull", dewar, *_own("stranger"), codes=(DEVICE,))
        step(5, STEPS, "courier 1 takes the dewar over, by the token he was lent")
        first_s = _hand_over("courier-1", dewar, *FIRST)
        step(6, STEPS, "courier 2 takes it over: another computer, another token")
        second_s = _hand_over("courier-2", dewar, *SECOND)
    return [first_s, second_s]


def _id(board: SimBoard) -> str:
    return cast("dict[str, str]", board.scenario.device["board"])["unique_id"]


def _name(board: SimBoard) -> str:
    """Name a dewar as `scan` shows it: its radio's name ends as its id does."""
    return f"ble:dewarlog-{_id(board)[-4:]}"


def _lend(computer: str, holder: str, device_id: str) -> None:
    """Make a token for a courier, who puts it away on his computer."""
    token = place(f"{computer}.token.json")
    lent = ("--device", device_id, "--days", "2", "--holder", holder, "--output", token)
    run("token", "make", *lent, "--keys", OWNERS_KEYS)
    run("token", "add", token, "--keys", place(computer, "keys"))


def _hand_over(computer: str, dewar: str, giver: str, receiver: str, where: str) -> float:
    names = ("--giver", giver, "--receiver", receiver, "--role", "courier", "--place", where)
    began_s = time.monotonic()
    run("handoff", dewar, *names, *_own(computer), codes=JUDGED)
    return time.monotonic() - began_s


# --- at the receiving site -----------------------------------------------------------------------
def _at_the_receiving_site() -> int:
    """Join what both couriers hold, and say what it proves; return the check's exit code."""
    folder = place("receiver", "archive")
    step(7, STEPS, "the receiving site joins both couriers' archives: one log, two receipts")
    for courier in ("courier-1", "courier-2"):
        run("archive", "--archive", folder, "--merge", place(courier, "archive"))
    log = str(only_log(ROOT / folder))
    step(
        8,
        STEPS,
        "it has no key, only the certificate: what does that prove? And the owner's keys?",
    )
    for receipt in _receipts(ROOT / folder):
        shown = (str(receipt.relative_to(ROOT)), "--log", log, "--certificate", CERTIFICATE)
        run("receipt", *shown, "--keys", place("receiver", "keys"))
    held = ("--archive", folder)
    run("verify", log, "--certificate", CERTIFICATE, "--keys", place("receiver", "keys"), *held)
    run("verify", log, "--keys", OWNERS_KEYS, *held)
    step(9, STEPS, "check every byte and every claim, and write the page for the file")
    judged = run("check", log, codes=JUDGED)
    run("report", log, "--output", place("receiver", "report.html"), codes=JUDGED)
    return judged


# --- helpers -------------------------------------------------------------------------------------
CERTIFICATE: Final = place("owner", "certificate.json")
OWNERS_KEYS: Final = place("owner", "keys")


def _own(computer: str) -> tuple[str, ...]:
    return ("--archive", place(computer, "archive"), "--keys", place(computer, "keys"))


def _receipts(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.handoff-*.json"), key=lambda path: path.stat().st_mtime)


if __name__ == "__main__":
    raise SystemExit(main())
