"""The custom workflow step: every run ends exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bot.features.workflow_step import texts as step_texts
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import AGENT, CHANNEL, DIRECT, PARTNER, TICKETS, USER, Run
from bot.service import Service
from bot.slack.app import App
from tests.conftest import QUICK, Logged, StartBot, both_transports, until
from tests.scenarios.answers import refresh

JANE = "jane@example.com"
STEP = "find_sessions_step"


async def run(slack: SlackSandbox, **inputs: Any) -> Run:  # noqa: ANN401
    """Return a run, once it has ended."""
    started = await slack.run_step(STEP, **inputs)
    await started.end()
    return started


async def outputs(slack: SlackSandbox, **inputs: Any) -> dict[str, Any]:  # noqa: ANN401
    """Return what a run gives that succeeds; it ends once."""
    ended = await run(slack, **inputs)
    assert [how for how, _ in ended.ends] == ["success"]
    assert ended.refused == []
    return dict(ended.ends[0][1])


async def failure(slack: SlackSandbox, **inputs: Any) -> str:  # noqa: ANN401
    """Return the sentence of a run that fails; it ends once."""
    ended = await run(slack, **inputs)
    assert [how for how, _ in ended.ends] == ["error"]
    assert ended.refused == []
    return str(ended.ends[0][1])


@pytest.mark.usefixtures("bot")
class TestOutputs:
    """What the workflow continues with."""

    async def test_good(self, slack: SlackSandbox) -> None:
        """How many, the latest, a list, and who was understood."""
        given = await outputs(slack, person=JANE, limit=3)
        assert (given["count"], given["person"], given["at_moment"]) == (3, JANE, "")
        assert given["latest"].startswith("https://app.fullstory.com/")
        title, *lines = given["list"].split("\n")
        assert title == f"3 sessions of {JANE}"
        assert len(lines) == 3
        assert given["latest"] in lines[0]
        assert " UTC  https://" in lines[2]

    async def test_no_sessions(self, slack: SlackSandbox) -> None:
        """That is a result, on which a workflow can branch; not a failure."""
        given = await outputs(slack, person="zoe@example.com")
        assert given["count"] == 0
        assert (given["latest"], given["at_moment"]) == ("", "")
        assert given["list"] == "No sessions found for zoe@example.com"

    async def test_a_long_list_says_what_it_leaves_out(self, slack: SlackSandbox) -> None:
        """It fits into a block of a message."""
        given = await outputs(slack, person="fan@example.com", limit="100")
        assert given["count"] == 100
        assert len(given["list"]) <= 3000
        assert given["list"].splitlines()[-1].startswith("and ")

    @pytest.mark.parametrize(
        ("person", "understood"),
        [
            ("user-42", "user-42"),
            ("uid:kim@legacy", "kim@legacy"),
            ("<mailto:jane@example.com|jane@example.com>", JANE),
            ("Hi, my address is jane@example.com. It broke 3 times!", JANE),
            ("*User ID:* 12345\nplease help", "12345"),
            (f"<@{AGENT}>", "alex@example.org"),
            ("jane@example.com uid:user-42", "jane@example.com / user-42"),
            ("jane@example.com 5551234", JANE),
            (f"Reported by <@{AGENT}>: jane@example.com", JANE),
            (12345, "12345"),
        ],
    )
    async def test_person(self, slack: SlackSandbox, person: object, understood: str) -> None:
        """Also where a form's answer says other things too."""
        assert (await outputs(slack, person=person))["person"] == understood

    @pytest.mark.parametrize("form", ["iso", "ts", "markup"])
    async def test_moment(self, slack: SlackSandbox, form: str) -> None:
        """The session in progress then, beside the latest; in the ways in which workflows tell."""
        at = datetime.now(UTC) - timedelta(minutes=60)
        moment = {
            "iso": f"{at:%Y-%m-%dT%H:%M:%SZ}",
            "ts": f"{at.timestamp():.6f}",
            "markup": f"<!date^{int(at.timestamp())}^{{date}} {{time}}|then>",
        }[form]
        given = await outputs(slack, person=JANE, limit=1, moment=moment)
        assert given["count"] == 1
        assert given["at_moment"] in given["list"]
        assert given["latest"].startswith("https://")
        assert given["latest"] != given["at_moment"] != ""

    async def test_moment_in_the_zone_of_who_is_shown(self, slack: SlackSandbox) -> None:
        """Where it says none itself."""
        slack.users[USER] |= {"tz": "Asia/Tokyo", "tz_offset": 9 * 3600}
        at = datetime.now(UTC) - timedelta(minutes=60)
        there = f"{at.astimezone(timezone(timedelta(hours=9))):%Y-%m-%d %H:%M}"
        given = await outputs(slack, person=JANE, limit=1, moment=there, show_to=USER)
        assert given["at_moment"] != ""
        assert given["at_moment"] != given["latest"]


@pytest.mark.usefixtures("bot")
class TestShowing:
    """To one person, privately."""

    async def test_in_a_channel(self, slack: SlackSandbox) -> None:
        """With buttons, which are that person's."""
        await outputs(slack, person=JANE, show_to=AGENT, show_in=TICKETS)
        (shown,) = slack.screen
        assert (shown.user, shown.channel) == (AGENT, TICKETS)
        await refresh(slack, shown, user=AGENT)
        await until(lambda: shown.message.get("replace_original", False))
        assert JANE in shown.message["text"]

    async def test_in_a_direct_message(self, slack: SlackSandbox) -> None:
        """Where no channel is named."""
        await outputs(slack, person=JANE, show_to=f"<@{USER}>")
        (shown,) = slack.screen
        assert shown.channel == DIRECT

    async def test_many_sessions(self, slack: SlackSandbox) -> None:
        """No more of them than chat.postEphemeral takes; it says so."""
        await outputs(slack, person="fan@example.com", limit=100, show_to=USER, show_in=TICKETS)
        (shown,) = slack.screen
        assert "didn't fit" in str(shown.message)

    @pytest.mark.parametrize(
        ("inputs", "sentence"),
        [
            ({"show_in": TICKETS}, step_texts.SHOW_TO_WHOM),
            ({"show_to": USER, "show_in": CHANNEL}, "invite me there"),
            ({"show_to": USER, "show_in": "C0NOWHERE"}, "invite me there"),
            ({"show_to": "U0NEW", "show_in": TICKETS}, "isn't in the channel"),
            ({"show_to": PARTNER, "show_in": TICKETS}, step_texts.STRANGER),
            ({"show_to": "U0NOBODY", "show_in": TICKETS}, step_texts.STRANGER),
            ({"show_to": "U0NOBODY", "moment": "2026-01-05 14:05"}, step_texts.STRANGER),
        ],
    )
    async def test_where_it_can_not_be_shown(
        self, slack: SlackSandbox, inputs: dict[str, str], sentence: str
    ) -> None:
        """The run fails, and says what to do; no one else is shown anything."""
        slack.users["U0NEW"] = slack.users[USER] | {"id": "U0NEW"}
        assert sentence in await failure(slack, person=JANE, **inputs)
        assert slack.screen == []


@pytest.mark.usefixtures("bot")
class TestFailing:
    """With a sentence that the workflow's author can act on."""

    @pytest.mark.parametrize(
        ("inputs", "sentence"),
        [
            ({}, step_texts.NO_ONE),
            ({"person": ""}, step_texts.NO_ONE),
            ({"person": None}, step_texts.NO_ONE),
            ({"person": "n/a"}, step_texts.NO_ONE),
            ({"person": "uid:1 or uid:2"}, step_texts.SEVERAL),
            ({"person": "The checkout is broken"}, step_texts.NO_ONE),
            ({"person": "jane@example.com, omar@example.com"}, step_texts.SEVERAL),
            ({"person": "jane@example.com or maybe omar@example.com"}, step_texts.SEVERAL),
            ({"person": "jane@example"}, "complete e-mail address"),
            ({"person": JANE, "limit": 0}, "1 to 100"),
            ({"person": JANE, "limit": 101}, "at most 100 sessions"),
            ({"person": JANE, "limit": "many"}, "1 to 100"),
            ({"person": JANE, "moment": "yesterday 5pm"}, step_texts.MOMENT_ZONE),
            ({"person": JANE, "moment": "soon Z"}, step_texts.MOMENT_UNCLEAR),
            ({"person": JANE, "moment": "9999999999"}, step_texts.MOMENT_IN_FUTURE),
            ({"person": "<@U0NOBODY>"}, "isn't in this workspace"),
        ],
    )
    async def test_bad_input(
        self, slack: SlackSandbox, inputs: dict[str, Any], sentence: str
    ) -> None:
        """What was wrong, and what to do."""
        assert sentence in await failure(slack, **inputs)

    @pytest.mark.parametrize(
        ("reply", "sentence"),
        [
            (Scripted(status=401), "doesn't accept this bot's API key"),
            (Scripted(status=429), "too many requests"),
            (Scripted(status=500), "trouble answering"),
            (Scripted(body=b"<html>"), "wasn't readable"),
        ],
    )
    async def test_fullstory(
        self, slack: SlackSandbox, fullstory: FullstorySandbox, reply: Scripted, sentence: str
    ) -> None:
        """Its troubles, each by its name."""
        fullstory.always = reply
        assert sentence in await failure(slack, person=JANE)

    async def test_slack_in_trouble(self, slack: SlackSandbox) -> None:
        """Where Slack has to be asked who is who."""
        slack.api_errors["users.info"] = "internal_error"
        assert await failure(slack, person=f"<@{AGENT}>") == step_texts.SLACK_TROUBLE

    async def test_a_crash(self, slack: SlackSandbox, logged: Logged) -> None:
        """Such as by a profile that is unlike any: a reference, which is in the log."""
        slack.users[AGENT] |= {"profile": "alex@example.org"}
        sentence = await failure(slack, person=f"<@{AGENT}>")
        (line,) = [line for line in logged() if line["event"] == "step crashed"]
        assert line["reference"] in sentence
        assert "alex" not in str(logged())

    async def test_no_secrets(self, slack: SlackSandbox, logged: Logged) -> None:
        """Neither the person nor the run's token is in the log."""
        ended = await run(slack, person=JANE, show_to="U0NOBODY")
        assert JANE not in str(logged())
        assert ended.token not in str(logged())


async def test_timeouts(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The run fails when the time for a lookup is over."""
    fullstory.always = Scripted(seconds=5)
    async with start_bot(fullstory_timeout_seconds=0.3):
        assert "took longer" in await failure(slack, person=JANE)


async def test_slow_but_in_time(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """The ack doesn't wait for the end; the event comes once."""
    fullstory.always = Scripted(200, b"[]", seconds=0.5)
    async with start_bot(answer_budget_seconds=0.1):
        started = await slack.run_step(STEP, person=JANE)
        assert started.ends == []
        assert (await started.end())[0] == "success"


@pytest.mark.usefixtures("bot")
class TestOnce:
    """Exactly one end."""

    @both_transports
    async def test_duplicate_delivery(
        self, slack: SlackSandbox, fullstory: FullstorySandbox
    ) -> None:
        """The same run again, at the same time and afterwards: nothing is done twice."""
        started = await run(slack, person=JANE, show_to=USER)
        before = len(fullstory.received), len(slack.screen), len(slack.api_calls)
        again = await asyncio.gather(*(slack.event(started.event) for _ in range(3)))
        assert again == [[200]] * 3
        assert (len(fullstory.received), len(slack.screen), len(slack.api_calls)) == before
        assert started.refused == []

    async def test_at_the_same_time(self, slack: SlackSandbox, fullstory: FullstorySandbox) -> None:
        """The second comes while the first is under way."""
        started = await slack.run_step(STEP, told=False, person="slow@example.com")
        await asyncio.gather(slack.event(started.event), slack.event(started.event))
        await started.end()
        assert (len(started.ends), started.refused) == (1, [])
        assert len(fullstory.received) == 1

    async def test_slack_is_busy(self, slack: SlackSandbox) -> None:
        """The end is told again, when Slack says."""
        slack.api_busy["functions.completeSuccess"] = 1
        assert (await outputs(slack, person=JANE))["count"] == 20

    async def test_slack_has_trouble(self, slack: SlackSandbox) -> None:
        """It is told again."""
        slack.api_errors["functions.completeSuccess"] = ""
        started = await slack.run_step(STEP, person=JANE)
        del slack.api_errors["functions.completeSuccess"]
        assert (await started.end())[0] == "success"

    async def test_slack_has_trouble_for_long(self, slack: SlackSandbox) -> None:
        """It is told again as long as the run lives."""
        slack.api_errors |= dict.fromkeys(
            ("functions.completeSuccess", "functions.completeError"), ""
        )
        started = await slack.run_step(STEP, person=JANE)
        await until(lambda: slack.api_calls.count("functions.completeSuccess") == 5)
        slack.api_errors.clear()
        assert (await started.end())[0] == "success"
        assert "functions.completeError" not in slack.api_calls

    async def test_the_runs_token_is_refused(self, slack: SlackSandbox) -> None:
        """Then the bot's own is good enough."""
        started = await slack.run_step(STEP, told=False, person=JANE)
        started.token = "xwfp-another"
        await slack.event(started.event)
        assert (await started.end())[0] == "success"

    async def test_slack_dislikes_the_outputs(self, slack: SlackSandbox) -> None:
        """Then the run fails, rather than hang."""
        slack.api_errors["functions.completeSuccess"] = "parameter_validation_failed"
        assert "reference" in await failure(slack, person=JANE)

    async def test_ended_elsewhere(self, slack: SlackSandbox, logged: Logged) -> None:
        """Slack takes one end; what another process did first stands, and nothing is an error."""
        slack.api_errors["functions.completeSuccess"] = "execution_not_in_running_state"
        await slack.run_step(STEP, person=JANE)
        await until(lambda: any(line["event"] == "run had already ended" for line in logged()))
        assert "functions.completeError" not in slack.api_calls


async def test_a_crash(app: App, slack: SlackSandbox, logged: Logged) -> None:
    """The run fails with a reference that is in the log."""
    started = await slack.run_step(STEP, told=False, person=JANE)
    body = {"type": "event_callback", "event": started.event}
    acknowledged = asyncio.get_running_loop().create_future()
    assert (await app.dispatch(body, acknowledged)).status == 200
    ((how, sentence),) = started.ends
    assert how == "error"
    (line,) = [line for line in logged() if line["event"] == "lookup crashed"]
    assert line["reference"] in sentence
    assert JANE not in str(logged())


async def test_an_event_of_odd_shape(bot: Service, slack: SlackSandbox) -> None:
    """Without inputs or a token the run fails all the same; without an id there is none."""
    slack.event_retries = ()
    started = await slack.run_step(STEP, told=False)
    bare = {"type": "function_executed", "function": {"callback_id": STEP}}
    await slack.event(bare | {"function_execution_id": started.id})
    assert await started.end() == ("error", step_texts.NO_ONE)
    slack.ack_seconds = 2.0  # none comes
    await slack.event(bare)
    slack.ack_seconds = 30.0
    assert (await outputs(slack, person=JANE))["count"] == 20
    assert bot.state() == "ready"


async def test_stopping_in_the_middle(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """A run in flight is finished before the process ends."""
    fullstory.always = Scripted(200, b"[]", seconds=0.7)
    async with start_bot(answer_budget_seconds=0.1):
        started = await slack.run_step(STEP, person=JANE)
        assert started.ends == []
    assert [how for how, _ in started.ends] == ["success"]


@both_transports
async def test_a_run_that_comes_while_draining(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """It is left for Slack's next attempt, which reaches the next process."""
    fullstory.always = Scripted(200, b'{"sessions":[{"userId":"1","sessionId":"2"}]}', seconds=1.0)
    slack.event_retries = (2.0,)
    async with start_bot(answer_budget_seconds=0.1) as bot:
        first = await slack.run_step(STEP, person=JANE)
        slack.ack_seconds = 5.0  # over a socket, who is draining gives none
        late = asyncio.create_task(_when_draining(bot, slack))
    async with start_bot():
        assert (await first.end())[0] == "success"
        second = await late
        assert (await second.end())[0] == "success"
    assert (len(first.ends), len(second.ends)) == (1, 1)
    assert (first.refused, second.refused) == ([], [])


async def _when_draining(bot: Service, slack: SlackSandbox) -> Run:
    await until(lambda: bot.state() == "draining")
    return await slack.run_step(STEP, person=JANE)


async def test_stopped_while_a_failure_is_told(start_bot: StartBot, slack: SlackSandbox) -> None:
    """It is told again, before the end."""
    slack.api_busy["functions.completeError"] = 1
    slack.api_retry_after = 20
    async with start_bot(replace(QUICK, drain=0.1), database_url=None, answer_budget_seconds=0.1):
        started = await slack.run_step(STEP, person="")
    assert started.ends == [("error", step_texts.NO_ONE)]


async def test_killed_in_the_middle(
    start_bot: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox
) -> None:
    """What can't be finished in time is failed, with what to do; not dropped."""
    fullstory.always = Scripted(seconds=300)
    async with start_bot(replace(QUICK, drain=0.1), database_url=None, answer_budget_seconds=0.1):
        started = await slack.run_step(STEP, person=JANE)
    assert started.ends == [("error", step_texts.RESTARTING)]
