"""The job of answering one request: one process at a time has it.

Whoever takes a job stores the request as Slack sent it. If that process dies, another one passes
the same request to the same handler, as if the ack had been lost.
"""

from __future__ import annotations

import secrets
from typing import Any, Final

from bot.store.protocol import Jobs, PendingJob, job_id

DONE_SECONDS: Final = 15 * 60.0
"""How long a job is known to be done. Slack's last repeat comes after five minutes, and a run of a
workflow lives for fifteen."""

SENDING: Final = "sending"
"""The step in which an answer may have been sent, or not."""

_MAX_ATTEMPTS: Final = 3
"""After so many processes died during a job, the request itself may be the reason."""


class Job:
    """The right and the duty to answer one request.

    `handler` is the label of the handler of `body`. A `pending` job was left by another process and
    is already ours. If it `is_hopeless`, the person is only told that it failed.
    """

    def __init__(
        self, jobs: Jobs, handler: str, body: dict[str, Any], pending: PendingJob | None = None
    ) -> None:
        self._jobs = jobs
        self._handler = handler
        self._body = body
        self._id = pending.id if pending else ""
        self._done_seconds = DONE_SECONDS
        self.is_resumed = pending is not None
        self.step = pending.step if pending else ""
        self.is_hopeless = pending is not None and pending.attempts > _MAX_ATTEMPTS

    async def take(self, *name: str, done_seconds: float = DONE_SECONDS) -> bool:
        """Take the job called `name` and store it.

        Returns False if another process has it, or if it was done in the last `done_seconds`.
        """
        self._done_seconds = done_seconds
        if self._id:
            return True
        job = job_id(name)
        # Slack's deprecated verification token must not be stored.
        body = {name: value for name, value in self._body.items() if name != "token"}
        lease = await self._jobs.take(job, {"handler": self._handler, "body": body})
        if lease is None:
            return False
        self._id, self.step = job, lease.step
        return True

    async def take_interaction(self) -> bool:
        """Take the job of an interaction; each has a trigger of its own."""
        return await self.take("interaction", str(self._body.get("trigger_id")))

    async def take_new(self) -> bool:
        """Take the job of a request that Slack sends only once."""
        return await self.take("new", secrets.token_hex(16))

    async def is_ours(self, step: str | None = SENDING, *, recorded: bool = False) -> bool:
        """Tell whether the job is still ours, right before `step`.

        If the step must never happen twice, ask with `recorded`: raises `NotStored` if the step
        can't be written down first.
        """
        return not self._id or await self._jobs.is_ours(self._id, step, recorded=recorded)

    async def done(self) -> None:
        """Mark the job as done."""
        if self._id:
            await self._jobs.done(self._id, self._done_seconds)

    async def hand_over(self) -> bool:
        """Let another process resume the job; return False if none can."""
        return bool(self._id) and await self._jobs.hand_over(self._id)
