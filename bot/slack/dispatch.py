"""One way from both transports to the Bolt app.

Bolt gets bodies that are verified and parsed already, as its own Socket Mode adapter would pass
them: it has then neither a signature to check nor bytes to misread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from slack_bolt.async_app import AsyncApp, AsyncBoltRequest

from bot.errors import FsessionsError
from bot.slack.request import Acknowledged


class BadBody(FsessionsError):
    """Slack's signature is right, and yet this is nothing that Slack sends."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What to acknowledge with: a JSON document, plain text, or nothing (`body` is "")."""

    status: int
    body: str
    is_json: bool


async def dispatch(app: AsyncApp, body: dict[str, Any], acknowledged: Acknowledged) -> Reply:
    """What to answer to one verified body from Slack.

    The caller sets `acknowledged` when the reply is sent or lost. Raises `BadBody` where Bolt can't
    make sense of the body; never anything else.
    """
    try:
        request = AsyncBoltRequest(
            mode="socket_mode", body=body, context={"acknowledged": acknowledged}
        )
        response = await app.async_dispatch(request)
    except Exception as error:  # what our listeners raise is caught by `_on_error`
        raise BadBody from error
    content_type = response.first_headers().get("content-type", "")
    return Reply(
        response.status, response.body or "", is_json=content_type.startswith("application/json")
    )
