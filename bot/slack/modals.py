"""Windows and the Home.

- https://docs.slack.dev/surfaces/modals
- https://docs.slack.dev/surfaces/app-home
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from bot.core.query import Limits
from bot.slack import action_ids, texts
from bot.slack.blocks import (
    MAX_FIELD,
    MAX_OPTIONS,
    MAX_TITLE,
    SHORT,
    Block,
    Message,
    View,
    actions,
    button,
    code,
    context,
    escape,
    header,
    mentions_of,
    option,
    plain,
    section,
    shorten,
)


def form(
    limits: Limits,
    reason: str = "",
    moment: datetime | None = None,
    person: str = "",
    metadata: str = "",
) -> View:
    """The form; `reason` says why it was opened, `moment` and `person` are filled in.

    `metadata` is what it brings back when it is sent.
    """
    limit = {"type": "plain_text_input", "placeholder": plain(str(limits.default), MAX_FIELD)}
    who: Block = {"type": "plain_text_input"} | ({"initial_value": person} if person else {})
    when: Block = {"type": "datetimepicker"}
    if moment:
        when["initial_date_time"] = int(moment.timestamp())
    ids = action_ids
    blocks = [
        *([section(escape(reason))] if reason else []),
        _input(ids.PERSON_FIELD, texts.FORM_PERSON, who),
        _input(ids.LIMIT_FIELD, texts.FORM_LIMIT, limit, optional=True),
        _input(ids.MOMENT_FIELD, texts.FORM_MOMENT, when, texts.FORM_MOMENT_HINT, optional=True),
    ]
    return _modal(texts.FORM_TITLE, blocks, ids.FORM) | {
        "submit": plain(texts.FORM_SUBMIT, MAX_TITLE),
        "private_metadata": metadata,
    }


def results(message: Message, metadata: str = "", *, final: bool = True) -> View:
    """A message's blocks in a window, with a button for the next search if it is `final`.

    `metadata` are for that search. While results are still to come there is none: they would take
    the place of the next search.
    """
    again = button(action_ids.NEW_SEARCH, texts.NEW_SEARCH, action_ids.NEW_SEARCH)
    blocks = [*message["blocks"], *([actions(again)] if final else [])]
    return _modal(texts.FORM_TITLE, blocks, action_ids.RESULTS) | {"private_metadata": metadata}


def help_window(command: str, limits: Limits) -> View:
    """All that can be typed, and who sees what."""
    examples = texts.examples(command, limits)
    blocks = [
        section(escape(texts.HELP_INTRO)),
        section("\n".join(f"{code(typed)}  {escape(meaning)}" for typed, meaning in examples)),
        header(texts.PRIVACY_TITLE),
        section("\n".join(f"• {escape(line)}" for line in texts.PRIVACY)),
    ]
    return _modal(texts.HELP_TITLE, blocks)


def why_window() -> View:
    """Why somebody who is known can have no sessions."""
    lines = "\n".join(f"• {escape(reason)}" for reason in texts.NONE_FOUND_REASONS)
    return _modal(texts.WHY_TITLE, [section(f"{escape(texts.NONE_FOUND_INTRO)}\n{lines}")])


def note_window(title: str, message: Message) -> View:
    """A short message in a window."""
    return _modal(title, message["blocks"])


def audit_form() -> View:
    """Who looked this person up?"""
    ids = action_ids
    who: Block = {"type": "plain_text_input"}
    hint = texts.AUDIT_PERSON_HINT
    blocks = [
        _input(ids.PERSON_FIELD, texts.AUDIT_PERSON, who, hint),
        _input(ids.SINCE_FIELD, texts.AUDIT_SINCE, {"type": "datetimepicker"}, optional=True),
    ]
    return _modal(texts.AUDIT_TITLE, blocks, ids.AUDIT_FORM) | {
        "submit": plain(texts.AUDIT_SUBMIT, MAX_TITLE)
    }


def audit_window(message: Message, *, final: bool = True) -> View:
    """What the record says, or why it doesn't."""
    del final
    return note_window(texts.AUDIT_TITLE, message)


def share_form(sessions: Sequence[str], person: str, metadata: str, *, in_thread: bool) -> View:
    """Which of the sessions, with or without the name, where; the first and no name are chosen."""
    ids = action_ids
    choices = [option(text, str(number)) for number, text in enumerate(sessions[:MAX_OPTIONS])]
    if len(sessions) > 1:
        choices.insert(1, option(texts.share_all(len(sessions)), ids.ALL))
    which = {"type": "static_select", "options": choices[:MAX_OPTIONS]}
    include = option(texts.include_name(shorten(person, SHORT)), ids.INCLUDE_NAME)
    targets = [
        option(texts.SHARE_IN_THREAD, ids.IN_THREAD),
        option(texts.SHARE_IN_CHANNEL, ids.IN_CHANNEL),
    ]
    where = {"type": "radio_buttons", "options": targets, "initial_option": targets[0]}
    name = {"type": "checkboxes", "options": [include]}
    hint = texts.SHARE_UNNAMED_HINT
    blocks = [
        _input(ids.WHICH_FIELD, texts.SHARE_WHICH, which | {"initial_option": choices[0]}),
        _input(ids.NAME_FIELD, texts.SHARE_NAME, name, hint, optional=True),
        *([_input(ids.WHERE_FIELD, texts.SHARE_WHERE, where)] if in_thread else []),
        context(texts.share_seen_by()),
    ]
    return _modal(texts.SHARE_TITLE, blocks, ids.SHARE_FORM) | {
        "submit": plain(texts.SHARE_SUBMIT, MAX_TITLE),
        "private_metadata": metadata,
    }


def home_refused(message: Message, *, is_auditor: bool) -> View:
    """The Home of somebody who may not be shown sessions; the message says why."""
    auditing = [actions(_audit_button())] if is_auditor else []
    return _home([header(texts.HOME_TITLE), *message["blocks"], *auditing])


def _audit_button() -> Block:
    return button(action_ids.AUDIT, texts.AUDIT_BUTTON, action_ids.AUDIT)


def ways_to_ask(
    help_lines: Sequence[tuple[str, str]],
    command: str,
    bot: str,
    support_channels: Sequence[str],
    *,
    restricted: bool = False,
) -> list[tuple[str, str]]:
    """The ways to ask, for `home`; if sessions are `restricted` to some channels, only these ways.

    A way with `{channels}` in it is for support channels; one with `{free}` is of no channel.
    """
    names = {
        "{command}": escape(command),
        "{bot}": f"<@{escape(bot)}>",
        "{channels}": mentions_of(support_channels),
        "{where}": texts.IN_THESE_CHANNELS if restricted else texts.IN_ANY_CHANNEL,
        "{direct}": "" if restricted else texts.OR_DIRECTLY,
        "{free}": "",
    }
    ways = []
    for name, how in help_lines:
        if ("{channels}" in how and not support_channels) or ("{free}" in how and restricted):
            continue
        shown = escape(how)
        for placeholder, text in names.items():
            shown = shown.replace(placeholder, text)
        ways.append((name, shown))
    return ways


def home(
    ways: Sequence[tuple[str, str]], channels: Sequence[str] = (), *, is_auditor: bool = False
) -> View:
    """The Home: a start page. `ways` are a name and how to use it, the latter in Slack's markup.

    Where sessions are shown in some `channels` only, it names them, and searches elsewhere are not
    offered. An auditor can look up who looked somebody up. The view's `private_metadata` tells this
    Home from any other.
    """
    search = button(action_ids.SEARCH, texts.HOME_SEARCH, action_ids.SEARCH)
    how = button(action_ids.HELP, texts.HELP_TITLE, action_ids.HELP)
    buttons = [how] if channels else [search | {"style": "primary"}, how]
    if is_auditor:
        buttons.append(_audit_button())
    where = escape(texts.HOME_ANYWHERE)
    if channels:
        where = f"{escape(texts.HOME_ONLY_IN)} {mentions_of(channels)}"
    return _home(
        [
            header(texts.HOME_TITLE),
            section(where),
            actions(*buttons),
            {"type": "divider"},
            *(section(f"*{escape(name)}*\n{line}") for name, line in ways),
            context(texts.HOME_PRIVACY),
        ]
    )


def _home(blocks: list[Block]) -> View:
    mark = hashlib.sha256(json.dumps(blocks).encode()).hexdigest()
    return {"type": "home", "private_metadata": mark, "blocks": blocks}


def _modal(title: str, blocks: list[Block], callback_id: str = "") -> View:
    return {
        "type": "modal",
        **({"callback_id": callback_id} if callback_id else {}),
        "title": plain(title, MAX_TITLE),
        "close": plain(texts.FORM_CLOSE, MAX_TITLE),
        "blocks": blocks,
    }


def _input(
    name: str, label: str, element: Block, hint: str = "", *, optional: bool = False
) -> Block:
    return {
        "type": "input",
        "block_id": name,
        "label": plain(label, MAX_FIELD),
        "element": {**element, "action_id": name},
        "optional": optional,
        **({"hint": plain(hint, MAX_FIELD)} if hint else {}),
    }
