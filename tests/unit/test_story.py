"""What happened in a session: the worst first, bursts merged, causes found, nothing personal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.sessions import Moment, Session
from bot.core.story import TROUBLE, TYPES, Event, Excerpt, Story, Visit, Window, clean, path_of
from bot.core.story import tell as tell_excerpt
from bot.errors import PermissionMissing, RateLimited, ReplyMalformed, ReplyNotJSON
from bot.fullstory import context

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)


def at(seconds: float, kind: str, path: str = "/cart", text: str = "") -> Event:
    """Return an event so long after noon."""
    return Event(kind, NOON + timedelta(seconds=seconds), path, text)


def tell(events: Sequence[Event]) -> Story:
    """Tell what happened in events."""
    return tell_excerpt(Excerpt(events))


def test_the_worst_comes_first() -> None:
    """By how bad it is, then by time."""
    story = tell(
        [at(4, "dead-click"), at(2, "console-error"), at(0, "console-error"), at(9, "exception")]
    )
    found = [(one.event.type, (one.event.time - NOON).seconds) for one in story.findings]
    assert found == [
        ("exception", 9),
        ("console-error", 0),
        ("dead-click", 4),
    ]


def test_a_rage_is_one_finding() -> None:
    """Seven clicks, then nineteen rage clicks within 1.7 seconds, as a real one was."""
    clicks = [at(number * 0.1, "click", text="Pay") for number in range(7)]
    rage = [at(0.7 + number * 0.09, "rage-click", text="Pay") for number in range(19)]
    (finding,) = tell([*rage[::-1], *clicks]).findings
    assert (finding.event.text, finding.count) == ("Pay", 19)
    assert finding.event.time == rage[0].time


def test_different_trouble_is_not_merged() -> None:
    """Each page, and each message, has its own line; the same comes once, however often it was."""
    failed = [at(n * 5, "network-error", text="GET /poll 502") for n in range(60)]
    others = [at(5, "network-error", text="POST /pay 500"), at(6, "network-error", "/x")]
    findings = tell([*failed, *others]).findings
    assert [(one.event.text, one.count) for one in findings] == [
        ("GET /poll 502", 60),
        ("POST /pay 500", 1),
        ("", 1),
    ]


@pytest.mark.parametrize(
    ("click", "is_cause"),
    [
        (at(5, "click"), True),
        (at(4.9, "click"), False),
        (at(9, "click", "/x"), True),
        (at(11, "click"), False),
    ],
)
def test_the_click_before_an_error_is_its_cause(click: Event, *, is_cause: bool) -> None:
    """Within five seconds; it may have been on the page before."""
    (finding,) = tell([click, at(10, "network-error")]).findings
    assert finding.cause == (click if is_cause else None)


def test_a_click_on_the_same_page_is_more_likely() -> None:
    """Than a later one elsewhere, in another tab."""
    clicks = [at(7, "click", text="Pay"), at(9, "click", "/x", "Help")]
    (finding,) = tell([*clicks, at(10, "exception")]).findings
    assert finding.cause == clicks[0]


def test_the_way_through_the_pages() -> None:
    """Each page until the next one begins."""
    story = tell(
        [at(0, "navigate", "/"), at(20, "click", "/"), at(30, "navigate"), at(90, "click")]
    )
    assert story.visits == (
        Visit("/", timedelta(seconds=30)),
        Visit("/cart", timedelta(seconds=60)),
    )
    assert story.duration == timedelta(seconds=90)
    assert not story.findings


def test_nothing_at_all() -> None:
    """No events are a story, too."""
    assert tell([]) == Story(Excerpt([]), (), (), {})
    assert tell([]).duration == timedelta()


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://shop.example/cart/42?token=abc#top", "/cart/42"),
        ("https://shop.example", "/"),
        ("https://shop.example/u/jane@example.com/orders", "/u/…/orders"),
        ("https://shop.example/u/jane%40example.com", "/u/…"),
        ("https://[broken", "…"),
        ("/relative", "/relative"),
        ("", "…"),
        ("about:blank", "…"),
        ("data:text/html;base64,PGI+", "…"),
        ("file:///home/jane/x", "…"),
        ("https://shop.example/cart;jsessionid=1A53?x=1", "/cart"),
        ("https://shop.example/u/jane%2540example.com", "/u/…"),
        ("https://shop.example/\u200b", "/"),
    ],
)
def test_paths(url: str, path: str) -> None:
    """Without the host, the query, the fragment and addresses."""
    assert path_of(url) == path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("POST /api/pay?card=4111 failed: 500", "POST /api/pay failed: 500"),
        ("POST https://api.example/pay 502", "POST api.example/pay 502"),
        ('GET /cb?state="x"&code=abc 400', "GET /cb 400"),
        ("GET /o?$filter=contains(name,'J')&token=abc 400", "GET /o 400"),
        ("POST /pay?name=Jane Doe&card=4111 failed", "POST /pay Doe failed"),
        ("GET /cb ?code=abc", "GET /cb"),
        ("GET /r%3Ftoken=abc 404", "GET /r 404"),
        ("GET /a;jsessionid=1A5 404", "GET /a 404"),
        ("failed (see /help?id=4).", "failed (see /help)."),
        ("Forgot password?", "Forgot password?"),
        ("C# error #42", "C# error #42"),
        ("user jane%2540x.com", "user …"),
        ("user jane\uff20x.com and jane[at]x.com", "user … and …"),
        ("user jane\\u0040x.com &lt; jane&#64;x.com", "user … &lt; …"),
        ("5 @ 3", "5 @ 3"),
        ("no user jane@example.com", "no user …"),
        ("a\u202eb\u200b\nc\x00d", "ab cd"),
        ("x" * 200, "x" * 119 + "…"),
    ],
)
def test_texts(text: str, shown: str) -> None:
    """Without addresses, query strings, and characters that deceive."""
    assert clean(text) == shown


@given(st.text(max_size=600), st.sampled_from(["jane@example.com", "a.b+c%40example.org"]))
def test_no_address_is_left(around: str, address: str) -> None:
    """Wherever it is in a text."""
    for text in (
        f"{around} {address}",
        f"{address} {around}",
        f"https://x.example/{address}/{around}",
    ):
        assert address not in clean(text, 1_000)
        assert address not in path_of(text)


# -- Fullstory's reply ----------------------------------------------------------------------------


def reply(*pages: Any, device: Any = None) -> bytes:  # noqa: ANN401
    """Return a reply with these pages."""
    found = {"context": {"device_context": device}, "pages": list(pages)}
    return json.dumps({"context_data": found}).encode()


def page(*events: dict[str, Any], url: str = "https://shop.example/pay?id=1") -> dict[str, Any]:
    """Return a page with these events."""
    return {"url": url, "title": "Pay", "tab": 1, "events": list(events)}


def test_a_click_is_named_by_its_properties() -> None:
    """What was typed is not read, whatever else an event has."""
    click = {
        "type": "dead-click",
        "timestamp": "2026-11-28T12:00:01.250Z",
        "description": "Clicked the text “Pay now”",
        "properties": {
            "fs-button-name": "Pay",
            "fs-input-value": "4111 1111",
            "email": "jane@x.com",
        },
        "content": "4111 1111",
    }
    told = context.parse(
        200, {}, reply(page(click), device={"browser": "Chrome 131", "operating_system": "iOS"})
    )
    (event,) = told.events
    assert event == Event("dead-click", NOON + timedelta(seconds=1.25), "/pay", "Pay")
    assert (told.browser, told.system) == ("Chrome 131", "iOS")
    assert "4111" not in str(told)


def test_types_that_were_not_asked_for_are_left_out() -> None:
    """A site's own events may say anything."""
    custom = {
        "type": "Order Completed",
        "timestamp": "2026-11-28T12:00:00Z",
        "description": "total 42",
    }
    assert context.parse(200, {}, reply(page(custom))).events == ()


def test_a_full_slice_may_be_cut() -> None:
    """Then there may be more."""
    clicks = [
        {"type": "click", "timestamp": f"2026-11-28T12:{n // 60:02}:{n % 60:02}Z"}
        for n in range(200)
    ]
    assert context.parse(200, {}, reply(page(*clicks))).is_cut
    assert not context.parse(200, {}, reply(page(*clicks[1:]))).is_cut


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=8)
        | st.just("2026-11-28T12:00:00Z"),
        lambda inside: (
            st.lists(inside, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["context_data", "context", "pages", "events", "type", "timestamp", "url"]
                ),
                inside,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_document_is_an_excerpt_or_malformed(document: Any) -> None:  # noqa: ANN401
    """Nothing that Fullstory could send is a crash."""
    with suppress(ReplyMalformed):
        assert isinstance(context.parse(200, {}, json.dumps(document).encode()), Excerpt)


@pytest.mark.parametrize(
    ("description", "said"),
    [
        ('Clicked "Pay now" in the form', "Pay now"),
        ("Clicked “Pay now” in “Card”", "Pay now"),
        ("Clicked a picture", ""),
        ('Clicked "Don\'t save"', "Don't save"),
        ('Clicked the customer\'s "Pay" button', "Pay"),
        ('Clicked "" then "4111"', ""),
        ("“" * 400_000, ""),
    ],
)
def test_a_click_without_properties(description: str, said: str) -> None:
    """Its description quotes the text on the screen."""
    click = {"type": "click", "timestamp": "2026-11-28T12:00:00Z", "description": description}
    (event,) = context.parse(200, {}, reply(page(click))).events
    assert event.text == said


def test_the_names_that_say_most_come_first() -> None:
    """An id is often a machine's; what can't be seen is no name."""
    said = {"type": "click", "timestamp": "2026-11-28T12:00:00Z", "description": 'Clicked "Pay"'}
    for properties, expected in (
        ({"id": ":r3:"}, "Pay"),
        ({"fs-button-name": "\u200b", "id": "x"}, "Pay"),
        ({"fs-button-name": "Buy", "id": "x"}, "Buy"),
    ):
        (event,) = context.parse(200, {}, reply(page(said | {"properties": properties}))).events
        assert event.text == expected


def test_half_a_character() -> None:
    """Pages cut their texts anywhere; what was paid for is read all the same."""
    click = {"type": "exception", "timestamp": "2026-11-28T12:00:00Z", "description": "x\ud83d y"}
    for body in (reply(page(click)), reply(page(click)).replace(b'"x', b'"x\xff')):
        (event,) = context.parse(200, {}, body).events
        assert event.text.startswith("x")
        assert Excerpt.from_json(Excerpt([event]).to_json()).events == [event]


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        1,
        {"context_data": None},
        {"context_data": {"pages": {"x": 1}}},
        {"context_data": {"pages": [{"events": [{"type": "click", "timestamp": 17}] * 3}]}},
    ],
)
def test_what_can_not_be_read_is_not_nothing(document: Any) -> None:  # noqa: ANN401
    """Otherwise people would be told that nothing had happened."""
    with pytest.raises(ReplyMalformed):
        context.parse(200, {}, json.dumps(document).encode())


def test_more_than_was_asked_for() -> None:
    """Only as many events are read as the bot asks for."""
    clicks = [{"type": "click", "timestamp": "2026-11-28T12:00:00Z"}] * 5_000
    told = context.parse(200, {}, reply(page(*clicks)))
    assert (len(told.events), told.is_cut) == (200, True)


def test_an_excerpt_as_text() -> None:
    """It comes back as it was."""
    told = Excerpt([at(1.25, "click"), at(2, "exception")], is_cut=True, browser="C", system="iOS")
    assert Excerpt.from_json(told.to_json()) == told


def test_errors() -> None:
    """As for the list of sessions."""
    for status, error in ((403, PermissionMissing), (429, RateLimited)):
        with pytest.raises(error):
            context.parse(status, {}, b"")
    with pytest.raises(ReplyNotJSON):
        context.parse(200, {}, b"<html>")


def test_what_is_asked() -> None:
    """A window around the moment, or the end; the types; and nothing of the person."""
    session = Session("12", "34", NOON, None)
    asked = context.request("https://api", session, Window.around(Moment(NOON, of_message=False)))
    assert asked.url == "https://api/v2/sessions/12%3A34/context"
    body = json.loads(asked.body or b"")
    assert body["slice"] == {
        "mode": "TIMESTAMP",
        "event_limit": 200,
        "start_timestamp": "2026-11-28T11:57:00.000Z",
        "end_timestamp": "2026-11-28T12:03:00.000Z",
    }
    assert body["events"]["include_types"] == list(TYPES)
    assert set(TROUBLE) < set(TYPES)
    assert body["context"] == {"exclude": ["user", "org", "location"]}
    end = json.loads(context.request("https://api", session, None).body or b"")
    assert end["slice"] == {"mode": "LAST", "event_limit": 200}
