"""*Find sessions* on a message and from anywhere, the form, the moment."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.features.message_shortcut import NO_ONE_FOUND
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import USER, Exchange, invalid_view
from bot.slack import action_ids, texts
from tests.conftest import Logged, StartBot, both_transports, until
from tests.scenarios.answers import labels

pytestmark = pytest.mark.usefixtures("bot")

JANE = "jane@example.com"


def message(text: str, **fields: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return a message that a person wrote right now."""
    return {"type": "message", "user": "U0OTHER", "text": text, "ts": f"{time.time():.6f}"} | fields


def links(holder: dict[str, Any]) -> list[str]:
    """All addresses in a message's or a view's blocks."""
    return re.findall(r"https://[^|^>\"]*", json.dumps(holder["blocks"]))


async def on_message(slack: SlackSandbox, shown: dict[str, Any]) -> Exchange:
    """Choose the shortcut in the menu of a message."""
    exchange = await slack.message_shortcut("find_sessions_from_message", shown)
    assert (exchange.status, exchange.ack) == (200, None)
    return exchange


def only_view(slack: SlackSandbox) -> tuple[str, dict[str, Any]]:
    """Return the one open window."""
    ((view_id, view),) = slack.views.items()
    assert invalid_view(view) == ""
    return view_id, view


async def opened_form(slack: SlackSandbox) -> str:
    """Return the form, opened from anywhere; its id."""
    await slack.shortcut("find_sessions")
    await until(lambda: bool(slack.views))
    return only_view(slack)[0]


def filled_in(person: str, limit: str | None = None, moment: int | None = None) -> dict[str, Any]:
    """Return the states of the form's fields, as Slack sends them."""
    return {
        "person": {"type": "plain_text_input", "value": person},
        "limit": {"type": "plain_text_input", "value": limit},
        "moment": {"type": "datetimepicker", "selected_date_time": moment},
    }


class TestOnMessage:
    """The shortcut in a message's menu."""

    @both_transports
    async def test_one_person(self, slack: SlackSandbox) -> None:
        """Their sessions, seen by who asked, with the one in progress first."""
        written = f"{time.time() - 60 * 60:.6f}"  # jane's second session began 58 minutes ago
        exchange = await on_message(slack, message(f"Broken! {JANE}", ts=written))
        answer = await exchange.answer()
        assert answer["response_type"] == "ephemeral"
        assert len(links(answer)) == 6  # the first opens at the moment, or from its beginning

    async def test_the_session_of_the_moment_is_first(self, slack: SlackSandbox) -> None:
        """Although others are newer; it says how long before the message it started."""
        written = f"{time.time() - 60 * 60:.6f}"  # jane's sessions began 7, 68 and 151 minutes ago
        exchange = await on_message(slack, message(JANE, ts=written))
        first = (await exchange.answer())["blocks"][1]["text"]["text"]
        assert first.startswith(f":dart: *{texts.CLOSEST_BEFORE_MESSAGE}*")
        assert re.search(r"started (7|8) min before$", first)

    async def test_no_session_at_that_time(self, slack: SlackSandbox) -> None:
        """It says so, and shows the latest."""
        written = f"{time.time() - 90 * 86400:.6f}"
        exchange = await on_message(slack, message(JANE, ts=written))
        answer = await exchange.answer()
        assert texts.NOT_AT_MOMENT in json.dumps(answer)
        assert len(links(answer)) == 5

    async def test_uid_with_a_label(self, slack: SlackSandbox) -> None:
        """As support tools write it."""
        exchange = await on_message(slack, message("*User ID:* user-42"))
        assert "sessions of user-42" in (await exchange.answer())["text"]

    @pytest.mark.parametrize("channel", ["C0PRIVATE", "D0BETWEEN", "G0GROUP"])
    async def test_where_the_bot_is_no_member(self, slack: SlackSandbox, channel: str) -> None:
        """The response_url needs no membership, and no other method is called."""
        exchange = await slack.message_shortcut(
            "find_sessions_from_message", message(JANE), channel=channel
        )
        assert links(await exchange.answer())
        assert not [call for call in slack.api_calls if call.startswith("chat.")]

    async def test_in_a_thread(self, slack: SlackSandbox) -> None:
        """The answer goes where the message is."""
        exchange = await on_message(slack, message(JANE, thread_ts="1700000000.000100"))
        assert (await exchange.answer())["thread_ts"] == "1700000000.000100"

    async def test_on_the_message_that_a_thread_hangs_on(self, slack: SlackSandbox) -> None:
        """It is in the channel, and so does the answer."""
        shown = message(JANE)
        exchange = await on_message(slack, shown | {"thread_ts": shown["ts"]})
        assert "thread_ts" not in await exchange.answer()

    @pytest.mark.parametrize("word", ["a", "uid:", "a@", "uid: ****", "<"])
    async def test_long_words(self, slack: SlackSandbox, word: str) -> None:
        """A pasted log costs no one their ack."""
        text = (word * 40_000)[:40_000]
        rich = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
        pasted = message(text, blocks=[{"type": "rich_text", "elements": [rich]}])
        exchange = await on_message(slack, pasted)
        await until(lambda: bool(slack.views or exchange.later))

    async def test_the_form_can_not_be_opened(self, slack: SlackSandbox) -> None:
        """The person is told another way."""
        slack.api_errors["views.open"] = "expired_trigger_id"
        exchange = await on_message(slack, message("The checkout is broken"))
        assert "found no e-mail address" in (await exchange.answer())["text"]

    async def test_a_forwarded_message_has_its_own_moment(self, slack: SlackSandbox) -> None:
        """The session before what is forwarded counts, not the one before the forward."""
        now, then = time.time(), time.time() - 40 * 3600
        forwarded = {"is_share": True, "ts": f"{then:.6f}", "text": f"{JANE} can't pay"}
        message = {"text": "see below", "ts": f"{now:.6f}", "attachments": [forwarded]}
        exchange = await slack.message_shortcut("find_sessions_from_message", message)
        answer = await exchange.answer()
        (started,) = re.findall(r"<!date\^(\d+)", answer["blocks"][1]["text"]["text"])[:1]
        assert then - 8 * 3600 <= int(started) <= then

    async def test_a_moment_before_all_that_was_looked_at(self, slack: SlackSandbox) -> None:
        """It isn't said that there was none, when only the latest hundred were looked at."""
        written = f"{time.time() - 110 * 86400:.6f}"
        exchange = await on_message(slack, message("fan@example.com", ts=written))
        assert "may be older" in json.dumps(await exchange.answer())

    async def test_several_people(self, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
        """A choice; a press on one gives that one's sessions in its place, with the moment."""
        text = f"{JANE}, omar@example.com and uid:12345"
        exchange = await on_message(slack, message(text))
        choice = await exchange.answer()
        labels = [b["text"]["text"] for b in choice["blocks"][1]["elements"]]
        assert labels == [JANE, "omar@example.com", "uid 12345"]
        assert fullstory.received == []
        (shown,) = slack.screen
        await slack.press("choose_identity:1")
        await until(lambda: "omar" in shown.message["text"])
        assert texts.CLOSEST_BEFORE_MESSAGE in json.dumps(shown.message)
        assert "started 7 min before" in json.dumps(shown.message)
        assert len(slack.screen) == 1

    async def test_ten_people_at_most(self, slack: SlackSandbox) -> None:
        """However many there are, with names as long as they can be."""
        people = " ".join(f"{'j' * 60}{n}@{'example.' * 20}com" for n in range(12))
        exchange = await on_message(slack, message(people))
        choice = await exchange.answer()
        assert len(choice["blocks"][1]["elements"]) == 10
        assert "the first 10" in choice["text"]

    async def test_no_one(self, slack: SlackSandbox) -> None:
        """The form, with the reason, and the time of the message filled in."""
        written = int(time.time()) - 3600
        await on_message(slack, message("The checkout is broken", ts=f"{written}.000100"))
        await until(lambda: bool(slack.views))
        _, view = only_view(slack)
        assert view["blocks"][0]["text"]["text"] == NO_ONE_FOUND
        assert view["blocks"][3]["element"]["initial_date_time"] == written

    @pytest.mark.parametrize("odd", [{}, {"ts": None}, {"text": None, "blocks": "x"}, {"ts": "x"}])
    async def test_odd_messages(self, slack: SlackSandbox, odd: dict[str, Any]) -> None:
        """Whatever Slack hands on, the person gets something."""
        exchange = await on_message(slack, {"text": JANE} | odd)
        await until(lambda: bool(slack.views or exchange.later))

    async def test_fullstory_fails(self, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
        """The reason comes to the response_url."""
        fullstory.always = Scripted(401)
        exchange = await on_message(slack, message(JANE))
        assert "API key" in (await exchange.answer())["text"]


class TestForm:
    """The form and its results."""

    @both_transports
    async def test_from_anywhere_to_results(self, slack: SlackSandbox) -> None:
        """Search, results in the same window, search again; nothing on anyone's screen."""
        view_id = await opened_form(slack)
        await slack.submit(view_id, filled_in(JANE, "3"))
        _, view = only_view(slack)
        assert len(links(view)) == 3
        assert "submit" not in view
        await slack.press_in_view("new_search", view_id)
        await until(lambda: slack.views[view_id]["callback_id"] == "find_sessions_form")
        await slack.submit(view_id, filled_in("uid:kim@legacy"))
        assert len(links(only_view(slack)[1])) == 2
        assert slack.screen == []

    async def test_moment(self, slack: SlackSandbox) -> None:
        """The picker's time is the same in every zone."""
        view_id = await opened_form(slack)
        moment = int(time.time()) - 3600
        await slack.submit(view_id, filled_in(JANE, None, moment))
        first = only_view(slack)[1]["blocks"][1]["text"]["text"]
        assert first.startswith(f":dart: *{texts.PROBABLY_THIS_ONE}*")
        assert f"before <!date^{moment}^" in first

    @pytest.mark.parametrize(
        ("values", "field", "says"),
        [
            (filled_in("jane@"), "person", "complete e-mail address"),
            (filled_in(""), "person", "Whose sessions?"),
            (filled_in("help"), "person", "Whose sessions?"),
            (filled_in(f"{JANE} at:14:05", None, 1_795_000_000), "person", "There is a time here"),
            (filled_in(JANE, "0"), "limit", "no sessions at all"),
            (filled_in(JANE, "101"), "limit", "at most 100 sessions"),
            (filled_in(JANE, "a few"), "limit", "How many sessions?"),
            (filled_in(JANE, None, int(time.time()) + 86400), "moment", "in the future"),
        ],
    )
    async def test_errors_stand_beside_their_field(
        self,
        slack: SlackSandbox,
        fullstory: FullstorySandbox,
        values: dict[str, Any],
        field: str,
        says: str,
    ) -> None:
        """The form stays open, and Fullstory isn't asked."""
        view_id = await opened_form(slack)
        exchange = await slack.submit(view_id, values)
        assert exchange.ack is not None
        assert exchange.ack["response_action"] == "errors"
        assert list(exchange.ack["errors"]) == [field]
        assert says in exchange.ack["errors"][field]
        assert fullstory.received == []

    async def test_two_people_are_a_choice(self, slack: SlackSandbox) -> None:
        """With the time that was typed, and the number of the field."""
        view_id = await opened_form(slack)
        typed = f"{JANE} or omar@example.com 1 hour ago"
        await slack.submit(view_id, filled_in(typed, "4"))
        view = only_view(slack)[1]
        assert labels(view) == [JANE, "omar@example.com", "New search"]
        await slack.press_in_view(f"{action_ids.CHOOSE}:0", view_id)
        await until(lambda: texts.PROBABLY_THIS_ONE in str(only_view(slack)[1]))
        assert "The one at" in json.dumps(only_view(slack)[1])
        assert "the latest 3" in json.dumps(only_view(slack)[1])

    async def test_show_all_in_the_window(self, slack: SlackSandbox) -> None:
        """Five, then all twenty in the same window; the way back to the form stays."""
        view_id = await opened_form(slack)
        await slack.submit(view_id, filled_in(JANE))
        view = only_view(slack)[1]
        assert labels(view) == ["Show all 20", "Share…", "New search"]
        assert len(links(view)) == 5
        await slack.press_in_view(action_ids.SHOW_MORE, view_id)
        await until(lambda: len(links(only_view(slack)[1])) == 20)
        assert "New search" in labels(only_view(slack)[1])
        assert slack.screen == []

    async def test_a_late_answer_does_not_replace_a_new_search(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The window shows what was asked for last, and no half-typed form is lost."""
        view_id = await opened_form(slack)
        await slack.submit(view_id, filled_in(JANE))
        held = fullstory.hold()
        await slack.press_in_view(action_ids.SHOW_MORE, view_id)
        await until(lambda: len(fullstory.received) == 2)
        fullstory.held = None
        await slack.press_in_view(action_ids.NEW_SEARCH, view_id)
        await until(lambda: only_view(slack)[1]["callback_id"] == "find_sessions_form")
        await slack.submit(view_id, filled_in("omar@example.com"))
        held.set()
        await slack.command("/fsessions slow@example.com")  # which takes longer
        await until(lambda: len(slack.screen) == 2)
        assert "omar@example.com" in str(only_view(slack)[1])

    async def test_why_there_is_nothing_goes_on_top(self, slack: SlackSandbox) -> None:
        """The reasons open above the results, which are there again when they are closed."""
        view_id = await opened_form(slack)
        await slack.submit(view_id, filled_in("zoe@example.com"))
        assert labels(only_view(slack)[1]) == ["Why?", "New search"]
        await slack.press_in_view(action_ids.WHY, view_id)
        await until(lambda: len(slack.views) == 2)
        assert "views.push" in slack.api_calls

    async def test_all_errors_at_once(self, slack: SlackSandbox) -> None:
        """Each beside its field."""
        view_id = await opened_form(slack)
        values = filled_in("jane@", "lots", int(time.time()) + 86400)
        exchange = await slack.submit(view_id, values)
        assert exchange.ack is not None
        assert set(exchange.ack["errors"]) == {"person", "limit", "moment"}

    async def test_failure_is_shown_in_the_window(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """With the way back to the form."""
        fullstory.always = Scripted(403)
        view_id = await opened_form(slack)
        await slack.submit(view_id, filled_in(JANE))
        shown = json.dumps(only_view(slack)[1])
        assert "isn't allowed to list sessions" in shown
        assert "new_search" in shown

    async def test_a_hundred_sessions(self, slack: SlackSandbox) -> None:
        """Fit into a view."""
        view_id = await opened_form(slack)
        await slack.submit(view_id, filled_in("fan@example.com", "100"))
        assert len(links(only_view(slack)[1])) == 100

    async def test_an_expired_trigger_is_logged(self, slack: SlackSandbox, logged: Logged) -> None:
        """There is no way to tell the person; the log says which call it was."""
        slack.api_errors["views.open"] = "expired_trigger_id"
        await slack.shortcut("find_sessions")
        await until(lambda: "modal not opened" in str(logged()))
        (line,) = [line for line in logged() if line["event"] == "modal not opened"]
        assert line["reason"] == "expired_trigger_id"


class TestSlow:
    """A Fullstory that takes its time, or never answers."""

    @pytest.fixture
    async def bot(self, start_bot: StartBot) -> Any:  # noqa: ANN401 - a generator of the service
        """Yield a bot that waits a tenth of a second before it says that it is looking."""
        async with start_bot(answer_budget_seconds=0.1) as service:
            yield service

    @both_transports
    async def test_results_are_filled_in_when_they_come(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The window says that it is looking, then shows them."""
        view_id = await opened_form(slack)
        fullstory.script.append(Scripted(200, b"[]", seconds=0.4))
        await slack.submit(view_id, filled_in(JANE))
        looking = json.dumps(only_view(slack)[1], ensure_ascii=False)
        assert texts.LOOKING in looking
        assert "new_search" not in looking  # the results would take its place
        await until(lambda: "No sessions found for" in json.dumps(slack.views[view_id]))

    async def test_a_window_closed_early(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, logged: Logged
    ) -> None:
        """Nothing is lost, and the log holds nothing odd."""
        view_id = await opened_form(slack)
        fullstory.script.append(Scripted(200, b"[]", seconds=0.4))
        await slack.submit(view_id, filled_in(JANE))
        slack.close_view(view_id)
        await until(lambda: "views.update" in slack.api_calls)
        await asyncio.sleep(0.1)
        assert {line["level"] for line in logged()} == {"info"}

    async def test_acks_whatever_fullstory_does(
        self, start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """Acks, the form and the window don't wait for it; the reason comes at last."""
        fullstory.always = Scripted(seconds=300)
        async with start_bot(answer_budget_seconds=0.1, fullstory_timeout_seconds=1):
            exchange = await on_message(slack, message(JANE))
            view_id = await opened_form(slack)
            submitted = await slack.submit(view_id, filled_in(JANE))
            assert submitted.status == 200
            assert (await exchange.answer())["text"] == texts.STILL_LOOKING
            await until(lambda: len(exchange.later) == 2)
            assert "took longer" in exchange.later[1]["text"]
            await until(lambda: "took longer" in json.dumps(slack.views[view_id]))


class TestMentions:
    """`/fsessions @colleague`, and times in the asker's own zone."""

    @pytest.fixture(autouse=True)
    def people(self, slack: SlackSandbox) -> None:
        """Ask as members of the workspace, and as others."""
        base = {"team_id": "T0SANDBOX", "profile": {"email": JANE}}
        slack.users |= {
            "U1": {"id": "U1", **base},
            "U2": {"id": "U2", **base, "profile": {}},
            "U3": {"id": "U3", **base, "is_bot": True},
            "U4": {"id": "U4", **base, "is_stranger": True},
            "U5": {"id": "U5", **base, "team_id": "T0OTHER"},
            "USLACKBOT": {"id": "USLACKBOT", **base, "is_bot": False},
        }

    async def answer(self, slack: SlackSandbox, typed: str) -> dict[str, Any]:
        """Return what the ack shows."""
        exchange = await slack.command(f"/fsessions {typed}")
        assert exchange.ack is not None
        return exchange.ack

    async def test_colleague(self, slack: SlackSandbox) -> None:
        """By the e-mail of the profile."""
        shown = await self.answer(slack, "<@U1|jane> 3")
        assert shown["text"].startswith(f"Latest 3 sessions of {JANE}")

    @pytest.mark.parametrize(
        ("user", "says"),
        [
            ("U2", "no e-mail address in that profile"),
            ("U3", "That is a bot"),
            ("USLACKBOT", "That is a bot"),
            ("U4", "isn't in this workspace"),
            ("U5", "isn't in this workspace"),
            ("U9", "isn't in this workspace"),
        ],
    )
    async def test_no_address(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, user: str, says: str
    ) -> None:
        """Each reason in its own sentence."""
        assert says in (await self.answer(slack, f"<@{user}>"))["text"]
        assert fullstory.received == []

    @pytest.mark.parametrize("scopes", ["commands", "commands,users:read"])
    async def test_without_the_scope(self, slack: SlackSandbox, scopes: str) -> None:
        """Slack refuses, or leaves the address out without a word."""
        slack.scopes = scopes
        assert "users:read.email" in (await self.answer(slack, "<@U1>"))["text"]

    @pytest.mark.parametrize("trouble", ["internal_error", ""])
    async def test_slack_in_trouble(self, slack: SlackSandbox, trouble: str) -> None:
        """Told, and worth another try."""
        await self.answer(slack, "omar@example.com")  # who asks is known
        slack.api_errors["users.info"] = trouble
        exchange = await slack.command("/fsessions <@U1>")
        await until(lambda: "try again in a minute" in str([exchange.ack, exchange.later]))

    async def test_time_in_the_askers_zone(self, slack: SlackSandbox) -> None:
        """14:05 in Tokyo is not 14:05 in Berlin."""
        then = datetime.now(UTC) - timedelta(hours=1)
        slack.users[USER] |= {"tz": "Asia/Tokyo", "tz_offset": 32400}
        tokyo = then + timedelta(hours=9)
        shown = await self.answer(slack, f'{JANE} at:"{tokyo:%Y-%m-%d %H:%M}"')
        first = shown["blocks"][1]["text"]["text"]
        minute = int(then.replace(second=0, microsecond=0).timestamp())
        assert f"before <!date^{minute}^" in first

    async def test_time_with_a_zone_needs_no_profile(self, slack: SlackSandbox) -> None:
        """Once it is known who asks, it needs nothing of Slack."""
        await self.answer(slack, "omar@example.com")
        slack.api_calls.clear()
        then = datetime.now(UTC) - timedelta(hours=1)
        shown = await self.answer(slack, f"{JANE} at:{then:%Y-%m-%dT%H:%MZ}")
        assert texts.PROBABLY_THIS_ONE in json.dumps(shown)
        assert "users.info" not in slack.api_calls

    @pytest.mark.parametrize(
        ("when", "said"), [("banana", texts.unclear_time), ("tomorrow 5pm", texts.future_time)]
    )
    async def test_a_time_of_no_use(
        self, slack: SlackSandbox, when: str, said: Callable[[str], str]
    ) -> None:
        """The latest sessions are shown, and a line below says why."""
        shown = await self.answer(slack, f'{JANE} at:"{when}"')
        assert "Latest 5 sessions" in shown["text"]
        assert shown["blocks"][-1]["elements"][0]["text"] == said(when)

    async def test_a_text_that_can_mean_two_times(self, slack: SlackSandbox) -> None:
        """It is asked back with both as buttons; the press looks up."""
        shown = await self.answer(slack, f"{JANE} 5/11/2026 14:05")
        assert shown["text"] == texts.CHOOSE_TIME
        assert labels(slack.screen[-1]) == [
            "11 May 2026, 14:05 (UTC+0200)",
            "5 Nov 2026, 14:05 (UTC+0100)",
        ]
        pressed = await slack.press("choose_identity:1", slack.screen[-1])
        assert JANE in (await pressed.answer())["text"]
