"""Anything at every entrance: never a 5xx, a hang, a message that Slack refuses, or an injection.

A few hundred cases, or as many of each kind as `FUZZ_CASES` says: in `make test-chaos` 12,500.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import APP, CHANNEL, DIRECT, TEAM, TICKETS, USER, invalid_blocks
from bot.service import Service
from bot.slack import action_ids
from tests.conftest import StartBot, migrated, until
from tests.scenarios.answers import JANE
from tests.scenarios.test_http_edge import headers_for

CASES: Final = int(os.environ.get("FUZZ_CASES", "60"))
fuzz = settings(max_examples=CASES, suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.fuzz
MENTION: Final = "<!channel>"

TEXTS: Final = st.one_of(
    st.sampled_from(
        [
            "",
            MENTION,
            f"{MENTION} {JANE}",
            f"<mailto:{JANE}|{JANE}>",
            "<@U0AGENT>",
            "`*_~:fire:&lt;",
            "jane@example.com at:",
            'uid:"',
            "\x00\ud800",
            "x" * 4_000,
            "-1",
            "https://app.fullstory.com/ui/X/session/1:2",
        ]
    ),
    st.text(max_size=40),
)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(TEXTS, inside, max_size=3),
    max_leaves=8,
)

PRESS: Final = {
    "type": "block_actions",
    "team": {"id": TEAM},
    "user": {"id": USER, "team_id": TEAM},
    "channel": {"id": CHANNEL},
    "container": {"type": "message", "message_ts": "1.2", "is_ephemeral": True},
    "trigger_id": "t",
    "response_url": "http://127.0.0.1:9/",
}
SEEDS: Final[list[dict[str, Any]]] = [
    {
        "command": "/fsessions",
        "text": f"{JANE} 3",
        "team_id": TEAM,
        "user_id": USER,
        "channel_id": CHANNEL,
        "response_url": "http://127.0.0.1:9/",
        "trigger_id": "t",
    },
    *(
        PRESS | {"actions": [{"type": "button", "action_id": name, "value": "v", "action_ts": "1"}]}
        for name in (
            *(action_ids.SHOW_MORE, action_ids.SHARE, action_ids.REFRESH, action_ids.INSIGHT),
            *(action_ids.WHY, action_ids.OFFER, action_ids.EDIT, action_ids.WATCH_REPLAY),
            *(f"{action_ids.CHOOSE}:0", f"{action_ids.RECENT}:1", "bug_report", "search"),
        )
    ),
    PRESS
    | {
        "actions": [
            {
                "type": "overflow",
                "action_id": action_ids.ANSWER_MENU,
                "selected_option": {"value": "refresh x"},
            }
        ]
    },
    *(
        {
            "type": "view_submission",
            "team": {"id": TEAM},
            "user": {"id": USER, "team_id": TEAM},
            "trigger_id": "t",
            "view": {
                "id": "V1",
                "type": "modal",
                "callback_id": name,
                "private_metadata": "m",
                "state": {"values": {"person": {"person": {"value": JANE}}}},
            },
            "response_urls": [],
        }
        for name in ("find_sessions_form", "share_form", "bug_report_form", "audit_form")
    ),
    {
        "type": "message_action",
        "callback_id": "find_sessions_from_message",
        "team": {"id": TEAM},
        "user": {"id": USER, "team_id": TEAM},
        "channel": {"id": CHANNEL},
        "trigger_id": "t",
        "response_url": "http://127.0.0.1:9/",
        "message": {"ts": "1.2", "text": f"broken, {JANE}", "blocks": [], "attachments": []},
    },
    {
        "type": "shortcut",
        "callback_id": "find_sessions",
        "team": {"id": TEAM},
        "user": {"id": USER, "team_id": TEAM},
        "trigger_id": "t",
    },
    *(
        {"type": "event_callback", "team_id": TEAM, "api_app_id": APP, "event": event}
        for event in (
            {
                "type": "message",
                "channel": TICKETS,
                "channel_type": "channel",
                "user": USER,
                "ts": "1.2",
                "text": f"broken, {JANE}",
            },
            {
                "type": "message",
                "channel": DIRECT,
                "channel_type": "im",
                "user": USER,
                "ts": "1.3",
                "text": JANE,
            },
            {
                "type": "app_mention",
                "channel": CHANNEL,
                "user": USER,
                "ts": "1.4",
                "text": f"<@U0BOT> {JANE}",
            },
            {"type": "app_home_opened", "user": USER, "channel": DIRECT, "tab": "home"},
            {
                "type": "function_executed",
                "function": {"callback_id": "find_sessions_step"},
                "function_execution_id": "Fx1",
                "inputs": {"person": JANE, "limit": 3},
            },
        )
    ),
]


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    """Return what Slack sends, with some of its parts replaced, removed or added."""
    body: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(0, 3))):
        holder: Any = body
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(holder[key], dict | list) and holder[key] and draw(st.booleans()):
                holder = holder[key]
                continue
            if draw(st.integers(0, 3)) == 0:
                del holder[key]
            else:
                holder[key] = draw(JSON)
            break
    return body


def encoded(body: dict[str, Any]) -> tuple[bytes, str]:
    """Return the bytes that Slack sends, and their type."""
    if "command" in body:
        fields = {name: value if isinstance(value, str) else "" for name, value in body.items()}
        text = urlencode(fields, errors="replace")
        return text.encode(), "application/x-www-form-urlencoded"
    document = json.dumps(body)
    if body.get("type") == "event_callback":
        return document.encode(), "application/json"
    return urlencode({"payload": document}).encode(), "application/x-www-form-urlencoded"


@pytest.fixture
async def bot(start_bot: StartBot, tmp_path: Path) -> AsyncIterator[Service]:
    """Yield a bot with everything on."""
    database = f"sqlite:///{tmp_path}/audit.db"
    await migrated(database)
    async with start_bot(
        database_url=database,
        audit_key="key",
        support_channels=(TICKETS,),
        insights=True,
        lookups_per_minute=10_000,
        auditors=(USER,),
    ) as service:
        yield service


async def send(service: Service, slack: SlackSandbox, body: bytes, kind: str) -> tuple[int, str]:
    """Send signed bytes, and return the status and the text of the response."""
    headers = headers_for(slack.signing_secret, body, str(int(time.time()))) | {
        "Content-Type": kind
    }
    url = f"http://127.0.0.1:{service.port}/slack/events"
    async with (
        asyncio.timeout(30),
        aiohttp.ClientSession() as http,
        http.post(url, data=body, headers=headers) as response,
    ):
        return response.status, await response.text()


def texts_in(document: Any) -> Iterator[str]:  # noqa: ANN401
    """Yield what people would read; ids are sent back as they came."""
    if isinstance(document, list):
        for one in document:
            yield from texts_in(one)
    if isinstance(document, dict):
        for name, value in document.items():
            if name == "text" and isinstance(value, str):
                yield value
            else:
                yield from texts_in(value)


def check(slack: SlackSandbox, status: int, text: str) -> None:
    """Check a response, and what the bot has sent to Slack since the last check."""
    assert status < 500
    said = json.loads(text) if text.startswith("{") else {}
    if "blocks" in said:
        assert not invalid_blocks(said)
    assert MENTION not in "".join(texts_in(said))
    while slack.wire:
        sent = slack.wire.popleft()
        if sent.way == "bot → Slack":
            assert "invalid_blocks" not in sent.reply
            assert "invalid_arguments" not in sent.reply
            assert MENTION not in "".join(texts_in(json.loads(sent.request)))


@fuzz
@given(st.binary(max_size=300) | st.builds(lambda one: encoded(one)[0], bodies()), st.data())
async def test_bytes(bot: Service, slack: SlackSandbox, body: bytes, data: st.DataObject) -> None:
    """Signed by Slack, and of any type."""
    start = data.draw(st.integers(0, len(body)))
    noise = data.draw(st.binary(max_size=4))
    kind = data.draw(
        st.sampled_from(["application/json", "application/x-www-form-urlencoded", "text/plain"])
    )
    check(slack, *await send(bot, slack, body[:start] + noise + body[start:], kind))


@fuzz
@given(bodies())
async def test_payloads(bot: Service, slack: SlackSandbox, body: dict[str, Any]) -> None:
    """Commands, presses, forms, shortcuts, events and steps."""
    check(slack, *await send(bot, slack, *encoded(body)))


@fuzz
@given(TEXTS)
async def test_typed_texts(bot: Service, slack: SlackSandbox, text: str) -> None:
    """Each is answered in the ack."""
    body = SEEDS[0] | {"text": text}
    status, answer = await send(bot, slack, *encoded(body))
    assert json.loads(answer)["blocks"]
    check(slack, status, answer)


@fuzz
@given(
    st.builds(json.dumps, JSON)
    | st.text(max_size=40)
    | st.builds(
        lambda body, kind: json.dumps({"type": kind, "envelope_id": "e", "payload": body}),
        bodies(),
        st.sampled_from(["interactive", "slash_commands", "events_api", "x"]),
    )
)
@pytest.mark.parametrize("transport", ["socket"])
async def test_envelopes(bot: Service, slack: SlackSandbox, transport: str, frame: str) -> None:
    """The connection stays, and the next command is answered."""
    del transport
    await slack.send_frame(frame.encode(errors="replace").decode())
    exchange = await slack.command(f"/fsessions {JANE}")
    assert exchange.ack is not None
    assert bot.state() == "ready"
    check(slack, 200, "")


FIELDS: Final = st.sampled_from(
    ["sessions", "results", "userId", "id", "createdTime", "created_time", "fsUrl", "app_url"]
)
REPLIES: Final = st.binary(max_size=100) | st.builds(
    lambda document: json.dumps(document).encode(),
    JSON
    | st.fixed_dictionaries(
        {"sessions": st.lists(st.dictionaries(FIELDS, JSON, max_size=5), max_size=4)}
    ),
)


@fuzz
@given(REPLIES, st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 418]))
async def test_replies(
    bot: Service,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    reply: bytes,
    status: int,
) -> None:
    """Whatever Fullstory says, the person gets one answer."""
    fullstory.always = Scripted(status, reply)
    code, text = await send(bot, slack, *encoded(SEEDS[0]))
    assert json.loads(text)["blocks"]
    check(slack, code, text)


async def test_it_still_answers_afterwards(bot: Service, slack: SlackSandbox) -> None:
    """The checks above can fail: a good command is answered with sessions."""
    status, text = await send(bot, slack, *encoded(SEEDS[0]))
    assert (status, "3 sessions of jane" in text) == (200, True)
    with pytest.raises(AssertionError):
        check(slack, 500, "")
    with pytest.raises(AssertionError):
        check(slack, 200, json.dumps({"text": MENTION}))
    await until(lambda: bot.state() == "ready")
