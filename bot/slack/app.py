"""The table of entry points, and the Bolt app that is made of it.

What Slack has to know of an entry point stands here once: its events and scopes are where the
manifests, `fsessions check` and the stand-in have theirs from; its help line is the Home's.
`CONTRIBUTING.md` has the recipe for a new one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from slack_bolt.async_app import AsyncApp, AsyncBoltContext
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltUnhandledRequestError
from slack_bolt.response import BoltResponse

from bot.core.access import EntryPoint
from bot.features.answer_buttons import Buttons
from bot.features.audit_log import AuditWindow
from bot.features.command import Command
from bot.features.home import Home
from bot.features.mentions import Mentions
from bot.features.message_shortcut import Shortcuts
from bot.features.search_form import Form
from bot.features.share import Share
from bot.features.ticket_offers import Offers
from bot.features.workflow_step import Step
from bot.logs import new_reference
from bot.slack import messages, modals, texts
from bot.slack.blocks import Message, always
from bot.slack.job import Job
from bot.slack.request import Ack, Route, SlackRequest, actor_in, settle
from bot.slack.services import Services
from bot.slack.web_api import SlackClient
from bot.store.protocol import PendingJob

_log = structlog.get_logger()

COMMAND: Final = "/fsessions"
USAGE_HINT: Final = "jane@example.com [how many]  ·  or a uid  ·  help"


class Handler(Protocol):
    """A class of `bot.features`."""

    def __init__(self, services: Services) -> None: ...

    def routes(self) -> tuple[Route, ...]:
        """What it listens to."""


@dataclass(frozen=True, slots=True)
class Row:
    """One entry point: who answers, and what Slack has to be told of it.

    `events` and `scopes` are Slack's names. One `for_support_channels` is used only if there are
    support channels; `fsessions check` asks for its scopes only then.
    `help` is its line in the Home: a name, and how to use it. `bot.slack.modals.ways_to_ask`
    fills in what stands in braces.
    """

    entry_point: EntryPoint
    handler: type[Handler]
    events: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    help: tuple[str, str] | None = None
    for_support_channels: bool = False


ENTRY_POINTS: Final = (
    Row(
        EntryPoint.COMMAND,
        Command,
        scopes=("commands",),
        help=("Type it:", "{command} jane@example.com {where}"),
    ),
    Row(
        EntryPoint.MESSAGE_SHORTCUT,
        Shortcuts,
        scopes=("commands",),
        help=("From a message:", "Find sessions, in the menu of a message that names the customer"),
    ),
    Row(
        EntryPoint.FORM,
        Form,
        scopes=("commands",),
        help=(
            "From anywhere:",
            "Find sessions, in the shortcuts' menu, or the button above{free}",
        ),
    ),
    Row(
        EntryPoint.MENTION,
        Mentions,
        events=("app_mention",),
        scopes=("app_mentions:read", "chat:write"),
        help=(
            "Ask me:",
            "{bot} jane@example.com in a channel that I am in{direct}",
        ),
    ),
    Row(
        EntryPoint.DIRECT_MESSAGE,
        Mentions,
        events=("message.im",),
        scopes=("im:history", "chat:write"),
    ),
    Row(
        EntryPoint.OFFER,
        Offers,
        events=("message.channels", "message.groups"),
        scopes=("channels:history", "groups:history", "chat:write"),
        help=(
            "In these channels, I offer it under each new message with a customer:",
            "{channels}",
        ),
        for_support_channels=True,
    ),
    Row(EntryPoint.WORKFLOW_STEP, Step, events=("function_executed",), scopes=("chat:write",)),
    Row(EntryPoint.BUTTON, Buttons),
    Row(EntryPoint.SHARE, Share),
    Row(EntryPoint.HOME, Home, events=("app_home_opened",)),
    Row(EntryPoint.AUDIT, AuditWindow),
)

SCOPES: Final = {
    "commands": "The command and the shortcuts.",
    "users:read": (
        "Who is a member and may be shown sessions; times in the asker's own time zone."
    ),
    "users:read.email": '"/fsessions @colleague".',
    "chat:write": (
        "The offer in support channels, answers to mentions and direct messages, the step's "
        '"Show privately to"; and answers that Slack\'s response_url did not take.'
    ),
    "app_mentions:read": '"@fsessions jane@example.com".',
    "im:history": "Direct messages to the bot.",
    "channels:history": (
        "The offer: new messages of public channels that the bot was invited to. Without "
        "SUPPORT_CHANNELS you can leave it out, with the event message.channels below."
    ),
    "groups:history": "The same for private channels, with the event message.groups.",
}
"""What the bot token has to be allowed, and why. The manifest asks for these and nothing else."""

OPTIONAL_SCOPES: Final = {
    "usergroups:read": "Only with ALLOWED_USERGROUPS: who is in these user groups.",
}
"""What only some settings need; the manifest holds them as comments."""

EVENTS: Final = tuple(sorted(event for row in ENTRY_POINTS for event in row.events))
"""What Slack is to tell the bot of."""

HELP_LINES: Final = tuple(row.help for row in ENTRY_POINTS if row.help)

# https://docs.slack.dev/reference/events/message
_CHANNEL_TYPES: Final = {"channels": "channel", "groups": "group", "im": "im", "mpim": "mpim"}


def scopes_needed(*, support_channels: bool, usergroups: bool) -> tuple[str, ...]:
    """The scopes; what only support channels or user groups need, only where there are some."""
    for_support = {
        scope for row in ENTRY_POINTS if row.for_support_channels for scope in row.scopes
    }
    always = {scope for row in ENTRY_POINTS if not row.for_support_channels for scope in row.scopes}
    left_out = frozenset() if support_channels else for_support - always
    optional = tuple(OPTIONAL_SCOPES) if usergroups else ()
    return (*(scope for scope in SCOPES if scope not in left_out), *optional)


def routes(services: Services) -> tuple[Route, ...]:
    """Everything that Slack may send."""
    handlers = dict.fromkeys(row.handler for row in ENTRY_POINTS)
    return tuple(route for handler in handlers for route in handler(services).routes())


def build_app(services: Services, client: SlackClient, listening: Iterable[Route]) -> AsyncApp:
    """The Bolt app with these routes; where one of them fails, the person is told."""
    token = services.settings.bot_token

    async def authorize(enterprise_id: str | None, team_id: str | None) -> AuthorizeResult:
        # The token is known: asking auth.test about it would only be one more thing to wait for.
        return AuthorizeResult(enterprise_id=enterprise_id, team_id=team_id, bot_token=token)

    with _bolt_reads_no_environment():
        app = AsyncApp(
            name="fsessions",
            client=client,
            authorize=authorize,
            process_before_response=True,
            raise_error_for_unhandled_request=True,
            request_verification_enabled=False,
        )
    listeners = {route.label: _register(app, route, services) for route in listening}
    # A company may have renamed the command in its manifest: it is the only one.
    app.error(_error_handler(services, listeners[f"command {services.command}"]))
    return app


def resume_jobs(services: Services, listening: Iterable[Route]) -> Callable[[PendingJob], None]:
    """How to go on with what another process has left undone: as if its ack had been lost."""
    by_label = {route.label: route for route in listening}

    async def handle(pending: PendingJob) -> None:
        label, body = str(pending.work["route"]), dict(pending.work["body"])
        job = Job(services.jobs, label, body, pending)
        acknowledged = asyncio.get_running_loop().create_future()
        settle(acknowledged, sent=False)
        try:
            route = by_label[label]
            actor = actor_in(body, route.entry_point)
            await route.handle(SlackRequest(body, actor, Ack(), acknowledged, job))
        except Exception as error:  # noqa: BLE001 - nobody is left without a word
            apology = _apology(services, body, error)
            _send_beside(services, body, apology)
            await job.done()

    def start(pending: PendingJob) -> None:
        _log.info("going on with what another process owed", attempts=pending.attempts)
        services.delivery.start(handle(pending))

    return start


Listener = Callable[[dict[str, Any], AsyncBoltContext], Awaitable[BoltResponse]]


def _register(app: AsyncApp, route: Route, services: Services) -> Listener:
    is_event = route.kind in ("event", "function")

    async def listen(body: dict[str, Any], context: AsyncBoltContext) -> BoltResponse:
        if is_event and services.delivery.draining:
            # So that Slack sends the event again: to another process.
            return BoltResponse(status=503)
        actor = actor_in(body, route.entry_point)
        job, ack = Job(services.jobs, route.label, body), Ack()
        try:
            await route.handle(SlackRequest(body, actor, ack, context["acknowledged"], job))
        except Exception:
            await job.done()  # nobody else would fare better
            raise
        return BoltResponse(status=200, body=ack.body)

    if route.kind == "event":
        name, _, channels = str(route.name).partition(".")
        app.event(name, matchers=[_in(channels)] if channels else None)(listen)
        return listen
    register = {
        "command": app.command,
        "shortcut": app.shortcut,
        "action": app.action,
        "view": app.view,
        "function": app.function,
    }
    register[route.kind](route.name)(listen)
    return listen


def _in(channels: str) -> Callable[..., Awaitable[bool]]:
    """Whether a message is of this kind of channel, as the names of events have it."""

    async def matches(body: dict[str, Any]) -> bool:
        given = body["event"].get("channel_type", "channel")
        return bool(given == _CHANNEL_TYPES[channels])

    return matches


def _error_handler(
    services: Services, on_command: Listener
) -> Callable[..., Awaitable[BoltResponse]]:
    async def on_error(
        error: Exception, body: dict[str, Any], context: AsyncBoltContext
    ) -> BoltResponse:
        """Bolt's own handlers log the whole body, or the exception's message; and answer 500."""
        if isinstance(error, BoltUnhandledRequestError) and "command" in body:
            try:
                return await on_command(body, context)
            except Exception as failure:  # noqa: BLE001 - no one is left without a word
                return BoltResponse(status=200, body=_apology(services, body, failure))
        is_command = "command" in body
        if body.get("type") == "app_rate_limited":
            # https://docs.slack.dev/apis/events-api#rate-limiting
            _log.warning("Slack holds back events: the app is rate limited")
            return BoltResponse(status=200, body="")
        if isinstance(error, BoltUnhandledRequestError):
            _log.warning("no listener", type=_kind(body))
            return BoltResponse(status=404, body="")
        apology = _apology(services, body, error)
        if is_command:
            return BoltResponse(status=200, body=apology)
        if body.get("type") == "view_submission":
            update = {"response_action": "update", "view": modals.results(apology)}
            return BoltResponse(status=200, body=update)
        _send_beside(services, body, apology)
        return BoltResponse(status=200, body="")

    return on_error


def _apology(services: Services, body: dict[str, Any], error: Exception) -> Message:
    """For what nobody has foreseen."""
    reference = new_reference()
    _log.error("listener failed", reference=reference, type=_kind(body), exc_info=error)
    contact = services.settings.admin_contact
    return messages.trouble(texts.our_fault(), contact, reference)


def _send_beside(services: Services, body: dict[str, Any], message: Message) -> None:
    """Where there is a response_url."""
    if isinstance(url := body.get("response_url"), str) and url:
        services.delivery.start(services.targets.beside(body).send(always(message)))


def _kind(body: dict[str, Any]) -> str:
    """What sort of request this was, of names that we know."""
    if "command" in body:
        return "command"
    known = ("block_actions", "event_callback", "message_action", "shortcut", "view_submission")
    return next((name for name in known if body.get("type") == name), "unknown")


@contextmanager
def _bolt_reads_no_environment() -> Iterator[None]:
    """Hides Bolt's own settings from it while it starts.

    It would take a second token from SLACK_BOT_TOKEN, and change to OAuth with files for a store
    when SLACK_CLIENT_ID and SLACK_CLIENT_SECRET happen to be set.
    """
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SLACK_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
