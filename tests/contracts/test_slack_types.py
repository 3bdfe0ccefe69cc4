"""Every message and view is what Slack's own published types describe.

`@slack/types` is turned into a JSON schema by `slack_types/check.mjs`; `make test` installs what
that takes where there is npm.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contracts.worst_cases import LONGEST, all_messages, query_of, sentences, views

SCRIPT = Path(__file__).parent / "slack_types" / "check.mjs"
NODE = shutil.which("node")


@pytest.fixture(autouse=True)
def installed() -> None:
    """Without Node, or what it needs, nothing can be said."""
    if not NODE or not (SCRIPT.parent / "node_modules").exists():
        pytest.skip("there is no Node here, or no npm at set-up: Slack's types are not looked at")


def wrong(sent: dict[str, Any]) -> str:
    """Where this is not as Slack's types want it, or ""."""
    ran = subprocess.run(
        [NODE or "", SCRIPT], input=json.dumps(sent), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.mark.parametrize("kind", ["letters", "emoji"])
def test_types(kind: str) -> None:
    """In all their forms, with short links and long ones."""
    query = query_of(LONGEST[kind])
    for length in (40, 1400):
        everything = all_messages(query, length) | sentences()
        blocks = {name: message["blocks"] for name, message in everything.items()}
        assert wrong({"messages": blocks, "views": views(query, length)}) == ""


def test_the_judge_can_say_no() -> None:
    """A word that Slack doesn't know is found, and where it stands."""
    text = {"type": "mrkdwn", "text": "x"}
    block: dict[str, Any] = {"type": "section", "text": text}
    for wrong_block in (
        block | {"tecst": text},
        {"type": "section", "text": text | {"type": "md"}},
    ):
        found = wrong({"messages": {"one": [block, wrong_block]}, "views": {}})
        assert "/messages/one/1" in found
        assert "/messages/one/0" not in found
