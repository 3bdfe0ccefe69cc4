"""`fsessions check`: does each part of a deployment work, and if not, what is to be done?"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
from rich.console import Console
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.connections import Connections, open_connections, proxy_for
from bot.core.sessions import Query
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    SlackError,
    Unavailable,
)
from bot.fullstory.client import client_of
from bot.settings import Settings, misspelt
from bot.slack.app import scopes_needed
from bot.slack.web_api import TOKEN_ERRORS, call_api, slack_client
from bot.timeouts import Timeouts, within

_NOBODY = "fsessions-check"  # a uid that no site gives
_SHORTEST_KEY = 20  # characters, so that nobody can try them all
_CLOCK_SECONDS = 5.0
_DATABASE_SECONDS = Timeouts().administration
_SIGNING_SECRET = re.compile(r"[0-9a-z]{32}")
_SLACK = ("slack.com", "slack-gov.com")


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one part; `remedy` says what to do, and is "" where nothing is wrong.

    `is_known` is False where the part can't be checked from here.
    """

    part: str
    result: str
    remedy: str = ""
    is_known: bool = True


async def run(settings: Settings) -> bool:
    """Prints a line for each part. Gives whether all is well."""
    console = Console(highlight=False, soft_wrap=True)
    well = True
    async for finding in _findings(settings):
        well = well and not finding.remedy
        mark = "[green]✓[/green]" if finding.is_known else "[yellow]?[/yellow]"
        mark = "[red]✗[/red]" if finding.remedy else mark
        console.print(f"{mark} [bold]{finding.part}[/bold]", end="  ")
        console.print(finding.result, markup=False)
        if finding.remedy:
            console.print(f"  → {finding.remedy}", markup=False)
    return well


async def _findings(settings: Settings) -> AsyncIterator[Finding]:
    yield _settings(settings)
    async with open_connections() as connections:
        yield await _slack_token(settings, connections)
        if settings.slack_app_token:
            yield await _app_token(settings, connections)
        else:
            yield _signing_secret(settings)
        if host := hooks(settings):
            yield await response_urls(host, connections)
        for channel in settings.support_channels:
            yield await _support_channel(channel, settings, connections)
        yield Finding("Who may look", _who_may_look(settings))
        async for finding in _allowed(settings, connections):
            yield finding
        yield await _fullstory(settings, connections)
    if settings.database:
        async for finding in _database(settings):
            yield finding


def _settings(settings: Settings) -> Finding:
    """Where they are from, and names that nothing reads."""
    file = Path(".env")
    source = f"from {file.resolve()}" if file.is_file() else "from the environment, no .env here"
    transport = "Socket Mode" if settings.socket_mode else "HTTP"
    unread = misspelt()
    result = " ".join([f"complete, {source}; Slack over {transport}.", *unread])
    return Finding("Settings", result, is_known=not unread)


async def _slack_token(settings: Settings, connections: Connections) -> Finding:
    part = "Slack token"
    try:
        answer = await call_api(
            slack_client(settings, connections.slack, settings.bot_token).auth_test()
        )
    except SlackError as error:
        return _slack_trouble(
            part,
            settings,
            error,
            "Copy the Bot User OAuth Token (xoxb-…) from “OAuth & Permissions” of the app into "
            "SLACK_BOT_TOKEN; install the app to the workspace first.",
        )
    if answer.get("is_enterprise_install"):
        return Finding(
            part,
            "is of an installation for a whole organisation",
            "Install the app to the one workspace whose people are to use it: sessions are for its "
            "members.",
        )
    team = answer.get("team")
    if "X-OAuth-Scopes" not in answer.headers:  # some proxies take it away
        return Finding(
            part, f"works in the workspace {team}; Slack's reply doesn't tell its scopes"
        )
    granted = set(str(answer.headers["X-OAuth-Scopes"]).replace(" ", "").split(","))
    needed = scopes_needed(
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


async def _support_channel(channel: str, settings: Settings, connections: Connections) -> Finding:
    """Whether the bot can read the channel: the same scope and membership make Slack tell it."""
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
        remedy = "Update the app from app-manifest.yml, and reinstall it to the workspace."
        return _slack_trouble(part, settings, error, remedy)
    return Finding(part, "the bot is in it")


def _who_may_look(settings: Settings) -> str:
    """The rules of access in one sentence."""
    people = [
        _counted(len(settings.allowed_users), "person", "people"),
        _counted(len(settings.allowed_usergroups), "user group", "user groups"),
    ]
    who = " and ".join(filter(None, people)) or "every full member of the workspace"
    guests = ", guests too" if settings.allow_guests else ", no guests"
    channels = _counted(len(settings.allowed_channels), "channel", "channels")
    return f"{who}{guests}; {f'in {channels}' if channels else 'everywhere'}"


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}" if count else ""


async def _allowed(settings: Settings, connections: Connections) -> AsyncIterator[Finding]:
    """Whether each id in the rules of access exists."""
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
    for name in ("access_contact", "admin_contact"):
        contact = getattr(settings, name)
        part = f"{name.upper()} {contact[2:-1]}"
        if contact.startswith("<@"):
            asking = client.users_info(user=contact[2:-1])
            yield await _exists(part, settings, asking, ("user_not_found",))
        elif contact.startswith("<#"):
            asking = client.conversations_history(channel=contact[2:-1], limit=1)
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
    """Whether an id is known in the workspace; of who `may_look`, whether they are admitted."""
    try:
        answer = await call_api(asking)
    except SlackError as error:
        if error.code == "not_in_channel":  # it is there, and the bot need not be in it
            return Finding(part, "exists")
        if error.code in unknown:
            remedy = "Compare the id with the one that Slack shows in the profile or the details."
            if "channel_not_found" in unknown:
                remedy += " A private channel can be seen only by its members: /invite @fsessions."
            return Finding(part, "doesn't exist in this workspace", remedy)
        if error.code == "missing_scope":
            return Finding(part, "can't be checked: the token lacks the scope", is_known=False)
        remedy = "Update the app from app-manifest.yml, and reinstall it to the workspace."
        return _slack_trouble(part, settings, error, remedy)
    user = answer.get("user") or {}
    if any(map(user.get, ("deleted", "is_bot", "is_stranger"))):
        result = "is a bot, deactivated, or of another organisation"
        return Finding(part, result, "Remove the id: they are never admitted.")
    is_guest = any(map(user.get, ("is_restricted", "is_ultra_restricted")))
    if may_look and is_guest and not settings.allow_guests:
        remedy = "Guests are not admitted without ALLOW_GUESTS=true: set it, or remove the id."
        return Finding(part, "is a guest", remedy)
    return Finding(part, "exists")


async def _database(settings: Settings) -> AsyncIterator[Finding]:
    """Whether it is there, with the tables of this version, and may be written; and its keys."""
    from bot.store.engine import TROUBLE, cannot_be_used, open_engine, shown
    from bot.store.inspect import seconds_ahead, without_rights
    from bot.store.schema import Schema, state_of

    part, where = "Database", shown(settings.database)
    try:
        async with open_engine(settings.database) as engine:
            state = await within(_DATABASE_SECONDS, state_of(engine))
            if not state.can_be_used:
                yield Finding(part, f"{where} has {state.value}", "Run fsessions migrate.")
                return
            lacking = await within(_DATABASE_SECONDS, without_rights(engine))
            ahead = await within(_DATABASE_SECONDS, seconds_ahead(engine))
    except TROUBLE as error:
        yield Finding(part, *cannot_be_used(settings.database, error))
        return
    if lacking:
        remedy = (
            "Run fsessions migrate as the same user, or let it SELECT, INSERT, UPDATE and DELETE."
        )
        result = f"{where} can't be used in full: no right to work with {', '.join(lacking)}"
        yield Finding(part, result, remedy)
    else:
        is_newer = state is Schema.NEWER
        about = "is of a newer version, with which this one works" if is_newer else "is up to date"
        yield Finding(part, f"{where} {about}, and may be written")
    yield clocks(ahead)
    yield _audit_keys(settings)
    yield _state_keys(settings)


def clocks(ahead: float) -> Finding:
    """Whether the database's clock, which is so many seconds ahead of ours, agrees with it."""
    if abs(ahead) < _CLOCK_SECONDS:
        return Finding("Clocks", "the database's and this machine's agree")
    way = "ahead of" if ahead > 0 else "behind"
    result = f"the database's is {abs(ahead):.0f} s {way} this machine's"
    return Finding("Clocks", result, "Let both machines set theirs by the network (NTP).")


def _audit_keys(settings: Settings) -> Finding:
    part = "Audit"
    if not settings.audit_keys:
        result = "without AUDIT_KEY, nobody can be found in it"
        return Finding(part, result, is_known=False)
    if min(map(len, settings.audit_keys)) < _SHORTEST_KEY:
        result = f"an AUDIT_KEY has fewer than {_SHORTEST_KEY} characters"
        remedy = (
            "Make a longer one (openssl rand -hex 32) and put it first: AUDIT_KEY=new,short. "
            "What was recorded before can still be searched."
        )
        return Finding(part, result, remedy)
    return Finding(part, "people can be found in it by e-mail and uid")


def _state_keys(settings: Settings) -> Finding:
    part = "Late answers"
    if not settings.state_keys:
        result = "without STATE_KEYS, they end with the process that owes them"
        return Finding(part, result, is_known=False)
    if settings.database.startswith("sqlite"):
        return Finding(part, "come after a restart, where one ends the process")
    return Finding(part, "another process brings them when one dies")


def _signing_secret(settings: Settings) -> Finding:
    """Its shape; whether it is the right one, only Slack's requests show."""
    part = "Slack signing secret"
    secret = settings.slack_signing_secret
    if secret and not _SIGNING_SECRET.fullmatch(secret.get_secret_value()):
        return Finding(
            part,
            "is not one: Slack's have 32 letters and digits",
            "Copy the Signing Secret from “Basic Information” → “App Credentials” of the app into "
            "SLACK_SIGNING_SECRET.",
        )
    result = "can't be checked from here: it is right when /fsessions help is answered"
    return Finding(part, result, is_known=False)


async def response_urls(url: str, connections: Connections) -> Finding:
    """Whether answers after the ack get out: they go to a host of their own."""
    part = "Slack response_urls"
    try:
        async with connections.response_urls.get(url, allow_redirects=False, proxy=proxy_for(url)):
            return Finding(part, f"{url} can be reached")
    except (aiohttp.ClientError, OSError) as error:
        remedy = "Open the way to that host in the firewall or the proxy: late answers go there."
        return Finding(part, f"{url} can't be reached ({type(error).__name__})", remedy)


def hooks(settings: Settings) -> str:
    """The host of Slack's response_urls; "" where that of its API is the same, as of a stand-in."""
    host = urlsplit(settings.slack_api_url).hostname
    return f"https://hooks.{host}" if host in _SLACK else ""


async def _app_token(settings: Settings, connections: Connections) -> Finding:
    part = "Slack app token"
    token = settings.slack_app_token.get_secret_value() if settings.slack_app_token else ""
    try:
        await call_api(
            slack_client(settings, connections.slack).apps_connections_open(app_token=token)
        )
    except SlackError as error:
        return _slack_trouble(
            part,
            settings,
            error,
            "Turn Socket Mode on, and copy an App-Level Token (xapp-…) with the scope "
            "connections:write from “Basic Information” into SLACK_APP_TOKEN.",
        )
    return Finding(part, "opens connections")


def _slack_trouble(part: str, settings: Settings, error: SlackError, token: str) -> Finding:
    """A bad token, Slack's own trouble, or no Slack at all; `token` is the remedy for the first."""
    if error.code in TOKEN_ERRORS:
        return Finding(part, f"Slack says {error.code}", token)
    if error.code:
        return Finding(part, f"Slack says {error.code}", "Run this check again later.")
    return _unreachable(part, settings.slack_api_url, error)


async def _fullstory(settings: Settings, connections: Connections) -> Finding:
    part = "Fullstory key"
    host = settings.fullstory_base_url
    client = client_of(settings, connections.fullstory)
    try:
        await client.sessions(Query(None, _NOBODY, limit=1))
        organisation = await client.organisation()
    except KeyRejected:
        return Finding(
            part,
            f"{host} doesn't accept it",
            "Copy a key from Settings → Integrations & API Keys in Fullstory into "
            "FULLSTORY_API_KEY, with everything before the first dot: the beginning (na1. or "
            "eu1.) tells the data centre.",
        )
    except PermissionMissing:
        return Finding(
            part,
            "isn't allowed to list sessions",
            "Make a key of the level Standard or higher in Fullstory's settings.",
        )
    except Unavailable as error:
        if error.status is None:
            return _unreachable(part, host, error)
        return Finding(part, f"{host} answers {error}", "Run this check again later.")
    except (RateLimited, DeadlineExceeded) as error:
        return Finding(part, f"{host} answers {error}", "Run this check again later.")
    except FullstoryError as error:
        return Finding(
            part,
            f"{host} answers in an unexpected way ({type(error).__name__} {error})",
            "If FULLSTORY_API_URL is set, check it; if not, run this check again later.",
        )
    if not organisation:
        return Finding(
            part,
            f"{host} doesn't answer as Fullstory's API does",
            "Remove FULLSTORY_API_URL, or correct it: people would be told “no sessions” of "
            "everybody.",
        )
    return Finding(part, f"lists sessions of {organisation} at {host}")


def _unreachable(part: str, address: str, error: Exception) -> Finding:
    cause = type(error.__cause__ or error).__name__
    return Finding(
        part,
        f"no good answer from {address} ({cause})",
        "Can this machine reach that address? A firewall or proxy may be in the way; if you have "
        "set an _API_URL, check it.",
    )
