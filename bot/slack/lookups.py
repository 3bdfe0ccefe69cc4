"""From what a person asked for to the message that answers it.

Every feature looks people up through here. The result is a renderer: the message is rendered last,
when its target is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final

import structlog

from bot.core.access import Actor
from bot.core.audit import Audit, Result
from bot.core.lookup import Lookup
from bot.core.outcomes import AccessDenied, Found, NoResult, Outcome, explain
from bot.core.people import Identity
from bot.core.query import Help, Parsed, Search, Several
from bot.core.sessions import Moment, Query, SessionList
from bot.core.suggestions import with_usual_domain
from bot.core.times import UnclearTime, names_its_zone, parse_moments
from bot.errors import ProfileError, SlackError
from bot.settings import Settings
from bot.slack import answer, messages, texts
from bot.slack.answer import Reader
from bot.slack.blocks import Message, Renderer, SizeLimit, always, context, note, shorten
from bot.slack.message_parser import external_identities, queries_about
from bot.slack.recents import Recents
from bot.slack.signing import Kind, Signer, insight_text
from bot.slack.users import Users
from bot.slack.web_api import WebApi

_log = structlog.get_logger()

MAX_NOTE: Final = 200
"""Characters of a line below an answer."""


class Lookups:
    """Looks people up for a person in Slack."""

    def __init__(
        self,
        lookup: Lookup,
        audit: Audit,
        web_api: WebApi,
        users: Users,
        signer: Signer,
        recents: Recents,
        settings: Settings,
    ) -> None:
        self._lookup = lookup
        self._audit = audit
        self._web_api = web_api
        self._users = users
        self._signer = signer
        self._recents = recents
        self._settings = settings

    async def query(self, query: Query, actor: Actor, *notes: str) -> Renderer:
        """Look a person up, and render the sessions or why there are none; `notes` follow."""
        outcome = await self._lookup.run(query, actor)
        reader = Reader(datetime.now(UTC))
        if isinstance(outcome, Found):
            reader = await self.reader(actor)
            if outcome.sessions.sessions:
                self._recents.add(actor.user, replace(outcome.sessions.query, shown=None))

        lines = notes
        if isinstance(outcome, Found) and (other := found_as(query, outcome.sessions.query)):
            lines = (other, *notes)
        return _with_notes(
            lambda size_limit: self._render(outcome, query, actor, size_limit, reader), lines
        )

    async def typed(
        self, parsed: Parsed, actor: Actor, command: str, moment: Moment | None = None
    ) -> Renderer:
        """Answer a text that a person typed; `moment` is from another field of the form."""
        match parsed:
            case Search():
                return await self._search(parsed, actor, moment)
            case Help():
                return always(messages.help_message(command, self._settings.slack_limits))
        if isinstance(parsed, Several):
            if denied := await self.denied(actor):
                return always(denied)
            return await self._several(parsed.searches, actor, moment)
        proposal = parsed.proposal
        search = self._signer.sign_query(proposal.query(), actor.user) if proposal else ""
        edit = self._signer.sign(parsed.typed, actor.user, Kind.TEXT)
        return always(messages.parse_error(parsed, self._settings.slack_limits, search, edit))

    async def _several(
        self, searches: Sequence[Search], actor: Actor, moment: Moment | None
    ) -> Renderer:
        """Ask which of the people in a text is meant; each is looked up as the text says."""
        unused, at = searches[0].ignored, searches[0].at
        notes: Sequence[str] = []
        if at:
            try:
                moments, notes = await self._when(at, actor.user)
            except (ProfileError, SlackError):
                moments = ()
            if len(moments) == 1:
                (moment,) = moments
            elif not notes:
                unused = f"{unused} {at}".strip()
        notes = [*notes, *([texts.not_used(unused)] if unused else [])]
        names = [Identity(one.email, one.uid).shown for one in searches]
        queries = [one.query(moment=moment) for one in searches]
        return self._choice(names, queries, actor, texts.CHOOSE, notes)

    async def message(
        self, people: Sequence[Identity], message: dict[str, Any], actor: Actor
    ) -> Renderer:
        """Look up the person in a message; if there are several, ask which one."""
        settings = self._settings
        queries = queries_about(people, message, settings.slack_limits.default, settings.labels)
        if len(queries) == 1:
            return await self.query(queries[0], actor)
        if denied := await self.denied(actor):
            return always(denied)
        return self._choice([one.shown for one in people], queries, actor, texts.CHOOSE)

    def _choice(
        self,
        names: Sequence[str],
        queries: Sequence[Query],
        actor: Actor,
        question: str,
        notes: Sequence[str] = (),
    ) -> Renderer:
        """Ask which query is meant; `notes` follow."""
        options = [
            (name, self._signer.sign_query(query, actor.user))
            for name, query in list(zip(names, queries, strict=True))[: messages.MAX_CHOICES]
        ]
        return _with_notes(
            lambda size_limit: messages.choice(options, len(names), size_limit, question), notes
        )

    async def message_at(self, channel: str, ts: str, actor: Actor) -> Renderer:
        """Read a message of a channel, and look up the person in it."""
        if reason := await self._lookup.first_denial(actor):
            return always(self.explained(AccessDenied(reason)))
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
        return self.explained(AccessDenied(reason)) if reason else None

    async def reader(self, actor: Actor) -> Reader:
        """Return who reads the answer: their days are those of their time zone."""
        return Reader(datetime.now(UTC), await self._users.zone(actor.user))

    # -- What depends on Slack profiles -----------------------------------------------------------

    async def _search(self, search: Search, actor: Actor, moment: Moment | None) -> Renderer:
        notes = [texts.not_used(search.ignored)] if search.ignored else []
        if not (search.mention or search.at):
            return await self.query(search.query(moment=moment), actor, *notes)
        if reason := await self._lookup.first_denial(actor):
            return always(self.explained(AccessDenied(reason)))
        try:
            email = await self.email(search, actor)
            moments, unclear = await self._when(search.at, actor.user)
        except ProfileError as error:
            return always(note(texts.profile_problem(error.problem)))
        except SlackError:
            return always(note(texts.SLACK_TROUBLE))
        if len(moments) > 1:
            zone = await self._users.zone(actor.user)
            names = [_time_in_words(one, zone) for one in moments]
            queries = [search.query(email, one) for one in moments]
            return self._choice(names, queries, actor, texts.CHOOSE_TIME, notes)
        chosen = moment or (moments[0] if moments else None)
        return await self.query(search.query(email, chosen), actor, *notes, *unclear)

    async def email(self, search: Search, actor: Actor, seconds: float | None = None) -> str | None:
        """Ask Slack for the address of the colleague that a text mentions, if any.

        Raises `ProfileError` and `SlackError`, which are recorded.
        """
        try:
            return await self._users.email(search.mention, seconds) if search.mention else None
        except ProfileError as error:
            reason = f"profile: {error.problem.name.lower()}"
            self._audit.note(actor, Result.FAILED, reason=reason)
            raise
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            self._audit.note(actor, Result.FAILED, reason="profile: slack")
            raise

    async def _when(self, text: str, user: str) -> tuple[Sequence[Moment], list[str]]:
        """Return the moments that a typed text can mean, or why it means none."""
        try:
            return (await self.moments(text, user) if text else ()), []
        except UnclearTime as error:
            return (), [texts.future_time(text) if error.is_future else texts.unclear_time(text)]

    async def moments(self, text: str, user: str) -> tuple[Moment, ...]:
        """Return the moments that a person may mean. Raises `UnclearTime` and `ProfileError`."""
        zone = UTC if names_its_zone(text) else await self._users.zone(user)
        return parse_moments(text, zone, datetime.now(UTC))

    # -- Rendering --------------------------------------------------------------------------------

    def _render(
        self, outcome: Outcome, query: Query, actor: Actor, size_limit: SizeLimit, reader: Reader
    ) -> Message:
        if isinstance(outcome, Found):
            return self.render_found(outcome.sessions, actor, size_limit, reader)
        again = replace(query, shown=None)
        return self.explained(outcome, self._signer.sign_query(again, actor.user))

    def render_found(
        self,
        found: SessionList,
        actor: Actor,
        size_limit: SizeLimit,
        reader: Reader,
        shared_in: str = "",
    ) -> Message:
        """Render sessions for the actor; `shared_in` is where they were shared, in markup."""
        buttons = self._buttons(found, actor.user, reader)
        return answer.answer(found, reader, size_limit, buttons, shared_in)

    def _buttons(self, found: SessionList, user: str, reader: Reader) -> answer.Buttons:
        query, sign = found.query, self._signer.sign_query
        rest = found.total if found.total > query.limit else query.limit + answer.MORE
        more = min(rest, self._settings.limits.highest)
        shown = replace(query, shown=found.snapshot(reader.now))
        meant = (
            None if found.sessions else with_usual_domain(query, self._settings.internal_domains)
        )
        return answer.Buttons(
            same=sign(replace(query, shown=None), user),
            more=sign(replace(query, limit=more), user) if more > query.limit else "",
            share=sign(shown, user, Kind.SHARE),
            meant=(meant.person, sign(meant, user)) if meant else None,
            insight=self._insight(found, shown, user),
            more_label=texts.show_all(more) if more == found.total else texts.SHOW_MORE,
        )

    def _insight(self, found: SessionList, shown: Query, user: str) -> str:
        """Return the value of *What happened?* in the first session; "" if no one can tell."""
        if not (self._settings.insights and found.sessions and found.sessions[0].ids):
            return ""
        value = insight_text(found.sessions[0].ids, shown)
        return self._signer.sign(value, user, Kind.INSIGHT)

    def explained(self, outcome: NoResult, retry: str = "") -> Message:
        """Say why there are no sessions; `retry` is the value of a *Try again* button."""
        settings = self._settings
        if isinstance(outcome, AccessDenied):
            return messages.access_denied(
                outcome.reason, settings.admin_contact, settings.allowed_channels, retry
            )
        return messages.problem(explain(outcome), settings.admin_contact, retry)


def _with_notes(renderer: Renderer, notes: Sequence[str]) -> Renderer:
    """Add a small line below the message for each note."""
    below = [context(shorten(line, MAX_NOTE)) for line in notes]

    def render(size_limit: SizeLimit) -> Message:
        message = renderer(size_limit)
        return message | {"blocks": [*message["blocks"], *below]}

    return render


def found_as(asked: Query, found: Query) -> str:
    """Say that nothing was found as it was typed, but as something else; "" if it was."""
    if (asked.email, asked.uid) == (found.email, found.uid):
        return ""
    return texts.found_as(asked.person, found.email or "", found.uid or "")


def _time_in_words(moment: Moment, zone: tzinfo) -> str:
    """Name a moment on a button; of two that clocks show alike, the offset tells them apart."""
    time = moment.time.astimezone(zone)
    is_day = moment.span > timedelta(hours=23)
    return f"{time.day} {time:%b %Y}" + ("" if is_day else f", {time:%H:%M} (UTC{time:%z})")
