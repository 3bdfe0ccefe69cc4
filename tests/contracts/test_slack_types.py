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


def test_messages_and_modals_match_slacks_types() -> None:
    """With letters and emoji, short links and long ones; two wrong blocks show that it checks."""
    text = {"type": "mrkdwn", "text": "x"}
    block: dict[str, Any] = {"type": "section", "text": text}
    messages: dict[str, Any] = {
        "wrong-field": [block, block | {"tecst": text}],
        "wrong-type": [block, {"type": "section", "text": text | {"type": "md"}}],
    }
    modals: dict[str, Any] = {}
    for kind in ("letters", "emoji"):
        for length in (40, 1400):
            query, about = query_of(LONGEST[kind]), f"{kind}, {length}"
            everything = all_messages(query, length) | sentences()
            messages |= {f"{name}, {about}": one["blocks"] for name, one in everything.items()}
            modals |= {f"{name}, {about}": one for name, one in views(query, length).items()}
    ran = subprocess.run(
        [NODE or "", SCRIPT],
        input=json.dumps({"messages": messages, "views": modals}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    wrong = ran.stdout.splitlines()
    planted = ("/messages/wrong-field/1", "/messages/wrong-type/1")
    assert {one for one in planted if any(place.startswith(one) for place in wrong)} == {*planted}
    assert [place for place in wrong if not place.startswith(planted)] == []
