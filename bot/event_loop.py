"""The event loop: uvloop, which takes less CPU than Python's own loop."""

from __future__ import annotations

import socket
from typing import Any

import uvloop


class EventLoop(uvloop.Loop):
    """Connects to an address without a thread.

    To connect a socket, uvloop resolves its address without saying for which type of socket. Then
    it takes even an IP address for a name and asks the system's resolver in a thread, which is a
    third of the CPU of a connection.
    """

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:  # noqa: ANN401
        """Resolve for stream sockets, unless another type is given."""
        return await super().getaddrinfo(host, port, **{"type": socket.SOCK_STREAM, **options})
