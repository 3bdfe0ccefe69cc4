"""Windows onto the playground, or a reason why there are none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from tests.browser.stage import CHROMIUM, Windows, chromium, playground, windows_to


@pytest.fixture
async def address(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[str]:
    """Yield the playground's address."""
    async with playground(slack, fullstory) as url:
        yield url


@pytest.fixture(scope="session")
def devtools() -> Iterator[str]:
    """One Chromium for all tests, each of which opens windows of its own."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium here; on Debian: apt-get install chromium")
    with chromium() as address:
        yield address


@pytest.fixture
async def windows(address: str, devtools: str) -> AsyncIterator[Windows]:
    """Windows onto it; none may make an error, or a request to elsewhere."""
    async with windows_to(address, devtools) as opened:
        yield opened
    assert opened.faults == []
