"""Every message and view at its worst case, judged by slack_sdk's own models.

Where a limit changes in Slack, slack_sdk learns it; our idea of it is checked against theirs.
"""

from __future__ import annotations

import json

import pytest

from bot.core.sessions import Query
from bot.sandbox.workspace import MAX_POSTED, invalid_blocks, invalid_view
from bot.slack.search_modal import search_form
from tests.contracts.worst_cases import (
    LIMITS,
    LONGEST,
    all_messages,
    buttons,
    found,
    metadata,
    query_of,
    sentences,
    views,
)


@pytest.fixture(params=LONGEST)
def query(request: pytest.FixtureRequest) -> Query:
    """Return the longest e-mail and the longest uid."""
    return query_of(LONGEST[request.param])


@pytest.mark.parametrize("length", [40, 400, 1400, 2800])
def test_posted_messages(query: Query, length: int) -> None:
    """chat.postMessage takes fewer characters in all, values of buttons included."""
    always = all_messages(query, length)
    for kind in ("posted", "direct", "posted choice"):
        size = len(json.dumps(always[kind]["blocks"], ensure_ascii=False))
        assert size <= MAX_POSTED, kind


@pytest.mark.parametrize("length", [40, 400, 1400, 2800, 3001])
def test_messages(query: Query, length: int) -> None:
    """Lookups in all their forms."""
    for kind, message in all_messages(query, length).items():
        assert invalid_blocks(message) == "", kind
        assert len(message["text"]) <= 3000, kind


@pytest.mark.parametrize("length", [40, 1400])
def test_views(query: Query, length: int) -> None:
    """The form and its results, sharing, help and the Home."""
    for kind, view in views(query, length).items():
        assert invalid_view(view) == "", kind
    sessions = found(query, length)
    assert len(buttons(sessions).share) <= 2000
    assert len(metadata(sessions)) <= 3000


@pytest.mark.parametrize("kind", sentences())
def test_sentences(kind: str) -> None:
    """Refusals, failures, and what profiles lack."""
    assert invalid_blocks(sentences()[kind]) == ""


def test_the_judge_can_say_no() -> None:
    """What is beyond a limit is found."""
    section = {"type": "section", "text": {"type": "mrkdwn", "text": "x" * 3001}}
    assert invalid_blocks({"text": "x", "blocks": [section]})
    assert invalid_blocks({"text": "x", "blocks": [{"type": "divider"}] * 51})
    assert invalid_blocks({"text": "", "blocks": []})
    assert invalid_view(search_form(LIMITS) | {"title": {"type": "plain_text", "text": "x" * 25}})
