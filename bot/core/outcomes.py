"""What can come of a lookup: values. How they are shown is decided elsewhere, and last."""

from __future__ import annotations

from dataclasses import dataclass

from bot.core.access import DenialReason
from bot.core.events import AuditEvent
from bot.core.sessions import SessionList
from bot.errors import FullstoryError


@dataclass(frozen=True, slots=True)
class Found:
    """The sessions; perhaps none. `event` is the record of it, if there is one."""

    sessions: SessionList
    event: AuditEvent | None = None


@dataclass(frozen=True, slots=True)
class AccessDenied:
    """Who asked may not be shown sessions."""

    refusal: DenialReason


@dataclass(frozen=True, slots=True)
class Failed:
    """Fullstory did not give them; `reference` is the mark of the log line that says more."""

    error: FullstoryError
    reference: str


@dataclass(frozen=True, slots=True)
class Crashed:
    """The bot itself failed; `reference` as above."""

    reference: str


@dataclass(frozen=True, slots=True)
class NotRecorded:
    """There is a rule that nothing is shown without a record, and it could not be written."""

    reference: str


LookupResult = Found | AccessDenied | Failed | Crashed
"""Before it is recorded."""

Outcome = LookupResult | NotRecorded
