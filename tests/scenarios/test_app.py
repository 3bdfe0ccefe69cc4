"""Errors of the bot itself: people are told, and nothing of theirs is logged."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from bot.core.access import EntryPoint
from bot.sandbox.workspace import USER
from bot.slack.app import App, Reply
from bot.slack.request import Ack, SlackRequest
from tests.conftest import Logged

BODY = {
    "command": "/fsessions",
    "text": "jane@example.com",
    "response_url": "http://x",
    "user_id": USER,
}


@pytest.fixture(autouse=True)
def slack_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """With these, Bolt would switch to OAuth and keep its tokens in files."""
    monkeypatch.setenv("SLACK_CLIENT_ID", "1")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "2")


async def dispatch(app: App, body: dict[str, str]) -> Reply:
    """Pass a body to the app."""
    return await app.dispatch(body, asyncio.get_running_loop().create_future())


async def test_a_crashed_lookup_gives_a_reference_that_is_in_the_log(
    app: App, logged: Logged
) -> None:
    """The log line says where it crashed, but names no customer."""
    reply = await dispatch(app, BODY)
    assert reply.status == 200
    said = json.loads(reply.body)["text"]
    assert "it's not your fault" in said
    reference = re.search(r"reference (\w+)", said)
    assert reference
    line, recorded = [line for line in logged() if line.get("reference") == reference[1]]
    assert line["error"] == "RuntimeError"
    assert (recorded["event"], recorded["reason"]) == ("audit", "crashed")
    assert "jane" not in str(logged())


async def test_a_crashed_handler_gives_a_reference(app: App, logged: Logged) -> None:
    """Even before any lookup."""

    async def crash(_: SlackRequest) -> Ack:
        raise ValueError("jane@example.com")

    app.command("/broken", EntryPoint.COMMAND, crash)
    reply = await dispatch(app, BODY | {"command": "/broken"})
    assert reply.status == 200
    assert "it's not your fault" in reply.body
    assert "listener failed" in str(logged())
    assert "jane" not in str(logged())
