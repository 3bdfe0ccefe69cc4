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
    "bot.slack.entry_points.share": {"_in_windows"},
    "bot.state.cache": {"_under_way"},
    "bot.waits": {"_abandoned"},
    "bot.database.shared": {"_held", "_unmarked", "_unwritten"},
}
# Lines that wait to be written, and which of them were written lately; counted lookups.
ABOUT_LOGS = {
    "bot.logs": {"_last", "_left_out", "_waiting", "_writers"},
    "bot.metrics": {"_lookups"},
}
# Events that wait to be written into the database.
ON_THEIR_WAY = {"bot.database.audit": {"_waiting", "_under_way"}}
# What one text was found to hold, while it is being read.
OF_ONE_TEXT = {"bot.typed.query": {"emails", "uids", "times", "limits", "unknown"}}
MAKERS = {
    "dict",
    "list",
    "set",
    "bytearray",
    "deque",
    "defaultdict",
    "Counter",
    "OrderedDict",
    "WeakKeyDictionary",
    "WeakValueDictionary",
    "Queue",
    "LRUCache",
    "TTLCache",
    "TLRUCache",
    "fromkeys",
    "cache",
    "lru_cache",
    "cached",
}
"""What makes a container, or a function that remembers what it was asked."""
# Caches of pure functions, of settings: as large as there are settings.
OF_SETTINGS = {
    "bot.slack.entry_points.mentions": {"_names_somebody"},
    "bot.typed.people": {"_label_alone", "_label_pattern", "label_cell_pattern"},
    "bot.typed.query": {"_patterns"},
}
ALLOWED = (UNDER_WAY, ABOUT_LOGS, ON_THEIR_WAY, OF_ONE_TEXT, OF_SETTINGS)
INSIDE = ("bot.sandbox", "bot.cli", "bot.state.in_memory")
# Where each process goes on alone while the database is away.
FALLS_BACK = "bot.database.shared"


def makes_container(value: ast.expr | None) -> bool:
    """Whether an expression gives an empty container, or calls what makes one."""
    match value:
        case ast.Dict(keys=[]) | ast.List(elts=[]):
            return True
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=arguments):
            if name == "field":  # of a dataclass
                return any(
                    getattr(one.value, "id", getattr(one.value, "attr", "")) in MAKERS
                    for one in value.keywords
                    if one.arg == "default_factory"
                )
            return name in MAKERS and not (name in ("dict", "list", "set") and arguments)
    return False


def containers(module: str) -> set[str]:
    """What of a module may grow: attributes of its objects, its own names, its caches."""
    found = set()
    tree = ast.parse(MODULES[module].read_text())
    lasting = [
        *tree.body,
        *(
            inner
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef)
            for inner in node.body
        ),
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = (getattr(one, "func", one) for one in node.decorator_list)
            names = {getattr(one, "id", getattr(one, "attr", "")) for one in decorators}
            found |= {node.name} if names & MAKERS else set()
        targets: list[ast.expr]
        value: ast.expr | None
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign):
            targets, value = [node.target], node.value
        else:
            continue
        if makes_container(value):
            found |= {
                one.attr
                for one in targets
                if isinstance(one, ast.Attribute) and getattr(one.value, "id", "") == "self"
            }
            if node in lasting:
                found |= {one.id for one in targets if isinstance(one, ast.Name)}
    return found


@pytest.mark.parametrize("module", sorted(MODULES))
def test_nothing_remembers_but_the_state(module: str) -> None:
    """Nothing outside `bot.state` has a container that grows with requests."""
    if not module.startswith(INSIDE):
        allowed = {name for one in ALLOWED for name in one.get(module, ())}
        assert containers(module) == allowed


@pytest.mark.parametrize("module", sorted(MODULES))
def test_only_the_composition_root_knows_which_state(module: str) -> None:
    """A second implementation needs no other change than one there."""
    if module not in ("bot.service", FALLS_BACK) and not module.startswith(INSIDE):
        assert "bot.state.in_memory" not in MODULES[module].read_text()


def test_the_contract_can_fail() -> None:
    """It finds what it is to find."""
    assert containers("bot.sandbox.workspace") >= {"screen", "views", "api_calls"}


@pytest.mark.parametrize(
    "made",
    [
        "{}",
        "[]",
        "set()",
        "dict.fromkeys(())",
        "deque(maxlen=9)",
        "TTLCache(9, 9)",
        "field(default_factory=dict)",
        "asyncio.Queue()",
        "WeakKeyDictionary()",
    ],
)
def test_each_way_is_known(made: str) -> None:
    """Of making something that may grow."""
    (statement,) = ast.parse(f"x = {made}").body
    assert isinstance(statement, ast.Assign)
    assert makes_container(statement.value)
