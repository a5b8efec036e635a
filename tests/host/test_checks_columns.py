"""Readings of probes a run does not have, and cold junctions no converter measures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dewarlog.checks.finding import Finding, Severity
from dewarlog.checks.review import review_log
from dewarlog_wire import layout
from log_writer import CJ, DEGC, LogWriter

if TYPE_CHECKING:
    from pathlib import Path

CALM = [-190 * DEGC] * 30


def _found(folder: Path, writer: LogWriter) -> list[Finding]:
    file = folder / "log.dwl"
    file.write_bytes(writer.data)
    return [found for found in review_log(file).findings if found.check == "columns"]


def test_a_block_with_fewer_probes_than_the_run_means_hold(tmp_path: Path) -> None:
    """Told once, however many blocks follow."""
    writer = LogWriter(channels=3)
    writer.start()
    writer.samples(0, [CALM] * 3)
    writer.samples(300_000, [CALM] * 2)
    writer.samples(600_000, [CALM] * 2)
    (found,) = _found(tmp_path, writer)

    assert (found.severity, found.code, found.sample) == (Severity.HOLD, "columns-foreign", 30)
    assert found.message == (
        "From sample 30 on the log holds readings of probes 1, 2, but the run began with probes "
        "1, 2, 3: whose readings these are is not certain."
    )


def test_a_probes_reading_in_the_place_of_the_cold_junction_means_hold(tmp_path: Path) -> None:
    """-196 degC is a probe's; it would be -392 in counts of the cold junction."""
    writer = LogWriter()
    writer.start()
    cold = [25 * CJ] * 30
    cold[7:] = [-196 * DEGC] * 23
    writer.samples(0, [CALM], cold_junction=cold)
    (found,) = _found(tmp_path, writer)

    assert (found.severity, found.sample) == (Severity.HOLD, 7)
    assert found.code == "cold-junction-impossible"
    assert found.evidence == {"samples": 23}


def test_what_a_converter_can_measure_passes(tmp_path: Path) -> None:
    """The ends of its register, and a cold junction that gave no temperature."""
    writer = LogWriter()
    writer.start()
    cold = [-128 * CJ, 128 * CJ - 1, layout.state_code(layout.STATE_SILENT), *[25 * CJ] * 27]
    writer.samples(0, [CALM], cold_junction=cold)

    assert _found(tmp_path, writer) == []
