"""F, the floor: what any bot in Python has to do, and nothing else.

Checks the signature, acknowledges, asks Fullstory over one shared session, posts the answer. No
Bolt, no checks of who asks, no limits, no retries, no log: no one should run this. With
ANSWER_IN_ACK (F3) the answer is the ack, and with CONNECTIONS_ONCE each connection serves one
request, as the bot's do.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode

import aiohttp
import orjson
import uvloop
from aiohttp import web

SECRET = os.environ["SLACK_SIGNING_SECRET"].encode()
FULLSTORY = os.environ["FULLSTORY_API_URL"]
JSON = {"Content-Type": "application/json"}
HEADERS = {"Authorization": f"Basic {os.environ['FULLSTORY_API_KEY']}"}
tasks: set[asyncio.Task[None]] = set()


def blocks(sessions: list[dict[str, str]]) -> list[dict[str, object]]:
    """Return a list of links."""
    lines = [
        f"<{one['fsUrl']}|{datetime.fromtimestamp(int(one['createdTime']), UTC):%d %b %H:%M}>"
        for one in sessions
    ]
    return [{"type": "section", "text": {"type": "mrkdwn", "text": "\n".join(lines)}}]


async def answer(http: aiohttp.ClientSession, email: str) -> bytes:
    """Look up, and return a message."""
    url = f"{FULLSTORY}/sessions/v2?{urlencode({'email': email, 'limit': 20})}"
    async with http.get(url, headers=HEADERS) as response:
        found = orjson.loads(await response.read())["sessions"]
    message = {"text": f"Latest {len(found)} sessions of {email}", "blocks": blocks(found)}
    return orjson.dumps(message)


async def post_answer(http: aiohttp.ClientSession, email: str, response_url: str) -> None:
    """Look up, and post the message."""
    message = await answer(http, email)
    async with http.post(response_url, data=message, headers=JSON) as response:
        await response.read()


async def main() -> None:
    """Serve until it is ended."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, force_close="CONNECTIONS_ONCE" in os.environ)
    ) as http:

        async def events(request: web.Request) -> web.Response:
            body = await request.read()
            stamp = request.headers["X-Slack-Request-Timestamp"].encode()
            digest = hmac.new(SECRET, b"v0:" + stamp + b":" + body, hashlib.sha256).hexdigest()
            if not hmac.compare_digest(f"v0={digest}", request.headers["X-Slack-Signature"]):
                return web.Response(status=401)
            fields = dict(parse_qsl(body.decode()))
            if os.environ.get("ANSWER_IN_ACK"):
                return web.Response(body=await answer(http, fields["text"]), headers=JSON)
            task = asyncio.create_task(post_answer(http, fields["text"], fields["response_url"]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return web.Response()

        app = web.Application()
        app.router.add_post("/slack/events", events)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(os.environ["PORT"]), backlog=1024).start()
        await asyncio.Event().wait()


uvloop.run(main())
