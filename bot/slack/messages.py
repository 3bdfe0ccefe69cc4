"""Short messages that several features send: help, parse errors, problems, a choice of people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bot.core.access import DenialReason
from bot.core.outcomes import Explanation, denial
from bot.core.query import Limits, ParseError, Problem
from bot.slack import action_ids, texts
from bot.slack.blocks import (
    SHOWN,
    Message,
    SizeLimit,
    View,
    actions,
    button,
    code,
    context,
    escape,
    is_mention,
    link_button,
    mentions_of,
    message,
    modal,
    note,
    section,
    shorten,
)

RESULTS: Final = "find_sessions_results"
MAX_CHOICES: Final = 10
_MAX_CHANNELS: Final = 5
_AROUND_BUTTONS: Final = 500  # characters of a question besides its buttons


def help_message(command: str, limits: Limits) -> Message:
    """Explain the command in three lines that work, with a button for the rest."""
    examples = texts.examples(command, limits)[:3]
    lines = [f"{code(example)}  {escape(meaning)}" for example, meaning in examples]
    more = button(action_ids.HELP, texts.HELP_MORE, action_ids.HELP)
    return message(
        f"{texts.HELP_INTRO} {examples[0][0]}",
        [section(escape(texts.HELP_INTRO)), section("\n".join(lines)), actions(more)],
    )


def parse_error(error: ParseError, limits: Limits, search: str = "", edit: str = "") -> Message:
    """Say what was wrong with a text, with buttons that do what was probably meant.

    `search` and `edit` are their values: to look up the proposal, and to open the form.
    """
    sentence = texts.parse_error(error, limits)
    if error.problem is Problem.SESSION_LINK:
        return note(sentence, link_button(action_ids.WATCH_REPLAY, texts.WATCH_REPLAY, error.shown))
    shown = shorten(error.shown, SHOWN)
    spoken = f"{shown + ': ' if shown else ''}{sentence}"
    buttons = [button(action_ids.EDIT, texts.EDIT, edit)] if edit else []
    if search and error.proposal:
        meant = texts.proposal(error.proposal)
        spoken += f" {texts.did_you_mean(meant)}"
        buttons.insert(0, button(f"{action_ids.CHOOSE}:0", meant, search))
    text = f"{code(shown)}: {escape(sentence)}" if shown else escape(sentence)
    return message(spoken, [section(text), *([actions(*buttons)] if buttons else [])])


def problem(
    explanation: Explanation, contact: str, retry: str = "", channels: Sequence[str] = ()
) -> Message:
    """Say what happened and what to do next.

    `retry` is the value of a *Try again* button. `channels` are where sessions are shown, for a
    person who asks in another.
    """
    step = (
        escape(explanation.next_step).replace("{contact}", contact)
        if is_mention(contact)
        else escape(explanation.step_for(contact))
    )
    if explanation.reference:
        blocks = [section(f":warning: *{escape(explanation.what)}*\n{step}")]
    else:
        where = f" You can ask in {mentions_of(channels[:_MAX_CHANNELS])}." if channels else ""
        blocks = [section(f"{escape(explanation.what)}{where} {step}".rstrip())]
    if retry and explanation.can_retry:
        blocks.append(actions(button(action_ids.REFRESH, texts.TRY_AGAIN, retry)))
    if explanation.reference:
        blocks.append(context(f"Reference {explanation.reference}, for your administrator"))
    return message(explanation.in_one_line(contact), blocks)


def access_denied(
    reason: DenialReason, contact: str, channels: Sequence[str] = (), retry: str = ""
) -> Message:
    """Say why a person is shown no sessions, where they would be, and who to ask."""
    shown_in = channels if reason is DenialReason.NOT_HERE else ()
    return problem(denial(reason), contact, retry, shown_in)


def note_with_retry(sentence: str, retry: str) -> Message:
    """Say one sentence, with a button that brings the sessions back."""
    buttons = [button(action_ids.REFRESH, texts.TRY_AGAIN, retry)] if retry else []
    return note(sentence, *buttons)


def in_modal(message: Message, metadata: str = "", *, is_final: bool = True) -> View:
    """Show a message in the search modal, with a button for a new search if it is final.

    Before the results are there, they would replace the new search. Slack sends `metadata` back
    with each press.
    """
    again = button(action_ids.NEW_SEARCH, texts.NEW_SEARCH, action_ids.NEW_SEARCH)
    below = [actions(again)] if is_final else []
    return modal(texts.SEARCH_TITLE, [*message["blocks"], *below], RESULTS, metadata=metadata)


def choice(
    options: Sequence[tuple[str, str]],
    count: int,
    size_limit: SizeLimit,
    question: str = texts.CHOOSE,
) -> Message:
    """Ask which of `count` people or times is meant; `options` are the first names and values."""
    buttons = [
        button(f"{action_ids.CHOOSE}:{number}", name, value)
        for number, (name, value) in enumerate(options[:MAX_CHOICES])
    ]
    while (left := size_limit.remaining_after(buttons)) is not None and left < _AROUND_BUTTONS:
        buttons.pop()
    if len(buttons) == count:
        return note(question, *buttons)
    return note(texts.choose_among_first(len(buttons)), *buttons)
