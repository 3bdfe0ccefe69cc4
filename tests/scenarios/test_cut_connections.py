"""Connections to Slack that are cut: no answer comes twice, and no one is left without a word.

A proxy stands between the bot and the stand-in, and cuts what goes to one path at one phase.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from enum import Enum, auto
from typing import Any

import pytest

from bot.features.workflow_step import FIND_SESSIONS_STEP
from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import BOT_USER, DIRECT, TICKETS, USER
from bot.slack import sharing, texts
from tests.conftest import StartBot, until
from tests.scenarios.answers import JANE, asked, public, refresh, share_window, submit_share


class Phase(Enum):
    """Where a connection ends."""

    AFTER_CONNECT = auto()
    """Accepted and closed, before a byte was read."""

    AFTER_REQUEST = auto()
    """The request was read, and did not reach Slack."""

    GATEWAY = auto()
    """Slack has it, and a gateway answers 502."""

    BEFORE_REPLY = auto()
    """Slack has it, and its reply is lost."""

    WITHIN_REPLY = auto()
    """Slack has it, and half of its reply arrives."""


class CuttingProxy:
    """Passes requests on to Slack; those to `path` are cut at `phase`, the first `times`."""

    def __init__(self, upstream: str) -> None:
        found = re.fullmatch(r"http://([\d.]+):(\d+)", upstream)
        assert found
        self._host, self._port = found[1], int(found[2])
        self.path = ""
        self.phase = Phase.BEFORE_REPLY
        self.times = 0
        self.cuts = 0
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[CuttingProxy]:
        """Listen on loopback, at `self.url`."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    def cut(self, path: str, phase: Phase, times: int = 1) -> None:
        """Cut the next requests to a path."""
        self.path, self.phase, self.times = path, phase, times

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await self._pass_on(reader, writer)
        writer.close()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = await reader.readexactly(int(length[1])) if length else b""
        is_cut = self.times > 0 and self.path.encode() in head.split(b"\r\n")[0]
        if is_cut:
            self.times -= 1
            self.cuts += 1
            if self.phase in (Phase.AFTER_CONNECT, Phase.AFTER_REQUEST):
                return
        from_slack, to_slack = await asyncio.open_connection(self._host, self._port)
        to_slack.write(head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1) + body)
        reply = await from_slack.read()
        to_slack.close()
        if is_cut and self.phase is Phase.BEFORE_REPLY:
            return
        if is_cut and self.phase is Phase.GATEWAY:
            reply = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"
        if is_cut and self.phase is Phase.WITHIN_REPLY:
            reply = reply[: len(reply) // 2]
        writer.write(reply)
        await writer.drain()


@pytest.fixture
async def proxy(slack: SlackSandbox) -> AsyncIterator[CuttingProxy]:
    """In front of everything that the bot sends to Slack."""
    async with CuttingProxy(slack.url).running() as proxy:
        slack.url = proxy.url
        yield proxy


Kind = Callable[[SlackSandbox], Coroutine[Any, Any, None]]

# -- Kinds of answers: each is asked for while Fullstory is slow, so that it comes after the ack ---


async def late_command(slack: SlackSandbox) -> None:
    """Type a command whose ack says "still looking"."""
    await slack.command(f"/fsessions {JANE} 3")


async def press(slack: SlackSandbox) -> None:
    """*Refresh* on an answer, which takes its place."""
    await refresh(slack, next(one for one in slack.screen if "sessions of" in one.message["text"]))


async def direct_message(slack: SlackSandbox) -> None:
    """Write to the bot; the answer replaces "still looking"."""
    await slack.write(f"{JANE} 3", channel=DIRECT)


async def quick_direct_message(slack: SlackSandbox) -> None:
    """Write to the bot, which answers at once."""
    await slack.write(f"{JANE} 3", channel=DIRECT)


async def mention(slack: SlackSandbox) -> None:
    """Mention the bot in a channel."""
    await slack.write(f"<@{BOT_USER}> {JANE} 3")


async def step(slack: SlackSandbox) -> None:
    """Run a workflow that shows the sessions to one person."""
    await slack.run_step(FIND_SESSIONS_STEP, person=JANE, limit=3, show_to=USER)


async def step_in_channel(slack: SlackSandbox) -> None:
    """Run a workflow that shows them to one person in a channel."""
    await slack.run_step(FIND_SESSIONS_STEP, person=JANE, limit=3, show_to=USER, show_in=TICKETS)


KINDS: dict[Kind, str] = {
    late_command: "/response/",
    press: "/response/",
    direct_message: "/api/chat.update",
    quick_direct_message: "/api/chat.postMessage",
    mention: "/api/chat.postEphemeral",
    step: "/api/chat.postMessage",
    step_in_channel: "/api/chat.postEphemeral",
}
"""With the path by which the answer goes."""

PROGRESS = (late_command, press, direct_message, mention)
"""Those that say "still looking" first."""


def answers(slack: SlackSandbox) -> list[str]:
    """Every answer that was shown since the first one, which a press replaces."""
    return [one for one in shown_texts(slack) if one.startswith("Latest 3 sessions of jane")]


def shown_texts(slack: SlackSandbox) -> list[str]:
    """Return what stands on the screen, but for what people wrote."""
    return [one.message["text"] for one in slack.screen if one.author.get("user") != USER]


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name.lower())
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("times", [1, 100], ids=["once", "always"])
async def test_an_answer_comes_once_or_is_said_to_be_unconfirmed(
    start_bot: StartBot,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    proxy: CuttingProxy,
    kind: Kind,
    phase: Phase,
    times: int,
) -> None:
    """Whatever the phase; also where that way stays cut, as long as another is open."""
    is_quick = kind is quick_direct_message
    async with start_bot(answer_budget_seconds=2.5 if is_quick else 0.05):
        if kind is press:
            await asked(slack)
        looked_up, before = fullstory.hold(), len(fullstory.received)
        asking = asyncio.create_task(kind(slack))
        await until(lambda: len(fullstory.received) > before)
        if kind in PROGRESS:
            await until(lambda: texts.STILL_LOOKING in shown_texts(slack))
        proxy.cut(KINDS[kind], phase, times)
        looked_up.set()
        await asking
        await until(lambda: proxy.cuts > 0)
    # The bot has ended: whatever was on its way has arrived.
    assert len(answers(slack)) <= 1, shown_texts(slack)
    is_told = answers(slack) or texts.UNCONFIRMED in shown_texts(slack)
    # Of a direct message, there is no other way than the one that stays cut.
    has_other_way = times == 1 or kind not in (quick_direct_message, step)
    assert is_told or not has_other_way, shown_texts(slack)


@pytest.mark.parametrize("kind", [late_command, press], ids=lambda kind: kind.__name__)
async def test_nothing_listens_at_the_response_url(
    start_bot: StartBot,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    kind: Kind,
) -> None:
    """Nothing was sent: the answer comes by another way, once."""
    slack.members["C0SUPPORT"].add(BOT_USER)
    async with start_bot(answer_budget_seconds=0.1):
        if kind is press:
            await asked(slack)
        looked_up, url = fullstory.hold(), slack.url
        slack.url = "http://127.0.0.1:9"  # the discard port
        asking = asyncio.create_task(kind(slack))
        await until(lambda: len(fullstory.received) == 1 + (kind is press))
        await asking
        slack.url = url
        looked_up.set()
    expected = 2 if kind is press else 1  # the pressed one could not be replaced
    assert len(answers(slack)) == expected


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name.lower())
async def test_a_share_is_posted_once(
    start_bot: StartBot, slack: SlackSandbox, proxy: CuttingProxy, phase: Phase
) -> None:
    """Where Slack may have taken it, the person is asked to look."""
    async with start_bot():
        view_id = await share_window(slack, await asked(slack))
        proxy.cut("/response/", phase)
        await submit_share(slack, view_id)
        await until(lambda: proxy.cuts > 0)
        await until(lambda: sharing.MAYBE_SHARED in shown_texts(slack))
    assert len(public(slack)) <= 1


async def test_a_share_that_could_not_be_sent(start_bot: StartBot, slack: SlackSandbox) -> None:
    """Nothing was shared, and that is what the person is told."""
    slack.members["C0SUPPORT"].add(BOT_USER)
    async with start_bot():
        url, slack.url = slack.url, "http://127.0.0.1:9"
        await slack.command(f"/fsessions {JANE} 3")
        view_id = await share_window(slack, slack.screen[-1])
        await submit_share(slack, view_id)
        await until(lambda: sharing.NOT_SHARED in shown_texts(slack))
        slack.url = url
    assert public(slack) == []


@pytest.mark.parametrize("phase", Phase, ids=lambda phase: phase.name.lower())
@pytest.mark.parametrize("times", [1, 100], ids=["once", "always"])
async def test_the_forms_results(
    start_bot: StartBot,
    slack: SlackSandbox,
    fullstory: FullstorySandbox,
    proxy: CuttingProxy,
    phase: Phase,
    times: int,
) -> None:
    """They fill the window, or the person is told in a direct message."""
    async with start_bot(answer_budget_seconds=0.05):
        await slack.shortcut("find_sessions")
        await until(lambda: bool(slack.views))
        (view_id,) = slack.views
        looked_up = fullstory.hold()
        person = {"person": {"type": "plain_text_input", "value": JANE}}
        await slack.submit(view_id, person)
        proxy.cut("/api/views.update", phase, times)
        looked_up.set()
        await until(lambda: proxy.cuts > 0)
    in_window = str(slack.views).count("sessions of") or str(slack.views).count("5 sessions")
    assert answers(slack) == []
    assert in_window or texts.UNCONFIRMED in shown_texts(slack)
