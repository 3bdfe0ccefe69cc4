"""What the bot remembers from one request to the next: the only place for it.

An entry point never keeps anything itself; it asks a `State`. So what one process remembers can be
shared by several: with another implementation of this protocol, in one file.
"""

from __future__ import annotations

from typing import Protocol

Key = tuple[str, ...]
"""What is remembered. The first part is its kind, such as "event"; the others tell which one."""


class State(Protocol):
    """Everything expires: `seconds` say when. Keys of different kinds never meet."""

    async def claim(self, key: Key, seconds: float) -> bool:
        """Whether this is the first claim of the key; it is then taken for so long."""

    async def forget(self, key: Key) -> None:
        """Makes the key free again, or removes its value."""

    async def count(self, key: Key, limit: int, seconds: float) -> bool:
        """Counts one more, if fewer than `limit` were counted in the last `seconds`.

        Gives whether it was counted.
        """

    async def put(self, key: Key, value: str, seconds: float) -> None:
        """Keeps a value for so long, in the place of an earlier one."""

    async def get(self, key: Key) -> str | None:
        """The value, or None if there is none any more."""
