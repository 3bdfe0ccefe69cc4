"""Loads the settings from the environment and `.env`, and reports every problem at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from dotenv import dotenv_values
from pydantic import ValidationError

from bot.errors import SettingsError
from bot.settings import NAMES, Settings

_RESTRICTING: Final = frozenset(
    {"ALLOWED_USERS", "ALLOWED_USERGROUPS", "ALLOWED_CHANNELS", "ALLOWED_WORKFLOWS", "ALLOW_GUESTS"}
    | {"AUDITORS", "AUDIT_KEY", "AUDIT_REQUIRED", "AUDIT_RETENTION_DAYS"}
)
"""Settings about access and audit. The bot doesn't start if one may be misspelled: it would admit
people, or not record them."""

_EARLIER: Final = {
    "ACCESS_CONTACT": "use ADMIN_CONTACT",
    "BUTTON_SECRET": "use SECRET_KEYS",
    "LOG_FORMAT": "logs are text on a terminal, otherwise JSON",
    "METRICS_HOST": "use HOST",
    "SESSIONS_MAX_LIMIT": "people can ask for 100 at most",
    "STATE_KEYS": "use SECRET_KEYS",
}
"""Settings that were removed, and what to do instead. They have no effect."""

_MAX_FILE: Final = 64 * 1024  # bytes
_NOT_UTF_8: Final = "can't be read as UTF-8: save it with that encoding"
_WHERE: Final = "in Fullstory, Settings → Integrations & API Keys"


def load(
    environment: Mapping[str, str] = os.environ,
    file: Path = Path(".env"),
    *,
    for_slack: bool,
    for_fullstory: bool = True,
) -> Settings:
    """Load the settings from `environment`, and from `file` what is not set there.

    With `for_slack`, Slack's settings are required; without `for_fullstory`, its key may be
    missing. An empty value counts as missing. Raises `SettingsError` with every problem.
    """
    given = {**_from_file(file), **environment}
    values = {name.lower(): text for name in NAMES if (text := _plain(given.get(name, "")))}
    if not for_fullstory:
        values.setdefault("fullstory_api_key", "none")
    problems = _missing_for_slack(values) if for_slack else []
    if for_slack:
        problems += [sentence for name, sentence in _misspelled(given) if name in _RESTRICTING]
    settings = None
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_sentence(details) for details in error.errors(include_input=False)]
    problems += _needing_others(settings) if settings else []
    if problems or settings is None:
        raise SettingsError(_without_swapped(sorted(problems), values))
    return settings


def _plain(text: str) -> str:
    """Remove white space and one pair of quotes around a value.

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
        }
        problems += [f"{name} needs a DATABASE_URL" for name, is_set in needing.items() if is_set]
    serves = "port" in settings.model_fields_set or not settings.socket_mode
    if serves and settings.metrics_port and settings.metrics_port == settings.port:
        problems.append("METRICS_PORT and PORT are the same: use different ports")
    if settings.auditors and not settings.audit_key:
        problems.append("AUDITORS needs an AUDIT_KEY: without it, people can't be found")
    if settings.fullstory_method == "POST" and settings.fullstory_sessions_path != "/sessions/v2":
        problems.append("FULLSTORY_METHOD=POST needs FULLSTORY_SESSIONS_PATH=/sessions/v2")
    return problems


def misspelled(environment: Mapping[str, str] = os.environ, file: Path = Path(".env")) -> list[str]:
    """Return a sentence for each name that is close to a setting's or was one.

    Those that `load` refuses are left out.
    """
    try:
        given = {**_from_file(file), **environment}
    except SettingsError:  # the file is not readable
        return []
    return [sentence for name, sentence in _misspelled(given) if name not in _RESTRICTING]


def _misspelled(given: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the settings that may be meant, each with a sentence."""
    found = []
    for name in sorted(name for name in set(given) - set(NAMES) if given[name].strip()):
        if instead := _EARLIER.get(name):
            found.append((name, f"{name} is not a setting anymore: {instead}"))
        elif close := _meant_by(name.upper()):
            found.append((close, f"{name} is not a setting; did you mean {close}?"))
    return found


def _meant_by(name: str) -> str:
    """Return the setting that is close to a name, or has the same words in another order."""
    if close := get_close_matches(name, NAMES, 1, cutoff=0.85):
        return close[0]
    words = _words(name) - {"SLACK", "FSESSION", "BOT"}
    return next((one for one in sorted(_RESTRICTING) if _words(one) == words), "")


def _words(name: str) -> set[str]:
    """Return the words of a name in one form, so that `ALLOWED_GROUP` is `ALLOWED_USERGROUPS`."""
    alike = {"ALLOWED": "ALLOW", "GROUP": "USERGROUP", "REQUIRE": "REQUIRED"}
    words = [word.removesuffix("S") for word in name.split("_")]
    return {alike.get(word, word) for word in words}


def _from_file(file: Path) -> dict[str, str]:
    try:
        if file.is_file() and file.stat().st_size > _MAX_FILE:
            raise SettingsError([f"{file.name} is too large for a file of settings"])
        if file.is_file() and b"\0" in file.read_bytes():  # UTF-16 without a byte order mark
            raise SettingsError([f"{file.name} {_NOT_UTF_8}"])
        return {name: value or "" for name, value in dotenv_values(file, interpolate=False).items()}
    except (OSError, UnicodeDecodeError):
        raise SettingsError([f"{file.name} {_NOT_UTF_8}"]) from None


def _without_swapped(problems: list[str], values: Mapping[str, str]) -> list[str]:
    """Replace the problems of two swapped tokens with one sentence."""
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
    """Return the sentence for a problem, without the value."""
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
