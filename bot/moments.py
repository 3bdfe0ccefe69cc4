"""Times that people type: "14:05", "yesterday 5pm", "2026-11-22T14:05Z".

dateparser knows how people write them; what is ours is to refuse what could mean several times.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.errors import FsessionsError

EXAMPLES: Final = ("14:05", "yesterday 5pm", "2026-11-22 14:05")
MAX_LENGTH: Final = 60

# A moment needs a time of day, or a distance from now: "yesterday" alone could be any session.
_CLOCK: Final = re.compile(
    r"\d{1,2}[:.]\d{2}|\d\s*[ap]\.?m\b|\bnoon\b|\bmidnight\b|\bnow\b|\bago\b|T\d{2}", re.IGNORECASE
)
# A zone of its own; else the reader's own zone counts.
_ZONED: Final = re.compile(r"(?:\d|\b)(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$", re.IGNORECASE)
_FROM_NOW: Final = re.compile(r"now|(?!.*(?:\d[:.]\d|\d\s*[ap]\.?m\b)).*\bago", re.IGNORECASE)
# As Slack writes times for programs: seconds since 1970, the `ts` of a message, its markup.
_MACHINE: Final = re.compile(r"(?:<!date\^)?(?P<seconds>\d{9,10})(?:\.\d+)?(?:\^[^<>]*>)?")
# 5/11 is May in one half of the world and November in the other.
_TWO_WAYS: Final = re.compile(
    r"(?<![\d:./-])(?P<one>\d{1,2})(?P<by>[/.-])(?P<other>\d{1,2})(?:(?P=by)(?P<year>\d{2,4}))?(?![\d:])"
)
# "5 pm 3" could be the third of any month, or three sessions.
_STRAY_NUMBER: Final = re.compile(r"[ap]\.?m\.?\s+\d{1,2}$", re.IGNORECASE)
# The clock in a text, in the order in which one is looked for.
_CLOCKS: Final = (
    re.compile(r"(?<!\d)(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*(?P<half>[ap])\.?m\b", re.I),
    re.compile(r"(?<!\d)(?P<hour>\d{1,2}):(?P<minute>\d{2})(?P<half>)"),
    re.compile(r"(?<![\d.])(?P<hour>\d{1,2})\.(?P<minute>\d{2})(?![\d.])(?P<half>)"),
)


class UnclearTime(FsessionsError):
    """The text is no time, or could be several; or it is still `to_come`."""

    def __init__(self, *, to_come: bool = False) -> None:
        super().__init__("to come" if to_come else "unclear")
        self.to_come = to_come


def zone(name: str, offset: int = 0) -> tzinfo:
    """The time zone that a Slack profile names; UTC plus `offset` seconds if it is unknown here."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return timezone(timedelta(seconds=offset))


def parse_moment(text: str, reader: tzinfo, now: datetime) -> datetime:
    """The moment in UTC that a person in the zone `reader` means at the time `now`.

    A time that comes twice, when clocks are set back, is the first of the two. A time without a
    date is the last one that has passed. Raises `UnclearTime`.
    """
    text = " ".join(text.split())
    if machine := _MACHINE.fullmatch(text):
        return _passed(datetime.fromtimestamp(int(machine["seconds"]), UTC), now)
    if len(text) > MAX_LENGTH or not _CLOCK.search(text) or _can_be_two_dates(text):
        raise UnclearTime
    zoned = _ZONED.search(text) is not None
    # Distances are the same in every zone; reckoned in UTC, no change of clocks comes between.
    base = UTC if _FROM_NOW.fullmatch(text) else reader
    found = _read(text, now.astimezone(base))
    if found is None or not _agrees(text, found):
        raise UnclearTime
    if found.tzinfo is None:
        if zoned:
            raise UnclearTime
        found = found.replace(tzinfo=base)
    return _passed(found.astimezone(UTC), now)


def _passed(time: datetime, now: datetime) -> datetime:
    if time > now:
        raise UnclearTime(to_come=True)
    return time


def names_its_zone(text: str) -> bool:
    """Whether the text means the same moment wherever its reader is."""
    text = " ".join(text.split())
    return any((_ZONED.search(text), _FROM_NOW.fullmatch(text), _MACHINE.fullmatch(text)))


def _can_be_two_dates(text: str) -> bool:
    if _STRAY_NUMBER.search(text):
        return True
    match = _TWO_WAYS.search(text)
    if not match or match["one"] == match["other"]:
        return False
    if match["by"] == "." and not match["year"] and not any(c.search(text) for c in _CLOCKS[:2]):
        return False  # "14.05" alone is a clock
    return int(match["one"]) <= 12 and int(match["other"]) <= 12


def _agrees(text: str, found: datetime) -> bool:
    """Whether the time that was read is the one that the text writes.

    Of what it can't make sense of, dateparser keeps the rest, and the present time of day.
    """
    clock = next(filter(None, (pattern.search(text) for pattern in _CLOCKS)), None)
    if clock is None:
        return True
    hour, minute = int(clock["hour"]), int(clock["minute"] or 0)
    if clock["half"]:
        hour = hour % 12 + (12 if clock["half"].lower() == "p" else 0)
    return (hour, minute) == (found.hour, found.minute)


def _read(text: str, now: datetime) -> datetime | None:
    import dateparser

    return dateparser.parse(
        text,
        languages=["en"],
        settings={"RELATIVE_BASE": now.replace(tzinfo=None), "PREFER_DATES_FROM": "past"},
    )
