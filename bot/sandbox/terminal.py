"""Shows a message on a terminal."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from rich.console import Console
from rich.text import Text

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


def draw(console: Console, message: Message) -> None:
    """Print the blocks, with full URLs that terminals can open."""
    for block in message.get("blocks", []):
        for line in _LINES.get(block["type"], _unknown)(block):
            _print(console, line)


# -- Blocks, each as lines ------------------------------------------------------------------------


def _unknown(block: Message) -> Iterator[Text]:
    raise ValueError(f"no way to draw {block['type']}")


def _actions(block: Message) -> Iterator[Text]:
    yield Text(" ".join(map(_element, block["elements"])), style="green")


def _section(block: Message) -> Iterator[Text]:
    line = _text(block["text"]["text"])
    if accessory := block.get("accessory"):
        line.append(f"  {_element(accessory)}", style="bold green")
        if url := accessory.get("url"):
            line.append(f"  {url}", style="blue underline")
    yield line


def _context(block: Message) -> Iterator[Text]:
    for element in block["elements"]:
        yield _text(element["text"], style="dim")


def _rich_text(block: Message) -> Iterator[Text]:
    for part in block["elements"]:
        if part["type"] == "rich_text_list":
            for item in part["elements"]:
                yield Text.assemble("• ", _rich_line(item))
        else:
            yield _rich_line(part)


def _rich_line(section: Message) -> Text:
    line = Text()
    for piece in section["elements"]:
        bold = "bold" if piece.get("style", {}).get("bold") else ""
        text = piece.get("text", "")
        if piece["type"] == "date":
            text = _date(piece["timestamp"], piece["format"])
        line.append(text, style=bold)
        if url := piece.get("url"):
            line.append("  ")
            line.append(url, style="blue underline")
    return line


def _element(element: Message) -> str:
    if element["type"] == "overflow":
        return " ".join(f"[⋯ {_unescape(one['text']['text'])}]" for one in element["options"])
    return f"[{_unescape(element['text']['text'])}]"


_LINES: dict[str, Callable[[Message], Iterator[Text]]] = {
    "actions": _actions,
    "context": _context,
    "rich_text": _rich_text,
    "section": _section,
}


def _print(console: Console, line: Text) -> None:
    # Addresses must not be broken over lines.
    console.print(Text("  ┃ ", style="dim"), end="")
    line = Text.assemble(("\n  ┃ ", "dim")).join(line.split("\n"))
    console.print(line, soft_wrap=True, highlight=False)


def _text(markdown: str, style: str = "") -> Text:
    drawn = Text(style=style)
    end = 0
    for match in _TOKEN.finditer(markdown):
        drawn.append(_unescape(markdown[end : match.start()]))
        end = match.end()
        if match["seconds"]:
            drawn.append(_date(int(match["seconds"]), match["format"]))
            if match["date_link"]:
                drawn.append(" ")
                drawn.append(_unescape(match["date_link"]), style="blue underline")
        elif match["link"]:
            drawn.append(f"{_unescape(match['label'])} ")
            drawn.append(_unescape(match["link"]), style="blue underline")
        elif match["mention"]:
            name = _NAMES.get(match["mention"], match["mention"])
            drawn.append(f"{match['kind']}{name}", style="cyan")
        elif match["emoji"]:
            drawn.append(_EMOJI.get(match["emoji"], match[0]))
        elif match["bold"]:
            drawn.append(_unescape(match["bold"]), style="bold")
        else:
            drawn.append(_unescape(match["code"]), style="cyan")
    drawn.append(_unescape(markdown[end:]))
    return drawn


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
