"""The tool that stands for an output format: its arguments, and nothing else, are the text of the reply."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy
from langchain_core.messages import HumanMessage
from pydantic import BaseModel

from aivideoapi_core import MessageAccumulator
from aivideoapi_core._inbound.output_tool import OutputTool
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
VALUE = {"name": "Ada", "age": 36}


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


def look(at: str) -> str:
    """Look at something."""
    return at


CALL = {"type": "tool_use", "id": "toolu_1", "name": "Person", "input": VALUE}
OTHER = {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {"at": "sky"}}
BEFORE = {"type": "text", "text": "Here is the person:"}
AFTER = {"type": "text", "text": "That was easy."}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"}
ANSWER = {"type": "text", "text": json.dumps(VALUE)}


def _remark(block: dict[str, Any]) -> dict[str, Any]:
    return {"type": "non_standard", "value": block}


CASES: list[Any] = [
    pytest.param([CALL], json.dumps(VALUE), id="the call alone"),
    pytest.param([BEFORE, CALL], [_remark(BEFORE), ANSWER], id="text before"),
    pytest.param([THOUGHT, BEFORE, CALL], [THOUGHT, _remark(BEFORE), ANSWER], id="thinking, text before"),
    pytest.param([BEFORE, THOUGHT, CALL], [_remark(BEFORE), THOUGHT, ANSWER], id="text, thinking"),
    pytest.param([CALL, AFTER], [ANSWER, _remark(AFTER)], id="text after"),
    pytest.param([CALL, CALL], [ANSWER, _remark(ANSWER)], id="called twice"),
    pytest.param(
        [{"type": "text", "text": "\n"}, CALL], [{"type": "text", "text": "\n"}, ANSWER], id="blanks"
    ),
]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed="same", validate=False) as running:
        yield running


def _model(sandbox: Sandbox, **fields: Any) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url, **fields)


@pytest.mark.parametrize("thinking", [None, True])
@pytest.mark.parametrize(("content", "expected"), CASES)
def test_the_text_is_the_json_on_all_roads(
    sandbox: Sandbox, content: list[Any], expected: Any, thinking: bool | None
) -> None:
    response_format = {"type": "json_schema", "json_schema": {"name": "Person", "schema": Person.model_json_schema()}}  # fmt: skip
    bound = _model(sandbox, thinking=thinking).bind(response_format=response_format)
    sandbox.enqueue(*[Reply(content=content)] * 4)
    whole = bound.invoke("x")
    assert whole.content == expected
    assert json.loads(whole.text) == VALUE
    chunks: list[Any] = list(bound.stream("x"))
    summed = reduce(add, chunks)
    assert summed.content == whole.content
    assert summed.content_blocks == whole.content_blocks
    v3 = bound.stream_events("x", version="v3").output
    assert [{**block, "index": 0} for block in v3.content_blocks] == [{**block, "index": 0} for block in whole.content_blocks]  # fmt: skip
    assert v3.text == whole.text
    for message in (whole, summed, v3):
        assert message.tool_calls == []
        assert message.response_metadata["stop_reason"] == "end_turn"
        bound.invoke([HumanMessage("x"), message, HumanMessage("And now?")])
        sent = json.dumps(sandbox.requests[-1].body["messages"])
        for block in content:  # everything goes back to the model
            assert block.get("text", "").strip() in sent


@pytest.mark.parametrize("include_raw", [False, True])
def test_words_around_the_answer_do_not_spoil_it(sandbox: Sandbox, include_raw: bool) -> None:
    structured = _model(sandbox, thinking=True).with_structured_output(
        Person, method="json_schema", include_raw=include_raw
    )
    sandbox.enqueue(*[Reply(content=[THOUGHT, BEFORE, CALL, AFTER])] * 2)
    found: Any = [structured.invoke("x"), list(structured.stream("x"))[-1]]
    if include_raw:
        assert _remark(BEFORE) in found[0]["raw"].content
        found = [found[0]["parsed"], Person(**VALUE)]  # streamed results come key by key
    assert found == [Person(**VALUE)] * 2


def test_an_agent_gets_its_answer(sandbox: Sandbox) -> None:
    agent: Any = create_agent(
        _model(sandbox, thinking=True), [look], response_format=ProviderStrategy(Person)
    )
    let_me = Reply(content=[{"type": "text", "text": "Let me look."}, OTHER])
    for run in (agent.invoke, lambda ask: list(agent.stream(ask, stream_mode="values"))[-1]):
        sandbox.enqueue(let_me, Reply(content=[BEFORE, CALL]))
        result = run({"messages": [("user", "Who?")]})
        assert result["structured_response"] == Person(**VALUE)
        assert result["messages"][1].text == "Let me look."


@pytest.mark.filterwarnings("ignore:claude-sonnet-4-6.* answered a forced tool call in text")
def test_an_answer_in_words_is_text(sandbox: Sandbox) -> None:
    """With thinking on nobody can make the model call the tool."""
    structured = _model(sandbox, thinking=True).with_structured_output(Person, method="json_schema")
    sandbox.enqueue(*[Reply(content=[THOUGHT, {"type": "text", "text": json.dumps(VALUE)}])] * 2)
    assert structured.invoke("x") == Person(**VALUE)
    assert list(structured.stream("x"))[-1] == Person(**VALUE)


BLOCKS = st.sampled_from([CALL, OTHER, BEFORE, AFTER, THOUGHT, {"type": "text", "text": " "}])


@given(st.lists(BLOCKS, max_size=6), st.booleans())
def test_events_are_rewritten_as_the_whole_is(content: list[dict[str, Any]], at_start: bool) -> None:
    tool = OutputTool("Person")
    message: Any = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": content, "stop_reason": "tool_use", "stop_sequence": None, "usage": {}}  # fmt: skip
    whole, rewriter = MessageAccumulator(), tool.rewriter()
    for event in _events(message, at_start=at_start):
        whole.push(event)
        for _ in rewriter.push(event):
            pass
    for _ in rewriter.finish(whole.message()):
        pass
    assert rewriter.accumulator.message()["content"] == tool.as_text(whole.message())["content"]


def _events(message: dict[str, Any], *, at_start: bool) -> Iterator[dict[str, Any]]:
    yield {"type": "message_start", "message": {**message, "content": [], "stop_reason": None}}
    for index, block in enumerate(message["content"]):
        kind = block["type"]
        empty = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}[kind]  # fmt: skip
        deltas: dict[str, list[dict[str, Any]]] = {
            "text": [{"type": "text_delta", "text": block.get("text")}],
            "thinking": [{"type": "thinking_delta", "thinking": "Hm."}, {"type": "signature_delta", "signature": "c2ln"}],
            "tool_use": [{"type": "input_json_delta", "partial_json": json.dumps(block.get("input"))}],
        }  # fmt: skip
        whole = at_start and kind != "thinking"
        yield {
            "type": "content_block_start",
            "index": index,
            "content_block": block if whole else block | empty,
        }
        if not whole:
            for delta in deltas[kind]:
                yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None}, "usage": {}}
    yield {"type": "message_stop"}
