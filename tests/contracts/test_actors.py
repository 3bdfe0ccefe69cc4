"""Nothing is looked up without somebody who asks, and by no other way than the one use case."""

from __future__ import annotations

import ast
from dataclasses import MISSING, fields

import pytest

from bot.lookup.access import Actor, EntryPoint
from bot.lookup.find import LookupRequest
from tests.contracts.test_layers import MODULES, imported

# `fsessions check` asks whether the key works; it asks for nobody.
MAY_KNOW_FULLSTORY = {"bot.service", "bot.cli.check"}


def calls_of(module: str, name: str) -> int:
    """How often a module calls a method of this name."""
    tree = ast.parse(MODULES[module].read_text())
    called = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    return sum(isinstance(one, ast.Attribute) and one.attr == name for one in called)


def test_who_asks_can_not_be_left_out() -> None:
    """Neither of a request, nor of an actor what tells one from another."""
    assert all(one.default is MISSING for one in fields(LookupRequest))
    optional = [one.name for one in fields(Actor) if one.default is not MISSING]
    assert optional == ["channel"]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_one_way_to_fullstory(module: str) -> None:
    """Only the use case lists sessions; only who puts the parts together knows the client."""
    inside = module.startswith(("bot.fullstory", "bot.sandbox"))
    if not inside and module not in MAY_KNOW_FULLSTORY:
        assert not [name for name in imported(module) if name.startswith("bot.fullstory")]
    if module not in ("bot.lookup.find", "bot.cli.check"):
        assert calls_of(module, "sessions") == 0


def test_every_entry_point_is_an_actors() -> None:
    """Each module of entry points names the entry points it is, and each is named by one."""
    named = {
        one.name
        for one in EntryPoint
        for module in MODULES
        if module.startswith(("bot.slack.entry_points.", "bot.cli."))
        and f"EntryPoint.{one.name}" in MODULES[module].read_text()
    }
    assert named == {one.name for one in EntryPoint}
    for module in MODULES:
        if module.startswith("bot.slack.entry_points."):
            assert "actor_in(body, " in MODULES[module].read_text(), module
