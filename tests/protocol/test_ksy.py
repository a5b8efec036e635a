"""protocol/dewarlog.ksy describes the same format: same records, same values read from vectors."""

from __future__ import annotations

import io
import json
import subprocess
import types
from pathlib import Path
from typing import Any

import pytest

import vector_lines
from dewarlog import parse
from dewarlog_wire import layout
from workshop import interpreters
from workshop.places import KAITAI_HOME

ROOT = Path(__file__).parents[2]
NODE_MODULES = KAITAI_HOME / "node_modules"
FOLDER = ROOT / "protocol/vectors"
_TYPES = {"B": "u1", "b": "s1", "H": "u2", "h": "s2", "I": "u4", "i": "s4"}
# Events that go on behind their record: the vectors hold the description to these.
GO_ON = {"EVENT_HEAD", "EVENT_SETTING"} | {
    f"EVENT_{layout.EVENTS[kind].name.upper()}" for kind in layout.EVENT_TEXTS
}
LOG_RECORDS = [
    record
    for name, record in vars(layout).items()
    if isinstance(record, layout.Record)
    and (
        record.name in {"block_header", "block_seal", "span", "state_run", "raw_set", "identity"}
        or record.name in {"sampling", "channel", "rule", "shock_settings", "tilt_settings"}
        or record.name in {"handling", "shock_head", "events_head", "event_head", "journal_head"}
        or record.name == "journal_span"
        or (name.startswith("EVENT_") and name not in GO_ON)
    )
]


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    """Return the description as data and the Python source the compiler makes of it."""
    node = interpreters.find_node()
    if node is None or not (NODE_MODULES / "kaitai-struct-compiler").exists():
        pytest.skip("the Kaitai Struct compiler is not here; tools/setup gets it")
    script = ROOT / "tools/compile_ksy.mjs"
    done = subprocess.run(
        [str(node), str(script), str(NODE_MODULES)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def reader(compiled: dict[str, Any]) -> Any:  # noqa: ANN401 - a class that is made at run time
    """Return the compiled reader's class."""
    pytest.importorskip("kaitaistruct")
    module = types.ModuleType("dewarlog_ksy")
    exec(compiled["python"], module.__dict__)  # noqa: S102 - our own description, compiled
    return module.__dict__["Dewarlog"]


@pytest.mark.parametrize("record", LOG_RECORDS, ids=lambda record: record.name)
def test_each_record_has_the_fields_of_the_table(
    compiled: dict[str, Any], record: layout.Record
) -> None:
    """Names, order and types."""
    described: list[tuple[str, str]] = []
    for field in compiled["ksy"]["types"][record.name]["seq"]:
        size = len(field["contents"]) if "contents" in field else field.get("size")
        described.append((field["id"], field.get("type") or f"{size}s"))

    assert described == [(name, _TYPES.get(code, code)) for name, code, _, _ in record.fields]


def sound(layer: str) -> list[str]:
    """Return the names of a layer's vectors that are read without a fault."""
    return [
        path.name
        for path in sorted((FOLDER / layer).glob("*.txt"))
        if path.read_text(encoding="utf-8").startswith("expect: ok")
    ]


def bytes_of(layer: str, name: str) -> bytes:
    """Return the bytes of one vector."""
    text = (FOLDER / layer / name).read_text(encoding="utf-8")
    return vector_lines.hex_bytes(vector_lines.parse_vector(text)[2])


def fields_of(read: Any, wanted: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - made at run time
    """Return the fields of a Kaitai object that construct has found too."""
    return {name: getattr(read, name) for name in wanted}


@pytest.mark.parametrize("name", sound("block"))
def test_blocks_are_read_as_construct_reads_them(reader: Any, name: str) -> None:  # noqa: ANN401
    """Every header, section, event and seal of every sound vector."""
    data = bytes_of("block", name)
    items = reader.from_bytes(data).items
    for item in items:
        block = parse.parse_block(data)
        data = data[block.header["length"] :]
        found = item.content
        assert fields_of(found.header, block.header) == block.header
        assert fields_of(found.seal, block.seal) == block.seal
        assert len(found.body.sections) == len(block.sections)
        for section, expected in zip(found.body.sections, block.sections, strict=True):
            assert int(section.kind) == expected.kind
            assert section_of(section, expected) == expected.content

    assert data == b""


def section_of(section: Any, expected: parse.ParsedSection) -> Any:  # noqa: ANN401 - by kind
    """Return a section's content in the shape construct gives it."""
    content = expected.content
    payload = section.payload
    if content is None:
        assert payload == expected.payload
        return None
    if isinstance(content, list):
        found = payload.runs if expected.kind == layout.SECTION_STATES else payload.sets
        return [fields_of(one, wanted) for one, wanted in zip(found, content, strict=True)]
    if expected.kind == layout.SECTION_EVENTS:
        return {
            "head": fields_of(payload.head, content["head"]),
            "events": [
                {"head": fields_of(one.head, wanted["head"]), "body": body_of(one, wanted["body"])}
                for one, wanted in zip(payload.events, content["events"], strict=True)
            ],
        }
    return texts_of(fields_of(payload, content))


def texts_of(read: dict[str, Any]) -> dict[str, Any]:
    """Take the text out of each length and text."""
    return {name: value.text if hasattr(value, "text") else value for name, value in read.items()}


def body_of(event: Any, wanted: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - by kind
    """Return an event's body in the shape construct gives it."""
    if set(wanted) == {"bytes"}:
        return {"bytes": event.body}
    return texts_of(fields_of(event.body, wanted))


@pytest.mark.parametrize("name", ["by_hand.txt", "every_record.txt", "torn_record.txt"])
def test_journals_are_read_up_to_the_torn_tail(reader: Any, name: str) -> None:  # noqa: ANN401
    """Kinds and bodies of whole records; a record that is cut short is not whole."""
    data = bytes_of("journal", name)
    journal = parse.parse_journal(data)
    (item,) = reader.from_bytes(data).items
    whole = [record for record in item.content.records if record.is_whole]
    samples = [
        [record.body.lateness_ms, *record.body.codes]
        for record in whole
        if record.kind == layout.JOURNAL_SAMPLE
    ]

    assert fields_of(item.content.head, journal.head) == journal.head
    assert [int(record.kind) for record in whole] == [kind for kind, _ in journal.records]
    assert samples == [
        [int.from_bytes(body[at : at + 2], "little", signed=True) for at in range(0, len(body), 2)]
        for kind, body in journal.records
        if kind == layout.JOURNAL_SAMPLE
    ]


def test_a_log_with_its_journal_is_one_file(reader: Any) -> None:  # noqa: ANN401
    """Blocks, then the journal, told apart by their magic."""
    log = bytes_of("block", "tiny_log.txt") + bytes_of("journal", "by_hand.txt")
    kinds = [type(item.content).__name__ for item in reader(_stream(log)).items]

    assert kinds == ["Block", "Block", "Journal"]


def _stream(data: bytes) -> Any:  # noqa: ANN401 - the runtime has no types
    from kaitaistruct import KaitaiStream

    return KaitaiStream(io.BytesIO(data))
