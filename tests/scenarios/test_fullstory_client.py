"""Asking Fullstory over a real connection: retries, deadlines, pages, what never happens."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.connections import open_connections, proxy_for
from bot.core.sessions import Query
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    KeyRejected,
    RateLimited,
    ReplyCutOff,
    ReplyRedirected,
    ReplyTooLarge,
    Unavailable,
)
from bot.fullstory.client import FullstoryClient
from bot.fullstory.protocol import MAX_REPLY_BYTES, Endpoint
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.people import Person
from tests.conftest import Logged, until

JANE = Query("jane@example.com", None, 5)
GOOD = Scripted(200, b'{"sessions": []}')
PATHS = ["/sessions/v2", "/v2/sessions", "POST /sessions/v2"]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield the session for Fullstory."""
    async with open_connections() as connections:
        yield connections.fullstory


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> str:
    """Each of the two list endpoints, and the one that takes a POST."""
    return str(request.param)


@pytest.fixture
def client(http: aiohttp.ClientSession, fullstory: FullstorySandbox, path: str) -> FullstoryClient:
    """Return a client with four seconds' patience."""
    return client_for(http, fullstory.url, fullstory.key, path)


def client_for(
    http: aiohttp.ClientSession, url: str, key: str, path: str = PATHS[0], timeout: float = 4.0
) -> FullstoryClient:
    """Return a client for an address."""
    method, _, path = path.rpartition(" ")
    endpoint = Endpoint(url, path, in_body=method == "POST")
    return FullstoryClient(http, endpoint=endpoint, key=key, timeout=timeout)


async def test_both_endpoints(
    client: FullstoryClient, fullstory: FullstorySandbox, path: str
) -> None:
    """The same answer, in the order of time."""
    found = await client.sessions(JANE)
    assert len(found.sessions) == 5
    times = [session.started for session in found.sessions if session.started]
    assert times == sorted(times, reverse=True)
    assert all(session.link for session in found.sessions)
    assert fullstory.received[0].path == path.split()[-1]
    assert fullstory.received[0].method == ("POST" if " " in path else "GET")
    assert fullstory.received[0].headers["Integration-Source"] == "fsessions"


async def test_in_a_body(http: aiohttp.ClientSession, fullstory: FullstorySandbox) -> None:
    """With POST, who is looked up is in no address, on any page."""
    client = client_for(http, fullstory.url, fullstory.key, "POST /sessions/v2")
    both = await client.sessions(Query("fan@example.com", "user-42", 100))
    assert len(both.sessions) == 100
    assert len(fullstory.received) > 2
    for request in fullstory.received:
        assert (request.method, request.path, request.raw_query) == ("POST", "/sessions/v2", "")
        assert request.headers["Content-Type"] == "application/json"
        assert (request.query["email"], request.query["uid"]) == ("fan@example.com", "user-42")


async def test_union_is_one_list_within_the_limit(client: FullstoryClient) -> None:
    """Fullstory repeats sessions and exceeds the limit; we don't."""
    found = await client.sessions(Query("jane@example.com", "user-42", 10))
    newest = await client.sessions(Query("jane@example.com", None, 10))
    assert [s.session_id for s in found.sessions] == [s.session_id for s in newest.sessions]


@pytest.mark.parametrize(
    "identity",
    [
        "a+b@example.com",
        "a&b=c@example.com",
        "100%@example.com",
        "用户@例子.公司",
        "a#b@example.com",
    ],
)
async def test_addresses_arrive_as_meant(
    http: aiohttp.ClientSession, identity: str, path: str
) -> None:
    """Also those whose characters mean something in a URL; and the same as a uid."""
    people = [Person("", "", email=identity, sessions=2), Person("", "", uid=identity, sessions=1)]
    async with FullstorySandbox(people).running() as fullstory:
        client = client_for(http, fullstory.url, fullstory.key, path)
        assert len((await client.sessions(Query(identity, None, 5))).sessions) == 2
        assert len((await client.sessions(Query(None, identity, 5))).sessions) == 1


async def test_pages_are_followed(http: aiohttp.ClientSession) -> None:
    """Until there are enough, or no more."""
    people = [Person("", "", email="fan@example.com", sessions=95)]
    async with FullstorySandbox(people).running() as fullstory:
        client = client_for(http, fullstory.url, fullstory.key)
        assert len((await client.sessions(Query("fan@example.com", None, 100))).sessions) == 95
        assert len(fullstory.received) == 3
        assert len((await client.sessions(Query("fan@example.com", None, 40))).sessions) == 40
        assert len(fullstory.received) == 4


@pytest.mark.parametrize("limit", [10, 30, 50, 100])
async def test_a_union_over_pages(http: aiohttp.ClientSession, limit: int) -> None:
    """It lists all of one identity before the other; the newest of both are wanted."""
    people = [
        Person("", "", email="two@example.com", sessions=90),
        Person("", "", uid="two", sessions=100),
    ]
    async with FullstorySandbox(people).running() as fullstory:
        client = client_for(http, fullstory.url, fullstory.key)
        both = await client.sessions(Query("two@example.com", "two", limit))
    # Their sessions began at the same times: half of the newest are the one's, half the other's.
    counts = Counter(session.fullstory_user_id for session in both.sessions)
    assert sorted(counts.values()) == [limit // 2, limit // 2]


async def test_equal_times_keep_fullstorys_order(
    http: aiohttp.ClientSession, fullstory: FullstorySandbox
) -> None:
    """The same question gets the same answer; sessions without any mark are all there."""
    items = [{"id": f"1:{n}", "created_time": "2026-11-23T10:00:00Z"} for n in range(9)]
    fullstory.always = Scripted(200, json.dumps({"results": items}).encode())
    client = client_for(http, fullstory.url, fullstory.key)
    found = await client.sessions(JANE)
    assert [session.session_id for session in found.sessions] == ["0", "1", "2", "3", "4"]
    fullstory.always = Scripted(200, b'{"results": [{}, {}]}')
    assert len((await client.sessions(JANE)).sessions) == 2


async def test_proxies_are_respected(
    fullstory: FullstorySandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the environment, but for what NO_PROXY names."""
    asked = []

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readline()).decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]")
        writer.close()

    server = await asyncio.start_server(proxy, "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{address[1]}")
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{address[1]}")
        monkeypatch.setenv("NO_PROXY", "elsewhere.example")
        async with open_connections() as connections:
            await client_for(connections.fullstory, fullstory.url, fullstory.key).sessions(JANE)
        assert asked[0].startswith(f"GET {fullstory.url}/sessions/v2")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        async with open_connections() as connections:
            await client_for(connections.fullstory, fullstory.url, fullstory.key).sessions(JANE)
    assert (len(asked), len(fullstory.received)) == (1, 1)


async def test_a_proxy_and_a_netrc(
    fullstory: FullstorySandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is in .netrc is not for us: the key is."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login jane password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    async with open_connections() as connections:
        await client_for(connections.fullstory, fullstory.url, fullstory.key).sessions(JANE)
    assert fullstory.received[0].headers["Authorization"] == f"Basic {fullstory.key}"


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://api.fullstory.com", "http://proxy.example:3128"),
        ("wss://wss-primary.slack.com/link", "http://proxy.example:3128"),
        ("http://api.fullstory.com", None),
        ("https://hooks.internal.example/x", None),
    ],
)
def test_which_proxy(monkeypatch: pytest.MonkeyPatch, url: str, proxy: str | None) -> None:
    """The environment's, but where NO_PROXY names the host."""
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "internal.example")
    assert proxy_for(url) == proxy


async def test_a_token_that_leads_in_circles(
    http: aiohttp.ClientSession, fullstory: FullstorySandbox
) -> None:
    """The same page again ends it."""
    item = {"id": "1:2", "created_time": 1, "app_url": "https://app.fullstory.com/s/1:2"}
    body = json.dumps({"sessions": [item], "pagination_token": "again"}).encode()
    fullstory.always = Scripted(200, body)
    client = client_for(http, fullstory.url, fullstory.key)
    assert len((await client.sessions(JANE)).sessions) == 1
    assert len(fullstory.received) == 2


@pytest.mark.parametrize(
    "trouble",
    [
        Scripted(500),
        Scripted(503, b"<html>"),
        Scripted(429),
        Scripted(429, headers={"Retry-After": "0"}),
        Scripted(200, b'{"sessions": []}', cut_off=True),
    ],
)
async def test_what_passes_is_tried_again(
    client: FullstoryClient, fullstory: FullstorySandbox, trouble: Scripted
) -> None:
    """One stumble, and the answer is there nevertheless."""
    fullstory.script.extend([trouble, GOOD])
    assert (await client.sessions(JANE)).sessions == ()
    assert len(fullstory.received) == 2


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422])
async def test_other_refusals_are_final(
    client: FullstoryClient, fullstory: FullstorySandbox, status: int
) -> None:
    """Asking again would give the same, or lock the key out."""
    fullstory.script.extend([Scripted(status), GOOD])
    if status == 404:
        assert (await client.sessions(JANE)).sessions == ()
    else:
        with pytest.raises(FullstoryError):
            await client.sessions(JANE)
    assert len(fullstory.received) == 1


async def test_retry_after_is_honoured_while_it_fits(
    client: FullstoryClient, fullstory: FullstorySandbox
) -> None:
    """One second is waited for, within the four that there are."""
    fullstory.script.extend([Scripted(429, headers={"Retry-After": "1"}), GOOD])
    started = asyncio.get_running_loop().time()
    await client.sessions(JANE)
    assert asyncio.get_running_loop().time() - started >= 1.0


async def test_retry_after_that_does_not_fit_is_told_at_once(
    client: FullstoryClient, fullstory: FullstorySandbox
) -> None:
    """With the time to come back, not with "too slow" four seconds later."""
    fullstory.script.append(Scripted(429, headers={"Retry-After": "30"}))
    async with asyncio.timeout(1):
        with pytest.raises(RateLimited) as caught:
            await client.sessions(JANE)
    assert caught.value.retry_after == 30.0
    assert len(fullstory.received) == 1


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (Scripted(500), Unavailable),
        (Scripted(429), RateLimited),
        (Scripted(200, b'{"sessions": []}', cut_off=True), ReplyCutOff),
    ],
)
async def test_tries_are_counted(
    client: FullstoryClient,
    fullstory: FullstorySandbox,
    trouble: Scripted,
    error: type[FullstoryError],
) -> None:
    """Four, and then what happened last."""
    fullstory.always = trouble
    with pytest.raises(error):
        await client.sessions(JANE)
    assert len(fullstory.received) == 4


async def test_one_deadline_for_all(
    http: aiohttp.ClientSession, fullstory: FullstorySandbox
) -> None:
    """Waiting, retries and pages together."""
    fullstory.always = Scripted(seconds=30)
    client = client_for(http, fullstory.url, fullstory.key, timeout=0.2)
    async with asyncio.timeout(1):
        with pytest.raises(DeadlineExceeded) as caught:
            await client.sessions(JANE)
    assert caught.value.seconds == 0.2


async def test_a_reply_that_is_too_large(
    client: FullstoryClient, fullstory: FullstorySandbox
) -> None:
    """So much is read, and not a byte more."""
    fullstory.script.append(Scripted(200, b'{"sessions": []}'.ljust(MAX_REPLY_BYTES)))
    assert (await client.sessions(JANE)).sessions == ()
    fullstory.script.append(Scripted(200, b'{"sessions": []}'.ljust(MAX_REPLY_BYTES + 1)))
    with pytest.raises(ReplyTooLarge):
        await client.sessions(JANE)


async def test_the_key_never_follows_a_redirect(
    client: FullstoryClient, fullstory: FullstorySandbox
) -> None:
    """Not to another host, nor to another address of the same."""
    async with FullstorySandbox().running() as elsewhere:
        for location in (f"{elsewhere.url}/sessions/v2", "/v2/sessions"):
            fullstory.script.append(Scripted(307, headers={"Location": location}))
            with pytest.raises(ReplyRedirected):
                await client.sessions(JANE)
        assert elsewhere.received == []
    assert len(fullstory.received) == 2


async def test_cookies_are_not_kept(client: FullstoryClient, fullstory: FullstorySandbox) -> None:
    """One person's request leaves nothing behind for the next."""
    cookie = Scripted(200, b"{}", headers={"Set-Cookie": "a=b"})
    fullstory.script.extend([cookie, GOOD])
    await client.sessions(JANE)
    await client.sessions(JANE)
    assert "Cookie" not in fullstory.received[1].headers


async def test_wrong_key(http: aiohttp.ClientSession, fullstory: FullstorySandbox) -> None:
    """401, whatever the key looks like."""
    with pytest.raises(KeyRejected):
        await client_for(http, fullstory.url, "na1.other").sessions(JANE)


async def test_a_request_that_is_stuck(
    http: aiohttp.ClientSession, fullstory: FullstorySandbox
) -> None:
    """It is dropped in time for another, which may be answered at once."""
    fullstory.script.append(Scripted(seconds=30))
    client = client_for(http, fullstory.url, fullstory.key, timeout=5)
    assert len((await client.sessions(JANE)).sessions) == 5
    assert len(fullstory.received) == 2


async def test_hanging_lookups_leave_room(
    http: aiohttp.ClientSession, fullstory: FullstorySandbox
) -> None:
    """Two hundred wait for Fullstory, and the next one is answered all the same."""
    fullstory.script.extend([Scripted(seconds=30)] * 200)
    client = client_for(http, fullstory.url, fullstory.key, timeout=60)
    others = [Query(f"customer{number}@example.com", None, 5) for number in range(200)]
    waiting = [asyncio.create_task(client.sessions(one)) for one in others]
    await until(lambda: len(fullstory.received) == 200)
    assert len((await client.sessions(JANE)).sessions) == 5
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_reply_too_many_is_no_ones(http: aiohttp.ClientSession) -> None:
    """Whatever comes after a reply, the next person's request has a connection of its own."""
    connections = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readuntil(b"\r\n\r\n"):
            body = b'{"sessions": []}'
            if connections == 1:  # the right reply, and at once another's
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n" + body)
                body = b'[{"id": "victims:session"}]'
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        client = client_for(http, url, "k")
        for _ in range(3):
            assert (await client.sessions(JANE)).sessions == ()
    assert connections == 3


@pytest.mark.parametrize("body", [b"[%s]" % b",".join([b"{}"] * 1001), b"[" + b"1," * 200_000])
async def test_replies_with_too_much_in_them(
    client: FullstoryClient, fullstory: FullstorySandbox, body: bytes
) -> None:
    """A thousand sessions are read, ten times what is asked for."""
    fullstory.always = Scripted(200, body[:-1] + b"]")
    with pytest.raises(ReplyTooLarge):
        await client.sessions(JANE)


async def test_no_one_listens(http: aiohttp.ClientSession, unused_tcp_port: int) -> None:
    """A connection that is refused is tried again, then told."""
    client = client_for(http, f"http://127.0.0.1:{unused_tcp_port}", "k")
    with pytest.raises(Unavailable) as caught:
        await client.sessions(JANE)
    assert caught.value.status is None


@pytest.mark.parametrize("reply", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 xyz\r\n\r\n"])
async def test_something_else_listens(http: aiohttp.ClientSession, reply: bytes) -> None:
    """What is no HTTP is no Fullstory."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unavailable):
            await client_for(http, f"http://127.0.0.1:{port}", "k").sessions(JANE)


async def test_nothing_personal_in_an_error(
    client: FullstoryClient, fullstory: FullstorySandbox, logged: Logged
) -> None:
    """Neither the address nor the key, wherever it goes wrong."""
    for trouble in (Scripted(401), Scripted(400), Scripted(200, b'{"sessions": ["jane"]}')):
        fullstory.script.append(trouble)
        with pytest.raises(FullstoryError) as caught:
            await client.sessions(JANE)
        assert "jane" not in str(caught.value) + str(logged())
        assert fullstory.key not in str(caught.value) + str(logged())
