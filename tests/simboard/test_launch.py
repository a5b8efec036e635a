"""The whole simulated board as a process: boots, prompt, power, and what a host sees of it.

Most run a stand-in for the firmware, a few lines of Python, so that they test the board.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import serial

from simboard import launch
from workshop.places import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MicroPython

_SHORT: Final = """
title = "Short"
begins = 2026-03-02T08:00:00Z
length = "{length}"
{tables}
[[probe]]
channel = 0
"""
_COUNTER: Final = """
import machine, time
with open("/boots", "a") as file:
    file.write("%d" % machine.reset_cause())
print("booted")
"""
_FOREVER: Final = _COUNTER + "while True:\n    machine.idle()\n"


@pytest.fixture
def scenario_file(tmp_path: Path, micropython: MicroPython) -> Path:
    """Return where a test writes its scenario; skips where there is no MicroPython."""
    return tmp_path / "case.toml"


def _write(file: Path, tables: str = "", length: str = "60 s") -> Path:
    file.write_text(_SHORT.format(length=length, tables=tables))
    return file


def _serving(file: Path, main: str) -> launch.SimBoard:
    board = launch.start(_write(file), serve=True, main=main)
    try:
        board.wait_serving(30)
    except BaseException:
        board.stop()
        raise
    return board


@pytest.fixture
def serving(scenario_file: Path) -> Iterator[launch.SimBoard]:
    """Return a board that serves its pty, its firmware idling."""
    with _serving(scenario_file, _FOREVER) as board:
        yield board


def _mpremote(port: str, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", port, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _read_until(port: serial.Serial, end: bytes) -> bytes:
    return port.read_until(end)


# --- a trip in virtual time ---------------------------------------------------------------------


def test_a_trip_ends_with_a_report(scenario_file: Path) -> None:
    """Virtual time: an hour takes no hour, and the console's output can be read after it."""
    board = launch.start(_write(scenario_file, length="1 h"), main=_FOREVER)
    with board:
        report = board.wait_end(60)

        assert report["simulated_s"] == 3600
        assert report["boots"] == 1
        assert board.console_output() == b"booted\r\n"


def test_a_power_cut_starts_over_with_the_flash_as_it_was(
    scenario_file: Path, tmp_path: Path
) -> None:
    """Power-on every time; the file system carries on, and so does a second process."""
    cuts = '[[power_cut]]\nat = "20 s"\noff = "5 s"\n[[power_cut]]\nat = "40 s"\n'
    image = tmp_path / "flash.bin"
    show = _COUNTER + "print(open('/boots').read())\n"
    with launch.start(_write(scenario_file, cuts), main=_FOREVER, flash_image=image) as board:
        report = board.wait_end(60)
    with launch.start(_write(scenario_file), main=show, flash_image=image) as board:
        board.wait_end(60)

        assert report["boots"] == 3
        assert board.console_output().startswith(b"booted\r\n1111\r\n")


def test_a_power_cut_can_name_a_flash_operation(scenario_file: Path) -> None:
    """The supply goes in the midst of it; what was flushed before is there after."""
    writer = """
import os
names = sorted(os.listdir("/"))
print([name for name in names if name.startswith("n")])
for i in range(100):
    with open("/n%02d" % i, "w") as file:
        file.write("x" * 100)
"""
    cut = "[[power_cut]]\nflash_operation = 30\npart_done = 0.4\n"
    with launch.start(_write(scenario_file, cut), main=writer) as board:
        report = board.wait_end(60)
        lines = board.console_output().split(b"\r\n")

    assert report["boots"] == 2
    assert lines[0] == b"[]"
    kept = eval(lines[1])  # noqa: S307 - our own script printed it
    assert kept == [f"n{i:02d}" for i in range(len(kept))]
    assert len(kept) > 3


def test_resets_keep_their_cause_and_the_chips_their_power(scenario_file: Path) -> None:
    """machine.reset() comes back as a watchdog reset, soft_reset() counts nothing anew."""
    script = """
import machine, time
cause = machine.reset_cause()
try:
    done = open("/done").read()
except OSError:
    done = ""
print(cause, done, time.ticks_ms() > 5000)
with open("/done", "w") as file:
    file.write(done + "x")
time.sleep(6)
if done == "":
    machine.reset()
if done == "x":
    machine.soft_reset()
"""
    with launch.start(_write(scenario_file), main=script) as board:
        board.wait_end(60)
        output = board.console_output()

    assert output.startswith(b"1  False\r\n3 x False\r\nMPY: soft reboot\r\n3 xx True\r\n")


def test_firmware_that_fails_is_told_and_leaves_the_prompt(scenario_file: Path) -> None:
    """The traceback goes to the console as on a board, and to whoever started it."""
    with launch.start(_write(scenario_file), main="1 / 0") as board:
        report = board.wait_end(60)

        assert report["firmware_errors"] == 1
        assert b"ZeroDivisionError" in board.console_output()
        assert board.console_output().endswith(b">>> ")
        assert any("ZeroDivisionError" in line for line in board.lines)


def test_host_actions_that_nobody_answers_are_told(scenario_file: Path) -> None:
    """A mark fed to a board that runs no logger stays unanswered."""
    tables = '[[mark]]\nat = "10 s"\nstep = "depart"\n'
    with launch.start(_write(scenario_file, tables), main=_FOREVER) as board:
        board.wait_end(60)

        assert board.refused() == ["mark depart: no answer"]


def test_the_unix_ports_own_names_are_hidden(scenario_file: Path) -> None:
    """Firmware must not lean on what boards have not."""
    script = """
import os, sys, time, machine
print(hasattr(os, "system"), hasattr(time, "clock"), hasattr(machine, "mem8"))
print(sys.platform, os.uname().machine, sys.maxsize)
"""
    with launch.start(_write(scenario_file), main=script) as board:
        board.wait_end(60)

        assert board.console_output().startswith(
            b"False False False\r\nrp2 Raspberry Pi Pico W with RP2040 2147483647\r\n"
        )


# --- in real time, behind the pty ---------------------------------------------------------------


def test_ctrl_c_ends_the_firmware_and_gives_the_prompt(serving: launch.SimBoard) -> None:
    """And the prompt runs what is typed, blocks included."""
    with serial.Serial(serving.pty, timeout=5) as port:
        port.write(b"\x03")
        assert b"KeyboardInterrupt" in _read_until(port, b">>> ")
        port.write(b"6 * 7\r")
        assert _read_until(port, b">>> ").endswith(b"\r\n42\r\n>>> ")
        port.write(b"for i in range(2):\r print('n', i)\r\r")
        assert _read_until(port, b"n 1\r\n>>> ").endswith(b"n 0\r\nn 1\r\n>>> ")
        port.write(b"x = (1,\r2)\rx\r")
        assert _read_until(port, b"(1, 2)\r\n>>> ").endswith(b"(1, 2)\r\n>>> ")
        port.write(b"1/0\r")
        assert b"ZeroDivisionError" in _read_until(port, b">>> ")


def test_mpremote_works_with_and_without_soft_reset(
    serving: launch.SimBoard, tmp_path: Path
) -> None:
    """Execute, copy both ways, list, and reset: the real tool on the pty."""
    source = tmp_path / "data.bin"
    source.write_bytes(bytes(range(256)) * 8)

    assert _mpremote(serving.pty, "exec", "print(6 * 7)") == "42\n"
    assert _mpremote(serving.pty, "resume", "exec", "print(6 * 8)") == "48\n"
    _mpremote(serving.pty, "resume", "cp", str(source), ":data.bin")
    assert "2048 data.bin" in _mpremote(serving.pty, "resume", "ls")
    _mpremote(serving.pty, "resume", "cp", ":data.bin", str(tmp_path / "back.bin"))
    assert (tmp_path / "back.bin").read_bytes() == source.read_bytes()
    _mpremote(serving.pty, "soft-reset")
    assert _mpremote(serving.pty, "resume", "exec", "raise SystemExit") == ""
    assert _mpremote(serving.pty, "exec", "print(9)") == "9\n"


def test_an_error_in_raw_mode_is_an_error_for_mpremote(serving: launch.SimBoard) -> None:
    """The traceback comes back as the error stream."""
    done = subprocess.run(
        [sys.executable, "-m", "mpremote", "connect", serving.pty, "exec", "1/0"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout + done.stderr


def test_a_firmware_on_the_pty_keeps_real_time(scenario_file: Path) -> None:
    """Half a second by the board's ticks is half a second by the wall."""
    script = """
import sys, time
while True:
    sys.stdin.buffer.read(1)
    before = time.ticks_ms()
    time.sleep_ms(500)
    sys.stdout.buffer.write(b"%d\\n" % time.ticks_diff(time.ticks_ms(), before))
"""
    with _serving(scenario_file, script) as board, serial.Serial(board.pty, timeout=5) as port:
        began = time.monotonic()
        port.write(b"x")
        ticks_ms = int(_read_until(port, b"\n"))
        wall_ms = (time.monotonic() - began) * 1000

    assert 500 <= ticks_ms < 520
    assert 480 < wall_ms < 1500


def test_output_that_nobody_reads_is_dropped_after_half_a_second(scenario_file: Path) -> None:
    """The board goes on: a host that stops reading does not stop it."""
    script = """
import sys, time
sys.stdin.buffer.read(1)
block = bytes(4096)
for i in range(1000):
    if sys.stdout.buffer.write(block) < len(block):
        break
sys.stdin.buffer.read(1)
print("went on after", i)
"""
    with _serving(scenario_file, script) as board, serial.Serial(board.pty, timeout=1) as port:
        port.write(b"x")
        time.sleep(1.5)
        blocks = len(port.read(1 << 23)) / 4096
        port.write(b"x")
        words = _read_until(port, b"\r\n")

    assert words.startswith(b"went on after")
    assert 0.5 < blocks < 999


def test_binary_output_goes_out_as_it_is_and_print_adds_cr(scenario_file: Path) -> None:
    """sys.stdout.buffer is raw; print() ends lines with CR LF."""
    script = """
import sys
sys.stdin.buffer.read(1)
sys.stdout.buffer.write(bytes(range(256)))
print("end")
"""
    with _serving(scenario_file, script) as board, serial.Serial(board.pty, timeout=5) as port:
        port.write(b"x")
        everything = _read_until(port, b"end\r\n")

    assert everything == bytes(range(256)) + b"end\r\n"


def test_power_can_be_cut_while_it_serves(serving: launch.SimBoard) -> None:
    """The board boots again; the file system knows of both."""
    serving.cut_power(0.2)
    with serial.Serial(serving.pty, timeout=5) as port:
        assert _read_until(port, b"booted\r\n").endswith(b"booted\r\n")
        port.write(b"\x03")
        _read_until(port, b">>> ")
        port.write(b"print(open('/boots').read())\r")
        assert _read_until(port, b"\r\n>>> ").endswith(b"\r\n11\r\n>>> ")
    image = serving.save_image()
    assert image.stat().st_size == 848 * 1024


# --- the command -------------------------------------------------------------------------------


def test_the_command_names_its_pty_first_and_ends_on_sigterm(
    scenario_file: Path, tmp_path: Path
) -> None:
    """With a link to the pty while it runs, and the flash image left behind."""
    link, image = tmp_path / "port", tmp_path / "flash.bin"
    main = tmp_path / "main.py"
    main.write_text(_FOREVER)
    process = subprocess.Popen(
        [
            *(
                sys.executable,
                str(Path(launch.__file__)),
                "--scenario",
                str(_write(scenario_file)),
            ),
            *(
                "--serve",
                "--pty-link",
                str(link),
                "--flash-image",
                str(image),
                "--main",
                str(main),
            ),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    first = process.stdout.readline().split()
    assert first[0] == "pty"
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if line == "serving\n":
            break
    assert [line.split()[0] for line in lines[-2:]] == ["report", "serving"]
    assert str(link.readlink()) == first[1]
    process.send_signal(signal.SIGTERM)

    assert process.wait(15) == 0
    process.stdout.close()
    assert not link.is_symlink()
    assert image.stat().st_size == 848 * 1024


def test_the_command_names_the_key_that_is_wrong(scenario_file: Path) -> None:
    """Status 2 and one line."""
    scenario_file.write_text(_SHORT.format(length="60 s", tables="[[knock]]\nat = 3\n"))
    done = subprocess.run(
        [sys.executable, str(Path(launch.__file__)), "--scenario", str(scenario_file)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == 2
    assert done.stderr == "case.toml: [[knock]] 1: at: 3 is not a text in quotes\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--flash-image", "nonesuch/flash.bin"], "there is no folder"),
        (["--pty-link", "nonesuch/port"], "there is no folder"),
        (["--pty-link", "."], "needs a free name"),
        (["--speed", "nan"], "invalid"),
        (["--scenario", sys.executable], "can't decode"),
    ],
)
def test_the_command_refuses_at_once_what_cannot_work(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    """Status 2 before the trip, not a trace or a lost image after it."""
    done = subprocess.run(
        [sys.executable, str(Path(launch.__file__)), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=tmp_path,
    )

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


# --- the firmware ------------------------------------------------------------------------------


def test_the_real_firmware_logs_a_calm_day(
    scenario_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No handler fails, every host action is answered; the speed is told, not judged."""
    tables = '[[time_sync]]\nat = "5 min"\n[[mark]]\nat = "6 min"\nstep = "depart"\n'
    more = '[[probe]]\nchannel = 1\n[[probe]]\nchannel = 2\nplacement = "neck"\n'
    with launch.start(_write(scenario_file, tables + more, "6 h")) as board:
        report = board.wait_end(120)

        assert report["handler_failures"] == []
        assert report["firmware_errors"] == 0
        assert board.refused() == []
    with capsys.disabled():
        wall_s, samples = float(str(report["wall_s"])), 6 * 360
        sys.stdout.write(f" [{wall_s / samples * 1e6:.0f} us a sample]")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_no_board_outlives_who_started_it(
    scenario_file: Path, tmp_path: Path, how: signal.Signals
) -> None:
    """`dewarlog sim` told to end, or its launcher killed: the board puts its flash away."""
    image = tmp_path / "flash.bin"
    launcher = [sys.executable, str(Path(launch.__file__))]
    told = [sys.executable, "-m", "dewarlog", "sim"] if how == signal.SIGTERM else launcher
    process = subprocess.Popen(
        [*told, "--scenario", _write(scenario_file), "--real-time", "--flash-image", image],
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()  # its port: it runs
    process.send_signal(how)
    deadline_s = time.monotonic() + 20
    while not image.exists() and time.monotonic() < deadline_s:
        time.sleep(0.05)
    process.stdout.close()
    process.wait(20)

    assert image.exists()
