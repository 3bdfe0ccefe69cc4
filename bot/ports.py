"""Where the bot listens; and how several processes share a port."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, NamedTuple

import structlog

from bot.errors import FsessionsError
from bot.settings import Settings

_log = structlog.get_logger()

BACKLOG: Final = 1024
"""Connections that wait to be accepted: of a burst, none is turned away."""


class CantListen(FsessionsError):
    """The address to listen on is taken, or not ours; the message says which setting to change."""

    def __init__(self, host: str, port: int, names: tuple[str, str], error: Exception) -> None:
        host_name, port_name = names
        code = error.errno if isinstance(error, OSError) else None
        if isinstance(error, socket.gaierror | UnicodeError) or code == errno.EADDRNOTAVAIL:
            problem = f"This machine has no address {host}. Set {host_name}."
        elif code == errno.EACCES:
            problem = f"Port {port} is for the administrator of this machine. Set {port_name}."
        else:
            problem = f"Is another program using it? Set {port_name}."
        super().__init__(f"Can't listen on {host}:{port}. {problem}")


class Shares(NamedTuple):
    """What one of several processes listens on: its own sockets, and those of the others."""

    own: Sequence[socket.socket]
    others: Sequence[socket.socket]


class Address(NamedTuple):
    """Where to listen; `names` are the settings that say so."""

    host: str
    port: int
    names: tuple[str, str]


def address_of(settings: Settings) -> Address:
    """Where the settings say.

    With Socket Mode, the port is only for health probes: who asks for none gets it on this machine
    alone.
    """
    everywhere = not settings.socket_mode or settings.address_was_chosen
    return Address(settings.host if everywhere else "127.0.0.1", settings.port, ("HOST", "PORT"))


@contextmanager
def listening(settings: Settings, processes: int) -> Iterator[list[Shares]]:
    """For each of so many processes its sockets, and those of the others, all on one port.

    A process has one for each address of the host's name. Raises `CantListen`.
    """
    address = address_of(settings)
    rows: list[list[socket.socket]] = []  # of one address each
    with ExitStack() as stack:
        try:
            found = socket.getaddrinfo(
                address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            # Any free port of one address may be taken of another.
            for family, *_, name in found if address.port else found[:1]:
                row: list[socket.socket] = []
                rows.append(row)
                for _ in range(processes):
                    where = (name[0], row[0].getsockname()[1]) if row else name
                    one = socket.create_server(
                        where, family=family, backlog=BACKLOG, reuse_port=True
                    )
                    row.append(stack.enter_context(one))
        except (OSError, UnicodeError) as error:
            if not may_do_without(settings):
                raise CantListen(*address, error) from error
            rows = []
        yield [
            Shares(
                [row[number] for row in rows],
                [one for row in rows for other, one in enumerate(row) if other != number],
            )
            for number in range(processes)
        ]


def may_do_without(settings: Settings) -> bool:
    """Whether a port that is taken is no reason not to run; says so."""
    if not settings.socket_mode or settings.address_was_chosen:
        return False
    _log.warning("no health probes: the port is taken", port=settings.port, transport="Socket Mode")
    return True
