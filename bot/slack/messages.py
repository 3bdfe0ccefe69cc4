"""Short messages: what was wrong, what went wrong, help, the offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from bot.core.access import DenialReason
from bot.core.events import AuditEvent
from bot.core.query import Limits, ParseError
from bot.slack import action_ids, texts
from bot.slack.blocks import (
    SHOWN,
    Message,
    SizeLimit,
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

MAX_CHOICES: Final = 10
_MOST_NAMED: Final = 5  # channels
_LINES: Final = 8  # of the audit, in one block
_AROUND_BUTTONS: Final = 500  # characters of a question besides its buttons


def help_message(command: str, limits: Limits) -> Message:
    """How to call the bot: three lines that work, and a button for the rest."""
    examples = texts.examples(command, limits)[:3]
    lines = [f"{code(example)}  {escape(meaning)}" for example, meaning in examples]
    more = button(action_ids.HELP, texts.HELP_MORE, action_ids.HELP)
    return message(
        f"{texts.HELP_INTRO} {examples[0][0]}",
        [section(escape(texts.HELP_INTRO)), section("\n".join(lines)), actions(more)],
    )


def refusal(refused: ParseError, command: str, limits: Limits) -> Message:
    """What was wrong with a text, and a line that would work."""
    sentence = texts.refusal(refused, limits)
    shown = shorten(refused.shown, SHOWN)
    example = f"{command} {refused.example}"
    return message(
        f"{shown + ': ' if shown else ''}{sentence} {texts.TRY}: {example}",
        [
            section(f"{code(shown)}: {escape(sentence)}" if shown else escape(sentence)),
            section(f"{texts.TRY}: {code(example)}"),
        ],
    )


def trouble(sentences: tuple[str, str], contact: str, reference: str, value: str = "") -> Message:
    """What failed, what to do, and the mark of the log line that says more.

    In the second sentence, `{administrator}` is whom to tell: `contact`, if there is one. `value`
    is for a button to try again, or "" for none.
    """
    what, then = sentences
    whom = markdown(contact) if contact else escape(texts.ADMINISTRATOR)
    told = escape(then).replace("{administrator}", whom)
    again = [actions(button(action_ids.REFRESH, texts.TRY_AGAIN, value))] if value else []
    return message(
        texts.in_one_line(sentences, contact, reference),
        [
            section(f":warning: *{escape(what)}*\n{told}"),
            *again,
            context(texts.reference_line(reference)),
        ],
    )


def refused(
    refusal: DenialReason, contact: str, channels: Sequence[str] = (), value: str = ""
) -> Message:
    """Why somebody is shown no sessions, where they are shown, and whom to ask.

    `value` is for a button to try again, or "" for none.
    """
    told = escape(texts.not_for(refusal))
    if refusal is DenialReason.NOT_HERE and channels:
        told += f" {escape(texts.SHOWN_IN)} {mentions_of(channels[:_MOST_NAMED])}."
    if refusal in texts.CAN_BE_CHANGED:
        told += f" {_whom_to_ask(contact)}"
    again = [actions(button(action_ids.REFRESH, texts.TRY_AGAIN, value))] if value else []
    return message(texts.refused_in_one_line(refusal, contact), [section(told), *again])


def _whom_to_ask(contact: str) -> str:
    if is_mention(contact):
        return escape(texts.ASK_WHOM).replace("{contact}", contact)
    return escape(texts.whom_to_ask(contact))


def note_with_retry(sentence: str, value: str) -> Message:
    """One sentence, and a way back to the sessions."""
    if not value:
        return note(sentence)
    return note(sentence, button(action_ids.REFRESH, texts.TRY_AGAIN, value))


def choice(people: Sequence[tuple[str, str]], count: int, size_limit: SizeLimit) -> Message:
    """Asks which of the `count` people is meant: what to show of the first ones, and the values."""
    buttons = [
        button(f"{action_ids.CHOOSE}:{number}", name, value)
        for number, (name, value) in enumerate(people[:MAX_CHOICES])
    ]
    while (left := size_limit.remaining_after(buttons)) is not None and left < _AROUND_BUTTONS:
        buttons.pop()
    if len(buttons) == count:
        return note(texts.CHOOSE, *buttons)
    return note(texts.choose_among_first(len(buttons)), *buttons)


def audit_entries(person: str, events: Sequence[AuditEvent], *, more: bool) -> Message:
    """Who looked a person up, newest first; `more` where there are others."""
    heading = texts.audit_heading(shorten(person, SHOWN), len(events), more=more)
    if not events:
        return note(f"{heading} {texts.AUDIT_NONE}")
    lines = [_audit_line(event) for event in events]
    parts = ["\n".join(lines[n : n + _LINES]) for n in range(0, len(lines), _LINES)]
    blocks = [section(f"*{escape(heading)}*"), *map(section, parts)]
    if more:
        blocks.append(context(texts.AUDIT_MORE))
    return message(heading, blocks)


def _audit_line(event: AuditEvent) -> str:
    who = f"<@{escape(event.user)}>" if event.workspace else code(event.user)
    where = f" in <#{escape(event.channel)}>" if event.channel.startswith(("C", "G")) else ""
    came = texts.audit_result(event.result, event.reason, event.count)
    time = date_markup(event.time, "{date_short_pretty} {time}")
    return f"{time}  {who}{where}: {escape(came)} ({escape(event.entry_point)})"


def offer(count: int) -> Message:
    """Under a message in a support channel, for everybody; so it names nobody.

    `count` is how many customers the message names.
    """
    show = button(action_ids.SHOW_SESSIONS, texts.SHOW_SESSIONS, action_ids.SHOW_SESSIONS)
    sentence = texts.offer(count)
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
