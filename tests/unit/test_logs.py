"""Logs: what may be in them, and what is cut out."""

from __future__ import annotations

import errno
import json
import logging
import os
import threading
from io import StringIO

import structlog

from bot import logs
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


class Full(StringIO):
    """A disk that takes nothing until there is room again."""

    size_limit = False

    def write(self, text: str) -> int:
        """As a disk does."""
        if not self.size_limit:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_lines_that_could_not_be_written_are_counted() -> None:
    """And told, as soon as there is room."""
    disk = Full()
    logs.configure("INFO", disk)
    for _ in range(3):
        structlog.get_logger().info("lost")
    logs.flush()
    logs.flush()  # of nothing, which is not written
    assert logs.lines_lost() == 3
    disk.size_limit = True
    structlog.get_logger().info("written")
    logs.flush()  # of the line itself, and of the one about those before it
    logs.flush()
    written, told = map(json.loads, disk.getvalue().splitlines())
    assert (written["event"], told["event"], told["count"]) == ("written", "log lines lost", 3)


def test_a_writer_that_is_stuck_holds_no_one() -> None:
    """What finds no room anymore is dropped at once, and counted."""
    reading, writing = os.pipe()
    stuck = open(writing, "w")  # noqa: SIM115, PTH123 - it is closed in the end
    logs.configure("INFO", stuck)
    for _ in range(20_000):
        structlog.get_logger().info("a line of some hundred characters " * 4)
    assert logs.lines_lost() > 10_000
    os.close(reading)  # it is not stuck anymore
    logs.flush()
    stuck.close()


def test_what_anybody_can_cause_is_said_seldom(logged: Logged) -> None:
    """Once in ten seconds for each kind, with the number of those that were left out."""
    now = 0.0
    throttled = logs.ThrottledLog(10, clock=lambda: now)
    for seconds in (0.0, 1.0, 9.9, 10.0, 11.0):
        now = seconds
        throttled.warn("request refused", reason="signature")
    throttled.warn("request refused", reason="size")
    lines = [(line["reason"], line.get("left_out")) for line in logged()]
    assert lines == [("signature", None), ("signature", 2), ("size", None)]


def test_configured_again_and_again() -> None:
    """A thread writes; those of earlier configurations end."""
    before = threading.active_count()
    for _ in range(20):
        logs.configure("INFO", StringIO())
    structlog.get_logger().info("written")
    logs.flush()
    for thread in threading.enumerate():
        if thread.name == "log writer" and threading.active_count() > before + 1:
            thread.join(0.5)
    assert threading.active_count() <= before + 1
