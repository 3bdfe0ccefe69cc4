"""Plain Bolt for Python, as its documentation shows it: AsyncApp, its own adapter for aiohttp.

https://docs.slack.dev/tools/bolt-python/concepts/async
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from functools import cache
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncRespond

app = AsyncApp(
    token=os.environ["SLACK_BOT_TOKEN"], signing_secret=os.environ["SLACK_SIGNING_SECRET"]
)
app.client.base_url = os.environ["SLACK_API_URL"]


@cache
def fullstory() -> aiohttp.ClientSession:
    """One session for all lookups; it can be made only where the event loop runs."""
    return aiohttp.ClientSession(
        headers={"Authorization": f"Basic {os.environ['FULLSTORY_API_KEY']}"}
    )


@app.command("/fsessions")
async def fsessions(ack: AsyncAck, respond: AsyncRespond, command: dict[str, Any]) -> None:
    """Acknowledge, look up and respond."""
    await ack()
    async with fullstory().get(
        f"{os.environ['FULLSTORY_API_URL']}/sessions/v2",
        params={"email": command["text"], "limit": 20},
    ) as response:
        found = (await response.json())["sessions"]
    lines = [
        f"<{one['fsUrl']}|{datetime.fromtimestamp(int(one['createdTime']), UTC):%d %b %H:%M}>"
        for one in found
    ]
    text = {"type": "mrkdwn", "text": "\n".join(lines)}
    await respond(
        text=f"Latest {len(found)} sessions of {command['text']}",
        blocks=[{"type": "section", "text": text}],
    )


web.run_app(
    app.server(path="/slack/events").web_app,
    host="127.0.0.1",
    port=int(os.environ["PORT"]),
    print=None,
    access_log=None,
)
