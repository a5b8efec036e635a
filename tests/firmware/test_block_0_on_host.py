"""Block 0 that the firmware packs of the example profile says to the host what the file says."""

from __future__ import annotations

import io
import struct
from datetime import datetime
from pathlib import Path

from dewarlog.readings import LogReader
from dewarlog.records import Arming, Block, Run
from dewarlog_firmware.config import load_config
from dewarlog_firmware.profile import profile_sections
from dewarlog_wire import layout
from log_writer import LogWriter

EXAMPLE = Path(__file__).parents[2] / "firmware/profile.example.json"


def unix_s(text: str) -> int:
    """Return a time of the profile as Unix time."""
    return int(datetime.fromisoformat(text).timestamp())


def the_run() -> Run:
    """Pack block 0 by the firmware's own code, and read it with the host's."""
    values = (bytes(8), bytes(8), 0, 2, 0, 1, 28, 0, layout.UTC_UNKNOWN)
    identity = (layout.SECTION_IDENTITY, struct.pack(layout.IDENTITY.format, *values))
    writer = LogWriter()
    sections = profile_sections(load_config(EXAMPLE.read_text("utf-8")))
    writer.block(layout.BLOCK_RUN, 0, [identity, *sections])
    (block,) = LogReader(io.BytesIO(bytes(writer.data))).items()
    assert isinstance(block, Block)
    assert (block.problems, block.unknown_sections) == ((), ())
    assert block.run_settings is not None
    return block.run_settings


def test_the_references_of_who_pays_and_receives_are_read() -> None:
    """Each under its own name."""
    run = the_run()
    names = ("hardware", "account", "purchase_order", "cost_centre", "consignee")

    assert [run.text(name) for name in names] == [
        "rev B",
        "ACC-20417",
        "PO 4500118233",
        "4711",
        "Ward 7, University Hospital",
    ]


def test_the_points_of_calibration_are_read() -> None:
    """Counts, pressure, time, probe and reference of both."""
    ice, nitrogen = the_run().calibrations

    assert (ice.point_name, ice.reference_count, ice.indicated_count) == ("ice point", 0, 28)
    assert (nitrogen.point_name, nitrogen.pressure_pa) == ("LN2 point", 100_420)
    assert nitrogen.deviation_count == 36
    assert nitrogen.unix_s == unix_s("2025-03-01T10:10:00+00:00")
    assert {ice.serial, nitrogen.serial} == {"TC-T-0412"}
    assert nitrogen.reference == "boiling nitrogen, barometer 118"


def test_handling_and_arming_are_read() -> None:
    """Who began the run over what, and why."""
    run = the_run()

    assert run.handling is not None
    assert run.arming is not None
    assert (run.handling.thaw_to_infusion_min, run.handling.refuses_overdue) == (30, True)
    assert run.arming == Arming(
        unix_s=unix_s("2025-03-10T06:45:00+00:00"),
        planned_s=345_600,
        static_hold_s=864_000,
        charge_g=7400,
        overridden=1 << 4,
        actor="S. Haddad",
        reason="Probe 2 is due in two days; the courier has a second logger.",
    )
    assert run.arming.overridden_names == ("calibration",)
