"""How long the pure parts take: what stands on the way of every command, and the largest inputs.

By pyperf, which runs each in processes of its own: `python -m benchmarks.micro`, with `--fast` for
a first look. Nothing pure may hold the event loop for more than 20 ms, whatever the input.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pyperf
from slack_sdk.signature import SignatureVerifier

from benchmarks.outside import SIGNING_SECRET, sessions
from bot.core.labels import DEFAULT, labels_of
from bot.core.query import Limits
from bot.core.sessions import Query, SessionList
from bot.fullstory.protocol import MAX_REPLY_BYTES, MAX_SESSIONS, parse_reply
from bot.slack import answer
from bot.slack.answer import Buttons, Reader
from bot.slack.blocks import RESPONSE_URL
from bot.slack.http import MAX_BODY_BYTES, parse_body
from bot.slack.message_parser import external_identities
from bot.slack.typed_text import parse

LIMITS, LABELS = Limits(20, 100), labels_of(DEFAULT)
READER = Reader(datetime(2026, 11, 25, tzinfo=UTC))
BUTTONS = Buttons("same " * 20, "more " * 20, "share " * 20)


def found(count: int) -> SessionList:
    """So many sessions of one person."""
    page = parse_reply(200, {}, sessions(count))
    return SessionList.of(Query("jane@example.com", None, count), page.sessions)


def draw(what: SessionList) -> None:
    """As an answer to a command."""
    answer.answer(what, READER, RESPONSE_URL, BUTTONS)


def main() -> None:
    """Run all."""
    runner = pyperf.Runner()
    body = b"command=%2Ffsessions&text=jane%40example.com&user_id=U1&response_url=https%3A%2F%2Fx"
    verifier = SignatureVerifier(SIGNING_SECRET)
    now = str(int(time.time()))
    signature = verifier.generate_signature(timestamp=now, body=body) or ""
    assert verifier.is_valid(body, now, signature)  # noqa: S101
    runner.bench_func("verify a signature", verifier.is_valid, body, now, signature)
    runner.bench_func("read a command's body", parse_body, body)
    runner.bench_func("parse a command", parse, "jane@example.com 5", LIMITS, LABELS)
    for count in (20, 100):
        reply, listed = sessions(count), found(count)
        runner.bench_func(f"decipher {count} sessions", parse_reply, 200, {}, reply)
        runner.bench_func(f"draw {count} sessions", draw, listed)
    # The largest that is accepted; larger bodies than 64 KiB are read in a thread.
    largest = sessions(MAX_SESSIONS)
    assert len(largest) <= MAX_REPLY_BYTES  # noqa: S101
    runner.bench_func("largest reply", parse_reply, 200, {}, largest)
    runner.bench_func("largest command", parse, "jane@example.com " * 4_000, LIMITS, LABELS)
    text = "broken for jane@example.com, user id: 42 " * (MAX_BODY_BYTES // 80)
    message = json.loads(json.dumps({"text": text, "blocks": []}))
    runner.bench_func("largest message", external_identities, message, (), LABELS)


if __name__ == "__main__":
    main()
