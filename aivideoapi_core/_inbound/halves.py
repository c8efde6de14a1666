"""Halves of characters outside the basic plane, which a server may send one at a time.

JSON spells such a character as two escapes, ``\\ud83d\\ude00``. A server that cuts its text between them
sends an escaped half in each of two deltas; one that cuts its answer there never sends the second. Halves
are put together where both came, and a half alone becomes U+FFFD: no text with a half in it can be encoded.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeVar

_HALF: Final = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF: Final = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPES: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""A pair, a half alone (the group), or any other escape."""
_ESCAPE_AT_END: Final = re.compile(r"\\(?:u[0-9a-fA-F]{4}|u[0-9a-fA-F]{0,3}\Z|\Z|.)", re.DOTALL)
_HALF_BEGUN: Final = re.compile(r"\\(?:u(?:[dD](?:[89a-fA-F][0-9a-fA-F]?)?)?)?\Z")
_FIRST_HALF: Final = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\Z")

_Text = TypeVar("_Text", str, bytes)


def has_half(text: str) -> bool:
    """Whether ``text`` holds half a character."""
    return not text.isascii() and _HALF.search(text) is not None


def joined(text: str) -> str:
    """``text`` with its pairs of halves put together and U+FFFD for those alone."""
    if not has_half(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def without_halves(value: Any) -> Any:
    """A JSON value with every text (keys too) ``joined``."""
    if isinstance(value, str):
        return joined(value)
    if isinstance(value, list):
        return [without_halves(item) for item in value]
    if isinstance(value, dict):
        return {joined(name): without_halves(item) for name, item in value.items()}
    return value


def mended(json_text: _Text) -> _Text:
    """JSON text in which the escape of a half alone is that of U+FFFD; half a text is fine."""
    if isinstance(json_text, bytes):
        return mended(json_text.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    if _ESCAPED_HALF.search(json_text) is None:
        return json_text
    return _ESCAPES.sub(lambda found: r"\ufffd" if found[1] else found[0], json_text)


def split_text(text: str) -> tuple[str, str]:
    """``text``, and the first half of a character at its end, whose other half may still come."""
    return (text[:-1], text[-1]) if text and "\ud800" <= text[-1] <= "\udbff" else (text, "")


def split_json(text: str) -> tuple[str, str]:
    """The same for JSON text that is still arriving: an escape at its end may be, or become, a first half."""
    if "\\" not in text:
        return split_text(text)
    before = last = None
    for found in _ESCAPE_AT_END.finditer(text):
        before, last = last, found
    end = len(text)
    if last is not None and last.end() == end and _HALF_BEGUN.match(last[0]):
        end, last = last.start(), before
    if last is not None and last.end() == end and _FIRST_HALF.match(last[0]):
        end = last.start()
    return text[:end], text[end:]
