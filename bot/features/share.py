"""Sharing one of the sessions, or all, with everybody in the conversation.

A window asks which, with or without the name, and where. What is shared is what was shown: for the
window, the sessions are looked up again, and compared; the process that has opened it remembers
them for some minutes. They are posted through the response_url of the button, so the bot need not
be a member of the channel.

- https://docs.slack.dev/surfaces/modals
- https://docs.slack.dev/interactivity/handling-user-interaction#message_responses
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, Final

from cachetools import TTLCache

from bot.core.access import Actor, EntryPoint
from bot.core.outcomes import AccessDenied, Crashed, Failed, Found, NotRecorded, Outcome
from bot.core.sessions import Query, SessionList
from bot.slack import action_ids, answer, modals, texts
from bot.slack.answer import Reader
from bot.slack.answers import Restarting
from bot.slack.blocks import RESPONSE_URL, Message, always, escape, note
from bot.slack.job import SENDING, Job
from bot.slack.request import Route, SlackRequest, field_value
from bot.slack.response_url import Posted
from bot.slack.services import Services, value_of
from bot.slack.signing import Kind, Outdated, WrongUser
from bot.slack.targets import beside, thread_of
from bot.store.protocol import NotStored

_SHARED_SECONDS: Final = 60 * 60.0
"""How long it is known that a window was sent: it can't be posted twice."""

_REMEMBERED_SECONDS: Final = 5 * 60.0
_MOST_REMEMBERED: Final = 200  # windows


@dataclass(frozen=True, slots=True)
class _Choice:
    """What the window asks for: the number of a session, or None for all of them."""

    number: int | None
    named: bool
    in_thread: bool


@dataclass(slots=True)
class _Sharing:
    """One share under way; once `posting` is set, it may be there.

    `origin` is what the press on the button told of its message.
    """

    query: Query
    origin: dict[str, Any]
    choice: _Choice
    job: Job
    posting: bool = False


class Share:
    """Opens the window, and shares what is chosen in it."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._in_windows: TTLCache[str, Found] = TTLCache(_MOST_REMEMBERED, _REMEMBERED_SECONDS)

    def routes(self) -> tuple[Route, ...]:
        """The button, and the window when it is sent."""
        return (
            Route("action", action_ids.SHARE, EntryPoint.SHARE, self.pressed),
            Route("view", action_ids.SHARE_FORM, EntryPoint.SHARE, self.submitted),
        )

    # -- The window -------------------------------------------------------------------------------

    async def pressed(self, request: SlackRequest) -> None:
        """*Share…*: opens the window at once, and fills it when the sessions are there."""
        await request.ack()
        query = self._services.pressed_query(request, Kind.SHARE)
        if query:
            self._services.delivery.start(self._open(query, request))

    async def _open(self, query: Query, request: SlackRequest) -> None:
        services = self._services
        waiting = modals.note_window(texts.SHARE_TITLE, note(texts.SHARE_PREPARING))
        view_id = await services.views.open(request.body["trigger_id"], waiting)
        if not view_id:
            services.tell_beside(texts.WINDOW_NOT_OPENED, request)
            return

        async def tell_of_the_end() -> None:
            await self._say_in(view_id, note(texts.RESTARTING))

        filling = self._fill(view_id, query, request)
        await services.background.notify_if_cancelled(filling, tell_of_the_end)

    async def _fill(self, view_id: str, query: Query, request: SlackRequest) -> None:
        services, actor = self._services, request.actor
        outcome = await services.answers.look_up(query, actor)
        if not (isinstance(outcome, Found) and _was_shown(outcome.sessions, query)):
            await self._say_in(view_id, self._why_not(outcome))
            return
        self._in_windows[view_id] = outcome
        reader = await services.answers.reader(actor)
        found = outcome.sessions
        entries = [
            texts.share_one(
                answer.time_in_words(session, reader),
                is_first=number == 0,
                moment=found.moment_of_first,
            )
            for number, session in enumerate(found.sessions)
        ]
        kept = origin(value_of(request), request.body, actor)
        form = modals.share_form(
            entries,
            query.person,
            services.answers.seal(kept, actor.user, Kind.SHARE_FORM),
            in_thread=bool(thread_of(request.body)),
        )
        if not await services.views.update(view_id, form):
            services.tell_beside(texts.WINDOW_NOT_OPENED, request)

    async def _say_in(self, view_id: str, message: Message) -> None:
        view = modals.note_window(texts.SHARE_TITLE, message)
        await self._services.views.update(view_id, view)

    def _why_not(self, outcome: Outcome | Restarting) -> Message:
        contact = self._services.settings.admin_contact
        match outcome:
            case Found():
                return note(texts.SESSIONS_CHANGED)
            case AccessDenied(refusal):
                return self._services.answers.refused(refusal)
            case Failed(error, reference):
                return note(texts.in_one_line(texts.failure(error), contact, reference))
            case Crashed(reference):
                return note(texts.in_one_line(texts.our_fault(), contact, reference))
            case NotRecorded(reference):
                return note(texts.in_one_line(texts.NOT_RECORDED, contact, reference))
            case Restarting():
                return note(texts.RESTARTING)

    # -- Sharing ----------------------------------------------------------------------------------

    async def submitted(self, request: SlackRequest) -> None:
        """Closes the window, and shares; once, however often it is sent."""
        services, view = self._services, request.body["view"]
        try:
            text = services.answers.unseal(
                str(view.get("private_metadata")), request.actor.user, Kind.SHARE_FORM
            )
            kept, _, value = text.partition("\n")
            query = services.answers.verify_value(value, request.actor.user, Kind.SHARE)
        except (WrongUser, Outdated) as error:
            await self._refuse(request, texts.not_for(services.refuse_sealed(request, error)))
            await request.job.done()
            return
        job = request.job
        if not await job.take("shared from", str(view["id"]), keep=_SHARED_SECONDS):
            await self._refuse(request, texts.SHARED_ALREADY)
            return
        await request.ack()
        maybe_there = job.step == SENDING
        sharing = _Sharing(query, json.loads(kept), _choice(view), job, maybe_there)

        async def leave() -> None:
            if not await job.hand_over():
                sentence = texts.MAYBE_SHARED if sharing.posting else texts.RESTARTING
                await self._tell(sharing, note(sentence))

        work = self._share_once(sharing, request)
        services.delivery.start(services.background.notify_if_cancelled(work, leave))

    async def _share_once(self, sharing: _Sharing, request: SlackRequest) -> None:
        if sharing.posting:  # by a process that has died since
            await self._tell(sharing, note(texts.MAYBE_SHARED))
        elif sharing.job.is_hopeless:
            await self._tell(sharing, note(texts.RESTARTING))
        else:
            await self._share(sharing, request)
        await sharing.job.done()

    async def _share(self, sharing: _Sharing, request: SlackRequest) -> None:
        services, query = self._services, sharing.query
        # A window is in no channel; the button that opened it was.
        actor = replace(request.actor, channel=sharing.origin["channel"]["id"])
        await request.acknowledged
        outcome = await self._found(sharing, str(request.body["view"]["id"]), actor)
        if isinstance(outcome, dict):
            await self._tell(sharing, outcome)
            return
        found = outcome.sessions
        number, count = sharing.choice.number, len(found.sessions)
        if number is not None and number not in range(count):
            await self._tell(sharing, note(texts.SESSIONS_CHANGED))
            return
        reader = await services.answers.reader(actor)
        # Before it is there: Slack may not say whether it took it.
        shared = count if number is None else 1
        event = await services.answers.prepare_share(query, actor, shared, outcome.event)
        if event is None:
            reason = texts.in_one_line(texts.NOT_RECORDED, services.settings.admin_contact)
            await self._tell(sharing, note(reason))
            return
        failure = "cancelled"
        try:
            failure = await self._post_recorded(found, sharing, actor, reader)
        finally:
            is_unsure = failure == "cancelled" and sharing.posting
            services.answers.complete_share(event, failure="" if is_unsure else failure)

    async def _found(self, sharing: _Sharing, view_id: str, actor: Actor) -> Found | Message:
        """The sessions that the window offered; or why there are none to share."""
        services, query = self._services, sharing.query
        if remembered := self._in_windows.pop(view_id, None):
            return await services.answers.refusal(actor) or remembered
        outcome = await services.answers.look_up(query, actor, seen_before=True)
        if isinstance(outcome, Found) and _was_shown(outcome.sessions, query):
            return outcome
        return self._why_not(outcome)

    async def _post_recorded(
        self, found: SessionList, sharing: _Sharing, actor: Actor, reader: Reader
    ) -> str:
        """Post, and tell the person how that went. Returns why it failed, or ""."""
        services = self._services
        try:
            if not await sharing.job.still_ours(recorded=True):
                return "done by another process"
        except NotStored:
            await self._tell(sharing, note(texts.SHARE_NOT_STORED))
            return "not stored"
        sharing.posting = True
        posted = await self._post(found, sharing, actor.user, reader)
        if posted in (Posted.REFUSED, Posted.NOT_SENT):
            await self._tell(sharing, note(texts.NOT_SHARED))
            return "not shared"
        if posted is not Posted.TAKEN:
            await self._tell(sharing, note(texts.MAYBE_SHARED))
            return ""
        is_current = await services.presses.begin(sharing.origin)
        buttons = services.answers.buttons(found, actor.user, reader)
        where = _where(sharing)
        await services.targets.in_place(sharing.origin).send(
            lambda size_limit: answer.answer(found, reader, size_limit, buttons, where), is_current
        )
        return ""

    async def _post(
        self, found: SessionList, sharing: _Sharing, user: str, reader: Reader
    ) -> Posted:
        """Posts for everybody, with one attempt: it must not come twice."""
        choice = sharing.choice
        is_first = not choice.number
        if choice.number is not None:
            one = found.sessions[choice.number]
            found = replace(
                found,
                sessions=(one,),
                at_moment=found.at_moment and is_first,
                replay=found.replay if is_first else None,
                query=found.query if found.at_moment and is_first else _without_moment(found.query),
            )
        message = answer.shared(
            found, reader.now, user, RESPONSE_URL, named=choice.named, is_first=is_first
        )
        thread = thread_of(sharing.origin) if choice.in_thread else ""
        url = sharing.origin["response_url"]
        return await self._services.targets.urls.post(url, message | beside(thread), attempts=1)

    async def _tell(self, sharing: _Sharing, message: Message) -> None:
        await self._services.targets.beside(sharing.origin).send(always(message))

    async def _refuse(self, request: SlackRequest, sentence: str) -> None:
        view = modals.note_window(texts.SHARE_TITLE, note(sentence))
        await request.ack(response_action="update", view=view)


# -- What the window remembers --------------------------------------------------------------------


def origin(value: str, body: dict[str, Any], actor: Actor) -> str:
    """Two lines about the button that was pressed: where its message stands, and its value."""
    container = body.get("container", {})
    kept = {
        "response_url": body["response_url"],
        "user": {"id": actor.user},
        "channel": {"id": actor.channel},
        "container": {
            "message_ts": container.get("message_ts"),
            "thread_ts": thread_of(body),
            "is_ephemeral": container.get("is_ephemeral"),
        },
    }
    return f"{json.dumps(kept)}\n{value}"


def _choice(view: dict[str, Any]) -> _Choice:
    def chosen(field: str) -> str:
        option = field_value(view, field, "selected_option")
        return str(option["value"]) if isinstance(option, dict) else ""

    which = chosen(action_ids.WHICH_FIELD) or "0"
    number = int(which) if which.isdecimal() and len(which) < 4 else -1
    return _Choice(
        number=None if which == action_ids.ALL else number,
        named=bool(field_value(view, action_ids.NAME_FIELD, "selected_options")),
        in_thread=chosen(action_ids.WHERE_FIELD) == action_ids.IN_THREAD,
    )


def _without_moment(query: Query) -> Query:
    """What is shared alone says nothing of the others."""
    return replace(query, moment=None)


def _where(sharing: _Sharing) -> str:
    """Slack's markup for the place; direct messages have no name."""
    if sharing.choice.in_thread:
        return texts.THIS_THREAD
    channel = str(sharing.origin["channel"]["id"])
    return f"<#{escape(channel)}>" if channel.startswith("C") else texts.THIS_CONVERSATION


def _was_shown(found: SessionList, query: Query) -> bool:
    """Whether these are the sessions that the answer showed."""
    shown = query.shown
    return shown is not None and found.snapshot(shown.as_of).fingerprint == shown.fingerprint
