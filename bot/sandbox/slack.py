"""A stand-in for Slack: what people do there, and what Slack tells the bot about it.

`bot.sandbox.traffic` connects it to the bot, `bot.sandbox.web_api` has the methods that the bot
calls, and `bot.sandbox.workspace` what is in the channels.
"""

from __future__ import annotations

import re
import secrets
from typing import Any
from urllib.parse import urlencode

from bot.sandbox.traffic import Traffic
from bot.sandbox.workspace import (
    APP,
    BOT_USER,
    CHANNEL,
    TEAM,
    TICKETS,
    USER,
    Exchange,
    Message,
    Run,
    Shown,
    with_links,
)


class SlackSandbox(Traffic):
    """What people do in the workspace."""

    # -- What a person does -----------------------------------------------------------------------

    async def command(self, typed: str, **fields: str) -> Exchange:
        """Type a command, such as `/fsessions jane@example.com`; `fields` override Slack's own."""
        command, _, text = typed.partition(" ")
        user, channel = fields.get("user_id", USER), fields.get("channel_id", CHANNEL)
        exchange = self.new_exchange(user, channel)
        body = {
            "team_id": TEAM,
            "team_domain": "sandbox",
            "channel_id": CHANNEL,
            "channel_name": "support",
            "user_id": USER,
            "user_name": "sam",
            "command": command,
            "text": with_links(self.with_mentions(as_slack_sends(text.strip()))),
            "api_app_id": "A0SANDBOX",
            "is_enterprise_install": "false",
            "response_url": exchange.response_url,
            "trigger_id": exchange.trigger_id,
            **fields,
        }
        if self.request_url:
            await self.post(urlencode(body).encode(), exchange)
        else:
            await self.send_envelope("slash_commands", body, exchange)
        return exchange

    async def press(
        self,
        action_id: str,
        shown: Shown | None = None,
        *,
        user: str = USER,
        channel: str = "",
        option: str = "",
        **fields: Any,  # noqa: ANN401
    ) -> Exchange:
        """Press a button of a message, by default the last one on the screen that has it.

        Of a menu, `option` is the beginning of the chosen value. `fields` override what Slack
        sends.
        """
        if shown is None:
            shown = next(one for one in reversed(self.screen) if _button(one.message, action_id))
        channel = channel or shown.channel
        container = {"type": "message", "message_ts": shown.ts, "channel_id": channel}
        if shown.thread_ts:
            container["thread_ts"] = shown.thread_ts
        return await self.interact(
            user,
            {
                "type": "block_actions",
                "channel": {"id": channel, "name": "support"},
                "container": container | {"is_ephemeral": bool(shown.user)},
                "actions": [
                    _button(shown.message, action_id, option)
                    | {"block_id": "b", "action_ts": f"{self.clock():.6f}"}
                ],
                **({} if shown.user else {"message": shown.as_slack_tells()}),
                **fields,
            },
            pressed=shown,
        )

    async def press_in_view(self, action_id: str, view_id: str, *, user: str = USER) -> Exchange:
        """Press a button in an open window. There is no response_url then."""
        view = self.views.get(view_id) or self.homes[user]
        return await self.interact(
            user,
            {
                "type": "block_actions",
                "container": {"type": "view", "view_id": view_id},
                "view": view,
                "actions": [_button(view, action_id) | {"block_id": "b"}],
            },
        )

    async def shortcut(self, callback_id: str, *, user: str = USER) -> Exchange:
        """Choose a global shortcut."""
        return await self.interact(user, {"type": "shortcut", "callback_id": callback_id})

    async def message_shortcut(
        self, callback_id: str, message: Message, *, user: str = USER, channel: str = CHANNEL
    ) -> Exchange:
        """Choose a shortcut from the menu of a message; it may be one that the bot can't see."""
        return await self.interact(
            user,
            {
                "type": "message_action",
                "callback_id": callback_id,
                "channel": {"id": channel, "name": "support"},
                "message_ts": message.get("ts"),
                "message": message,
            },
        )

    async def submit(
        self, view_id: str, values: dict[str, Message], *, user: str = USER
    ) -> Exchange:
        """Send a form; `values` are the states of its fields by their block ids.

        The window closes, unless the bot answers with errors or with another view.
        """
        view = self.views[view_id]
        state = {name: {name: value} for name, value in values.items()}
        chosen = {one: values.get(one, {}).get("selected_conversation") for one in _targets(view)}
        urls = [
            {
                "block_id": name,
                "action_id": name,
                "channel_id": channel,
                "response_url": self.new_exchange(user, channel).response_url,
            }
            for name, channel in chosen.items()
            if channel
        ]
        return await self.interact(
            user,
            {
                "type": "view_submission",
                "view": view | {"state": {"values": state}},
                "response_urls": urls,
            },
        )

    # -- What happens in channels -----------------------------------------------------------------

    async def write(
        self,
        text: str,
        *,
        user: str = USER,
        channel: str = TICKETS,
        **fields: Any,  # noqa: ANN401
    ) -> Shown:
        """Write a message; the bot is told if it is a member. `fields` are of the event.

        Returns once the bot has acknowledged the event, or all attempts have failed.
        """
        author = {"user": user} | ({"team": self.team_of(user)} if self.names_teams else {})
        if "bot_id" in fields:
            author = {}
        ts, thread = fields.pop("ts", None) or self.new_ts(), fields.get("thread_ts", "")
        shown = Shown({"text": text, **fields}, ts, "", thread, channel, author)
        self.screen.append(shown)
        for event in self.events_of(shown):
            await self.event(event)
        return shown

    def with_mentions(self, text: str) -> str:
        """Return a typed text with ids instead of people's names, as Slack sends it."""
        ids = {str(user.get("name", one)): one for one, user in self.users.items()} | {
            "fsessions": BOT_USER
        }
        return re.sub(
            rf"(?<!\S)@({'|'.join(ids)})\b(?![@.])", lambda name: f"<@{ids[name[1]]}>", text
        )

    async def edit(self, shown: Shown, text: str) -> None:
        """Change what a message says."""
        before = shown.as_slack_tells()
        shown.message = shown.message | {"text": text}
        changed = {"message": shown.as_slack_tells(), "previous_message": before, "hidden": True}
        await self.event(self.about_message(shown, "message_changed") | changed)

    async def delete(self, shown: Shown) -> None:
        """Delete a message; a sentence is left of one that has replies."""
        gone = {"previous_message": shown.as_slack_tells(), "hidden": True}
        if any(one.thread_ts == shown.ts for one in self.screen):
            shown.message = {"text": "This message was deleted.", "subtype": "tombstone"}
            shown.author = {"user": "USLACKBOT"}
        else:
            self.screen.remove(shown)
        await self.event(self.about_message(shown, "message_deleted") | gone)

    async def open_home(self, *, user: str = USER, tab: str = "home") -> None:
        """Look at the app's Home; the event tells what was published there before."""
        event = {"type": "app_home_opened", "user": user, "channel": self.direct(user), "tab": tab}
        published = {"view": self.homes[user]} if user in self.homes and tab == "home" else {}
        await self.event(event | published)

    async def run_step(self, callback_id: str, *, told: bool = True, **inputs: Any) -> Run:  # noqa: ANN401
        """Run a workflow of which the app's custom step is a part; the bot is `told` of it."""
        identifier = f"Fx{secrets.token_hex(5)}"
        token = f"xwfp-{secrets.token_hex(12)}"
        event = {
            "type": "function_executed",
            "function": {"callback_id": callback_id, "type": "app", "app_id": APP},
            "inputs": inputs,
            "function_execution_id": identifier,
            "workflow_execution_id": f"Wx{secrets.token_hex(5)}",
            "bot_access_token": token,
        }
        run = self.runs[identifier] = Run(identifier, token, self.clock(), event)
        if told:
            await self.event(event)
        return run


def as_slack_sends(text: str) -> str:
    """Escape a typed text: https://docs.slack.dev/messaging/formatting-message-text."""
    if re.match(r"<(?:[@#!]|mailto:|https?:)", text):
        return text  # a test's own markup
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _targets(view: Message) -> list[str]:
    """Return the menus of a form that come with a response_url of the chosen channel."""
    return [
        block["block_id"]
        for block in view["blocks"]
        if block.get("element", {}).get("response_url_enabled")
    ]


def _button(holder: Message, action_id: str, option: str = "") -> Message:
    """Return a button or menu as Slack sends it when it is pressed, or {}."""
    for block in holder.get("blocks", []):
        for element in [*block.get("elements", []), block.get("accessory", {})]:
            if element.get("action_id") != action_id:
                continue
            if element["type"] == "overflow":
                options = [one for one in element["options"] if one["value"].startswith(option)]
                kept = {name: element[name] for name in ("type", "action_id")}
                return kept | {"selected_option": options[0]}
            return {name: element[name] for name in element if name not in ("style", "url")}
    return {}
