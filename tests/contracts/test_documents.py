"""What could drift: the README, the example of an .env, the lock files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from bot.settings import NAMES, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = [*ROOT.glob("[A-Z]*.md"), *sorted((ROOT / "docs").glob("*.md"))]
ADMINISTRATION = (ROOT / "docs" / "administration.md").read_text()


def settings_table() -> dict[str, str]:
    """Rows of the administrator's page: name and default."""
    rows = re.findall(r"^\| `([A-Z_]+)` \| (.*?) \|", ADMINISTRATION, re.MULTILINE)
    return dict(rows)


def test_every_setting_is_documented() -> None:
    """No more and no fewer than there are."""
    assert set(settings_table()) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_documented_defaults(name: str) -> None:
    """The table's default is the code's."""
    default = Settings.model_fields[name.lower()].get_default()
    said = settings_table()[name]
    if default in (None, "", ()) or "required" in said:
        assert "`" not in said
    else:
        shown = f"{default:g}" if isinstance(default, float) else str(default)
        if isinstance(default, bool):
            shown = str(default).lower()
        if isinstance(default, tuple):
            shown = ", ".join(default)
        assert said == f"`{shown}`"


def test_env_example_holds_what_has_no_default() -> None:
    """And nothing that is filled in."""
    names = re.findall(r"^([A-Z_]+)=(.*)$", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert {name for name, _ in names} <= set(NAMES)
    assert {value for _, value in names} == {""}
    assert {"SLACK_BOT_TOKEN", "FULLSTORY_API_KEY"} <= {name for name, _ in names}


def test_every_dependency_has_its_reason() -> None:
    """Beside its pin."""
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    said = dict(re.findall(r'^    "([^"]+)", # (\w.+)$', text.split("[tool.")[0], re.MULTILINE))
    assert set(said) == set(needed)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_make_targets_exist(document: Path) -> None:
    """`make demo`, `make test` and the others."""
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([\w-]+)", document.read_text())) <= targets


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Files and headings; and the modules that are named."""
    text = document.read_text()
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        file, _, anchor = target.partition("#")
        path = document.parent / file if file else document
        assert path.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", path.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}
            assert anchor in anchors, target
    for named in re.findall(r"`((?:bot|tests)/[\w/]+\.py)`", text):
        assert (ROOT / named).exists(), named


@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_lock_files(file: str) -> None:
    """Every package pinned with hashes; no registry's address."""
    text = (ROOT / file).read_text()
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    pinned = re.findall(r"^([a-z0-9][\w.-]*)==", text, re.MULTILINE)
    assert len(pinned) > 10
    lines = [line for line in text.splitlines() if line and not line.lstrip().startswith("#")]
    unpinned = [
        line for line in lines if not re.match(r"\s+--hash=sha256:[0-9a-f]{64}|\S+==", line)
    ]
    assert unpinned == []


def test_lock_files_agree() -> None:
    """What the tests ran with is what gets deployed."""

    def pins(file: str) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", (ROOT / file).read_text(), re.MULTILINE))

    assert pins("requirements.txt") < pins("requirements-dev.txt")


@pytest.mark.parametrize("document", ["SECURITY.md", "docs/faults.md"])
def test_the_tests_that_a_document_names_exist(document: str) -> None:
    """Each claim about a threat or a fault names the tests that show it."""
    text = (ROOT / document).read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::([\w:]+)`", text)
    assert named
    for file, name in named:
        source = (ROOT / file).read_text()
        for part in name.split("::"):
            exists = re.search(rf"(?:def|class) {part}\b", source)
            assert exists, f"{document}: there is no {part} in {file}"


def test_every_fault_has_a_test() -> None:
    """A row without one is a hope."""
    rows = re.findall(
        r"^\| (?!fault|---)(.*) \|$", (ROOT / "docs/faults.md").read_text(), re.MULTILINE
    )
    assert len(rows) > 40
    assert [row for row in rows if "::test_" not in row] == []
