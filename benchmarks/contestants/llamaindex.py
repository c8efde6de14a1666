"""LlamaIndex contestants: the same jobs for our LLM, the peer's and the floor."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.tools import FunctionTool

from benchmarks.contestants import KEY, QUESTION, Role
from benchmarks.contestants.llamaindex_floor import FloorLLM, prebuilt
from benchmarks.contestants.peer_engine import put_into_llamaindex
from benchmarks.job import Job
from benchmarks.jobs import STREAM_DELTAS, at_once, in_threads, many_async_calls, many_calls
from benchmarks.wire import AGENT_TURNS, ANSWER, SIGNATURE, TOOL_NAME, tool_input, words

THINKING = {"type": "enabled", "budget_tokens": 1024}


def lookup(items: list[str]) -> str:
    """Look the items up."""
    return f"{len(items)} items"


def lookup_key(key: str) -> str:
    """Look a key up."""
    return f"value of {key}"


TOOL = FunctionTool.from_defaults(lookup, name=TOOL_NAME)


class LlamaIndexJobs:
    """Jobs over ``FunctionCallingLLM``'s public methods."""

    def __init__(self, url: str, role: Role) -> None:
        self._url = url
        self._role = role
        self._fresh = itertools.count()

    def job(self, metric: str, size: int) -> Job:
        """The job of that name; ``LookupError`` for what this framework does not have."""
        make: Callable[[int], Job] | None = getattr(self, f"_{metric}", None)
        if make is None:
            raise LookupError(metric)
        return make(size)

    def _model(
        self, kind: str, size: int, *, prefix: str = "", is_async: bool = False, **options: Any
    ) -> FunctionCallingLLM:
        url = f"{self._url}{prefix}/{kind}-{size}"
        match self._role:
            case "ours":
                from llamaindex_aivideoapi import AIVideoAPI

                if "thinking_dict" in options:
                    options["thinking"] = options.pop("thinking_dict")
                return AIVideoAPI(
                    model="claude-sonnet-4-5/anthropic", api_key=KEY, base_url=url, max_tokens=2048, **options
                )
            case "peer":
                from llama_index.llms.anthropic import Anthropic

                llm = Anthropic(
                    model="claude-sonnet-4-5", api_key=KEY, base_url=url, max_tokens=2048, **options
                )
                if is_async:
                    put_into_llamaindex(llm, url)
                return llm
            case _:
                return FloorLLM(replies=prebuilt(kind, size))

    def _construct(self, size: int) -> Job:
        return many_calls(
            lambda: self._model("answer", 0), lambda model: _check_answer(model.chat([ChatMessage(QUESTION)]))
        )

    def _invoke(self, size: int) -> Job:
        model = self._model("answer", 0)
        return many_calls(lambda: model.chat([ChatMessage(QUESTION)]), _check_answer)

    def _ainvoke(self, size: int) -> Job:
        model = self._model("answer", 0, is_async=True)
        return many_async_calls(lambda: model.achat([ChatMessage(QUESTION)]), _check_answer)

    def _stream(self, size: int) -> Job:
        model, expected = self._model("text", size), "".join(words(size))

        def run() -> tuple[str, ChatResponse]:
            deltas, last = [], ChatResponse(message=ChatMessage())
            for last in model.stream_chat([ChatMessage(QUESTION)]):
                deltas.append(last.delta or "")
            return "".join(deltas), last

        return Job(run=run, check=_text_check(expected))

    def _astream(self, size: int) -> Job:
        model = self._model("text", size, is_async=True)
        return Job(run=lambda: _read(model), check=_text_check("".join(words(size))), is_async=True)

    def _tool(self, size: int) -> Job:
        model, expected = self._model("tool", size), tool_input(size)

        def run() -> ChatResponse:
            return _last(model.stream_chat_with_tools([TOOL], user_msg=QUESTION))

        def check(last: ChatResponse) -> None:
            (call,) = model.get_tool_calls_from_response(last)
            assert (call.tool_name, call.tool_id, call.tool_kwargs) == (TOOL_NAME, "toolu_000", expected)

        return Job(run=run, check=check)

    def _think(self, size: int) -> Job:
        options = {} if self._role == "floor" else {"thinking_dict": THINKING}
        model, expected = self._model("think", size, **options), "".join(words(size))

        def run() -> ChatResponse:
            return _last(model.stream_chat([ChatMessage(QUESTION)]))

        def check(last: ChatResponse) -> None:
            thoughts = [block for block in last.message.blocks if isinstance(block, ThinkingBlock)]
            assert [thought.content for thought in thoughts] == [expected]
            assert thoughts[0].additional_information["signature"] == SIGNATURE
            assert last.message.content == ANSWER

        return Job(run=run, check=check)

    def _first(self, size: int) -> Job:
        model, expected = self._model("first", size), "".join(words(size))

        def run() -> tuple[float, str]:
            start = time.process_time()
            stream = model.stream_chat([ChatMessage(QUESTION)])
            first = ""
            while not first:
                first = next(stream).delta or ""
            cpu_s = time.process_time() - start
            return cpu_s, first + "".join([response.delta or "" for response in stream])

        def check(text: str) -> None:
            assert text == expected

        return Job(run=run, check=check, clocks_itself=True)

    def _streams_cold(self, size: int) -> Job:
        def fresh() -> FunctionCallingLLM:
            return self._model("paced", STREAM_DELTAS, prefix=f"/cold{next(self._fresh)}", is_async=True)

        holder = [fresh()]
        job = at_once(lambda: _read(holder[0]), _text_check("".join(words(STREAM_DELTAS))))

        async def run() -> Any:
            holder[0] = fresh()
            return await job.run()

        return Job(run=run, check=job.check, is_async=True)

    def _streams_warm(self, size: int) -> Job:
        model = self._model("paced", STREAM_DELTAS, is_async=True)
        return at_once(lambda: _read(model), _text_check("".join(words(STREAM_DELTAS))))

    def _threads(self, size: int) -> Job:
        model = self._model("answer", 0)
        return in_threads(lambda: model.chat([ChatMessage(QUESTION)]), _check_answer)

    def _history(self, size: int) -> Job:
        model, messages = self._model("answer", 0), history(size)
        return many_calls(lambda: model.chat_with_tools([TOOL], chat_history=messages), _check_answer)

    def _agent(self, size: int) -> Job:
        """The loop by hand: the agent classes cost ten times what an LLM class can save."""
        model, tool = self._model("agent", 0), FunctionTool.from_defaults(lookup_key, name=TOOL_NAME)

        def run() -> list[ChatMessage]:
            messages = [ChatMessage(QUESTION)]
            while True:
                response = model.chat_with_tools([tool], chat_history=messages)
                messages.append(response.message)
                calls = model.get_tool_calls_from_response(response, error_on_no_tool_call=False)
                if not calls:
                    return messages
                messages += [
                    ChatMessage(
                        str(tool(**call.tool_kwargs)),
                        role=MessageRole.TOOL,
                        additional_kwargs={"tool_call_id": call.tool_id},
                    )
                    for call in calls
                ]

        def check(messages: list[ChatMessage]) -> None:
            assert messages[-1].content == ANSWER
            assert sum(message.role is MessageRole.TOOL for message in messages) == AGENT_TURNS

        return Job(run=run, check=check)


def history(size: int) -> list[ChatMessage]:
    """A conversation of ``size`` messages, with a tool call in each group of four, that ends with a question."""
    messages = [ChatMessage("Be brief.", role=MessageRole.SYSTEM)] if size > 1 else []
    for number in itertools.count():
        if len(messages) >= size - 1:
            break
        call_id, arguments = f"toolu_{number}", {"items": [f"item{number}"]}
        call = ToolCallBlock(tool_call_id=call_id, tool_name=TOOL_NAME, tool_kwargs=arguments)
        group = [
            ChatMessage(f"Question {number}: where is item{number}?", role=MessageRole.USER),
            ChatMessage(role=MessageRole.ASSISTANT, blocks=[TextBlock(text="Let me look."), call]),
            ChatMessage(
                f"item{number} is on shelf {number}",
                role=MessageRole.TOOL,
                additional_kwargs={"tool_call_id": call_id},
            ),
            ChatMessage(f"It is on shelf {number}.", role=MessageRole.ASSISTANT),
        ]
        room = size - 1 - len(messages)
        messages += group if room >= len(group) else [group[0], group[3]][:room]
    return [*messages, ChatMessage(QUESTION, role=MessageRole.USER)]


def _last(responses: Iterable[ChatResponse]) -> ChatResponse:
    return deque(responses, maxlen=1)[0]


async def _read(model: FunctionCallingLLM) -> tuple[str, ChatResponse]:
    deltas, last = [], ChatResponse(message=ChatMessage())
    async for last in await model.astream_chat([ChatMessage(QUESTION)]):
        deltas.append(last.delta or "")
    return "".join(deltas), last


def _text_check(expected: str) -> Callable[[tuple[str, ChatResponse]], None]:
    def check(result: tuple[str, ChatResponse]) -> None:
        text, last = result
        assert text == expected
        assert last.message.content == expected

    return check


def _check_answer(response: ChatResponse) -> None:
    assert response.message.content == ANSWER
