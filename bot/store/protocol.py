"""What the bot remembers from one request to the next: the only place for it.

An entry point never keeps anything itself; it asks a `State`, and it does what must be done once
under a claim. Both are in the memory of one process, or in a database that several share; which of
them, `bot.service` decides.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bot.errors import FsessionsError

Key = tuple[str, ...]
"""What is remembered. The first part is its kind, such as "run"; the others tell which one."""

Work = Mapping[str, Any]
"""All that another process needs to go on with a piece of work, as JSON has it."""


class NotStored(FsessionsError):
    """The database is not available, and this must not be done without it."""


class State(Protocol):
    """Values and limits. Everything expires: `seconds` say when. Kinds never meet."""

    async def count(self, limits: Mapping[Key, int], seconds: float) -> bool:
        """Counts one more for each key, if that stays within the limits of all; else for none.

        A limit is how many there may be in the last `seconds`. Gives whether it was counted.
        """

    async def put(self, key: Key, value: str, seconds: float, *, if_greater: bool = False) -> None:
        """Keep a value for so long, in the place of an earlier one.

        With `if_greater`, an earlier one stays that is not less, as text.
        """

    async def get(self, key: Key) -> str | None:
        """The value, or None if there is none any more."""


class Jobs(Protocol):
    """Work that must be done once, whichever process does it; each piece has an id.

    A claim has two stages. While the work goes on, its owner holds a lease, which is renewed by
    itself: when the owner dies, another may take the claim. When the work is done, a mark says so.
    `durable` tells whether others also go on with what a dead owner had stored.
    """

    @property
    def durable(self) -> bool:
        """Whether work is stored, so that another process can go on with it."""

    async def take(self, job: str, work: Work) -> str | None:
        """Makes the work ours, unless somebody has it or has done it: then it gives None.

        Gives the last step of an earlier owner, or "".
        """

    async def still_ours(
        self, job: str, step: str | None = None, *, recorded: bool = False
    ) -> bool:
        """Whether nobody has taken it from us, who were asleep for too long.

        `step` is what comes next: a later owner will know that it was begun. Where that is unknown
        for some seconds, it counts as ours; unless it must be `recorded`: then it raises
        `NotStored`.
        """

    async def done(self, job: str, seconds: float) -> None:
        """The work is done; that is known for so long."""

    async def hand_over(self, job: str) -> bool:
        """Lets another process go on with it at once; gives whether one can."""


class Shared(State, Jobs, Protocol):
    """Both: what all processes of one bot have to know."""


@dataclass(frozen=True, slots=True)
class PendingJob:
    """A piece of work whose owner is gone, and which is ours now.

    `step` is the last that was begun. `attempts` have failed, with their processes. `made` is when
    it was taken first, in seconds since 1970.
    """

    job: str
    work: Work
    step: str
    attempts: int
    made: float


def job_id(key: Key) -> str:
    """The id of the claim on something: 64 characters that tell nothing about it."""
    return hashlib.sha256("\x1f".join(key).encode(errors="surrogatepass")).hexdigest()
