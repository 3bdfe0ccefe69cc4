"""`make screenshots`: the README's pictures, and what they say, for the test of their age."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

from bot import logs
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from tests.browser.stage import CHROMIUM, SCENES, content, playground, windows_to

DOCS = Path(__file__).parents[2] / "docs"
CONTENTS = DOCS / "pictures.json"


async def scene(name: str, picture: Path | None = None) -> list[str]:
    """Plays a scene; takes its picture, and gives what it says."""
    async with (
        FullstorySandbox().running() as fullstory,
        SlackSandbox().running() as slack,
        playground(slack, fullstory) as address,
        windows_to(address) as windows,
    ):
        page = await SCENES[name](windows)
        if picture:
            await page.screenshot(path=picture, animations="disabled", caret="hide")
        return await content(page)


async def _take() -> None:
    DOCS.mkdir(exist_ok=True)
    contents: dict[str, Any] = {}
    for name in SCENES:
        picture = DOCS / f"{name}.png"
        said = await scene(name, picture)
        digest = hashlib.sha256(picture.read_bytes()).hexdigest()
        contents[name] = {"sha256": digest, "says": said}
    CONTENTS.write_text(json.dumps(contents, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if not CHROMIUM:
        sys.exit("There is no Chromium here. On Debian: apt-get install chromium")
    os.environ["NO_PROXY"] = "*"
    logs.configure("ERROR", "console")
    asyncio.run(_take())
