"""Turns, system messages and thinking to the wire, judged by the official SDK's own types."""

from __future__ import annotations

import json
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    CacheControl,
    CachePoint,
    ChatMessage,
    CitationBlock,
    ImageBlock,
    ThinkingBlock,
)
from llamaindex_turns import PNG, assistant, call, result, text, to_messages, translate, user

from aivideoapi_core import InvalidInputError


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param(
            ThinkingBlock(content="hm", additional_information={"signature": "sig"}),
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            id="thinking",
        ),
        pytest.param(
            ThinkingBlock(content=None, additional_information={"signature": "sig"}),
            {"type": "thinking", "thinking": "", "signature": "sig"},
            id="signature only",
        ),
        pytest.param(
            ThinkingBlock(additional_information={"type": "redacted_thinking", "data": "xyz"}),
            {"type": "redacted_thinking", "data": "xyz"},
            id="redacted",
        ),
    ],
)
def test_thinking_goes_back_unchanged(block: ThinkingBlock, expected: Any) -> None:
    _, turns = translate([user(text("q")), assistant(block, text("a")), user(text("more"))])
    assert turns[1]["content"][0] == expected


def test_thinking_of_another_provider_goes_as_text() -> None:
    _, turns = translate(
        [user(text("q")), assistant(ThinkingBlock(content="hm"), text("a")), user(text("b"))]
    )
    said = "<thinking>\nhm\n</thinking>"
    assert turns[1]["content"] == [{"type": "text", "text": said}, {"type": "text", "text": "a"}]


@pytest.mark.parametrize(
    ("role", "wire"),
    [("model", "assistant"), ("chatbot", "assistant"), ("assistant", "assistant"), ("user", "user")],
)
def test_roles(role: str, wire: str) -> None:
    _, turns = translate([user(text("a")), ChatMessage("b", role=role), ChatMessage("c", role="user")])
    assert wire in [turn["role"] for turn in turns]
    assert "".join(block["text"] for turn in turns for block in turn["content"]) == "abc"


def test_system_messages_are_gathered_in_order() -> None:
    system, turns = translate(
        [
            ChatMessage("one", role="system"),
            user(text("hi")),
            ChatMessage("two", role="developer"),
            user(text("there")),
        ]
    )
    assert [block["text"] for block in system] == ["one", "two"]
    assert turns == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]}
    ]


def test_a_system_prompt_alone_becomes_the_question() -> None:
    system, turns = translate([ChatMessage("Say hello.", role="system")])
    assert system == []
    assert turns == [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]


def test_an_image_in_a_system_message_raises() -> None:
    with pytest.raises(InvalidInputError, match="can only hold text"):
        to_messages([ChatMessage(role="system", blocks=[ImageBlock(image=PNG)]), user(text("hi"))])


def test_blank_text_and_empty_messages_disappear() -> None:
    _, turns = translate(
        [user(text("a")), assistant(text(" \n")), assistant(), user(text(""), text("b")), ChatMessage()]
    )
    assert turns == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


class TestTheEnd:
    """A list that ends with an assistant turn."""

    HISTORY = (user(text("q")), assistant(text("The answer is \n")))

    def test_is_a_prefill_for_models_that_take_one(self) -> None:
        _, turns = translate(list(self.HISTORY), prefill=True)
        assert turns[-1] == {"role": "assistant", "content": [{"type": "text", "text": "The answer is"}]}

    def test_is_followed_by_a_user_turn_for_the_others(self) -> None:
        _, turns = translate(list(self.HISTORY), prefill=False)
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]

    def test_is_left_alone_where_the_server_paused(self) -> None:
        paused = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
        _, turns = translate([user(text("q")), assistant(wire_content=[paused])], prefill=False)
        assert turns[-1] == {"role": "assistant", "content": [paused]}


class TestCache:
    POINT = CachePoint(cache_control=CacheControl(type="ephemeral"))
    HOUR = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="1h"))

    def test_points_mark_what_is_before_them(self) -> None:
        system, turns = translate(
            [
                ChatMessage(role="system", blocks=[text("rules"), self.HOUR]),
                user(text("a"), self.POINT, text("b")),
                assistant(text("c")),
                user(text("d"), cache_control={"type": "ephemeral"}),
            ]
        )
        assert system[0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
        assert ["cache_control" in block for block in turns[0]["content"]] == [True, False]
        assert turns[2]["content"][0]["cache_control"] == {"type": "ephemeral"}

    def test_a_point_alone_marks_the_message_before(self) -> None:
        _, turns = translate([user(text("a")), user(self.POINT)])
        assert "cache_control" in turns[0]["content"][0]

    def test_a_point_whose_messages_were_trimmed_is_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        _, turns = translate([user(self.POINT, text("a")), assistant(text("b")), user(text("c"), self.POINT)])
        assert ["cache_control" in turn["content"][0] for turn in turns] == [False, False, True]
        assert "messages[0] has nothing before it any more" in caplog.text
        with pytest.raises(InvalidInputError, match="something before it"):
            to_messages([user(self.POINT, text("a"))])

    @pytest.mark.parametrize(
        "extra", [{"refusal": "I will not."}, {"audio": {"id": "a", "transcript": "I will not."}}]
    )
    def test_what_stands_beside_an_empty_content_is_told(self, extra: dict[str, Any]) -> None:
        said = ChatMessage(role="assistant", blocks=[], additional_kwargs=extra)
        _, turns = translate([user(text("a")), said, user(text("b"))])
        assert turns[1]["content"] == [{"type": "text", "text": "I will not."}]

    def test_thinking_is_never_marked(self) -> None:
        thought = ThinkingBlock(content="hm", additional_information={"signature": "s"})
        _, turns = translate([user(text("a")), assistant(text("b"), thought, self.POINT), user(text("c"))])
        marked = [block["type"] for block in turns[1]["content"] if "cache_control" in block]
        assert marked == ["text"]

    def test_a_point_in_a_tool_result_marks_the_result(self) -> None:
        _, turns = translate([user(text("q")), assistant(call("a")), result("a", text("ok"), self.POINT)])
        assert turns[2]["content"][0]["cache_control"] == {"type": "ephemeral"}

    @pytest.mark.parametrize("bad", [{"type": "forever"}, {"type": "ephemeral", "ttl": "2d"}, "yes"])
    def test_what_the_wire_would_refuse_raises(self, bad: Any) -> None:
        with pytest.raises(InvalidInputError, match="cache_control"):
            to_messages([user(text("a"), cache_control=bad)])


def test_citations_of_a_reply_are_not_sent_as_blocks() -> None:
    cited = CitationBlock(cited_content=text("x"), source="s", title="t", additional_location_info={})
    _, turns = translate([user(text("q")), assistant(text("a"), cited), user(text("b"))])
    assert turns[1]["content"] == [{"type": "text", "text": "a"}]


def test_kept_wire_blocks_yield_to_a_message_that_was_changed() -> None:
    kept = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    same = assistant(text("ab"), wire_content=kept)
    changed = assistant(text("other"), wire_content=kept)
    _, turns = translate([user(text("q")), same, user(text("r")), changed, user(text("s"))])
    assert turns[1]["content"] == kept
    assert turns[3]["content"] == [{"type": "text", "text": "other"}]


def test_a_long_history_costs_the_same_per_message() -> None:
    """Counted in calls, which do not depend on the machine."""
    import sys

    def calls(count: int) -> int:
        history = [
            message
            for number in range(count)
            for message in (
                user(text(f"q{number}")),
                assistant(call(f"c{number}")),
                result(f"c{number}", text("r")),
            )
        ]
        made = 0

        def count_call(*_: Any) -> None:
            nonlocal made
            made += 1

        sys.setprofile(count_call)
        try:
            to_messages(history)
        finally:
            sys.setprofile(None)
        return made

    assert calls(400) < 4.4 * calls(100)


def test_json_survives() -> None:
    """What a serialised message says is what the message says."""
    messages = [
        user(text("q"), ImageBlock(image=PNG)),
        assistant(
            ThinkingBlock(content="hm", additional_information={"signature": "s"}),
            call("a", arguments={"x": 1}),
        ),
        result("a", text("ok")),
    ]
    restored = [ChatMessage.model_validate(json.loads(message.model_dump_json())) for message in messages]
    assert to_messages(restored) == to_messages(messages)
