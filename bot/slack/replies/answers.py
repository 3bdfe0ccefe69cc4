"""From what was asked to the message that answers it, whatever happens.

Every entry point uses this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.errors import FullstoryError, SlackError
from bot.logs import new_reference
from bot.lookup.access import Actor, NotAllowed, Refusal
from bot.lookup.find import FindSessions, LookupRequest
from bot.sessions import Moment, Query, SessionList
from bot.slack.api.identity import Workspace
from bot.slack.api.profiles import ProfileError, Profiles
from bot.slack.ui import button_values, wording
from bot.slack.ui import listing as blocks
from bot.slack.ui.listing import Message
from bot.slack.ui.reading import Identity, queries_about
from bot.typed.query import Limits, Problem, QueryNeedingProfile, Refused
from bot.typed.times import UnclearTime, names_its_zone, parse_moment

_log = structlog.get_logger()


class Answers:
    """Looks up, and draws what was found or what went wrong.

    Only colleagues are shown sessions; of anybody else nothing is asked of Fullstory. `secret`
    seals the buttons. While `draining()`, the process is about to end, and nobody is kept waiting
    for a lookup.
    """

    def __init__(
        self,
        find: FindSessions,
        profiles: Profiles,
        workspace: Workspace,
        limits: Limits,
        secret: str,
        draining: Callable[[], bool],
    ) -> None:
        self._draining = draining
        self._find = find
        self._profiles = profiles
        self._workspace = workspace
        self.limits = limits
        self._secret = secret

    async def answer(
        self, query: Query, actor: Actor, *, buttons: bool = True, posted: bool = False
    ) -> Message:
        """The sessions; with buttons, if they can be pressed where they are shown.

        `posted` is for messages that don't go to a response_url: they hold less.
        """
        presser = actor.user if buttons else ""
        return await self._find_and_draw(
            query,
            actor,
            lambda found, now: self._answer(found, now, presser, posted=posted),
            buttons=buttons,
        )

    async def answer_for_people(
        self, people: Sequence[Identity], message: dict[str, Any], actor: Actor
    ) -> Message:
        """The sessions of the one who is meant in a message; of several, a choice."""
        if refusal := await self.refusal(actor):
            return blocks.note(wording.not_for(refusal))
        queries = queries_about(people, message, self.limits.default)
        if len(queries) == 1:
            return await self.answer(queries[0], actor)
        return blocks.choice(
            [
                (one.shown, self.sign_value(query, actor.user))
                for one, query in zip(people, queries, strict=True)
            ]
        )

    def draw_found(self, found: SessionList, asker: str) -> Message:
        """What was found already, posted for `asker`."""
        return self._answer(found, datetime.now(UTC), asker, posted=True)

    async def answer_for_sharing(self, query: Query, actor: Actor, *, named: bool) -> Message:
        """What the actor was shown, for a whole conversation.

        Where there is nothing to share, a message to the actor.
        """

        def draw(found: SessionList, now: datetime) -> Message:
            was_shown = query.shown.fingerprint if query.shown else ""
            if found.snapshot(now).fingerprint != was_shown:
                return blocks.after_sharing(
                    wording.SESSIONS_CHANGED, self._again(query, actor.user)
                )
            return blocks.shared(found, now, actor.user, named=named)

        return await self._find_and_draw(query, actor, draw)

    async def resolve_and_answer(
        self, asked: QueryNeedingProfile, actor: Actor, command: str, *, posted: bool = False
    ) -> Message:
        """As `to`, after a look at Slack profiles: a colleague's e-mail, the asker's time zone."""
        try:
            if refusal := await self.refusal(actor):
                return blocks.note(wording.not_for(refusal))
            query = await self.resolve_query(asked, actor.user)
        except ProfileError as error:
            return blocks.note(wording.profile_problem(error.problem.name))
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            return blocks.note(wording.SLACK_TROUBLE)
        except UnclearTime as error:
            if error.to_come:
                return blocks.note(wording.MOMENT_TO_COME)
            refused = Refused(Problem.TIME_UNCLEAR, asked.at, wording.TIME_EXAMPLE)
            return blocks.refusal(refused, command, self.limits)
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return _apology(error, "")
        return await self.answer(query, actor, posted=posted)

    async def resolve_query(
        self, asked: QueryNeedingProfile, asker: str, seconds: float | None = None
    ) -> Query:
        """The query. Raises `ProfileError`, `SlackError` and `UnclearTime`."""
        email = None
        if asked.mention:
            own = await self._workspace.own()
            email = await self._profiles.email(asked.mention, own, seconds)
        moment = await self.resolve_time(asked.at, asker, seconds) if asked.at else None
        return asked.resolved(email, moment)

    async def resolve_time(self, text: str, asker: str, seconds: float | None = None) -> Moment:
        """The moment that the asker means. Raises `ProfileError` and `UnclearTime`."""
        zone = UTC if names_its_zone(text) else await self._profiles.zone(asker, seconds)
        return Moment(parse_moment(text, zone, datetime.now(UTC)), of_message=False)

    def verify_value(self, value: str, presser: str) -> Query:
        """What a button was made for. Raises `WrongUser` and `Outdated`."""
        return button_values.verify(value, presser, self._secret)

    def sign_value(self, query: Query, asker: str) -> str:
        """The value of a button that `asker` may press."""
        return button_values.sign(query, asker, self._secret)

    def restarting(self, value: str) -> Message:
        """For the end of the process, in the place of an answer that a press can bring back."""
        return blocks.note_with_retry(wording.RESTARTING, value)

    async def _find_and_draw(
        self,
        query: Query,
        actor: Actor,
        draw: Callable[[SessionList, datetime], Message],
        *,
        buttons: bool = True,
    ) -> Message:
        again = self._again(query, actor.user) if buttons else ""
        if self._draining():
            return self.restarting(again) if again else blocks.note(wording.RESTARTING)
        try:
            found = await self._find.run(LookupRequest(actor, query))
            return draw(found, datetime.now(UTC))
        except NotAllowed as error:
            return blocks.note(wording.not_for(error.refusal))
        except FullstoryError as error:
            reference = new_reference()
            _log.warning("lookup failed", reference=reference, exc_info=error)
            return blocks.failure(error, reference, again)
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return _apology(error, again)

    async def refusal(self, actor: Actor) -> Refusal | None:
        """Why somebody is not shown sessions, before there is anything to look up."""
        return await self._find.refusal(actor)

    def _answer(self, found: SessionList, now: datetime, asker: str, *, posted: bool) -> Message:
        """With buttons, if there is an `asker`."""
        if not asker:
            return blocks.answer(found, now, posted=posted)
        query = found.query
        more = min(query.limit + blocks.MORE, self.limits.highest)
        buttons = blocks.Buttons(
            same=self._again(query, asker),
            more=self.sign_value(replace(query, limit=more), asker) if more > query.limit else "",
            share=self.sign_value(replace(query, shown=found.snapshot(now)), asker),
        )
        return blocks.answer(found, now, buttons, posted=posted)

    def _again(self, query: Query, asker: str) -> str:
        """The value of a button for the same query, as things are when it is pressed."""
        return self.sign_value(replace(query, shown=None), asker)


def _apology(error: Exception, again: str) -> Message:
    reference = new_reference()
    _log.error("lookup crashed", reference=reference, exc_info=error)
    sentence = wording.our_fault(reference)
    return blocks.note_with_retry(sentence, again) if again else blocks.note(sentence)
