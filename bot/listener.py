"""Listens for HTTP."""

from __future__ import annotations

import asyncio
import errno
import socket
from contextlib import AsyncExitStack, suppress
from functools import partial
from typing import Final, NamedTuple

import structlog
from aiohttp import web

from bot.errors import FsessionsError
from bot.settings import Settings
from bot.slack.http import Connection
from bot.timeouts import Timeouts

_log = structlog.get_logger()

_BACKLOG: Final = 1024  # connections that wait to be accepted, so that a burst is not turned away
_MAX_HEADER: Final = 32 * 1024  # bytes: some proxies pass on chains of client certificates


class CantListen(FsessionsError):
    """The address is taken or not ours; the message says which setting to change."""

    def __init__(self, host: str, port: int, names: tuple[str, str], error: Exception) -> None:
        host_name, port_name = names
        code = error.errno if isinstance(error, OSError) else None
        if isinstance(error, socket.gaierror | UnicodeError) or code == errno.EADDRNOTAVAIL:
            problem = f"This machine has no address {host}. Set {host_name}."
        elif code == errno.EACCES:
            problem = f"Only an administrator may use port {port}. Set {port_name}."
        else:
            problem = f"Is another program using it? Set {port_name}."
        super().__init__(f"Can't listen on {host}:{port}. {problem}")


class Address(NamedTuple):
    """Where to listen; `names` are the settings for it."""

    host: str
    port: int
    names: tuple[str, str]


def address_of(settings: Settings) -> Address:
    """Return where to listen.

    With Socket Mode the port is only for health probes: unless it is set, it is only open to this
    machine.
    """
    is_public = not settings.socket_mode or settings.address_was_chosen
    return Address(settings.host if is_public else "127.0.0.1", settings.port, ("HOST", "PORT"))


def is_optional(settings: Settings) -> bool:
    """Tell whether the bot can run without its port; if so, log that it does."""
    if not settings.socket_mode or settings.address_was_chosen:
        return False
    _log.warning("no health probes: the port is taken", port=settings.port, transport="Socket Mode")
    return True


async def listen(
    app: web.Application, address: Address, timeouts: Timeouts, stack: AsyncExitStack
) -> int:
    """Serve an app until the stack is closed, and return its port. Raises `CantListen`."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    loop = asyncio.get_running_loop()

    assert runner.server is not None  # noqa: S101 - it is set up
    connection = partial(
        Connection,
        runner.server,
        loop=loop,
        access_log=None,  # type: ignore[arg-type] # aiohttp takes it for "none"
        auto_decompress=False,  # the signature is over the bytes as they were sent
        keepalive_timeout=timeouts.idle,
        lingering_time=0,  # the rest of a refused request is not read
        max_field_size=_MAX_HEADER,
    )
    try:
        server = await loop.create_server(connection, address.host, address.port, backlog=_BACKLOG)
    except (OSError, UnicodeError) as error:
        raise CantListen(*address, error) from error
    stack.push_async_callback(_stop_listening, server)
    return int(server.sockets[0].getsockname()[1])


async def _stop_listening(server: asyncio.Server) -> None:
    """Accept nothing more; `runner.cleanup` follows and closes what was accepted before.

    In Python 3.11, a connection that is accepted while its server closes is never closed:
    https://github.com/python/cpython/issues/109564
    """
    loop = asyncio.get_running_loop()
    for opened in server.sockets:
        with suppress(RuntimeError):  # uvloop does it by itself
            loop.remove_reader(opened.fileno())
    for _ in range(5):  # turns of the loop between accepting a connection and its handler
        await asyncio.sleep(0)
    server.close()
