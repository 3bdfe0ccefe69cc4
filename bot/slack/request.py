"""One request from Slack, and which entry point it is for.

https://docs.slack.dev/interactivity/handling-user-interaction#payloads
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from re import Pattern
from typing import Any, Literal

from bot.core.access import Actor, EntryPoint
from bot.fast_json import dumps
from bot.slack.job import Job

Acknowledged = asyncio.Future[bool]
"""Whether the ack reached Slack: the transport sets it, once the ack is sent or lost."""


def settle(acknowledged: Acknowledged, *, sent: bool) -> None:
    """Says whether the ack was sent. Only the first call has an effect."""
    if not acknowledged.done():
        acknowledged.set_result(sent)


class Ack:
    """What to answer the request itself with: `body` is "", or a document as JSON.

    Bolt's own looks at what it gets for every kind of object that it might be.
    """

    body = ""

    async def __call__(self, document: dict[str, Any] | None = None, **fields: object) -> None:
        """Acknowledges with a document, with its fields, or with nothing."""
        given = document or fields
        self.body = dumps(given) if given else ""


@dataclass(frozen=True, slots=True)
class SlackRequest:
    """A verified request: its `body` as Slack sent it, and who asks.

    `ack` answers it. What is sent by another way waits for `acknowledged`, so that it can't arrive
    before the ack. `job` is the right to answer it.
    """

    body: dict[str, Any]
    actor: Actor
    ack: Ack
    acknowledged: Acknowledged
    job: Job


@dataclass(frozen=True, slots=True)
class Route:
    """What Slack may send: its kind, and the name that the manifest or our blocks give it.

    Of an event the name is as in the manifest, such as `message.im`. `handle` gets each request
    with an actor of this entry point: nothing can be asked without one.
    """

    kind: Literal["command", "shortcut", "action", "view", "event", "function"]
    name: str | Pattern[str]
    entry_point: EntryPoint
    handle: Callable[[SlackRequest], Awaitable[None]]

    @property
    def label(self) -> str:
        """What tells it from others, also in another process."""
        name = self.name if isinstance(self.name, str) else self.name.pattern
        return f"{self.kind} {name}"


def actor_in(body: dict[str, Any], entry_point: EntryPoint) -> Actor:
    """Who asks, by a command, an interaction, or an event; an id that Slack didn't send is ""."""
    event, user = _dict(body.get("event")), _dict(body.get("user"))
    team, channel = _dict(body.get("team")), _dict(body.get("channel"))
    item = _dict(event.get("item"))  # what somebody reacted to
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


def field_value(view: dict[str, Any], field: str, name: str) -> Any:  # noqa: ANN401
    """What stands in a field of a form that was sent; `name` is the element's own word for it.

    https://docs.slack.dev/reference/views#view-submission-payloads
    """
    values = _dict(_dict(view.get("state")).get("values"))
    return _dict(_dict(values.get(field)).get(field)).get(name)


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
