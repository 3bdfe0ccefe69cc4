"""The README's pictures are of the current state: by what they say, not by their pixels."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from tests.browser.pictures import CONTENTS, DOCS, scene
from tests.browser.stage import CHROMIUM, SCENES

README = (Path(__file__).parents[2] / "README.md").read_text()
KEPT = json.loads(CONTENTS.read_text())


def test_every_picture_is_shown() -> None:
    """And no other."""
    assert set(re.findall(r"docs/([\w-]+)\.png", README)) == set(SCENES) == set(KEPT)
    assert {picture.stem for picture in DOCS.glob("*.png")} == set(SCENES)


@pytest.mark.parametrize("name", SCENES)
async def test_picture(name: str) -> None:
    """It is the one that was taken, and the scene says the same today. Else: `make screenshots`."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium here; on Debian: apt-get install chromium")
    taken = (DOCS / f"{name}.png").read_bytes()
    assert hashlib.sha256(taken).hexdigest() == KEPT[name]["sha256"]
    assert await scene(name) == KEPT[name]["says"]
