"""What may explain that a person has no sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Quota:
    """The sessions that an organization may record in a period, which ends at `end` (UTC)."""

    used: int
    limit: int
    end: datetime | None

    @property
    def is_used_up(self) -> bool:
        """Tell whether new sessions are not recorded."""
        return self.used >= self.limit


@dataclass(frozen=True, slots=True)
class KnownUser:
    """A user of the site, by their uid; None for what Fullstory doesn't say.

    `sessions` is how many there were. `last_seen` is aware and in UTC.
    """

    sessions: int | None
    last_seen: datetime | None
    is_being_deleted: bool
