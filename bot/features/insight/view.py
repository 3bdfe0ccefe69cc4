"""The modal *What happened?*: a line as a map, the worst first, then the way through the pages.

Texts of the recorded page are shown as code: nothing in them becomes a mention, a link or an emoji.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bot.core import story_words
from bot.core.sessions import Moment, Session, replay_at
from bot.core.story import BEFORE_FINDING, CLICKS, Finding, Story, Window
from bot.slack import action_ids, texts
from bot.slack.api import MAX_BUTTON_URL
from bot.slack.blocks import (
    Block,
    Message,
    View,
    actions,
    button,
    code,
    context,
    date_markup,
    escape,
    link_button,
    markdown_context,
    message,
    modal,
    section,
    shorten,
)

VIEW: Final = "insight"
TITLE: Final = "What happened?"
ASKING: Final = "Asking Fullstory what happened … You can close this window any time."
STILL_RUNNING: Final = "The session may still be going on: try again in a few minutes."
IS_OFF: Final = "What happened? is turned off. The replay itself still opens."
SESSION_GONE: Final = (
    "Fullstory doesn't list this session anymore. Please refresh the answer, then try again."
)
THE_END: Final = "The last part of the session"

EARLIER: Final = f"{action_ids.INSIGHT}:earlier"
LATER: Final = f"{action_ids.INSIGHT}:later"
END: Final = f"{action_ids.INSIGHT}:end"
AGAIN: Final = f"{action_ids.INSIGHT}:again"
REPORT: Final = "bug_report"

SHOW_END: Final = "End of the session"
SHOW_EARLIER: Final = "Earlier session"
SHOW_LATER: Final = "Later session"

_MAX_FINDINGS: Final = 10
_MAX_VISITS: Final = 12
_SHOWN_TEXT: Final = 90  # characters
_SHOWN_IN_WAY: Final = 40
_MAX_LINK: Final = 500


def in_insight_modal(message: Message, metadata: str, *, is_final: bool = True) -> View:
    """Show a message in the modal; Slack sends `metadata` back with each press."""
    del is_final
    return modal(TITLE, message["blocks"], VIEW, metadata=metadata)


def render_story(
    story: Story,
    session: Session,
    window: Window | None,
    moment: Moment | None,
    now: datetime,
    buttons: Sequence[Block],
    *,
    links: bool,
) -> Message:
    """Render what happened in a session, with `buttons` below.

    With `links`, each time opens the replay at that moment.
    """
    spoken = story_words.overview(story) if story.excerpt.events else story_words.NO_EVENTS
    blocks = [markdown_context(_which(session, window, moment)), section(f"*{escape(spoken)}*")]
    if not story.excerpt.events:
        blocks[-1] = section(escape(spoken))
    elif not story.findings:
        blocks.append(section(escape(story_words.NOTHING_WRONG)))
    opens = session if links else session._replace(link=None)
    blocks += [section(_finding(one, opens)) for one in story.findings[:_MAX_FINDINGS]]
    if (left := len(story.findings) - _MAX_FINDINGS) > 0:
        blocks.append(context(f"and {texts.counted(left, 'more finding')}"))
    blocks.append(actions(*buttons))
    if way := _way(story):
        blocks.append(section(f"*The way there*\n{way}"))
    blocks += [context(line) for line in _small(story, now)]
    return message(spoken, blocks)


def watch_button(replay: str | None, session: Session, value: str) -> Block | None:
    """Return a button that opens a `replay`, or the session from its start; None without a link."""
    link = replay or session.link
    if link is None or len(link) > MAX_BUTTON_URL:
        return None
    return link_button(action_ids.WATCH_REPLAY, texts.WATCH_REPLAY, link, value)


def _which(session: Session, window: Window | None, moment: Moment | None) -> str:
    """Say in Slack's markup which session it is, and which part of it."""
    started = escape(texts.UNKNOWN_TIME)
    if session.started:
        started = date_markup(session.started, "{date_short_pretty}, {time}")
    part = escape(THE_END)
    if window:
        around = "around the message" if moment and moment.of_message else "around that time"
        times = f"{date_markup(window.start, '{time}')} to {date_markup(window.end, '{time}')}"
        part = f"{times}, {around}"
    return f"Started {started}  ·  {part}"


def _finding(finding: Finding, session: Session) -> str:
    """Return a finding in two or three short lines of Slack's markup."""
    event, cause = finding.event, finding.cause
    link = replay_at(session, event.time, BEFORE_FINDING) or ""
    time = date_markup(event.time, "{time_secs}", link if len(link) <= _MAX_LINK else "")
    name = escape(story_words.title(finding))
    where = f"on {_code(event.path)}"
    after = escape(story_words.after_cause(finding))
    if cause:
        pressed = f" on {_code(cause.text)}" if cause.text else ""
        where += f", {after}{pressed}"
    if event.text and event.type in CLICKS:
        return f"{time}  *{name}* on {_code(event.text)}\n{where}"
    said = f"\n{_code(event.text)}" if event.text else ""
    return f"{time}  *{name}*{said}\n{where}"


def _code(text: str) -> str:
    return code(shorten(text, _SHOWN_TEXT))


def _way(story: Story) -> str:
    """Return the pages in their order, each with how long it was seen."""
    visits = story.visits
    left_out = len(visits) - _MAX_VISITS
    before = [f"{texts.counted(left_out, 'earlier step')}"] if left_out > 0 else []
    shown = [
        f"{code(shorten(visit.path, _SHOWN_IN_WAY))} {story_words.short(visit.duration)}"
        for visit in visits[-_MAX_VISITS:]
    ]
    return "  →  ".join([*before, *shown])


def _small(story: Story, now: datetime) -> list[str]:
    lines = [" · ".join(filter(None, story.excerpt[2:]))]
    if story.excerpt.is_cut:
        lines.append(story_words.IS_CUT)
    if story.may_be_running(now):
        lines.append(STILL_RUNNING)
    return list(filter(None, lines))


def button_row(*pressed: tuple[str, str, str]) -> list[Block]:
    """Return buttons from their ids, texts and values; one without a value is left out."""
    return [button(action_id, text, value) for action_id, text, value in pressed if value]
