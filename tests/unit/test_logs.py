"""Logs: what may be in them, and what is cut out."""

from __future__ import annotations

import logging

import structlog

from tests.conftest import Logged

SECRET = "jane@example.com"


def test_an_exception_is_its_type_and_place(logged: Logged) -> None:
    """Its message may quote what a person typed."""
    try:
        raise ValueError(SECRET)
    except ValueError as error:
        structlog.get_logger().error("crashed", exc_info=error)
    (line,) = logged()
    assert line["error"] == "ValueError"
    assert "test_logs.py" in line["at"][-1]
    assert SECRET not in str(line)


def test_a_librarys_words_are_left_out(logged: Logged) -> None:
    """Bolt logs bodies, slack_sdk response_urls; what is left says who spoke and where."""
    logging.getLogger("slack_bolt.AsyncApp").warning("Unhandled request (%s)", SECRET)
    try:
        raise RuntimeError(SECRET)
    except RuntimeError:
        logging.getLogger("aiohttp.server").exception("Error handling request %s", SECRET)
    bolt, aiohttp = logged()
    assert (bolt["event"], bolt["name"], bolt["level"]) == (
        "library",
        "slack_bolt.AsyncApp",
        "warning",
    )
    assert "test_logs" in bolt["where"]
    assert aiohttp["error"] == "RuntimeError"
    assert SECRET not in str([bolt, aiohttp])


def test_libraries_whisper_unheard(logged: Logged) -> None:
    """Below WARNING nothing of theirs is logged, whatever our own level is."""
    logging.getLogger("slack_sdk").info(SECRET)
    logging.getLogger("slack_sdk").debug(SECRET)
    assert logged() == []
