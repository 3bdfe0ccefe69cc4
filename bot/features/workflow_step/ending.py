"""Tells Slack how a run of the step ended: exactly one of success and failure.

A run that hears neither hangs.

- https://docs.slack.dev/reference/methods/functions.completeSuccess
- https://docs.slack.dev/reference/methods/functions.completeError
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from bot.core.outcomes import crash
from bot.errors import SlackError
from bot.logs import new_reference
from bot.slack.web_api import TOKEN_ERRORS, SlackClient

_log = structlog.get_logger()

RUN_SECONDS: Final = 15 * 60.0
"""How long Slack waits for the end of a run; the run's token lives as long."""

_ENDED: Final = frozenset({"execution_not_in_running_state", "function_execution_not_found"})


@dataclass(frozen=True, slots=True)
class Succeeded:
    """The run succeeds with these outputs."""

    outputs: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stopped:
    """The run fails; `sentence` tells the workflow's author what to do."""

    sentence: str


Ending = Succeeded | Stopped


class Run:
    """One run. Slack accepts one ending; later ones are refused."""

    def __init__(self, client: SlackClient, event: dict[str, Any]) -> None:
        self._client = client
        self._id = str(event["function_execution_id"])
        own = str(client.token)
        # The run's own token while it is good, then the bot's.
        self._tokens = [str(event.get("bot_access_token") or own), own]

    async def end(self, ending: Ending) -> None:
        """End the run. If Slack doesn't accept the outputs, it fails."""
        if isinstance(ending, Succeeded):
            reference = await self._call("functions.completeSuccess", {"outputs": ending.outputs})
            if not reference:
                return
            ending = Stopped(crash(reference).in_one_line(""))
        await self._call("functions.completeError", {"error": ending.sentence})

    async def _call(self, method: str, arguments: dict[str, Any]) -> str:
        """Return "", or the reference in the log if Slack did not accept it."""
        for token in self._tokens:
            try:
                # As JSON: slack_sdk's own methods would put everything into the URL.
                await self._client.call_with_retries(
                    partial(
                        self._client.api_call,
                        method,
                        json={"function_execution_id": self._id, "token": token} | arguments,
                    ),
                    seconds=RUN_SECONDS,
                )
            except SlackError as error:
                if error.code in TOKEN_ERRORS and token != self._tokens[-1]:
                    continue
                if error.code in _ENDED:
                    _log.info("run had already ended", reason=error.code)
                    return ""
                reference = new_reference()
                _log.error("end of a run not accepted", reference=reference, exc_info=error)
                return reference
            return ""
        raise AssertionError("the last token returns")  # pragma: no cover
