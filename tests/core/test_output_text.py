"""Where a JSON object in a streamed text begins and ends, however the text is cut."""

from __future__ import annotations

import json

import pytest
from core_kit import cut_at
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core._inbound.output_text import ObjectEnd, OutputTextRewriter, begins_object
from aivideoapi_core._inbound.output_tool import OutputTool

VALUES = st.recursive(
    st.none() | st.integers() | st.text('ab"\\{}[]\n', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text('a"\\}', max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), st.text(max_size=9), st.lists(st.integers(0, 999), max_size=4))  # fmt: skip
def test_an_object_ends_where_it_ends(value: dict[str, object], after: str, cuts: list[int]) -> None:
    text = json.dumps(value)
    end = ObjectEnd()
    pieces = [piece.decode() for piece in cut_at(text.encode(), cuts)]
    assert [end.take(piece) for piece in pieces] == list(map(len, pieces))
    assert end.take(after) == 0
    assert ObjectEnd().take(text + after) == len(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        (" \n", None),
        ("{", None),
        ('{ "n', None),
        ('{"n\\', None),
        ('{"n" ', None),
        ('{"n":', True),
        ('\n{\n "n" : 1', True),
        ("{}", False),
        ('{"m":', False),
        ("{n", False),
        ('{"n" is', False),
        ("Sure", False),
        ("[", False),
    ],
)
def test_what_begins_an_object(text: str, expected: bool | None) -> None:
    assert begins_object(text, {"n"}) is expected
    if expected:
        assert begins_object(text, ()) is True


def test_any_key_will_do_where_none_is_known() -> None:
    assert begins_object('{"m":', ()) is True
    assert begins_object("{ }", ()) is True


def test_an_event_of_another_kind_is_no_text() -> None:
    rewriter = OutputTextRewriter(OutputTool("answer"), {"n"})
    text = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    strange = [
        {"type": "vendor.trace", "index": 3, "delta": {"type": "text_delta", "text": '{"n":'}},
        {"type": "vendor.trace", "index": 0, "delta": 1},
    ]
    events = [{"type": "message_start", "message": {"id": "msg_1"}}, text, *strange]
    assert [said for event in events for said in rewriter.push(event)] == [events[0], *strange]
