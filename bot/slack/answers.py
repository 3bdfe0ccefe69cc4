"""From what was asked to the message that answers it, whatever happens. Every door uses this."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.errors import FullstoryError
from bot.finder import Finder
from bot.logs import new_reference
from bot.messages import Identity, query_about
from bot.moments import UnclearTime, names_its_zone, parse_moment
from bot.parsing import Limits, Problem, Refused, Unresolved
from bot.sessions import Moment, Query, SessionList
from bot.slack import blocks, memory, wording
from bot.slack.blocks import Message
from bot.slack.profiles import ProfileError, Profiles

_log = structlog.get_logger()


class Answers:
    """Looks up, and draws what was found or what went wrong.

    `secret` seals the buttons. While `draining()`, the process is about to end, and nobody is kept
    waiting for a lookup.
    """

    def __init__(
        self,
        finder: Finder,
        profiles: Profiles,
        limits: Limits,
        secret: str,
        draining: Callable[[], bool],
    ) -> None:
        self._draining = draining
        self._finder = finder
        self._profiles = profiles
        self.limits = limits
        self._secret = secret

    async def to(self, query: Query, asker: str = "", *, posted: bool = False) -> Message:
        """The sessions; with buttons, if there is an `asker` who may press them.

        `posted` is for messages that don't go to a response_url: they hold less.
        """
        buttons = self._buttons(query, asker) if asker else None
        return await self._drawn(
            query, lambda found, now: blocks.answer(found, now, buttons, posted=posted), buttons
        )

    async def about(
        self, people: Sequence[Identity], message: dict[str, Any], asker: str
    ) -> Message:
        """The sessions of the one who is meant in a message; of several, a choice."""
        queries = [query_about(one, message, self.limits.default) for one in people]
        if len(queries) == 1:
            return await self.to(queries[0], asker)
        return blocks.choice(
            [
                (one.shown, self.remembered(query, asker))
                for one, query in zip(people, queries, strict=True)
            ]
        )

    def drawn(self, found: SessionList, asker: str) -> Message:
        """What was found already, posted for `asker`."""
        buttons = self._buttons(found.query, asker)
        return blocks.answer(found, datetime.now(UTC), buttons, posted=True)

    async def shared(self, query: Query, asker: str, *, named: bool) -> Message:
        """The sessions for a whole conversation; where there are none, a message to `asker`."""
        buttons = self._buttons(query, asker)

        def draw(found: SessionList, now: datetime) -> Message:
            if not found.sessions:
                return blocks.answer(found, now, buttons)
            return blocks.shared(found, now, asker, named=named)

        return await self._drawn(query, draw, buttons)

    async def resolved(
        self, asked: Unresolved, asker: str, team: str, command: str, *, posted: bool = False
    ) -> Message:
        """As `to`, after a look at Slack profiles: a colleague's e-mail, the asker's time zone."""
        try:
            query = await self.resolve(asked, asker, team)
        except ProfileError as error:
            return blocks.note(wording.lacking(error.lack.name))
        except UnclearTime as error:
            if error.to_come:
                return blocks.note(wording.MOMENT_TO_COME)
            refused = Refused(Problem.TIME_UNCLEAR, asked.at, wording.TIME_EXAMPLE)
            return blocks.refusal(refused, command, self.limits)
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return _apology(error)
        return await self.to(query, asker, posted=posted)

    async def resolve(self, asked: Unresolved, asker: str, team: str) -> Query:
        """The query. Raises `ProfileError` and `UnclearTime`."""
        email = await self._profiles.email(asked.mention, team) if asked.mention else None
        return asked.resolved(email, await self.moment(asked.at, asker) if asked.at else None)

    async def moment(self, text: str, asker: str) -> Moment:
        """The moment that the asker means. Raises `ProfileError` and `UnclearTime`."""
        zone = UTC if names_its_zone(text) else await self._profiles.zone(asker)
        return Moment(parse_moment(text, zone, datetime.now(UTC)), of_message=False)

    def recalled(self, value: str, presser: str) -> Query:
        """What a button was made for. Raises `NotYours`."""
        return memory.recall(value, presser, self._secret)

    def remembered(self, query: Query, asker: str) -> str:
        """The value of a button that `asker` may press."""
        return memory.remember(query, asker, self._secret)

    async def _drawn(
        self,
        query: Query,
        draw: Callable[[SessionList, datetime], Message],
        buttons: blocks.Buttons | None,
    ) -> Message:
        if self._draining():
            return blocks.note(wording.RESTARTING)
        try:
            return draw(await self._finder.find(query), datetime.now(UTC))
        except FullstoryError as error:
            reference = new_reference()
            _log.warning("lookup failed", reference=reference, exc_info=error)
            return blocks.failure(error, reference, buttons.same if buttons else "")
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            return _apology(error)

    def _buttons(self, query: Query, asker: str) -> blocks.Buttons:
        more = min(query.limit + blocks.MORE, self.limits.highest)
        return blocks.Buttons(
            same=self.remembered(query, asker),
            more=self.remembered(replace(query, limit=more), asker) if more > query.limit else "",
        )


def _apology(error: Exception) -> Message:
    reference = new_reference()
    _log.error("lookup crashed", reference=reference, exc_info=error)
    return blocks.note(wording.our_fault(reference))
