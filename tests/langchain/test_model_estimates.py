"""Token counts of conversations before a call, without the network."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    trim_messages,
)
from langchain_kit import DIRECT, KEY, NATIVE

from langchain_aivideoapi import ChatAIVideoAPI


def test_any_part_of_a_conversation_can_be_counted() -> None:
    model = ChatAIVideoAPI(model=DIRECT, api_key=KEY, base_url="https://example.com")
    call = {"name": "look", "args": {"at": "sky"}, "id": "toolu_1"}
    conversation: list[BaseMessage] = [
        SystemMessage("Be brief."),
        HumanMessage("What is up? " * 20),
        AIMessage("", tool_calls=[call]),
        ToolMessage("The sky is blue. " * 20, tool_call_id="toolu_1"),
        AIMessage("Blue. "),
        HumanMessage(""),
    ]
    size = len(conversation)
    for start in range(size + 1):
        counts = [
            model.get_num_tokens_from_messages(conversation[start:end]) for end in range(start, size + 1)
        ]
        assert counts == sorted(counts)
        assert counts[0] == 0
    kept = trim_messages(conversation, max_tokens=130, token_counter=model, include_system=True)
    assert kept[0] == conversation[0]
    assert 1 < len(kept) < size


def test_estimates_need_no_network() -> None:
    model = ChatAIVideoAPI(model=NATIVE, api_key=KEY, base_url="https://example.com")

    def look(at: str) -> str:
        """Look at something."""
        return at

    few = model.get_num_tokens_from_messages([HumanMessage("hello there")])
    more = model.get_num_tokens_from_messages([HumanMessage("hello there " * 100)])
    with_tools = model.get_num_tokens_from_messages([HumanMessage("hello there")], tools=[look])
    image = {"type": "image", "url": "https://example.com/a.png"}
    with_image = model.get_num_tokens_from_messages([HumanMessage(["hello there", image])])
    assert 0 < few < with_tools
    assert few * 20 < more < few * 200
    assert with_image > few + 1000
    assert model.get_num_tokens("") == 0
    assert model.get_num_tokens("hello") == 2
    assert model.get_num_tokens("天空为什么是蓝色的") >= 7
    with pytest.raises(NotImplementedError, match="not public"):
        model.get_token_ids("hello")


WEATHER = {
    "name": "get_weather",
    "description": "Get the current weather in a given location",
    "input_schema": {
        "type": "object",
        "properties": {
            "location": {"type": "string", "description": "The city and state, e.g. San Francisco, CA"}
        },
        "required": ["location"],
    },
}
ANT = {"type": "image_url", "image_url": {"url": "https://example.com/ant.jpg"}}


@pytest.mark.parametrize(
    ("messages", "tools", "counted"),
    [
        # Counts that the official documentation prints ("Token counting") for these very requests.
        pytest.param(
            [SystemMessage("You are a scientist"), HumanMessage("Hello, Claude")], [], 14, id="text"
        ),
        pytest.param([HumanMessage("What's the weather like in San Francisco?")], [WEATHER], 403, id="tool"),
        pytest.param([HumanMessage([ANT, "Describe this image"])], [], 1551, id="image"),
    ],
)
def test_estimates_are_near_the_counts_of_the_documentation(
    messages: list[Any], tools: list[Any], counted: int
) -> None:
    model = ChatAIVideoAPI(model=DIRECT, api_key=KEY, base_url="https://example.com")
    assert model.get_num_tokens_from_messages(messages, tools=tools) == pytest.approx(counted, rel=0.1)
