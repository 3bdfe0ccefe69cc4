"""Where the bot listens."""

from __future__ import annotations

import errno
import socket
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


def may_do_without(settings: Settings) -> bool:
    """Whether a port that is taken is no reason not to run; says so."""
    if not settings.socket_mode or settings.address_was_chosen:
        return False
    _log.warning("no health probes: the port is taken", port=settings.port, transport="Socket Mode")
    return True
