"""The Slack app: features register handlers here, and both transports dispatch to it.

Bolt finds the handler. It gets bodies that are verified and parsed already, as its own Socket Mode
adapter would pass them: it has neither a signature to check nor bytes to misread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final

import structlog
from slack_bolt.async_app import AsyncApp, AsyncBoltContext, AsyncBoltRequest
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse

from bot.core.access import EntryPoint
from bot.core.outcomes import crash
from bot.errors import FsessionsError
from bot.fast_json import dumps
from bot.logs import new_reference
from bot.settings import Settings
from bot.slack import messages
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import Message, always, modal
from bot.slack.request import Ack, Acknowledged, Job, SlackRequest, actor_in, settle
from bot.slack.targets import Targets
from bot.slack.web_api import SlackClient
from bot.store.protocol import Jobs, PendingJob

_log = structlog.get_logger()

COMMAND: Final = "/fsessions"
USAGE_HINT: Final = "jane@example.com [how many]  ·  or a uid  ·  help"

# https://docs.slack.dev/reference/events/message
_CHANNEL_TYPES: Final = {"channels": "channel", "groups": "group", "im": "im", "mpim": "mpim"}
_REQUEST_TYPES: Final = (
    "block_actions",
    "event_callback",
    "message_action",
    "shortcut",
    "view_submission",
)

Handler = Callable[[SlackRequest], Awaitable[Ack]]
Listener = Callable[[dict[str, Any], AsyncBoltContext], Awaitable[BoltResponse]]


class BadBody(FsessionsError):
    """Slack's signature is valid, but the body is not one that Slack sends."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The response to a request: a JSON document, plain text, or an empty `body`."""

    status: int
    body: str
    is_json: bool


class App:
    """Registers handlers and passes requests to them.

    If a handler fails, the person is told. Each handler belongs to an entry point, which is part of
    the actor it gets. The labels of `handlers` are a kind and a name, such as `event message.im`.
    """

    def __init__(
        self,
        client: SlackClient,
        settings: Settings,
        jobs: Jobs,
        targets: Targets,
        background: BackgroundTasks,
    ) -> None:
        self._jobs = jobs
        self._targets = targets
        self._background = background
        self._contact = settings.admin_contact
        self.handlers: dict[str, tuple[Handler, EntryPoint]] = {}
        self._command: Listener | None = None
        self._bolt = _bolt_app(client, settings.bot_token)
        self._bolt.error(self._on_error)

    # -- Registering ------------------------------------------------------------------------------

    def command(self, name: str, entry_point: EntryPoint, handler: Handler) -> None:
        """Register the slash command."""
        self._command = self._listener(f"command {name}", entry_point, handler)
        self._bolt.command(name)(self._command)

    def shortcut(self, callback_id: str, entry_point: EntryPoint, handler: Handler) -> None:
        """Register a shortcut."""
        listener = self._listener(f"shortcut {callback_id}", entry_point, handler)
        self._bolt.shortcut(callback_id)(listener)

    def action(
        self, action_id: str | Pattern[str], entry_point: EntryPoint, handler: Handler
    ) -> None:
        """Register a button or a menu; a pattern matches several."""
        name = action_id if isinstance(action_id, str) else action_id.pattern
        self._bolt.action(action_id)(self._listener(f"action {name}", entry_point, handler))

    def view(self, callback_id: str, entry_point: EntryPoint, handler: Handler) -> None:
        """Register the submission of a modal."""
        listener = self._listener(f"view {callback_id}", entry_point, handler)
        self._bolt.view(callback_id)(listener)

    def event(self, name: str, entry_point: EntryPoint, handler: Handler) -> None:
        """Register an event by its name in the manifest, such as `message.im`."""
        kind, _, channels = name.partition(".")
        listener = self._listener(f"event {name}", entry_point, handler)
        self._bolt.event(kind, matchers=[_in(channels)] if channels else None)(listener)

    def function(self, callback_id: str, entry_point: EntryPoint, handler: Handler) -> None:
        """Register a custom step of Workflow Builder."""
        listener = self._listener(f"function {callback_id}", entry_point, handler)
        self._bolt.function(callback_id)(listener)

    def _listener(self, label: str, entry_point: EntryPoint, handler: Handler) -> Listener:
        self.handlers[label] = handler, entry_point
        is_event = label.startswith(("event ", "function "))

        async def listen(body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
            if is_event and self._background.is_draining:
                return BoltResponse(status=503)  # Slack sends it again, to another process
            job = Job(self._jobs, label, body)
            actor = actor_in(body, entry_point)
            try:
                ack = await handler(SlackRequest(body, actor, context["acknowledged"], job))
            except Exception:
                await job.done()  # it would fail in any other process, too
                raise
            return BoltResponse(status=200, body=dumps(ack) if ack else "")

        return listen

    # -- Dispatching ------------------------------------------------------------------------------

    async def dispatch(self, body: dict[str, Any], acknowledged: Acknowledged) -> Reply:
        """Pass a verified body to its handler, and return the response for Slack.

        The caller sets `acknowledged` once the response is sent or lost. Raises `BadBody` if Bolt
        can't make sense of the body; never anything else.
        """
        try:
            response = await self._bolt.async_dispatch(
                AsyncBoltRequest(
                    mode="socket_mode", body=body, context={"acknowledged": acknowledged}
                )
            )
        except Exception as error:  # errors of handlers are caught by `_on_error`
            raise BadBody from error
        content_type = response.first_headers().get("content-type", "")
        is_json = content_type.startswith("application/json")
        return Reply(response.status, response.body or "", is_json)

    def resume(self, pending: PendingJob) -> None:
        """Resume a job that another process has left, as if its ack had been lost."""
        _log.info("resuming a pending job", attempts=pending.attempts)
        self._background.start(self._resume(pending))

    async def _resume(self, pending: PendingJob) -> None:
        label, body = str(pending.work["handler"]), dict(pending.work["body"])
        job = Job(self._jobs, label, body, pending)
        acknowledged = asyncio.get_running_loop().create_future()
        settle(acknowledged, is_sent=False)
        try:
            handler, entry_point = self.handlers[label]
            await handler(SlackRequest(body, actor_in(body, entry_point), acknowledged, job))
        except Exception as error:  # noqa: BLE001 - no one is left without an answer
            self._send_beside(body, self._apology(body, error))
            await job.done()

    # -- Errors -----------------------------------------------------------------------------------

    async def _on_error(
        self, error: Exception, body: dict[str, Any], context: AsyncBoltContext
    ) -> BoltResponse:
        """Answer a failed request. Bolt's own handler would log the body and answer 500."""
        is_unhandled = isinstance(error, BoltUnhandledRequestError)
        if is_unhandled and "command" in body and self._command:
            # A company may have renamed the command in its manifest; there is only one.
            try:
                return await self._command(body, context)
            except Exception as failure:  # noqa: BLE001 - no one is left without an answer
                return BoltResponse(status=200, body=self._apology(body, failure))
        if body.get("type") == "app_rate_limited":
            # https://docs.slack.dev/apis/events-api#rate-limiting
            _log.warning("Slack holds back events: the app is rate limited")
            return BoltResponse(status=200, body="")
        if is_unhandled:
            _log.warning("no listener", type=_request_type(body))
            return BoltResponse(status=404, body="")
        apology = self._apology(body, error)
        if "command" in body:
            return BoltResponse(status=200, body=apology)
        if body.get("type") == "view_submission":
            view = modal("Find sessions", apology["blocks"])
            return BoltResponse(status=200, body={"response_action": "update", "view": view})
        self._send_beside(body, apology)
        return BoltResponse(status=200, body="")

    def _apology(self, body: dict[str, Any], error: Exception) -> Message:
        reference = new_reference()
        _log.error("listener failed", reference=reference, type=_request_type(body), exc_info=error)
        return messages.problem(crash(reference), self._contact)

    def _send_beside(self, body: dict[str, Any], message: Message) -> None:
        if body.get("response_url") or "view" in body:
            self._background.start(self._targets.beside(body).send(always(message)))


def _in(channels: str) -> Callable[..., Awaitable[bool]]:
    """Match messages in one kind of channel, as the manifest names it."""

    async def matches(body: dict[str, Any]) -> bool:
        channel_type = body["event"].get("channel_type", "channel")
        return bool(channel_type == _CHANNEL_TYPES[channels])

    return matches


def _request_type(body: dict[str, Any]) -> str:
    """Return the type of a request if it is a known one; others could be anything."""
    if "command" in body:
        return "command"
    return next((name for name in _REQUEST_TYPES if body.get("type") == name), "unknown")


def _bolt_app(client: SlackClient, token: str) -> AsyncApp:
    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # The token is known: asking auth.test about it would be one more thing to wait for.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    with _slack_environment_hidden():
        return AsyncApp(
            name="fsessions",
            client=client,
            authorize=authorize,
            process_before_response=True,
            raise_error_for_unhandled_request=True,
            request_verification_enabled=False,
        )


@contextmanager
def _slack_environment_hidden() -> Iterator[None]:
    """Hide SLACK_* variables from Bolt while it starts.

    It would take a second token from SLACK_BOT_TOKEN, and switch to OAuth with files if
    SLACK_CLIENT_ID and SLACK_CLIENT_SECRET happen to be set.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SLACK_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
