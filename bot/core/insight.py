"""What happened in a session, which costs money: no press is paid twice, and no window either.

What Fullstory told is kept, encrypted: a closed window never changes. Presses at the same time
share one request, also in several processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from bot.core.access import Actor
from bot.core.audit import Audit, Details, Result
from bot.core.outcomes import (
    Crashed,
    Explanation,
    Failed,
    NotRecorded,
    can_pass,
    crash,
    duration,
    explain,
)
from bot.core.sessions import Query, Session
from bot.core.story import Excerpt, Window
from bot.errors import FullstoryError, PermissionMissing, RateLimited, RequestRejected
from bot.logs import new_reference

_log = structlog.get_logger()

_KEPT: Final = 24 * 60 * 60.0  # seconds
_FRESH: Final = 2 * 60.0  # while it may still change
_POLL: Final = 0.2
_DAY: Final = timedelta(days=1)
_KIND: Final = "insight 1"  # and the version of what is kept
_FAILED: Final = "failed"
_OVER_LIMIT: Final = "limit"


Key = tuple[str, ...]


class Contexts(Protocol):
    """Tells what happened: `bot.fullstory.client`."""

    @property
    def timeout(self) -> float:
        """How long it takes at most, in seconds."""

    async def context(self, session: Session, window: Window | None) -> Excerpt:
        """Return the window, or the end of the session. Raises `FullstoryError`."""


class Memory(Protocol):
    """What all processes remember: a `bot.store.protocol.State`."""

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """Count one more for every key, or for none if a limit would be exceeded."""

    async def put_encrypted(self, key: Key, value: str, seconds: float) -> None:
        """Store a value."""

    async def get_encrypted(self, key: Key) -> str | None:
        """Return a value."""


@dataclass(frozen=True, slots=True)
class Told:
    """What Fullstory tells; `was_paid` is False if it was known already."""

    excerpt: Excerpt
    was_paid: bool


@dataclass(frozen=True, slots=True)
class OverLimit:
    """There were as many insights as there may be in a day, which ends in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FailedBefore:
    """Another press failed moments ago."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An earlier process may have paid; it is not paid again."""


NoInsight = OverLimit | FailedBefore | Interrupted | Failed | Crashed | NotRecorded
Insight = Told | NoInsight


class Insights:
    """Tells what happened in sessions, at most `per_day` times; a day is one in UTC.

    `observe` is called with the result of each press, for metrics.
    """

    def __init__(
        self,
        fullstory: Contexts,
        memory: Memory,
        audit: Audit,
        per_day: int,
        observe: Callable[[str], None] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._fullstory = fullstory
        self._memory = memory
        self._audit = audit
        self._per_day = per_day
        self._observe = observe or (lambda _: None)
        self._clock = clock

    async def run(
        self,
        session: Session,
        window: Window | None,
        query: Query,
        actor: Actor,
        *,
        may_pay: bool = True,
    ) -> Insight:
        """Tell what happened to an actor who was shown the session, and record it. Never raises.

        Without a `window`, it is the end of the session. `query` is who the session is of. Unless
        it `may_pay`, only what is known already is told.
        """
        try:
            insight = await self._get(session, window, may_pay=may_pay)
        except asyncio.CancelledError:
            self._observe(Result.CANCELLED)
            self._audit.note(actor, Result.CANCELLED, query=query)
            raise
        except FullstoryError as error:
            insight = Failed(error, new_reference())
            _log.warning("insight failed", reference=insight.reference, exc_info=error)
        except Exception as error:  # noqa: BLE001 - no one is left without an answer
            insight = Crashed(new_reference())
            _log.error("insight crashed", reference=insight.reference, exc_info=error)
        name, details = _audit_fields(insight)
        self._observe(name)
        details |= {"query": query}
        if not isinstance(insight, Told):
            self._audit.note(actor, Result.FAILED, **details)
            return insight
        event = self._audit.event(actor, Result.INSIGHT, **details)
        return insight if await self._audit.record(event) else NotRecorded(event.reference)

    async def known(self, session: Session, window: Window | None) -> Excerpt | None:
        """Return what was told before, also if more may have happened since."""
        kept = await self._memory.get_encrypted(_key(session, window))
        return Excerpt.from_json(kept.partition(" ")[2]) if kept and kept[0].isdigit() else None

    async def _get(self, session: Session, window: Window | None, *, may_pay: bool) -> Insight:
        key = _key(session, window)
        if kept := await self._kept(key):
            return kept
        if not may_pay:
            return Interrupted()
        # Who counts first asks Fullstory; the others wait for what it keeps.
        longest = self._fullstory.timeout + 5
        while not await self._memory.count({("asked", *key): 1}, longest):
            await asyncio.sleep(_POLL)
            if kept := await self._kept(key):
                return kept
        result, seconds = _FAILED, longest
        try:
            now = self._clock()
            limit: dict[Key, int] = {("insights", f"{now:%Y-%m-%d}"): self._per_day}
            if not await self._memory.count(limit, 2 * _KEPT):
                result = _OVER_LIMIT
                return self._over_limit()
            excerpt = await self._fullstory.context(session, window)
            is_closed = window.is_closed(now) if window else _is_over(session, now)
            fresh = _KEPT if is_closed else max(_FRESH, longest)
            result = f"{now.timestamp() + fresh:.0f} {excerpt.to_json()}"
            seconds = _KEPT
            return Told(excerpt, was_paid=True)
        finally:
            await self._memory.put_encrypted(key, result, seconds)

    async def _kept(self, key: Key) -> Insight | None:
        """Return what is kept, unless more may have happened since."""
        kept = await self._memory.get_encrypted(key)
        match (kept or "").partition(" "):
            case ["", _, _]:
                return None
            case ["failed", _, _]:
                return FailedBefore()
            case ["limit", _, _]:
                return self._over_limit()
            case [fresh_until, _, text]:
                is_fresh = self._clock().timestamp() < float(fresh_until)
                return Told(Excerpt.from_json(text), was_paid=False) if is_fresh else None

    def _over_limit(self) -> OverLimit:
        now = self._clock()
        tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
        return OverLimit((tomorrow - now).total_seconds())


def _key(session: Session, window: Window | None) -> Key:
    part = [str(time.timestamp()) for time in (window.start, window.end)] if window else []
    return (_KIND, session.ids, *part)


def _is_over(session: Session, now: datetime) -> bool:
    """Tell whether a session ended so long ago that its end doesn't change anymore."""
    return session.started is not None and now - session.started > 2 * _DAY


def _audit_fields(insight: Insight) -> tuple[str, Details]:
    """Return the name of a result for the metrics, and what the audit has of it."""
    match insight:
        case Told(was_paid=was_paid):
            return ("paid" if was_paid else "kept"), {"count": int(was_paid)}
        case Failed(error, reference):
            return type(error).__name__, {
                "reason": type(error).__name__,
                "reference": reference,
            }
        case Crashed(reference):
            return "crashed", {"reason": "crashed", "reference": reference}
        case OverLimit():
            return "over_limit", {"reason": "over the day's limit"}
        case FailedBefore():
            return "failed_before", {"reason": "failed before"}
        case _:
            return "interrupted", {"reason": "interrupted"}


# -- Why there is none -----------------------------------------------------------------------------

_LATER: Final = "Please try again in a minute."
_TELL: Final = "Trying again won't help: please tell {contact}."


def explain_no_insight(insight: NoInsight) -> Explanation:
    """Say why it is not told what happened."""
    match insight:
        case OverLimit(seconds):
            what = (
                "That was asked as often today as your company's limit allows: each time costs "
                "money."
            )
            return Explanation(
                what,
                f"There will be more in {duration(seconds)}; the replay itself is always there.",
            )
        case FailedBefore():
            return Explanation(
                "Fullstory couldn't tell a moment ago.",
                "Please try again in half a minute.",
                can_retry=True,
            )
        case Interrupted():
            return Explanation(
                "I was restarted before I could answer.", "Please try again.", can_retry=True
            )
        case Failed(error, reference):
            if said := _not_told(error):
                return Explanation(*said, reference, can_retry=can_pass(error))
            return explain(insight)
        case Crashed(reference):
            return crash(reference)
        case NotRecorded():
            return explain(insight)


def _not_told(error: FullstoryError) -> tuple[str, str] | None:
    """Return what happened and what to do, for what is not explained as it is for lookups."""
    match error:
        case RequestRejected(status=402):
            return "Your Fullstory plan has no Activations left, which this takes.", _TELL
        case PermissionMissing():
            what = (
                "Fullstory doesn't let this bot see what happened in a session: its API key's "
                "level is too low, or your plan doesn't include Activations."
            )
            return what, _TELL
        case RequestRejected(status=404):
            what = (
                "Fullstory has nothing about this session: it may have been deleted, or your plan "
                "doesn't include Activations."
            )
            return what, "The replay itself may still open."
        case RateLimited(retry_after=seconds):
            wait = f"Please try again in {duration(seconds)}." if seconds else _LATER
            what = (
                "Fullstory is getting too many requests right now, or your plan's Activations are "
                "used up."
            )
            return what, wait
    return None
