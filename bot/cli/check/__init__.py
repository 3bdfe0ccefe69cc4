"""`fsessions check`: checks each part of a deployment, and says how to fix it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import click

from bot.cli.check import slack
from bot.cli.check.finding import Finding
from bot.cli.check.fullstory import compared, fullstory_key, insights
from bot.connections import open_connections
from bot.settings import Settings
from bot.settings.loading import misspelled


async def run(settings: Settings, person: str | None = None) -> bool:
    """Print a line for each part; return whether everything works.

    With a `person`, what Fullstory answers about them is compared with what the bot relies on.
    """
    is_well = True
    async for finding in _findings(settings, person):
        is_well = is_well and not finding.fix
        mark = click.style("✓", fg="green") if finding.is_known else click.style("?", fg="yellow")
        mark = click.style("✗", fg="red") if finding.fix else mark
        click.echo(f"{mark} {click.style(finding.part, bold=True)}  {finding.result}")
        if finding.fix:
            click.echo(f"  → {finding.fix}")
    return is_well


async def _findings(settings: Settings, person: str | None) -> AsyncIterator[Finding]:
    yield _settings(settings)
    async with open_connections() as connections:
        yield await slack.bot_token(settings, connections)
        if settings.slack_app_token:
            yield await slack.app_token(settings, connections)
        else:
            yield slack.signing_secret(settings)
        if host := slack.response_url_host(settings):
            yield await slack.response_urls(host, connections)
        for channel in settings.support_channels:
            yield await slack.support_channel(channel, settings, connections)
        yield Finding("Access", _access(settings))
        async for finding in slack.ids(settings, connections):
            yield finding
        yield await fullstory_key(settings, connections)
        if settings.insights:
            yield await insights(settings, connections)
        if person:
            async for finding in compared(person, settings, connections):
                yield finding
    if settings.database:
        from bot.cli.check.database import database

        async for finding in database(settings):
            yield finding


def _settings(settings: Settings) -> Finding:
    """Say where the settings come from, and which names nothing reads."""
    file = Path(".env")
    source = f"from {file.resolve()}" if file.is_file() else "from the environment, no .env here"
    transport = "Socket Mode" if settings.socket_mode else "HTTP"
    unread = misspelled()
    result = " ".join([f"complete, {source}; Slack over {transport}.", *unread])
    return Finding("Settings", result, is_known=not unread)


def _access(settings: Settings) -> str:
    """Say in one line who may see sessions, and where."""
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
