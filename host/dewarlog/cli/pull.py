"""The command that brings a logger's logs into the archive: pull.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once.
"""

from __future__ import annotations

from typing import Annotated

import typer

from dewarlog import console
from dewarlog.cli.options import ArchiveFolder, AsJson, Device, KeysFolder, Secret
from dewarlog.cli.reach import credentials_over, host_time, is_radio, opened, progress_bar
from dewarlog.errors import ExitCode


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


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(pull)
