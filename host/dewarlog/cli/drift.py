"""What `calibrate` tells without a bath: how the probes of a logger age, and what is due when.

Below calibrate, whose --history and --due these are. Heavy imports wait inside the functions.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from dewarlog import console, words
from dewarlog.answers import calibrate as answers
from dewarlog.cli.reach import credentials_over, is_radio, opened, session_over

if TYPE_CHECKING:
    from pathlib import Path

    from dewarlog.calibrate.drift import Found
    from dewarlog.calibrate.file import CalibrationShelf


def say_history(
    logger: str, plot: Path | None, archive: Path | None, keys: Path | None, *, as_json: bool
) -> None:
    """Tell every calibration of a logger's probes, what stands out in them, and draw it."""
    with console.failures(as_json=as_json):
        from dewarlog.calibrate.drift import found_in, jumps, together
        from dewarlog.calibrate.file import CalibrationShelf
        from dewarlog.errors import NoCalibration

        shelf = CalibrationShelf(archive)
        device_id, found = _board_named(logger, shelf, keys)
        serials = {one.serial for one in found}
        files = list(shelf.all())
        for file in files:
            if file.record.device_id == device_id:
                serials |= {probe.serial for probe in file.record.probes}
        found += [one for file in files for one in found_in(file) if one.serial in serials]
        found = together(found)
        if not found:
            raise NoCalibration(shelf.root, f"logger {device_id}")
        said = jumps(found)
        if plot is not None:
            from dewarlog.calibrate.drift_plot import drift_svg
            from dewarlog.output import whole

            with whole(plot) as place:
                place.write_text(
                    drift_svg(found, f"Calibrations of logger {device_id}"), encoding="utf-8"
                )
    if as_json:
        console.say_json(
            {
                "device_id": device_id,
                "found": [answers.found_data(one) for one in found],
                "jumps": [jump.sentence for jump in said],
                "plot": None if plot is None else str(plot),
            }
        )
        return
    # Only the logger itself can say that it never took one.
    not_applied = "no" if ":" in logger else "not known"
    console.say_table(
        ("Date", "Probe", "Serial", "Point", "Deviation", "u", "Due", "On the logger"),
        [
            (
                f"{one.at:%Y-%m-%d}",
                str(one.channel + 1),
                one.serial,
                one.point,
                answers.kelvin(one.deviation_k),
                f"{one.u_k:.3f} K",
                "" if one.due is None else str(one.due),
                ("yes" if one.applied else not_applied)
                + ("" if one.device_id == device_id else f" ({one.device_id})"),
            )
            for one in found
        ],
    )
    for jump in said:
        console.warn(f"dewarlog: DRIFT: {jump.sentence}")
    if plot is not None:
        console.say(f"Drawn: {words.plain(str(plot))}")


def _board_named(
    logger: str, shelf: CalibrationShelf, keys: Path | None
) -> tuple[str, list[Found]]:
    """Find the id that is meant; of a board named as a device also what it knows itself."""
    if ":" in logger:
        from dewarlog.bench import requests
        from dewarlog.calibrate.drift import found_on, voids
        from dewarlog.profile.model import Profile

        with opened(logger) as link:
            session = session_over(link, credentials_over(logger, keys), strict=is_radio(logger))
            board = session.hello()
            data = requests.get_profile(session)
        if not data:
            return board.name, []
        profile = Profile.read(data, f"logger {board.name}")
        for void in voids(profile):
            console.warn(
                f"dewarlog: VOID: probe {void.channel + 1} is {void.serial_now or 'another'} "
                f"now, and was calibrated as {void.serial_then or 'one without a serial'}: that "
                "calibration says nothing of it. Calibrate it."
            )
        return board.name, found_on(profile, board.name)
    wanted = logger.strip().lower()
    boards = [board for board in shelf.boards() if wanted and board.endswith(wanted)]
    if len(boards) != 1:
        many = "none" if not boards else f"{len(boards)}"
        raise typer.BadParameter(
            f"{many} of the loggers calibrated here has an id that ends with "
            f"{words.plain(logger)!r}",
            param_hint="--history",
        )
    return boards[0], []


def say_due(archive: Path | None, *, as_json: bool) -> None:
    """List which probe of which logger is due when, by all that the archive holds."""
    with console.failures(as_json=as_json):
        from dewarlog.calibrate.due import dues_of

        found = dues_of(archive)
    today = datetime.now(UTC).date()
    if as_json:
        console.say_json(
            {
                "today": str(today),
                "probes": [
                    {
                        "device_id": one.device_id,
                        "probe": one.channel + 1,
                        "serial": one.serial,
                        "calibrated": None if one.calibrated is None else str(one.calibrated),
                        "due": None if one.due is None else str(one.due),
                        "days_left": one.days_left(today),
                        "source": one.source,
                    }
                    for one in found
                ],
            }
        )
        return
    if not found:
        console.say("The archive holds no board.")
        return
    console.say_table(
        ("Logger", "Probe", "Serial", "Calibrated", "Due", "", "Known from"),
        [
            (
                one.device_id,
                str(one.channel + 1),
                one.serial,
                "never" if one.calibrated is None else str(one.calibrated),
                "" if one.due is None else str(one.due),
                answers.due_words(one, one.days_left(today)),
                one.source,
            )
            for one in found
        ],
    )
