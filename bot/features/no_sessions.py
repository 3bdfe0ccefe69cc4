"""*Why?* on an empty answer: what Fullstory knows about it, then common reasons.

It costs nothing: none of these calls is metered. What a key may not read is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeVar

import structlog

from bot.core.access import EntryPoint
from bot.core.audit import Audit, Result
from bot.core.diagnosis import Diagnosis, KnownUser, Quota
from bot.core.sessions import Query
from bot.errors import FullstoryError, SlackError
from bot.fullstory.client import FullstoryClient
from bot.settings import Settings
from bot.slack import action_ids, texts
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import SHOWN, View, context, date_markup, escape, modal, section, shorten
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.presses import Presses
from bot.slack.request import Ack, SlackRequest
from bot.slack.web_api import WebApi

_log = structlog.get_logger()
_T = TypeVar("_T")

TITLE: Final = "No sessions?"
ASKING: Final = "Asking Fullstory …"
KNOWN: Final = "What Fullstory says"
NO_SESSIONS: Final = (
    "Fullstory knows people by what your site tells it. Common reasons to find nothing:"
)
REASONS: Final = (
    "they were not signed in, so their sessions have no e-mail address or uid",
    "your site uses another spelling of the address, or another uid",
    "the sessions are older than your Fullstory plan keeps them",
    "only some visits are recorded",
)


@dataclass(frozen=True, slots=True)
class NoSessions:
    """Answers the press."""

    manifest: ClassVar = Manifest()

    settings: Settings
    fullstory: FullstoryClient
    audit: Audit
    lookups: Lookups
    presses: Presses
    web_api: WebApi
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the button."""
        app.action(action_ids.WHY, EntryPoint.BUTTON, self.on_why)

    async def on_why(self, request: SlackRequest) -> Ack:
        """Open a modal with the common reasons, and add what Fullstory knows."""
        if query := self.presses.query(request):
            self.background.start(self._explain(query, request))
        return None

    async def _explain(self, query: Query, request: SlackRequest) -> None:
        view_id = await self.web_api.open_modal(request.body, why_modal([ASKING]))
        actor = self.presses.actor(request)
        if not view_id:
            return
        facts: list[str] = []
        if not await self.lookups.denied(actor):
            facts = list(facts_of(await self.diagnosis(query), query))
            self.audit.note(actor, Result.EXPLAINED, query=query)
        try:
            await self.web_api.update_modal(view_id, why_modal(facts=facts))
        except SlackError as error:
            _log.warning("explanation not shown", exc_info=error)

    async def diagnosis(self, query: Query) -> Diagnosis:
        """Ask Fullstory everything at once; what fails stays unknown."""
        quota, users, organization = await asyncio.gather(
            _known(self.fullstory.quota()),
            _known(self._users(query.uid)),
            _known(self.fullstory.organization()),
        )
        return Diagnosis(quota, users, organization or "", self.fullstory.region)

    async def _users(self, uid: str | None) -> tuple[KnownUser, ...] | None:
        is_in_url = self.settings.fullstory_method == "GET"
        if not (uid and uid.strip(".") and is_in_url):  # only dots would be another path
            return None
        known = await self.fullstory.user(uid)
        return (known,) if known else ()


async def _known(asking: Coroutine[Any, Any, _T]) -> _T | None:
    try:
        return await asking
    except FullstoryError as error:
        _log.info("not explained", exc_info=error)
        return None


def why_modal(notes: list[str] | None = None, facts: list[str] | None = None) -> View:
    """Show `facts`, which are in markup, before the common reasons; `notes` come last."""
    known = "\n".join(f"• {fact}" for fact in facts or ())
    reasons = "\n".join(f"• {escape(reason)}" for reason in REASONS)
    return modal(
        TITLE,
        [
            *([section(f"*{escape(KNOWN)}*\n{known}")] if known else []),
            section(f"{escape(NO_SESSIONS)}\n{reasons}"),
            *(context(note) for note in notes or ()),
        ],
    )


def facts_of(found: Diagnosis, query: Query) -> Iterator[str]:
    """Say what is known, in Slack's markup: first what explains most."""
    if found.users is not None:
        uid = escape(shorten(query.uid or "", SHOWN))
        unknown = f"It has no user with the uid {uid}. Is that the id that your site uses?"
        yield _user(found.users[0], uid) if found.users else unknown
    if found.quota:
        yield _quota(found.quota)
    if found.organization:
        where = f" ({found.region})" if found.region else ""
        yield (
            f"The bot's key belongs to the organization {escape(found.organization)}"
            f"{escape(where)}. Is your site recorded there?"
        )


def _user(user: KnownUser, uid: str) -> str:
    if user.is_being_deleted:
        return f"The person with the uid {uid} is being deleted in Fullstory."
    counted = "" if user.sessions is None else f", with {texts.counted(user.sessions, 'session')}"
    seen = user.last_seen and f", last seen {date_markup(user.last_seen, '{date_short_pretty}')}"
    return f"It has a user with the uid {uid}{counted}{seen or ''}. Older sessions may be gone."


def _quota(quota: Quota) -> str:
    used = f"{quota.used:,} of {quota.limit:,} sessions"
    if not quota.is_used_up:
        return f"The recording quota is not used up: {used}."
    until = quota.end and f" until {date_markup(quota.end, '{date_short_pretty}')}"
    return f"The recording quota is used up ({used}): new visits are not recorded{until or ''}."
