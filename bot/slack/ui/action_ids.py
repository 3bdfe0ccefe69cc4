"""The names under which Slack tells of what people press and send: one for each button and form."""

from __future__ import annotations

from typing import Final

# -- On an answer ---------------------------------------------------------------------------------

WATCH_REPLAY: Final = "watch_replay"
"""It opens a link; Slack tells the bot about the press all the same."""

SHOW_MORE: Final = "show_more"
REFRESH: Final = "refresh"
DISMISS: Final = "dismiss"
CHOOSE: Final = "choose_identity"
"""The beginning of it: a colon and a number follow."""

# -- Sharing --------------------------------------------------------------------------------------

SHARE: Final = "share"
SHARE_NAMED: Final = "share_named"
SHARE_UNNAMED: Final = "share_unnamed"

# -- The form and its fields ----------------------------------------------------------------------

FORM: Final = "find_sessions_form"
RESULTS: Final = "find_sessions_results"
PERSON_FIELD: Final = "person"
LIMIT_FIELD: Final = "limit"
MOMENT_FIELD: Final = "moment"
NEW_SEARCH: Final = "new_search"

# -- Elsewhere ------------------------------------------------------------------------------------

SHOW_SESSIONS: Final = "show_sessions"
"""The offer's button. It holds nothing: whom it is about stands in the message above it."""

SEARCH: Final = "search"
"""The Home's button."""
