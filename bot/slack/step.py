"""The custom step *Find Fullstory sessions* of Workflow Builder.

Slack starts a run with an event, and waits until the bot says how it ended: exactly one of success
and failure. A run that hears neither hangs; Bolt leaves that to us, and repeats of the event too.

- https://docs.slack.dev/workflows/creating-custom-steps-dynamic-options
- https://docs.slack.dev/reference/events/function_executed
- https://docs.slack.dev/reference/methods/functions.completeSuccess
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

import structlog
from slack_bolt.context.async_context import AsyncBoltContext
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.errors import FsessionsError, FullstoryError, SlackError
from bot.finder import Finder
from bot.logs import new_reference
from bot.messages import asked_in
from bot.moments import UnclearTime, names_its_zone
from bot.parsing import Help, Problem, Refused, Unresolved
from bot.sessions import Query, Session, SessionList
from bot.slack import wording
from bot.slack.answers import Answers
from bot.slack.delivery import LAST_WORDS, Delivery
from bot.slack.once import Once
from bot.slack.posts import Posts
from bot.slack.profiles import ProfileError, Profiles
from bot.slack.web_api import persistently
from bot.slack.workspace import Workspace

_log = structlog.get_logger()

MAX_LIST: Final = 3000
"""Characters of the list among the outputs: what one block of a message takes."""

_ENDED: Final = frozenset({"execution_not_in_running_state", "function_execution_not_found"})


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
        finder: Finder,
        profiles: Profiles,
        workspace: Workspace,
        posts: Posts,
        delivery: Delivery,
        client: AsyncWebClient,
    ) -> None:
        self._answers = answers
        self._finder = finder
        self._profiles = profiles
        self._workspace = workspace
        self._posts = posts
        self._delivery = delivery
        self._client = client
        self._runs = Once()

    async def run(self, body: dict[str, Any], _: AsyncBoltContext) -> None:
        """The listener. Most runs end before it returns: until then, Slack would try again."""
        event = body["event"]
        if self._runs.first(str(event["function_execution_id"])):
            await self._delivery.within_budget(self._to_its_end(event))

    async def _to_its_end(self, event: dict[str, Any]) -> None:
        token = event.get("bot_access_token") or self._client.token
        end = _End(self._client, str(event["function_execution_id"]), str(token))
        try:
            await end.success(await self._outputs(event.get("inputs") or {}))
        except asyncio.CancelledError:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WORDS):
                    await end.failure(wording.STEP_RESTARTING)
            raise
        except CantRun as error:
            await end.failure(error.sentence)
        except Exception as error:  # noqa: BLE001 - a run that hears nothing hangs
            reference = new_reference()
            _log.error("step crashed", reference=reference, exc_info=error)
            await end.failure(wording.our_fault(reference))

    async def _outputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """What the step gives, as the manifest declares it. Raises `CantRun`."""
        user, channel = _text(inputs, "show_to"), _text(inputs, "show_in")
        if channel and not user:
            raise CantRun(wording.STEP_SHOW_TO_WHOM)
        query = await self._query(inputs, user)
        try:
            found = await self._finder.find(query)
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
            match asked_in(_text(inputs, "person"), limits, limit):
                case Query() as query:
                    pass
                case Unresolved() as asked:
                    at = at or asked.at
                    team = (await self._workspace.own()).team
                    query = await self._answers.resolve(replace(asked, at=""), user, team)
                case Help():
                    raise CantRun(wording.STEP_NOBODY)
                case Refused() as refused:
                    raise CantRun(_refusal(refused, self._answers))
            if not at:
                return query
            if not (user or names_its_zone(at)):
                raise CantRun(wording.STEP_MOMENT_ZONE)
            return replace(query, moment=await self._answers.moment(at, user))
        except ProfileError as error:
            raise CantRun(wording.lacking(error.lack.name)) from error
        except UnclearTime as error:
            sentence = wording.STEP_MOMENT_TO_COME if error.to_come else wording.STEP_MOMENT_UNCLEAR
            raise CantRun(sentence) from error

    async def _show(self, found: SessionList, user: str, channel: str) -> None:
        """Shows the sessions to one person: in the channel, or in a direct message."""
        message = self._answers.drawn(found, user)
        try:
            own = await self._workspace.own()
            if not await self._profiles.belongs(user, own.team):
                raise CantRun(wording.STEP_STRANGER)
            if channel:
                await self._posts.show(channel, user, message)
            else:
                await self._posts.post(user, message)
        except ProfileError as error:
            raise CantRun(wording.lacking(error.lack.name)) from error
        except SlackError as error:
            reference = new_reference()
            _log.warning("sessions not shown", reference=reference, exc_info=error)
            raise CantRun(wording.step_not_shown(error.code, reference)) from error


class _End:
    """Tells Slack how a run ended. Slack counts the first word, and refuses any other."""

    def __init__(self, client: AsyncWebClient, run: str, token: str) -> None:
        self._client = client
        self._run = run
        self._token = token  # of this run, for 15 minutes

    async def success(self, outputs: dict[str, Any]) -> None:
        refused = await self._tell(
            lambda: self._client.functions_completeSuccess(
                function_execution_id=self._run, outputs=outputs, token=self._token
            )
        )
        if refused:
            await self.failure(wording.our_fault(refused))

    async def failure(self, sentence: str) -> None:
        await self._tell(
            lambda: self._client.functions_completeError(
                function_execution_id=self._run, error=sentence, token=self._token
            )
        )

    async def _tell(self, call: Callable[[], Awaitable[AsyncSlackResponse]]) -> str:
        """Gives the reference in the log if Slack does not take it, else ""."""
        try:
            await persistently(call)
        except SlackError as error:
            if error.code in _ENDED:
                _log.info("run had ended", reason=error.code)
                return ""
            reference = new_reference()
            _log.error("end of a run not taken", reference=reference, exc_info=error)
            return reference
        return ""


def outputs(found: SessionList) -> dict[str, Any]:
    """The step's outputs: texts are "" where there is nothing to say."""
    count, person = len(found.sessions), found.query.person
    lines, size = [], 0
    for session in found.sessions:
        line = _line(session)
        size += len(line) + 1
        if size > MAX_LIST - 600:  # the heading, with the longest e-mail and uid
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
    text = "" if value is None else str(value).strip()
    if name in ("show_to", "show_in") and (
        markup := re.fullmatch(r"<[@#](\w+)(?:\|[^>]*)?>", text)
    ):
        return markup[1]
    return text
