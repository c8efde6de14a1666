"""Tool calls and results in any order: every id unique, every call answered once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from official import TURNS, assert_accepted

from aivideoapi_core._outbound.tool_calls import OpenToolCalls, orphan_label


def test_ids_are_unique_and_clean() -> None:
    calls = OpenToolCalls()
    assert [calls.open(given, "look") for given in ("a", "a", "b.c", None, None)] == [
        "a",
        "a_2",
        "b_c",
        "call_look",
        "call_look_2",
    ]


def test_answers_go_to_the_oldest_open_call_of_that_id() -> None:
    calls = OpenToolCalls()
    calls.open("a", "look")
    calls.open("a", "look")
    assert [calls.answer("a"), calls.answer("a"), calls.answer("a"), calls.answer("b")] == [
        "a",
        "a_2",
        None,
        None,
    ]


def test_what_was_not_answered_is_named_once() -> None:
    calls = OpenToolCalls()
    calls.open("a", "look")
    calls.open("b", "look")
    calls.answer("a")
    assert calls
    assert calls.take_open() == ["b"]
    assert not calls
    assert calls.take_open() == []


def test_labels() -> None:
    assert orphan_label("a") == "Result of an earlier tool call (a):"
    assert orphan_label(None, is_error=True) == "Error of an earlier tool call:"


@given(st.lists(st.tuples(st.sampled_from("oa"), st.sampled_from([None, "a", "b", "c d"])), max_size=12))
def test_no_id_is_given_or_answered_twice(steps: list[tuple[str, str | None]]) -> None:
    calls = OpenToolCalls()
    opened = [calls.open(call_id, "look") for step, call_id in steps if step == "o"]
    answered = [calls.answer(call_id, "look") for step, call_id in steps if step == "a"]
    named = [wire_id for wire_id in answered if wire_id is not None] + calls.take_open()
    assert sorted(named) == sorted(opened)
    assert len(set(opened)) == len(opened)


def test_the_judge_reads_what_is_inside_lists() -> None:
    turn = {"role": "user", "content": [{"type": "text", "text": "hi", "colour": "blue"}]}
    try:
        assert_accepted(TURNS, [turn])
    except (AssertionError, ValueError):
        return
    raise AssertionError("a field that the official types do not have was accepted")
