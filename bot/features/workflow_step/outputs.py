"""The step's outputs, as the app manifest declares them; texts may be ""."""

from __future__ import annotations

from typing import Any, Final

from bot.core.sessions import Session, SessionList
from bot.features.workflow_step.texts import SHOWN_ALONE
from bot.slack import texts

MAX_LIST: Final = 3000
"""Characters of the list: what one block of a message takes."""

_HEADING: Final = 600  # characters of a heading with the longest e-mail address and uid


def outputs(found: SessionList) -> dict[str, Any]:
    """Return the sessions as outputs."""
    count, person = len(found.sessions), found.query.person
    lines: list[str] = []
    size = 0
    for session in found.sessions:
        line = _line(session)
        size += len(line) + 1
        if lines and size > MAX_LIST - _HEADING:
            break
        lines.append(line)
    shown = [texts.heading(person, count, 0), *lines]
    if left_out := count - len(lines):
        shown.append(f"and {texts.counted(left_out, 'older session')}")
    return {
        "count": count,
        "latest": (found.latest and found.latest.link) or "",
        "at_moment": (found.sessions[0].link or "") if found.at_moment else "",
        "replay": found.replay or "",
        "list": "\n".join(shown),
        "person": person,
    }


def withheld(count: int) -> dict[str, Any]:
    """Return outputs without sessions, which only one person was shown."""
    return {
        "count": count,
        **dict.fromkeys(("latest", "at_moment", "replay"), ""),
        "list": SHOWN_ALONE,
        "person": texts.A_CUSTOMER,
    }


def _line(session: Session) -> str:
    started = f"{session.started:%Y-%m-%d %H:%M} UTC" if session.started else texts.UNKNOWN_TIME
    return f"• {started}  {session.link or texts.UNUSABLE_LINK}"
