"""Logs without personal data, by construction; and logs that never stand in the way.

Our own lines are an event's name and chosen fields. What could carry more is cut to what can't: of
an exception its type and where it happened, never its message; of a library's log record the same.
Libraries write request bodies, tokens and addresses into their messages, some of them above DEBUG.

Lines are written by a thread of their own. A full disk, a pipe that nobody reads, a reader that has
ended: lines are lost then, and counted, but nothing waits, fails or ends because of it.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import queue
import secrets
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Final, Literal, TextIO

import stamina.instrumentation
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.errors import FsessionsError
from bot.fast_json import dumps

_MOST_WAITING: Final = 5_000  # lines
_FLUSH_SECONDS: Final = 1.0


class _Writer:
    """Writes lines to a stream, from a thread that nobody waits for."""

    def __init__(self, stream: TextIO) -> None:
        self._write = _writing_to(stream)
        self._waiting: queue.Queue[str | threading.Event | None] = queue.Queue(_MOST_WAITING)
        self._untold = 0
        self.lost = 0
        threading.Thread(target=self._work, name="log writer", daemon=True).start()

    def msg(self, line: str) -> None:
        """Takes a line, as structlog's loggers do; never raises, never waits."""
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._lose()

    debug = info = warning = error = critical = log = msg

    def flush(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Waits until what was taken so far is written, or for so long."""
        done = threading.Event()
        try:
            self._waiting.put(done, timeout=seconds)
        except queue.Full:
            return
        done.wait(seconds)

    def close(self) -> None:
        """End the thread once it has written what was taken so far."""
        with suppress(queue.Full):  # a stream that takes nothing holds up its thread for good
            self._waiting.put_nowait(None)

    def _work(self) -> None:
        while (line := self._waiting.get()) is not None:
            if isinstance(line, threading.Event):
                line.set()
                continue
            try:
                self._write(f"{line}\n")
            except (OSError, ValueError):  # the disk is full, or the stream is closed
                self._lose()
                continue
            if self._untold:
                count, self._untold = self._untold, 0
                structlog.get_logger().warning("log lines lost", count=count)

    def _lose(self) -> None:
        self.lost += 1
        self._untold += 1


def _writing_to(stream: TextIO) -> Callable[[str], object]:
    """Straight to the descriptor: what is left in a buffer would fail once more at the end."""
    try:
        descriptor = stream.fileno()
    except (io.UnsupportedOperation, ValueError):
        return stream.write

    def write(text: str) -> None:
        rest = text.encode(errors="replace")
        while rest:
            rest = rest[os.write(descriptor, rest) :]

    return write


_writers: list[_Writer] = []  # the last one is in use


_EVERY_LEVEL: Final = structlog.make_filtering_bound_logger(logging.NOTSET)
_recording: list[bool] = [False]


def configure(
    level: str,
    style: Literal["auto", "json", "console"],
    stream: TextIO = sys.stderr,
    *,
    recording: bool = True,
) -> None:
    """Sends all logs to `stream`: as JSON lines, or as text for people if that is a terminal.

    Without `recording`, `record` says nothing: on a terminal, where somebody waits for a table.
    """
    _recording[:] = [recording]
    on_terminal = stream.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=on_terminal and not os.environ.get("NO_COLOR"))
        if style == "console" or (style == "auto" and on_terminal)
        else structlog.processors.JSONRenderer(serializer=dumps)
    )
    for earlier in _writers:
        earlier.close()
    writer = _Writer(stream)
    _writers[:] = [writer]
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_messages,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: writer,
    )
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)
    stamina.instrumentation.set_on_retry_hooks([_log_retry])


@atexit.register
def flush() -> None:
    """Waits a moment until what was logged is written; also done when the process ends."""
    for writer in _writers:
        writer.flush()


def record(event: str, **fields: object) -> None:
    """Logs a line that has to be there, whatever the level is."""
    if _writers and _recording[0]:
        structlog.wrap_logger(_writers[-1], wrapper_class=_EVERY_LEVEL).info(event, **fields)


def lines_lost() -> int:
    """How many lines could not be written since the start."""
    return sum(writer.lost for writer in _writers)


class ThrottledLog:
    """Logs a warning that anybody can cause: the same one once in `seconds`.

    `clock` gives seconds. A line says how many were left out before it.
    """

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: dict[tuple[object, ...], float] = {}
        self._left_out: dict[tuple[object, ...], int] = {}

    def warn(self, event: str, **fields: object) -> None:
        """The fields are few and of our own making: they tell one warning from another."""
        key, now = (event, *fields.values()), self._clock()
        if now - self._last.get(key, float("-inf")) < self._seconds:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        self._last[key] = now
        if left_out := self._left_out.pop(key, 0):
            fields["left_out"] = left_out
        structlog.get_logger().warning(event, **fields)


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

    def __init__(self) -> None:
        super().__init__()
        self._throttled_log = ThrottledLog()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ == "aiohttp.http_exceptions":
            # What is no HTTP: anybody can send it, and it is no trouble of ours.
            self._throttled_log.warn("request refused", reason=type(error).__name__)
            return
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
