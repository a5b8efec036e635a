"""The label of a board: its name for people, its identity for a camera.

Beside provision. The picture is drawn at the printer's dots: 62 mm x 29 mm at 300 dots per inch,
what a common label printer takes. The QR code (ISO/IEC 18004, by segno) holds one line of text,
which names the board and the fingerprint of its public key, and no secret:

    dewarlog:e660583883724a32?name=DL-0007&hardware=C&key=KG72N-YMHX4-RPOJS-Y5L7Y

A label is no proof: whoever can print one can print another. It says what to compare with.

What is printed is what the code says. The font that comes with the drawing library has the letters
of ASCII and few more: a text with others is set in a common font of this computer. A letter that
none of them has is printed as its escape, as a terminal shows it, and never as an empty box.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

import segno
from PIL import Image, ImageDraw, ImageFont

from dewarlog import words
from dewarlog.errors import LabelTooSmall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.ImageFont import FreeTypeFont
    from PIL.ImageFont import ImageFont as BitmapFont

SCHEME: Final = "dewarlog"
DOTS_PER_INCH: Final = 300
# 62 mm endless tape, 29 mm long, less what the printer leaves white: 696 x 306 dots.
WIDTH_DOTS: Final = 696
HEIGHT_DOTS: Final = 306
_QUIET_MODULES: Final = 4  # ISO/IEC 18004, 6.3.8: the white around a code
_MARGIN_DOTS: Final = 14
# Below that a telephone's camera no longer reads a module at arm's length.
_MODULE_MIN_DOTS: Final = 4
_NAME_DOTS: Final = 56
_NAME_MIN_DOTS: Final = 24
_LINE_DOTS: Final = 24
_SMALL_DOTS: Final = 20
_LEADING_DOTS: Final = 5
# Terminal, serial (12 characters at most) and placement of a probe.
_COLUMNS: Final = ((14, 40), (40, 190), (200, WIDTH_DOTS))
_CELL_MIN_DOTS: Final = 11
# Of Linux, Windows and macOS, for what the built-in font lacks.
_OTHER_FONTS: Final = (
    "DejaVuSans.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
    "arial.ttf",
    "Arial.ttf",
    "Arial Unicode.ttf",
)
# No character: what a font shows for it, it shows for whatever it lacks.
_NO_LETTER: Final = "\uffff"
_WHITE: Final = 255
_BLACK: Final = 0
_BITS: Final = "1"
# Above that a grey dot of a letter's edge is printed white.
_BLACK_BELOW: Final = 140
_NO_GREYS: Final = [_BLACK] * _BLACK_BELOW + [_WHITE] * (256 - _BLACK_BELOW)


@dataclass(frozen=True, slots=True)
class Probe:
    """One probe as the label names it."""

    terminal: int  # 1 to 4, as it stands on the enclosure
    serial: str
    placement: str


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a board's label."""

    device_id: str  # 16 hex digits
    name: str
    hardware: str
    fingerprint: str  # of the public key; empty for a board without signatures
    probes: tuple[Probe, ...]

    @property
    def text(self) -> str:
        """Give what the QR code says."""
        asked = {"name": self.name, "hardware": self.hardware, "key": self.fingerprint}
        given = {key: value for key, value in asked.items() if value}
        query = f"?{urlencode(given, quote_via=quote)}" if given else ""
        return f"{SCHEME}:{self.device_id}{query}"

    @property
    def air_name(self) -> str:
        """Give the name by which the board is found on the air."""
        return f"dewarlog-{self.device_id[-4:]}"


def draw(label: Label) -> Image.Image:
    """Draw a label: black on white, without greys, at the printer's dots.

    Raises:
        LabelTooSmall: its QR code would be too fine to read, for the name is too long.
    """
    page = Image.new("L", (WIDTH_DOTS, HEIGHT_DOTS), _WHITE)
    code = _code(label)
    left = WIDTH_DOTS - code.width
    page.paste(code, (left, (HEIGHT_DOTS - code.height) // 2))
    _write(ImageDraw.Draw(page), label, left - _MARGIN_DOTS)
    return page.point(_NO_GREYS).convert(_BITS)


def png(label: Label) -> bytes:
    """Give a label as a PNG file that prints at its true size. Raises LabelTooSmall."""
    out = io.BytesIO()
    draw(label).save(out, format="PNG", dpi=(DOTS_PER_INCH, DOTS_PER_INCH))
    return out.getvalue()


def _code(label: Label) -> Image.Image:
    """Draw the QR code as large as the label allows, each module the same whole dots."""
    made = segno.make(label.text, error="m", micro=False)
    modules = int(made.symbol_size(border=_QUIET_MODULES)[0])
    scale = HEIGHT_DOTS // modules
    if scale < _MODULE_MIN_DOTS:
        raise LabelTooSmall(label.text, modules)
    out = io.BytesIO()
    made.save(out, kind="png", scale=scale, border=_QUIET_MODULES)
    out.seek(0)
    return Image.open(out).convert("L")


def _write(pen: ImageDraw.ImageDraw, label: Label, right: int) -> None:
    """Write the words into the room left of the code, from the top down."""
    room = right - _MARGIN_DOTS
    top = _MARGIN_DOTS
    name = label.name or label.air_name
    size = _fitting(pen, name, room, _NAME_DOTS, _NAME_MIN_DOTS)
    _put(pen, (_MARGIN_DOTS, top), name, size, room)
    top += size + _MARGIN_DOTS
    for text, dots in _lines(label):
        _put(pen, (_MARGIN_DOTS, top), text, dots, room)
        top += dots + _LEADING_DOTS
    for probe in label.probes:
        cells = (str(probe.terminal), probe.serial or "no serial", probe.placement)
        for text, (start, end) in zip(cells, _COLUMNS, strict=True):
            cell_room = min(end, right) - start
            dots = _fitting(pen, text, cell_room, _SMALL_DOTS, _CELL_MIN_DOTS)
            _put(pen, (start, top), text, dots, cell_room)
        top += _SMALL_DOTS + _LEADING_DOTS


def _put(
    pen: ImageDraw.ImageDraw, place: tuple[int, int], text: str, dots: int, room: int
) -> None:
    """Write one text, cut where it is too wide all the same."""
    printed, face = _printed(words.plain(text))
    font = _font(dots, face)
    pen.text(place, _cut(pen, printed, font, room), _BLACK, font)


def _fitting(pen: ImageDraw.ImageDraw, text: str, room: int, most: int, least: int) -> int:
    """Return the largest height of letters at which a text fits, no smaller than `least`."""
    printed, face = _printed(words.plain(text))
    size = most
    while size > least and pen.textlength(printed, _font(size, face)) > room:
        size -= 1
    return size


def _lines(label: Label) -> Sequence[tuple[str, int]]:
    """Give the lines under the name, with the height of each in dots."""
    digits = label.device_id.upper()
    grouped = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
    lines = [(grouped, _LINE_DOTS)]
    if label.hardware:
        lines.append((f"{label.air_name}   hardware {label.hardware}", _SMALL_DOTS))
    else:
        lines.append((label.air_name, _SMALL_DOTS))
    if label.fingerprint:
        lines.append((label.fingerprint, _SMALL_DOTS))
    return lines


def _cut(pen: ImageDraw.ImageDraw, text: str, font: FreeTypeFont | BitmapFont, room: int) -> str:
    """Shorten a text that is too wide, and show that it was."""
    if pen.textlength(text, font) <= room:
        return text
    while text and pen.textlength(f"{text}…", font) > room:
        text = text[:-1]
    return f"{text}…"


@lru_cache(maxsize=256)
def _printed(text: str) -> tuple[str, str]:
    """Return a text as it can be printed, and the font for it: empty for the built-in one."""
    best, least, face = text, len(text) + 1, ""
    for each in ("", *_OTHER_FONTS):
        try:
            lacking = {letter for letter in text if _is_lacking(each, letter)}
        except OSError:  # not on this computer
            continue
        if len(lacking) < least:
            least, face = len(lacking), each
            best = "".join(words.escaped(one) if one in lacking else one for one in text)
        if not lacking:
            break
    return best, face


@lru_cache(maxsize=1024)
def _is_lacking(face: str, letter: str) -> bool:
    """Tell whether a font shows its empty box for a letter; OSError where it is not here."""
    return letter != " " and _shape(face, letter) == _shape(face, _NO_LETTER)


def _shape(face: str, letter: str) -> bytes:
    page = Image.new("L", (2 * _LINE_DOTS, 2 * _LINE_DOTS))
    ImageDraw.Draw(page).text((0, 0), letter, _WHITE, _font(_LINE_DOTS, face))
    return page.tobytes()


@lru_cache(maxsize=64)
def _font(dots: int, face: str = "") -> FreeTypeFont | BitmapFont:
    return ImageFont.truetype(face, dots) if face else ImageFont.load_default(dots)
