"""Measure how long the largest story holds the event loop: `python -m benchmarks.insight`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from statistics import median
from time import thread_time
from typing import Final

from bot.core.sessions import Session
from bot.core.story import Excerpt, tell
from bot.features.insight import view
from bot.fullstory import context
from bot.fullstory.protocol import MAX_REPLY_BYTES

_RUNS: Final = 21
_NOW: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
_SESSION: Final = Session("1", "2", _NOW, "https://app.fullstory.com/ui/X/session/1:2")
_TEXTS: Final = {
    "plain": "word ",
    "queries": "x?",
    "addresses": "ab cd@ ",
    "invisible": "\u200b",
    "quotes": "“",
}


def largest(text: str) -> bytes:
    """Return a reply as large as is accepted: each event on a page of its own."""
    pages = [
        {
            "url": f"/{text}",
            "events": [
                {
                    "type": "click",
                    "timestamp": f"2026-11-28T12:00:{number % 60:02}.{number:03}Z",
                    "description": text,
                }
            ],
        }
        for number in range(context.EVENT_LIMIT)
    ]
    return json.dumps({"context_data": {"pages": pages}}, ensure_ascii=False).encode()


def main() -> None:
    """Print the CPU time from a reply's bytes to the message, and to what is kept."""
    for name, unit in _TEXTS.items():
        size = MAX_REPLY_BYTES // context.EVENT_LIMIT - 150
        reply = largest(unit * (size // 2 // len(unit.encode())))
        took = []
        for _ in range(_RUNS):
            started = thread_time()
            excerpt = context.parse(200, {}, reply)
            Excerpt.from_json(excerpt.to_json())
            view.render_story(tell(excerpt), _SESSION, None, None, _NOW, [], links=True)
            took.append(thread_time() - started)
        print(f"{name:<10} {len(reply) // 1024} KiB  {1000 * median(took):.1f} ms")


if __name__ == "__main__":
    main()
