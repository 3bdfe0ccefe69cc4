"""What a feature tells the rest of the bot about itself.

`bot.features` has the list of features. The app manifests, `fsessions check` and the Home follow
from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import ClassVar, Final, NewType, Protocol, TypeVar, get_type_hints

from bot.slack.app import App

HelpLines = NewType("HelpLines", tuple[tuple[str, str], ...])
"""The ways to search, for the Home: a name, and how to use it."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """What Slack has to know of a feature.

    `events` are names as in the manifest. `scopes` are those of the bot token, each with its
    reason. With `for_support_channels`, scopes and events are needed only if there are support
    channels. `help` is the feature's line in the Home; `bot.features.home` has the placeholders.
    """

    events: tuple[str, ...] = ()
    scopes: Mapping[str, str] = field(default_factory=dict)
    help: tuple[str, str] | None = None
    for_support_channels: bool = False


BASE: Final = Manifest(
    scopes={
        "users:read": (
            "Who is a member and may be shown sessions; times in the person's own time zone."
        ),
        "users:read.email": '"/fsessions @colleague".',
        "chat:write": "Answers that Slack's response_url did not take.",
    }
)
"""What every feature needs."""

OPTIONAL_SCOPES: Final = {
    "usergroups:read": "Only with ALLOWED_USERGROUPS: who is in these user groups.",
}
"""What only some settings need; in the manifests they are comments."""


class Feature(Protocol):
    """A dataclass whose fields are the components that it works with."""

    manifest: ClassVar[Manifest]

    def register(self, app: App) -> None:
        """Register the feature's handlers."""


_F = TypeVar("_F", bound=Feature)


def create(feature: type[_F], components: Mapping[object, object]) -> _F:
    """Create a feature from components, which are found by the types of its fields."""
    types = get_type_hints(feature)
    names = [one.name for one in fields(feature) if one.init]  # type: ignore[arg-type]
    return feature(**{name: components[types[name]] for name in names})
