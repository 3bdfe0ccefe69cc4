"""The world around the bot: Fullstory and Slack that always answer, and people who type.

It is not the sandbox, whose job is to be awkward. It speaks no more HTTP than the benchmarks need:
if it were the bottleneck, the figures would be about it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import ssl
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, cast
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Over = Literal["HTTP", "TLS"]

_SECRET: Final = "benchmark"  # noqa: S105 - it opens nothing
_ANSWER_SECONDS: Final = 60.0
_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


def _sessions(count: int) -> list[dict[str, str]]:
    user, first = "4567890123456789", 1234567890123456
    return [
        {
            "userId": user,
            "sessionId": str(first + number),
            "createdTime": str(1_700_000_000 - 7200 * number),
            "fsUrl": f"https://app.fullstory.com/ui/ABC12/session/{user}:{first + number}",
        }
        for number in range(count)
    ]


def _reply(document: object) -> bytes:
    body = json.dumps(document).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


_TEAM: Final = {"ok": True, "team_id": "T0BENCHMARK"}
_PROFILE: Final = {"id": "U0ASKER", "team_id": "T0BENCHMARK", "tz": "Europe/Berlin"}
_REPLIES: Final = {
    b"/api/auth.test": _reply(_TEAM | {"user_id": "U0BOT", "bot_id": "B0BOT"}),
    b"/api/users.info": _reply({"ok": True, "user": _PROFILE}),
}
_SESSIONS: Final = _reply({"sessions": _sessions(20)})
_TAKEN: Final = _reply("ok")


def certificates(folder: Path) -> tuple[Path, Path]:
    """Write what a client trusts, and a server's key with its chain, as public servers have it."""
    now, names = datetime.now(UTC), ("Root", "Intermediate", "127.0.0.1")
    subjects = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in names]
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in names]
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    chain = []
    for depth, (subject, key) in enumerate(zip(subjects, keys, strict=True)):
        issuer = max(depth - 1, 0)
        is_server = depth == len(names) - 1
        builder = x509.CertificateBuilder(
            subjects[issuer], subject, key.public_key(), x509.random_serial_number()
        )
        builder = builder.not_valid_before(now - timedelta(hours=1))
        builder = builder.not_valid_after(now + timedelta(days=1))
        constraints = x509.BasicConstraints(ca=not is_server, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
        if is_server:
            builder = builder.add_extension(address, critical=False)
        chain.append(builder.sign(keys[issuer], hashes.SHA256()))
    root, *others = (one.public_bytes(serialization.Encoding.PEM) for one in chain)
    private = keys[-1].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    trusted, server = folder / "root.pem", folder / "server.pem"
    trusted.write_bytes(root)
    server.write_bytes(private + b"".join(others[::-1]))
    return trusted, server


def _message(buffer: bytearray) -> tuple[bytes, bytes] | None:
    """Cut the first whole message off: its head and its body."""
    end = buffer.find(_END)
    if end < 0:
        return None
    head = bytes(buffer[:end])
    _, found, length = head.lower().partition(b"content-length: ")
    size = int(length.split(b"\r", 1)[0]) if found else 0
    if b"transfer-encoding: chunked" in head.lower():  # only its end matters
        last = buffer.find(_LAST_CHUNK, end + 2)
        if last < 0:
            return None
        size = last + len(_LAST_CHUNK) - end - 4
    if len(buffer) < end + 4 + size:
        return None
    body = bytes(buffer[end + 4 : end + 4 + size])
    del buffer[: end + 4 + size]
    return head, body


class _Serving(asyncio.Protocol):
    """One connection from a bot."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has another class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._transport and (found := _message(self._buffer)):
            path = found[0].split(b" ", 2)[1].split(b"?")[0]
            if path.startswith(b"/response/"):
                self._world.take_answer(path[10:])
                self._transport.write(_TAKEN)
            else:
                self._transport.write(_REPLIES.get(path, _SESSIONS))


class _Asking(asyncio.Protocol):
    """One connection to the bot: a request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[tuple[bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        self.transport = None
        if self._waiting and not self._waiting.done():
            self._waiting.set_exception(ConnectionResetError())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if (found := _message(self._buffer)) and self._waiting and not self._waiting.done():
            self._waiting.set_result(found)

    async def send(self, request: bytes) -> tuple[bytes, bytes]:
        """Return the head and the body of the reply."""
        if self.transport is None:
            raise ConnectionResetError
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting


class World:
    """Where bots are measured; they reach Fullstory and Slack as `over` says.

    Requests from Slack are plain: a router terminates their TLS.
    If `keeps` is False, each person comes with a new connection.
    """

    def __init__(self) -> None:
        self.over: Over = "HTTP"
        self.keeps = True
        self._trusted = Path()
        self._urls: dict[Over, str] = {}
        self._answers: dict[bytes, asyncio.Future[None]] = {}
        self._number = 0
        self._idle: defaultdict[int, deque[_Asking]] = defaultdict(deque)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[World]:
        """Serve on loopback."""
        loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="fsessions-"))
            self._trusted, chain = certificates(Path(folder))
            tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            tls.load_cert_chain(chain)
            ways: tuple[tuple[Over, str, ssl.SSLContext | None], ...] = (
                ("HTTP", "http", None),
                ("TLS", "https", tls),
            )
            for over, scheme, context in ways:
                server = await loop.create_server(
                    lambda: _Serving(self), "127.0.0.1", 0, backlog=4096, ssl=context
                )
                stack.callback(server.close)
                self._urls[over] = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            stack.callback(self.forget_connections)
            yield self

    def environment(self) -> dict[str, str]:
        """Return the settings of a bot in this world."""
        url, trusted = self._urls[self.over], str(self._trusted)
        return {
            "SLACK_BOT_TOKEN": "xoxb-benchmark",
            "SLACK_SIGNING_SECRET": _SECRET,
            "SLACK_API_URL": f"{url}/api/",
            "FULLSTORY_API_KEY": "benchmark",
            "FULLSTORY_API_URL": url,
            "LOOKUPS_PER_MINUTE": "1000000",
            "HOST": "127.0.0.1",
            "NO_PROXY": "*",
            "SSL_CERT_FILE": trusted,
            "NODE_EXTRA_CA_CERTS": trusted,
        }

    def forget_connections(self) -> None:
        """Close those to a bot that is gone, or soon will be."""
        for idle in self._idle.values():
            for one in idle:
                if one.transport:
                    one.transport.close()
        self._idle.clear()

    def take_answer(self, name: bytes) -> None:
        """Take an answer that came to a response_url."""
        if (waiting := self._answers.pop(name, None)) and not waiting.done():
            waiting.set_result(None)

    async def ask(self, port: int) -> tuple[float, float]:
        """Type a command: the seconds until the ack, and until the answer. Raises if none comes."""
        self._number += 1
        name = str(self._number).encode()
        answer = self._answers[name] = asyncio.get_running_loop().create_future()
        request = self._signed(name.decode())
        started = time.perf_counter()
        head, ack = await self._send(request, port)
        if b" 200 " not in head.split(b"\r\n", 1)[0]:
            raise RuntimeError(head.split(b"\r\n", 1)[0].decode())
        acked = time.perf_counter() - started
        if b"Latest" in ack:
            del self._answers[name]
        else:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await answer
        return acked, time.perf_counter() - started

    async def ask_many(self, ports: list[int], count: int, at_once: int = 64) -> None:
        """Type so many commands, `at_once` at a time, each bot as many as any other."""
        left = iter(range(count))

        async def ask(port: int) -> None:
            for _ in left:
                await self.ask(port)

        await asyncio.gather(*(ask(ports[number % len(ports)]) for number in range(at_once)))

    async def _send(self, request: bytes, port: int) -> tuple[bytes, bytes]:
        idle = self._idle[port]
        asking = idle.popleft() if idle else None
        while idle and asking and not asking.transport:
            asking = idle.popleft()
        if not (asking and asking.transport):
            loop = asyncio.get_running_loop()
            _, asking = await loop.create_connection(_Asking, "127.0.0.1", port)
        head, body = await asking.send(request)
        if self.keeps and b"connection: close" not in head.lower():
            idle.append(asking)
        elif asking.transport:
            asking.transport.close()
        return head, body

    def _signed(self, name: str) -> bytes:
        customer = f"jane{int(name)}@example.com"  # another each time: none is answered twice
        fields = {
            "team_id": "T0BENCHMARK",
            "channel_id": "C0SUPPORT",
            "user_id": "U0ASKER",
            "command": "/fsessions",
            "text": f"<mailto:{customer}|{customer}>",
            "api_app_id": "A0BENCHMARK",
            "response_url": f"{self._urls[self.over]}/response/{name}",
            "trigger_id": name,
        }
        body = urlencode(fields).encode()
        stamp = str(int(time.time())).encode()
        digest = hmac.new(_SECRET.encode(), b"v0:" + stamp + b":" + body, hashlib.sha256)
        lines = (
            b"POST /slack/events HTTP/1.1",
            b"Host: 127.0.0.1",
            b"Content-Type: application/x-www-form-urlencoded",
            b"X-Slack-Request-Timestamp: " + stamp,
            b"X-Slack-Signature: v0=" + digest.hexdigest().encode(),
            b"Content-Length: " + str(len(body)).encode(),
        )
        return b"\r\n".join(lines) + _END + body
