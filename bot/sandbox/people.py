"""The people that the stand-in Fullstory knows: one for each thing worth trying."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from zlib import crc32

from bot.sandbox.stories import Story


class Trouble(Enum):
    """What happens when this person is looked up."""

    NONE = auto()
    SLOW = auto()
    DOWN = auto()
    BUSY = auto()
    FOREIGN_LINK = auto()


@dataclass(frozen=True, slots=True)
class Person:
    """A person with recordings; `typed` is what to type after `/fsessions`."""

    typed: str
    about: str
    email: str | None = None
    uid: str | None = None
    sessions: int = 0
    trouble: Trouble = Trouble.NONE
    story: Story = Story.VISIT


PEOPLE: Final = (
    Person(
        "jane@example.com 5",
        "many sessions; also by uid: user-42",
        email="jane@example.com",
        uid="user-42",
        sessions=28,
        story=Story.PAYMENT,
    ),
    Person("omar@example.com", "one session", email="omar@example.com", sessions=1),
    Person("zoe@example.com", "known, but no sessions", email="zoe@example.com"),
    Person("12345 3", "by uid alone: a number", uid="12345", sessions=6),
    Person('"a uid with spaces"', "by uid alone", uid="a uid with spaces", sessions=3),
    Person("uid:kim@legacy", "a uid that looks like an address", uid="kim@legacy", sessions=2),
    Person(
        "maria+vip@example.com", "an address with a tag", email="maria+vip@example.com", sessions=2
    ),
    Person(
        "jürgen@müller.example", "letters beyond English", email="jürgen@müller.example", sessions=2
    ),
    Person("fan@example.com 100", "more sessions than fit", email="fan@example.com", sessions=150),
    Person(
        "slow@example.com",
        "the lookup takes three seconds",
        email="slow@example.com",
        sessions=4,
        trouble=Trouble.SLOW,
    ),
    Person(
        "down@example.com",
        "the lookup fails",
        email="down@example.com",
        trouble=Trouble.DOWN,
    ),
    Person(
        "busy@example.com",
        "Fullstory asks to wait",
        email="busy@example.com",
        trouble=Trouble.BUSY,
    ),
    Person(
        "odd@example.com",
        "a link that leads elsewhere",
        email="odd@example.com",
        sessions=3,
        trouble=Trouble.FOREIGN_LINK,
    ),
    Person(
        "rosa@example.com",
        "a button that does nothing",
        email="rosa@example.com",
        sessions=2,
        story=Story.DEAD_BUTTON,
    ),
    Person(
        "noel@example.com",
        "a session in which nothing happens",
        email="noel@example.com",
        sessions=1,
        story=Story.NOTHING,
    ),
    Person(
        "rene@example.com",
        "a session that is still going on",
        email="rene@example.com",
        sessions=1,
        story=Story.RUNNING,
    ),
)


@dataclass(frozen=True, slots=True)
class Recording:
    """One session as Fullstory stores it: ids are decimal, the time is whole seconds UTC."""

    user_id: str
    session_id: str
    started: datetime
    foreign: bool
    story: Story


def recordings(person: Person, now: datetime) -> list[Recording]:
    """Return the person's sessions, oldest first: the last was some minutes ago, the gaps widen."""
    name = person.email or person.uid or ""
    number = PEOPLE.index(person) + 1 if person in PEOPLE else 100 + crc32(name.encode())
    newest_first = [
        Recording(
            user_id=str(6_000_000_000_000_000 + number),
            session_id=str(5_000_000_000_000_000 + number * 1000 + index),
            started=now - timedelta(minutes=7 + 50 * index + 11 * index**2),
            foreign=person.trouble is Trouble.FOREIGN_LINK and index == 1,
            story=person.story if index < 2 else Story.VISIT,
        )
        for index in range(person.sessions)
    ]
    return newest_first[::-1]
