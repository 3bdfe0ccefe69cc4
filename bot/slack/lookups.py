"""From what a person asked for to the message that answers it.

Every feature looks people up through here. The result is a renderer: the message is rendered last,
when its target is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.core.access import Actor
from bot.core.audit import Audit, Result
from bot.core.lookup import Lookup
from bot.core.outcomes import AccessDenied, Found, NoResult, Outcome, explain
from bot.core.people import Identity
from bot.core.query import Help, Parsed, ParseError, Problem, QueryNeedingProfile
from bot.core.sessions import Moment, Query, SessionList
from bot.core.times import UnclearTime, names_its_zone, parse_moment
from bot.errors import ProfileError, SlackError
from bot.settings import Settings
from bot.slack import answer, messages, texts
from bot.slack.answer import Reader
from bot.slack.blocks import Message, Renderer, SizeLimit, always, note
from bot.slack.message_parser import external_identities, queries_about
from bot.slack.signing import Kind, Signer
from bot.slack.users import Users
from bot.slack.web_api import WebApi

_log = structlog.get_logger()


class Lookups:
    """Looks people up for a person in Slack."""

    def __init__(
        self,
        lookup: Lookup,
        audit: Audit,
        web_api: WebApi,
        users: Users,
        signer: Signer,
        settings: Settings,
    ) -> None:
        self._lookup = lookup
        self._audit = audit
        self._web_api = web_api
        self._users = users
        self._signer = signer
        self._settings = settings

    async def query(self, query: Query, actor: Actor) -> Renderer:
        """Look a person up, and render the sessions or why there are none."""
        outcome = await self._lookup.run(query, actor)
        reader = Reader(datetime.now(UTC))
        if isinstance(outcome, Found):
            reader = await self.reader(actor)
        return lambda size_limit: self._render(outcome, query, actor, size_limit, reader)

    async def typed(self, parsed: Parsed, actor: Actor, command: str) -> Renderer:
        """Answer a text that was typed after `command`."""
        match parsed:
            case Query():
                return await self.query(parsed, actor)
            case QueryNeedingProfile():
                return await self._unresolved(parsed, actor, command)
            case Help():
                return always(messages.help_message(command, self._settings.limits))
            case ParseError():
                return always(messages.parse_error(parsed, command, self._settings.limits))

    async def message(
        self, people: Sequence[Identity], message: dict[str, Any], actor: Actor
    ) -> Renderer:
        """Look up the person in a message; if there are several, ask which one."""
        settings = self._settings
        queries = queries_about(people, message, settings.limits.default, settings.labels)
        if len(queries) == 1:
            return await self.query(queries[0], actor)
        if denied := await self.denied(actor):
            return always(denied)
        choices = [
            (one.shown, self._signer.sign_query(query, actor.user))
            for one, query in zip(people, queries, strict=True)
        ][: messages.MAX_CHOICES]
        return lambda size_limit: messages.choice(choices, len(people), size_limit)

    async def message_at(self, channel: str, ts: str, actor: Actor) -> Renderer:
        """Read a message of a channel, and look up the person in it."""
        if reason := await self._lookup.first_denial(actor):
            return always(self._explained(AccessDenied(reason)))
        try:
            message = await self._web_api.message(channel, ts) if ts else None
        except SlackError as error:
            _log.warning("message not read", channel=channel, exc_info=error)
            message = None
        if message is None:
            self._audit.note(actor, Result.FAILED, reason="message not read")
            return always(note(texts.MESSAGE_NOT_READ))
        if not (people := self.people_in(message)):
            return always(note(texts.MESSAGE_NAMES_NO_ONE))
        return await self.message(people, message, actor)

    def people_in(self, message: dict[str, Any]) -> tuple[Identity, ...]:
        """Return the customers that a message names."""
        return external_identities(message, self._settings.internal_domains, self._settings.labels)

    async def denied(self, actor: Actor) -> Message | None:
        """Say why the actor may not be shown sessions, if so, when no lookup follows."""
        reason = await self._lookup.denial(actor)
        return self._explained(AccessDenied(reason)) if reason else None

    async def reader(self, actor: Actor) -> Reader:
        """Return who reads the answer: their days are those of their time zone."""
        return Reader(datetime.now(UTC), await self._users.zone(actor.user))

    # -- What depends on Slack profiles -----------------------------------------------------------

    async def _unresolved(
        self, parsed: QueryNeedingProfile, actor: Actor, command: str
    ) -> Renderer:
        if reason := await self._lookup.first_denial(actor):
            return always(self._explained(AccessDenied(reason)))
        try:
            query = await self.resolve(parsed, actor)
        except ProfileError as error:
            return always(note(texts.profile_problem(error.problem)))
        except SlackError:
            return always(note(texts.SLACK_TROUBLE))
        except UnclearTime as error:
            if error.is_future:
                return always(note(texts.FUTURE_MOMENT))
            unclear = ParseError(Problem.TIME_UNCLEAR, parsed.at, texts.TIME_EXAMPLE)
            return always(messages.parse_error(unclear, command, self._settings.limits))
        return await self.query(query, actor)

    async def resolve(
        self, parsed: QueryNeedingProfile, actor: Actor, seconds: float | None = None
    ) -> Query:
        """Ask Slack for a colleague's address and the actor's time zone.

        Raises `ProfileError` and `SlackError`, which are recorded, and `UnclearTime`.
        """
        try:
            email = await self._users.email(parsed.mention, seconds) if parsed.mention else None
        except ProfileError as error:
            reason = f"profile: {error.problem.name.lower()}"
            self._audit.note(actor, Result.FAILED, reason=reason)
            raise
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            self._audit.note(actor, Result.FAILED, reason="profile: slack")
            raise
        moment = await self.resolve_time(parsed.at, actor.user) if parsed.at else None
        return parsed.resolved(email, moment)

    async def resolve_time(self, text: str, user: str) -> Moment:
        """Return the moment that a person means. Raises `UnclearTime`."""
        zone = UTC if names_its_zone(text) else await self._users.zone(user)
        return parse_moment(text, zone, datetime.now(UTC))

    # -- Rendering --------------------------------------------------------------------------------

    def _render(
        self, outcome: Outcome, query: Query, actor: Actor, size_limit: SizeLimit, reader: Reader
    ) -> Message:
        if isinstance(outcome, Found):
            return self.render_found(outcome.sessions, actor, size_limit, reader)
        again = replace(query, shown=None)
        retry = self._signer.sign_query(again, actor.user) if size_limit.has_buttons else ""
        return self._explained(outcome, retry)

    def render_found(
        self,
        found: SessionList,
        actor: Actor,
        size_limit: SizeLimit,
        reader: Reader,
        shared_in: str = "",
    ) -> Message:
        """Render sessions for the actor; `shared_in` is where they were shared, in markup."""
        buttons = self._buttons(found, actor.user, reader) if size_limit.has_buttons else None
        return answer.answer(found, reader, size_limit, buttons, shared_in)

    def _buttons(self, found: SessionList, user: str, reader: Reader) -> answer.Buttons:
        query, sign = found.query, self._signer.sign_query
        more = min(query.limit + answer.MORE, self._settings.limits.highest)
        shown = replace(query, shown=found.snapshot(reader.now))
        return answer.Buttons(
            same=sign(replace(query, shown=None), user),
            more=sign(replace(query, limit=more), user) if more > query.limit else "",
            share=sign(shown, user, Kind.SHARE),
        )

    def _explained(self, outcome: NoResult, retry: str = "") -> Message:
        settings = self._settings
        if isinstance(outcome, AccessDenied):
            return messages.access_denied(
                outcome.reason, settings.access_contact, settings.allowed_channels, retry
            )
        return messages.problem(explain(outcome), settings.admin_contact, retry)
