"""Short messages: what was wrong, what went wrong, help, the offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bot.lookup.access import Refusal
from bot.lookup.events import AuditEvent
from bot.slack.ui import action_ids, wording
from bot.slack.ui.pieces import (
    SHOWN,
    Message,
    Room,
    actions,
    button,
    code,
    context,
    date_markup,
    escape,
    is_mention,
    markdown,
    mentions_of,
    message,
    note,
    section,
    shorten,
)
from bot.typed.query import Limits, Refused

MAX_CHOICES: Final = 10
_MOST_NAMED: Final = 5  # channels
_LINES: Final = 8  # of the audit, in one block
_AROUND_BUTTONS: Final = 500  # characters of a question besides its buttons


def help_message(command: str, limits: Limits) -> Message:
    """How to call the bot: three lines that work, and a button for the rest."""
    examples = wording.examples(command, limits)[:3]
    lines = [f"{code(example)}  {escape(meaning)}" for example, meaning in examples]
    more = button(action_ids.HELP, wording.HELP_MORE, action_ids.HELP)
    return message(
        f"{wording.HELP_INTRO} {examples[0][0]}",
        [section(escape(wording.HELP_INTRO)), section("\n".join(lines)), actions(more)],
    )


def refusal(refused: Refused, command: str, limits: Limits) -> Message:
    """What was wrong with a text, and a line that would work."""
    sentence = wording.refusal(refused, limits)
    shown = shorten(refused.shown, SHOWN)
    example = f"{command} {refused.example}"
    return message(
        f"{shown + ': ' if shown else ''}{sentence} {wording.TRY}: {example}",
        [
            section(f"{code(shown)}: {escape(sentence)}" if shown else escape(sentence)),
            section(f"{wording.TRY}: {code(example)}"),
        ],
    )


def trouble(sentences: tuple[str, str], contact: str, reference: str, value: str = "") -> Message:
    """What failed, what to do, and the mark of the log line that says more.

    In the second sentence, `{administrator}` is whom to tell: `contact`, if there is one. `value`
    is for a button to try again, or "" for none.
    """
    what, then = sentences
    whom = markdown(contact) if contact else escape(wording.ADMINISTRATOR)
    told = escape(then).replace("{administrator}", whom)
    again = [actions(button(action_ids.REFRESH, wording.TRY_AGAIN, value))] if value else []
    return message(
        wording.in_one_line(sentences, contact, reference),
        [
            section(f":warning: *{escape(what)}*\n{told}"),
            *again,
            context(wording.reference_line(reference)),
        ],
    )


def refused(
    refusal: Refusal, contact: str, channels: Sequence[str] = (), value: str = ""
) -> Message:
    """Why somebody is shown no sessions, where they are shown, and whom to ask.

    `value` is for a button to try again, or "" for none.
    """
    told = escape(wording.not_for(refusal))
    if refusal is Refusal.NOT_HERE and channels:
        told += f" {escape(wording.SHOWN_IN)} {mentions_of(channels[:_MOST_NAMED])}."
    if refusal in wording.CAN_BE_CHANGED:
        told += f" {_whom_to_ask(contact)}"
    again = [actions(button(action_ids.REFRESH, wording.TRY_AGAIN, value))] if value else []
    return message(wording.refused_in_one_line(refusal, contact), [section(told), *again])


def _whom_to_ask(contact: str) -> str:
    if is_mention(contact):
        return escape(wording.ASK_WHOM).replace("{contact}", contact)
    return escape(wording.whom_to_ask(contact))


def note_with_retry(sentence: str, value: str) -> Message:
    """One sentence, and a way back to the sessions."""
    if not value:
        return note(sentence)
    return note(sentence, button(action_ids.REFRESH, wording.TRY_AGAIN, value))


def choice(people: Sequence[tuple[str, str]], count: int, room: Room) -> Message:
    """Asks which of the `count` people is meant: what to show of the first ones, and the values."""
    buttons = [
        button(f"{action_ids.CHOOSE}:{number}", name, value)
        for number, (name, value) in enumerate(people[:MAX_CHOICES])
    ]
    while (left := room.left_beside(buttons)) is not None and left < _AROUND_BUTTONS:
        buttons.pop()
    if len(buttons) == count:
        return note(wording.CHOOSE, *buttons)
    return note(wording.choose_among_first(len(buttons)), *buttons)


def audit_entries(person: str, events: Sequence[AuditEvent], *, more: bool) -> Message:
    """Who looked a person up, newest first; `more` where there are others."""
    heading = wording.audit_heading(shorten(person, SHOWN), len(events), more=more)
    if not events:
        return note(f"{heading} {wording.AUDIT_NONE}")
    lines = [_audit_line(event) for event in events]
    parts = ["\n".join(lines[n : n + _LINES]) for n in range(0, len(lines), _LINES)]
    blocks = [section(f"*{escape(heading)}*"), *map(section, parts)]
    if more:
        blocks.append(context(wording.AUDIT_MORE))
    return message(heading, blocks)


def _audit_line(event: AuditEvent) -> str:
    who = f"<@{escape(event.user)}>" if event.workspace else code(event.user)
    where = f" in <#{escape(event.channel)}>" if event.channel.startswith(("C", "G")) else ""
    came = wording.audit_result(event.result, event.reason, event.count)
    time = date_markup(event.time, "{date_short_pretty} {time}")
    return f"{time}  {who}{where}: {escape(came)} ({escape(event.entry_point)})"


def offer(count: int) -> Message:
    """Under a message in a support channel, for everybody; so it names nobody.

    `count` is how many customers the message names.
    """
    show = button(action_ids.SHOW_SESSIONS, wording.SHOW_SESSIONS, action_ids.SHOW_SESSIONS)
    sentence = wording.offer(count)
    return message(sentence, [section(f":rewind: {escape(sentence)}") | {"accessory": show}])


def is_offer(shown: dict[str, Any]) -> bool:
    """Whether a message that Slack tells of is such an offer."""
    blocks = shown.get("blocks")
    return isinstance(blocks, list) and any(
        isinstance(block, dict)
        and isinstance(block.get("accessory"), dict)
        and block["accessory"].get("action_id") == action_ids.SHOW_SESSIONS
        for block in blocks
    )
