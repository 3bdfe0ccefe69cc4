"""How soon `fsessions serve` is ready, and how much memory it takes while nothing happens.

Starts it five times against an address where no one listens, and prints the medians. Linux only:
memory is VmRSS of /proc/PID/status. `python -m benchmarks.idle`, or `make benchmark`.
"""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import time
from contextlib import closing
from statistics import median
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.proc import memory

STARTS = 5
SETTLE_SECONDS = 1.0


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with closing(socket.socket()) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def measure() -> tuple[float, float]:
    """One start: seconds until /readyz says 200, and MiB of resident memory a second later."""
    port = free_port()
    environment = {
        "PATH": os.environ["PATH"],
        "SLACK_BOT_TOKEN": "xoxb-none",
        "SLACK_SIGNING_SECRET": "none",
        "FULLSTORY_API_KEY": "none",
        "FULLSTORY_API_URL": "http://127.0.0.1:9",
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "LOG_LEVEL": "ERROR",
    }
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "bot", "serve"], env=environment)
    try:
        while True:
            try:
                with urlopen(f"http://127.0.0.1:{port}/readyz") as response:
                    assert response.status == 200  # noqa: S101
                    break
            except URLError:
                if time.perf_counter() - started > 30:
                    raise
                time.sleep(0.005)
        seconds = time.perf_counter() - started
        time.sleep(SETTLE_SECONDS)
        return seconds, memory(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def main() -> None:
    """Measure and prints."""
    measured = [measure() for _ in range(STARTS)]
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.system()}")
    print(f"ready after  {median(seconds for seconds, _ in measured):.2f} s")
    print(f"idle memory  {median(memory for _, memory in measured):.0f} MiB")


if __name__ == "__main__":
    main()
