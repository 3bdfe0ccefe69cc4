"""Logs without personal data, by construction.

Our own lines are an event's name and chosen fields. What could carry more is cut to what can't: of
an exception its type and where it happened, never its message; of a library's log record the same.
Libraries write request bodies, tokens and addresses into their messages, some of them above DEBUG.
"""

from __future__ import annotations

import logging
import os
import secrets
import sys
import traceback
from collections.abc import Iterator
from typing import Literal, TextIO

import stamina.instrumentation
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.errors import FsessionsError


def configure(
    level: str, style: Literal["auto", "json", "console"], stream: TextIO = sys.stderr
) -> None:
    """Sends all logs to `stream`: as JSON lines, or as text for people if that is a terminal."""
    on_terminal = stream.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=on_terminal and not os.environ.get("NO_COLOR"))
        if style == "console" or (style == "auto" and on_terminal)
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_messages,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(stream),
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)
    stamina.instrumentation.set_on_retry_hooks([_log_retry])


def new_reference() -> str:
    """A short mark that stands both in a log line and in what the person saw."""
    return secrets.token_hex(4)


def _without_messages(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        if isinstance(error, FsessionsError):
            event["reason"] = str(error)  # our own errors hold nothing personal
        if error.__cause__:
            event["cause"] = type(error.__cause__).__name__
        event["at"] = list(_places(error))
    return event


def _places(error: BaseException) -> Iterator[str]:
    """Where it happened, the innermost frame last."""
    for frame in traceback.extract_tb(error.__traceback__)[-8:]:
        yield f"{frame.filename}:{frame.lineno} {frame.name}"


class _LibraryHandler(logging.Handler):
    """Passes on that a library has something to say, and where, but not its words."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno,
            "library",
            name=record.name,
            where=f"{record.module}:{record.lineno} {record.funcName}",
            **({"exc_info": record.exc_info[1]} if record.exc_info else {}),
        )


def _log_retry(details: stamina.instrumentation.RetryDetails) -> None:
    structlog.get_logger().info(
        "retrying",
        attempt=details.retry_num,
        wait_seconds=round(details.wait_for, 3),
        error=type(details.caused_by).__name__,
    )
