"""Answers as Block Kit: plain dicts from small functions, within Slack's limits.

Whatever came from outside is escaped here. Limits: https://docs.slack.dev/reference/block-kit/blocks
Text and dates: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any, Final

from bot.errors import FullstoryError
from bot.parsing import Limits, Refused
from bot.sessions import Session, SessionList
from bot.slack import wording

Block = dict[str, Any]
Message = dict[str, Any]

WATCH_REPLAY: Final = "watch_replay"
"""The button's action id. It opens a link; Slack tells the bot about the press all the same."""

_MAX_BLOCKS: Final = 50
_MAX_SECTION: Final = 3000
_MAX_HEADER: Final = 150
_MAX_BUTTON_URL: Final = 3000
_MAX_LINK: Final = 2800  # what a line holds besides is less than 200 characters
_SHOWN: Final = 100  # of a person's name or text, where it is repeated


# -- Messages -------------------------------------------------------------------------------------


def answer(found: SessionList, now: datetime) -> Message:
    """The sessions: the latest with a button, the others one line each."""
    count, limit = len(found.sessions), found.query.limit
    person = _shorten(found.query.person, _SHOWN)
    title = _header(wording.heading(person, count, limit))
    if not found.sessions:
        return _message(wording.spoken(person, 0, limit, ""), [title, *_none_found()])
    latest, *others = found.sessions
    spoken = wording.spoken(person, count, limit, _fallback(latest, now))
    room = _MAX_BLOCKS - 4  # heading, latest, what was left out, who can see it
    sections, left_out = _packed([_line(session, now) for session in others], room)
    return _message(
        spoken,
        [
            title,
            _latest(latest, now),
            *sections,
            *([_context(wording.left_out(left_out))] if left_out else []),
            _context(wording.ONLY_YOU),
        ],
    )


def help_message(command: str, limits: Limits) -> Message:
    """How to call the bot, on one screen."""
    intro, examples, note = wording.help_lines(command, limits)
    lines = [f"{_code(example)}  {escape(meaning)}" for example, meaning in examples]
    return _message(
        f"{intro} {examples[0][0]}",
        [_section(escape(intro)), _section("\n".join(lines)), _context(note)],
    )


def refusal(refused: Refused, command: str, limits: Limits) -> Message:
    """What was wrong with a text, and a line that would work."""
    sentence = wording.refusal(refused, limits)
    shown = _shorten(refused.shown, _SHOWN)
    example = f"{command} {refused.example}"
    return _message(
        f"{sentence} {wording.TRY}: {example}",
        [
            _section(f"{_code(shown)}: {escape(sentence)}" if shown else escape(sentence)),
            _section(f"{wording.TRY}: {_code(example)}"),
        ],
    )


def failure(error: FullstoryError, reference: str) -> Message:
    """What Fullstory's side did."""
    return note(wording.failure(error, reference))


def note(sentence: str) -> Message:
    """One sentence."""
    return _message(sentence, [_section(escape(sentence))])


# -- Sessions -------------------------------------------------------------------------------------


def _latest(session: Session, now: datetime) -> Block:
    when = f"*{escape(wording.LATEST)}*  {_when(session, now)}"
    if session.link is None or len(session.link) > _MAX_BUTTON_URL:
        return _section(f"{when} · {escape(_no_link(session))}")
    return _section(when) | {
        "accessory": {
            "type": "button",
            "action_id": WATCH_REPLAY,
            "style": "primary",
            "text": {"type": "plain_text", "text": wording.WATCH_REPLAY},
            "url": session.link,
        }
    }


def _line(session: Session, now: datetime) -> str:
    if session.link is None or len(session.link) > _MAX_LINK:
        return f"• {_when(session, now)} · {escape(_no_link(session))}"
    return f"• {_when(session, now, session.link)}"


def _no_link(session: Session) -> str:
    return wording.UNUSABLE_LINK if session.link is None else wording.LONG_LINK


def _when(session: Session, now: datetime, link: str = "") -> str:
    """The time, in the reader's own zone, and how long ago; the time is the link, if any."""
    if session.started is None:
        unknown = escape(wording.UNKNOWN_TIME)
        return f"<{escape(link)}|{unknown}>" if link else unknown
    date = "{date_short_pretty} {time}" + (f"^{escape(link)}" if link else "")
    seconds = int(session.started.timestamp())
    shown = f"<!date^{seconds}^{date}|{session.started:%Y-%m-%d %H:%M} UTC>"
    return f"{shown} · {escape(wording.ago(session.started, now))}"


def _fallback(session: Session, now: datetime) -> str:
    if session.started is None:
        return wording.UNKNOWN_TIME
    return f"{session.started:%Y-%m-%d %H:%M} UTC, {wording.ago(session.started, now)}"


def _none_found() -> Iterator[Block]:
    intro, *reasons = map(escape, wording.NONE_FOUND_REASONS)
    yield _section("\n".join([intro, *(f"• {reason}" for reason in reasons)]))
    yield _section(escape(wording.NONE_FOUND_NEXT))
    yield _context(wording.ONLY_YOU)


def _packed(lines: Iterable[str], room: int) -> tuple[list[Block], int]:
    """The lines in as few sections as hold them, `room` at most; and how many found no room."""
    sections: list[list[str]] = []
    size = left_out = 0
    for line in lines:
        size += 1 + len(line)
        if not sections or size > _MAX_SECTION:
            if len(sections) == room:
                left_out += 1
                continue
            sections.append([])
            size = len(line)
        sections[-1].append(line)
    return [_section("\n".join(section)) for section in sections], left_out


# -- Pieces ---------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Text that Slack shows as it is: https://docs.slack.dev/messaging/formatting-message-text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _shorten(text: str, length: int) -> str:
    """The text, its middle left out where it is too long."""
    if len(text) <= length:
        return text
    return f"{text[: length - length // 3 - 1]}…{text[-(length // 3) :]}"


def _code(text: str) -> str:
    # A backtick would end the code early, and Slack knows no way to escape it.
    shown = escape(text).replace("`", "'")
    return f"`{shown}`"


def _header(text: str) -> Block:
    length = _MAX_HEADER
    while len(escaped := escape(_shorten(text, length))) > _MAX_HEADER:
        length -= 1
    return {"type": "header", "text": {"type": "plain_text", "text": escaped, "emoji": False}}


def _section(markdown: str) -> Block:
    # verbatim: what looks like an address or a channel stays what it is.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": escape(text)}]}


def _message(text: str, blocks: list[Block]) -> Message:
    return {"response_type": "ephemeral", "text": escape(text), "blocks": blocks}
