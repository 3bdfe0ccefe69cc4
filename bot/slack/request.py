"""One verified request from Slack: who made it, and the job of answering it.

One process at a time has the job. Whoever takes it stores the request as Slack sent it; if that
process dies, another one passes the same request to the same handler, as if the ack had been lost.
https://docs.slack.dev/interactivity/handling-user-interaction#payloads
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass
from typing import Any, Final

from bot.core.access import Actor, EntryPoint
from bot.store.protocol import Jobs, PendingJob, job_id

DONE_SECONDS: Final = 15 * 60.0
"""How long a job is known to be done. Slack's last repeat comes after five minutes, and a run of a
workflow lives for fifteen."""

SENDING: Final = "sending"
"""The step in which an answer may have been sent, or not."""

_MAX_ATTEMPTS: Final = 3
"""After so many processes died during a job, the request itself may be the reason."""

Ack = dict[str, Any] | None
"""What a handler returns: the body of the response to Slack's request; None for an empty one."""

Acknowledged = asyncio.Future[bool]
"""Whether the ack reached Slack. The transport sets it once the ack is sent or lost."""


def settle(acknowledged: Acknowledged, *, is_sent: bool) -> None:
    """Say whether the ack was sent; only the first call has an effect."""
    if not acknowledged.done():
        acknowledged.set_result(is_sent)


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


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """A request: its `body` as Slack sent it, and who asks.

    Messages that are not sent in the ack wait for `acknowledged`, so that they can't arrive before
    it.
    """

    body: dict[str, Any]
    actor: Actor
    acknowledged: Acknowledged
    job: Job


def actor_in(body: dict[str, Any], entry_point: EntryPoint) -> Actor:
    """Read who asks from a command, an interaction or an event; missing ids are ""."""
    event, user = _dict(body.get("event")), _dict(body.get("user"))
    team, channel = _dict(body.get("team")), _dict(body.get("channel"))
    item = _dict(event.get("item"))  # what a reaction is about
    return Actor(
        workspace=str(body.get("team_id") or team.get("id") or ""),
        user=str(body.get("user_id") or user.get("id") or event.get("user") or ""),
        entry_point=entry_point,
        channel=str(
            body.get("channel_id")
            or channel.get("id")
            or event.get("channel")
            or item.get("channel")
            or ""
        ),
    )


def pressed_value(body: dict[str, Any]) -> str:
    """Return the value of the pressed button, or of the chosen option of a menu."""
    action = body["actions"][0]
    if action.get("type") == "overflow":
        return str(action["selected_option"]["value"]).partition(" ")[2]
    return str(action["value"])


def input_value(view: dict[str, Any], name: str, kind: str = "value") -> Any:  # noqa: ANN401
    """Return what a submitted modal has in an input; `kind` is the element's own word for it.

    https://docs.slack.dev/reference/views#view-submission-payloads
    """
    values = _dict(_dict(view.get("state")).get("values"))
    return _dict(_dict(values.get(name)).get(name)).get(kind)


def message_ts(body: dict[str, Any]) -> str:
    """Return the `ts` of the message whose button was pressed, or the id of the modal."""
    container = _dict(body.get("container"))
    return str(container.get("message_ts") or container.get("view_id") or "")


def message_thread(body: dict[str, Any]) -> str:
    """Return the thread of the message whose button was pressed, or ""."""
    for holder in (body.get("container"), body.get("message")):
        if isinstance(holder, dict) and holder.get("thread_ts"):
            return str(holder["thread_ts"])
    return ""


def channel_and_user(body: dict[str, Any]) -> tuple[str, str]:
    """Return the ids of the channel and the person of an interaction; missing ones are ""."""
    channel, user = _dict(body.get("channel")), _dict(body.get("user"))
    return str(channel.get("id", "")), str(user.get("id", ""))


def is_visible_to_all(body: dict[str, Any]) -> bool:
    """Tell whether the pressed message is an ordinary one in direct messages with the bot."""
    is_ephemeral = _dict(body.get("container")).get("is_ephemeral")
    return channel_and_user(body)[0].startswith("D") and not is_ephemeral


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
