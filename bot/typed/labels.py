"""The labels that name a uid: "uid:", "User ID:", `user_id=`, "Customer ID". One grammar for all.

It is used for what people type (`bot.typed.query`) and for what stands in messages
(`bot.slack.ui.reading`). Only patterns are here.
"""

from __future__ import annotations

from typing import Final

UID: Final = r"(?:uid|(?:user|customer)[ _-]?id)"
"""The words of a label. Case doesn't matter."""

NOT_WITHIN_A_WORD: Final = r"(?<![A-Za-z0-9.-])(?<![A-Za-z0-9]_)"
"""What may not stand before a label: "slack_user_id" and "fluid" name no customer's uid."""
