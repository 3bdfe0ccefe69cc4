"""Which things were handled already, and which is the latest: Slack tells of things more than once.

https://docs.slack.dev/apis/events-api#retries
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
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


class Latest:
    """Tells whether something is still the latest of its kind, or another has begun since."""

    def __init__(self) -> None:
        self._latest: dict[Hashable, object] = {}

    def begin(self, key: Hashable) -> Callable[[], bool]:
        """Begins something; what it gives says whether nothing has begun since."""
        mark = object()
        self._latest.pop(key, None)  # so that the oldest stand first
        if len(self._latest) >= _MOST:
            del self._latest[next(iter(self._latest))]
        self._latest[key] = mark
        return lambda: self._latest.get(key, mark) is mark
