"""The stand-in Slack's Web API: the methods that the bot calls, as picky as the real ones.

https://docs.slack.dev/reference/methods
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable
from time import perf_counter
from typing import Any, Final

from aiohttp import web

from bot.sandbox.workspace import (
    APP,
    BOT,
    BOT_USER,
    MAX_POSTED,
    TEAM,
    Message,
    OnTheWire,
    Shown,
    Trigger,
    Workspace,
    invalid_blocks,
    invalid_view,
)
from bot.slack.api import HISTORY_SCOPES

TRIGGER_SECONDS: Final = 3.0
MAX_VIEWS: Final = 3
RUN_SECONDS: Final = 15 * 60.0
BURST: Final = 10
"""Messages that a channel takes at once, before it is one a second."""


class WebApi:
    """Answers methods; `on_posted` is told of each message that everyone in a channel can see."""

    def __init__(self, workspace: Workspace, on_posted: Callable[[Shown], None]) -> None:
        self._slack = workspace
        self._on_posted = on_posted
        self._plain = False
        self._bursts: dict[str, tuple[float, float]] = {}  # what is left, and when that was so

    async def answer(self, request: web.Request) -> web.Response:
        """Return the method that the address names."""
        started = perf_counter()
        method, arguments = request.match_info["method"], await _arguments(request)
        self._slack.api_calls.append(method)
        if held := self._slack.api_held.get(method):
            await held.wait()
        response = self._answer(method, arguments, request)
        asked = json.dumps({name: _readable(value) for name, value in arguments.items()}, indent=2)
        took = round((perf_counter() - started) * 1000)
        told = str(response.text)
        self._slack.record(OnTheWire("bot → Slack", method, asked, response.status, told, took))
        return response

    def _answer(self, method: str, arguments: Message, request: web.Request) -> web.Response:
        slack = self._slack
        busy = slack.api_busy[method] > 0
        if busy:
            slack.api_busy[method] -= 1
        elif method == "chat.postMessage":
            busy = self._posts_too_fast(str(arguments.get("channel")))
        if busy:
            answer = {"ok": False, "error": "ratelimited"}
            return web.json_response(
                answer, status=429, headers={"Retry-After": str(slack.api_retry_after)}
            )
        if slack.api_errors.get(method) == "":
            # slack_sdk stumbles over plain text in another way than over HTML.
            self._plain = not self._plain
            kind = "text/plain" if self._plain else "text/html"
            return web.Response(status=503, text="Service unavailable", content_type=kind)
        if method in slack.api_errors:
            return web.json_response({"ok": False, "error": slack.api_errors[method]})
        methods: dict[str, Callable[[Message], Message]] = {
            "apps.connections.open": self._connections_open,
            "auth.test": self._auth_test,
            "chat.delete": self._delete,
            "chat.postEphemeral": self._post_ephemeral,
            "chat.postMessage": self._post_message,
            "chat.update": self._update,
            "conversations.history": self._history,
            "conversations.replies": self._replies,
            "functions.completeError": self._complete_error,
            "functions.completeSuccess": self._complete_success,
            "usergroups.users.list": self._usergroups_users_list,
            "users.info": self._users_info,
            "views.open": self._views_open,
            "views.publish": self._views_publish,
            "views.push": self._views_push,
            "views.update": self._views_update,
        }
        if method not in methods:
            return web.json_response({"ok": False, "error": "unknown_method"})
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if error := self._bad_token(method, token, arguments):
            return web.json_response({"ok": False, "error": error})
        answer = methods[method](arguments)
        if method in slack.lost_replies:
            return web.Response(status=502, text="Bad gateway")
        ok = {"ok": "error" not in answer}
        # Some proxies take the header away: with "" there is none.
        told = {"X-OAuth-Scopes": slack.scopes} if slack.scopes else {}
        return web.json_response(ok | answer, headers=told)

    def _posts_too_fast(self, channel: str) -> bool:
        """Allow one message a second for each channel, after a short burst.

        https://docs.slack.dev/reference/methods/chat.postMessage#rate_limiting
        """
        now = self._slack.clock()
        left, since = self._bursts.get(channel, (BURST, now))
        left = min(BURST, left + now - since)
        self._bursts[channel] = (max(left - 1, 0), now)
        return left < 1

    def _bad_token(self, method: str, token: str, arguments: Message) -> str:
        slack = self._slack
        if method == "apps.connections.open":
            return "" if token == slack.app_token else "invalid_auth"
        run = slack.runs.get(arguments.get("function_execution_id", ""))
        if run and token == run.token:
            return "token_expired" if slack.clock() - run.started > RUN_SECONDS else ""
        return "" if token == slack.bot_token else "invalid_auth"

    def _auth_test(self, _: Message) -> Message:
        names = {"team": "Sandbox", "user": "fsessions"}
        return names | {"team_id": TEAM, "user_id": BOT_USER, "bot_id": BOT}

    # -- Messages ---------------------------------------------------------------------------------

    def _post_message(self, arguments: Message) -> Message:
        return self._post(arguments, to="")

    def _post_ephemeral(self, arguments: Message) -> Message:
        return self._post(arguments, to=arguments.get("user", ""))

    def _post(self, arguments: Message, to: str) -> Message:
        """Post where the bot and the person are members; a response_url needs neither."""
        slack, channel = self._slack, arguments.get("channel", "")
        if "chat:write" not in slack.scopes.split(","):
            return {"error": "missing_scope"}
        if channel in slack.users:  # a person: the direct messages with them
            channel = slack.direct(channel)
        if error := self._not_a_member(channel):
            return {"error": error}
        if to and to not in slack.members[channel]:
            return {"error": "user_not_in_channel"}
        message = _message(arguments)
        if error := _too_much(message):
            return {"error": error}
        author = {"user": BOT_USER, "bot_id": BOT, "app_id": APP, "team": TEAM}
        thread = arguments.get("thread_ts", "")
        shown = Shown(message, slack.new_ts(), to, thread, channel, author)
        if to and thread and not any(one.thread_ts == thread for one in slack.screen):
            # Slack says "ok", and shows an ephemeral message only where there are replies already:
            # https://docs.slack.dev/reference/methods/chat.postEphemeral
            return {"message_ts": shown.ts}
        slack.screen.append(shown)
        public = not to and not channel.startswith("D")
        seen_by = to or next((one for one in slack.members[channel] if one != BOT_USER), "")
        in_channel = {"response_type": "in_channel"} if public else {}
        slack.on_message(message | in_channel, "" if public else seen_by)
        if to:
            return {"message_ts": shown.ts}
        self._on_posted(shown)
        return {"channel": channel, "ts": shown.ts, "message": shown.as_slack_tells()}

    def _update(self, arguments: Message) -> Message:
        """Only the bot's own messages that everyone can see; within the limits of any other."""
        message = _message(arguments)
        if error := _too_much(message):
            return {"error": error}
        for shown in self._slack.screen:
            if (shown.ts, shown.channel) == (arguments.get("ts"), arguments.get("channel")):
                if shown.author.get("bot_id") != BOT or shown.user:
                    return {"error": "cant_update_message"}
                shown.message = message
                people = self._slack.members.get(shown.channel, set())
                direct = shown.channel.startswith("D")
                seen_by = next((one for one in people if one != BOT_USER), "") if direct else ""
                self._slack.on_message(message, seen_by)
                return {"channel": shown.channel, "ts": shown.ts}
        return {"error": "message_not_found"}

    def _not_a_member(self, channel: str) -> str:
        people = self._slack.members.get(channel)
        if people is None:  # also for direct messages between other people
            return "channel_not_found"
        return "" if BOT_USER in people else "not_in_channel"

    def _delete(self, arguments: Message) -> Message:
        for shown in self._slack.screen:
            if shown.ts == arguments.get("ts") and shown.channel == arguments.get("channel"):
                if shown.author.get("bot_id") != BOT:
                    return {"error": "cant_delete_message"}
                self._slack.screen.remove(shown)
                return {"ts": shown.ts}
        return {"error": "message_not_found"}

    def _replies(self, arguments: Message) -> Message:
        """Return the parent of a thread and its replies, oldest first."""
        ts = arguments.get("ts")
        found = [
            one for one in self._visible(arguments) if ts in (one.get("ts"), one.get("thread_ts"))
        ]
        return self._page(arguments, found, "" if found else "thread_not_found")

    def _history(self, arguments: Message) -> Message:
        """Return the latest first."""
        return self._page(arguments, list(self._visible(arguments))[::-1], "")

    def _visible(self, arguments: Message) -> list[Message]:
        channel = arguments.get("channel")
        everything = sorted(self._slack.screen, key=lambda shown: shown.ts)
        return [
            shown.as_slack_tells()
            for shown in everything
            if shown.channel == channel and not shown.user
        ]

    def _page(self, arguments: Message, found: list[Message], error: str) -> Message:
        channel = arguments.get("channel", "")
        if HISTORY_SCOPES.get(channel[:1], "") not in self._slack.scopes.split(","):
            return {"error": "missing_scope"}
        if error := self._not_a_member(channel) or error:
            return {"error": error}
        limit = int(arguments.get("limit", 100))
        return {"messages": found[:limit], "has_more": len(found) > limit}

    # -- People and windows -----------------------------------------------------------------------

    def _users_info(self, arguments: Message) -> Message:
        granted = self._slack.scopes.split(",")
        if "users:read" not in granted:
            return {"error": "missing_scope"}
        user = self._slack.users.get(arguments.get("user", ""))
        if user is None:
            return {"error": "user_not_found"}
        if "users:read.email" not in granted:
            # No error: the address is just not there.
            user = user | {"profile": {k: v for k, v in user["profile"].items() if k != "email"}}
        return {"user": user}

    def _usergroups_users_list(self, arguments: Message) -> Message:
        """https://docs.slack.dev/reference/methods/usergroups.users.list."""
        if "usergroups:read" not in self._slack.scopes.split(","):
            return {"error": "missing_scope"}
        people = self._slack.usergroups.get(arguments.get("usergroup", ""))
        return {"error": "no_such_subteam"} if people is None else {"users": sorted(people)}

    def _views_open(self, arguments: Message) -> Message:
        """From inside a window, Slack says "ok" and most apps show nothing.

        https://github.com/slackapi/bolt-js/issues/1072
        """
        trigger = self._trigger(arguments)
        if isinstance(trigger, str):
            return {"error": trigger}
        if trigger.view:
            return {"view": json.loads(arguments["view"]) | {"id": f"V{secrets.token_hex(5)}"}}
        return self._show_view(arguments, trigger.user)

    def _views_push(self, arguments: Message) -> Message:
        """Put a window on top of the one whose button was pressed, up to three in all."""
        trigger = self._trigger(arguments)
        if isinstance(trigger, str):
            return {"error": trigger}
        if trigger.view not in self._slack.views:
            return {"error": "invalid_trigger_id"}
        stack, below = [trigger.view], self._slack.below
        while stack[-1] in below:
            stack.append(below[stack[-1]])
        if len(stack) == MAX_VIEWS:
            return {"error": "push_limit_reached"}
        answer = self._show_view(arguments, trigger.user)
        if "view" in answer:
            below[answer["view"]["id"]] = trigger.view
        return answer

    def _trigger(self, arguments: Message) -> Trigger | str:
        """Return a trigger, or why it is not good anymore."""
        trigger = self._slack.triggers.pop(arguments.get("trigger_id", ""), None)
        if trigger is None:
            return "exchanged_trigger_id"
        is_old = self._slack.clock() - trigger.time > TRIGGER_SECONDS
        return "expired_trigger_id" if is_old else trigger

    def _show_view(self, arguments: Message, user: str) -> Message:
        view_id = f"V{secrets.token_hex(5)}"
        self._slack.view_of[view_id] = user
        return self._slack.put_view(view_id, json.loads(arguments["view"]))

    def _views_update(self, arguments: Message) -> Message:
        view_id = arguments.get("view_id", "")
        if view_id not in self._slack.views:
            return {"error": "not_found"}
        return self._slack.put_view(view_id, json.loads(arguments["view"]))

    def _views_publish(self, arguments: Message) -> Message:
        user, view = arguments.get("user_id", ""), json.loads(arguments["view"])
        if user not in self._slack.users:
            return {"error": "user_not_found"}
        if view.get("type") != "home" or invalid_view(view):
            return {"error": "invalid_arguments"}
        self._slack.homes[user] = view | {"id": f"V{user}", "hash": secrets.token_hex(4)}
        return {"view": self._slack.homes[user]}

    # -- Workflow runs ----------------------------------------------------------------------------

    def _complete_success(self, arguments: Message) -> Message:
        outputs = json.loads(arguments.get("outputs", "{}"))
        declared = {"count": int} | dict.fromkeys(
            ("latest", "at_moment", "replay", "list", "person"), str
        )
        declared |= {"report": str} if "report" in outputs else {}  # it is optional
        fits = outputs.keys() == declared.keys() and all(
            type(outputs[name]) is declared[name] for name in declared
        )
        return self._complete(
            arguments, "success", outputs, "" if fits else "parameter_validation_failed"
        )

    def _complete_error(self, arguments: Message) -> Message:
        return self._complete(arguments, "error", arguments.get("error", ""), "")

    def _complete(self, arguments: Message, how: str, what: object, error: str) -> Message:
        run = self._slack.runs.get(arguments.get("function_execution_id", ""))
        if run is None:
            return {"error": "function_execution_not_found"}
        if error := "execution_not_in_running_state" if run.ends else error:
            run.refused.append(error)
            return {"error": error}
        run.ends.append((how, what))
        run.ended.set()
        return {}

    def _connections_open(self, _: Message) -> Message:
        ticket = secrets.token_hex(8)
        self._slack.tickets.add(ticket)
        return {"url": f"{self._slack.url.replace('http', 'ws', 1)}/socket?ticket={ticket}"}


def _message(arguments: Message) -> Message:
    blocks = json.loads(arguments.get("blocks", "[]"))
    return {"text": arguments.get("text", ""), "blocks": blocks}


def _too_much(message: Message) -> str:
    """Return what Slack would dislike about a message that is posted, or ""."""
    if invalid_blocks(message):
        return "invalid_blocks"
    too_long = len(json.dumps(message["blocks"], ensure_ascii=False)) > MAX_POSTED
    return "msg_blocks_too_long" if too_long else ""


def _readable(argument: object) -> object:
    """Structures come as JSON in a text."""
    try:
        return (
            json.loads(argument) if isinstance(argument, str) and argument[:1] in "[{" else argument
        )
    except ValueError:
        return argument


async def _arguments(request: web.Request) -> Message:
    """Return a method's arguments from a query, a form or JSON."""
    if request.content_type != "application/json":
        return {**request.query, **await request.post()}
    given: dict[str, Any] = await request.json()
    structures = (dict, list)
    return {
        name: json.dumps(value) if isinstance(value, structures) else value
        for name, value in given.items()
    }
