"""What happened in the sessions of the stand-in Fullstory, in the shapes that it really has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Final

Event = dict[str, Any]
Page = dict[str, Any]

SHOP: Final = "https://shop.example.net"
TYPED: Final = "4111 1111 1111 1111"
"""What the person typed, which the bot must never show."""


class Story(Enum):
    """What the latest two sessions of a person tell."""

    VISIT = "a visit without trouble"
    PAYMENT = "a payment that fails"
    DEAD_BUTTON = "a button that does nothing"
    NOTHING = "nothing at all"
    RUNNING = "a session that is still going on"


def pages(story: Story, started: datetime, now: datetime) -> list[Page]:
    """Return the pages with their events, oldest first."""
    return list(_STORIES[story](started, now))


def _visit(started: datetime, now: datetime) -> Iterator[Page]:
    del now
    at = _times(started)
    yield _page("/", "Home", _event("navigate", at(0)), _click(at(8), "Plans"))
    yield _page("/plans", "Plans", _event("navigate", at(9)), _event("click", at(41)))


def _payment(started: datetime, now: datetime) -> Iterator[Page]:
    """Tell how a card is typed, *Pay* is pressed, and the server answers 502, twice."""
    del now
    at = _times(started)
    yield _page(
        "/cart?campaign=november&email=jane%40example.com",
        "Cart",
        _event("page-load", at(0)),  # not documented, but seen
        _event("navigate", at(0.1)),
        _event("cumulative-layout-shift", at(0.6)),
        _click(at(95), "Go to checkout"),
    )
    card = {"fs-input-name": "card", "fs-input-type": "text", "fs-input-value": TYPED}
    failed = f"POST {SHOP}/api/payments?card=4111111111111111&token=eyJhbGciOi 502 (Bad Gateway)"
    yield _page(
        "/checkout?session=8f14e45f",
        "Checkout",
        _event("navigate", at(100)),
        _event("input-change", at(180), f'Changed "Card number" to "{TYPED}"', card),
        _click(at(218), "Pay"),
        _event("network-error", at(219.2), failed),
        _event(
            "exception",
            at(219.4),
            "TypeError: Cannot read properties of undefined (reading 'receipt')",
        ),
        _click(at(226), "Pay"),
        _event("network-error", at(227.1), failed),
    )
    yield _page("/help/payments", "Help", _event("navigate", at(232)), _event("click", at(237)))


def _dead_button(started: datetime, now: datetime) -> Iterator[Page]:
    """Tell of seven clicks, then nineteen rage clicks within 1.7 seconds, as in a real session."""
    del now
    at = _times(started)
    yield _page("/account", "Account", _event("navigate", at(0)), _click(at(12), "Settings"))
    yield _page(
        "/account/settings",
        "Settings",
        _event("navigate", at(13)),
        _event("dead-click", at(40), 'Clicked "Save changes"', {"fs-button-name": "Save changes"}),
        *(_click(at(44 + 0.1 * number), "Save changes") for number in range(7)),
        *(_click(at(44.7 + 0.09 * number), "Save changes", "rage-click") for number in range(19)),
        _event("mouse-thrash", at(50)),
    )


def _nothing(started: datetime, now: datetime) -> Iterator[Page]:
    """Tell of a tab in the background: no event has a type that is asked for."""
    del now
    yield _page("/", "Home", _event("consent", started), _event("first-input-delay", started))


def _running(started: datetime, now: datetime) -> Iterator[Page]:
    """Tell of a session whose last click was seconds ago."""
    at = _times(started)
    yield _page("/", "Home", _event("navigate", at(0)), _click(at(5), "Search"))
    yield _page(
        "/search?q=blue+shoes",
        "Search",
        _event("navigate", at(6)),
        _event("console-error", at(7), "Failed to load resource: net::ERR_BLOCKED_BY_CLIENT"),
        _click(now - timedelta(seconds=20), "Next page"),
    )


_STORIES: Final[dict[Story, Callable[[datetime, datetime], Iterator[Page]]]] = {
    Story.VISIT: _visit,
    Story.PAYMENT: _payment,
    Story.DEAD_BUTTON: _dead_button,
    Story.NOTHING: _nothing,
    Story.RUNNING: _running,
}


def _times(started: datetime) -> Callable[[float], datetime]:
    return lambda seconds: started + timedelta(seconds=seconds)


def _page(path: str, title: str, *events: Event) -> Page:
    return {"url": f"{SHOP}{path}", "title": title, "tab": 1, "events": list(events)}


def _event(
    kind: str, time: datetime, description: str = "", properties: Event | None = None
) -> Event:
    """Return an event; many have neither a description nor properties."""
    timestamp = time.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"description": description} if description else {}
    return (
        {"type": kind, "timestamp": timestamp}
        | said
        | ({"properties": properties} if properties else {})
    )


def _click(time: datetime, name: str, kind: str = "click") -> Event:
    properties = {"fs-element": "button", "fs-button-name": name, "fs-button-type": "submit"}
    return _event(kind, time, f'Clicked "{name}"', properties)
