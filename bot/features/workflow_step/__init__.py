"""The custom step *Find Fullstory sessions* of Workflow Builder.

Slack starts a run with an event, and waits until the bot says how it ended.

- https://docs.slack.dev/workflows/creating-custom-steps-dynamic-options
- https://docs.slack.dev/reference/events/function_executed
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final

import structlog

from bot.core.access import OTHER_WORKFLOW, Actor, DenialReason, EntryPoint
from bot.core.audit import Audit
from bot.core.insight import Insights, Told, explain_no_insight
from bot.core.lookup import Lookup
from bot.core.outcomes import Found, crash
from bot.core.query import Help, ParseError, Problem, Search, Several, parse_limit
from bot.core.sessions import Moment, SessionList
from bot.core.story import Window, tell
from bot.core.story_words import bug_report
from bot.core.times import UnclearTime, names_its_zone
from bot.errors import FsessionsError, ProfileError, SlackError
from bot.features.workflow_step import texts
from bot.features.workflow_step.ending import Ending, Run, Stopped, Succeeded
from bot.features.workflow_step.outputs import outputs, withheld
from bot.logs import new_reference
from bot.settings import Settings
from bot.slack.app import App
from bot.slack.background import BackgroundTasks
from bot.slack.blocks import DIRECT, POSTED, note
from bot.slack.delivery import Delivery
from bot.slack.feature import Manifest
from bot.slack.lookups import Lookups
from bot.slack.request import SENDING, Ack, Job, SlackRequest
from bot.slack.targets import UNCONFIRMED, Targets
from bot.slack.texts import MAYBE_ANSWERED
from bot.slack.typed_text import parse
from bot.slack.web_api import WebApi
from bot.store.protocol import NotStored
from bot.timeouts import Timeouts

_log = structlog.get_logger()

FIND_SESSIONS_STEP: Final = "find_sessions_step"

_SHOWN: Final = "shown"
"""The step of a job in which the person has seen the sessions, and Slack is told of the end."""


class CantRun(FsessionsError):
    """The run fails; `sentence` tells the workflow's author what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__("the step can't run")
        self.sentence = sentence


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """Ends every run, once."""

    manifest: ClassVar = Manifest(
        events=("function_executed",),
        scopes={"chat:write": 'The step\'s "Show privately to".'},
    )

    settings: Settings
    timeouts: Timeouts
    audit: Audit
    lookup: Lookup
    lookups: Lookups
    insights: Insights
    web_api: WebApi
    targets: Targets
    delivery: Delivery
    background: BackgroundTasks

    def register(self, app: App) -> None:
        """Register the step."""
        app.function(FIND_SESSIONS_STEP, EntryPoint.WORKFLOW_STEP, self.on_run)

    async def on_run(self, request: SlackRequest) -> Ack:
        """Run the step; most runs end before the ack, so that Slack repeats them if they don't."""
        if await request.job.take("run", str(request.body["event"]["function_execution_id"])):
            await self.delivery.within_budget(self._run(request))
        return None

    async def _run(self, request: SlackRequest) -> None:
        run, job = Run(self.web_api.client, request.body["event"]), request.job
        ending: Ending = Stopped(texts.RESTARTING)

        async def work() -> None:
            nonlocal ending
            if not job.is_hopeless:
                ending = await self._ending(request)
            if await job.is_ours(_SHOWN if isinstance(ending, Succeeded) else None):
                await run.end(ending)
                await job.done()

        async def leave() -> None:
            if not await job.hand_over():
                await run.end(ending)

        await self.background.notify_if_cancelled(work(), leave)

    async def _ending(self, request: SlackRequest) -> Ending:
        """Return how the run ends. Never raises."""
        try:
            await self._check_workspace(request)
            return Succeeded(await self._outputs(request))
        except CantRun as error:
            return Stopped(error.sentence)
        except Exception as error:  # noqa: BLE001 - a run that hears nothing hangs
            reference = new_reference()
            _log.error("step crashed", reference=reference, exc_info=error)
            return Stopped(crash(reference).in_one_line(self.settings.admin_contact))

    async def _check_workspace(self, request: SlackRequest) -> None:
        """Raise `CantRun` unless the run belongs to the bot's workspace.

        https://docs.slack.dev/apis/events-api#authorizations
        """
        body = request.body
        authorizations = [one for one in body.get("authorizations") or () if isinstance(one, dict)]
        teams = {body.get("team_id"), *(one.get("team_id") for one in authorizations)} - {None, ""}
        try:
            bot = await self.web_api.bot_identity()
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            self.audit.note_denial(request.actor, DenialReason.NOT_KNOWN)
            raise CantRun(texts.SLACK_TROUBLE) from error
        if teams and bot.team not in teams:
            self.audit.note_denial(request.actor, DenialReason.STRANGER)
            raise CantRun(texts.OTHER_WORKSPACE)

    async def _outputs(self, request: SlackRequest) -> dict[str, Any]:
        inputs = request.body["event"].get("inputs") or {}
        user, channel = _text(inputs, "show_to"), _text(inputs, "show_in")
        if channel and not user:
            raise CantRun(texts.SHOW_TO_WHOM)
        workflow = _text(inputs, "workflow")
        if workflow and workflow not in self.settings.allowed_workflows:
            workflow = OTHER_WORKFLOW  # its author could put a customer's address there
        actor = replace(request.actor, user=user, channel=channel, workflow=workflow)
        search = self._search(inputs)
        email = await self._email(search, actor) if search.mention else None
        moment = await self._moment(_text(inputs, "moment"), search.at, user)
        outcome = await self.lookup.run(search.query(email, moment), actor)
        if not isinstance(outcome, Found):
            raise CantRun(texts.no_result(outcome, self.settings))
        found = outcome.sessions
        if user:
            await self._show(found, actor, request.job)
        may_have_them = self.settings.access_rules.gives_outputs(actor)
        shown = outputs(found) if may_have_them else withheld(len(found.sessions))
        # Slack refuses an output that the manifest of an older app doesn't have.
        if _text(inputs, "with_report").lower() == "true":
            shown["report"] = ""
            if may_have_them:
                shown["report"] = await self._report(found, actor, request.job)
        return shown

    async def _report(self, found: SessionList, actor: Actor, job: Job) -> str:
        """Return a bug report about the first session, or why there is none."""
        if not found.sessions or not found.sessions[0].ids:
            return ""
        if not self.settings.insights:
            return texts.INSIGHTS_OFF
        session, window = found.sessions[0], Window.around(found.moment_of_first)
        # A run that another process began may have paid already.
        may_pay = not job.is_resumed
        insight = await self.insights.run(session, window, found.query, actor, may_pay=may_pay)
        if not isinstance(insight, Told):
            why = explain_no_insight(insight).in_one_line(self.settings.admin_contact)
            return texts.no_report(why)
        story, links = tell(insight.excerpt), self.settings.replay_at_moment
        report = bug_report(story, session, window, links=links)
        # Where the workflow shows it, markup of the recorded page could mean something.
        return report.replace("<", "(").replace(">", ")")

    def _search(self, inputs: dict[str, Any]) -> Search:
        limits = self.settings.limits
        typed = _text(inputs, "limit")
        limit = parse_limit(typed, limits) if typed else None
        if isinstance(limit, Problem):
            raise CantRun(texts.parse_error(ParseError(limit), limits))
        match parse(_text(inputs, "person"), limits, *self.settings.grammar):
            case Search() as search:
                return search if limit is None else replace(search, limit=limit)
            case Several():
                raise CantRun(texts.SEVERAL)
            case Help():
                raise CantRun(texts.NO_ONE)
            case ParseError() as error:
                raise CantRun(texts.parse_error(error, limits))

    async def _email(self, search: Search, actor: Actor) -> str | None:
        """Return the address of a colleague who is mentioned."""
        if reason := await self.lookup.first_denial(actor):
            raise CantRun(texts.access_denied(reason, self.settings.admin_contact))
        try:
            return await self.lookups.email(search, actor, self.timeouts.profile_for_run)
        except ProfileError as error:
            raise CantRun(texts.profile_problem(error.problem)) from error
        except SlackError as error:
            raise CantRun(texts.SLACK_TROUBLE) from error

    async def _moment(self, at: str, in_person: str, user: str) -> Moment | None:
        """Return the moment that “Moment” means, or a clear one in “Person”, in the user's zone."""
        if not (text := at or in_person):
            return None
        if not (user or names_its_zone(text)):
            if not at:
                return None
            raise CantRun(texts.MOMENT_ZONE)
        try:
            moments = await self.lookups.moments(text, user)
        except UnclearTime as error:
            if not at:
                return None
            sentence = texts.MOMENT_IN_FUTURE if error.is_future else texts.MOMENT_UNCLEAR
            raise CantRun(sentence) from error
        if at and len(moments) > 1:
            raise CantRun(texts.MOMENT_UNCLEAR)
        return moments[0] if len(moments) == 1 else None

    async def _show(self, found: SessionList, actor: Actor, job: Job) -> None:
        """Show the sessions to one person, once: in the channel, or in a direct message.

        If an earlier process may have shown them, the person is told so instead.
        """
        may_be_shown = job.step == SENDING
        if job.step == _SHOWN:
            return
        try:
            if not await job.is_ours(recorded=True):
                return
        except NotStored as error:
            raise CantRun(texts.NOT_STORED) from error
        user, channel = actor.user, actor.channel
        reader, size_limit = await self.lookups.reader(actor), POSTED if channel else DIRECT
        message = self.lookups.render_found(found, actor, size_limit, reader)
        if may_be_shown:
            message = note(MAYBE_ANSWERED)
        try:
            if channel:
                await self.web_api.post_ephemeral(channel, user, message)
            else:
                await self.web_api.post_message(user, message)
        except SlackError as error:
            reference = new_reference()
            _log.warning("sessions not shown", reference=reference, exc_info=error)
            if not error.may_have_arrived:
                raise CantRun(texts.not_shown(error.code, reference)) from error
            # The person may see them. They are told, and the run continues.
            await self.targets.for_user(channel or user, user).send(UNCONFIRMED)


def _text(inputs: dict[str, Any], name: str) -> str:
    """Return an input as text; a person or a channel may come as markup."""
    value = inputs.get(name)
    if isinstance(value, float) and value.is_integer():  # JSON has only one kind of number
        value = int(value)
    text = "" if value is None else str(value).strip()
    if name in ("show_to", "show_in") and (
        markup := re.fullmatch(r"<[@#](\w+)(?:\|[^>]*)?>", text)
    ):
        return markup[1]
    return text
