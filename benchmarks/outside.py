"""The world around the bot, as cheap as can be: Fullstory and Slack that always answer, and people.

It is not the sandbox, whose job is to be awkward. It runs in a process of its own, so that it takes
no time from the bot's; `busy` tells how much of a core it took, for if it were the bottleneck, the
figures would be about it.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

SIGNING_SECRET: Final = "benchmark"  # noqa: S105 - it opens nothing
TEAM: Final = "T0BENCHMARK"
_JSON: Final = {"Content-Type": "application/json"}
_NEWEST: Final = 1_700_000_000


def sessions(count: int) -> bytes:
    """What Fullstory says of somebody with so many sessions."""
    listed = [
        {
            "userId": "4567890123456789",
            "sessionId": str(1234567890123456 + number),
            "createdTime": str(_NEWEST - 7200 * number),
            "fsUrl": "https://app.fullstory.com/ui/ABC12/session/"
            f"4567890123456789:{1234567890123456 + number}",
        }
        for number in range(count)
    ]
    return json.dumps({"sessions": listed}).encode()


_METHODS: Final[dict[str, Any]] = {
    "auth.test": {"ok": True, "team_id": TEAM, "user_id": "U0BOT", "bot_id": "B0BOT"},
    "users.info": {
        "ok": True,
        "user": {"id": "U0ASKER", "team_id": TEAM, "tz": "Europe/Berlin", "tz_offset": 3600},
    },
}


@dataclass
class Outside:
    """`fullstory_seconds` is how long Fullstory takes; `count` is how many sessions it knows."""

    fullstory_seconds: float = 0.0
    count: int = 20
    url: str = ""
    late: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    number: int = 0
    _listed: bytes = b""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Outside]:
        """Serves on loopback, at `url`."""
        self._listed = sessions(self.count)
        said = {name: json.dumps(reply).encode() for name, reply in _METHODS.items()}

        async def fullstory(_: web.Request) -> web.Response:
            if self.fullstory_seconds:
                await asyncio.sleep(self.fullstory_seconds)
            return web.Response(body=self._listed, headers=_JSON)

        async def slack(request: web.Request) -> web.Response:
            return web.Response(body=said[request.match_info["method"]], headers=_JSON)

        async def response_url(request: web.Request) -> web.Response:
            await request.read()
            waiting = self.late.pop(request.match_info["id"], None)
            if waiting and not waiting.done():
                waiting.set_result(None)
            return web.Response(text="ok")

        app = web.Application()
        app.router.add_get("/sessions/v2", fullstory)
        app.router.add_post("/api/{method}", slack)
        app.router.add_get("/api/{method}", slack)
        app.router.add_post("/response/{id}", response_url)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=4096).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    def environment(self, **other: str) -> dict[str, str]:
        """What a bot is told that is to live here."""
        return {
            "SLACK_BOT_TOKEN": "xoxb-benchmark",
            "SLACK_SIGNING_SECRET": SIGNING_SECRET,
            "SLACK_API_URL": f"{self.url}/api/",
            "FULLSTORY_API_KEY": "benchmark",
            "FULLSTORY_API_URL": self.url,
            "HOST": "127.0.0.1",
            "PORT": "0",
            "LOG_FORMAT": "json",
            "NO_PROXY": "*",
            **other,
        }

    async def ask(self, http: aiohttp.ClientSession, bot: str) -> float:
        """Types a command; gives the seconds until the answer is there. Raises if none comes."""
        self.number += 1
        name = str(self.number)
        body = urlencode(
            {
                "team_id": TEAM,
                "channel_id": "C0SUPPORT",
                "user_id": "U0ASKER",
                "command": "/fsessions",
                "text": "jane@example.com",
                "api_app_id": "A0BENCHMARK",
                "response_url": f"{self.url}/response/{name}",
                "trigger_id": name,
            }
        ).encode()
        stamp = str(int(time.time()))
        signed = b"v0:" + stamp.encode() + b":" + body
        signature = hmac.new(SIGNING_SECRET.encode(), signed, hashlib.sha256).hexdigest()
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": stamp,
            "X-Slack-Signature": f"v0={signature}",
        }
        late = self.late[name] = asyncio.get_running_loop().create_future()
        started = time.perf_counter()
        async with http.post(bot, data=body, headers=headers) as response:
            ack = await response.read()
            if response.status != 200:
                raise RuntimeError(f"the bot answered {response.status}")
        if b"Latest" in ack:
            self.late.pop(name, None)
        else:
            async with asyncio.timeout(60):
                await late
        return time.perf_counter() - started
