"""The command of calibration: compare probes with two baths, keep it, and tell how they age.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once. The course itself is in calibrate/course; here is what is between it and a person.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dewarlog import console, words
from dewarlog.answers import calibrate as answers
from dewarlog.cli.drift import say_due, say_history
from dewarlog.cli.options import ArchiveFolder, AsJson, KeysFolder
from dewarlog.cli.reach import credentials_over, is_radio, opened, session_over
from dewarlog.cli.typed import a_number, actor_named, asking, expect_fits
from dewarlog_wire import layout

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from dewarlog.calibrate.bath import Now
    from dewarlog.calibrate.correction import Chain, Reference
    from dewarlog.calibrate.course import Outcome

_POINT_NAMES = ("ice", "ln2")
_TELL_EVERY_S = 60.0  # of the board's time, where nobody watches a display
_REFERENCE = "ice bath (ASTM E563), boiling LN2 (Span et al. 2000)"
_LN2_REFERENCE = "boiling LN2 (Span et al. 2000)"
_ICE_BATH = (
    "Ice point (0.00 degC): fill a vacuum flask to the top with ice of distilled water, crushed "
    "fine, and distilled water until it is slush without bubbles; drain what stands above the "
    "ice. Stir."
)
_ICE_PROBES = (
    "Put {probes} into the middle, 10 cm deep or more, off the wall and the bottom. Stir now and "
    "then, and leave the board where it is: its own temperature counts."
)
_LN2_BATH = (
    "LN2 point ({degc} degC at {pressure} hPa): fill an open dewar with fresh liquid nitrogen. "
    "Goggles, gloves, an aired room."
)
_LN2_PROBES = (
    "Immerse {probes} fully, 5 to 15 cm below the surface, off the wall, and wait until boiling "
    "is quiet. Leave them in until this command has ended."
)
_BATH_WORDS = {"ice": (_ICE_BATH, _ICE_PROBES), "ln2": (_LN2_BATH, _LN2_PROBES)}


def calibrate(
    device: Annotated[
        str | None,
        typer.Argument(metavar="[DEVICE]", help="The logger: usb:PORT, ble:NAME or sim:."),
    ] = None,
    probe: Annotated[
        list[int] | None,
        typer.Option(min=1, max=4, metavar="N", help="Only this probe. May be given again."),
    ] = None,
    points: Annotated[
        str,
        typer.Option(
            metavar="ice,ln2",
            help="Baths, in order. ln2 must be one: the offset corrects there.",
        ),
    ] = "ice,ln2",
    pressure_hpa: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Air pressure at the bath, as a barometer there shows it; not what a weather "
            "service tells.",
        ),
    ] = None,
    sea_level_hpa: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Instead: what a weather service tells, with --altitude-m. Less certain.",
        ),
    ] = None,
    altitude_m: Annotated[
        float | None, typer.Option(metavar="A", help="How high the bath stands above the sea.")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="TEXT", help="With what is compared, for the log.")
    ] = None,
    valid_months: Annotated[
        int, typer.Option(min=1, max=120, metavar="N", help="Months until it is due again.")
    ] = 12,
    settle_min: Annotated[
        float,
        typer.Option(
            min=4,
            max=120,
            callback=a_number,
            metavar="N",
            help="Minutes a probe may take to come to rest.",
        ),
    ] = 30,
    actor: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who does it. Default: this user.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Ask nothing: wait for the baths; as with --json.")
    ] = False,
    history: Annotated[
        str | None,
        typer.Option(
            metavar="LOGGER",
            help="Only tell how the probes of this logger have aged: its device name, its id, or "
            "the end of it.",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", dir_okay=False, help="With --history: draw it."),
    ] = None,
    due: Annotated[
        bool, typer.Option("--due", help="Only list what of the archive is due when.")
    ] = False,
    archive: ArchiveFolder = None,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Calibrate the probes of a logger in an ice bath and in liquid nitrogen.

    Says what to do, waits until each probe is at rest, computes offset and uncertainty, and writes
    them to the logger and to the archive. The logger then begins a new run, and is read once more
    to prove that the offset is in force. Ctrl-C ends it at any time; until the writing nothing is
    changed.
    """
    if sum((device is not None, history is not None, due)) != 1:
        raise typer.BadParameter("give a DEVICE to calibrate, or --history LOGGER, or --due")
    if plot is not None and history is None:
        raise typer.BadParameter("it goes with --history", param_hint="--plot")
    if plot is not None and plot.suffix.lower() != ".svg":
        raise typer.BadParameter("the picture is an SVG: name it FILE.svg", param_hint="--plot")
    if due:
        say_due(archive, as_json=as_json)
        return
    if history is not None:
        say_history(history, plot, archive, keys, as_json=as_json)
        return
    channels = None if probe is None else tuple(sorted({number - 1 for number in probe}))
    wanted = _points(points)
    name = device or ""
    who = actor_named(actor)
    what = reference or (_REFERENCE if "ice" in wanted else _LN2_REFERENCE)
    expect_fits("--reference", what, layout.SECTION_TEXT_MAX_BYTES)
    # Its words are for a person, and are not printed where a program reads: nor are its questions.
    asks = sys.stdin.isatty() and not yes and not as_json
    with console.failures(as_json=as_json):
        from dewarlog.calibrate.bath import Patience
        from dewarlog.calibrate.correction import ice_reference, ln2_reference
        from dewarlog.calibrate.course import Course, Plan
        from dewarlog.calibrate.file import CalibrationShelf
        from dewarlog.errors import DewarlogError

        air_hpa, limit_hpa, source = _pressure(pressure_hpa, sea_level_hpa, altitude_m, asks=asks)
        made = {"ice": ice_reference(), "ln2": ln2_reference(air_hpa, limit_hpa)}
        plan = Plan(
            references=tuple(made[point] for point in wanted),
            channels=channels,
            actor=who,
            reference=what,
            pressure=source,
            valid_months=valid_months,
            patience=Patience(asks=asks, settle_s=settle_min * 60),
        )
        guide = _Guide(asks=asks, quiet=as_json)
        with opened(name) as link:
            session = session_over(link, credentials_over(name, keys), strict=is_radio(name))
            course = Course(session, CalibrationShelf(archive), guide)
            try:
                with guide.display():
                    done = course.run(plan)
            except (DewarlogError, KeyboardInterrupt) as error:
                _tell_untouched(error, touched=course.touched)
                raise
    if as_json:
        console.say_json(answers.done_data(done))
        return
    answers.say_done(done)


def _tell_untouched(error: BaseException, *, touched: bool) -> None:
    """Say what is sure of the board, where the error does not say it itself."""
    from dewarlog.errors import CalibrationError

    if touched and not isinstance(error, CalibrationError):
        console.warn(
            "dewarlog: note: the logger may have taken the new profile: look with `dewarlog "
            "status`, and calibrate again if its run has not changed."
        )
    elif not touched and not isinstance(error, CalibrationError):
        console.warn("dewarlog: note: nothing was changed on the logger.")


def _points(text: str) -> tuple[str, ...]:
    """Take the baths, in order."""
    wanted = tuple(part.strip().lower() for part in text.split(","))
    unknown = [point for point in wanted if point not in _POINT_NAMES]
    if unknown or len(set(wanted)) != len(wanted):
        raise typer.BadParameter(
            f"{words.plain(text)!r} is none of: ice,ln2  ln2,ice  ln2", param_hint="--points"
        )
    if "ln2" not in wanted:
        raise typer.BadParameter(
            "ln2 must be one of them: what a probe is off at 0 degC says little about -150 degC",
            param_hint="--points",
        )
    return wanted


def _pressure(
    station: float | None, sea_level: float | None, altitude_m: float | None, *, asks: bool
) -> tuple[float, float, str]:
    """Give the pressure at the bath in hPa, how far it may be off, and where it is from."""
    from dewarlog.calibrate import nitrogen

    if (sea_level is None) != (altitude_m is None) or (station is None) == (sea_level is None):
        if station is None and sea_level is None and altitude_m is None and asks:
            question = (
                "Air pressure at the bath in hPa (a barometer there, not the weather report)"
            )
            with asking():
                station = float(typer.prompt(question, type=float, err=True))
        else:
            raise typer.BadParameter(
                "say how high the air pressure is at the bath: --pressure-hpa, as a barometer "
                "there shows it; or --sea-level-hpa, as a weather service tells it, together with "
                "--altitude-m. An altitude alone leaves out the weather: 0.5 K."
            )
    if sea_level is not None and altitude_m is not None:
        at_bath = nitrogen.station_pressure_hpa(sea_level, altitude_m)
        limit = nitrogen.PRESSURE_LIMIT_HPA + nitrogen.REDUCTION_LIMIT_HPA_PER_M * abs(altitude_m)
        source = f"{sea_level:g} hPa at sea level, bath at {altitude_m:g} m"
        return at_bath, limit, source
    at_bath = 0.0 if station is None else station
    nitrogen.expect_plausible(at_bath)
    return at_bath, nitrogen.PRESSURE_LIMIT_HPA, f"{at_bath:g} hPa at the bath"


# --- between the course and a person -------------------------------------------------------------


class _Guide:
    """Says what to do, shows how it goes, and asks where somebody is there to answer."""

    def __init__(self, *, asks: bool, quiet: bool) -> None:
        self._asks = asks
        self._quiet = quiet
        self._live: Any = None
        self._told_s = -_TELL_EVERY_S

    @contextlib.contextmanager
    def display(self) -> Generator[None]:
        """Keep a display where a person looks at standard error."""
        if self._quiet or not sys.stderr.isatty():
            yield
            return
        from rich.console import Console
        from rich.live import Live

        with Live(console=Console(stderr=True), transient=True, auto_refresh=False) as live:
            self._live = live
            yield
        self._live = None

    def bath(self, reference: Reference, chains: Sequence[Chain]) -> None:
        """Say what to do for a bath; wait for Enter where somebody is there."""
        self._told_s = -_TELL_EVERY_S
        probes = answers.probe_list([chain.channel for chain in chains])
        for text in _BATH_WORDS[reference.point]:
            pressure = reference.pressure_hpa
            self.say(
                text.format(
                    probes=probes,
                    degc=f"{reference.degc:.2f}",
                    pressure="" if pressure is None else f"{pressure:.1f}",
                )
            )
        if self._asks:
            with self._aside(), asking():
                typer.prompt("Enter when they are in", default="", show_default=False, err=True)

    def show(self, now: Now) -> None:
        """Show how each probe is doing."""
        lines = [answers.probe_line(one, now) for one in now.probes]
        head = (
            f"{words.duration(now.waited_s)} of {words.duration(now.settle_s)}; still "
            f"{words.duration(now.still_s)} at least ({words.duration(now.needs_s)} of quiet)"
        )
        if self._live is not None:
            from rich.text import Text

            self._live.update(Text("\n".join([head, *lines])), refresh=True)
            return
        if not self._quiet and now.waited_s - self._told_s >= _TELL_EVERY_S:
            self._told_s = now.waited_s
            for line in (head, *lines):
                console.warn(line)

    def confirm(self, outcome: Outcome) -> bool:
        """Show what was found, and ask."""
        if self._quiet:
            return True
        with self._aside():
            for one in outcome.probes:
                for line in answers.outcome_lines(one):
                    console.say(line)
            for jump in outcome.jumps:
                console.warn(f"dewarlog: DRIFT: {jump.sentence}")
            if not self._asks:
                return True
            with asking():
                return typer.confirm(
                    f"Write this to the logger? Its run {outcome.run} ends, and a new one begins",
                    err=True,
                )

    def say(self, text: str) -> None:
        """Say one thing on standard error."""
        if not self._quiet:
            with self._aside():
                for line in console.wrapped(text, "").splitlines():
                    console.warn(line)

    @contextlib.contextmanager
    def _aside(self) -> Generator[None]:
        """Take the display away while something else is printed."""
        if self._live is None:
            yield
            return
        self._live.update("", refresh=True)
        self._live.stop()
        try:
            yield
        finally:
            self._live.start()


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(calibrate)
