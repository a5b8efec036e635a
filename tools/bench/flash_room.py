"""How full a Pico W's 848 KiB file system is after 14 days at 10 s with 50 shock windows.

Runs the firmware on the simulated board (about 45 s), then asks it as a host would. Prints, never
gates. The shocks are of three lengths and strengths, all above the lowest band, so each keeps its
window.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

sys.path[:0] = [str(Path(__file__).resolve().parents[1])]

from simboard import launch  # noqa: E402 - the path above first: run as a script

DAYS: Final = 14
SHOCKS: Final = 50
CAPACITY_KIB: Final = 848
DEWARLOG: Final = Path(sys.executable).with_name("dewarlog")
# Peak in g, length in ms: a knock, a drop, a long blow.
KINDS: Final = ((38, 6), (56, 11), (31, 20))

HEAD: Final = f"""
title = "{DAYS} days, {SHOCKS} shocks"
begins = 2026-03-02T08:00:00Z
length = "{DAYS} days"
[dewar]
hold = "30 days"
[[probe]]
channel = 0
[[probe]]
channel = 1
placement = "payload bottom"
[[probe]]
channel = 2
placement = "neck"
"""


def scenario() -> str:
    """Return the scenario file: the shocks spread over the whole trip."""
    text = HEAD
    for number in range(SHOCKS):
        peak_g, pulse_ms = KINDS[number % len(KINDS)]
        day, minute = divmod(number * (DAYS - 1) * 1440 // SHOCKS + 600, 1440)
        moment = f"day {day + 1} {minute // 60:02}:{minute % 60:02}"
        text += f'[[knock]]\nat = "{moment}"\npeak_g = {peak_g}\npulse = "{pulse_ms} ms"\n'
        text += "axis = [0.3, 0.2, 0.93]\n"
    return text


def main() -> int:
    """Run the trip and print what the board has left."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "flash_room.toml"
        file.write_text(scenario())
        with launch.start(file, serve=True, tell=lambda _: None) as board:
            board.wait_serving(timeout_s=900)
            arguments = [DEWARLOG, "status", f"usb:{board.pty}", "--json"]
            answer = subprocess.run(arguments, check=True, capture_output=True, text=True)
            arguments = [DEWARLOG, "pull", f"usb:{board.pty}", "--archive", folder]
            subprocess.run(arguments, check=True, capture_output=True)
        stored = sum(log.stat().st_size for log in Path(folder).rglob("*.dwl"))
    free_kib = json.loads(answer.stdout)["free_bytes"] / 1024
    print(f"{DAYS} days x 4 channels at 10 s, {SHOCKS} shock windows")
    print(f"  log as pulled                 {stored / 1024:8.1f} KiB")
    print(f"  file system                   {CAPACITY_KIB:8.1f} KiB")
    print(f"  free, journal open            {free_kib:8.1f} KiB ({free_kib / CAPACITY_KIB:.0%})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
