"""The right to answer one request: one process has it at a time.

Whoever takes it stores the request as Slack sent it. Where the process dies, another one has the
same entry point handle the same request, as if its ack had been lost.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from bot.store.protocol import Jobs, PendingJob, job_id

REPEATED_SECONDS: Final = 15 * 60.0
"""How long it is known that something was done: Slack's last repeat comes after five minutes, and a
run of a workflow lives for fifteen."""

SENDING: Final = "sending"
"""The step in which an answer may be out, or not."""

_MOST_ATTEMPTS: Final = 3
"""Processes that end before they have answered one request: perhaps it is the request's fault."""


class Job:
    """What one request makes us owe somebody.

    `route` is the entry point's handler of `body`. With `pending`, an earlier process has left it
    undone; it is ours from the beginning. One that is hopeless is only apologised for.
    """

    def __init__(
        self, jobs: Jobs, route: str, body: dict[str, Any], pending: PendingJob | None = None
    ) -> None:
        self._jobs = jobs
        self._route = route
        self._body = body
        self._id = pending.job if pending else ""
        self._keep = REPEATED_SECONDS
        self.is_resumed = pending is not None
        self.step = pending.step if pending else ""
        self.is_hopeless = pending is not None and pending.attempts > _MOST_ATTEMPTS

    async def take(self, *name: str, keep: float = REPEATED_SECONDS) -> bool:
        """Makes it ours, and stores it; False where another one has it or has done it.

        `name` tells it from others. That it was done is known for `keep` seconds.
        """
        self._keep = keep
        if self._id:
            return True
        job = job_id(name)
        # Slack's old way to prove that it is Slack is nothing to keep.
        body = {name: value for name, value in self._body.items() if name != "token"}
        step = await self._jobs.take(job, {"route": self._route, "body": body})
        if step is None:
            return False
        self._id, self.step = job, step
        return True

    async def take_interaction(self) -> bool:
        """The same for what somebody pressed, chose or sent: each has a trigger of its own."""
        return await self.take("interaction", str(self._body.get("trigger_id")))

    async def take_new(self) -> bool:
        """The same for what Slack tells only once."""
        return await self.take("new", secrets.token_hex(16))

    async def still_ours(self, step: str | None = SENDING, *, recorded: bool = False) -> bool:
        """Whether we are the ones to take the next `step`: asked right before it.

        What must never be done twice is `recorded` first, however long that takes.
        """
        return not self._id or await self._jobs.still_ours(self._id, step, recorded=recorded)

    async def done(self) -> None:
        """Nothing is owed any more."""
        if self._id:
            await self._jobs.done(self._id, self._keep)

    async def hand_over(self) -> bool:
        """Where this process ends before it is done: whether another one goes on with it."""
        return bool(self._id) and await self._jobs.hand_over(self._id)
