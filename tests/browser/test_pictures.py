"""The pictures in docs/ are of the current state: by what they say, not by their pixels."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.browser.pictures import CONTENTS, DOCS, FILES, picture_of

README = (Path(__file__).parents[2] / "README.md").read_text()
KEPT = json.loads(CONTENTS.read_text())


def test_every_picture_is_shown() -> None:
    """And no other."""
    kept = {file.name for file in DOCS.iterdir() if file.suffix in (".png", ".gif")}
    shown = set(re.findall(r"docs/([\w-]+\.(?:png|gif))", README))
    assert shown == set(FILES.values()) == kept


@pytest.mark.parametrize("name", FILES)
async def test_picture(name: str, devtools: str) -> None:
    """It is the one that was taken, and the scene says the same today. Else: `make screenshots`."""
    taken = (DOCS / FILES[name]).read_bytes()
    assert hashlib.sha256(taken).hexdigest() == KEPT[name]["sha256"]
    _, says = await picture_of(name, devtools)
    assert says == KEPT[name]["says"]
