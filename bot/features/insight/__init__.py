"""*What happened?*: tells what went wrong in a session, to the person who presses, alone.

Each press on it may cost an Activation of Fullstory's, so there is a limit for each day, and what
is known already is not paid again. It is off unless `INSIGHTS` is set. A bug report about what
happened can be copied, or posted after a preview.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar, Final

from bot.core.access import Actor, EntryPoint
from bot.core.audit import Audit, Result
from bot.core.insight import Insights, Told, explain_no_insight
from bot.core.lookup import Lookup
from bot.core.outcomes import AccessDenied, Explanation, Found, explain
from bot.core.sessions import Moment, Query, Session, SessionList, newest_first
from bot.core.story import Story, Window, replay_of, tell
from bot.core.story_words import bug_report
from bot.features.insight import report, view
from bot.settings import Settings
from bot.slack import action_ids, messages, texts
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import (
    Block,
    Message,
    Renderer,
    View,
    actions,
    always,
    button,
    modal,
    note,
)
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.presses import Presses
from bot.slack.request import Ack, SlackRequest
from bot.slack.response_url import IsCurrent, always_current
from bot.slack.sharing import Content, Sharing, origin_of, places
from bot.slack.signing import BadSignature, Kind, Signer, insight_of, insight_text
from bot.slack.targets import ReplyTarget, Targets
from bot.slack.web_api import WebApi

_ASKING: Final = note(view.ASKING)


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of a session that is told, and the sessions around it."""

    session: Session
    window: Window | None
    moment: Moment | None
    found: SessionList


@dataclass(frozen=True, slots=True)
class Insight:
    """Answers the presses, and posts bug reports."""

    manifest: ClassVar = Manifest()

    settings: Settings
    audit: Audit
    lookup: Lookup
    lookups: Lookups
    insights: Insights
    signer: Signer
    presses: Presses
    sharing: Sharing
    targets: Targets
    delivery: Delivery
    web_api: WebApi
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the buttons, and the preview of a bug report."""
        pressed = re.compile(f"{action_ids.INSIGHT}(:[a-z]+)?")
        app.action(pressed, EntryPoint.BUTTON, self.on_press)
        app.action(view.REPORT, EntryPoint.BUTTON, self.on_report)
        app.view(report.FORM, EntryPoint.SHARE, self.on_submit)

    # -- What happened ----------------------------------------------------------------------------

    async def on_press(self, request: SlackRequest) -> Ack:
        """Tell what happened in a modal, which opens at once; a press in that modal stays in it."""
        text = self.presses.text(request, Kind.INSIGHT)
        if text is not None and not self.settings.insights:  # the answer is older than that
            self.presses.tell(view.IS_OFF, request)
        elif text is not None:
            self.background.start(self._tell(text, request))
        return None

    async def _tell(self, text: str, request: SlackRequest) -> None:
        if not await request.job.take_interaction():
            return
        is_current: IsCurrent = always_current
        if _is_ours(request):
            is_current = await self.presses.begin(request.body, request.job)
        target = await self._target(request)
        work = self._render(text, request)
        self.delivery.after_ack(work, request, target, is_current=is_current, progress=_ASKING)

    async def _target(self, request: SlackRequest) -> ReplyTarget:
        """Return the modal that is open, or a new one; a message if Slack doesn't open it."""
        body, shown = request.body, request.body.get("view") or {}
        metadata = str(shown.get("private_metadata") or "")
        if _is_ours(request):
            return self.targets.modal(body, partial(view.in_insight_modal, metadata=metadata))
        actor = self.presses.actor(request)
        remembered = f"{actor.channel}\n{json.dumps(origin_of(body, actor))}"
        metadata = self.signer.sign(remembered, actor.user, Kind.CHANNEL)
        frame = partial(view.in_insight_modal, metadata=metadata)
        # The trigger of a resumed job is too old.
        if not request.job.is_resumed and (
            view_id := await self.web_api.open_modal(body, frame(_ASKING))
        ):
            return self.targets.modal(body | {"view": {"id": view_id}}, frame)
        return self.targets.beside(body)

    async def _render(self, text: str, request: SlackRequest) -> Renderer:
        actor = self.presses.actor(request)
        part = await self._part(text, actor)
        if not isinstance(part, _Part):
            return always(part)
        insight = await self.insights.run(
            part.session,
            part.window,
            part.found.query,
            actor,
            may_pay=not request.job.is_resumed,
        )
        if not isinstance(insight, Told):
            return always(self._problem(explain_no_insight(insight), text, actor.user))
        story = tell(insight.excerpt)
        return always(
            view.render_story(
                story,
                part.session,
                part.window,
                part.moment,
                datetime.now(UTC),
                self._buttons(text, part, story, actor.user),
                links=self.settings.replay_at_moment,
            )
        )

    async def _part(self, text: str, actor: Actor) -> _Part | Message:
        """Look the session up again: the person may not be allowed to see it anymore."""
        ids, query, at_end = insight_of(text)
        outcome = await self.lookup.run(query, actor, seen_before=True)
        if not isinstance(outcome, Found):
            if isinstance(outcome, AccessDenied):
                return self.lookups.explained(outcome)
            return self._problem(explain(outcome), text, actor.user)
        found = outcome.sessions
        session = next((one for one in found.sessions if one.ids == ids), None)
        if session is None:
            return note(view.SESSION_GONE)
        is_first = session is found.sessions[0]
        moment = found.moment_of_first if is_first and not at_end else None
        return _Part(session, Window.around(moment), moment, found)

    def _problem(self, explanation: Explanation, text: str, user: str) -> Message:
        message = messages.problem(explanation, self.settings.admin_contact)
        if explanation.can_retry:
            again = self.signer.sign(text, user, Kind.INSIGHT)
            message["blocks"].append(actions(button(view.AGAIN, texts.TRY_AGAIN, again)))
        return message

    def _buttons(self, text: str, part: _Part, story: Story, user: str) -> list[Block]:
        query = part.found.query

        def value(session: Session | None, *, at_end: bool = False) -> str:
            if session is None or not session.ids:
                return ""
            return self.signer.sign(
                insight_text(session.ids, query, at_end=at_end), user, Kind.INSIGHT
            )

        watch = self.signer.sign_query(replace(query, shown=None), user)
        watching = view.watch_button(self._replay(story, part), part.session, watch)
        earlier, later = _neighbors(part.session, part.found.sessions)
        row = view.button_row(
            (view.REPORT, report.OPEN, self.signer.sign(text, user, Kind.REPORT)),
            (view.END, view.SHOW_END, value(part.session if part.window else None, at_end=True)),
            (view.EARLIER, view.SHOW_EARLIER, value(earlier)),
            (view.LATER, view.SHOW_LATER, value(later)),
        )
        return [*([watching] if watching else []), *row]

    def _replay(self, story: Story, part: _Part) -> str | None:
        """Return a link that opens the replay where it matters, if such links are wanted."""
        if not self.settings.replay_at_moment:
            return None
        return replay_of(story, part.session, part.window)

    # -- The bug report ---------------------------------------------------------------------------

    async def on_report(self, request: SlackRequest) -> Ack:
        """Open a preview of the report, which can be changed, copied and posted."""
        text = self.presses.text(request, Kind.REPORT)
        if text is not None:
            form = partial(self._form, text, request)
            self.background.start(self.sharing.open(request, report.TITLE, form))
        return None

    async def _form(self, text: str, request: SlackRequest, _: str) -> View:
        actor = self.presses.actor(request)
        part = await self._part(text, actor)
        if not isinstance(part, _Part):
            return modal(report.TITLE, part["blocks"])
        excerpt = await self.insights.known(part.session, part.window)
        if excerpt is None:
            return modal(report.TITLE, note(report.FORGOTTEN)["blocks"])
        links = self.settings.replay_at_moment
        written = bug_report(tell(excerpt), part.session, part.window, links=links)
        origin = self._origin(request, part.found.query.moment)
        metadata = f"{json.dumps(origin)}\n{text}"
        return report.form(
            written, places(origin), self.signer.sign(metadata, actor.user, Kind.REPORT_FORM)
        )

    def _origin(self, request: SlackRequest, moment: Moment | None) -> dict[str, Any]:
        """Return where *What happened?* was pressed; its thread is that of a ticket's message."""
        metadata = str((request.body.get("view") or {}).get("private_metadata") or "")
        try:
            text = self.signer.verify(metadata, request.actor.user, Kind.CHANNEL)
        except BadSignature:
            return origin_of(request.body, request.actor)
        origin: dict[str, Any] = json.loads(text.partition("\n")[2])
        if moment and moment.is_here and "response_url" in origin:
            container = origin["container"]
            container["thread_ts"] = container["thread_ts"] or f"{moment.time.timestamp():.6f}"
        return origin

    async def on_submit(self, request: SlackRequest) -> Ack:
        """Post the report as it was changed."""
        shown, user = request.body["view"], request.actor.user
        try:
            metadata = self.signer.verify(
                str(shown.get("private_metadata")), user, Kind.REPORT_FORM
            )
        except BadSignature as error:
            return await self.sharing.refuse(error, request, report.TITLE)
        origin, _, text = metadata.partition("\n")
        _, query, _ = insight_of(text)
        prepare = partial(self._content, query, report.written_in(request.body))
        return await self.sharing.submit(request, json.loads(origin), report.TITLE, prepare)

    async def _content(self, query: Query, written: str, actor: Actor) -> Content | Message:
        if denied := await self.lookups.denied(actor):
            return denied
        event = self.audit.event(actor, Result.SHARED, query=query, count=1)
        return Content(report.posted(written, actor.user), event, report.posted_in)


def _is_ours(request: SlackRequest) -> bool:
    """Tell whether a button was pressed in the modal *What happened?*."""
    return (request.body.get("view") or {}).get("callback_id") == view.VIEW


def _neighbors(
    session: Session, sessions: tuple[Session, ...]
) -> tuple[Session | None, Session | None]:
    """Return the sessions of the list that started right before and after one of them."""
    ordered = newest_first(sessions, len(sessions))[::-1]
    if session not in ordered:
        return None, None
    number = ordered.index(session)
    earlier = ordered[number - 1] if number else None
    return earlier, (ordered[number + 1] if number + 1 < len(ordered) else None)
