"""Several processes on one port: started, started again when they die, stopped together.

The port is opened here, once for each process, and stays open when one dies: what waits there is
taken by another. A process notices by its standard input that this one is gone, and ends.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

import click
import structlog

from bot.ports import Shares

_log = structlog.get_logger()

CANT_RUN: Final = 78
"""The exit code of a process that would fail in the same way if it were started again.

It is EX_CONFIG of BSD's sysexits.h.
"""

_SERVES: Final = "serving"  # what a process says on its standard output

_LONGEST_PAUSE: Final = 30.0
_END_SECONDS: Final = 28.0  # a process needs 20 at most, and is killed from outside after 30
_OF_SIGNALS: Final = 128  # as a shell reckons exit codes


class Processes:
    """`fsessions serve` for each of the `listening` shares of a port, with one `environment`.

    In the folder `quiet_in` there may be no `.env`; then their logs are of no interest.
    `first_pause` is in seconds: so long it takes until one that died is started again; then, while
    it goes on dying, twice as long, and again.
    """

    def __init__(
        self,
        listening: Sequence[Shares],
        environment: Mapping[str, str] | None = None,
        quiet_in: Path | None = None,
        first_pause: float = 0.5,
    ) -> None:
        self._listening = listening
        self._environment = environment
        self._quiet_in = quiet_in
        self._first_pause = first_pause
        self._stopping = asyncio.Event()
        self._exit_code = 0
        self._have_served = False
        self.running: dict[int, Process] = {}

    async def run_until(self, stop: asyncio.Event) -> int:
        """Returns when `stop` is set and all have ended; gives the exit code for this process."""
        keeping = [
            asyncio.create_task(self._keep(number)) for number in range(len(self._listening))
        ]
        waiting = [asyncio.create_task(one.wait()) for one in (stop, self._stopping)]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        self._stopping.set()
        _log.info("stopping all processes", count=len(self.running))
        self._send_all(signal.SIGTERM)
        _, late = await asyncio.wait(keeping, timeout=_END_SECONDS)
        if late:
            _log.error("processes don't end: they are killed", count=len(self.running))
            self._send_all(signal.SIGKILL)
            await asyncio.wait(late)
        return self._exit_code

    def _send_all(self, what: signal.Signals) -> None:
        for process in self.running.values():
            with suppress(ProcessLookupError):
                process.send_signal(what)

    async def _keep(self, number: int) -> None:
        """Keeps one process running until all are to stop."""
        pause = self._first_pause
        while not self._stopping.is_set():
            code, has_served = await self._run(number)
            if code == CANT_RUN and not self._have_served:
                self._exit_code = 1
                self._stopping.set()
            elif self._stopping.is_set():
                self._exit_code = self._exit_code or code
            elif code == 0:
                _log.info("process ended: it is started again", process=number)
            else:
                _log.error("process died: it is started again", process=number, exit_code=code)
                pause = self._first_pause if has_served else min(2 * pause, _LONGEST_PAUSE)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._stopping.wait()

    async def _run(self, number: int) -> tuple[int, bool]:
        """Runs one process to its end; gives its exit code, and whether it has served."""
        try:
            process = self.running[number] = await self._start(number)
        except OSError as error:
            _log.error("process can't be started", process=number, exc_info=error)
            return 1, False
        assert process.stdout  # noqa: S101 - it is a pipe
        _log.info("process started", process=number, pid=process.pid)
        if self._stopping.is_set():  # meanwhile
            process.send_signal(signal.SIGTERM)
        has_served = await process.stdout.readline() == f"{_SERVES}\n".encode()
        self._have_served = self._have_served or has_served
        code = await process.wait()
        del self.running[number]
        if code == -signal.SIGTERM and self._stopping.is_set():
            return 0, has_served  # before it could take note of it
        return (code if code >= 0 else _OF_SIGNALS - code), has_served

    async def _start(self, number: int) -> Process:
        arguments = ["--process", str(number)]
        shares = self._listening[number]
        for option, sockets in (("--own", shares.own), ("--others", shares.others)):
            for one in sockets:
                arguments += [option, str(one.fileno())]
        return await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bot", "serve", *arguments),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL if self._quiet_in else None,
            pass_fds=[one.fileno() for one in (*shares.own, *shares.others)],
            env=self._environment,
            cwd=self._quiet_in,
        )


def say_that_it_serves() -> None:
    """In a process that `Processes` started: it has come so far that it is worth starting again."""
    click.echo(_SERVES)


def stop_with_parent(stop: asyncio.Event) -> None:
    """In a process that `Processes` started: sets `stop` when that is gone."""
    loop, standard_input = asyncio.get_running_loop(), sys.stdin.fileno()

    def gone() -> None:
        loop.remove_reader(standard_input)
        stop.set()

    loop.add_reader(standard_input, gone)
