"""An answer: whose sessions, the one that matters with a button, the others one line each.

Dates: https://docs.slack.dev/messaging/formatting-message-text#date-formatting
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import accumulate
from typing import Final

from bot.sessions import Moment, Session, SessionList
from bot.slack.ui import action_ids, wording
from bot.slack.ui.pieces import (
    MAX_BLOCKS,
    MAX_BUTTON_URL,
    MAX_SECTION,
    SHOWN,
    Block,
    Message,
    Room,
    actions,
    button,
    code,
    context,
    escape,
    header,
    message,
    note,
    section,
    shorten,
    size_as_json,
)

MORE: Final = 20
"""How many sessions "Show more" adds."""

_MAX_LINK: Final = 2800  # what a line holds besides is less than 200 characters
_AROUND_LINES: Final = 1_000  # characters: the sections themselves, and the small lines


@dataclass(frozen=True, slots=True)
class Buttons:
    """The values of an answer's buttons.

    The same query, the one with more ("" for none), and what is shown, to share it.
    """

    same: str
    more: str
    share: str


def answer(
    found: SessionList, now: datetime, room: Room, buttons: Buttons | None = None
) -> Message:
    """The sessions, as many as there is room for."""
    count, limit = len(found.sessions), found.query.limit
    person = shorten(found.query.person, SHOWN)
    title = header(wording.heading(person, count, limit))
    below = [_buttons(buttons, full=count == limit, shareable=count > 0)] if buttons else []
    if not found.sessions:
        spoken = wording.fallback_text(person, 0, limit, "")
        return message(spoken, [title, *_none_found(), *below])
    body = [*_sessions(found, now, room, [title, *below]), context(wording.ONLY_YOU), *below]
    return message(_spoken(found, person, now), [title, *body])


def shared(found: SessionList, now: datetime, user: str, room: Room, *, named: bool) -> Message:
    """The sessions for everybody in a conversation, by whom they were shared."""
    if moment := found.query.moment:
        # "This message" would be the shared one.
        query = replace(found.query, moment=replace(moment, of_message=False))
        found = replace(found, query=query)
    person = shorten(found.query.person, SHOWN) if named else wording.A_CUSTOMER
    credit = {"type": "mrkdwn", "text": wording.shared_by(f"<@{escape(user)}>")}
    title = header(wording.heading(person, len(found.sessions), found.query.limit))
    below = {"type": "context", "elements": [credit]}
    body = [title, *_sessions(found, now, room, [title, below]), below]
    # Slack would show a preview of every link.
    quiet = {"unfurl_links": False, "unfurl_media": False}
    return message(_spoken(found, person, now), body) | {"response_type": "in_channel"} | quiet


def share_question(person: str, channel: str, value: str) -> Message:
    """Asks before sharing; `channel` is a channel's id, or "" where it has no name."""
    shown = shorten(person, SHOWN)
    place = f"<#{escape(channel)}>" if channel else ""
    # The name as code: what a customer writes must not be drawn as bold or as a link.
    sentence = escape(wording.share_question("{place}" if place else "", "{person}"))
    asked = section(sentence.replace("{place}", place, 1).replace("{person}", code(shown), 1))
    return message(
        wording.share_question("this channel" if place else "", shown),
        [
            asked,
            actions(
                button(action_ids.SHARE_NAMED, wording.SHARE_NAMED, value),
                button(action_ids.SHARE_UNNAMED, wording.SHARE_UNNAMED, value),
                button(action_ids.REFRESH, wording.SHARE_CANCEL, value),
            ),
        ],
    )


def after_sharing(sentence: str, value: str) -> Message:
    """What became of it, and the way back."""
    return note(sentence, button(action_ids.REFRESH, wording.BACK, value))


# -- Sessions -------------------------------------------------------------------------------------


def _sessions(
    found: SessionList, now: datetime, room: Room, around: list[Block]
) -> Iterator[Block]:
    """The one that matters, and as many others as there is room for beside `around`."""
    first, *others = found.sessions
    moment = found.query.moment
    if moment and not found.at_moment:
        yield context(wording.TOO_FAR if found.moment_before_fetched else wording.NOT_AT_MOMENT)
    top = _first(first, now, moment if found.at_moment else None)
    yield top
    lines = [_line(session, now) for session in others]
    left = room.left_beside([*around, top])
    lines, left_out = _fitting(lines, left and left - _AROUND_LINES)
    # Besides the sections: heading, moment, first, what was left out, who can see it, buttons.
    sections, more_left_out = _packed(lines, MAX_BLOCKS - 6)
    yield from sections
    if left_out := left_out + more_left_out:
        yield context(wording.left_out(left_out))


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
    if session.link is None or len(session.link) > MAX_BUTTON_URL:
        return section(f"{when} · {escape(_no_link(session))}")
    return section(when) | {
        "accessory": {
            "type": "button",
            "action_id": action_ids.WATCH_REPLAY,
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


def _spoken(found: SessionList, person: str, now: datetime) -> str:
    """The answer for screen readers and notifications."""
    started = found.sessions[0].started
    first = wording.UNKNOWN_TIME
    if started:
        first = f"{started:%Y-%m-%d %H:%M} UTC, {wording.ago(started, now)}"
    count, limit = len(found.sessions), found.query.limit
    return wording.fallback_text(person, count, limit, first, at_moment=found.at_moment)


def _none_found() -> Iterator[Block]:
    intro, *reasons = map(escape, wording.NONE_FOUND_REASONS)
    yield section("\n".join([intro, *(f"• {reason}" for reason in reasons)]))
    yield section(escape(wording.NONE_FOUND_NEXT))
    yield context(wording.ONLY_YOU)


def _fitting(lines: list[str], most: int | None) -> tuple[list[str], int]:
    """The first lines, `most` characters at most; and how many were left out."""
    if most is None:
        return lines, 0
    for number, size in enumerate(accumulate(map(size_as_json, lines))):
        if size > most:
            return lines[:number], len(lines) - number
    return lines, 0


def _packed(lines: Iterable[str], room: int) -> tuple[list[Block], int]:
    """The lines in as few sections as hold them, `room` at most; and how many found no room."""
    sections: list[list[str]] = []
    size = left_out = 0
    for line in lines:
        size += 1 + len(line)
        if not sections or size > MAX_SECTION:
            if len(sections) == room:
                left_out += 1
                continue
            sections.append([])
            size = len(line)
        sections[-1].append(line)
    return [section("\n".join(one)) for one in sections], left_out


def _buttons(buttons: Buttons, *, full: bool, shareable: bool) -> Block:
    elements = []
    if full and buttons.more:
        elements.append(button(action_ids.SHOW_MORE, wording.SHOW_MORE, buttons.more))
    elements.append(button(action_ids.REFRESH, wording.REFRESH, buttons.same))
    if shareable:
        elements.append(button(action_ids.SHARE, wording.SHARE, buttons.share))
    elements.append(button(action_ids.DISMISS, wording.DISMISS, buttons.same))
    return actions(*elements)
