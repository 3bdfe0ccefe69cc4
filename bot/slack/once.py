"""What was dealt with already: Slack tells of things more than once.

https://docs.slack.dev/apis/events-api#retries
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

_MOST: Final = 10_000
"""How many are remembered. Slack's last attempt comes after five minutes."""


class Once:
    """Remembers keys, the latest ones."""

    def __init__(self) -> None:
        self._seen: dict[Hashable, None] = {}

    def first(self, key: Hashable) -> bool:
        """Whether this is the first time."""
        if key in self._seen:
            return False
        if len(self._seen) >= _MOST:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = None
        return True
