"""An answer: the session that matters with its button, the others under the days they were on.

Times stay true: Slack draws them in the reader's own zone, and counts how long ago. Only the days
are made here, so the reader's `zone` has to be known.

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
from bot.slack.blocks import (
    MAX_BLOCKS,
    MAX_BUTTON_URL,
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
    markdown_context,
    menu,
    message,
    section,
    shorten,
    size_as_json,
)

MORE: Final = 20
"""How many sessions "Show more" adds."""

_MAX_LINK: Final = 2800
_DAY: Final = timedelta(days=1)
_LIST_SIZE: Final = 6_000  # characters of one rich_text block as JSON; nobody documents a limit
_AROUND_LIST: Final = 300  # characters of a day and its list besides the items
_SMALL_LINES: Final = (
    600  # characters of what may follow: what was left out, and where it was shared
)


@dataclass(frozen=True, slots=True)
class Reader:
    """For whom an answer is drawn, and when.

    Days are those of their `zone`. It is None where many read the same: there are no days then.
    """

    now: datetime
    zone: tzinfo | None = UTC


@dataclass(frozen=True, slots=True)
class Buttons:
    """The values of an answer's buttons.

    The same query, the one with more ("" for none), and what is shown, to share it.
    """

    same: str
    more: str
    share: str


def answer(
    found: SessionList,
    reader: Reader,
    size_limit: SizeLimit,
    buttons: Buttons | None = None,
    shared_in: str = "",
) -> Message:
    """The sessions, as many as there is room for; `shared_in` is Slack's markup for where."""
    if not found.sessions:
        return _none(found, buttons)
    below = _actions(found, size_limit, buttons) if buttons else []
    title = _title(found, size_limit, buttons)
    first = texts.at_moment(found.moment_of_first)
    body = [title, *_sessions(found, reader, size_limit, [title, *below], first)]
    if shared_in:
        body.append(markdown_context(f":white_check_mark: {texts.shared_in(shared_in)}"))
    return message(_spoken(found, found.query.person, first), [*body, *below])


def shared(
    found: SessionList,
    now: datetime,
    user: str,
    size_limit: SizeLimit,
    *,
    named: bool,
    is_first: bool = True,
) -> Message:
    """The sessions for everybody in a conversation, by whom they were shared.

    `is_first` is False for one that is shared alone, and is not the first of its answer.
    """
    reader = Reader(now, zone=None)
    if moment := found.query.moment:
        # "This message" would be the shared one.
        query = replace(found.query, moment=replace(moment, of_message=False))
        found = replace(found, query=query)
    person = shorten(found.query.person, SHOWN) if named else texts.A_CUSTOMER
    count = texts.sessions_of(len(found.sessions), 0)
    whose = bold(person) if named else escape(person)
    title = section(f"{texts.shared_by(f'<@{escape(user)}>')} {escape(count)} of {whose}")
    below = context(texts.SIGN_IN)
    first = texts.at_moment(found.moment_of_first) if is_first else ""
    body = [title, *_sessions(found, reader, size_limit, [title, below], first), below]
    # Slack would show a preview of every link.
    quiet = {"unfurl_links": False, "unfurl_media": False}
    return message(_spoken(found, person, first), body) | {"response_type": "in_channel"} | quiet


def time_in_words(session: Session, reader: Reader) -> str:
    """When a session started, for an entry of a menu: Slack draws no dates there."""
    if session.started is None:
        return texts.UNKNOWN_TIME
    started = session.started.astimezone(reader.zone)
    days = (reader.now.astimezone(reader.zone).date() - started.date()).days
    day = {0: texts.TODAY, 1: texts.YESTERDAY}.get(days, f"{started.day} {started:%b %Y}")
    return f"{day}, {started:%H:%M}"


# -- Around the sessions --------------------------------------------------------------------------


def _title(found: SessionList, size_limit: SizeLimit, buttons: Buttons | None) -> Block:
    person = bold(shorten(found.query.person, SHOWN))
    count = texts.sessions_of(len(found.sessions), found.query.limit)
    title = section(f"{person}\n{escape(count)}")
    entries = _menu_entries(size_limit, buttons) if buttons else []
    return title | ({"accessory": menu(action_ids.ANSWER_MENU, entries)} if entries else {})


def _menu_entries(size_limit: SizeLimit, buttons: Buttons) -> list[tuple[str, str]]:
    """What is seldom wanted; without what is too long for a menu."""
    entries = [(texts.REFRESH, f"{action_ids.REFRESH} {buttons.same}")]
    if size_limit.dismissable:
        entries.append((texts.DISMISS, action_ids.DISMISS))
    entries.append((texts.HOW_TO_ASK, action_ids.HELP))
    return [one for one in entries if len(one[1]) <= action_ids.MAX_MENU_VALUE]


def _actions(found: SessionList, size_limit: SizeLimit, buttons: Buttons) -> list[Block]:
    elements: list[Block] = []
    if len(found.sessions) == found.query.limit and buttons.more:
        elements.append(button(action_ids.SHOW_MORE, texts.SHOW_MORE, buttons.more))
    if not size_limit.dismissable:  # in direct messages with the bot, there is nobody to share with
        elements.append(button(action_ids.SHARE, texts.SHARE, buttons.share))
    if texts.REFRESH not in dict(_menu_entries(size_limit, buttons)):
        elements.append(button(action_ids.REFRESH, texts.REFRESH, buttons.same))
    return [actions(*elements)] if elements else []


def _none(found: SessionList, buttons: Buttons | None) -> Message:
    person = shorten(found.query.person, SHOWN)
    suggestion = suggest(found.query)
    lines = [f"No sessions of {bold(person)}"]
    if suggestion is None or suggestion is Suggestion.HELP:  # it may be somebody's id all the same
        lines.append(escape(texts.NONE_FOUND))
    spoken = texts.fallback_text(person, 0, found.query.limit, "")
    if hint := _hint(suggestion, person):
        lines.append(escape(hint))
        spoken += f" {hint}"
    body = [section("\n".join(lines))]
    if buttons:
        again = button(action_ids.SEARCH_AGAIN, texts.SEARCH_AGAIN, buttons.same)
        body.append(actions(again, button(action_ids.WHY, texts.WHY, action_ids.WHY)))
    return message(spoken, body)


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
    """The answer for screen readers and notifications."""
    count, first = len(found.sessions), _fallback(found.sessions[0])
    return texts.fallback_text(shorten(person, SHOWN), count, found.query.limit, first, title)


# -- The sessions ---------------------------------------------------------------------------------


def _sessions(
    found: SessionList, reader: Reader, size_limit: SizeLimit, around: list[Block], title: str
) -> Iterator[Block]:
    """The one that matters, under `title`, and as many others as there is room for.

    `around` is what else has to fit.
    """
    first, *others = found.sessions
    if missed := texts.not_at_moment(found):
        yield context(missed)
    top = list(_first(first, found.moment_of_first, found.replay, title))
    yield from top
    left = size_limit.remaining_after([*around, *top])
    # Besides: the title, the moment, the first in two, what was left out, where shared, buttons.
    lists, left_out = _lists(others, reader, left and left - _SMALL_LINES, MAX_BLOCKS - 7)
    yield from lists
    if left_out:
        yield context(texts.left_out(left_out))


def _first(
    session: Session, moment: Moment | None, replay: str | None, title: str
) -> Iterator[Block]:
    """The one that matters; *Watch replay* opens it at the moment, where that can be."""
    lines = [f"{':dart: ' if moment else ''}*{escape(title)}*"] if title else []
    when = _date(session.started, "{date_short_pretty}, {time}")
    if moment and session.started:
        # Both are fixed, so how far apart they are stays true.
        reference = "" if moment.of_message else _date(moment.time, "{date_short_pretty}, {time}")
        when += f"  ·  {escape(texts.started_before(session.started, moment.time))}"
        when += f" {reference}".rstrip() if session.started < moment.time else ""
    elif session.started:
        when += f"  ·  {_date(session.started, '{ago}')}"
    lines.append(when)
    link = session.link
    if replay and len(replay) <= _MAX_LINK:
        link = replay
    if link is None or len(link) > MAX_BUTTON_URL:
        lines.append(escape(_no_link(session)))
        yield section("\n".join(lines))
        return
    yield section("\n".join(lines)) | {
        "accessory": {
            "type": "button",
            "action_id": action_ids.WATCH_REPLAY,
            "style": "primary",
            "text": {"type": "plain_text", "text": texts.WATCH_REPLAY},
            "url": link,
        }
    }
    if link == replay and session.link:
        whole = f"<{escape(session.link)}|{escape(texts.FROM_ITS_BEGINNING)}>"
        yield markdown_context(whole)


def _lists(
    sessions: Sequence[Session], reader: Reader, most: int | None, blocks: int
) -> tuple[list[Block], int]:
    """The sessions under their days, and how many were left out.

    There are `most` characters and `blocks` at most. A list that grows too long goes on in the next
    block.
    """
    made: list[Block] = []
    day: object = None
    size = total = 0
    for number, session in enumerate(sessions):
        item, its_day = _item(session, reader), _day_of(session, reader.zone)
        starts_day = number == 0 or its_day != day
        length = size_as_json(item) + (_AROUND_LIST if starts_day else 2)
        starts_block = not made or size + length > _LIST_SIZE
        total += length
        if (most is not None and total > most) or (starts_block and len(made) == blocks):
            return made, len(sessions) - number
        if starts_block:
            made.append({"type": "rich_text", "elements": []})
            size = 0
        if starts_day:
            day = its_day
            made[-1]["elements"] += _heading(session, reader)
        if starts_day or starts_block:
            bullets = {"type": "rich_text_list", "style": "bullet", "elements": []}
            made[-1]["elements"].append(bullets)
        made[-1]["elements"][-1]["elements"].append(item)
        size += length
    return made, 0


def _day_of(session: Session, zone: tzinfo | None) -> object:
    return session.started.astimezone(zone).date() if session.started and zone else None


def _heading(session: Session, reader: Reader) -> list[Block]:
    """The day; nothing over those of unknown time, or where it differs from reader to reader."""
    if session.started is None or reader.zone is None:
        return []
    date = _date_element(session, "{day_divider_pretty}") | {"style": {"bold": True}}
    return [{"type": "rich_text_section", "elements": [date]}]


def _item(session: Session, reader: Reader) -> Block:
    """One line: the time, which is the link; and how long ago, within a day."""
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
    return f"{session.started.isoformat(' ', 'minutes')[:16]} UTC"
