"""*What happened?* and bug reports: whatever a recorded page says, only the allow-list is shown."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import story_words
from bot.core.sessions import Moment, Session, replay_at
from bot.core.story import TROUBLE, TYPES, Event, Excerpt, Window, replay_of, tell
from bot.features.insight import report, view
from bot.fullstory import context
from bot.sandbox.workspace import invalid_blocks, invalid_view
from bot.slack.sharing import Places

NOON: Final = datetime(2026, 11, 28, 12, tzinfo=UTC)
LINK: Final = "https://app.fullstory.com/ui/X/session/1:2"
SESSION: Final = Session("1", "2", NOON, LINK)
SECRET: Final = "typed-5550100"

HOSTILE: Final = st.sampled_from(
    [
        "<!channel>",
        "<@U1>",
        "<https://evil.example|Pay>",
        "`code` *bold* :fire:",
        "\u202egnp.exe\u0000\u200b",
        "jane.doe@customer.example",
        "jane%40customer.example",
        "/a?card=4111#x",
        "&lt;",
        "<!date^1^{time}^https://evil.example|x>",
        "\n> quote\n",
    ]
) | st.text(max_size=300)
TEXTS: Final = st.lists(HOSTILE, max_size=4).map(" ".join)


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """Return an event with hostile texts in every field, and what was typed in those of no use."""
    seconds = draw(st.integers(0, 400))
    hidden = {"fs-input-value": SECRET, "email": SECRET, "other": SECRET}
    return {
        "type": draw(st.sampled_from([*TYPES, "custom", "input-change", "copy"])),
        "timestamp": (NOON + timedelta(seconds=seconds)).isoformat(),
        "description": draw(TEXTS),
        "content": SECRET,
        "screenshot_url": SECRET,
        "properties": hidden | {"fs-button-name": draw(TEXTS)},
    }


PAGES: Final = st.lists(
    st.builds(
        lambda path, seen: {
            "url": f"https://shop.example/{path}?{SECRET}",
            "title": SECRET,
            "events": seen,
        },
        TEXTS,
        st.lists(events(), max_size=5),
    ),
    max_size=4,
)


def excerpt(pages: list[dict[str, Any]], browser: str = "") -> Excerpt:
    """Return what the bot reads of a reply with hostile context."""
    about = {
        "user_context": {"email": SECRET, "display_name": SECRET},
        "location_context": {"city": SECRET},
        "device_context": {"browser": browser, "operating_system": browser},
    }
    reply = {"context_data": {"context": about, "pages": pages}}
    return context.parse(200, {}, json.dumps(reply).encode())


@given(PAGES, TEXTS)
def test_hostile_texts(pages: list[dict[str, Any]], browser: str) -> None:
    """No mention, no other link, no query, no address, and Slack takes it."""
    told = excerpt(pages, browser)
    story = tell(told)
    window = Window(NOON, NOON + timedelta(minutes=6))
    moment = Moment(NOON, of_message=True)
    message = view.render_story(story, SESSION, window, moment, NOON, [button()], links=True)
    written = story_words.bug_report(story, SESSION, window, links=True)
    posted = report.posted(written, "U1")
    form = report.form(written, Places.HERE, "m")
    assert not invalid_blocks(message)
    assert not invalid_blocks(posted)
    assert not invalid_view(form)
    for markup in markups(message):
        own = re.sub(
            r"<!date\^\d+\^[^^|<>]*(?:\^https://app\.fullstory\.com/[^|<>]*)?\|[^<>]*>", "", markup
        )
        assert "<" not in own
        assert ">" not in own
    links = [one for one in elements(posted) if one["type"] == "link"]
    assert all(one["url"].startswith("https://app.fullstory.com/") for one in links)
    shown = json.dumps([message, form, posted, told.to_json()], ensure_ascii=False)
    for hidden in (SECRET, "4111", "customer.example", "\u202e", "\u0000", "\u200b"):
        assert hidden not in shown


def button() -> dict[str, Any]:
    """Return a button."""
    (made,) = view.button_row(("x", "x", "x"))
    return made


def markups(message: dict[str, Any]) -> list[str]:
    """Return the texts of a message that are in Slack's markup."""
    texts = [
        element["text"]
        for block in message["blocks"]
        for element in [block, *block.get("elements", [])]
        if "text" in element
    ]
    return [one["text"] if isinstance(one, dict) else one for one in texts]


def elements(posted: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the parts of the report's text."""
    found: list[dict[str, Any]] = posted["blocks"][1]["elements"][0]["elements"]
    return found


@given(st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 500), st.sampled_from("abc"))))
def test_any_story_can_be_told(seen: list[tuple[str, int, str]]) -> None:
    """In Slack and in a report; each kind of trouble is counted in the first line."""
    happened = [Event(kind, NOON + timedelta(seconds=n), f"/{page}") for kind, n, page in seen]
    story = tell(Excerpt(happened))
    message = view.render_story(story, SESSION, None, None, NOON, [button()], links=True)
    assert not invalid_blocks(message)
    assert len(story_words.bug_report(story, SESSION, None, links=True)) < 3000
    trouble = sum(one.count for one in story.findings)
    assert trouble == sum(kind in TROUBLE for kind, _, _ in seen)


def test_links_open_shortly_before_what_went_wrong() -> None:
    """Ten seconds; without such links, the times are plain."""
    story = tell(Excerpt([Event("exception", NOON + timedelta(seconds=60), "/pay", "x")]))
    for links, expected in ((True, 1), (False, 0)):
        message = view.render_story(story, SESSION, None, None, NOON, [button()], links=links)
        assert sum(LINK in one for one in markups(message)) == expected
    opens = int((NOON + timedelta(seconds=50)).timestamp() * 1000)
    assert replay_of(story, SESSION, None) == f"{LINK}:{opens}"
    written = story_words.bug_report(story, SESSION, None, links=False)
    assert f"\nReplay: {LINK}\n" in written
    assert replay_at(SESSION._replace(link="https://app.fullstory.com/s/abc"), NOON) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(1, "1 second"), (59, "59 seconds"), (90, "2 minutes"), (7200, "2.0 hours")],
)
def test_how_long(seconds: int, said: str) -> None:
    """In the units that fit."""
    seen = [Event("navigate", NOON + timedelta(seconds=n), "/") for n in (0, seconds)]
    assert story_words.overview(tell(Excerpt(seen))) == f"{said} · 1 page"


def test_many_pages() -> None:
    """The last ones are shown, and how many there were before."""
    seen = [Event("navigate", NOON + timedelta(seconds=n), f"/{n}") for n in range(20)]
    told = view.render_story(tell(Excerpt(seen)), SESSION, None, None, NOON, [button()], links=True)
    assert "8 earlier steps" in str(told)
    assert "(after 16 earlier steps)" in story_words.bug_report(
        tell(Excerpt(seen)), SESSION, None, links=True
    )


@pytest.mark.parametrize(
    ("span", "is_window"),
    [(timedelta(), True), (timedelta(hours=1), True), (timedelta(days=1), False)],
)
def test_a_day_is_no_window(span: timedelta, *, is_window: bool) -> None:
    """Its first 200 events would say little."""
    assert (Window.around(Moment(NOON, of_message=False, span=span)) is not None) is is_window
    assert Window.around(None) is None
