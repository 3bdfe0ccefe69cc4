"""Parses times that people type: "14:05", "yesterday 5pm", "2026-11-22T14:05Z".

A text is read word by word, and every word has to be understood: a date, a day, a clock, a zone, a
distance from now, or a small word between them. A word that is left over or comes twice makes the
text unclear. If it can mean several times, all of them are returned: nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from itertools import product
from typing import Final
from unicodedata import combining, normalize
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.core.sessions import Moment
from bot.errors import FsessionsError

MAX_LENGTH: Final = 60
_YEARS: Final = range(2000, 2100)  # no recordings are older
_LONGEST_DISTANCE: Final = timedelta(days=3660)


class UnclearTime(FsessionsError):
    """A text is not a time, or could be several times; or it `is_future`."""

    def __init__(self, *, is_future: bool = False) -> None:
        super().__init__("in the future" if is_future else "unclear")
        self.is_future = is_future


def zone(name: str, offset: int = 0) -> tzinfo:
    """Return the time zone of a Slack profile; UTC plus `offset` seconds if its name is unknown."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return timezone(timedelta(seconds=offset)) if abs(offset) < 86_400 else UTC


class LocalZone(tzinfo):
    """The time zone of this machine, with its offset on each date."""

    def utcoffset(self, when: datetime | None) -> timedelta | None:
        """Return the offset of a local time."""
        return when.replace(tzinfo=None).astimezone().utcoffset() if when else None

    def dst(self, when: datetime | None) -> None:
        """Return None: the platform only knows the whole offset."""
        del when

    def tzname(self, when: datetime | None) -> str | None:
        """Return the platform's name for the zone."""
        return when.replace(tzinfo=None).astimezone().tzname() if when else None

    def fromutc(self, when: datetime) -> datetime:
        """Return the local time; `fold` says which of two it is."""
        local = when.replace(tzinfo=UTC).astimezone()
        first = local.replace(tzinfo=None, fold=0).astimezone()
        return local.replace(tzinfo=self, fold=int(first.utcoffset() != local.utcoffset()))


def parse_moments(text: str, reader: tzinfo, now: datetime) -> tuple[Moment, ...]:
    """Return the moments that a person in the time zone `reader` may mean at the time `now`.

    A time without a date is the last one that has passed; one without seconds is the whole minute,
    and a day without a time the whole day. There are several moments if "5/11" can be in May or in
    November, "at 9" in the morning or in the evening, "CST" in America or in China, or if clocks
    showed a time twice. Raises `UnclearTime`.
    """
    found: set[Moment] = set()
    for day_first, after_noon in product((False, True), repeat=2):
        with suppress(UnclearTime):
            written = _read(text, day_first=day_first, after_noon=after_noon)
            for here in written.zones or (reader,):
                found |= {
                    Moment(one, of_message=False, span=written.span)
                    for one in written.moments(here, now)
                }
    if not found:
        raise UnclearTime
    if passed := sorted((one for one in found if one.time <= now), key=lambda one: one.time):
        return tuple(passed)
    raise UnclearTime(is_future=True)


def parse_moment(text: str, reader: tzinfo, now: datetime) -> Moment:
    """Return the only moment that a text can mean. Raises `UnclearTime`."""
    moments = parse_moments(text, reader, now)
    if len(moments) > 1:
        raise UnclearTime
    return moments[0]


def is_time(text: str) -> bool:
    """Tell whether a text says when something happened, and nothing besides."""
    try:
        found = _read(text)
    except UnclearTime:
        return False
    return found.fixed is not None or found.names_day or found.clock is not None


def names_its_zone(text: str) -> bool:
    """Tell whether a text doesn't depend on the reader's time zone."""
    try:
        return _read(text).is_the_same_everywhere
    except UnclearTime:
        return True


# -- The parts of a time --------------------------------------------------------------------------


@dataclass(slots=True)
class _Written:
    """The parts of a time in a text.

    `fixed` is the whole moment. `distance` counts back from now. `back_to` takes today's date and
    yields the dates that a word such as "monday" or "nov 22" can mean, the latest first.
    """

    fixed: datetime | None = None
    distance: timedelta | None = None
    back_to: Callable[[date], Iterator[date]] | None = None
    weekday: int | None = None
    clock: time | None = None
    zones: tuple[tzinfo, ...] = ()
    hour: int | None = None  # without am or pm
    part: tuple[int, int] | None = None  # of the day: its hour, and how many hours it lasts
    is_after_midnight: bool = False  # of a night that began the day before
    month_and_day: tuple[int, int] | None = None  # while their year may follow
    has_seconds: bool = False
    has_half: bool = False  # am or pm

    @property
    def names_day(self) -> bool:
        return self.back_to is not None or self.weekday is not None or self.distance is not None

    @property
    def span(self) -> timedelta:
        """How long the moment lasts."""
        if self.part:
            return timedelta(hours=self.part[1])
        if self.clock is not None:
            return timedelta(minutes=0 if self.has_seconds else 1)
        is_exact = self.fixed is not None or self.distance is not None
        return timedelta() if is_exact else timedelta(days=1)

    @property
    def is_the_same_everywhere(self) -> bool:
        return bool(self.fixed or self.zones or (self.distance is not None and self.clock is None))

    def moments(self, here: tzinfo, now: datetime) -> list[datetime]:
        """Return the time in UTC, or both if clocks showed it twice. Raises `UnclearTime`.

        It may be in the future.
        """
        if self.fixed:
            return [self.fixed]
        today = now.astimezone(here).date()
        if self.clock is None:
            if self.distance is None and not self.names_day:
                raise UnclearTime
            if self.distance is not None:
                if self.back_to or self.weekday is not None or self.zones:
                    raise UnclearTime
                return [now - self.distance]
        to_come: list[datetime] = []
        for day in self._days(today):
            night = timedelta(days=1 if self.is_after_midnight else 0)
            moments = _moments(day + night, self.clock or time(), here)
            if passed := [one for one in moments if one <= now]:
                return passed
            if not moments:
                raise UnclearTime  # clocks never showed it on the latest possible day
            to_come += moments
        if not to_come:
            raise UnclearTime
        return to_come[:1]

    def _days(self, today: date) -> Iterator[date]:
        """Yield the possible days, the latest first."""
        if self.distance is not None:
            if self.distance % timedelta(days=1) or self.back_to or self.weekday is not None:
                raise UnclearTime  # "2 hours ago at 5pm"
            yield today - self.distance
        elif self.back_to:
            for day in self.back_to(today):
                if self.weekday is None or day.weekday() == self.weekday:
                    yield day
        elif self.weekday is not None:
            yield from _days_back_to(self.weekday, today)
        else:
            yield from (today, today - timedelta(days=1))


def _moments(day: date, clock: time, zone: tzinfo) -> list[datetime]:
    """Return the moments in UTC at which clocks show a time.

    There are two when clocks are set back, and none when they are set forward.
    """
    local = datetime.combine(day, clock, zone)
    both = {local.replace(fold=fold).astimezone(UTC) for fold in (0, 1)}
    shown = local.replace(tzinfo=None)
    return sorted(one for one in both if one.astimezone(zone).replace(tzinfo=None, fold=0) == shown)


def _days_back_to(weekday: int, today: date) -> Iterator[date]:
    days_back = (today.weekday() - weekday) % 7
    yield from (today - timedelta(days=days_back), today - timedelta(days=days_back + 7))


# -- Words ----------------------------------------------------------------------------------------

# Seconds since 1970, a message's `ts`, Slack's markup; or with three, six or nine more digits,
# milliseconds, microseconds or nanoseconds.
_MACHINE: Final = re.compile(
    r"(?:<!date\^|@)?(?P<seconds>\d{9}|\d{10})(?:(?<=\d{10})(?:\d{3}){1,3}|\.\d+)?(?:\^[^<>]*>)?"
)
_HALVES: Final = re.compile(r"(\d)\s?([ap])\.?m\b\.?")  # "5 p.m." is "5pm"
_ZONE_AT_END: Final = re.compile(r"(?<=[\dm])(z|utc|gmt|(?<=:\d\d)[+-]\d\d(?::?\d\d)?)$")
_SECONDS: Final = re.compile(r"(:\d\d)[.,]\d+")  # "14:05:00.000" and "14:05:00,000" are "14:05:00"
_ISO: Final = re.compile(r"^(\d{4}-\d\d-\d\d)t(?=\d)")
_ISO_BASIC: Final = re.compile(r"^(\d{4})(\d\d)(\d\d)t(\d\d)(\d\d)(\d\d)?(?=z|[+-]|$)")
_COMMENT: Final = re.compile(r"( [+-]\d{4}) \([a-z]+\)$")  # "+0100 (CET)", as e-mails have it
_OF_UTC: Final = re.compile(  # "UTC+01:00", "gmt -5"
    r"\(?\b(?:utc|gmt)\s?([+-])(\d{1,2})((?::?\d\d)?)\)?(?=\s|$)"
)
_WITH_DASHES: Final = re.compile(r"^(\d\d?)-([a-z]{3})-(\d{4})\b")  # "20-Nov-2026"
MONTH: Final = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
_GLUED_DATE: Final = re.compile(  # "25nov" and "nov25"
    rf"(?<=\b\d)(?={MONTH})|(?<=\b\d\d)(?={MONTH})|(?<=\b[a-z]{{3}})(?=\d)"
)
_WEB_SERVER: Final = re.compile(r"^(\d\d)/([a-z]{3})/(\d{4}):(?=\d\d:)")  # "20/Nov/2026:18:39:53"

_CLOCK: Final = re.compile(
    r"(?P<hour>\d{1,2})(?:[:.](?P<minute>\d\d))?(?::(?P<second>\d\d))?(?P<half>[ap]m)?"
)
_ZONES: Final[dict[str, tuple[float, ...]]] = {
    "pst": (-8,),
    "pdt": (-7,),
    "mst": (-7,),
    "mdt": (-6,),
    "cst": (-6, 8),
    "cdt": (-5,),
    "est": (-5,),
    "edt": (-4,),
    "bst": (1, 6),
    "cet": (1,),
    "cest": (2,),
    "eet": (2,),
    "eest": (3,),
    "ist": (5.5, 2),
    "jst": (9,),
}
"""Hours from UTC, of each zone with that name."""

_WITH_SUMMER_TIME: Final = {
    "et": "America/New_York",
    "ct": "America/Chicago",
    "mt": "America/Denver",
    "pt": "America/Los_Angeles",
}

_ZONE: Final = re.compile(r"z|utc|gmt|(?P<sign>[+-])(?P<hours>\d\d)(?::?(?P<minutes>\d\d))?")
_YEAR_FIRST: Final = re.compile(r"(?P<year>\d{4})([-/.])(?P<month>\d{1,2})\2(?P<day>\d{1,2})")
_NUMBERS: Final = re.compile(
    r"(?P<one>\d{1,2})([-/.])(?P<other>\d{1,2})(?:\2(?P<year>\d{4}|(?<=[/.])\d\d)|\.)?"
)
_CLOCK_DIGITS: Final = re.compile(r"([01]\d|2[0-3])([0-5]\d)")  # "at 1430"
_HOUR: Final = re.compile(r"[01]?\d|2[0-3]")
_AFTER_MIDNIGHT: Final = frozenset({12, 1, 2, 3, 4, 5})  # hours of a night
_DAY: Final = re.compile(r"(\d{1,2})(?:st|nd|rd|th|\.)?")
_YEAR: Final = re.compile(r"\d{4}")
_DISTANCE: Final = re.compile(
    r"(?P<coming>in )?(?P<count>\d{1,4}|an?|one|half an?)\s?(?P<unit>[a-z]+)"
    r"(?(coming)| ago)(?=\s|$)"
)
_SMALL_WORDS: Final = frozenset(
    {"@", "about", "around", "from", "um", "at", "on", "the", "of", "o'clock", "uhr"}
)
_BEFORE_HOUR: Final = frozenset({"@", "around", "at", "um"})
_LAST: Final = frozenset({"last", "letzten", "letzter"})
_CLOCK_WORDS: Final = {"noon": 12, "midnight": 0}
_PARTS_OF_DAY: Final = {
    "morning": (6, 6),
    "afternoon": (12, 6),
    "evening": (18, 6),
    "night": (18, 12),
}
"""The hour at which it begins, and how many hours it lasts."""

DAY_WORDS: Final = {"yesterday": -1, "today": 0, "tomorrow": 1} | {
    **dict.fromkeys(("gestern", "ayer", "ieri", "gisteren"), -1),
    **dict.fromkeys(("vorgestern", "anteayer"), -2),
    **dict.fromkeys(("heute", "hoy", "oggi", "vandaag"), 0),
}
"""Words for a day, and how many days it is from today."""

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june", "july", "august", "september"),
    *("october", "november", "december"),
)
_WEEKDAYS: Final = (
    *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
)
_OTHER_WEEKDAYS: Final = {
    name: number
    for names in (
        "montag dienstag mittwoch donnerstag freitag samstag sonntag",
        "lundi mardi mercredi jeudi vendredi samedi dimanche",
        "lunes martes miercoles jueves viernes sabado domingo",
    )
    for number, name in enumerate(names.split())
} | {"weds": 2}
_OTHER_MONTHS: Final = {
    "januar": 0,
    "februar": 1,
    "marz": 2,
    "mai": 4,
    "juni": 5,
    "juli": 6,
    "okt": 9,
    "oktober": 9,
    "dez": 11,
    "dezember": 11,
    "janvier": 0,
    "fevrier": 1,
    "mars": 2,
    "avril": 3,
    "juin": 5,
    "juillet": 6,
    "aout": 7,
    "septembre": 8,
    "octobre": 9,
    "novembre": 10,
    "decembre": 11,
}
"""Without accents, like what they are compared with."""

DAY_NAMES: Final = (*_OTHER_WEEKDAYS, *_OTHER_MONTHS)
_UNITS: Final = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
    **dict.fromkeys(("w", "week", "weeks"), timedelta(weeks=1)),
}


def without_accents(text: str) -> str:
    """Return "marz" for "märz", and "miercoles" for "miércoles"."""
    return "".join(sign for sign in normalize("NFKD", text) if not combining(sign))


def _read(text: str, *, day_first: bool = False, after_noon: bool = False) -> _Written:
    """Read a text. Raises `UnclearTime` for a word that is not part of a time.

    `day_first` decides what "5/11" means, and `after_noon` what "at 9" means.
    """
    text = without_accents(re.sub(r"^\[(.*)\]$", r"\1", " ".join(text.split()).lower()))
    if machine := _MACHINE.fullmatch(text):
        return _Written(fixed=datetime.fromtimestamp(int(machine["seconds"]), UTC))
    if len(text) > MAX_LENGTH or not text.isascii():
        raise UnclearTime
    text = _OF_UTC.sub(
        lambda offset: f"{offset[1]}{offset[2]:0>2}{offset[3]}", _COMMENT.sub(r"\1", text)
    )
    text = _WITH_DASHES.sub(r"\1 \2 \3", text)
    text = _GLUED_DATE.sub(" ", text)
    text = _WEB_SERVER.sub(r"\1 \2 \3 ", _ISO.sub(r"\1 ", text))
    text = _ISO_BASIC.sub(
        lambda t: f"{t[1]}-{t[2]}-{t[3]} {t[4]}:{t[5]}" + (f":{t[6]}" if t[6] else ""), text
    )
    text = _SECONDS.sub(r"\1", text).replace(",", " ")
    text = _ZONE_AT_END.sub(r" \1", _HALVES.sub(r"\1\2m", " ".join(text.split())))
    found = _Written()
    while text := text.lstrip():
        text = _take(text, found, day_first=day_first)
    if found.hour is not None:
        _set(found, "clock", time(_hour(found.hour, found.part, after_noon=after_noon)))
    elif found.clock and found.part and not found.has_half:
        hour = _hour(found.clock.hour, found.part, after_noon=after_noon)
        found.clock = found.clock.replace(hour=hour)
    if found.part:
        _place_in_part(found, found.part[0])
    return found


def _hour(hour: int, part: tuple[int, int] | None, *, after_noon: bool) -> int:
    """Convert an hour without am or pm to 24-hour time: "at 9", "this morning around 9"."""
    if not 1 <= hour <= 12:
        return hour
    is_early = hour in _AFTER_MIDNIGHT and part == _PARTS_OF_DAY["night"]
    is_late = part[0] >= 12 if part else after_noon
    return hour % 12 + (12 if is_late and not is_early else 0)


def _place_in_part(found: _Written, begins: int) -> None:
    """Use the part of the day if no clock says more; a night lasts until the next morning."""
    if found.clock is None:
        found.clock = time(begins)
        return
    found.is_after_midnight = begins >= 18 and found.clock.hour < 6
    found.part = None


def _take(text: str, found: _Written, *, day_first: bool) -> str:
    """Read the first part of a text, and return the rest."""
    if distance := _DISTANCE.match(text):
        _set_distance(found, distance)
        return text[distance.end() :]
    word, _, rest = text.partition(" ")
    following, _, after = rest.partition(" ")
    if word in _BEFORE_HOUR and (digits := _CLOCK_DIGITS.fullmatch(following)):
        _set(found, "clock", time(int(digits[1]), int(digits[2])))
        return after
    if word in _BEFORE_HOUR and _HOUR.fullmatch(following) and not _named_date(following, after):
        is_exact = following[0] == "0"  # "at 08"
        _set(found, *(("clock", time(int(following))) if is_exact else ("hour", int(following))))
        return after
    if word in _SMALL_WORDS:
        return rest
    if word == "this" and _number_of(following, _WEEKDAYS) is not None:
        return rest
    if word == "this" and following in _PARTS_OF_DAY:
        _set(found, "back_to", _days_from_today(0))
        return rest
    if word == "last" and following == "night":
        _set(found, "back_to", _days_from_today(-1))
        return rest  # "night" is read next
    if word in _LAST and (weekday := _number_of(following, _WEEKDAYS)) is not None:
        _set(found, "back_to", _last(weekday))  # never today's
        return after
    if named := _named_date(word, following):
        return _take_year(after, found, *named)
    _take_word(word, found, day_first=day_first)
    return rest


def _take_word(word: str, found: _Written, *, day_first: bool) -> None:
    if _take_day_word(word, found):
        return
    if word in _CLOCK_WORDS:
        _set(found, "clock", time(_CLOCK_WORDS[word]))
    elif zones := _zones(word):
        if found.zones not in ((), zones):  # "+0000 UTC" says the same twice
            raise UnclearTime
        found.zones = zones
    elif numbers := _YEAR_FIRST.fullmatch(word):
        _set(found, "back_to", _on(*(int(numbers[name]) for name in ("year", "month", "day"))))
    elif _is_clock(word, found):
        _set(found, "clock", _clock(word))
        found.has_seconds = word.count(":") == 2
        found.has_half = word.endswith("m")
    else:
        _take_numbers(word, found, day_first=day_first)


def _take_day_word(word: str, found: _Written) -> bool:
    """Take a word for a day or a part of one."""
    day, part = ("today", "night") if word == "tonight" else (word, word)
    weekday = _number_of(word, _WEEKDAYS)
    if day in DAY_WORDS:
        _set(found, "back_to", _days_from_today(DAY_WORDS[day]))
    elif word == "now":
        _set(found, "distance", timedelta())
    elif weekday is not None:
        _set(found, "weekday", weekday)
    if part in _PARTS_OF_DAY:
        _set(found, "part", _PARTS_OF_DAY[part])
    return day in DAY_WORDS or word == "now" or weekday is not None or part in _PARTS_OF_DAY


def _take_numbers(word: str, found: _Written, *, day_first: bool) -> None:
    """Take a date such as "22.11.", or the year that ends "Nov 20 18:39:53 2026"."""
    if found.month_and_day and _YEAR.fullmatch(word):
        found.back_to = _on(int(word), *found.month_and_day)
        found.month_and_day = None
    elif both := _NUMBERS.fullmatch(word):
        month, day = _month_and_day(int(both["one"]), int(both["other"]), day_first=day_first)
        year = int(both["year"] or 0)
        _set(found, "back_to", _on(year + 2000 if 0 < year < 100 else year, month, day))
    else:
        raise UnclearTime


def _set(found: _Written, part: str, value: object) -> None:
    if getattr(found, part) is not None:
        raise UnclearTime  # "5pm or 6pm" says it twice
    setattr(found, part, value)


def _number_of(word: str, names: tuple[str, ...]) -> int | None:
    """Return the index of a name; three or more of its letters are enough."""
    word = word.rstrip(".")
    others = _OTHER_MONTHS if names is _MONTHS else _OTHER_WEEKDAYS
    if word in others:
        return others[word]
    return next(
        (n for n, name in enumerate(names) if len(word) > 2 and name.startswith(word)), None
    )


def _set_distance(found: _Written, match: re.Match[str]) -> None:
    unit = _UNITS.get(match["unit"])
    if unit is None:
        raise UnclearTime
    count = match["count"]
    number = 0.5 if count.startswith("half") else int(count) if count.isdigit() else 1
    distance = unit * number
    if distance > _LONGEST_DISTANCE:
        raise UnclearTime
    _set(found, "distance", -distance if match["coming"] else distance)


def _is_clock(word: str, found: _Written) -> bool:
    """Tell whether a word is a clock: with a colon, with am or pm, or like "14.05"."""
    match = _CLOCK.fullmatch(word)
    if match is None or ("." in word and int(match["hour"]) > 23):
        return False  # "25.11" is a date
    return ":" in word or bool(match["half"]) or ("." in word and found.clock is None)


def _clock(word: str) -> time:
    match = _CLOCK.fullmatch(word)
    assert match is not None  # noqa: S101 - `_is_clock` was asked
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise UnclearTime
        hour = hour % 12 + (12 if match["half"] == "pm" else 0)
    try:
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0))
    except ValueError:
        raise UnclearTime from None


def _zones(word: str) -> tuple[tzinfo, ...]:
    """Return the zones that a word can name."""
    if word in _WITH_SUMMER_TIME:
        return (zone(_WITH_SUMMER_TIME[word]),)
    if word in _ZONES:
        return tuple(timezone(timedelta(hours=hours)) for hours in _ZONES[word])
    match = _ZONE.fullmatch(word)
    if not match or not match["sign"]:
        return (UTC,) if match else ()
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
    if offset > timedelta(hours=14):
        raise UnclearTime
    return (timezone(-offset if match["sign"] == "-" else offset),)


# -- Dates ----------------------------------------------------------------------------------------


def _days_from_today(days: int) -> Callable[[date], Iterator[date]]:
    return lambda today: iter((today + timedelta(days=days),))


def _last(weekday: int) -> Callable[[date], Iterator[date]]:
    return lambda today: _days_back_to(weekday, today - timedelta(days=1))


def _on(year: int, month: int, day: int) -> Callable[[date], Iterator[date]]:
    """Yield a date; without a year (0), this year's or last year's."""
    if year and year not in _YEARS:
        raise UnclearTime

    def days(today: date) -> Iterator[date]:
        for one in (year,) if year else (today.year, today.year - 1):
            try:
                yield date(one, month, day)
            except ValueError:
                continue

    return days


def _named_date(word: str, following: str) -> tuple[int, int] | None:
    """Return the month and day of "nov 22" or "22nd november"."""
    for name, number in ((word, following), (following, word)):
        month, day = _number_of(name, _MONTHS), _DAY.fullmatch(number)
        if month is not None and day:
            return month + 1, int(day[1])
    return None


def _take_year(text: str, found: _Written, month: int, day: int) -> str:
    word, _, rest = text.partition(" ")
    has_year = _YEAR.fullmatch(word) is not None
    _set(found, "back_to", _on(int(word) if has_year else 0, month, day))
    found.month_and_day = None if has_year else (month, day)
    return rest if has_year else text


def _month_and_day(one: int, other: int, *, day_first: bool) -> tuple[int, int]:
    """Return them: 5/11 can be in May or in November, but 11/22 can't."""
    return (other, one) if one > 12 or (day_first and other <= 12) else (one, other)
