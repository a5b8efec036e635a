"""The commands that read a log: check, report, export.

Beside cli, which adds them to the others. Heavy imports wait inside the commands, so that `--help`
comes at once.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dewarlog import console, words
from dewarlog.cli.options import AsJson, LogPath
from dewarlog.errors import ExitCode

if TYPE_CHECKING:
    from dewarlog.checks.review import Review
    from dewarlog.verdict import Verdict


def _judge(log: Path) -> tuple[Review, Verdict]:
    from dewarlog.checks.review import review_log
    from dewarlog.verdict import judge

    review = review_log(log)
    return review, judge(review)


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


def add_commands(app: typer.Typer) -> None:
    """Add these commands to the others."""
    for command in (check, report, export):
        app.command(epilog=console.exit_code_table())(command)
