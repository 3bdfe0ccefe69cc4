"""The custom step *Find Fullstory sessions* of Workflow Builder.

Slack starts a run with an event, and waits until the bot says how it ended: exactly one of success
and failure. A run that hears neither hangs; Bolt leaves that to us, and repeats of the event too.

- https://docs.slack.dev/workflows/creating-custom-steps-dynamic-options
- https://docs.slack.dev/reference/events/function_executed
- https://docs.slack.dev/reference/methods/functions.completeSuccess
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, assert_never

import structlog

from bot.core.access import OTHER_WORKFLOW, Actor, DenialReason, EntryPoint
from bot.core.outcomes import AccessDenied, Crashed, Failed, Found, NotRecorded
from bot.core.query import Help, Limits, ParseError, Problem, QueryNeedingProfile
from bot.core.sessions import Moment, Query, Session, SessionList
from bot.core.times import UnclearTime, names_its_zone
from bot.errors import FsessionsError, ProfileError, ProfileProblem, SlackError
from bot.logs import new_reference
from bot.slack import texts
from bot.slack.answers import Restarting
from bot.slack.blocks import DIRECT, POSTED, note
from bot.slack.job import SENDING, Job
from bot.slack.message_parser import parse_step_person
from bot.slack.request import Route, SlackRequest
from bot.slack.services import Services
from bot.slack.targets import UNCONFIRMED
from bot.slack.web_api import TOKEN_ERRORS, SlackClient
from bot.store.protocol import NotStored

_log = structlog.get_logger()

FIND_SESSIONS_STEP: Final = "find_sessions_step"

MAX_LIST: Final = 3000
"""Characters of the list among the outputs: what one block of a message takes."""

RUN_SECONDS: Final = 15 * 60.0
"""How long Slack waits to be told of the end; the run's token lives as long."""

_SHOWN: Final = "shown"
"""The step in which the person has seen the sessions, and Slack is told of the end."""

_ENDED: Final = frozenset({"execution_not_in_running_state", "function_execution_not_found"})


@dataclass(frozen=True, slots=True)
class Completed:
    """A run succeeded, with these outputs."""

    outputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stopped:
    """A run fails; `sentence` tells the workflow's author what to do."""

    sentence: str


Ending = Completed | Stopped


class CantRun(FsessionsError):
    """The step fails; `sentence` tells the workflow's author what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__("the step can't run")
        self.sentence = sentence


class Step:
    """Brings every run to its end, once."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def routes(self) -> tuple[Route, ...]:
        """The step."""
        return (Route("function", FIND_SESSIONS_STEP, EntryPoint.WORKFLOW_STEP, self.run),)

    async def run(self, request: SlackRequest) -> None:
        """Most runs end before it returns: until then, Slack would try again."""
        inputs = request.body["event"].get("inputs") or {}
        await self._once(request, lambda: self._ending(inputs, request))

    async def _check_workspace(self, request: SlackRequest) -> None:
        """Raises `CantRun` where the run is not the bot's workspace's, or nobody can tell."""
        try:
            is_of_another = await self._is_of_another_workspace(request.body)
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            self._services.answers.note_refusal(request.actor, DenialReason.NOT_KNOWN)
            raise CantRun(texts.STEP_SLACK_TROUBLE) from error
        if is_of_another:
            self._services.answers.note_refusal(request.actor, DenialReason.STRANGER)
            raise CantRun(texts.STEP_OF_ANOTHER)

    async def _is_of_another_workspace(self, body: dict[str, Any]) -> bool:
        """Whether the event names workspaces, and none of them is the bot's. Raises `SlackError`.

        https://docs.slack.dev/apis/events-api#authorizations
        """
        authorizations = [one for one in body.get("authorizations") or () if isinstance(one, dict)]
        named = {body.get("team_id"), *(one.get("team_id") for one in authorizations)} - {None, ""}
        bot = await self._services.slack.workspace.bot_identity()
        return bool(named) and bot.team not in named

    async def _once(self, request: SlackRequest, ending: Callable[[], Awaitable[Ending]]) -> None:
        if await request.job.take("run", str(request.body["event"]["function_execution_id"])):
            await self._services.delivery.start_and_wait_budget(self._to_its_end(request, ending))

    async def _to_its_end(
        self, request: SlackRequest, ending: Callable[[], Awaitable[Ending]]
    ) -> None:
        run = _Run(self._services.slack.client, request.body["event"])
        job = request.job
        decided: Ending = Stopped(texts.STEP_RESTARTING)

        async def work() -> None:
            nonlocal decided
            if not job.is_hopeless:
                decided = await ending()
            if await job.still_ours(_SHOWN if isinstance(decided, Completed) else None):
                await run.end(decided)
                await job.done()

        async def leave() -> None:
            if not await job.hand_over():
                await run.end(decided)

        await self._services.background.notify_if_cancelled(work(), leave)

    async def _ending(self, inputs: dict[str, Any], request: SlackRequest) -> Ending:
        """What the run gives, or why it fails; whatever happens."""
        try:
            await self._check_workspace(request)
            return Completed(await self._outputs(inputs, request))
        except CantRun as error:
            return Stopped(error.sentence)
        except Exception as error:  # noqa: BLE001 - a run that hears nothing hangs
            reference = new_reference()
            _log.error("step crashed", reference=reference, exc_info=error)
            return Stopped(self._in_one_line(texts.our_fault(), reference))

    async def _outputs(self, inputs: dict[str, Any], request: SlackRequest) -> dict[str, Any]:
        """What the step gives, as the manifest declares it. Raises `CantRun`."""
        user, channel = _text(inputs, "show_to"), _text(inputs, "show_in")
        if channel and not user:
            raise CantRun(texts.STEP_SHOW_TO_WHOM)
        workflow = self._known_workflow(_text(inputs, "workflow"))
        actor = replace(request.actor, user=user, channel=channel, workflow=workflow)
        query, at = await self._person(inputs, actor)
        if at := _text(inputs, "moment") or at:
            query = replace(query, moment=await self._moment(at, user))
        found = await self._found(query, actor)
        if user:
            await self._show(found, actor, request.job)
        may_have_them = self._services.settings.access_rules.gives_outputs(actor)
        return outputs(found) if may_have_them else _withheld(len(found.sessions))

    def _known_workflow(self, name: str) -> str:
        """A name that the administrator chose; of any other, only that there is one.

        The workflow's author writes it, and could put a customer's address there.
        """
        is_known = name in self._services.settings.allowed_workflows
        return name if is_known or not name else OTHER_WORKFLOW

    def _not_for(self, refusal: DenialReason) -> str:
        return texts.step_not_for(refusal, self._services.settings.access_contact)

    def _in_one_line(self, sentences: tuple[str, str], reference: str) -> str:
        return texts.in_one_line(sentences, self._services.settings.admin_contact, reference)

    async def _person(self, inputs: dict[str, Any], actor: Actor) -> tuple[Query, str]:
        """Whose sessions; and the time that stands in the same text, or "". Raises `CantRun`."""
        services, limit = self._services, _text(inputs, "limit") or None
        limits, settings = services.answers.limits, services.settings
        match parse_step_person(
            _text(inputs, "person"), limits, limit, settings.labels, settings.internal_domains
        ):
            case Query() as query:
                return query, ""
            case QueryNeedingProfile() as asked:
                return await self._colleague(asked, actor), asked.at
            case Help():
                raise CantRun(texts.STEP_NOBODY)
            case ParseError() as refused:
                raise CantRun(_refusal(refused, limits))

    async def _colleague(self, asked: QueryNeedingProfile, actor: Actor) -> Query:
        services, seconds = self._services, self._services.timeouts.profile_for_run
        if refusal := await services.answers.refusal_at_once(actor):
            raise CantRun(self._not_for(refusal))
        try:
            return await services.answers.resolve(replace(asked, at=""), actor.user, seconds)
        except ProfileError as error:
            services.answers.note_failure(actor, f"profile: {error.problem.name.lower()}")
            raise CantRun(_profile_problem(error.problem)) from error
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            services.answers.note_failure(actor, "profile: slack")
            raise CantRun(texts.STEP_SLACK_TROUBLE) from error

    async def _moment(self, at: str, user: str) -> Moment:
        """The moment that a text means, in the zone of who is shown the sessions."""
        if not (user or names_its_zone(at)):
            raise CantRun(texts.STEP_MOMENT_ZONE)
        try:
            return await self._services.answers.resolve_time(at, user)
        except UnclearTime as error:
            sentence = texts.STEP_MOMENT_TO_COME if error.to_come else texts.STEP_MOMENT_UNCLEAR
            raise CantRun(sentence) from error

    async def _found(self, query: Query, actor: Actor) -> SessionList:
        match await self._services.answers.look_up(query, actor):
            case Found(sessions):
                return sessions
            case AccessDenied(refusal):
                raise CantRun(self._not_for(refusal))
            case Failed(error, reference):
                raise CantRun(self._in_one_line(texts.failure(error), reference))
            case Crashed(reference):
                raise CantRun(self._in_one_line(texts.our_fault(), reference))
            case NotRecorded(reference):
                raise CantRun(self._in_one_line(texts.NOT_RECORDED, reference))
            case Restarting():
                raise CantRun(texts.STEP_RESTARTING)
            case outcome:
                assert_never(outcome)

    async def _show(self, found: SessionList, actor: Actor, job: Job) -> None:
        """Shows the sessions to one person: in the channel, or in a direct message.

        Once: where an earlier process may have done it, the person is told so instead.
        """
        may_be_there = job.step == SENDING
        if job.step == _SHOWN or not await self._may_show(job):
            return
        services, user, channel = self._services, actor.user, actor.channel
        reader, size_limit = await services.answers.reader(actor), POSTED if channel else DIRECT
        message = services.answers.draw(Found(found), found.query, actor, size_limit, reader)
        if may_be_there:
            message = note(texts.MAYBE_ANSWERED)
        try:
            if channel:
                await services.slack.posts.post_ephemeral(channel, user, message)
            else:
                await services.slack.posts.post_message(user, message)
        except SlackError as error:
            reference = new_reference()
            _log.warning("sessions not shown", reference=reference, exc_info=error)
            if not error.may_have_arrived:
                raise CantRun(texts.step_not_shown(error.code, reference)) from error
            # The person may see them: they are told, and the run goes on.
            await services.targets.of_person(channel or user, user).send(UNCONFIRMED)

    async def _may_show(self, job: Job) -> bool:
        """Whether the run is still ours, and others know that it is about to show the sessions."""
        try:
            return await job.still_ours(recorded=True)
        except NotStored as error:
            raise CantRun(texts.STEP_NOT_STORED) from error


class _Run:
    """Tells Slack how a run ended. Slack accepts one ending of a run; later ones are refused."""

    def __init__(self, client: SlackClient, event: dict[str, Any]) -> None:
        self._client = client
        self._id = str(event["function_execution_id"])
        own = str(client.token)
        # The run's own token, for as long as it is good; then the bot's.
        self._tokens = [str(event.get("bot_access_token") or own), own]

    async def end(self, ending: Ending) -> None:
        """What Slack takes for no outputs is a failure, too."""
        if isinstance(ending, Completed):
            refused = await self._tell("functions.completeSuccess", {"outputs": ending.outputs})
            if not refused:
                return
            ending = Stopped(texts.in_one_line(texts.our_fault(), "", refused))
        await self._tell("functions.completeError", {"error": ending.sentence})

    async def _tell(self, method: str, what: dict[str, Any]) -> str:
        """Gives the reference in the log if Slack does not take it, else ""."""
        for token in self._tokens:
            try:
                # As JSON: slack_sdk's own methods would put all of it into the address.
                await self._client.call_with_retries(
                    partial(
                        self._client.api_call,
                        method,
                        json={"function_execution_id": self._id, "token": token} | what,
                    ),
                    seconds=RUN_SECONDS,
                )
            except SlackError as error:
                if error.code in TOKEN_ERRORS and token != self._tokens[-1]:
                    continue
                if error.code in _ENDED:
                    _log.info("run had ended", reason=error.code)
                    return ""
                reference = new_reference()
                _log.error("end of a run not taken", reference=reference, exc_info=error)
                return reference
            return ""
        raise AssertionError("the last token returns")  # pragma: no cover


def _profile_problem(problem: ProfileProblem) -> str:
    if problem is ProfileProblem.SLACK:
        return texts.STEP_SLACK_TROUBLE
    return texts.profile_problem(problem)


def outputs(found: SessionList) -> dict[str, Any]:
    """The step's outputs: texts are "" where there is nothing to say."""
    count, person = len(found.sessions), found.query.person
    lines: list[str] = []
    size = 0
    for session in found.sessions:
        line = _line(session)
        size += len(line) + 1
        if lines and size > MAX_LIST - 600:  # the heading, with the longest e-mail and uid
            break
        lines.append(line)
    return {
        "count": count,
        "latest": (found.latest and found.latest.link) or "",
        "at_moment": (found.sessions[0].link or "") if found.at_moment else "",
        "replay": found.replay or "",
        "list": texts.step_list(count, person, lines, count - len(lines)),
        "person": person,
    }


def _withheld(count: int) -> dict[str, Any]:
    """The same outputs, where the sessions are for the person alone who was shown them."""
    links = dict.fromkeys(("latest", "at_moment", "replay"), "")
    return {
        "count": count,
        **links,
        "list": texts.STEP_SHOWN_ALONE,
        "person": texts.A_CUSTOMER,
    }


def _line(session: Session) -> str:
    started = f"{session.started:%Y-%m-%d %H:%M} UTC" if session.started else texts.UNKNOWN_TIME
    return f"• {started}  {session.link or texts.UNUSABLE_LINK}"


def _refusal(refused: ParseError, limits: Limits) -> str:
    match refused.problem:
        case Problem.NOBODY | Problem.UNCLEAR:
            return texts.STEP_NOBODY
        case Problem.TWO_ADDRESSES | Problem.TWO_UIDS:
            return texts.STEP_SEVERAL
        case _:
            return texts.refusal(refused, limits)


def _text(inputs: dict[str, Any], name: str) -> str:
    """An input as text, whatever it came as; a person or channel may come as markup."""
    value = inputs.get(name)
    if isinstance(value, float) and value.is_integer():  # JSON has one kind of number
        value = int(value)
    text = "" if value is None else str(value).strip()
    if name in ("show_to", "show_in") and (
        markup := re.fullmatch(r"<[@#](\w+)(?:\|[^>]*)?>", text)
    ):
        return markup[1]
    return text
