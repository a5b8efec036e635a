"""Write the generated parts of protocol/SPEC.md from the files that define them.

    python tools/make_spec_tables.py [--check]

A generated part stands between `<!-- what: name -->` and `<!-- end -->`:

    record: NAME        fields of one record of layout.py, with the comment beside each
    constants: PREFIX   numbers of layout.py whose names begin so, or with one of PREFIX,PREFIX
    names: NAME         a tuple of names of layout.py, numbered from 0
    steps: NAME         a table of session.py: who says what, and what becomes of each state
    vector: FILE        the bytes of a golden vector, and what they say

`--check` writes nothing and fails when a part is not what it would write.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from pathlib import Path
from typing import Any, Final

_ROOT: Final = Path(__file__).parents[1]
sys.path[:0] = [str(_ROOT / "protocol")]

from dewarlog_wire import layout, session  # noqa: E402

SPEC: Final = _ROOT / "protocol/SPEC.md"
_LAYOUT: Final = _ROOT / "protocol/dewarlog_wire/layout.py"
_VECTORS: Final = _ROOT / "protocol/vectors"
_PART: Final = re.compile(
    r"(<!-- (record|constants|names|steps|vector): (\S+) -->\n).*?(<!-- end -->)", re.DOTALL
)
_TYPES: Final = {"B": "u8", "b": "i8", "H": "u16", "h": "i16", "I": "u32", "i": "i32"}


def comments_by_line(source: str) -> dict[int, str]:
    """Return the comment at the end of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {
        token.start[0]: token.string.lstrip("# ")
        for token in tokens
        if token.type == tokenize.COMMENT
    }


_SOURCE: Final = _LAYOUT.read_text(encoding="utf-8")
_COMMENTS: Final = comments_by_line(_SOURCE)


def _assignments() -> list[tuple[str, ast.Assign]]:
    """Return the module's `NAME = value` statements, in order."""
    return [
        (node.targets[0].id, node)
        for node in ast.parse(_SOURCE).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    ]


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Write a Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def record_table(name: str) -> str:
    """Write one record: offset, field, type, unit and what the table says beside it."""
    record: layout.Record = getattr(layout, name)
    call = dict(_assignments())[name].value
    assert isinstance(call, ast.Call)  # noqa: S101 - every record is made by Record(...)
    rows: list[tuple[str, ...]] = []
    for (field, code, value, unit), node in zip(record.fields, call.args[1:], strict=True):
        kind = f"bytes({code[:-1]})" if code.endswith("s") else _TYPES[code]
        rows.append(
            (
                str(record.offset_of(field)),
                f"`{field}`",
                kind,
                _unit(value, unit),
                _COMMENTS.get(node.end_lineno or 0, ""),
            )
        )
    rows.append((str(record.size), "", "", "", "*bytes in all*"))
    return table(("offset", "field", "type", "one count is", ""), rows)


def _unit(value: float, unit: str) -> str:
    if value == 1:
        return "byte" if unit == "bytes" else unit
    return f"1/{round(1 / value)} {unit}"


def constants_table(listed: str) -> str:
    """Write the numbers whose names begin with one of the listed prefixes."""
    prefixes = tuple(listed.split(","))
    rows: list[tuple[str, ...]] = []
    for name, node in _assignments():
        value: Any = getattr(layout, name)
        if name.startswith(prefixes) and isinstance(value, int):
            number = f"0x{value:02x}" if listed == "MSG_" else str(value)
            rows.append((number, f"`{name}`", _COMMENTS.get(node.end_lineno or 0, "")))
    return table(("value", "name", ""), rows)


def names_table(name: str) -> str:
    """Write a tuple of names."""
    names: tuple[str, ...] = getattr(layout, name)
    return table(("value", "means"), [(str(value), text) for value, text in enumerate(names)])


def steps_table(name: str) -> str:
    """Write one transition table: a row for who says what, a column for each state."""
    steps: dict[tuple[str, str], dict[str, str]] = getattr(session, name)
    states = list(dict.fromkeys(state for step in steps.values() for state in step))
    rows = [
        (who, what, *(step.get(state, "-") for state in states))
        for (who, what), step in steps.items()
    ]
    return table(("who", "says", *(f"in *{state}*" for state in states)), rows)


def vector_text(name: str) -> str:
    """Write a vector's bytes and what they say."""
    head, _, data = (_VECTORS / name).read_text(encoding="utf-8").partition("\n\n")
    lines = [line[2:] for line in head.splitlines() if line.startswith("  ")]
    said = "\n".join(lines)
    return f"```\n{data}```\n\nwhich says:\n\n```\n{said}\n```\n"


_WRITERS: Final = {
    "record": record_table,
    "constants": constants_table,
    "names": names_table,
    "steps": steps_table,
    "vector": vector_text,
}


def filled(text: str) -> str:
    """Return the text with every generated part written anew."""
    return _PART.sub(lambda part: part[1] + _WRITERS[part[2]](part[3]) + part[4], text)


def main() -> int:
    """Write or check SPEC.md; 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing, compare only")
    check = parser.parse_args().check
    text = SPEC.read_text(encoding="utf-8")
    wanted = filled(text)
    if wanted == text:
        return 0
    print(f"{'differs' if check else 'wrote'}: {SPEC.relative_to(_ROOT)}")
    if not check:
        SPEC.write_text(wanted, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main())
