"""Whatever comes in: twice the input, at most twice the work; and never long at a stretch.

Work is the CPU time of this thread, the least of several runs: it doesn't count what else the
machine does meanwhile. (Steps can't be counted: most are inside `re` and the JSON parser.) From an
input to one eight times as large, work that grows with it takes 8 times as long, and work that
grows with its square 64 times. The limit lies between them, far from both.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from bot.core.labels import UID
from bot.core.query import MAX_TEXT_LENGTH, Limits
from bot.core.reading import read
from bot.core.sessions import Query, SessionList
from bot.core.story import tell
from bot.core.times import UnclearTime, parse_moment, zone
from bot.errors import FullstoryError
from bot.fullstory import context, protocol
from bot.slack import blocks, http, texts
from bot.slack.app import BadBody
from bot.slack.message_parser import (
    MAX_FOUND,
    MAX_PIECES,
    identities,
)
from bot.slack.typed_text import parse
from tests.unit.test_moments import NOW

LIMITS = Limits(20, 100)
LONGEST_TEXT = 40_000  # Slack cuts longer messages
TIMES = 8
MOST = 24

# Texts that made some pattern go back and forth, and others that might.
UNITS = {
    "labels and underscores": "uid:" + "_" * 17,
    "labels and addresses": "uid:1 a1@b.co ",
    "at signs": "a@",
    "half addresses": "a@b.",
    "long domains": "a@" + "b." * 60,
    "words": "x" * 30 + " ",
    "quotes": 'uid:"',
    "curly quotes": "uid:“",
    "brackets": "uid:(",
    "backticks": "uid`",
    "bold labels": "*user id* ",
    "labels on lines": "uid:\n",
    "labels and spaces": "uid: ____ ",
    "less than": "<",
    "mail links": "<mailto:a",
    "links": "<a>",
    "schemes": "://",
    "headers": "message-id: <",
    "entities": "&amp;",
    "invisible": "\u200b",
    "stars": "*",
    "times": "at at:14:05 ",
    "numbers": "1 ",
    "escapes": '\\"',
}


def work(do: Callable[[], object], runs: int = 3) -> float:
    """CPU seconds."""
    least = float("inf")
    for _ in range(runs):
        started = time.thread_time()
        with suppress(FullstoryError, UnclearTime, BadBody):
            do()
        least = min(least, time.thread_time() - started)
    return least


def growth(make: Callable[[int], Any], do: Callable[[Any], object], size: int) -> float:
    """How many times the work is that of an eighth of the input."""
    small, large = make(size // TIMES), make(size)
    # Some microseconds are the same for any input, and for a small one they are all there is.
    return work(lambda: do(large)) / (work(lambda: do(small)) + 0.0001)


def repeated(unit: str) -> Callable[[int], str]:
    """So many characters of it."""
    return lambda size: (unit * (size // len(unit) + 1))[:size]


@pytest.mark.parametrize("name", UNITS)
def test_messages(name: str) -> None:
    """Tickets, as long as they are read."""
    make = repeated(UNITS[name])
    assert growth(make, lambda text: identities({"text": text}), LONGEST_TEXT) < MOST


@pytest.mark.parametrize("name", UNITS)
def test_typed_texts(name: str) -> None:
    """As long as they are read word by word, and as long as Slack lets messages be."""
    make = repeated(UNITS[name])
    assert growth(make, lambda text: read(text, UID), MAX_TEXT_LENGTH) < MOST
    assert growth(make, lambda text: parse(text, LIMITS), LONGEST_TEXT) < MOST


@pytest.mark.parametrize("unit", ["1 ", "14:05 ", "at ", "1 day ago ", "nov 22 ", "-05:00"])
def test_times(unit: str) -> None:
    """They are refused beyond 60 characters."""
    berlin = zone("Europe/Berlin")
    make = repeated(unit)
    assert growth(make, lambda text: parse_moment(text, berlin, NOW), 100_000) < MOST


REPLIES: dict[str, Callable[[int], bytes]] = {
    "empty sessions": lambda size: b"[%s]" % b",".join([b"{}"] * (size // 3)),
    "numbers": lambda size: b"[%s]" % b",".join([b"1"] * (size // 2)),
    "long ids": lambda size: json.dumps([{"id": "%3A" * 160}] * (size // 500)).encode(),
    "long links": lambda size: json.dumps(
        [{"fsUrl": "https://app.fullstory.com/" + "%25" * 150}] * (size // 500)
    ).encode(),
    "long numbers": lambda size: (
        b"[%s]" % b",".join([b'{"id":%s}' % (b"9" * 4000)] * (size // 4000))
    ),
    "one number": lambda size: b'[{"id":%s}]' % (b"9" * size),
    "nesting": lambda size: b"[" * size,
    "fields": lambda size: b"{%s}" % b",".join(b'"%d":1' % n for n in range(size // 11)),
}


@pytest.mark.parametrize("name", REPLIES)
def test_replies(name: str) -> None:
    """What Fullstory sends, as far as it is read."""
    query = Query("jane@example.com", "user-42", 100)

    def read(body: bytes) -> object:
        return SessionList.of(query, protocol.parse_reply(200, {}, body).sessions)

    assert growth(REPLIES[name], read, protocol.MAX_REPLY_BYTES - 1000) < MOST


@pytest.mark.parametrize("name", UNITS)
def test_what_happened(name: str) -> None:
    """The texts of recorded pages, and how many events there are."""
    make = repeated(UNITS[name])

    def told(text: str, count: int = 1) -> bytes:
        event = {"type": "exception", "timestamp": "2026-11-28T12:00:00Z", "description": text}
        pages = [{"url": f"https://shop.example/{text}", "events": [event]}] * count
        return json.dumps({"context_data": {"pages": pages}}).encode()

    def read_it(body: bytes) -> object:
        return tell(context.parse(200, {}, body))

    assert growth(lambda size: told(make(size)), read_it, 100_000) < MOST
    assert growth(lambda size: told(make(300), size // 700), read_it, 500_000) < MOST


@pytest.mark.parametrize("unit", [b"a=b&", b"%41", b"payload=%7B&", b"=", b"%", b"+", b'{"a":'])
def test_bodies(unit: bytes) -> None:
    """What Slack signed."""

    def make(size: int) -> bytes:
        return b"command=" + unit * (size // len(unit))

    assert growth(make, http.parse_body, http.MAX_BODY_BYTES) < MOST


@pytest.mark.parametrize("unit", ["x", "&", "\U0001f600", "<"])
def test_rendering(unit: str) -> None:
    """Whatever a uid is made of."""
    assert growth(repeated(unit), lambda uid: blocks.note(texts.heading(uid, 1, 1)), 20_000) < MOST


class Counted(dict[str, Any]):
    """A piece of a message that counts how often it is looked at."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401
        """Return counts."""
        Counted.looks += 1
        return super().get(key, default)


SHAPES: dict[str, Callable[[int], dict[str, Any]]] = {
    "attachments": lambda n: {"attachments": [Counted() for _ in range(n)]},
    "nested attachments": lambda n: {
        "attachments": [Counted(attachments=[Counted(text="x")]) for _ in range(n)]
    },
    "blocks": lambda n: {"blocks": [Counted() for _ in range(n)]},
    "elements": lambda n: {
        "blocks": [{"type": "rich_text_section", "elements": [Counted() for _ in range(n)]}]
    },
    "cells": lambda n: {
        "blocks": [{"type": "table", "rows": [[Counted() for _ in range(n)] for _ in range(300)]}]
    },
    "fields": lambda n: {"attachments": [{"fields": [Counted(title="a") for _ in range(n)]}]},
    "files": lambda n: {"files": [Counted() for _ in range(n)]},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_pieces_are_bounded(shape: str) -> None:
    """However many there are: so many are looked at, and no more."""
    message = SHAPES[shape](40_000 if shape != "cells" else 1_000)
    Counted.looks = 0
    identities(message)
    assert 0 < Counted.looks <= 20 * MAX_PIECES


def test_the_search_ends() -> None:
    """No one chooses among more."""
    text = " ".join(f"customer{number}@example.com" for number in range(3_000))
    assert len(identities({"text": text})) == MAX_FOUND
