"""The playground with a real Chromium in front of it: for the tests, and for the README's pictures.

What the pictures show is a scene here, so that a test can tell when a picture is of another time.
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlencode

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.playground import Playground, seed
from bot.sandbox.server import serving
from bot.sandbox.settings import settings_for
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import CHANNEL, TICKETS, USER
from bot.service import running

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), "")
# It runs as root in containers, and asks its maker for nothing.
_FLAGS: Final = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# Times of day are of the day on which somebody looks; everything else is content.
_CONTENT: Final = """() => {
  for (const time of document.querySelectorAll("time")) time.textContent = "‹time›";
  const place = document.querySelector("dialog[open]") ?? document.body;
  return place.innerText.replace(/\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d/g, "‹time›").split("\\n");
}"""


class Windows:
    """People's browser windows; `faults` are errors of a page, and requests to elsewhere."""

    def __init__(self, browser: Browser, address: str) -> None:
        self._browser = browser
        self.address = address
        self.faults: list[str] = []

    async def open(
        self,
        person: str = USER,
        channel: str = TICKETS,
        *,
        dark: bool = False,
        width: int = 1000,
        height: int = 760,
        zone: str = "Europe/Berlin",
    ) -> Page:
        """The page as this person sees it."""
        page = await self._browser.new_page(
            viewport={"width": width, "height": height},
            color_scheme="dark" if dark else "light",
            timezone_id=zone,
            locale="en-GB",
            reduced_motion="reduce",
        )
        page.set_default_timeout(8000)
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("request", self._asked)
        await page.goto(f"{self.address}/#{urlencode({'as': person, 'in': channel})}")
        await page.wait_for_selector("[data-channel]", state="attached")
        return page

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.address):
            self.faults.append(f"request: {request.url}")


@asynccontextmanager
async def playground(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[str]:
    """Its address, in front of the real bot, with tickets and the offers under them."""
    settings = settings_for(slack, fullstory, support_channels=(TICKETS,))
    async with running(settings) as service:
        slack.request_url = f"http://127.0.0.1:{service.port}/slack/events"
        await seed(slack)
        async with serving(Playground(slack, fullstory).app()) as address:
            yield address
        await slack.told()


@asynccontextmanager
async def windows_to(address: str) -> AsyncIterator[Windows]:
    """A browser for the windows."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield Windows(browser, address)
        finally:
            await browser.close()


async def say(page: Page, text: str) -> None:
    """Types into the message box."""
    await page.fill("#say", text)
    await page.press("#say", "Enter")


async def only_you(page: Page, text: str) -> None:
    """Waits for a message that this person alone sees."""
    await page.wait_for_selector(f".only-you:has-text({text!r})")


async def content(page: Page) -> list[str]:
    """What a page or its dialog says, line by line, but for times."""
    return [line.strip() for line in await page.evaluate(_CONTENT) if line.strip()]


# -- The README's pictures ------------------------------------------------------------------------


async def _command(windows: Windows, *, dark: bool) -> Page:
    page = await windows.open(channel=CHANNEL, dark=dark, height=560)
    await say(page, "/fsessions jane@example.com 4")
    await only_you(page, "Latest 4 sessions")
    return page


async def _in_the_light(windows: Windows) -> Page:
    return await _command(windows, dark=False)


async def _in_the_dark(windows: Windows) -> Page:
    return await _command(windows, dark=True)


async def _offer(windows: Windows) -> Page:
    page = await windows.open(height=640)
    await page.locator("article:has-text('empty page') + article button").first.click()
    await only_you(page, "Several people")
    await page.click("text=omar@example.com >> nth=-1")
    await only_you(page, "1 session of omar@example.com")
    return page


async def _from_message(windows: Windows) -> Page:
    page = await windows.open(channel=CHANNEL, height=560)
    await page.click("[aria-label='More actions on the message of Mia']")
    return page


async def _form(windows: Windows) -> Page:
    page = await windows.open(channel=CHANNEL, height=560)
    await page.click("#shortcut")
    await page.fill("#field-person", "jane@")
    await page.click("dialog[open] [type=submit]")
    await page.wait_for_selector("text=complete e-mail address")
    return page


async def _step(windows: Windows) -> Page:
    page = await windows.open(height=900)
    await page.click("#workflow")
    await page.fill("[name=limit]", "2")
    await page.click("#step-form .primary")
    await page.wait_for_selector("#step-end table")
    return page


async def _mention(windows: Windows) -> Page:
    page = await windows.open(height=560)
    await say(page, "@fsessions can you look at omar@example.com, please?")
    await only_you(page, "1 session of omar@example.com")
    return page


async def _home(windows: Windows) -> Page:
    page = await windows.open(channel="D0SUPPORT", height=700)
    await page.click("#tab-home")
    await page.wait_for_selector("#home h3")
    return page


SCENES: Final[dict[str, Callable[[Windows], Awaitable[Page]]]] = {
    "playground-light": _in_the_light,
    "playground-dark": _in_the_dark,
    "offer": _offer,
    "message-shortcut": _from_message,
    "form": _form,
    "step": _step,
    "mention": _mention,
    "home": _home,
}
"""What each picture in `docs/` shows."""
