"""What each part of a lookup costs: the processor's time that is saved where it is left out.

Where a part is left out, the first result is given again and again: right for the benchmark, where
everybody asks for the same customer, and for nothing else. `python -m benchmarks.parts` measures
each in turn, five times.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import wraps
from statistics import median
from typing import Any, Final

import uvloop

from benchmarks import bench
from benchmarks.outside import Outside
from benchmarks.report import BOT
from bot.__main__ import main as serve
from bot.fullstory import client, protocol
from bot.lookup.audit import Audit
from bot.lookup.events import AuditEvent
from bot.sandbox.settings import temporary_database
from bot.sessions import SessionList
from bot.slack import requests
from bot.slack.jobs import Job
from bot.slack.entry_points import command
from bot.slack.replies.answers import Answers
from bot.slack.transport import http
from bot.slack.transport.dispatch import Reply
from bot.slack.ui import answer

_PART: Final = "BENCHMARK_WITHOUT"


def _once(holder: object, name: str) -> None:
    """Calls it the first time only."""
    real: Callable[..., Any] = getattr(holder, name)
    results: list[Any] = []

    @wraps(real)
    def first(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - whatever it gives
        if not results:
            results.append(real(*arguments, **named))
        return results[0]

    setattr(holder, name, first)


def _asking() -> None:
    real = client.FullstoryClient._send
    replies: list[Any] = []

    async def send(self: client.FullstoryClient, request: protocol.Request) -> Any:  # noqa: ANN401
        if not replies:
            replies.append(await real(self, request))
        return replies[0]

    client.FullstoryClient._send = send  # type: ignore[method-assign]


def _recording() -> None:
    events: list[AuditEvent] = []
    real = Audit.event

    async def record(self: Audit, *given: Any, **details: Any) -> AuditEvent:  # noqa: ANN401
        if not events:
            events.append(real(self, *given, **details))
        return events[0]

    Audit.record = record  # type: ignore[method-assign]


def _bolt() -> None:
    """Hands a command to its entry point at once."""
    made: list[command.Command] = []
    real = command.Command.__init__

    def remember(self: command.Command, services: Any) -> None:  # noqa: ANN401 - as it is
        real(self, services)
        made.append(self)

    async def dispatch(
        _: object, body: dict[str, Any], acknowledged: requests.Acknowledged
    ) -> Reply:
        (route,) = made[0].routes()
        ack, jobs = requests.Ack(), made[0]._services.jobs
        actor = requests.actor_in(body, route.entry_point)
        job = Job(jobs, route.label, body)
        await route.handle(requests.SlackRequest(body, actor, ack, acknowledged, job))
        return Reply(200, ack.body, is_json=True)

    command.Command.__init__ = remember  # type: ignore[method-assign]
    http.dispatch = dispatch  # type: ignore[attr-defined,assignment]


PARTS: Final[dict[str, Callable[[], None]]] = {
    "reading the command": lambda: _once(command, "parse"),
    "asking Fullstory": _asking,
    "reading its reply": lambda: _once(protocol, "parse_reply"),
    "putting sessions in order": lambda: _once(SessionList, "of"),
    "sealing buttons": lambda: _once(Answers, "buttons"),
    "drawing": lambda: _once(answer, "answer"),
    "recording": _recording,
    "Bolt": _bolt,
}
ALL_BUT_ASKING: Final = ",".join(part for part in PARTS if part != "asking Fullstory")


def bot_without(bot: bench.Peer, parts: str) -> bench.Peer:
    """The bot without some parts, which stand in a list with commas."""
    command = (sys.executable, "-m", "benchmarks.parts", "serve")
    return replace(bot, command=command, settings=bot.settings | {_PART: parts})


async def measure(choices: Sequence[str], rounds: int) -> dict[str, list[float]]:
    """The milliseconds of processor time of a lookup, without the parts of each of the choices."""
    measured: dict[str, list[float]] = {choice: [] for choice in choices}
    async with temporary_database() as database, Outside().running() as outside:
        bot = bench.peers(database)[BOT]
        for _ in range(rounds):
            for choice in choices:
                async with bench.running(bot_without(bot, choice), outside) as one:
                    figures = await bench.saturation(one, bench.Size())
                    measured[choice].append(figures["CPU ms a lookup"])
    return measured


async def _print() -> None:
    os.environ["PEERS"] = BOT
    bench.pin_outside()
    measured = await measure(["", *PARTS, ALL_BUT_ASKING], 5)
    everything, nothing = measured.pop(""), measured.pop(ALL_BUT_ASKING)
    print(f"a lookup                   {median(everything):.2f} ms of the processor")
    for part, values in measured.items():
        saved = [one - other for one, other in zip(everything, values, strict=True)]
        print(f"  {part:<24} {median(saved):.2f} ({min(saved):.2f} to {max(saved):.2f})")
    print(f"without all but asking     {median(nothing):.2f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        for part in filter(None, os.environ[_PART].split(",")):
            PARTS[part]()
        serve()
    else:
        uvloop.run(_print())
