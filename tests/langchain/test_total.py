"""What adding chunks up comes to, however it is done: the message that ``invoke`` returns."""

from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Iterator
from functools import reduce
from operator import add
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.language_models._utils import _update_message_content_to_blocks
from langchain_core.language_models.chat_model_stream import ChatModelStream
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.utils import message_chunk_to_message
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.graph.message import add_messages

from aivideoapi_core import Reply as CoreReply
from aivideoapi_core import StreamReader
from aivideoapi_core.adapter_kit import Changed
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from langchain_aivideoapi._inbound.message import to_result
from langchain_aivideoapi._inbound.streams import ChunkStream, EventStream
from llamaindex_aivideoapi._inbound.streams import ResponseStream

NATIVE = "claude-sonnet-4-6"


def look(at: str) -> str:
    """Look at something."""
    return f"{at} is blue"


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(seed="same", validate=False) as running:
        yield running


def _model(sandbox: Sandbox) -> ChatAIVideoAPI:
    return ChatAIVideoAPI(model=NATIVE, api_key=sandbox.api_key, base_url=sandbox.url)


def _chunks(sandbox: Sandbox, reply: Reply) -> list[Any]:
    sandbox.enqueue(reply)
    return list(_model(sandbox).bind_tools([look]).stream("Hello"))


LET_ME = Reply("Let me look at it.", tool_uses=[{"name": "look", "input": {"at": "sky"}}], pieces=3)
CONTENT = [
    {"type": "text", "text": "Let me look at it."},
    {"type": "tool_use", "name": "look", "input": {"at": "sky"}},
]
WAYS: list[Any] = [
    pytest.param(lambda chunks: reduce(add, chunks), id="one by one"),
    pytest.param(lambda chunks: chunks[0] + chunks[1:], id="as a list"),
    pytest.param(lambda chunks: chunks[0] + tuple(chunks[1:]), id="as a tuple"),
    pytest.param(lambda chunks: reduce(add, chunks, AIMessageChunk(content="")), id="after an empty chunk"),
    pytest.param(lambda chunks: reduce(add, chunks, AIMessageChunk(content=[])), id="after an empty list"),
    pytest.param(lambda chunks: chunks[0] + reduce(add, chunks[1:]), id="from the right"),
    pytest.param(lambda chunks: reduce(add, copy.deepcopy(chunks)), id="copies"),
    pytest.param(lambda chunks: reduce(add, pickle.loads(pickle.dumps(chunks))), id="pickled"),
]


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_adding_chunks_up_has_the_content_of_the_whole(sandbox: Sandbox, way: Any) -> None:
    total = way(_chunks(sandbox, LET_ME))
    assert type(total) is AIMessageChunk
    assert [{key: value for key, value in block.items() if key != "id"} for block in total.content] == CONTENT
    assert [call["args"] for call in total.tool_calls] == [{"at": "sky"}]
    assert total.chunk_position == "last"


@pytest.mark.parametrize("way", WAYS)
def test_text_that_came_as_blocks_is_a_string_in_the_total(sandbox: Sandbox, way: Any) -> None:
    chunks = _chunks(sandbox, Reply("one two three", pieces=2))
    assert all(isinstance(chunk.content, list) for chunk in chunks)
    assert way(chunks).content == "one two three"


def test_the_class_of_the_first_chunk_shows_nowhere(sandbox: Sandbox) -> None:
    first, *_ = _chunks(sandbox, LET_ME)
    assert isinstance(first, AIMessageChunk)
    assert repr(first).startswith("AIMessageChunk(")
    assert first.model_dump() == AIMessageChunk(**dict(first)).model_dump()
    loaded = loads(dumps(first), allowed_objects=[AIMessageChunk])
    assert type(loaded) is AIMessageChunk
    assert loaded.content == first.content
    plain = AIMessageChunk(**dict(first))
    assert first == plain
    assert plain == first
    assert first != plain + plain
    stored = JsonPlusSerializer().dumps_typed(first)  # a checkpoint
    assert b"aivideoapi." not in stored[1]
    restored = JsonPlusSerializer().loads_typed(stored)
    assert (type(restored), restored) == (AIMessageChunk, plain)


def test_a_stream_that_was_left_early_is_a_message_too(sandbox: Sandbox) -> None:
    chunks = _chunks(sandbox, LET_ME)
    part = chunks[0] + chunks[1]
    message = message_chunk_to_message(part)
    assert type(message) is AIMessage
    assert message.text == part.text
    (kept,) = add_messages([], [part])
    assert type(kept) is AIMessage


def test_a_sum_over_two_answers_keeps_both(sandbox: Sandbox) -> None:
    total = reduce(add, [*_chunks(sandbox, Reply("one ")), *_chunks(sandbox, Reply("two"))])
    assert total.text == "one two"


def test_an_agent_that_streams_keeps_the_message_that_it_keeps_when_it_does_not(sandbox: Sandbox) -> None:
    agent = create_agent(_model(sandbox), tools=[look])
    ask: Any = {"messages": [("user", "Look at the sky.")]}

    def script() -> None:
        sandbox.enqueue(LET_ME)
        sandbox.enqueue(Reply("It is blue."))

    def content(messages: list[Any]) -> list[Any]:
        return [_without_ids(message.content) for message in messages]

    script()
    whole = content(agent.invoke(ask)["messages"])
    script()
    *_, values = agent.stream(ask, stream_mode="values")
    assert content(values["messages"]) == whole
    script()
    updates = [message for update in agent.stream(ask, stream_mode="updates") for part in update.values() for message in part["messages"]]  # fmt: skip
    assert content(updates) == whole[1:]
    script()
    sums: dict[str, Any] = {}
    for token, _ in agent.stream(ask, stream_mode="messages"):
        if isinstance(token, AIMessageChunk):
            sums[str(token.id)] = sums[str(token.id)] + token if token.id in sums else token
    assert content(list(sums.values())) == [whole[1], whole[3]]


def _message(reply: Any) -> Any:
    return to_result(reply).generations[0].message


def _without_ids(content: Any) -> Any:
    """Sandbox ids go up from call to call."""
    if isinstance(content, str):
        return content
    return [{key: value for key, value in block.items() if key != "id"} for block in content]


def test_blocks_stand_in_the_order_in_which_they_came() -> None:
    reader = StreamReader()
    chunks = ChunkStream(reader.accumulator, structured=True, with_usage=True, changed=Changed())
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": NATIVE, "content": []}},
        *(
            event
            for index in (1, 0)
            for event in (
                {"type": "content_block_start", "index": index, "content_block": {"type": "tool_use", "id": f"toolu_{index}", "name": "look", "input": {"at": "sky"}}},
                {"type": "content_block_stop", "index": index},
            )
        ),
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]  # fmt: skip
    body = "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events)
    fed = [chunks.feed(event) for event in [*reader.feed(body.encode()), *reader.finish()]]
    reply = CoreReply(reader.accumulator.message(), NATIVE)
    parts: list[Any] = [chunk for chunk in (*fed, chunks.last(reply)) if chunk is not None]
    summed: Any = reduce(add, parts).message
    assert [call["id"] for call in summed.tool_calls] == ["toolu_1", "toolu_0"]
    assert summed.tool_calls == _message(reply).tool_calls


def test_a_delta_that_says_no_type_is_skipped() -> None:
    """On a block of a type that nobody knows, whose deltas are handed on as they came."""
    reader = StreamReader()
    chunks = ChunkStream(reader.accumulator, structured=True, with_usage=True, changed=Changed())
    protocol = EventStream(
        reader.accumulator, model=NATIVE, message_id="m", with_usage=True, changed=Changed()
    )
    responses = ResponseStream(reader.accumulator, one_call=False, changed=Changed())
    for event in reader.feed(NO_TYPE):
        chunks.feed(event)
        protocol.feed(event)
        responses.feed(event)
    assert reader.accumulator.partial()["content"][0]["depth"] == 3


NO_TYPE = b"".join(
    b"data: " + json.dumps(event).encode() + b"\n\n"
    for event in (
        {"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": NATIVE, "content": []}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "hologram", "depth": 3}},
        {"type": "content_block_delta", "index": 0, "delta": {"uype": "sparkle", "thinking": "Two"}},
    )
)  # fmt: skip


def _event(kind: str, index: int, **fields: Any) -> dict[str, Any]:
    return {"type": f"content_block_{kind}", "index": index, **fields}


def _arguments(*pieces: str, start: Any = None) -> list[Any]:
    block = {"type": "tool_use", "id": "toolu_1", "name": "answer", "input": start or {}}
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return [_event("start", 1, content_block=block), *(_event("delta", 1, delta=delta) for delta in deltas)]


WORDS: list[Any] = [
    _event("start", 0, content_block={"type": "text", "text": None}),
    _event("delta", 0, delta={"type": "text_delta", "text": "So:"}),
]


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize(
    "events",
    [
        pytest.param(_arguments(), id="no arguments"),
        pytest.param(_arguments('"{\\"a\\": 1}"'), id="text of text"),
        pytest.param(_arguments('{"a": "x', '\ny"}'), id="a line break"),
        pytest.param(_arguments('{"a": 1}', start={"a": 1}), id="said twice"),
        pytest.param([*WORDS, *_arguments('{"a": 1}')], id="words without an end"),
        pytest.param(
            [*WORDS, {"type": "content_block_sparkle", "delta": 1}, *_arguments('{"a": 1}')],
            id="words, then sparkles",
        ),
        pytest.param([*WORDS[:1], *_arguments('{"a": 1}')], id="no words without an end"),
    ],
)
def test_the_text_of_an_output_tool_is_that_of_invoke(events: list[Any], version: str) -> None:
    frames = [
        {"type": "message_start", "message": {"id": "msg_1", "content": []}},
        *events,
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}},
        {"type": "message_stop"},
    ]
    changed, reader = Changed(output_tool="answer"), StreamReader()
    stream = ChunkStream(reader.accumulator, structured=True, with_usage=True, changed=changed)
    protocol = EventStream(reader.accumulator, model="m", message_id="m", with_usage=True, changed=changed)
    body = b"".join(f"data: {json.dumps(frame)}\n\n".encode() for frame in frames)
    shown: Any = ChatModelStream(message_id="m")
    chunks = []
    for event in [*reader.feed(body), *reader.finish()]:
        chunks.append(stream.feed(event))
        for one in protocol.feed(event):
            shown.dispatch(one)
    reply = CoreReply(reader.accumulator.message(), NATIVE)
    for one in protocol.finish(reply):
        shown.dispatch(one)
    whole: Any = _message(changed.read(reply))
    found = [chunk for chunk in [*chunks, stream.last(reply)] if chunk is not None]
    if version == "v1":
        whole = _update_message_content_to_blocks(whole, "v1")
        for chunk in found:
            chunk.message = _update_message_content_to_blocks(chunk.message, "v1")
    total: Any = reduce(add, found).message
    assert json.loads(total.text) == json.loads(whole.text) == json.loads(str(shown.output.text))
    assert [block["type"] for block in total.content_blocks] == [
        block["type"] for block in whole.content_blocks
    ]
