"""Shows a message on a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from bot.sandbox.workspace import BOT_USER, CHANNEL, TICKETS, USER, Message

_TOKEN = re.compile(
    r"<!date\^(?P<seconds>-?\d+)\^(?P<format>[^|^>]*)(?:\^(?P<date_link>[^|>]*))?\|[^>]*>"
    r"|<(?P<link>https?://[^|>]*)\|(?P<label>[^>]*)>"
    r"|<(?P<kind>[#@])(?P<mention>[A-Z0-9]+)>"
    r"|:(?P<emoji>[a-z_]+):"
    r"|\*(?P<bold>[^*\n]+)\*"
    r"|`(?P<code>[^`\n]+)`"
)


_EMOJI = {"dart": "◎", "rewind": "⏪", "warning": "⚠", "white_check_mark": "✓"}
_NAMES = {
    CHANNEL: "support",
    TICKETS: "tickets",
    USER: "sam",
    BOT_USER: "fsessions",
}


def draw(message: Message) -> None:
    """Print the blocks, with full URLs that terminals can open."""
    bar = click.style("  ┃ ", dim=True)
    for block in message.get("blocks", []):
        for text in _LINES.get(block["type"], _unknown)(block):
            for line in text.split("\n"):
                click.echo(f"{bar}{line}")


# -- Blocks, each as lines ------------------------------------------------------------------------


def _unknown(block: Message) -> Iterator[str]:
    raise ValueError(f"no way to draw {block['type']}")


def _actions(block: Message) -> Iterator[str]:
    yield " ".join(map(_pressed, block["elements"]))


def _section(block: Message) -> Iterator[str]:
    line = _text(block["text"]["text"])
    if accessory := block.get("accessory"):
        line += f"  {_pressed(accessory)}"
    yield line


def _context(block: Message) -> Iterator[str]:
    for element in block["elements"]:
        yield _text(element["text"], dim=True)


def _rich_text(block: Message) -> Iterator[str]:
    for part in block["elements"]:
        if part["type"] == "rich_text_list":
            for item in part["elements"]:
                yield f"• {_rich_line(item)}"
        else:
            yield _rich_line(part)


def _rich_line(section: Message) -> str:
    line = ""
    for piece in section["elements"]:
        text = piece.get("text", "")
        if piece["type"] == "date":
            text = _date(piece["timestamp"], piece["format"])
        line += _styled(text, bold=True) if piece.get("style", {}).get("bold") else text
        if url := piece.get("url"):
            line += f"  {_link(url)}"
    return line


def _pressed(element: Message) -> str:
    if element["type"] == "overflow":
        texts = [f"⋯ {one['text']['text']}" for one in element["options"]]
    else:
        texts = [element["text"]["text"]]
    shown = _styled(" ".join(f"[{_unescape(text)}]" for text in texts), fg="green")
    return f"{shown}  {_link(element['url'])} " if "url" in element else shown


_LINES: dict[str, Callable[[Message], Iterator[str]]] = {
    "actions": _actions,
    "context": _context,
    "rich_text": _rich_text,
    "section": _section,
}


def _styled(text: str, **style: Any) -> str:  # noqa: ANN401 - as click has them
    """Style each line by itself: they are printed behind a bar."""
    return "\n".join(click.style(line, **style) if line else "" for line in text.split("\n"))


def _link(url: str) -> str:
    return _styled(url, fg="blue", underline=True)


def _text(markdown: str, *, dim: bool = False) -> str:
    drawn = ""
    end = 0

    def plain(text: str) -> str:
        return _styled(_unescape(text), dim=True) if dim else _unescape(text)

    for match in _TOKEN.finditer(markdown):
        drawn += plain(markdown[end : match.start()])
        end = match.end()
        if match["seconds"]:
            drawn += plain(_date(int(match["seconds"]), match["format"]))
            if match["date_link"]:
                drawn += f" {_link(_unescape(match['date_link']))}"
        elif match["link"]:
            drawn += f"{plain(match['label'])} {_link(_unescape(match['link']))}"
        elif match["mention"]:
            name = _NAMES.get(match["mention"], match["mention"])
            drawn += _styled(f"{match['kind']}{name}", fg="cyan")
        elif match["emoji"]:
            drawn += _EMOJI.get(match["emoji"], match[0])
        elif match["bold"]:
            drawn += _styled(_unescape(match["bold"]), bold=True)
        else:
            drawn += _styled(_unescape(match["code"]), fg="cyan")
    return drawn + plain(markdown[end:])


def _date(seconds: int, template: str) -> str:
    """Return a time as Slack shows it, with a capital letter first."""
    now = datetime.now().astimezone()
    then = datetime.fromtimestamp(seconds, UTC).astimezone()
    days = (now.date() - then.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"{then:%b} {then.day}, {then.year}")
    text = template.replace("{time}", f"{then:%H:%M}").replace("{ago}", _ago(now - then))
    text = re.sub(r"\{(?:date|day)_\w+\}", day, text)
    return text[:1].upper() + text[1:]


def _ago(passed: timedelta) -> str:
    for unit, name in ((timedelta(days=1), "day"), (timedelta(hours=1), "hour")):
        if count := passed // unit:
            return f"{count} {name}{'s' if count > 1 else ''} ago"
    minutes = passed // timedelta(minutes=1)
    return f"{minutes} minute{'' if minutes == 1 else 's'} ago"


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
