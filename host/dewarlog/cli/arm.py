"""The command that sends a logger on a trip: arm.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once.
"""

from __future__ import annotations

import contextlib
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console, words
from dewarlog.cli.options import AsJson, Device, KeysFolder
from dewarlog.cli.reach import credentials_over, is_radio, opened, session_over
from dewarlog.cli.typed import a_number, actor_named, expect_fits
from dewarlog.errors import ExitCode
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

_TEMPLATES = ("toml", "csv")


def host_s() -> float:
    """Give this computer's time, as Unix time."""
    return time.time()


def _print_template(kind: str | None) -> None:
    """Print an example of a manifest, and end."""
    if kind is None:
        return
    if kind not in _TEMPLATES:
        raise typer.BadParameter(f"{words.plain(kind)!r} is none of {', '.join(_TEMPLATES)}")
    from importlib.resources import files

    example = files("dewarlog.arm").joinpath(f"shipment.example.{kind}").read_text("utf-8")
    with console.table_output() as out:
        out.write(example)
    raise typer.Exit


def arm(
    device: Device,
    manifest: Annotated[
        Path,
        typer.Option(
            "--manifest",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="The shipment: TOML, or CSV as an account exports it.",
        ),
    ],
    profile: Annotated[
        Path,
        typer.Option(
            "--profile",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
            help="Rules, bands, intervals (JSON, as firmware/profile.example.json); probes and "
            "their calibration are the logger's own.",
        ),
    ],
    shipment: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Which row of a CSV with several shipments."),
    ] = None,
    planned_h: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=2160,
            callback=a_number,
            metavar="H",
            help="Hours to the consignee; else the manifest's.",
        ),
    ] = None,
    weight_kg: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=2000,
            callback=a_number,
            metavar="W",
            help="What the charged, packed, closed dewar weighs.",
        ),
    ] = None,
    battery_wh: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=10_000,
            callback=a_number,
            metavar="WH",
            help="What the logger's battery still holds; else the manifest's.",
        ),
    ] = None,
    override: Annotated[
        bool,
        typer.Option(
            "--override",
            help="Arm it whatever stands against it; that, --reason and --actor go into its log.",
        ),
    ] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it is overridden.")] = "",
    actor: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Who arms it. Default: your name on this computer."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Judge only; change nothing, not even the clock.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Also where it is armed for this trip already.")
    ] = False,
    keys: KeysFolder = None,
    as_json: AsJson = False,
    template: Annotated[  # noqa: ARG001 - it has done its work before
        str | None,
        typer.Option(
            metavar="toml|csv",
            is_eager=True,
            callback=_print_template,
            help="Print a manifest to begin with, and end.",
        ),
    ] = None,
) -> None:
    """Send a logger on a trip, if all is ready for it: a new run, with the shipment's papers.

    It must be cold and stable (watched for five minutes), charged by weight for the plan,
    calibrated to the trip's end, have the time, memory and battery for three times the plan, no
    part at fault, and its last log pulled. Else it refuses with every reason, what was measured
    and what is needed, and changes nothing but the clock; the exit code is then 7.

    A connection that is lost on the way leaves the logger as it was, or armed: run the command
    again, it recognises a logger that is armed for this trip.
    """
    who = actor_named(actor)
    why = _reason(reason, override=override)
    steps: list[str] = []
    with console.failures(as_json=as_json):
        from dewarlog.answers import arm as answers_arm
        from dewarlog.arm import trip_profile
        from dewarlog.arm.course import ArmCourse, Callbacks, Order
        from dewarlog.arm.manifest_files import read_manifest

        found = read_manifest(manifest, shipment)
        document = trip_profile.read_file(profile)
        planned = planned_h if planned_h is not None else found.manifest.planned_h
        if planned is None:
            raise typer.BadParameter(
                "the manifest does not tell how long the trip takes", param_hint="--planned-h"
            )
        if found.ignored and not as_json:
            console.warn(f"note: columns that are not used: {', '.join(found.ignored)}")
        order = Order(
            document=document,
            where=str(profile),
            manifest=found.manifest,
            planned_h=planned,
            weight_kg=weight_kg,
            battery_wh=battery_wh if battery_wh is not None else found.manifest.battery_wh,
            actor=who,
            reason=why,
            dry_run=dry_run,
            again=again,
        )

        def say(step: str) -> None:
            steps.append(step)
            if not as_json:
                console.warn(f"{step} ...")

        credentials = credentials_over(device, keys)
        with opened(device) as link, _watching(show=not as_json) as watched:
            session = session_over(link, credentials, strict=is_radio(device))
            session.hello()
            course = ArmCourse(session, order, host_s, Callbacks(say, watched))
            outcome = course.run()
        if as_json:
            console.say_json(answers_arm.arm_data(outcome, found.ignored, steps))
        else:
            answers_arm.say_arm(outcome, dry_run=dry_run)
    if outcome.refused:
        raise typer.Exit(ExitCode.REFUSED)


def _reason(reason: str, *, override: bool) -> str:
    most = layout.EVENT_TEXT_ASKED_MAX_BYTES[layout.KIND_PROFILE] - len("overridden 0x3ff: ")
    if override and not reason.strip():
        raise typer.BadParameter("--override takes one", param_hint="--reason")
    if not override:
        if reason:
            raise typer.BadParameter("it is for --override only", param_hint="--reason")
        return ""
    expect_fits("--reason", reason, most)
    return reason


@contextlib.contextmanager
def _watching(*, show: bool) -> Generator[Callable[[float, float], None]]:
    """Show how far the watch has got, on standard error; nothing where nobody looks."""
    if not show or not sys.stderr.isatty():
        yield lambda _done_s, _total_s: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("watching"), BarColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, left="", visible=False)

        def update(done_s: float, total_s: float) -> None:
            left = f"{words.duration(total_s - done_s)} left"
            bar.update(task, completed=done_s, total=total_s, left=left, visible=done_s < total_s)

        yield update


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(arm)
