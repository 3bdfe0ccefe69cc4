"""One process of the bot, for tests that kill it: `python -m tests.bot_process`.

Like `fsessions serve`, but that `WAITS` in the environment says how patient it is.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path

from bot import logs
from bot.event_loop import EventLoop
from bot.service import running
from bot.settings.loading import load
from bot.timeouts import Timeouts


async def main() -> None:
    """Serve until SIGTERM."""
    loaded = load(file=Path("none"), for_slack=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with running(loaded, Timeouts(**json.loads(os.environ["WAITS"]))) as service:
        await service.serve_until(stop)


if __name__ == "__main__":
    logs.configure("INFO")
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(main())
