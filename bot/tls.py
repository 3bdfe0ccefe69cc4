"""TLS that resumes sessions.

A connection serves one request. A full handshake, which checks the other side's certificates, takes
as much CPU as the rest of a lookup; one that resumes a session, half of that. It is an offer, which
the server may refuse.

- https://datatracker.ietf.org/doc/html/rfc8446#section-2.2
- https://docs.python.org/3/library/ssl.html#ssl-session
"""

from __future__ import annotations

import ssl
from time import monotonic
from typing import Any, Final

from cachetools import TTLCache

_SECONDS: Final = 600.0
"""How long a session is resumed; then certificates are checked again. Before Python 3.12.8, each
read of `SSLObject.session` leaks some 5 KB, so this is also how rarely it is read:
https://github.com/python/cpython/issues/116810"""

_UNANSWERED_SECONDS: Final = 1.0
"""If an offer has no answer for so long, something on the way doesn't understand it."""

_HOSTS: Final = 100


def resuming_context() -> ssl.SSLContext:
    """Create a client's context, which verifies certificates and host names."""
    # None for a host that gave no ticket, or that didn't answer an offer.
    sessions: TTLCache[str | None, ssl.SSLSession | None] = TTLCache(_HOSTS, _SECONDS)
    offered: dict[str | None, float] = {}  # since when without an answer

    class Resuming(ssl.SSLObject):
        has_begun = False

        def do_handshake(self) -> None:
            host = self.server_hostname
            if not self.has_begun:  # it is called again for each flight of the server
                self.has_begun = True
                self._offer(host)
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError:
                sessions[host] = None
                raise
            offered.pop(host, None)

        def _offer(self, host: str | None) -> None:
            session = sessions.get(host)
            if session is None:
                return
            if monotonic() - offered.setdefault(host, monotonic()) > _UNANSWERED_SECONDS:
                sessions[host] = None
                del offered[host]
            else:
                self.session = session

        def read(self, *arguments: Any) -> Any:  # noqa: ANN401
            data = super().read(*arguments)
            # With TLS 1.3, the ticket comes after the handshake. A resumed session gives none:
            # otherwise, certificates would never be checked again.
            if not self.session_reused and self.server_hostname not in sessions:
                session = self.session
                has_ticket = session is not None and session.has_ticket
                sessions[self.server_hostname] = session if has_ticket else None
            return data

    context = ssl.create_default_context()
    context.sslobject_class = Resuming
    context.set_alpn_protocols(["http/1.1"])
    return context
