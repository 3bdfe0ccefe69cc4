"""`make screenshots`: takes the README's pictures, and records what they say.

Only pictures that say something else than before are taken; `--all` takes all of them.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from PIL import Image

from bot import logs
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from tests.browser.scenes import SCENES, film, frame, said
from tests.browser.stage import CHROMIUM, Windows, chromium, playground, windows_to

DOCS: Final = Path(__file__).parents[2] / "docs"
CONTENTS: Final = DOCS / "pictures.json"
FILES: Final = {
    **{name: f"{name}.png" for name in (*SCENES, "icon")},
    "tour": "tour.gif",
}
_ICON: Final = DOCS.parent / "bot" / "sandbox" / "static" / "favicon.svg"
_ICON_PIXELS: Final = 512
"""Slack's minimum."""


async def picture_of(name: str, devtools: str) -> tuple[bytes, list[str]]:
    """Return a picture, and what it says; `devtools` is the address of a Chromium."""
    async with _windows(devtools) as windows:
        if name == "tour":
            return await _moving_picture(windows)
        if name == "icon":
            return await _icon(windows)
        page, shown = await SCENES[name](windows)
        clip = await frame(shown)
        png = await page.screenshot(clip=clip, animations="disabled", caret="hide")
        return png, await said(shown)


async def _icon(windows: Windows) -> tuple[bytes, list[str]]:
    """Return the app's icon for Slack, and its source instead of words."""
    page = await windows.blank(_ICON_PIXELS)
    await page.goto(_ICON.as_uri())
    return await page.screenshot(omit_background=True), [_ICON.read_text().strip()]


async def _moving_picture(windows: Windows) -> tuple[bytes, list[str]]:
    """Return the frames, and each line that they say, once."""
    images: list[Image.Image] = []
    durations: list[int] = []
    lines: dict[str, None] = {}
    async for page, milliseconds in film(windows):
        png = await page.screenshot(animations="disabled", caret="hide")
        image = Image.open(io.BytesIO(png)).convert("RGB")
        images.append(image.quantize(128, dither=Image.Dither.NONE))
        durations.append(milliseconds)
        lines |= dict.fromkeys(await said((page.locator("main"), page.locator("#thread"))))
    made = io.BytesIO()
    first, *others = images
    first.save(made, "GIF", save_all=True, append_images=others, duration=durations, loop=0)
    return made.getvalue(), list(lines)


@asynccontextmanager
async def _windows(devtools: str) -> AsyncIterator[Windows]:
    async with (
        FullstorySandbox().running() as fullstory,
        SlackSandbox().running() as slack,
        playground(slack, fullstory) as address,
        windows_to(address, devtools) as windows,
    ):
        yield windows


async def _take(devtools: str, *, all_of_them: bool) -> None:
    kept: dict[str, Any] = json.loads(CONTENTS.read_text()) if CONTENTS.exists() else {}
    for name, file in FILES.items():
        picture, says = await picture_of(name, devtools)
        if all_of_them or kept.get(name, {}).get("says") != says:
            (DOCS / file).write_bytes(picture)
            kept[name] = {"sha256": hashlib.sha256(picture).hexdigest(), "says": says}
            sys.stdout.write(f"{file}: {len(picture) // 1024} KiB\n")
    kept = {name: kept[name] for name in FILES}
    CONTENTS.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if not CHROMIUM:
        sys.exit("There is no Chromium here. On Debian: apt-get install chromium")
    os.environ["NO_PROXY"] = "*"
    logs.configure("ERROR", recording=False)
    with chromium() as started:
        asyncio.run(_take(started, all_of_them="--all" in sys.argv))
