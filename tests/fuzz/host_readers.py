"""Every parser of the host that a board does not run, as functions of bytes.

Each is what a target of targets.py calls: it returns lines that say what was read, for two readers
to be compared by, or raises an error that the target allows. Beyond that it holds what was read to
what is always true of it, and says by an AssertionError where it is not.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn
from unittest import mock

import describe_construct
import describe_libraries
import device_readers
import device_trust
import seeds
import vector_lines
from dewarlog import cli, parse
from dewarlog.archive import Archive, read_manifest
from dewarlog.certificate import paired_certificate, read_certificate, write_certificate
from dewarlog.chain import ChainWalk
from dewarlog.checks.review import review_log
from dewarlog.columns import decode_columns
from dewarlog.errors import ExitCode
from dewarlog.held import HeldFile, held_files
from dewarlog.keys import KeyStore
from dewarlog.link.advert import Heard, answers_to, parse_advert
from dewarlog.merge import merge
from dewarlog.readings import LogReader
from dewarlog.receipt import judge_receipt, read_receipt, write_receipt
from dewarlog.replies import StoredFile
from dewarlog.report.as_json import as_json
from dewarlog.signatures import signature_holds
from dewarlog.tokens import read_tokens, write_tokens
from dewarlog.verdict import judge
from dewarlog_wire import layout
from dewarlog_wire.errors import BlockError, TokenError, WireError
from dewarlog_wire.token import caveat
from simboard import scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.tokens import Token

_scratch = [Path()]  # replaced before the first case


def use_scratch(folder: Path) -> None:
    """Keep the files of cases below `folder`."""
    _scratch[0] = folder
    device_readers.use_scratch(str(folder))


def fresh(name: str) -> Path:
    """Return an empty folder."""
    folder = _scratch[0] / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


# --- second readers of the wire: construct ------------------------------------------------------
def _described(layer: str) -> Callable[[bytes], list[str]]:
    def read(data: bytes) -> list[str]:
        outcome, lines = describe_construct.outcome_of(layer, {}, data.hex())
        if outcome != "ok":
            raise WireError(outcome, "refused by construct")
        return lines

    return read


construct_block: Final = _described("block")
construct_journal: Final = _described("journal")


def construct_section_texts(data: bytes) -> list[str]:
    """Read a section with texts, its kind by the first byte."""
    kinds = sorted(layout.SECTION_TEXTS)
    fields = parse.parse_section(kinds[data[0] % len(kinds)] if data else kinds[0], data[1:])
    assert isinstance(fields, dict)
    return [_shown(*fields.values())]


def construct_token(data: bytes) -> list[str]:
    """Read caveats by construct, and judge them by rules of its own."""
    return list(describe_libraries.describe_token(device_trust.TOKEN_HEADER, data.hex()))


def construct_frame(data: bytes) -> list[str]:
    """Read one whole frame."""
    one = parse.parse_frame(data)
    return [_shown(one.kind, one.seq, one.body)]


def construct_message(data: bytes) -> list[str]:
    """Read the body of one message."""
    if not data:
        return []
    fields = parse.parse_message(data[0], data[1:])
    return [describe_libraries.message_line(data[0], 0, fields)]


def construct_serial_line(data: bytes) -> list[str]:
    """Read one line to the board."""
    one = parse.parse_serial_in(data)
    return [_shown(one.kind, one.seq, one.body)]


def construct_serial_out(data: bytes) -> list[str]:
    """Find frames in a board's port."""
    found, _ = parse.parse_serial_out(data)
    return [_shown(one.kind, one.seq, one.body) for one in found]


def wire_serial_out(data: bytes) -> list[str]:
    """Find frames as the wire's own reader does, without what it says of other bytes."""
    return device_readers.read_serial_out(data)[:-1]


def construct_short_data(data: bytes) -> list[str]:
    """Read a short DATA frame."""
    if len(data) < 6:
        return []
    due = struct.unpack("<I", data[2:6])[0]
    return [_shown(*parse.parse_short_data(data[6:], data[0], data[1], due))]


def construct_cobs(data: bytes) -> list[str]:
    """Decode COBS."""
    if b"\0" in data:
        raise WireError("cobs", "the delimiter stands inside")
    return [parse.uncobs(data).hex()]


def numpy_column(data: bytes) -> list[str]:
    """Decode one column by the host's own decoder: alone, and as one lane of many."""
    count = int.from_bytes(data[:2], "little") if len(data) > 1 else 0
    if not 1 <= count <= layout.BLOCK_MAX_SAMPLES:
        raise BlockError("column", "no SPAN says so")  # contents.py never asks for it
    one, *lanes = decode_columns([(data[2:], count)] * 5)
    (alone,) = decode_columns([(data[2:], count)])
    for other in (*lanes, alone):
        if isinstance(one, BlockError) or isinstance(other, BlockError):
            expect(str(one) == str(other), "lanes judge a column otherwise than it alone")
        else:
            expect(one.tolist() == other.tolist(), "lanes decode a column otherwise")
    if isinstance(one, BlockError):
        raise one
    return [",".join(map(str, one.tolist()))]


def _shown(*values: object) -> str:
    return " ".join(map(vector_lines.show, values))


def expect(holds: bool, message: str) -> None:
    """Raise AssertionError with the message where something does not hold."""
    if not holds:
        raise AssertionError(message)


# --- logs ---------------------------------------------------------------------------------------
def read_readings(data: bytes) -> list[str]:
    """Read a log whole and by small windows: the same items, which cover every byte once."""
    lines = [_items(data, window) for window in (1 << 20, 1)]
    expect(lines[0] == lines[1], "what a log says depends on the window it is read by")
    return lines[0]


def _items(data: bytes, window: int) -> list[str]:
    at = 0
    lines: list[str] = []
    for item in LogReader(io.BytesIO(data), None, window).items():
        expect(item.offset == at, f"byte {at} to {item.offset} are told of by nobody, or twice")
        at += item.length
        lines.append(f"{type(item).__name__} {item.offset} {item.length}")
    expect(at == len(data), "the log goes on behind the last item")
    return lines


def read_review(data: bytes) -> list[str]:
    """Run every check over a log file, judge it, and give all of it as data."""
    path = fresh("log") / "a.dwl"
    path.write_bytes(data)
    review = review_log(path)
    verdict = judge(review)
    as_json(review, verdict)
    return [verdict.word]


_COMMANDS: Final = (
    ("check",),
    ("check", "--json"),
    ("report",),
    ("export", "--table", "events"),
    ("export", "--format", "csv"),
)
# Control characters of C0 but TAB, LF and CR, of C1, and those that turn the writing round.
ORDERS: Final = {chr(code) for code in (*range(32), *range(127, 160), *range(0x202A, 0x202F))}
ORDERS.difference_update("\t\n\r")
_DOCUMENTED: Final = frozenset(ExitCode) - {ExitCode.FAULT, ExitCode.INTERRUPTED}


def read_command(data: bytes) -> list[str]:
    """Run a command over a log: it ends with a documented exit code that is no fault of ours."""
    folder = fresh("command")
    path = folder / "a.dwl"
    path.write_bytes(data[1:])
    name, *options = _COMMANDS[data[0] % len(_COMMANDS) if data else 0]
    code, printed = _run(name, str(path), *options)
    # A table for other programs holds texts as they are.
    expect(name == "export" or not ORDERS & set(printed), "a text gives the terminal orders")
    page = path.with_suffix(".html")
    if page.exists():
        expect("<script>alert" not in page.read_text(encoding="utf-8"), "a text became HTML")
    return [str(code)]


def _run(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code, a documented one, and all that it printed."""
    stored = io.BytesIO()
    out = io.TextIOWrapper(stored, encoding="utf-8", errors="backslashreplace")
    err = io.StringIO()
    with mock.patch.object(sys, "argv", ["dewarlog", *arguments]), contextlib.redirect_stdout(out):  # noqa: SIM117 - reads as three things
        with contextlib.redirect_stderr(err):
            code = cli._exit_code()
    expect(code in _DOCUMENTED, f"exit code {code}: {err.getvalue()[-3000:]}")
    out.flush()
    return code, stored.getvalue().decode("utf-8", "replace") + err.getvalue()


def read_verified(data: bytes) -> list[str]:
    """Run `dewarlog verify` over a log, a certificate, a receipt and keys, all from outside.

    Of the first byte: 1 as data, 2 with a run before, 4 with a run behind it.
    """
    option, held, certificate, receipt, keys = device_readers.parts_of(data, 5)
    folder = fresh("verify")
    earlier, _, later = (bytes(trip.log.data) for trip in seeds.board_trips())
    files = {"a.dwl": held, "c.json": certificate, "r.json": receipt}
    files |= {"earlier.dwl": earlier, "later.dwl": later}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    _private(folder / "keys" / f"{seeds.board_trip()[0].device_id.hex()}.json", keys)
    chosen = option[0] if option else 0
    more = [["--json"], ["--previous", str(folder / "earlier.dwl")]]
    more.append(["--next", str(folder / "later.dwl")])
    code, printed = _run(
        "verify",
        str(folder / "a.dwl"),
        *("--certificate", str(folder / "c.json"), "--receipt", str(folder / "r.json")),
        *("--keys", str(folder / "keys"), "--archive", str(folder / "archive")),
        *(word for bit, words in enumerate(more) if chosen >> bit & 1 for word in words),
    )
    expect(not ORDERS & set(printed), "a text gives the terminal orders")
    return [str(code)]


def _private(path: Path, data: bytes) -> None:
    """Write a file for one user's eyes, in a folder of that kind."""
    path.parent.mkdir(mode=0o700)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)


def read_chain(data: bytes) -> list[str]:
    """Follow a segment's chain."""
    walk = ChainWalk()
    walk.segment(0, data)
    return [str(walk.blocks)]


# --- the archive --------------------------------------------------------------------------------
def read_held(data: bytes) -> list[str]:
    """Take up a partial pull and a filed segment, whatever note stands beside them; go on."""
    note, held = device_readers.parts_of(data, 2)
    folder = fresh("archive") / "segments"
    folder.mkdir()
    for number, ending in enumerate((".seg.part", ".seg")):
        (folder / f"{number:04x}.json").write_bytes(note)
        (folder / f"{number:04x}{ending}").write_bytes(held)
        file = StoredFile(1, number, 0, 5, 1 << 16, seeds.LOG_ID)
        with contextlib.closing(HeldFile(folder, file)) as mine:
            expect(mine.size >= 0, "a negative size")
            expect(mine.verified_bytes >= 0, "a negative count of verified bytes")
            expect(len(mine.sha256()) == 32, "no SHA-256")
            if not mine.complete:
                mine.write(b"more")
                mine.verified(sealed=False)
    for verified_only in (True, False):
        for one in held_files(folder, verified_only=verified_only):
            expect(len(one.read()) <= max(0, one.size), "more bytes than are said to be held")
    return []


def read_manifest_file(data: bytes) -> list[str]:
    """Read a manifest, and look what was filed before by it."""
    folder = fresh("archive")
    path = folder / "manifest.json"
    path.write_bytes(data)
    filed = read_manifest(path)
    expect(filed.path.parent == folder, "a manifest names a file elsewhere")
    expect(all(one.parent == folder for one in filed.superseded), "superseded elsewhere")
    Archive(folder).log(filed.device_id, filed.run, filed.log_id)
    return []


def read_archive(data: bytes) -> list[str]:
    """Merge another archive into an empty one and into one that has the log; list both."""
    manifest, note, receipt, held = device_readers.parts_of(data, 4)
    base = fresh("archives")
    stem = f"00000001-{seeds.LOG_ID.hex()}"
    sound = (seeds.manifest(), seeds.note(seeds.logs()[0]), seeds.receipts()[0], seeds.logs()[0])
    for root, parts in (("theirs", (manifest, note, receipt, held)), ("full", sound)):
        _lay_archive(base / root / seeds.DEVICE_ID.hex() / stem, stem, parts)
    taken: list[str] = []
    for root in ("empty", "full"):
        ours = Archive(base / root)
        merged = merge(ours, Archive(base / "theirs"))
        taken += [f"{log.damage is None} {log.receipts}" for log in merged]
        list(ours.filed())
    return taken


def _lay_archive(folder: Path, stem: str, parts: tuple[bytes, ...]) -> None:
    manifest, note, receipt, held = parts
    (folder / "segments").mkdir(parents=True)
    (folder / "manifest.json").write_bytes(manifest)
    (folder / f"{stem}.dwl").write_bytes(held)
    (folder / f"{stem}.handoff-12.json").write_bytes(receipt)
    (folder / "segments/0000.seg").write_bytes(held)
    (folder / "segments/0000.json").write_bytes(note)


# --- documents ----------------------------------------------------------------------------------
def read_receipt_file(data: bytes) -> list[str]:
    """Read a receipt and judge it, with a key, a log and a certificate."""
    folder = fresh("receipt")
    path = folder / "r.json"
    path.write_bytes(data)
    receipt = read_receipt(path)
    board, trip = seeds.board_trip()
    for held in (seeds.logs()[0], bytes(trip.log.data)):
        log = folder / "a.dwl"
        log.write_bytes(held)
        judge_receipt(receipt, board.receipt_key, log, board.certificate)
    again = read_receipt(write_receipt(receipt, log))
    expect(again == receipt, "a receipt that was written again says something else")
    return list(receipt.lines())


def read_certificate_file(data: bytes) -> list[str]:
    """Read a certificate, check a signature by it, and write it again."""
    folder = fresh("certificate")
    path = folder / "c.json"
    path.write_bytes(data)
    certificate = read_certificate(path)
    board, trip = seeds.board_trip()
    ours = (certificate.device_id, certificate.public_key)
    ours_held = (board.device_id, board.certificate.public_key)
    holds = signature_holds(certificate, trip.signed)
    expect(holds == (ours == ours_held), "a signature holds by another certificate")
    write_certificate(certificate, path)
    expect(read_certificate(path) == certificate, "a certificate that was written is another")
    return [certificate.fingerprint]


def read_keys(data: bytes) -> list[str]:
    """Look up the keys of a board, and keep them again."""
    folder = fresh("keys") / "held"
    _private(folder / f"{seeds.DEVICE_ID.hex()}.json", data)
    store = KeyStore(folder)
    keys = store.of(seeds.DEVICE_ID)
    paired_certificate(keys)
    store.credential(seeds.DEVICE_ID, 5000)
    store.keep(keys)
    expect(store.of(seeds.DEVICE_ID) == keys, "keys that were kept are others")
    return [repr(keys), *keys.held]


def read_token_file(data: bytes) -> list[str]:
    """Read a token file, say each token, narrow it, keep it, and prove oneself by it."""
    folder = fresh("tokens")
    path = folder / "t.json"
    path.write_bytes(data)
    found = read_tokens(path)
    store = KeyStore(folder / "keys")
    for one in found:
        _say_token(one)
        store.keep_token(one)
    kept = store.tokens()
    expect({*kept} <= {*found}, "a token that was kept is another")
    write_tokens(path, found)
    expect(read_tokens(path) == found, "tokens that were written are others")
    for one in found:
        store.credential(one.device_id, 5000)
    return [line for one in found for line in one.lines()]


def _say_token(one: Token) -> None:
    expect(not ORDERS & set(one.name), "a holder's name gives the terminal orders")
    one.why_not(one.device_id, 200_000_000)
    with contextlib.suppress(TokenError):
        narrow = one.narrowed([caveat(layout.CAVEAT_MAY, b"\x01")])
        expect(not narrow.may & ~one.may, "a caveat made a token wider")
    expect(one.secret.hex() not in repr(one), "a token tells its secret")


def read_kept_token(data: bytes) -> list[str]:
    """Look up the tokens kept beside keys."""
    folder = fresh("keys") / "held"
    _private(folder / f"token-{seeds.DEVICE_ID.hex()}-{b'token id'.hex()}.json", data)
    store = KeyStore(folder)
    for one in store.tokens(seeds.DEVICE_ID):
        _say_token(one)
    credential = store.credential(seeds.DEVICE_ID, 5000)
    return [repr(credential)]


class _Ring:
    """A keyring that holds one text under every name."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_password(self, service: str, username: str) -> str | None:
        return self.text

    def set_password(self, service: str, username: str, password: str) -> None:
        self.text = password

    def delete_password(self, service: str, username: str) -> None:
        self.text = ""


def read_keyring(data: bytes) -> list[str]:
    """Look up keys and tokens in a keyring: the file of names, and what the keyring holds."""
    names, text = device_readers.parts_of(data, 2)
    folder = fresh("keys") / "held"
    _private(folder / "keyring.json", names)
    ring = _Ring(text.decode("utf-8", "replace"))
    with mock.patch("dewarlog.keys.default_keys_root", return_value=folder):
        store = KeyStore(keyring=lambda: ring)
        boards = store.boards()
        store.credential(seeds.DEVICE_ID, 5000)
        store.forget(seeds.DEVICE_ID)
    return [board.hex() for board in boards]


def read_advert(data: bytes) -> list[str]:
    """Hear an advertisement, and whether it answers to a name that came by air."""
    advert = parse_advert({layout.BLE_COMPANY: data})
    name = data.decode("utf-8", "replace")
    answers_to(name, Heard("AA:BB:CC:DD:EE:FF", name, advert, -60, 0.0))
    return [] if advert is None else [f"{advert.state} {advert.temperature_degc}"]


def read_scenario(data: bytes) -> list[str]:
    """Load a scenario of the simulated board."""
    path = fresh("scenario") / "a.toml"
    path.write_bytes(data)
    scenario.load(path)
    return []


def no_reader(data: bytes) -> NoReturn:
    """Stand where a target has no reader on this interpreter."""
    raise AssertionError(data)
