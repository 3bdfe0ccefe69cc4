"""The settings: from the environment and `.env`, checked all at once.

`.env` is read with python-dotenv and the values are checked by pydantic. (pydantic-settings would
do both, for 7 MB of memory and 75 ms at every start.)

A secret never shows: not in a repr, not in a problem's sentence.
"""

from __future__ import annotations

import hashlib
import os
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from dotenv import dotenv_values
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
)

from bot.core.access import OTHER_WORKFLOW, Rules
from bot.core.labels import DEFAULT, RESERVED, Labels, labels_of
from bot.core.query import Limits
from bot.errors import SettingsError

_CHANNEL_ID: Final = re.compile(r"[CG][A-Z0-9]{2,}")
_USER_ID: Final = re.compile(r"[UW][A-Z0-9]{2,}")
_USERGROUP_ID: Final = re.compile(r"S[A-Z0-9]{2,}")
_WORKFLOW_NAME: Final = re.compile(r"[\w.-]{3,80}")
_LABEL: Final = re.compile(r"[^\W_](?:[\w .#-]{0,38}[\w.])?")
_MENTIONED: Final = re.compile(r"(?:<?[@#])?(?P<id>[UWCG](?=[A-Z]*\d)[A-Z0-9]{4,})(?:\|[^<>]*)?>?")
_APP_IN_TOKEN: Final = re.compile(r"xoxb-(\d+-\d+)-")  # the workspace's number and the bot's
_FERNET_KEY: Final = re.compile(r"[\w+/-]{43}=", re.ASCII)  # 32 bytes, in base64
_HEX_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")
_LONGEST_CONTACT: Final = 200
_HIGHEST_PORT: Final = 65_535
_LARGEST_FILE: Final = 64 * 1024  # bytes
_NOT_UTF_8: Final = "can't be read as UTF-8: save it with that encoding"
_UNREADABLE: Final = (
    "can't be read. In a password, write @ / : # ? % as %40 %2F %3A %23 %3F %25, or change it"
)
IGNORED_PARAMETERS: Final = frozenset(
    {"connection_limit", "pgbouncer", "pool_timeout", "prepared_statements", "schema"}
    | {"single_use_connections", "socket_timeout", "statement_cache_size"}
)
"""Of Prisma and of hosted poolers, in the query of a database's address: they mean nothing here."""

_PARAMETER: Final = re.compile(r"[A-Za-z_]{2,40}")
_HOST: Final = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|[^:\[\]]*)(?::\d{0,5})?")
_WHERE: Final = "in Fullstory, Settings → Integrations & API Keys"


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _header_safe(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("holds a space, a line break or a letter that no key has; copy it again")
    return secret


def _begins_with(prefix: str) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        if not secret.get_secret_value().startswith(prefix):
            raise ValueError(f"should begin with {prefix}")
        return secret

    return AfterValidator(check)


def _no_token(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value().startswith(("xoxb-", "xoxp-", "xapp-")):
        raise ValueError("holds a token; the secret stands under “Basic Information”")
    return secret


def _url(value: str) -> str:
    """An address without the slash at its end. Plain http is for this machine alone."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port  # each raises where it makes no sense
    except ValueError:
        raise ValueError("should be an address such as https://api.example.com") from None
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if not host or parts.scheme not in ("https", "http") or not plain:
        raise ValueError("should be an address such as https://api.example.com")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise ValueError("should begin with https://, so that keys and answers travel encrypted")
    return value.rstrip("/")


def _database(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    scheme, _, rest = value.partition("://")
    if scheme not in ("postgres", "postgresql", "postgresql+psycopg", "sqlite") or not rest:
        raise ValueError("should begin with postgresql:// or sqlite:///")
    if scheme == "sqlite" and (
        "?" in rest or not rest.startswith("/") or rest.strip("/") in ("", ":memory:")
    ):
        raise ValueError("should name a file: sqlite:///audit.db, or sqlite:////var/lib/audit.db")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError(_UNREADABLE) from None
    hosts = parts.netloc.rpartition("@")[2].split(",")
    is_clear = not parts.fragment and "@" not in parts.path + parts.query
    if scheme != "sqlite" and not (is_clear and all(map(_HOST.fullmatch, hosts))):
        raise ValueError(_UNREADABLE)
    if unknown := _unknown_parameters(parts.query):
        names = ", ".join(unknown)
        raise ValueError(f"has the unknown parameter {names}; remove what is behind the “?”")
    return secret


def _unknown_parameters(query: str) -> list[str]:
    """The names that neither libpq knows nor other tools' addresses usually have."""
    names = [name for name, _, _ in (one.partition("=") for one in query.split("&")) if name]
    if not names:
        return []
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    others = [name for name in names if name not in known | IGNORED_PARAMETERS]
    return [name if _PARAMETER.fullmatch(name) else "(unreadable)" for name in others]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _listed(value: object) -> object:
    """Values with commas or spaces between them."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _names(value: object) -> object:
    """Names that may hold spaces, with commas between them."""
    if not isinstance(value, str):
        return value
    return [name.strip() for name in value.split(",") if name.strip()]


def _labels(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_LABEL.fullmatch(value) for value in values):
        raise ValueError("should hold labels such as user id, account number")
    if reserved := RESERVED.intersection(value.lower() for value in values):
        raise ValueError(f"can't hold {', '.join(sorted(reserved))}: that means something else")
    return values


def _contact(value: str) -> str:
    """Whom to ask: a sentence, or an id of Slack's, which becomes a mention."""
    value = " ".join(value.split())
    if len(value) > _LONGEST_CONTACT:
        raise ValueError(f"should be a sentence of {_LONGEST_CONTACT} characters at most")
    if found := _MENTIONED.fullmatch(value):
        return f"<{'#' if found['id'][0] in 'CG' else '@'}{found['id']}>"
    return value


def _all_are(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError(f"holds no id; it should hold {what}")
        for number, value in enumerate(values, start=1):
            if not pattern.fullmatch(value):
                which = f" (number {number} is none)" if len(values) > 1 else ""
                raise ValueError(f"should hold {what}{which}")
        return values

    return AfterValidator(check)


def _workflows(values: tuple[str, ...]) -> tuple[str, ...]:
    if OTHER_WORKFLOW in values:
        raise ValueError(f"can't hold {OTHER_WORKFLOW}: the audit says that of all others")
    return values


_NO_DOMAIN: Final = frozenset("@*/:")


def _domains(values: tuple[str, ...]) -> tuple[str, ...]:
    domains = tuple(value.removeprefix("*").strip("@.").casefold() for value in values)
    if not all("." in domain and _NO_DOMAIN.isdisjoint(domain) for domain in domains):
        raise ValueError("should hold domains such as acme.com")
    return domains


def _fernet_keys(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    for value in values:
        key = value.get_secret_value()
        if not (_FERNET_KEY.fullmatch(key) or _HEX_KEY.fullmatch(key)):
            raise ValueError("should hold keys that `openssl rand -base64 32` makes")
    return values


def _as_fernet(key: str) -> str:
    """A key as Fernet wants it; 64 hexadecimal digits are what Heroku makes."""
    if _HEX_KEY.fullmatch(key):
        return urlsafe_b64encode(bytes.fromhex(key)).decode()
    return key.translate(str.maketrans("+/", "-_"))


def _secrets(value: object) -> object:
    """Secrets with commas between them."""
    return _names(value.get_secret_value() if isinstance(value, SecretStr) else value)


_Secret = Annotated[SecretStr, AfterValidator(_header_safe)]
_Url = Annotated[str, AfterValidator(_url)]
_Port = Annotated[int, Field(ge=0, le=_HIGHEST_PORT)]
_Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
_Users = Annotated[
    _Listed, _all_are(_USER_ID, "user ids such as U0123ABCD, from people's profiles")
]
_Channels = Annotated[
    _Listed, _all_are(_CHANNEL_ID, "channel ids such as C0123ABCD, from the channel's details")
]
_Usergroups = Annotated[
    _Listed, _all_are(_USERGROUP_ID, "user group ids such as S0123ABCD, from the group's address")
]
_Workflows = Annotated[
    _Listed,
    _all_are(_WORKFLOW_NAME, "names of 3 to 80 letters, digits, dots and hyphens"),
    AfterValidator(_workflows),
]


class Settings(BaseModel):
    """Every setting, typed; docs/administration.md says what each means."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    slack_bot_token: Annotated[_Secret, _begins_with("xoxb-")] | None = None
    slack_signing_secret: Annotated[_Secret, AfterValidator(_no_token)] | None = None
    slack_app_token: Annotated[_Secret, _begins_with("xapp-")] | None = None
    slack_api_url: _Url = "https://slack.com/api/"

    fullstory_api_key: _Secret
    fullstory_api_url: _Url = ""
    fullstory_sessions_path: Literal["/sessions/v2", "/v2/sessions"] = "/sessions/v2"
    fullstory_method: Annotated[Literal["GET", "POST"], BeforeValidator(_upper)] = "GET"
    fullstory_timeout_seconds: Annotated[float, Field(gt=0, le=300)] = 10

    sessions_limit: Annotated[int, Field(ge=1, le=100)] = 20
    sessions_max_limit: Annotated[int, Field(ge=1, le=100)] = 100
    answer_budget_seconds: Annotated[float, Field(gt=0, le=2.5)] = 1.5

    support_channels: _Channels = ()
    internal_domains: Annotated[_Listed, AfterValidator(_domains)] = ()
    uid_labels: Annotated[tuple[str, ...], BeforeValidator(_names), AfterValidator(_labels)] = (
        DEFAULT
    )

    replay_at_moment: bool = True
    admin_contact: Annotated[str, AfterValidator(_contact)] = ""

    allowed_users: _Users = ()
    allowed_usergroups: _Usergroups = ()
    allowed_channels: _Channels = ()
    allowed_workflows: _Workflows = ()
    allow_guests: bool = False
    access_contact: Annotated[str, AfterValidator(_contact)] = ""

    database_url: Annotated[SecretStr, AfterValidator(_database)] | None = None
    audit_key: Annotated[tuple[SecretStr, ...], BeforeValidator(_secrets)] = ()
    audit_required: bool = False
    audit_retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None
    auditors: _Users = ()
    button_secret: _Secret | None = None
    state_keys: Annotated[
        tuple[SecretStr, ...], BeforeValidator(_secrets), AfterValidator(_fernet_keys)
    ] = ()

    host: str = "0.0.0.0"  # noqa: S104 - a container's port is reached from outside it
    port: _Port = 3000

    metrics_host: str = "127.0.0.1"
    metrics_port: _Port | None = None

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)] = (
        "INFO"
    )
    log_format: Annotated[Literal["auto", "json", "console"], BeforeValidator(_lower)] = "auto"

    @property
    def fullstory_base_url(self) -> str:
        """Where Fullstory's API is: as set, or by the data centre that the key begins with.

        https://developer.fullstory.com/server/authentication/
        """
        if self.fullstory_api_url:
            return self.fullstory_api_url
        european = self.fullstory_api_key.get_secret_value().startswith("eu1.")
        return "https://api.eu1.fullstory.com" if european else "https://api.fullstory.com"

    @property
    def bot_token(self) -> str:
        """The Slack bot token, or "" where none was asked for."""
        return self.slack_bot_token.get_secret_value() if self.slack_bot_token else ""

    @property
    def database(self) -> str:
        """The database's URL with its password, or "" where there is none."""
        return self.database_url.get_secret_value() if self.database_url else ""

    @property
    def ignored_parameters(self) -> list[str]:
        """The names behind the "?" of the database's address that mean nothing here."""
        names = [one.partition("=")[0] for one in urlsplit(self.database).query.split("&")]
        return [name for name in names if name in IGNORED_PARAMETERS]

    @property
    def audit_keys(self) -> tuple[str, ...]:
        """Keys for the hashes of people; the first one is for what is written now."""
        return tuple(key.get_secret_value() for key in self.audit_key)

    @property
    def fernet_keys(self) -> tuple[str, ...]:
        """Keys for what is owed; the first one is for what is stored now."""
        return tuple(_as_fernet(key.get_secret_value()) for key in self.state_keys)

    @property
    def signing_key(self) -> bytes:
        """What seals the buttons: of its own setting, or else of a secret that seldom changes."""
        chosen = self.button_secret or self.slack_signing_secret or self.slack_app_token
        secret = chosen.get_secret_value() if chosen else self.bot_token
        return hashlib.sha256(f"fsessions buttons {secret}".encode()).digest()

    @property
    def bot_name(self) -> str:
        """The name of this bot in a database that it may share with others.

        It is made of the app's ids in the bot token, which stay when secrets are rotated.
        """
        found = _APP_IN_TOKEN.match(self.bot_token)
        name = found[1] if found else self.bot_token
        return hashlib.sha256(f"fsessions bot {name}".encode()).hexdigest()[:16]

    @property
    def limits(self) -> Limits:
        """How many sessions a person gets unasked, and at most."""
        return Limits(min(self.sessions_limit, self.sessions_max_limit), self.sessions_max_limit)

    @property
    def access_rules(self) -> Rules:
        """Whom the administrator admits, and where."""
        return Rules(
            frozenset(self.allowed_users),
            self.allowed_usergroups,
            frozenset(self.allowed_channels),
            frozenset(self.allowed_workflows),
            self.allow_guests,
        )

    @cached_property
    def labels(self) -> Labels:
        """What names a uid, where people type and in messages."""
        return labels_of(self.uid_labels)

    @property
    def address_was_chosen(self) -> bool:
        """Whether somebody said where to listen, or these are the values that nobody chose."""
        return not {"host", "port"}.isdisjoint(self.model_fields_set)

    @property
    def socket_mode(self) -> bool:
        """Whether Slack is reached by Socket Mode; else it comes to us over HTTP."""
        return self.slack_app_token is not None


_OPENS_IF_MISSED: Final = frozenset(
    {"ALLOWED_USERS", "ALLOWED_USERGROUPS", "ALLOWED_CHANNELS", "ALLOWED_WORKFLOWS", "ALLOW_GUESTS"}
    | {"AUDITORS", "AUDIT_KEY", "AUDIT_REQUIRED", "AUDIT_RETENTION_DAYS"}
)
"""Settings about access and audit. The bot does not start where one of them may be misspelt: it
would let in, or not record, the people that the setting is about."""

NAMES: Final = tuple(name.upper() for name in Settings.model_fields)
"""The names of all settings, as they stand in the environment."""


def load(
    environment: Mapping[str, str] = os.environ,
    file: Path = Path(".env"),
    *,
    for_slack: bool,
    for_fullstory: bool = True,
) -> Settings:
    """The settings from `environment`, and from `file` what is not set there.

    With `for_slack`, what the bot needs to talk with Slack has to be there too; unless
    `for_fullstory`, the key may be missing. An empty value counts as none. Raises `SettingsError`
    with every problem at once.
    """
    given = {**_from_file(file), **environment}
    values = {name.lower(): text for name in NAMES if (text := _plain(given.get(name, "")))}
    if not for_fullstory:
        values.setdefault("fullstory_api_key", "none")
    problems = _missing_for_slack(values) if for_slack else []
    if for_slack:
        problems += [sentence for name, sentence in _misspelt(given) if name in _OPENS_IF_MISSED]
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_sentence(details) for details in error.errors(include_input=False)]
    if (
        settings
        and "sessions_limit" in values
        and settings.sessions_limit > settings.limits.highest
    ):
        problems.append("SESSIONS_LIMIT is above SESSIONS_MAX_LIMIT")
    problems += _needing_others(settings) if settings else []
    if problems or settings is None:
        raise SettingsError(_without_swapped(sorted(problems), values))
    return settings


def _plain(text: str) -> str:
    """A value without white space around it, and without one pair of quotes.

    `docker run --env-file` and `kubectl create secret --from-env-file` keep the quotes of a file.
    """
    text = text.strip()
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return text[1:-1].strip() if is_quoted else text


def _needing_others(settings: Settings) -> list[str]:
    problems = []
    if not settings.database:
        needing = {
            "AUDIT_REQUIRED": settings.audit_required,
            "AUDIT_RETENTION_DAYS": settings.audit_retention_days,
            "AUDITORS": settings.auditors,
            "STATE_KEYS": settings.state_keys,
        }
        problems += [f"{name} needs a DATABASE_URL" for name, is_set in needing.items() if is_set]
    serves = "port" in settings.model_fields_set or not settings.socket_mode
    if serves and settings.metrics_port and settings.metrics_port == settings.port:
        problems.append("METRICS_PORT and PORT are the same: give each a port of its own")
    if settings.auditors and not settings.audit_key:
        problems.append("AUDITORS needs an AUDIT_KEY: without it, nobody can be found")
    if settings.fullstory_method == "POST" and settings.fullstory_sessions_path != "/sessions/v2":
        problems.append("FULLSTORY_METHOD=POST needs FULLSTORY_SESSIONS_PATH=/sessions/v2")
    return problems


def misspelt(environment: Mapping[str, str] = os.environ, file: Path = Path(".env")) -> list[str]:
    """Return names that are set and look like those of settings, with what may have been meant.

    Those that `load` refuses are left out.
    """
    try:
        given = {**_from_file(file), **environment}
    except SettingsError:  # no names can be read there
        return []
    return [sentence for name, sentence in _misspelt(given) if name not in _OPENS_IF_MISSED]


def _misspelt(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the settings that may have been meant, each with a sentence."""
    others = sorted(name for name in set(given) - set(NAMES) if given[name].strip())
    meant = ((name, _meant_by(name.upper())) for name in others)
    return [(close, f"{name} is no setting; is it {close}?") for name, close in meant if close]


def _meant_by(name: str) -> str:
    """Return the setting that a name is close to, or whose words it has in another order."""
    if close := get_close_matches(name, NAMES, 1, cutoff=0.85):
        return close[0]
    words = _words(name) - {"SLACK", "FSESSION", "BOT"}
    return next((one for one in sorted(_OPENS_IF_MISSED) if _words(one) == words), "")


def _words(name: str) -> set[str]:
    """Return the words of a name in one form, so that `ALLOWED_GROUP` is `ALLOWED_USERGROUPS`."""
    alike = {"ALLOWED": "ALLOW", "GROUP": "USERGROUP", "REQUIRE": "REQUIRED"}
    words = [word.removesuffix("S") for word in name.split("_")]
    return {alike.get(word, word) for word in words}


def _from_file(file: Path) -> dict[str, str]:
    try:
        if file.is_file() and file.stat().st_size > _LARGEST_FILE:
            raise SettingsError([f"{file.name} is far too large for a file of settings"])
        if file.is_file() and b"\0" in file.read_bytes():  # UTF-16 without a mark
            raise SettingsError([f"{file.name} {_NOT_UTF_8}"])
        return {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    except (OSError, UnicodeDecodeError):
        raise SettingsError([f"{file.name} {_NOT_UTF_8}"]) from None


def _without_swapped(problems: list[str], values: Mapping[str, str]) -> list[str]:
    """The problems, with one sentence for two tokens that stand in each other's place."""
    names = ("SLACK_APP_TOKEN", "SLACK_BOT_TOKEN")
    begins = {name: values.get(name.lower(), "")[:5] for name in names}
    if begins != {"SLACK_APP_TOKEN": "xoxb-", "SLACK_BOT_TOKEN": "xapp-"}:
        return problems
    others = [one for one in problems if not one.startswith(names)]
    return [*others, "SLACK_APP_TOKEN and SLACK_BOT_TOKEN are swapped"]


def _missing_for_slack(values: Mapping[str, str]) -> list[str]:
    problems = []
    if "slack_bot_token" not in values:
        problems.append("SLACK_BOT_TOKEN is missing: the Bot User OAuth Token, xoxb-…")
    if "slack_signing_secret" not in values and "slack_app_token" not in values:
        problems.append(
            "SLACK_SIGNING_SECRET is missing (or set SLACK_APP_TOKEN, xapp-…, for Socket Mode)"
        )
    return problems


def _sentence(details: Any) -> str:  # noqa: ANN401 - pydantic's ErrorDetails
    """One problem, without the value that was given."""
    name = str(details["loc"][0]).upper()
    context = details.get("ctx", {})
    match details["type"]:
        case "missing":
            return (
                f"{name} is missing: {_WHERE}"
                if name == "FULLSTORY_API_KEY"
                else f"{name} is missing"
            )
        case "value_error":
            return f"{name} {context['error']}"
        case "literal_error":
            return f"{name} should be {context['expected']}"
        case "bool_parsing" | "bool_type":
            return f"{name} should be true or false"
        case "int_parsing" | "int_from_float":
            return f"{name} should be a whole number"
        case "float_parsing" | "finite_number":
            return f"{name} should be a number"
        case "greater_than":
            return f"{name} should be more than {context['gt']:g}"
        case "greater_than_equal":
            return f"{name} should be {context['ge']} or more"
        case "less_than_equal":
            return f"{name} should be {context['le']:g} or less"
        case _:
            return f"{name} can't be used"
