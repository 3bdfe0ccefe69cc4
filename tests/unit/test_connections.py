"""Outgoing connections: TLS sessions are resumed, and an IP address needs no resolver."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cachetools import TTLCache

from benchmarks.world import certificates
from bot.event_loop import EventLoop
from bot.tls import resuming_context

TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.fixture(params=[EventLoop, asyncio.new_event_loop], ids=["EventLoop", "asyncio"])
def runner(request: pytest.FixtureRequest) -> asyncio.Runner:
    """Run on our event loop, and on Python's own."""
    return asyncio.Runner(loop_factory=request.param)


@pytest.fixture
def chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Create a server's certificate, which this process trusts."""
    trusted, chain = certificates(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    return chain


def server_context(chain: Path, version: ssl.TLSVersion = TLS_1_3) -> ssl.SSLContext:
    """Create a server's context; each encrypts its tickets with keys of its own."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain)
    context.minimum_version = context.maximum_version = version
    return context


def without_tickets(chain: Path, version: ssl.TLSVersion) -> ssl.SSLContext:
    """Create the context of a server that resumes nothing."""
    context = server_context(chain, version)
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


@asynccontextmanager
async def serving(context: ssl.SSLContext, port: int = 0) -> AsyncIterator[int]:
    """Serve a page that says whether the connection's session was resumed; yield the port."""

    async def page(request: web.Request) -> web.Response:
        assert request.transport
        is_resumed = request.transport.get_extra_info("ssl_object").session_reused
        return web.Response(text="resumed" if is_resumed else "full")

    app = web.Application()
    app.router.add_get("/", page)
    site_runner = web.AppRunner(app)
    await site_runner.setup()
    await web.TCPSite(site_runner, "127.0.0.1", port, ssl_context=context).start()
    try:
        yield int(site_runner.addresses[0][1])
    finally:
        await site_runner.cleanup()


@asynccontextmanager
async def client() -> AsyncIterator[Callable[[int], asyncio.Task[str]]]:
    """Open a client whose connections serve one request each."""
    connector = aiohttp.TCPConnector(force_close=True, ssl=resuming_context())
    async with aiohttp.ClientSession(connector=connector) as http:

        async def get(port: int) -> str:
            async with http.get(f"https://127.0.0.1:{port}/") as response:
                return await response.text()

        yield lambda port: asyncio.ensure_future(get(port))


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_sessions_are_resumed(runner: asyncio.Runner, chain: Path, version: ssl.TLSVersion) -> None:
    """The first handshake is a full one; those that follow resume its session."""

    async def run() -> list[str]:
        async with serving(server_context(chain, version)) as port, client() as get:
            return [await get(port) for _ in range(4)]

    with runner:
        assert runner.run(run()) == ["full", "resumed", "resumed", "resumed"]


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_server_without_tickets_gets_a_full_handshake_each_time(
    runner: asyncio.Runner, chain: Path, version: ssl.TLSVersion
) -> None:
    """Each handshake is a full one, and nothing fails."""

    async def run() -> list[str]:
        async with serving(without_tickets(chain, version)) as port, client() as get:
            return [await get(port) for _ in range(3)]

    with runner:
        assert runner.run(run()) == ["full", "full", "full"]


@pytest.mark.parametrize("version", [TLS_1_2, TLS_1_3])
def test_a_refused_ticket_costs_a_full_handshake(
    runner: asyncio.Runner, chain: Path, version: ssl.TLSVersion
) -> None:
    """Nothing fails; the old ticket is offered again until its ten minutes are over."""

    async def run() -> list[str]:
        async with client() as get:
            async with serving(server_context(chain, version)) as port:
                before = [await get(port) for _ in range(2)]
            async with serving(server_context(chain, version), port):
                return [*before, await get(port), await get(port)]

    with runner:
        assert runner.run(run()) == ["full", "resumed", "full", "full"]


def test_a_server_that_no_one_vouches_for_is_refused(
    runner: asyncio.Runner, chain: Path, tmp_path: Path
) -> None:
    """Also one that takes the place of a server whose session is known."""
    (tmp_path / "other").mkdir()
    _, stranger = certificates(tmp_path / "other")

    async def run() -> None:
        async with client() as get:
            async with serving(server_context(chain)) as port:
                assert [await get(port) for _ in range(2)] == ["full", "resumed"]
            async with serving(server_context(stranger), port):
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await get(port)

    with runner:
        runner.run(run())


def connect(client: ssl.SSLContext, server: ssl.SSLContext) -> ssl.SSLObject:
    """Connect a client to a server in memory; what the server says first is not read yet."""
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    one = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (one, other, one, other):
        with suppress(ssl.SSLWantReadError):
            side.do_handshake()
    other.write(b"hello")
    return one


def first_message(client: ssl.SSLContext) -> int:
    """Begin a handshake that no one answers, and return the length of the client's message."""
    to_server = ssl.MemoryBIO()
    one = client.wrap_bio(ssl.MemoryBIO(), to_server, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        one.do_handshake()
    return to_server.pending


def test_an_offer_without_an_answer_is_not_repeated(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something on the way may drop connections that offer a session; others must get through."""
    monkeypatch.setattr("bot.tls._UNANSWERED_SECONDS", 0.0)
    client = resuming_context()
    without_ticket = first_message(client)
    connect(client, server_context(chain)).read()
    assert first_message(client) > without_ticket
    assert first_message(client) == without_ticket
    assert connect(client, server_context(chain)).read() == b"hello"


def test_certificates_are_checked_again_after_a_time(
    chain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A resumed session gives no new one: a busy process would never check them again."""
    now = 0.0
    monkeypatch.setattr("bot.tls.TTLCache", partial(TTLCache, timer=lambda: now))
    client, server = resuming_context(), server_context(chain)
    connect(client, server).read()
    resumed = connect(client, server)
    assert resumed.session_reused
    now = 601.0
    resumed.read()
    assert not connect(client, server).session_reused


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of threads from /proc")
def test_connecting_to_an_ip_address_starts_no_thread() -> None:
    """Otherwise uvloop would ask the system's resolver, in threads that it starts for that."""
    program = """
import asyncio, pathlib, socket
from bot.event_loop import EventLoop

async def main():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as one:
        one.setblocking(False)
        await asyncio.get_running_loop().sock_connect(one, server.getsockname())
    print(*(file.read_text().strip() for file in pathlib.Path("/proc/self/task").glob("*/comm")))

with asyncio.Runner(loop_factory=EventLoop) as runner:
    runner.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "libuv" not in done.stdout
    assert done.stdout.strip()
