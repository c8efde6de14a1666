"""LangChain contestants: the same jobs for our model, the peer's and the floor."""

from __future__ import annotations

import itertools
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import (
    AIMessage,
    AIMessageChunk,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from benchmarks.contestants import KEY, QUESTION, Role
from benchmarks.contestants.langchain_floor import FloorChat, prebuilt
from benchmarks.contestants.peer_engine import put_into_langchain
from benchmarks.job import Job
from benchmarks.jobs import STREAM_DELTAS, at_once, in_threads, many_async_calls, many_calls
from benchmarks.wire import AGENT_TURNS, ANSWER, SIGNATURE, TOOL_NAME, tool_input, words

TOOL = {
    "name": TOOL_NAME,
    "description": "Look the items up.",
    "input_schema": {
        "type": "object",
        "properties": {"items": {"type": "array", "items": {"type": "string"}}},
    },
}
THINKING = {"type": "enabled", "budget_tokens": 1024}


class LangChainJobs:
    """Jobs over ``BaseChatModel``'s public methods."""

    def __init__(self, url: str, role: Role) -> None:
        self._url = url
        self._role = role
        self._fresh = itertools.count()
        self._floors: list[FloorChat] = []
        warnings.filterwarnings("ignore", message=".*is in beta.*")

    def job(self, metric: str, size: int) -> Job:
        """The job of that name. Raises ``LookupError`` if there is none."""
        make: Callable[[int], Job] | None = getattr(self, f"_{metric}", None)
        if make is None:
            raise LookupError(metric)
        return replace(make(size), prepare=self._forget)

    def _forget(self) -> None:
        """LangChain writes its run's id on chunks that have none; the floor's are used again."""
        for floor in self._floors:
            for chunk in floor.replies.chunks:
                chunk.message.id = None

    def _model(
        self, kind: str, size: int, *, prefix: str = "", is_async: bool = False, **options: Any
    ) -> BaseChatModel:
        url = f"{self._url}{prefix}/{kind}-{size}"
        match self._role:
            case "ours":
                from langchain_aivideoapi import ChatAIVideoAPI

                return ChatAIVideoAPI(
                    model="claude-sonnet-4-5/anthropic", api_key=KEY, base_url=url, max_tokens=2048, **options
                )
            case "peer":
                from langchain_anthropic import ChatAnthropic

                chat = ChatAnthropic(
                    model="claude-sonnet-4-5", api_key=KEY, base_url=url, max_tokens=2048, **options
                )
                if is_async:
                    put_into_langchain(chat, url)
                return chat
            case _:
                floor = FloorChat(replies=prebuilt(kind, size))
                if floor.replies.chunks and kind not in ("paced", "answer"):
                    self._floors.append(floor)
                return floor

    def _construct(self, size: int) -> Job:
        def check(model: BaseChatModel) -> None:
            assert model.invoke(QUESTION).text == ANSWER

        return many_calls(lambda: self._model("answer", 0), check)

    def _invoke(self, size: int) -> Job:
        model = self._model("answer", 0)
        return many_calls(lambda: model.invoke(QUESTION), _check_answer)

    def _ainvoke(self, size: int) -> Job:
        model = self._model("answer", 0, is_async=True)
        return many_async_calls(lambda: model.ainvoke(QUESTION), _check_answer)

    def _stream(self, size: int) -> Job:
        model, expected = self._model("text", size), "".join(words(size))

        def run() -> str:
            return "".join([chunk.content for chunk in model.stream(QUESTION)])

        return Job(run=run, check=lambda text: _equal(text, expected))

    def _astream(self, size: int) -> Job:
        model, expected = self._model("text", size, is_async=True), "".join(words(size))

        async def run() -> str:
            return "".join([chunk.content async for chunk in model.astream(QUESTION)])

        return Job(run=run, check=lambda text: _equal(text, expected), is_async=True)

    def _events(self, size: int) -> Job:
        model, expected = self._model("text", size), "".join(words(size))

        def run() -> str:
            return "".join(list(model.stream_events(QUESTION, version="v3").text))

        return Job(run=run, check=lambda text: _equal(text, expected))

    def _tool(self, size: int) -> Job:
        model, expected = self._model("tool", size).bind_tools([TOOL]), tool_input(size)

        def check(chunks: list[AIMessageChunk]) -> None:
            (call,) = (chunks[0] + chunks[1:]).tool_calls
            assert (call["name"], call["id"], call["args"]) == (TOOL_NAME, "toolu_000", expected)

        return Job(run=lambda: list(model.stream(QUESTION)), check=check)

    def _think(self, size: int) -> Job:
        options = {} if self._role == "floor" else {"thinking": THINKING}
        model, expected = self._model("think", size, **options), "".join(words(size))

        def check(chunks: list[AIMessageChunk]) -> None:
            thought, text = (chunks[0] + chunks[1:]).content
            assert (thought["thinking"], thought["signature"]) == (expected, SIGNATURE)
            assert text["text"] == ANSWER

        return Job(run=lambda: list(model.stream(QUESTION)), check=check)

    def _first(self, size: int) -> Job:
        model, expected = self._model("first", size), "".join(words(size))

        def run() -> tuple[float, str]:
            start = time.process_time()
            stream = model.stream(QUESTION)
            first = ""
            while not first:
                first = next(stream).content
            cpu_s = time.process_time() - start
            return cpu_s, first + "".join([chunk.content for chunk in stream])

        return Job(run=run, check=lambda text: _equal(text, expected), clocks_itself=True)

    def _streams_cold(self, size: int) -> Job:
        def fresh() -> BaseChatModel:
            return self._model("paced", STREAM_DELTAS, prefix=f"/cold{next(self._fresh)}", is_async=True)

        holder = [fresh()]
        job = at_once(lambda: _read(holder[0]), _check_stream)

        async def run() -> Any:
            holder[0] = fresh()
            return await job.run()

        return Job(run=run, check=job.check, is_async=True)

    def _streams_warm(self, size: int) -> Job:
        model = self._model("paced", STREAM_DELTAS, is_async=True)
        return at_once(lambda: _read(model), _check_stream)

    def _threads(self, size: int) -> Job:
        model = self._model("answer", 0)
        return in_threads(lambda: model.invoke(QUESTION), _check_answer)

    def _history(self, size: int) -> Job:
        model, messages = self._model("answer", 0).bind_tools([TOOL]), history(size)
        return many_calls(lambda: model.invoke(messages), _check_answer)

    def _agent(self, size: int) -> Job:
        from langchain.agents import create_agent

        def lookup(key: str) -> str:
            """Look a key up."""
            return f"value of {key}"

        agent = create_agent(self._model("agent", 0), [lookup])
        question = {"messages": [HumanMessage(QUESTION)]}

        def check(state: dict[str, Any]) -> None:
            messages = state["messages"]
            assert messages[-1].text == ANSWER
            assert sum(isinstance(message, ToolMessage) for message in messages) == AGENT_TURNS

        return Job(run=lambda: agent.invoke(question, {"recursion_limit": 50}), check=check)


def history(size: int) -> list[BaseMessage]:
    """A conversation of ``size`` messages, with a tool call in each group of four, that ends with a question."""
    messages: list[BaseMessage] = [SystemMessage("Be brief.")] if size > 1 else []
    for number in itertools.count():
        if len(messages) >= size - 1:
            break
        call = {"name": TOOL_NAME, "args": {"items": [f"item{number}"]}, "id": f"toolu_{number}"}
        group = [
            HumanMessage(f"Question {number}: where is item{number}?"),
            AIMessage([{"type": "text", "text": "Let me look."}], tool_calls=[call]),
            ToolMessage(f"item{number} is on shelf {number}", tool_call_id=f"toolu_{number}"),
            AIMessage(f"It is on shelf {number}."),
        ]
        room = size - 1 - len(messages)
        messages += group if room >= len(group) else [group[0], group[3]][:room]
    return [*messages, HumanMessage(QUESTION)]


async def _read(model: BaseChatModel) -> str:
    return "".join([chunk.content async for chunk in model.astream(QUESTION)])


def _check_stream(text: str) -> None:
    _equal(text, "".join(words(STREAM_DELTAS)))


def _check_answer(message: AIMessage) -> None:
    _equal(message.text, ANSWER)
    assert message.usage_metadata
    _equal(message.usage_metadata["total_tokens"], 30)


def _equal(actual: object, expected: object) -> None:
    assert actual == expected, f"{actual!r:.200} is not {expected!r:.200}"
