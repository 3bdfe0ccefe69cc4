"""TLS that resumes sessions.

A connection serves one request, so each would check the other side's certificates again, which
takes longer than the rest of a lookup. A resumed session was checked before. It is an offer, which
the server may refuse.

- https://datatracker.ietf.org/doc/html/rfc8446#section-2.2
- https://docs.python.org/3/library/ssl.html#ssl-session
"""

from __future__ import annotations

import ssl
from typing import Any, Final

from cachetools import TTLCache

_SECONDS: Final = 600.0
"""How long a session is resumed. Before Python 3.12.8, each read of `SSLObject.session` leaks some
5 KB, so this is also how rarely it is read: https://github.com/python/cpython/issues/116810"""

_HOSTS: Final = 100


def resuming_context() -> ssl.SSLContext:
    """Create a client's context, which verifies certificates and host names."""
    # None for a host that gave no ticket, or whose last session made a handshake fail.
    sessions: TTLCache[str | None, ssl.SSLSession | None] = TTLCache(_HOSTS, _SECONDS)

    class Resuming(ssl.SSLObject):
        has_begun = False

        def do_handshake(self) -> None:
            session = sessions.get(self.server_hostname)
            if session and not self.has_begun:
                self.session = session
            self.has_begun = True  # it is called again for each flight of the server
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError:
                sessions[self.server_hostname] = None
                raise

        def read(self, *arguments: Any) -> Any:  # noqa: ANN401
            data = super().read(*arguments)
            # With TLS 1.3, the ticket comes behind the handshake.
            if self.server_hostname not in sessions:
                session = self.session
                has_ticket = session is not None and session.has_ticket
                sessions[self.server_hostname] = session if has_ticket else None
            return data

    context = ssl.create_default_context()
    context.sslobject_class = Resuming
    context.set_alpn_protocols(["http/1.1"])
    return context
