"""The settings of the bot. A secret is never in a repr or an error.

pydantic-settings would read them, too, but costs 7 MB and 75 ms at every start.
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from functools import cached_property
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from bot.core.access import Rules
from bot.core.labels import DEFAULT, Labels, labels_of
from bot.core.query import Limits
from bot.settings.types import (
    IGNORED_PARAMETERS,
    AppToken,
    BotToken,
    Channels,
    Contact,
    DatabaseUrl,
    Domains,
    Port,
    Secret,
    SecretKeys,
    Secrets,
    SigningSecret,
    UidLabels,
    Upper,
    Url,
    Usergroups,
    Users,
    Workflows,
)

MAX_SESSIONS: Final = 100
"""A message can't show more."""

SHOWN_IN_SLACK: Final = 5
"""Sessions, if no number is given; a button shows the others."""

_APP_IN_TOKEN: Final = re.compile(r"xoxb-(\d+-\d+)-")  # the workspace's number and the bot's


class Settings(BaseModel):
    """Every setting; docs/administration.md explains them."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slack_bot_token: BotToken | None = None
    slack_signing_secret: SigningSecret | None = None
    slack_app_token: AppToken | None = None
    slack_api_url: Url = "https://slack.com/api/"

    fullstory_api_key: Secret
    fullstory_api_url: Url = ""
    fullstory_sessions_path: Literal["/sessions/v2", "/v2/sessions"] = "/sessions/v2"
    fullstory_method: Annotated[Literal["GET", "POST"], Upper] = "GET"
    fullstory_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10

    sessions_limit: Annotated[int, Field(ge=1, le=MAX_SESSIONS)] = 20
    max_lookups_in_flight: Annotated[int, Field(ge=1, le=10_000)] = 200
    lookups_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 30
    answer_budget_seconds: Annotated[float, Field(gt=0, le=2.5)] = 1.5

    support_channels: Channels = ()
    internal_domains: Domains = ()
    uid_labels: UidLabels = DEFAULT

    replay_at_moment: bool = True
    insights: bool = False
    insights_per_day: Annotated[int, Field(ge=1, le=100_000)] = 30
    admin_contact: Contact = ""

    allowed_users: Users = ()
    allowed_usergroups: Usergroups = ()
    allowed_channels: Channels = ()
    allowed_workflows: Workflows = ()
    allow_guests: bool = False

    database_url: DatabaseUrl | None = None
    audit_key: Secrets = ()
    audit_required: bool = False
    audit_retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    auditors: Users = ()
    secret_keys: SecretKeys = ()
    recent_hours: Annotated[int, Field(ge=0, le=720)] = 12

    host: str = "0.0.0.0"  # noqa: S104 - a container's port has to be reachable
    port: Port = 3000

    metrics_port: Port | None = None

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Upper] = "INFO"

    @property
    def fullstory_base_url(self) -> str:
        """The URL of Fullstory's API: as set, or that of the data center in the key.

        https://developer.fullstory.com/server/authentication/
        """
        if self.fullstory_api_url:
            return self.fullstory_api_url
        european = self.fullstory_api_key.get_secret_value().startswith("eu1.")
        return "https://api.eu1.fullstory.com" if european else "https://api.fullstory.com"

    @property
    def bot_token(self) -> str:
        """The Slack bot token, or ""."""
        return self.slack_bot_token.get_secret_value() if self.slack_bot_token else ""

    @property
    def database(self) -> str:
        """The database's URL with its password, or ""."""
        return self.database_url.get_secret_value() if self.database_url else ""

    @property
    def ignored_parameters(self) -> list[str]:
        """The parameters of the database's URL that mean nothing here."""
        names = [one.partition("=")[0] for one in urlsplit(self.database).query.split("&")]
        return [name for name in names if name in IGNORED_PARAMETERS]

    @property
    def audit_keys(self) -> tuple[str, ...]:
        """The keys for the hashes of people; new events use the first one."""
        return tuple(key.get_secret_value() for key in self.audit_key)

    @property
    def signing_keys(self) -> tuple[bytes, ...]:
        """The keys for buttons; new ones are signed with the first one."""
        return self._keys("buttons")

    @property
    def fernet_keys(self) -> tuple[bytes, ...]:
        """The keys for what is stored; new data is encrypted with the first one."""
        return tuple(urlsafe_b64encode(key) for key in self._keys("stored data"))

    def _keys(self, purpose: str) -> tuple[bytes, ...]:
        """Derive keys from their setting, or from a secret of Slack's that rarely changes."""
        slack = self.slack_signing_secret or self.slack_app_token or self.slack_bot_token
        chosen = self.secret_keys or ((slack,) if slack else ())
        secrets = [secret.get_secret_value() for secret in chosen] or [""]
        return tuple(
            hashlib.sha256(f"fsessions {purpose} {secret}".encode()).digest() for secret in secrets
        )

    @property
    def hours_in_home(self) -> int:
        """How long lookups are kept for the Home, which has none with `allowed_channels`."""
        return 0 if self.allowed_channels else self.recent_hours

    @property
    def metrics_host(self) -> str:
        """Where to serve the metrics: at `host` if that is set, otherwise for this machine."""
        return self.host if "host" in self.model_fields_set else "127.0.0.1"

    @property
    def bot_name(self) -> str:
        """The name of this bot in a database that several bots may use.

        It comes from the app's ids in the bot token, which stay when secrets are rotated.
        """
        found = _APP_IN_TOKEN.match(self.bot_token)
        name = found[1] if found else self.bot_token
        return hashlib.sha256(f"fsessions bot {name}".encode()).hexdigest()[:16]

    @cached_property
    def limits(self) -> Limits:
        """How many sessions to list by default, and at most."""
        return Limits(self.sessions_limit, MAX_SESSIONS)

    @cached_property
    def slack_limits(self) -> Limits:
        """How many to show in Slack: by default few, so that the first one stays in sight."""
        return Limits(min(SHOWN_IN_SLACK, self.limits.default), self.limits.highest)

    @property
    def grammar(self) -> tuple[Labels, tuple[str, ...]]:
        """What `bot.slack.typed_text.parse` has to know besides the limits."""
        return self.labels, self.internal_domains

    @property
    def access_rules(self) -> Rules:
        """The rules of access."""
        return Rules(
            frozenset(self.allowed_users),
            self.allowed_usergroups,
            frozenset(self.allowed_channels),
            frozenset(self.allowed_workflows),
            self.allow_guests,
        )

    @cached_property
    def labels(self) -> Labels:
        """The labels of a uid, in what people type and in messages."""
        return labels_of(self.uid_labels)

    @property
    def address_was_chosen(self) -> bool:
        """Tell whether the address to listen on is set."""
        return not {"host", "port"}.isdisjoint(self.model_fields_set)

    @property
    def socket_mode(self) -> bool:
        """Tell whether to use Socket Mode instead of HTTP."""
        return self.slack_app_token is not None


NAMES: Final = tuple(name.upper() for name in Settings.model_fields)
"""The names of all settings in the environment."""
