"""`make screenshots`: the README's pictures, and what they say, for the test of their age.

Only those are taken that say something else than before; `--all` takes each of them.
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
from tests.browser.scenes import SCENES, film, frame, said, states
from tests.browser.stage import CHROMIUM, Windows, playground, windows_to

DOCS: Final = Path(__file__).parents[2] / "docs"
CONTENTS: Final = DOCS / "pictures.json"
_STATES: Final = {
    f"states-{width}-{look}": (width, look == "dark")
    for width in (390, 1280)
    for look in ("light", "dark")
}
FILES: Final = {
    **{name: f"{name}.png" for name in (*SCENES, *_STATES, "icon")},
    "tour": "tour.gif",
}
_IN_A_ROW: Final = 5
_GAP: Final = 8
_ICON: Final = DOCS.parent / "bot" / "sandbox" / "static" / "favicon.svg"
_ICON_PIXELS: Final = 512
"""What Slack wants at least."""


async def picture_of(name: str) -> tuple[bytes, list[str]]:
    """A picture, and what it says."""
    async with _windows() as windows:
        if name == "tour":
            return await _moving_picture(windows)
        if name == "icon":
            return await _icon(windows)
        if name in _STATES:
            return await _sheet(windows, *_STATES[name])
        page, shown = await SCENES[name](windows)
        clip = await frame(shown)
        png = await page.screenshot(clip=clip, animations="disabled", caret="hide")
        return png, await said(shown)


async def _sheet(windows: Windows, width: int, dark: bool) -> tuple[bytes, list[str]]:  # noqa: FBT001
    """All states beside one another, five in a row."""
    images: list[Image.Image] = []
    lines: list[str] = []
    async for page, shown in states(windows, width, dark=dark):
        png = await page.screenshot(animations="disabled", caret="hide")
        images.append(Image.open(io.BytesIO(png)).convert("RGB"))
        lines += [f"-- {len(images)} --", *await said(shown)]
    wide, high = images[0].size
    rows = -(-len(images) // _IN_A_ROW)
    sheet = Image.new("RGB", (_IN_A_ROW * (wide + _GAP), rows * (high + _GAP)), "gray")
    for number, image in enumerate(images):
        row, column = divmod(number, _IN_A_ROW)
        sheet.paste(image, (column * (wide + _GAP), row * (high + _GAP)))
    made = io.BytesIO()
    sheet.quantize(64, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
    return made.getvalue(), lines


async def _icon(windows: Windows) -> tuple[bytes, list[str]]:
    """The app's, for Slack; it has no words, so what is drawn stands for them."""
    page = await windows.blank(_ICON_PIXELS)
    await page.goto(_ICON.as_uri())
    return await page.screenshot(omit_background=True), [_ICON.read_text().strip()]


async def _moving_picture(windows: Windows) -> tuple[bytes, list[str]]:
    """Its frames, and each line that they say, once."""
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
async def _windows() -> AsyncIterator[Windows]:
    async with (
        FullstorySandbox().running() as fullstory,
        SlackSandbox().running() as slack,
        playground(slack, fullstory) as address,
        windows_to(address) as windows,
    ):
        yield windows


async def _take(*, all_of_them: bool) -> None:
    kept: dict[str, Any] = json.loads(CONTENTS.read_text()) if CONTENTS.exists() else {}
    for name, file in FILES.items():
        picture, says = await picture_of(name)
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
    logs.configure("ERROR", "console", recording=False)
    asyncio.run(_take(all_of_them="--all" in sys.argv))
