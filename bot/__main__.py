"""The program's beginning: `fsessions`, and `python -m bot`."""

from __future__ import annotations

import os
import signal
import sys


def main() -> None:
    """Runs the command line."""
    # Ctrl-C while it is still loading ends it quietly, instead of by a traceback.
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    _open_closed_streams()
    _import_structlog_without_rich()
    from bot.cli.main import main as commands

    commands()


def _open_closed_streams() -> None:
    """Who started us may have closed standard input, output or error.

    The next file or socket would get that number, and what is written to the stream would go there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number, so it is this one
    sys.stdin = sys.stdin or open(0, closefd=False)  # noqa: SIM115
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115


def _import_structlog_without_rich() -> None:
    """It would load rich for tracebacks that we never print, which takes time and memory."""
    if "rich" in sys.modules:
        return
    sys.modules["rich"] = None  # type: ignore[assignment] # Python takes it for "not installed"
    import structlog  # noqa: F401

    del sys.modules["rich"]


if __name__ == "__main__":
    main()
