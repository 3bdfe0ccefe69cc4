"""The aiohttp sessions for everything that goes out of this process: one for each neighbour.

A neighbour that answers nobody must not use up the connections to another, so each has its own. No
cookies are kept. Proxies are the environment's (HTTPS_PROXY, NO_PROXY); `.netrc` has no say, for
what it holds would clash with the keys that we send.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from bot import __version__

CONNECT_SECONDS: Final = 3.0
"""For a connection, TLS included: where none comes about, another way may be open."""

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


@dataclass(slots=True)
class Request:
    """How far a request came. Before `is_sent`, nothing of it can have reached the other side.

    `status` is that of the reply, or 0 where none came.
    """

    is_sent: bool = False
    status: int = 0

    @property
    def may_have_arrived(self) -> bool:
        """Whether the other side may have done it, where its reply is of no use.

        A gateway's 502 or 504 says nothing of what stands behind it; 503 and 429 say no.
        """
        return self.is_sent and (self.status in (0, 502, 504) or self.status < 300)


_watched: ContextVar[Request | None] = ContextVar("watched request", default=None)


@contextmanager
def watch_request() -> Iterator[Request]:
    """Watch the request that is made within, in the same task."""
    request = Request()
    token = _watched.set(request)
    try:
        yield request
    finally:
        _watched.reset(token)


async def _note_sent(*_: object) -> None:
    if request := _watched.get():
        request.is_sent = True


async def _note_status(_: object, __: SimpleNamespace, end: Any) -> None:  # noqa: ANN401
    if request := _watched.get():
        request.status = end.response.status


def _trace() -> aiohttp.TraceConfig:
    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(_note_sent)
    trace.on_request_end.append(_note_status)
    return trace


def _session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=_MOST, force_close=True),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=10, sock_connect=CONNECT_SECONDS),
        trace_configs=[_trace()],
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
