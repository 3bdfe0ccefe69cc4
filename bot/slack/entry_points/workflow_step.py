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
from dataclasses import replace
from functools import partial
from typing import Any, Final

import structlog
from slack_bolt.context.async_context import AsyncBoltContext

from bot.errors import FsessionsError, FullstoryError, SlackError
from bot.logs import new_reference
from bot.lookup.access import Actor, EntryPoint, NotAllowed
from bot.lookup.find import FindSessions, LookupRequest
from bot.sessions import Query, Session, SessionList
from bot.slack.api.client import TOKEN_ERRORS, SlackClient
from bot.slack.api.posts import Posts
from bot.slack.api.profiles import ProfileError, ProfileProblem
from bot.slack.replies.answers import Answers
from bot.slack.replies.delivery import Delivery
from bot.slack.requests import actor_in
from bot.slack.ui import wording
from bot.slack.ui.reading import parse_step_person
from bot.state.in_memory import Once
from bot.typed.query import Help, Problem, QueryNeedingProfile, Refused
from bot.typed.times import UnclearTime, names_its_zone
from bot.waits import Waits

_log = structlog.get_logger()

MAX_LIST: Final = 3000
"""Characters of the list among the outputs: what one block of a message takes."""

_ENDED: Final = frozenset({"execution_not_in_running_state", "function_execution_not_found"})


RUN_SECONDS: Final = 15 * 60.0
"""How long Slack waits to be told of the end; the run's token lives as long."""

Ending = dict[str, Any] | str
"""How a run ends: with outputs, or with the sentence that says why it fails."""


class CantRun(FsessionsError):
    """The step fails; `sentence` tells the workflow's author what to do."""

    def __init__(self, sentence: str) -> None:
        super().__init__("the step can't run")
        self.sentence = sentence


class Step:
    """Brings every run to its end, once."""

    def __init__(
        self,
        answers: Answers,
        find: FindSessions,
        posts: Posts,
        delivery: Delivery,
        client: SlackClient,
        waits: Waits,
    ) -> None:
        self._answers = answers
        self._find = find
        self._posts = posts
        self._delivery = delivery
        self._client = client
        self._patience = waits.profile_for_run
        self._runs = Once()

    async def run(self, body: dict[str, Any], _: AsyncBoltContext) -> None:
        """The listener. Most runs end before it returns: until then, Slack would try again."""
        actor = actor_in(body, EntryPoint.WORKFLOW_STEP)

        async def ending(inputs: dict[str, Any]) -> Ending:
            return await self._ending(inputs, actor)

        await self._once(body["event"], ending)

    async def unknown(self, body: dict[str, Any], _: AsyncBoltContext) -> None:
        """The listener of steps that the app no longer has, in workflows of earlier times."""

        async def ending(_: dict[str, Any]) -> Ending:
            return wording.STEP_UNKNOWN

        await self._once(body["event"], ending)

    async def _once(
        self, event: dict[str, Any], ending: Callable[[dict[str, Any]], Awaitable[Ending]]
    ) -> None:
        if self._runs.first(str(event["function_execution_id"])):
            await self._delivery.start_and_wait_budget(self._to_its_end(event, ending))

    async def _to_its_end(
        self, event: dict[str, Any], ending: Callable[[dict[str, Any]], Awaitable[Ending]]
    ) -> None:
        run = _Run(self._client, event)
        decided: Ending = wording.STEP_RESTARTING

        async def work() -> None:
            nonlocal decided
            decided = await ending(event.get("inputs") or {})
            await run.end(decided)

        await self._delivery.notify_if_cancelled(work(), lambda: run.end(decided))

    async def _ending(self, inputs: dict[str, Any], actor: Actor) -> Ending:
        """What the run gives, or why it fails; whatever happens."""
        try:
            return await self._outputs(inputs, actor)
        except CantRun as error:
            return error.sentence
        except Exception as error:  # noqa: BLE001 - a run that hears nothing hangs
            reference = new_reference()
            _log.error("step crashed", reference=reference, exc_info=error)
            return wording.our_fault(reference)

    async def _outputs(self, inputs: dict[str, Any], actor: Actor) -> dict[str, Any]:
        """What the step gives, as the manifest declares it. Raises `CantRun`."""
        user, channel = _text(inputs, "show_to"), _text(inputs, "show_in")
        if channel and not user:
            raise CantRun(wording.STEP_SHOW_TO_WHOM)
        actor = replace(actor, user=user, channel=channel)
        if refusal := await self._find.refusal(actor):
            raise CantRun(wording.step_not_for(refusal))
        query = await self._query(inputs, user)
        try:
            found = await self._find.run(LookupRequest(actor, query))
        except NotAllowed as error:
            raise CantRun(wording.step_not_for(error.refusal)) from error
        except FullstoryError as error:
            reference = new_reference()
            _log.warning("lookup failed", reference=reference, exc_info=error)
            raise CantRun(wording.failure(error, reference)) from error
        if user:
            await self._show(found, user, channel)
        return outputs(found)

    async def _query(self, inputs: dict[str, Any], user: str) -> Query:
        limits, at = self._answers.limits, _text(inputs, "moment")
        limit = _text(inputs, "limit") or None
        try:
            match parse_step_person(_text(inputs, "person"), limits, limit):
                case Query() as query:
                    pass
                case QueryNeedingProfile() as asked:
                    at = at or asked.at
                    query = await self._answers.resolve_query(
                        replace(asked, at=""), user, self._patience
                    )
                case Help():
                    raise CantRun(wording.STEP_NOBODY)
                case Refused() as refused:
                    raise CantRun(_refusal(refused, self._answers))
            if not at:
                return query
            if not (user or names_its_zone(at)):
                raise CantRun(wording.STEP_MOMENT_ZONE)
            return replace(query, moment=await self._answers.resolve_time(at, user, self._patience))
        except ProfileError as error:
            raise CantRun(_lacking(error.problem, of_shown=at != "" and user != "")) from error
        except SlackError as error:
            _log.warning("auth.test failed", exc_info=error)
            raise CantRun(wording.STEP_SLACK_TROUBLE) from error
        except UnclearTime as error:
            sentence = wording.STEP_MOMENT_TO_COME if error.to_come else wording.STEP_MOMENT_UNCLEAR
            raise CantRun(sentence) from error

    async def _show(self, found: SessionList, user: str, channel: str) -> None:
        """Shows the sessions to one person: in the channel, or in a direct message."""
        message = self._answers.draw_found(found, user)
        try:
            if channel:
                await self._posts.post_ephemeral(channel, user, message)
            else:
                await self._posts.post_message(user, message)
        except SlackError as error:
            reference = new_reference()
            _log.warning("sessions not shown", reference=reference, exc_info=error)
            raise CantRun(wording.step_not_shown(error.code, reference)) from error


class _Run:
    """Tells Slack how a run ended. Slack counts the first word, and refuses any other."""

    def __init__(self, client: SlackClient, event: dict[str, Any]) -> None:
        self._client = client
        self._id = str(event["function_execution_id"])
        own = str(client.token)
        # The run's own token, for as long as it is good; then the bot's.
        self._tokens = [str(event.get("bot_access_token") or own), own]

    async def end(self, ending: Ending) -> None:
        """Outputs are a success, a sentence is a failure; so is what Slack takes for no outputs."""
        if isinstance(ending, dict):
            refused = await self._tell("functions.completeSuccess", {"outputs": ending})
            if not refused:
                return
            ending = wording.our_fault(refused)
        await self._tell("functions.completeError", {"error": ending})

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


def _lacking(lack: ProfileProblem, *, of_shown: bool) -> str:
    """What a profile could not give: that of the person, or of who is to be shown the sessions."""
    if of_shown and lack is ProfileProblem.STRANGER:
        return wording.STEP_STRANGER
    if lack is ProfileProblem.SLACK:
        return wording.STEP_SLACK_TROUBLE
    return wording.profile_problem(lack.name)


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
        "list": wording.step_list(count, person, lines, count - len(lines)),
        "person": person,
    }


def _line(session: Session) -> str:
    started = f"{session.started:%Y-%m-%d %H:%M} UTC" if session.started else wording.UNKNOWN_TIME
    return f"• {started}  {session.link or wording.UNUSABLE_LINK}"


def _refusal(refused: Refused, answers: Answers) -> str:
    match refused.problem:
        case Problem.NOBODY | Problem.UNCLEAR:
            return wording.STEP_NOBODY
        case Problem.TWO_ADDRESSES | Problem.TWO_UIDS:
            return wording.STEP_SEVERAL
        case _:
            return wording.refusal(refused, answers.limits)


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
