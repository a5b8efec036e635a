"""How large a board makes the buffers that live as long as it runs: data of the board.

Outside the line: board.py says which a board has, app hands them to the parts. Nothing of them is
in the log but what they led to: any board reads what a board of other sizes left behind. Figures
of RAM: firmware/README.md "Memory"; of stored bytes: protocol/DESIGN.md.
"""

from collections import namedtuple

Sizes = namedtuple(
    "Sizes",
    (
        "block_samples",  # a multiple of layout.COLUMN_PAGE
        "columns_bytes",  # the remainder planes of all columns; a block that needs more ends early
        "shelf_bytes",  # completed shocks that wait for the flash, as they will be stored
        "shock_slots",  # of a burst each: what the main loop may leave to the interrupts
        "serial_body_bytes",  # of a frame on USB
    ),
)

# 3072 samples of 10 s are 8.5 h: the fixed 84 bytes of header and seal are then 1.3 % of a block.
# Four noisy channels need 9 to 14 KB of planes for them. A knock takes some 300 bytes of the
# shelf, so that it fills by their number; the hardest noise takes 4.9 KB of it for the longest
# usual window (1024 sets). 64 slots of 16 sets bridge 320 ms at 3200 Hz.
LARGE = Sizes(3072, 18432, 12288, 64, 4096)
# For 264 KB of RAM: blocks of 5.7 h, half the shelf, frames of 1 KB. The shock ring is as long:
# half of it would be outlasted by one erase of the flash in a pass of the main loop.
SMALL = Sizes(2048, 7168, 6144, 64, 1024)
