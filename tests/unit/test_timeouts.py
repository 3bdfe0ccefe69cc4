"""How long the bot waits."""

from __future__ import annotations

import re
from pathlib import Path

from bot.timeouts import Timeouts

ADMINISTRATION = Path(__file__).parents[2] / "docs" / "administration.md"


def test_the_end_fits_into_what_is_promised() -> None:
    """Work in flight, the shutdown notice and aiohttp together take less than 30 seconds."""
    timeouts = Timeouts()
    promised = re.search(r"after (\d+) seconds", ADMINISTRATION.read_text().replace("\n", " "))
    assert promised
    assert timeouts.drain + timeouts.shutdown_notice + 1 <= int(promised[1]) < 30
