"""Work at rest: encrypted, and bound to its claim, so that no row can be put in another's place.

https://cryptography.io/en/latest/fernet/#cryptography.fernet.MultiFernet
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bot.errors import FsessionsError
from bot.state.protocol import Work


class Unreadable(FsessionsError):
    """Somebody has changed what was stored, or put it in another's place."""


class Seals:
    """Encrypts with the first of some Fernet keys, and decrypts with any of them.

    `name` tells the first one from others, and `names` are those of all. They tell nothing of the
    keys.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self.names = [hashlib.sha256(f"name of {key}".encode()).hexdigest()[:16] for key in keys]
        self.name = self.names[0]

    def seal(self, claim: str, work: Work) -> str:
        """The work as text."""
        text = json.dumps({"claim": claim, "work": work}, separators=(",", ":"))
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, claim: str, text: str) -> Work:
        """The work. Raises `Unreadable`."""
        try:
            kept = json.loads(self._fernet.decrypt(text.encode()))
        except InvalidToken:
            raise Unreadable("changed, or of another key") from None
        if kept["claim"] != claim:
            raise Unreadable("of another claim")
        work: Work = kept["work"]
        return work
