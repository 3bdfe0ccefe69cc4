"""The names under which Slack tells of what people press and send: one for each button and form."""

from __future__ import annotations

from typing import Final

# -- On an answer ---------------------------------------------------------------------------------

WATCH_REPLAY: Final = "watch_replay"
"""It opens a link; Slack tells the bot about the press all the same."""

SHOW_MORE: Final = "show_more"
ANSWER_MENU: Final = "answer_menu"
"""The menu behind three dots. What is chosen is one of the next three; after REFRESH follow a space
and the value that a button would have."""

REFRESH: Final = "refresh"
DISMISS: Final = "dismiss"
HELP: Final = "help"
MAX_MENU_VALUE: Final = 150
"""https://docs.slack.dev/reference/block-kit/composition-objects/option-object"""

CHOOSE: Final = "choose_identity"
"""The beginning of it: a colon and a number follow."""

SEARCH_AGAIN: Final = "search_again"
WHY: Final = "why"

# -- Sharing --------------------------------------------------------------------------------------

SHARE: Final = "share"
SHARE_FORM: Final = "share_form"
WHICH_FIELD: Final = "which"
NAME_FIELD: Final = "name"
WHERE_FIELD: Final = "where"
ALL: Final = "all"
INCLUDE_NAME: Final = "include"
IN_THREAD: Final = "thread"
IN_CHANNEL: Final = "channel"

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

# -- Who looked somebody up -----------------------------------------------------------------------

AUDIT: Final = "audit"
"""The button in the Home of an auditor."""

AUDIT_FORM: Final = "audit_form"
SINCE_FIELD: Final = "since"
