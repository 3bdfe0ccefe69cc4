"""What a button remembers, and who may send it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.sessions import Moment, Query, Snapshot
from bot.slack.signing import (
    GOOD_FOR,
    Kind,
    Outdated,
    WrongUser,
    seal,
    sign,
    unseal,
    verify,
)

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = b"key"
QUERY = Query("jane@example.com", "a uid", 7, Moment(NOW, of_message=True), Snapshot(NOW, "ab12"))


def test_what_is_signed_comes_back() -> None:
    """All of it."""
    assert verify(sign(QUERY, "U1", KEY, NOW), "U1", KEY, NOW) == QUERY
    bare = replace(QUERY, moment=None, shown=None)
    assert verify(sign(bare, "U1", KEY, NOW), "U1", KEY, NOW) == bare


def test_somebody_else() -> None:
    """Can't use it."""
    with pytest.raises(WrongUser):
        verify(sign(QUERY, "U1", KEY, NOW), "U2", KEY, NOW)


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.LOOK])
def test_another_kind_of_button(kind: Kind) -> None:
    """A value is good for one kind alone, in both directions."""
    with pytest.raises(Outdated):
        verify(sign(QUERY, "U1", KEY, NOW), "U1", KEY, NOW, kind)
    with pytest.raises(Outdated):
        verify(sign(QUERY, "U1", KEY, NOW, kind), "U1", KEY, NOW)


def test_age() -> None:
    """It is good for thirty days, and its age can't be changed."""
    value = sign(QUERY, "U1", KEY, NOW)
    assert verify(value, "U1", KEY, NOW + GOOD_FOR) == QUERY
    with pytest.raises(Outdated):
        verify(value, "U1", KEY, NOW + GOOD_FOR + timedelta(days=2))
    assert "147." in value
    with pytest.raises(Outdated):
        verify(value.replace("147.", "199."), "U1", KEY, NOW)


@pytest.mark.parametrize("position", range(0, 100, 7))
def test_every_change_is_seen(position: int) -> None:
    """Wherever it is."""
    value = sign(QUERY, "U1", KEY, NOW)
    changed = "b" if value[position] == "a" else "a"
    with pytest.raises((Outdated, WrongUser)):
        verify(value[:position] + changed + value[position + 1 :], "U1", KEY, NOW)


@pytest.mark.parametrize("value", ["", "x", "a" * 31, "a" * 40, "\ud800" * 40, "1." * 60])
def test_what_is_none_of_ours(value: str) -> None:
    """Is read no further."""
    with pytest.raises(Outdated):
        unseal(value, "U1", KEY, NOW, Kind.LOOK)


def test_another_key() -> None:
    """Makes it void."""
    with pytest.raises(Outdated):
        unseal(seal("C1", "U1", KEY, NOW, Kind.CHANNEL), "U1", b"another", NOW, Kind.CHANNEL)
