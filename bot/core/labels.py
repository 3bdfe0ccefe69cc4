"""Labels that name a uid: "uid:", "User ID:", `user_id=`, "Customer ID".

The patterns are the same for what people type (`bot.core.query`) and for messages
(`bot.core.people`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NewType

Labels = NewType("Labels", str)
"""A pattern for the words of a label. Case doesn't matter."""

DEFAULT: Final = ("user id", "customer id")
"""Labels besides "uid"."""

NOT_WITHIN_A_WORD: Final = r"(?<![A-Za-z0-9.-])(?<![A-Za-z0-9]_)"
"""Not after another part of a word: "slack_user_id" and "fluid" are not labels."""


def labels_of(names: Iterable[str]) -> Labels:
    """Return a pattern for names: "user id" is also "user_id", "User-ID" and "userid"."""
    words = [re.split(r"[ _-]+", name) for name in ("uid", *names)]
    return Labels(f"(?:{'|'.join(r'[ _-]{0,2}'.join(map(re.escape, one)) for one in words)})")


RESERVED: Final = frozenset({"at", "email", "id", "limit", "mail"})
"""Labels that mean something else."""

UID: Final = labels_of(DEFAULT)
"""The default labels."""
