"""The manifest, the listeners and the code's idea of scopes say the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.connections import open_session
from bot.demo import settings_for
from bot.finder import Finder
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.service import fullstory_client
from bot.slack.app import SCOPES, Listener, build_app, dispatch, listeners
from bot.slack.delivery import Delivery, InFlight

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """The manifest as Slack reads it."""
    document = yaml.safe_load((ROOT / "app-manifest.yml").read_text())
    assert isinstance(document, dict)
    return document


@pytest.fixture
async def all_listeners(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> AsyncIterator[tuple[Listener, ...]]:
    """The real ones."""
    settings = settings_for(slack, fullstory)
    async with open_session() as http:
        finder = Finder(fullstory_client(settings, http))
        yield listeners(finder, Delivery(http, InFlight(), 1.0), settings.limits)


def test_commands(manifest: dict[str, Any], all_listeners: tuple[Listener, ...]) -> None:
    """Each command that is declared has a listener, and the reverse."""
    declared = [command["command"] for command in manifest["features"]["slash_commands"]]
    assert declared == [one.name for one in all_listeners if one.kind == "command"]


def test_interactivity(manifest: dict[str, Any], all_listeners: tuple[Listener, ...]) -> None:
    """Slack sends the press of a button only where interactivity is on."""
    wanted = any(one.kind == "action" for one in all_listeners)
    assert manifest["settings"]["interactivity"]["is_enabled"] == wanted


def test_nothing_else_is_declared(manifest: dict[str, Any]) -> None:
    """A new kind of feature in the manifest comes with its own test here."""
    assert set(manifest["features"]) == {"bot_user", "slash_commands"}
    assert "event_subscriptions" not in manifest["settings"]
    assert "functions" not in manifest


async def test_each_listener_answers(
    all_listeners: tuple[Listener, ...], slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Registered under its name, it is found by what Slack sends."""
    bodies: dict[str, dict[str, Any]] = {
        "command": {"text": "help"},
        "action": {"type": "block_actions", "user": {"id": "U1"}},
    }
    async with open_session() as http:
        app = build_app(settings_for(slack, fullstory), http, all_listeners)
        for one in all_listeners:
            body = bodies[one.kind]
            if one.kind == "command":
                body = body | {"command": one.name}
            else:
                body = body | {"actions": [{"action_id": one.name, "block_id": "b"}]}
            assert (await dispatch(app, body, asyncio.Event())).status == 200


def test_scopes(manifest: dict[str, Any]) -> None:
    """The least that is needed; `fsessions check` asks for the same."""
    assert tuple(manifest["oauth_config"]["scopes"]["bot"]) == SCOPES


def test_addresses(manifest: dict[str, Any]) -> None:
    """Every address is the one that the bot serves, on a host to be filled in."""
    addresses = [command["url"] for command in manifest["features"]["slash_commands"]]
    addresses.append(manifest["settings"]["interactivity"]["request_url"])
    assert set(addresses) == {"https://your-host.example.com/slack/events"}


def test_lengths(manifest: dict[str, Any]) -> None:
    """Slack's limits: https://docs.slack.dev/reference/app-manifest."""
    assert len(manifest["display_information"]["name"]) <= 35
    assert len(manifest["display_information"]["description"]) <= 140
    for command in manifest["features"]["slash_commands"]:
        assert len(command["command"]) <= 32
        assert len(command["description"]) <= 2000
        assert len(command["usage_hint"]) <= 1000
