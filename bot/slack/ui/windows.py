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
    MAX_TITLE,
    Block,
    Message,
    View,
    actions,
    button,
    code,
    escape,
    header,
    plain,
    plain_section,
    section,
)
from bot.typed.query import Limits


def form(limits: Limits, reason: str = "", moment: datetime | None = None) -> View:
    """The form; `reason` says why it was opened, `moment` is filled in."""
    limit = {"type": "plain_text_input", "placeholder": plain(str(limits.default), MAX_FIELD)}
    when: Block = {"type": "datetimepicker"}
    if moment:
        when["initial_date_time"] = int(moment.timestamp())
    return {
        "type": "modal",
        "callback_id": action_ids.FORM,
        "title": plain(wording.FORM_TITLE, MAX_TITLE),
        "submit": plain(wording.FORM_SUBMIT, MAX_TITLE),
        "close": plain(wording.FORM_CLOSE, MAX_TITLE),
        "blocks": [
            *([section(escape(reason))] if reason else []),
            _input(action_ids.PERSON_FIELD, wording.FORM_PERSON, {"type": "plain_text_input"}),
            _input(action_ids.LIMIT_FIELD, wording.FORM_LIMIT, limit, optional=True),
            _input(
                action_ids.MOMENT_FIELD,
                wording.FORM_MOMENT,
                when,
                wording.FORM_MOMENT_HINT,
                optional=True,
            ),
        ],
    }


def results(message: Message, *, final: bool = True) -> View:
    """A message's blocks in a window, with a button for the next search if it is `final`.

    While results are still to come there is none: they would take the place of the next search.
    """
    again = button(action_ids.NEW_SEARCH, wording.NEW_SEARCH, action_ids.NEW_SEARCH)
    return {
        "type": "modal",
        "callback_id": action_ids.RESULTS,
        "title": plain(wording.FORM_TITLE, MAX_TITLE),
        "close": plain(wording.FORM_CLOSE, MAX_TITLE),
        "blocks": [*message["blocks"], *([actions(again)] if final else [])],
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


def home(ways: Sequence[tuple[str, str]], command: str, limits: Limits) -> View:
    """The Home: what the bot does, the ways to ask, who sees what.

    `ways` are a name and how it is done, the latter in Slack's markup. The view's
    `private_metadata` tells this Home from any other.
    """
    _, examples, _ = wording.help_lines(command, limits)
    search = button(action_ids.SEARCH, wording.HOME_SEARCH, action_ids.SEARCH)
    return _home(
        [
            header(wording.HOME_TITLE),
            section(escape(wording.HOME_INTRO)),
            actions(search | {"style": "primary"}),
            header(wording.HOME_ENTRY_POINTS),
            section("\n".join(f"• *{escape(name)}* {how}" for name, how in ways)),
            header(wording.HOME_EXAMPLES),
            section("\n".join(f"{code(typed)}  {escape(meaning)}" for typed, meaning in examples)),
            header(wording.HOME_PRIVACY),
            section("\n".join(f"• {escape(line)}" for line in wording.PRIVACY)),
        ]
    )


def _home(blocks: list[Block]) -> View:
    mark = hashlib.sha256(json.dumps(blocks).encode()).hexdigest()
    return {"type": "home", "private_metadata": mark, "blocks": blocks}


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
