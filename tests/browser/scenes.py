"""The README's pictures, as scenes that are played in the playground.

A test plays them too: it tells when a picture shows what the bot no longer says.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from playwright.async_api import FloatRect, Locator, Page

from bot.sandbox.workspace import CHANNEL, DIRECT
from bot.slack.texts import STILL_LOOKING
from tests.browser.stage import Windows, only_you, say

# Pictures are read on screens of double density.
_DENSITY: Final = 2
# What differs from day to day, from one time of day to another, and at each failure.
_TIMES: Final = re.compile(
    r"\b\d{1,2}:\d\d(:\d\d)?( [AP]M)?|\b\d+ (minute|hour|day|month)s? ago"
    r"|\b(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day\b.*|\b(To|Yester)day\b|\b\d{4}-\d\d-\d\d"
    r"|\b\d+ (min|h)\b|(?<=[Rr]eference )[0-9a-f]{8}"
)
_NOTHING_ELSE: Final = re.compile(r"[\s·•,.at]*(‹time›[\s·•,.at]*)*")

_PHONE: Final = 640
"""Pixels: narrower screens are phones."""

Shot = tuple[Page, tuple[Locator, ...]]
"""A page, and what of it is in the picture."""


async def _open(windows: Windows, channel: str, *, dark: bool = False, height: int = 900) -> Page:
    return await windows.open(
        channel=channel, dark=dark, width=1000, height=height, density=_DENSITY
    )


def _answer(page: Page) -> tuple[Locator, ...]:
    return (page.locator("article").last,)


async def _command(windows: Windows, *, dark: bool) -> Shot:
    page = await _open(windows, CHANNEL, dark=dark)
    await say(page, "/fsessions jane@example.com 5")
    await only_you(page, "Latest 5 sessions")
    return page, _answer(page)


async def _in_the_light(windows: Windows) -> Shot:
    return await _command(windows, dark=False)


async def _in_the_dark(windows: Windows) -> Shot:
    return await _command(windows, dark=True)


async def _offer(windows: Windows) -> Shot:
    page = await windows.open(width=1000, height=760, density=_DENSITY)
    await page.locator(".replies-bar").first.click()
    await page.locator("#replies button", has_text="View privately").click()
    await page.wait_for_selector("#replies .only-you:has-text('Closest before this message')")
    return page, (page.locator("#thread"),)


async def _from_message(windows: Windows) -> Shot:
    page = await _open(windows, CHANNEL)
    await page.click("[aria-label='More actions on the message of Mia']")
    tools = page.locator(".tools", has=page.locator(".popup:visible"))
    shown = (".day", "article:first-of-type", ".popup:visible")
    return page, (tools, *(page.locator(one).first for one in shown))


async def _form(windows: Windows) -> Shot:
    page = await _open(windows, CHANNEL)
    await page.click("#shortcut")
    await page.fill("#field-person", "jane@")
    await page.click("dialog[open] [type=submit]")
    await page.wait_for_selector("text=complete e-mail address")
    return page, (page.locator("dialog[open]"),)


async def _share(windows: Windows) -> Shot:
    page, _ = await _command(windows, dark=False)
    await page.click("text=Share…")
    await page.wait_for_selector("dialog[open] #field-which")
    return page, (page.locator("dialog[open]"),)


async def _insight(windows: Windows) -> Shot:
    page, _ = await _offer(windows)
    await page.set_viewport_size({"width": 1000, "height": 1000})
    await page.locator("#replies button", has_text="What happened?").click()
    await page.wait_for_selector("dialog[open] >> text=Failed request")
    return page, (page.locator("dialog[open]"),)


async def _bug_report(windows: Windows) -> Shot:
    page, _ = await _insight(windows)
    await page.click("dialog[open] >> text=Bug report…")
    await page.wait_for_selector("dialog[open] textarea")
    return page, (page.locator("dialog[open]"),)


async def _step(windows: Windows) -> Shot:
    page = await windows.open(width=1000, height=1100, density=_DENSITY)
    await page.click("#workflow")
    await page.fill("[name=limit]", "2")
    await page.click("#step-form .primary")
    await page.wait_for_selector("#step-end table")
    return page, (page.locator("dialog[open]"),)


async def _mention(windows: Windows) -> Shot:
    page = await windows.open(width=1000, height=900, density=_DENSITY)
    await say(page, "@fsessions can you look at omar@example.com, please?")
    await only_you(page, "1 session")
    return page, (page.locator("article", has_text="can you look"), page.locator(".only-you").last)


async def _home(windows: Windows) -> Shot:
    page = await _open(windows, DIRECT, height=1200)
    await page.click("#tab-home")
    await page.wait_for_selector("#home h3")
    return page, tuple(await page.locator("#home > *").all())


async def _audit(windows: Windows) -> Shot:
    page = await _open(windows, CHANNEL)
    await say(page, "/fsessions jane@example.com 3")
    await only_you(page, "Latest 3 sessions")
    await page.locator("text=Share…").last.click()
    await page.wait_for_selector("dialog[open] #field-which")
    await page.click("dialog[open] [type=submit]")
    await only_you(page, "Shared in")
    page = await _open(windows, DIRECT)
    await page.click("#tab-home")
    await page.click("#home >> text=Who looked up a customer…")
    await page.fill("#field-person", "jane@example.com")
    await page.click("dialog[open] [type=submit]")
    await page.wait_for_selector("dialog[open] >> text=2 entries")
    return page, (page.locator("dialog[open]"),)


SCENES: Final[dict[str, Callable[[Windows], Awaitable[Shot]]]] = {
    "answer-light": _in_the_light,
    "answer-dark": _in_the_dark,
    "offer": _offer,
    "message-shortcut": _from_message,
    "form": _form,
    "insight": _insight,
    "bug-report": _bug_report,
    "share": _share,
    "step": _step,
    "mention": _mention,
    "home": _home,
    "audit": _audit,
}
"""What each picture in `docs/` shows."""


async def film(windows: Windows) -> AsyncIterator[tuple[Page, int]]:
    """Yield the moving picture: each of its frames, and for how many milliseconds it is shown."""
    page = await windows.open(channel=CHANNEL, width=1000, height=620, density=1.5)
    yield page, 1200
    command = "/fsessions jane@example.com 5"
    for end in (4, 10, 15, 20, 27, len(command)):
        await page.fill("#say", command[:end])
        yield page, 220
    await page.press("#say", "Enter")
    await only_you(page, "Latest 5 sessions")
    yield page, 3500
    await page.click("text=Share…")
    await page.wait_for_selector("dialog[open] #field-which")
    yield page, 2500
    await page.click("dialog[open] [type=submit]")
    await only_you(page, "Shared in")
    yield page, 2800
    await page.click("[data-channel]:has-text('tickets')")
    await page.wait_for_selector(".replies-bar")
    yield page, 1200
    await page.locator(".replies-bar").first.click()
    yield page, 1800
    await page.locator("#replies button", has_text="View privately").click()
    await page.wait_for_selector("#replies .only-you:has-text('Closest before this message')")
    yield page, 4000


async def frame(shown: tuple[Locator, ...]) -> FloatRect:
    """Return the smallest part of the page that holds all of these."""
    boxes = [box for one in shown if (box := await one.bounding_box())]
    left, top = (min(box[side] for box in boxes) for side in ("x", "y"))
    right = max(box["x"] + box["width"] for box in boxes)
    bottom = max(box["y"] + box["height"] for box in boxes)
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


async def said(shown: tuple[Locator, ...]) -> list[str]:
    """Return what these say, line by line, without times and progress messages."""
    return [
        line
        for one in shown
        for text in (await one.inner_text()).splitlines()
        if (line := _TIMES.sub("‹time›", text).strip()) and not _NOTHING_ELSE.fullmatch(line)
        if line != STILL_LOOKING
    ]
