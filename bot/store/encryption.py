"""Work at rest: encrypted, and bound to all that decides what is done with its row.

That is: which claim it is, how far it had come, how often it was tried, and when it was taken. So
no row can be put in another's place, or be kept for longer, and none of its fields alone be brought
back. (A whole earlier row can, for as long as it is good, but not to the process that did it.)
https://cryptography.io/en/latest/fernet/#cryptography.fernet.MultiFernet
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bot.errors import FsessionsError
from bot.store.protocol import Work


class Unreadable(FsessionsError):
    """Somebody has changed what was stored, or put it in another's place."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The work of a claim; `made` is when it was taken, in seconds since 1970."""

    job: str
    work: Work
    step: str
    attempts: int
    made: float


class Seals:
    """Encrypts with the first of some Fernet keys, and decrypts with any of them.

    `name` tells the first one from others, and `names` are those of all. They tell nothing of the
    keys.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self.names = [hashlib.sha256(f"name of {key}".encode()).hexdigest()[:16] for key in keys]
        self.name = self.names[0]

    def seal(self, sealed: Sealed) -> str:
        """Return the work as text."""
        text = json.dumps(asdict(sealed), separators=(",", ":"))
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, text: str, job: str, step: str, attempts: int, oldest: float) -> Sealed:
        """Return the work of a row with these fields. Raises `Unreadable`.

        A row may be ahead of what was sealed, for both are not always written together; never
        behind it, and never `made` before `oldest`.
        """
        try:
            sealed = Sealed(**json.loads(self._fernet.decrypt(text.encode())))
        except (InvalidToken, TypeError):
            raise Unreadable("changed, of another key or of another version") from None
        if sealed.job != job:
            raise Unreadable("of another claim")
        if sealed.step not in ("", step) or sealed.attempts > attempts or sealed.made < oldest:
            raise Unreadable("of another time")
        return sealed
