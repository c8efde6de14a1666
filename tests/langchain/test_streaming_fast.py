"""Chunks made by hand equal chunks that pydantic validated, field by field, and share nothing."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from langchain_aivideoapi._inbound.fast import (
    PROVIDER,
    arguments_chunk,
    block_chunk,
    text_chunk,
    text_result,
    tool_start_chunk,
)


def _validated(**fields: Any) -> ChatGenerationChunk:
    return ChatGenerationChunk(
        message=AIMessageChunk(response_metadata={"model_provider": PROVIDER}, **fields)
    )


TEXT_BLOCK = {"type": "text", "text": "hi ä", "index": 0}
THINKING = {"type": "thinking", "thinking": "hm", "index": 0}
START = {"type": "tool_use", "id": "toolu_1", "name": "look", "index": 1}

PAIRS: list[Any] = [
    pytest.param(lambda: text_chunk("hi ä"), {"content": "hi ä"}, id="text"),
    pytest.param(lambda: text_chunk(""), {"content": ""}, id="no text"),
    pytest.param(lambda: block_chunk(dict(TEXT_BLOCK)), {"content": [TEXT_BLOCK]}, id="text block"),
    pytest.param(lambda: block_chunk(dict(THINKING)), {"content": [THINKING]}, id="thinking block"),
    pytest.param(
        lambda: arguments_chunk('{"a', 1),
        {
            "content": [],
            "tool_call_chunks": [tool_call_chunk(name=None, args='{"a', id=None, index=1)],
        },
        id="arguments",
    ),
    pytest.param(
        lambda: tool_start_chunk(dict(START), 1),
        {
            "content": [START],
            "tool_call_chunks": [tool_call_chunk(name="look", args="", id="toolu_1", index=1)],
        },
        id="start of a call",
    ),
]


@pytest.mark.parametrize(("make", "fields"), PAIRS)
def test_equals_the_validated_object(make: Any, fields: dict[str, Any]) -> None:
    made, validated = make(), _validated(**fields)
    # On a piece of a call validation guesses at calls in half a JSON text; the piece itself has none.
    validated.message.tool_calls = []
    validated.message.invalid_tool_calls = []
    assert type(made) is type(validated)
    assert type(made.message) is type(validated.message)
    assert made.message.__dict__ == validated.message.__dict__
    assert list(made.message.__dict__) == list(validated.message.__dict__)
    assert {name: value for name, value in made.__dict__.items() if name != "message"} == {
        name: value for name, value in validated.__dict__.items() if name != "message"
    }
    assert list(made.__dict__) == list(validated.__dict__)
    assert made == validated
    assert repr(made) == repr(validated)
    for mine, theirs in ((made, validated), (made.message, validated.message)):
        assert mine.__pydantic_extra__ == theirs.__pydantic_extra__
        assert mine.__pydantic_private__ == theirs.__pydantic_private__
    assert made.__pydantic_fields_set__ == validated.__pydantic_fields_set__
    assert made.message.__pydantic_fields_set__ >= {"content", "response_metadata"}
    assert made.model_dump() == validated.model_dump()


@pytest.mark.parametrize(("make", "fields"), PAIRS)
def test_can_be_copied_pickled_and_changed(make: Any, fields: dict[str, Any]) -> None:
    chunk = make()
    assert pickle.loads(pickle.dumps(chunk)) == chunk
    assert copy.deepcopy(chunk) == chunk
    chunk.message.id = "lc_1"
    assert chunk.message.model_copy().id == "lc_1"


def _mutables(value: Any) -> Iterator[int]:
    for item in (value, *vars(value).values(), value.__pydantic_fields_set__, value.__pydantic_extra__):
        if isinstance(item, (dict, list, set)):
            yield id(item)


@pytest.mark.parametrize(("make", "fields"), PAIRS)
def test_two_chunks_share_nothing_that_can_change(make: Any, fields: dict[str, Any]) -> None:
    one, two = make(), make()
    for mine, other in ((one, two), (one.message, two.message)):
        assert not {*_mutables(mine)} & {*_mutables(other)}


USAGE: Any = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5, "credits_consumed_micro": 7}


@pytest.mark.parametrize("usage", [USAGE, None])
@pytest.mark.parametrize("text", ["hi ä", ""])
def test_a_whole_text_equals_the_validated_one(text: str, usage: Any) -> None:
    def parts(result: ChatResult) -> Iterator[Any]:
        yield from (result, generation := result.generations[0], generation.message)

    facts = {"model_provider": PROVIDER, "usage": {"input_tokens": 3}}
    message = AIMessage(
        text, tool_calls=[], invalid_tool_calls=[], usage_metadata=usage, response_metadata=dict(facts)
    )
    validated = ChatResult(generations=[ChatGeneration(message=message)])
    made, other = (text_result(text, usage, dict(facts)) for _ in range(2))
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == made == validated
    assert (repr(made), made.model_dump()) == (repr(validated), validated.model_dump())
    for mine, theirs, second in zip(parts(made), parts(validated), parts(other), strict=True):
        assert (type(mine), list(mine.__dict__)) == (type(theirs), list(theirs.__dict__))
        assert mine.__pydantic_fields_set__ == theirs.__pydantic_fields_set__
        assert mine.__pydantic_extra__ == theirs.__pydantic_extra__
        assert mine.__pydantic_private__ == theirs.__pydantic_private__
        assert {*_mutables(mine)} & {*_mutables(second)} <= {id(usage)}


def test_the_sum_parses_the_arguments_once() -> None:
    pieces = ['{"a":', " [1,", ' 2], "b": "', '}"}']
    total: Any = tool_start_chunk(dict(START), 1)
    for piece in pieces:
        chunk = arguments_chunk(piece, 1)
        assert chunk.message.tool_calls == []
        total = total + chunk
    (call,) = total.message.tool_calls
    assert call == {"name": "look", "args": {"a": [1, 2], "b": "}"}, "id": "toolu_1", "type": "tool_call"}
