"""Sharing: a window asks what, how and where; then it is there for everyone, once."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.core.access import DenialReason
from bot.core.outcomes import RESTARTING, denial
from bot.features import share as share_feature
from bot.features.share import form as share_form
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, BOT_USER, CHANNEL, DIRECT, TICKETS, USER, Shown
from bot.service import Service
from bot.slack import action_ids, sharing, texts
from tests.conftest import QUICK, Logged, StartBot, until
from tests.scenarios.answers import (
    JANE,
    asked,
    labels,
    links,
    public,
    refresh,
    settled,
    share,
    share_window,
    submit_share,
)


@pytest.fixture
async def answer(bot: Service, slack: SlackSandbox) -> Shown:  # noqa: ARG001
    """Return an answer on the asker's screen."""
    return await asked(slack)


def fields(slack: SlackSandbox, view_id: str) -> dict[str, dict[str, object]]:
    """Return the fields of the window."""
    blocks = slack.views[view_id]["blocks"]
    return {one["block_id"]: one["element"] for one in blocks if one["type"] == "input"}


def option_texts(options: object) -> list[str]:
    """Return what can be chosen."""
    assert isinstance(options, list)
    return [one["text"]["text"] for one in options]


class TestWindow:
    """What it offers."""

    async def test_choices(self, slack: SlackSandbox, answer: Shown) -> None:
        """Each session, and all; without the name; where there is one place, it isn't asked."""
        window = fields(slack, await share_window(slack, answer))
        which = window[share_form.WHICH]
        assert option_texts(which["options"])[0].startswith("Latest: ")
        assert option_texts(which["options"])[1] == "All 3 sessions"
        assert len(option_texts(which["options"])) == 4
        assert option_texts([which["initial_option"]]) == option_texts(which["options"])[:1]
        assert "initial_options" not in window[share_form.NAME]
        assert sharing.WHERE not in window

    async def test_the_one_at_the_moment_is_chosen(self, slack: SlackSandbox) -> None:
        """On a ticket, that is the one that is meant."""
        shown = await on_message(slack)
        window = fields(slack, await share_window(slack, shown))
        first = option_texts([window[share_form.WHICH]["initial_option"]])[0]
        assert first.startswith(texts.CLOSEST_BEFORE_MESSAGE)

    async def test_in_a_thread(self, slack: SlackSandbox, answer: Shown) -> None:
        """The thread is chosen, and the channel offered."""
        answer.thread_ts = "1700000000.000100"
        window = fields(slack, await share_window(slack, answer))
        where = window[sharing.WHERE]
        assert option_texts(where["options"]) == ["In this thread", "In the channel"]
        assert option_texts([where["initial_option"]]) == ["In this thread"]

    async def test_a_slow_lookup(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """The window opens at once, for its trigger lives three seconds; then it is filled."""
        held = fullstory.hold()
        await slack.press(action_ids.SHARE, answer)
        await until(lambda: sharing.PREPARING in str(slack.views))
        held.set()
        await until(lambda: "All 3 sessions" in str(slack.views))

    async def test_it_does_not_open(self, slack: SlackSandbox, answer: Shown) -> None:
        """The person is told, and the answer stays."""
        slack.api_errors["views.open"] = "expired_trigger_id"
        exchange = await slack.press(action_ids.SHARE, answer)
        assert (await exchange.answer())["text"] == texts.MODAL_NOT_OPENED
        assert len(links(answer)) == 3

    async def test_fullstory_fails(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """The window says why; the answer stays, and it can be tried again."""
        fullstory.script.append(Scripted(403))
        view_id = await share_window(slack, answer)
        assert "isn't allowed" in str(slack.views[view_id])
        assert len(links(answer)) == 3
        await share(slack, answer)
        await until(lambda: len(public(slack)) == 1)


class TestSharing:
    """What everyone sees."""

    @pytest.mark.parametrize("named", [True, False])
    async def test_one(self, slack: SlackSandbox, answer: Shown, named: bool) -> None:  # noqa: FBT001
        """It says who shared it, and names the customer only if that was ticked."""
        shown = links(answer)
        await share(slack, answer, named=named)
        await until(lambda: len(public(slack)) == 1)
        (post,) = public(slack)
        assert links(post) == [shown[0]]
        assert (JANE in json.dumps(post.message)) == named
        assert f"<@{USER}> shared 1 session of" in json.dumps(post.message)
        assert labels(post) == []
        assert post.message["unfurl_links"] is False

    async def test_all(self, slack: SlackSandbox, answer: Shown) -> None:
        """As they were shown."""
        await share(slack, answer, which="all")
        await until(lambda: len(public(slack)) == 1)
        assert links(public(slack)[0]) == links(answer)

    async def test_an_older_one(self, slack: SlackSandbox, answer: Shown) -> None:
        """That and no other."""
        await share(slack, answer, which="2")
        await until(lambda: len(public(slack)) == 1)
        assert links(public(slack)[0]) == links(answer)[2:]
        assert "Latest" not in json.dumps(public(slack)[0].message)

    async def test_days_differ_from_reader_to_reader(self, slack: SlackSandbox) -> None:
        """So what many read has no days, but a date with each time."""
        await slack.command("/fsessions jane@example.com 20")
        answered = slack.screen[-1]
        assert "day_divider_pretty" in json.dumps(answered.message)
        await share(slack, answered, which="all")
        await until(lambda: len(public(slack)) == 1)
        always = json.dumps(public(slack)[0].message)
        assert "day_divider_pretty" not in always
        assert always.count("{date_short_pretty}, {time}") == 20

    @pytest.mark.parametrize("name", ["😀" * 250, "ж" * 250, '"' * 250])
    async def test_long_names(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, name: str
    ) -> None:
        """The window remembers them, and shows the form."""
        jane = next(one for one in fullstory.people if one.email == "jane@example.com")
        fullstory.people = (*fullstory.people, replace(jane, email="", uid=name))
        await slack.command(f"/fsessions uid:'{name}' 3")
        view_id = await share_window(slack, slack.screen[-1])
        assert fields(slack, view_id)

    async def test_the_answer_says_where(self, slack: SlackSandbox, answer: Shown) -> None:
        """Under the sessions, which stay; no second message."""
        await share(slack, answer)
        await until(lambda: "Shared in <#C0SUPPORT>" in json.dumps(answer.message))
        assert len(links(answer)) == 3
        assert len(slack.screen) == 2
        await refresh(slack, answer)
        await until(lambda: "Shared in" not in json.dumps(answer.message))

    @pytest.mark.parametrize(
        ("where", "thread"), [("thread", "1700000000.000100"), ("channel", "")]
    )
    async def test_where(self, slack: SlackSandbox, answer: Shown, where: str, thread: str) -> None:
        """In the thread where the answer stood, or in the channel."""
        answer.thread_ts = "1700000000.000100"
        await share(slack, answer, where=where)
        await until(lambda: len(public(slack)) == 1)
        assert public(slack)[0].thread_ts == thread
        said = "Shared in this thread" if thread else "Shared in <#C0SUPPORT>"
        await until(lambda: said in json.dumps(answer.message))

    async def test_in_a_conversation_without_a_name(
        self, slack: SlackSandbox, answer: Shown
    ) -> None:
        """Between two people, for example."""
        view_id = await share_window(slack, answer, channel="D0BETWEEN")
        await submit_share(slack, view_id)
        await until(lambda: "Shared in this conversation" in json.dumps(answer.message))

    async def test_what_is_shared_names_the_time(self, slack: SlackSandbox) -> None:
        """In a shared answer, "this message" would be the answer itself."""
        shown = await on_message(slack)
        assert "before this message" in json.dumps(shown.message)
        await share(slack, shown)
        await until(lambda: len(public(slack)) == 1)
        post = json.dumps(public(slack)[0].message)
        assert f"before <!date^{int(slack.clock() - 3600)}^" in post or "before <!date^" in post
        assert "this message" not in post

    async def test_the_replay_at_the_moment_is_shared(self, slack: SlackSandbox) -> None:
        """What was shown is what is shared."""
        shown = await on_message(slack)
        await share(slack, shown)
        await until(lambda: len(public(slack)) == 1)
        assert links(public(slack)[0]) == links(shown)[:2]

    async def test_a_note(self, slack: SlackSandbox, answer: Shown) -> None:
        """Everyone reads it as it was typed; it calls no one and links nowhere."""
        typed = "Look at 2:10 <!channel>\n<https://evil.example|here> & more"
        await share(slack, answer, note=typed)
        await until(lambda: len(public(slack)) == 1)
        quoted = public(slack)[0].message["blocks"][1]["text"]["text"]
        assert quoted == (
            "> Look at 2:10 &lt;!channel&gt;\n> &lt;https://evil.example|here&gt; &amp; more"
        )
        assert "Look at 2:10" in public(slack)[0].message["text"]
        assert "Look at 2:10" not in json.dumps(answer.message)

    async def test_nothing_is_called_the_latest(self, slack: SlackSandbox, answer: Shown) -> None:
        """An hour later there may be later ones, and the message is still there."""
        await share(slack, answer, which="all")
        await until(lambda: len(public(slack)) == 1)
        assert "latest" not in json.dumps(public(slack)[0].message).lower()


async def in_form(slack: SlackSandbox) -> str:
    """Return the window of the form, with an answer in it."""
    await slack.shortcut("find_sessions")
    await until(lambda: bool(slack.views))
    (view_id,) = slack.views
    await slack.submit(view_id, {"person": {"value": f"{JANE} 3"}})
    return view_id


async def in_direct_message(slack: SlackSandbox) -> Shown:
    """Return an answer in direct messages."""
    await slack.write(f"{JANE} 3", channel=DIRECT)
    await until(lambda: len(slack.screen) == 2)
    return slack.screen[-1]


class TestInAChosenChannel:
    """From the form and from direct messages, where no one else reads along."""

    async def test_from_the_form(self, slack: SlackSandbox) -> None:
        """On top of the results, which then say where."""
        results = await in_form(slack)
        view_id = await share_window(slack, results)
        place = fields(slack, view_id)[sharing.WHERE]
        assert place["type"] == "conversations_select"
        assert place["filter"] == {
            "include": ["public", "private"],
            "exclude_external_shared_channels": True,
            "exclude_bot_users": True,
        }
        await submit_share(slack, view_id, which="all", channel=CHANNEL)
        await until(lambda: len(public(slack)) == 1)
        assert public(slack)[0].channel == CHANNEL  # where the bot is no member
        assert links(public(slack)[0])
        await until(lambda: f"Shared in <#{CHANNEL}>" in json.dumps(slack.views[results]))
        assert list(slack.views) == [results]
        assert labels(slack.views[results])[1:] == ["Share…", "New search"]

    async def test_from_a_direct_message(self, slack: SlackSandbox) -> None:
        """The answer says where it was shared."""
        shown = await in_direct_message(slack)
        await share(slack, shown, channel=TICKETS)
        await until(lambda: f"Shared in <#{TICKETS}>" in json.dumps(shown.message))
        posted = [one for one in public(slack) if one.channel == TICKETS]
        assert [len(links(one)) for one in posted] == [1]
        assert "⋯ Dismiss" in labels(shown)

    async def test_the_audit_names_the_chosen_channel(
        self, slack: SlackSandbox, logged: Logged
    ) -> None:
        """Not where the list was, which is nowhere for a form."""
        await share(slack, await in_form(slack), channel=TICKETS)
        await until(lambda: "'result': 'shared'" in str(logged()))
        (event,) = [line for line in logged() if line.get("result") == "shared"]
        assert event["channel"] == TICKETS

    async def test_no_channel(self, slack: SlackSandbox) -> None:
        """Asked for beside the field; nothing is shared or recorded."""
        view_id = await share_window(slack, await in_form(slack))
        exchange = await submit_share(slack, view_id)
        assert exchange.ack is not None
        assert exchange.ack["errors"] == {sharing.WHERE: sharing.NO_CHANNEL}
        await submit_share(slack, view_id, channel=CHANNEL)
        await until(lambda: len(public(slack)) == 1)

    async def test_between_two_people(self, slack: SlackSandbox, answer: Shown) -> None:
        """Where a colleague reads along, it is shared right there."""
        view_id = await share_window(slack, answer, channel="D0BETWEEN")
        assert sharing.WHERE not in fields(slack, view_id)

    async def test_twice(self, slack: SlackSandbox) -> None:
        """It is there once."""
        view_id = await share_window(slack, await in_form(slack))
        sent = (submit_share(slack, view_id, channel=CHANNEL) for _ in range(3))
        await asyncio.gather(*sent)
        await until(lambda: len(public(slack)) == 1)
        await settled(slack)
        assert len(public(slack)) == 1

    async def test_a_channel_where_no_sessions_are_shown(
        self, start_bot: StartBot, slack: SlackSandbox
    ) -> None:
        """Said beside the field; another channel can be chosen."""
        async with start_bot(allowed_channels=(CHANNEL,)):
            ticket = await slack.message_shortcut("find_sessions_from_message", {"text": "Hm"})
            assert ticket.status == 200
            await until(lambda: bool(slack.views))
            (results,) = slack.views
            await slack.submit(results, {"person": {"value": JANE}})
            view_id = await share_window(slack, results)
            exchange = await submit_share(slack, view_id, channel=TICKETS)
            assert exchange.ack is not None
            assert exchange.ack["errors"] == {sharing.WHERE: sharing.NOT_SHOWN_THERE}
            assert public(slack) == []
            await submit_share(slack, view_id, channel=CHANNEL)
            await until(lambda: len(public(slack)) == 1)


async def on_message(slack: SlackSandbox) -> Shown:
    """Return an answer about a message of an hour ago."""
    message = {"text": JANE, "ts": f"{slack.clock() - 3600:.6f}"}
    exchange = await slack.message_shortcut("find_sessions_from_message", message)
    await exchange.answer()
    return slack.screen[-1]


@pytest.fixture(autouse=True)
def running(bot: Service) -> Service:
    """There is a bot, also where a test needs no answer."""
    return bot


class TestOnce:
    """However often it is sent."""

    async def test_the_same_window_twice(self, slack: SlackSandbox, answer: Shown) -> None:
        """At the same time, and later, from a device on which it is still open."""
        view_id = await share_window(slack, answer)
        view = slack.views[view_id]
        await asyncio.gather(*(submit_share(slack, view_id) for _ in range(3)))
        await until(lambda: len(public(slack)) == 1)
        slack.put_view(view_id, view)
        await submit_share(slack, view_id)
        assert sharing.ALREADY_SHARED in str(slack.views[view_id])
        await settled(slack)
        assert len(public(slack)) == 1

    async def test_it_can_be_shared_again(self, slack: SlackSandbox, answer: Shown) -> None:
        """From another window: who opens it means it."""
        await share(slack, answer)
        await until(lambda: "Shared in" in json.dumps(answer.message))
        await share(slack, answer, which="all")
        await until(lambda: len(public(slack)) == 2)

    async def test_slack_may_have_taken_it(self, slack: SlackSandbox, answer: Shown) -> None:
        """Not sent again: the person is asked to look."""
        view_id = await share_window(slack, answer)
        slack.response_statuses.append(500)
        await submit_share(slack, view_id)
        await until(lambda: slack.screen[-1].message["text"] == sharing.MAYBE_SHARED)
        assert public(slack) == []
        assert len(links(answer)) == 3

    async def test_slack_refused_it(self, slack: SlackSandbox, answer: Shown) -> None:
        """Told as what it is."""
        view_id = await share_window(slack, answer)
        slack.response_statuses.append(400)
        await submit_share(slack, view_id)
        await until(lambda: slack.screen[-1].message["text"] == sharing.NOT_SHARED)
        assert public(slack) == []

    async def test_closing_the_window_shares_nothing(
        self, slack: SlackSandbox, answer: Shown
    ) -> None:
        """It is the way not to share."""
        slack.close_view(await share_window(slack, answer))
        await settled(slack)
        assert public(slack) == []


async def test_an_answer_in_a_thread_is_shared_there(bot: Service, slack: SlackSandbox) -> None:
    """From a mention in a ticket's thread to what everyone there sees."""
    ticket = await slack.write("The checkout is broken")
    await slack.write(f"<@{BOT_USER}> {JANE} 3", thread_ts=ticket.ts)
    await until(lambda: "Latest 3 sessions" in slack.screen[-1].message["text"])
    shown = slack.screen[-1]
    assert (shown.user, shown.thread_ts) == (USER, ticket.ts)
    await share(slack, shown, where=sharing.IN_THREAD)
    await until(lambda: "Shared in this thread" in json.dumps(shown.message))
    (posted,) = [one for one in public(slack) if "shared" in json.dumps(one.message)]
    assert (posted.channel, posted.thread_ts) == (TICKETS, ticket.ts)
    assert bot.state() == "ready"


class TestWhatWasShown:
    """Nothing is shared that no one has seen."""

    async def test_a_session_that_began_meanwhile(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """It is not among what is shared."""
        view_id = await share_window(slack, answer)
        fullstory.script.append(Scripted(200, with_another(fullstory)))
        await submit_share(slack, view_id, which="all")
        await until(lambda: len(public(slack)) == 1)
        assert links(public(slack)[0]) == links(answer)
        assert LATER not in json.dumps(public(slack)[0].message)

    async def test_sessions_that_changed(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """Such as by a deletion at Fullstory: nothing is shared, and the person is told so."""
        fullstory.script.append(Scripted(200, b"[]"))
        view_id = await share_window(slack, answer)
        assert share_feature.SESSIONS_CHANGED in str(slack.views[view_id])
        assert public(slack) == []
        assert len(links(answer)) == 3

    async def test_fullstory_is_asked_once(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, answer: Shown
    ) -> None:
        """For the window; what it shows is what is shared."""
        before = len(fullstory.received)
        await share(slack, answer, which="all")
        await until(lambda: len(public(slack)) == 1)
        assert len(fullstory.received) == before + 1

    async def test_another_persons_window(self, slack: SlackSandbox, answer: Shown) -> None:
        """What a window remembers is signed for who opened it."""
        view_id = await share_window(slack, answer)
        await submit_share(slack, view_id, user=AGENT)
        assert denial(DenialReason.WRONG_USER).what in str(slack.views[view_id])
        assert public(slack) == []

    async def test_a_window_that_was_tampered_with(
        self, slack: SlackSandbox, answer: Shown
    ) -> None:
        """The seal is over all that it remembers."""
        view_id = await share_window(slack, answer)
        view = slack.views[view_id]
        view["private_metadata"] = view["private_metadata"].replace("C0SUPPORT", "C0OTHER")
        await submit_share(slack, view_id)
        assert denial(DenialReason.OUTDATED).what in str(slack.views[view_id])
        assert public(slack) == []


LATER = "5000000000009999"


def with_another(fullstory: FullstorySandbox) -> bytes:
    """Return what Fullstory told last, and a session more, that begins in a minute."""
    told = json.loads(fullstory.told[-1])
    at = fullstory.clock() + timedelta(minutes=1)
    link = f"https://app.fullstory.com/ui/DEMO1/session/1:{LATER}"
    later = {"userId": "1", "sessionId": LATER, "createdTime": str(int(at.timestamp()))}
    return json.dumps({"sessions": [*told["sessions"], later | {"fsUrl": link}]}).encode()


class TestRestarts:
    """The process ends in the middle: people are told the truth."""

    @pytest.fixture
    def bot(self) -> None:
        """Each test has its own."""

    async def test_before_the_window_is_filled(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """It says so."""
        async with start_bot(replace(QUICK, drain=0.2), fullstory_timeout_seconds=300):
            answer = await asked(slack)
            fullstory.hold()
            await slack.press(action_ids.SHARE, answer)
            await until(lambda: len(fullstory.received) == 2)
        assert RESTARTING in str(slack.views)

    async def test_before_the_post(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """Nothing was shared; it can be tried again."""
        async with start_bot(
            replace(QUICK, drain=0.2), database_url=None, fullstory_timeout_seconds=300
        ):
            answer = await asked(slack)
            view_id = await share_window(slack, answer)
        async with start_bot(
            replace(QUICK, drain=0.2), database_url=None, fullstory_timeout_seconds=300
        ):
            fullstory.hold()  # another process has to ask again
            await submit_share(slack, view_id)
            await until(lambda: len(fullstory.received) == 3)
        assert slack.screen[-1].message["text"] == RESTARTING
        assert public(slack) == []
        assert len(links(answer)) == 3

    async def test_after_the_post_has_begun(self, start_bot: StartBot, slack: SlackSandbox) -> None:
        """Slack may have taken it: the person is asked to look first."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(start_bot(replace(QUICK, drain=0.5), database_url=None))
            answer = await asked(slack)
            view_id = await share_window(slack, answer)
            hangs = slack.hang()
            await submit_share(slack, view_id)
            await until(lambda: any(one.uses for one in slack.exchanges()))
            slack.hangs = None
            await stack.aclose()
        assert slack.screen[-1].message["text"] == sharing.MAYBE_SHARED
        hangs.set()
        await until(lambda: len(public(slack)) == 1)
