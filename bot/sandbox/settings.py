"""Settings of a bot that talks with the stand-ins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from bot.sandbox.fullstory import FullstorySandbox
from bot.sandbox.slack import SlackSandbox
from bot.settings import Settings
from bot.store.engine import open_engine
from bot.store.schema import migrate


def settings_for(slack: SlackSandbox, fullstory: FullstorySandbox, **other: Any) -> Settings:  # noqa: ANN401
    """Return settings for the stand-ins only; the environment is ignored."""
    values: dict[str, Any] = {
        "slack_bot_token": SecretStr(slack.bot_token),
        "slack_signing_secret": SecretStr(slack.signing_secret),
        "slack_api_url": slack.api_url,
        "fullstory_api_key": SecretStr(fullstory.key),
        "fullstory_api_url": fullstory.url,
        "host": "127.0.0.1",
        "port": 0,
    }
    return Settings.model_validate(values | other)


@asynccontextmanager
async def temporary_database() -> AsyncIterator[str]:
    """Yield the URL of a temporary database with our tables."""
    with TemporaryDirectory(prefix="fsessions-") as folder:
        url = f"sqlite:///{folder}/audit.db"
        async with open_engine(url) as engine:
            await migrate(engine)
        yield url
