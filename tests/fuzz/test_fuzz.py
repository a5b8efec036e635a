"""A fixed share of cases for every parser, every find of earlier runs, and the fuzzer itself.

`tools/fuzz` runs as many cases as are asked for; these are the same in every run.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import engine
import fixups
import host_readers
import seeds
from by_atheris import ABSENT, is_here, run_by_atheris
from by_hypothesis import run_by_hypothesis
from device_bench import read_bench
from device_trust import read_guarded
from dewarlog_wire import access, block, layout
from dewarlog_wire.errors import WireError
from engine import Finding, Tally, alarm, cases, run_case, run_cases, shrunk
from find_file import read_find, write_find
from on_board import run_on_board, run_one
from share_out import ENGINES, shares_of
from targets import BY_NAME, TARGETS, Target

if TYPE_CHECKING:
    from conftest import MicroPython

FINDS = sorted((Path(__file__).parent / "finds").glob("*.txt"))
# A bomb takes a second a case: test_block_of_flat_columns_stays_within_its_bound has it.
MANY = [target for target in TARGETS if target.name != "bomb"]
# Requests that take no right.
OPEN = (layout.MSG_HELLO, layout.MSG_STATUS, layout.MSG_AUTH, layout.MSG_PUBLIC)
ON_BENCH = (
    layout.MSG_LIVE,
    layout.MSG_GET,
    layout.MSG_PUT,
    layout.MSG_PUT_END,
    layout.MSG_SELFTEST,
    layout.MSG_ERASE,
    layout.MSG_SEED,
)
ON_BOARD = [target for target in TARGETS if target.on_board]
OWN_CASES = 24_000
BOARD_CASES = 4_000
EXAMPLES = 25


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep the files of cases in a folder of the test, and spare the disk."""
    monkeypatch.setattr("os.fsync", lambda handle: None)
    host_readers.use_scratch(tmp_path)
    return tmp_path


def share(target: Target, count: int) -> int:
    """Return the target's part of that many cases."""
    return max(20, round(count * target.weight / sum(one.weight for one in TARGETS)))


def told(tally: Tally) -> list[str]:
    """Return what was found, in words that repeat it."""
    return [f"{one.what}\n{one.detail}\n{one.data.hex()}" for one in tally.findings]


# --- every parser -------------------------------------------------------------------------------
@pytest.mark.parametrize("target", MANY, ids=lambda target: target.name)
def test_garbage_is_read_or_refused_by_an_error_of_ours(target: Target) -> None:
    """Never another error, never more memory than the bound, never without end."""
    tally = Tally(target.name, "own")
    run_cases(target, tally, cases(target, "ci", share(target, OWN_CASES)))
    assert told(tally) == []


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_valid_input_is_read_as_every_reader_says(target: Target) -> None:
    """The seeds themselves, memory followed: some of them are accepted."""
    tally = Tally(target.name, "own")
    for data in target.seeds():
        finding = run_case(target, tally, data, measured=True)
        assert finding is None, f"{finding.what}\n{finding.detail}"
    assert tally.accepted > 0


def test_block_of_flat_columns_stays_within_its_bound() -> None:
    """20 bytes say 4096 values: 32 KiB of them are no more than the bound of the target."""
    target = BY_NAME["bomb"]
    (data,) = seeds.bombs()
    tally = Tally(target.name, "own")
    assert run_case(target, tally, data, measured=True) is None
    assert 0 < tally.worst_bytes <= target.memory_bytes + target.memory_per_byte * len(data)


@pytest.mark.parametrize("target", ON_BOARD, ids=lambda target: target.name)
def test_board_says_the_same_of_garbage(
    target: Target, micropython: MicroPython, scratch: Path
) -> None:
    """The 64-bit MicroPython: no other error, bounded heap, and what CPython says."""
    made = cases(target, "ci", share(target, BOARD_CASES))
    assert told(run_on_board(target, "micropython", made, scratch)) == []


@pytest.mark.parametrize("target", ON_BOARD, ids=lambda target: target.name)
def test_32_bit_board_says_the_same_of_garbage(
    target: Target, micropython32: MicroPython, scratch: Path
) -> None:
    """Ints of 2**30 and more live on the heap there, as on the boards."""
    made = cases(target, "ci", share(target, BOARD_CASES // 4))
    assert told(run_on_board(target, "micropython32", made, scratch)) == []


@pytest.mark.parametrize("target", MANY, ids=lambda target: target.name)
def test_what_hypothesis_makes_is_read_or_refused(target: Target) -> None:
    """Edits of valid input and any bytes, shrunk by hypothesis when one is wrong."""
    assert told(run_by_hypothesis(target, 1, EXAMPLES)) == []


@pytest.mark.skipif(not is_here(), reason=ABSENT)
def test_what_atheris_makes_is_read_or_refused(scratch: Path) -> None:
    """One target, to know that the engine works; tools/fuzz runs all."""
    tally = run_by_atheris(BY_NAME["events"], 1, 2000, scratch)
    assert (tally.cases, told(tally)) == (2000, [])


# --- finds of earlier runs ----------------------------------------------------------------------
@pytest.mark.parametrize("path", FINDS, ids=lambda path: path.stem)
def test_find_stays_mended(path: Path) -> None:
    """Each file says what it was."""
    name, data = read_find(path)
    with alarm():
        finding = run_case(BY_NAME[name], Tally(name, "own"), data, measured=True)
    assert finding is None, f"{finding.what}\n{finding.detail}"


def test_finds_stay_mended_on_the_board(micropython: MicroPython, scratch: Path) -> None:
    """Those of parsers that a board runs."""
    for path in FINDS:
        name, data = read_find(path)
        if BY_NAME[name].on_board:
            assert told(run_one(BY_NAME[name], "micropython", data, scratch)) == [], path


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run what tools/fuzz runs."""
    program = [sys.executable, str(Path(__file__).with_name("fuzz_main.py")), *arguments]
    return subprocess.run(program, cwd=cwd, capture_output=True, text=True, check=False)


def test_command_gives_figures(tmp_path: Path) -> None:
    """Of each target and engine, from workers of its own."""
    done = command("--cases", "60", "--engine", "own", "--target", "frame", cwd=tmp_path)
    progress = re.compile(r" *\d+ of 60 cases, \d+ a second, 0 findings")  # on a busy machine
    assert [line for line in done.stderr.splitlines() if not progress.fullmatch(line)] == []
    assert done.returncode == 0
    assert "-- own: 60 cases\nframe" in done.stdout
    assert "60 cases by 2 workers" in done.stdout


def test_command_repeats_a_find(tmp_path: Path) -> None:
    """With the interpreters that are here."""
    find = Path(__file__).parent / "finds/block_span_twice.txt"
    done = command("--repeat", str(find), cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("CPython: column/event/section\n")


# --- the fuzzer itself --------------------------------------------------------------------------
def planted(*readers: engine.Reader, **settings: object) -> Target:
    """Return a target with readers made for a test."""
    return Target("planted", lambda: [b"seed of some bytes"], readers, **settings)  # type: ignore[arg-type]


def found_in(target: Target, data: bytes = b"case") -> Finding:
    """Run one case and return what was found."""
    with alarm():
        finding = run_case(target, Tally(target.name, "own"), data, measured=True)
    assert finding is not None
    return finding


def test_error_that_is_not_ours_is_found() -> None:
    """By name and place."""

    def read(data: bytes) -> list[str]:
        raise KeyError(data)

    assert found_in(planted(read)).what == "read: KeyError in test_fuzz.py read"


def test_memory_beyond_the_bound_is_found() -> None:
    """What was held at a time counts, not what is held at the end."""

    def read(_data: bytes) -> list[str]:
        bytearray(3 << 20)
        return []

    assert found_in(planted(read)).what == "read: memory"


def test_reader_that_never_ends_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even one that catches every Exception."""
    monkeypatch.setattr(engine, "HANG_S", 0.05)

    def read(_data: bytes) -> list[str]:
        while True:
            try:
                time.sleep(1)
            except Exception:  # noqa: BLE001, S112 - that is what it is about
                continue

    assert found_in(planted(read)).what == "read: Hang in test_fuzz.py read"


def test_readers_that_disagree_are_found() -> None:
    """On the values, and on what they refuse."""

    def one(data: bytes) -> list[str]:
        return [data.hex()]

    def other(data: bytes) -> list[str]:
        if data == b"refused":
            raise WireError("length", "no")
        return [data.hex() if data != b"case" else "other"]

    target = planted(one, other)
    assert found_in(target).what == "readers disagree: ok and ok"
    assert found_in(target, b"refused").what == "readers disagree: ok and length"
    assert run_case(target, Tally("", ""), b"agreed", measured=False) is None


def test_find_is_made_small() -> None:
    """What is not needed for the fault goes."""

    def read(data: bytes) -> list[str]:
        if b"X" in data:
            raise IndexError
        return []

    target = planted(read)
    assert shrunk(target, found_in(target, b"a" * 300 + b"X" + b"b" * 500)).data == b"X"


def test_find_file_repeats_its_case(tmp_path: Path) -> None:
    """Whatever the detail says, the target and the bytes come back."""
    data = bytes(range(256))
    path = write_find(tmp_path / "new", Finding("block", "w: hat", data, "a\n\nb: c\n# d"))
    assert read_find(path) == ("block", data)


def test_same_seed_makes_the_same_cases() -> None:
    """And another seed makes others."""
    target = BY_NAME["block"]
    first = list(cases(target, "1", 50))
    assert list(cases(target, "1", 50)) == first
    assert list(cases(target, "2", 50)) != first


def test_shares_add_up_to_what_was_asked() -> None:
    """Every target by every engine it can run, and no case twice."""
    shares = shares_of(TARGETS, ENGINES, 100_000, 1)
    assert abs(sum(one.count for one in shares) - 100_000) <= len(TARGETS)
    assert len({(one.target, one.engine, one.number) for one in shares}) == len(shares)
    by_own = {one.target for one in shares if one.engine == "own"}
    on_board = {one.target for one in shares if one.engine == "micropython32"}
    assert by_own >= {target.name for target in MANY}
    assert on_board == {target.name for target in ON_BOARD}


def test_mended_blocks_reach_the_sections() -> None:
    """Behind the CRC, the chain and the length: at least every tenth case is read to its end."""
    target = BY_NAME["block"]
    tally = Tally(target.name, "own")
    run_cases(target, tally, cases(target, "reach", 400))
    assert tally.accepted > 40
    assert tally.words["column/event/section"] > 40


def test_tags_made_anew_reach_every_request(scratch: Path) -> None:
    """Behind a proof of each role, in the clear and enciphered: every reply but the bench's."""
    host_readers.use_scratch(scratch)
    said = {line.split()[0] for data in seeds.guarded() for line in read_guarded(data)}
    kinds = {*access.NEEDS, *OPEN}.difference(ON_BENCH)
    replies = {f"{kind | layout.REPLY:02x}" for kind in kinds}
    assert said >= {*replies, f"{layout.MSG_DATA:02x}", f"{layout.MSG_END:02x}", "packet"}


def test_every_request_of_the_bench_is_reached(scratch: Path) -> None:
    """Each is carried out in one case at least."""
    host_readers.use_scratch(scratch)
    said = {line.split()[0] for data in seeds.benches() for line in read_bench(data)}
    assert said >= {f"{kind | layout.REPLY:02x}" for kind in ON_BENCH}


def test_verify_is_reached_with_every_verdict(scratch: Path) -> None:
    """Logs, certificates and receipts that hold, that contradict, and that are none."""
    host_readers.use_scratch(scratch)
    target = BY_NAME["verify"]
    told = {target.readers[0](data)[0] for data in cases(target, "reach", 60)}
    assert told >= {"0", "3", "6"}


def test_mended_log_is_sound() -> None:
    """A log changed in its first block has every CRC and every chain value right again."""
    whole = bytearray(seeds.logs()[1])
    whole[40] ^= 255
    made = fixups.log(bytes(whole))
    at, chain = 0, bytes(32)
    while at < len(made):
        one = block.check_block(made, at, chain)
        at, chain = at + one.length, one.chain
