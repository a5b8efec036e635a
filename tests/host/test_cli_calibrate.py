"""The command of calibration refuses wrong use before it opens anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from dewarlog import cli

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ((), "give a DEVICE"),
        (("usb:/dev/null", "--due"), "give a DEVICE"),
        (("usb:/dev/null", "--points", "ice"), "ln2 must be one"),
        (("usb:/dev/null", "--points", "ln2,ln2"), "none of"),
        (("usb:/dev/null", "--points", "steam"), "none of"),
        (("usb:/dev/null",), "how high the air pressure is"),
        (("usb:/dev/null", "--altitude-m", "400"), "An altitude alone"),
        (("usb:/dev/null", "--sea-level-hpa", "1013"), "--altitude-m"),
        (
            ("usb:/dev/null", "--pressure-hpa", "1", "--sea-level-hpa", "1", "--altitude-m", "1"),
            "how high",
        ),
        (("usb:/dev/null", "--pressure-hpa", "29.92"), "does not occur"),
        (("usb:/dev/null", "--sea-level-hpa", "600", "--altitude-m", "0"), "does not occur"),
        (("usb:/dev/null", "--pressure-hpa", "1000", "--reference", "x" * 77), "76 fit"),
        (("usb:/dev/null", "--pressure-hpa", "1000", "--actor", "\u00e4" * 39), "76 fit"),
        (("usb:/dev/null", "--pressure-hpa", "1000", "--actor", " "), "nobody is named"),
        (("--plot", "x.svg", "--due"), "goes with"),
        (("--history", "4b2f", "--plot", "x.png"), "SVG"),
        (("--history", "4b2f"), "none of the loggers"),
    ],
)
def test_wrong_use_is_refused_before_anything_is_opened(
    tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    """Exit 2, and the sentence says what to type."""
    done = CliRunner().invoke(cli.app, ["calibrate", *options, "--archive", str(tmp_path)])

    assert done.exit_code == 2, done.stderr
    assert told in " ".join(done.stderr.replace("\u2502", " ").split())


def test_an_archive_without_calibrations_has_none_due(tmp_path: Path) -> None:
    """And says so."""
    done = CliRunner().invoke(cli.app, ["calibrate", "--due", "--archive", str(tmp_path)])

    assert (done.exit_code, done.stdout) == (0, "The archive holds no board.\n")
