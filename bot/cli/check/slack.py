"""Checks of Slack for `fsessions check`."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.cli.check.finding import Finding, slack_problem
from bot.connections import Connections, proxy_for
from bot.errors import SlackError
from bot.features import scopes
from bot.settings import Settings
from bot.slack.web_api import call_api, slack_client

_SIGNING_SECRET: Final = re.compile(r"[0-9a-z]{32}")
_SLACK_HOSTS: Final = ("slack.com", "slack-gov.com")
_UPDATE_APP: Final = "Update the app from app-manifest.yml, and reinstall it to the workspace."


async def bot_token(settings: Settings, connections: Connections) -> Finding:
    """Check the bot token and its scopes."""
    part = "Slack token"
    try:
        answer = await call_api(
            slack_client(settings, connections.slack, settings.bot_token).auth_test()
        )
    except SlackError as error:
        return slack_problem(
            part,
            settings,
            error,
            "Copy the Bot User OAuth Token (xoxb-…) from “OAuth & Permissions” of the app into "
            "SLACK_BOT_TOKEN; install the app to the workspace first.",
        )
    if answer.get("is_enterprise_install"):
        return Finding(
            part,
            "belongs to an installation for a whole organization",
            "Install the app to one workspace: sessions are for its members.",
        )
    team = answer.get("team")
    if "X-OAuth-Scopes" not in answer.headers:  # some proxies remove it
        return Finding(
            part, f"works in the workspace {team}; Slack's reply doesn't name its scopes"
        )
    granted = set(str(answer.headers["X-OAuth-Scopes"]).replace(" ", "").split(","))
    needed = scopes(
        support_channels=bool(settings.support_channels),
        usergroups=bool(settings.allowed_usergroups),
    )
    if missing := [scope for scope in needed if scope not in granted]:
        return Finding(
            part,
            f"lacks the scope {', '.join(missing)}",
            "Add it under “OAuth & Permissions” (or update the app from app-manifest.yml), then "
            "reinstall the app to the workspace.",
        )
    return Finding(part, f"works in the workspace {team}, with every scope it needs")


async def support_channel(channel: str, settings: Settings, connections: Connections) -> Finding:
    """Check that the bot can read the channel, which takes what its events take."""
    part = f"Support channel {channel}"
    client = slack_client(settings, connections.slack, settings.bot_token)
    try:
        await call_api(client.conversations_history(channel=channel, limit=1))
    except SlackError as error:
        if error.code in ("channel_not_found", "not_in_channel"):
            return Finding(
                part,
                "the bot isn't in it",
                "Type /invite @fsessions there; if that doesn't help, compare the id in "
                "SUPPORT_CHANNELS with the one at the end of the channel's details.",
            )
        return slack_problem(part, settings, error, _UPDATE_APP)
    return Finding(part, "the bot is in it")


async def ids(settings: Settings, connections: Connections) -> AsyncIterator[Finding]:
    """Check that each id in the settings exists."""
    client = slack_client(settings, connections.slack, settings.bot_token)
    for name in ("allowed_users", "auditors"):
        for user in getattr(settings, name):
            part = f"{name.upper()} {user}"
            asking = client.users_info(user=user)
            yield await _exists(part, settings, asking, ("user_not_found",), may_look=True)
    for group in settings.allowed_usergroups:
        asking = client.usergroups_users_list(usergroup=group)
        part = f"ALLOWED_USERGROUPS {group}"
        yield await _exists(part, settings, asking, ("no_such_subteam", "subteam_not_found"))
    kind, contact = settings.admin_contact[:2], settings.admin_contact[2:-1]
    part = f"ADMIN_CONTACT {contact}"
    if kind == "<@":
        asking = client.users_info(user=contact)
        yield await _exists(part, settings, asking, ("user_not_found",))
    elif kind == "<#":
        asking = client.conversations_history(channel=contact, limit=1)
        yield await _exists(part, settings, asking, ("channel_not_found",))
    for channel in settings.allowed_channels:
        asking = client.conversations_history(channel=channel, limit=1)
        part = f"ALLOWED_CHANNELS {channel}"
        yield await _exists(part, settings, asking, ("channel_not_found",))
    if settings.allowed_workflows:
        names = ", ".join(settings.allowed_workflows)
        result = f"{names}: can't be checked from here"
        yield Finding("ALLOWED_WORKFLOWS", result, is_known=False)


async def _exists(
    part: str,
    settings: Settings,
    asking: Awaitable[AsyncSlackResponse],
    unknown: tuple[str, ...],
    *,
    may_look: bool = False,
) -> Finding:
    """Check an id; a person who `may_look` has to be one who is admitted."""
    try:
        answer = await call_api(asking)
    except SlackError as error:
        if error.code == "not_in_channel":  # it exists, and the bot need not be in it
            return Finding(part, "exists")
        if error.code in unknown:
            fix = "Compare the id with the one that Slack shows in the profile or the details."
            if "channel_not_found" in unknown:
                fix += " A private channel is only visible to its members: /invite @fsessions."
            return Finding(part, "doesn't exist in this workspace", fix)
        if error.code == "missing_scope":
            return Finding(part, "can't be checked: the token lacks the scope", is_known=False)
        return slack_problem(part, settings, error, _UPDATE_APP)
    user = answer.get("user") or {}
    if any(map(user.get, ("deleted", "is_bot", "is_stranger"))):
        result = "is a bot, deactivated, or from another organization"
        return Finding(part, result, "Remove the id: they are never admitted.")
    is_guest = any(map(user.get, ("is_restricted", "is_ultra_restricted")))
    if may_look and is_guest and not settings.allow_guests:
        fix = "Guests are not admitted without ALLOW_GUESTS=true: set it, or remove the id."
        return Finding(part, "is a guest", fix)
    return Finding(part, "exists")


def signing_secret(settings: Settings) -> Finding:
    """Check its shape; only Slack's requests show whether it is the right one."""
    part = "Slack signing secret"
    secret = settings.slack_signing_secret
    if secret and not _SIGNING_SECRET.fullmatch(secret.get_secret_value()):
        return Finding(
            part,
            "is not a signing secret: they have 32 letters and digits",
            "Copy the Signing Secret from “Basic Information” → “App Credentials” of the app into "
            "SLACK_SIGNING_SECRET.",
        )
    result = "can't be checked from here: it is right if /fsessions help is answered"
    return Finding(part, result, is_known=False)


async def response_urls(url: str, connections: Connections) -> Finding:
    """Check that late answers get out: they go to a host of their own."""
    part = "Slack response_urls"
    try:
        async with connections.response_urls.get(url, allow_redirects=False, proxy=proxy_for(url)):
            return Finding(part, f"{url} can be reached")
    except (aiohttp.ClientError, OSError) as error:
        fix = "Allow that host in the firewall or the proxy: late answers go there."
        return Finding(part, f"{url} can't be reached ({type(error).__name__})", fix)


def response_url_host(settings: Settings) -> str:
    """Return the host of response_urls; "" if it is the same as the API's, as in the sandbox."""
    host = urlsplit(settings.slack_api_url).hostname
    return f"https://hooks.{host}" if host in _SLACK_HOSTS else ""


async def app_token(settings: Settings, connections: Connections) -> Finding:
    """Check that the app token opens connections."""
    part = "Slack app token"
    token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else ""
    try:
        await call_api(
            slack_client(settings, connections.slack).apps_connections_open(app_token=token)
        )
    except SlackError as error:
        return slack_problem(
            part,
            settings,
            error,
            "Turn on Socket Mode, and copy an App-Level Token (xapp-…) with the scope "
            "connections:write from “Basic Information” into SLACK_APP_TOKEN.",
        )
    return Finding(part, "opens connections")
