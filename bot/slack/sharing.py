"""Posts something for everyone in a conversation, once, however often its modal is submitted.

It is posted through the response_url of the button that opened the modal, or of a chosen channel,
so the bot need not be a member. It is recorded first, and the person is told how it ended.

- https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
- https://docs.slack.dev/reference/block-kit/block-elements/select-menu-element#conversations_select
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Any, Final

from bot.core.access import Actor
from bot.core.audit import Audit, AuditEvent
from bot.core.outcomes import RESTARTING, Explanation, denial
from bot.errors import SlackError
from bot.settings import Settings
from bot.slack import texts
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import (
    Block,
    Message,
    Renderer,
    View,
    always,
    escape,
    input_block,
    modal,
    note,
    option,
)
from bot.slack.presses import Presses
from bot.slack.request import (
    SENDING,
    Ack,
    Job,
    SlackRequest,
    input_value,
    is_visible_to_all,
    message_thread,
)
from bot.slack.response_url import Posted
from bot.slack.signing import BadSignature
from bot.slack.targets import Targets, new_message
from bot.slack.web_api import WebApi
from bot.store.protocol import NotStored

WHERE: Final = "where"
IN_THREAD: Final = "thread"
IN_CHANNEL: Final = "channel"

PREPARING: Final = "One moment …"
NOT_SHARED: Final = "Slack didn't take the message, so nothing was shared. Please share it again."
NOT_STORED: Final = (
    "My database is not available, so nothing was shared. Please share it again in a minute."
)
MAYBE_SHARED: Final = (
    "Slack didn't say whether it took the message. Please check before you share it again."
)
NO_CHANNEL: Final = "Please choose a channel."
NOT_SHOWN_THERE: Final = "Sessions aren't shown in that channel. Please choose another."
ALREADY_SHARED: Final = "You have already shared this from this window."

_SHARED_SECONDS: Final = 60 * 60.0
"""How long a submitted modal is known, so that it can't post twice."""


# -- Where it is shared ----------------------------------------------------------------------------


class Places(Enum):
    """Where the person may share."""

    HERE = auto()
    THREAD_OR_CHANNEL = auto()
    ANY_CHANNEL = auto()
    """From a modal or a direct message with the bot, where no one else is."""


def places(body: dict[str, Any]) -> Places:
    """Return where the person who pressed a button may share."""
    if "view" in body or is_visible_to_all(body):
        return Places.ANY_CHANNEL
    return Places.THREAD_OR_CHANNEL if message_thread(body) else Places.HERE


def origin_of(body: dict[str, Any], actor: Actor) -> dict[str, Any]:
    """Return the part of a press that says where its message or modal is."""
    container = body.get("container", {})
    origin: dict[str, Any] = {"user": {"id": actor.user}, "channel": {"id": actor.channel}}
    if shown := body.get("view"):
        origin["view"] = {name: shown.get(name) for name in ("id", "private_metadata")}
        origin["container"] = {"view_id": shown.get("id")}
    else:
        origin["response_url"] = body["response_url"]
        origin["container"] = {
            "message_ts": container.get("message_ts"),
            "thread_ts": message_thread(body),
            "is_ephemeral": container.get("is_ephemeral"),
        }
    return origin


def where_input(where: Places) -> list[Block]:
    """Ask where to share, if there is a choice."""
    element: Block
    match where:
        case Places.HERE:
            return []
        case Places.THREAD_OR_CHANNEL:
            options = [option("In this thread", IN_THREAD), option("In the channel", IN_CHANNEL)]
            element = {"type": "radio_buttons", "options": options, "initial_option": options[0]}
        case Places.ANY_CHANNEL:
            # Slack sends a response_url with it, so the bot need not be a member.
            element = {
                "type": "conversations_select",
                "response_url_enabled": True,
                "default_to_current_conversation": True,
                "filter": {
                    "include": ["public", "private"],
                    "exclude_external_shared_channels": True,
                    "exclude_bot_users": True,
                },
            }
    return [input_block(WHERE, "Where?", element)]


@dataclass(frozen=True, slots=True)
class Place:
    """What was chosen; `channel` and `response_url` are "" if there was no channel to choose."""

    is_in_thread: bool
    channel: str
    response_url: str

    @classmethod
    def chosen_in(cls, body: dict[str, Any]) -> Place:
        """Read the place from a submitted modal."""
        selected = input_value(body["view"], WHERE, "selected_option")
        (url, *_) = body.get("response_urls") or [{}]
        return cls(
            isinstance(selected, dict) and selected.get("value") == IN_THREAD,
            str(url.get("channel_id", "")),
            str(url.get("response_url", "")),
        )


# -- Sharing ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Content:
    """What is posted, and the record of it.

    `then` renders what the person sees afterwards, told where it was shared, in Slack's markup.
    With `replaces`, that takes the place of the message whose button was pressed.
    """

    message: Message
    event: AuditEvent
    then: Callable[[str], Renderer]
    replaces: bool = False


Prepare = Callable[[Actor], Awaitable[Content | Message]]
"""Returns what the actor shares, or says why there is nothing to share."""


@dataclass(slots=True)
class _Sharing:
    """A share in progress; once `posting` is set, it may have been posted."""

    prepare: Prepare
    origin: dict[str, Any]
    place: Place
    job: Job
    posting: bool = False

    @property
    def channel(self) -> str:
        """The channel to share in."""
        return self.place.channel or str(self.origin["channel"]["id"])

    @property
    def response_url(self) -> str:
        """The response_url of the channel."""
        return self.place.response_url or str(self.origin["response_url"])

    @property
    def where(self) -> str:
        """Where it is shared, in Slack's markup; direct messages have no name."""
        if self.place.is_in_thread:
            return "this thread"
        is_channel = bool(self.place.channel) or self.channel.startswith("C")
        return f"<#{escape(self.channel)}>" if is_channel else "this conversation"


class Sharing:
    """Opens modals for sharing, and shares what they were submitted for."""

    def __init__(
        self,
        settings: Settings,
        audit: Audit,
        presses: Presses,
        targets: Targets,
        web_api: WebApi,
        background: BackgroundTasks,
    ) -> None:
        self._settings = settings
        self._audit = audit
        self._presses = presses
        self._targets = targets
        self._web_api = web_api
        self._background = background

    async def open(
        self, request: SlackRequest, title: str, form: Callable[[str], Awaitable[View]]
    ) -> None:
        """Open a modal at once, and fill it with the `form`, which gets the modal's id."""
        waiting = modal(title, note(PREPARING)["blocks"])
        view_id = await self._web_api.open_modal(request.body, waiting)
        if not view_id:
            self._presses.tell(texts.MODAL_NOT_OPENED, request)
            return

        async def fill() -> None:
            try:
                await self._web_api.update_modal(view_id, await form(view_id))
            except SlackError:
                self._presses.tell(texts.MODAL_NOT_OPENED, request)

        async def say_restarting() -> None:
            view = modal(title, note(RESTARTING)["blocks"])
            await self._web_api.update_modal(view_id, view)

        await self._background.notify_if_cancelled(fill(), say_restarting)

    async def refuse(self, error: BadSignature, request: SlackRequest, title: str) -> Ack:
        """Refuse a modal that the person must not submit."""
        self._audit.note_denial(request.actor, error.reason)
        await request.job.done()
        return _refuse(denial(error.reason).what, title)

    async def submit(
        self, request: SlackRequest, origin: dict[str, Any], title: str, prepare: Prepare
    ) -> Ack:
        """Close the modal called `title` and share, once, however often it is submitted."""
        job, place = request.job, Place.chosen_in(request.body)
        allowed = self._settings.allowed_channels
        problem = ""
        if places(origin) is Places.ANY_CHANNEL and not place.channel:
            problem = NO_CHANNEL
        elif place.channel and allowed and place.channel not in allowed:
            problem = NOT_SHOWN_THERE
        if problem:
            await job.done()
            return {"response_action": "errors", "errors": {WHERE: problem}}
        view_id = str(request.body["view"]["id"])
        if not await job.take("shared from", view_id, done_seconds=_SHARED_SECONDS):
            return _refuse(ALREADY_SHARED, title)
        sharing = _Sharing(prepare, origin, place, job, posting=job.step == SENDING)

        async def leave() -> None:
            if not await job.hand_over():
                sentence = MAYBE_SHARED if sharing.posting else RESTARTING
                await self._tell(sharing, note(sentence))

        work = self._share_once(sharing, request)
        self._background.start(self._background.notify_if_cancelled(work, leave))
        return None

    async def _share_once(self, sharing: _Sharing, request: SlackRequest) -> None:
        if sharing.posting:  # by a process that has died since
            await self._tell(sharing, note(MAYBE_SHARED))
        elif sharing.job.is_hopeless:
            await self._tell(sharing, note(RESTARTING))
        else:
            await self._share(sharing, request)
        await sharing.job.done()

    async def _share(self, sharing: _Sharing, request: SlackRequest) -> None:
        actor = replace(request.actor, channel=sharing.channel)
        await request.acknowledged
        content = await sharing.prepare(actor)
        if not isinstance(content, Content):
            await self._tell(sharing, content)
            return
        # Recorded before it is posted: Slack may not say whether it took it.
        if not await self._audit.prepare(content.event):
            not_recorded = Explanation(
                "The share could not be recorded, and your company shows no sessions without a "
                "record.",
                "Please try again in a minute. If it happens again, tell {contact}.",
            )
            await self._tell(sharing, note(not_recorded.in_one_line(self._settings.admin_contact)))
            return
        failure = "cancelled"
        try:
            failure = await self._post_and_tell(content, sharing)
        finally:
            is_unsure = failure == "cancelled" and sharing.posting
            self._audit.complete(content.event, failure="" if is_unsure else failure)

    async def _post_and_tell(self, content: Content, sharing: _Sharing) -> str:
        """Post it with one attempt, and tell the person. Returns why it failed, or ""."""
        try:
            if not await sharing.job.is_ours(recorded=True):
                return "done by another process"
        except NotStored:
            await self._tell(sharing, note(NOT_STORED))
            return "not stored"
        sharing.posting = True
        thread = message_thread(sharing.origin) if sharing.place.is_in_thread else ""
        message = content.message | new_message(thread)
        posted = await self._targets.urls.post(sharing.response_url, message, attempts=1)
        if posted in (Posted.REFUSED, Posted.NOT_SENT):
            await self._tell(sharing, note(NOT_SHARED))
            return "not shared"
        if posted is not Posted.TAKEN:
            await self._tell(sharing, note(MAYBE_SHARED))
            return ""
        told = content.then(sharing.where)
        if content.replaces:
            is_current = await self._presses.begin(sharing.origin)
            await self._targets.in_place(sharing.origin).send(told, is_current)
        else:
            await self._targets.beside(sharing.origin).send(told)
        return ""

    async def _tell(self, sharing: _Sharing, message: Message) -> None:
        await self._targets.beside(sharing.origin).send(always(message))


def _refuse(sentence: str, title: str) -> Ack:
    return {"response_action": "update", "view": modal(title, note(sentence)["blocks"])}
