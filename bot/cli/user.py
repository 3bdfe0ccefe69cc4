"""The person at this terminal."""

from __future__ import annotations

import os
import pwd


def system_user() -> str:
    """Return the operating system's user; a number if a container has no name for it.

    Not from `LOGNAME` and the like, which anyone can set: this is what the audit records.
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
