"""Dependencies point one way; what is pure stays pure."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

BOT = Path(__file__).parents[2] / "bot"
MODULES = {
    ".".join(path.relative_to(BOT.parent).with_suffix("").parts): path
    for path in BOT.rglob("*.py")
    if path.name != "__init__.py"
}
PURE = {
    "bot.errors",
    "bot.fast_json",
    "bot.fullstory.protocol",
    "bot.lookup.access",
    "bot.lookup.events",
    "bot.lookup.outcomes",
    "bot.sessions",
    *(name for name in MODULES if name.startswith(("bot.slack.ui.", "bot.typed."))),
}
IMPURE = {"aiohttp", "slack_bolt", "slack_sdk", "asyncio", "os", "socket", "structlog", "stamina"}
# What a layer may import of ours, from the outside in.
LAYERS = [
    {"bot.cli", "bot.__main__"},
    {"bot.sandbox"},
    {"bot.service"},
    {"bot.slack.routes", "bot.slack.manifest", "bot.slack.transport"},
    {"bot.slack.entry_points"},
    {"bot.slack.replies"},
    {"bot.slack.ui", "bot.slack.api", "bot.slack.requests", "bot.slack.claims"},
    {
        "bot.metrics",
        "bot.database",
        "bot.lookup.find",
        "bot.lookup.read_audit",
        "bot.fullstory.client",
    },
    {"bot.lookup.audit", "bot.lookup.permission"},
    {"bot.ports"},
    {"bot.settings", "bot.connections", "bot.logs"},
    {"bot.fullstory.protocol", "bot.state"},
    {"bot.lookup.events", "bot.lookup.outcomes"},
    {"bot.lookup.access", "bot.typed"},
    {"bot.sessions", "bot.errors", "bot.waits", "bot.fast_json"},
]
# What stands side by side, and yet may not know one another.
STRANGERS = [
    ("bot.slack.api.", "bot.slack.ui."),
    ("bot.slack.ui.", "bot.slack.api."),
    ("bot.slack.transport.", "bot.slack.routes"),
    ("bot.slack.routes", "bot.slack.transport."),
    ("bot.state.", "bot.slack."),
    ("bot.state.", "bot.fullstory."),
    ("bot.database.", "bot.slack."),
    ("bot.database.", "bot.fullstory."),
    ("bot.lookup.", "bot.slack."),
    ("bot.lookup.", "bot.database."),
    ("bot.lookup.", "aiohttp"),
]


def imported(module: str) -> set[str]:
    """The modules that a module imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def layer(module: str) -> int:
    """The innermost layer that names the module or a package around it."""
    fitting = [
        (len(name), number)
        for number, names in enumerate(LAYERS)
        for name in names
        if module == name or module.startswith(f"{name}.")
    ]
    assert fitting, f"{module} is in no layer"
    return max(fitting)[1]


@pytest.mark.parametrize("module", sorted(MODULES))
def test_dependencies_point_inwards(module: str) -> None:
    """A module imports from its own layer or from further in."""
    for name in imported(module) & set(MODULES):
        assert layer(name) >= layer(module), f"{module} imports {name}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_strangers(module: str) -> None:
    """Two that stand side by side may be strangers; entry points always are."""
    for one, other in STRANGERS:
        if module.startswith(one):
            assert not [name for name in imported(module) if name.startswith(other)]
    if module.startswith("bot.slack.entry_points."):
        others = {name for name in MODULES if name.startswith("bot.slack.entry_points.")}
        assert imported(module) & (others - {module}) == set()


@pytest.mark.parametrize("module", sorted(PURE))
def test_pure_modules(module: str) -> None:
    """No network, no clock to wait for, no environment; nothing is awaited."""
    assert {name.split(".")[0] for name in imported(module)} & IMPURE == set()
    assert {name for name in imported(module) if name.startswith("bot.")} & set(MODULES) <= PURE
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not any(
        isinstance(node, waiting) for node in ast.walk(ast.parse(MODULES[module].read_text()))
    )


@pytest.mark.parametrize("module", sorted(MODULES))
def test_every_module_says_what_it_is_for(module: str) -> None:
    """In its first lines."""
    assert ast.get_docstring(ast.parse(MODULES[module].read_text()))
