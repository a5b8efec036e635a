"""Every parser of the host that a board does not run, as functions of bytes.

Each is what a target of targets.py calls: it returns lines that say what was read, for two readers
to be compared by, or raises an error that the target allows. Beyond that it holds what was read to
what is always true of it, and says by an AssertionError where it is not.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import struct
import sys
from dataclasses import replace
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
from dewarlog.errors import DewarlogError, ExitCode, ReceiptDamaged
from dewarlog.held import HeldFile, held_files
from dewarlog.keys import KeyStore
from dewarlog.link import Frame
from dewarlog.link.advert import Heard, answers_to, parse_advert
from dewarlog.merge import merge
from dewarlog.proven import Credential, counter_of
from dewarlog.readings import LogReader
from dewarlog.receipt import judge_receipt, read_receipt, write_receipt
from dewarlog.report.as_json import as_json
from dewarlog.session import Session, StoredFile
from dewarlog.signatures import signature_holds
from dewarlog.tokens import parse_token, read_tokens, write_tokens
from dewarlog.verdict import judge
from dewarlog_wire import PROTOCOL_VERSION, layout, proof
from dewarlog_wire.errors import BlockError, TokenError, WireError
from dewarlog_wire.session_keys import BOARD, SessionKeys
from dewarlog_wire.token import caveat
from simboard import scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from dewarlog.receipt import Receipt
    from dewarlog.session import Recorded, Signed
    from dewarlog.tokens import Token

_scratch = [Path()]  # replaced before the first case


def use_scratch(folder: Path) -> None:
    """Keep the files of cases below `folder`."""
    _scratch[0] = folder
    device_readers.use_scratch(str(folder))


def _fresh(name: str) -> Path:
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
    return [parse._uncobs(data).hex()]


def numpy_column(data: bytes) -> list[str]:
    """Decode one column by the host's own decoder: alone, and as one lane of many."""
    count = int.from_bytes(data[:2], "little") if len(data) > 1 else 0
    if not 1 <= count <= layout.BLOCK_MAX_SAMPLES:
        raise BlockError("column", "no SPAN says so")  # contents.py never asks for it
    one, *lanes = decode_columns([(data[2:], count)] * 5)
    (alone,) = decode_columns([(data[2:], count)])
    for other in (*lanes, alone):
        if isinstance(one, BlockError) or isinstance(other, BlockError):
            _expect(str(one) == str(other), "lanes judge a column otherwise than it alone")
        else:
            _expect(one.tolist() == other.tolist(), "lanes decode a column otherwise")
    if isinstance(one, BlockError):
        raise one
    return [",".join(map(str, one.tolist()))]


def _shown(*values: object) -> str:
    return " ".join(map(vector_lines.show, values))


def _expect(holds: bool, message: str) -> None:
    if not holds:
        raise AssertionError(message)


# --- logs ---------------------------------------------------------------------------------------
def read_readings(data: bytes) -> list[str]:
    """Read a log whole and by small windows: the same items, which cover every byte once."""
    lines = [_items(data, window) for window in (1 << 20, 1)]
    _expect(lines[0] == lines[1], "what a log says depends on the window it is read by")
    return lines[0]


def _items(data: bytes, window: int) -> list[str]:
    at = 0
    lines: list[str] = []
    for item in LogReader(io.BytesIO(data), None, window).items():
        _expect(item.offset == at, f"byte {at} to {item.offset} are told of by nobody, or twice")
        at += item.length
        lines.append(f"{type(item).__name__} {item.offset} {item.length}")
    _expect(at == len(data), "the log goes on behind the last item")
    return lines


def read_review(data: bytes) -> list[str]:
    """Run every check over a log file, judge it, and give all of it as data."""
    path = _fresh("log") / "a.dwl"
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
_ORDERS: Final = {chr(code) for code in (*range(32), *range(127, 160), *range(0x202A, 0x202F))}
_ORDERS.difference_update("\t\n\r")
_DOCUMENTED: Final = frozenset(ExitCode) - {ExitCode.FAULT, ExitCode.INTERRUPTED}


def read_command(data: bytes) -> list[str]:
    """Run a command over a log: it ends with a documented exit code that is no fault of ours."""
    folder = _fresh("command")
    path = folder / "a.dwl"
    path.write_bytes(data[1:])
    name, *options = _COMMANDS[data[0] % len(_COMMANDS) if data else 0]
    code, printed = _run(name, str(path), *options)
    # A table for other programs holds texts as they are.
    _expect(name == "export" or not _ORDERS & set(printed), "a text gives the terminal orders")
    page = path.with_suffix(".html")
    if page.exists():
        _expect("<script>alert" not in page.read_text(encoding="utf-8"), "a text became HTML")
    return [str(code)]


def _run(*arguments: str) -> tuple[int, str]:
    """Run a command; return its exit code, a documented one, and all that it printed."""
    stored = io.BytesIO()
    out = io.TextIOWrapper(stored, encoding="utf-8", errors="backslashreplace")
    err = io.StringIO()
    with mock.patch.object(sys, "argv", ["dewarlog", *arguments]), contextlib.redirect_stdout(out):  # noqa: SIM117 - reads as three things
        with contextlib.redirect_stderr(err):
            code = cli._exit_code()
    _expect(code in _DOCUMENTED, f"exit code {code}: {err.getvalue()[-3000:]}")
    out.flush()
    return code, stored.getvalue().decode("utf-8", "replace") + err.getvalue()


def read_verified(data: bytes) -> list[str]:
    """Run `dewarlog verify` over a log, a certificate, a receipt and keys, all from outside.

    Of the first byte: 1 as data, 2 with a run before, 4 with a run behind it.
    """
    option, held, certificate, receipt, keys = device_readers.parts_of(data, 5)
    folder = _fresh("verify")
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
    _expect(not _ORDERS & set(printed), "a text gives the terminal orders")
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
    folder = _fresh("archive") / "segments"
    folder.mkdir()
    for number, ending in enumerate((".seg.part", ".seg")):
        (folder / f"{number:04x}.json").write_bytes(note)
        (folder / f"{number:04x}{ending}").write_bytes(held)
        file = StoredFile(1, number, 0, 5, 1 << 16, seeds.LOG_ID)
        with contextlib.closing(HeldFile(folder, file)) as mine:
            _expect(mine.size >= 0, "a negative size")
            _expect(mine.verified_bytes >= 0, "a negative count of verified bytes")
            _expect(len(mine.sha256()) == 32, "no SHA-256")
            if not mine.complete:
                mine.write(b"more")
                mine.verified(sealed=False)
    for verified_only in (True, False):
        for one in held_files(folder, verified_only=verified_only):
            _expect(len(one.read()) <= max(0, one.size), "more bytes than are said to be held")
    return []


def read_manifest_file(data: bytes) -> list[str]:
    """Read a manifest, and look what was filed before by it."""
    folder = _fresh("archive")
    path = folder / "manifest.json"
    path.write_bytes(data)
    filed = read_manifest(path)
    _expect(filed.path.parent == folder, "a manifest names a file elsewhere")
    _expect(all(one.parent == folder for one in filed.superseded), "superseded elsewhere")
    Archive(folder).log(filed.device_id, filed.run, filed.log_id)
    return []


def read_archive(data: bytes) -> list[str]:
    """Merge another archive into an empty one and into one that has the log; list both."""
    manifest, note, receipt, held = device_readers.parts_of(data, 4)
    base = _fresh("archives")
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
    folder = _fresh("receipt")
    path = folder / "r.json"
    path.write_bytes(data)
    receipt = read_receipt(path)
    board, trip = seeds.board_trip()
    for held in (seeds.logs()[0], bytes(trip.log.data)):
        log = folder / "a.dwl"
        log.write_bytes(held)
        judge_receipt(receipt, board.receipt_key, log, board.certificate)
    again = read_receipt(write_receipt(receipt, log))
    _expect(again == receipt, "a receipt that was written again says something else")
    return list(receipt.lines())


def read_certificate_file(data: bytes) -> list[str]:
    """Read a certificate, check a signature by it, and write it again."""
    folder = _fresh("certificate")
    path = folder / "c.json"
    path.write_bytes(data)
    certificate = read_certificate(path)
    board, trip = seeds.board_trip()
    ours = (certificate.device_id, certificate.public_key)
    ours_held = (board.device_id, board.certificate.public_key)
    holds = signature_holds(certificate, trip.signed)
    _expect(holds == (ours == ours_held), "a signature holds by another certificate")
    write_certificate(certificate, path)
    _expect(read_certificate(path) == certificate, "a certificate that was written is another")
    return [certificate.fingerprint]


def read_keys(data: bytes) -> list[str]:
    """Look up the keys of a board, and keep them again."""
    folder = _fresh("keys") / "held"
    _private(folder / f"{seeds.DEVICE_ID.hex()}.json", data)
    store = KeyStore(folder)
    keys = store.of(seeds.DEVICE_ID)
    paired_certificate(keys)
    store.credential(seeds.DEVICE_ID, 5000)
    store.keep(keys)
    _expect(store.of(seeds.DEVICE_ID) == keys, "keys that were kept are others")
    return [repr(keys), *keys.held]


def read_token_file(data: bytes) -> list[str]:
    """Read a token file, say each token, narrow it, keep it, and prove oneself by it."""
    folder = _fresh("tokens")
    path = folder / "t.json"
    path.write_bytes(data)
    found = read_tokens(path)
    store = KeyStore(folder / "keys")
    for one in found:
        _say_token(one)
        store.keep_token(one)
    kept = store.tokens()
    _expect({*kept} <= {*found}, "a token that was kept is another")
    write_tokens(path, found)
    _expect(read_tokens(path) == found, "tokens that were written are others")
    for one in found:
        store.credential(one.device_id, 5000)
    return [line for one in found for line in one.lines()]


def _say_token(one: Token) -> None:
    _expect(not _ORDERS & set(one.name), "a holder's name gives the terminal orders")
    one.why_not(one.device_id, 200_000_000)
    with contextlib.suppress(TokenError):
        narrow = one.narrowed([caveat(layout.CAVEAT_MAY, b"\x01")])
        _expect(not narrow.may & ~one.may, "a caveat made a token wider")
    _expect(one.secret.hex() not in repr(one), "a token tells its secret")


def read_kept_token(data: bytes) -> list[str]:
    """Look up the tokens kept beside keys."""
    folder = _fresh("keys") / "held"
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
    folder = _fresh("keys") / "held"
    _private(folder / "keyring.json", names)
    ring = _Ring(text.decode("utf-8", "replace"))
    with mock.patch("dewarlog.keys.default_keys_root", return_value=folder):
        store = KeyStore(keyring=lambda: ring)
        boards = store.boards()
        store.credential(seeds.DEVICE_ID, 5000)
        store.forget(seeds.DEVICE_ID)
    return [board.hex() for board in boards]


# --- what a board replies -----------------------------------------------------------------------
_IS_PROVEN, _IS_SECRET, _IS_TOKEN = 1, 2, 4  # bits of a case's first byte
_AS_ERROR, _WRONG_TAG, _OTHER_SEQ, _OTHER_COUNTER = 1, 2, 4, 8  # bits of each reply's


class _Liar:
    """A link to a board that has the right key, and answers what a case says."""

    name = "usb:liar"
    body_max_bytes = 4096
    credit_bytes = 4096
    patience_s = 0.0
    stray = b""

    def __init__(self, data: bytes, secret: bytes) -> None:
        self.now_s = 0.0
        self._replies = data
        self._secret = secret
        self._waiting: list[Frame] = []
        self._hello = self._said = b""
        self._keys: SessionKeys | None = None
        self._is_secret = False

    def open(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def send(self, kind: int, seq: int, body: bytes) -> None:
        """Answer HELLO and AUTH as a board does, and all else as the case says."""
        if kind == layout.MSG_HELLO:
            features = (layout.FEATURE_SECRET << 1) - 1
            values = (PROTOCOL_VERSION, 1, 4096, features, seeds.DEVICE_ID, b"ournonce")
            self._hello, self._said = body, struct.pack(layout.HELLO_REPLY.format, *values)
            self._keys = None
            self._waiting.append(Frame(kind | layout.REPLY, seq, self._said))
        elif kind == layout.MSG_AUTH:
            key, flags, _ = struct.unpack_from(layout.AUTH.format, body)
            said = proof.transcript(self._hello, self._said, key, flags)
            shown = proof.board_proof(self._secret, said)
            self._waiting.append(Frame(kind | layout.REPLY, seq, shown))
            self._keys = SessionKeys(self._secret, said)
            self._is_secret = bool(flags & layout.AUTH_SECRET)
        elif kind != layout.MSG_ACK:
            self._answer(kind, seq, body)

    def _answer(self, asked: int, seq: int, request: bytes) -> None:
        if len(self._replies) < 3:
            return
        how, length = self._replies[0], int.from_bytes(self._replies[1:3], "little")
        body = self._replies[3 : 3 + length]
        self._replies = self._replies[3 + length :]
        kind = layout.MSG_ERROR if how & _AS_ERROR else asked | layout.REPLY
        if self._keys is not None:
            counter = (counter_of(request) or 0) + bool(how & _OTHER_COUNTER)
            buffer = bytearray(body)
            if self._is_secret:
                self._keys.cipher_into(buffer, BOARD, counter, 0)
            tag = bytearray(self._keys.tag(BOARD, counter, kind, seq, buffer))
            tag[-1] ^= bool(how & _WRONG_TAG)
            body = bytes(buffer + tag)
        self._waiting.append(Frame(kind, (seq + bool(how & _OTHER_SEQ)) % 256, body))

    def receive(self, timeout_s: float) -> Frame | None:
        """Return what was answered; else let the time pass."""
        if self._waiting:
            return self._waiting.pop(0)
        self.now_s += max(timeout_s, 0.01)
        return None


def read_replies(data: bytes) -> list[str]:
    """Ask a board everything, whose replies are the case's behind a right tag."""
    setting = data[0] if data else 0
    credential = Credential(layout.KEY_COURIER, bytes(32), b"", "courier key")
    if setting & _IS_TOKEN:
        credential = _sound_token().credential()
    is_proven = bool(setting & _IS_PROVEN)
    link = _Liar(data[1:], credential.secret)
    session = Session(
        link,
        clock=lambda: link.now_s,
        random_bytes=bytes,
        sleep=lambda _seconds: None,
        credentials=(lambda _device_id: credential) if is_proven else None,
        secret=is_proven and bool(setting & _IS_SECRET),
    )
    board = session.hello()
    _, trip = seeds.board_trip()
    asked: tuple[Callable[[], object], ...] = (
        session.status,
        lambda: session.set_time(5, 6, 7),
        session.list_files,
        session.seal,
        lambda: _signed_rightly(session.sign(trip.signed.run, trip.signed.nonce)),
        session.public_key,
        session.seal_key,
        lambda: _recorded_rightly(board.device_id, session.handoff(trip.receipt.body)),
        lambda: session.key(layout.KEY_COURIER),
        lambda: session.lock(on=True),
    )
    lines: list[str] = []
    for ask in asked:
        try:
            lines.append(repr(ask()))
        except DewarlogError as error:
            _expect(not _ORDERS & set(str(error)), "a board's words give the terminal orders")
            lines.append(type(error).__name__)
    return lines


def _sound_token() -> Token:
    """Return the sound token of the seeds."""
    return parse_token(Path(), json.loads(seeds.kept_tokens()[0]))


def _signed_rightly(signed: Signed) -> str:
    """Hold a signature to the certificate, and to the receipt it is written into."""
    board, trip = seeds.board_trip()
    holds = signature_holds(board.certificate, signed)
    _expect(holds == (signed == trip.signed), "a signature holds that the board never made")
    _receipt_comes_back(replace(trip.receipt, signed=replace(signed, log_id=trip.receipt.log_id)))
    return f"{holds}"


def _recorded_rightly(device_id: bytes, recorded: Recorded) -> str:
    _, trip = seeds.board_trip()
    _receipt_comes_back(replace(trip.receipt, device_id=device_id, recorded=recorded, signed=None))
    return repr(recorded)


def _receipt_comes_back(receipt: Receipt) -> None:
    """Expect that what is written of a board's answer can be read."""
    path = write_receipt(receipt, _fresh("answered") / "a.dwl")
    try:
        again = read_receipt(path)
    except ReceiptDamaged as error:
        raise AssertionError(f"a receipt that was written cannot be read: {error}") from error
    _expect(again == receipt, "a receipt that was written says something else")


def read_advert(data: bytes) -> list[str]:
    """Hear an advertisement, and whether it answers to a name that came by air."""
    advert = parse_advert({layout.BLE_COMPANY: data})
    name = data.decode("utf-8", "replace")
    answers_to(name, Heard("AA:BB:CC:DD:EE:FF", name, advert, -60, 0.0))
    return [] if advert is None else [f"{advert.state} {advert.temperature_degc}"]


def read_scenario(data: bytes) -> list[str]:
    """Load a scenario of the simulated board."""
    path = _fresh("scenario") / "a.toml"
    path.write_bytes(data)
    scenario.load(path)
    return []


def no_reader(data: bytes) -> NoReturn:
    """Stand where a target has no reader on this interpreter."""
    raise AssertionError(data)
