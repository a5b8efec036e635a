"""The receipt of a handoff: what was recorded, the logger's proof over it, and what that proves.

Between report and handoff. A receipt is a JSON file beside the log. `body`, the reply's fields and
the ids are what the logger's tag covers (protocol/SPEC.md 7.7); every other field says the same
again for people and programs, and a receipt in which one does not is refused. `proven` and `log`
are this computer's word alone.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from dewarlog import words
from dewarlog.checks.integrity import IntegrityCheck
from dewarlog.durable import storage, write_for_good
from dewarlog.errors import ReceiptDamaged
from dewarlog.readings import LogReader
from dewarlog.records import Block, HandoffEvent, JournalTail, named, unix_s_of
from dewarlog.replies import Recorded, Signed
from dewarlog.signatures import signature_holds
from dewarlog.strict_json import NotStrict, read_object_of
from dewarlog_wire import layout, proof
from dewarlog_wire.errors import BlockError
from dewarlog_wire.events import read_handoff

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dewarlog.certificate import Certificate
    from dewarlog.checks.integrity import Integrity
    from dewarlog.records import Event, Run

# Every field is held against the others, `text` too: other words in `lines` are another format.
RECEIPT_FORMAT: Final = 2
UNSIGNED_FORMAT: Final = 1  # has no `signed`; still read
# By (first format, proven). A key of any role proves as well as another, and so does a token.
_PROVEN_WORDS: Final = {
    (True, True): "The logger had proven itself by its courier key.",
    (True, False): "Not proven: no key for this logger was on the computer that wrote this.",
    (False, True): "The logger had proven itself to the computer that wrote this.",
    (False, False): "Not proven: the computer that wrote this had no key or token to use.",
}


@dataclass(frozen=True, slots=True)
class Receipt:
    """One handoff as the logger recorded and answered it."""

    device_id: bytes
    log_id: bytes
    recorded: Recorded
    body: bytes
    """The handoff as it was sent: EVENT_HANDOFF and its three texts."""
    proven: bool
    """Whether the logger had proven itself to the computer that wrote this."""
    log: str
    """Name of the log the receipt was written beside."""
    signed: Signed | None = None
    """The head of the log as the logger signed it behind this handoff, if it was asked to."""
    format: int = RECEIPT_FORMAT

    @property
    def handoff(self) -> HandoffEvent:
        """Give the handoff as the log holds it; its boot is not known here, and 0."""
        uptime_ms = self.recorded.uptime_s * 1000 + self.recorded.uptime_ms
        return HandoffEvent(self.recorded.number, 0, uptime_ms, *read_handoff(self.body))

    def tag_holds(self, secret: bytes) -> bool:
        """Say whether the logger with this receipt key made the tag."""
        made = proof.receipt_tag(
            secret, self.device_id, self.log_id, self.recorded.head(), self.body
        )
        return proof.same(made, self.recorded.tag)

    def lines(self) -> tuple[str, ...]:
        """Say it to a person."""
        handed = self.handoff
        told = unix_s_of(handed.utc_s)
        when = "at a time nobody told" if told is None else words.utc(told)
        proven = _PROVEN_WORDS[self.format == UNSIGNED_FORMAT, self.proven]
        lines = (
            f"Handoff of the dewar with logger {self.device_id.hex()}",
            f"From {handed.giver} to {handed.receiver} ({handed.role_name}), {handed.place}",
            f"{when}, by the clock of the computer that wrote this",
            f"Checked then: {handed.verdict_word}",
            proven,
        )
        signed = self.signed
        if signed is None:
            return lines
        return (*lines, f"The logger signed {signed_words(signed)}.")

    def fields(self) -> dict[str, Any]:
        """Give everything as the file holds it."""
        handed, recorded = self.handoff, self.recorded
        return {
            "format": self.format,
            "text": list(self.lines()),
            "device_id": self.device_id.hex(),
            "log_id": self.log_id.hex(),
            "run": recorded.run,
            "number": recorded.number,
            "uptime_s": recorded.uptime_s,
            "uptime_ms": recorded.uptime_ms,
            "unix_s": unix_s_of(handed.utc_s),
            "verdict": handed.verdict_word,
            "giver": handed.giver,
            "receiver": handed.receiver,
            "role": handed.role_name,
            "place": handed.place,
            "blocks": handed.blocks,
            "chain": handed.chain.hex(),
            "body": self.body.hex(),
            "tag": recorded.tag.hex(),
            "proven": self.proven,
            "log": self.log,
        } | ({} if self.format == UNSIGNED_FORMAT else {"signed": _signed_fields(self.signed)})


def signed_words(signed: Signed) -> str:
    """Say which blocks are signed, and when, by the logger's clock."""
    blocks = words.plural(signed.blocks, "block")
    told = unix_s_of(signed.utc_s)
    if told is None or signed.clock_state != layout.CLOCK_OK:
        return f"the first {blocks} of its log, at a time its clock did not know"
    return f"the first {blocks} of its log at {words.utc(told)} by its own clock"


def _signed_fields(signed: Signed | None) -> dict[str, int | str] | None:
    """Give a signature as the file holds it; run and log id stand in the receipt itself."""
    if signed is None:
        return None
    held: dict[str, int | str] = {name: getattr(signed, name) for name in _SIGNED_NUMBERS}
    return held | {name: getattr(signed, name).hex() for name in _SIGNED_BYTES}


# --- the file -----------------------------------------------------------------------------------
def receipts_of(log: Path, event: int) -> list[Path]:
    """Return the receipts beside a log of the handoff recorded as that event."""
    names = (f"{log.stem}.handoff-{event}.json", f"{log.stem}.handoff-{event}-*.json")
    with storage(log):
        return sorted(path for name in names for path in log.parent.glob(name))


def write_receipt(receipt: Receipt, log: Path) -> Path:
    """Write a receipt beside its log, durably and for good; return where it stands."""
    path = log.with_name(f"{log.stem}.handoff-{receipt.recorded.number}.json")
    data = json.dumps(receipt.fields(), indent=2).encode() + b"\n"
    with storage(path):
        number = 2
        while path.exists() and path.read_bytes() != data:
            path = log.with_name(f"{log.stem}.handoff-{receipt.recorded.number}-{number}.json")
            number += 1
        write_for_good(path, data)
    return path


def read_receipt(path: Path) -> Receipt:
    """Read a receipt, and refuse one that contradicts itself.

    Raises:
        ReceiptDamaged: it is none, or the field it names is not what the others say.
    """
    try:
        with storage(path):
            fields = read_object_of(path)
    except NotStrict as error:
        raise ReceiptDamaged(path, error.field, error.reason) from error
    receipt = _receipt_of(path, fields)
    expected = receipt.fields()
    for name, value in expected.items():
        if name not in fields:
            raise ReceiptDamaged(path, name, "it is missing")
        if type(fields[name]) is not type(value) or fields[name] != value:
            reason = f"it says {fields[name]!r:.200}, the rest of the receipt {value!r:.200}"
            raise ReceiptDamaged(path, name, reason)
    for name in fields:
        if name not in expected:
            raise ReceiptDamaged(path, name, "no receipt has it")
    return receipt


_HEX_BYTES: Final = {"device_id": 8, "log_id": 8, "tag": proof.SECRET_BYTES, "body": None}
_NUMBERS: Final = ("run", "number", "uptime_s", "uptime_ms")
_SIGNED_NUMBERS: Final = {
    "blocks": 0xFFFFFFFF,
    "uptime_s": 0xFFFFFFFF,
    "uptime_ms": 999,
    "utc_s": 0xFFFFFFFF,
    "clock_state": 0xFF,
}
_SIGNED_BYTES: Final = {"chain": 32, "nonce": 16, "signature": 64}


def _receipt_of(path: Path, fields: dict[str, Any]) -> Receipt:
    """Take from a file what the others follow from."""
    version = fields.get("format")
    if type(version) is not int or version not in (RECEIPT_FORMAT, UNSIGNED_FORMAT):
        raise ReceiptDamaged(path, "format", "not one this program knows")
    held = _hex_fields(path, fields, _HEX_BYTES)
    numbers = [
        _number(path, fields, name, 999 if name == "uptime_ms" else 0xFFFFFFFF)
        for name in _NUMBERS
    ]
    try:
        read_handoff(held["body"])
    except BlockError as error:
        raise ReceiptDamaged(path, "body", str(error)) from error
    run, number, uptime_s, uptime_ms = numbers
    return Receipt(
        device_id=held["device_id"],
        log_id=held["log_id"],
        recorded=Recorded(run, number, uptime_s, uptime_ms, held["tag"]),
        body=held["body"],
        proven=fields.get("proven") is True,
        log=fields["log"] if isinstance(fields.get("log"), str) else "",
        signed=_signed_of(path, fields.get("signed"), run, held["log_id"]),
        format=version,
    )


def _signed_of(path: Path, fields: object, run: int, log_id: bytes) -> Signed | None:
    if fields is None:
        return None
    if type(fields) is not dict:
        raise ReceiptDamaged(path, "signed", "it is no signature")
    told = cast("dict[str, Any]", fields)
    numbers = {name: _number(path, told, name, most) for name, most in _SIGNED_NUMBERS.items()}
    held = _hex_fields(path, told, _SIGNED_BYTES)
    made: dict[str, Any] = {**numbers, **held}
    return Signed(run=run, log_id=log_id, **made)


def _hex_fields(
    path: Path, fields: Mapping[str, Any], lengths: Mapping[str, int | None]
) -> dict[str, bytes]:
    held: dict[str, bytes] = {}
    for name, length in lengths.items():
        try:
            held[name] = bytes.fromhex(fields[name])
        except (KeyError, TypeError, ValueError) as error:
            raise ReceiptDamaged(path, name, "it is not hex digits") from error
        if length is not None and len(held[name]) != length:
            raise ReceiptDamaged(path, name, f"it has not {length} bytes")
    return held


def _number(path: Path, fields: Mapping[str, Any], name: str, most: int) -> int:
    number = fields.get(name)
    if type(number) is not int or not 0 <= number <= most:
        raise ReceiptDamaged(path, name, "it is no number of its kind")
    return number


# --- what it proves -----------------------------------------------------------------------------
@dataclass(slots=True)
class Judgement:
    """What a receipt proves and what it does not; `wrong` names the fields that are not true."""

    proved: list[str] = field(default_factory=list[str])
    open: list[str] = field(default_factory=list[str])
    wrong: dict[str, str] = field(default_factory=dict[str, str])


def judge_receipt(
    receipt: Receipt,
    secret: bytes | None,
    log: Path | None,
    certificate: Certificate | None = None,
) -> Judgement:
    """Hold a receipt against the logger's receipt key, its certificate and a log, if here.

    Raises:
        LogError: the log cannot be read.
    """
    found = Judgement()
    name = receipt.device_id.hex()
    if log is None:
        found.open.append("Whether the log holds this handoff: no log is here; name it by --log.")
    else:
        _judge_log(found, receipt, log)
    if secret is None:
        found.open.append(
            f"That logger {name} made this receipt: its receipt key is not here "
            "(`dewarlog pair usb:PORT --receipts` takes it)."
        )
    elif receipt.tag_holds(secret):
        found.proved.append(
            f"Logger {name} made this receipt: its proof holds by the receipt key, which only the "
            "logger and computers paired with --receipts have."
        )
    elif not found.wrong:
        found.wrong["tag"] = (
            f"it was not made with the receipt key of logger {name} over these words: the tag, "
            "or something it covers, was changed"
        )
    _judge_signature(found, receipt, certificate)
    found.open.append(
        "That the logger proved itself at the door: of that there is only the word of the "
        "computer that wrote this."
        if receipt.proven
        else "That the right logger was at the door: nothing proved that there."
    )
    found.open.append("Who typed the names: a receipt holds them as they were typed.")
    found.open.append(
        "Which file the log is in ('log'), and 'proven': the logger's proof does not cover these "
        "two fields, and whoever has the receipt could change them."
    )
    return found


def _judge_signature(found: Judgement, receipt: Receipt, certificate: Certificate | None) -> None:
    """Hold the signature of a receipt against the logger's certificate."""
    signed, name = receipt.signed, receipt.device_id.hex()
    if signed is None:
        return
    if certificate is None:
        found.open.append(
            f"That logger {name} signed its log behind this handoff: its certificate is not here "
            "(name it by --certificate)."
        )
    elif certificate.device_id != receipt.device_id:
        found.open.append(
            f"That logger {name} signed its log behind this handoff: the certificate is that of "
            f"logger {certificate.device_id.hex()}."
        )
    elif signature_holds(certificate, signed):
        found.proved.append(
            f"Logger {name} signed {signed_words(signed)}: the signature holds by its certificate "
            f"({certificate.fingerprint})."
        )
    else:
        found.wrong["signed"] = (
            f"logger {name} did not sign these words: by its certificate "
            f"({certificate.fingerprint}) the signature, or something it covers, was changed"
        )


def _judge_log(found: Judgement, receipt: Receipt, log: Path) -> None:
    held = HeldLog.read(log)
    run = held.run
    if run is None:
        found.open.append(
            f"Whether this is the log: {log.name} does not say which logger's it is."
        )
        return
    for name, ours, theirs in (
        ("device_id", receipt.device_id.hex(), run.device_id.hex()),
        ("log_id", receipt.log_id.hex(), run.log_id.hex()),
        ("run", receipt.recorded.run, run.run),
    ):
        if ours != theirs:
            found.wrong[name] = f"the receipt says {ours}, the log {theirs}"
    if found.wrong:
        return
    if not held.integrity.intact:
        bad = held.integrity.first_bad
        reason = "" if bad is None else f" {bad.message}"
        found.wrong["log"] = f"{log.name} is not intact.{reason}"
    signed = receipt.signed
    if signed is not None and held.chains.get(signed.blocks, signed.chain) != signed.chain:
        found.wrong["signed"] = (
            f"after {words.plural(signed.blocks, 'block')} the log's chain is not what was signed"
        )
    state = held.standing_of(receipt)
    if state.wrong:
        found.wrong |= state.wrong
    elif not state.held:
        found.open.append(
            f"Whether the log holds this handoff: {log.name} ends before it. Pull it again."
        )
    elif not found.wrong:
        event = receipt.recorded.number
        found.proved.append(f"The log holds this handoff, word for word (event {event}).")
        if held.heads.get(event):
            found.proved.append(
                "What was checked at the door is the beginning of this log, byte for byte."
            )


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether a log holds a handoff: `wrong` names what the log says otherwise, by field."""

    held: bool
    wrong: dict[str, str]


@dataclass(frozen=True, slots=True)
class HeldLog:
    """What a log says of its handoffs."""

    run: Run | None
    handoffs: dict[int, HandoffEvent]
    heads: dict[int, bool | None]
    other_events: frozenset[int]
    """Numbers of the events that are no handoffs."""
    chains: Mapping[int, bytes]
    integrity: Integrity

    @classmethod
    def read(cls, path: Path) -> HeldLog:
        """Read a log.

        Raises:
            LogError: it is none, or of a newer format.
        """
        integrity = IntegrityCheck()
        run: Run | None = None
        events: list[Event] = []
        with storage(path), path.open("rb") as file:
            for item in LogReader(file, path).items():
                if not integrity.feed(item):
                    continue
                if isinstance(item, Block) and item.run_settings is not None:
                    run = item.run_settings
                if isinstance(item, Block | JournalTail):
                    events += item.events
        handoffs = {event.number: event for event in events if isinstance(event, HandoffEvent)}
        others = frozenset(event.number for event in events) - handoffs.keys()
        heads = dict(integrity.handoff_heads)
        return cls(run, handoffs, heads, others, integrity.chains, integrity.finish()[0])

    def standing_of(self, receipt: Receipt) -> Standing:
        """Find a receipt's handoff, and every field in which the log says otherwise."""
        number = receipt.recorded.number
        if number in self.other_events:
            return Standing(held=False, wrong={"number": f"event {number} is no handoff"})
        event = self.handoffs.get(number)
        if event is None:
            return Standing(held=False, wrong={})
        wrong = differences(receipt.handoff, event)
        return Standing(held=not wrong, wrong=wrong)


def differences(told: HandoffEvent, event: HandoffEvent) -> dict[str, str]:
    """Name every field in which a receipt's handoff and the log's are not the same."""
    wrong: dict[str, str] = {}
    for name, ours in _said(told).items():
        theirs = _said(event)[name]
        if ours != theirs:
            wrong[name] = f"the receipt says {_shown(name, ours)}, the log {_shown(name, theirs)}"
    return wrong


def _said(event: HandoffEvent) -> dict[str, int | str | bytes]:
    """Give what a handoff says, under the names a receipt has for it."""
    names = [name for name, *_ in layout.EVENT_HANDOFF.fields]
    said = {name: getattr(event, name) for name in (*names, *layout.EVENT_TEXTS[event.KIND])}
    said["uptime_s"], said["uptime_ms"] = divmod(event.uptime_ms, 1000)
    return said


def _shown(name: str, value: int | str | bytes) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, str):
        return repr(value)
    tables = {"verdict": layout.VERDICT_NAMES, "role": layout.ROLE_NAMES}
    return named(tables[name], value) if name in tables else str(value)
