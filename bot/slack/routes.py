"""The Bolt app: every listener in one list."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final, Literal

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse

from bot.connections import Connections
from bot.logs import new_reference
from bot.lookup.find import FindSessions, Sessions
from bot.settings import Settings
from bot.slack.api.client import slack_client
from bot.slack.api.colleagues import Colleagues
from bot.slack.api.identity import Workspace
from bot.slack.api.posts import Posts
from bot.slack.api.profiles import Profiles
from bot.slack.entry_points.buttons import Buttons, beside
from bot.slack.entry_points.command import Command
from bot.slack.entry_points.form import Form
from bot.slack.entry_points.home import Home
from bot.slack.entry_points.mentions import Mentions
from bot.slack.entry_points.offers import Offers
from bot.slack.entry_points.shortcuts import Shortcuts
from bot.slack.entry_points.workflow_step import Step
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Delivery
from bot.slack.replies.views import Views
from bot.slack.ui import listing as blocks
from bot.slack.ui import wording
from bot.waits import Waits

_log = structlog.get_logger()

COMMAND: Final = "/fsessions"
USAGE_HINT: Final = "jane@example.com [how many]  ·  or a uid  ·  help"
FIND_SESSIONS: Final = "find_sessions"
FIND_SESSIONS_FROM_MESSAGE: Final = "find_sessions_from_message"
FIND_SESSIONS_STEP: Final = "find_sessions_step"
SCOPES: Final = (
    "commands",
    "users:read",
    "users:read.email",
    "chat:write",
    "app_mentions:read",
    "im:history",
)
"""What the bot token has to be allowed."""

OFFER_SCOPES: Final = ("channels:history", "groups:history")
"""What it has to be allowed besides where there are support channels.

The manifest asks for these two lists and for nothing else.
"""

_Handle = Callable[[dict[str, Any], AsyncBoltContext], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Listener:
    """What Slack may send, by its kind and the name that the manifest or our blocks give it."""

    kind: Literal["command", "shortcut", "action", "view", "event", "function"]
    name: str | Pattern[str]
    handle: Callable[..., Awaitable[None]]


def listeners(
    settings: Settings,
    connections: Connections,
    fullstory: Sessions,
    delivery: Delivery,
    waits: Waits,
    observe: Callable[[str, float], None] | None = None,
) -> tuple[Listener, ...]:
    """Every listener there is. A contract test holds this list against the manifest."""
    client = slack_client(settings, connections.slack, settings.bot_token, waits)
    workspace, profiles, posts = Workspace(client), Profiles(client, waits), Posts(client)
    find = FindSessions(fullstory, Colleagues(profiles, workspace), observe)
    answers = Answers(
        find,
        profiles,
        workspace,
        settings.limits,
        secret=settings.bot_token,
        draining=lambda: delivery.draining,
    )
    views = Views(settings.limits, delivery, client)
    form = Form(answers, delivery, views)
    command = Command(answers, delivery)
    shortcuts = Shortcuts(answers, delivery, views, settings.internal_domains)
    buttons = Buttons(answers, delivery)
    step = Step(answers, find, posts, delivery, client, waits)
    offers = Offers(settings, answers, delivery, posts, workspace, client, waits)
    mentions = Mentions(COMMAND, answers, delivery, posts, workspace)
    home = Home(COMMAND, settings, delivery, views, workspace, find, client)

    async def message(body: dict[str, Any], context: AsyncBoltContext) -> None:
        if body["event"].get("channel_type") == "im":
            await mentions.answer(body, context)
        else:
            offers.notice(body)

    def event(
        kind: Literal["event", "function"], name: str | Pattern[str], handle: _Handle
    ) -> Listener:
        return Listener(kind, name, _rejected_while_draining(handle, delivery))

    return (
        Listener("command", COMMAND, command.answer),
        Listener("shortcut", FIND_SESSIONS, shortcuts.anywhere),
        Listener("shortcut", FIND_SESSIONS_FROM_MESSAGE, shortcuts.on_message),
        Listener("view", blocks.FORM, form.submit),
        Listener("action", blocks.NEW_SEARCH, form.new_search),
        Listener("action", blocks.SEARCH, home.search),
        Listener("action", blocks.WATCH_REPLAY, _opened_link),
        Listener("action", blocks.SHOW_MORE, buttons.look_again),
        Listener("action", blocks.REFRESH, buttons.look_again),
        Listener("action", re.compile(f"{blocks.CHOOSE}:\\d"), buttons.look_again),
        Listener("action", blocks.SHARE, buttons.ask_to_share),
        Listener("action", blocks.SHARE_NAMED, buttons.share_named),
        Listener("action", blocks.SHARE_UNNAMED, buttons.share_unnamed),
        Listener("action", blocks.DISMISS, buttons.dismiss),
        Listener("action", blocks.SHOW_SESSIONS, offers.press),
        event("function", FIND_SESSIONS_STEP, step.run),
        event("function", re.compile(""), step.unknown),
        event("event", "message", message),
        event("event", "app_mention", mentions.answer),
        event("event", "app_home_opened", home.opened),
    )


def build_app(
    settings: Settings,
    connections: Connections,
    listening: Iterable[Listener],
    delivery: Delivery,
) -> AsyncApp:
    """The Bolt app with these listeners; where one of them fails, `delivery` tells the person."""

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # The token is known: asking auth.test about it would only be one more thing to wait for.
        return AuthorizeResult(
            enterprise_id=enterprise_id, team_id=team_id, bot_token=settings.bot_token
        )

    with _bolt_reads_no_environment():
        app = AsyncApp(
            name="fsessions",
            client=slack_client(settings, connections.slack),
            authorize=authorize,
            process_before_response=True,
            raise_error_for_unhandled_request=True,
            request_verification_enabled=False,
        )
    app.error(_error_handler(delivery))
    register = {
        "command": app.command,
        "shortcut": app.shortcut,
        "action": app.action,
        "view": app.view,
        "event": app.event,
        "function": app.function,
    }
    for listener in listening:
        register[listener.kind](listener.name)(listener.handle)
    return app


def _rejected_while_draining(handle: _Handle, delivery: Delivery) -> Callable[..., Awaitable[Any]]:
    """While draining, answers 503, so that Slack sends the event again: to another process."""

    async def unless_draining(
        body: dict[str, Any], context: AsyncBoltContext
    ) -> BoltResponse | None:
        if delivery.draining:
            return BoltResponse(status=503)
        await handle(body, context)
        return None

    return unless_draining


async def _opened_link(ack: AsyncAck) -> None:
    """The link opens by itself; Slack shows a warning unless the press is acknowledged."""
    await ack()


def _error_handler(delivery: Delivery) -> Callable[..., Awaitable[BoltResponse]]:
    async def on_error(error: Exception, body: dict[str, Any]) -> BoltResponse:
        """Bolt's own handlers log the whole body, or the exception's message; and answer 500."""
        is_command = "command" in body
        if isinstance(error, BoltUnhandledRequestError):
            _log.warning("no listener", type=_kind(body))
            if is_command:
                return BoltResponse(status=200, body=blocks.note(wording.UNKNOWN_COMMAND))
            return BoltResponse(status=404, body="")
        reference = new_reference()
        _log.error("listener failed", reference=reference, type=_kind(body), exc_info=error)
        apology = blocks.note(wording.our_fault(reference))
        if is_command:
            return BoltResponse(status=200, body=apology)
        if body.get("type") == "view_submission":
            update = {"response_action": "update", "view": blocks.results(apology)}
            return BoltResponse(status=200, body=update)
        if isinstance(url := body.get("response_url"), str) and url:
            destination = delivery.at(url, beside(body))
            delivery.start(destination.send(apology))
        return BoltResponse(status=200, body="")

    return on_error


def _kind(body: dict[str, Any]) -> str:
    """What sort of request this was, of names that we know."""
    if "command" in body:
        return "command"
    known = ("block_actions", "event_callback", "message_action", "shortcut", "view_submission")
    return next((name for name in known if body.get("type") == name), "unknown")


@contextmanager
def _bolt_reads_no_environment() -> Iterator[None]:
    """Hides Bolt's own settings from it while it starts.

    It would take a second token from SLACK_BOT_TOKEN, and change to OAuth with files for a store
    when SLACK_CLIENT_ID and SLACK_CLIENT_SECRET happen to be set.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SLACK_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
