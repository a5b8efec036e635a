"""The sealing key on MicroPython's own littlefs: it goes on, never back, and leaves nothing."""

from __future__ import annotations

import json
import re
import struct
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any, Final

import pytest

from dewarlog_wire import block, events, layout, proof, seal
from dewarlog_wire.crc import crc32
from workshop.places import FIRMWARE, PROTOCOL, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import MicroPython

HERE: Final = ROOT / "tests" / "firmware"
OPERATIONS_MIN: Final = 400  # programs and erases of the scripted runs: each is a place to cut
PAGE_BYTES: Final = 256

BOARD: Final = """
import json
import os
import vfs
from seal_rig import *
from dewarlog_wire import layout

def show(value):
    print(json.dumps(value))

def again():
    book.flash.release()
    vfs.umount("/f")
    return boot(nor, draw)

nor = Nor(0)
format_flash(nor)
draw = Random()
book = boot(nor, draw)
"""


def on_board(micropython: MicroPython, script: str) -> list[Any]:
    """Run a script on a board with a fresh key; return what it showed."""
    done = micropython(BOARD + dedent(script), cwd=HERE, heap_kib=16384)
    return [json.loads(line) for line in done.stdout.splitlines()]


# --- power --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "step"), [(1, 1), (5, 3), (0, 3)], ids=["torn", "torn late", "not begun"]
)
def test_a_cut_at_any_operation_leaves_one_state_and_no_older(
    micropython: MicroPython, how: int, step: int
) -> None:
    """Two runs, both blocks of the key filled: each index once, each tag right, no old state."""
    done = micropython(
        HERE / "seal_cuts.py", "0", str(step), str(how), cwd=HERE, heap_kib=16384, timeout_s=600
    )

    *shown, last = done.stdout.splitlines()
    cuts, failures = last.split(", ")
    assert failures == "0 failures", "\n".join(shown)
    assert int(cuts.removesuffix(" cuts")) * step >= OPERATIONS_MIN


def test_a_seal_costs_two_programs_and_one_in_fifteen_an_erase(micropython: MicroPython) -> None:
    """Next state in, old one over; the two blocks take turns, 60 seals are 2 erases of each."""
    shown = on_board(
        micropython,
        """
        key = book.key
        for _ in range(15):
            key.move_on()
        before = list(nor.erases)
        costs = set()
        for _ in range(60):
            operations, erases = nor.operations, sum(nor.erases)
            key.move_on()
            costs.add((nor.operations - operations, sum(nor.erases) - erases))
        show(sorted(costs))
        show(sorted([a - b for a, b in zip(nor.erases, before) if a != b]))
        show(key.index)
        """,
    )

    assert shown == [[[2, 0], [4, 1]], [2, 2], 76]


# --- what a boot finds --------------------------------------------------------------------------


def test_the_first_start_is_new_and_the_next_goes_on(micropython: MicroPython) -> None:
    """State 1 is 32 random bytes, and a boot without a seal changes nothing."""
    shown = on_board(
        micropython,
        """
        show([book.key.state, book.key.index, bytes(book.key.secret) == draw.states[0]])
        book = again()
        show([book.key.state, book.key.index, bytes(book.key.secret) == draw.states[0]])
        book.key.move_on()
        book = again()
        show([book.key.state, book.key.index, book.key.given() == (2, draw.states[1])])
        """,
    )

    assert shown == [[1, 1, True], [0, 1, True], [0, 2, True]]


@pytest.mark.parametrize("half", [0, PAGE_BYTES // 2])
def test_a_bit_that_flips_at_rest_costs_nothing(micropython: MicroPython, half: int) -> None:
    """A slot says the same twice, and so does a header."""
    shown = on_board(
        micropython,
        f"""
        nor.data[nor.data.find(book.key.secret) + {half}] ^= 8
        for mark in book.key._marks:
            nor.data[nor.data.find(mark) + {half}] ^= 8
        book = again()
        show([book.key.state, book.key.index])
        """,
    )

    assert shown == [[0, 1]]


def test_a_bit_that_flips_in_the_file_of_the_marks_costs_nothing(
    micropython: MicroPython,
) -> None:
    """Without its marks a key cannot be found, so they are kept twice."""
    shown = on_board(
        micropython,
        """
        with open("/f/seal.made", "rb") as file:
            made = bytearray(file.read())
        for at in range(0, len(made), 5):
            made[at] ^= 8
            with open("/f/seal.made", "wb") as file:
                file.write(made)
            made[at] ^= 8
            book = again()
            show([book.key.state, book.key.index])
        """,
    )

    assert shown == [[0, 1]] * 15


@pytest.mark.parametrize(
    "loss",
    [
        "at = nor.data.find(book.key.secret) // 256 * 256; nor.data[at : at + 256] = bytes(256)",
        "os.remove('/f/seal.a'); os.remove('/f/seal.b'); os.remove('/f/seal.made')",
        "os.remove('/f/seal.a')",
    ],
    ids=["slot", "files", "one file"],
)
def test_a_lost_key_is_said_and_stays_lost(micropython: MicroPython, loss: str) -> None:
    """No new key takes its place unsaid: blocks have no seal, and the first of them says why."""
    shown = on_board(
        micropython,
        f"""
        begin(book)
        {loss}
        book = again()
        show([book.key.state, book.key.index, bytes(book.key.secret) == bytes(32)])
        book.flash.open_run()
        book.resume()
        book.note_key()
        book = again()
        show([book.key.state, book.key.index])
        with open("/f/log/00000001/0000.seg", "rb") as file:
            show(file.read().hex())
        """,
    )

    lost = layout.SEAL_KEY_STATE_NAMES.index("lost")
    assert shown[:2] == [[lost, 0, True], [lost, 0]]
    data = bytes.fromhex(shown[2])
    first = block.check_block(data, 0, layout.CHAIN_START)
    second = block.check_block(data, first.length, first.chain)
    assert block.read_seal(data, first)[0] == 1
    assert block.read_seal(data, second) == (0, bytes(16))
    found = [
        (kind, body)
        for section, start, end in block.sections(data, second.body_start, second.body_end)
        if section == layout.SECTION_EVENTS
        for _, kind, _, _, body in events.read_events(data, start, end)
    ]
    assert (layout.KIND_SEAL_KEY, (lost, 0)) in found


def test_a_spare_block_that_is_gone_is_made_anew(micropython: MicroPython) -> None:
    """A cut between its erase and its header; the key goes on over it."""
    shown = on_board(
        micropython,
        """
        at = nor.data.find(book.key._marks[1])
        nor.data[at : at + 4096] = b"\\xff" * 4096
        book = again()
        show([book.key.state, book.key.index])
        for _ in range(40):
            book.key.move_on()
        show(bytes(book.key.secret) == draw.states[40])
        show([nor.data.find(state) for state in draw.states[:40]])
        """,
    )

    assert shown == [[0, 1], True, [-1] * 40]


def test_flash_that_takes_no_state_loses_the_key_and_says_so(micropython: MicroPython) -> None:
    """Better no seal than one index under two blocks; what was sealed stays sealed."""
    shown = on_board(
        micropython,
        """
        begin(book)
        book.seal()
        spare = book.key.index
        old = bytes(book.key.secret)
        nor.writes_nothing = [nor.data.find(m) // 4096 for m in book.key._marks]
        book.emit(layout.KIND_SUPPLY, (3300, 0))
        book.seal()
        show([spare, book.key.state, book.key.index, bytes(book.key.secret) == bytes(32)])
        show([index for index, _, _ in tags(book)])
        """,
    )

    lost = layout.SEAL_KEY_STATE_NAMES.index("lost")
    assert shown == [[3, lost, 0, True], [1, 2, 3, 0]]


def test_damage_gives_the_state_back_or_loses_it(micropython: MicroPython) -> None:
    """Whatever stands in the key's blocks: never another state, never an error, always a boot."""
    shown = on_board(
        micropython,
        """
        for _ in range(20):
            book.key.move_on()
        whole = bytes(nor.data)
        starts = [nor.data.find(mark) for mark in book.key._marks]
        wanted = (book.key.index, bytes(book.key.secret))
        outcomes = {}
        for case in range(300):
            nor.data[:] = whole
            noise = draw(31)
            for number in range(1 + noise[0] % 24):
                place = starts[noise[number] & 1] + (noise[number + 1] * 17 + 256 * number) % 4096
                was = nor.data[place]
                nor.data[place] = noise[number + 2] if case & 1 else was & noise[number]
            if case % 10 == 0:
                nor.data[starts[1] : starts[1] + 4096] = bytes(4096)
            book = again()
            key = book.key
            if key.index:
                assert (key.index, bytes(key.secret)) == wanted, case
            outcomes[key.state] = outcomes.get(key.state, 0) + 1
            index = key.index
            for _ in range(20):
                if key.index:
                    key.move_on()
            assert key.index == (index + 20 if index else 0), case
        show(sorted(outcomes))
        """,
    )

    assert shown == [[layout.SEAL_KEY_STATE_NAMES.index(name) for name in ("in use", "lost")]]


def test_a_port_without_machine_code_seals_the_same(micropython: MicroPython) -> None:
    """By hashlib, whose objects keep what they hashed: the bytes do not differ."""
    shown = on_board(
        micropython,
        """
        from dewarlog_firmware import seal_key
        begin(book)
        book.seal()
        seal_key.hmac_into = seal_key.wipe = None
        book = again()
        book.flash.open_run()
        book.resume()
        for _ in range(17):
            book.emit(layout.KIND_SUPPLY, (3300, 0))
            book.seal()
        show(seals(book, draw))
        """,
    )

    assert shown == [list(range(1, 20))]


# --- the hash -----------------------------------------------------------------------------------


def test_the_wiped_hmac_is_hmac(micropython: MicroPython) -> None:
    """For every length of text it takes and every kind of key, and its own buffer as the key."""
    done = micropython(
        """
from dewarlog_firmware.wiped_hmac import hmac_into
from dewarlog_wire import proof
bad = []
for text_bytes in range(56):
    for key_bytes in (0, 1, 31, 32, 33, 63, 64):
        key = bytearray([(7 * i + text_bytes) & 255 for i in range(key_bytes)])
        text = bytes([(11 * i + key_bytes) & 255 for i in range(text_bytes)])
        wanted = proof.hmac_sha256(key, text)
        out = key if key_bytes == 32 else bytearray(32)
        hmac_into(out, key, text)
        if out != wanted:
            bad.append((key_bytes, text_bytes))
print(bad)
"""
    )

    assert done.stdout == "[]\n"


# --- memory -------------------------------------------------------------------------------------

SEALS: Final = 40
# What the child does: makes a key, writes its flash to a file, seals, and waits.
CHILD: Final = """
import gc, os, sys
import vfs
from seal_rig import *

nor = Nor(0)
format_flash(nor)
host = vfs.VfsPosix()
book = boot(nor, os.urandom)
with host.open(sys.argv[1], "wb") as file:
    file.write(nor.data)
begin(book)
for number in range(int(sys.argv[2])):
    book.emit(layout.KIND_SUPPLY, (3300, 0))
    book.seal()
gc.collect()
print("ready", book.key.index)
sys.stdin.readline()
"""


def first_state(image: bytes) -> bytes:
    """Return the state of index 1 from a flash image."""
    for at in range(0, len(image), PAGE_BYTES):
        index, state, crc = struct.unpack_from("<I32sI", image, at)
        if index == seal.FIRST_INDEX and crc == crc32(image[at : at + 36]):
            return state
    raise AssertionError("no slot in the image")


def memory_of(pid: int) -> Iterator[bytes]:
    """Yield every region a process may write to: heap, stack, data."""
    maps = Path(f"/proc/{pid}/maps").read_text(encoding="ascii")
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in maps.splitlines():
            found = re.match(r"([0-9a-f]+)-([0-9a-f]+) rw", line)
            if found and "[v" not in line:
                start, end = (int(text, 16) for text in found.groups())
                memory.seek(start)
                yield memory.read(end - start)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc/PID/mem")
def test_no_earlier_state_is_left_in_memory(micropython: MicroPython, tmp_path: Path) -> None:
    """Nor a key of one, nor a state as the words of a hash hold it; the newest is there."""
    image = tmp_path / "flash.bin"
    script = tmp_path / "child.py"
    script.write_text(CHILD)
    search = ":".join((".frozen", str(PROTOCOL), str(FIRMWARE), str(HERE)))
    child = subprocess.Popen(
        [*micropython.interpreter.command, "-X", "heapsize=16M", script, image, str(SEALS)],
        env={"MICROPYPATH": search},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with child:
        assert child.stdout is not None
        index = int(child.stdout.readline().split()[1])
        try:
            regions = list(memory_of(child.pid))
        except PermissionError:
            pytest.skip("this machine lets nobody read another process's memory")
        finally:
            child.communicate("\n")

    states = [first_state(image.read_bytes())]
    while len(states) < index:
        states.append(seal.next_state(states[-1]))
    secrets = {
        f"{what} {number}": value
        for number, state in enumerate(states[:-1], 1)
        for what, value in (
            ("state", state),
            ("key", proof.hmac_sha256(state, seal.KEY_TEXT)),
            ("words of state", struct.pack("<8I", *struct.unpack(">8I", state))),
            ("half of state", state[:16]),
            ("other half of state", state[16:]),
        )
    }
    assert index == SEALS + 2
    assert any(states[-1] in region for region in regions), "the search finds nothing at all"
    assert [name for name, value in secrets.items() if any(value in r for r in regions)] == []
