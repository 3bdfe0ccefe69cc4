"""What happened in a session, which costs money: no press is paid twice, and no window either.

What Fullstory told is kept, encrypted: a closed window never changes. Presses at the same time
share one request, also in several processes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

import structlog

from bot import counters
from bot.core.access import Actor
from bot.core.audit import Audit, AuditEvent, Result
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
from bot.core.sessions import LONGEST_SESSION, Query, Session
from bot.core.story import Excerpt, Window
from bot.errors import FullstoryError, PermissionMissing, RateLimited, RequestRejected

_log = structlog.get_logger()

_KEPT: Final = 24 * 60 * 60.0  # seconds
_FRESH: Final = 2 * 60.0  # while it may still change
_LATE: Final = timedelta(minutes=30)  # events may arrive so late
_POLL: Final = 0.2
_KIND: Final = "insight 1"  # and the version of what is kept


Key = tuple[str, ...]


class ContextSource(Protocol):
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

    async def put(self, key: Key, value: str, seconds: float) -> None:
        """Store a value."""

    async def get(self, key: Key) -> str | None:
        """Return a value."""

    async def put_encrypted(self, key: Key, value: str, seconds: float) -> None:
        """Store a value that the database must not show."""

    async def get_encrypted(self, key: Key) -> str | None:
        """Return such a value."""


@dataclass(frozen=True, slots=True)
class Told:
    """What Fullstory tells; `is_paid` is False if it was known already."""

    excerpt: Excerpt
    is_paid: bool


@dataclass(frozen=True, slots=True)
class OverLimit:
    """There were as many insights as there may be in a day, which ends in `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class FailedTogether:
    """Another press, which this one waited for, failed."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An earlier process may have paid; it is not paid again."""


NoInsight = OverLimit | FailedTogether | Interrupted | Failed | Crashed | NotRecorded
Insight = Told | NoInsight


class Insights:
    """Tells what happened in sessions, at most `per_day` times; a day is one in UTC."""

    def __init__(
        self,
        fullstory: ContextSource,
        memory: Memory,
        audit: Audit,
        per_day: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._fullstory = fullstory
        self._memory = memory
        self._audit = audit
        self._per_day = per_day
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
        event = self._audit.event(actor, Result.INSIGHT, query=query, count=1)
        try:
            insight = await self._get(session, window, event, may_pay=may_pay)
        except asyncio.CancelledError:
            counters.count("insights", Result.CANCELLED.value)
            self._audit.complete(event, failure=Result.CANCELLED)
            raise
        except FullstoryError as error:
            insight = Failed(error, event.reference)
            _log.warning("insight failed", reference=event.reference, exc_info=error)
        except Exception as error:  # noqa: BLE001 - no one is left without an answer
            insight = Crashed(event.reference)
            _log.error("insight crashed", reference=event.reference, exc_info=error)
        counters.count("insights", _outcome(insight))
        match insight:
            case Told(is_paid=True):
                self._audit.complete(event)
            case Told():
                is_recorded = await self._audit.record(replace(event, count=0))
                return insight if is_recorded else NotRecorded(event.reference)
            case NotRecorded():
                pass  # which the audit has logged
            case _:
                self._audit.complete(event, failure=_outcome(insight))
        return insight

    async def known(self, session: Session, window: Window | None) -> Excerpt | None:
        """Return what was told before, also if more may have happened since."""
        kept = await self._memory.get_encrypted(_key(session, window))
        return Excerpt.from_json(kept.partition(" ")[2]) if kept else None

    async def _get(
        self, session: Session, window: Window | None, event: AuditEvent, *, may_pay: bool
    ) -> Insight:
        key = _key(session, window)
        if kept := await self._kept(key):
            return kept
        if not may_pay:
            return Interrupted()
        # Who counts first asks Fullstory. Once an attempt has failed, the next press may ask.
        attempt = await self._memory.get(("attempt", *key)) or ""
        longest = self._fullstory.timeout + 5
        while not await self._memory.count({("asked", *key, attempt): 1}, longest):
            if other := await self._wait(key, attempt, longest):
                return other
        insight: Insight | None = None
        try:
            insight = await self._pay(session, window, event)
        finally:
            if not isinstance(insight, Told):
                await self._memory.put(("attempt", *key), event.id, _KEPT)
        return insight

    async def _pay(self, session: Session, window: Window | None, event: AuditEvent) -> Insight:
        """Ask Fullstory, if the day's limit and the audit allow it, and keep what it tells."""
        now = self._clock()
        limit: dict[Key, int] = {("insights", f"{now:%Y-%m-%d}"): self._per_day}
        if not await self._memory.count(limit, 2 * _KEPT):
            return self._over_limit()
        if not await self._audit.prepare(event):
            return NotRecorded(event.reference)
        excerpt = await self._fullstory.context(session, window)
        fresh = _KEPT if _is_final(excerpt, session, window, now) else _FRESH
        text = f"{now.timestamp() + fresh:.0f} {excerpt.to_json()}"
        await self._memory.put_encrypted(_key(session, window), text, _KEPT)
        return Told(excerpt, is_paid=True)

    async def _wait(self, key: Key, attempt: str, longest: float) -> Insight | None:
        """Wait for another press that has asked already; None if it has died."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + longest
        while loop.time() < give_up:
            await asyncio.sleep(_POLL)
            if kept := await self._kept(key):
                return kept
            if (await self._memory.get(("attempt", *key)) or "") != attempt:
                return FailedTogether()
        return None

    async def _kept(self, key: Key) -> Told | None:
        """Return what is kept, unless more may have happened since."""
        fresh_until, _, text = (await self._memory.get_encrypted(key) or "0").partition(" ")
        is_fresh = self._clock().timestamp() < float(fresh_until)
        return Told(Excerpt.from_json(text), is_paid=False) if is_fresh else None

    def _over_limit(self) -> OverLimit:
        now = self._clock()
        tomorrow = now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return OverLimit((tomorrow - now).total_seconds())


def _key(session: Session, window: Window | None) -> Key:
    part = [str(time.timestamp()) for time in (window.start, window.end)] if window else []
    return (_KIND, session.ids, *part)


def _is_final(excerpt: Excerpt, session: Session, window: Window | None, now: datetime) -> bool:
    """Tell whether Fullstory would tell the same tomorrow."""
    if window:
        late = timedelta() if excerpt.events else _LATE
        return window.is_closed(now - late)
    return session.started is not None and session.started + LONGEST_SESSION < now


def _outcome(insight: Insight) -> str:
    """Name a result for the metrics and the audit."""
    match insight:
        case Told(is_paid=is_paid):
            return "paid" if is_paid else "kept"
        case Failed(error):
            return type(error).__name__
        case Crashed():
            return "crashed"
        case NotRecorded():
            return "not recorded"
        case OverLimit():
            return "over the limit"
        case FailedTogether():
            return "failed together"
        case Interrupted():
            return "interrupted"


# -- Why there is none -----------------------------------------------------------------------------

_LATER: Final = "Please try again in a minute."
_TELL: Final = "Trying again won't help: please tell {contact}."


def explain_no_insight(insight: NoInsight) -> Explanation:
    """Say why it is not told what happened."""
    match insight:
        case OverLimit(seconds):
            return Explanation(
                "Your company has reached today's limit for What happened?, because each costs "
                "money.",
                f"There will be more in {duration(seconds)}; the replay itself is always there.",
            )
        case FailedTogether():
            return Explanation(
                "Fullstory couldn't say what happened.", "Please try again.", can_retry=True
            )
        case Interrupted():
            return Explanation(
                "I was restarted before I could answer.", "Please try again.", can_retry=True
            )
        case Failed(error, reference):
            if said := _explanation_of(error):
                return Explanation(*said, reference, can_retry=can_pass(error))
            return explain(insight)
        case Crashed(reference):
            return crash(reference)
        case NotRecorded():
            return explain(insight)


def _explanation_of(error: FullstoryError) -> tuple[str, str] | None:
    """Return what happened and what to do, for what is not explained as it is for lookups."""
    match error:
        case RequestRejected(status=402):
            return "This needs an Activation, and your Fullstory plan has none left.", _TELL
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
