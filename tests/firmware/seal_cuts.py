"""Run on MicroPython: cut the power at flash operations of runs that a key seals; boot; compare.

argv: first operation to cut at, step, and how much of it is done, in eighths; 0: it is not begun.
Prints one line per failure, and a closing line with counts.
"""

import sys

import vfs

from dewarlog_firmware import seal_key
from dewarlog_wire import layout
from seal_rig import Nor, PowerCut, Random, Watch, begin, boot, format_flash, script, seals


def one_cut(left: int, how: int) -> bool:
    """Cut at operation `left`; return False when the script ended before it."""
    nor = Nor(how)
    format_flash(nor)
    draw = Random()
    nor.operations = 0
    nor.left = left
    try:
        script(nor, draw, None)
    except (PowerCut, OSError):
        assert nor.dead
    cut = nor.dead
    try:
        vfs.umount("/f")
    except OSError:
        pass
    if not cut:
        return False
    nor = Nor(how, nor.data)
    watch = Watch(nor, draw)
    book = boot(nor, draw)
    assert book.key.state != seal_key.LOST, "lost"
    watch.index = book.key.index
    book.at(0, 0)
    if book.flash.open_run() is not None:
        book.resume()
        book.note_key()
    else:
        begin(book)
    stored = seals(book, draw)
    assert stored == list(range(1, len(stored) + 1)), stored
    assert book.key.index == len(stored) + 1, (book.key.index, len(stored))
    watch.look(book)
    # It goes on, over the end of either block.
    for _ in range(17):
        book.emit(layout.KIND_SUPPLY, (3300, 0))
        book.seal()
    watch.look(book)
    stored = seals(book, draw)
    assert stored == list(range(1, len(stored) + 1)), stored
    book.flash.release()
    vfs.umount("/f")
    return True


def main(first: int, step: int, how: int) -> None:
    """Look at the script undisturbed, then cut at every `step`-th operation from `first` on."""
    nor = Nor(how)
    format_flash(nor)
    draw = Random()
    watch = Watch(nor, draw)
    script(nor, draw, watch)
    vfs.umount("/f")
    print("%d seals" % (watch.index - 1))
    cuts = 0
    failures = 0
    left = first
    while True:
        try:
            if not one_cut(left, how):
                break
        except Exception as error:
            failures += 1
            print("cut at operation %d: %r" % (left, error))
            sys.print_exception(error)
            if failures > 3:
                break
            try:
                vfs.umount("/f")
            except OSError:
                pass
        cuts += 1
        left += step
    print("%d cuts, %d failures" % (cuts, failures))


main(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
