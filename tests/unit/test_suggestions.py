"""What is tried and suggested if nothing was found."""

from __future__ import annotations

import pytest

from bot.core.sessions import Query
from bot.core.suggestions import respelled, with_usual_domain


@pytest.mark.parametrize(
    ("query", "others"),
    [
        (
            Query("Jane@Example.com", None, 5),
            [Query("jane@example.com", None, 5), Query(None, "Jane@Example.com", 5)],
        ),
        (Query("jane@example.com", None, 5), [Query(None, "jane@example.com", 5)]),
        (Query(None, "jane@example.com", 5), [Query("jane@example.com", None, 5)]),
        (Query(None, "User-42", 5), []),  # another uid in small letters may be another person
        (Query(None, "samlp|acme|jane@example.com", 5), []),
        (Query("jane@example.com", "user-42", 5), []),
    ],
)
def test_other_spellings_of_the_same_person(query: Query, others: list[Query]) -> None:
    """An address in small letters, an address as the uid, and the other way round."""
    assert list(respelled(query)) == others


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("jane@gmial.com", "jane@gmail.com"),
        ("jane@gmail.con", "jane@gmail.com"),
        ("jane@gmai.com", "jane@gmail.com"),
        ("jane@gmaill.com", "jane@gmail.com"),
        ("jane@hotmial.com", "jane@hotmail.com"),
        ("jane@Outlok.com", "jane@outlook.com"),
        ("sam@ourcompny.example", "sam@ourcompany.example"),
        ("jane@gmail.com", None),
        ("jane@mail.com", None),
        ("jane@example.com", None),
    ],
)
def test_a_domain_that_is_one_slip_away(typed: str, meant: str | None) -> None:
    """From a common one, or from one of the company's."""
    query = with_usual_domain(Query(typed, None, 5), ("ourcompany.example",))
    assert (query and query.email) == meant
