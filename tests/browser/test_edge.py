"""The playground's server: for this page alone, which asks for nothing from elsewhere."""

from __future__ import annotations

import re

import aiohttp
import pytest

from bot.sandbox.slack import SlackSandbox

SAY = {"do": "say", "as": "U0SUPPORT", "channel": "C0TICKETS", "text": "hello"}


async def test_policy(address: str) -> None:
    """Nothing but the page's own files, and no script or style in the page itself."""
    async with aiohttp.ClientSession() as http, http.get(address) as response:
        policy = response.headers["Content-Security-Policy"]
        page = await response.text()
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)", page)


async def test_own_requests(address: str, slack: SlackSandbox) -> None:
    """Are done."""
    headers = {"Origin": address}
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{address}/api/do", json=SAY, headers=headers) as response,
    ):
        assert response.status == 200
    assert slack.screen[-1].message["text"] == "hello"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "https://evil.example"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
    ],
)
async def test_other_pages(address: str, slack: SlackSandbox, headers: dict[str, str]) -> None:
    """Are refused, whatever they are called; nothing is done."""
    before = len(slack.screen)
    async with aiohttp.ClientSession() as http:
        async with http.post(f"{address}/api/do", json=SAY, headers=headers) as response:
            assert response.status == 403
        if "Host" in headers:
            async with http.get(f"{address}/api/state", headers=headers) as response:
                assert response.status == 403
    assert len(slack.screen) == before


@pytest.mark.parametrize("asked", [{}, {"do": "fly", "as": "U0SUPPORT"}, {"do": "press"}])
async def test_nonsense(address: str, asked: dict[str, str]) -> None:
    """Is refused."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{address}/api/do", json=asked, headers={"Origin": address}) as response,
    ):
        assert response.status == 400


@pytest.mark.parametrize("path", ["nothing.js", "api/state?as=U0NOBODY"])
async def test_not_found(address: str, path: str) -> None:
    """As anywhere."""
    async with aiohttp.ClientSession() as http, http.get(f"{address}/{path}") as response:
        assert response.status == 404
