"""How long the bot waits for others; one value, so that tests can be impatient."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

_T = TypeVar("_T")
_abandoned: set[asyncio.Future[Any]] = set()


@dataclass(frozen=True, slots=True)
class Timeouts:
    """All in seconds."""

    drain: float = 16.0
    """For work in flight after SIGTERM. With what follows, it ends before a kill after 30."""

    shutdown_notice: float = 3.0
    """To tell people that there won't be an answer."""

    body: float = 5.0
    """For the rest of a request whose headers are there. Slack itself gives up after three."""

    idle: float = 75.0
    """For a whole request on a connection. Usual proxies close theirs after 60."""

    response_url: float = 10.0
    """For Slack's reply to a message at a response_url."""

    progress: float = 3.0
    """The same for "still looking"."""

    progress_grace: float = 1.0
    """For a "still looking" that is on its way when the answer is there, and must not follow it."""

    after_ack: float = 0.2
    """Between an ack that said "still looking" and the answer: Slack may show them in either order,
    and a window keeps what was shown last."""

    first_retry: float = 0.3
    """Before the second attempt at Slack; then four times as long, and again."""

    profile: float = 3.0
    """To ask Slack for a profile, attempts included, where somebody waits."""

    profile_for_run: float = 60.0
    """The same for a run of a workflow, which has time."""

    offer_retries: tuple[float, ...] = (5.0, 30.0, 120.0)
    """Before each further attempt at an offer: nobody waits, and Slack doesn't send it again."""

    hello: float = 30.0
    """For Slack's greeting on a new connection of Socket Mode."""

    reconnect: float = 0.5
    """Before the second connection of Socket Mode; then twice as long, up to 30."""

    audit: float = 2.0
    """For the record of a lookup, where there is no answer without one."""

    audit_gather: float = 0.05
    """Before events are written: the answers go first."""

    audit_search: float = 10.0
    """For the events about a person, where an auditor waits in a window."""

    audit_batch: float = 10.0
    """For one attempt to write what is waiting behind the answers."""

    audit_retry: float = 5.0
    """At most, before the next attempt."""

    audit_end: float = 3.0
    """To write what is left when the process ends."""

    state: float = 0.3
    """For one question to the database that processes share; then this process goes on alone."""

    job: float = 2.0
    """The same where nobody waits for an ack."""

    certainty: float = 5.0
    """To learn from a database that is not available whether work is still ours."""

    state_end: float = 2.0
    """To finish a round, and again to write what other processes have to know, at the end."""

    lease: float = 12.0
    """How long a claim is held without a sign of life. With `lease_renewal` it makes less than 20:
    so long it takes at most until somebody else goes on with the work."""

    lease_renewal: float = 4.0
    """Between two signs of life, and two looks for what dead processes have left."""

    pending: float = 29 * 60.0
    """How long an answer can be brought: a response_url lives for half an hour."""

    administration: float = 15.0
    """For one question of a command to the database: a locked table is said, not waited for."""

    audit_purge: float = 6 * 60 * 60.0
    """Between two times that old events are deleted."""


async def within(seconds: float, work: Coroutine[Any, Any, _T], *, cancelling: bool = True) -> _T:
    """What `work` gives; raises `TimeoutError` after so long, however slowly it ends.

    Some libraries, when cancelled, first ask the other side to stop, and wait for its answer. What
    is not to be cancelled goes on by itself: then nothing is left half done.
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


async def abandoned_work(seconds: float) -> None:
    """Waits, for so long, until what `within` gave up has really ended.

    What it uses must not be closed before: it could then wait for ever for what is closed.
    """
    loop = asyncio.get_running_loop()
    await asyncio.sleep(0)  # so that what was cancelled just now is known
    if left := {task for task in _abandoned if task.get_loop() is loop}:
        await asyncio.wait(left, timeout=seconds)
    for task in left:
        task.cancel()


async def end(task: asyncio.Task[None]) -> None:
    """Cancels a task, and waits until it has ended."""
    task.cancel()
    await asyncio.wait({task})


def _forget(task: asyncio.Future[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # nobody waits for it any more
