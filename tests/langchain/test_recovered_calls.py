"""A route that does not honour ``tool_choice``: the call comes as text, and is a call all the same."""

from __future__ import annotations

import asyncio
import functools
import json
from collections.abc import Callable, Iterator
from functools import reduce
from operator import add
from typing import Any, TypedDict

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import AutoStrategy, ProviderStrategy, ToolStrategy
from langchain_core.exceptions import ModelError, OutputParserException
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.runnables import AddableDict, RunnableLambda
from langchain_core.tools import tool
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel

from aivideoapi_core import ToolChoiceIgnoredError
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI, is_worth_retrying

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"

pytestmark = [
    pytest.mark.filterwarnings("ignore:claude-sonnet-4-6.* answered a forced tool call in text"),
    pytest.mark.usefixtures("one_loop"),
]


class Count(BaseModel):
    """A count."""

    n: int


class CountDict(TypedDict):
    """A count."""

    n: int


@tool
def tally(of: str) -> int:
    """Count something else."""
    return len(of)


TEXTS = [
    pytest.param('{"n": 1}', id="bare"),
    pytest.param('```json\n{"n": 1}\n```', id="fence"),
    pytest.param('Sure, here it is: {"n": 1}. Anything else?', id="prose"),
    pytest.param('<tool_calls>[{"input": {"n": 1}}]</tool_calls>', id="tags"),
    pytest.param('<invoke name="Count"><parameter name="n">1</parameter></invoke>', id="invoke"),
    pytest.param('{"name": "Count", "arguments": "{\\"n\\": 1}"}', id="wrapper"),
]
WORDS = "I would rather not say."


@pytest.fixture(scope="module")
def running() -> Iterator[Sandbox]:
    with Sandbox(seed="same") as made:
        yield made
    _plain_model.cache_clear()


@pytest.fixture
def sandbox(running: Sandbox) -> Sandbox:
    running.reset()
    return running


@functools.cache
def _plain_model(key: str, url: str, model: str) -> ChatAIVideoAPI:
    """One for all tests of the module, with its connections."""
    return ChatAIVideoAPI(model=model, api_key=key, base_url=url)


def _model(sandbox: Sandbox, model: str = NATIVE, **fields: Any) -> ChatAIVideoAPI:
    if not fields:
        return _plain_model(sandbox.api_key, sandbox.url, model)
    return ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, **fields)


def _v3(bound: Any) -> Any:
    return bound.stream_events("x", version="v3").output


async def _av3(bound: Any) -> Any:
    return await (await bound.astream_events("x", version="v3")).output


async def _asum(bound: Any) -> Any:
    return reduce(add, [chunk async for chunk in bound.astream("x")])


ROADS: list[Any] = [
    pytest.param(lambda bound: bound.invoke("x"), id="invoke"),
    pytest.param(lambda bound: asyncio.run(bound.ainvoke("x")), id="ainvoke"),
    pytest.param(lambda bound: bound.invoke("x", stream=True), id="invoke, streamed"),
    pytest.param(lambda bound: reduce(add, bound.stream("x")), id="stream"),
    pytest.param(lambda bound: asyncio.run(_asum(bound)), id="astream"),
    pytest.param(_v3, id="v3"),
    pytest.param(lambda bound: asyncio.run(_av3(bound)), id="v3, async"),
]


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("choice", ["any", "Count"])
@pytest.mark.parametrize("road", ROADS)
def test_a_call_in_every_road(sandbox: Sandbox, road: Callable[[Any], Any], choice: str, model: str) -> None:
    text = 'Sure: {"n": 1}'
    sandbox.enqueue(Reply(text))
    message = road(_model(sandbox, model).bind_tools([Count, tally], tool_choice=choice))
    (call,) = message.tool_calls
    assert (call["name"], call["args"]) == ("Count", {"n": 1})
    assert call["id"].startswith("toolu_recovered_")
    assert message.response_metadata["recovered_tool_call"] is True
    assert message.response_metadata["stop_reason"] == "tool_use"
    assert message.text == text
    assert [block["type"] for block in message.content_blocks] == ["text", "tool_call"]
    assert len(sandbox.requests) == 1
    # And back it goes: the sandbox judges the request.
    answered = ToolMessage("done", tool_call_id=call["id"])
    _model(sandbox, model).bind_tools([Count, tally]).invoke([HumanMessage("x"), message, answered])
    turn = sandbox.requests[-1].body["messages"][1]["content"]
    assert [block["type"] for block in turn] == ["text", "tool_use"]


def test_the_sum_of_the_chunks_is_the_whole(sandbox: Sandbox) -> None:
    bound = _model(sandbox).bind_tools([Count], tool_choice="any")
    sandbox.enqueue(*[Reply('Sure: {"n": 1}', pieces=3)] * 2)
    whole, chunks = bound.invoke("x"), list(bound.stream("x"))
    summed = reduce(add, chunks)
    assert summed.content[0] == whole.content[0]
    assert {**summed.content[1], "id": ""} == {**whole.content[1], "id": ""}
    assert len(chunks) > 3  # nothing was held back


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        pytest.param('{"n": 1}', {"tool_choice": "auto"}, id="auto"),
        pytest.param('{"n": 1}', {}, id="no choice"),
        pytest.param('{"n": 1}', {"tool_choice": "none"}, id="none"),
    ],
)
def test_text_that_was_not_forced_stays_text(sandbox: Sandbox, text: str, fields: dict[str, Any]) -> None:
    bound = _model(sandbox).bind_tools([Count], **fields)
    sandbox.enqueue(*[Reply(text)] * 2)
    for message in (bound.invoke("x"), reduce(add, bound.stream("x"))):
        assert (message.text, message.tool_calls) == (text, [])
        assert not {"recovered_tool_call", "tool_choice_ignored"} & message.response_metadata.keys()


@pytest.mark.parametrize("reason", ["max_tokens", "refusal", "model_context_window_exceeded"])
def test_a_reply_that_was_cut_or_refused_stays_text(sandbox: Sandbox, reason: str) -> None:
    bound = _model(sandbox).bind_tools([Count], tool_choice="any")
    sandbox.enqueue(*[Reply('{"n": 1}', stop_reason=reason)] * 2)
    for message in (bound.invoke("x"), reduce(add, bound.stream("x"))):
        assert message.tool_calls == []
        assert message.response_metadata["stop_reason"] == reason


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize("schema", [Count, CountDict, Count.model_json_schema()], ids=["class", "dict", "schema"])  # fmt: skip
@pytest.mark.parametrize("text", TEXTS)
def test_structured_output(sandbox: Sandbox, schema: Any, method: Any, text: str, model: str) -> None:
    text = text.replace("Count", schema["title"] if isinstance(schema, dict) else schema.__name__)
    structured = _model(sandbox, model).with_structured_output(schema, method=method)
    sandbox.enqueue(*[Reply(text)] * 4)
    expected = Count(n=1) if schema is Count else {"n": 1}

    async def last() -> Any:
        return [value async for value in structured.astream("x")][-1]

    assert structured.invoke("x") == expected
    assert asyncio.run(structured.ainvoke("x")) == expected
    assert list(structured.stream("x"))[-1] == expected
    assert asyncio.run(last()) == expected
    assert len(sandbox.requests) == 4


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("method", ["function_calling", "json_schema", "json_mode"])
@pytest.mark.parametrize("text", ['{n is one} so {"n": 1}', '{"n": 1} is the answer.', '{"a": 2}? No, {"n": 1}', ' {\n"n": 1}\n\nIt is.', '{} or {"n": 1}'])  # fmt: skip
def test_a_text_that_begins_like_an_object(sandbox: Sandbox, text: str, method: Any, model: str) -> None:
    structured = _model(sandbox, model).with_structured_output(Count, method=method)
    sandbox.enqueue(*[Reply(text, pieces=5)] * 4)

    async def last() -> Any:
        return [value async for value in structured.astream("x")][-1]

    assert structured.invoke("x") == list(structured.stream("x"))[-1] == asyncio.run(last()) == Count(n=1)
    agent: Any = create_agent(_model(sandbox, model), [], response_format=ProviderStrategy(Count))
    assert _stream(agent, ASK)["structured_response"] == Count(n=1)
    assert len(sandbox.requests) == 4


def test_words_after_the_object_are_a_remark(sandbox: Sandbox) -> None:
    bound = _model(sandbox, DIRECT).bind(response_format=FORMAT)
    sandbox.enqueue(Reply('{"n": 1} It is.', pieces=4))
    message = reduce(add, bound.stream("x"))
    remark = {"type": "non_standard", "value": {"type": "text", "text": " It is."}}
    assert message.content == [{"type": "text", "text": '{"n": 1}'}, remark]


ANSWERED = [
    pytest.param('{"n": "x"} or rather {"n": 1}', id="it corrects itself"),
    pytest.param('{"n": 1} and {"n": 2}', id="two"),
    pytest.param('{"n": 1', id="cut"),
    pytest.param('{"n": "x"}', id="another kind"),
    pytest.param('[{"n": 1}]', id="a list"),
    pytest.param("", id="nothing"),
    *TEXTS,
    pytest.param(WORDS, id="words"),
]


def _outcome(ask: Callable[[], Any]) -> Any:
    """What a road ends in: the last object, or the error."""
    try:
        found = ask()
    except Exception as error:  # noqa: BLE001 - compared below
        return type(error), str(error)
    if isinstance(found, dict) and "raw" in found:
        if (error := found["parsing_error"]) is not None:
            return type(error), str(error)
        return found["parsed"]
    return found


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("schema", [Count, CountDict], ids=["class", "dict"])
@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
@pytest.mark.parametrize("text", ANSWERED)
def test_a_stream_ends_as_invoke_does(
    sandbox: Sandbox, method: Any, schema: Any, text: str, model: str
) -> None:
    structured = _model(sandbox, model).with_structured_output(schema, method=method)
    raw = _model(sandbox, model).with_structured_output(schema, method=method, include_raw=True)
    chain = RunnableLambda(str) | structured

    async def alast() -> Any:
        return [found async for found in structured.astream("x")][-1]

    async def araw() -> Any:
        return [found async for found in raw.astream("x")]

    roads: list[Callable[[], Any]] = [
        lambda: structured.invoke("x"),
        lambda: asyncio.run(structured.ainvoke("x")),
        lambda: list(structured.stream("x"))[-1],
        lambda: asyncio.run(alast()),
        lambda: list(chain.stream("x"))[-1],
        lambda: list(structured.transform(iter(["x"])))[-1],
        lambda: raw.invoke("x"),
        lambda: reduce(add, map(AddableDict, raw.stream("x"))),
        lambda: reduce(add, map(AddableDict, asyncio.run(araw()))),
    ]
    sandbox.enqueue(*[Reply(text, pieces=4)] * len(roads))
    found = [_outcome(road) for road in roads]
    assert [one for one in found if one != found[0]] == []
    assert found[0] is not None


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize("text", ANSWERED)
def test_the_sum_of_a_stream_says_what_invoke_says(sandbox: Sandbox, text: str, version: str) -> None:
    bound = _model(sandbox, DIRECT, output_version=version).bind(response_format=FORMAT)
    sandbox.enqueue(*[Reply(text, pieces=4)] * 3)
    whole, streamed = bound.invoke("x"), reduce(add, bound.stream("x"))
    content: Any = streamed.content
    for block in content if version == "v1" else ():
        block.pop("index", None)  # a stream of one chunk is not summed
    assert (streamed.text, streamed.content) == (whole.text, whole.content)
    assert _v3(bound).text == whole.text


@pytest.mark.parametrize("thinking", [None, True])
@pytest.mark.parametrize("schema", [Count, CountDict], ids=["class", "dict"])
def test_never_none(sandbox: Sandbox, schema: Any, thinking: bool | None) -> None:
    if thinking:
        with pytest.warns(UserWarning, match="Thinking is on"):
            structured = _model(sandbox, thinking=True).with_structured_output(schema)
    else:
        structured = _model(sandbox).with_structured_output(schema)

    async def collected() -> list[Any]:
        return [value async for value in structured.astream("x")]

    for ask in (
        lambda: structured.invoke("x"),
        lambda: asyncio.run(structured.ainvoke("x")),
        lambda: list(structured.stream("x")),
        lambda: asyncio.run(collected()),
    ):
        sandbox.enqueue(Reply(WORDS))
        with pytest.raises(ToolChoiceIgnoredError, match=WORDS) as caught:
            ask()
        assert isinstance(caught.value, (OutputParserException))
        assert isinstance(caught.value, ModelError)
        assert (caught.value.text, caught.value.llm_output) == (WORDS, WORDS)
        assert not is_worth_retrying(caught.value)
    assert len(sandbox.requests) == 4


def test_never_none_beside_the_raw_message(sandbox: Sandbox) -> None:
    structured = _model(sandbox).with_structured_output(Count, include_raw=True)
    sandbox.enqueue(Reply(WORDS))
    found: Any = structured.invoke("x")
    assert (found["raw"].text, found["parsed"]) == (WORDS, None)
    assert isinstance(found["parsing_error"], ToolChoiceIgnoredError)


def test_arguments_that_were_cut_raise(sandbox: Sandbox) -> None:
    structured = _model(sandbox).with_structured_output(CountDict)
    call = {"name": "CountDict", "input": {"n": 1}}
    sandbox.enqueue(*[Reply(tool_uses=[call], stop_reason="max_tokens")] * 2)
    for ask in (lambda: structured.invoke("x"), lambda: list(structured.stream("x"))):
        with pytest.raises(OutputParserException, match="max_tokens"):
            ask()


def test_a_call_that_thinking_left_to_words(sandbox: Sandbox) -> None:
    with pytest.warns(UserWarning, match="Thinking is on"):
        structured = _model(sandbox, thinking=True).with_structured_output(Count)
    sandbox.enqueue(*[Reply('```\n{"n": 1}\n```', thinking="Hm.")] * 2)
    assert structured.invoke("x") == Count(n=1)
    assert list(structured.stream("x")) == [Count(n=1)]


STRATEGIES = [
    pytest.param(ToolStrategy, id="tool"),
    pytest.param(ProviderStrategy, id="provider"),
    pytest.param(AutoStrategy, id="auto"),
    pytest.param(lambda schema: schema, id="class"),
]


def _run(agent: Any, ask: dict[str, Any]) -> Any:
    return agent.invoke(ask)


def _arun(agent: Any, ask: dict[str, Any]) -> Any:
    return asyncio.run(agent.ainvoke(ask))


def _stream(agent: Any, ask: dict[str, Any]) -> Any:
    last = None
    for mode, value in agent.stream(ask, stream_mode=["messages", "values"]):
        last = value if mode == "values" else last
    return last


RUNS = [pytest.param(_run, id="run"), pytest.param(_arun, id="async"), pytest.param(_stream, id="streamed")]
ASK = {"messages": [("user", "How many?")]}


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("tools", [[], [tally]], ids=["alone", "with a tool"])
@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("text", TEXTS)
def test_an_agent_gets_its_answer(
    sandbox: Sandbox, run: Callable[[Any, Any], Any], strategy: Any, tools: list[Any], text: str, model: str
) -> None:
    agent: Any = create_agent(_model(sandbox, model), tools, response_format=strategy(Count))
    sandbox.enqueue(Reply(text))
    assert run(agent, ASK)["structured_response"] == Count(n=1)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("run", RUNS)
def test_an_agent_ends_when_its_choice_is_ignored_twice(sandbox: Sandbox, run: Any) -> None:
    agent: Any = create_agent(_model(sandbox), [], response_format=ToolStrategy(Count))
    sandbox.enqueue(*[Reply(f"{WORDS} {number}") for number in range(9)])
    with pytest.raises(ToolChoiceIgnoredError, match=f"{WORDS} 1") as caught:
        run(agent, ASK)
    assert len(sandbox.requests) == 2
    assert isinstance(caught.value, ValueError)
    assert (caught.value.retryable, getattr(caught.value, "is_retryable", None)) == (False, False)


@pytest.mark.parametrize("run", RUNS)
def test_an_agent_that_would_end_without_its_answer_raises(sandbox: Sandbox, run: Any) -> None:
    # LangChain asks again only where there are no other tools; else the run was over, with None for an answer.
    agent: Any = create_agent(_model(sandbox), [tally], response_format=ToolStrategy(Count))
    sandbox.enqueue(*[Reply(f"{WORDS} {number}") for number in range(9)])
    with pytest.raises(ToolChoiceIgnoredError, match=f"{WORDS} 0"):
        run(agent, ASK)
    assert len(sandbox.requests) == 1


def test_once_ignored_is_asked_again(sandbox: Sandbox) -> None:
    agent: Any = create_agent(_model(sandbox), [], response_format=ToolStrategy(Count))
    sandbox.enqueue(Reply(WORDS), Reply('{"n": 1}'))
    assert agent.invoke(ASK)["structured_response"] == Count(n=1)


def test_each_run_has_its_own_first_try(sandbox: Sandbox) -> None:
    agent: Any = create_agent(
        _model(sandbox), [], response_format=ToolStrategy(Count), checkpointer=InMemorySaver()
    )
    config = {"configurable": {"thread_id": "1"}}
    sandbox.enqueue(Reply(WORDS), Reply(WORDS), Reply(WORDS), Reply('{"n": 1}'))
    with pytest.raises(ToolChoiceIgnoredError):
        agent.invoke(ASK, config)
    assert agent.invoke(ASK, config)["structured_response"] == Count(n=1)


def test_two_calls_are_no_run(sandbox: Sandbox) -> None:
    bound = _model(sandbox).bind_tools([Count], tool_choice="any")
    sandbox.enqueue(*[Reply(WORDS)] * 2)
    for _ in range(2):
        message = bound.invoke("x")
        assert message.response_metadata["tool_choice_ignored"] is True


def test_a_mark_of_ours_is_not_sent(sandbox: Sandbox) -> None:
    said = AIMessage(WORDS, response_metadata={"tool_choice_ignored": True})
    _model(sandbox).invoke([HumanMessage("x"), said, HumanMessage("y")])
    assert "tool_choice_ignored" not in json.dumps(sandbox.requests[-1].body)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"honours_tool_choice": False}, id="field"),
        pytest.param({"profile": {"tool_choice": False}}, id="profile"),
    ],
)
def test_a_route_that_does_not_honour_a_choice_is_told_in_words(
    sandbox: Sandbox, fields: dict[str, Any]
) -> None:
    model = _model(sandbox, **fields)
    sandbox.enqueue(*[Reply('{"name": "Count", "arguments": {"n": 1}}')] * 4, Reply("no"))
    assert model.bind_tools([Count, tally], tool_choice="any").invoke("x").tool_calls[0]["args"] == {"n": 1}
    body = sandbox.requests[-1].body
    assert "tool_choice" not in body
    assert [tool["name"] for tool in body["tools"]] == ["Count", "tally"]
    assert '"Count" or "tally"' in body["system"]
    assert json.dumps(body["tools"][0]["input_schema"]) in body["system"]
    assert model.with_structured_output(Count).invoke("x") == Count(n=1)
    assert model.with_structured_output(Count, method="json_schema").invoke("x") == Count(n=1)
    agent: Any = create_agent(model, [], response_format=ToolStrategy(Count), system_prompt="Be brief.")
    assert agent.invoke(ASK)["structured_response"] == Count(n=1)
    assert str(sandbox.requests[-1].body["system"]).count("Be brief.") == 1
    model.bind_tools([Count], tool_choice="auto").invoke("x")
    assert "system" not in sandbox.requests[-1].body


def test_one_call_may_say_what_its_route_honours(sandbox: Sandbox) -> None:
    bound = _model(sandbox, honours_tool_choice=False).bind_tools([Count], tool_choice="any")
    sandbox.enqueue(*[Reply(tool_uses=[{"name": "Count", "input": {"n": 1}}])] * 2)
    bound.invoke("x", honours_tool_choice=True)
    assert sandbox.requests[-1].body["tool_choice"] == {"type": "any"}
    bound.invoke("x", parallel_tool_calls=False)
    assert sandbox.requests[-1].body["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


def test_the_profile_says_what_was_set(sandbox: Sandbox) -> None:
    assert (_model(sandbox).profile or {})["tool_choice"] is True
    assert (_model(sandbox, honours_tool_choice=False).profile or {})["tool_choice"] is False


@pytest.mark.filterwarnings("ignore:thinking excludes a forced tool call")
def test_a_choice_that_thinking_softened_is_forced_all_the_same(sandbox: Sandbox) -> None:
    agent: Any = create_agent(_model(sandbox, thinking=True), [], response_format=ToolStrategy(Count))
    sandbox.enqueue(Reply('{"n": 1}', thinking="Hm."), Reply(WORDS, thinking="Hm."))
    assert agent.invoke(ASK)["structured_response"] == Count(n=1)
    message = _model(sandbox, thinking=True).bind_tools([Count], tool_choice="any").invoke("x")
    assert message.response_metadata["tool_choice_ignored"] is True


FORMAT = {"type": "json_schema", "json_schema": {"name": "Count", "schema": Count.model_json_schema()}}
SAID = {"type": "text", "text": 'Sure: {"n": 1}'}
REMARK = {"type": "non_standard", "value": SAID}
PLAIN = {"type": "text", "text": '{"n": 1}'}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "tally", "input": {"of": "x"}}


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param([PLAIN], '{"n": 1}', id="JSON"),
        pytest.param([{"type": "text", "text": '```json\n{"n": 1}\n```'}], '{"n": 1}', id="fence"),
        pytest.param([SAID], [REMARK, PLAIN], id="prose"),
        pytest.param([{"type": "text", "text": WORDS}], WORDS, id="words"),
        pytest.param([{"type": "text", "text": "Let me see."}, CALL], [{"type": "text", "text": "Let me see."}, CALL], id="a call"),
    ],
)  # fmt: skip
def test_text_that_is_to_be_json_is_json_on_all_roads(
    sandbox: Sandbox, content: list[Any], expected: Any, model: str
) -> None:
    bound = _model(sandbox, model).bind_tools([tally]).bind(response_format=FORMAT)
    sandbox.enqueue(*[Reply(content=content, pieces=2)] * 3)
    whole, summed, v3 = bound.invoke("x"), reduce(add, bound.stream("x")), _v3(bound)
    assert whole.content == summed.content == expected
    assert whole.text == summed.text == v3.text
    wanted = "tool_use" if CALL in content else "end_turn"
    assert {each.response_metadata["stop_reason"] for each in (whole, summed, v3)} == {wanted}


@pytest.mark.parametrize("tools", [[], [tally]], ids=["alone", "with a tool"])
def test_json_is_not_held_back(sandbox: Sandbox, tools: list[Any]) -> None:
    bound = _model(sandbox, DIRECT).bind_tools(tools).bind(response_format=FORMAT)
    sandbox.enqueue(Reply(' {"n": 1}', pieces=1))
    # From its first key on: before that it may be words in braces.
    assert [chunk.text for chunk in bound.stream("x") if chunk.text.strip()] == [' {"n":', "1", "}"]


@pytest.mark.parametrize("model", [NATIVE, DIRECT])
@pytest.mark.parametrize("method", ["function_calling", "json_schema"])
@pytest.mark.parametrize("text", ['[{"n": 1}, {"n": 2}]', '```json\n[{"n": 1}, {"n": 2}]\n```', 'Sure: {"value": [{"n": 1}, {"n": 2}]}'])  # fmt: skip
def test_a_list_that_was_to_be_wrapped(sandbox: Sandbox, text: str, method: Any, model: str) -> None:
    structured: Any = _model(sandbox, model).with_structured_output(list[Count], method=method)
    sandbox.enqueue(*[Reply(text)] * 2)
    assert structured.invoke("x") == [Count(n=1), Count(n=2)]
    assert list(structured.stream("x"))[-1] == [Count(n=1), Count(n=2)]


def test_an_agent_that_insists_in_words_ends(sandbox: Sandbox) -> None:
    bound = _model(sandbox).bind_tools([Count], tool_choice="any")
    sandbox.enqueue(*[Reply(WORDS)] * 9)
    conversation: list[Any] = [HumanMessage("x")]
    for _ in range(2):
        conversation += [bound.invoke(conversation), HumanMessage("Call the tool.")]
    with pytest.raises(ToolChoiceIgnoredError):
        bound.invoke(conversation)
