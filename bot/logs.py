"""Logs that have no personal data by construction, and never block.

Our own lines are an event's name and chosen fields. Of an exception, only its type and where it
happened is logged, never its message; the same goes for libraries' log records, whose messages have
request bodies, tokens and addresses, some of them above DEBUG.

A thread writes the lines. If the disk is full or no one reads the pipe, lines are lost and counted,
but nothing waits or fails.
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
from select import PIPE_BUF
from typing import Final, TextIO

import stamina.instrumentation
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.errors import FsessionsError
from bot.fast_json import dumps

_MAX_WAITING: Final = 5_000  # lines
_FLUSH_SECONDS: Final = 1.0
_BATCH: Final = 100  # lines
_GATHER_SECONDS: Final = 0.02  # a thread that wakes for each line takes a tenth of a lookup's CPU


class _Writer:
    """Writes lines to a stream in a thread, in batches."""

    def __init__(self, stream: TextIO) -> None:
        self._write = _writing_to(stream)
        self._waiting: queue.SimpleQueue[str | threading.Event | None] = queue.SimpleQueue()
        self._unreported = 0
        self.lost = 0
        threading.Thread(target=self._work, name="log writer", daemon=True).start()

    def msg(self, line: str) -> None:
        """Take a line, like structlog's loggers. Never raises and never waits."""
        if self._waiting.qsize() < _MAX_WAITING:
            self._waiting.put(f"{line}\n")
        else:
            self._lose(1)

    debug = info = warning = error = critical = log = msg

    def flush(self, seconds: float = _FLUSH_SECONDS) -> None:
        """Wait until all lines are written, for up to `seconds`."""
        done = threading.Event()
        self._waiting.put(done)
        done.wait(seconds)

    def close(self) -> None:
        """End the thread once it has written all lines."""
        self._waiting.put(None)

    def _work(self) -> None:
        waiting: list[str | threading.Event | None] = []
        while None not in waiting:
            waiting = [self._waiting.get()]
            if isinstance(waiting[0], str) and self._waiting.qsize() < _BATCH:
                time.sleep(_GATHER_SECONDS)
            count = min(self._waiting.qsize(), _BATCH)
            waiting += [self._waiting.get() for _ in range(count)]
            for lines in _pieces([line for line in waiting if isinstance(line, str)]):
                self._write_lines(lines)
            for done in waiting:
                if isinstance(done, threading.Event):
                    done.set()

    def _write_lines(self, lines: list[str]) -> None:
        try:
            self._write("".join(lines))
        except (OSError, ValueError):  # the disk is full, or the stream is closed
            self._lose(len(lines))
            return
        if self._unreported:
            count, self._unreported = self._unreported, 0
            structlog.get_logger().warning("log lines lost", count=count)

    def _lose(self, count: int) -> None:
        self.lost += count
        self._unreported += count


def _pieces(lines: list[str]) -> Iterator[list[str]]:
    """Group lines so that each write to a pipe is whole or fails: that is so up to PIPE_BUF."""
    piece: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode(errors="replace"))
        if piece and size + length > PIPE_BUF:
            yield piece
            piece, size = [], 0
        piece.append(line)
        size += length
    if piece:
        yield piece


def _writing_to(stream: TextIO) -> Callable[[str], object]:
    """Return a function that writes to the descriptor: a buffer would fail again at exit."""
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
_recorders: list[structlog.typing.FilteringBoundLogger] = []  # one or none


def configure(
    level: str,
    stream: TextIO = sys.stderr,
    *,
    recording: bool = True,
) -> None:
    """Send all logs to `stream`, as JSON lines, or as text if it is a terminal.

    Without `recording`, `record` does nothing.
    """
    on_terminal = stream.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(colors=on_terminal and not os.environ.get("NO_COLOR"))
        if on_terminal
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
    recorder = structlog.wrap_logger(writer, wrapper_class=_EVERY_LEVEL).bind()
    _recorders[:] = [recorder] if recording else []
    logging.basicConfig(handlers=[_LibraryHandler()], level=logging.WARNING, force=True)
    stamina.instrumentation.set_on_retry_hooks([_log_retry])


@atexit.register
def flush() -> None:
    """Wait briefly until everything is written; also called at exit."""
    for writer in _writers:
        writer.flush()


def record(event: str, **fields: object) -> None:
    """Log a line whatever the level is."""
    for recorder in _recorders:
        recorder.info(event, **fields)


def lines_lost() -> int:
    """Return how many lines could not be written since the start."""
    return sum(writer.lost for writer in _writers)


class ThrottledLog:
    """Logs the same warning only once in `seconds`, because anyone can cause it.

    A line says how many were left out before it. `clock` returns seconds.
    """

    def __init__(self, seconds: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._clock = clock
        self._last: dict[tuple[object, ...], float] = {}
        self._left_out: dict[tuple[object, ...], int] = {}

    def warn(self, event: str, **fields: object) -> None:
        """Log a warning; its few fields tell it from others."""
        key, now = (event, *fields.values()), self._clock()
        if now - self._last.get(key, float("-inf")) < self._seconds:
            self._left_out[key] = self._left_out.get(key, 0) + 1
            return
        self._last[key] = now
        if left_out := self._left_out.pop(key, 0):
            fields["left_out"] = left_out
        structlog.get_logger().warning(event, **fields)


def new_reference() -> str:
    """Create a short id that is both in a log line and in what the person sees."""
    return secrets.token_hex(4)


def _without_messages(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    error = event.pop("exc_info", None)
    if error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        if isinstance(error, FsessionsError):
            event["reason"] = str(error)  # our own errors have nothing personal
        if error.__cause__:
            event["cause"] = type(error.__cause__).__name__
        event["at"] = list(_places(error))
    return event


def _places(error: BaseException) -> Iterator[str]:
    """Yield where it happened, the innermost frame last."""
    for frame in traceback.extract_tb(error.__traceback__)[-8:]:
        yield f"{frame.filename}:{frame.lineno} {frame.name}"


class _LibraryHandler(logging.Handler):
    """Logs that a library logged something and where, but not what."""

    def __init__(self) -> None:
        super().__init__()
        self._throttled_log = ThrottledLog()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if type(error).__module__ == "aiohttp.http_exceptions":
            # Invalid HTTP, which anyone can send.
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
