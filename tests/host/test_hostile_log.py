"""Logs and boards made to harm who reads them: memory stays flat, text stays text.

A log can be made by anyone; its blocks pass every check of bytes. Here its numbers announce more
than there is and its texts are written for the terminal, the spreadsheet, the browser and the file
system of the reader. What one text may do in one place: test_report, test_export, test_scan.
"""

from __future__ import annotations

import contextlib
import html.parser
import json
import struct
import tracemalloc
import unicodedata
from typing import TYPE_CHECKING, Any, Final

import pytest
from typer.testing import CliRunner

import dewarlog.link
from dewarlog import cli
from dewarlog.archive import Archive
from dewarlog.checks.review import review_log
from dewarlog.errors import DewarlogError, ExitCode
from dewarlog.export import export_csv
from dewarlog.pull import PullOptions, pull
from dewarlog_wire import layout
from log_writer import UTC_2026_03_01, LogWriter
from memory_board import Clock, MemoryDevice, MemoryLink, MemoryStore, StoredRun
from trips import trip, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from log_writer import EventSpec

# In 76 bytes: for a terminal, rich, HTML, a path, a spreadsheet, JSON, a Windows name.
TEXTS: Final = (
    "\x1b[2J\x1b]0;owned\x07\u202egnp.exe\x9b31m",
    "[bold red]x[/] [link=file:///etc/passwd]y[/link]",
    "<script>alert(1)</script></title><svg onload=alert(1)>",
    "../../../../etc/cron.d/x",
    "C:\\Windows\\CON",
    "=cmd|' /C calc'!A1",
    '"},{"verdict":"USE","x":"\\u001b',
    "a\0b\r\nHOLD -> USE",
    "\U000e0041\u2066\u200f\ufeff{% raw %}{{7*7}}${IFS}%n%s",
    "nul" + "x" * 70,
)
PEAK_BYTES: Final = 64 << 20


def run(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code and all that it printed, to both streams."""
    result = CliRunner().invoke(cli.app, list(arguments))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.output


def assert_harmless(output: str) -> None:
    """Assert that no character moves a cursor, hides or reorders text."""
    for char in output:
        assert char == "\n" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")


def hostile_trip(text: str) -> LogWriter:
    """Write a trip whose every text is this one."""
    which = (
        layout.TEXT_BOARD,
        layout.TEXT_DEWAR,
        layout.TEXT_SHIPMENT,
        layout.TEXT_PROFILE,
        layout.TEXT_CONTACT,
        layout.TEXT_INSTRUCTION,
        layout.TEXT_CHAIN_OF_IDENTITY,
        layout.TEXT_HARDWARE,
        layout.TEXT_ACCOUNT,
        layout.TEXT_PURCHASE_ORDER,
        layout.TEXT_COST_CENTRE,
        layout.TEXT_CONSIGNEE,
        99,
    )
    short = text.encode()[:60].decode("utf-8", "ignore")
    values = (UTC_2026_03_01 + 90, 0, 1, 1, bytes(32), short, short, short)
    custody = (layout.KIND_CUSTODY, 80_000, (2, UTC_2026_03_01 + 80, text, text, text))
    handoff = (layout.KIND_HANDOFF, 90_000, values)
    serial = text.encode("ascii", "replace")[:12]
    bench: list[EventSpec] = [
        (layout.KIND_SELFTEST, 91_000, (255, 255, 255, -(2**31), 2**31 - 1, -(2**31))),
        (layout.KIND_SELFTEST, 91_000, (2, 255, 1, -(2**31), -(2**31), 2**31 - 1)),
        (layout.KIND_ERASE, 92_000, (2**32 - 1, bytes(8), 2**32 - 1, 0)),
        (layout.KIND_SETTING, 93_000, _setting(layout.SECTION_ARMING, text)),
        (layout.KIND_PROFILE, 94_000, (255, 2**32 - 1, 2**32 - 1, 0, text, text)),
    ]
    return trip(
        2,
        texts=tuple((one, text) for one in which),
        change=lambda hour, _: [custody, handoff, *bench] if hour == 0 else [],
        points=((0, 255, -32768, 32767, 65535, 2**32 - 1, 2**32 - 1, serial, text),),
        handling=(65535, 255),
        arming=(2**32 - 1, 1, 2**32 - 1, 2**32 - 1, 0xFFFF, text, text),
    )


def _setting(section: int, text: str) -> tuple[object, ...]:
    """Give the body of a setting that came new, its texts these."""
    record = struct.pack(layout.ARMING.format, 2**32 - 1, 0, 0, 0, 0xFFFF)
    held = text.encode()[:40].decode("utf-8", "ignore").encode()
    after = record + bytes([len(held)]) + held + b"\0"
    return (section, 255, 0, 2**32 - 1, 0, b"", after)


# --- texts ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("text", TEXTS)
def test_no_command_that_reads_a_log_prints_what_it_says_raw(tmp_path: Path, text: str) -> None:
    """Check, report, export and archive, for a person and as JSON; the files hold text as text."""
    log = written(tmp_path, hostile_trip(text))
    page = tmp_path / "page.html"

    for arguments in (
        ("check", str(log)),
        ("report", str(log), "--output", str(page)),
        ("export", str(log)),
        ("export", str(log), "--table", "events"),
        ("archive", "--archive", str(tmp_path / "archive")),
        ("archive", "--archive", str(tmp_path / "archive"), "--json"),
    ):
        code, output = run(*arguments)
        assert code != ExitCode.FAULT
        assert_harmless(output)
    for command in ("check", "report"):
        _, output = run(command, str(log), "--json")
        assert_harmless(output)
        json.loads(output)
    seen = Tags()
    seen.feed(page.read_text())
    assert not seen.harmful
    assert {path.name for path in tmp_path.iterdir()} <= {
        "trip.dwl",
        "trip.html",
        "page.html",
        "archive",
    }


class Tags(html.parser.HTMLParser):
    """Finds what would run in a browser."""

    def __init__(self) -> None:
        super().__init__()
        self.harmful: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note scripts, frames and handlers."""
        if tag in ("script", "iframe", "object", "embed", "link", "base", "img"):
            self.harmful.append(tag)
        for name, value in attrs:
            if name.startswith("on") or (value or "").strip().lower().startswith("javascript:"):
                self.harmful.append(name)


class HostileDevice(MemoryDevice):
    """A board that refuses in the words it is given."""

    text = ""

    def status(self) -> tuple[int, ...]:
        """Give the largest number each field holds."""
        return tuple(
            (1 << 8 * size) - 1 if low >= 0 else -1
            for size, low in (
                (struct.calcsize("<" + kind), 0 if kind.isupper() else -1)
                for kind in layout.STATUS_REPLY.format[1:]
            )
        )

    def mark(self, custody: bytes) -> None:
        """Refuse."""
        raise ValueError(self.text)


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    "device_id", [b"../../..", b"\x1b[2J\x1b[H\0", b"CON\0\0\0\0\0", b"\xff" * 8]
)
def test_no_command_that_speaks_to_a_board_prints_what_it_says_raw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, device_id: bytes
) -> None:
    """Status, mark, pull, and the archive it fills: ids are hex, texts are escaped."""
    data = bytes(hostile_trip(text).data)
    store = MemoryStore({0xFFFF_FFFF: StoredRun([data[:60_000]], log_id=device_id)})
    device = HostileDevice()
    device.text = text
    link = MemoryLink(store, Clock(), device=device)
    monkeypatch.setattr(link.server._guard, "device_id", device_id)  # noqa: SLF001 - nobody may change it

    def opened(_: str) -> MemoryLink:
        link.open()
        return link

    monkeypatch.setattr(dewarlog.link, "open_link", opened)
    root = tmp_path / "archive"
    for arguments in (
        ("status", "usb:x"),
        ("status", "usb:x", "--json"),
        ("mark", "usb:x", "packed", "--by", "Ann"),
        ("pull", "usb:x", "--archive", str(root), "--check"),
        ("pull", "usb:x", "--archive", str(root), "--json"),
        ("archive", "--archive", str(root)),
        ("archive", "--archive", str(root), "--json"),
    ):
        code, output = run(*arguments)
        assert code != ExitCode.FAULT
        assert_harmless(output)
    assert {path.name for path in tmp_path.iterdir()} == {"archive"}
    for path in root.rglob("*"):
        assert path.name.isascii()
        assert not set(path.name) & set('\\:*?"<>|\0')


# --- numbers that unfold -------------------------------------------------------------------------
def bomb_of_columns(writer: LogWriter) -> None:
    """Blocks full of columns that cost few bytes and announce 4096 values each."""
    count = layout.BLOCK_MAX_SAMPLES
    flat = bytes(writer_column(writer, [7] * count))
    for number in range(4):
        span = struct.pack(layout.SPAN.format, number * count, count, 10_000)
        room = layout.BLOCK_MAX_BYTES - 200
        sections = [(layout.SECTION_SPAN, span)]
        columns = room // (len(flat) + layout.SECTION_HEAD.size)
        assert columns > layout.BLOCK_MAX_COLUMNS
        sections += [
            (layout.SECTION_COLUMN, bytes((channel % 256, 0)) + flat[2:])
            for channel in range(columns)
        ]
        writer.block(layout.BLOCK_SAMPLES, number * 1000, sections)


def writer_column(writer: LogWriter, values: list[int]) -> bytes:
    """Return one coded column."""
    return writer._column(0, layout.QUANTITY_READING, values)[1]  # noqa: SLF001 - what it writes


def bomb_of_sections(writer: LogWriter) -> None:
    """Blocks of as many empty sections as fit, each with a head and nothing else."""
    for number in range(4):
        count = (layout.BLOCK_MAX_BYTES - 200) // layout.SECTION_HEAD.size
        writer.block(layout.BLOCK_EVENTS, number, [(200 + at % 50, b"") for at in range(count)])


def bomb_of_states(writer: LogWriter) -> None:
    """Probe states that cover the whole block, over and over."""
    count = layout.BLOCK_MAX_SAMPLES
    flat = writer_column(writer, [7] * count)
    run_of = struct.pack(layout.STATE_RUN.format, 0, layout.STATE_OPEN, 0, count)
    for number in range(4):
        span = struct.pack(layout.SPAN.format, number * count, count, 10_000)
        many = (layout.BLOCK_MAX_BYTES - 1000 - len(flat)) // len(run_of)
        writer.block(
            layout.BLOCK_SAMPLES,
            number * 1000,
            [
                (layout.SECTION_SPAN, span),
                (layout.SECTION_COLUMN, flat),
                (layout.SECTION_STATES, run_of * many),
            ],
        )


def bomb_of_events(writer: LogWriter) -> None:
    """Blocks of the smallest events there are."""
    for number in range(4):
        writer.events([(layout.KIND_STOP, 1000 * number, (0,))] * 1500)


def bomb_of_windows(writer: LogWriter) -> None:
    """Shock windows that announce the most samples there can be, all of them flat."""
    flat = [3] * layout.BLOCK_MAX_SAMPLES
    for number in range(100):
        writer.shock(1000 * number, (flat, flat, flat), number=number % 65536)


def bomb_of_spans(writer: LogWriter) -> None:
    """A second span, a span of a day a sample, numbers that wrap."""
    count = layout.BLOCK_MAX_SAMPLES
    flat = writer_column(writer, [7] * count)
    for number in range(4):
        first = (1 << 32) - 1 - number
        spans = [
            (layout.SECTION_SPAN, struct.pack(layout.SPAN.format, first, count, (1 << 32) - 1))
        ] * 2
        writer.block(
            layout.BLOCK_SAMPLES, (1 << 31) * 1000, [*spans, (layout.SECTION_COLUMN, flat)]
        )


BOMBS: Final = (
    bomb_of_columns,
    bomb_of_sections,
    bomb_of_states,
    bomb_of_events,
    bomb_of_windows,
    bomb_of_spans,
)


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_log_made_to_unfold_is_read_in_bounded_memory(
    tmp_path: Path, bomb: Callable[[LogWriter], None]
) -> None:
    """Read, judged, reported and exported: an answer or an error of ours, below 64 MiB."""
    writer = LogWriter()
    writer.start()
    bomb(writer)
    log = written(tmp_path, writer)

    tracemalloc.start()
    with contextlib.suppress(DewarlogError):
        export_all(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < PEAK_BYTES
    for arguments in (("check", str(log)), ("report", str(log), "--json")):
        code, output = run(*arguments)
        assert code in set(ExitCode) - {ExitCode.FAULT}
        assert_harmless(output)


def export_all(log: Path) -> None:
    """Read it all, check it all, and write all of it as a table, nowhere."""

    class Nowhere:
        def write(self, text: str) -> int:
            return len(text)

    nowhere: Any = Nowhere()
    export_csv(review_log(log), nowhere)


# --- files of the archive ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("file", "../../../etc/passwd"),
        ("superseded", ["../../../etc/passwd"]),
        ("problem", "\x1b[2J"),
        ("device", "../.."),
        ("run", "x"),
        ("sha256", 7),
        ("bytes", 1 << 80),
        ("bytes", -1),
    ],
)
def test_a_manifest_that_was_written_to_harm_reaches_no_other_file(
    tmp_path: Path, field: str, value: object
) -> None:
    """Its names stay in its folder; what is no manifest is named as damaged."""
    link = MemoryLink(MemoryStore({7: StoredRun([bytes(trip(1).data)])}), Clock())
    pull(link, Archive(tmp_path), PullOptions(), clock=link.clock)
    (manifest,) = tmp_path.glob("*/*/manifest.json")
    fields = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({**fields, field: value}))

    for arguments in (
        ("archive", "--archive", str(tmp_path)),
        ("archive", "--archive", str(tmp_path), "--json"),
    ):
        code, output = run(*arguments)
        assert code != ExitCode.FAULT
        assert_harmless(output)
        assert "etc/passwd" not in output.replace("\\/", "/")
