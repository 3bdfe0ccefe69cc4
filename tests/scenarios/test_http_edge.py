"""What comes in over HTTP before it is known to be Slack's; and what Slack's own bytes can hold."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import hmac
import io
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote_plus, urlencode

import aiohttp
import pytest

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import USER
from bot.service import Service
from tests.conftest import QUICK, Logged, StartBot, until

COMMAND = urlencode(
    {
        "command": "/fsessions",
        "text": "omar@example.com",
        "user_id": USER,
        "response_url": "http://127.0.0.1:9/",
    }
)
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Yield a session of anyone on the internet."""
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


Post = Callable[..., Any]


@pytest.fixture
def post(bot: Service, http: aiohttp.ClientSession) -> Post:
    """Post bytes with headers to the bot; return status and text."""

    async def send(body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        url = f"http://127.0.0.1:{bot.port}/slack/events"
        async with http.post(url, data=io.BytesIO(body), headers=headers) as response:
            return response.status, await response.text()

    return send


def headers_for(secret: str, body: bytes, timestamp: str | None = None) -> dict[str, str]:
    """Signed as Slack's documentation says, independently of both the bot and the stand-in.

    https://docs.slack.dev/authentication/verifying-requests-from-slack
    """
    stamp = str(int(time.time())) if timestamp is None else timestamp
    mac = hmac.new(secret.encode(), b":".join([b"v0", stamp.encode(), body]), hashlib.sha256)
    return {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={mac.hexdigest()}",
        "Content-Type": FORM,
    }


async def test_signed_command(post: Post, slack: SlackSandbox) -> None:
    """The right signature, made by hand."""
    body = COMMAND.encode()
    status, text = await post(body, headers_for(slack.signing_secret, body))
    assert status == 200
    assert "1 session of omar@example.com" in json.loads(text)["text"]


def test_slacks_published_vector() -> None:
    """The helper above signs as Slack does."""
    body = (
        b"token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow"
        b"&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner"
        b"&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands"
        b"%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN"
        b"&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
    )
    signed = headers_for("8f742231b10e8888abcd99yyyzzz85a5", body, "1531420618")
    assert (
        signed["X-Slack-Signature"]
        == "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"X-Slack-Signature": ""},
        {"X-Slack-Signature": "v0=" + "0" * 64},
        {"X-Slack-Signature": "v0=ключ"},
        {"X-Slack-Signature": "v1"},
        {"X-Slack-Request-Timestamp": ""},
        {"X-Slack-Request-Timestamp": "now"},
        {"X-Slack-Request-Timestamp": "-1"},
        {"X-Slack-Request-Timestamp": "1e9"},
        {"X-Slack-Request-Timestamp": "٣"},
        {"X-Slack-Request-Timestamp": "9" * 400},
    ],
)
async def test_wrong_signatures(
    post: Post, slack: SlackSandbox, logged: Logged, change: dict[str, str]
) -> None:
    """401, one line in the log, nothing of the content in it."""
    body = COMMAND.encode()
    before = len(logged())
    status, text = await post(body, headers_for(slack.signing_secret, body) | change)
    assert (status, text) == (401, "")
    (line,) = logged()[before:]
    assert (line["event"], line["reason"]) == ("request refused", "signature")
    assert "omar" not in str(line)


async def test_no_signature_at_all(post: Post) -> None:
    """Neither a command, nor Slack's own checks, nor nothing."""
    for body in (COMMAND.encode(), b"ssl_check=1", b'{"type": "url_verification"}', b""):
        status, _ = await post(body, {"Content-Type": FORM})
        assert status == 401


@pytest.mark.parametrize(("offset", "status"), [(-290, 200), (-310, 401), (290, 200), (310, 401)])
async def test_stale_and_future(post: Post, slack: SlackSandbox, offset: int, status: int) -> None:
    """Five minutes either way."""
    body = COMMAND.encode()
    signed = headers_for(slack.signing_secret, body, str(int(time.time()) + offset))
    assert (await post(body, signed))[0] == status


async def test_a_signature_is_for_these_bytes(post: Post, slack: SlackSandbox) -> None:
    """One changed character, and it is no one's."""
    signed = headers_for(slack.signing_secret, COMMAND.encode())
    assert (await post(COMMAND.replace("omar", "jane").encode(), signed))[0] == 401


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"x",
        b"&&&",
        b"a=b",
        b"payload=",
        b"payload=%7B",
        b"payload=[]",
        b"payload=1",
        b"command",
        b"command=%FF&text=%FE",
        b"{",
        b"{}x",
        b"[]",
        b'"text"',
        b"null",
        b"\x00",
        b"{" + b'"a":{' * 50_000,
        b'{"type": "event_callback", "event": 5, "user": 7}',
        b'{"type": "block_actions", "actions": []}',
        b'{"type": "block_actions", "actions": {}}',
        b'{"type": "event_callback", "event": null}',
        b'{"type": "view_closed", "user": {"id": "U1"}, "team": {"id": "T1"}, "view": null}',
        b'{"type": "view_submission", "view": {"callback_id": "x"}, "response_urls": []}',
        b'{"type": "interactive_message", "actions": []}',
        b'{"type": "workflow_step_edit"}',
        b"payload=%7B%22type%22%3A%22block_actions%22%2C%22actions%22%3A%5B%5D%7D",
        b'{"type": "block_actions", "user": 7, "team": 5}',
        b'{"authorizations": [1]}',
        b'{"type": [], "view": []}',
    ],
)
async def test_signed_nonsense(
    post: Post, slack: SlackSandbox, logged: Logged, body: bytes
) -> None:
    """4xx, one line in the log, never a 500."""
    before = len(logged())
    status, _ = await post(body, headers_for(slack.signing_secret, body))
    assert status in (400, 404)
    assert len(logged()) == before + 1


@pytest.mark.parametrize("signed", [b"\xff", b"text"])
async def test_bytes_that_are_no_text(post: Post, slack: SlackSandbox, signed: bytes) -> None:
    """Slack's verifier can't read them, whether the signature fits or not."""
    assert (await post(b"\xff", headers_for(slack.signing_secret, signed)))[0] == 401


async def test_size(post: Post, slack: SlackSandbox) -> None:
    """One MiB is taken; a byte more is not, signed or not."""
    padding = b"&padding="
    body = COMMAND.encode() + padding
    body += b"x" * (1024 * 1024 - len(body))
    assert (await post(body, headers_for(slack.signing_secret, body)))[0] == 200
    body += b"x"
    assert (await post(body, headers_for(slack.signing_secret, body)))[0] == 413


async def test_compressed_bodies_are_not_unpacked(post: Post, slack: SlackSandbox) -> None:
    """Slack sends none; unpacking before the check would be work for anyone who asks for it."""
    body = gzip.compress(b"x" * 10_000_000)
    signed = headers_for(slack.signing_secret, body) | {"Content-Encoding": "gzip"}
    assert (await post(body, signed))[0] in (400, 401)


async def test_url_verification(post: Post, slack: SlackSandbox) -> None:
    """The challenge comes back, to Slack alone."""
    body = json.dumps({"type": "url_verification", "challenge": "c4"}).encode()
    signed = headers_for(slack.signing_secret, body) | {"Content-Type": "application/json"}
    status, text = await post(body, signed)
    assert status == 200
    assert json.loads(text) == {"challenge": "c4"}


async def test_ssl_check(post: Post, slack: SlackSandbox) -> None:
    """Slack's check of the certificate, when it is signed."""
    body = b"ssl_check=1&token=x"
    assert (await post(body, headers_for(slack.signing_secret, body)))[0] == 200


async def test_what_no_one_listens_to(post: Post, slack: SlackSandbox, logged: Logged) -> None:
    """404, and a line that names the kind alone."""
    body = json.dumps(
        {"type": "event_callback", "event": {"type": "pin_added", "text": "jane@example.com"}}
    ).encode()
    assert (await post(body, headers_for(slack.signing_secret, body)))[0] == 404
    assert logged()[-1]["type"] == "event_callback"
    assert "jane" not in str(logged())


@pytest.mark.parametrize("path", ["/slack", "/slack/events/", "/metrics"])
async def test_other_addresses(bot: Service, http: aiohttp.ClientSession, path: str) -> None:
    """There is nothing else."""
    async with http.post(f"http://127.0.0.1:{bot.port}{path}") as response:
        assert response.status == 404


async def test_health(bot: Service, http: aiohttp.ClientSession) -> None:
    """Alive and ready."""
    for path, said in (("healthz", "alive"), ("readyz", "ready")):
        async with http.get(f"http://127.0.0.1:{bot.port}/{path}") as response:
            assert (response.status, await response.json()) == (200, {"status": said})
    async with http.get(f"http://127.0.0.1:{bot.port}/") as response:
        assert "fsessions is running" in await response.text()


@pytest.mark.parametrize(
    "raw",
    [
        b"omar@example.com\r\n\r\n",
        b"POST /slack/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nomar\r\n",
        b"POST /slack/events HTTP/1.1\r\nHost: x\r\nContent-Length: omar\r\n\r\n",
        b"POST /slack/events HTTP/1.1\r\nomar\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nomar@example.com\r\n\r\n",
    ],
)
async def test_bytes_that_are_no_http(bot: Service, logged: Logged, raw: bytes) -> None:
    """Refused; what they were is in no log, also where aiohttp itself complains."""
    reader, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(raw)
    writer.write_eof()
    async with asyncio.timeout(8):
        answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    statuses = [line for line in answer.decode().split("\r\n") if line.startswith("HTTP/")]
    assert not any(" 5" in status for status in statuses), statuses
    assert "omar" not in str(logged())


async def test_what_is_no_http_is_logged_seldom(bot: Service, logged: Logged) -> None:
    """One line for all of it: anyone can send it."""
    for _ in range(20):
        await status_of(bot.port, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: omar\r\n\r\n")
    refused = [line for line in logged() if line["event"] == "request refused"]
    assert [line["level"] for line in refused] == ["warning"]
    assert "at" not in refused[0]


async def status_of(port: int, raw: bytes, *, half_close: bool = False) -> int:
    """Return the status that comes back, and then the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(raw)
    if half_close:
        writer.write_eof()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()
    return int(answer.split(b" ")[1]) if answer else 0


def request(headers: dict[str, str], body: bytes, length: int | None = None) -> bytes:
    """Return a request as it goes over the wire; `length` is what it promises."""
    promised = {"Host": "x", "Content-Length": str(len(body) if length is None else length)}
    lines = [f"{name}: {value}" for name, value in (promised | headers).items()]
    return "\r\n".join(["POST /slack/events HTTP/1.1", *lines, "", ""]).encode() + body


async def test_a_body_that_never_comes(bot: Service) -> None:
    """Without a signature no one waits for it."""
    for change in ({}, {"X-Slack-Signature": "v0=x"}, {"X-Slack-Request-Timestamp": "1531420618"}):
        headers = headers_for("s", b"") | change if change else {}
        assert await status_of(bot.port, request(headers, b"abc", 1_000_000)) == 401


async def test_a_body_that_never_ends(start_bot: StartBot, slack: SlackSandbox) -> None:
    """408 after a while: no one can hold the bot's memory for long."""
    async with start_bot(replace(QUICK, body=0.1)) as bot:
        signed = headers_for(slack.signing_secret, b"abc")
        assert await status_of(bot.port, request(signed, b"abc", 100)) == 408


async def test_a_body_that_is_cut_off(bot: Service, slack: SlackSandbox, logged: Logged) -> None:
    """It was not acknowledged, so no acknowledgement is lost."""
    signed = headers_for(slack.signing_secret, b"abc")
    _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
    writer.write(request(signed, b"abc", 100))
    await writer.drain()
    writer.transport.abort()
    await until(lambda: "cut off" in str(logged()))
    assert "acknowledgement" not in str(logged())


async def test_stalled_bodies_are_no_work(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The process ends although a person continues opening requests whose bodies never come."""
    async with start_bot(replace(QUICK, body=300, drain=300)) as bot:
        writers = []
        for _ in range(20):
            _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
            writer.write(request(headers_for(slack.signing_secret, b""), b"abc", 100))
            writers.append(writer)
        assert (await slack.command("/fsessions omar@example.com")).ack
    assert len(fullstory.received) == 1
    for writer in writers:
        writer.close()


async def test_large_bodies_that_are_not_verified_yet(bot: Service, slack: SlackSandbox) -> None:
    """Some are in memory at a time; those that come to a halt lose their place to others."""
    body = b"x" * 200_000
    writers = []
    for _ in range(40):
        _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
        writer.write(request(headers_for("another", body), body, len(body) + 1))
        writers.append(writer)
    exchange = await slack.command("/fsessions omar@example.com")
    assert exchange.ack
    padded = f"{COMMAND}&padding={'x' * 200_000}".encode()
    signed = headers_for(slack.signing_secret, padded)
    assert await status_of(bot.port, request(signed, padded), half_close=True) == 200
    for writer in writers:
        writer.close()


async def test_connections_that_say_nothing(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Are closed, and so are those that stop in the middle of a header, first or later."""
    beginnings = [b"", b"POST /slack/ev", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea"]
    async with start_bot(replace(QUICK, idle=0.2)) as bot:
        for beginning in beginnings:
            await status_of(bot.port, beginning)
        assert (await slack.command("/fsessions omar@example.com")).ack


class TestGone:
    """What came whole and signed is done, though its sender hung up."""

    async def test_hung_up_at_once(self, bot: Service, slack: SlackSandbox) -> None:
        """The answer comes to the response_url, once."""
        for abort in (True, False) * 5:
            exchange = slack.new_exchange()
            body = COMMAND.replace(quote_plus("http://127.0.0.1:9/"), exchange.response_url)
            signed = headers_for(slack.signing_secret, body.encode())
            _, writer = await asyncio.open_connection("127.0.0.1", bot.port)
            writer.write(request(signed, body.encode()))
            await writer.drain()
            if abort:
                writer.transport.abort()
            else:
                writer.close()
            assert "1 session of omar" in (await exchange.answer())["text"]
            assert exchange.uses == 1

    async def test_half_closed(self, bot: Service, slack: SlackSandbox) -> None:
        """A sender that has said all, and listens: an ack, and one answer."""
        exchange = slack.new_exchange()
        body = COMMAND.replace(quote_plus("http://127.0.0.1:9/"), exchange.response_url)
        signed = headers_for(slack.signing_secret, body.encode())
        raw = request(signed, body.encode())
        assert await status_of(bot.port, raw, half_close=True) == 200
        assert "1 session of omar" in (await exchange.answer())["text"]
        assert exchange.uses == 1


async def test_a_listener_is_found_for_interactions(post: Post, slack: SlackSandbox) -> None:
    """JSON in a form's field."""
    payload = {
        "type": "block_actions",
        "user": {"id": "U1"},
        "actions": [{"type": "button", "action_id": "watch_replay", "block_id": "b"}],
    }
    body = urlencode({"payload": json.dumps(payload)}).encode()
    assert (await post(body, headers_for(slack.signing_secret, body))) == (200, "")


async def test_a_long_header(post: Post, slack: SlackSandbox) -> None:
    """Some proxies pass on a chain of client certificates."""
    body = COMMAND.encode()
    chain = {"X-Client-Cert": "c" * 10_000}
    assert (await post(body, headers_for(slack.signing_secret, body) | chain))[0] == 200


async def test_slack_holds_back_events(post: Post, slack: SlackSandbox, logged: Logged) -> None:
    """It is acknowledged, and logged as what it is."""
    told = {"type": "app_rate_limited", "token": "x", "team_id": "T1", "minute_rate_limited": 1}
    body = json.dumps(told).encode()
    signed = headers_for(slack.signing_secret, body) | {"Content-Type": "application/json"}
    assert (await post(body, signed))[0] == 200
    assert any("rate limited" in line["event"] for line in logged())


async def test_a_wrong_signature_says_where_the_secret_is(
    post: Post, slack: SlackSandbox, logged: Logged
) -> None:
    """It is the only trace of a wrong SLACK_SIGNING_SECRET."""
    body = COMMAND.encode()
    assert (await post(body, headers_for("0" * 32, body)))[0] == 401
    (line,) = [one for one in logged() if one["event"] == "request refused"]
    assert "Basic Information" in line["hint"]
    del slack
