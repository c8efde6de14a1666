"""``PartialJSON``: what an object's text tells while it arrives, in time that does not grow with the square of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivideoapi_core.adapter_kit import PartialJSON

VALUE: dict[str, Any] = {
    "items": [{"name": "Zoë ✓", "price": 1.5, "ok": True}] * 40,
    "note": 'a "quoted" \\ line\n',
    "none": None,
}


@pytest.mark.parametrize("size", [1, 2, 7, 50, 10_000])
def test_it_only_grows_and_ends_exact(size: int) -> None:
    text = json.dumps(VALUE, ensure_ascii=False)
    partial = PartialJSON()
    seen = []
    for start in range(0, len(text), size):
        partial.append(text[start : start + size])
        seen.append(partial.value_at(partial.mark))
    assert [len(json.dumps(value)) for value in seen] == sorted(len(json.dumps(value)) for value in seen)
    assert partial.value_at(len(partial.pieces)) == VALUE


def test_what_does_not_parse_leaves_the_last_value() -> None:
    partial = PartialJSON()
    for piece in ('{"a": 1', ', "b": oops', ', "c": 2'):
        partial.append(piece)
        assert partial.value_at(partial.mark) == {"a": 1}


def test_what_is_no_object_is_no_arguments() -> None:
    partial = PartialJSON()
    partial.append("[1, 2")
    assert partial.value_at(partial.mark) == {}


def test_the_work_is_linear() -> None:
    """Counted in characters parsed, not in seconds."""

    def parsed(pieces: int) -> int:
        partial = PartialJSON()
        total = 0
        for _ in range(pieces):
            if partial.append("x" * 8):
                total += 8 * len(partial.pieces)
        return total

    assert parsed(16_000) < 20 * 16_000 * 8
    assert parsed(16_000) < 11 * parsed(1_600)


@given(st.dictionaries(st.text(), st.one_of(st.integers(-9, 9), st.text(), st.lists(st.text()))), st.data())
@settings(max_examples=60, deadline=None)
def test_any_object_cut_anywhere(value: dict[str, Any], data: st.DataObject) -> None:
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()))
    partial = PartialJSON()
    while text:
        cut = data.draw(st.integers(1, len(text)))
        partial.append(text[:cut])
        text = text[cut:]
        assert partial.value_at(partial.mark).keys() <= value.keys() | {""} | set(_prefixes(value))
    assert partial.value_at(len(partial.pieces)) == value


def _prefixes(value: dict[str, Any]) -> Iterator[str]:
    return (key[:end] for key in value for end in range(len(key) + 1))
