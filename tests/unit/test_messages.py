"""Who is meant in a message, whatever its shape."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.people import Identity
from bot.slack.message_parser import (
    external_identities,
    identities,
)

JANE = "jane@example.com"


def found(message: dict[str, Any]) -> list[str]:
    """Return the identities, an e-mail as it is, a uid with its label."""
    return [one.email or f"uid:{one.uid}" for one in identities(message)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the checkout is broken for jane@example.com!", [JANE]),
        ("<mailto:jane@example.com|jane@example.com> wrote", [JANE]),
        ("<mailto:jane@example.com|Jane> wrote", [JANE]),
        ("From: Jane &lt;jane@example.com&gt;", [JANE]),
        ("(jane@example.com), 'bob@example.com'.", [JANE, "bob@example.com"]),
        ("jane@example.com and JANE@example.com", [JANE]),
        ("`jane+tag@example.com`", ["jane+tag@example.com"]),
        ("*jürgen@müller.example*", ["jürgen@müller.example"]),
        ("o’brien@example.com", ["o'brien@example.com"]),
        ("<https://crm.example.com/?email=jane@example.com&x=1>", [JANE]),
        ("顧客<mailto:jane@example.com|jane@example.com>から", [JANE]),
        ("_<mailto:jane@example.com|jane@example.com>_", [JANE]),
        ("_Customer: jane@example.com_", [JANE]),
        ("~jane@example.com~", [JANE]),
        ("jane@example.com… jane@example.com—she →jane@example.com •jane@example.com", [JANE]),
        ("メール：jane@example.com。お願い", [JANE]),
        ("<mailto:jane%2Btag@example.com|jane+tag@example.com>", ["jane+tag@example.com"]),
        ("jane\\_doe@example.com", ["jane_doe@example.com"]),
        ("jane@example.com's checkout", [JANE]),
        ("\u200bjane@exam\u200bple.com\u202c", [JANE]),
        ("jane@example.c…", []),
        ("User ID: Not provided", []),
        ("User ID: (none), uid: [unknown], uid: —", []),
        ("User ID: (42)", ["uid:42"]),
        ("uid: 'abc'", ["uid:abc"]),
        ("uid: “abc def”", ["uid:abc def"]),
        ("<https://app.example/admin?user_id=42&amp;tab=x>", ["uid:42"]),
        ("uid: <@U123>", []),
        ('{"user_id": "u-42", "plan": "pro"}', ["uid:u-42"]),
        ("*User ID*\n42", ["uid:42"]),
        ("_User ID: 42_", ["uid:42"]),
        ("User ID：42", ["uid:42"]),
        ("uid:user-42", ["uid:user-42"]),
        ("uid: user-42.", ["uid:user-42"]),
        ("UID=user-42, plan=pro", ["uid:user-42"]),
        ("*User ID:* 12345", ["uid:12345"]),
        ("*User ID*:\n12345\n*Plan*:\npro", ["uid:12345"]),
        ("user_id: abc (vip)", ["uid:abc"]),
        ("user-id #77", ["uid:77"]),
        ('uid:"a uid with spaces"', ["uid:a uid with spaces"]),
        ("uid:jane@example.com", [f"uid:{JANE}"]),
        ("uid: 7 jane@example.com", ["uid:7", JANE]),
        ("jane@example.com uid: 7", [JANE, "uid:7"]),
        ("User ID: n/a", []),
        ("User ID:\nEmail: jane@example.com", [JANE]),
        ("liquid: water, fluid:gas", []),
        ("*User ID* `42`", ["uid:42"]),
        ("Customer ID: 42, customer_id=43", ["uid:42", "uid:43"]),
        ("see <https://crm.example/?email=jane%40example.com|crm>", []),
        ("https://crm.example/?email=jane%2Btag%40example.com", ["jane+tag@example.com"]),
        # What looks like an address, and is no customer's.
        ("git clone git@github.com:acme/shop.git", []),
        ("logo@2x.png, icon@3x.jpg and image001.png@01D9ABCD.1A2B3C4D", []),
        ("pkg@1.0.0-beta, react@18.2.0-rc.1", []),
        ("root@db1.prod, postmaster@example.com", []),
        ("https://user:pw@host.example.com/x ftp://me@host.example.com", []),
        ("From: noreply@zendesk.com, no-reply+7@example.com, do-not-reply@example.com", []),
        ("Message-ID: &lt;CAF+x=abc@mail.example.com&gt;", []),
        # What follows a label, and is no uid.
        ("Invalid user ID: please check", []),
        ("User ID: I don't know", []),
        ("User ID: required, uid: missing", []),
        ("slack_user_id: U123", []),
        ("uid=1000(jane) gid=1000(jane)", []),
        ("user id: whatever you like", []),
        ("<@U123> see @jane, jane@localhost, a@b, @example.com", []),
        ("", []),
    ],
)
def test_text(text: str, expected: list[str]) -> None:
    """Addresses and labelled uids, as support tools and people write them."""
    assert found({"text": text}) == expected


MRKDWN = {"type": "mrkdwn", "text": f"Mail <mailto:{JANE}|{JANE}>"}
PLAIN = {"type": "plain_text", "text": f"Mail {JANE}"}
RICH = {
    "type": "rich_text_section",
    "elements": [{"type": "text", "text": "Mail "}, {"type": "link", "url": f"mailto:{JANE}"}],
}
RAW = {"type": "raw_text", "text": JANE}
BUTTON = {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "action_id": "a"}

BLOCKS: dict[str, dict[str, Any]] = {
    "section text": {"type": "section", "text": MRKDWN},
    "section fields": {"type": "section", "fields": [{"type": "mrkdwn", "text": "x"}, MRKDWN]},
    "section accessory": {
        "type": "section",
        "text": {"type": "mrkdwn", "text": "x"},
        "accessory": BUTTON | {"text": PLAIN},
    },
    "header": {"type": "header", "text": PLAIN},
    "context": {"type": "context", "elements": [{"type": "image", "alt_text": "x"}, MRKDWN]},
    "image": {"type": "image", "alt_text": f"of {JANE}", "image_url": "https://x"},
    "image title": {"type": "image", "alt_text": "x", "title": PLAIN},
    "video": {"type": "video", "title": PLAIN, "alt_text": "x"},
    "markdown": {"type": "markdown", "text": f"**Mail** [Jane](mailto:{JANE})"},
    "actions": {"type": "actions", "elements": [BUTTON | {"text": PLAIN}]},
    "button url": {"type": "actions", "elements": [BUTTON | {"url": f"mailto:{JANE}?subject=x"}]},
    "input": {"type": "input", "label": PLAIN, "element": {"type": "plain_text_input"}},
    "rich text link": {"type": "rich_text", "elements": [RICH]},
    "rich text text": {
        "type": "rich_text",
        "elements": [
            {"type": "rich_text_section", "elements": [{"type": "text", "text": f"Hi {JANE}"}]}
        ],
    },
    "rich text in pieces": {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "text", "text": "jane@", "style": {"bold": True}},
                    {"type": "text", "text": "example.com"},
                ],
            }
        ],
    },
    "rich text list": {
        "type": "rich_text",
        "elements": [{"type": "rich_text_list", "style": "bullet", "elements": [RICH]}],
    },
    "rich text quote": {
        "type": "rich_text",
        "elements": [RICH | {"type": "rich_text_quote"}],
    },
    "rich text preformatted": {
        "type": "rich_text",
        "elements": [RICH | {"type": "rich_text_preformatted"}],
    },
    "context actions": {"type": "context_actions", "elements": [BUTTON | {"text": PLAIN}]},
    "video description": {"type": "video", "title": "x", "description": PLAIN, "alt_text": "x"},
    "video author": {"type": "video", "title": "x", "author_name": JANE, "alt_text": "x"},
    "card": {"type": "card", "title": {"type": "mrkdwn", "text": "x"}, "body": MRKDWN},
    "card subtitle": {"type": "card", "subtitle": PLAIN, "actions": [BUTTON]},
    "carousel": {"type": "carousel", "elements": [{"type": "card", "body": MRKDWN}]},
    "container": {"type": "container", "child_blocks": [{"type": "header", "text": PLAIN}]},
    "container title": {
        "type": "container",
        "rich_text_title": {"type": "rich_text", "elements": [RICH]},
    },
    "alert": {"type": "alert", "level": "info", "text": MRKDWN},
    "plan": {"type": "plan", "title": "x", "tasks": [{"type": "task_card", "title": JANE}]},
    "task card": {
        "type": "task_card",
        "title": "x",
        "details": {"type": "rich_text", "elements": [RICH]},
    },
    "task card source": {
        "type": "task_card",
        "sources": [{"type": "url", "text": "Mail", "url": f"mailto:{JANE}"}],
    },
    "data table": {"type": "data_table", "rows": [[RAW | {"text": "Customer"}], [RAW]]},
    "a block of tomorrow": {"type": "hologram", "layers": [{"caption": {"words": JANE}}]},
    "table": {
        "type": "table",
        "rows": [[RAW | {"text": "Customer"}, RAW | {"text": "Plan"}], [RAW, RAW | {"text": "-"}]],
    },
    "table of rich text": {
        "type": "table",
        "rows": [[{"type": "rich_text", "elements": [RICH]}]],
    },
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_blocks(kind: str) -> None:
    """Every kind of block yields the address in it, once; also inside an attachment."""
    assert found({"blocks": [BLOCKS[kind]]}) == [JANE]
    assert found({"text": JANE, "blocks": [BLOCKS[kind]]}) == [JANE]
    assert found({"text": "", "attachments": [{"blocks": [BLOCKS[kind]]}]}) == [JANE]


@pytest.mark.parametrize(
    "attachment",
    [
        {"text": f"Mail {JANE}"},
        {"pretext": f"Mail {JANE}"},
        {"title": f"Mail <mailto:{JANE}|Jane>"},
        {"title": "Jane", "title_link": f"mailto:{JANE}"},
        {"author_name": JANE},
        {"footer": JANE},
        {"title": "Ticket", "fallback": f"Ticket of {JANE}"},
        {"fields": [{"title": "Requester", "value": f"<mailto:{JANE}|{JANE}>", "short": True}]},
        {"message_blocks": [{"message": {"blocks": [BLOCKS["header"]]}}]},
    ],
)
def test_attachments(attachment: dict[str, Any]) -> None:
    """As ticket tools have been posting them for years, and as Slack shares messages."""
    assert found({"text": "", "attachments": [attachment]}) == [JANE]


def test_a_bold_label_and_its_uid_as_code() -> None:
    """As rich text has it, and nothing between them."""
    pieces = [
        {"type": "text", "text": "User ID", "style": {"bold": True}},
        {"type": "text", "text": " "},
        {"type": "text", "text": "shopper", "style": {"code": True}},
    ]
    section = {"type": "rich_text_section", "elements": pieces}
    assert found({"blocks": [{"type": "rich_text", "elements": [section]}]}) == ["uid:shopper"]


def test_labels_and_values_in_cells_of_their_own() -> None:
    """Fields of attachments and sections, rows of tables."""
    cells = [{"type": "raw_text", "text": "User ID"}, {"type": "raw_text", "text": "user-42"}]
    messages: list[dict[str, Any]] = [
        {"attachments": [{"fields": [{"title": "User ID", "value": "user-42"}]}]},
        {"attachments": [{"fields": [{"title": "User ID:", "value": "user-42"}]}]},
        {"blocks": [{"type": "table", "rows": [cells]}]},
        {
            "blocks": [
                {"type": "section", "fields": [{"type": "mrkdwn", "text": "*User ID:*\nuser-42"}]}
            ]
        },
        {
            "blocks": [
                {
                    "type": "rich_text",
                    "elements": [
                        {
                            "type": "rich_text_section",
                            "elements": [
                                {"type": "text", "text": "User ID", "style": {"bold": True}},
                                {"type": "text", "text": ": user-42"},
                            ],
                        }
                    ],
                }
            ]
        },
    ]
    for message in messages:
        assert found(message) == ["uid:user-42"], message


def test_what_is_for_machines_is_not_read() -> None:
    """Ids, values and addresses of pages say nothing about who is meant."""
    hidden = {
        "type": "actions",
        "block_id": "uid:1",
        "elements": [
            BUTTON | {"action_id": JANE, "value": JANE, "url": f"https://x.example/{JANE}"}
        ],
    }
    assert found({"blocks": [hidden]}) == []


def table(*rows: list[str]) -> dict[str, Any]:
    """Return a message with a table."""
    cells = [[{"type": "raw_text", "text": text} for text in row] for row in rows]
    return {"blocks": [{"type": "table", "rows": cells}]}


def test_tables_with_headings() -> None:
    """A value belongs to the heading above it, not to the cell beside it."""
    assert found(table(["User ID", "Email"], ["42", JANE])) == ["uid:42", JANE]
    assert found(table(["User ID", "Plan"], ["42", "pro"], ["43", "pro"])) == ["uid:42", "uid:43"]
    assert found(table(["Plan", "User ID", "Email"], ["pro", "42", JANE])) == ["uid:42", JANE]
    assert found(table(["User ID", "user-42"], ["Plan", "pro"])) == ["uid:user-42"]
    assert found(table(["Plan", "pro"], ["User ID", "user-42"])) == ["uid:user-42"]


def test_a_forwarded_message_is_read_once() -> None:
    """Its fallback is often cut in the middle of an address."""
    attachment = {"text": f"Mail {JANE}", "fallback": "Mail jane@example.co"}
    assert found({"attachments": [attachment]}) == [JANE]


def test_emails_that_slack_shows_as_files() -> None:
    """What its e-mail integration posts."""
    file = {
        "mode": "email",
        "subject": "Broken",
        "from": [{"address": JANE, "name": "Jane"}],
        "plain_text": "uid: 42",
    }
    assert found({"text": "", "files": [file, "x", {"from": ["x"]}]}) == [JANE, "uid:42"]


def test_in_reading_order() -> None:
    """Text, blocks, attachments."""
    message = {
        "text": "a@example.com",
        "blocks": [{"type": "header", "text": "b@example.com"}],
        "attachments": [{"fields": [{"title": "x", "value": "c@example.com"}]}],
    }
    assert found(message) == ["a@example.com", "b@example.com", "c@example.com"]


def test_how_an_identity_is_shown() -> None:
    """On a button."""
    assert Identity(email=JANE).shown == JANE
    assert Identity(uid="42").shown == "uid 42"


WORDS = st.sampled_from(["", "x", f"x {JANE}", "uid: 42", "<mailto:", "*User ID*", "0", "\u2028"])
LEAVES = WORDS | st.none() | st.integers() | st.text(max_size=10)
KINDS = st.sampled_from(["table", "rich_text_section", "section", "link", "hologram"])
NAMES = ("type", "text", "blocks", "elements", "fields", "rows", "attachments", "url", "style")
JSON = st.recursive(
    LEAVES | KINDS,
    lambda inside: (
        st.lists(inside, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inside | KINDS, max_size=4)
    ),
    max_leaves=10,
)


GLUE = st.text(st.sampled_from("&/=#?*|%$!^~+-_.:@…0a"), max_size=3)
CORES = st.sampled_from([JANE, "o.leary@example.org", "4711", "user-42", "auth0|5f7c8e", "12,345"])
TOKENS = st.tuples(GLUE, CORES, GLUE).map("".join)
LABELS_OF_UIDS = st.sampled_from(["", "User ID: ", "user_id=", "uid ", "*Customer ID:* "])
AROUND = r"[.,:;!?*_~'’/|#…]*"


@given(st.lists(st.tuples(LABELS_OF_UIDS, TOKENS), min_size=1, max_size=4))
def test_no_value_is_a_part_of_a_longer_token(pieces: list[tuple[str, str]]) -> None:
    """Punctuation may be around it, and the next key of a form's body behind it; nothing else."""
    text = " and ".join(label + token for label, token in pieces)
    tokens = [one for _, token in pieces for one in (token, token.replace(",", ""))]  # 12,345
    for value in (one.email or one.uid or "" for one in identities({"text": text})):
        whole = re.compile(rf"[:=]*{AROUND}{re.escape(value)}{AROUND}(&[a-z_][\w.-]*=.*)?")
        assert any(whole.fullmatch(token) for token in tokens), (text, value)


@given(st.dictionaries(st.sampled_from(["text", "blocks", "attachments", "files", "ts"]), JSON))
def test_total(message: dict[str, Any]) -> None:
    """A message of any shape gives identities, each with one name; nothing raises."""
    for one in identities(message):
        assert bool(one.email) != bool(one.uid)


def test_depth_is_bounded() -> None:
    """Nothing that comes in can exhaust the stack."""
    message: dict[str, Any] = {"text": JANE}
    for _ in range(5000):
        message = {"attachments": [message], "blocks": [{"elements": [{"elements": []}]}]}
    assert found(message) == []


@pytest.mark.parametrize(
    ("address", "internal"),
    [
        ("sam@acme.com", True),
        ("sam@EU.Acme.com", True),
        ("sam@notacme.com", False),
        ("acme.com@example.com", False),
    ],
)
def test_customers(address: str, internal: bool) -> None:  # noqa: FBT001
    """People of the company itself are none; uids always are."""
    people = external_identities({"text": f"{address} uid:42"}, ("acme.com",))
    assert [one.shown for one in people] == ([] if internal else [address]) + ["uid 42"]
