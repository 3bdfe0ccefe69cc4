"""Encrypts what is stored, and binds it to everything that decides what happens to its row.

For work, that is the job, its step, its attempts and when it was created; for a value, its key. So
no row can be moved, and no job be kept longer or have one field set back. (A whole earlier row can
be restored while it is valid, but not for the process that did the job.)
https://cryptography.io/en/latest/fernet/#cryptography.fernet.MultiFernet
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bot.errors import FsessionsError
from bot.store.protocol import Key, PendingJob


class Unreadable(FsessionsError):
    """The stored work was changed or moved, or its key is unknown."""


class Encryption:
    """Encrypts with the first of several Fernet keys, and decrypts with any of them.

    `key_names` identify the keys without revealing them; `key_name` is the first one's.
    """

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self.key_names = [hashlib.sha256(b"name of " + key).hexdigest()[:16] for key in keys]
        self.key_name = self.key_names[0]

    def encrypt(self, job: PendingJob) -> str:
        """Return the job as text."""
        return self._encrypted(asdict(job))

    def encrypt_value(self, key: Key, value: str) -> str:
        """Return the value of a key as text."""
        return self._encrypted([key, value])

    def decrypt_value(self, key: Key, text: str) -> str:
        """Return the value of a key. Raises `Unreadable`."""
        try:
            found = json.loads(self._fernet.decrypt(text.encode()))
        except InvalidToken:
            raise Unreadable("changed, or of another key") from None
        if not isinstance(found, list) or found[:1] != [list(key)]:
            raise Unreadable("of another row")
        return str(found[1])

    def _encrypted(self, document: object) -> str:
        text = json.dumps(document, separators=(",", ":"))
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, text: str, job: str, step: str, attempts: int, earliest: float) -> PendingJob:
        """Return the job of a row with these fields. Raises `Unreadable`.

        A row may be ahead of its encrypted text, because both are not always written together. It
        is never behind it, and never created before `earliest`.
        """
        try:
            pending = PendingJob(**json.loads(self._fernet.decrypt(text.encode())))
        except (InvalidToken, TypeError):
            raise Unreadable("changed, or of another key or version") from None
        if pending.id != job:
            raise Unreadable("of another job")
        if pending.step not in ("", step) or pending.attempts > attempts:
            raise Unreadable("of another attempt")
        if pending.created < earliest:
            raise Unreadable("too old")
        return pending
