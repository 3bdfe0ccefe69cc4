"""Features, manifests and documents agree; a failure says which file to change."""

from __future__ import annotations

import copy
import re
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.core.access import Actor, EntryPoint
from bot.core.sessions import Query, SessionList
from bot.features import EVENTS, FEATURES, HELP_LINES, scopes
from bot.features.workflow_step import texts as step_texts
from bot.features.workflow_step.outputs import outputs as step_outputs
from bot.manifest import FILES
from bot.manifest import manifest as manifest_text
from bot.slack.api import EVENT_SCOPES
from bot.slack.app import USAGE_HINT, App
from bot.slack.feature import OPTIONAL_SCOPES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """Return the manifest as Slack reads it."""
    document = yaml.safe_load((ROOT / "app-manifest.yml").read_text())
    assert isinstance(document, dict)
    return document


def registered(app: App, kind: str) -> set[str]:
    """Return the names of the handlers of a kind."""
    pairs = (label.split(" ", 1) for label in app.handlers)
    return {name for one, name in pairs if one == kind}


# -- Features -------------------------------------------------------------------------------------


def test_every_entry_point_is_registered(app: App) -> None:
    """But the terminal, which is not Slack's."""
    missing = (
        {*EntryPoint}
        - {EntryPoint.TERMINAL}
        - {entry_point for _, entry_point in app.handlers.values()}
    )
    assert not missing, f"bot/features: no feature registers a handler for {missing}"


def test_declared_events_are_those_with_handlers(app: App) -> None:
    """Slack only sends what the manifest declares."""
    steps = {"function_executed"} if registered(app, "function") else set()
    heard = registered(app, "event") | steps
    for event in heard - set(EVENTS):
        pytest.fail(f"add {event} to the `manifest` of the feature in bot/features that handles it")
    for event in set(EVENTS) - heard:
        pytest.fail(f"a `manifest` in bot/features has {event}, which no feature handles")


@pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.__name__)
def test_events_have_their_scopes(feature: Any) -> None:  # noqa: ANN401
    """As the sandbox knows them from Slack's reference."""
    for event in feature.manifest.events:
        assert event in EVENT_SCOPES, f"add {event} and its scope to bot/slack/api.py"
        scope = EVENT_SCOPES[event]
        has_scope = not scope or scope in feature.manifest.scopes
        assert has_scope, f"{feature.__module__}: add {scope} to its manifest, for {event}"


def test_every_entry_point_is_documented() -> None:
    """In the README for users, and in the administrator's guide for the audit."""
    readme = (ROOT / "README.md").read_text().lower()
    guide = (ROOT / "docs" / "administration.md").read_text()
    for one in EntryPoint:
        assert one.value in readme, f"README.md: say what the entry point “{one.value}” does"
        assert f"`{one.value}`" in guide, f"docs/administration.md: list `{one.value}`"


def test_a_help_line_has_a_name_and_a_text() -> None:
    """The Home shows them."""
    assert all(name.endswith(":") and how for name, how in HELP_LINES)


def test_an_actor_is_never_incomplete() -> None:
    """Who asks and how can't be left out, and only three modules create actors."""
    optional = [one.name for one in fields(Actor) if one.default is not MISSING]
    assert optional == ["channel", "workflow"]
    made = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bot").rglob("*.py")
        if " Actor(" in path.read_text()
    }
    assert made == {"bot/slack/request.py", "bot/cli/audit.py", "bot/cli/lookup.py"}


# -- Manifests ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FILES)
def test_manifests_are_up_to_date(file: str) -> None:
    """They are generated from the features."""
    is_current = (ROOT / file).read_text() == manifest_text(with_step=FILES[file])
    assert is_current, f"{file} is out of date: run `make manifests`"


def test_commands_and_shortcuts_have_handlers(manifest: dict[str, Any], app: App) -> None:
    """And nothing else is declared."""
    features = manifest["features"]
    assert set(features) == {"app_home", "bot_user", "slash_commands", "shortcuts"}
    (command,) = features["slash_commands"]
    assert {command["command"]} == registered(app, "command")
    assert command["usage_hint"] == USAGE_HINT
    callbacks = [shortcut["callback_id"] for shortcut in features["shortcuts"]]
    assert sorted(callbacks) == sorted(registered(app, "shortcut"))
    assert set(manifest["functions"]) == registered(app, "function")


def test_settings_of_the_manifest(manifest: dict[str, Any]) -> None:
    """Interactivity, the Home, direct messages, and custom steps."""
    settings = manifest["settings"]
    assert settings["interactivity"]["is_enabled"]
    assert settings["event_subscriptions"]["bot_events"] == list(EVENTS)
    assert settings["function_runtime"] == "remote"
    assert settings["org_deploy_enabled"] is True
    assert manifest["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    urls = [command["url"] for command in manifest["features"]["slash_commands"]]
    urls += [settings[name]["request_url"] for name in ("interactivity", "event_subscriptions")]
    assert set(urls) == {"https://your-host.example.com/slack/events"}


def test_scopes_of_the_manifest(manifest: dict[str, Any]) -> None:
    """Those of the features; optional ones are comments."""
    declared = manifest["oauth_config"]["scopes"]["bot"]
    assert declared == list(scopes())
    assert set(scopes(support_channels=False)) <= set(declared)
    text = (ROOT / "app-manifest.yml").read_text()
    assert re.findall(r"^ +# - (\S+)$", text, re.MULTILINE) == list(OPTIONAL_SCOPES)
    assert set(OPTIONAL_SCOPES).isdisjoint(declared)
    assert set(OPTIONAL_SCOPES) <= set(scopes(usergroups=True))


def test_the_manifest_without_the_step(manifest: dict[str, Any]) -> None:
    """It only lacks what belongs to a custom step."""
    other = yaml.safe_load((ROOT / "app-manifest-without-step.yml").read_text())
    cut = copy.deepcopy(manifest)
    del cut["functions"], cut["settings"]["function_runtime"]
    cut["settings"]["event_subscriptions"]["bot_events"].remove("function_executed")
    cut["settings"]["org_deploy_enabled"] = False
    assert other == cut


def test_inputs_and_outputs_of_the_step(manifest: dict[str, Any]) -> None:
    """They have types that Slack knows and the code uses."""
    (step,) = manifest["functions"].values()
    inputs, outputs = step["input_parameters"], step["output_parameters"]
    assert {name: one["type"] for name, one in inputs.items()} == {
        "person": "string",
        "limit": "integer",
        "moment": "string",
        "with_report": "boolean",
        "show_to": "slack#/types/user_id",
        "show_in": "slack#/types/channel_id",
        "workflow": "string",
    }
    assert [name for name, one in inputs.items() if one["is_required"]] == ["person"]
    given = step_outputs(SessionList(Query("jane@example.com", None, 5), ()))
    types = {"integer": int, "string": str}
    given["report"] = ""  # only if it is wanted
    assert {name: types[one["type"]] for name, one in outputs.items()} == {
        name: type(value) for name, value in given.items()
    }
    for name, one in (inputs | outputs).items():
        assert one["name"] == name
        assert len(one["title"]) <= 40
    for name in ("latest", "at_moment", "replay", "list", "person", "report"):
        assert "Seen by everyone" in outputs[name]["description"]


def test_the_steps_sentences_use_the_titles_of_its_inputs(manifest: dict[str, Any]) -> None:
    """Authors look for them in Workflow Builder."""
    (step,) = manifest["functions"].values()
    titles = {one["title"] for one in step["input_parameters"].values()} | {step["title"]}
    sentences = [text for text in vars(step_texts).values() if isinstance(text, str)]
    sentences += [step_texts.not_shown(code, "") for code in ("not_in_channel", "other")]
    quoted = re.findall(r"“([^”]*)”", " ".join(sentences[1:]))
    assert set(quoted) - {"quotes"} <= titles


def test_lengths_in_the_manifest(manifest: dict[str, Any]) -> None:
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
