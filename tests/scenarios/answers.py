"""What tests read off an answer, and how they press and share."""

from __future__ import annotations

import json
import re
from typing import Any

from pydantic import SecretStr

from bot.features.share import form as share_form
from bot.sandbox.slack import SlackSandbox
from bot.sandbox.workspace import BOT, USER, Exchange, Shown
from bot.settings import Settings
from bot.slack import action_ids, sharing, texts
from tests.conftest import until

JANE = "jane@example.com"


async def asked(slack: SlackSandbox) -> Shown:
    """Return an answer to a command, whether it came in the ack or later."""
    await final(await slack.command(f"/fsessions {JANE} 3"))
    return slack.screen[-1]


async def final(exchange: Exchange) -> dict[str, Any]:
    """Return the answer, in the ack or after it."""
    shown = exchange.ack or {}
    return await exchange.answer() if shown.get("text") == texts.STILL_LOOKING else shown


def links(shown: Shown) -> list[str]:
    """Return the recordings that can be opened."""
    return re.findall(r"https://[^|^>\"]*", json.dumps(shown.message["blocks"]))


def labels(shown: Shown | dict[str, Any]) -> list[str]:
    """Return what can be pressed on a message or view: buttons, then the entries of its menu."""
    found, entries = [], []
    holder = shown.message if isinstance(shown, Shown) else shown
    for block in holder["blocks"]:
        for element in [*block.get("elements", []), block.get("accessory", {})]:
            if element.get("type") == "button" and "url" not in element:
                found.append(element["text"]["text"])
            entries += [f"⋯ {one['text']['text']}" for one in element.get("options", [])]
    return found + entries


async def refresh(slack: SlackSandbox, shown: Shown, **other: Any) -> Any:  # noqa: ANN401
    """*Refresh*, in the menu of an answer; or *Try again*."""
    if "⋯ Refresh" in labels(shown):
        return await slack.press(action_ids.ANSWER_MENU, shown, option="refresh", **other)
    return await slack.press(action_ids.REFRESH, shown, **other)


async def share_window(slack: SlackSandbox, shown: Shown | str, **other: Any) -> str:  # noqa: ANN401
    """Press *Share…* on a message or in the window of that id.

    Returns the id of the new window, once it is filled or says why not.
    """
    before = set(slack.views)
    if isinstance(shown, str):
        await slack.press_in_view(action_ids.SHARE, shown, **other)
    else:
        await slack.press(action_ids.SHARE, shown, **other)
    await until(lambda: len(slack.views) > len(before))
    (view_id,) = set(slack.views) - before
    await until(lambda: "One moment" not in str(slack.views[view_id]))
    return view_id


async def submit_share(
    slack: SlackSandbox,
    view_id: str,
    *,
    which: str = "0",
    named: bool = False,
    where: str = "",
    channel: str = "",
    note: str | None = None,
    user: str = USER,
) -> Exchange:
    """Send the window."""
    values: dict[str, dict[str, Any]] = {
        share_form.WHICH: {"selected_option": {"value": which}},
        share_form.NAME: {"selected_options": [{"value": "include"}] if named else []},
    }
    if where:
        values[sharing.WHERE] = {"selected_option": {"value": where}}
    if channel:
        values[sharing.WHERE] = {"selected_conversation": channel}
    values[share_form.NOTE] = {"value": note}
    return await slack.submit(view_id, values, user=user)


async def share(slack: SlackSandbox, shown: Shown | str, **choice: Any) -> None:  # noqa: ANN401
    """Both, one after the other."""
    await submit_share(slack, await share_window(slack, shown), **choice)


def public(slack: SlackSandbox) -> list[Shown]:
    """Return what everyone in the channel can see."""
    return [one for one in slack.screen if not one.user]


async def settled(slack: SlackSandbox) -> None:
    """Whatever was on its way when this is called has arrived when it returns."""
    exchange = await slack.command("/fsessions slow@example.com 1")
    await exchange.answer()


def signing_key(slack: SlackSandbox) -> bytes:
    """Return what the bot of `settings_for` seals its buttons with."""
    settings = Settings(
        fullstory_api_key=SecretStr("key"), slack_signing_secret=SecretStr(slack.signing_secret)
    )
    return settings.signing_keys[0]


def offers(slack: SlackSandbox) -> list[Shown]:
    """Return what the bot posted for everyone."""
    return [one for one in slack.screen if one.author.get("bot_id") == BOT and not one.user]
