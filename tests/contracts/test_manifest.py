"""The manifest, the listeners and the code's idea of scopes say the same."""

from __future__ import annotations

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
from bot.slack import blocks
from bot.slack.app import SCOPES, Listener, listeners
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
        yield listeners(settings, http, finder, Delivery(http, InFlight(), 1.0))


def test_commands(manifest: dict[str, Any], all_listeners: tuple[Listener, ...]) -> None:
    """Each command that is declared has a listener, and the reverse."""
    declared = [command["command"] for command in manifest["features"]["slash_commands"]]
    assert declared == [one.name for one in all_listeners if one.kind == "command"]


def test_shortcuts(manifest: dict[str, Any], all_listeners: tuple[Listener, ...]) -> None:
    """Each shortcut has a listener, and the reverse."""
    declared = {shortcut["callback_id"] for shortcut in manifest["features"]["shortcuts"]}
    assert declared == {one.name for one in all_listeners if one.kind == "shortcut"}
    assert len(manifest["features"]["shortcuts"]) == len(declared)


def test_interactivity(manifest: dict[str, Any]) -> None:
    """Shortcuts, buttons and forms come only where it is on."""
    assert manifest["settings"]["interactivity"]["is_enabled"]


def test_nothing_else_is_declared(manifest: dict[str, Any]) -> None:
    """A new kind of feature in the manifest comes with its own test here."""
    assert set(manifest["features"]) == {"bot_user", "slash_commands", "shortcuts"}
    assert "event_subscriptions" not in manifest["settings"]
    assert "functions" not in manifest


def test_every_button_and_form_has_a_listener(all_listeners: tuple[Listener, ...]) -> None:
    """What our blocks can send is listened to, and the reverse."""
    names = {
        getattr(one.name, "pattern", one.name)
        for one in all_listeners
        if one.kind in ("action", "view")
    }
    assert names == {
        blocks.FORM,
        blocks.NEW_SEARCH,
        blocks.WATCH_REPLAY,
        blocks.SHOW_MORE,
        blocks.REFRESH,
        blocks.SHARE,
        blocks.SHARE_NAMED,
        blocks.SHARE_UNNAMED,
        blocks.DISMISS,
        f"{blocks.CHOOSE}:\\d",
    }


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
    for shortcut in manifest["features"]["shortcuts"]:
        assert len(shortcut["name"]) <= 24
        assert len(shortcut["description"]) <= 150
