"""Each finding and each threat has a test, and each named test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from bot.slack.routes import OPTIONAL_SCOPES, SCOPES

ROOT = Path(__file__).parents[2]
FINDINGS = (ROOT / "docs" / "findings.md").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", FINDINGS + SECURITY)))


def names_in(file: str) -> set[str]:
    """The tests of a file as pytest names them, without their parameters."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = set()
    for node in ast.parse((ROOT / file).read_text()).body:
        if isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{one.name}" for one in node.body if isinstance(one, functions)}
        elif isinstance(node, functions):
            names.add(node.name)
    return names


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_named_tests_exist(file: str, name: str) -> None:
    """Under the name that stands in the table."""
    assert name in names_in(file)


def test_every_threat_has_its_test() -> None:
    """In its own row."""
    table = SECURITY.partition("## Threats")[2].partition("\n## ")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) > 20
    assert [row for row in rows if "::test_" not in row] == []


def test_scopes_are_explained() -> None:
    """All that the manifest asks for, and nothing else."""
    table = SECURITY.partition("## What the bot may do")[2].partition("\n## ")[0]
    named = {one for row in re.findall(r"^\| (`.*?) \|", table, re.M) for one in row.split("`")}
    assert {one for one in named if one.strip(", ")} == {*SCOPES, *OPTIONAL_SCOPES}


def test_every_finding_has_its_row() -> None:
    """All of the four lists."""
    rows = re.findall(r"^\| ([HCOU][\d.]+) \|", FINDINGS, re.MULTILINE)
    wanted = [f"H{n}" for n in range(1, 33)] + [f"C4.{n}" for n in range(1, 22)]
    wanted += [f"O{n}" for n in range(1, 6)] + [f"U{n}" for n in range(1, 21)]
    assert set(wanted) <= set(rows)
    assert len(NAMED) > 60
