"""What is remembered from one request to the next is remembered in one place."""

from __future__ import annotations

import ast

import pytest

from tests.contracts.test_layers import MODULES

# What is under way is no memory: tasks, connections, what a courtesy is on its way to.
UNDER_WAY = {
    "bot.slack.replies.in_flight": {"_tasks"},
    "bot.slack.replies.response_url": {"courtesies"},
    "bot.slack.transport.socket": {"_receiving"},
    "bot.state.answers": {"_under_way"},
}
# Of log lines, so that a flood is one line.
ABOUT_LOGS = {"bot.logs": {"_last", "_left_out"}}
CONTAINERS = {"dict", "list", "set", "deque", "defaultdict", "Counter", "OrderedDict"}
INSIDE = ("bot.sandbox", "bot.cli", "bot.state.in_memory")


def containers(module: str) -> set[str]:
    """The attributes that objects of a module keep containers in, which may grow."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value:
            targets, value = [node.target], node.value
        else:
            continue
        is_container = isinstance(value, ast.Dict | ast.List | ast.Set) and not any(
            getattr(value, "elts", None) or getattr(value, "keys", None) or []
        )
        is_container |= (
            isinstance(value, ast.Call)
            and isinstance(value.func, ast.Name)
            and value.func.id in CONTAINERS
            and not value.args
        )
        names = {
            one.attr
            for one in targets
            if isinstance(one, ast.Attribute) and getattr(one.value, "id", "") == "self"
        }
        if is_container:
            found |= names
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_remembers_but_the_state(module: str) -> None:
    """No object outside `bot.state` has a container that grows with requests."""
    if not module.startswith(INSIDE):
        allowed = UNDER_WAY.get(module, set()) | ABOUT_LOGS.get(module, set())
        assert containers(module) == allowed


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_composition_root_knows_which_state(module: str) -> None:
    """A second implementation needs no other change than one there."""
    if module != "bot.service" and not module.startswith(INSIDE):
        assert "bot.state.in_memory" not in MODULES[module].read_text()


def test_the_contract_can_fail() -> None:
    """It finds what it is to find."""
    assert containers("bot.sandbox.workspace") >= {"screen", "views", "api_calls"}
