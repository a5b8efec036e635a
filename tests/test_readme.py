"""README names only what exists: tests, files and commands."""

from __future__ import annotations

import ast
import re
from typing import Final

import pytest

from workshop.places import ROOT

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
NAMED_TESTS: Final = sorted(set(re.findall(r"`(tests/\S+\.py)::(\w+)`", README)))
LINKS: Final = sorted(set(re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)))
TOOLS: Final = sorted(set(re.findall(r"`(tools/[\w/]+(?:\.py)?)", README)))


def _names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(("file", "name"), NAMED_TESTS)
def test_a_test_that_is_named_exists(file: str, name: str) -> None:
    """A row of the table of attacks is worth the test it names."""
    assert name in _names_in(file)


@pytest.mark.parametrize("name", [*LINKS, *TOOLS])
def test_a_file_that_is_named_exists(name: str) -> None:
    """Links and tools lead somewhere."""
    assert (ROOT / name).exists()


def test_the_table_of_attacks_is_read() -> None:
    """The patterns above find what they look for."""
    assert len(NAMED_TESTS) > 20
    assert "protocol/SPEC.md" in LINKS
    assert "tools/demo" in TOOLS
