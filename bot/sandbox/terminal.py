"""A message as Slack would draw it, on a terminal."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.text import Text

from bot.sandbox.workspace import AGENT, BOT_USER, CHANNEL, PARTNER, TICKETS, USER

_TOKEN = re.compile(
    r"<!date\^(?P<seconds>-?\d+)\^(?P<format>[^|^>]*)(?:\^(?P<date_link>[^|>]*))?\|[^>]*>"
    r"|<(?P<link>https?://[^|>]*)\|(?P<label>[^>]*)>"
    r"|<(?P<kind>[#@])(?P<mention>[A-Z0-9]+)>"
    r"|\*(?P<bold>[^*\n]+)\*"
    r"|`(?P<code>[^`\n]+)`"
)


_NAMES = {
    CHANNEL: "support",
    TICKETS: "tickets",
    USER: "sam",
    AGENT: "alex",
    PARTNER: "pat",
    BOT_USER: "fsessions",
}


def draw(console: Console, message: dict[str, Any]) -> None:  # noqa: C901 - one case a block
    """Prints the blocks; an address stands in full, where terminals can open it."""
    if message.get("delete_original"):
        _print(console, Text("(the message is gone)", style="dim"))
    if message.get("response_type") == "in_channel":
        _print(console, Text("Everybody there sees:", style="dim"))
    if title := message.get("title"):
        _print(console, Text(f"── {_unescape(title['text'])} ──", style="bold"))
    for block in message.get("blocks", []):
        match block["type"]:
            case "actions":
                buttons = [f"[{_unescape(one['text']['text'])}]" for one in block["elements"]]
                _print(console, Text(" ".join(buttons), style="green"))
            case "input":
                optional = "  (optional)" if block["optional"] else ""
                _print(console, Text(f"{block['label']['text']}: ____{optional}"))
            case "header":
                _print(console, Text(_unescape(block["text"]["text"]), style="bold"))
            case "section":
                line = _text(block["text"]["text"])
                if button := block.get("accessory"):
                    line.append(f"  [{button['text']['text']}] ", style="bold green")
                    line.append(button["url"], style="blue underline")
                _print(console, line)
            case "context":
                for element in block["elements"]:
                    _print(console, _text(element["text"], style="dim"))
            case kind:
                raise ValueError(f"no way to draw {kind}")


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
        elif match["bold"]:
            drawn.append(_unescape(match["bold"]), style="bold")
        else:
            drawn.append(_unescape(match["code"]), style="cyan")
    drawn.append(_unescape(markdown[end:]))
    return drawn


def _date(seconds: int, template: str) -> str:
    then = datetime.fromtimestamp(seconds, UTC).astimezone()
    days = (datetime.now().astimezone().date() - then.date()).days
    day = {0: "today", 1: "yesterday"}.get(days, f"{then:%b} {then.day}, {then.year}")
    return template.replace("{date_short_pretty}", day).replace("{time}", f"{then:%H:%M}")


def _unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
