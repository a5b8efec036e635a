"""Small files that a power cut leaves old or new, never half.

Beside the line: used by whatever keeps a few bytes in a file of its own.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    Readable = bytes | bytearray | memoryview


def write_whole(path: str, data: "Readable", aside: "str | None" = None) -> None:
    """Replace the file at `path` in one step; `aside` is where it is written first.

    Closing the file is the commit on littlefs, and renaming over another is atomic there.
    """
    new = path + ".new" if aside is None else aside
    with open(new, "wb") as file:
        file.write(data)
    os.rename(new, path)
