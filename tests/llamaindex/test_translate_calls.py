"""Tool calls and their results to the wire, judged by the official SDK's own types."""

from __future__ import annotations

from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    DocumentBlock,
    ImageBlock,
    ThinkingBlock,
)
from llamaindex_turns import (
    PDF,
    PNG,
    assistant,
    b64,
    call,
    image_source,
    result,
    text,
    to_messages,
    translate,
    user,
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"city": "Zürich"}, {"city": "Zürich"}, id="object"),
        pytest.param('{"city": "東京"}', {"city": "東京"}, id="text"),
        pytest.param("", {}, id="empty text"),
        pytest.param({}, {}, id="none"),
        pytest.param('{"city": "Par', {"unparsed_arguments": '{"city": "Par'}, id="cut"),
    ],
)
def test_tool_arguments(arguments: Any, expected: Any) -> None:
    _, turns = translate(
        [user(text("q")), assistant(call("a1", arguments=arguments)), result("a1", text("ok"))]
    )
    assert turns[1]["content"] == [{"type": "tool_use", "id": "a1", "name": "look", "input": expected}]


def test_tool_results_with_everything() -> None:
    _, turns = translate(
        [
            user(text("q")),
            assistant(call("a"), call("b"), call("c"), call("d")),
            result("a", text("fine"), ImageBlock(image=PNG), DocumentBlock(data=PDF)),
            result("b", text("boom"), is_error=True),
            result("c"),
            result("d", text("  "), role="function"),
        ]
    )
    assert turns[2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [
                {"type": "text", "text": "fine"},
                image_source("image/png", PNG),
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)}},
            ],
        },
        {"type": "tool_result", "tool_use_id": "b", "content": "boom", "is_error": True},
        {"type": "tool_result", "tool_use_id": "c", "is_error": False},
        {"type": "tool_result", "tool_use_id": "d", "is_error": False},
    ]  # fmt: skip


class TestToolLoops:
    """Lists that the wire would refuse as they are."""

    def test_results_come_first_whatever_was_said_before(self) -> None:
        _, turns = translate(
            [user(text("q")), assistant(call("a"), call("b")), user(text("hurry")), result("b"), result("a")]
        )
        kinds = [(block["type"], block.get("tool_use_id")) for block in turns[2]["content"]]
        assert kinds == [("tool_result", "b"), ("tool_result", "a"), ("text", None)]

    def test_parallel_calls_in_turns_of_their_own(self) -> None:
        _, turns = translate(
            [
                user(text("q")),
                assistant(call("a")),
                assistant(call("b")),
                result("a", text("1")),
                result("b", text("2")),
            ]
        )
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert [block["tool_use_id"] for block in turns[2]["content"]] == ["a", "b"]

    def test_a_call_without_result_gets_one(self) -> None:
        """A FunctionAgent that returns directly from one of two parallel calls leaves this behind."""
        _, turns = translate(
            [
                user(text("q")),
                assistant(call("a"), call("b")),
                result("a", text("1")),
                assistant(text("1")),
                user(text("next")),
            ]
        )
        assert [block["tool_use_id"] for block in turns[2]["content"]] == ["a", "b"]
        assert turns[2]["content"][1]["is_error"] is True

    def test_an_empty_turn_in_between_changes_nothing(self) -> None:
        _, turns = translate([user(text("q")), assistant(call("a")), assistant(), result("a", text("1"))])
        assert turns[2]["content"] == [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]}
        ]

    def test_a_call_at_the_very_end_gets_a_result(self) -> None:
        _, turns = translate([user(text("q")), assistant(call("a"))], prefill=False)
        assert turns[-1]["role"] == "user"
        assert turns[-1]["content"][0]["tool_use_id"] == "a"

    def test_a_result_without_call_is_told_as_text(self) -> None:
        """A memory that forgets the oldest messages cuts tool loops in two."""
        _, turns = translate([result("gone", text("42")), user(text("so?"))])
        assert turns == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Result of an earlier tool call (gone):\n42"},
                    {"type": "text", "text": "so?"},
                ],
            }
        ]

    def test_ids_are_made_fit_for_the_wire_and_stay_paired(self) -> None:
        _, turns = translate(
            [
                user(text("q")),
                assistant(call("call:1/ü"), call("call:1/ö")),
                result("call:1/ö"),
                result("call:1/ü"),
            ]
        )
        used = [block["id"] for block in turns[1]["content"]]
        assert len(set(used)) == 2
        assert [block["tool_use_id"] for block in turns[2]["content"]] == used[::-1]

    def test_ids_that_repeat_are_told_apart(self) -> None:
        """Some providers use the tool's name for an id, in every turn."""
        loop = [assistant(call("look")), result("look", text("x"))]
        _, turns = translate([user(text("q")), *loop, *loop])
        assert [turns[1]["content"][0]["id"], turns[3]["content"][0]["id"]] == ["look", "look_2"]
        assert turns[4]["content"][0]["tool_use_id"] == "look_2"

    def test_calls_without_ids_are_matched_by_name_and_order(self) -> None:
        _, turns = translate(
            [
                user(text("q")),
                assistant(call(None, "one"), call(None, "two")),
                result(None, text("2"), name="two"),
                result(None, text("1")),
            ]
        )
        ids = {block["name"]: block["id"] for block in turns[1]["content"]}
        assert [block["tool_use_id"] for block in turns[2]["content"]] == [ids["two"], ids["one"]]

    def test_a_result_with_an_id_for_a_call_without_one(self) -> None:
        _, turns = translate([user(text("q")), assistant(call(None)), result("call_9", text("1"))])
        assert turns[2]["content"][0]["tool_use_id"] == turns[1]["content"][0]["id"]

    def test_thinking_stands_where_it_stood_in_a_merged_turn(self) -> None:
        thought = ThinkingBlock(content="hm", additional_information={"signature": "s"})
        _, turns = translate(
            [user(text("q")), assistant(text("a")), assistant(thought, call("x")), result("x", text("r"))]
        )
        assert [block["type"] for block in turns[1]["content"]] == ["text", "thinking", "tool_use"]


class _Function:
    name = "look"
    arguments = '{"city": "Oslo"}'


class _Call:
    id = "c1"
    function = _Function()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"id": "c1", "name": "look", "input": {"city": "Oslo"}}, id="anthropic"),
        pytest.param(
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Oslo"}'}},
            id="openai dict",
        ),
        pytest.param(_Call(), id="openai object"),
        pytest.param({"id": "c1", "name": "look", "args": {"city": "Oslo"}}, id="langchain-like"),
        pytest.param({"toolUseId": "c1", "name": "look", "input": {"city": "Oslo"}}, id="bedrock"),
        pytest.param({"tool_id": "c1", "tool_name": "look", "tool_kwargs": {"city": "Oslo"}}, id="selection"),
    ],
)
def test_tool_calls_in_additional_kwargs(entry: Any) -> None:
    _system, turns = to_messages(
        [user(text("q")), assistant(text("I look."), tool_calls=[entry]), result("c1", text("ok"))]
    )
    assert turns[1]["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"city": "Oslo"}},
    ]
    assert turns[2]["content"][0]["tool_use_id"] == "c1"


def test_a_call_that_is_said_twice_is_sent_once() -> None:
    _, turns = translate(
        [
            user(text("q")),
            assistant(call("c1"), tool_calls=[{"id": "c1", "name": "look", "input": {}}]),
            result("c1"),
        ]
    )
    assert len(turns[1]["content"]) == 1
