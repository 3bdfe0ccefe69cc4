"""The playground with a real Chromium in front of it: for the tests, and for the README's pictures.

What the pictures show is a scene here, so that a test can tell when a picture is of another time.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from subprocess import PIPE, Popen
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Final
from urllib.parse import urlencode

from playwright.async_api import Browser, ConsoleMessage, Page, Request, async_playwright

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.playground import Playground, seed
from bot.sandbox.server import serving
from bot.sandbox.settings import settings_for, temporary_database
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import TICKETS, USER
from bot.service import running
from bot.settings import Settings

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), "")
# It runs as root in containers, and asks its maker for nothing.
_FLAGS: Final = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


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
        density: float = 1,
    ) -> Page:
        """Return the page as this person sees it."""
        page = await self._browser.new_page(
            viewport={"width": width, "height": height},
            device_scale_factor=density,
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

    async def blank(self, pixels: int) -> Page:
        """Return an empty square."""
        return await self._browser.new_page(viewport={"width": pixels, "height": pixels})

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(f"console: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(self.address):
            self.faults.append(f"request: {request.url}")


@asynccontextmanager
async def playground(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[str]:
    """Its address, in front of the real bot, with tickets and the offers under them."""
    # A budget as long as can be: a busy machine is no reason for "This search takes longer".
    budget = {"answer_budget_seconds": 2.5}
    async with temporary_database() as url:
        auditing = {"database_url": url, "audit_key": "key", "auditors": (USER,)}
        others = {"support_channels": (TICKETS,), "insights": True} | budget | auditing
        async with _in_front_of(settings_for(slack, fullstory, **others), slack, fullstory) as page:
            yield page


@asynccontextmanager
async def _in_front_of(
    settings: Settings, slack: SlackSandbox, fullstory: FullstorySandbox
) -> AsyncIterator[str]:
    async with running(settings) as service:
        slack.request_url = f"http://127.0.0.1:{service.port}/slack/events"
        await seed(slack)
        async with serving(Playground(slack, fullstory).app()) as address:
            yield address
        await slack.told()


@contextmanager
def chromium() -> Iterator[str]:
    """Start Chromium and yield its address for DevTools; starting it takes as long as a test."""
    with (
        TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        Popen([CHROMIUM, *_FLAGS, f"--user-data-dir={profile}"], stderr=PIPE, text=True) as process,
    ):
        try:
            lines = process.stderr or ()
            address = next(filter(None, (re.search(r"ws://\S+", line) for line in lines)))[0]
            Thread(target=list, args=(lines,), daemon=True).start()  # its other messages
            yield address
        finally:
            process.terminate()


@asynccontextmanager
async def windows_to(address: str, devtools: str) -> AsyncIterator[Windows]:
    """Yield the windows of a browser that `chromium` started."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(devtools)
        try:
            yield Windows(browser, address)
        finally:
            await browser.close()


async def say(page: Page, text: str) -> None:
    """Type into the message box."""
    await page.fill("#say", text)
    await page.press("#say", "Enter")


async def only_you(page: Page, text: str) -> None:
    """Wait for a message that this person alone sees."""
    await page.wait_for_selector(f".only-you:has-text({text!r})")
