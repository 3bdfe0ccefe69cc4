"""Checks of Fullstory for `fsessions check`."""

from __future__ import annotations

from typing import Final

from bot.cli.check.finding import LATER, Finding, unreachable
from bot.connections import Connections
from bot.core.sessions import Query
from bot.errors import (
    DeadlineExceeded,
    FullstoryError,
    KeyRejected,
    PermissionMissing,
    RateLimited,
    Unavailable,
)
from bot.fullstory.client import client_of
from bot.settings import Settings

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
