"""Slack's Web API: slack_sdk's client with our retries and errors, and the methods the bot calls.

- https://docs.slack.dev/reference/methods
- https://docs.slack.dev/apis/web-api/rate-limits
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import stamina
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot import counters
from bot.cache import Cache
from bot.connections import Request, proxy_for, watch_request
from bot.errors import SlackError
from bot.settings import Settings
from bot.slack.blocks import Message, View
from bot.timeouts import Timeouts

_log = structlog.get_logger()

TOKEN_ERRORS: Final = frozenset(
    {
        "account_inactive",
        "invalid_auth",
        "missing_scope",
        "not_allowed_token_type",
        "not_authed",
        "token_expired",
        "token_revoked",
    }
)
"""Slack's error codes for a token that doesn't work: trying again won't help.

https://docs.slack.dev/reference/methods/auth.test#errors
"""

_TEMPORARY: Final = frozenset(
    {"", "fatal_error", "internal_error", "request_timeout", "service_unavailable"}
)
_MAY_BE_DONE: Final = frozenset({"fatal_error", "internal_error"})
"""Slack documents that these may follow a partial success."""

_MODAL_CLOSED: Final = frozenset({"not_found", "view_not_found"})
_CODE: Final = re.compile(r"[a-z_]{1,80}")
_METHOD: Final = re.compile(r"[a-zA-Z.]{1,60}")
_RATE_LIMITED: Final = frozenset({"rate_limited", "ratelimited"})  # Slack writes both
_ATTEMPTS: Final = 4
_MAX_WAIT: Final = 30.0
_IDENTITY_SECONDS: Final = 365 * 24 * 60 * 60.0  # a token's ids never change


class SlackClient(AsyncWebClient):
    """slack_sdk's client, with our retries; `first_retry` is in seconds."""

    first_retry = Timeouts().first_retry

    async def call_with_retries(
        self,
        call: Callable[[], Awaitable[AsyncSlackResponse]],
        *,
        is_repeatable: bool = True,
        seconds: float | None = None,
    ) -> AsyncSlackResponse:
        """Call a method up to four times, or for up to `seconds`. Raises `SlackError`.

        It is tried again if Slack asks to wait or has trouble. A call that is not repeatable, such
        as posting a message, is tried again only if Slack can't have done it. (slack_sdk's own
        handler for rate limits waits for the first digit of what Slack asks for.)
        """
        max_wait = _MAX_WAIT if seconds is None else seconds

        def should_retry(error: Exception) -> bool | float:
            if not isinstance(error, SlackError):
                return False
            if error.code in _RATE_LIMITED:
                wait = self.first_retry if error.retry_after is None else error.retry_after
                return wait if wait <= max_wait else False
            return error.code in _TEMPORARY and (is_repeatable or not error.may_have_arrived)

        try:
            async with asyncio.timeout(seconds):
                async for attempt in stamina.retry_context(
                    on=should_retry,
                    attempts=_ATTEMPTS if seconds is None else None,
                    timeout=seconds,
                    wait_initial=self.first_retry,
                    wait_max=_MAX_WAIT,
                    wait_jitter=self.first_retry,
                    wait_exp_base=4,
                ):
                    with attempt:
                        return await call_api(call())
        except TimeoutError as error:  # during an attempt
            raise SlackError("", may_have_arrived=True) from error
        raise AssertionError("the last attempt returns or raises")  # pragma: no cover


def slack_client(
    settings: Settings,
    http: aiohttp.ClientSession,
    token: str | None = None,
    timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
) -> SlackClient:
    """Create a client; each call may pass a token of its own."""
    client = SlackClient(
        token=token,
        base_url=settings.slack_api_url,
        session=http,
        retry_handlers=[],  # slack_sdk's would repeat a message if only the reply was lost
    )
    client.proxy = proxy_for(settings.slack_api_url)
    client.first_retry = timeouts.first_retry
    return client


def is_temporary(error: SlackError) -> bool:
    """Tell whether it is trouble on Slack's side that ends by itself."""
    return error.code in _TEMPORARY | _RATE_LIMITED


async def call_api(call: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """Await one call of a method. Raises `SlackError`, whatever slack_sdk raises.

    A page of HTML, plain text or half a document make it raise AttributeError or ValueError.
    """
    with watch_request() as request:
        try:
            return await call
        except SlackApiError as error:
            data = getattr(error.response, "data", None)
            code = _code(data.get("error")) if isinstance(data, dict) else ""
            method = str(getattr(error.response, "api_url", "")).rpartition("/")[2]
            name = method if _METHOD.fullmatch(method) else "unknown"
            counters.count("slack_errors", name, code or "unreadable")
            wait = str(getattr(error.response, "headers", {}).get("Retry-After", ""))
            raise SlackError(
                code,
                float(wait) if wait.isdecimal() else None,
                may_have_arrived=code in _MAY_BE_DONE or (not code and _may_be_done(request)),
            ) from error
        except _UNREADABLE as error:
            counters.count("slack_errors", "unknown", "no answer")
            raise SlackError("", may_have_arrived=_may_be_done(request)) from error


_UNREADABLE: Final = (
    *(SlackClientError, aiohttp.ClientError, OSError, ValueError),
    AttributeError,  # slack_sdk's, if the reply is not a JSON object
)


def _may_be_done(request: Request) -> bool:
    """Tell whether Slack may have done it although its reply is not one of the Web API."""
    return request.may_have_arrived or (request.status >= 500 and request.status != 503)


def _code(error: object) -> str:
    """Return Slack's error code; "" for a sentence, which may name a person."""
    return error if isinstance(error, str) and _CODE.fullmatch(error) else ""


@dataclass(frozen=True, slots=True)
class BotIdentity:
    """The bot's ids in Slack: its workspace, its user, and itself as an author of messages."""

    team: str
    user: str
    bot: str

    def wrote(self, event: dict[str, Any]) -> bool:
        """Tell whether a message is the bot's own.

        A message that was shared through a response_url has the bot's id, but no user:
        https://github.com/slackapi/bolt-python/issues/683
        """
        return event.get("bot_id") == self.bot

    def is_mentioned(self, event: dict[str, Any]) -> bool:
        """Tell whether a person mentions the bot."""
        return is_by_person(event) and f"<@{self.user}" in str(event.get("text"))


def is_by_person(event: dict[str, Any]) -> bool:
    """Tell whether a person wrote a new message; edits and deletions are not new."""
    return bool(event.get("user") and not event.get("bot_id") and not event.get("hidden"))


async def _delivered(way: str, sending: Awaitable[AsyncSlackResponse]) -> AsyncSlackResponse:
    """Count whether Slack took a message."""
    try:
        response = await sending
    except SlackError as error:
        result = "unknown" if error.may_have_arrived else "refused"
        if error.code not in _MODAL_CLOSED:
            counters.count("deliveries", way, result)
        raise
    counters.count("deliveries", way, "taken")
    return response


class WebApi:
    """The methods that the bot calls, with the bot token of `client`.

    Each raises `SlackError` unless it says otherwise. To post for one person in a channel, both the
    bot and the person have to be in it.
    """

    def __init__(self, client: SlackClient) -> None:
        self.client = client
        self._identity: Cache[BotIdentity] = Cache()

    async def bot_identity(self) -> BotIdentity:
        """Return the bot's ids; concurrent callers share one request.

        https://docs.slack.dev/reference/methods/auth.test
        """
        return await self._identity.get("bot", self._ask_identity)

    async def check_token(self) -> None:
        """Raise `SlackError` if Slack doesn't accept the token now; learn who it belongs to."""
        if self._identity.has("bot"):
            await call_api(self.client.auth_test())
        else:
            await self.bot_identity()

    async def _ask_identity(self) -> tuple[BotIdentity, float]:
        answer = await self.client.call_with_retries(self.client.auth_test)
        ids = [str(answer.get(name) or "") for name in ("team_id", "user_id", "bot_id")]
        return BotIdentity(*ids), _IDENTITY_SECONDS

    # -- Messages ---------------------------------------------------------------------------------

    async def post_message(
        self, channel: str, message: Message, thread: str = "", *, attempts: bool = True
    ) -> str:
        """Post to a channel, or to a person by their id, and return the message's `ts`.

        https://docs.slack.dev/reference/methods/chat.postMessage
        """

        def call() -> Awaitable[AsyncSlackResponse]:
            return self.client.chat_postMessage(
                channel=channel,
                thread_ts=thread or None,
                text=message["text"],
                blocks=message["blocks"],
                unfurl_links=False,
                unfurl_media=False,
            )

        return str((await self._call_once_or_retry(call, attempts))["ts"])

    async def post_ephemeral(
        self, channel: str, user: str, message: Message, thread: str = "", *, attempts: bool = True
    ) -> None:
        """Post to a channel for one person only.

        https://docs.slack.dev/reference/methods/chat.postEphemeral
        """

        def call() -> Awaitable[AsyncSlackResponse]:
            return self.client.chat_postEphemeral(
                channel=channel,
                user=user,
                thread_ts=thread or None,
                text=message["text"],
                blocks=message["blocks"],
            )

        await self._call_once_or_retry(call, attempts)

    async def _call_once_or_retry(
        self,
        call: Callable[[], Awaitable[AsyncSlackResponse]],
        attempts: bool,  # noqa: FBT001 - passed on
    ) -> AsyncSlackResponse:
        posted = (
            self.client.call_with_retries(call, is_repeatable=False)
            if attempts
            else call_api(call())
        )
        return await _delivered("message", posted)

    async def update_message(self, channel: str, ts: str, message: Message) -> None:
        """Replace one of the bot's own messages, but not an ephemeral one.

        https://docs.slack.dev/reference/methods/chat.update
        """
        updated = self.client.call_with_retries(
            lambda: self.client.chat_update(
                channel=channel, ts=ts, text=message["text"], blocks=message["blocks"]
            )
        )
        await _delivered("update", updated)

    async def delete_message(self, channel: str, ts: str) -> None:
        """Delete one of the bot's own messages, but not an ephemeral one.

        https://docs.slack.dev/reference/methods/chat.delete
        """
        await self.client.call_with_retries(lambda: self.client.chat_delete(channel=channel, ts=ts))

    async def thread(self, channel: str, ts: str, limit: int) -> list[dict[str, Any]]:
        """Return the first `limit` messages of a thread, beginning with its parent.

        https://docs.slack.dev/reference/methods/conversations.replies
        """
        answer = await self.client.call_with_retries(
            lambda: self.client.conversations_replies(channel=channel, ts=ts, limit=limit)
        )
        return list(answer["messages"])

    async def has_messages(self, channel: str) -> bool:
        """Tell whether anything was written in a channel.

        https://docs.slack.dev/reference/methods/conversations.history
        """
        answer = await self.client.call_with_retries(
            lambda: self.client.conversations_history(channel=channel, limit=1)
        )
        return bool(answer["messages"])

    async def message(self, channel: str, ts: str) -> dict[str, Any]:
        """Return one message as it is now, also if it is a reply; {} if it is gone."""
        thread = await self.thread(channel, ts, limit=1)
        return next((one for one in thread if one.get("ts") == ts), {})

    # -- Modals and the Home ----------------------------------------------------------------------

    async def open_modal(self, body: dict[str, Any], view: View) -> str:
        """Answer an interaction with a modal and return its id; "" if it was not opened.

        Never raises. It goes on top of the modal in which a button was pressed. There is one
        attempt: a trigger is good for three seconds.
        https://docs.slack.dev/reference/methods/views.open
        https://docs.slack.dev/reference/methods/views.push
        """
        is_in_modal = (body.get("view") or {}).get("type") == "modal"
        show = self.client.views_push if is_in_modal else self.client.views_open
        try:
            answer = await call_api(show(trigger_id=body["trigger_id"], view=view))
        except SlackError as error:
            if error.code not in _MODAL_CLOSED:
                _log.error("modal not opened", exc_info=error)
            return ""
        return str((answer.get("view") or {}).get("id", ""))

    async def update_modal(self, view_id: str, view: View) -> None:
        """Change an open modal; does nothing if the person has closed it.

        https://docs.slack.dev/reference/methods/views.update
        """
        try:
            updated = self.client.call_with_retries(
                lambda: self.client.views_update(view_id=view_id, view=view)
            )
            await _delivered("modal", updated)
        except SlackError as error:
            if error.code not in _MODAL_CLOSED:
                _log.error("modal not updated", exc_info=error)
                raise

    async def publish_home(self, user: str, view: View) -> None:
        """Show a person their Home.

        https://docs.slack.dev/reference/methods/views.publish
        """
        await self.client.call_with_retries(
            lambda: self.client.views_publish(user_id=user, view=view)
        )
