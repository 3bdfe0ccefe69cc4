"""Where the bot itself stumbles: nobody is left without a word, and none of theirs is logged."""

from __future__ import annotations

import asyncio
import json
import os
import re

import pytest
from slack_bolt.async_app import AsyncApp

from bot.sandbox.workspace import USER
from bot.slack.app import build_app, routes
from bot.slack.dispatch import dispatch
from bot.slack.services import Services
from tests.conftest import Logged


@pytest.fixture
def app(services: Services, monkeypatch: pytest.MonkeyPatch) -> AsyncApp:
    """The app around a broken client, amid variables that Bolt would read by itself."""
    monkeypatch.setenv("SLACK_CLIENT_ID", "1")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "2")
    return build_app(services, services.slack.client, routes(services))


async def test_a_crash_is_apologised_for(app: AsyncApp, logged: Logged) -> None:
    """With a reference to a log line that says where, not what."""
    body = {"command": "/fsessions", "text": "jane@example.com", "response_url": "http://x"} | {
        "user_id": USER
    }
    reply = await dispatch(app, body, asyncio.get_running_loop().create_future())
    assert reply.status == 200
    said = json.loads(reply.body)["text"]
    assert "you did nothing wrong" in said
    reference = re.search(r"reference (\w+)", said)
    assert reference
    line, recorded = [line for line in logged() if line.get("reference") == reference[1]]
    assert line["error"] == "RuntimeError"
    assert (recorded["event"], recorded["reason"]) == ("audit", "crashed")
    assert "jane" not in str(logged())


async def test_a_broken_listener_is_apologised_for(app: AsyncApp, logged: Logged) -> None:
    """Also where the listener itself fails, before any lookup."""
    reply = await dispatch(
        app, {"command": "/fsessions", "text": "help"}, asyncio.get_running_loop().create_future()
    )
    assert "I find a customer's" in reply.body
    body = {"command": "/fsessions", "text": "jane@example.com", "response_url": "http://x"}

    async def broken(**_: object) -> None:
        raise ValueError("jane@example.com")

    app.command("/broken")(broken)
    reply = await dispatch(
        app, body | {"command": "/broken"}, asyncio.get_running_loop().create_future()
    )
    assert reply.status == 200
    assert "you did nothing wrong" in reply.body
    assert "listener failed" in str(logged())
    assert "jane" not in str(logged())


def test_bolt_takes_nothing_from_the_environment(app: AsyncApp) -> None:
    """With a client id and secret around, it would change to OAuth, its store in files."""
    assert app.oauth_flow is None
    assert app.installation_store is None
    assert os.environ["SLACK_CLIENT_ID"] == "1"
