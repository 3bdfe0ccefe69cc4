"""The app's Home: what the bot does, how to call it, who sees what, and recent lookups.

In an empty *Messages* tab, it greets people.

https://docs.slack.dev/surfaces/app-home
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

import structlog

from bot.core.access import EntryPoint
from bot.core.sessions import Query
from bot.errors import SlackError
from bot.settings import Settings
from bot.slack import action_ids, texts
from bot.slack.app import COMMAND, App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import (
    SHOWN,
    Block,
    Message,
    View,
    actions,
    bold,
    button,
    context,
    date_markup,
    escape,
    header,
    mentions_of,
    note,
    section,
    shorten,
)
from bot.slack.delivery import Delivery
from bot.slack.feature import HelpLines, Manifest
from bot.slack.lookups import Lookups
from bot.slack.presses import Presses
from bot.slack.recents import Recent, Recents
from bot.slack.request import Ack, SlackRequest
from bot.slack.search_modal import SearchModal
from bot.slack.signing import Signer
from bot.slack.targets import Targets
from bot.slack.web_api import WebApi

_log = structlog.get_logger()

SEARCH: Final = "search"

TITLE: Final = "Find a customer's sessions"
SEARCH_BUTTON: Final = "Search…"
ANYWHERE: Final = "You can search in any conversation, or here."
ONLY_IN: Final = "You can search in these channels:"
IN_ANY_CHANNEL: Final = "in any channel"
IN_THESE_CHANNELS: Final = "in these channels"
OR_DIRECTLY: Final = ", or in a direct message to me"
RECENT_LOOKUPS: Final = "Your latest lookups"
SHOW_SESSIONS: Final = "Show sessions"
PRIVACY: Final = (
    "Answers are for you alone, unless you share them. Your lookups are logged without the "
    "customer's name."
)


@dataclass(frozen=True, slots=True)
class Home:
    """Publishes the Home, opens the search form from it, and greets people."""

    manifest: ClassVar = Manifest(
        events=("app_home_opened",),
        scopes={"chat:write": "A greeting.", "im:history": "Whether a greeting is needed."},
    )

    settings: Settings
    help_lines: HelpLines
    web_api: WebApi
    signer: Signer
    lookups: Lookups
    search_modal: SearchModal
    recents: Recents
    presses: Presses
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the event of opening it, and its buttons."""
        app.event("app_home_opened", EntryPoint.HOME, self.on_open)
        app.action(SEARCH, EntryPoint.HOME, self.on_search)
        recent = re.compile(f"{action_ids.RECENT}:\\d")
        app.action(recent, EntryPoint.FORM, self.on_recent)

    async def on_open(self, request: SlackRequest) -> Ack:
        """Publish the Home, or greet the person in an empty *Messages* tab."""
        match request.body["event"].get("tab"):
            case "home":
                self.background.start(self._publish(request))
            case "messages":
                self.background.start(self._greet(request))
        return None

    async def on_search(self, request: SlackRequest) -> Ack:
        """Open the search form."""
        self.background.start(self.search_modal.open(request))
        return None

    async def on_recent(self, request: SlackRequest) -> Ack:
        """Show the sessions of a recent lookup in a modal, as they are now."""
        if query := self.presses.query(request):
            self.background.start(self._look_again(query, request))
        return None

    async def _look_again(self, query: Query, request: SlackRequest) -> None:
        if not await request.job.take_interaction():
            return
        view = self.search_modal.results(note(texts.LOOKING), request.actor)
        target = self.targets.beside(request.body)
        # The trigger of a resumed job is too old.
        if not request.job.is_resumed and (
            view_id := await self.web_api.open_modal(request.body, view)
        ):
            target = self.targets.in_place(request.body | {"view": view | {"id": view_id}})
        self.delivery.after_ack(
            self.lookups.query(query, request.actor), request, target, progress=note(texts.LOOKING)
        )

    async def _publish(self, request: SlackRequest) -> None:
        shown = request.body["event"].get("view") or {}
        try:
            view = await self._view(request)
            if shown.get("private_metadata") != view["private_metadata"]:
                await self.web_api.publish_home(request.actor.user, view)
        except SlackError as error:
            _log.warning("Home not published", exc_info=error)

    async def _greet(self, request: SlackRequest) -> None:
        channel, actor = str(request.body["event"].get("channel") or ""), request.actor
        if self.settings.allowed_channels:
            return  # sessions are not shown here
        if not await request.job.take("greeted", actor.user):
            return
        try:
            if not (await self.lookups.denied(actor) or await self.web_api.has_messages(channel)):
                how = button(action_ids.HELP, texts.HELP_TITLE, action_ids.HELP)
                await self.web_api.post_message(channel, note(texts.ASK_ME, how))
        except SlackError as error:
            _log.warning("no greeting sent", exc_info=error)
        await request.job.done()

    async def _view(self, request: SlackRequest) -> View:
        settings = self.settings
        is_auditor = request.actor.user in settings.auditors
        if denied := await self.lookups.denied(request.actor):
            return home_denied(denied, is_auditor=is_auditor)
        bot = await self.web_api.bot_identity()
        channels = settings.allowed_channels
        ways = ways_to_search(
            self.help_lines, bot.user, settings.support_channels, is_restricted=bool(channels)
        )
        user = request.actor.user
        lines = recent_lookups(await self.recents.of(user), self.signer, user)
        return home(ways, channels, lines, is_auditor=is_auditor)


def ways_to_search(
    help_lines: Sequence[tuple[str, str]],
    bot: str,
    support_channels: Sequence[str],
    *,
    is_restricted: bool = False,
) -> list[tuple[str, str]]:
    """Fill in the features' help lines, in Slack's markup.

    A line with `{channels}` is for support channels. One with `{free}` belongs to no channel: it is
    left out if sessions are only shown in some.
    """
    names = {
        "{command}": escape(COMMAND),
        "{bot}": f"<@{escape(bot)}>",
        "{channels}": mentions_of(support_channels),
        "{where}": IN_THESE_CHANNELS if is_restricted else IN_ANY_CHANNEL,
        "{direct}": "" if is_restricted else OR_DIRECTLY,
        "{free}": "",
    }
    ways = []
    for name, how in help_lines:
        if ("{channels}" in how and not support_channels) or ("{free}" in how and is_restricted):
            continue
        shown = escape(how)
        for placeholder, text in names.items():
            shown = shown.replace(placeholder, text)
        ways.append((name, shown))
    return ways


def home(
    ways: Sequence[tuple[str, str]],
    channels: Sequence[str] = (),
    recents: Sequence[Block] = (),
    *,
    is_auditor: bool = False,
) -> View:
    """Render the Home; `ways` are a name and how to use it, the latter in Slack's markup.

    If sessions are only shown in some `channels`, it names them and offers no form. `recents` are
    the person's recent lookups.
    """
    search = button(SEARCH, SEARCH_BUTTON, SEARCH) | {"style": "primary"}
    how = button(action_ids.HELP, texts.HELP_TITLE, action_ids.HELP)
    buttons = [how] if channels else [search, how]
    if is_auditor:
        buttons.append(_audit_button())
    where = escape(ANYWHERE)
    if channels:
        where = f"{escape(ONLY_IN)} {mentions_of(channels)}"
    return _view(
        [
            header(TITLE),
            section(where),
            actions(*buttons),
            *([header(RECENT_LOOKUPS), *recents] if recents else []),
            {"type": "divider"},
            *(section(f"*{escape(name)}*\n{line}") for name, line in ways),
            context(PRIVACY),
        ]
    )


def recent_lookups(recents: Sequence[Recent], signer: Signer, user: str) -> list[Block]:
    """Return a line for each recent lookup, with a button that only `user` can press."""
    lines = []
    for number, recent in enumerate(recents):
        query = recent.query
        looked_up = datetime.fromtimestamp(recent.time, UTC)
        when = date_markup(looked_up, "{ago}")
        if query.moment:
            when += f"  ·  around {date_markup(query.moment.time, '{date_short_pretty}, {time}')}"
        action_id = f"{action_ids.RECENT}:{number}"
        show = button(action_id, SHOW_SESSIONS, signer.sign_query(query, user))
        line = f"{bold(shorten(query.person, SHOWN))}\n{when}"
        lines.append(section(line) | {"accessory": show})
    return lines


def home_denied(message: Message, *, is_auditor: bool) -> View:
    """Render the Home of a person who may not be shown sessions; the message says why."""
    audit = [actions(_audit_button())] if is_auditor else []
    return _view([header(TITLE), *message["blocks"], *audit])


def _audit_button() -> Block:
    return button(action_ids.AUDIT, "Who looked up a customer…", action_ids.AUDIT)


def _view(blocks: list[Block]) -> View:
    """Return the Home; its `private_metadata` tells it from any other."""
    mark = hashlib.sha256(json.dumps(blocks).encode()).hexdigest()
    return {"type": "home", "private_metadata": mark, "blocks": blocks}
