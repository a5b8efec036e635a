"""SPEC.md says what the code does: generated parts are fresh, its worked example is right."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from dewarlog_wire import layout
from dewarlog_wire.column import decode_column

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "protocol/SPEC.md").read_text(encoding="utf-8")


def test_generated_parts_are_what_the_tables_say_now() -> None:
    """A change of layout.py, session.py or a vector shows in SPEC.md in the same commit."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools/make_spec_tables.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_every_record_of_the_table_stands_in_the_spec() -> None:
    """No record is left to be guessed."""
    named = set(re.findall(r"<!-- record: (\w+) -->", SPEC))
    records = {name for name, value in vars(layout).items() if isinstance(value, layout.Record)}

    assert named == records


def test_every_constant_the_spec_names_has_its_number() -> None:
    """A stranger cannot look a name up in layout.py."""
    numbers = {name: value for name, value in vars(layout).items() if isinstance(value, int)}
    told: dict[str, bool] = {}
    for line in SPEC.splitlines():
        words = set(re.findall(r"\w+", line))
        values = {int(word, 0) for word in words if re.fullmatch(r"0x\w+|0|[1-9]\d*", word)}
        for name in words & numbers.keys():
            told[name] = told.get(name, False) or numbers[name] in values

    assert [name for name, is_told in told.items() if not is_told] == []


def test_the_column_worked_out_by_hand_decodes_as_it_says() -> None:
    """Section 4.6: values 100, 104, 101."""
    example = re.search(r"the payload is `([0-9a-f ]+)`", SPEC)
    assert example is not None

    assert list(decode_column(bytes.fromhex(example[1]), 3)) == [100, 104, 101]


def test_links_inside_the_documents_lead_somewhere() -> None:
    """SPEC.md, DESIGN.md and the vectors' README name files that exist."""
    missing = [
        f"{document}: {target}"
        for document in ("SPEC.md", "DESIGN.md", "vectors/README.md")
        for target in re.findall(
            r"\]\(([^)#]+)\)", (ROOT / "protocol" / document).read_text(encoding="utf-8")
        )
        if not (ROOT / "protocol" / document).parent.joinpath(target).exists()
    ]

    assert missing == []
