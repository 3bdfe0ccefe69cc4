"""How long the bot waits for others, in one value, so that tests can be impatient."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")
_abandoned: set[asyncio.Future[Any]] = set()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All values are in seconds."""

    drain: float = 16.0
    """For work in progress after SIGTERM. With what follows, it ends before a kill after 30."""

    shutdown_notice: float = 3.0
    """To tell people that their answer won't come."""

    body: float = 5.0
    """For a request's body. Slack itself gives up after three."""

    idle: float = 75.0
    """Between two requests on a connection. Common proxies close theirs after 60."""

    response_url: float = 10.0
    """For Slack's reply to a message at a response_url."""

    progress: float = 3.0
    """For Slack's reply to a progress message."""

    progress_grace: float = 1.0
    """For a progress message that is being sent when the answer is ready: it must arrive first."""

    after_ack: float = 0.2
    """Between an ack with a progress message and the answer: Slack may show them in either order,
    and a modal keeps what was shown last."""

    first_retry: float = 0.3
    """Before the second attempt at Slack; then four times as long, and again."""

    profile: float = 3.0
    """To ask Slack for a profile, retries included, while a person waits."""

    profile_for_run: float = 60.0
    """The same for a run of a workflow, which has time."""

    sessions_kept: float = 15.0
    """How long the sessions of a customer are not asked for again, unless someone refreshes."""

    offer_retries: tuple[float, ...] = (5.0, 30.0, 120.0)
    """Before each further attempt at an offer: no one waits, and Slack doesn't repeat the event."""

    hello: float = 30.0
    """For Slack's hello on a new Socket Mode connection."""

    reconnect_grace: float = 30.0
    """Without a Socket Mode connection before the bot is not ready: Slack refreshes them."""

    health: float = 60.0
    """Between two checks of the token and the key."""

    reconnect: float = 0.5
    """Before the second Socket Mode connection; then twice as long, up to 30."""

    audit: float = 2.0
    """To record a lookup if there is no answer without a record."""

    audit_gather: float = 0.05
    """Before events are written: the answers go first."""

    audit_search: float = 10.0
    """To find the events about a person while an auditor waits."""

    audit_batch: float = 10.0
    """For one attempt to write events that no one waits for."""

    audit_retry: float = 5.0
    """Maximum before the next attempt."""

    audit_end: float = 3.0
    """To write the remaining events when the process ends."""

    state: float = 0.3
    """For a query to the shared database while an ack waits; then this process uses its memory."""

    job: float = 2.0
    """For a query that no ack waits for."""

    certainty: float = 5.0
    """To learn from an unavailable database whether a job is still ours."""

    state_end: float = 2.0
    """To finish a round, and again to write what other processes have to know, at the end."""

    lease: float = 12.0
    """How long a lease is valid. Together with `lease_renewal` it is less than 20: so long it takes
    at most until another process resumes the job."""

    lease_renewal: float = 4.0
    """Between two renewals, and two searches for jobs that dead processes have left."""

    pending: float = 29 * 60.0
    """How long a pending job is kept: a response_url lives for half an hour."""

    administration: float = 15.0
    """For a database query of a command on the terminal."""

    audit_purge: float = 6 * 60 * 60.0
    """Between two deletions of old events."""


async def within(seconds: float, work: Coroutine[Any, Any, _T], *, cancelling: bool = True) -> _T:
    """Return the result of `work`, or raise `TimeoutError`, however slowly it ends.

    When cancelled, some libraries first ask the other side to stop, and wait for its answer. With
    `cancelling=False`, the work continues by itself.
    """
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task}, timeout=seconds)
    finally:
        if not task.done():
            if cancelling:
                task.cancel()
            _abandoned.add(task)
            task.add_done_callback(_forget)
    if not task.done():
        raise TimeoutError
    return task.result()


async def wait_for_abandoned(seconds: float) -> None:
    """Wait until the work that `within` gave up has really ended; cancel it after `seconds`.

    What it uses must not be closed before: it could then wait forever.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)  # for tasks that were cancelled just before
    if left := {task for task in _abandoned if task.get_loop() is loop}:
        await asyncio.wait(left, timeout=seconds)
    for task in left:
        task.cancel()


async def end(task: asyncio.Task[None]) -> None:
    """Cancel a task, and wait until it has ended."""
    task.cancel()
    await asyncio.wait({task})


def _forget(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # no one waits for it anymore
