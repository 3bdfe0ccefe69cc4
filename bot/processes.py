"""Several processes on one port: started, started again when they die, stopped together.

The port is opened once, here, and every process accepts from it: what waits there when one dies is
taken by another. A process notices by its standard input that this one is gone, and ends.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

_log = structlog.get_logger()

CANT_RUN: Final = 78
"""The exit code of a process that would fail in the same way if it were started again.

It is EX_CONFIG of BSD's sysexits.h.
"""

_LONGEST_PAUSE: Final = 30.0


class Processes:
    """`count` times `fsessions serve`, with one `environment`; they share the `listening` socket.

    In the folder `quiet_in` there may be no `.env`; then their logs are of no interest.
    `first_pause` is in seconds: so long it takes until one that died is started again; then, while
    it goes on dying at once, twice as long, and again.
    """

    def __init__(
        self,
        count: int,
        listening: socket.socket | None,
        environment: Mapping[str, str] | None = None,
        quiet_in: Path | None = None,
        first_pause: float = 0.5,
    ) -> None:
        self._count = count
        self._listening = listening
        self._environment = environment
        self._quiet_in = quiet_in
        self._first_pause = first_pause
        self._stopping = asyncio.Event()
        self._exit_code = 0
        self.running: dict[int, Process] = {}

    async def run_until(self, stop: asyncio.Event) -> int:
        """Returns when `stop` is set and all have ended; gives the exit code for this process."""
        keeping = [asyncio.create_task(self._keep(number)) for number in range(self._count)]
        waiting = [asyncio.create_task(one.wait()) for one in (stop, self._stopping)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        self._stopping.set()
        _log.info("stopping all processes", count=len(self.running))
        for process in self.running.values():
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        await asyncio.gather(*keeping)
        return self._exit_code

    async def _keep(self, number: int) -> None:
        """Keeps one process running until all are to stop."""
        loop, pause = asyncio.get_running_loop(), self._first_pause
        while not self._stopping.is_set():
            started = loop.time()
            process = self.running[number] = await self._start(number)
            _log.info("process started", process=number, pid=process.pid)
            if self._stopping.is_set():  # meanwhile
                process.send_signal(signal.SIGTERM)
            code = await process.wait()
            del self.running[number]
            if code == CANT_RUN:
                self._exit_code = 1
                self._stopping.set()
            elif self._stopping.is_set():
                self._exit_code = self._exit_code or abs(code)
            elif code == 0:
                _log.info("process ended: it is started again", process=number)
            else:
                _log.error("process died: it is started again", process=number, exit_code=code)
                if loop.time() - started > _LONGEST_PAUSE:
                    pause = self._first_pause
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stopping.wait()
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def _start(self, number: int) -> Process:
        arguments = ["--process", str(number)]
        descriptors = [self._listening.fileno()] if self._listening else []
        for descriptor in descriptors:
            arguments += ["--descriptor", str(descriptor)]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bot", "serve", *arguments),
            stdin=PIPE,
            stderr=DEVNULL if self._quiet_in else None,
            pass_fds=descriptors,
            env=self._environment,
            cwd=self._quiet_in,
        )


def stop_with_parent(stop: asyncio.Event) -> None:
    """In a process that `Processes` started: sets `stop` when that is gone."""
    loop, standard_input = asyncio.get_running_loop(), sys.stdin.fileno()

    def gone() -> None:
        loop.remove_reader(standard_input)
        stop.set()

    loop.add_reader(standard_input, gone)
