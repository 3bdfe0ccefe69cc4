"""Renders an answer: the session that matters with its button, the others grouped by day.

Slack shows times in the reader's own zone, and how long ago they were. Only the days are computed
here, so the reader's `zone` has to be known.

- https://docs.slack.dev/messaging/formatting-message-text#date-formatting
- https://docs.slack.dev/reference/block-kit/blocks/rich-text-block
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

from bot.core.sessions import Moment, Session, SessionList
from bot.core.suggestions import Suggestion, suggest
from bot.slack import action_ids, texts
from bot.slack.api import MAX_BLOCKS, MAX_BUTTON_URL, MAX_MENU_VALUE
from bot.slack.blocks import (
    SHOWN,
    Block,
    Message,
    SizeLimit,
    actions,
    bold,
    button,
    context,
    date_markup,
    escape,
    link_button,
    markdown_context,
    menu,
    message,
    quote,
    section,
    shorten,
    size_as_json,
    utc,
)

MORE: Final = 20
"""How many sessions "Show more" adds."""

_MAX_LINK: Final = 2800
_DAY: Final = timedelta(days=1)
_LIST_SIZE: Final = 6_000  # characters of a rich_text block as JSON; no limit is documented
_AROUND_LIST: Final = 300  # characters of a day and its list besides the items
_SMALL_LINES: Final = 600  # characters of the lines below: what was left out, where it was shared


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads an answer, and when.

    Days are in their `zone`. It is None if many people read the same message, which has no days.
    """

    now: datetime
    zone: tzinfo | None = UTC


@dataclass(frozen=True, slots=True)
class Buttons:
    """The values of an answer's buttons: the same query, one with more or "", and what to share.

    `meant` is an address that was probably meant, and the value to search it; or None. `insight` is
    the value of *What happened?*, or "" without that button.
    """

    same: str
    more: str
    share: str
    meant: tuple[str, str] | None = None
    insight: str = ""
    more_label: str = texts.SHOW_MORE


def answer(
    found: SessionList,
    reader: Reader,
    size_limit: SizeLimit,
    buttons: Buttons,
    shared_in: str = "",
) -> Message:
    """Render as many sessions as fit; `shared_in` is where they were shared, in Slack's markup."""
    if not found.sessions:
        return _none(found, size_limit, buttons)
    below = _actions(found, size_limit, buttons)
    title = _title(found, size_limit, buttons)
    first = texts.at_moment(found.moment_of_first)
    body = [title, *_sessions(found, reader, size_limit, [title, *below], first, buttons)]
    if shared_in:
        body.append(markdown_context(f":white_check_mark: Shared in {shared_in}"))
    return message(_spoken(found, found.query.person, first), [*body, *below])


def shared(
    found: SessionList,
    now: datetime,
    user: str,
    size_limit: SizeLimit,
    *,
    named: bool,
    is_first: bool = True,
    note: str = "",
) -> Message:
    """Render sessions for everyone in a conversation, shared by `user` with a `note`.

    `is_first` is False for a single session that is not the first of its answer. Nothing is called
    the latest: an hour later there may be others.
    """
    reader = Reader(now, zone=None)
    if moment := found.query.moment:
        # "This message" would be the shared one.
        query = replace(found.query, moment=replace(moment, of_message=False))
        found = replace(found, query=query)
    person = shorten(found.query.person, SHOWN) if named else texts.A_CUSTOMER
    count = texts.sessions_of(len(found.sessions), 0)
    whose = bold(person) if named else escape(person)
    title = section(f"<@{escape(user)}> shared {escape(count)} of {whose}")
    above = [title, *([section(quote(note))] if note else [])]
    below = context(texts.SIGN_IN)
    moment = found.moment_of_first
    first = texts.at_moment(moment) if moment and is_first else ""
    body = [*above, *_sessions(found, reader, size_limit, [*above, below], first), below]
    # Slack would show a preview of every link.
    quiet = {"unfurl_links": False, "unfurl_media": False}
    spoken = replace(found, query=replace(found.query, limit=0))  # a full list is the latest ones
    text = f"{_spoken(spoken, person, first)} {note}".rstrip()
    return message(text, body) | {"response_type": "in_channel"} | quiet


def time_in_words(session: Session, reader: Reader) -> str:
    """Say when a session started, for a menu: Slack has no dates there."""
    if session.started is None:
        return texts.UNKNOWN_TIME
    started = session.started.astimezone(reader.zone)
    days = (reader.now.astimezone(reader.zone).date() - started.date()).days
    day = {0: "Today", 1: "Yesterday"}.get(days, f"{started.day} {started:%b %Y}")
    return f"{day}, {started:%H:%M}"


# -- Around the sessions --------------------------------------------------------------------------


def _title(found: SessionList, size_limit: SizeLimit, buttons: Buttons) -> Block:
    person = bold(shorten(found.query.person, SHOWN))
    title = section(f"{person}\n{_count(found)}")
    entries = _menu_entries(size_limit, buttons)
    return title | ({"accessory": menu(action_ids.ANSWER_MENU, entries)} if entries else {})


def _count(found: SessionList) -> str:
    """Say in Slack's markup how many sessions there are, and which."""
    count, moment = len(found.sessions), found.moment_of_first
    if moment is None or found.sessions[0] is found.latest:
        return escape(texts.sessions_of(count, found.query.limit))
    is_exact = moment.span <= timedelta(minutes=1)
    time = moment.time if is_exact else found.sessions[0].started
    return texts.one_and_latest(count, _date(time, "{time}"), of_message=moment.of_message)


def _menu_entries(size_limit: SizeLimit, buttons: Buttons) -> list[tuple[str, str]]:
    """Return what is rarely needed, unless it is too long for a menu; a modal has none."""
    if size_limit.is_modal:
        return []
    entries = [(texts.REFRESH, f"{action_ids.REFRESH} {buttons.same}")]
    if size_limit.can_dismiss:
        entries.append((texts.DISMISS, action_ids.DISMISS))
    entries.append((texts.HELP_TITLE, action_ids.HELP))
    return [one for one in entries if len(one[1]) <= MAX_MENU_VALUE]


def _actions(found: SessionList, size_limit: SizeLimit, buttons: Buttons) -> list[Block]:
    elements: list[Block] = []
    if len(found.sessions) == found.query.limit and buttons.more:
        elements.append(button(action_ids.SHOW_MORE, buttons.more_label, buttons.more))
    elements.append(button(action_ids.SHARE, texts.SHARE, buttons.share))
    if not size_limit.is_modal and texts.REFRESH not in dict(_menu_entries(size_limit, buttons)):
        elements.append(button(action_ids.REFRESH, texts.REFRESH, buttons.same))
    return [actions(*elements)]


def _none(found: SessionList, size_limit: SizeLimit, buttons: Buttons) -> Message:
    person = shorten(found.query.person, SHOWN)
    suggestion = suggest(found.query)
    lines = [f"No sessions found for {bold(person)}"]
    if suggestion is None or suggestion is Suggestion.HELP:  # it may still be a uid
        lines.append(escape(texts.NONE_FOUND))
    spoken = texts.fallback_text(person, 0, found.query.limit, "")
    if hint := _hint(suggestion, person):
        lines.append(escape(hint))
        spoken += f" {hint}"
    body = [section("\n".join(lines))]
    pressed = [button(action_ids.WHY, texts.WHY, buttons.same)]
    if not size_limit.is_modal:
        pressed.insert(0, button(action_ids.SEARCH_AGAIN, texts.SEARCH_AGAIN, buttons.same))
    if buttons.meant:
        address, value = buttons.meant
        question = texts.did_you_mean(address)
        body.append(section(escape(question)))
        spoken += f" {question}"
        pressed.insert(0, button(f"{action_ids.CHOOSE}:0", texts.search_for(address), value))
    if suggestion is Suggestion.HELP:
        pressed.insert(0, button(action_ids.HELP, texts.HELP_TITLE, action_ids.HELP))
    return message(spoken, [*body, actions(*pressed)])


def _hint(suggestion: Suggestion | None, person: str) -> str:
    match suggestion:
        case Suggestion.HELP:
            return texts.MEANT_HELP
        case Suggestion.ADDRESS_WITHOUT_AT:
            return texts.meant_address(person)
        case Suggestion.WORD:
            return texts.meant_address_or_uid(person)
        case None:
            return ""


def _spoken(found: SessionList, person: str, title: str) -> str:
    """Return the text for screen readers and notifications."""
    count, first = len(found.sessions), _fallback(found.sessions[0])
    return texts.fallback_text(shorten(person, SHOWN), count, found.query.limit, first, title)


# -- The sessions ---------------------------------------------------------------------------------


def _sessions(
    found: SessionList,
    reader: Reader,
    size_limit: SizeLimit,
    around: list[Block],
    title: str,
    buttons: Buttons | None = None,
) -> Iterator[Block]:
    """Yield the session that matters under `title`, and as many others as fit beside `around`."""
    first, *others = found.sessions
    if missed := texts.not_at_moment(found):
        yield context(missed)
    top = list(_first(first, found.moment_of_first, found.replay, title, buttons))
    yield from top
    left = size_limit.remaining_after([*around, *top])
    # Others: the title, the moment, the first in three, what was left out, where shared, buttons.
    lists, left_out = _lists(others, reader, left and left - _SMALL_LINES, MAX_BLOCKS - 8)
    yield from lists
    if left_out:
        yield context(texts.left_out(left_out))


def _first(
    session: Session,
    moment: Moment | None,
    replay: str | None,
    title: str,
    buttons: Buttons | None,
) -> Iterator[Block]:
    """Yield the session that matters; *Watch replay* opens it at the moment if possible."""
    lines = [f"{':dart: ' if moment else ''}*{escape(title)}*"] if title else []
    when = _date(session.started, "{date_short_pretty}, {time}")
    if moment and session.started:
        # Unlike "5 minutes ago", the time between the two never changes.
        is_after = moment.span > timedelta(minutes=1) and session.started > moment.end
        time = moment.time + moment.span if is_after else moment.time
        reference = "" if moment.of_message else _date(time, "{date_short_pretty}, {time}")
        around = escape(texts.started_around(session.started, moment))
        is_outside = not moment.time <= session.started <= moment.end
        when += f"  ·  {around} {reference if is_outside else ''}".rstrip() if around else ""
    elif session.started:
        when += f"  ·  {_date(session.started, '{ago}')}"
    lines.append(when)
    link = session.link
    if replay and len(replay) <= _MAX_LINK:
        link = replay
    pressed = []
    if link is None or len(link) > MAX_BUTTON_URL:
        lines.append(escape(_no_link(session)))
    else:
        watch = buttons.same if buttons else ""
        pressed.append(link_button(action_ids.WATCH_REPLAY, texts.WATCH_REPLAY, link, watch))
    if buttons and buttons.insight:
        pressed.append(button(action_ids.INSIGHT, texts.WHAT_HAPPENED, buttons.insight))
    if len(pressed) == 1:
        yield section("\n".join(lines)) | {"accessory": pressed[0]}
    else:
        yield section("\n".join(lines))
        yield from [actions(*pressed)] if pressed else []
    if link and link == replay and session.link:
        whole = f"<{escape(session.link)}|{escape(texts.WATCH_FROM_START)}>"
        yield markdown_context(whole)


def _lists(
    sessions: Sequence[Session], reader: Reader, size: int | None, blocks: int
) -> tuple[list[Block], int]:
    """Group sessions by day, in at most `size` characters and `blocks`; count those left out.

    A list that is too long continues in the next block.
    """
    made: list[Block] = []
    day: object = None
    length_of_block = total = 0
    for number, session in enumerate(sessions):
        item, its_day = _item(session, reader), _day_of(session, reader.zone)
        starts_day = number == 0 or its_day != day
        length = size_as_json(item) + (_AROUND_LIST if starts_day else 2)
        starts_block = not made or length_of_block + length > _LIST_SIZE
        total += length
        if (size is not None and total > size) or (starts_block and len(made) == blocks):
            return made, len(sessions) - number
        if starts_block:
            made.append({"type": "rich_text", "elements": []})
            length_of_block = 0
        if starts_day:
            day = its_day
            made[-1]["elements"] += _heading(session, reader)
        if starts_day or starts_block:
            bullets = {"type": "rich_text_list", "style": "bullet", "elements": []}
            made[-1]["elements"].append(bullets)
        made[-1]["elements"][-1]["elements"].append(item)
        length_of_block += length
    return made, 0


def _day_of(session: Session, zone: tzinfo | None) -> object:
    return session.started.astimezone(zone).date() if session.started and zone else None


def _heading(session: Session, reader: Reader) -> list[Block]:
    """Return the day; nothing if the time is unknown or the day differs between readers."""
    if session.started is None or reader.zone is None:
        return []
    date = _date_element(session, "{day_divider_pretty}") | {"style": {"bold": True}}
    return [{"type": "rich_text_section", "elements": [date]}]


def _item(session: Session, reader: Reader) -> Block:
    """Return one line: the time, which is the link, and how long ago within a day."""
    link = session.link if session.link and len(session.link) <= _MAX_LINK else None
    if session.started is None:
        element: Block = {"type": "text", "text": texts.UNKNOWN_TIME}
        if link:
            element = {"type": "link", "url": link, "text": texts.UNKNOWN_TIME}
    else:
        time = "{time}" if reader.zone else "{date_short_pretty}, {time}"
        is_recent = reader.now - session.started < _DAY
        element = _date_element(session, f"{time} · {{ago}}" if is_recent else time)
        element |= {"url": link} if link else {}
    elements = [element]
    if link is None:
        elements.append({"type": "text", "text": f" · {_no_link(session)}"})
    return {"type": "rich_text_section", "elements": elements}


def _date_element(session: Session, template: str) -> Block:
    timestamp = int(session.started.timestamp()) if session.started else 0
    return {
        "type": "date",
        "timestamp": timestamp,
        "format": template,
        "fallback": _fallback(session),
    }


def _no_link(session: Session) -> str:
    return texts.UNUSABLE_LINK if session.link is None else texts.LONG_LINK


def _date(time: datetime | None, template: str) -> str:
    return date_markup(time, template) if time else escape(texts.UNKNOWN_TIME)


def _fallback(session: Session) -> str:
    if session.started is None:
        return texts.UNKNOWN_TIME
    return utc(session.started)
