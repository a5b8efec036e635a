"""The flash under littlefs: bits, stalls, and power that goes at any operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from device_script import on_device

if TYPE_CHECKING:
    from conftest import MicroPython

_FLASH: Final = """
import os, vfs
from simboard.device.clock import Clock, Event, Interrupt
from simboard.device.nor_flash import BlockDevice, NorFlash
from simboard.device.power import PowerCut

clock = Clock()
flash = NorFlash(clock, 16, 7)
"""


def test_programming_clears_bits_and_erasing_sets_them(micropython: MicroPython) -> None:
    """NOR: a 0 becomes 1 again only with its whole block."""
    shown = on_device(
        micropython,
        _FLASH,
        """
        device = BlockDevice(flash)
        device.writeblocks(2, b"\\xf0" * 4, 16)
        device.writeblocks(2, b"\\x3c" * 2, 17)
        data = bytearray(6)
        device.readblocks(2, data, 15)
        show(list(data))
        device.ioctl(6, 2)
        device.readblocks(2, data, 15)
        show(list(data))
        show([device.ioctl(4, 0), device.ioctl(5, 0)])
        """,
    )

    assert shown == [[0xFF, 0xF0, 0x30, 0x30, 0xF0, 0xFF], [0xFF] * 6, [16, 4096]]


def test_an_erase_takes_45_to_300_ms_with_interrupts_off(micropython: MicroPython) -> None:
    """What was triggered meanwhile is served right after, late."""
    shown = on_device(
        micropython,
        _FLASH,
        """
        served = []
        source = Interrupt(clock, 1, lambda: served.append(clock.now))
        times = []
        for i in range(200):
            began = clock.now
            event = Event(source.trigger)
            clock.at(event, began + 1000)
            flash.erase(i % 16)
            times.append(clock.now - began)
            served[-1] -= began
        show([min(times), max(times)])
        show(served == times)
        """,
    )

    shortest, longest = shown[0]
    assert 45_000 <= shortest < 46_000
    assert 200_000 < longest <= 300_000
    assert shown[1] is True


@pytest.mark.parametrize("part", [0.0, 0.3, 0.95])
def test_a_torn_program_leaves_its_first_part(micropython: MicroPython, part: float) -> None:
    """Bytes before the cut are there, up to sixteen behind it are torn, the rest is not."""
    shown = on_device(
        micropython,
        _FLASH,
        f"""
        flash.cut_operation, flash.cut_fraction = 0, {part}
        try:
            flash.program(0, bytes(256))
        except PowerCut:
            show(list(flash.image[:256]))
        """,
    )

    whole = int(256 * part)
    assert shown[0][:whole] == [0] * whole
    assert shown[0][whole + 16 :] == [0xFF] * (256 - whole - 16)


@pytest.mark.parametrize(("part", "byte"), [(0.0, 0x5A), (1.0, 0xFF)])
def test_a_cut_just_before_or_behind_an_erase_leaves_none_or_all_of_it(
    micropython: MicroPython, part: float, byte: int
) -> None:
    """The two clean cuts: nothing has changed yet, or everything has."""
    shown = on_device(
        micropython,
        _FLASH,
        f"""
        flash.program(0, b"\\x5a" * 4096)
        flash.cut_operation, flash.cut_fraction = flash.operations, {part}
        try:
            flash.erase(0)
        except PowerCut:
            show(sorted(set(flash.image[:4096])))
        """,
    )

    assert shown == [[byte]]


def test_a_bit_turns_over_at_rest_and_takes_no_time(micropython: MicroPython) -> None:
    """Either way, and it counts as no operation."""
    shown = on_device(
        micropython,
        _FLASH,
        """
        flash.flip(8 * 3 + 6)
        show(list(flash.image[:5]))
        flash.flip(8 * 3 + 6)
        show([flash.image[3], flash.operations, clock.now])
        """,
    )

    assert shown == [[0xFF, 0xFF, 0xFF, 0xBF, 0xFF], [0xFF, 0, 0]]


def test_a_device_that_is_told_of_its_cut_fails_from_then_on(micropython: MicroPython) -> None:
    """It leaves littlefs not in the middle but with an error, and the callback was called."""
    shown = on_device(
        micropython,
        _FLASH,
        """
        called = []
        device = BlockDevice(flash, lambda: called.append(1))
        flash.cut_operation, flash.cut_fraction = 0, 0.0
        show([device.writeblocks(0, bytes(256), 0), device.ioctl(6, 0), len(called)])
        """,
    )

    assert shown == [[-5, -5, 1]]


def test_after_a_cut_old_files_reach_the_flash_no_more(micropython: MicroPython) -> None:
    """The garbage collector closes files of the lost session; their writes must go nowhere."""
    shown = on_device(
        micropython,
        _FLASH,
        """
        device = BlockDevice(flash)
        vfs.VfsLfs2.mkfs(device, progsize=256)
        vfs.mount(vfs.VfsLfs2(device, progsize=256), "/f")
        file = open("/f/x", "wb")
        file.write(b"never flushed")
        device.dead = True
        before = bytes(flash.image)
        try:
            file.close()
        except OSError:
            pass
        show(bytes(flash.image) == before)
        """,
    )

    assert shown == [True]


def test_littlefs_keeps_every_flushed_record_over_a_cut_at_any_operation(
    micropython: MicroPython,
) -> None:
    """Append and flush until the cut, mount again, compare: at each of the first operations."""
    shown = on_device(
        micropython,
        _FLASH,
        """
        def session(cut, fraction):
            flash = NorFlash(Clock(), 16, 7 + cut)
            device = BlockDevice(flash)
            vfs.VfsLfs2.mkfs(device, progsize=256)
            flash.operations = 0
            flash.cut_operation, flash.cut_fraction = cut, fraction
            flushed = 0
            survived = True
            try:
                vfs.mount(vfs.VfsLfs2(device, progsize=256), "/f")
                with open("/f/old", "wb") as file:
                    file.write(b"x" * 300)
                file = open("/f/journal", "wb")
                for i in range(120):
                    file.write(b"%03d," % i * 10)
                    file.flush()
                    flushed = i + 1
                    if i % 40 == 39:
                        with open("/f/new", "wb") as other:
                            other.write(b"y" * i)
                        os.rename("/f/new", "/f/old")
            except PowerCut:
                survived = False
            device.dead = True
            vfs.umount("/f")
            again = BlockDevice(flash)
            flash.cut_operation = -1
            vfs.mount(vfs.VfsLfs2(again, progsize=256), "/f")
            try:
                with open("/f/journal", "rb") as file:
                    data = file.read()
            except OSError:
                data = b""
            wanted = b"".join([b"%03d," % i * 10 for i in range(flushed)])
            vfs.umount("/f")
            again.dead = True
            return survived, data[:len(wanted)] == wanted

        cut, bad, tried = 0, [], 0
        while True:
            survived, kept = session(cut, (cut * 37 % 100) / 100)
            tried += 1
            if not kept:
                bad.append(cut)
            if survived:
                break
            cut += 1 + cut // 12
        show(bad)
        show(tried)
        """,
        heap_kib=16384,
    )

    assert shown[0] == []
    assert shown[1] > 40
