"""The command that has a logger test itself: selftest.

Beside cli, which adds it to the others. Heavy imports wait inside the command, so that `--help`
comes at once.
"""

from __future__ import annotations

import typer

from dewarlog import console
from dewarlog.cli.options import AsJson, Device, KeysFolder
from dewarlog.cli.reach import credentials_over, is_radio, opened, session_over
from dewarlog.errors import ExitCode


def selftest(device: Device, keys: KeysFolder = None, as_json: AsJson = False) -> None:
    """Have a logger test itself: every chip, probe, flash, supply, memory, radio and key.

    It takes a few seconds. Exit code 0: every test passed; 1: at least one failed. A run that is
    going on is not ended, and every reading is taken; its shock sensor is away for about a
    second, and the log says for how long. The results stand in the log too. It takes the admin
    key, or an unlocked logger at its cable.
    """
    with console.failures(as_json=as_json):
        from dewarlog.bench import requests
        from dewarlog.bench.selftest import HEADS, report_on

        with opened(device) as link:
            session = session_over(link, credentials_over(device, keys), strict=is_radio(device))
            board = session.hello()
            status = session.status()
            # Before anything is said of what the test does.
            requests.expect_rights(session, status, "SELFTEST")
            recording = status.recording
            if recording and not as_json:
                console.warn(
                    f"dewarlog: note: logger {board.name} is recording. Readings go on; a shock "
                    "within the next second or so is missed, and the log says so."
                )
            report = report_on(requests.selftest(session))
    code = ExitCode.USE if report.passed else ExitCode.HOLD
    if as_json:
        console.say_json(
            {
                "device_id": board.name,
                "recorded": recording,
                **report.as_data(),
                "exit_code": int(code),
            }
        )
    else:
        console.say_table(HEADS, (finding.row for finding in report.findings))
        console.say()
        console.say(console.styled(report.summary, "strong"))
    raise typer.Exit(code)


def add_commands(app: typer.Typer) -> None:
    """Add this command to the others."""
    app.command(epilog=console.exit_code_table())(selftest)
