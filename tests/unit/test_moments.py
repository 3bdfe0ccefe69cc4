"""Times that people type, in their own zone."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.times import (
    LocalZone,
    UnclearTime,
    is_time,
    names_its_zone,
    parse_moment,
    parse_moments,
    zone,
)

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
        ("this morning at 9", "2026-11-24 08:00"),
        ("yesterday evening around 8", "2026-11-23 19:00"),
        ("yesterday at 14", "2026-11-23 13:00"),
        ("9 am", "2026-11-24 08:00"),
        ("nov 20 2pm ET", "2026-11-20 19:00"),
        ("jul 20 2pm ET", "2026-07-20 18:00"),  # summer time
        ("yesterday 14:05 UTC+1", "2026-11-23 13:05"),
        ("yesterday 14:05 GMT -5", "2026-11-23 19:05"),
        ("20.11. um 14:05", "2026-11-20 13:05"),
        ("yesterday at 12:30 am", "2026-11-22 23:30"),
        ("at 08", "2026-11-24 07:00"),
        ("at 0", "2026-11-23 23:00"),
        ("last night at 2", "2026-11-24 01:00"),  # the night began yesterday
        ("last night at 12", "2026-11-23 23:00"),
        ("last night at 3am", "2026-11-24 02:00"),
        ("last night 23:30", "2026-11-23 22:30"),
        ("yesterday afternoon around 3", "2026-11-23 14:00"),
        ("yesterday evening 8:15", "2026-11-23 19:15"),
        ("last night 11:30", "2026-11-23 22:30"),
        ("last night 12:30", "2026-11-23 23:30"),
        ("yesterday afternoon 3:15", "2026-11-23 14:15"),
        ("montag 9:05", "2026-11-23 08:05"),
        ("letzten Dienstag 14:05", "2026-11-17 13:05"),
        ("vorgestern 17:00", "2026-11-22 16:00"),
        ("mardi 9:05", "2026-11-24 08:05"),
        ("miércoles 14:05", "2026-11-18 13:05"),
        ("25. März 2026 14:05", "2026-03-25 13:05"),
        ("22 novembre 14:05", "2026-11-22 13:05"),
        ("5 février 14:05", "2026-02-05 13:05"),
        ("yesterday at 1430", "2026-11-23 13:30"),
        ("at 0915", "2026-11-24 08:15"),
        ("at 9am", "2026-11-24 08:00"),
        ("22nov 14:05", "2026-11-22 13:05"),
        ("nov22 2pm", "2026-11-22 13:00"),
        # As mail programs, ticket tools and logs write times.
        ("Nov 20, 2026 18:39", "2026-11-20 17:39"),
        ("Fri, Nov 20, 2026 at 6:39 PM", "2026-11-20 17:39"),
        ("Friday, November 20, 2026 at 6:39:53\u202fPM", "2026-11-20 17:39:53"),
        ("Nov 20, 2026 6:39:53 PM UTC", "2026-11-20 18:39:53"),
        ("Nov 20, 2026, 6:39 PM", "2026-11-20 17:39"),
        ("20 Nov 2026, 18:39", "2026-11-20 17:39"),
        ("20 November, 2026 18:39", "2026-11-20 17:39"),
        ("11/20/2026, 6:39:53 PM", "2026-11-20 17:39:53"),
        ("11/20/26, 6:39 PM", "2026-11-20 17:39"),
        ("20.11.26, 18:39", "2026-11-20 17:39"),
        ("Fri Nov 20 18:39:53 2026", "2026-11-20 17:39:53"),
        ("2026-11-20, 18:39", "2026-11-20 17:39"),
        ("2026-11-20 19:39:53,598", "2026-11-20 18:39:53"),
        ("[2026-11-20 19:39:53,598]", "2026-11-20 18:39:53"),
        ("2026-11-20 18:39:53.598 +0000 UTC", "2026-11-20 18:39:53"),
        ("20/Nov/2026:18:39:53 +0000", "2026-11-20 18:39:53"),
        ("20261120T183953Z", "2026-11-20 18:39:53"),
        ("1795199993598", "2026-11-20 18:39:53"),
        ("2026-11-20 19:39:53+01", "2026-11-20 18:39:53"),  # as PostgreSQL prints it
        ("Fri, 20 Nov 2026 19:39:53 +0100 (CET)", "2026-11-20 18:39:53"),
        ("20-Nov-2026 18:39:53 UTC", "2026-11-20 18:39:53"),
        ("20. Nov. 2026, 18:39 Uhr", "2026-11-20 17:39"),
        ("2026-11-20 18:39 UTC+01:00", "2026-11-20 17:39"),
        ("1795199993598000", "2026-11-20 18:39:53"),
        ("@1795199993", "2026-11-20 18:39:53"),
        # Clocks go back on October 25 at 3:00, and forward on March 29 at 2:00.
        ("2026-10-25 03:30", "2026-10-25 02:30"),
        ("2026-10-25 02:30 +02:00", "2026-10-25 00:30"),
        ("2026-03-29 03:30", "2026-03-29 01:30"),
    ],
)
def test_understood(text: str, utc: str) -> None:
    """In the reader's zone unless the text names one; the last such time that has passed."""
    moment = parse_moment(text, BERLIN, NOW)
    assert moment.time == datetime.fromisoformat(utc).replace(tzinfo=UTC)


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
        "2026-10-25 02:30",  # twice that night
        "25 oct 2:30am",
        "2026-03-29 02:30",  # never
        "2026-11-20 18:39 +0100 UTC",  # two zones
        "29 mar 02:30",  # not the one of another year
        "202611201839",
    ],
)
def test_unclear(text: str) -> None:
    """No time of day, two ways to read it, still to come, nonsense."""
    with pytest.raises(UnclearTime):
        parse_moment(text, BERLIN, NOW)


@pytest.mark.parametrize(
    ("text", "start", "hours"),
    [
        ("yesterday", "2026-11-21T00:00+01:00", 24),
        ("on 20 Nov", "2026-11-20T00:00+01:00", 24),
        ("Nov 20, 2026", "2026-11-20T00:00+01:00", 24),
        ("last tuesday", "2026-11-17T00:00+01:00", 24),
        ("this morning", "2026-11-22T06:00+01:00", 6),
        ("yesterday afternoon", "2026-11-21T12:00+01:00", 6),
        ("friday evening", "2026-11-20T18:00+01:00", 6),
        ("this friday", "2026-11-20T00:00+01:00", 24),
        ("last night", "2026-11-21T18:00+01:00", 12),
    ],
)
def test_a_day_or_a_part_of_it_lasts_as_long(text: str, start: str, hours: int) -> None:
    """Any session of that time may be the one that is meant."""
    now = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
    moment = parse_moment(text, BERLIN, now)
    assert moment.time == datetime.fromisoformat(start)
    assert moment.span == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("5/11 14:05", "2026-05-11T14:05+02:00", "2026-11-05T14:05+01:00"),
        ("3.4.2026 9am", "2026-03-04T09:00+01:00", "2026-04-03T09:00+02:00"),
        ("2026-10-25 02:30", "2026-10-25T02:30+02:00", "2026-10-25T02:30+01:00"),
        ("yesterday at 9", "2026-11-23T09:00+01:00", "2026-11-23T21:00+01:00"),
        ("at 9", "2026-11-23T21:00+01:00", "2026-11-24T09:00+01:00"),
        ("nov 20 5pm CST", "2026-11-20T17:00+08:00", "2026-11-20T17:00-06:00"),
        ("nov 20 3pm IST", "2026-11-20T15:00+05:30", "2026-11-20T15:00+02:00"),
    ],
)
def test_a_text_that_can_mean_two_times(text: str, first: str, second: str) -> None:
    """Both are returned, so that the person can be asked."""
    assert is_time(text)
    moments = [moment.time for moment in parse_moments(text, BERLIN, NOW)]
    assert moments == [datetime.fromisoformat(first), datetime.fromisoformat(second)]


def test_of_two_possible_times_the_one_that_has_passed() -> None:
    """December 11 is still to come on November 22."""
    moment = parse_moment("11/12/2026 6pm", BERLIN, NOW)
    assert moment.time == datetime.fromisoformat("2026-11-12T18:00+01:00")


def test_times_to_come_are_told_apart() -> None:
    """They are clear, and yet of no use."""
    with pytest.raises(UnclearTime) as caught:
        parse_moment("today 14:05", BERLIN, NOW)
    assert caught.value.is_future


def test_distances_over_a_change_of_clocks() -> None:
    """Three hours are three hours, though the clock moved by two."""
    after = datetime(2026, 10, 25, 3, 30, tzinfo=UTC)
    assert parse_moment("3 hours ago", BERLIN, after).time == after - timedelta(hours=3)


def test_between_the_two_times_that_are_called_the_same() -> None:
    """Today's first one has passed."""
    between = datetime(2026, 10, 25, 0, 45, tzinfo=UTC)
    expected = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert parse_moment("02:30", BERLIN, between).time == expected
    with pytest.raises(UnclearTime):
        parse_moment("02:30", BERLIN, between + timedelta(hours=1))


@pytest.mark.parametrize(
    ("text", "is_whole"),
    [
        *((text, True) for text in ("14:05", "2pm", "noon", "yesterday 5pm", "14:05Z")),
        *((text, False) for text in ("14:05:00", "5 minutes ago", "now", "1763820300")),
    ],
)
def test_a_time_without_seconds_is_the_whole_minute(text: str, is_whole: bool) -> None:  # noqa: FBT001
    """The last instant of it counts, too."""
    moment = parse_moment(text, BERLIN, NOW)
    assert moment.span == timedelta(minutes=is_whole)
    assert (moment.end - moment.time > timedelta(seconds=59)) is is_whole


@pytest.mark.parametrize(("text", "hours"), [("2026-07-01 14:05", 2), ("2026-11-01 14:05", 1)])
def test_this_machines_zone_has_the_offset_of_each_date(
    monkeypatch: pytest.MonkeyPatch, text: str, hours: int
) -> None:
    """Not the one of today: half of the year would be an hour wrong."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        moment = parse_moment(text, LocalZone(), NOW).time
        there = moment.astimezone(LocalZone())
        with pytest.raises(UnclearTime):
            parse_moment("2026-10-25 02:30", LocalZone(), NOW)
        twice = datetime(2026, 10, 25, 1, 30, tzinfo=UTC).astimezone(LocalZone())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moment == datetime.fromisoformat(text).replace(tzinfo=UTC) - timedelta(hours=hours)
    assert (there.hour, there.minute) == (14, 5)
    assert (twice.hour, twice.fold) == (2, 1)


@pytest.mark.parametrize("text", ["14:05Z", "2 hours ago", "now", "1763820300", "nonsense"])
def test_texts_that_need_no_zone(text: str) -> None:
    """They mean the same everywhere, or nothing anywhere."""
    assert names_its_zone(text)


@pytest.mark.parametrize("text", ["14:05", "yesterday 5pm", "1 day ago at 5pm"])
def test_texts_that_need_the_readers_zone(text: str) -> None:
    """A clock without a zone is on a person's wall."""
    assert not names_its_zone(text)


@pytest.mark.parametrize("tz", ["CET-1CEST,M3.5.0,M10.5.0/3", ":/etc/passwd", "Nowhere/Nothing"])
def test_the_machines_own_zone_has_no_say(monkeypatch: pytest.MonkeyPatch, tz: str) -> None:
    """However odd TZ is."""
    monkeypatch.setenv("TZ", tz)
    expected = datetime(2026, 11, 23, 13, 5, tzinfo=UTC)
    assert parse_moment("14:05", BERLIN, NOW).time == expected


def test_unknown_zones() -> None:
    """Slack gives the offset too."""
    odd = zone("Mars/Olympus", 5400)
    expected = datetime(2026, 11, 24, 7, 45, tzinfo=UTC)
    assert parse_moment("9:15", odd, NOW).time == expected
    assert parse_moment("9:15", zone("../../etc/passwd", 5400), NOW).time == expected


PIECES = (
    "14:05 9:99 5pm now ago noon yesterday monday nov 22 2026 -1 0 T12 Z +02:00 +99:99 / . am feb"
)


@given(st.lists(st.sampled_from(PIECES.split()), max_size=6).map(" ".join) | st.text(max_size=70))
def test_total(text: str) -> None:
    """Any text is a time that has passed, or unclear."""
    with contextlib.suppress(UnclearTime):
        assert parse_moment(text, BERLIN, NOW).time <= NOW
