"""The aiohttp sessions for everything that goes out of this process: one for each neighbour.

A neighbour that answers nobody must not use up the connections to another, so each has its own. No
cookies are kept. Proxies are the environment's (HTTPS_PROXY, NO_PROXY); `.netrc` has no say, for
what it holds would clash with the keys that we send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from bot import __version__

_MOST: Final = 500  # connections to one host, so that a host that hangs leaves files for others


@dataclass(frozen=True, slots=True)
class Connections:
    """`fullstory` is for its API, `slack` for the Web API and Socket Mode.

    A connection serves one request only: bytes that nobody asked for, which a faulty proxy may send
    on a connection that is kept, would else be taken for the reply to the next person's request. To
    look whether some came before that request is not enough: they may come just after it.
    """

    fullstory: aiohttp.ClientSession
    slack: aiohttp.ClientSession
    response_urls: aiohttp.ClientSession


@asynccontextmanager
async def open_connections() -> AsyncIterator[Connections]:
    """The sessions, closed in the end."""
    async with AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(_session()) for _ in range(3)]
        yield Connections(*sessions)


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=_MOST, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=10),
        headers={"User-Agent": f"fsessions/{__version__}"},
    )


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for this address, if any."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    proxy = getproxies().get(scheme, "")
    if proxy and "://" not in proxy:  # as curl takes it
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")) or proxy_bypass(parts.hostname or ""):
        return None
    return proxy
