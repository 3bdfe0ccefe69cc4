"""The world around the bot, as cheap as can be: Fullstory and Slack that always answer, and people.

It is not the sandbox, whose job is to be awkward. It speaks no more HTTP than the benchmarks need,
for if it were the bottleneck, the figures would be about it: how much of a core it took stands
beside each of them.
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
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, cast
from urllib.parse import urlencode

from aiohttp import WSMsgType, web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

SIGNING_SECRET: Final = "benchmark"  # noqa: S105 - it opens nothing
EVERYTHING_ON: Final = {
    "AUDIT_KEY": "benchmark",
    "METRICS_PORT": "0",
    "LOG_LEVEL": "INFO",
    "ALLOWED_USERS": "U0ASKER",
}
"""What a deployment has on, besides its DATABASE_URL."""

AT_ONCE: Final = 64
TEAM: Final = "T0BENCHMARK"
ANSWER_SECONDS: Final = 60.0
_NEWEST: Final = 1_700_000_000
_END: Final = b"\r\n\r\n"
_LAST_CHUNK: Final = b"\r\n0\r\n\r\n"


def sessions(count: int) -> bytes:
    """Return what Fullstory says of a person with so many sessions."""
    user, first = "4567890123456789", 1234567890123456
    listed = [
        {
            "userId": user,
            "sessionId": str(first + number),
            "createdTime": str(_NEWEST - 7200 * number),
            "fsUrl": f"https://app.fullstory.com/ui/ABC12/session/{user}:{first + number}",
        }
        for number in range(count)
    ]
    return json.dumps({"sessions": listed}).encode()


def _reply(body: bytes, kind: str = "application/json") -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_IDENTITY: Final = {"ok": True, "team_id": TEAM, "user_id": "U0BOT", "bot_id": "B0BOT"}
_PROFILE: Final = {"id": "U0ASKER", "team_id": TEAM, "tz": "Europe/Berlin", "tz_offset": 3600}
_SLACK: Final = {
    b"auth.test": _reply(json.dumps(_IDENTITY).encode()),
    b"users.info": _reply(json.dumps({"ok": True, "user": _PROFILE}).encode()),
}
_TAKEN: Final = _reply(b"ok", "text/plain")


def _message(buffer: bytearray) -> tuple[bytes, bytes] | None:
    """Cut the first whole message off: its head and its body."""
    end = buffer.find(_END)
    if end < 0:
        return None
    head = bytes(buffer[:end])
    _, found, length = head.lower().partition(b"content-length: ")
    size = int(length.split(b"\r", 1)[0]) if found else 0
    if b"transfer-encoding: chunked" in head.lower():  # as it is: no one looks at it closely
        last = buffer.find(_LAST_CHUNK, end + 2)
        if last < 0:
            return None
        size = last + len(_LAST_CHUNK) - end - 4
    if len(buffer) < end + 4 + size:
        return None
    body = bytes(buffer[end + 4 : end + 4 + size])
    del buffer[: end + 4 + size]
    return head, body


def _certificate(folder: Path) -> Path:
    """Return a file with a key, and a certificate of this machine that is good for a day."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "benchmark")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    written = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    file = folder / "outside.pem"
    file.write_bytes(written + signed.public_bytes(serialization.Encoding.PEM))
    return file


class _Serving(asyncio.Protocol):
    """One connection from a bot."""

    def __init__(self, outside: Outside) -> None:
        self._outside = outside
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's has another class

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while found := _message(self._buffer):
            path = found[0].split(b" ", 2)[1]
            if path.startswith(b"/api/"):
                self._send(self._outside.slack[path[5:].split(b"?")[0]])
            elif path.startswith(b"/response/"):
                self._send(_TAKEN)
                self._outside.answered(path[10:])
            else:
                self._outside.asked += 1
                seconds = self._outside.fullstory_seconds
                reply = self._outside.listed
                if seconds:
                    asyncio.get_running_loop().call_later(seconds, self._send, reply)
                else:
                    self._send(reply)

    def _send(self, reply: bytes) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.write(reply)


class _Asking(asyncio.Protocol):
    """One connection to the bot: a request at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: asyncio.Future[tuple[bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # the same

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
        assert self.transport  # noqa: S101
        self._waiting = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return await self._waiting


Over = Literal["HTTP", "TLS", "Socket Mode"]


class Outside:
    """`fullstory_seconds` is how long Fullstory takes; `count` is how many sessions it knows.

    Where `keeps` is False, people come with a new connection each time. `over` is the way between
    it and a bot. With TLS, the bot asks Fullstory and Slack so; what comes from Slack is plain, for
    in a deployment a router ends its TLS.
    """

    def __init__(self, count: int = 20) -> None:
        self.fullstory_seconds = 0.0
        self.keeps = True
        self.over: Over = "HTTP"
        self.slack = dict(_SLACK)
        self.listed = _reply(sessions(count))
        self.asked = 0
        self._late: dict[bytes, asyncio.Future[None]] = {}
        self._number = 0
        self._idle: defaultdict[int, deque[_Asking]] = defaultdict(deque)
        self._urls: dict[str, str] = {}
        self._certificate = Path()
        self._sockets: list[web.WebSocketResponse] = []
        self._acks: dict[str, asyncio.Future[bytes]] = {}

    @property
    def url(self) -> str:
        """Where it serves now."""
        return self._urls["https" if self.over == "TLS" else "http"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Outside]:
        """Serve on loopback."""
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(TemporaryDirectory(prefix="fsessions-"))
            self._certificate = _certificate(Path(folder))
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(self._certificate)
            await self._serve("http", None, stack)
            await self._serve("https", context, stack)
            await self._serve_socket_mode(stack)
            stack.callback(self.forget_connections)
            yield self

    async def _serve(
        self, scheme: str, context: ssl.SSLContext | None, stack: AsyncExitStack
    ) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(
            lambda: _Serving(self), "127.0.0.1", 0, backlog=4096, ssl=context
        )
        stack.callback(server.close)
        self._urls[scheme] = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve_socket_mode(self, stack: AsyncExitStack) -> None:
        app = web.Application()
        app.router.add_get("/", self._socket)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        opened = {"ok": True, "url": f"ws://127.0.0.1:{runner.addresses[0][1]}/"}
        self.slack[b"apps.connections.open"] = _reply(json.dumps(opened).encode())

    async def _socket(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_str('{"type": "hello"}')
        self._sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    envelope = json.loads(message.data)["envelope_id"]
                    self._acks.pop(envelope).set_result(message.data.encode())
        finally:
            self._sockets.remove(socket)
        return socket

    def environment(self, **other: str) -> dict[str, str]:
        """Return the settings of a bot in this world."""
        trusted = str(self._certificate)
        by_way: dict[Over, dict[str, str]] = {
            "HTTP": {},
            "TLS": {"SSL_CERT_FILE": trusted, "NODE_EXTRA_CA_CERTS": trusted},
            "Socket Mode": {"SLACK_APP_TOKEN": "xapp-benchmark"},
        }
        return {
            "SLACK_BOT_TOKEN": "xoxb-benchmark",
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "SLACK_API_URL": f"{self.url}/api/",
            "FULLSTORY_API_KEY": "benchmark",
            "FULLSTORY_API_URL": self.url,
            "HOST": "127.0.0.1",
            "NO_PROXY": "*",
            **by_way[self.over],
            **other,
        }

    def forget_connections(self) -> None:
        """Those to a bot that is gone, or soon will be."""
        for one in chain.from_iterable(self._idle.values()):
            if one.transport:
                one.transport.close()
        self._idle.clear()

    def answered(self, name: bytes) -> None:
        """Count an answer that came to a response_url."""
        if (waiting := self._late.pop(name, None)) and not waiting.done():
            waiting.set_result(None)

    async def ask(self, port: int) -> tuple[float, float]:
        """Type a command: the seconds until the ack, and until the answer.

        Raises if none comes.
        """
        self._number += 1
        name = str(self._number).encode()
        late = self._late[name] = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        if self.over == "Socket Mode":
            ack = await self._send_envelope(name.decode())
        else:
            head, ack = await self._send(self._signed(name.decode()), port)
            if b" 200 " not in head.split(b"\r\n", 1)[0]:
                raise RuntimeError(head.split(b"\r\n", 1)[0].decode())
        acked = time.perf_counter() - started
        if b"Latest" in ack:
            self._late.pop(name, None)
        else:
            async with asyncio.timeout(ANSWER_SECONDS):
                await late
        return acked, time.perf_counter() - started

    async def ask_many(self, port: int, count: int, at_once: int = AT_ONCE) -> None:
        """Type so many commands, `at_once` at a time."""
        left = iter(range(count))

        async def ask() -> None:
            for _ in left:
                await self.ask(port)

        await asyncio.gather(*(ask() for _ in range(at_once)))

    async def _send(self, request: bytes, port: int) -> tuple[bytes, bytes]:
        asking = None
        idle = self._idle[port]
        while idle and not (asking and asking.transport):
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

    async def _send_envelope(self, name: str) -> bytes:
        if not self._sockets:
            raise ConnectionError("no one is connected")
        acked: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._acks[name] = acked
        envelope = {
            "type": "slash_commands",
            "envelope_id": name,
            "accepts_response_payload": True,
            "payload": self._fields(name),
        }
        await self._sockets[self._number % len(self._sockets)].send_str(json.dumps(envelope))
        return await asyncio.wait_for(acked, ANSWER_SECONDS)

    def _fields(self, name: str) -> dict[str, Any]:
        return {
            "team_id": TEAM,
            "channel_id": "C0SUPPORT",
            "user_id": "U0ASKER",
            "command": "/fsessions",
            "text": "jane@example.com",
            "api_app_id": "A0BENCHMARK",
            "response_url": f"{self.url}/response/{name}",
            "trigger_id": name,
        }

    def _signed(self, name: str) -> bytes:
        body = urlencode(self._fields(name)).encode()
        stamp = str(int(time.time())).encode()
        digest = hmac.new(SIGNING_SECRET.encode(), b"v0:" + stamp + b":" + body, hashlib.sha256)
        lines = (
            b"POST /slack/events HTTP/1.1",
            b"Host: 127.0.0.1",
            b"Content-Type: application/x-www-form-urlencoded",
            b"X-Slack-Request-Timestamp: " + stamp,
            b"X-Slack-Signature: v0=" + digest.hexdigest().encode(),
            b"Content-Length: " + str(len(body)).encode(),
        )
        return b"\r\n".join(lines) + _END + body
