"""What users of ``ChatAnthropic`` complain about: one test each that ours passes.

Where it is cheap to show, the same test is run on langchain-anthropic and must fail there; when such
a test begins to pass, the peer has caught up and the word "complaint" may go.
"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain_anthropic import ChatAnthropic
from langchain_core.exceptions import ModelAPIError
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool

import aivideoapi_core as core
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware, ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
BOTH_ROUTES = pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
Model = Callable[..., ChatAIVideoAPI]


@pytest.fixture
def model(sandbox: Sandbox) -> Model:
    def make(model_id: str = DIRECT, **fields: Any) -> ChatAIVideoAPI:
        settings: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.url, "max_retries": 0}
        return ChatAIVideoAPI(model=model_id, **{**settings, **fields})

    return make


@pytest.fixture
def peer(sandbox: Sandbox) -> Callable[..., ChatAnthropic]:
    def make(**fields: Any) -> ChatAnthropic:
        settings: dict[str, Any] = {
            "model": DIRECT,
            "api_key": "sk-test",
            "base_url": sandbox.url,
            "max_retries": 0,
            "max_tokens": 1_000,
            "default_headers": {"authorization": f"Bearer {sandbox.api_key}"},
        }
        return ChatAnthropic(**{**settings, **fields})

    return make


def _summed(chunks: Any) -> AIMessageChunk:
    total: AIMessageChunk | None = None
    for chunk in chunks:
        total = chunk if total is None else total + chunk
    assert total is not None
    return total


@tool
def now() -> str:
    """What time it is."""
    return "noon"


def _counts_are_right(chat: BaseChatModel, sandbox: Sandbox, usage_at: Any) -> None:
    sandbox.enqueue(Reply("Hi there.", usage={"input_tokens": 18, "output_tokens": 42}, usage_at=usage_at))
    usage = _summed(chat.stream("Hello")).usage_metadata
    assert usage is not None
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (18, 42, 60)


@BOTH_ROUTES
@pytest.mark.parametrize("usage_at", ["both", "delta"])
def test_input_tokens_zero_or_doubled_behind_relays(
    model: Model, sandbox: Sandbox, model_id: str, usage_at: Any
) -> None:
    _counts_are_right(model(model_id), sandbox, usage_at)


def test_input_tokens_are_zero_for_the_peer(peer: Callable[..., ChatAnthropic], sandbox: Sandbox) -> None:
    with pytest.raises(AssertionError):
        _counts_are_right(peer(), sandbox, "start")


@pytest.mark.parametrize("style", ["none", "start", "deltas"])
@BOTH_ROUTES
def test_tools_without_arguments(model: Model, sandbox: Sandbox, model_id: str, style: Any) -> None:
    chat = model(model_id).bind_tools([now])
    for ask in (chat.invoke, lambda prompt: _summed(chat.stream(prompt))):
        sandbox.enqueue(Reply(tool_uses=[{"name": "now", "input": {}}], tool_input_style=style))
        message = ask("What time is it?")
        assert [(call["name"], call["args"]) for call in message.tool_calls] == [("now", {})]
        assert not message.invalid_tool_calls
        result = ToolMessage("noon", tool_call_id=message.tool_calls[0]["id"])
        chat.invoke([HumanMessage("What time is it?"), message, result])
        assert sandbox.requests[-1].body["messages"][1]["content"][-1]["input"] == {}


EMPTY_HISTORY = [
    SystemMessage(""),
    HumanMessage("Hello"),
    AIMessage(""),
    HumanMessage([{"type": "text", "text": "  "}, {"type": "text", "text": "Are you there?"}]),
    AIMessage([]),
    HumanMessage("Hm?"),
    AIMessage("Yes. "),
    HumanMessage("Good."),
]


@BOTH_ROUTES
def test_empty_content_is_not_sent(model: Model, model_id: str) -> None:
    """The wire answers 400 to blank text and to turns without content; the sandbox does so too."""
    assert model(model_id).invoke(EMPTY_HISTORY).text


LATE_SYSTEM = [
    HumanMessage("Hello"),
    AIMessage("Hi."),
    SystemMessage("From now on be brief."),
    HumanMessage("And now?"),
    SystemMessage("Be kind, too."),
]


@BOTH_ROUTES
def test_system_messages_that_are_not_first(model: Model, sandbox: Sandbox, model_id: str) -> None:
    assert model(model_id).invoke(LATE_SYSTEM).text
    sent = str(sandbox.requests[0].body)
    assert sent.index("From now on be brief.") > -1
    assert "Be kind, too." in sent


def test_system_messages_that_are_not_first_fail_for_the_peer(peer: Callable[..., ChatAnthropic]) -> None:
    with pytest.raises(ValueError, match="non-consecutive system messages"):
        peer().invoke([SystemMessage("Be brief."), *LATE_SYSTEM])


@BOTH_ROUTES
def test_overloaded_inside_a_200_stream_is_tried_again(model: Model, sandbox: Sandbox, model_id: str) -> None:
    """As long as nothing else has come: what follows the start of an answer has been billed."""
    chat = model(model_id, max_retries=1)
    sandbox.enqueue(Fault.error_event("overloaded_error", after_events=0), Reply("Here I am."))
    assert _summed(chat.stream("Hello")).text == "Here I am."
    assert len(sandbox.requests) == 2


def test_overloaded_inside_a_200_stream_fails_for_the_peer(
    peer: Callable[..., ChatAnthropic], sandbox: Sandbox
) -> None:
    sandbox.enqueue(Fault.error_event("overloaded_error", after_events=1), Reply("Here I am."))
    with pytest.raises(Exception, match="overloaded"):
        _summed(peer(max_retries=2).stream("Hello"))
    assert len(sandbox.requests) == 1


@BOTH_ROUTES
def test_overloaded_after_the_first_words_is_a_typed_error(
    model: Model, sandbox: Sandbox, model_id: str
) -> None:
    sandbox.enqueue(
        Fault.error_event("overloaded_error", after_events=4, reply=Reply("One two three.", pieces=3))
    )
    seen: list[str] = []
    with pytest.raises(core.OverloadedError) as caught:
        seen.extend(chunk.text for chunk in model(model_id, max_retries=2).stream("Hello"))
    assert "".join(seen)
    assert isinstance(caught.value, ModelAPIError)
    assert not caught.value.is_retryable  # the caller has half of an answer, and it may be billed
    assert caught.value.partial is not None
    assert len(sandbox.requests) == 1


class _Recording(httpx.HTTPTransport):
    """Stands for a proxy, a private CA or a client certificate: all of them are a transport's business."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.url.path)
        return super().handle_request(request)


class _AsyncRecording(httpx.AsyncHTTPTransport):
    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.url.path)
        return await super().handle_async_request(request)


async def test_own_http_clients(model: Model) -> None:
    seen: list[str] = []
    with httpx.Client(transport=_Recording(seen)) as client:
        async with httpx.AsyncClient(transport=_AsyncRecording(seen)) as async_client:
            chat = model(http_client=client, http_async_client=async_client)
            chat.invoke("Hello")
            list(chat.stream("Hello"))
            await chat.ainvoke("Hello")
            assert not client.is_closed
    assert seen == ["/v1/messages"] * 3


def test_own_http_clients_fail_for_the_peer(peer: Callable[..., ChatAnthropic]) -> None:
    """It knows no such field: the client ends up among the request's arguments."""
    with httpx.Client() as client, pytest.warns(UserWarning, match="http_client"):
        chat = peer(http_client=client)
    assert "http_client" in chat.model_kwargs


def _modules_added(*statements: str) -> list[set[str]]:
    """What each of ``statements`` imports on top of httpx, langchain-core and those before it."""
    lines = ["import sys, httpx", "from langchain_core.language_models import BaseChatModel"]
    for statement in statements:
        lines += ["old = set(sys.modules)", statement, "print(*(set(sys.modules) - old))"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, timeout=120, check=True
    )
    return [set(line.split()) for line in done.stdout.splitlines()]


def test_slow_import() -> None:
    """Counted in modules, which is what the time goes into and is the same on every machine.

    The peer comes second: what both import is counted as ours.
    """
    ours, theirs = _modules_added(
        "from langchain_aivideoapi import ChatAIVideoAPI", "from langchain_anthropic import ChatAnthropic"
    )
    assert len(ours) < len(theirs) / 4
    assert "anthropic" not in ours


def _two_loops(chat: BaseChatModel) -> None:
    async def whole_and_streamed() -> str:
        await chat.ainvoke("Hello")
        return "".join([chunk.text async for chunk in chat.astream("Hello")])

    assert asyncio.run(whole_and_streamed()) == asyncio.run(whole_and_streamed())


@BOTH_ROUTES
def test_event_loop_is_closed(model: Model, model_id: str) -> None:
    _two_loops(model(model_id))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_event_loop_is_closed_for_the_peer(peer: Callable[..., ChatAnthropic]) -> None:
    with pytest.raises(Exception, match="Connection error"):
        _two_loops(peer())
    gc.collect()  # what it leaves behind must not be found during another test


def _thinking(model_id: str) -> Any:
    return True if model_id == NATIVE else {"type": "enabled", "budget_tokens": 1024}


@BOTH_ROUTES
@pytest.mark.parametrize("road", ["invoke", "stream", "v3"])
def test_lost_thinking_signatures(model: Model, sandbox: Sandbox, model_id: str, road: str) -> None:
    chat = model(model_id, thinking=_thinking(model_id)).bind_tools([now])
    sandbox.enqueue(Reply(thinking="It asks for the time.", tool_uses=[{"name": "now", "input": {}}]))
    match road:
        case "invoke":
            message: Any = chat.invoke("What time is it?")
        case "stream":
            message = _summed(chat.stream("What time is it?"))
        case _:
            message = chat.stream_events("What time is it?", version="v3").output
    result = ToolMessage("noon", tool_call_id=message.tool_calls[0]["id"])
    # The sandbox checks its own signatures: one that is lost or changed is a 400.
    assert chat.invoke([HumanMessage("What time is it?"), message, result]).text
    block = sandbox.requests[-1].body["messages"][1]["content"][0]
    assert (block["type"], block["thinking"]) == ("thinking", "It asks for the time.")
    assert block["signature"]


def _stream_cost_s(chat: Any, sandbox: Sandbox, fragments: int) -> float:
    """CPU seconds of one streamed tool call in about ``fragments`` pieces, the better of three."""
    best = float("inf")
    for _ in range(3):
        tool_use = {"name": "now", "input": {"text": "word " * fragments}}
        sandbox.enqueue(Reply(tool_uses=[tool_use], pieces=5))
        stream = chat.stream("Hello")
        start = time.thread_time()
        for _chunk in stream:
            pass
        best = min(best, time.thread_time() - start)
    return best


def test_merging_is_not_quadratic(model: Model, sandbox: Sandbox) -> None:
    """Four times the fragments may cost about four times the time; quadratic would be sixteen."""
    chat = model().bind_tools([now])
    _stream_cost_s(chat, sandbox, 50)
    small = _stream_cost_s(chat, sandbox, 500)
    large = _stream_cost_s(chat, sandbox, 2_000)
    assert large / small < 8


def test_cache_control_lost_on_fallback(model: Model, sandbox: Sandbox) -> None:
    """LangChain's fallback strips ``cache_control`` for model classes that it does not know."""
    agent = create_agent(
        model(),
        [now],
        system_prompt="Be brief.",
        middleware=[
            AIVideoAPIPromptCachingMiddleware(),
            ModelFallbackMiddleware(model("claude-opus-4-6/anthropic")),
        ],
    )
    sandbox.enqueue(Fault.error("upstream_error"))
    agent.invoke({"messages": [("user", "Hello")]})
    failed, fallback = (request.body for request in sandbox.requests)
    for body in (failed, fallback):
        assert body["cache_control"]
        assert body["system"][-1]["cache_control"]
        assert body["tools"][-1]["cache_control"]
