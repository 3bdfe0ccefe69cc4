"""The types of settings: each checks a value, and its error says what the value should be.

No error contains the value.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from bot.core.access import OTHER_WORKFLOW
from bot.core.labels import RESERVED

_CHANNEL_ID: Final = re.compile(r"[CG][A-Z0-9]{2,}")
_USER_ID: Final = re.compile(r"[UW][A-Z0-9]{2,}")
_USERGROUP_ID: Final = re.compile(r"S[A-Z0-9]{2,}")
_WORKFLOW_NAME: Final = re.compile(r"[\w.-]{3,80}")
_LABEL: Final = re.compile(r"[^\W_](?:[\w .#-]{0,38}[\w.])?")
_MENTIONED: Final = re.compile(r"(?:<?[@#])?(?P<id>[UWCG](?=[A-Z]*\d)[A-Z0-9]{4,})(?:\|[^<>]*)?>?")
_MIN_KEY: Final = 32  # characters
_MAX_CONTACT: Final = 200
_MAX_PORT: Final = 65_535
_UNREADABLE: Final = (
    "can't be read. In a password, write @ / : # ? % as %40 %2F %3A %23 %3F %25, or change it"
)
IGNORED_PARAMETERS: Final = frozenset(
    {"connection_limit", "pgbouncer", "pool_timeout", "prepared_statements", "schema"}
    | {"single_use_connections", "socket_timeout", "statement_cache_size"}
)
"""Parameters of a database's URL that Prisma and hosted poolers use, and that mean nothing here."""

_PARAMETER: Final = re.compile(r"[A-Za-z_]{2,40}")
_HOST: Final = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|[^:\[\]]*)(?::\d{0,5})?")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _header_safe(secret: SecretStr) -> SecretStr:
    value = secret.get_secret_value()
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("contains a character that no key has; copy it again")
    return secret


def _begins_with(prefix: str) -> AfterValidator:
    def check(secret: SecretStr) -> SecretStr:
        if not secret.get_secret_value().startswith(prefix):
            raise ValueError(f"should begin with {prefix}")
        return secret

    return AfterValidator(check)


def _not_a_token(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value().startswith(("xoxb-", "xoxp-", "xapp-")):
        raise ValueError("is a token; the secret is under “Basic Information”")
    return secret


def _url(value: str) -> str:
    """Check a URL, and remove the slash at its end. Plain http is only for this machine."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port  # each raises if it is invalid
    except ValueError:
        raise ValueError("should be a URL such as https://api.example.com") from None
    plain = not (parts.query or parts.fragment or "@" in parts.netloc)
    if not host or parts.scheme not in ("https", "http") or not plain:
        raise ValueError("should be a URL such as https://api.example.com")
    if parts.scheme == "http" and not _is_this_machine(host):
        raise ValueError("should begin with https://, so that keys and answers are encrypted")
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
        raise ValueError(f"has the unknown parameter {names}; remove what follows the “?”")
    return secret


def _unknown_parameters(query: str) -> list[str]:
    """Return the parameters that neither libpq nor other tools know."""
    names = [name for name, _, _ in (one.partition("=") for one in query.split("&")) if name]
    if not names:
        return []
    from psycopg.pq import Conninfo

    known = {option.keyword.decode() for option in Conninfo.get_defaults()}
    others = [name for name in names if name not in known | IGNORED_PARAMETERS]
    return [name if _PARAMETER.fullmatch(name) else "(unreadable)" for name in others]


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _listed(value: object) -> object:
    """Split values at commas or spaces."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _names(value: object) -> object:
    """Split names, which may contain spaces, at commas."""
    if not isinstance(value, str):
        return value
    return [name.strip() for name in value.split(",") if name.strip()]


def _labels(values: tuple[str, ...]) -> tuple[str, ...]:
    if not all(_LABEL.fullmatch(value) for value in values):
        raise ValueError("should be labels such as user id, account number")
    if reserved := RESERVED.intersection(value.lower() for value in values):
        raise ValueError(f"can't contain {', '.join(sorted(reserved))}: that means something else")
    return values


def _contact(value: str) -> str:
    """Return a sentence, or a mention if it is an id of Slack."""
    value = " ".join(value.split())
    if len(value) > _MAX_CONTACT:
        raise ValueError(f"should be a sentence of at most {_MAX_CONTACT} characters")
    if found := _MENTIONED.fullmatch(value):
        return f"<{'#' if found['id'][0] in 'CG' else '@'}{found['id']}>"
    return value


def _all_are(pattern: re.Pattern[str], what: str) -> AfterValidator:
    def check(values: tuple[str, ...]) -> tuple[str, ...]:
        if not values:
            raise ValueError(f"has no id; it should be {what}")
        for number, value in enumerate(values, start=1):
            if not pattern.fullmatch(value):
                which = f" (number {number} isn't)" if len(values) > 1 else ""
                raise ValueError(f"should be {what}{which}")
        return values

    return AfterValidator(check)


def _workflows(values: tuple[str, ...]) -> tuple[str, ...]:
    if OTHER_WORKFLOW in values:
        raise ValueError(f"can't contain {OTHER_WORKFLOW}: the audit calls all others so")
    return values


_NO_DOMAIN: Final = frozenset("@*/:")


def _domains(values: tuple[str, ...]) -> tuple[str, ...]:
    domains = tuple(value.removeprefix("*").strip("@.").casefold() for value in values)
    if not all("." in domain and _NO_DOMAIN.isdisjoint(domain) for domain in domains):
        raise ValueError("should be domains such as acme.com")
    return domains


def _long_enough(values: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
    if any(len(value.get_secret_value()) < _MIN_KEY for value in values):
        raise ValueError("should be keys from `openssl rand -base64 32`")
    return values


def _secrets(value: object) -> object:
    """Split secrets at commas."""
    return _names(value.get_secret_value() if isinstance(value, SecretStr) else value)


Secret = Annotated[SecretStr, AfterValidator(_header_safe)]
Url = Annotated[str, AfterValidator(_url)]
Port = Annotated[int, Field(ge=0, le=_MAX_PORT)]
Listed = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Users = Annotated[Listed, _all_are(_USER_ID, "user ids such as U0123ABCD, from people's profiles")]
Channels = Annotated[
    Listed, _all_are(_CHANNEL_ID, "channel ids such as C0123ABCD, from the channel's details")
]
Usergroups = Annotated[
    Listed, _all_are(_USERGROUP_ID, "user group ids such as S0123ABCD, from the group's URL")
]
Workflows = Annotated[
    Listed,
    _all_are(_WORKFLOW_NAME, "names of 3 to 80 letters, digits, dots and hyphens"),
    AfterValidator(_workflows),
]
BotToken = Annotated[Secret, _begins_with("xoxb-")]
AppToken = Annotated[Secret, _begins_with("xapp-")]
SigningSecret = Annotated[Secret, AfterValidator(_not_a_token)]
Domains = Annotated[Listed, AfterValidator(_domains)]
UidLabels = Annotated[tuple[str, ...], BeforeValidator(_names), AfterValidator(_labels)]
Contact = Annotated[str, AfterValidator(_contact)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database)]
Secrets = Annotated[tuple[SecretStr, ...], BeforeValidator(_secrets)]
SecretKeys = Annotated[Secrets, AfterValidator(_long_enough)]
Upper = BeforeValidator(_upper)
