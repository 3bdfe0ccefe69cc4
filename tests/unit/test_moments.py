"""Times that people type, in their own zone."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.typed.times import UnclearTime, names_its_zone, parse_moment, zone

NOW = datetime(2026, 11, 24, 11, tzinfo=UTC)  # a Tuesday, noon in Berlin
BERLIN = zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("09:15", "2026-11-24 08:15"),
        ("14:05", "2026-11-23 13:05"),  # not yet today: yesterday's
        ("14.05", "2026-11-23 13:05"),
        ("2pm", "2026-11-23 13:00"),
        ("noon", "2026-11-24 11:00"),
        ("now", "2026-11-24 11:00"),
        ("yesterday 5pm", "2026-11-23 16:00"),
        ("5pm yesterday", "2026-11-23 16:00"),
        ("today 9:15", "2026-11-24 08:15"),
        ("monday 9am", "2026-11-23 08:00"),
        ("last friday 16:00", "2026-11-20 15:00"),
        ("2 hours ago", "2026-11-24 09:00"),
        ("1 day ago at 5pm", "2026-11-23 16:00"),
        ("nov 22 3:15pm", "2026-11-22 14:15"),
        ("2026-11-22 14:05", "2026-11-22 13:05"),
        ("2026-11-22T14:05Z", "2026-11-22 14:05"),
        ("2026-11-22T14:05:00.000Z", "2026-11-22 14:05"),
        ("2026-11-22T14:05+02:00", "2026-11-22 12:05"),
        ("14:05 UTC", "2026-11-23 14:05"),
        ("1763820300", "2025-11-22 14:05"),  # as workflows and messages tell times
        ("1763820300.000100", "2025-11-22 14:05"),
        ("<!date^1763820300^{date} at {time}|then>", "2025-11-22 14:05"),
        ("tuesday 9am", "2026-11-24 08:00"),  # today is a Tuesday
        ("tuesday 2pm", "2026-11-17 13:00"),  # not yet today: last week's
        ("last tuesday 9am", "2026-11-17 08:00"),
        ("an hour ago", "2026-11-24 10:00"),
        ("half an hour ago", "2026-11-24 10:30"),
        ("2h ago", "2026-11-24 09:00"),
        ("noon yesterday", "2026-11-23 11:00"),
        ("12:30 am", "2026-11-23 23:30"),
        ("5 p.m. yesterday", "2026-11-23 16:00"),
        ("22 November 2026 at 3:15 pm", "2026-11-22 14:15"),
        ("Sun, 22 Nov 2026 15:15:00 +0100", "2026-11-22 14:15"),  # as e-mails have it
        ("Dec 31st 10:00", "2025-12-31 09:00"),
        ("22.11. 14:05", "2026-11-22 13:05"),
        ("2026-11-22T14:05:07.123-05:00", "2026-11-22 19:05:07"),
        ("22.11.2026 14:05", "2026-11-22 13:05"),
        ("11/22/2026 2pm", "2026-11-22 13:00"),
        ("5/5/2026 2pm", "2026-05-05 12:00"),
        # Clocks go back on October 25 at 3:00, and forward on March 29 at 2:00.
        ("2026-10-25 02:30", "2026-10-25 00:30"),
        ("2026-10-25 03:30", "2026-10-25 02:30"),
        ("2026-03-29 02:30", "2026-03-29 01:30"),
    ],
)
def test_understood(text: str, utc: str) -> None:
    """In the reader's zone unless the text names one; the last such time that has passed."""
    assert parse_moment(text, BERLIN, NOW) == datetime.fromisoformat(utc).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "banana",
        "5.11. 14:05",
        "5.11 14:05",
        "5-11 14:05",
        "3/4 14:05",
        "5pm 12/11",
        "yesterday 25:61",
        "yesterday 5pm 3",
        "5 pm 3",
        "monday 9am 5",
        "yesterday",
        "monday",
        "14",
        "25:99",
        "5/11/2026 14:05",
        "11-05-2026 9am",
        "tomorrow 5pm",
        "in 2 hours",
        "2027-01-01 10:00",
        "1" * 61 + ":00",
        "5pm or 6pm-ish :00",
        "14:05 2",
        "14:05 -5",
        "14:05 +1",
        "14:05 IST",
        "5pm EST",
        "14:05+99:00",
        "13pm",
        "24:00",
        "0001-01-01 00:00",
        "0001-01-01T00:00+14:00",
        "9999-12-31 23:59",
        "30.2.2026 14:05",
        "feb 30 9am",
        "monday 22 nov 2026 9am",  # that was a Sunday
        "99 parsecs ago",
        "2 hours ago at 5pm",
        "9999 weeks ago",
        "in 2 hours ago",
    ],
)
def test_unclear(text: str) -> None:
    """No time of day, two ways to read it, still to come, nonsense."""
    with pytest.raises(UnclearTime):
        parse_moment(text, BERLIN, NOW)


def test_times_to_come_are_told_apart() -> None:
    """They are clear, and yet of no use."""
    with pytest.raises(UnclearTime) as caught:
        parse_moment("today 14:05", BERLIN, NOW)
    assert caught.value.to_come


def test_distances_over_a_change_of_clocks() -> None:
    """Three hours are three hours, though the clock moved by two."""
    after = datetime(2026, 10, 25, 3, 30, tzinfo=UTC)
    assert parse_moment("3 hours ago", BERLIN, after) == after - timedelta(hours=3)


def test_between_the_two_times_that_are_called_the_same() -> None:
    """Today's first one has passed."""
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    expected = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert parse_moment("02:30", BERLIN, between) == expected


@pytest.mark.parametrize("text", ["14:05Z", "2 hours ago", "now", "1763820300", "nonsense"])
def test_texts_that_need_no_zone(text: str) -> None:
    """They mean the same everywhere, or nothing anywhere."""
    assert names_its_zone(text)


@pytest.mark.parametrize("text", ["14:05", "yesterday 5pm", "1 day ago at 5pm"])
def test_texts_that_need_the_readers_zone(text: str) -> None:
    """A clock without a zone is on somebody's wall."""
    assert not names_its_zone(text)


@pytest.mark.parametrize("tz", ["CET-1CEST,M3.5.0,M10.5.0/3", ":/etc/passwd", "Nowhere/Nothing"])
def test_the_machines_own_zone_has_no_say(monkeypatch: pytest.MonkeyPatch, tz: str) -> None:
    """However odd TZ is."""
    monkeypatch.setenv("TZ", tz)
    expected = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)
    assert parse_moment("14:05", BERLIN, NOW) == expected


def test_unknown_zones() -> None:
    """Slack gives the offset too."""
    odd = zone("Mars/Olympus", 5400)
    expected = datetime(2026, 11, 24, 7, 45, tzinfo=UTC)
    assert parse_moment("9:15", odd, NOW) == expected
    assert parse_moment("9:15", zone("../../etc/passwd", 5400), NOW) == expected


PIECES = (
    "14:05 9:99 5pm now ago noon yesterday monday nov 22 2026 -1 0 T12 Z +02:00 +99:99 / . am feb"
)


@given(st.lists(st.sampled_from(PIECES.split()), max_size=6).map(" ".join) | st.text(max_size=70))
def test_total(text: str) -> None:
    """Any text is a time that has passed, or unclear."""
    with contextlib.suppress(UnclearTime):
        assert parse_moment(text, BERLIN, NOW) <= NOW
