"""The commands: they wire the line together and do nothing else.

Imports of anything heavy wait inside the commands, so that `--help` and errors come at once; a
test holds that. What is printed goes through console.py.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import __version__, console, words
from dewarlog.cli_typed import a_number, expect_short
from dewarlog.errors import DewarlogError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from dewarlog.bench.requests import Live
    from dewarlog.calibrate.file import Joined
    from dewarlog.checks.review import Review
    from dewarlog.link import Link
    from dewarlog.link.advert import Heard
    from dewarlog.proven import Credential, Credentials
    from dewarlog.pull import Progress
    from dewarlog.session import Board, Session
    from dewarlog.verdict import Verdict

app = typer.Typer(
    name="dewarlog",
    help="Pull, check and explain the logs of dewarlog temperature loggers.",
    epilog=console.exit_code_table(),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _a_file(path: Path) -> Path:
    if not path.is_file():
        raise typer.BadParameter(
            f"{words.plain(str(path))} is a pipe or a device. A log is read more than once: save "
            "it to a file first."
        )
    return path


LogPath = Annotated[
    Path,
    typer.Argument(
        metavar="LOG",
        exists=True,
        dir_okay=False,
        readable=True,
        callback=_a_file,
        help="A log file (*.dwl).",
    ),
]
Device = Annotated[
    str,
    typer.Argument(
        metavar="DEVICE",
        help="usb:PORT (usb:/dev/ttyACM0, usb:COM3), ble:NAME (ble:dewarlog-4b2f, ble:4b2f, or "
        "its address) as `dewarlog scan` shows it, sim: for a simulated board that starts now, or "
        "sim:bad for one that has the bad trip behind it.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the answer as JSON for a program.")]
ArchiveFolder = Annotated[
    Path | None,
    typer.Option(
        "--archive",
        metavar="DIR",
        file_okay=False,
        help="Folder of the archive. Default: this user's data folder.",
    ),
]
KeysFolder = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="DIR",
        file_okay=False,
        help="Folder of this computer's keys and tokens. Default: this user's keyring; where "
        "there is none, this user's data folder.",
    ),
]
# Not by itself: it costs the board a hash for every 32 bytes beside its sampling, and a door has
# no time to give away. The log holds no patient data; who listens learns temperatures, names and
# places. Tags, which keep anybody from changing them, are always there.
Secret = Annotated[
    bool,
    typer.Option(
        "--secret",
        help="Encipher what goes over the link, or do nothing: names, places and readings are "
        "then for the two ends alone. It takes a key or a token, and more time.",
    ),
]
# How long `scan` listens when nobody watches: boards advertise a few times a second.
SCAN_S = 5.0


def _show_version(asked: bool) -> None:
    if asked:
        console.say(f"dewarlog {__version__}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and stop."
        ),
    ] = False,
) -> None:
    """Pull, check and explain the logs of dewarlog temperature loggers."""


# --- a log --------------------------------------------------------------------------------------


def _judge(log: Path) -> tuple[Review, Verdict]:
    from dewarlog.checks.review import review_log
    from dewarlog.verdict import judge

    review = review_log(log)
    return review, judge(review)


@app.command(epilog=console.exit_code_table())
def check(
    log: LogPath,
    audit: Annotated[
        bool,
        typer.Option("--audit", help="Tell all that was done to the logger: what, when, by whom."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say USE or HOLD, and why.

    Verifies every byte, computes every excursion again and weighs what it finds. The exit code
    says the verdict too.
    """
    with console.failures(as_json=as_json):
        review, verdict = _judge(log)
        if as_json:
            from dewarlog.report.as_json import as_json as data_of

            console.say_json(data_of(review, verdict))
        else:
            from dewarlog import answers

            answers.say_verdict(review, verdict, audit=audit)
    raise typer.Exit(verdict.exit_code)


@app.command(epilog=console.exit_code_table())
def report(
    log: LogPath,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="Where to write the page. Default: beside the log, with .html in place of .dwl.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the verdict and all its evidence as one HTML page.

    The page needs no network and no other file; print it or send it as it is.
    """
    from dewarlog.output import refuse_logs, whole

    target = output or log.with_suffix(".html")
    with console.failures(as_json=as_json):
        refuse_logs(target, log)
        review, verdict = _judge(log)
        from dewarlog.report.as_html import render
        from dewarlog.report.build import build_report

        page = render(build_report(log, review, verdict))
        with whole(target) as place:
            place.write_text(page, encoding="utf-8")
        if as_json:
            console.say_json(
                {
                    "verdict": verdict.word,
                    "exit_code": int(verdict.exit_code),
                    "report": str(target),
                    "sha256": review.sha256,
                }
            )
        else:
            console.say(f"{verdict.word}: {words.plain(verdict.sentence)}")
            console.say(f"Report: {words.plain(str(target))}")
    raise typer.Exit(verdict.exit_code)


@app.command(epilog=console.exit_code_table())
def export(
    log: LogPath,
    table_format: Annotated[
        str, typer.Option("--format", "-f", metavar="csv|parquet", help="csv or parquet.")
    ] = "csv",
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            dir_okay=False,
            help="Where to write. Default: CSV to standard output, Parquet beside the log.",
        ),
    ] = None,
    table: Annotated[
        str,
        typer.Option("--table", metavar="samples|events", help="Which table; Parquet: samples."),
    ] = "samples",
    as_json: AsJson = False,
) -> None:
    """Write the samples or events as a table for other programs.

    The table names the SHA-256 of the log it was made from. Damaged logs are exported as far as
    they can be read, and the exit code says so.
    """
    if table_format not in ("csv", "parquet") or table not in ("samples", "events"):
        raise typer.BadParameter("--format is csv or parquet, --table is samples or events")
    if table_format == "parquet" and table != "samples":
        raise typer.BadParameter("Parquet holds the samples; write events as CSV")
    if as_json and output is None and table_format == "csv":
        raise typer.BadParameter("--json needs --output: the table itself goes to standard output")
    from dewarlog.output import refuse_logs, whole

    target = output or (log.with_suffix(".parquet") if table_format == "parquet" else None)
    with console.failures(as_json=as_json):
        if target is not None:
            refuse_logs(target, log)
        review, verdict = _judge(log)
        from dewarlog.export import export_csv, export_parquet

        rows = 0
        if target is None:
            with console.table_output() as out:
                rows = export_csv(review, out, table)
        else:
            with whole(target) as place:
                if table_format == "parquet":
                    rows = export_parquet(review, place)
                else:
                    with place.open("w", encoding="utf-8", newline="") as file:
                        rows = export_csv(review, file, table)
        if as_json:
            console.say_json({"file": str(target), "rows": rows, "source_sha256": review.sha256})
        elif target is not None:
            console.say(f"{words.plural(rows, 'row')}: {words.plain(str(target))}")
        if not verdict.intact and review.integrity.first_bad is not None:
            console.warn(f"dewarlog: not intact: {review.integrity.first_bad.message}")
    if not verdict.intact:
        raise typer.Exit(ExitCode.NOT_INTACT)


# --- a board ------------------------------------------------------------------------------------


@contextlib.contextmanager
def opened(name: str) -> Generator[Link]:
    """Open a device by name; `sim:` starts a simulated board for as long as it is open."""
    from dewarlog.link import open_link

    if name == "sim:" or name.startswith("sim:"):
        from dewarlog.sim import running

        with (
            running(name.partition(":")[2]) as port,
            contextlib.closing(open_link(f"usb:{port}")) as link,
        ):
            yield link
        return
    with contextlib.closing(open_link(name)) as link:
        yield link


def is_radio(device: str) -> bool:
    """Tell whether a device is reached over the air."""
    return device.startswith("ble:")


def credentials_over(device: str, keys: Path | None) -> Credentials:
    """Give what looks up what this computer has for a logger: a key, a token, or nothing.

    Where the name tells which logger is meant, and only tokens that have expired are held for it,
    that is said before anything is asked of the air.
    """
    from dewarlog.keys import KeyStore

    store = KeyStore(keys)
    found: dict[bytes, Credential | str | None] = {}

    def look_up(device_id: bytes) -> Credential | str | None:
        # Once a command: every lost link asks again, and a keyring may ask the person.
        if device_id not in found:
            found[device_id] = store.credential_over(device, device_id, host_time(0)[0])
        return found[device_id]

    if is_radio(device):
        for device_id in store.token_boards():
            if device.lower().endswith(device_id.hex()[-4:]):
                problem = look_up(device_id)
                if isinstance(problem, str):
                    console.warn(f"dewarlog: note: {problem}. Going on without.")
    return look_up


def session_over(
    link: Link,
    credentials: Credentials | None = None,
    *,
    strict: bool = True,
    secret: bool = False,
) -> Session:
    """Begin to talk over a link; a person is told when it was lost and is waited for."""
    from dewarlog.pull import OUT_OF_RANGE, locked_out_words
    from dewarlog.session import Session

    session = Session(link, credentials=credentials, strict=strict, secret=secret)
    session.on_waiting = lambda waiting: console.warn(OUT_OF_RANGE) if waiting else None
    session.on_locked_out = lambda seconds: console.warn(locked_out_words(seconds))
    return session


def greeted_in_hand(link: Link, credentials: Credentials) -> tuple[Session, Board]:
    """Say HELLO to a board that one holds, to be given its keys.

    It takes a proof only where it is locked: a key from before must not stand in the way of a new.
    """
    session = session_over(link)
    board = session.hello()
    if session.status().locked:
        session = session_over(link, credentials)
        board = session.hello()
    return session, board


def host_time(error_ms: int) -> tuple[int, int, int]:
    """Give this computer's time as a board wants it."""
    from dewarlog_wire import layout

    now_ms = time.time_ns() // 1_000_000
    return now_ms // 1000 - layout.UTC_EPOCH_UNIX_S, now_ms % 1000, error_ms


@app.command(epilog=console.exit_code_table())
def pull(
    device: Device,
    archive: ArchiveFolder = None,
    seal: Annotated[
        bool, typer.Option(help="Have the board seal its newest samples first, so all come along.")
    ] = True,
    tell_time: Annotated[
        bool,
        typer.Option(help="Tell the board this computer's time; the log then bounds its clock."),
    ] = True,
    time_error_ms: Annotated[
        int, typer.Option(min=0, max=60_000, help="How wrong this computer's clock may be.")
    ] = 1000,
    run: Annotated[
        int | None, typer.Option(min=0, help="Only this run. Default: every run.")
    ] = None,
    then_check: Annotated[
        bool, typer.Option("--check", help="Check what was pulled of this journey, as `check`.")
    ] = False,
    sign: Annotated[
        bool,
        typer.Option(
            "--sign",
            help="Have the board sign its log first, for receivers who trust only its public key. "
            "It takes the board some seconds.",
        ),
    ] = False,
    secret: Secret = False,
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Bring a board's logs into the archive, byte for byte.

    Fetches only what is not yet held; a pull that was cut goes on where it stopped. By radio, a
    dewar that goes out of range is waited for, a minute at most, and its clock is set only where
    this computer is paired with it or has a token. Where it has either, the two prove to each
    other who they are, and nothing that was changed on its way is filed.
    """
    from dewarlog import answers
    from dewarlog.pull import PullOptions
    from dewarlog.pull import pull as pull_logs

    with console.failures(as_json=as_json):
        from dewarlog.archive import Archive

        options = PullOptions(
            seal=seal,
            only_run=run,
            sign=sign,
            # A simulated board lives in its own time.
            set_time=(lambda: host_time(time_error_ms))
            if tell_time and not device.startswith("sim:")
            else None,
            credentials=credentials_over(device, keys),
            # By cable one holds the board: a stale key must not stand in the way.
            strict=is_radio(device),
            secret=secret,
        )
        # The bar first: a radio link takes some seconds to open.
        with progress_bar(show=not as_json) as progress, opened(device) as link:
            result = pull_logs(link, Archive(archive), options, progress=progress)
    suspect = any(log.problem is not None or log.disagrees is not None for log in result.logs)
    journey = None
    # A log of which there is another copy is not to be used, whatever it says.
    if then_check and result.logs and result.logs[-1].disagrees is None:
        with console.failures(as_json=as_json):
            from dewarlog.journey import judge_journey

            journey = judge_journey([log.path for log in result.logs])
    if as_json:
        data = answers.pull_data(result)
        if journey is not None:
            data |= answers.journey_data(journey)
        console.say_json(data)
    else:
        answers.say_pull(result, run, checked_next=journey is not None)
        # A log of which there is another copy is not to be used, whatever it says.
        if journey is not None and result.logs[-1].disagrees is None:
            answers.say_journey(journey)
    if journey is not None and not suspect:
        raise typer.Exit(journey.gravest.verdict.exit_code)
    if suspect:
        raise typer.Exit(ExitCode.NOT_INTACT)
    if not result.logs:
        raise typer.Exit(ExitCode.NO_DATA)


@contextlib.contextmanager
def progress_bar(*, show: bool) -> Generator[Callable[[Progress], None] | None]:
    """Show a bar with bytes, rate and time left on standard error; none where nobody looks."""
    if not show or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    from dewarlog.words import byte_count

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("connecting", total=None, figures="")

        def update(now: Progress) -> None:
            left = "" if now.left_s is None else f", {words.duration(now.left_s)} left"
            rate = f"{byte_count(now.rate_bytes_s)}/s{left}" if now.rate_bytes_s else ""
            done, total = byte_count(now.done_bytes), byte_count(now.total_bytes)
            figures = f"{done} of {total}  {rate}"
            bar.update(
                task,
                description=words.plain(now.what) or "listing",
                completed=now.done_bytes,
                total=max(now.total_bytes, 1),
                figures=figures,
            )

        yield update


@app.command(epilog=console.exit_code_table())
def status(device: Device, keys: KeysFolder = None, as_json: AsJson = False) -> None:
    """Say how a board is doing now: readings, clock, memory, power, and who may change it."""
    from dewarlog import answers

    with console.failures(as_json=as_json):
        credentials = credentials_over(device, keys)
        with opened(device) as link:
            # It is told to everyone; a proof only says that it is the right board that tells.
            session = session_over(link, credentials, strict=False)
            board = session.hello()
            now = session.status()
            live = figures(session, board)
    proven_by = None if session.proof is None else session.proof.name
    if as_json:
        proof = {"proven_by": proven_by, "not_proven": session.not_proven}
        console.say_json(answers.status_data(board, now) | answers.software_data(live) | proof)
        return
    rows = answers.status_words(board, now)
    if live is not None:
        rows.insert(1, ("Firmware", f"{live.firmware} on MicroPython {live.micropython}"))
    if proven_by is not None:
        rows.insert(1, ("Proven", f"by the {proven_by}"))
    elif session.not_proven is not None:
        rows.insert(1, ("Not proven", session.not_proven))
    for name, value in rows:
        console.say(f"{name + ':':<18}{value}")


def figures(session: Session, board: Board) -> Live | None:
    """Ask for a board's figures; None where it has none, or tells holders of a key only."""
    from dewarlog.bench import requests
    from dewarlog.errors import DeviceRefused
    from dewarlog_wire import layout

    if not board.features & layout.FEATURE_BENCH:
        return None
    try:
        return requests.live(session)
    except DeviceRefused:
        return None


@app.command(epilog=console.exit_code_table())
def mark(
    device: Device,
    step: Annotated[
        str,
        typer.Argument(
            metavar="STEP",
            help="pack-out, depart, handoff, receive, store, remove, thaw-start, infuse or note.",
        ),
    ],
    actor: Annotated[str, typer.Option(help="Who does it.")] = "",
    place: Annotated[str, typer.Option(help="Where.")] = "",
    note: Annotated[str, typer.Option(help="Anything else. No patient data.")] = "",
    keys: KeysFolder = None,
    as_json: AsJson = False,
) -> None:
    """Record a custody step in the board's log.

    The step says who has the dewar from now on, and where; it is sealed with the readings.
    """
    from dewarlog.bench.requests import in_an_open_run
    from dewarlog_wire import layout
    from dewarlog_wire.errors import BlockError
    from dewarlog_wire.events import custody_body

    wanted = step.strip().lower().replace("-", " ")
    steps = [name.replace("-", " ") for name in layout.CUSTODY_STEP_NAMES]
    if wanted not in steps:
        known = ", ".join(layout.CUSTODY_STEP_NAMES)
        raise typer.BadParameter(f"{step!r} is not a custody step; one of: {known}")
    number = steps.index(wanted)
    utc_s = host_time(0)[0]
    try:
        for name, text in (("--actor", actor), ("--place", place), ("--note", note)):
            expect_short(name, text, layout.KIND_CUSTODY)
        body = custody_body(number, utc_s, (actor, place, note))
    except BlockError as error:
        raise typer.BadParameter(str(error)) from None
    with console.failures(as_json=as_json):
        credentials = credentials_over(device, keys)
        with opened(device) as link:
            session = session_over(link, credentials, strict=is_radio(device))
            board = session.hello()
            with in_an_open_run(session, "a custody step"):
                session.mark(body)
    name = layout.CUSTODY_STEP_NAMES[number]
    if as_json:
        console.say_json(
            {
                "device_id": board.name,
                "step": name,
                "unix_s": utc_s + layout.UTC_EPOCH_UNIX_S,
                "actor": actor,
                "place": place,
                "note": note,
            }
        )
    else:
        console.say(f"Recorded on {board.name}: {name}, {words.utc(time.time())}")


@app.command(epilog=console.exit_code_table())
def scan(
    seconds: Annotated[
        float | None,
        typer.Option(
            min=0.1,
            max=3600,
            callback=a_number,
            metavar="SECONDS",
            help="How long to listen. Default: 5; in a terminal, until Ctrl-C.",
        ),
    ] = None,
    ble: Annotated[bool, typer.Option(help="Listen for dewars on the air.")] = True,
    usb: Annotated[bool, typer.Option(help="List the serial ports, likely boards first.")] = True,
    as_json: AsJson = False,
) -> None:
    """Show which dewars are here and how they are, before connecting to any.

    A dewar's line says whether it is recording, whether it is in an excursion or has a fault now,
    its warmest probe, how much is still to be pulled, and how near it is. What was before, its
    log tells: `handoff` and `pull --check` judge that. In a terminal the table follows what is
    heard. The serial ports of this computer stand below.
    """
    if not (ble or usb):
        raise typer.BadParameter("--no-ble and --no-usb together leave nothing to look for")
    from dewarlog import scan as view
    from dewarlog.link.ports import serial_ports

    problem: DewarlogError | None = None
    heard: list[Heard] = []
    if ble:
        live = sys.stdout.isatty() and not as_json
        try:
            from dewarlog.link.radio import listening

            with listening("ble:") as ear:
                if live:
                    view.show_live(ear, serial_ports if usb else None, seconds)
                    return
                if sys.stderr.isatty():
                    console.warn(f"listening for {seconds or SCAN_S:g} s ...")
                time.sleep(seconds or SCAN_S)
                heard = ear.heard()
        except DewarlogError as error:
            problem = error
    ports = serial_ports() if usb else []
    now_s = time.monotonic()
    if as_json:
        console.say_json(
            {
                "dewars": view.as_data(heard, now_s),
                "bluetooth": None
                if problem is None
                else {"error": type(problem).__name__, "message": str(problem)},
                "ports": [
                    {"device": f"usb:{port.name}", "about": port.about, "likely": port.likely}
                    for port in ports
                ],
            }
        )
    else:
        if ble and problem is None:
            view.say(heard, now_s)
        if usb:
            view.say_ports(ports)
        if problem is not None:
            console.warn(f"dewarlog: {problem}")
    if problem is not None:
        raise typer.Exit(problem.exit_code)


@app.command(epilog=console.exit_code_table())
def archive(
    folder: ArchiveFolder = None,
    merge_from: Annotated[
        Path | None,
        typer.Option(
            "--merge",
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Take over the logs, receipts and calibrations of another archive (another "
            "courier's, or a copy of it); it is only read.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the logs this computer holds, or join another archive into them.

    Of two copies of one log the longer is kept. Two that disagree on any block are both kept and
    reported as tampering, with the block; the exit code then says that a log is not intact.
    """
    with console.failures(as_json=as_json):
        from dewarlog import answers
        from dewarlog.archive import Archive

        held = Archive(folder)
        if merge_from is not None:
            from dewarlog.errors import NothingToMerge
            from dewarlog.merge import merge

            joined = _join_calibrations(held.root, merge_from)
            try:
                merged = merge(held, Archive(merge_from))
            except NothingToMerge:
                if joined is None:
                    raise
                merged = []
            if as_json:
                console.say_json(answers.merge_data(held.root, merged, joined))
            else:
                answers.say_merge(merged, joined)
            suspect = any(log.disagrees is not None or log.damage is not None for log in merged)
            suspect = suspect or (joined is not None and bool(joined.damage))
            raise typer.Exit(ExitCode.NOT_INTACT if suspect else ExitCode.USE)
        logs = list(held.filed())
    if as_json:
        console.say_json({"root": str(held.root), "logs": [answers.log_data(log) for log in logs]})
        return
    console.say(f"{words.plural(len(logs), 'log')} in {words.plain(str(held.root))}")
    if logs:
        console.say_table(
            ("Logger", "Run", "Bytes", "Blocks", "SHA-256", "File"),
            [
                (
                    log.device_id.hex(),
                    str(log.run),
                    f"{log.size_bytes:,}",
                    f"{log.blocks:,}",
                    log.sha256.hex()[:16],
                    str(log.path),
                )
                for log in logs
            ],
        )


def _join_calibrations(root: Path, other: Path) -> Joined | None:
    """Take over another archive's calibrations; None where it has none, or is this archive."""
    if not any(other.glob("*/calibrations/*.json")) or (root.exists() and root.samefile(other)):
        return None
    from dewarlog.calibrate.file import CalibrationShelf

    return CalibrationShelf(root).take_over(CalibrationShelf(other))


@app.command(epilog=console.exit_code_table())
def sim(
    scenario: Annotated[
        str, typer.Option("--scenario", "-s", help="calm, bad, replay, or a scenario file.")
    ] = "calm",
    real_time: Annotated[
        bool, typer.Option("--real-time", help="Run the trip in real time, to play with.")
    ] = False,
    serve: Annotated[
        bool, typer.Option(help="When the trip is over, run on in real time behind the port.")
    ] = True,
    speed: Annotated[
        float,
        typer.Option(min=0.1, callback=a_number, help="Simulated seconds a second, in real time."),
    ] = 1.0,
    pty_link: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Make a symbolic link to the port.")
    ] = None,
    flash_image: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep the flash content here, and go on from it."),
    ] = None,
    air: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Be on the virtual radio whose socket this is."),
    ] = None,
    blank: Annotated[
        bool, typer.Option("--blank", help="MicroPython without firmware: a board to be flashed.")
    ] = False,
) -> None:
    """Start a simulated board behind a serial port.

    It is the real firmware on modelled chips. Prints the port's name, runs the trip, then waits;
    Ctrl-C ends it. From a source tree only.
    """
    from dewarlog.sim import run

    arguments = ["--scenario", scenario, "--speed", str(speed)]
    arguments += ["--real-time"] if real_time else ["--serve"] if serve else []
    if pty_link is not None:
        arguments += ["--pty-link", str(pty_link)]
    if flash_image is not None:
        arguments += ["--flash-image", str(flash_image)]
    if air is not None:
        arguments += ["--air", str(air)]
    arguments += ["--blank"] if blank else []
    with console.failures(as_json=False):
        status = run(arguments)
    raise typer.Exit(ExitCode.FAULT if status == 1 else ExitCode(status))


from dewarlog import (  # noqa: E402 - made with what is above
    cli_access,
    cli_arm,
    cli_bench,
    cli_calibrate,
    cli_door,
    cli_flash,
    cli_monitor,
    cli_provision,
    cli_selftest,
    cli_verify,
)

# In the order of a board's life, as `--help` lists them.
for group in (
    cli_verify,
    cli_door,
    cli_access,
    cli_flash,
    cli_provision,
    cli_calibrate,
    cli_selftest,
    cli_arm,
    cli_monitor,
    cli_bench,
):
    group.add_commands(app)


def main() -> None:
    """Run the command line; nothing but a documented exit code leaves it."""
    # numpy's linear algebra starts a thread for every core when it loads; nothing here uses it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    console.prepare()
    code = _exit_code()
    try:
        console.flush()
    except OSError as error:
        console.warn(f"dewarlog: standard output: {error.strerror}")
        code = ExitCode.STORAGE
    sys.exit(code)


def _exit_code() -> int:
    """Run the command; give the code to end with."""
    try:
        app()
    except SystemExit as ended:
        code = _told(ended)
        if code == ExitCode.INTERRUPTED:
            console.warn("dewarlog: stopped")
        return code
    except DewarlogError as error:
        console.warn(f"dewarlog: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        console.warn("dewarlog: stopped")
        return ExitCode.INTERRUPTED
    except BrokenPipeError as gone:
        # Whoever read a help page, or what is wrong with the command line, has gone.
        return int(getattr(gone.__context__, "exit_code", ExitCode.USE))
    except OSError as error:
        # What a command reads and writes is caught where it does so: this is its output.
        console.warn(f"dewarlog: standard output: {error.strerror}")
        console.reader_gone()
        return ExitCode.STORAGE
    except Exception:  # noqa: BLE001 - exit code 1 means HOLD, so no traceback may end with it
        import traceback

        traceback.print_exc()
        console.warn("dewarlog: this is a fault of the program; please report the lines above.")
        return ExitCode.FAULT
    return ExitCode.USE


def _told(ended: SystemExit) -> int:
    """Give the code a command ended with; where typer says 1, it means no HOLD by it."""
    if isinstance(ended.__context__, BrokenPipeError):
        return ExitCode.USE  # the reader of a help page went
    if isinstance(ended.__context__, typer.Abort):
        return ExitCode.INTERRUPTED  # Ctrl-C at a question
    return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
