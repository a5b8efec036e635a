"""The documents and the tree of errors name what exists: tests, files, codes, commands."""

from __future__ import annotations

import ast
import re
from typing import Final

import pytest
import typer.main

from dewarlog import cli, console, errors
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


EXIT_CODE_ROW: Final = re.compile(r"^\| (\d+) \| (.+) \|$", re.MULTILINE)
NODE: Final = re.compile(r"^ {4}[ |`-]*- (\w+) +(\d+) ", re.MULTILINE)


def test_the_exit_codes_are_those_of_the_program() -> None:
    """README and every help page say the same of each code there is."""
    told = [(int(code), meaning) for code, meaning in EXIT_CODE_ROW.findall(README)]
    assert told == [(int(code), meaning) for code, meaning in console.EXIT_CODES]
    assert {code for code, _ in told} == set(errors.ExitCode)


def test_the_tree_of_errors_is_whole() -> None:
    """Every class of errors stands in its docstring, with its exit code, and no other."""
    tree = {name: int(code) for name, code in NODE.findall(errors.__doc__ or "")}
    classes = {
        name: int(one.exit_code)
        for name, one in vars(errors).items()
        if isinstance(one, type)
        and issubclass(one, errors.DewarlogError)
        and one is not errors.DewarlogError
    }
    assert tree == classes


def test_every_command_is_in_the_changelog() -> None:
    """A release says what came with it."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    names = {
        command.name or getattr(command.callback, "__name__", "")
        for command in cli.app.registered_commands
    }
    assert {name for name in names if f"`{name}" not in text} == set()


DOCUMENTS: Final = (
    "README.md",
    "CHANGELOG.md",
    "firmware/README.md",
    "firmware/bench.md",
    "tools/simboard/README.md",
    "protocol/DESIGN.md",
    "protocol/SPEC.md",
)
SHOWN: Final = re.compile(r"(?:^ *\$ |`)dewarlog ([a-z][^`\n]*?)(?:  +#.*)?(?:`|$)", re.MULTILINE)
OPTION: Final = re.compile(r"(?<!\S)--?[a-z][\w-]*")


def _unknown_in(shown: str) -> list[str]:
    """Return what of a shown command line the program does not know."""
    command = typer.main.get_command(cli.app)
    words = shown.split()
    while words and isinstance(inner := getattr(command, "commands", None), dict):
        if words[0] not in inner:
            return [words[0]]
        command = inner[words.pop(0)]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    return [name for name in OPTION.findall(" ".join(words)) if name not in {*known, "--help"}]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_command_that_is_shown_exists_with_its_options(name: str) -> None:
    """What a document tells to type is understood."""
    shown = SHOWN.findall((ROOT / name).read_text(encoding="utf-8"))
    assert {line: unknown for line in shown if (unknown := _unknown_in(line))} == {}


def test_the_commands_that_are_shown_are_read() -> None:
    """The pattern above finds what it looks for, and what is unknown is told."""
    assert len(SHOWN.findall(README)) > 25
    assert _unknown_in("pull usb:x --check --chekc") == ["--chekc"]
    assert _unknown_in("token mkae") == ["mkae"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_link_of_a_document_leads_somewhere(name: str) -> None:
    """To a file, and to a heading of it."""
    for target, place in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", (ROOT / name).read_text()):
        file = (ROOT / name).parent / target if target else ROOT / name
        headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE) if place else []
        places = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
        assert (target, file.exists(), place, not place or place in places) == (
            *(target, True),
            *(place, True),
        )
