"""The manifest, the listeners and the code's idea of scopes say the same."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.core.sessions import Query, SessionList
from bot.features.manifest import FILES
from bot.features.manifest import manifest as manifest_text
from bot.features.workflow_step import outputs as step_outputs
from bot.sandbox.traffic import EVENT_SCOPES
from bot.slack import action_ids, texts
from bot.slack.app import OPTIONAL_SCOPES, SCOPES, USAGE_HINT, routes, scopes_needed
from bot.slack.request import Route
from bot.slack.services import Services

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """The manifest as Slack reads it."""
    document = yaml.safe_load((ROOT / "app-manifest.yml").read_text())
    assert isinstance(document, dict)
    return document


@pytest.fixture
def all_listeners(services: Services) -> tuple[Route, ...]:
    """The real ones."""
    return routes(services)


def test_commands(manifest: dict[str, Any], all_listeners: tuple[Route, ...]) -> None:
    """Each command that is declared has a listener, and the reverse."""
    declared = [command["command"] for command in manifest["features"]["slash_commands"]]
    assert declared == [one.name for one in all_listeners if one.kind == "command"]
    (command,) = manifest["features"]["slash_commands"]
    assert command["usage_hint"] == USAGE_HINT


def test_shortcuts(manifest: dict[str, Any], all_listeners: tuple[Route, ...]) -> None:
    """Each shortcut has a listener, and the reverse."""
    declared = {shortcut["callback_id"] for shortcut in manifest["features"]["shortcuts"]}
    assert declared == {one.name for one in all_listeners if one.kind == "shortcut"}
    assert len(manifest["features"]["shortcuts"]) == len(declared)


def test_interactivity(manifest: dict[str, Any]) -> None:
    """Shortcuts, buttons and forms come only where it is on."""
    assert manifest["settings"]["interactivity"]["is_enabled"]


def test_nothing_else_is_declared(manifest: dict[str, Any]) -> None:
    """A new kind of feature in the manifest comes with its own test here."""
    assert set(manifest["features"]) == {"app_home", "bot_user", "slash_commands", "shortcuts"}
    assert set(manifest["settings"]) == {
        "event_subscriptions",
        "function_runtime",
        "interactivity",
        "org_deploy_enabled",
        "socket_mode_enabled",
        "token_rotation_enabled",
    }


def test_events(manifest: dict[str, Any], all_listeners: tuple[Route, ...]) -> None:
    """Each event that Slack is to send has a listener, and the reverse."""
    declared = set(manifest["settings"]["event_subscriptions"]["bot_events"])
    heard = {one.name for one in all_listeners if one.kind == "event"}
    assert declared == heard | {"function_executed"}


def test_events_have_their_scopes(manifest: dict[str, Any]) -> None:
    """As the stand-in knows them; it has them from Slack's pages on events."""
    events = manifest["settings"]["event_subscriptions"]["bot_events"]
    needed = {EVENT_SCOPES[event] for event in events} - {""}
    assert needed <= set(manifest["oauth_config"]["scopes"]["bot"])


def test_home(manifest: dict[str, Any]) -> None:
    """There is one, and people can write to the bot."""
    assert manifest["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }


def test_step(manifest: dict[str, Any], all_listeners: tuple[Route, ...]) -> None:
    """Each custom step has a listener, and the app is ready for an organisation."""
    assert set(manifest["functions"]) == {
        one.name for one in all_listeners if one.kind == "function" and one.name != re.compile("")
    }
    assert manifest["settings"]["function_runtime"] == "remote"
    assert manifest["settings"]["org_deploy_enabled"] is True


def test_the_steps_parameters(manifest: dict[str, Any]) -> None:
    """Inputs that the code reads, outputs that it gives, of the types that Slack knows."""
    (step,) = manifest["functions"].values()
    inputs, outputs = step["input_parameters"], step["output_parameters"]
    assert {name: one["type"] for name, one in inputs.items()} == {
        "person": "string",
        "limit": "integer",
        "moment": "string",
        "show_to": "slack#/types/user_id",
        "show_in": "slack#/types/channel_id",
        "workflow": "string",
    }
    assert [name for name, one in inputs.items() if one["is_required"]] == ["person"]
    given = step_outputs(SessionList(Query("jane@example.com", None, 5), ()))
    types = {"integer": int, "string": str}
    assert {name: types[one["type"]] for name, one in outputs.items()} == {
        name: type(value) for name, value in given.items()
    }
    for name, one in (inputs | outputs).items():
        assert one["name"] == name
        assert len(one["title"]) <= 40
    for name in ("latest", "at_moment", "replay", "list", "person"):
        assert "Seen by everybody" in outputs[name]["description"]


def test_sentences_name_the_inputs_as_the_builder_does(manifest: dict[str, Any]) -> None:
    """An author looks for what a sentence names."""
    (step,) = manifest["functions"].values()
    titles = {one["title"] for one in step["input_parameters"].values()} | {step["title"]}
    said = " ".join(
        [getattr(texts, name) for name in dir(texts) if name.startswith("STEP_")]
        + [texts.step_not_shown(code, "") for code in ("not_in_channel", "user_not_in_channel")]
    )
    assert set(re.findall(r"“([^”]*)”", said)) <= titles


def test_the_manifest_without_the_step(manifest: dict[str, Any]) -> None:
    """It is the other one but for what makes a custom step."""
    other = yaml.safe_load((ROOT / "app-manifest-without-step.yml").read_text())
    cut = copy.deepcopy(manifest)
    del cut["functions"], cut["settings"]["function_runtime"]
    cut["settings"]["event_subscriptions"]["bot_events"].remove("function_executed")
    cut["settings"]["org_deploy_enabled"] = False
    assert other == cut


@pytest.mark.parametrize("file", FILES)
def test_the_manifests_are_of_today(file: str) -> None:
    """As the table of entry points says. If not: `make manifests`."""
    assert (ROOT / file).read_text() == manifest_text(with_step=FILES[file])


def test_every_button_and_form_has_a_listener(all_listeners: tuple[Route, ...]) -> None:
    """What our blocks can send is listened to, and the reverse."""
    names = {
        getattr(one.name, "pattern", one.name)
        for one in all_listeners
        if one.kind in ("action", "view")
    }
    ids = vars(action_ids)
    fields = {name for name in ids if name.endswith(("_FIELD", "_VALUE"))}
    chosen = {"ALL", "DISMISS", "INCLUDE_NAME", "IN_THREAD", "IN_CHANNEL", "RESULTS"}
    listened = {name for name in ids if name.isupper()} - fields - chosen
    assert names == {f"{ids[name]}:\\d" if name == "CHOOSE" else ids[name] for name in listened}


def test_scopes(manifest: dict[str, Any]) -> None:
    """The least that is needed; `fsessions check` asks for the same."""
    scopes = manifest["oauth_config"]["scopes"]["bot"]
    everything = scopes_needed(support_channels=True, usergroups=False)
    assert tuple(scopes) == everything == tuple(SCOPES)
    assert set(scopes_needed(support_channels=False, usergroups=False)) <= set(scopes)


def test_scopes_that_only_some_settings_need(manifest: dict[str, Any]) -> None:
    """They stand in the manifest as comments, and `fsessions check` asks for them where needed."""
    text = (ROOT / "app-manifest.yml").read_text()
    assert re.findall(r"^ +# - (\S+)$", text, re.MULTILINE) == list(OPTIONAL_SCOPES)
    assert set(OPTIONAL_SCOPES).isdisjoint(manifest["oauth_config"]["scopes"]["bot"])
    assert set(OPTIONAL_SCOPES) <= set(scopes_needed(support_channels=False, usergroups=True))


def test_addresses(manifest: dict[str, Any]) -> None:
    """Every address is the one that the bot serves, on a host to be filled in."""
    addresses = [command["url"] for command in manifest["features"]["slash_commands"]]
    addresses.append(manifest["settings"]["interactivity"]["request_url"])
    addresses.append(manifest["settings"]["event_subscriptions"]["request_url"])
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
