"""The JSON objects and arrays that stand in a text, found in one pass whatever the text is.

A model that was asked for JSON puts words, fences and tags around it. Trying a parser at every bracket
reads ``[[[[...`` once per bracket; this automaton takes each token once, and keeps what was whole when
what was around it turns out not to be JSON (``[see: {"n": 1}]``).
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any, Final

MAX_CHARS: Final = 600_000
"""Longer texts are not read: more than the longest answer of any model."""
MAX_VALUES: Final = 64
"""A text with more values than this is not an answer with words around it."""
MAX_DEPTH: Final = 64
"""Brackets within brackets; what lies deeper is not read."""

_TOKEN: Final = re.compile(
    r"""[ \t\r\n]*+(?:
        (?P<mark>[\[\]{}:,])
      | (?P<text>"[^"\\]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\]*+)*+")
      | (?P<word>true|false|null|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?)
    )""",
    re.VERBOSE,
)
_OPENER: Final = re.compile(
    r"""\{(?=[ \t\r\n]*+["}]) | \[(?=[ \t\r\n]*+["\[\]{}tfn0-9-])""",
    re.VERBOSE,
)
_CLOSER: Final = {"{": "}", "[": "]"}

# What a bracket that is open waits for.
_FIRST, _KEY, _COLON, _VALUE, _NEXT = range(5)

_Span = tuple[int, int]


class _Open:
    """A bracket that is still open, and the whole values in it so far."""

    __slots__ = ("bracket", "inner", "start", "waits_for")

    def __init__(self, bracket: str, start: int) -> None:
        self.bracket = bracket
        self.start = start
        self.waits_for = _FIRST
        self.inner: list[_Span] = []


class JSONScanner:
    """Finds where the outermost JSON objects and arrays of ``text`` stand; ``steps`` counts the tokens read."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._open: list[_Open] = []
        self.spans: list[_Span] = []
        self.steps = 0

    def scan(self) -> list[_Span]:
        """The spans, in order, none inside another."""
        place, quote = 0, -1
        while True:
            self.steps += 1
            if not self._open:
                opener = _OPENER.search(self._text, place)
                if opener is None:
                    return self.spans
                place = opener.start()
            token = _TOKEN.match(self._text, place)
            if token is not None and self._take(token):
                place = token.end()
                quote = token.start("text")
                continue
            # No JSON from here on, so neither is anything that is still open.
            self._give_up()
            if token is not None:
                # A bracket may open a value of its own, and what looked like a string be words.
                quote = quote if quote >= 0 else token.start("text")
                place = token.end() - (token["mark"] in _CLOSER)
            if quote >= 0:
                place, quote = quote + 1, -1
            elif token is None:
                place += 1

    def _take(self, token: re.Match[str]) -> bool:
        """Whether the token may stand where it stands."""
        kind = token.lastgroup
        mark = token["mark"] if kind == "mark" else ""
        top = self._open[-1] if self._open else None
        if mark in _CLOSER:
            if len(self._open) >= MAX_DEPTH or not (top is None or _takes_value(top)):
                return False
            self._open.append(_Open(mark, token.end() - 1))
            return True
        if top is None:
            return False
        if mark in ("}", "]") and mark:
            return self._close(top, mark, token.end())
        if mark == ":":
            return _move(top, _COLON, _VALUE)
        if mark == ",":
            return _move(top, _NEXT, _KEY if top.bracket == "{" else _VALUE)
        if kind == "text" and top.bracket == "{" and top.waits_for in (_FIRST, _KEY):
            top.waits_for = _COLON
            return True
        if not _takes_value(top):
            return False
        top.waits_for = _NEXT
        return True

    def _close(self, top: _Open, mark: str, end: int) -> bool:
        if mark != _CLOSER[top.bracket] or top.waits_for not in (_FIRST, _NEXT):
            return False
        self._open.pop()
        span = top.start, end
        if not self._open:
            self.spans.append(span)
            return True
        outer = self._open[-1]
        outer.waits_for = _NEXT
        outer.inner.append(span)
        return True

    def _give_up(self) -> None:
        for opened in self._open:
            self.spans += opened.inner
        self._open.clear()


def _takes_value(top: _Open) -> bool:
    return top.waits_for == _VALUE or (top.bracket == "[" and top.waits_for == _FIRST)


def _move(top: _Open, waited: int, waits: int) -> bool:
    if top.waits_for != waited:
        return False
    top.waits_for = waits
    return True


def json_values(text: str) -> list[Any]:
    """The outermost JSON objects and arrays in ``text``; none if it is longer or holds more than we read.

    Not read: an object that names a key twice, numbers that Python has no value for. Lone halves of an
    emoji become U+FFFD, since nothing could be sent with one.
    """
    if len(text) > MAX_CHARS:
        return []
    spans = JSONScanner(text).scan()
    if len(spans) > MAX_VALUES:
        return []
    values = []
    for start, end in spans:
        with suppress(ValueError):
            values.append(parse_json(text[start:end]))
    return values


def parse_json(text: str) -> Any:
    """The value of ``text`` as ``json_values`` reads it, blanks in strings taken as they are.

    Raises ``ValueError`` if it is none, and for what is not read.
    """
    try:
        value = json.loads(text, strict=False, object_pairs_hook=_unique, parse_float=_finite)
    except RecursionError:
        raise ValueError("too many brackets within brackets") from None
    return _without_lone_halves(value)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError("too large")
    return value


def _without_lone_halves(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_lone_halves(item) for item in value]
    if isinstance(value, dict):
        return {_without_lone_halves(key): _without_lone_halves(item) for key, item in value.items()}
    return value
