"""From what was asked to the message that answers it, whatever happens.

Every entry point uses this. What comes of a lookup is a value; it is drawn last, when it is known
where it goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, assert_never

import structlog

from bot.core.access import PASSING, Actor, DenialReason
from bot.core.events import AuditEvent
from bot.core.lookup import Lookup, LookupRequest
from bot.core.outcomes import AccessDenied, Crashed, Failed, Found, NotRecorded, Outcome
from bot.core.people import Identity
from bot.core.query import Help, Parsed, ParseError, Problem, QueryNeedingProfile
from bot.core.sessions import Moment, Query, SessionList
from bot.core.times import UnclearTime, names_its_zone, parse_moment
from bot.errors import ProfileError, SlackError
from bot.settings import Settings
from bot.slack import answer, messages, signing, texts
from bot.slack.answer import Reader
from bot.slack.blocks import Message, Renderer, SizeLimit, always, note
from bot.slack.message_parser import external_identities, queries_about
from bot.slack.signing import Kind
from bot.slack.slack_api import SlackApi

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Restarting:
    """The process is about to end: nothing was looked up."""


class Answers:
    """Looks up, and draws what came of it.

    While `draining()`, the process is about to end, and
    nobody is kept waiting for a lookup.
    """

    def __init__(
        self,
        find: Lookup,
        slack: SlackApi,
        settings: Settings,
        draining: Callable[[], bool],
    ) -> None:
        self._find = find
        self._slack = slack
        self._key = settings.signing_key
        self._contact = settings.admin_contact
        self._access_contact = settings.access_contact
        self._channels = settings.allowed_channels
        self._draining = draining
        self._internal_domains = settings.internal_domains
        self._labels = settings.labels
        self.limits = settings.limits

    async def look_up(
        self, query: Query, actor: Actor, *, seen_before: bool = False
    ) -> Outcome | Restarting:
        """Run the one use case, and return its outcome; never raises."""
        if self._draining():
            self._find.note_failure(actor, "restarting", query)
            return Restarting()
        return await self._find.run(LookupRequest(actor, query), seen_before=seen_before)

    async def refusal(self, actor: Actor) -> Message | None:
        """What to tell somebody who may not be shown sessions, where nothing is looked up after."""
        refusal = await self._find.refusal(actor)
        return self.refused(refusal) if refusal else None

    async def refusal_at_once(self, actor: Actor) -> DenialReason | None:
        """Why somebody is not shown sessions, where a lookup follows, which decides the rest."""
        return await self._find.refusal_at_once(actor)

    def note_refusal(self, actor: Actor, refusal: DenialReason) -> None:
        """Records that somebody was refused for what they pressed or sent."""
        self._find.note_refusal(actor, refusal)

    async def prepare_share(
        self, query: Query, actor: Actor, count: int, looked_up: AuditEvent | None
    ) -> AuditEvent | None:
        """Record that so many sessions are about to be shared; None where they must not be."""
        return await self._find.prepare_share(LookupRequest(actor, query), count, looked_up)

    def complete_share(self, event: AuditEvent, *, failure: str = "") -> None:
        """Record what became of the share."""
        self._find.complete_share(event, failure=failure)

    def note_failure(self, actor: Actor, reason: str, query: Query | None = None) -> None:
        """Records that nothing came of what somebody asked for."""
        self._find.note_failure(actor, reason, query)

    # -- From what was asked to a drawing ---------------------------------------------------------

    async def to_query(self, query: Query, actor: Actor) -> Renderer:
        """The sessions, or why there are none to show."""
        outcome = await self.look_up(query, actor)
        now = Reader(datetime.now(UTC))
        reader = await self.reader(actor) if isinstance(outcome, Found) else now
        return lambda size_limit: self.draw(outcome, query, actor, size_limit, reader)

    async def to_text(self, parsed: Parsed, actor: Actor, command: str) -> Renderer:
        """The same for what a person typed, after `command`."""
        match parsed:
            case Query():
                return await self.to_query(parsed, actor)
            case QueryNeedingProfile():
                return await self._to_unresolved(parsed, actor, command)
            case Help():
                return always(messages.help_message(command, self.limits))
            case ParseError():
                return always(messages.refusal(parsed, command, self.limits))

    async def to_message(
        self, people: Sequence[Identity], message: dict[str, Any], actor: Actor
    ) -> Renderer:
        """The sessions of the one who is meant in a message; of several, a choice."""
        queries = queries_about(people, message, self.limits.default, self._labels)
        if len(queries) == 1:
            return await self.to_query(queries[0], actor)
        if refused := await self.refusal(actor):
            return always(refused)
        choices = [
            (one.shown, self.sign_value(query, actor.user))
            for one, query in zip(people, queries, strict=True)
        ][: messages.MAX_CHOICES]
        return lambda size_limit: messages.choice(choices, len(people), size_limit)

    async def to_message_at(self, channel: str, ts: str, actor: Actor) -> Renderer:
        """The same for a message that is known only by its place: it is read first."""
        if refusal := await self.refusal_at_once(actor):
            return always(self.refused(refusal))
        try:
            message = await self._slack.posts.message(channel, ts) if ts else None
        except SlackError as error:
            _log.warning("message not read", channel=channel, exc_info=error)
            message = None
        if message is None:
            self.note_failure(actor, "message not read")
            return always(note(texts.MESSAGE_NOT_READ))
        people = self.people_in(message)
        if not people:
            return always(note(texts.MESSAGE_NAMES_NOBODY))
        return await self.to_message(people, message, actor)

    def people_in(self, message: dict[str, Any]) -> tuple[Identity, ...]:
        """The customers that a message names."""
        return external_identities(message, self._internal_domains, self._labels)

    async def _to_unresolved(
        self, asked: QueryNeedingProfile, actor: Actor, command: str
    ) -> Renderer:
        """After a look at Slack profiles: a colleague's e-mail, the asker's time zone."""
        if refusal := await self.refusal_at_once(actor):
            return always(self.refused(refusal))
        try:
            query = await self.resolve(asked, actor.user)
        except ProfileError as error:
            self.note_failure(actor, f"profile: {error.problem.name.lower()}")
            return always(note(texts.profile_problem(error.problem)))
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            self.note_failure(actor, "profile: slack")
            return always(note(texts.SLACK_TROUBLE))
        except UnclearTime as error:
            if error.to_come:
                return always(note(texts.MOMENT_TO_COME))
            unclear = ParseError(Problem.TIME_UNCLEAR, asked.at, texts.TIME_EXAMPLE)
            return always(messages.refusal(unclear, command, self.limits))
        return await self.to_query(query, actor)

    async def resolve(
        self, asked: QueryNeedingProfile, asker: str, seconds: float | None = None
    ) -> Query:
        """The query. Raises `ProfileError`, `SlackError` and `UnclearTime`."""
        email = None
        if asked.mention:
            bot = await self._slack.workspace.bot_identity()
            email = await self._slack.profiles.email(asked.mention, bot, seconds)
        moment = await self.resolve_time(asked.at, asker) if asked.at else None
        return asked.resolved(email, moment)

    async def resolve_time(self, text: str, asker: str) -> Moment:
        """The moment that the asker means. Raises `UnclearTime`."""
        zone = UTC if names_its_zone(text) else await self._slack.colleagues.zone(asker)
        return parse_moment(text, zone, datetime.now(UTC))

    # -- Drawing ----------------------------------------------------------------------------------

    async def reader(self, actor: Actor) -> Reader:
        """For whom it is drawn: days are those of their time zone, which Slack told before."""
        return Reader(datetime.now(UTC), await self._slack.colleagues.zone(actor.user))

    def draw(
        self,
        outcome: Outcome | Restarting,
        query: Query,
        actor: Actor,
        size_limit: SizeLimit,
        reader: Reader,
    ) -> Message:
        """What came of looking `query` up, for the person who asked."""
        if isinstance(outcome, Found):
            buttons = (
                self.buttons(outcome.sessions, actor.user, reader) if size_limit.buttons else None
            )
            return answer.answer(outcome.sessions, reader, size_limit, buttons)
        again = self.again(query, actor.user) if size_limit.buttons else ""
        match outcome:
            case AccessDenied(refusal):
                return self.refused(refusal, again)
            case Failed(error, reference):
                again = again if texts.may_pass(error) else ""
                return messages.trouble(texts.failure(error), self._contact, reference, again)
            case Crashed(reference):
                return messages.trouble(texts.our_fault(), self._contact, reference, again)
            case NotRecorded(reference):
                return messages.trouble(texts.NOT_RECORDED, self._contact, reference, again)
            case Restarting():
                return messages.note_with_retry(texts.RESTARTING, again)
            case _:
                assert_never(outcome)

    def refused(self, refusal: DenialReason, again: str = "") -> Message:
        """Why somebody is not shown sessions; `again` is for a button, where it may soon pass."""
        value = again if refusal in PASSING else ""
        return messages.refused(refusal, self._access_contact, self._channels, value)

    def buttons(self, found: SessionList, asker: str, reader: Reader) -> answer.Buttons:
        """The values of an answer's buttons."""
        query = found.query
        more = min(query.limit + answer.MORE, self.limits.highest)
        return answer.Buttons(
            same=self.again(query, asker),
            more=self.sign_value(replace(query, limit=more), asker) if more > query.limit else "",
            share=self.sign_value(
                replace(query, shown=found.snapshot(reader.now)), asker, Kind.SHARE
            ),
        )

    # -- Values of buttons ------------------------------------------------------------------------

    def sign_value(self, query: Query, asker: str, kind: Kind = Kind.LOOK) -> str:
        """The value of a button that `asker` may press."""
        return signing.sign(query, asker, self._key, datetime.now(UTC), kind)

    def verify_value(self, value: str, presser: str, kind: Kind = Kind.LOOK) -> Query:
        """What a button was made for. Raises `WrongUser` and `Outdated`."""
        return signing.verify(value, presser, self._key, datetime.now(UTC), kind)

    def seal(self, text: str, asker: str, kind: Kind) -> str:
        """A text for a window that `asker` may send back."""
        return signing.seal(text, asker, self._key, datetime.now(UTC), kind)

    def unseal(self, text: str, sender: str, kind: Kind) -> str:
        """The text. Raises `WrongUser` and `Outdated`."""
        return signing.unseal(text, sender, self._key, datetime.now(UTC), kind)

    def again(self, query: Query, asker: str) -> str:
        """The value of a button for the same query, as things are when it is pressed."""
        return self.sign_value(replace(query, shown=None), asker)
