"""Power that goes at any flash operation while a profile is put in force, or runs are erased.

The real bench, server and log on littlefs, as the bench's fuzz cases have them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from device_script import on_device

if TYPE_CHECKING:
    from conftest import MicroPython

_TESTS: Final = Path(__file__).parents[1]

_SESSION: Final = f"""
sys.path[:0] = [{str(_TESTS / "fuzz")!r}, {str(_TESTS / "protocol")!r}]
import os, vfs
import device_bench, device_rig
from binascii import crc32
from dewarlog_wire import events, layout, session
from simboard.device.clock import Clock
from simboard.device.nor_flash import BlockDevice, NorFlash
from simboard.device.power import PowerCut

NEW = b'{{"channels": [{{"channel": 1}}], "rules": []}}'

def say(place, kind, *values):
    place.server.handle(kind, kind, session.pack_body(kind, *values))
    out = device_rig.Out(place.body_max)
    while place.server.poll(out):
        pass
    return out.lines

def hand_over(place, profile):
    before, crc = crc32(device_bench.PROFILE), crc32(profile)
    say(place, layout.MSG_PUT, len(profile), 0, profile)
    return say(place, layout.MSG_PUT_END, len(profile), 1, 5000, before, crc, "A", "B")

def erase(place):
    return say(place, layout.MSG_ERASE, 9, layout.ERASE_UNPULLED)

def cut_at(cut, act):
    '''Return (whether the act was over first, what a boot then finds).'''
    flash = NorFlash(Clock(), 64, 7 + cut)
    device = BlockDevice(flash)
    vfs.VfsLfs2.mkfs(device, progsize=256)
    vfs.mount(vfs.VfsLfs2(device, progsize=256), "/f")
    device_rig.use_scratch("/f")
    place = device_bench.Place()
    say(place, layout.MSG_HELLO, 1, 0, 512, b"hostnonc")
    run_1 = read("/f/log/00000001/0000.seg")
    flash.operations = 0
    flash.cut_operation, flash.cut_fraction = cut, (cut * 37 % 100) / 100
    survived = True
    try:
        act(place)
    except PowerCut:
        survived = False
    device.dead = True
    try:
        place.book.flash.release()
    except OSError:
        pass
    vfs.umount("/f")
    flash.cut_operation = -1
    again = BlockDevice(flash)
    vfs.mount(vfs.VfsLfs2(again, progsize=256), "/f")
    found = look(run_1)
    again.dead = True
    vfs.umount("/f")
    return survived, found

def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""

def look(run_1):
    '''Return (profile, is the open run gone on with, runs, is run 1 whole, what the log tells).'''
    profile = read("/f/profile.json")
    book = device_rig.open_logbook()
    state = book.flash.open_run()
    book.resume()
    told = []
    book.seal()
    for name in sorted(os.listdir("/f/log/00000002")):
        if name.endswith(".seg"):
            data = read("/f/log/00000002/" + name)
            offset = 0
            while offset < len(data):
                from dewarlog_wire import block
                one = block.check_block(data, offset, None)
                for kind, start, end in block.sections(data, one.body_start, one.body_end):
                    if kind == layout.SECTION_EVENTS:
                        told += [event[1] for event in events.read_events(data, start, end)]
                offset += one.length
    runs = book.flash.runs()
    is_whole = 1 not in runs or read("/f/log/00000001/0000.seg") == run_1
    left = [name for name in os.listdir("/f/log") if len(name) == 9]
    book.flash.release()
    kept = state.config_crc == device_bench.CONFIG_CRC
    return [profile == NEW, profile == device_bench.PROFILE, kept, runs, is_whole, left, told]

def at_every_operation(act):
    cut, survived = 0, False
    while not survived:
        survived, found = cut_at(cut, act)
        show([cut, survived] + found)
        cut += 1
"""


@pytest.mark.parametrize("same", [False, True])
def test_a_cut_while_a_profile_is_put_in_force_leaves_the_old_or_the_new(
    micropython: MicroPython, *, same: bool
) -> None:
    """The new one only behind its event, and never with a run that is gone on with."""
    profile = "device_bench.PROFILE" if same else "NEW"
    shown = on_device(
        micropython,
        _SESSION,
        f"at_every_operation(lambda place: hand_over(place, {profile}))",
        heap_kib=16384,
    )

    assert len(shown) > 5
    for _, survived, is_new, is_old, goes_on, runs, is_whole, left, told in shown:
        is_told = 26 in told
        assert (runs, is_whole, left) == ([1, 2], True, [])
        assert is_new or is_old
        assert not is_new or (is_told and not goes_on) or same
        assert goes_on or is_told
        assert not survived or (is_told and not goes_on and is_new is not same)


def test_a_cut_during_an_erasure_leaves_a_run_whole_or_gone(micropython: MicroPython) -> None:
    """Gone only behind its event; nothing of it is left behind the next boot."""
    shown = on_device(micropython, _SESSION, "at_every_operation(erase)", heap_kib=16384)

    assert len(shown) > 3
    for _, survived, _, is_old, goes_on, runs, is_whole, left, told in shown:
        assert (is_old, goes_on, is_whole, left) == (True, True, True, [])
        assert runs in ([1, 2], [2])
        assert runs == [1, 2] or 28 in told
        assert not survived or runs == [2]
    assert {tuple(one[5]) for one in shown} == {(1, 2), (2,)}
