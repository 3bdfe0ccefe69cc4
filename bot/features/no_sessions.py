"""*Why?* on an empty answer: what Fullstory knows about it, then common reasons.

It costs nothing: none of these calls is metered. What a key may not read is left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import structlog

from bot.core.access import EntryPoint
from bot.core.audit import Audit, Result
from bot.core.no_sessions import KnownUser, Quota
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
            facts = await self._facts(query)
            self.audit.note(actor, Result.EXPLAINED, query=query)
        try:
            await self.web_api.update_modal(view_id, why_modal(facts=facts))
        except SlackError as error:
            _log.warning("explanation not shown", exc_info=error)

    async def _facts(self, query: Query) -> list[str]:
        """Ask Fullstory everything at once; return what is known, what explains most first."""
        asked = [_known(self._quota()), _known(self._organization())]
        # Only dots would be another path, and with POST no URL may have the uid.
        if query.uid and query.uid.strip(".") and self.settings.fullstory_method == "GET":
            asked.insert(0, _known(self._user(query.uid)))
        return list(filter(None, await asyncio.gather(*asked)))

    async def _user(self, uid: str) -> str:
        return about_user(await self.fullstory.user(uid), uid)

    async def _quota(self) -> str:
        quota = await self.fullstory.quota()
        return about_quota(quota) if quota else ""

    async def _organization(self) -> str:
        organization = await self.fullstory.organization()
        return about_organization(organization, self.fullstory.region) if organization else ""


async def _known(fact: Coroutine[Any, Any, str]) -> str:
    """Return a fact, or "" if Fullstory doesn't tell."""
    try:
        return await fact
    except FullstoryError as error:
        _log.info("not explained", exc_info=error)
        return ""


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


# -- Facts, in Slack's markup ----------------------------------------------------------------------


def about_user(user: KnownUser | None, uid: str) -> str:
    """Say whether Fullstory knows the uid."""
    shown = escape(shorten(uid, SHOWN))
    if user is None:
        return f"It has no user with the uid {shown}. Is that the id that your site uses?"
    if user.is_being_deleted:
        return f"The person with the uid {shown} is being deleted in Fullstory."
    counted = "" if user.sessions is None else f", with {texts.counted(user.sessions, 'session')}"
    seen = user.last_seen and f", last seen {date_markup(user.last_seen, '{date_short_pretty}')}"
    return f"It has a user with the uid {shown}{counted}{seen or ''}. Older sessions may be gone."


def about_quota(quota: Quota) -> str:
    """Say whether new visits are recorded."""
    used = f"{quota.used:,} of {quota.limit:,} sessions"
    if not quota.is_used_up:
        return f"The recording quota is not used up: {used}."
    until = quota.end and f" until {date_markup(quota.end, '{date_short_pretty}')}"
    return f"The recording quota is used up ({used}): new visits are not recorded{until or ''}."


def about_organization(organization: str, region: str) -> str:
    """Say whose recordings the key can read."""
    where = f" ({region})" if region else ""
    return (
        f"The bot's key belongs to the organization {escape(shorten(organization, SHOWN))}"
        f"{escape(where)}. Is your site recorded there?"
    )
