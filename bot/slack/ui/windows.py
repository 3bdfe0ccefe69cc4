"""Windows and the Home.

- https://docs.slack.dev/surfaces/modals
- https://docs.slack.dev/surfaces/app-home
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime

from bot.slack.ui import action_ids, wording
from bot.slack.ui.pieces import (
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
    option,
    plain,
    plain_section,
    section,
    shorten,
)
from bot.typed.query import Limits


def form(
    limits: Limits, reason: str = "", moment: datetime | None = None, person: str = ""
) -> View:
    """The form; `reason` says why it was opened, `moment` and `person` are filled in."""
    limit = {"type": "plain_text_input", "placeholder": plain(str(limits.default), MAX_FIELD)}
    who: Block = {"type": "plain_text_input"} | ({"initial_value": person} if person else {})
    when: Block = {"type": "datetimepicker"}
    if moment:
        when["initial_date_time"] = int(moment.timestamp())
    ids = action_ids
    blocks = [
        *([section(escape(reason))] if reason else []),
        _input(ids.PERSON_FIELD, wording.FORM_PERSON, who),
        _input(ids.LIMIT_FIELD, wording.FORM_LIMIT, limit, optional=True),
        _input(
            ids.MOMENT_FIELD, wording.FORM_MOMENT, when, wording.FORM_MOMENT_HINT, optional=True
        ),
    ]
    return _modal(wording.FORM_TITLE, blocks, ids.FORM) | {
        "submit": plain(wording.FORM_SUBMIT, MAX_TITLE)
    }


def results(message: Message, *, final: bool = True) -> View:
    """A message's blocks in a window, with a button for the next search if it is `final`.

    While results are still to come there is none: they would take the place of the next search.
    """
    again = button(action_ids.NEW_SEARCH, wording.NEW_SEARCH, action_ids.NEW_SEARCH)
    blocks = [*message["blocks"], *([actions(again)] if final else [])]
    return _modal(wording.FORM_TITLE, blocks, action_ids.RESULTS)


def help_window(command: str, limits: Limits) -> View:
    """All that can be typed, and who sees what."""
    examples = wording.examples(command, limits)
    blocks = [
        section(escape(wording.HELP_INTRO)),
        section("\n".join(f"{code(typed)}  {escape(meaning)}" for typed, meaning in examples)),
        header(wording.PRIVACY_TITLE),
        section("\n".join(f"• {escape(line)}" for line in wording.PRIVACY)),
    ]
    return _modal(wording.HELP_TITLE, blocks)


def why_window() -> View:
    """Why somebody who is known can have no sessions."""
    lines = "\n".join(f"• {escape(reason)}" for reason in wording.NONE_FOUND_REASONS)
    return _modal(wording.WHY_TITLE, [section(f"{escape(wording.NONE_FOUND_INTRO)}\n{lines}")])


def note_window(title: str, sentence: str) -> View:
    """One sentence in a window."""
    return _modal(title, [plain_section(sentence)])


def share_form(sessions: Sequence[str], person: str, metadata: str, *, in_thread: bool) -> View:
    """Which of the sessions, with or without the name, where; the first and no name are chosen."""
    ids = action_ids
    choices = [option(text, str(number)) for number, text in enumerate(sessions[:MAX_OPTIONS])]
    if len(sessions) > 1:
        choices.insert(1, option(wording.share_all(len(sessions)), ids.ALL))
    which = {"type": "static_select", "options": choices[:MAX_OPTIONS]}
    include = option(wording.include_name(shorten(person, SHORT)), ids.INCLUDE_NAME)
    places = [
        option(wording.SHARE_IN_THREAD, ids.IN_THREAD),
        option(wording.SHARE_IN_CHANNEL, ids.IN_CHANNEL),
    ]
    where = {"type": "radio_buttons", "options": places, "initial_option": places[0]}
    name = {"type": "checkboxes", "options": [include]}
    hint = wording.SHARE_UNNAMED_HINT
    blocks = [
        _input(ids.WHICH_FIELD, wording.SHARE_WHICH, which | {"initial_option": choices[0]}),
        _input(ids.NAME_FIELD, wording.SHARE_NAME, name, hint, optional=True),
        *([_input(ids.WHERE_FIELD, wording.SHARE_WHERE, where)] if in_thread else []),
        context(wording.share_seen_by()),
    ]
    return _modal(wording.SHARE_TITLE, blocks, ids.SHARE_FORM) | {
        "submit": plain(wording.SHARE_SUBMIT, MAX_TITLE),
        "private_metadata": metadata,
    }


def home_refused(sentence: str) -> View:
    """The Home of somebody who may not be shown sessions."""
    return _home([header(wording.HOME_TITLE), plain_section(sentence)])


def ways_to_ask(
    help_lines: Sequence[tuple[str, str]], command: str, bot: str, channels: Sequence[str]
) -> list[tuple[str, str]]:
    """The ways to ask, for `home`; a way that has `{channels}` in it only where there are some."""
    names = {
        "{command}": escape(command),
        "{bot}": f"<@{escape(bot)}>",
        "{channels}": ", ".join(f"<#{escape(channel)}>" for channel in channels),
    }
    ways = []
    for name, how in help_lines:
        if "{channels}" in how and not channels:
            continue
        shown = escape(how)
        for placeholder, text in names.items():
            shown = shown.replace(placeholder, text)
        ways.append((name, shown))
    return ways


def home(ways: Sequence[tuple[str, str]]) -> View:
    """The Home: a start page. `ways` are a name and how to use it, the latter in Slack's markup.

    The view's `private_metadata` tells this Home from any other.
    """
    search = button(action_ids.SEARCH, wording.HOME_SEARCH, action_ids.SEARCH)
    how = button(action_ids.HELP, wording.HELP_TITLE, action_ids.HELP)
    return _home(
        [
            header(wording.HOME_TITLE),
            actions(search | {"style": "primary"}, how),
            {"type": "divider"},
            *(section(f"*{escape(name)}*\n{line}") for name, line in ways),
            context(wording.HOME_PRIVACY),
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
        "close": plain(wording.FORM_CLOSE, MAX_TITLE),
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
