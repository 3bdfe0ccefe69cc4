"""The feature list: everything that the bot does in Slack.

A feature is a file or folder here and a line in `FEATURES`. CONTRIBUTING.md says how to add one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from bot.features.answer_buttons import AnswerButtons
from bot.features.audit_log import AuditLog
from bot.features.command import Command
from bot.features.home import Home
from bot.features.insight import Insight
from bot.features.mentions import Mentions
from bot.features.message_shortcut import MessageShortcut
from bot.features.no_sessions import NoSessions
from bot.features.search_form import SearchForm
from bot.features.share import Share
from bot.features.ticket_offers import TicketOffers
from bot.features.workflow_step import WorkflowStep
from bot.slack.feature import BASE, OPTIONAL_SCOPES, Feature, HelpLines, Manifest

FEATURES: Final[tuple[type[Feature], ...]] = (
    Command,
    MessageShortcut,
    SearchForm,
    Mentions,
    TicketOffers,
    WorkflowStep,
    AnswerButtons,
    Insight,
    NoSessions,
    Share,
    Home,
    AuditLog,
)

EVENTS: Final = tuple(sorted(event for one in FEATURES for event in one.manifest.events))
HELP_LINES: Final = HelpLines(tuple(one.manifest.help for one in FEATURES if one.manifest.help))


def scopes(*, support_channels: bool = True, usergroups: bool = False) -> dict[str, str]:
    """Return the scopes of the bot token, each with its reasons."""
    reasons: dict[str, list[str]] = {}
    for manifest in _manifests(support_channels=support_channels):
        for scope, reason in manifest.scopes.items():
            if reason not in reasons.setdefault(scope, []):
                reasons[scope].append(reason)
    found = {scope: " ".join(said) for scope, said in reasons.items()}
    return found | (OPTIONAL_SCOPES if usergroups else {})


def _manifests(*, support_channels: bool) -> Iterator[Manifest]:
    yield BASE
    for feature in FEATURES:
        if support_channels or not feature.manifest.for_support_channels:
            yield feature.manifest
