"""The label of a board: a camera reads it back, a printer prints it at its true size."""

import io
from functools import partial

import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dewarlog.errors import LabelTooSmall
from dewarlog.provision import label
from dewarlog.provision.label import (
    DOTS_PER_INCH,
    HEIGHT_DOTS,
    WIDTH_DOTS,
    Label,
    Probe,
    draw,
    png,
)

DEVICE_ID = "e660583883724a32"
FINGERPRINT = "KG72N-YMHX4-RPOJS-Y5L7Y"
# Whatever UTF-8 can write: no half of a surrogate pair.
TEXTS = partial(st.text, alphabet=st.characters(codec="utf-8"))
PROBES = (Probe(1, "TC-T-0412", "payload top"), Probe(3, "TC-E-0021", "neck"))


def read_back(picture: Image.Image) -> list[str]:
    """Read every code in a picture, as a camera would."""
    return [code.text for code in zxingcpp.read_barcodes(picture)]


def test_a_camera_reads_name_hardware_and_fingerprint_back() -> None:
    """The code says what the label was given, and nothing else."""
    label = Label(DEVICE_ID, "DL-0007", "C", FINGERPRINT, PROBES)
    expected = f"dewarlog:{DEVICE_ID}?name=DL-0007&hardware=C&key={FINGERPRINT}"
    assert read_back(draw(label)) == [expected]


def test_a_board_without_signatures_or_name_has_a_label_too() -> None:
    """What is not known is left out, not written as empty."""
    assert read_back(draw(Label(DEVICE_ID, "", "", "", ()))) == [f"dewarlog:{DEVICE_ID}"]


@settings(max_examples=40)
@given(TEXTS(max_size=12), TEXTS(max_size=4), TEXTS(max_size=12))
def test_whatever_a_board_is_called_its_label_reads_back(
    name: str, hardware: str, serial: str
) -> None:
    """Any name fits the words, cut where it must be, and stands whole in the code."""
    label = Label(DEVICE_ID, name, hardware, FINGERPRINT, (Probe(1, serial, "neck"),))
    assert read_back(draw(label)) == [label.text]


def test_the_picture_prints_at_its_true_size_without_greys() -> None:
    """696 x 306 dots at 300 an inch: what a 62 mm printer takes."""
    with Image.open(io.BytesIO(png(Label(DEVICE_ID, "DL-0007", "C", "", PROBES)))) as picture:
        assert picture.size == (WIDTH_DOTS, HEIGHT_DOTS)
        assert picture.mode == "1"
        assert [round(dots) for dots in picture.info["dpi"]] == [DOTS_PER_INCH] * 2


def test_a_name_that_leaves_no_readable_code_is_refused() -> None:
    """Modules too fine for a camera are told, not printed."""
    with pytest.raises(LabelTooSmall, match="shorter name"):
        draw(Label(DEVICE_ID, "x" * 400, "C", FINGERPRINT, PROBES))


def words_of(name: str, serial: str = "TC-1") -> bytes:
    """Return the left of a label, where its words stand."""
    picture = draw(Label(DEVICE_ID, name, "C", "", (Probe(1, serial, "neck"),)))
    return picture.crop((0, 0, WIDTH_DOTS // 2, HEIGHT_DOTS)).tobytes()


def test_a_letter_no_font_has_is_printed_as_its_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty box would be any letter."""
    label._printed.cache_clear()  # noqa: SLF001 - as on a computer that begins
    monkeypatch.setattr(label, "_OTHER_FONTS", ("no-such-font.ttf",))
    assert words_of("Z\u00fcrich") == words_of(r"Z\xfcrich")
    assert words_of("\u6db2-7") == words_of(r"\u6db2-7")
    assert words_of("Z\u00fcrich") != words_of("Z\u00e9rich")
    label._printed.cache_clear()  # noqa: SLF001 - for the tests to come


def test_a_letter_that_another_font_has_is_printed_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the first font that has it; a letter is escaped by itself, not its whole name."""
    label._printed.cache_clear()  # noqa: SLF001 - as on a computer that begins
    lacks = {"": "\u00fc\u6db2", "other.ttf": "\u6db2"}
    monkeypatch.setattr(label, "_OTHER_FONTS", ("none.ttf", "other.ttf"))

    def is_lacking(face: str, letter: str) -> bool:
        if face == "none.ttf":
            raise OSError("cannot open resource")
        return letter in lacks[face]

    monkeypatch.setattr(label, "_is_lacking", is_lacking)
    printed = label._printed  # noqa: SLF001 - what fonts there are hangs on the computer
    assert printed("DL-7") == ("DL-7", "")
    assert printed("Z\u00fcrich") == ("Z\u00fcrich", "other.ttf")
    assert printed("Z\u00fcrich \u6db2") == ("Z\u00fcrich " + r"\u6db2", "other.ttf")
    printed.cache_clear()


def test_the_widest_serial_stands_whole_on_the_label() -> None:
    """Its last letter is what tells it from the next."""
    assert words_of("DL-0007", "WWWWWWWWWWWW") != words_of("DL-0007", "WWWWWWWWWWWM")
