"""*Why?* on an empty answer: what Fullstory knows, before the common reasons."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.core.no_sessions import KnownUser, Quota
from bot.features.no_sessions import ASKING, about_organization, about_quota, about_user
from bot.fullstory import protocol
from bot.sandbox.fullstory import ORGANISATION, QUOTA, FullstorySandbox
from bot.sandbox.people import Person
from bot.sandbox.slack import SlackSandbox
from bot.slack import action_ids
from tests.conftest import Logged, StartBot, until


async def why(slack: SlackSandbox, person: str) -> str:
    """Press *Why?* on the empty answer about a person, and return the modal once it is complete."""
    await slack.command(f"/fsessions {person}")
    await slack.press(action_ids.WHY)
    await until(lambda: bool(slack.views) and ASKING not in str(slack.views))
    return str(slack.views)


@pytest.mark.usefixtures("bot")
async def test_what_the_key_may_read(slack: SlackSandbox, logged: Logged) -> None:
    """The quota and the organization; and that it was asked, without the customer's address."""
    said = await why(slack, "zoe@example.com")
    assert f"15,234 of {QUOTA:,}" in said
    assert f"the organization {ORGANISATION}" in said
    assert "another spelling" in said
    audit = [line for line in logged() if line["event"] == "audit"]
    assert [line["result"] for line in audit] == ["none", "explained"]
    assert audit[0]["email_hash"] == audit[1]["email_hash"]


@pytest.mark.usefixtures("bot")
async def test_the_quota_is_used_up(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """Then new visits are not recorded, until the period ends."""
    fullstory.used = QUOTA
    said = await why(slack, "zoe@example.com")
    assert "used up" in said
    assert "new visits are not recorded until <!date^" in said


@pytest.mark.usefixtures("bot")
async def test_an_unknown_uid(slack: SlackSandbox) -> None:
    """The site may call its people something else."""
    assert "no user with the uid nobody-7" in await why(slack, "nobody-7")


@pytest.mark.usefixtures("bot")
async def test_a_known_uid(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """How many sessions there were; and whether the person is being deleted."""
    fullstory.people += (Person("ghost-7", "without sessions", uid="ghost-7"),)
    assert "a user with the uid ghost-7, with 0 sessions" in await why(slack, "ghost-7")
    slack.views.clear()
    fullstory.being_deleted.add("ghost-7")
    assert "is being deleted" in await why(slack, "ghost-7")


@pytest.mark.usefixtures("bot")
async def test_a_key_that_may_not_read_it(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """What is not known is left out."""
    fullstory.key_may_explain = False
    said = await why(slack, "uid:nobody-7")
    assert f"the organization {ORGANISATION}" in said
    assert "quota" not in said
    assert "nobody-7" not in said


async def test_no_uid_in_a_url(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """With FULLSTORY_METHOD=POST, no proxy sees the customer."""
    async with start_bot(fullstory_method="POST"):
        assert "quota" in await why(slack, "nobody-7")
    assert not any("nobody-7" in one.path + one.raw_query for one in fullstory.received)


@pytest.mark.usefixtures("bot")
async def test_a_slow_fullstory(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """The common reasons are there at once."""
    await slack.command("/fsessions zoe@example.com")
    held = fullstory.hold()
    await slack.press(action_ids.WHY)
    await until(lambda: bool(slack.views))
    assert "another spelling" in str(slack.views)
    assert ASKING in str(slack.views)
    held.set()
    await until(lambda: ASKING not in str(slack.views))


@pytest.mark.usefixtures("bot")
async def test_who_may_see_no_sessions_anymore(
    slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Another person's button opens nothing, and Fullstory is not asked."""
    await slack.command("/fsessions zoe@example.com")
    asked = len(fullstory.received)
    await slack.press(action_ids.WHY, user="U0AGENT")
    await until(lambda: len(slack.screen) == 2)
    assert not slack.views
    assert len(fullstory.received) == asked


HOSTILE = "<!channel> *x* <https://evil.example|y> & \u202e"


def test_what_it_says_is_escaped() -> None:
    """No mention and no link from a uid or an organization."""
    for said in (about_user(None, HOSTILE), about_organization(HOSTILE, "")):
        assert "<" not in said
    assert "until" not in about_quota(Quota(5, 5, None))  # Fullstory didn't say when it ends


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"numSessions": "6", "lastSeen": "2026-11-20T10:00:00Z"}, (6, 20, False)),
        ({"num_sessions": 6, "last_seen": "2026-11-20T10:00:00.5Z"}, (6, 20, False)),
        ({"existing_operation": {"id": "1"}}, (None, None, True)),
        ({"numSessions": "many", "lastSeen": {}}, (None, None, False)),
        ([], (None, None, False)),
    ],
)
def test_spellings_of_a_user(document: Any, expected: tuple[Any, ...]) -> None:  # noqa: ANN401
    """Those of the schema and of its example; anything else is not known."""
    known = protocol.user(200, {}, json.dumps(document).encode())
    assert isinstance(known, KnownUser)
    day = known.last_seen and known.last_seen.day
    assert (known.sessions, day, known.is_being_deleted) == expected


def test_a_quota_without_numbers_is_not_known() -> None:
    """Nothing is said about it."""
    end = datetime(2026, 12, 1, tzinfo=UTC)
    reply = {"usage": "5", "limit": "5", "period_end": "2026-12-01T00:00:00Z"}
    for document, expected in (
        ({"session_quota": reply}, Quota(5, 5, end)),
        ({"session_quota": reply | {"limit": None}}, None),
        ({"session_quota": []}, None),
        ({}, None),
    ):
        assert protocol.quota(200, {}, json.dumps(document).encode()) == expected
