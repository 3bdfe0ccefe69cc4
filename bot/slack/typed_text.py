"""Understands what people write to the bot: one grammar for every entry point.

If the text names one person, that person is meant, whatever else it says. A text that says nothing
but who, how many and when is taken word by word; in others, `bot.core.people` finds the people.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from string import punctuation
from typing import Final
from urllib.parse import unquote, urlsplit

from bot.core.labels import UID, Labels
from bot.core.people import Identity, is_no_uid
from bot.core.query import (
    MAX_TEXT_LENGTH,
    Help,
    Limits,
    Parsed,
    ParseError,
    Problem,
    Search,
    Several,
    parse_limit,
)
from bot.core.reading import Reading, read
from bot.core.sessions import MAX_UID_LENGTH, usable_link
from bot.core.words import CHANNEL, CONTROL, INVISIBLE, MENTION, has_markup, is_address, plain_text
from bot.slack.message_parser import MAX_CHARACTERS, identities, is_internal

USUAL: Final = re.compile(
    r" *(?P<link><mailto:)?"
    r"(?P<email>[A-Za-z0-9](?:[\w.+-]*[A-Za-z0-9])?@[a-z0-9-]+(?:\.[a-z0-9-]+)+)"
    r"(?(link)\|(?P=email)>)"
    r"(?: +(?P<limit>[1-9]\d?))? *",
    re.ASCII,
)
"""What most people type, as Slack sends it; reading it word by word takes ten times as long."""

_HELP: Final = frozenset(
    {"", "help", "-h", "--help", "help me", "help please", "help me please", "hilfe", "aide"}
    | {"ayuda", "aiuto", "ajuda", "hulp", "hjälp", "pomoc", "помощь", "ヘルプ", "帮助"}
)
_EXACT: Final = re.compile(r"\s*(?:uid|email):(?:[\"“„«'\u2018]|\S+(?:\s+\d+)?\s*$)", re.IGNORECASE)
_UID: Final = re.compile(r"(?<!\S)uid[:=][^\s:=]", re.IGNORECASE)
_KEY: Final = re.compile(r"^[\w.-]+[=:]")
_KEYED: Final = re.compile(r"(?:^|[\s&?])[\w.-]+=\S*@")  # "user=jane@example.com"
_NO_UID: Final = re.compile(r"^(?:at|limit|email)[:=]|<(?:[@#!]|[a-z]+:)[^<>]*>", re.IGNORECASE)
_LINK: Final = re.compile(r"https?://\S+", re.IGNORECASE)
_TICKET: Final = re.compile(r"/(?:tickets?|conversations?|cases?|issues?|browse)/", re.IGNORECASE)
# A text that was typed for the bot has none of these.
_NOT_TYPED: Final = re.compile(r"[\n{}<>•]|```|://")
_COPIED: Final = re.compile(r"[^\W\d]:(?:\s|$)|\.\.\.|…")  # "From: …", or cut by a preview
_PLAIN_UID: Final = re.compile(r"[\w.-]+", re.ASCII)
_PLAIN_ADDRESS: Final = re.compile(r"[\w.+-]+@[\w.-]+")
_STRICT: Final = re.compile(
    r"[\"“„«].*[\"”«»]|(?<!\w)(?:uid|id|e?-?mail)\s?[:=]", re.IGNORECASE | re.DOTALL
)
_SYMBOLS: Final = re.compile(  # arrows, emoji and dashes between words are never part of a name
    "[\u2014\u2015\u2190-\u21ff\u2300-\u25ca\u25cc-\u2bff\u2122\xae\xa9\uff1a\U0001f000-\U0001faff]+"
)
_GLUED_LINK: Final = re.compile(
    r"(?<=[A-Za-z0-9#/])(?=<mailto:)|(?<=>)(?=\w)|(?<=>)(?:[-/|+=]|&amp;)?(?=<mailto:|[\w.+-]{1,64}@)"
)
_ADDRESS: Final = r"(?<![\w.+-])[\w.+-]{1,64}+@[\w-]{1,63}(?:\.[\w-]{1,63})*\.[a-zA-Z]{2,24}"
_GLUED_ADDRESSES: Final = re.compile(
    rf"<[^<>]*>|(?P<one>{_ADDRESS})(?:-&gt;|=&gt;|->|=>|&amp;|[/|\":=])(?={_ADDRESS})"
)
# Such as "re:" before an address, "Doe," or ":broken" behind it.
_GLUED_WORDS: Final = re.compile(
    r"(?<!\S)(?P<before>(?:re|fwd?|aw|wg|for|find|from|to|kunde|customer|client|kundin):"
    r"|(?!mailto)(?-i:[A-Z][a-z]{1,20}[:;,]))?"
    rf"(?P<address>{_ADDRESS})(?P<behind>(?(before)[:/|?!#]?|[:/|?!#])(?!\d{{1,3}}(?:\s|$))[^\s=<>@]*)"
    r"(?!\S)",
    re.IGNORECASE,
)
_NEXT_SENTENCE: Final = re.compile(  # "jane@example.com.Please"
    r"(?<=\.(?:com|org|net|edu))\.(?=[A-Z][a-z]{2,}(?:\s|$))"
)
_AT_IN_WORDS: Final = re.compile(r"\s*[\[({]\s*at\s*[\])}]\s*", re.IGNORECASE)
_COMMA_FOR_DOT: Final = re.compile(r"(?<=\w)[,;](?=\w[\w.-]{0,63}@)")
_SPACED_AT: Final = re.compile(r"\s+@\s*|\s*@\s+")
_IN_WORD: Final = re.compile(r"(?<=[:=|/(])[\w.+'-]+@[\w-]+(?:\.[\w-]+)+(?![\w@.-])")
_USUAL_END: Final = re.compile(r"\.(?:com|org|net|edu|io|co|de|fr|es|it|nl|uk|eu|example)$")
_DOT_IN_WORDS: Final = re.compile(r"\s*[\[({]\s*dot\s*[\])}]\s*", re.IGNORECASE)


def parse(
    text: str, limits: Limits, labels: Labels = UID, internal_domains: Collection[str] = ()
) -> Parsed:
    """Parse a text as Slack sends it: links as `<…|…>`, and `&`, `<`, `>` as entities.

    `labels` name a uid. If the text names customers and colleagues, the customers are meant.
    """
    if len(text) <= MAX_TEXT_LENGTH and (usual := USUAL.fullmatch(text)):
        limit = int(usual["limit"] or limits.default)
        if limit <= limits.highest and is_address(usual["email"]):
            return Search(usual["email"], None, limit)
    return parse_any(text, limits, labels, internal_domains)


def parse_any(
    text: str, limits: Limits, labels: Labels = UID, internal_domains: Collection[str] = ()
) -> Parsed:
    """Parse a text whatever it says."""
    text = _set_apart(text[:MAX_CHARACTERS])
    colleagues = {mention[1] for mention in MENTION.finditer(text)}
    plain = plain_text(CHANNEL.sub(_channel, MENTION.sub(" ", text)))
    if INVISIBLE.sub("", plain).strip(" \t\n!?.").lower() in _HELP and "<" not in text:
        return Help()
    is_readable = len(plain) <= MAX_TEXT_LENGTH and not CONTROL.search(plain)
    names_colleague = len(colleagues) == 1
    reading = read(plain if is_readable else "", labels, names_colleague=names_colleague)
    if is_readable and reading.is_empty and "<" not in text:
        return Help()
    if not is_readable:
        reading.unknown.append("…")
    named = _named(text, plain, reading, limits, labels, internal_domains)
    mention = "" if any(one.email for one in named) or not names_colleague else colleagues.pop()
    others = named or reading.like_ids or any(len(number) > 3 for number in reading.limits)
    if mention and others and not (named and plain.strip() == f"uid:{named[0].uid}"):
        mention = ""  # the colleague is told about a customer
    if named or (mention and not reading.emails):
        return _found(named, reading, limits, mention)
    return _error(text, plain, reading, limits, len(colleagues))


def _set_apart(text: str) -> str:
    """Put spaces between addresses and what is glued to them, except in the strict form."""
    if _STRICT.search(text):
        return text
    text = _GLUED_ADDRESSES.sub(
        lambda found: f"{found['one']} " if found["one"] else found[0], _GLUED_LINK.sub(" ", text)
    )
    text = _SYMBOLS.sub(r" \g<0> ", _NEXT_SENTENCE.sub(" ", text))
    return _GLUED_WORDS.sub(r"\g<before> \g<address> \g<behind>", text)


def _named(
    text: str,
    plain: str,
    reading: Reading,
    limits: Limits,
    labels: Labels,
    internal_domains: Collection[str],
) -> Sequence[Identity]:
    """Return who is meant: who was typed, or the people in a text that says more."""
    typed = _typed(reading, plain, limits)
    if not all(map(is_address, reading.quoted.intersection(reading.emails))):
        return []  # quotes mean what they say
    is_keyed = _KEYED.search(plain) is not None
    has_one_address = plain.count("@") <= 1 and "%40" not in plain and not is_keyed
    if typed and has_one_address and not (reading.is_labeled and reading.uids):
        return typed  # nothing else can be a person
    found = identities({"text": text}, labels)
    people = [one for one in found if not (one.uid and _NO_UID.search(one.uid))]
    customers = [one for one in people if not is_internal(one.email or "", internal_domains)]
    if people and not customers and (reading.uids or reading.like_ids):
        return []  # a colleague asks for the customer of that uid, perhaps
    named = customers or people
    if not people and has_one_address and not (reading.unknown or reading.uids):
        # In a text that says more, the address of a machine is hardly a customer's.
        is_copied = _NOT_TYPED.search(plain) or _COPIED.search(plain)
        plain_ones = [] if is_copied else filter(_PLAIN_ADDRESS.fullmatch, reading.emails)
        named = [Identity(email=email) for email in plain_ones if is_address(email)]
    if not (people or reading.emails or reading.unknown) and _is_sure_uid(reading, plain, limits):
        named = [Identity(uid=uid) for uid in reading.uids]
    emails = [one for one in named if one.email]
    is_same_count = len(emails) == len(reading.emails) > 0 and not is_keyed
    return typed if typed and (not named or is_same_count or _EXACT.match(plain)) else named


def _is_sure_uid(reading: Reading, plain: str, limits: Limits) -> bool:
    """Tell whether a text says nothing but a labeled uid, how many and when: "uid 42 last 7"."""
    if len(reading.uids) != 1 or not _PLAIN_UID.fullmatch(uid := reading.uids[0]):
        return False
    is_cut = re.search(rf"{re.escape(uid)}[ \t]\d", plain)  # "User ID: 47 11"
    is_odd = is_cut or _limit(reading.limits, limits)[1] or _NOT_TYPED.search(plain)
    return _can_be_asked_for(uid) and not is_odd


def _typed(reading: Reading, plain: str, limits: Limits) -> Sequence[Identity]:
    """Return who was typed, if the text says nothing but who, how many and when.

    In a text that says more, whoever `people_in` is not sure of is not looked up.
    """
    is_literal = _EXACT.match(plain) is not None
    emails = [Identity(email=email) for email in reading.emails if is_address(email)]
    uids = [
        Identity(uid=uid) for uid in reading.uids if _can_be_asked_for(uid, is_literal=is_literal)
    ]
    may_be_typed = (
        is_literal
        or not _NOT_TYPED.search(plain)
        or (reading.is_labeled and len(plain.split()) == 1 and "•" not in plain)
    )
    if len(emails) + len(uids) < len(reading.emails) + len(reading.uids) or reading.unknown:
        return []
    says_more = reading.has_filler or reading.times or _limit(reading.limits, limits)[1]
    is_sure = not reading.is_labeled or _UID.search(plain) is not None or not says_more
    return [*emails, *uids] if may_be_typed and is_sure else []


def _can_be_asked_for(uid: str, *, is_literal: bool = False) -> bool:
    if len(uid) > MAX_UID_LENGTH or has_markup(uid):
        return False
    is_marked = uid.startswith("#") or uid.endswith((":", "\uff1a"))
    looks_like_one = any(map(str.isalnum, uid)) and not (is_no_uid(uid) or is_marked)
    return is_literal or (looks_like_one and not _AT_IN_WORDS.search(uid))


def _found(
    named: Sequence[Identity], reading: Reading, limits: Limits, mention: str
) -> Search | Several:
    """Return a search for one person; an e-mail and a uid are one."""
    emails = [one.email for one in named if one.email]
    uids = [one.uid for one in named if one.uid]
    if len(emails) <= 1 and len(uids) <= 1:
        return _search("".join(emails) or None, "".join(uids) or None, reading, limits, mention)
    reading = replace(reading, emails=[], uids=[])
    return Several(tuple(_search(one.email, one.uid, reading, limits) for one in named))


def _search(
    email: str | None, uid: str | None, reading: Reading, limits: Limits, mention: str = ""
) -> Search:
    """Return the search, with what was not understood."""
    limit, unused = _limit(reading.limits, limits)
    is_one_time = len(reading.times) == 1
    words = [*reading.emails, *reading.uids, *reading.unknown, *unused]
    words += [] if is_one_time else reading.times
    ignored = _without(sorted(words, key=reading.text.find), (email, uid))
    return Search(email, uid, limit, mention, reading.times[0] if is_one_time else "", ignored)


def _without(words: Iterable[str], names: Iterable[str | None]) -> str:
    """Join words without the person in them."""
    found = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in names if name]
    person = re.compile("|".join(found) or r"(?!)", re.IGNORECASE)
    left = []
    for word in words:
        rest = person.sub("", word if person.search(word) else unquote(word))
        if rest in (word, unquote(word)):
            left.append(word)
        elif (bare := _KEY.sub("", rest).strip(f"{punctuation}\u2019")) not in ("", "s"):
            left.append(bare)
    return " ".join(left)


def _limit(said: Sequence[str], limits: Limits) -> tuple[int, Sequence[str]]:
    """Return how many sessions to show, and the numbers that can't be used."""
    numbers = {one: parse_limit(one, limits) for one in said}
    values = {number for number in numbers.values() if isinstance(number, int)}
    if len(values) == 1:
        return values.pop(), [one for one, number in numbers.items() if isinstance(number, Problem)]
    is_too_high = [*numbers.values()] == [Problem.LIMIT_TOO_HIGH]
    return limits.highest if is_too_high and len(said[0]) < 4 else limits.default, said


def _error(text: str, plain: str, reading: Reading, limits: Limits, colleagues: int) -> ParseError:
    """Say why no one was found, and propose what was probably meant."""
    typed = " ".join(INVISIBLE.sub("", CONTROL.sub(" ", plain)).split())[:MAX_UID_LENGTH]
    problem, shown = _problem(text, plain, reading, colleagues)
    proposal = _proposal(problem, typed, reading, limits)
    return ParseError(problem, shown, proposal, typed)


def _problem(text: str, plain: str, reading: Reading, colleagues: int) -> tuple[Problem, str]:
    if CONTROL.search(plain):
        return Problem.CONTROL_CHARACTER, ""
    if len(plain) > MAX_TEXT_LENGTH:
        return Problem.TEXT_TOO_LONG, ""
    if colleagues > 1:
        return Problem.TWO_COLLEAGUES, ""
    if link := _LINK.search(plain):
        return _kind_of_link(link[0]), link[0]
    if channel := CHANNEL.search(text):
        return Problem.CHANNEL, plain_text(_channel(channel))
    for email in reading.emails:
        if is_address(email):
            return Problem.UNCLEAR, " ".join(plain.split())
        return (Problem.MENTION if email.startswith("@") else Problem.BAD_ADDRESS), email
    return _problem_of_words(plain, reading)


def _problem_of_words(plain: str, reading: Reading) -> tuple[Problem, str]:
    for uid in reading.uids:
        if len(uid) > MAX_UID_LENGTH:
            return Problem.UID_TOO_LONG, ""
        if has_markup(uid):
            return Problem.MARKUP, uid
        if _AT_IN_WORDS.search(uid):
            return Problem.BAD_ADDRESS, uid
    if words := " ".join([*reading.uids, *reading.unknown]):
        shown = " ".join(INVISIBLE.sub("", plain).split())
        return (Problem.NO_ONE, "") if is_no_uid(words) else (Problem.UNCLEAR, shown)
    return Problem.NO_ONE, ""


def _channel(markup: re.Match[str]) -> str:
    name = markup[2] or markup[1]
    return f"#{name}" if markup[0][1] == "#" else f"@{name.removeprefix('@')}"


def _kind_of_link(link: str) -> Problem:
    """Tell what a link leads to: a session that is safe to open, or what the bot can't read."""
    try:
        host, path = urlsplit(link).hostname or "", urlsplit(link).path
    except ValueError:
        return Problem.LINK
    if usable_link(link) and re.search(r"/session/|^/v/", path):
        return Problem.SESSION_LINK
    if host.endswith(".slack.com") and path.startswith(("/archives/", "/team/")):
        return Problem.PROFILE_LINK if path.startswith("/team/") else Problem.MESSAGE_LINK
    return Problem.TICKET_LINK if _TICKET.search(path) else Problem.LINK


def _proposal(problem: Problem, typed: str, reading: Reading, limits: Limits) -> Search | None:
    """Return what was probably meant: a repaired address, or the only word like an id."""
    if "://" in typed:
        return None  # what is in a link is hardly meant
    found = Reading("", limits=reading.limits)
    repaired = _SPACED_AT.sub("@", _DOT_IN_WORDS.sub(".", _AT_IN_WORDS.sub("@", typed)))
    addresses = [*filter(is_address, reading.emails), *_IN_WORD.findall(typed)]
    if _COMMA_FOR_DOT.search(repaired):
        addresses, repaired = [], _COMMA_FOR_DOT.sub(".", repaired)
    addresses += [_repaired(word) for word in repaired.split() if "@" in word]
    valid = list(dict.fromkeys(one for one in addresses if is_address(one)))
    uids = list(filter(_can_be_asked_for, [*reading.uids, *reading.like_ids]))
    is_number = not re.search(r"[^\W\d_]", typed)  # of a phone, perhaps
    if problem is Problem.MENTION and not _USUAL_END.search("".join(valid)):
        return None  # "hi @jane.doe"
    if len(valid) == 1 and "&#" not in typed and not uids:
        return _search(valid[0], None, found, limits)
    if problem is Problem.UNCLEAR and len(uids) == 1 and not is_number:
        return _search(None, uids[0], found, limits)
    return None


def _repaired(address: str) -> str:
    """Undo slips of the finger: "jane@gmail,com", "jane@@gmail.com", "jane@gmail..com"."""
    address = address.strip(".,;:!?()<>[]\"'")
    local, _, domain = address.partition("@")
    return f"{local}@{re.sub(r'[.,;]+', '.', domain.lstrip('@.'))}"
