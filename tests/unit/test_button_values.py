"""What a button remembers, and who may send it back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.core.access import DenialReason
from bot.core.sessions import Moment, Query, Snapshot
from bot.slack.signing import VALID_FOR, BadSignature, Kind, Signer

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
KEY = b"key"
QUERY = Query("jane@example.com", "a uid", 7, Moment(NOW, of_message=True), Snapshot(NOW, "ab12"))
SIGNER = Signer([KEY], lambda: NOW)


def reason_for(
    value: str, user: str = "U1", signer: Signer = SIGNER, kind: Kind = Kind.LOOK
) -> DenialReason:
    """Return why a value is refused."""
    with pytest.raises(BadSignature) as refused:
        signer.verify(value, user, kind)
    return refused.value.reason


def test_a_signed_query_comes_back_unchanged() -> None:
    """With and without the optional fields."""
    assert SIGNER.verify_query(SIGNER.sign_query(QUERY, "U1"), "U1") == QUERY
    bare = replace(QUERY, moment=None, shown=None)
    assert SIGNER.verify_query(SIGNER.sign_query(bare, "U1"), "U1") == bare


def test_another_user_is_refused() -> None:
    """A value is for the person who asked."""
    assert reason_for(SIGNER.sign_query(QUERY, "U1"), "U2") is DenialReason.WRONG_USER


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.LOOK])
def test_a_value_for_another_kind_of_button_is_outdated(kind: Kind) -> None:
    """In both directions."""
    value = SIGNER.sign_query(QUERY, "U1")
    assert reason_for(value, kind=kind) is DenialReason.OUTDATED
    assert reason_for(SIGNER.sign_query(QUERY, "U1", kind)) is DenialReason.OUTDATED


def test_a_value_is_valid_for_thirty_days() -> None:
    """Its age can't be changed."""
    value = SIGNER.sign_query(QUERY, "U1")
    assert Signer([KEY], lambda: NOW + VALID_FOR).verify_query(value, "U1") == QUERY
    later = Signer([KEY], lambda: NOW + VALID_FOR + timedelta(days=2))
    assert reason_for(value, signer=later) is DenialReason.OUTDATED
    assert "147." in value
    assert reason_for(value.replace("147.", "199.")) is DenialReason.OUTDATED


@pytest.mark.parametrize("position", range(0, 100, 7))
def test_a_changed_value_is_refused(position: int) -> None:
    """Wherever it was changed."""
    value = SIGNER.sign_query(QUERY, "U1")
    changed = "b" if value[position] == "a" else "a"
    assert reason_for(value[:position] + changed + value[position + 1 :])


@pytest.mark.parametrize("value", ["", "x", "a" * 31, "a" * 40, "\ud800" * 40, "1." * 60])
def test_a_foreign_value_is_outdated(value: str) -> None:
    """It is not parsed."""
    assert reason_for(value) is DenialReason.OUTDATED


def test_a_value_of_another_key_is_outdated() -> None:
    """For example after the key was rotated."""
    value = SIGNER.sign("C1", "U1", Kind.CHANNEL)
    other = Signer([b"another"], lambda: NOW)
    assert reason_for(value, signer=other, kind=Kind.CHANNEL) is DenialReason.OUTDATED
