"""Accepting connections where several processes share a port.

Each has a socket of its own there (SO_REUSEPORT), so that the system spreads connections evenly. It
also looks after the sockets of the others: what one leaves waiting, because it is busy, ending or
dead, another takes.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final

_FIRST_REFUSAL: Final = 0.02
"""Seconds in which a connection is its own process's to take."""

_PAUSE: Final = 1.0  # seconds, where there are too many open files for another connection


class SharedListener:
    """Listens on its `own` sockets, and helps with the `others`; closes them all in the end.

    `protocol` makes one for each connection.
    """

    def __init__(
        self,
        own: Sequence[socket.socket],
        others: Sequence[socket.socket],
        protocol: Callable[[], asyncio.Protocol],
    ) -> None:
        self.sockets = (*own, *others)
        self._own = frozenset(own)
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Task[object]] = set()
        self._is_open = True
        for one in self.sockets:
            one.setblocking(False)  # noqa: FBT003 - the standard library's
            self._watch(one)

    def close(self) -> None:
        """Accepts nothing more."""
        if self._is_open:
            self._is_open = False
            for one in self.sockets:
                self._loop.remove_reader(one.fileno())
                one.close()

    def _watch(self, one: socket.socket) -> None:
        if self._is_open:
            self._loop.add_reader(one.fileno(), self._noticed, one)

    def _noticed(self, one: socket.socket) -> None:
        """Somebody wants to connect."""
        if one in self._own:
            self._accept(one)
        else:
            self._look_again(one, _FIRST_REFUSAL)

    def _look_again(self, one: socket.socket, seconds: float) -> None:
        self._loop.remove_reader(one.fileno())
        self._loop.call_later(seconds, self._help_with, one)

    def _help_with(self, one: socket.socket) -> None:
        if self._is_open:
            self._accept(one)
            self._watch(one)

    def _accept(self, one: socket.socket) -> None:
        try:
            connection, _ = one.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return  # its own process was quick enough, or nobody is there any more
        except OSError:
            self._look_again(one, _PAUSE)
            return
        connection.setblocking(False)  # noqa: FBT003 - the same
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(self._protocol, connection)
        )
        self._connecting.add(task)
        task.add_done_callback(self._connecting.discard)
