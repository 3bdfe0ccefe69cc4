"""Settings: what is read, what is refused, what never shows."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet

from bot.core.query import Limits
from bot.errors import SettingsError
from bot.settings import Settings
from bot.settings.loading import load, misspelled
from bot.store.engine import shown as shown_database
from bot.store.engine import url_of

SECRET = "na1.s3cr3t/with.dots"
ENOUGH = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_SIGNING_SECRET": "signing",
    "FULLSTORY_API_KEY": SECRET,
}
NO_FILE = Path("/nonexistent/.env")


def problems(environment: dict[str, str], *, for_slack: bool = True) -> tuple[str, ...]:
    """Return what `load` has to say about it."""
    with pytest.raises(SettingsError) as caught:
        load(environment, NO_FILE, for_slack=for_slack)
    return caught.value.problems


def test_defaults() -> None:
    """As the design's table has them."""
    settings = load(ENOUGH, NO_FILE, for_slack=True)
    assert settings.slack_api_url == "https://slack.com/api/"
    assert settings.fullstory_base_url == "https://api.fullstory.com"
    assert settings.fullstory_sessions_path == "/sessions/v2"
    assert settings.fullstory_timeout_seconds == 10
    assert settings.limits == Limits(20, 100)
    assert settings.answer_budget_seconds == 1.5
    assert (settings.host, settings.port) == ("0.0.0.0", 3000)  # noqa: S104
    assert settings.log_level == "INFO"
    assert not settings.socket_mode


@pytest.mark.parametrize(
    ("key", "url"),
    [
        ("eu1.abc", "https://api.eu1.fullstory.com"),
        ("na1.abc", "https://api.fullstory.com"),
        ("eu1abc", "https://api.fullstory.com"),
        ("abc", "https://api.fullstory.com"),
    ],
)
def test_data_centre_by_the_key(key: str, url: str) -> None:
    """Unless FULLSTORY_API_URL says otherwise."""
    given = ENOUGH | {"FULLSTORY_API_KEY": key}
    assert load(given, NO_FILE, for_slack=True).fullstory_base_url == url
    given["FULLSTORY_API_URL"] = "https://relay.example.com/fs/"
    assert load(given, NO_FILE, for_slack=True).fullstory_base_url == "https://relay.example.com/fs"


def test_channels_and_domains() -> None:
    """With commas or spaces between them, however an administrator writes a domain."""
    given = {"SUPPORT_CHANNELS": "C0ABC, G0DEF", "INTERNAL_DOMAINS": "@Acme.com acme.example,"}
    settings = load(ENOUGH | given, NO_FILE, for_slack=True)
    assert settings.support_channels == ("C0ABC", "G0DEF")
    assert settings.internal_domains == ("acme.com", "acme.example")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SUPPORT_CHANNELS", "#support"),
        ("SUPPORT_CHANNELS", "C0ABC,support"),
        ("INTERNAL_DOMAINS", "acme"),
        ("INTERNAL_DOMAINS", "sam@acme.com"),
    ],
)
def test_channels_and_domains_of_odd_form(name: str, value: str) -> None:
    """A name of a channel, an address: the sentence says what it should be."""
    (problem,) = problems(ENOUGH | {name: value})
    assert problem.startswith(f"{name} should be")
    assert "such as" in problem


def test_environment_wins_over_file(tmp_path: Path) -> None:
    """And an empty value counts as none."""
    file = tmp_path / ".env"
    file.write_text("FULLSTORY_API_KEY=from-$b${HOME}-file\nPORT=1\nHOST='::1'\nSLACK_APP_TOKEN=\n")
    settings = load({"PORT": "2", "LOG_LEVEL": " "}, file, for_slack=False)
    assert settings.fullstory_api_key.get_secret_value() == "from-$b${HOME}-file"
    assert (settings.port, settings.host) == (2, "::1")
    assert not settings.socket_mode


def test_file_that_is_no_text(tmp_path: Path) -> None:
    """One sentence, no traceback."""
    file = tmp_path / ".env"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="can't be read"):
        load({}, file, for_slack=False)


def test_every_problem_at_once() -> None:
    """No one should have to start the bot five times."""
    given = {
        "SLACK_BOT_TOKEN": "xapp-swapped",
        "FULLSTORY_API_URL": "api.fullstory.com",
        "FULLSTORY_SESSIONS_PATH": "/sessions",
        "FULLSTORY_TIMEOUT_SECONDS": "0",
        "SESSIONS_LIMIT": "many",
        "ANSWER_BUDGET_SECONDS": "3",
        "PORT": "65536",
        "LOG_LEVEL": "LOUD",
    }
    assert problems(given) == (
        "ANSWER_BUDGET_SECONDS should be 2.5 or less",
        "FULLSTORY_API_KEY is missing: in Fullstory, Settings → Integrations & API Keys",
        "FULLSTORY_API_URL should be a URL such as https://api.example.com",
        "FULLSTORY_SESSIONS_PATH should be '/sessions/v2' or '/v2/sessions'",
        "FULLSTORY_TIMEOUT_SECONDS should be more than 0",
        "LOG_LEVEL should be 'DEBUG', 'INFO', 'WARNING' or 'ERROR'",
        "PORT should be 65535 or less",
        "SESSIONS_LIMIT should be a whole number",
        "SLACK_BOT_TOKEN should begin with xoxb-",
        "SLACK_SIGNING_SECRET is missing (or set SLACK_APP_TOKEN, xapp-…, for Socket Mode)",
    )


def test_settings_that_need_others() -> None:
    """Said at once, with what is missing."""
    given = {
        "AUDIT_REQUIRED": "true",
        "AUDIT_RETENTION_DAYS": "30",
        "AUDITORS": "U0123",
        "FULLSTORY_METHOD": "post",
        "FULLSTORY_SESSIONS_PATH": "/v2/sessions",
        "METRICS_PORT": "3000",
    }
    assert problems(ENOUGH | given) == (
        "AUDITORS needs a DATABASE_URL",
        "AUDITORS needs an AUDIT_KEY: without it, people can't be found",
        "AUDIT_REQUIRED needs a DATABASE_URL",
        "AUDIT_RETENTION_DAYS needs a DATABASE_URL",
        "FULLSTORY_METHOD=POST needs FULLSTORY_SESSIONS_PATH=/sessions/v2",
        "METRICS_PORT and PORT are the same: use different ports",
    )


def test_keys_to_sign_and_encrypt_with() -> None:
    """In base64 or hexadecimal; each makes a key for buttons and another for stored data."""
    given = ENOUGH | {"SECRET_KEYS": f"{'+/' * 21}w=,{'0f' * 32}"}
    loaded = load(given, NO_FILE, for_slack=True)
    for key in loaded.fernet_keys:
        Fernet(key)
    assert len({*loaded.fernet_keys, *loaded.signing_keys}) == 4
    assert problems(ENOUGH | {"SECRET_KEYS": "short"}) == (
        "SECRET_KEYS should be keys from `openssl rand -base64 32`",
    )


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite://x.db"])
def test_databases_that_are_no_file(url: str) -> None:
    """What is kept in memory is kept by no one."""
    (said,) = problems(ENOUGH | {"DATABASE_URL": url})
    assert "should name a file" in said or "should begin with" in said


@pytest.mark.parametrize(
    "password", ["p@ss:hunter2/x", "hunter2/topsecret", "p@hunter2/x", "hunter2#x"]
)
def test_passwords_with_special_characters(password: str) -> None:
    """What can't be told apart is refused, with what to do, and is not shown."""
    (said,) = problems(ENOUGH | {"DATABASE_URL": f"postgresql://u:{password}@127.0.0.1/db"})
    assert "%40" in said
    assert "hunter2" not in said
    encoded = quote(password, safe="")
    assert load(
        ENOUGH | {"DATABASE_URL": f"postgresql://u:{encoded}@127.0.0.1/db?sslmode=require"},
        NO_FILE,
        for_slack=True,
    )


def test_lists_of_ids() -> None:
    """With commas or spaces."""
    given = {"ALLOWED_USERS": "U0123, W0456", "ALLOWED_USERGROUPS": "S01 S02", "AUDIT_KEY": "a, b"}
    settings = load(ENOUGH | given, NO_FILE, for_slack=True)
    assert settings.allowed_users == ("U0123", "W0456")
    assert settings.allowed_usergroups == ("S01", "S02")
    assert settings.audit_keys == ("a", "b")
    assert settings.access_rules.users == {"U0123", "W0456"}


def test_secrets_of_the_database_never_show() -> None:
    """Neither its password nor the keys."""
    password = quote(SECRET, safe="")
    given = {"DATABASE_URL": f"postgres://u:{password}@h/d", "AUDIT_KEY": f"{SECRET},{SECRET}"}
    settings = load(ENOUGH | given, NO_FILE, for_slack=True)
    for shown in (repr(settings), str(settings)):
        assert SECRET not in shown
        assert password not in shown
    assert settings.database.endswith("@h/d")


def test_what_the_keys_are_derived_from() -> None:
    """Their own setting, otherwise the signing secret; the bot token may change."""
    usual = load(ENOUGH, NO_FILE, for_slack=True)
    other_token = load(ENOUGH | {"SLACK_BOT_TOKEN": "xoxb-2"}, NO_FILE, for_slack=True)
    assert usual.signing_keys == other_token.signing_keys
    assert usual.fernet_keys == other_token.fernet_keys
    other_secret = load(ENOUGH | {"SLACK_SIGNING_SECRET": "2"}, NO_FILE, for_slack=True)
    assert usual.signing_keys != other_secret.signing_keys
    own = ENOUGH | {"SECRET_KEYS": "k" * 32}
    loaded = load(own, NO_FILE, for_slack=True)
    other_secret = load(own | {"SLACK_SIGNING_SECRET": "2"}, NO_FILE, for_slack=True)
    assert loaded.signing_keys == other_secret.signing_keys
    assert loaded.fernet_keys == other_secret.fernet_keys


def test_what_a_terminal_lookup_needs() -> None:
    """The Fullstory key, and nothing of Slack's."""
    assert load({"FULLSTORY_API_KEY": SECRET}, NO_FILE, for_slack=False)
    assert problems({}, for_slack=False)[0].startswith("FULLSTORY_API_KEY is missing")


def test_socket_mode_needs_no_signing_secret() -> None:
    """The app token chooses the transport."""
    given = {"SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1", "FULLSTORY_API_KEY": SECRET}
    assert load(given, NO_FILE, for_slack=True).socket_mode


def test_settings_that_were_removed_are_named() -> None:
    """The bot starts, and its log says what to use instead."""
    given = ENOUGH | {"STATE_KEYS": "x", "ACCESS_CONTACT": "U0123", "LOG_FORMAT": "json"}
    load(given, NO_FILE, for_slack=True)
    assert misspelled(given, NO_FILE) == [
        "ACCESS_CONTACT is not a setting anymore: use ADMIN_CONTACT",
        "LOG_FORMAT is not a setting anymore: logs are text on a terminal, otherwise JSON",
        "STATE_KEYS is not a setting anymore: use SECRET_KEYS",
    ]


def test_where_the_metrics_are() -> None:
    """Only for this machine, unless the bot's own address is set, as in a container."""
    assert load(ENOUGH, NO_FILE, for_slack=True).metrics_host == "127.0.0.1"
    assert load(ENOUGH | {"HOST": "::"}, NO_FILE, for_slack=True).metrics_host == "::"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("FULLSTORY_API_URL", "http://api.example.com", "should begin with https://"),
        ("FULLSTORY_API_URL", "https://user:word@api.example.com", "should be a URL"),
        ("FULLSTORY_API_URL", "https://api.example.com:x", "should be a URL"),
        ("FULLSTORY_API_URL", "https://[", "should be a URL"),
        ("SLACK_API_URL", "ftp://slack.com", "should be a URL"),
        ("FULLSTORY_API_KEY", "a b", "copy it again"),
        ("FULLSTORY_API_KEY", "a\nb", "copy it again"),
        ("FULLSTORY_API_KEY", "ключ", "copy it again"),
        ("FULLSTORY_TIMEOUT_SECONDS", "nan", "should be"),
        ("FULLSTORY_TIMEOUT_SECONDS", "inf", "should be"),
        ("SESSIONS_LIMIT", "2.5", "should be a whole number"),
        ("SESSIONS_LIMIT", "0", "should be 1 or more"),
        ("ALLOWED_USERS", "jane", "should be user ids"),
        ("ALLOWED_USERGROUPS", "@support", "should be user group ids"),
        ("ALLOWED_CHANNELS", "#support", "should be channel ids"),
        ("ALLOWED_WORKFLOWS", "ab", "should be names"),
        ("AUDITORS", "C0123", "should be user ids"),
        ("ALLOWED_USERS", "U0123,@jane", "number 2 isn't"),
        ("ALLOWED_USERS", " ,, ", "has no id"),
        ("ALLOW_GUESTS", "perhaps", "should be true or false"),
        ("DATABASE_URL", "mysql://host/x", "should begin with"),
    ],
)
def test_one_problem(name: str, value: str, problem: str) -> None:
    """Named, and without the value."""
    (said,) = problems(ENOUGH | {name: value})
    assert said.startswith(name)
    assert problem in said
    assert value not in said


@pytest.mark.parametrize("url", ["http://localhost:8080", "http://127.0.0.2:1/", "http://[::1]:2"])
def test_plain_http_on_this_machine(url: str) -> None:
    """For stand-ins and relays beside the bot."""
    assert load(ENOUGH | {"FULLSTORY_API_URL": url}, NO_FILE, for_slack=True)


def test_level_and_format_in_any_case() -> None:
    """`LOG_LEVEL=debug` is what people write."""
    settings = load(ENOUGH | {"LOG_LEVEL": "debug"}, NO_FILE, for_slack=True)
    assert settings.log_level == "DEBUG"


def test_secrets_never_show() -> None:
    """Not in a repr, not in an error."""
    settings = load(ENOUGH, NO_FILE, for_slack=True)
    assert SECRET not in repr(settings) + str(settings)
    with pytest.raises(SettingsError) as caught:
        load(ENOUGH | {"FULLSTORY_API_KEY": f"{SECRET} x", "PORT": "x"}, NO_FILE, for_slack=True)
    assert SECRET not in repr(caught.value) + str(caught.value)


def test_settings_can_not_be_changed() -> None:
    """Read once, the same for everyone."""
    settings = load(ENOUGH, NO_FILE, for_slack=True)
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 1  # type: ignore[misc]
    assert isinstance(settings, Settings)


@pytest.mark.parametrize("written", ["acme.com", "@Acme.com", "*.acme.com", ".acme.com"])
def test_domains(written: str) -> None:
    """In each way in which people write "all of it"."""
    settings = load(ENOUGH | {"INTERNAL_DOMAINS": written}, NO_FILE, for_slack=True)
    assert settings.internal_domains == ("acme.com",)


@pytest.mark.parametrize("written", ["*", "ac*me.com", "https://acme.com", "acme.com:443"])
def test_no_domains(written: str) -> None:
    """What would match nothing is refused."""
    with pytest.raises(SettingsError) as caught:
        load(ENOUGH | {"INTERNAL_DOMAINS": written}, NO_FILE, for_slack=True)
    assert caught.value.problems[0].startswith("INTERNAL_DOMAINS")


@pytest.mark.parametrize("quote", ['"', "'"])
def test_quotes_and_white_space_around_values(quote: str) -> None:
    """`docker run --env-file` and `kubectl create secret --from-env-file` keep both."""
    given = {name: f" {quote}{value}{quote}\n" for name, value in ENOUGH.items()}
    given |= {"DATABASE_URL": "sqlite:///audit.db\n", "PORT": f"{quote}1234{quote}"}
    settings = load(given, NO_FILE, for_slack=True)
    assert settings.fullstory_api_key.get_secret_value() == SECRET
    assert (settings.port, settings.database) == (1234, "sqlite:///audit.db")
    assert settings.bot_token == ENOUGH["SLACK_BOT_TOKEN"]


def test_a_quote_without_its_pair_stays() -> None:
    """It may be a part of a password."""
    for value in ("'secret", 'secret"', "'secret\"", "'"):
        loaded = load(ENOUGH | {"FULLSTORY_API_KEY": value}, NO_FILE, for_slack=True)
        assert loaded.fullstory_api_key.get_secret_value() == value


POSTGRES = "postgresql://u:p@host/db"


@pytest.mark.parametrize("name", ["pgbouncer=true", "schema=public", "connection_limit=1"])
def test_parameters_of_other_tools(name: str) -> None:
    """Neon, Supabase and Prisma put them into addresses: they are left out, and said."""
    url = f"{POSTGRES}?sslmode=require&{name}"
    settings = load(ENOUGH | {"DATABASE_URL": url}, NO_FILE, for_slack=True)
    assert settings.ignored_parameters == [name.partition("=")[0]]
    assert dict(url_of(settings.database).query) == {"sslmode": "require"}


@pytest.mark.parametrize(
    ("query", "named"), [("sslmod=require", "sslmod"), ("ab=1&b c=2", "ab, (unreadable)")]
)
def test_parameters_that_no_one_knows(query: str, named: str) -> None:
    """A typo in one about TLS must not pass."""
    (problem,) = problems(ENOUGH | {"DATABASE_URL": f"{POSTGRES}?{query}"})
    assert problem.startswith(f"DATABASE_URL has the unknown parameter {named}")


def test_several_hosts() -> None:
    """As libpq takes them; each with its port."""
    url = "postgresql://u:p@host1:123,host2:456/db?target_session_attrs=any"
    settings = load(ENOUGH | {"DATABASE_URL": url}, NO_FILE, for_slack=True)
    made = url_of(settings.database)
    assert (made.query["host"], made.query["port"]) == ("host1,host2", "123,456")
    assert made.query["target_session_attrs"] == "any"
    assert (made.username, made.database) == ("u", "db")
    assert shown_database(url) == "db at host1:123, host2:456"
    assert problems(ENOUGH | {"DATABASE_URL": "postgresql://u:p@host1:x,host2/db"})
    for odd in ("postgresql://h1,h2/db", "postgresql://u@[::1]:1,[::2]:2/db"):
        arguments = url_of(odd).get_dialect()().create_connect_args(url_of(odd))[1]
        assert arguments["host"] in ("h1,h2", "::1,::2")


def test_a_file_in_utf_16(tmp_path: Path) -> None:
    """Without a mark at its beginning it is valid UTF-8, with a NUL behind each letter."""
    file = tmp_path / ".env"
    file.write_bytes("FULLSTORY_API_KEY=x".encode("utf-16-le"))
    with pytest.raises(SettingsError, match="UTF-8"):
        load({}, file, for_slack=False)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ALLOWED_USER", "ALLOWED_USERS"),
        ("ALLOWED_GROUPS", "ALLOWED_USERGROUPS"),
        ("ALOWED_CHANNELS", "ALLOWED_CHANNELS"),
        ("AUDIT_REQIRED", "AUDIT_REQUIRED"),
        ("AUDITOR", "AUDITORS"),
        ("allowed_users", "ALLOWED_USERS"),
        ("ALLOWED_GROUP", "ALLOWED_USERGROUPS"),
        ("SLACK_ALLOWED_USERS", "ALLOWED_USERS"),
        ("ALLOWED_SLACK_USERS", "ALLOWED_USERS"),
        ("REQUIRE_AUDIT", "AUDIT_REQUIRED"),
    ],
)
def test_a_slip_in_a_setting_about_access_or_audit(name: str, meant: str) -> None:
    """The bot would be open to everyone, or record nothing: it does not start."""
    assert problems(ENOUGH | {name: "U0999"}) == (
        f"{name} is not a setting; did you mean {meant}?",
    )


def test_other_slips_are_no_reason_not_to_start() -> None:
    """They are said in the log."""
    given = ENOUGH | {"SUPPORT_CHANNEL": "C0123", "ALLOWED_HOSTS": "x", "ALLOWED_USER": ""}
    load(given, NO_FILE, for_slack=True)
    assert misspelled(given, NO_FILE) == [
        "SUPPORT_CHANNEL is not a setting; did you mean SUPPORT_CHANNELS?"
    ]


def test_swapped_tokens() -> None:
    """One sentence, where each would have its own."""
    swapped = {"SLACK_BOT_TOKEN": "xapp-1", "SLACK_APP_TOKEN": "xoxb-1"}
    assert problems(ENOUGH | swapped) == ("SLACK_APP_TOKEN and SLACK_BOT_TOKEN are swapped",)


def test_the_bots_name_survives_rotated_secrets() -> None:
    """It is of the app: what is pending under it is found by the next process."""
    token = {"SLACK_BOT_TOKEN": "xoxb-123-456-secret"}
    name = load(ENOUGH | token, NO_FILE, for_slack=True).bot_name
    others = (
        {"SECRET_KEYS": "k" * 32},
        {"SLACK_SIGNING_SECRET": "new"},
        {"SLACK_BOT_TOKEN": "xoxb-123-456-another"},
    )
    for other in others:
        assert load(ENOUGH | token | other, NO_FILE, for_slack=True).bot_name == name
    another = {"SLACK_BOT_TOKEN": "xoxb-123-457-secret"}
    assert load(ENOUGH | another, NO_FILE, for_slack=True).bot_name != name
