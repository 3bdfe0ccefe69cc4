"""The aiohttp sessions for everything that goes out of this process: one for each neighbour.

A neighbour that answers nobody must not use up the connections to another, so each has its own. No
cookies are kept. Proxies are the environment's (HTTPS_PROXY, NO_PROXY); `.netrc` has no say, for
what it holds would clash with the keys that we send.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakSet

import aiohttp
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from bot import __version__

_KEPT_SECONDS: Final = 50.0  # many load balancers forget a silent connection after a minute
_MOST: Final = 500  # connections to one host, so that a host that hangs leaves files for others


@dataclass(frozen=True, slots=True)
class Connections:
    """`fullstory` is for its API, `slack` for the Web API and Socket Mode.

    Fullstory's connections are kept for the next lookup, which saves it a handshake. Slack's serve
    one request only: they are asked seldom, and a message must not be sent twice because a kept
    connection broke.
    """

    fullstory: aiohttp.ClientSession
    slack: aiohttp.ClientSession
    response_urls: aiohttp.ClientSession


@asynccontextmanager
async def open_connections() -> AsyncIterator[Connections]:
    """The sessions, closed in the end."""
    async with AsyncExitStack() as stack:
        yield Connections(
            fullstory=await stack.enter_async_context(_session(_KeptConnections())),
            slack=await stack.enter_async_context(_session(_used_once())),
            response_urls=await stack.enter_async_context(_session(_used_once())),
        )


class _KeptConnections(aiohttp.TCPConnector):
    """Keeps connections, but none that got bytes while nobody waited for any.

    A faulty proxy may send a reply too many. aiohttp alone would take it for the reply to the next
    request, which is another person's.
    """

    def __init__(self) -> None:
        super().__init__(limit=0, limit_per_host=_MOST, keepalive_timeout=_KEPT_SECONDS)
        self._used: WeakSet[asyncio.Protocol] = WeakSet()

    async def connect(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's
    ) -> Connection:
        """One that is clean, or a new one."""
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None  # noqa: S101 - it has just been connected
            if protocol not in self._used:
                self._used.add(protocol)
                return connection
            if not protocol.should_close:
                return connection
            connection.close()


def _used_once() -> aiohttp.TCPConnector:
    return aiohttp.TCPConnector(limit=0, limit_per_host=_MOST, force_close=True)


def _session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=connector,
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
