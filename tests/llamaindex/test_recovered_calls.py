"""A route that does not honour ``tool_choice``: the call comes as text, and is a call all the same."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core import get_response_synthesizer
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, TextBlock, ToolCallBlock
from llama_index.core.program.function_program import FunctionCallingProgram
from llama_index.core.prompts import PromptTemplate
from llama_index.core.schema import NodeWithScore, TextNode
from llama_index.core.tools import FunctionTool
from official import TURNS, assert_accepted
from pydantic import BaseModel, RootModel

from aivideoapi_core import ToolChoiceIgnoredError
from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"

pytestmark = pytest.mark.filterwarnings("ignore:claude-sonnet-4-6.* answered a forced tool call in text")


class Count(BaseModel):
    """A count."""

    n: int


def count(n: int) -> int:
    """Count to a number."""
    return n


def tally(of: str) -> int:
    """Count something else."""
    return len(of)


TOOLS = [FunctionTool.from_defaults(count), FunctionTool.from_defaults(tally)]
ASK = PromptTemplate("How many {things}?")
TEXTS = [
    pytest.param('{"n": 1}', id="bare"),
    pytest.param('```json\n{"n": 1}\n```', id="fence"),
    pytest.param('Sure, here it is: {"n": 1}. Anything else?', id="prose"),
    pytest.param('<tool_calls>[{"input": {"n": 1}}]</tool_calls>', id="tags"),
    pytest.param('<invoke name="Count"><parameter name="n">1</parameter></invoke>', id="invoke"),
    pytest.param('{"name": "Count", "arguments": "{\\"n\\": 1}"}', id="wrapper"),
]
WORDS = "I would rather not say."


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed="same") as running:
        yield running


def _llm(sandbox: Sandbox, model: str = NATIVE, **fields: Any) -> AIVideoAPI:
    return AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, **fields)


async def _alast(stream: Any) -> Any:
    return [response async for response in await stream][-1]


def _with(call: dict[str, Any]) -> dict[str, Any]:
    return {"tools": TOOLS, "user_msg": "x", **call}


ROADS: list[Any] = [
    pytest.param(lambda llm, **call: llm.chat_with_tools(**_with(call)), id="chat"),
    pytest.param(lambda llm, **call: asyncio.run(llm.achat_with_tools(**_with(call))), id="achat"),
    pytest.param(lambda llm, **call: list(llm.stream_chat_with_tools(**_with(call)))[-1], id="stream"),
    pytest.param(
        lambda llm, **call: asyncio.run(_alast(llm.astream_chat_with_tools(**_with(call)))), id="astream"
    ),
]


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize(
    "forced", [{"tool_required": True}, {"tool_choice": "any"}, {"tool_choice": "count"}], ids=str
)
@pytest.mark.parametrize("road", ROADS)
def test_a_call_in_every_road(
    sandbox: Sandbox, road: Callable[..., Any], forced: dict[str, Any], model: str
) -> None:
    llm, text = _llm(sandbox, model), 'Sure: {"n": 1}'
    sandbox.enqueue(Reply(text))
    response = road(llm, **forced)
    said, call = response.message.blocks
    assert isinstance(said, TextBlock)
    assert isinstance(call, ToolCallBlock)
    assert (said.text, call.tool_name, call.tool_kwargs) == (text, "count", {"n": 1})
    assert response.message.additional_kwargs["recovered_tool_call"] is True
    assert response.additional_kwargs["recovered_tool_call"] is True
    assert response.raw["stop_reason"] == response.additional_kwargs["stop_reason"] == "tool_use"
    (selection,) = llm.get_tool_calls_from_response(response)
    assert (selection.tool_name, selection.tool_kwargs) == ("count", {"n": 1})
    assert len(sandbox.requests) == 1
    # And back it goes: the sandbox judges the request.
    answered = ChatMessage(role="tool", content="1", additional_kwargs={"tool_call_id": call.tool_call_id})
    llm.chat_with_tools(TOOLS, chat_history=[ChatMessage("x"), response.message, answered])
    turn = sandbox.requests[-1].body["messages"][1]["content"]
    assert [block["type"] for block in turn] == ["text", "tool_use"]


def test_a_call_that_thinking_left_to_words(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply('{"n": 1}', thinking="Hm."))
    response = _llm(sandbox, thinking=True).chat_with_tools(TOOLS, "x", tool_required=True)
    assert response.message.additional_kwargs["recovered_tool_call"] is True


@pytest.mark.parametrize("fields", [{}, {"tool_choice": "auto"}, {"tool_choice": "none"}], ids=str)
@pytest.mark.parametrize("road", ROADS)
def test_text_that_was_not_forced_stays_text(sandbox: Sandbox, road: Any, fields: dict[str, Any]) -> None:
    sandbox.enqueue(Reply('{"n": 1}'))
    response = road(_llm(sandbox), **fields)
    assert response.message.content == '{"n": 1}'
    assert "tool_calls" not in response.message.additional_kwargs
    assert not {"recovered_tool_call", "tool_choice_ignored"} & response.additional_kwargs.keys()


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
@pytest.mark.parametrize("road", ROADS)
def test_a_reply_that_was_cut_or_refused_stays_text(sandbox: Sandbox, road: Any, reason: str) -> None:
    sandbox.enqueue(Reply('{"n": 1}', stop_reason=reason))
    response = road(_llm(sandbox), tool_required=True)
    assert response.message.content == '{"n": 1}'
    assert response.additional_kwargs["stop_reason"] == reason


async def _alast_object(llm: Any) -> Any:
    return [found async for found in await llm.astream_structured_predict(Count, ASK, things="x")][-1]


def _program(llm: Any) -> Any:
    return FunctionCallingProgram.from_defaults(Count, prompt=ASK, llm=llm)


MESSAGES = [ChatMessage("How many?")]
STRUCTURED: list[Any] = [
    pytest.param(lambda llm: llm.structured_predict(Count, ASK, things="x"), id="predict"),
    pytest.param(lambda llm: asyncio.run(llm.astructured_predict(Count, ASK, things="x")), id="apredict"),
    pytest.param(lambda llm: list(llm.stream_structured_predict(Count, ASK, things="x"))[-1], id="stream"),
    pytest.param(lambda llm: asyncio.run(_alast_object(llm)), id="astream"),
    pytest.param(lambda llm: llm.as_structured_llm(Count).chat(MESSAGES).raw, id="structured llm"),
    pytest.param(
        lambda llm: list(llm.as_structured_llm(Count).stream_chat(MESSAGES))[-1].raw, id="structured stream"
    ),
    pytest.param(
        lambda llm: asyncio.run(llm.as_structured_llm(Count).achat(MESSAGES)).raw, id="structured, async"
    ),
    pytest.param(lambda llm: _program(llm)(things="x"), id="program"),
    pytest.param(lambda llm: asyncio.run(_program(llm).acall(things="x")), id="program, async"),
]


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("road", STRUCTURED)
@pytest.mark.parametrize("text", TEXTS)
def test_structured_output(sandbox: Sandbox, road: Callable[[Any], Any], text: str, model: str) -> None:
    sandbox.enqueue(Reply(text))
    assert road(_llm(sandbox, model)) == Count(n=1)
    assert len(sandbox.requests) == 1


async def _astreamed(program: Any) -> list[Any]:
    return [found async for found in await program.astream_call(things="x")]


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("choice", [None, {"type": "tool", "name": "Count"}], ids=["any", "by name"])
def test_a_program_that_streams(sandbox: Sandbox, choice: Any, text: str, model: str) -> None:
    sandbox.enqueue(Reply(text), Reply(text))
    llm: Any = _llm(sandbox, model)
    program = FunctionCallingProgram.from_defaults(Count, prompt=ASK, llm=llm, tool_choice=choice)
    assert list(program.stream_call(things="x"))[-1] == Count(n=1)
    assert asyncio.run(_astreamed(program))[-1] == Count(n=1)


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize(
    ("reply", "error"),
    [
        pytest.param(Reply(WORDS), ToolChoiceIgnoredError, id="words"),
        pytest.param(
            Reply(tool_uses=[{"name": "Count", "input": {"n": 1}}], stop_reason="max_tokens"),
            ValueError,
            id="cut",
        ),
        pytest.param(
            Reply(tool_uses=[{"name": "Count", "input": {"n": "x"}}]), ValueError, id="another kind"
        ),
    ],
)
def test_a_program_that_streams_ends_as_its_call_does(
    sandbox: Sandbox, reply: Reply, error: type[Exception], model: str
) -> None:
    sandbox.enqueue(reply, reply, reply)
    program = _program(_llm(sandbox, model))
    for road in (
        lambda: program(things="x"),
        lambda: list(program.stream_call(things="x")),
        lambda: asyncio.run(_astreamed(program)),
    ):
        with pytest.raises(error):
            road()
    assert len({json.dumps(request.body["tool_choice"]) for request in sandbox.requests}) == 1


@pytest.mark.parametrize("road", STRUCTURED)
def test_what_cannot_be_read_raises_with_the_text(sandbox: Sandbox, road: Callable[[Any], Any]) -> None:
    sandbox.enqueue(Reply(WORDS))
    with pytest.raises(ToolChoiceIgnoredError, match=WORDS) as caught:
        road(_llm(sandbox))
    assert (caught.value.text, caught.value.retryable) == (WORDS, False)
    assert not isinstance(caught.value, ValueError)  # which query engines take for no answer
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("road", STRUCTURED[:7])
def test_what_is_no_object_of_an_output_format_raises_with_the_text(sandbox: Sandbox, road: Any) -> None:
    sandbox.enqueue(Reply(WORDS))
    with pytest.raises(ToolChoiceIgnoredError, match=WORDS) as caught:
        road(_llm(sandbox, DIRECT))
    assert caught.value.text == WORDS


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
def test_a_query_engine_says_what_it_cannot_read(sandbox: Sandbox, model: str) -> None:
    sandbox.enqueue(Reply(WORDS))
    synthesizer = get_response_synthesizer(llm=_llm(sandbox, model), output_cls=Count)
    with pytest.raises(ToolChoiceIgnoredError, match=WORDS):
        synthesizer.synthesize("x", nodes=[NodeWithScore(node=TextNode(text="y"), score=1.0)])


@pytest.mark.parametrize("road", ROADS)
def test_ignored_twice_in_one_run_raises(sandbox: Sandbox, road: Any) -> None:
    llm = _llm(sandbox)
    sandbox.enqueue(*[Reply(WORDS)] * 3)
    once = road(llm, tool_required=True)
    assert once.message.additional_kwargs["tool_choice_ignored"] is True
    with pytest.raises(ToolChoiceIgnoredError, match="which was the last try"):
        road(llm, tool_required=True, chat_history=[ChatMessage("y"), once.message], user_msg=None)
    # Another run has its own first try.
    asked = [ChatMessage("y"), once.message, ChatMessage("Once more.")]
    assert llm.chat_with_tools(TOOLS, chat_history=asked, tool_required=True).message.content == WORDS


def test_an_agent_with_an_output_class(sandbox: Sandbox) -> None:
    agent = FunctionAgent(tools=list(TOOLS), llm=_llm(sandbox), output_cls=Count, streaming=False)
    sandbox.enqueue(Reply("There is one."), Reply('```json\n{"n": 1}\n```'))

    async def run() -> Any:
        return await agent.run("How many?")

    assert asyncio.run(run()).get_pydantic_model(Count) == Count(n=1)
    assert len(sandbox.requests) == 2


def test_an_agent_whose_first_choice_is_ignored(sandbox: Sandbox) -> None:
    agent = FunctionAgent(tools=list(TOOLS), llm=_llm(sandbox), initial_tool_choice="count")
    sandbox.enqueue(Reply('count it is: {"n": 1}'), Reply("There is one."))

    async def run() -> Any:
        return await agent.run("How many?")

    result = asyncio.run(run())
    assert (str(result), [call.tool_kwargs for call in result.tool_calls]) == ("There is one.", [{"n": 1}])
    assert "recovered_tool_call" not in json.dumps(sandbox.requests[-1].body)


def test_a_route_that_does_not_honour_a_choice_is_told_in_words(sandbox: Sandbox) -> None:
    llm = _llm(sandbox, honours_tool_choice=False)
    sandbox.enqueue(*[Reply('{"n": 1}')] * 2, Reply("no"))
    response = llm.chat_with_tools(TOOLS, "x", tool_required=True, allow_parallel_tool_calls=True)
    assert response.message.additional_kwargs["recovered_tool_call"] is True
    body = sandbox.requests[-1].body
    assert "tool_choice" not in body
    assert '"count" or "tally"' in body["system"]
    assert json.dumps(body["tools"][0]["input_schema"]) in body["system"]
    assert llm.structured_predict(Count, ASK, things="x") == Count(n=1)
    llm.chat_with_tools(TOOLS, "x")
    assert "system" not in sandbox.requests[-1].body


def test_one_call_may_say_what_its_route_honours(sandbox: Sandbox) -> None:
    llm = _llm(sandbox, honours_tool_choice=False)
    sandbox.enqueue(Reply(tool_uses=[{"name": "count", "input": {"n": 1}}]))
    llm.chat_with_tools(TOOLS, "x", tool_required=True, honours_tool_choice=True)
    assert sandbox.requests[-1].body["tool_choice"]["type"] == "any"


class Counts(RootModel[list[Count]]):
    """Several counts."""


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("text", ['[{"n": 1}, {"n": 2}]', '```json\n[{"n": 1}, {"n": 2}]\n```', 'Sure: {"value": [{"n": 1}, {"n": 2}]}'])  # fmt: skip
def test_a_list_that_was_to_be_wrapped(sandbox: Sandbox, text: str, model: str) -> None:
    sandbox.enqueue(Reply(text))
    found = _llm(sandbox, model).structured_predict(Counts, ASK, things="x")
    assert found == Counts([Count(n=1), Count(n=2)])


def test_an_object_in_words_that_were_cut_is_left(sandbox: Sandbox) -> None:
    sandbox.enqueue(Reply('Perhaps {"n": 1}, but', stop_reason="max_tokens"))
    with pytest.raises(ToolChoiceIgnoredError, match="max_tokens"):
        _llm(sandbox, DIRECT).structured_predict(Count, ASK, things="x")


@pytest.mark.parametrize("text", ["Here it is: " + '{"n": 1}', '{"n": 1} It is.', WORDS, '{"n": 1}'])
def test_a_stream_says_all_of_a_text_that_is_to_be_json(sandbox: Sandbox, text: str) -> None:
    llm = _llm(sandbox, DIRECT)
    asked = {
        "output_config": {
            "format": {
                "type": "json_schema",
                "schema": {**Count.model_json_schema(), "additionalProperties": False},
            }
        }
    }
    sandbox.enqueue(Reply(text, pieces=4), Reply("ok"), Reply(text), Reply("ok"))
    streamed = list(llm.stream_chat(MESSAGES, **asked))
    said = "".join(response.delta or "" for response in streamed)
    llm.chat([*MESSAGES, streamed[-1].message, *MESSAGES])
    whole = llm.chat(MESSAGES, **asked)
    llm.chat([*MESSAGES, whole.message, *MESSAGES])
    assert said == streamed[-1].message.content == whole.message.content
    after_stream, after_whole = (sandbox.requests[place].body["messages"] for place in (1, 3))
    assert after_stream == after_whole
    assert_accepted(TURNS, after_whole)
