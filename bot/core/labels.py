"""The labels that name a uid: "uid:", "User ID:", `user_id=`, "Customer ID". One grammar for all.

It is used for what people type (`bot.core.query`) and for what stands in messages
(`bot.slack.message_parser`). Only patterns are here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NewType

Labels = NewType("Labels", str)
"""A pattern for the words of a label. Case doesn't matter."""

DEFAULT: Final = ("user id", "customer id")
"""Besides "uid", which always is one."""

NOT_WITHIN_A_WORD: Final = r"(?<![A-Za-z0-9.-])(?<![A-Za-z0-9]_)"
"""What may not stand before a label: "slack_user_id" and "fluid" name no customer's uid."""


def labels_of(names: Iterable[str]) -> Labels:
    """A pattern for these names: "user id" is also "user_id", "User-ID" and "userid"."""
    words = [re.split(r"[ _-]+", name) for name in ("uid", *names)]
    return Labels(f"(?:{'|'.join(r'[ _-]{0,2}'.join(map(re.escape, one)) for one in words)})")


RESERVED: Final = frozenset({"at", "email", "id", "limit", "mail"})
"""Labels that mean something else."""

UID: Final = labels_of(DEFAULT)
"""The labels where no others are set."""
