"""Separates addresses from text in scripts that have no spaces between words."""

from __future__ import annotations

import re
import unicodedata


def up_to_other_script(text: str) -> str:
    """Cut where Latin ends and a script without spaces begins: `example.comより`."""
    if text.isascii():
        return text
    head = re.match(r"[\x21-\x7e]*[A-Za-z0-9]", text)
    if head and head.end() < len(text) and _has_no_spaces(text[head.end()]):
        return head[0]
    label = text.rpartition(".")[2]
    tail = re.match(r"[A-Za-z]{2,}", label)
    if tail and tail.end() < len(label) and _has_no_spaces(label[tail.end()]):
        return text[: len(text) - len(label) + tail.end()]
    return text


def from_other_script(text: str) -> str:
    """Cut where a script without spaces ends and Latin begins: `お客様jane`."""
    tail = re.search(r"[\x21-\x7e]+$", text)
    if tail and tail.start() > 0 and _has_no_spaces(text[tail.start() - 1]):
        return tail[0]
    return text


def _has_no_spaces(letter: str) -> bool:
    """Tell whether a letter is of such a script, or of one that appends endings, such as Korean."""
    name = unicodedata.name(letter, "")
    return name.startswith(
        ("CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "THAI", "LAO", "KHMER", "MYANMAR")
    )
