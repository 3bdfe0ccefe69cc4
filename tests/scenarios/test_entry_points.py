"""What every entry point must do: a new one adds a line to `WAYS`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from bot.core.access import DenialReason, EntryPoint
from bot.core.audit import PersonHashes
from bot.core.outcomes import RESTARTING, denial
from bot.core.sessions import Query, Snapshot
from bot.features import share as share_feature
from bot.features.workflow_step import texts as step_texts
from bot.sandbox.fullstory import FullstorySandbox, Scripted
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import BOT, BOT_USER, CHANNEL, TEAM, TICKETS, USER, Shown
from bot.slack import action_ids, sharing, texts
from bot.slack.api import METHOD_SCOPES
from bot.slack.app import App
from bot.slack.feature import BASE
from bot.slack.signing import Kind, Signer
from tests.conftest import QUICK, Logged, StartBot, both_transports, until
from tests.scenarios.answers import signing_key

JANE = "jane@example.com"
ASKER = "U0ASKER"
DIRECT = "D0ASKER"
STEP = "find_sessions_step"


# -- The ways to ask: each returns once Slack has its ack -----------------------------------------


async def by_command(slack: SlackSandbox, person: str) -> None:
    """Typed."""
    await slack.command(f"/fsessions {person}", user_id=ASKER)


async def by_command_with_a_time(slack: SlackSandbox, person: str) -> None:
    """Typed, with a time in their own zone."""
    await slack.command(f'/fsessions {person} at:"yesterday 5pm"', user_id=ASKER)


async def by_shortcut(slack: SlackSandbox, person: str) -> None:
    """From a message's menu."""
    message = {"text": person, "ts": slack.new_ts()}
    await slack.message_shortcut("find_sessions_from_message", message, user=ASKER)


async def by_form(slack: SlackSandbox, person: str) -> None:
    """By the form, in its window."""
    await slack.shortcut("find_sessions", user=ASKER)
    await until(lambda: bool(slack.views))
    await slack.submit(next(iter(slack.views)), {"person": {"value": person}}, user=ASKER)


async def by_refresh(slack: SlackSandbox, person: str) -> None:
    """*Refresh*, on an answer of theirs."""
    await slack.press(action_ids.REFRESH, holding(slack, action_ids.REFRESH, person), user=ASKER)


async def by_more(slack: SlackSandbox, person: str) -> None:
    """*Show more*."""
    shown = holding(slack, action_ids.SHOW_MORE, person)
    await slack.press(action_ids.SHOW_MORE, shown, user=ASKER)


async def by_choice(slack: SlackSandbox, person: str) -> None:
    """Choose between people."""
    first = f"{action_ids.CHOOSE}:0"
    await slack.press(first, holding(slack, first, person), user=ASKER)


async def by_sharing(slack: SlackSandbox, person: str) -> None:
    """*Share…*: the window is filled with what is found."""
    shown = holding(slack, action_ids.SHARE, person)
    await slack.press(action_ids.SHARE, shown, user=ASKER)


async def by_offer(slack: SlackSandbox, person: str) -> None:
    """Press the button below a ticket."""
    await slack.write(f"Broken! {person}")
    await until(lambda: action_ids.OFFER in str(slack.screen[-1].message))
    await slack.press(action_ids.OFFER, user=ASKER)


async def press_offer(slack: SlackSandbox) -> None:
    """Press the same button again."""
    await slack.press(action_ids.OFFER, user=ASKER)


async def by_mention(slack: SlackSandbox, person: str) -> None:
    """Mention the bot in a channel."""
    await slack.write(f"<@{BOT_USER}> {person}", user=ASKER)


async def by_direct_message(slack: SlackSandbox, person: str) -> None:
    """Write to the bot."""
    await slack.write(person, user=ASKER, channel=DIRECT)


async def by_step(slack: SlackSandbox, person: str) -> None:
    """Run a workflow that shows them the sessions."""
    await slack.run_step(STEP, person=person, show_to=ASKER)


def holding(slack: SlackSandbox, action_id: str, person: str) -> Shown:
    """Return an answer that the asker was once shown, with a value that was made for them."""
    email, uid = (person, None) if "@" in person else (None, person.partition(":")[2].strip())
    query = Query(email, uid, 20)
    now, kind = datetime.now(UTC), Kind.LOOK
    if action_id == action_ids.SHARE:
        query, kind = replace(query, shown=Snapshot(now, "of other sessions")), Kind.SHARE
    value = Signer([signing_key(slack)]).sign_query(query, ASKER, kind)
    button = {"type": "button", "action_id": action_id, "value": value}
    actions = {"type": "actions", "elements": [button]}
    shown = Shown({"text": "an answer", "blocks": [actions]}, slack.new_ts(), ASKER)
    slack.screen.append(shown)
    return shown


@dataclass(frozen=True, slots=True)
class Way:
    """A way to ask.

    `looking` is what the asker is told while a lookup takes long, `ending` what they are told when
    the process ends, and `found` what they are told in the end ("" for the person). `event` tells
    that Slack may repeat it, and `reads` is the Web API's method that it has to read with first.
    """

    entry_point: EntryPoint
    ask: Callable[[SlackSandbox, str], Awaitable[None]]
    looking: str = texts.STILL_LOOKING
    ending: str = RESTARTING
    found: str = ""
    stranger: str = denial(DenialReason.STRANGER).what
    guest: str = denial(DenialReason.GUEST).what
    not_allowed: str = denial(DenialReason.NOT_ALLOWED).what
    not_here: str = denial(DenialReason.NOT_HERE).what
    event: bool = False
    reads: str = ""
    again: Callable[[SlackSandbox], Awaitable[None]] | None = None


WAYS = {
    way.ask.__name__: way
    for way in (
        Way(EntryPoint.COMMAND, by_command),
        Way(EntryPoint.COMMAND, by_command_with_a_time),
        Way(EntryPoint.MESSAGE_SHORTCUT, by_shortcut),
        Way(EntryPoint.FORM, by_form, looking=texts.LOOKING),
        Way(EntryPoint.BUTTON, by_refresh),
        Way(EntryPoint.BUTTON, by_more),
        Way(EntryPoint.BUTTON, by_choice),
        Way(
            EntryPoint.SHARE,
            by_sharing,
            looking=sharing.PREPARING,
            # Whose sessions they are is not told again where they are not those that were shown.
            found=share_feature.SESSIONS_CHANGED,
        ),
        Way(EntryPoint.OFFER, by_offer, reads="conversations.replies", again=press_offer),
        Way(EntryPoint.MENTION, by_mention, event=True),
        Way(EntryPoint.DIRECT_MESSAGE, by_direct_message, event=True),
        Way(
            EntryPoint.WORKFLOW_STEP,
            by_step,
            looking="",
            ending=step_texts.RESTARTING,
            stranger=step_texts.STRANGER,
            guest=step_texts.STRANGER,
            not_allowed=step_texts.NOT_ALLOWED,
            not_here=step_texts.NOT_HERE,
            event=True,
        ),
    )
}
STRANGERS: dict[str, dict[str, Any]] = {
    "from another organization": {"team_id": "T0OTHER"},
    "a stranger in a shared channel": {"is_stranger": True},
    "a bot": {"is_bot": True},
    "deactivated": {"deleted": True},
    "of another workspace of the Grid": {
        "team_id": "E0GRID",
        "enterprise_user": {"enterprise_id": "E0GRID", "teams": ["T0ELSEWHERE"]},
    },
    "of no workspace that Slack names": {"team_id": None},
}
GUESTS: dict[str, dict[str, Any]] = {
    "a guest": {"is_restricted": True},
    "a guest of one channel": {"is_restricted": True, "is_ultra_restricted": True},
}
COLLEAGUES: dict[str, dict[str, Any]] = {
    "a member": {},
    "a member, in a Grid": {
        "team_id": "T0ELSEWHERE",
        "enterprise_user": {"enterprise_id": "E0GRID", "teams": ["T0ELSEWHERE", TEAM]},
    },
    "a member, in a Grid, without a team": {
        "team_id": None,
        "enterprise_user": {"enterprise_id": "E0GRID", "teams": [TEAM]},
    },
}


@pytest.fixture(autouse=True)
def asker(slack: SlackSandbox) -> None:
    """Add a person to the bot's channels, and to one where it isn't."""
    slack.users[ASKER] = slack.users[USER] | {"id": ASKER}
    for channel in (TICKETS, CHANNEL, DIRECT):
        slack.members.setdefault(channel, {BOT_USER}).add(ASKER)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each of them."""
    return WAYS[request.param]


def each_way_and(*groups: Iterable[str]) -> pytest.MarkDecorator:
    """Parametrize: each way with the first of each group of people, and the command with the rest.

    Every way relies on the same code to decide who a person is.
    """
    pairs: list[tuple[str, str]] = []
    for first, *others in groups:
        pairs += [(way, first) for way in WAYS] + [("by_command", who) for who in others]
    return pytest.mark.parametrize(("way", "who"), pairs, indirect=["way"])


@pytest.fixture
def start(start_bot: StartBot) -> StartBot:
    """Start a bot with a support channel; arguments as for `start_bot`."""

    def starting(*timeouts: Any, **settings: Any) -> Any:  # noqa: ANN401
        return start_bot(*timeouts, **{"support_channels": (TICKETS,)} | settings)

    return starting


def is_answered(slack: SlackSandbox, way: Way, person: str = JANE) -> bool:
    """Tell whether the sessions, or what this entry point shows instead, are there."""
    ways = (way.found,) if way.found else (f"of {person}", f"*{person}*")
    return any(one in said(slack) for one in ways)


def said(slack: SlackSandbox) -> str:
    """All that the bot has said to anyone, as they see it now."""
    messages = [one.message for one in slack.screen if one.user or one.author.get("bot_id") == BOT]
    ends = [run.ends for run in slack.runs.values()]
    return json.dumps([messages, slack.views, ends], ensure_ascii=False)


def test_every_entry_point_is_here() -> None:
    """But for the Home and the audit, which list no sessions, and the terminal without Slack."""
    others = {EntryPoint.HOME, EntryPoint.AUDIT, EntryPoint.TERMINAL}
    assert {way.entry_point for way in WAYS.values()} == {*EntryPoint} - others


@both_transports
@each_way_and(COLLEAGUES)
async def test_a_colleague(start: StartBot, slack: SlackSandbox, way: Way, who: str) -> None:
    """Is answered; also where Slack tells who they are in the ways of an Enterprise Grid."""
    slack.users[ASKER] |= COLLEAGUES[who]
    async with start():
        await way.ask(slack, JANE)
        await until(lambda: is_answered(slack, way))
    assert "Sorry" not in said(slack)


async def test_a_feature_declares_the_scopes_of_the_methods_that_it_calls(
    start: StartBot, slack: SlackSandbox, app: App, way: Way
) -> None:
    """Its manifest has one of the scopes that Slack documents for each method."""
    async with start():
        await way.ask(slack, JANE)
        await until(lambda: is_answered(slack, way))
    for handler, entry_point in app.handlers.values():
        if entry_point is not way.entry_point:
            continue
        feature = handler.__self__  # type: ignore[attr-defined]
        declared = {*feature.manifest.scopes, *BASE.scopes}
        for method in slack.api_calls:
            assert method in METHOD_SCOPES, f"bot/slack/api.py: add {method} and its scopes"
            needed = METHOD_SCOPES[method]
            missing = needed and declared.isdisjoint(needed)
            module = type(feature).__module__
            assert not missing, f"{module}: add one of {needed} to its manifest, for {method}"


@each_way_and(STRANGERS, GUESTS)
async def test_refused(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way, who: str
) -> None:
    """With a polite sentence, before anything is asked of Fullstory."""
    slack.users[ASKER] |= STRANGERS.get(who) or GUESTS[who]
    async with start():
        await way.ask(slack, JANE)
        await until(lambda: (way.stranger if who in STRANGERS else way.guest) in said(slack))
    assert fullstory.received == []
    assert "fullstory.com" not in said(slack)


async def test_not_among_the_people_who_may(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """Is told so, and who to ask; nothing is asked of Fullstory."""
    async with start(allowed_users=("U0OTHER",), admin_contact="Mia"):
        await way.ask(slack, JANE)
        await until(lambda: f"{way.not_allowed} To get access, ask Mia." in said(slack))
    assert fullstory.received == []
    assert "fullstory.com" not in said(slack)


async def test_in_none_of_the_user_groups(start: StartBot, slack: SlackSandbox, way: Way) -> None:
    """The same; whatever Fullstory said meanwhile is not shown."""
    slack.scopes += ",usergroups:read"
    slack.usergroups = {"S0ONE": {"U0OTHER"}, "S0TWO": set()}
    async with start(allowed_usergroups=("S0ONE", "S0TWO")):
        await way.ask(slack, JANE)
        await until(lambda: way.not_allowed in said(slack))
    assert "fullstory.com" not in said(slack)


async def test_in_no_channel_where_sessions_are_shown(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """The same, with the channels."""
    async with start(allowed_channels=("C0NOWHERE",)):
        await way.ask(slack, JANE)
        await until(lambda: way.not_here in said(slack))
    assert fullstory.received == []
    assert "fullstory.com" not in said(slack)


async def test_named(start: StartBot, slack: SlackSandbox, way: Way) -> None:
    """A person who is named may; also where they are in no group that is."""
    slack.scopes += ",usergroups:read"
    slack.usergroups = {"S0ONE": set()}
    async with start(allowed_users=(ASKER,), allowed_usergroups=("S0ONE",)):
        await way.ask(slack, JANE)
        await until(lambda: is_answered(slack, way))


async def test_in_a_user_group(start: StartBot, slack: SlackSandbox, way: Way) -> None:
    """Whoever is in one of them may."""
    slack.scopes += ",usergroups:read"
    slack.usergroups = {"S0ONE": set(), "S0TWO": {ASKER}}
    async with start(allowed_usergroups=("S0ONE", "S0TWO")):
        await way.ask(slack, JANE)
        await until(lambda: is_answered(slack, way))


async def test_user_groups_can_not_be_asked_about(
    start: StartBot, slack: SlackSandbox, way: Way
) -> None:
    """The answer is no, with a hint to try again."""
    slack.scopes += ",usergroups:read"
    slack.api_errors["usergroups.users.list"] = "team_is_busy_or_so"
    async with start(allowed_usergroups=("S0ONE",)):
        await way.ask(slack, JANE)
        await until(lambda: " again in a minute" in said(slack))
    assert "fullstory.com" not in said(slack)


@each_way_and(GUESTS)
async def test_guests_where_they_are_allowed(
    start: StartBot, slack: SlackSandbox, way: Way, who: str
) -> None:
    """They are answered as colleagues are."""
    slack.users[ASKER] |= GUESTS[who]
    async with start(allow_guests=True):
        await way.ask(slack, JANE)
        await until(lambda: is_answered(slack, way))


@each_way_and(STRANGERS)
async def test_nothing_admits_strangers(
    start: StartBot, slack: SlackSandbox, way: Way, who: str
) -> None:
    """Neither being named, nor a group, nor a channel, nor that guests are welcome."""
    slack.scopes += ",usergroups:read"
    slack.usergroups = {"S0ONE": {ASKER}}
    slack.users[ASKER] |= STRANGERS[who]
    admitting = {"allowed_users": (ASKER,), "allowed_usergroups": ("S0ONE",), "allow_guests": True}
    async with start(**admitting, allowed_channels=(TICKETS, CHANNEL)):
        await way.ask(slack, JANE)
        await until(lambda: way.stranger in said(slack))
    assert "fullstory.com" not in said(slack)


async def test_every_attempt_is_recorded(
    start: StartBot, slack: SlackSandbox, way: Way, logged: Logged
) -> None:
    """Who, through which entry point, for which customer (as a keyed hash), and the result."""
    hashes = PersonHashes(["key"]).of(Query(JANE, None, 1))
    async with start(audit_key="key"):
        await way.ask(slack, JANE)
        await until(lambda: is_answered(slack, way))
    found = [line for line in logged() if line["event"] == "audit"]
    (line,) = [one for one in found if one.get("email_hash")]
    assert (line["user"], line["entry_point"]) == (ASKER, way.entry_point.value)
    assert (line["result"], line["kind"]) == ("found", "email")
    assert (line["email_hash"], "") == hashes
    assert line["count"] > 0
    assert line["milliseconds"] >= 0
    assert line["reference"]


async def test_refusals_are_recorded(
    start: StartBot, slack: SlackSandbox, way: Way, logged: Logged
) -> None:
    """With the reason."""
    async with start(allowed_users=("U0OTHER",)):
        await way.ask(slack, JANE)
        await until(lambda: way.not_allowed in said(slack))
    lines = [line for line in logged() if line["event"] == "audit"]
    # The form is refused when it is opened, and again when it is sent all the same.
    assert len(lines) == (2 if way.entry_point is EntryPoint.FORM else 1)
    for line in lines:
        assert (line["user"], line["result"]) == (ASKER, "refused")
        assert (line["reason"], line["entry_point"]) == ("not_allowed", way.entry_point.value)
    # The event says who was looked up, unless Slack would have to be asked for that.
    reads_first = way.reads or way.ask is by_command_with_a_time
    assert any("email_hash" in line for line in lines) != bool(reads_first)


async def test_user_groups_beside_the_lookup(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """At every entry point: who is known waits for both at once, and is shown nothing before."""
    slack.scopes += ",usergroups:read"
    slack.usergroups = {"S0ONE": {ASKER}}
    async with start(allowed_usergroups=("S0ONE",), fullstory_timeout_seconds=60):
        slack.api_errors["usergroups.users.list"] = "no_such_thing"
        await slack.command(f"/fsessions {JANE}", user_id=ASKER)
        slack.api_errors.clear()  # who asks is known now; the members of the group are not
        slack.api_held["usergroups.users.list"] = held = asyncio.Event()
        fullstory.received.clear()
        asking = asyncio.ensure_future(way.ask(slack, JANE))
        await until(lambda: bool(fullstory.received))
        assert not is_answered(slack, way)
        held.set()
        await until(lambda: is_answered(slack, way))
        await asking


async def test_not_known(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """Where Slack doesn't say who asks, the answer is no, with a hint to try again."""
    slack.api_errors["users.info"] = "user_is_bot_or_so"
    async with start():
        await way.ask(slack, JANE)
        await until(lambda: " again in a minute" in said(slack))
    assert fullstory.received == []
    assert "fullstory.com" not in said(slack)


@both_transports
async def test_slow(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """The asker is told so meanwhile, and gets the answer."""
    held = fullstory.hold()
    async with start(answer_budget_seconds=0.05, fullstory_timeout_seconds=60):
        await way.ask(slack, JANE)
        await until(lambda: bool(fullstory.received) and way.looking in said(slack))
        assert not is_answered(slack, way)
        held.set()
        await until(lambda: is_answered(slack, way))


async def test_twice(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """What Slack tells a second time, because it missed the ack, is done once."""
    if not way.event:
        pytest.skip("Slack doesn't repeat it")
    told = slack.event

    async def tell_twice(event: dict[str, Any]) -> list[int]:
        once = event | {"event_ts": slack.new_ts()}
        same = {"event_id": "Ev0SAME"}  # as in a real repeat
        await told(once, **same)
        return await told(once, **same)

    slack.event = tell_twice  # type: ignore[method-assign,assignment] # the stand-in, not the bot
    async with start():
        await way.ask(slack, JANE)
        await until(lambda: f"of {JANE}" in said(slack))
        await slack.command("/fsessions omar@example.com")  # whatever else was to come has come
    assert len(fullstory.received) == 2
    assert said(slack).count(f"sessions of {JANE}. ") == 1


async def test_not_readable(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """Where Slack doesn't show what has to be read first, the asker is told so."""
    if not way.reads:
        pytest.skip("it reads nothing")
    async with start():
        await way.ask(slack, JANE)
        await until(lambda: f"of {JANE}" in said(slack))
        before = len(fullstory.received)
        slack.api_errors[way.reads] = "missing_scope"
        assert way.again
        await way.again(slack)
        await until(lambda: texts.MESSAGE_NOT_READ in said(slack))
    assert len(fullstory.received) == before


@pytest.mark.parametrize("length", [60, 2700])
async def test_long(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way, length: int
) -> None:
    """A hundred sessions with long links: as many as fit; the stand-in takes no more than Slack."""
    fullstory.always = Scripted(200, a_hundred(length))
    async with start(sessions_limit=100):
        await way.ask(slack, JANE)
        await until(lambda: is_answered(slack, way))


def a_hundred(length: int) -> bytes:
    """Return what Fullstory replies."""
    start, now = "https://app.fullstory.com/ui/", int(datetime.now(UTC).timestamp())
    sessions = [
        {
            "userId": "1",
            "sessionId": str(number),
            "createdTime": str(now - 3600 * number),
            "fsUrl": f"{start}{number:03}".ljust(length, "x"),
        }
        for number in range(100)
    ]
    return json.dumps({"sessions": sessions}).encode()


async def test_labels(start: StartBot, slack: SlackSandbox, way: Way) -> None:
    """What names a uid is a setting, wherever a person is typed or read."""
    if way.entry_point in (EntryPoint.BUTTON, EntryPoint.SHARE):
        pytest.skip("nothing is typed there")
    async with start(uid_labels=("account number",)):
        await way.ask(slack, "Account-Number: 12345")
        await until(lambda: is_answered(slack, way, "12345"))


async def test_the_process_ends(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """Whoever still waits is told so."""
    fullstory.hold()
    timeouts = replace(QUICK, drain=0.2)
    settings = {
        "answer_budget_seconds": 0.05,
        "fullstory_timeout_seconds": 60,
        "database_url": None,
    }
    async with start(timeouts, **settings):
        await way.ask(slack, JANE)
        await until(lambda: bool(fullstory.received))
    assert way.ending in said(slack)


async def test_another_process_resumes(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """Where what is pending is stored, no one hears of the end: the next process answers."""
    held = fullstory.hold()
    timeouts = replace(QUICK, drain=0.2)
    async with start(timeouts, answer_budget_seconds=0.05, fullstory_timeout_seconds=60):
        await way.ask(slack, JANE)
        await until(lambda: bool(fullstory.received))
    if way.entry_point is EntryPoint.SHARE:  # its window can be opened only by a new press
        assert way.ending in said(slack)
        return
    assert way.ending not in said(slack)
    assert not is_answered(slack, way, JANE)
    fullstory.held = None
    held.set()
    async with start(replace(QUICK, lease_renewal=0.1)):
        await until(lambda: is_answered(slack, way, JANE), 30)


async def test_fullstory_fails(
    start: StartBot, slack: SlackSandbox, fullstory: FullstorySandbox, way: Way
) -> None:
    """With a sentence, and a reference for the administrator."""
    fullstory.always = Scripted(401, b"{}")
    async with start():
        await way.ask(slack, JANE)
        await until(lambda: "doesn't accept this bot's API key" in said(slack))
    assert "eference " in said(slack)
