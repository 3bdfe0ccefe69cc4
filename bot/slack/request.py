"""One verified request from Slack, and who made it.

https://docs.slack.dev/interactivity/handling-user-interaction#payloads
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from bot.core.access import Actor, EntryPoint
from bot.slack.job import Job

Ack = dict[str, Any] | None
"""What a handler returns: the body of the response to Slack's request; None for an empty one."""

Acknowledged = asyncio.Future[bool]
"""Whether the ack reached Slack. The transport sets it once the ack is sent or lost."""


def settle(acknowledged: Acknowledged, *, is_sent: bool) -> None:
    """Say whether the ack was sent; only the first call has an effect."""
    if not acknowledged.done():
        acknowledged.set_result(is_sent)


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
    """Return the `ts` of the message whose button was pressed."""
    return str(_dict(body.get("container")).get("message_ts") or "")


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
