"""Every road to an answer ends in the same message: whole, summed, v1/v2/v3 events, log; sync and async."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.tools import tool

from aivideoapi_core import MessageAccumulator
from aivideoapi_core import Reply as CoreReply
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from langchain_aivideoapi._inbound.chunks import ChunkTranslator

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
ROUTES = [NATIVE, DIRECT]
QUESTION = "What is the weather in Paris?"


@tool
def look(at: str) -> str:
    """Look at something."""
    return at


def _sum(chunks: list[Any]) -> AIMessageChunk:
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    assert isinstance(total, AIMessageChunk)
    return total


def _invoke(model: Any) -> AIMessage:
    message = model.invoke(QUESTION)
    assert isinstance(message, AIMessage)
    return message


def _stream(model: Any) -> AIMessage:
    return _sum(list(model.stream(QUESTION)))


def _streaming_invoke(model: Any) -> AIMessage:
    message = model.invoke(QUESTION, stream=True)
    assert isinstance(message, AIMessage)
    return message


def _v3(model: Any) -> AIMessage:
    message = model.stream_events(QUESTION, version="v3").output
    assert isinstance(message, AIMessage)
    return message


async def _ainvoke(model: Any) -> AIMessage:
    message = await model.ainvoke(QUESTION)
    assert isinstance(message, AIMessage)
    return message


async def _astream(model: Any) -> AIMessage:
    return _sum([chunk async for chunk in model.astream(QUESTION)])


async def _av2(model: Any) -> AIMessage:
    """The message that ends the run, which core sums up itself."""
    ends = [
        event["data"]["output"]
        async for event in model.astream_events(QUESTION, version="v2")
        if event["event"] == "on_chat_model_end"
    ]
    (message,) = ends
    assert isinstance(message, AIMessage)
    return message


async def _av3(model: Any) -> AIMessage:
    stream = await model.astream_events(QUESTION, version="v3")
    message = await stream.output
    assert isinstance(message, AIMessage)
    return message


async def _log(model: Any) -> AIMessage:
    final: Any = None
    async for patch in model.astream_log(QUESTION):
        final = patch if final is None else final + patch
    message = final.state["final_output"]
    assert isinstance(message, AIMessage)
    return message


SYNC: list[Any] = [_invoke, _stream, _streaming_invoke, _v3]
ASYNC: list[Any] = [_ainvoke, _astream, _av2, _av3, _log]


def _value(message: AIMessage) -> dict[str, Any]:
    """The whole value, ``content`` to the last key. Only run ids differ from road to road."""
    return {
        "content": message.content,
        "blocks": message.content_blocks,
        "text": message.text,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": message.invalid_tool_calls,
        "usage_metadata": message.usage_metadata,
        "response_metadata": message.response_metadata,
        "additional_kwargs": message.additional_kwargs,
    }


def _as_v3(value: dict[str, Any]) -> dict[str, Any]:
    """The same answer as core assembles it for ``version="v3"``: always standard blocks, and their places.

    Core writes the place into every block but a tool call, and leaves an answer without blocks a string.
    """
    blocks = [
        dict(block) if block["type"] in ("tool_call", "invalid_tool_call") else {**block, "index": place}
        for place, block in enumerate(value["blocks"])
    ]
    metadata = {**value["response_metadata"], "output_version": "v1"}
    return {**value, "content": blocks or "", "blocks": blocks, "response_metadata": metadata}


CITED = [
    {"type": "text", "text": "It is "},
    {
        "type": "text",
        "text": "blue.",
        "citations": [
            {
                "type": "char_location",
                "cited_text": "blue",
                "document_index": 0,
                "document_title": "D",
                "start_char_index": 0,
                "end_char_index": 4,
            }
        ],
    },
]
SERVER = [
    {"type": "text", "text": "Searching."},
    {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "sky"}},
    {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
    {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "echo", "server_name": "s", "input": {"x": 1}},
    {"type": "mcp_tool_result", "tool_use_id": "mcptoolu_1", "is_error": False, "content": []},
    {"type": "text", "text": "Blue."},
]
LOOK = {"name": "look", "input": {"at": 'ciel ☁ "x" \\ {['}}

REPLIES: list[Any] = [
    pytest.param(Reply("Blue, of course. Ünïcode 💙"), {}, False, id="text"),
    pytest.param(Reply("Blue, of course."), {}, True, id="text, tools bound"),
    pytest.param(Reply(""), {}, False, id="empty text"),
    pytest.param(Reply(content=[]), {}, False, id="no content"),
    pytest.param(Reply("x", stop_reason="stop_sequence", stop_sequence="END"), {}, False, id="stop sequence"),
    pytest.param(Reply("x", stop_reason="max_tokens"), {}, False, id="cut text"),
    pytest.param(Reply("x", stop_reason="refusal"), {}, False, id="refusal"),
    pytest.param(Reply(tool_uses=[LOOK]), {}, True, id="a call"),
    pytest.param(Reply("Let me see.", tool_uses=[LOOK, LOOK]), {}, True, id="text and two calls"),
    pytest.param(Reply("Let me see.", tool_uses=[LOOK]), {}, False, id="a call nobody asked for"),
    pytest.param(Reply(tool_uses=[{"name": "look", "input": {}}]), {}, True, id="a call without arguments"),
    pytest.param(Reply(tool_uses=[LOOK], tool_input_style="start"), {}, True, id="whole input at the start"),
    pytest.param(Reply(tool_uses=[{"name": "look", "input": {}}], tool_input_style="none"), {}, True, id="no input at all"),
    pytest.param(Reply(tool_uses=[LOOK], stop_reason="max_tokens"), {}, True, id="a call at the output limit"),
    pytest.param(Reply("a", tool_uses=[LOOK, LOOK], stop_reason="max_tokens"), {}, True, id="the last of two calls at the limit"),
    pytest.param(Reply("Blue.", thinking="Let me think about that."), {}, False, id="thinking nobody asked for"),
    pytest.param(Reply("Blue.", thinking="Let me think.", redacted_thinking="xyz"), {}, True, id="redacted thinking"),
    pytest.param(Reply(tool_uses=[LOOK], thinking="Let me think."), {}, True, id="thinking, then a call"),
    pytest.param(Reply(content=CITED), {}, True, id="citations"),
    pytest.param(Reply(content=SERVER), {}, True, id="server tools"),
    pytest.param(Reply(content=[{"type": "hologram", "data": "x"}]), {}, True, id="a new kind of block"),
    pytest.param(Reply("x", usage={"cache_read_input_tokens": 7, "cache_creation_input_tokens": 9}), {}, False, id="cache counts"),
    pytest.param(Reply("x", usage={"output_tokens_details": {"thinking_tokens": 1}}), {}, False, id="thinking tokens"),
    pytest.param(Reply("x", model="claude-sonnet-4-6-20260217"), {}, False, id="another model answers"),
]  # fmt: skip


def _model(sandbox: Sandbox, model_id: str, *, tools: bool, **fields: Any) -> Any:
    model = ChatAIVideoAPI(model=model_id, api_key=sandbox.api_key, base_url=sandbox.url, **fields)
    return model.bind_tools([look]) if tools else model


def _asked(
    reply: Reply, model_id: str, *, tools: bool, road: Callable[[Any], AIMessage], **fields: Any
) -> AIMessage:
    with Sandbox(seed="same", validate=False) as sandbox:
        sandbox.enqueue(reply)
        return road(_model(sandbox, model_id, tools=tools, **fields))


async def _asked_async(
    reply: Reply, model_id: str, *, tools: bool, road: Callable[[Any], Awaitable[AIMessage]], **fields: Any
) -> AIMessage:
    with Sandbox(seed="same", validate=False) as sandbox:
        sandbox.enqueue(reply)
        return await road(_model(sandbox, model_id, tools=tools, **fields))


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize(("reply", "fields", "tools"), REPLIES)
async def test_all_roads_end_in_the_same_message(
    reply: Reply, fields: dict[str, Any], tools: bool, model_id: str
) -> None:
    whole = _value(_asked(reply, model_id, tools=tools, road=_invoke, **fields))
    for road in SYNC[1:]:
        expected = _as_v3(whole) if road is _v3 else whole
        assert _value(_asked(reply, model_id, tools=tools, road=road, **fields)) == expected, road
    for road in ASYNC:
        message = await _asked_async(reply, model_id, tools=tools, road=road, **fields)
        assert _value(message) == (_as_v3(whole) if road is _av3 else whole), road


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize(("reply", "fields", "tools"), REPLIES)
async def test_all_roads_end_in_the_same_message_of_standard_blocks(
    reply: Reply, fields: dict[str, Any], tools: bool, model_id: str
) -> None:
    fields = {**fields, "output_version": "v1"}
    expected = _value(_asked(reply, model_id, tools=tools, road=_invoke, **fields))
    for road in SYNC[1:]:
        wanted = _as_v3(expected) if road is _v3 else expected
        assert _value(_asked(reply, model_id, tools=tools, road=road, **fields)) == wanted, road
    for road in ASYNC:
        message = await _asked_async(reply, model_id, tools=tools, road=road, **fields)
        assert _value(message) == (_as_v3(expected) if road is _av3 else expected), road


@pytest.mark.parametrize("model_id", ROUTES)
@pytest.mark.parametrize("usage_at", ["both", "start", "delta"])
@pytest.mark.parametrize("credits_at", ["message_start", "message_delta", "usage", "message_stop", "event"])
async def test_usage_and_credits_wherever_the_server_puts_them(
    model_id: str, usage_at: Any, credits_at: Any
) -> None:
    reply = Reply(
        "x", usage={"input_tokens": 18, "output_tokens": 42}, usage_at=usage_at, credits_at=credits_at
    )
    message = _asked(reply, model_id, tools=False, road=_stream)
    usage: Any = message.usage_metadata
    if usage_at == "both":
        assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (18, 42, 60)
        assert usage["credits_consumed_micro"] == (68_400 if model_id == NATIVE else 18 * 883 + 42 * 4412)
    expected = _value(message)
    assert _value(_asked(reply, model_id, tools=False, road=_streaming_invoke)) == expected
    assert _value(_asked(reply, model_id, tools=False, road=_v3)) == _as_v3(expected)
    assert _value(await _asked_async(reply, model_id, tools=False, road=_astream)) == expected
    assert _value(await _asked_async(reply, model_id, tools=False, road=_av3)) == _as_v3(expected)
    assert message.response_metadata.get("credits_consumed") == (0.06 if model_id == NATIVE else None)


def test_unknown_is_absent_and_never_zero() -> None:
    reply = Reply("x", usage_at="none", credits_at=None)
    message = _asked(reply, NATIVE, tools=False, road=_stream)
    assert message.usage_metadata is None
    assert "credits_consumed" not in message.response_metadata


def _chunks(reply: Reply, *, tools: bool = False, **fields: Any) -> list[AIMessageChunk]:
    with Sandbox(seed="same", validate=False) as sandbox:
        sandbox.enqueue(reply)
        return list(_model(sandbox, NATIVE, tools=tools, **fields).stream(QUESTION))


def test_totals_come_once_on_the_last_chunk() -> None:
    chunks = _chunks(Reply("one two three four", pieces=3))
    assert len(chunks) > 3
    assert [chunk.chunk_position for chunk in chunks] == [None] * (len(chunks) - 1) + ["last"]
    assert [chunk.usage_metadata is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    for chunk in chunks[:-1]:
        assert chunk.response_metadata == {"model_provider": "aivideoapi"}
    assert chunks[-1].response_metadata["stop_reason"] == "end_turn"
    assert _sum(chunks).content == "one two three four"


def test_a_text_stream_is_strings_and_one_block_of_text() -> None:
    chunks = _chunks(Reply("one two three four", pieces=3))
    assert all(isinstance(chunk.content, str) for chunk in chunks)
    (block,) = _sum(chunks).content_blocks
    assert block["type"] == "text"


def test_a_text_that_came_as_blocks_is_text_in_the_sum() -> None:
    chunks = _chunks(Reply("one two three four", pieces=3), tools=True)
    assert all(isinstance(chunk.content, list) for chunk in chunks)
    assert _sum(chunks).content == "one two three four"


def test_stream_usage_off() -> None:
    assert _sum(_chunks(Reply("x"), stream_usage=False)).usage_metadata is None
    with Sandbox(validate=False) as sandbox:
        model = _model(sandbox, NATIVE, tools=False)
        assert _sum(list(model.stream(QUESTION, stream_usage=False))).usage_metadata is None
        assert model.stream_events(QUESTION, version="v3", stream_usage=False).output.usage_metadata is None


def test_fragments_are_not_parsed_and_the_sum_is_right() -> None:
    text = "x" * 500
    chunks = _chunks(Reply(tool_uses=[{"name": "look", "input": {"at": text}}], pieces=5), tools=True)
    assert len(chunks) > 50
    assert not any(chunk.tool_calls or chunk.invalid_tool_calls for chunk in chunks)
    assert _sum(chunks).tool_calls[0]["args"] == {"at": text}


CUT_EVENTS: list[Any] = [
    '{"at": "sk',
    '{"at": "sky\\',
    '{"at": "a\\"',
    '{"amount": 1',
    '{"at": ["a", {"b": 1}',
    '{"at": "sky"',
    "{",
    "[1",
    '{"at": "}',
]


@pytest.mark.parametrize("raw", CUT_EVENTS)
def test_cut_arguments_are_never_taken_for_a_call(raw: str) -> None:
    """Core completes cut JSON by guessing, and a guessed amount is a wrong call."""
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [], "usage": {"input_tokens": 1, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": raw}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "max_tokens", "stop_sequence": None}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]  # fmt: skip
    accumulator = MessageAccumulator()
    translator = ChunkTranslator(accumulator, structured=True)
    chunks = []
    for event in events:
        accumulator.push(event)
        chunk = translator.feed(event)
        if chunk is not None:
            chunks.append(chunk.message)
    chunks.append(translator.last(CoreReply(accumulator.message(), NATIVE)).message)
    total = _sum(chunks)
    assert total.tool_calls == []
    (invalid,) = total.invalid_tool_calls
    assert invalid["id"] == "toolu_1"
    assert str(invalid["args"]).startswith(raw)
    assert total.content[0]["partial_json"] == raw
    assert total.content_blocks[0]["type"] == "invalid_tool_call"


def _protocol_events(reply: Reply, *, tools: bool) -> list[Any]:
    with Sandbox(seed="same", validate=False) as sandbox:
        sandbox.enqueue(reply)
        return list(_model(sandbox, DIRECT, tools=tools).stream_events(QUESTION, version="v3"))


@pytest.mark.parametrize(("reply", "fields", "tools"), REPLIES)
def test_native_events_keep_the_protocol(reply: Reply, fields: dict[str, Any], tools: bool) -> None:
    events = _protocol_events(reply, tools=tools)
    assert events[0]["event"] == "message-start"
    assert events[0]["role"] == "ai"
    assert events[0]["metadata"] == {"provider": "aivideoapi", "model": DIRECT}
    assert events[-1]["event"] == "message-finish"
    state: dict[int, str] = {}
    for event in events[1:-1]:
        index = event["index"]
        match event["event"]:
            case "content-block-start":
                assert index == len(state)
                state[index] = "open"
            case "content-block-delta":
                assert state[index] == "open"
                assert event["delta"]["type"] in ("text-delta", "reasoning-delta", "tool-call-delta")
            case "content-block-finish":
                assert state[index] == "open"
                state[index] = "closed"
    assert set(state.values()) <= {"closed"}


def test_each_block_finishes_before_the_next_one_starts() -> None:
    events = _protocol_events(Reply("Let me see.", thinking="Hm.", tool_uses=[LOOK, LOOK]), tools=True)
    order = [
        (event["event"].removeprefix("content-block-"), event["index"])
        for event in events[1:-1]
        if "delta" not in event["event"]
    ]
    assert order == [(step, index) for index in range(4) for step in ("start", "finish")]
    finished = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert finished[0]["extras"]["signature"]
    assert [block["type"] for block in finished] == ["reasoning", "text", "tool_call", "tool_call"]
    assert finished[3]["args"] == LOOK["input"]


def test_projections_of_native_events() -> None:
    with Sandbox(validate=False) as sandbox:
        sandbox.enqueue(Reply("one two three", thinking="so so", tool_uses=[LOOK], pieces=2))
        stream = _model(sandbox, DIRECT, tools=True).stream_events(QUESTION, version="v3")
        assert "".join(stream.text) == "one two three"
        assert str(stream.reasoning) == "so so"
        (call,) = stream.tool_calls.get()
        assert call["args"] == LOOK["input"]


def test_the_v3_message_id_is_that_of_the_run() -> None:
    with Sandbox(validate=False) as sandbox:
        stream = _model(sandbox, DIRECT, tools=False).stream_events(QUESTION, version="v3")
        events = list(stream)
        assert events[0]["id"] == stream.output.id
        assert stream.output.id.startswith("lc_run--")


STYLES: list[Any] = [
    {"newline": "\r\n", "comments": True, "pings": 3},
    {"event_names": False},
    {"multiline": True, "bom": True},
    {"extra_events": [{"type": "telemetry", "x": 1}]},
    {"extra_deltas": [{"type": "sparkle_delta", "x": 1}]},
]


@pytest.mark.parametrize("style", STYLES, ids=str)
@pytest.mark.parametrize("road", [_stream, _v3])
def test_odd_streams_mean_the_same(style: dict[str, Any], road: Any) -> None:
    reply = {"text": "Let me see.", "thinking": "Hm.", "tool_uses": [LOOK]}
    whole = _value(_asked(Reply(**reply), NATIVE, tools=True, road=_invoke))
    expected = _as_v3(whole) if road is _v3 else whole
    assert _value(_asked(Reply(**reply, **style), NATIVE, tools=True, road=road)) == expected


def test_closing_a_stream_early_frees_its_connection() -> None:
    with (
        Sandbox(validate=False) as sandbox,
        httpx.Client(limits=httpx.Limits(max_connections=1), timeout=5) as client,
    ):
        model = ChatAIVideoAPI(
            model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url, http_client=client
        )
        for _ in range(3):
            sandbox.enqueue(Reply("one two three", pieces=1))
            chunks = model.stream(QUESTION)
            next(chunks)
            chunks.close()
        # The only connection there may be is free again, or this call would time out.
        assert model.invoke(QUESTION).text


async def test_closing_an_async_stream_early_frees_its_connection() -> None:
    limits = httpx.Limits(max_connections=1)
    with Sandbox(validate=False) as sandbox:
        async with httpx.AsyncClient(limits=limits, timeout=5) as client:
            model = ChatAIVideoAPI(
                model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url, http_async_client=client
            )
            for _ in range(3):
                sandbox.enqueue(Reply("one two three", pieces=1))
                chunks: Any = model._astream([HumanMessage(QUESTION)])
                await anext(chunks)
                await chunks.aclose()
            assert (await model.ainvoke(QUESTION)).text


async def test_cancelling_frees_the_connection() -> None:
    with Sandbox(validate=False) as sandbox:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=1), timeout=5) as client:
            model = ChatAIVideoAPI(
                model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url, http_async_client=client
            )
            sandbox.enqueue(Fault.stall(8, reply=Reply("one two three", pieces=1)))
            begun = asyncio.Event()

            async def read() -> None:
                async for _ in model.astream(QUESTION):
                    begun.set()

            task = asyncio.create_task(read())
            await asyncio.wait_for(begun.wait(), 10)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await model.ainvoke(QUESTION)).text
