"""The aiohttp sessions for outgoing requests: one for each service.

A service that hangs must not use up the connections to another. No cookies are kept. Proxies come
from the environment (HTTPS_PROXY, NO_PROXY), but nothing from `.netrc`, which would conflict with
our own keys.
"""

from __future__ import annotations

import ssl
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
from bot.tls import resuming_context

CONNECT_SECONDS: Final = 3.0
"""To connect, TLS included: if that fails, another way may work."""

_MOST: Final = (
    500  # connections to one host, so that a host that hangs leaves file descriptors for others
)


@dataclass(frozen=True, slots=True)
class Connections:
    """Sessions for Fullstory's API, for Slack's Web API and Socket Mode, and for response_urls.

    A connection serves one request only. On a kept connection, a faulty proxy may send an extra
    reply, which would be taken for the reply to the next person's request. Checking the connection
    before that request is not enough: the extra reply may come just after it.
    """

    fullstory: aiohttp.ClientSession
    slack: aiohttp.ClientSession
    response_urls: aiohttp.ClientSession


@asynccontextmanager
async def open_connections() -> AsyncIterator[Connections]:
    """Open the sessions, and close them on leaving."""
    tls = resuming_context()
    async with AsyncExitStack() as stack:
        yield Connections(
            fullstory=await stack.enter_async_context(_session(tls)),
            slack=await stack.enter_async_context(_session(tls, _trace())),
            response_urls=await stack.enter_async_context(_session(tls, _trace())),
        )


@dataclass(slots=True)
class Request:
    """The progress of a request. Before it `is_sent`, it can't have had an effect.

    `status` is the reply's, or 0 if none came.
    """

    is_sent: bool = False
    status: int = 0

    @property
    def may_have_arrived(self) -> bool:
        """Tell whether the request may have had an effect although its reply is unusable.

        A gateway's 502 or 504 says nothing about the server behind it; 503 and 429 say no.
        """
        return self.is_sent and (self.status in (0, 502, 504) or self.status < 300)


_watched: ContextVar[Request | None] = ContextVar("watched request", default=None)


@contextmanager
def watch_request() -> Iterator[Request]:
    """Watch the request that is made in this context and task."""
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


def _session(tls: ssl.SSLContext, *traces: aiohttp.TraceConfig) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=_MOST, force_close=True, ssl=tls),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=10, sock_connect=CONNECT_SECONDS),
        trace_configs=list(traces),
        headers={"User-Agent": f"fsessions/{__version__}"},
    )


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment sets for a URL, if any."""
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    proxy = getproxies().get(scheme, "")
    if proxy and "://" not in proxy:  # which curl accepts
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")) or proxy_bypass(parts.hostname or ""):
        return None
    return proxy
