"""*Share…*: shows one of the sessions, or all, to everyone in the conversation.

A modal asks which, with or without the name, and where. What was shown is what is shared: the
sessions are looked up again for the modal and compared, and the process remembers them for a few
minutes. They are posted through the response_url of the button, or of the chosen channel if the
list is in a modal or a direct message, so the bot need not be a member of the channel.

- https://docs.slack.dev/surfaces/modals
- https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final

from cachetools import TTLCache

from bot.core.access import Actor, EntryPoint
from bot.core.audit import Audit, Result
from bot.core.lookup import Lookup
from bot.core.outcomes import (
    RESTARTING,
    AccessDenied,
    Explanation,
    Found,
    Outcome,
    denial,
    explain,
)
from bot.core.sessions import Query, SessionList
from bot.errors import SlackError
from bot.features.share.form import (
    FORM,
    TITLE,
    WHERE,
    Choice,
    Places,
    options,
    read_choice,
    share_form,
)
from bot.settings import Settings
from bot.slack import action_ids, answer, messages, texts
from bot.slack.answer import Reader
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import RESPONSE_URL, Message, always, escape, modal, note
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.presses import Presses
from bot.slack.request import (
    SENDING,
    Ack,
    Job,
    SlackRequest,
    is_visible_to_all,
    message_thread,
    pressed_value,
)
from bot.slack.response_url import Posted
from bot.slack.signing import BadSignature, Kind, Signer
from bot.slack.targets import Targets, new_message
from bot.slack.web_api import WebApi
from bot.store.protocol import NotStored

PREPARING: Final = "One moment …"
SESSIONS_CHANGED: Final = (
    "The sessions have changed, so nothing was shared. Please refresh the answer, then share."
)
NOT_SHARED: Final = "Slack didn't take the message, so nothing was shared. Please share it again."
NOT_STORED: Final = (
    "My database is not available, so nothing was shared. Please share it again in a minute."
)
MAYBE_SHARED: Final = (
    "Slack didn't say whether it took the message. Please check before you share it again."
)
NO_CHANNEL: Final = "Please choose a channel."
NOT_SHOWN_THERE: Final = "Sessions aren't shown in that channel. Please choose another."
ALREADY_SHARED: Final = "You have already shared these sessions from this window."

_SHARED_SECONDS: Final = 60 * 60.0
"""How long a submitted modal is known, so that it can't post twice."""

_REMEMBERED_SECONDS: Final = 5 * 60.0
_MAX_REMEMBERED: Final = 200  # modals


@dataclass(slots=True)
class _Sharing:
    """A share in progress; once `posting` is set, it may have been posted.

    `origin` is the part of the press that says where its message or modal is.
    """

    query: Query
    origin: dict[str, Any]
    choice: Choice
    job: Job
    posting: bool = False

    @property
    def channel(self) -> str:
        """The channel to share in."""
        return self.choice.channel or str(self.origin["channel"]["id"])

    @property
    def response_url(self) -> str:
        """The response_url of the channel."""
        return self.choice.response_url or str(self.origin["response_url"])


@dataclass(frozen=True, slots=True)
class Share:
    """Opens the modal, and shares what is chosen in it."""

    manifest: ClassVar = Manifest()

    settings: Settings
    audit: Audit
    lookup: Lookup
    lookups: Lookups
    web_api: WebApi
    signer: Signer
    presses: Presses
    targets: Targets
    background: BackgroundTasks
    _in_modals: TTLCache[str, Found] = field(
        default_factory=lambda: TTLCache(_MAX_REMEMBERED, _REMEMBERED_SECONDS), init=False
    )

    def register(self, app: App) -> None:
        """Register the button and the modal."""
        app.action(action_ids.SHARE, EntryPoint.SHARE, self.on_press)
        app.view(FORM, EntryPoint.SHARE, self.on_submit)

    # -- The modal --------------------------------------------------------------------------------

    async def on_press(self, request: SlackRequest) -> Ack:
        """Open the modal at once, and fill it when the sessions are there."""
        if query := self.presses.query(request, Kind.SHARE):
            self.background.start(self._open(query, request))
        return None

    async def _open(self, query: Query, request: SlackRequest) -> None:
        waiting = modal(TITLE, note(PREPARING)["blocks"])
        view_id = await self.web_api.open_modal(request.body, waiting)
        if not view_id:
            self.presses.tell(texts.MODAL_NOT_OPENED, request)
            return

        async def say_restarting() -> None:
            await self._update(view_id, note(RESTARTING))

        filling = self._fill(view_id, query, request)
        await self.background.notify_if_cancelled(filling, say_restarting)

    async def _fill(self, view_id: str, query: Query, request: SlackRequest) -> None:
        actor = self.presses.actor(request)
        outcome = await self.lookup.run(query, actor)
        if not (isinstance(outcome, Found) and _was_shown(outcome.sessions, query)):
            await self._update(view_id, self._why_not(outcome))
            return
        self._in_modals[view_id] = outcome
        form = share_form(
            options(outcome.sessions, await self.lookups.reader(actor)),
            query.person,
            self.signer.sign(
                metadata_of(pressed_value(request.body), request.body, actor),
                actor.user,
                Kind.SHARE_FORM,
            ),
            places=_places(request.body),
        )
        try:
            await self.web_api.update_modal(view_id, form)
        except SlackError:
            self.presses.tell(texts.MODAL_NOT_OPENED, request)

    async def _update(self, view_id: str, message: Message) -> None:
        await self.web_api.update_modal(view_id, modal(TITLE, message["blocks"]))

    def _why_not(self, outcome: Outcome) -> Message:
        match outcome:
            case Found():
                return note(SESSIONS_CHANGED)
            case AccessDenied(reason):
                settings = self.settings
                return messages.access_denied(
                    reason, settings.admin_contact, settings.allowed_channels
                )
            case _:
                return note(explain(outcome).in_one_line(self.settings.admin_contact))

    # -- Sharing ----------------------------------------------------------------------------------

    async def on_submit(self, request: SlackRequest) -> Ack:
        """Close the modal and share, once, however often it is submitted."""
        view, user, job = request.body["view"], request.actor.user, request.job
        try:
            metadata = self.signer.verify(str(view.get("private_metadata")), user, Kind.SHARE_FORM)
            pressed, _, value = metadata.partition("\n")
            query = self.signer.verify_query(value, user, Kind.SHARE)
        except BadSignature as error:
            self.audit.note_denial(request.actor, error.reason)
            await job.done()
            return _refuse(denial(error.reason).what)
        origin = json.loads(pressed)
        choice, allowed = read_choice(request.body), self.settings.allowed_channels
        problem = ""
        if "view" in origin and not choice.channel:
            problem = NO_CHANNEL
        elif choice.channel and allowed and choice.channel not in allowed:
            problem = NOT_SHOWN_THERE
        if problem:
            await job.done()
            return {"response_action": "errors", "errors": {WHERE: problem}}
        if not await job.take("shared from", str(view["id"]), done_seconds=_SHARED_SECONDS):
            return _refuse(ALREADY_SHARED)
        may_be_posted = job.step == SENDING
        sharing = _Sharing(query, origin, choice, job, may_be_posted)

        async def leave() -> None:
            if not await job.hand_over():
                sentence = MAYBE_SHARED if sharing.posting else RESTARTING
                await self._tell(sharing, note(sentence))

        work = self._share_once(sharing, request)
        self.background.start(self.background.notify_if_cancelled(work, leave))
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
        # A modal has no channel, but the button that opened it had one.
        actor = replace(request.actor, channel=sharing.channel)
        await request.acknowledged
        found = await self._found(sharing, str(request.body["view"]["id"]), actor)
        if not isinstance(found, Found):
            await self._tell(sharing, found)
            return
        number, count = sharing.choice.number, len(found.sessions.sessions)
        if number is not None and number not in range(count):
            await self._tell(sharing, note(SESSIONS_CHANGED))
            return
        reader = await self.lookups.reader(actor)
        # Recorded before it is posted: Slack may not say whether it took it.
        event = found.event or self.audit.event(actor, Result.SHARED, query=sharing.query)
        shared = count if number is None else 1
        event = replace(event, channel=actor.channel, result=Result.SHARED.value, count=shared)
        if not await self.audit.prepare(event):
            not_recorded = Explanation(
                "The share could not be recorded, and your company shows no sessions without a "
                "record.",
                "Please try again in a minute. If it happens again, tell {contact}.",
            )
            await self._tell(sharing, note(not_recorded.in_one_line(self.settings.admin_contact)))
            return
        failure = "cancelled"
        try:
            failure = await self._post_and_tell(found.sessions, sharing, actor, reader)
        finally:
            is_unsure = failure == "cancelled" and sharing.posting
            self.audit.complete(event, failure="" if is_unsure else failure)

    async def _found(self, sharing: _Sharing, view_id: str, actor: Actor) -> Found | Message:
        """Return the sessions that the modal offered, or why there is nothing to share."""
        if remembered := self._in_modals.pop(view_id, None):
            return await self.lookups.denied(actor) or remembered
        outcome = await self.lookup.run(sharing.query, actor, seen_before=True)
        if isinstance(outcome, Found) and _was_shown(outcome.sessions, sharing.query):
            return outcome
        return self._why_not(outcome)

    async def _post_and_tell(
        self, found: SessionList, sharing: _Sharing, actor: Actor, reader: Reader
    ) -> str:
        """Post the sessions, and tell the person. Returns why it failed, or ""."""
        try:
            if not await sharing.job.is_ours(recorded=True):
                return "done by another process"
        except NotStored:
            await self._tell(sharing, note(NOT_STORED))
            return "not stored"
        sharing.posting = True
        posted = await self._post(found, sharing, actor.user, reader)
        if posted in (Posted.REFUSED, Posted.NOT_SENT):
            await self._tell(sharing, note(NOT_SHARED))
            return "not shared"
        if posted is not Posted.TAKEN:
            await self._tell(sharing, note(MAYBE_SHARED))
            return ""
        is_current = await self.presses.begin(sharing.origin)
        where = _where(sharing)
        await self.targets.in_place(sharing.origin).send(
            lambda size_limit: self.lookups.render_found(found, actor, size_limit, reader, where),
            is_current,
        )
        return ""

    async def _post(
        self, found: SessionList, sharing: _Sharing, user: str, reader: Reader
    ) -> Posted:
        """Post for everyone, with one attempt: it must not come twice."""
        choice = sharing.choice
        is_first = not choice.number
        if choice.number is not None:
            found = _only(found, choice.number)
        message = answer.shared(
            found,
            reader.now,
            user,
            RESPONSE_URL,
            named=choice.is_named,
            is_first=is_first,
            note=choice.note,
        )
        thread = message_thread(sharing.origin) if choice.is_in_thread else ""
        message |= new_message(thread)
        return await self.targets.urls.post(sharing.response_url, message, attempts=1)

    async def _tell(self, sharing: _Sharing, message: Message) -> None:
        await self.targets.beside(sharing.origin).send(always(message))


def _refuse(sentence: str) -> Ack:
    return {"response_action": "update", "view": modal(TITLE, note(sentence)["blocks"])}


def metadata_of(value: str, body: dict[str, Any], actor: Actor) -> str:
    """Return what the modal remembers: where the answer is, and the value of its button."""
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
    return f"{json.dumps(origin)}\n{value}"


def _places(body: dict[str, Any]) -> Places:
    if "view" in body or is_visible_to_all(body):
        return Places.ANY_CHANNEL
    return Places.THREAD_OR_CHANNEL if message_thread(body) else Places.HERE


def _only(found: SessionList, number: int) -> SessionList:
    """Return one session alone; it says nothing of the others."""
    is_first = number == 0
    keeps_moment = found.at_moment and is_first
    return replace(
        found,
        sessions=(found.sessions[number],),
        at_moment=keeps_moment,
        replay=found.replay if is_first else None,
        query=found.query if keeps_moment else replace(found.query, moment=None),
    )


def _where(sharing: _Sharing) -> str:
    """Return where it was shared, in Slack's markup; direct messages have no name."""
    if sharing.choice.is_in_thread:
        return "this thread"
    channel = sharing.channel
    is_chosen = bool(sharing.choice.channel)
    return f"<#{escape(channel)}>" if is_chosen or channel.startswith("C") else "this conversation"


def _was_shown(found: SessionList, query: Query) -> bool:
    """Tell whether these are the sessions that the answer showed."""
    shown = query.shown
    return shown is not None and found.snapshot(shown.as_of).fingerprint == shown.fingerprint
