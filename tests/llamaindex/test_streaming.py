"""Streams: what each response shows, when it is built, and that the cost per event stays the same."""

from __future__ import annotations

import asyncio
import copy
import gc
import json
import pickle
import threading
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.bridge.pydantic import BaseModel

from aivideoapi_core import IncompleteStreamError, MessageAccumulator, OverloadedError, StreamError
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI
from llamaindex_aivideoapi._inbound.responses import ResponseTranslator

QUESTION = [ChatMessage("Hello")]


def block_events(index: int, start: dict[str, Any], deltas: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": start},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text_events(index: int, pieces: Sequence[str]) -> list[dict[str, Any]]:
    deltas = [{"type": "text_delta", "text": piece} for piece in pieces]
    return block_events(index, {"type": "text", "text": ""}, deltas)


def thinking_events(index: int, pieces: Sequence[str]) -> list[dict[str, Any]]:
    deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
    start = {"type": "thinking", "thinking": "", "signature": ""}
    return block_events(index, start, [*deltas, {"type": "signature_delta", "signature": "sig"}])


def tool_events(index: int, pieces: Sequence[str], name: str = "f") -> list[dict[str, Any]]:
    deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
    return block_events(index, {"type": "tool_use", "id": f"t{index}", "name": name, "input": {}}, deltas)


def responses_of(events: Sequence[dict[str, Any]]) -> Iterator[ChatResponse]:
    """What a stream of these blocks yields, but for its last response."""
    head = {"id": "m", "type": "message", "role": "assistant", "model": "x", "content": [], "usage": {}}
    accumulator = MessageAccumulator()
    accumulator.push({"type": "message_start", "message": head})
    responses = ResponseTranslator(accumulator)
    for event in events:
        accumulator.push(event)
        response = responses.feed(event)
        if response is not None:
            yield response


MIXED = [
    *thinking_events(0, ["Let ", "me ", "see."]),
    *text_events(1, ["I ", "look."]),
    *tool_events(2, ['{"ci', 'ty": "Os', 'lo", "n": 1', "}"]),
    *tool_events(3, [], name="now"),
]


def snapshot(response: ChatResponse) -> tuple[Any, ...]:
    return tuple(
        block.text if isinstance(block, TextBlock)
        else ("thinking", block.content) if isinstance(block, ThinkingBlock)
        else (block.tool_name, block.tool_kwargs) if isinstance(block, ToolCallBlock)
        else block
        for block in response.message.blocks
    )  # fmt: skip


SEEN = [
    (("thinking", "Let "),),
    (("thinking", "Let me "),),
    (("thinking", "Let me see."),),
    (("thinking", "Let me see."), "I "),
    (("thinking", "Let me see."), "I look."),
    *(
        (("thinking", "Let me see."), "I look.", ("f", arguments))
        for arguments in ({}, {}, {"city": "Os"}, {"city": "Oslo", "n": 1}, {"city": "Oslo", "n": 1}, {"city": "Oslo", "n": 1})
    ),
    *[(("thinking", "Let me see."), "I look.", ("f", {"city": "Oslo", "n": 1}), ("now", {}))] * 2,
]  # fmt: skip


class TestWhatIsSeen:
    def test_at_each_response(self) -> None:
        assert [snapshot(response) for response in responses_of(MIXED)] == SEEN

    def test_in_a_list_read_afterwards(self) -> None:
        assert [snapshot(response) for response in list(responses_of(MIXED))] == SEEN

    def test_in_a_list_read_backwards(self) -> None:
        assert [snapshot(response) for response in reversed(list(responses_of(MIXED)))] == SEEN[::-1]

    def test_deltas(self) -> None:
        responses = list(responses_of(MIXED))
        assert "".join(response.delta or "" for response in responses) == "I look."
        thought = [response.additional_kwargs.get("thinking_delta") for response in responses]
        assert [piece for piece in thought if piece] == ["Let ", "me ", "see."]

    def test_tool_calls_are_told_in_additional_kwargs_too(self) -> None:
        *_, _before, last = responses_of(tool_events(0, ['{"a": 1}']))
        assert last.message.additional_kwargs["tool_calls"] == [{"id": "t0", "name": "f", "input": {"a": 1}}]
        assert "tool_calls" not in next(responses_of(text_events(0, ["x"]))).message.additional_kwargs

    def test_a_start_that_holds_the_whole_block(self) -> None:
        start = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "all"}}
        responses = list(responses_of([start, {"type": "content_block_stop", "index": 0}]))
        assert [response.delta for response in responses] == ["all"]
        assert responses[0].message.content == "all"

    def test_arguments_in_the_start_only(self) -> None:
        start = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
        *_, last = responses_of(block_events(0, start, []))
        assert snapshot(last) == (("f", {"a": 1}),)

    def test_unknown_deltas_and_server_tools_are_skipped(self) -> None:
        start = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
        deltas = [{"type": "input_json_delta", "partial_json": "{}"}, {"type": "new_delta", "x": 1}]
        assert list(responses_of(block_events(0, start, deltas))) == []

    @pytest.mark.parametrize("async_", [False, True])
    def test_over_the_wire(self, llm: AIVideoAPI, sandbox: Sandbox, async_: bool) -> None:
        reply = Reply(
            "Look: ", tool_uses=[{"name": "f", "input": {"city": "Zürich 🏔", "n": [1, 2]}}], pieces=3
        )
        sandbox.enqueue(reply)
        tools = [{"name": "f", "input_schema": {"type": "object", "properties": {}}}]

        async def collect() -> list[ChatResponse]:
            return [response async for response in await llm.astream_chat(QUESTION, tools=tools)]

        responses = asyncio.run(collect()) if async_ else list(llm.stream_chat(QUESTION, tools=tools))
        assert responses[-1].message.blocks[-1].tool_kwargs == {"city": "Zürich 🏔", "n": [1, 2]}
        sizes = [len(json.dumps(r.message.additional_kwargs.get("tool_calls", []))) for r in responses]
        assert sizes == sorted(sizes)
        assert len(set(sizes)) > 5


def test_many_threads_may_read_the_same_responses() -> None:
    expected = [snapshot(response) for response in responses_of(MIXED)]
    for _ in range(20):
        responses = list(responses_of(MIXED))
        seen: list[list[Any]] = []
        threads = [
            threading.Thread(target=lambda: seen.append([snapshot(response) for response in responses]))  # noqa: B023
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [expected] * 4


class Holder(BaseModel):
    response: ChatResponse


class TestStandIns:
    """A streamed response is a ``ChatResponse`` that builds its message late, and nobody can tell."""

    def fresh(self) -> ChatResponse:
        return next(responses_of(text_events(0, ["hi"])))

    def plain(self) -> ChatResponse:
        event = text_events(0, ["hi"])[1]
        return ChatResponse(
            message=ChatMessage("hi", role="assistant"), raw=event, delta="hi", additional_kwargs={}
        )

    WAYS: tuple[Callable[[ChatResponse], Any], ...] = (
        lambda r: r.message,
        lambda r: r,
        lambda r: r.model_dump(),
        lambda r: r.model_dump_json(),
        lambda r: r.model_dump(exclude={"message"}),
        lambda r: dict(r),
        repr,
        str,
        copy.copy,
        copy.deepcopy,
        lambda r: r.model_copy(update={"delta": "x"}),
        lambda r: pickle.loads(pickle.dumps(r)),
        lambda r: Holder(response=r).model_dump(),
        lambda r: Holder(response=r).model_dump_json(),
        lambda r: vars(r),
        lambda r: r.model_fields_set,
        lambda r: ChatResponse.model_validate(r) == r,
        lambda r: (r.raw, r.delta, r.logprobs, r.additional_kwargs),
    )

    @pytest.mark.parametrize("way", WAYS)
    def test_it_equals_the_validated_one_in_every_use(self, way: Callable[[ChatResponse], Any]) -> None:
        assert way(self.fresh()) == way(self.plain())
        assert self.plain() == self.fresh()
        assert self.fresh() == self.plain()
        assert self.fresh() != ChatResponse(message=ChatMessage("other", role="assistant"))

    def test_it_can_be_changed(self) -> None:
        response = self.fresh()
        response.message = ChatMessage("new")
        response.delta = "d"
        assert (response.message.content, response.delta) == ("new", "d")
        assert type(response) is ChatResponse

    def test_what_is_not_there_is_not_there(self) -> None:
        with pytest.raises(AttributeError):
            _ = self.fresh().nothing

    def test_each_message_is_its_own(self) -> None:
        """Completion decorators and users write into ``additional_kwargs``."""
        first, second = responses_of(text_events(0, ["a", "b"]))
        first.message.additional_kwargs["mine"] = 1
        first.additional_kwargs["mine"] = 1
        assert second.message.additional_kwargs == second.additional_kwargs == {}


class TestCost:
    def test_memory_of_a_list_of_responses_is_linear(self) -> None:
        def kept(count: int) -> int:
            events = text_events(0, ["word "] * count)
            gc.collect()
            tracemalloc.start()
            responses = list(responses_of(events))
            size, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            assert len(responses) == count
            return size

        assert kept(8_000) < 10 * kept(1_000)

    def test_work_is_linear_even_if_every_message_is_read(self) -> None:
        import sys

        def calls(count: int) -> int:
            made = 0

            def count_call(*_: Any) -> None:
                nonlocal made
                made += 1

            events = [*text_events(0, ["word "] * count), *tool_events(1, ["{", *['"k": 1,'] * count])]
            sys.setprofile(count_call)
            try:
                for response in responses_of(events):
                    _ = response.message
            finally:
                sys.setprofile(None)
            return made

        assert calls(2_000) < 11 * calls(200)


class TestEnds:
    @pytest.mark.parametrize("async_", [False, True])
    def test_a_cut_is_an_error_with_the_message_so_far(
        self, llm: AIVideoAPI, sandbox: Sandbox, async_: bool
    ) -> None:
        sandbox.enqueue(Fault.cut(after_events=4, reply=Reply("one two three four", pieces=4)))
        seen = []

        async def collect() -> None:
            async for response in await llm.astream_chat(QUESTION):
                seen.append(response.delta)

        def collect_whole() -> None:
            if async_:
                asyncio.run(collect())
            else:
                for response in llm.stream_chat(QUESTION):
                    seen.append(response.delta)

        with pytest.raises(IncompleteStreamError) as caught:
            collect_whole()
        assert seen == ["one "]
        assert caught.value.partial is not None
        assert caught.value.partial["content"][0]["text"] == "one "

    def test_a_failure_before_the_first_word_is_retried(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(Fault.error_event("overloaded_error", after_events=0), Reply("fine"))
        assert list(llm.stream_chat(QUESTION))[-1].message.content == "fine"
        assert len(sandbox.requests) == 2

    def test_a_failure_after_the_start_is_not(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(Fault.error_event("overloaded_error", after_events=1), Reply("fine"))
        with pytest.raises(OverloadedError):
            list(llm.stream_chat(QUESTION))
        assert len(sandbox.requests) == 1

    def test_an_error_after_it_is_raised(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(
            Fault.error_event("overloaded_error", after_events=4, reply=Reply("one two", pieces=3))
        )
        with pytest.raises(OverloadedError):
            list(llm.stream_chat(QUESTION))
        assert len(sandbox.requests) == 1

    def test_malformed_events(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        sandbox.enqueue(Fault.malformed(after_events=4))
        with pytest.raises(StreamError):
            list(llm.stream_chat(QUESTION))

    def test_leaving_early_frees_the_connection(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        for _ in range(5):
            stream = llm.stream_chat(QUESTION)
            next(stream)
            stream.close()

        async def leave() -> None:
            for _ in range(5):
                stream = await llm.astream_chat(QUESTION)
                await anext(stream)
                await stream.aclose()

        asyncio.run(leave())
        assert llm.complete("still fine").text
