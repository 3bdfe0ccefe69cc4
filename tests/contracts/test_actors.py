"""Nothing is looked up without somebody who asks, and by no other way than the one use case."""

from __future__ import annotations

import ast
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from bot.core.access import Actor, EntryPoint
from bot.core.lookup import LookupRequest
from bot.sandbox.traffic import EVENT_SCOPES
from bot.slack.app import ENTRY_POINTS, SCOPES, Row, routes
from bot.slack.services import Services
from tests.contracts.test_layers import MODULES, imported

ROOT = Path(__file__).parents[2]
TERMINAL = EntryPoint.TERMINAL

# `fsessions check` asks whether the key works; it asks for nobody. The terminal's lookup puts the
# use case together for itself.
MAY_KNOW_FULLSTORY = {"bot.service", "bot.cli.check", "bot.cli.lookup"}


def calls_of(module: str, name: str) -> int:
    """How often a module calls a method of this name."""
    tree = ast.parse(MODULES[module].read_text())
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return sum(isinstance(one, ast.Attribute) and one.attr == name for one in called)


def test_who_asks_can_not_be_left_out() -> None:
    """Neither of a request, nor of an actor what tells one from another."""
    assert all(one.default is MISSING for one in fields(LookupRequest))
    optional = [one.name for one in fields(Actor) if one.default is not MISSING]
    assert optional == ["channel", "workflow"]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_one_way_to_fullstory(module: str) -> None:
    """Only the use case lists sessions; only who puts the parts together knows the client."""
    inside = module.startswith(("bot.fullstory", "bot.sandbox"))
    if not inside and module not in MAY_KNOW_FULLSTORY:
        assert not [name for name in imported(module) if name.startswith("bot.fullstory")]
    if module not in ("bot.core.lookup", "bot.cli.check"):
        assert calls_of(module, "sessions") == 0


def test_every_route_has_its_entry_point(services: Services) -> None:
    """And each entry point but the terminal has a route, and a row in the table."""
    routed = {route.entry_point for route in routes(services)}
    assert routed == {row.entry_point for row in ENTRY_POINTS} == {*EntryPoint} - {TERMINAL}


def test_an_actor_comes_from_nowhere_else() -> None:
    """Slack's requests get theirs where they come in, the terminal where it begins."""
    made = {module for module in MODULES if "Actor(" in MODULES[module].read_text()}
    assert made == {"bot.slack.request", "bot.cli.audit", "bot.cli.lookup"}


@pytest.mark.parametrize("row", ENTRY_POINTS, ids=lambda row: row.entry_point.name)
def test_rows_say_what_is_listened_to(row: Row, services: Services) -> None:
    """The events of a row are those that its entry point listens to."""
    heard = {
        str(route.name) if route.kind == "event" else "function_executed"
        for route in routes(services)
        if route.kind in ("event", "function") and route.entry_point is row.entry_point
    }
    assert heard == set(row.events)
    assert set(row.scopes) <= set(SCOPES)
    unknown = set(row.events) - set(EVENT_SCOPES)
    assert not unknown, "bot/sandbox/traffic.py has to know which scope these want: EVENT_SCOPES"
    assert {EVENT_SCOPES[event] for event in row.events} - {""} <= set(row.scopes)


def test_people_are_told_of_every_way() -> None:
    """In the Home and in the README."""
    told = {row.entry_point.name for row in ENTRY_POINTS if row.help}
    silent = {
        "DIRECT_MESSAGE",
        "WORKFLOW_STEP",
        "BUTTON",
        "SHARE",
        "HOME",
        "AUDIT",
    }  # others tell of them
    assert told == {one.name for one in EntryPoint} - silent - {"TERMINAL"}
    readme = (ROOT / "README.md").read_text().lower()
    assert [one.value for one in EntryPoint if one.value not in readme] == []
