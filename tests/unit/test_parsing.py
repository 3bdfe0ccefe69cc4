"""What people type, and what the bot makes of it."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core.query import (
    CONTROL,
    INVISIBLE,
    Help,
    Limits,
    ParseError,
    Problem,
    QueryNeedingProfile,
    parse,
    parse_person,
    typed_form,
)
from bot.core.sessions import MAX_UID_LENGTH, Query
from bot.sandbox.slack import as_slack_sends

LIMITS = Limits(default=20, highest=100)
JANE = "jane@example.com"


@pytest.mark.parametrize(
    ("text", "email", "uid", "limit"),
    [
        ("jane@example.com", JANE, None, 20),
        ("jane@example.com 5", JANE, None, 5),
        ("user-42", None, "user-42", 20),
        ("12345", None, "12345", 20),
        ("12345 5", None, "12345", 5),
        ("uid:12345", None, "12345", 20),
        ("uid: 12345", None, "12345", 20),
        ("UID=12345 5", None, "12345", 5),
        ("uid 12345", None, "12345", 20),
        ("uid was 42", None, "42", 20),
        ("uid 12345 5", None, "12345", 5),
        ("user_id:42", None, "42", 20),
        ("userid=42 3", None, "42", 3),
        ("User ID: 42", None, "42", 20),
        ("User-ID: 42", None, "42", 20),
        ("Customer ID: user-42 3", None, "user-42", 3),
        ("id:42", None, "42", 20),
        ("user id: jane@example.com", None, JANE, 20),
        ("E-mail: jane@example.com User ID: 42", JANE, "42", 20),
        ("uid:5,jane@example.com", JANE, "5", 20),
        ("jane@example.com,uid:5", JANE, "5", 20),
        ("jane@example.com;uid:5;7", JANE, "5;7", 20),
        ("email jane@example.com 5", JANE, None, 5),
        ("email:jane@example.com", JANE, None, 20),
        ("uid:jane@example.com", None, JANE, 20),
        ("jane@example.com uid:user-42", JANE, "user-42", 20),
        ("uid:user-42 jane@example.com 7", JANE, "user-42", 7),
        ('"a uid with spaces" 3', None, "a uid with spaces", 3),
        ('uid:"a uid with spaces" 3', None, "a uid with spaces", 3),
        (r'uid:"say \"hi\"" 3', None, 'say "hi"', 3),
        ("jane@example.com limit:5", JANE, None, 5),
        ("jane@example.com limit=5", JANE, None, 5),
        ("jane@example.com limit 5", JANE, None, 5),
        ("limit:5 jane@example.com", JANE, None, 5),
        ("5 jane@example.com", JANE, None, 5),
        ("+5 jane@example.com", JANE, None, 5),
        ("  jane@example.com   5  ", JANE, None, 5),
        ("jane@example.com\n5", JANE, None, 5),
        ("jane@example.com jane@example.com", JANE, None, 20),
        ("jane@example.com 100", JANE, None, 100),
        ("jane@example.com 5 sessions", JANE, None, 5),
        ("jane@example.com last 5", JANE, None, 5),
        ("last 5 sessions jane@example.com", JANE, None, 5),
        ("top 3 user-42", None, "user-42", 3),
        ("u" * MAX_UID_LENGTH, None, "u" * MAX_UID_LENGTH, 20),
    ],
)
def test_understood(text: str, email: str | None, uid: str | None, limit: int) -> None:
    """A person and how many, in the ways that people write them."""
    assert parse(text, LIMITS) == Query(email, uid, limit)


@pytest.mark.parametrize(
    ("text", "email", "uid", "limit"),
    [
        ("<mailto:jane@example.com|jane@example.com> 5", JANE, None, 5),
        ("<mailto:jane@example.com?subject=Hi|Jane> 5", JANE, None, 5),
        ("email:<mailto:jane@example.com|jane@example.com>", JANE, None, 20),
        ("uid:<mailto:jane@example.com|jane@example.com>", None, JANE, 20),
        ("<https://example.com/u/1|example.com/u/1>", None, "example.com/u/1", 20),
        ("<https://example.com/u/1>", None, "https://example.com/u/1", 20),
        ("<http://user.example.com|user.example.com> 3", None, "user.example.com", 3),
        ("R&amp;D-7", None, "R&D-7", 20),
        ("a&lt;b&gt;c", None, "a<b>c", 20),
        ("&amp;lt;x", None, "&lt;x", 20),
        ("‘a uid’ 3", None, "a uid", 3),
        ("“a uid” 3", None, "a uid", 3),
        ("“a\u00a0uid”\u00a03", None, "a uid", 3),
        ("jane@example.com\u00a05", JANE, None, 5),
        ("\u200bjane@example.com\u200b", JANE, None, 20),
        ("\u202ajane@example.com\u202c", JANE, None, 20),
        ("o’brien@example.com", "o'brien@example.com", None, 20),
    ],
)
def test_undoes_what_slack_and_phones_do(
    text: str, email: str | None, uid: str | None, limit: int
) -> None:
    """Links, entities, smart quotes and odd spaces become what was typed."""
    assert parse(text, LIMITS) == Query(email, uid, limit)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("jane@example.com,", JANE),
        ("jane@example.com.", JANE),
        ("(jane@example.com)", JANE),
        ("&lt;jane@example.com&gt;;", JANE),
        ("'jane@example.com'", JANE),
        ('"jane@example.com"', JANE),
        ('"jane@example.com', JANE),
        ("mailto:jane@example.com", JANE),
        ("Mailto:jane@example.com", JANE),
        ("jane@example.com…", JANE),
        ("jane@example.com。", JANE),
        ("（jane@example.com）", JANE),
        ("‹jane@example.com›؟", JANE),
        ("jane@example.com，20", JANE),
        ("*jane@example.com*", JANE),
        ("`jane@example.com`", JANE),
        ("_jane@example.com_", JANE),
        ("jane@example.com/", JANE),
        ("\u061cjane@example.com", JANE),
        ("jane＠example.com", JANE),
        ("jane＠example．com", JANE),
        ("用户@例子。公司", "用户@例子.公司"),
        ("<mailto:jane%2Btag@example.com|jane+tag@example.com>", "jane+tag@example.com"),
        ("<mailto:jane%2Btag@example.com|Jane>", "jane+tag@example.com"),
        ("jane@example.com 20.", JANE),
        ('jane@example.com "20"', JANE),
        ("Jane Doe &lt;<mailto:jane@example.com|jane@example.com>&gt;", JANE),
        ("jane@example.com, 20", JANE),
        ("jane@example.com,20", JANE),
        ("jane+tag@example.com", "jane+tag@example.com"),
        ("JANE@EXAMPLE.COM", "JANE@EXAMPLE.COM"),
        ("jürgen@müller.example", "jürgen@müller.example"),
        ("用户@例子.公司", "用户@例子.公司"),
        ("संपर्क@उदाहरण.भारत", "संपर्क@उदाहरण.भारत"),
        ("first.last@sub.domain.example", "first.last@sub.domain.example"),
        ("a!#$%&amp;*+/=?^_`{|}~-b@example.com", "a!#$%&*+/=?^_`{|}~-b@example.com"),
    ],
)
def test_addresses(text: str, email: str) -> None:
    """Pasted addresses lose the punctuation around them, and nothing else."""
    assert parse(text, LIMITS) == Query(email, None, 20)


@pytest.mark.parametrize(
    "text", ["", "  ", "help", "HELP", " help ", "Help!", "?", "???", "--help", '"', "uid:"]
)
def test_help(text: str) -> None:
    """Who asks for help, or for nothing, gets help."""
    assert parse(text, LIMITS) == Help()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<@U123|jane>", QueryNeedingProfile(None, None, 20, "U123", "")),
        ("<@U123> 5", QueryNeedingProfile(None, None, 5, "U123", "")),
        ("<@U123> uid:7", QueryNeedingProfile(None, "7", 20, "U123", "")),
        ("<@U123> <@U123>", QueryNeedingProfile(None, None, 20, "U123", "")),
        ("jane@example.com at:14:05", QueryNeedingProfile(JANE, None, 20, "", "14:05")),
        ("jane@example.com at:14:05 5", QueryNeedingProfile(JANE, None, 5, "", "14:05")),
        ("at:14:05 jane@example.com 5", QueryNeedingProfile(JANE, None, 5, "", "14:05")),
        (
            'jane@example.com at:"yesterday 5pm" 5',
            QueryNeedingProfile(JANE, None, 5, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at:“yesterday 5pm”",
            QueryNeedingProfile(JANE, None, 20, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at: yesterday 5pm",
            QueryNeedingProfile(JANE, None, 20, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at:yesterday 5pm 3",
            QueryNeedingProfile(JANE, None, 3, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at:22 nov 14:05 5",
            QueryNeedingProfile(JANE, None, 5, "", "22 nov 14:05"),
        ),
        (
            "jane@example.com at:2 hours ago 5",
            QueryNeedingProfile(JANE, None, 5, "", "2 hours ago"),
        ),
        ("jane@example.com at:nov 22 3pm", QueryNeedingProfile(JANE, None, 20, "", "nov 22 3pm")),
        ("at:nov 22 3pm jane@example.com", QueryNeedingProfile(JANE, None, 20, "", "nov 22 3pm")),
        (
            "12345 at:2026-11-22T14:05Z",
            QueryNeedingProfile(None, "12345", 20, "", "2026-11-22T14:05Z"),
        ),
        ("jane@example.com at 2pm", QueryNeedingProfile(JANE, None, 20, "", "2pm")),
        ("jane@example.com at 14:05 5", QueryNeedingProfile(JANE, None, 5, "", "14:05")),
        ("<@U123> at=9am", QueryNeedingProfile(None, None, 20, "U123", "9am")),
    ],
)
def test_what_takes_a_look_at_profiles(text: str, expected: QueryNeedingProfile) -> None:
    """A colleague's address and the asker's time zone are Slack's to tell."""
    assert parse(text, LIMITS) == expected


REFUSALS = [
    ("jane@example.com 0", Problem.LIMIT_ZERO),
    ("jane@example.com 000", Problem.LIMIT_ZERO),
    ("jane@example.com -1", Problem.LIMIT_NEGATIVE),
    ("jane@example.com −1", Problem.LIMIT_NEGATIVE),
    ("jane@example.com limit:-1", Problem.LIMIT_NEGATIVE),
    ("jane@example.com 2.5", Problem.LIMIT_NOT_WHOLE),
    ("jane@example.com 2,5", Problem.LIMIT_NOT_WHOLE),
    ("jane@example.com limit:many", Problem.LIMIT_NOT_WHOLE),
    ("jane@example.com 1/2", Problem.LIMIT_NOT_WHOLE),
    ("jane@example.com 1e2", Problem.LIMIT_NOT_WHOLE),
    ("jane@example.com 50%", Problem.LIMIT_NOT_WHOLE),
    ("jane@example.com 101", Problem.LIMIT_TOO_HIGH),
    ("jane@example.com " + "9" * 900, Problem.LIMIT_TOO_HIGH),
    ("jane@example.com 5 6", Problem.TWO_LIMITS),
    ("12345 5 6", Problem.TWO_LIMITS),
    ("jane@example.com 5 limit:5", Problem.TWO_LIMITS),
    ("jane@example.com bob@example.com", Problem.TWO_ADDRESSES),
    ("jane@example.com,bob@example.com", Problem.TWO_ADDRESSES),
    ("uid:1 uid:2", Problem.TWO_UIDS),
    ("jane@", Problem.BAD_ADDRESS),
    ("jane@example", Problem.BAD_ADDRESS),
    ("jane@example..com", Problem.BAD_ADDRESS),
    ("jane@@example.com", Problem.BAD_ADDRESS),
    ("ja..ne@example.com", Problem.BAD_ADDRESS),
    ("jane@-example.com", Problem.BAD_ADDRESS),
    ("jane@10.0.0.1", Problem.BAD_ADDRESS),
    ("email:jane", Problem.BAD_ADDRESS),
    ("j" * 65 + "@example.com", Problem.BAD_ADDRESS),
    ("u" * (MAX_UID_LENGTH + 1), Problem.UID_TOO_LONG),
    ("jane\x00@example.com", Problem.CONTROL_CHARACTER),
    ("jane\x1f", Problem.CONTROL_CHARACTER),
    ("jane\x85", Problem.CONTROL_CHARACTER),
    ("jane\ud800", Problem.CONTROL_CHARACTER),
    ("<@U123> <@U456>", Problem.TWO_ADDRESSES),
    ("<@U123> jane@example.com", Problem.TWO_ADDRESSES),
    ("@jane", Problem.MENTION),
    ('uid:"&lt;!channel&gt;"', Problem.MARKUP),
    ("uid:&lt;@U123&gt;", Problem.MARKUP),
    ('uid:"&lt;https://example.org|here&gt;"', Problem.MARKUP),
    ("uid: at:5pm", Problem.NO_ONE),
    ("uid: limit:5", Problem.NO_ONE),
    ("jane@example.com at:14:05 at:15:05", Problem.TIME_UNCLEAR),
    ("at:14:05", Problem.NO_ONE),
    ("last 5 sessions", Problem.NO_ONE),
    ("<#C123|general>", Problem.CHANNEL),
    ("<!here>", Problem.CHANNEL),
    ("limit:5", Problem.NO_ONE),
    ('uid:""', Problem.NO_ONE),
    ("john smith", Problem.UNCLEAR),
    ("jane@example.com please", Problem.UNCLEAR),
    ("jane@example.com five", Problem.UNCLEAR),
    ("user-42 user-43", Problem.UNCLEAR),
    ("customer 42", Problem.UNCLEAR),
    ("user 12345", Problem.UNCLEAR),
    ("user: 12345", Problem.UNCLEAR),
    ("id 7 5", Problem.UNCLEAR),
    ("use `a` b", Problem.UNCLEAR),
    ("x " * 1001, Problem.TEXT_TOO_LONG),
]


@pytest.mark.parametrize(("text", "problem"), REFUSALS)
def test_refused_with_an_example_that_works(text: str, problem: Problem) -> None:
    """What can't be looked up says why, and shows a text that can."""
    refused = parse(text, LIMITS)
    assert isinstance(refused, ParseError)
    assert refused.problem is problem
    assert isinstance(parse(as_slack_sends(refused.example), LIMITS), Query)


def test_nothing_invisible_gets_through() -> None:
    """All of Unicode's format marks but the two that are part of spelling, and what fills gaps."""
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) == "Cf" and chr(code) not in "\u200c\u200d":
            assert INVISIBLE.fullmatch(chr(code)), hex(code)
    tagged = "user" + "".join(chr(0xE0000 + ord(letter)) for letter in "HIDDEN") + "\u3164-42"
    assert parse(tagged, LIMITS) == Query(None, "user-42", 20)


def test_control_characters_are_those_of_unicode() -> None:
    """All of its control characters and surrogates, but the spaces that people write."""
    for code in range(sys.maxunicode + 1):
        is_one = unicodedata.category(chr(code)) in ("Cc", "Cs") and chr(code) not in "\t\n\v\f\r"
        assert bool(CONTROL.fullmatch(chr(code))) is is_one, hex(code)


def test_every_problem_is_tested() -> None:
    """A new reason to refuse comes with a text that is refused."""
    assert {problem for _, problem in REFUSALS} == set(Problem)


def test_example_is_made_of_what_was_typed() -> None:
    """The example keeps the person's own words, so that it can be copied."""
    assert parse("bob@example.com 500", LIMITS) == ParseError(
        Problem.LIMIT_TOO_HIGH, "500", "bob@example.com 100"
    )
    assert parse("bob@example.com user-42", LIMITS) == ParseError(
        Problem.UNCLEAR, "user-42", "bob@example.com uid:user-42"
    )
    assert parse("bob@example.com maybe 5", LIMITS) == ParseError(
        Problem.UNCLEAR, "maybe", "bob@example.com 5"
    )
    assert parse("john smith", LIMITS) == ParseError(
        Problem.UNCLEAR, "john smith", 'uid:"john smith"'
    )


def test_a_number_after_a_word_for_people_is_a_uid_perhaps() -> None:
    """The text "customer 42" is not the uid "customer", 42 times."""
    assert parse("customer 42", LIMITS) == ParseError(Problem.UNCLEAR, "customer 42", "uid:42")


def test_a_channels_name_is_shown_as_it_is() -> None:
    """Unescaped once, and without a # that it has not."""
    assert parse("<#C1|r&amp;d>", LIMITS) == ParseError(Problem.CHANNEL, "#r&d", f"{JANE} 5")
    assert parse("<!subteam^S1|@support>", LIMITS) == ParseError(
        Problem.CHANNEL, "@support", f"{JANE} 5"
    )


def test_configured_limits() -> None:
    """The administrator's limits count, in the judgement and in the example."""
    few = Limits(default=2, highest=3)
    assert parse(JANE, few) == Query(JANE, None, 2)
    assert parse(f"{JANE} 4", few) == ParseError(Problem.LIMIT_TOO_HIGH, "4", f"{JANE} 3")
    assert parse(f"{JANE} 0", few) == ParseError(Problem.LIMIT_ZERO, "0", f"{JANE} 3")


@pytest.mark.parametrize(
    ("person", "limit", "expected"),
    [
        ("a uid with spaces", "3", Query(None, "a uid with spaces", 3)),
        ("jane@example.com", None, Query(JANE, None, 20)),
        ("12345", "5", Query(None, "12345", 5)),
        ("uid:jane@example.com", None, Query(None, JANE, 20)),
        ("order 66", None, Query(None, "order 66", 20)),
        ("john smith", "2", Query(None, "john smith", 2)),
        ("5 apples 7", None, Query(None, "5 apples 7", 20)),
        ("R&D <7>", "2", Query(None, "R&D <7>", 2)),
        ("&amp;x", None, Query(None, "&amp;x", 20)),
    ],
)
def test_on_a_command_line(person: str, limit: str | None, expected: Query) -> None:
    """Where the shell has split the words, a uid with spaces needs no more quotes."""
    assert parse_person(person, limit, LIMITS) == expected


# -- Properties -----------------------------------------------------------------------------------

ANY_TEXT = st.text(st.characters(codec=None), max_size=300)
SLACKISH = st.lists(
    st.sampled_from(
        [
            "<",
            ">",
            "|",
            "@",
            "mailto:",
            "uid:",
            "limit:",
            '"',
            "'",
            "“",
            "’",
            "\\",
            " ",
            ".",
            ",",
            "&amp;",
            "&lt;",
            "5",
            "-1",
            "a",
            "jane@example.com",
            "ü",
            "\xa0",
            "<@U1>",
            "\n",
            "=",
        ]
    ),
    max_size=25,
).map("".join)


@given(ANY_TEXT | SLACKISH)
@example("<" * 2000)
@example('" ' * 1000)
@example("'a \"b " * 300)
@example("\\" * 2000)
@example("uid:" * 500)
def test_total(text: str) -> None:
    """Any text at all gives a query, help, or a refusal with an example that works."""
    parsed = parse(text, LIMITS)
    if isinstance(parsed, ParseError):
        assert isinstance(parse(as_slack_sends(parsed.example), LIMITS), Query)
    elif isinstance(parsed, Query):
        assert 1 <= parsed.limit <= LIMITS.highest
        assert len(parsed.uid or "") <= MAX_UID_LENGTH
        assert (parsed.email or parsed.uid or "").encode()


@given(ANY_TEXT | SLACKISH)
@example('email:"!jane@example.com"')
@example('uid:"”“\\\\"')
@example("uid:'")
def test_what_is_formatted_parses_back(text: str) -> None:
    """Every query that a text can give has a form that gives it again."""
    query = parse(text, LIMITS)
    if isinstance(query, Query):
        assert parse(as_slack_sends(typed_form(query)), LIMITS) == query


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=MAX_UID_LENGTH),
    st.integers(1, 100),
)
@example("0.", 5)
@example("12.", 5)
@example("_", 1)
@example("_abc", 1)
@example("<@U123>", 5)
def test_any_uid_can_be_asked_for(text: str, limit: int) -> None:
    """Quotes, brackets, commas and backslashes in a uid arrive as they are; markup is refused."""
    uid = INVISIBLE.sub("", "".join(filter(str.isprintable, text))).strip()
    if uid:
        query = Query(None, uid, limit)
        parsed = parse(as_slack_sends(typed_form(query)), LIMITS)
        assert parsed == query or (
            isinstance(parsed, ParseError) and parsed.problem is Problem.MARKUP and "<" in uid
        )
