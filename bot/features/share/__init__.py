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
from functools import partial
from typing import ClassVar, Final

from cachetools import TTLCache

from bot.core.access import Actor, EntryPoint
from bot.core.audit import Audit, Result
from bot.core.lookup import Lookup
from bot.core.outcomes import Found, NoResult
from bot.core.sessions import Query, SessionList
from bot.features.share.form import FORM, TITLE, Choice, options, read_choice, share_form
from bot.slack import action_ids, answer
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import RESPONSE_URL, Message, Renderer, SizeLimit, View, modal, note
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.presses import Presses
from bot.slack.request import Ack, SlackRequest, pressed_value
from bot.slack.sharing import Content, Sharing, origin_of, places
from bot.slack.signing import BadSignature, Kind, Signer

SESSIONS_CHANGED: Final = (
    "The sessions have changed, so nothing was shared. Please refresh the answer, then share."
)
_REMEMBERED_SECONDS: Final = 5 * 60.0
_MAX_REMEMBERED: Final = 200  # modals


@dataclass(frozen=True, slots=True)
class Share:
    """Opens the modal, and shares what is chosen in it."""

    manifest: ClassVar = Manifest()

    audit: Audit
    lookup: Lookup
    lookups: Lookups
    signer: Signer
    presses: Presses
    sharing: Sharing
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
            form = partial(self._form, query, request)
            self.background.start(self.sharing.open(request, TITLE, form))
        return None

    async def _form(self, query: Query, request: SlackRequest, view_id: str) -> View:
        actor = self.presses.actor(request)
        outcome = await self.lookup.run(query, actor)
        if not isinstance(outcome, Found) or not _was_shown(outcome.sessions, query):
            return modal(TITLE, self._why_not(outcome)["blocks"])
        self._in_modals[view_id] = outcome
        metadata = f"{json.dumps(origin_of(request.body, actor))}\n{pressed_value(request.body)}"
        return share_form(
            options(outcome.sessions, await self.lookups.reader(actor)),
            query.person,
            self.signer.sign(metadata, actor.user, Kind.SHARE_FORM),
            places=places(request.body),
        )

    def _why_not(self, outcome: Found | NoResult) -> Message:
        if isinstance(outcome, Found):
            return note(SESSIONS_CHANGED)
        return self.lookups.explained(outcome)

    # -- Sharing ----------------------------------------------------------------------------------

    async def on_submit(self, request: SlackRequest) -> Ack:
        """Share what was chosen."""
        view, user = request.body["view"], request.actor.user
        try:
            metadata = self.signer.verify(str(view.get("private_metadata")), user, Kind.SHARE_FORM)
            origin, _, value = metadata.partition("\n")
            query = self.signer.verify_query(value, user, Kind.SHARE)
        except BadSignature as error:
            return await self.sharing.refuse(error, request, TITLE)
        prepare = partial(self._content, query, read_choice(request.body), str(view["id"]))
        return await self.sharing.submit(request, json.loads(origin), TITLE, prepare)

    async def _content(
        self, query: Query, choice: Choice, view_id: str, actor: Actor
    ) -> Content | Message:
        """Return the chosen sessions, or why there is nothing to share."""
        found = await self._found(query, view_id, actor)
        if not isinstance(found, Found):
            return found
        sessions, number, count = found.sessions, choice.number, len(found.sessions.sessions)
        if number is not None and number not in range(count):
            return note(SESSIONS_CHANGED)
        reader = await self.lookups.reader(actor)
        shared = count if number is None else 1
        event = found.event or self.audit.event(actor, Result.SHARED, query=query)
        message = answer.shared(
            sessions if number is None else _only(sessions, number),
            reader.now,
            actor.user,
            RESPONSE_URL,
            named=choice.is_named,
            is_first=not number,
            note=choice.note,
        )

        def with_place(where: str) -> Renderer:
            def render(size_limit: SizeLimit) -> Message:
                return self.lookups.render_found(sessions, actor, size_limit, reader, where)

            return render

        return Content(
            message,
            replace(event, channel=actor.channel, result=Result.SHARED.value, count=shared),
            with_place,
            replaces=True,
        )

    async def _found(self, query: Query, view_id: str, actor: Actor) -> Found | Message:
        """Return the sessions that the modal offered, or why there is nothing to share."""
        if remembered := self._in_modals.pop(view_id, None):
            return await self.lookups.denied(actor) or remembered
        outcome = await self.lookup.run(query, actor, seen_before=True)
        if isinstance(outcome, Found) and _was_shown(outcome.sessions, query):
            return outcome
        return self._why_not(outcome)


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


def _was_shown(found: SessionList, query: Query) -> bool:
    """Tell whether these are the sessions that the answer showed."""
    shown = query.shown
    return shown is not None and found.snapshot(shown.as_of).fingerprint == shown.fingerprint
