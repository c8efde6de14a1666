"""The calls of a soak run: one method per way to make one, and the ways to disturb it."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
from collections.abc import Awaitable, Callable
from typing import Any, Final

from langchain_core.messages import BaseMessage
from llama_index.core.llms import ChatMessage, ChatResponse
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    CallRecord,
    CreditBudget,
    SpendLedger,
    build_payload,
)
from benchmarks.soak_books import Tally
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODELS: Final = ("claude-sonnet-4-6", "claude-sonnet-4-6/anthropic")
CHILD_S: Final = 60
FAULTS: Final = (
    # overcome by another try
    "rate_limit_exceeded;retry_after=0;times=1;id={id}",
    "internal_error;times=1;id={id}",
    "overloaded_error;times=1;id={id}",
    "html;status=502;times=1;id={id}",
    "error_event;after_events=1;times=1;id={id}",
    # refused
    "insufficient_credits",
    "spend_limit_exceeded",
    "invalid_request",
    "envelope;code=402;msg=no",
    # broken on the way
    "cut;after_events=4",
    "malformed;after_events=4",
    "truncated_gzip",
    # broken, and read to its end all the same where it is streamed
    "out_of_order;variant=start_twice",
)

Answer = tuple[str, int] | None
"""Message id and computed microcredits; ``None``: the caller did not wait for the end."""
Way = Callable[[int, str, dict[str, str]], Awaitable[Answer]]


class Raises(SpanProcessor):
    """An observer that fails each time."""

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        """Fail."""
        raise RuntimeError("an observer's own error")

    def on_end(self, span: Any) -> None:
        """Fail."""
        raise RuntimeError("an observer's own error")


def _raise(record: CallRecord) -> None:
    raise RuntimeError(f"an observer's own error at {record.call_id}")


class Caller:
    """The models, shared by all calls, and one method per way to call them."""

    def __init__(self, url: str, key: str, *, budget: CreditBudget, ledger: SpendLedger) -> None:
        self.tally = Tally()
        provider = TracerProvider()
        provider.add_span_processor(Raises())
        trace.set_tracer_provider(provider)
        common: dict[str, Any] = {"api_key": key, "timeout": 60.0, "budget": budget, "ledger": ledger}
        self._chat = [ChatAIVideoAPI(model=model, base_url=url, **common) for model in MODELS]
        self._llm = [AIVideoAPI(model=model, base_url=url, **common) for model in MODELS]
        self._client = AsyncMessagesClient(base_url=url, on_call=_raise, **common)
        self._rng = random.Random(0)
        self._ways: dict[str, Way] = {
            "invoke": self._invoke,
            "stream": self._stream,
            "events": self._events,
            "chat": self._achat,
            "stream_chat": self._stream_chat,
            "client": self._create,
            "abandoned": self._abandon,
            "dropped": self._drop,
            "dropped in a thread": self._drop_in_thread,
            "cancelled": self._cancel,
        }

    async def aclose(self) -> None:
        """Close all connections of the running loop and of the threads."""
        for model in (*self._chat, *self._llm):
            model.close()
            await model.aclose()
        await self._client.aclose()

    async def call(self, number: int, rng: random.Random, fault_share: float) -> None:
        """One call in a random mode on a random route, with a fault now and then."""
        headers = {}
        if rng.random() < fault_share:
            headers["x-sandbox-fault"] = rng.choice(FAULTS).format(id=number)
        route, mode = rng.randrange(2), rng.choice(list(self._ways))
        question = f"Tell me about the number {number}. " + "Please. " * rng.randrange(40)
        self.tally.calls += 1
        try:
            answer = await self._ways[mode](route, question, headers)
        except AIVideoAPIError as error:
            self.tally.ended[_class_of_ours(error)] += 1
            return
        self._note(mode, answer)

    def _note(self, mode: str, answer: Answer) -> None:
        if answer is None:
            self.tally.ended[mode] += 1
        else:
            self.tally.seen[answer[0]] = answer[1]

    async def call_in_child(self, number: int) -> None:
        """One call of a forked child, with the models of its parent, in the middle of its parent's calls."""
        read, write = os.pipe()
        self.tally.calls += 1
        child = os.fork()
        if not child:
            _be_child(lambda: self._chat[number % 2].invoke(f"Child {number}"), write)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = await asyncio.to_thread(pipe.read)
        await asyncio.to_thread(os.waitpid, child, 0)
        self._note("child that failed", tuple(json.loads(said)) if said else None)

    async def _invoke(self, route: int, question: str, headers: dict[str, str]) -> Answer:
        return _of_message(await self._chat[route].ainvoke(question, extra_headers=headers))

    async def _stream(self, route: int, question: str, headers: dict[str, str]) -> Answer:
        total = None
        async for chunk in self._chat[route].astream(question, extra_headers=headers):
            total = chunk if total is None else total + chunk
        return _of_message(total)

    async def _events(self, route: int, question: str, headers: dict[str, str]) -> Answer:
        events = await self._chat[route].astream_events(question, version="v3", extra_headers=headers)
        return _of_message(await events)

    async def _achat(self, route: int, question: str, headers: dict[str, str]) -> Answer:
        return _of_response(await self._llm[route].achat(_asked(question), extra_headers=headers))

    async def _stream_chat(self, route: int, question: str, headers: dict[str, str]) -> Answer:
        last = None
        async for response in await self._llm[route].astream_chat(_asked(question), extra_headers=headers):
            last = response
        assert last is not None
        return _of_response(last)

    async def _create(self, route: int, question: str, headers: dict[str, str]) -> Answer:
        body = build_payload(
            MODELS[route], [{"role": "user", "content": question}], stream=False, max_tokens=1_000
        )
        await self._client.create(body, headers=headers)
        return None

    async def _abandon(self, route: int, question: str, headers: dict[str, str]) -> None:
        async for _ in self._chat[route].astream(question, extra_headers=headers):
            break

    async def _drop(self, route: int, question: str, headers: dict[str, str]) -> None:
        """A stream in a reference cycle: the collector ends it, whenever it comes by."""
        cycle: list[Any] = [self._chat[route].astream(question, extra_headers=headers)]
        await anext(cycle[0])
        cycle.append(cycle)

    async def _drop_in_thread(self, route: int, question: str, headers: dict[str, str]) -> None:
        def drop() -> None:
            cycle: list[Any] = [self._llm[route].stream_chat(_asked(question), extra_headers=headers)]
            next(cycle[0])
            cycle.append(cycle)

        await asyncio.to_thread(drop)

    async def _cancel(self, route: int, question: str, headers: dict[str, str]) -> Answer:
        """At a moment of chance, then twice more while it cleans up."""
        way = self._rng.choice([self._invoke, self._stream, self._events, self._achat, self._stream_chat])
        task = asyncio.ensure_future(way(route, question, headers))
        await asyncio.wait({task}, timeout=self._rng.random() * 0.5)
        for _ in range(3):
            task.cancel()
            await asyncio.sleep(0)
        try:
            return await task
        except asyncio.CancelledError:
            return None


def _be_child(call: Callable[[], BaseMessage], write: int) -> None:
    """Make the call, say what came of it, and end without the parent's ``atexit``."""
    signal.alarm(CHILD_S)
    status = 1
    try:
        os.write(write, json.dumps(_of_message(call())).encode())
        status = 0
    finally:
        os._exit(status)


def _class_of_ours(error: AIVideoAPIError) -> str:
    return next(cls.__name__ for cls in type(error).__mro__ if cls.__module__.startswith("aivideoapi_core"))


def _asked(question: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=question)]


def _of_message(message: Any) -> tuple[str, int]:
    return message.response_metadata["id"], int(message.usage_metadata["credits_consumed_micro"])


def _of_response(response: ChatResponse) -> tuple[str, int]:
    return response.raw["id"], int(response.additional_kwargs["credits_consumed_micro"])
