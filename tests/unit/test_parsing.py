"""What people type, and what the bot makes of it."""

from __future__ import annotations

import sys
import unicodedata
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core.people import is_no_uid
from bot.core.query import (
    Help,
    Limits,
    ParseError,
    Problem,
    Search,
    Several,
    parse_limit,
    typed_form,
)
from bot.core.sessions import MAX_UID_LENGTH, Query
from bot.core.words import CONTROL, INVISIBLE
from bot.sandbox.slack import as_slack_sends
from bot.slack.typed_text import USUAL, parse, parse_any

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
        ("5 4711", None, "4711", 5),
        ("4711 last 5", None, "4711", 5),
        ("uid:4711 5 please", None, "4711", 5),
        ("u" * MAX_UID_LENGTH, None, "u" * MAX_UID_LENGTH, 20),
    ],
)
def test_understood(text: str, email: str | None, uid: str | None, limit: int) -> None:
    """A person and how many, in the ways that people write them."""
    assert parse(text, LIMITS) == Search(email, uid, limit)


@pytest.mark.parametrize(
    ("text", "email", "uid", "limit"),
    [
        ("<mailto:jane@example.com|jane@example.com> 5", JANE, None, 5),
        ("<mailto:jane@example.com?subject=Hi|Jane> 5", JANE, None, 5),
        ("email:<mailto:jane@example.com|jane@example.com>", JANE, None, 20),
        ("uid:<mailto:jane@example.com|jane@example.com>", None, JANE, 20),
        ("<https://example.com/u/1|example.com/u/1>", None, "example.com/u/1", 20),
        ("<http://user.example.com|user.example.com> 3", None, "user.example.com", 3),
        ("R&amp;D-7", None, "R&D-7", 20),
        ("uid:a&lt;b&gt;c", None, "a<b>c", 20),
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
    assert parse(text, LIMITS) == Search(email, uid, limit)


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
    assert parse(text, LIMITS) == Search(email, None, 20)


@pytest.mark.parametrize(
    "text", ["", "  ", "help", "HELP", " help ", "Help!", "?", "???", "--help", '"', "uid:"]
)
def test_help(text: str) -> None:
    """Who asks for help, or for nothing, gets help."""
    assert parse(text, LIMITS) == Help()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<@U123|jane>", Search(None, None, 20, "U123", "")),
        ("<@U123> 5", Search(None, None, 5, "U123", "")),
        ("<@U123> uid:7", Search(None, "7", 20, "U123", "")),
        ("<@U123> <@U123>", Search(None, None, 20, "U123", "")),
        ("jane@example.com at:14:05", Search(JANE, None, 20, "", "14:05")),
        ("jane@example.com at:14:05 5", Search(JANE, None, 5, "", "14:05")),
        ("at:14:05 jane@example.com 5", Search(JANE, None, 5, "", "14:05")),
        (
            'jane@example.com at:"yesterday 5pm" 5',
            Search(JANE, None, 5, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at:“yesterday 5pm”",
            Search(JANE, None, 20, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at: yesterday 5pm",
            Search(JANE, None, 20, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at:yesterday 5pm 3",
            Search(JANE, None, 3, "", "yesterday 5pm"),
        ),
        (
            "jane@example.com at:22 nov 14:05 5",
            Search(JANE, None, 5, "", "22 nov 14:05"),
        ),
        (
            "jane@example.com at:2 hours ago 5",
            Search(JANE, None, 5, "", "2 hours ago"),
        ),
        ("jane@example.com at:nov 22 3pm", Search(JANE, None, 20, "", "nov 22 3pm")),
        ("at:nov 22 3pm jane@example.com", Search(JANE, None, 20, "", "nov 22 3pm")),
        (
            "12345 at:2026-11-22T14:05Z",
            Search(None, "12345", 20, "", "2026-11-22T14:05Z"),
        ),
        ("jane@example.com at 2pm", Search(JANE, None, 20, "", "2pm")),
        ("jane@example.com at 14:05 5", Search(JANE, None, 5, "", "14:05")),
        ("<@U123> at=9am", Search(None, None, 20, "U123", "9am")),
    ],
)
def test_what_takes_a_look_at_profiles(text: str, expected: Search) -> None:
    """A colleague's address and the asker's time zone are Slack's to tell."""
    assert parse(text, LIMITS) == expected


REFUSALS = [
    ("jane@", Problem.BAD_ADDRESS),
    ("jane@example", Problem.BAD_ADDRESS),
    ("ja..ne@example.com", Problem.BAD_ADDRESS),
    ("jane@-example.com", Problem.BAD_ADDRESS),
    ("jane@10.0.0.1", Problem.BAD_ADDRESS),
    ("email:jane", Problem.BAD_ADDRESS),
    ("j" * 65 + "@example.com", Problem.BAD_ADDRESS),
    ("u" * (MAX_UID_LENGTH + 1), Problem.UID_TOO_LONG),
    ("jane\x00", Problem.CONTROL_CHARACTER),
    ("jane\x1f", Problem.CONTROL_CHARACTER),
    ("jane\x85", Problem.CONTROL_CHARACTER),
    ("jane\ud800", Problem.CONTROL_CHARACTER),
    ("<@U123> <@U456>", Problem.TWO_COLLEAGUES),
    ("@jane", Problem.MENTION),
    ('uid:"&lt;!channel&gt;"', Problem.MARKUP),
    ("uid:&lt;@U123&gt;", Problem.MARKUP),
    ("<https://example.com/u/1>", Problem.LINK),
    ("<https://app.fullstory.com/ui/ORG/session/1%3A2>", Problem.SESSION_LINK),
    ("https://app.fullstory.com/ui/ORG/session/1:2!3", Problem.SESSION_LINK),
    ("https://app.eu1.fullstory.com/v/abc", Problem.SESSION_LINK),
    ("https://app.fullstory.com/ui/ORG/segments/everyone", Problem.LINK),
    ("https://fullstory.com.example.org/session/1:2", Problem.LINK),
    ("https://acme.slack.com/archives/C0123/p1700000000000100", Problem.MESSAGE_LINK),
    ("https://acme.enterprise.slack.com/archives/C1/p17?thread_ts=1.2", Problem.MESSAGE_LINK),
    ("https://acme.slack.com/team/U0123ABCD", Problem.PROFILE_LINK),
    ("https://slack.com.example.org/team/U0123ABCD", Problem.LINK),
    ("https://acme.zendesk.com/agent/tickets/4711", Problem.TICKET_LINK),
    ("https://app.intercom.com/a/inbox/x/inbox/shared/all/conversation/1", Problem.TICKET_LINK),
    ("https://acme.atlassian.net/browse/SUP-12", Problem.TICKET_LINK),
    ("https://acme.lightning.force.com/lightning/r/Case/500/view", Problem.TICKET_LINK),
    ("https://[/tickets/1", Problem.LINK),
    ("uid: at:5pm", Problem.NO_ONE),
    ("uid: limit:5", Problem.NO_ONE),
    ("at:14:05", Problem.NO_ONE),
    ("yesterday 5pm", Problem.NO_ONE),
    ("last 5 sessions", Problem.NO_ONE),
    ("<#C123|general>", Problem.CHANNEL),
    ("<!here>", Problem.CHANNEL),
    ("limit:5", Problem.NO_ONE),
    ("none", Problem.NO_ONE),
    ("not set", Problem.NO_ONE),
    ("john smith", Problem.UNCLEAR),
    ("user-42 user-43", Problem.UNCLEAR),
    ("12345 5 6", Problem.UNCLEAR),
    ("4711 4712", Problem.UNCLEAR),
    ("room 5", Problem.UNCLEAR),
    ("J.O&amp;#39;Brien@example.com", Problem.UNCLEAR),
    ("hi @jane.doe", Problem.MENTION),
    ("+49 170 1234567", Problem.UNCLEAR),
    ("id 7 5", Problem.UNCLEAR),
    ("use `a` b", Problem.UNCLEAR),
    ("a uid with spaces", Problem.UNCLEAR),
    ("please help me with the checkout", Problem.UNCLEAR),
    ("\U0001f600", Problem.NO_ONE),
    ("x " * 1001, Problem.TEXT_TOO_LONG),
]


@pytest.mark.parametrize(("text", "problem"), REFUSALS)
def test_refused_without_a_proposal(text: str, problem: Problem) -> None:
    """A text that names no one says why; nothing is proposed that was not meant."""
    refused = parse(text, LIMITS)
    assert isinstance(refused, ParseError)
    assert (refused.problem, refused.proposal) == (problem, None)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("jane@gmail,com", "jane@gmail.com"),
        ("jane@example..com 5", JANE),
        ("jane@@example.com", JANE),
        ("jane@ example.com", JANE),
        ("jane[at]example.com", JANE),
        ("jane (at) example (dot) com", JANE),
        ("customer 42", "uid:42"),
        ("user: 12345", "uid:12345"),
        ("uid jane", "uid:jane"),
        ("the customer user-42 can't log in", "uid:user-42"),
        ("order of user_7 is lost", "uid:user_7"),
        ("a&lt;b&gt;c", 'uid:"a<b>c"'),
        ("Kunde 4711", "uid:4711"),
        ("Kunden-ID: 4711", "uid:4711"),
        ("jane @gmail.com", "jane@gmail.com"),
        ("jane,doe@example.com", "jane.doe@example.com"),
        ("User ID: 47 11 since noon", "uid:47"),
    ],
)
def test_proposes_what_was_meant(text: str, meant: str) -> None:
    """A slip is repaired, and the only word like an id may be a uid: the person decides."""
    refused = parse(text, LIMITS)
    assert isinstance(refused, ParseError)
    assert refused.proposal
    assert typed_form(refused.proposal, with_limit=False) == meant


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("jane@example.com omar@example.com", [JANE, "omar@example.com"]),
        ("jane@example.com,omar@example.com 5", [JANE, "omar@example.com"]),
        ("jane@example.com or so, and omar@example.com", [JANE, "omar@example.com"]),
        ("uid:1 uid:2", ["1", "2"]),
    ],
)
def test_several_people(text: str, names: list[str]) -> None:
    """Each is a search of its own, with what else the text says."""
    parsed = parse(text, LIMITS)
    assert isinstance(parsed, Several)
    assert [one.email or one.uid for one in parsed.searches] == names
    assert {one.limit for one in parsed.searches} == {5 if text.endswith("5") else 20}


@pytest.mark.parametrize(
    ("text", "limit", "ignored"),
    [
        ("jane@example.com 0", 20, "0"),
        ("jane@example.com -1", 20, "-1"),
        ("jane@example.com 2.5", 20, "2.5"),
        ("jane@example.com 1/2", 20, "1/2"),
        ("jane@example.com limit:many", 20, "many"),
        ("jane@example.com 500", 100, "500"),
        ("jane@example.com 5551234", 20, "5551234"),
        ("jane@example.com 5 6", 20, "5 6"),
        ("jane@example.com 5 limit:5", 5, ""),
        ("jane@example.com please", 20, ""),
        ("show me jane@example.com sessions please", 20, ""),
        ("jane@example.com five", 20, "five"),
        ("ticket #4711 jane@example.com", 20, "ticket #4711"),
        ("jane@example.com maybe 5", 20, "maybe 5"),
        ("jane@example.com user-42", 20, "user-42"),
        ("jane@example.com at:14:05 at:15:05", 20, "14:05 15:05"),
        ("Hi, I'm jane@example.com. It broke 3 times", 20, "I'm It broke 3 times"),
        ("jane@example.com, ratio was 5@10", 20, "ratio was 5@10"),
        ("Reported by <@U0AGENT>: jane@example.com", 20, "Reported"),
        ("jane@example.com\nuid: n/a", 20, "n/a"),
        ("email \u2013 jane@example.com", 20, ""),
        ("user=jane@example.com", 20, ""),
        ("jane@example.com last 7 days", 20, "7 days"),
        ("jane@example.com charged 2x", 20, "charged 2x"),
        ("jane@example.com 4711", 20, "4711"),
        ("the day before yesterday 14:05 jane@example.com", 20, "day before yesterday 14:05"),
        ("jane@example.com until 5pm", 20, "until 5pm"),
        ("jane@example.com \u20ac50", 20, "\u20ac50"),
        ("jane@example.com looked at 3 products", 20, "looked 3 products"),
        # What stands right at the address.
        ("Kunde:jane@example.com", 20, "Kunde:"),
        ("Jane Doe,jane@example.com", 20, "Jane Doe"),
        ("jane@example.com:cannot pay", 20, ":cannot pay"),
        ("@jane@example.com", 20, ""),
        ("\U0001f4e7jane@example.com", 20, ""),
        ("jane@example.com\U0001f64f", 20, ""),
        ("jane@example.com\u2014thanks", 20, ""),
        ("jane@example.com.Please show", 20, ""),
        ("<mailto:jane@example.com|jane@example.com>last 7", 7, ""),
        ("#<mailto:jane@example.com|jane@example.com>", 20, ""),
        # Numbers that say something else.
        ("iPhone 15 jane@example.com", 20, "iPhone 15"),
        ("refund 50 to jane@example.com", 20, "refund 50"),
        ("error 404 jane@example.com", 20, "error 404"),
        ("jane@example.com +49 170 1234567", 20, "+49 170 1234567"),
        ("Age: 45\nEmail: jane@example.com", 20, "Age: 45"),
        ("jane@example.com since 9", 20, "9"),
        ("jane@example.com stuck at 3", 20, "stuck 3"),
        ("jane@example.com and may 2 others", 20, "may 2 others"),
        ("jane@example.com last 24 h", 20, "24 h"),
        ("2 recent orders of jane@example.com failed", 20, "2 orders failed"),
        ("jane@example.com yesterday around 5 or 6", 20, "6"),
        ("jane@example.com's last 5", 5, ""),
        ("jane@example.com sat on this for 3 days", 20, "sat this 3 days"),
        # Numbers that say how many, whatever follows.
        ("jane@example.com last 7 urgent", 7, "urgent"),
        ("jane@example.com 7 sessions asap", 7, ""),
        ("only 3 jane@example.com", 3, ""),
        ("jane@example.com last 7 fullstory sessions", 7, "fullstory"),
        # Names before an address in angle brackets are no other words.
        ("customer cus_99 or Jane &lt;jane@example.com&gt; 7", 7, "customer cus_99"),
    ],
)
def test_never_refuses_one_person(text: str, limit: int, ignored: str) -> None:
    """Whatever other words there are; those that were not understood are named."""
    parsed = parse(text, LIMITS)
    assert isinstance(parsed, Search)
    assert (parsed.email, parsed.uid) == (JANE, None)
    assert (parsed.limit, parsed.ignored) == (limit, ignored)


@pytest.mark.parametrize("between", ["/", "|", "&amp;", "-&gt;", "", " or ", ":", '"'])
@pytest.mark.parametrize("is_link", [True, False])
def test_two_addresses_are_two_people(between: str, is_link: bool) -> None:  # noqa: FBT001
    """However they are glued together."""
    both = [JANE, "omar@example.com"]
    if not (between or is_link):
        return
    parsed = parse(
        between.join(f"<mailto:{one}|{one}>" if is_link else one for one in both), LIMITS
    )
    assert isinstance(parsed, Several)
    assert [one.email for one in parsed.searches] == both


@pytest.mark.parametrize(
    "text",
    [
        "jane@example.co\u2026",
        "jane@example.co...",
        "j***@example.com",
        'email:"jane doe@example.com"',
        "jane,doe@example.com",
        "4711 or user-42",
        "uid 42 or 43",
        "<@U1> 4711",
        "ticket 4711",
        "checkout at 14:05",
        "<https://jane:secret@example.com/x>",
    ],
)
def test_no_one_is_guessed(text: str) -> None:
    """An address that is cut or masked, a number of a ticket, a word beside a time."""
    assert isinstance(parse(text, LIMITS), ParseError)


@pytest.mark.parametrize(
    ("text", "email"),
    [
        ("jane\u2013doe@example.com", "jane-doe@example.com"),
        ("o\u00b4brien@example.com", "o'brien@example.com"),
        ("jane\uff0btest@example.com", "jane+test@example.com"),
    ],
)
def test_signs_that_phones_change(text: str, email: str) -> None:
    """It is the same person."""
    parsed = parse(text, LIMITS)
    assert isinstance(parsed, Search)
    assert parsed.email == email


@pytest.mark.parametrize(
    ("text", "uid"),
    [
        ("uid:tenant.com.Prod 5", "tenant.com.Prod"),
        ('uid:"acme jane@example.com:prod" 5', "acme jane@example.com:prod"),
        ('uid:"a\u2192b"', "a\u2192b"),
        ("uid:acme-<mailto:jane@example.com|jane@example.com>", "acme-jane@example.com"),
        ('uid:"42" can\'t pay', "42"),
    ],
)
def test_the_strict_form_is_exact(text: str, uid: str) -> None:
    """Nothing in it is parted or cleaned."""
    parsed = parse(text, LIMITS)
    assert isinstance(parsed, Search)
    assert (parsed.email, parsed.uid) == (None, uid)


@pytest.mark.parametrize(
    ("text", "uid", "mention"),
    [
        ("<@U1> uid:7", "7", "U1"),
        ("<@U1> uid: 42 cannot pay", "42", ""),
        ("<@U1> uid 42 last 7", "42", ""),
        ("uid 42 last 7", "42", ""),
        ("can you look at uid 42 please", "42", ""),
        ("User ID: jane please", "jane", ""),
        ("`user-42`", "user-42", ""),
        ("user-42?", "user-42", ""),
        ("(uid:user-42)", "user-42", ""),
    ],
)
def test_a_uid_with_words_or_signs_around_it(text: str, uid: str, mention: str) -> None:
    """It is the customer; a colleague who is told about it is not."""
    parsed = parse(text, LIMITS)
    assert isinstance(parsed, Search)
    assert (parsed.uid, parsed.mention) == (uid, mention)


def test_a_colleague_is_not_taken_for_the_customer() -> None:
    """The bot asks, and proposes the only word like an id."""
    parsed = parse("<@U1> pls check user-42", LIMITS)
    assert isinstance(parsed, ParseError)
    assert parsed.proposal == Search(None, "user-42", 20)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("0", Problem.LIMIT_ZERO),
        ("-1", Problem.LIMIT_NEGATIVE),
        ("\u22121", Problem.LIMIT_NEGATIVE),
        ("2.5", Problem.LIMIT_NOT_WHOLE),
        ("many", Problem.LIMIT_NOT_WHOLE),
        ("101", Problem.LIMIT_TOO_HIGH),
        ("9" * 900, Problem.LIMIT_TOO_HIGH),
        ("5", 5),
        ("+5", 5),
        ("100", 100),
    ],
)
def test_a_limit_in_a_field_of_its_own(text: str, problem: Problem | int) -> None:
    """There, a mistake is said."""
    assert parse_limit(text, LIMITS) == problem


def test_nothing_invisible_gets_through() -> None:
    """All of Unicode's format marks but the two that are part of spelling, and what fills gaps."""
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) == "Cf" and chr(code) not in "\u200c\u200d":
            assert INVISIBLE.fullmatch(chr(code)), hex(code)
    tagged = "user" + "".join(chr(0xE0000 + ord(letter)) for letter in "HIDDEN") + "\u3164-42"
    assert parse(tagged, LIMITS) == Search(None, "user-42", 20)


def test_control_characters_are_those_of_unicode() -> None:
    """All of its control characters and surrogates, but the spaces that people write."""
    for code in range(sys.maxunicode + 1):
        is_one = unicodedata.category(chr(code)) in ("Cc", "Cs") and chr(code) not in "\t\n\v\f\r"
        assert bool(CONTROL.fullmatch(chr(code))) is is_one, hex(code)


@pytest.mark.parametrize(
    ("text", "email", "uid"),
    [
        ("sam@ourcompany.example asked about jane@example.com", JANE, None),
        ("sam@ourcompany.example asked for User ID: 4711", None, "4711"),
        ("sam@ourcompany.example", "sam@ourcompany.example", None),
    ],
)
def test_a_colleague_is_not_meant_if_a_customer_is_named(
    text: str, email: str | None, uid: str | None
) -> None:
    """Whoever asks is often named in the text."""
    parsed = parse(text, LIMITS, internal_domains=("ourcompany.example",))
    assert isinstance(parsed, Search)
    assert (parsed.email, parsed.uid) == (email, uid)


def test_a_colleague_is_not_looked_up_instead_of_an_uncertain_uid() -> None:
    """The uid is proposed."""
    refused = parse(
        "sam@ourcompany.example 507f1f77bcf86cd799439011",
        LIMITS,
        internal_domains=("ourcompany.example",),
    )
    assert isinstance(refused, ParseError)


def test_a_channels_name_is_shown_as_it_is() -> None:
    """Unescaped once, and without a # that it has not."""
    for text, shown in (("<#C1|r&amp;d>", "#r&d"), ("<!subteam^S1|@support>", "@support")):
        refused = parse(text, LIMITS)
        assert isinstance(refused, ParseError)
        assert (refused.problem, refused.shown) == (Problem.CHANNEL, shown)


def test_configured_limits() -> None:
    """The administrator's limits count."""
    few = Limits(default=2, highest=3)
    assert parse(JANE, few) == Search(JANE, None, 2)
    assert parse(f"{JANE} 4", few) == Search(JANE, None, 3, ignored="4")


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
    """Any text at all gives a search, several, help or a refusal."""
    parsed = parse(text, LIMITS)
    searches = parsed.searches if isinstance(parsed, Several) else (parsed,)
    for one in searches:
        if isinstance(one, Search):
            assert 1 <= one.limit <= LIMITS.highest
            assert len(one.uid or "") <= MAX_UID_LENGTH
            assert (one.email or one.uid or one.mention).encode()


@given(ANY_TEXT | SLACKISH)
@example('email:"!jane@example.com"')
@example('uid:"”“\\\\"')
@example("uid:'")
def test_what_is_formatted_parses_back(text: str) -> None:
    """Every search that a text can give has a form that gives it again."""
    search = parse(text, LIMITS)
    if isinstance(search, Search) and not search.mention:
        again = parse(as_slack_sends(typed_form(search)), LIMITS)
        assert again == replace(search, ignored="", at="")


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=MAX_UID_LENGTH),
    st.integers(1, 100),
)
@example("0.", 5)
@example("12.", 5)
@example("_", 1)
@example("_abc", 1)
@example("{a b}", 1)
@example("<@U123>", 5)
def test_any_uid_can_be_asked_for(text: str, limit: int) -> None:
    """Quotes, brackets, commas and backslashes in a uid arrive as they are; markup is refused."""
    uid = INVISIBLE.sub("", "".join(filter(str.isprintable, text))).strip()
    if uid and not is_no_uid(uid):
        parsed = parse(as_slack_sends(typed_form(Query(None, uid, limit))), LIMITS)
        assert parsed == Search(None, uid, limit) or (
            isinstance(parsed, ParseError) and parsed.problem is Problem.MARKUP and "<" in uid
        )


WORDS = st.sampled_from(
    [
        "please",
        "5",
        "latest",
        "ticket",
        "#4711",
        "yesterday 5pm",
        "at",
        "x3",
        "0",
        "\U0001f622",
        "de",
        "<@U1>",
        "<#C1|general>",
        "limit:many",
        "at:banana",
        "user-42",
        "500",
        "bitte",
        "の最新5件",
    ]
)


@given(st.lists(WORDS, max_size=6), st.lists(WORDS, max_size=6))
def test_one_address_is_never_refused(before: list[str], behind: list[str]) -> None:
    """Whatever other words there are; and the bot does not ask for another one."""
    text = " ".join([*before, JANE, *behind])
    parsed = parse(text, LIMITS)
    assert isinstance(parsed, Search), text
    assert parsed.email == JANE


@given(st.from_regex(USUAL, fullmatch=True))
@example("a@b.c")
@example("first.last+tag@mail.example.com 99")
@example("a..b@example.com")
@example("jane@example.com.")
@example("jane@1.2")
@example("jane_@example.com 5")
@example("jane@example.com" + 2_000 * " ")
def test_the_usual_text_is_read_as_any_other(text: str) -> None:
    """The short way for what most people type gives what the long way would give."""
    assert parse(text, LIMITS) == parse_any(text, LIMITS)


def test_the_usual_text_takes_the_short_way() -> None:
    """An address, perhaps with how many."""
    for text in ("jane@example.com", " jane.doe+1@mail.example.com  15 "):
        assert USUAL.fullmatch(text)
        assert USUAL.fullmatch(as_slack_sends(text))
