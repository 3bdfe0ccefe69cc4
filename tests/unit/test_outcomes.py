"""Every trouble has a sentence of its own."""

from __future__ import annotations

import pytest

from bot import errors
from bot.core.outcomes import Failed, duration, explain
from bot.core.query import Limits, ParseError, Problem
from bot.slack import texts

LIMITS = Limits(20, 100)

FAILURES = [
    errors.KeyRejected(),
    errors.PermissionMissing(),
    errors.RequestRejected(400),
    errors.RateLimited(None),
    errors.RateLimited(30.0),
    errors.Unavailable(),
    errors.Unavailable(503),
    errors.DeadlineExceeded(10),
    errors.ReplyTooLarge(),
    errors.ReplyCutOff(),
    errors.ReplyNotJSON(),
    errors.ReplyMalformed(),
    errors.ReplyRedirected(),
]


def test_every_failure_has_its_own_sentence() -> None:
    """And each says what to do next."""
    sentences = {explain(Failed(error, "")).in_one_line("") for error in FAILURES}
    assert len(sentences) == len(FAILURES)
    assert all("try again" in s.lower() or "trying again" in s.lower() for s in sentences)


def test_no_failure_is_forgotten() -> None:
    """A new error class comes with a sentence."""

    def leaves(cls: type[Exception]) -> set[type[Exception]]:
        below = cls.__subclasses__()
        return set.union(*map(leaves, below)) if below else {cls}

    assert {type(error) for error in FAILURES} == leaves(errors.FullstoryError)


def test_every_problem_has_its_own_sentence() -> None:
    """The same for what people type."""
    sentences = {texts.parse_error(ParseError(p), LIMITS) for p in Problem}
    assert len(sentences) == len(Problem)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "a second"),
        (1, "1 second"),
        (1.2, "2 seconds"),
        (30, "30 seconds"),
        (119.5, "2 minutes"),
        (121, "3 minutes"),
        (3600, "60 minutes"),
    ],
)
def test_durations_are_rounded_up(seconds: float, said: str) -> None:
    """Who comes back then is not too early."""
    assert duration(seconds) == said
