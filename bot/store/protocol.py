"""What the bot remembers from one request to the next: the only place for it.

Features never keep anything themselves. They ask a `State`, and do what must happen once as a job.
Both are in the memory of one process, or in a database that several processes share; `bot.service`
decides which.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.errors import FsessionsError

Key = tuple[str, ...]
"""What is remembered. The first part is its kind, the others say which one."""

Work = Mapping[str, Any]
"""Everything that another process needs to resume a job, as JSON types."""


class NotStored(FsessionsError):
    """The database is not available, and this must not happen without it."""


class State(Protocol):
    """Values and limits, which expire after `seconds`."""

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """Count one more for every key, or for none if a limit would be exceeded.

        A limit is how many there may be in the last `seconds`. Returns whether it was counted.
        """

    async def put(self, key: Key, value: str, seconds: float, *, if_greater: bool = False) -> None:
        """Store a value; with `if_greater`, only if it is greater, as text, than an earlier one."""

    async def get(self, key: Key) -> str | None:
        """Return the value, or None if there is none anymore."""

    async def put_encrypted(self, key: Key, value: str, seconds: float) -> None:
        """Store a value that the database must not show."""

    async def get_encrypted(self, key: Key) -> str | None:
        """Return such a value, or None if there is none that can be read."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to do a job. `step` is the last step that an earlier owner began, or ""."""

    step: str = ""


class Jobs(Protocol):
    """Work that must be done once, whichever process does it.

    While a job is in progress, its owner has a lease, which is renewed in the background. When the
    owner dies, the lease ends, and another process may take the job. A job that is done is
    remembered as such for a while.
    """

    @property
    def durable(self) -> bool:
        """Tell whether work is stored, so that another process can resume it."""

    async def take(self, job: str, work: Work) -> Lease | None:
        """Take a job; return None if another process has it, or if it is done."""

    async def is_ours(self, job: str, step: str | None = None, *, recorded: bool = False) -> bool:
        """Tell whether the job is still ours, and record that `step` begins.

        If that can't be found out in a few seconds, it counts as ours; but if the step must be
        `recorded`, raises `NotStored`.
        """

    async def done(self, job: str, seconds: float) -> None:
        """Mark a job as done, for so long."""

    async def hand_over(self, job: str) -> bool:
        """Let another process take the job at once; return False if none can."""


class Shared(State, Jobs, Protocol):
    """Both: everything that the processes of one bot have to know."""


@dataclass(frozen=True, slots=True)
class PendingJob:
    """A job that is not done.

    `step` is the last one that was begun. `attempts` is how many processes died during it.
    `created` is when it was first taken, in seconds since 1970.
    """

    id: str
    work: Work
    step: str
    attempts: int
    created: float


def job_id(key: Key) -> str:
    """Return the id of the job about something: 64 characters that say nothing about it."""
    return hashlib.sha256("\x1f".join(key).encode(errors="surrogatepass")).hexdigest()
