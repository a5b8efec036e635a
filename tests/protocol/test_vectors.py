"""Every golden vector means the same to every reader, and its writers have not moved."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import describe
import describe_construct
import vector_lines
from dewarlog_wire import layout, session

if TYPE_CHECKING:
    from conftest import MicroPython

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "protocol/vectors"
VECTORS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*.txt"))
# Whether a sound message may be said now is judged by one state machine, which construct has not.
JUDGED_BY_SESSION = {"session"}


def load(name: str) -> tuple[str, dict[str, str], list[str], str]:
    """Return layer, header, expected lines and data of one vector."""
    header, lines, data = vector_lines.parse_vector((FOLDER / name).read_text(encoding="utf-8"))
    return name.partition("/")[0], header, lines, data


@pytest.mark.parametrize("name", VECTORS)
def test_struct_reader_says_what_the_vector_says(name: str) -> None:
    """dewarlog_wire on CPython."""
    layer, header, lines, data = load(name)

    assert describe.outcome_of(layer, header, data) == (header["expect"], lines)


@pytest.mark.parametrize("name", VECTORS)
def test_construct_reader_says_what_the_vector_says(name: str) -> None:
    """dewarlog.parse and dewarlog.columns, which nest and check on their own."""
    layer, header, lines, data = load(name)
    outcome, said = describe_construct.outcome_of(layer, header, data)
    if header["expect"] in JUDGED_BY_SESSION:
        assert outcome == "ok"
        return
    lines = [line for line in lines if not line.startswith("conversation")]

    assert (outcome, said) == (header["expect"], lines)


def listing() -> str:
    """Return what describe.py prints when it reads every vector as the vectors say."""
    text: list[str] = []
    for layer in describe.LAYERS:
        for name in [name for name in VECTORS if name.startswith(layer + "/")]:
            _, header, lines, _ = load(name)
            text += [f"{name}: {header['expect']}", *(f"  {line}" for line in lines)]
    return "\n".join(text) + "\n"


@pytest.mark.micropython
def test_64_bit_micropython_reads_every_vector_alike(micropython: MicroPython) -> None:
    """dewarlog_wire on the unix build."""
    done = micropython(ROOT / "tests/protocol/describe.py", str(FOLDER), cwd=Path(__file__).parent)

    assert done.stdout == listing()


@pytest.mark.micropython
def test_32_bit_micropython_reads_every_vector_alike(micropython32: MicroPython) -> None:
    """dewarlog_wire where an int of 2**30 lives on the heap, as on the boards."""
    done = micropython32(
        ROOT / "tests/protocol/describe.py", str(FOLDER), cwd=Path(__file__).parent
    )

    assert done.stdout == listing()


def test_generated_vectors_are_what_the_generator_writes_now() -> None:
    """A change of the writers that changes bytes shows here."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/make_vectors.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_each_record_of_the_format_was_typed_by_hand_once() -> None:
    """The files typed by hand judge the shared table itself: none of its records is left out."""
    by_hand = [load(name) for name in VECTORS if "/by_hand" in name]
    names = {line.split()[0] for _, _, lines, _ in by_hand for line in lines}
    events = {int(line.split("kind=")[1].split()[0]) for _, _, lines, _ in by_hand
              for line in lines if line.startswith("event ")}  # fmt: skip
    messages = {
        int(line.split("kind=")[1].split()[0], 16)
        for layer, _, lines, _ in by_hand
        for line in lines
        if layer in {"session", "proven"} and line.startswith("message")
    }
    specials = {layout.MSG_LIST | layout.REPLY, layout.MSG_DATA, layout.MSG_ERROR}
    specials |= {layout.MSG_MARK, layout.MSG_HANDOFF, layout.MSG_ACKNOWLEDGE, layout.MSG_AUTH}
    specials |= {layout.MSG_PUT, layout.MSG_PUT_END, layout.MSG_GET | layout.REPLY}
    specials.add(layout.MSG_SELFTEST | layout.REPLY)

    assert names >= {
        "block", "span", "column", "state_run", "raw_set", "identity", "text", "sampling",
        "channel", "calibration", "arming", "handling", "rule", "shock_settings", "tilt_settings",
        "shock_head", "event",
        "journal_head", "journal_span", "state", "sample", "frame", "message",
        "seal", "secret", "caveat", "judged", "proof", "tag", "sign_reply", "seed", "signed",
    }  # fmt: skip
    assert events == set(layout.EVENTS)
    assert messages == set(session.BODIES) | specials
