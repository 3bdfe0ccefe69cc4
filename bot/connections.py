"""The one aiohttp session for everything that goes out of this process."""

from __future__ import annotations

from urllib.request import getproxies

import aiohttp

from bot import __version__


def open_session() -> aiohttp.ClientSession:
    """A session to be closed by its owner (`async with`).

    Connections are limited for each host, not in all: a Fullstory that answers nobody must not use
    up the connections that take answers to Slack. No cookies are kept. HTTPS_PROXY and NO_PROXY
    are respected.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, limit_per_host=100),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=10),
        headers={"User-Agent": f"fsessions/{__version__}"},
        trust_env=bool(getproxies()),  # it costs a look at .netrc for every request
    )
