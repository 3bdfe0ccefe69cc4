"""The ids of the buttons on answers, which several features share.

Slack sends them back when a button is pressed. Each is a feature's to handle.
"""

from __future__ import annotations

from typing import Final

WATCH_REPLAY: Final = "watch_replay"
"""Opens a link; Slack tells the bot about the press all the same."""

INSIGHT: Final = "insight"
"""*What happened?* in a session."""

SHOW_MORE: Final = "show_more"
SHARE: Final = "share"
ANSWER_MENU: Final = "answer_menu"
"""The overflow menu. Its options are the next three; REFRESH is followed by a space and the value
that a button would have."""

REFRESH: Final = "refresh"
DISMISS: Final = "dismiss"
HELP: Final = "help"
CHOOSE: Final = "choose_identity"
"""Followed by a colon and a number."""

SEARCH_AGAIN: Final = "search_again"
NEW_SEARCH: Final = "new_search"
"""Replaces the results in a modal with the form."""

EDIT: Final = "edit"
"""Opens the search form with what was typed."""

WHY: Final = "why"
OFFER: Final = "show_sessions"
"""The offer's button. It has no value: the message above it names the customer."""

RECENT: Final = "recent"
"""Followed by a colon and a number."""

AUDIT: Final = "audit"
"""The button in an auditor's Home."""
