"""Windows onto the playground, or a reason why there are none."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from tests.browser.stage import CHROMIUM, Windows, playground, windows_to


@pytest.fixture
async def address(slack: SlackSandbox, fullstory: FullstorySandbox) -> AsyncIterator[str]:
    """Yield the playground's address."""
    async with playground(slack, fullstory) as url:
        yield url


@pytest.fixture
async def windows(address: str) -> AsyncIterator[Windows]:
    """Windows onto it; none may make an error, or a request to elsewhere."""
    if not CHROMIUM:
        pytest.skip("there is no Chromium here; on Debian: apt-get install chromium")
    async with windows_to(address) as opened:
        yield opened
    assert opened.faults == []
