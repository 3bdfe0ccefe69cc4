"""Presses on buttons: what they were made for, and which one of several counts."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, Final

from bot.core.access import Actor
from bot.core.audit import Audit
from bot.core.outcomes import denial
from bot.core.sessions import Query
from bot.slack.blocks import note
from bot.slack.delivery import Delivery
from bot.slack.request import Job, SlackRequest, pressed_value
from bot.slack.response_url import IsCurrent
from bot.slack.signing import BadSignature, Kind, Signer, query_of
from bot.slack.targets import Targets, pressed_message
from bot.store.protocol import State

_SECONDS: Final = 30 * 60.0  # a press's response_url lives as long


class Presses:
    """Reads the values of pressed buttons, and remembers the latest press of each message."""

    def __init__(
        self, signer: Signer, audit: Audit, state: State, targets: Targets, delivery: Delivery
    ) -> None:
        self._signer = signer
        self._audit = audit
        self._state = state
        self._targets = targets
        self._delivery = delivery

    def query(self, request: SlackRequest, kind: Kind = Kind.LOOK) -> Query | None:
        """Return what the pressed button was made for; if it can't be used, tell the person."""
        text = self.text(request, kind)
        return None if text is None else query_of(text)

    def text(self, request: SlackRequest, kind: Kind = Kind.TEXT) -> str | None:
        """Return the text of the pressed button; if it can't be used, tell the person."""
        try:
            return self._signer.verify(pressed_value(request.body), request.actor.user, kind)
        except BadSignature as error:
            self._audit.note_denial(request.actor, error.reason)
            self.tell(denial(error.reason).what, request)
        return None

    def actor(self, request: SlackRequest) -> Actor:
        """Return who pressed a button; a modal belongs to the channel in which it was opened."""
        metadata = str((request.body.get("view") or {}).get("private_metadata") or "")
        if not metadata:
            return request.actor
        try:
            text = self._signer.verify(metadata, request.actor.user, Kind.CHANNEL)
        except BadSignature:
            return request.actor  # in no channel
        return replace(request.actor, channel=text.partition("\n")[0])

    def tell(self, sentence: str, request: SlackRequest) -> None:
        """Tell the person who pressed a button something, below it or in a direct message."""
        target = self._targets.beside(request.body)
        self._delivery.message_after_ack(note(sentence), request, target)

    async def begin(self, body: dict[str, Any], job: Job | None = None) -> IsCurrent:
        """Begin to answer a press; the result tells whether it is still the latest one.

        A resumed `job` was begun by another process.
        """
        key = ("latest press", pressed_message(body))
        # The later press counts, even if it arrives earlier.
        pressed_at = _time_of(body)
        mark = f"{pressed_at:017.6f} {body.get('trigger_id') or secrets.token_hex(8)}"
        if not (job and job.is_resumed):
            await self._state.put(key, mark, _SECONDS, if_greater=pressed_at > 0)

        async def is_latest() -> bool:
            return await self._state.get(key) in (mark, None)

        return is_latest


def _time_of(body: dict[str, Any]) -> float:
    """Return when a button was pressed, in seconds since 1970; 0 if Slack doesn't say."""
    actions = body.get("actions")
    first = actions[0] if isinstance(actions, list) and actions else {}
    try:
        return float(first.get("action_ts", ""))
    except ValueError:
        return 0.0
