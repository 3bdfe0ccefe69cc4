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


def test_types() -> None:
    """Check every message and view with letters and emoji, with short links and long ones."""
    messages: dict[str, Any] = {}
    modals: dict[str, Any] = {}
    for kind in ("letters", "emoji"):
        for length in (40, 1400):
            query, about = query_of(LONGEST[kind]), f"{kind}, {length}"
            everything = all_messages(query, length) | sentences()
            messages |= {f"{name}, {about}": one["blocks"] for name, one in everything.items()}
            modals |= {f"{name}, {about}": one for name, one in views(query, length).items()}
    assert wrong({"messages": messages, "views": modals}) == ""


def test_wrong_blocks_are_found() -> None:
    """The check names an unknown field and an unknown type, and nothing else."""
    text = {"type": "mrkdwn", "text": "x"}
    block: dict[str, Any] = {"type": "section", "text": text}
    field = [block, block | {"tecst": text}]
    kind = [block, {"type": "section", "text": text | {"type": "md"}}]
    found = wrong({"messages": {"field": field, "kind": kind}, "views": {}})
    assert "/messages/field/1" in found
    assert "/messages/kind/1" in found
    assert "/0" not in found
