"""Checks of Fullstory for `fsessions check`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from bot.cli.check.finding import LATER, Finding, unreachable
from bot.connections import Connections
from bot.core.query import Search
from bot.core.sessions import Query, Session, replay_at
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    RequestRejected,
    Unavailable,
)
from bot.fullstory.api import READ_ON, SESSIONS, SESSIONS_V2, Operation, has_field
from bot.fullstory.client import client_of
from bot.fullstory.protocol import Endpoint, document_of, parse_reply
from bot.settings import Settings
from bot.slack.blocks import escape
from bot.slack.typed_text import parse

_UNUSED_UID: Final = "fsessions-check"


async def fullstory_key(settings: Settings, connections: Connections) -> Finding:
    """Check that the key may list sessions."""
    part, host = "Fullstory key", settings.fullstory_base_url
    client = client_of(settings, connections.fullstory)
    try:
        await client.sessions(Query(None, _UNUSED_UID, limit=1))
        organization = await client.organization()
    except KeyRejected:
        return Finding(
            part,
            f"{host} doesn't accept it",
            "Copy a key from Settings → Integrations & API Keys in Fullstory into "
            "FULLSTORY_API_KEY, with everything before the first dot: na1. or eu1. says which data "
            "center.",
        )
    except PermissionMissing:
        return Finding(
            part,
            "isn't allowed to list sessions",
            "Create a key with the level Standard or higher in Fullstory's settings.",
        )
    except Unavailable as error:
        if error.status is None:
            return unreachable(part, host, error)
        return Finding(part, f"{host} answers {error}", LATER)
    except (RateLimited, DeadlineExceeded) as error:
        return Finding(part, f"{host} answers {error}", LATER)
    except FullstoryError as error:
        return Finding(
            part,
            f"{host} gives an unexpected answer ({type(error).__name__} {error})",
            "If FULLSTORY_API_URL is set, check it; otherwise, run this check again later.",
        )
    if not organization:
        return Finding(
            part,
            f"{host} doesn't answer like Fullstory's API",
            "Remove or fix FULLSTORY_API_URL: people would be told that no one has sessions.",
        )
    return Finding(part, f"lists sessions of {organization} at {host}")


async def insights(settings: Settings, connections: Connections) -> Finding:
    """Check that the key may tell what happened, without paying for it.

    The quotas take the same level and cost nothing; nothing free says what the plan includes.
    """
    part, client = "Insights", client_of(settings, connections.fullstory)
    try:
        await client.quota()
    except PermissionMissing:
        return Finding(
            part,
            "the key's level is too low to tell what happened in a session",
            "Create a key with the level Standard or higher in Fullstory's settings, or set "
            "INSIGHTS=false.",
        )
    except FullstoryError as error:
        return Finding(part, f"not checked: {settings.fullstory_base_url} answers {error}", LATER)
    limit = f"at most {settings.insights_per_day} Activations a day"
    result = f"the key's level is right; {limit}, if your plan includes them: press once to see"
    return Finding(part, result, is_known=False)


async def compared(
    person: str, settings: Settings, connections: Connections
) -> AsyncIterator[Finding]:
    """Look a person up as the bot does, and compare the reply with `bot.fullstory.api`.

    What it says has names of fields, and nothing of the person.
    """
    part = "Fullstory lookup"
    match parse(escape(person), settings.limits, *settings.grammar):
        case Search(mention="") as search:
            query = search.query()
        case _:
            yield Finding(part, "not tried", "Give --lookup one e-mail address or uid.")
            return
    client, path = client_of(settings, connections.fullstory), settings.fullstory_sessions_path
    declared = SESSIONS if path == SESSIONS.path else SESSIONS_V2
    for in_body in (False, True) if declared is SESSIONS else (False,):
        endpoint = Endpoint(settings.fullstory_base_url, path, in_body=in_body)
        try:
            status, headers, body = await client.reply(endpoint.request(query))
            page = parse_reply(status, headers, body)
        except FullstoryError as error:
            if isinstance(error, RequestRejected | PermissionMissing) and in_body:
                yield Finding("POST", f"not accepted ({error}): FULLSTORY_METHOD has to be GET")
            elif in_body:
                yield Finding(
                    "POST", f"not checked: {type(error).__name__} {error}", is_known=False
                )
            else:
                yield Finding(part, f"fails: {type(error).__name__} {error}", LATER)
                return
            continue
        if in_body:
            result = f"accepted: {len(page.sessions)} sessions; FULLSTORY_METHOD=POST works"
            yield Finding("POST", result)
        elif not page.sessions:
            yield Finding(part, "no sessions: nothing to compare", is_known=False)
            return
        else:
            yield _fields(part, declared, body)
            yield _order(page.sessions)
            yield _links(page.sessions)


def _fields(part: str, declared: Operation, body: bytes) -> Finding:
    document = document_of(body)
    names = [field.rpartition(".")[2] for field in declared.fields]
    missing = [one for one in declared.fields if not has_field(document, one)]
    if missing:
        names = [one.rpartition(".")[2] for one in missing]
        return Finding(
            part,
            f"the reply has no {', '.join(names)}",
            f"Fullstory has changed its API since {READ_ON}: upgrade the bot.",
        )
    return Finding(part, f"the reply has {', '.join(names)}, as on {READ_ON}")


def _order(sessions: Sequence[Session]) -> Finding:
    times = [one.started for one in sessions if one.started]
    if len(times) < len(sessions):
        result = f"{len(sessions) - len(times)} of {len(sessions)} times can't be read"
        return Finding("Times", result, "Upgrade the bot: such sessions come last.")
    order = "oldest first" if times == sorted(times) else "mixed"
    if times == sorted(times, reverse=True):
        order = "newest first"
    return Finding("Times", f"{len(times)} sessions, {order}; the bot sorts them")


def _links(sessions: Sequence[Session]) -> Finding:
    usable = [one for one in sessions if one.link]
    if len(usable) < len(sessions):
        result = f"{len(sessions) - len(usable)} of {len(sessions)} are not safe to open"
        return Finding("Links", result, "Only https on fullstory.com is shown as a link.")
    fitting = [one for one in usable if one.started and replay_at(one, one.started)]
    if len(fitting) < len(usable):
        result = "have another shape than …/session/USER:SESSION, so replays open at their start"
        return Finding("Links", result, is_known=False)
    return Finding("Links", "take a moment: replays can open where it matters")
