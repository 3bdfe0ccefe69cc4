"""Answers as Block Kit: plain dicts from small functions, within Slack's limits.

Whatever came from outside is escaped here. Limits: https://docs.slack.dev/reference/block-kit/blocks
Text and dates: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Any, Final

from bot.errors import FullstoryError
from bot.sessions import Moment, Session, SessionList
from bot.slack.ui import wording
from bot.typed.query import Limits, Refused

Block = dict[str, Any]
Message = dict[str, Any]
View = dict[str, Any]

WATCH_REPLAY: Final = "watch_replay"
"""The button's action id. It opens a link; Slack tells the bot about the press all the same."""

SHOW_MORE: Final = "show_more"
REFRESH: Final = "refresh"
SHARE: Final = "share"
SHARE_NAMED: Final = "share_named"
SHARE_UNNAMED: Final = "share_unnamed"
DISMISS: Final = "dismiss"
CHOOSE: Final = "choose_identity"

FORM: Final = "find_sessions_form"
RESULTS: Final = "find_sessions_results"
PERSON_FIELD: Final = "person"
LIMIT_FIELD: Final = "limit"
MOMENT_FIELD: Final = "moment"
NEW_SEARCH: Final = "new_search"

SHOW_SESSIONS: Final = "show_sessions"
"""The offer's button. It holds nothing: whom it is about stands in the message above it."""

SEARCH: Final = "search"
"""The Home's button."""

MORE: Final = 20
"""How many sessions "Show more" adds."""
MAX_CHOICES: Final = 10

_MAX_BLOCKS: Final = 50
_MAX_SECTION: Final = 3000
_MAX_HEADER: Final = 150
_MAX_BUTTON_URL: Final = 3000
_MAX_BUTTON_TEXT: Final = 75
_MAX_TITLE: Final = 24
_MAX_FIELD: Final = 150
_MAX_LINK: Final = 2800  # what a line holds besides is less than 200 characters
_MAX_LINES: Final = _MAX_BLOCKS * _MAX_SECTION
# chat.postMessage takes some 13,200 characters of blocks in all, buttons and their values included:
# https://github.com/slackapi/bolt-js/issues/2509
_MAX_POSTED_LINES: Final = 4_500
_SHOWN: Final = 100  # of a person's name or text, where it is repeated


# -- Messages -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Buttons:
    """The values of an answer's buttons.

    The same query, the one with more ("" for none), and what is shown, to share it.
    """

    same: str
    more: str
    share: str


def answer(
    found: SessionList, now: datetime, buttons: Buttons | None = None, *, posted: bool = False
) -> Message:
    """The sessions: the one that matters with a button, the others one line each.

    With `posted`, no more of them than chat.postMessage takes.
    """
    count, limit = len(found.sessions), found.query.limit
    person = _shorten(found.query.person, _SHOWN)
    title = _header(wording.heading(person, count, limit))
    actions = (
        [_answer_actions(buttons, full=count == limit, shareable=count > 0)] if buttons else []
    )
    if not found.sessions:
        body = [title, *_none_found(), *actions]
        return _message(wording.fallback_text(person, 0, limit, ""), body)
    first = _fallback(found.sessions[0], now)
    spoken = wording.fallback_text(person, count, limit, first, at_moment=found.at_moment)
    most = _MAX_POSTED_LINES if posted else _MAX_LINES
    body = [title, *_sessions(found, now, most), _context(wording.ONLY_YOU), *actions]
    return _message(spoken, body)


def shared(found: SessionList, now: datetime, user: str, *, named: bool) -> Message:
    """The sessions for everybody in a conversation, by whom they were shared."""
    if moment := found.query.moment:
        # "This message" would be the shared one.
        query = replace(found.query, moment=replace(moment, of_message=False))
        found = replace(found, query=query)
    person = _shorten(found.query.person, _SHOWN) if named else wording.A_CUSTOMER
    count, limit = len(found.sessions), found.query.limit
    first = _fallback(found.sessions[0], now)
    credit = {"type": "mrkdwn", "text": wording.shared_by(f"<@{escape(user)}>")}
    body = [
        _header(wording.heading(person, count, limit)),
        *_sessions(found, now, _MAX_LINES),
        {"type": "context", "elements": [credit]},
    ]
    spoken = wording.fallback_text(person, count, limit, first, at_moment=found.at_moment)
    message = _message(spoken, body)
    # Slack would show a preview of every link.
    quiet = {"unfurl_links": False, "unfurl_media": False}
    return message | {"response_type": "in_channel"} | quiet


def share_question(person: str, channel: str, value: str) -> Message:
    """Asks before sharing; `channel` is a channel's id, or "" where it has no name."""
    shown = _shorten(person, _SHOWN)
    place = f"<#{escape(channel)}>" if channel else ""
    # The name as code: what a customer writes must not be drawn as bold or as a link.
    sentence = escape(wording.share_question("{place}" if place else "", "{person}"))
    asked = _section(sentence.replace("{place}", place, 1).replace("{person}", _code(shown), 1))
    return _message(
        wording.share_question("this channel" if place else "", shown),
        [
            asked,
            _actions(
                _button(SHARE_NAMED, wording.SHARE_NAMED, value),
                _button(SHARE_UNNAMED, wording.SHARE_UNNAMED, value),
                _button(REFRESH, wording.SHARE_CANCEL, value),
            ),
        ],
    )


def after_sharing(sentence: str, value: str) -> Message:
    """What became of it, and the way back."""
    return note(sentence, _button(REFRESH, wording.BACK, value))


def choice(people: Sequence[tuple[str, str]]) -> Message:
    """Asks which of the people in a message is meant: what to show of each, and the value."""
    question = wording.CHOOSE_FIRST if len(people) > MAX_CHOICES else wording.CHOOSE
    buttons = (
        _button(f"{CHOOSE}:{number}", shown, value)
        for number, (shown, value) in enumerate(people[:MAX_CHOICES])
    )
    return note(question, *buttons)


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
        f"{shown + ': ' if shown else ''}{sentence} {wording.TRY}: {example}",
        [
            _section(f"{_code(shown)}: {escape(sentence)}" if shown else escape(sentence)),
            _section(f"{wording.TRY}: {_code(example)}"),
        ],
    )


def failure(error: FullstoryError, reference: str, value: str = "") -> Message:
    """What Fullstory's side did; `value` is for a button to try again, or "" for none."""
    sentence = wording.failure(error, reference)
    if not value:
        return note(sentence)
    return note_with_retry(sentence, value)


def note_with_retry(sentence: str, value: str) -> Message:
    """One sentence, a way back to the sessions, and a way to be rid of it."""
    again = _button(REFRESH, wording.TRY_AGAIN, value)
    return note(sentence, again, _button(DISMISS, wording.DISMISS, value))


def note(sentence: str, *buttons: Block) -> Message:
    """One sentence as it is, without markup; and what can be done about it."""
    actions = [_actions(*buttons)] if buttons else []
    plain = {"type": "section", "text": _plain(sentence, _MAX_SECTION)}
    return _message(sentence, [plain, *actions])


def offer() -> Message:
    """Under a message in a support channel, for everybody; so it names nobody."""
    return note(wording.OFFER, _button(SHOW_SESSIONS, wording.SHOW_SESSIONS, SHOW_SESSIONS))


# -- Views ----------------------------------------------------------------------------------------


def form(limits: Limits, reason: str = "", moment: datetime | None = None) -> View:
    """The form; `reason` says why it was opened, `moment` is filled in."""
    limit = {"type": "plain_text_input", "placeholder": _plain(str(limits.default), _MAX_FIELD)}
    when: Block = {"type": "datetimepicker"}
    if moment:
        when["initial_date_time"] = int(moment.timestamp())
    return {
        "type": "modal",
        "callback_id": FORM,
        "title": _plain(wording.FORM_TITLE, _MAX_TITLE),
        "submit": _plain(wording.FORM_SUBMIT, _MAX_TITLE),
        "close": _plain(wording.FORM_CLOSE, _MAX_TITLE),
        "blocks": [
            *([_section(escape(reason))] if reason else []),
            _input(PERSON_FIELD, wording.FORM_PERSON, {"type": "plain_text_input"}),
            _input(LIMIT_FIELD, wording.FORM_LIMIT, limit, optional=True),
            _input(
                MOMENT_FIELD, wording.FORM_MOMENT, when, wording.FORM_MOMENT_HINT, optional=True
            ),
        ],
    }


def results(message: Message, *, final: bool = True) -> View:
    """A message's blocks in a window, with a button for the next search if it is `final`.

    While results are still to come there is none: they would take the place of the next search.
    """
    again = [_actions(_button(NEW_SEARCH, wording.NEW_SEARCH, NEW_SEARCH))] if final else []
    return {
        "type": "modal",
        "callback_id": RESULTS,
        "title": _plain(wording.FORM_TITLE, _MAX_TITLE),
        "close": _plain(wording.FORM_CLOSE, _MAX_TITLE),
        "blocks": [*message["blocks"], *again],
    }


def home_refused(sentence: str) -> View:
    """The Home of somebody who may not be shown sessions."""
    plain = {"type": "section", "text": _plain(sentence, _MAX_SECTION)}
    return _home([_header(wording.HOME_TITLE), plain])


def home(command: str, bot: str, limits: Limits, channels: Sequence[str]) -> View:
    """The Home: what the bot does, how to call it, who sees what; `channels` have the offer.

    Its `private_metadata` tells this Home from any other.
    """
    _, examples, _ = wording.help_lines(command, limits)
    ways = [
        f"*{escape(name)}* {escape(how)}" for name, how in wording.entry_points(command, "{bot}")
    ]
    if channels:
        names = ", ".join(f"<#{escape(channel)}>" for channel in channels)
        ways.append(f"*{escape(wording.HOME_OFFER)}* {names}")
    ways = [way.replace("{bot}", f"<@{escape(bot)}>") for way in ways]
    blocks = [
        _header(wording.HOME_TITLE),
        _section(escape(wording.HOME_INTRO)),
        _actions(_button(SEARCH, wording.HOME_SEARCH, SEARCH) | {"style": "primary"}),
        _header(wording.HOME_ENTRY_POINTS),
        _section("\n".join(f"• {way}" for way in ways)),
        _header(wording.HOME_EXAMPLES),
        _section("\n".join(f"{_code(typed)}  {escape(meaning)}" for typed, meaning in examples)),
        _header(wording.HOME_PRIVACY),
        _section("\n".join(f"• {escape(line)}" for line in wording.PRIVACY)),
    ]
    return _home(blocks)


def _home(blocks: list[Block]) -> View:
    mark = hashlib.sha256(json.dumps(blocks).encode()).hexdigest()
    return {"type": "home", "private_metadata": mark, "blocks": blocks}


def _input(
    name: str, label: str, element: Block, hint: str = "", *, optional: bool = False
) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "label": _plain(label, _MAX_FIELD),
        "element": {**element, "action_id": name},
        "optional": optional,
        **({"hint": _plain(hint, _MAX_FIELD)} if hint else {}),
    }


# -- Sessions -------------------------------------------------------------------------------------


def _sessions(found: SessionList, now: datetime, most: int) -> Iterator[Block]:
    """The one that matters, and the others in as many sections as there is room for.

    `most` is how many characters the others may have in all.
    """
    first, *others = found.sessions
    moment = found.query.moment
    if moment and not found.at_moment:
        yield _context(wording.TOO_FAR if found.moment_before_fetched else wording.NOT_AT_MOMENT)
    yield _first(first, now, moment if found.at_moment else None)
    # Besides the sections: heading, moment, first, what was left out, who can see it, buttons.
    lines, left_out = _fitting([_line(session, now) for session in others], most)
    sections, more_left_out = _packed(lines, _MAX_BLOCKS - 6)
    yield from sections
    if left_out := left_out + more_left_out:
        yield _context(wording.left_out(left_out))


def _before(session: Session, moment: Moment) -> str:
    """How long before the moment the session started."""
    if session.started is None:
        return ""
    if moment.of_message:
        text = wording.started_before(session.started, moment.time, wording.THIS_MESSAGE)
        return escape(text)
    text = wording.started_before(session.started, moment.time, "{time}")
    return escape(text).replace("{time}", _date(moment.time))


def _first(session: Session, now: datetime, moment: Moment | None) -> Block:
    title = wording.AT_MOMENT if moment else wording.LATEST
    when = f"*{escape(title)}*  {_when(session, now)}"
    if moment:
        when += f"\n{_before(session, moment)}"
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
    if session.link is None or len(escape(session.link)) > _MAX_LINK:
        return f"• {_when(session, now)} · {escape(_no_link(session))}"
    return f"• {_when(session, now, session.link)}"


def _no_link(session: Session) -> str:
    return wording.UNUSABLE_LINK if session.link is None else wording.LONG_LINK


def _when(session: Session, now: datetime, link: str = "") -> str:
    """The time, in the reader's own zone, and how long ago; the time is the link, if any."""
    if session.started is None:
        unknown = escape(wording.UNKNOWN_TIME)
        return f"<{escape(link)}|{unknown}>" if link else unknown
    return f"{_date(session.started, link)} · {escape(wording.ago(session.started, now))}"


def _date(time: datetime, link: str = "") -> str:
    target = f"^{escape(link)}" if link else ""
    template = "{date_short_pretty} {time}"
    return f"<!date^{int(time.timestamp())}^{template}{target}|{time:%Y-%m-%d %H:%M} UTC>"


def _fallback(session: Session, now: datetime) -> str:
    if session.started is None:
        return wording.UNKNOWN_TIME
    return f"{session.started:%Y-%m-%d %H:%M} UTC, {wording.ago(session.started, now)}"


def _none_found() -> Iterator[Block]:
    intro, *reasons = map(escape, wording.NONE_FOUND_REASONS)
    yield _section("\n".join([intro, *(f"• {reason}" for reason in reasons)]))
    yield _section(escape(wording.NONE_FOUND_NEXT))
    yield _context(wording.ONLY_YOU)


def _fitting(lines: Sequence[str], most: int) -> tuple[Sequence[str], int]:
    """The first lines, `most` characters at most; and how many were left out."""
    for number, size in enumerate(accumulate(map(len, lines))):
        if size > most:
            return lines[:number], len(lines) - number
    return lines, 0


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


def _plain(text: str, most: int) -> Block:
    """A plain text object; shortened until its escaped form has no more than `most` characters.

    Counted as Slack's clients do: a character beyond U+FFFF counts twice.
    """
    length = most
    while _size(escaped := escape(_shorten(text, length))) > most:
        length -= 1
    return {"type": "plain_text", "text": escaped, "emoji": False}


def _size(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _header(text: str) -> Block:
    return {"type": "header", "text": _plain(text, _MAX_HEADER)}


def _section(markdown: str) -> Block:
    # verbatim: what looks like an address or a channel stays what it is.
    return {"type": "section", "text": {"type": "mrkdwn", "text": markdown, "verbatim": True}}


def _answer_actions(buttons: Buttons, *, full: bool, shareable: bool) -> Block:
    elements = []
    if full and buttons.more:
        elements.append(_button(SHOW_MORE, wording.SHOW_MORE, buttons.more))
    elements.append(_button(REFRESH, wording.REFRESH, buttons.same))
    if shareable:
        elements.append(_button(SHARE, wording.SHARE, buttons.share))
    elements.append(_button(DISMISS, wording.DISMISS, buttons.same))
    return _actions(*elements)


def _actions(*elements: Block) -> Block:
    return {"type": "actions", "elements": list(elements)}


def _button(action_id: str, text: str, value: str) -> Block:
    label = _plain(text, _MAX_BUTTON_TEXT)
    return {"type": "button", "action_id": action_id, "text": label, "value": value}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": escape(text)}]}


def _message(text: str, blocks: list[Block]) -> Message:
    return {"response_type": "ephemeral", "text": escape(text), "blocks": blocks}
