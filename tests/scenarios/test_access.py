"""The Home of who may not be shown sessions; and what is remembered of who may.

That each entry point refuses people without access is shown in `test_entry_points.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import denial
from bot.features import home as home_feature
from bot.features.workflow_step import texts as step_texts
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import CHANNEL, TICKETS, USER
from bot.service import Service
from bot.slack import action_ids, texts
from bot.slack.users import MEMBER_SECONDS, NO_MEMBER_SECONDS, USERGROUP_SECONDS, Users
from bot.slack.web_api import SlackClient, WebApi
from tests.conftest import QUICK, Logged, StartBot, until
from tests.scenarios.answers import JANE, asked, final, public, share_window, submit_share

ASKER = "U0ASKER"


@pytest.fixture(autouse=True)
def asker(slack: SlackSandbox) -> None:
    """Add a person to the workspace."""
    slack.users[ASKER] = slack.users[USER] | {"id": ASKER}


@pytest.mark.usefixtures("bot")
async def test_home(slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
    """A stranger's Home has no button that opens the form."""
    slack.users[ASKER] |= {"team_id": "T0OTHER"}
    await slack.open_home(user=ASKER)
    await until(lambda: ASKER in slack.homes)
    assert denial(DenialReason.STRANGER).what in str(slack.homes[ASKER])
    assert "Search" not in str(slack.homes[ASKER])
    assert fullstory.received == []


async def test_remembered(slack: SlackSandbox) -> None:
    """An hour for a yes, a minute for a no; Slack is asked once by all who wait."""
    now = 0.0
    web_api = WebApi(SlackClient(slack.bot_token, slack.api_url))
    users = Users(web_api, QUICK, clock=lambda: now)

    async def asked() -> int:
        before = slack.api_calls.count("users.info")
        await users.denial(ASKER)
        return slack.api_calls.count("users.info") - before

    assert await asked() == 1
    now = MEMBER_SECONDS - 1
    assert await asked() == 0
    slack.users[ASKER] |= {"is_restricted": True}
    now = MEMBER_SECONDS
    assert await asked() == 1
    assert await users.denial(ASKER) is DenialReason.GUEST
    now += NO_MEMBER_SECONDS - 1
    assert await asked() == 0
    now += 1
    slack.api_errors["users.info"] = "fatal_error"
    assert await users.denial(ASKER) is DenialReason.NOT_KNOWN
    slack.api_errors.clear()
    assert await asked() == 1


async def test_slack_is_asked_once_for_a_refusal(
    bot: Service,  # noqa: ARG001
    slack: SlackSandbox,
    logged: Logged,
) -> None:
    """Nothing more is looked up for a person who is shown nothing."""
    slack.api_errors["users.info"] = "internal_error"
    exchange = await slack.command("/fsessions jane@example.com")
    assert "member" in (await final(exchange))["text"]
    assert [one["event"] for one in logged()].count("actor not known") == 1


GROUPS = {"allowed_usergroups": ("S0ONE",)}


@pytest.fixture
def group(slack: SlackSandbox) -> set[str]:
    """Return the people of a user group, which the bot may read."""
    slack.scopes += ",usergroups:read"
    slack.usergroups["S0ONE"] = {USER}
    return slack.usergroups["S0ONE"]


@pytest.mark.usefixtures("group")
async def test_user_groups_are_asked_about_beside_the_lookup(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Who is known doesn't wait for one after the other; nothing is shown before both came."""
    slack.api_errors["usergroups.users.list"] = "no_longer_there_or_so"
    async with start_bot(answer_budget_seconds=0.1, **GROUPS):
        await final(await slack.command("/fsessions jane@example.com"))
        slack.api_errors.clear()  # who asks is known now; the members of the group are not
        slack.api_held["usergroups.users.list"] = held = asyncio.Event()
        fullstory.received.clear()
        slack.api_calls.clear()
        exchange = await slack.command("/fsessions jane@example.com")
        await until(lambda: bool(fullstory.received))
        assert "usergroups.users.list" in slack.api_calls
        assert exchange.ack is not None
        assert exchange.ack["text"] == texts.STILL_LOOKING
        held.set()
        assert "sessions of jane" in (await exchange.answer())["text"]


async def test_a_slack_that_hangs(
    start_bot: StartBot, slack: SlackSandbox, group: set[str]
) -> None:
    """A yes from one group is enough; where none comes, the answer is no, after some seconds."""
    slack.usergroups["S0TWO"] = set()
    async with start_bot(replace(QUICK, profile=0.5), allowed_usergroups=("S0ONE", "S0TWO")):
        group.clear()
        slack.api_held["usergroups.users.list"] = asyncio.Event()
        shown = await final(await slack.command("/fsessions jane@example.com"))
        assert " again in a minute" in shown["text"]
        slack.api_held.clear()
        slack.api_held["users.info"] = asyncio.Event()
        shown = await final(await slack.command("/fsessions jane@example.com", user_id="U0AGENT"))
        assert " again in a minute" in shown["text"]


@pytest.mark.usefixtures("group")
async def test_who_is_not_known_is_asked_about_first(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """Before Fullstory is told of anyone."""
    slack.api_held["users.info"] = held = asyncio.Event()
    async with start_bot(answer_budget_seconds=0.1, **GROUPS):
        exchange = await slack.command("/fsessions jane@example.com")
        await until(lambda: "users.info" in slack.api_calls)
        assert fullstory.received == []
        held.set()
        assert "sessions of jane" in (await exchange.answer())["text"]


async def test_user_groups_are_remembered_for_a_minute(
    slack: SlackSandbox, group: set[str]
) -> None:
    """Who leaves a group is shown nothing a minute later."""
    now = 0.0
    web_api = WebApi(SlackClient(slack.bot_token, slack.api_url))
    users = Users(web_api, QUICK, clock=lambda: now)
    assert await users.denial_by_usergroups(USER, ("S0ONE",)) is None
    group.clear()
    now = USERGROUP_SECONDS - 1
    assert await users.denial_by_usergroups(USER, ("S0ONE",)) is None
    now = USERGROUP_SECONDS
    assert await users.denial_by_usergroups(USER, ("S0ONE",)) is DenialReason.NOT_ALLOWED
    assert await users.denial_by_usergroups(USER, ("S0GONE",)) is DenialReason.NOT_ALLOWED
    slack.scopes = slack.scopes.replace(",usergroups:read", "")
    refusal = await users.denial_by_usergroups(USER, ("S0OTHER",))
    assert refusal is DenialReason.GROUPS_NOT_READABLE


class TestChannels:
    """`ALLOWED_CHANNELS`."""

    @pytest.fixture
    async def bot(self, start_bot: StartBot) -> AsyncIterator[Service]:
        """Sessions are shown in one channel alone."""
        async with start_bot(allowed_channels=(CHANNEL,)) as service:
            yield service

    @pytest.mark.usefixtures("bot")
    async def test_there(self, slack: SlackSandbox) -> None:
        """In the channel, all is as usual: the command, its buttons, the window for sharing."""
        shown = await asked(slack)
        await slack.press(action_ids.SHOW_MORE, shown)
        await until(lambda: "20 sessions" in str(shown.message))
        view_id = await share_window(slack, shown)
        await submit_share(slack, view_id)
        await until(lambda: bool(public(slack)))

    @pytest.mark.usefixtures("bot")
    async def test_the_form_belongs_to_where_it_was_opened(self, slack: SlackSandbox) -> None:
        """From a message in the channel, it may search; opened anywhere, it says where one can."""
        message = {"type": "message", "text": "Nobody", "user": USER, "ts": slack.new_ts()}
        await slack.message_shortcut("find_sessions_from_message", message, channel=CHANNEL)
        await until(lambda: bool(slack.views))
        ((view_id, _),) = slack.views.items()
        await slack.submit(view_id, {"person": {"value": JANE}})
        assert "fullstory.com" in str(slack.views[view_id])
        await slack.press_in_view(action_ids.NEW_SEARCH, view_id)
        await until(lambda: "submit" in slack.views[view_id])
        await slack.submit(view_id, {"person": {"value": JANE}})
        assert "fullstory.com" in str(slack.views[view_id])
        slack.views.clear()
        await slack.shortcut("find_sessions")
        await until(lambda: denial(DenialReason.NOT_HERE).what in str(slack.views))
        assert f"<#{CHANNEL}>" in str(slack.views)

    @pytest.mark.usefixtures("bot")
    async def test_home(self, slack: SlackSandbox) -> None:
        """It names the channels, and offers no search of its own."""
        await slack.open_home()
        await until(lambda: USER in slack.homes)
        assert f"<#{CHANNEL}>" in str(slack.homes[USER])
        assert home_feature.SEARCH_BUTTON not in str(slack.homes[USER])
        assert home_feature.IN_THESE_CHANNELS in str(slack.homes[USER])
        for other in (home_feature.IN_ANY_CHANNEL, home_feature.OR_DIRECTLY, "the button above"):
            assert other not in str(slack.homes[USER])


class TestWorkflows:
    """Access depends on who is shown the sessions; outputs alone need a listed workflow."""

    STEP = "find_sessions_step"

    @pytest.mark.parametrize(
        "rules",
        [{"allowed_channels": (CHANNEL,)}, {"allowed_users": (USER,)}],
        ids=["channels", "users"],
    )
    async def test_outputs_that_no_one_is_shown(
        self, start_bot: StartBot, slack: SlackSandbox, rules: dict[str, tuple[str, ...]]
    ) -> None:
        """Only for a workflow that the administrator has named."""
        async with start_bot(**rules, allowed_workflows=("triage",)):
            run = await slack.run_step(self.STEP, person=JANE)
            how, sentence = await run.end()
            assert (how, denial(DenialReason.NOT_FOR_WORKFLOW).what in sentence) == ("error", True)
            run = await slack.run_step(self.STEP, person=JANE, workflow="other")
            assert (await run.end())[0] == "error"
            run = await slack.run_step(self.STEP, person=JANE, workflow="triage")
            assert (await run.end())[0] == "success"

    async def test_a_named_workflow_shows_nothing_to_those_who_may_not(
        self, start_bot: StartBot, slack: SlackSandbox
    ) -> None:
        """Its name stands for the channel, not for the person."""
        rules = {"allowed_users": (USER,), "allowed_channels": (TICKETS,)}
        async with start_bot(**rules, allowed_workflows=("triage",)):
            step: dict[str, Any] = {"person": JANE, "workflow": "triage"}
            run = await slack.run_step(self.STEP, **step, show_to=ASKER)
            assert (await run.end())[0] == "error"
            run = await slack.run_step(self.STEP, **step, show_to=USER)
            assert (await run.end())[0] == "success"
            run = await slack.run_step(self.STEP, person=JANE, show_to=USER)
            how, sentence = await run.end()
            assert (how, step_texts.NOT_HERE in sentence) == ("error", True)

    @pytest.mark.parametrize(
        "rules",
        [{"allowed_channels": (TICKETS,)}, {"allowed_users": (USER,)}],
        ids=["channels", "users"],
    )
    async def test_outputs_beside_who_is_shown_them(
        self, start_bot: StartBot, slack: SlackSandbox, rules: dict[str, tuple[str, ...]]
    ) -> None:
        """An author who may not look gets no links by naming a person who may."""
        shown = {"person": JANE, "show_to": USER, "show_in": TICKETS}
        async with start_bot(**rules, allowed_workflows=("triage",)):
            run = await slack.run_step(self.STEP, told=True, **shown)
            how, outputs = await run.end()
            assert (how, outputs["count"]) == ("success", 20)
            assert outputs["list"] == step_texts.SHOWN_ALONE
            assert "fullstory.com" not in str(outputs)
            assert JANE not in str(outputs)
            assert "fullstory.com" in str(slack.screen[-1].message)
            run = await slack.run_step(self.STEP, told=True, **shown, workflow="triage")
            assert "fullstory.com" in str(await run.end())

    @pytest.mark.usefixtures("bot")
    async def test_slack_does_not_say_whose_it_is(self, slack: SlackSandbox) -> None:
        """Then it fails, with a hint to try again."""
        slack.api_errors["auth.test"] = "internal_error_or_so"
        run = await slack.run_step(self.STEP, told=False, person=JANE)
        await slack.event(run.event, team_id="T0OTHER", authorizations=[{"team_id": "T0OTHER"}])
        assert await run.end() == ("error", step_texts.SLACK_TROUBLE)

    @pytest.mark.usefixtures("bot")
    async def test_of_another_workspace(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
    ) -> None:
        """An event with another workspace's ids fails, in words, and is recorded."""
        run = await slack.run_step(self.STEP, told=False, person=JANE)
        await slack.event(run.event, team_id="T0OTHER", authorizations=[{"team_id": "T0OTHER"}])
        assert await run.end() == ("error", step_texts.OTHER_WORKSPACE)
        assert fullstory.received == []
        (line,) = [one for one in logged() if one["event"] == "audit"]
        assert (line["result"], line["reason"]) == ("refused", "stranger")


@pytest.mark.parametrize(
    ("contact", "shown"),
    [
        ("C0HELPDESK1", "To get access, ask &lt;#C0HELPDESK1&gt;."),
        ("Mia in <legal>", "To get access, ask Mia in &lt;legal&gt;."),
        ("", "To get access, ask your administrator."),
    ],
)
async def test_whom_to_ask(
    start_bot: StartBot, slack: SlackSandbox, contact: str, shown: str
) -> None:
    """A person or channel in Slack is a mention; a name is shown as it is."""
    async with start_bot(allowed_users=("U0OTHER",), admin_contact=contact):
        exchange = await slack.command("/fsessions jane@example.com")
        text = (await final(exchange))["blocks"][0]["text"]["text"]
    if contact.startswith("C0"):
        shown = shown.replace("&lt;", "<").replace("&gt;", ">")
    assert text == f"{denial(DenialReason.NOT_ALLOWED).what.replace('&', '&amp;')} {shown}"
