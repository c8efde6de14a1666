"""``create_agent`` to the end: tools, streaming, structured answers, and who retries what."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import (
    ModelFallbackMiddleware,
    ModelRetryMiddleware,
    SummarizationMiddleware,
)
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.exceptions import ContextOverflowError, ModelError
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field

import aivideoapi_core as core
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-sonnet-4-6/anthropic"
BOTH_ROUTES = pytest.mark.parametrize("model_id", [NATIVE, DIRECT])
Model = Callable[..., ChatAIVideoAPI]


@tool
def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"It is 21 degrees and sunny in {city}."


@tool
def multiply(a: int, b: int) -> int:
    """Multiply two integers."""
    return a * b


class Person(BaseModel):
    """Somebody."""

    name: str = Field(description="The name of the person.")
    age: int = Field(description="The age of the person.")


@pytest.fixture
def model(sandbox: Sandbox) -> Model:
    def make(model_id: str = NATIVE, **fields: Any) -> ChatAIVideoAPI:
        settings: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.url, "max_retries": 0}
        return ChatAIVideoAPI(model=model_id, **{**settings, **fields})

    return make


ASK = {"messages": [("user", "What is the weather in Paris?")]}


def _checked(messages: list[Any]) -> None:
    """Question, call, result, answer from the result."""
    assert [type(message) for message in messages] == [HumanMessage, AIMessage, ToolMessage, AIMessage]
    assert [call["name"] for call in messages[1].tool_calls] == ["get_weather"]
    assert messages[1].tool_calls[0]["args"] == {"city": "Paris"}
    assert "21 degrees" in messages[2].content
    assert "21 degrees" in messages[3].text


@BOTH_ROUTES
def test_agent_runs_to_the_end(model: Model, model_id: str) -> None:
    agent = create_agent(model(model_id), [get_weather, multiply], system_prompt="Be brief.")
    _checked(agent.invoke(ASK)["messages"])


@BOTH_ROUTES
async def test_agent_runs_to_the_end_async(model: Model, model_id: str) -> None:
    agent = create_agent(model(model_id), [get_weather, multiply], system_prompt="Be brief.")
    _checked((await agent.ainvoke(ASK))["messages"])


@BOTH_ROUTES
def test_thinking_survives_the_tool_turn(model: Model, sandbox: Sandbox, model_id: str) -> None:
    agent = create_agent(model(model_id, thinking=_thinking(model_id)), [get_weather])
    _checked(agent.invoke(ASK)["messages"])
    turn = sandbox.requests[1].body["messages"][1]["content"]
    assert turn[0]["type"] == "thinking"
    assert turn[0]["signature"]


@BOTH_ROUTES
def test_stream_modes_tell_the_same_story(model: Model, model_id: str) -> None:
    agent = create_agent(model(model_id), [get_weather, multiply])
    *_, values = agent.stream(ASK, stream_mode="values")
    _checked(values["messages"])
    updates = list(agent.stream(ASK, stream_mode="updates"))
    assert [list(update) for update in updates] == [["model"], ["tools"], ["model"]]
    final = updates[-1]["model"]["messages"][-1]
    chunks = [
        chunk for chunk, _ in agent.stream(ASK, stream_mode="messages") if isinstance(chunk, AIMessageChunk)
    ]
    by_message: dict[str, AIMessageChunk] = {}
    for chunk in chunks:
        known = by_message.get(str(chunk.id))
        by_message[str(chunk.id)] = chunk if known is None else known + chunk
    call, answer = by_message.values()
    assert call.tool_calls[0]["args"] == {"city": "Paris"}
    assert len([chunk for chunk in chunks if chunk.id == answer.id and chunk.text]) > 1
    assert answer.text == final.text == values["messages"][-1].text
    assert answer.usage_metadata == final.usage_metadata == values["messages"][-1].usage_metadata


@BOTH_ROUTES
async def test_async_stream_of_messages(model: Model, model_id: str) -> None:
    agent = create_agent(model(model_id), [get_weather, multiply])
    text = ""
    async for chunk, _ in agent.astream(ASK, stream_mode="messages"):
        if isinstance(chunk, AIMessageChunk):
            text += chunk.text
    assert "21 degrees" in text


def _thinking(model_id: str) -> Any:
    return True if model_id == NATIVE else {"type": "enabled", "budget_tokens": 1024}


@BOTH_ROUTES
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_native_events(model: Model, sandbox: Sandbox, model_id: str) -> None:
    """Standard content goes back to the wire with its signature; the sandbox refuses a changed one."""
    agent = create_agent(model(model_id, thinking=_thinking(model_id)), [get_weather])
    run = agent.stream_events(ASK, version="v3")
    seen = [("".join(message.reasoning), "".join(message.text), message.output) for message in run.messages]
    result = run.output
    _checked(result["messages"])
    assert len(seen) == 2
    assert all(reasoning for reasoning, _, _ in seen)
    assert seen[1][1] == result["messages"][-1].text
    micro = [output.usage_metadata["credits_consumed_micro"] for _, _, output in seen]
    assert sum(micro) == sandbox.charged_micro
    assert [request.body["stream"] for request in sandbox.requests] == [True, True]


@BOTH_ROUTES
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_events_async(model: Model, model_id: str) -> None:
    agent = create_agent(model(model_id, thinking=_thinking(model_id)), [get_weather])
    events = [event async for event in agent.astream_events(ASK, version="v2")]
    _checked(events[-1]["data"]["output"]["messages"])
    run = await agent.astream_events(ASK, version="v3")
    texts = [await message.text async for message in run.messages]
    assert texts[-1] == events[-1]["data"]["output"]["messages"][-1].text


@BOTH_ROUTES
@pytest.mark.parametrize(
    "response_format",
    [Person, ProviderStrategy(Person), ToolStrategy(Person)],
    ids=["schema", "provider", "tool"],
)
@pytest.mark.parametrize("tools", [[], [multiply]], ids=["no tools", "tools"])
def test_response_format(model: Model, model_id: str, response_format: Any, tools: Any) -> None:
    agent = create_agent(model(model_id), tools, response_format=response_format)
    result = agent.invoke({"messages": [("user", "Erick is 27 years old. Who is that?")]})
    assert result["structured_response"] == Person(name="Erick", age=27)


@BOTH_ROUTES
async def test_response_format_streamed(model: Model, model_id: str) -> None:
    agent = create_agent(model(model_id), [multiply], response_format=Person)
    last: Any = None
    async for state in agent.astream(
        {"messages": [("user", "Erick is 27 years old.")]}, stream_mode="values"
    ):
        last = state
    assert last["structured_response"] == Person(name="Erick", age=27)


FATAL = [
    pytest.param(
        Fault.error("insufficient_credits"), core.InsufficientCreditsError, id="402 insufficient credits"
    ),
    pytest.param(Fault.error("spend_limit_exceeded"), core.SpendLimitError, id="429 spend limit"),
    pytest.param(Fault.error("invalid_api_key"), core.AuthenticationError, id="401"),
    pytest.param(Fault.error("invalid_request"), core.InvalidRequestError, id="400"),
    pytest.param(Fault.error("ip_not_allowed"), core.PermissionDeniedError, id="403"),
    pytest.param(Fault.envelope(402), core.InsufficientCreditsError, id="200 with a 402 inside"),
]
TRANSIENT = [
    pytest.param(Fault.error("rate_limit_exceeded"), core.RateLimitError, id="429 rate limit"),
    pytest.param(Fault.error("internal_error"), core.InternalServerError, id="500"),
    pytest.param(Fault.error("upstream_error"), core.UpstreamError, id="503"),
    pytest.param(Fault.error("overloaded_error"), core.OverloadedError, id="529"),
]


def _retrying() -> ModelRetryMiddleware[Any]:
    return ModelRetryMiddleware(max_retries=2, initial_delay=0, jitter=False, on_failure="error")


@pytest.mark.parametrize(("fault", "error"), FATAL)
def test_fatal_errors_are_asked_once(
    model: Model, sandbox: Sandbox, fault: Fault, error: type[core.AIVideoAPIError]
) -> None:
    sandbox.enqueue(*[fault] * 9)
    readers: list[Callable[[], Any]] = [
        lambda: model(max_retries=2).invoke("Hello"),
        lambda: list(model(max_retries=2).stream("Hello")),
        lambda: model().with_retry(wait_exponential_jitter=False).invoke("Hello"),
        lambda: model().bind(stop=["x"]).with_retry(wait_exponential_jitter=False).invoke("Hello"),
        lambda: create_agent(model(), middleware=[_retrying()]).invoke({"messages": [("user", "Hello")]}),
    ]
    for number, call in enumerate(readers, start=1):
        with pytest.raises(error) as caught:
            call()
        assert isinstance(caught.value, ModelError)
        assert len(sandbox.requests) == number


@pytest.mark.parametrize(("fault", "error"), TRANSIENT)
def test_transient_errors_are_asked_again(
    model: Model, sandbox: Sandbox, fault: Fault, error: type[core.AIVideoAPIError]
) -> None:
    readers: list[Callable[[], Any]] = [
        lambda: model().with_retry(wait_exponential_jitter=False).invoke("Hello"),
        lambda: create_agent(model(), middleware=[_retrying()]).invoke({"messages": [("user", "Hello")]}),
    ]
    for call in readers:
        sandbox.reset()
        sandbox.enqueue(fault, fault, Reply("Here I am."))
        assert "Here I am." in str(call())
        assert len(sandbox.requests) == 3
    sandbox.reset()
    sandbox.enqueue(*[fault] * 3)
    with pytest.raises(error):
        model().with_retry(wait_exponential_jitter=False).invoke("Hello")
    assert len(sandbox.requests) == 3


@pytest.mark.parametrize("fault", [Fault.error("insufficient_credits"), Fault.error("upstream_error")])
def test_fallbacks_are_tried_after_any_error(model: Model, sandbox: Sandbox, fault: Fault) -> None:
    """Another model may be served, be it that credits for it are left or that its provider is up."""
    sandbox.enqueue(fault, Reply("From the second."))
    assert model().with_fallbacks([model(DIRECT)]).invoke("Hello").text == "From the second."
    sandbox.enqueue(fault, Reply("From the second."))
    agent = create_agent(model(), middleware=[ModelFallbackMiddleware(model(DIRECT))])
    assert agent.invoke({"messages": [("user", "Hello")]})["messages"][-1].text == "From the second."
    assert [request.body["model"] for request in sandbox.requests] == [NATIVE, DIRECT] * 2


@BOTH_ROUTES
def test_a_fallback_to_the_other_route_takes_the_whole_history(
    model: Model, sandbox: Sandbox, model_id: str
) -> None:
    other = DIRECT if model_id == NATIVE else NATIVE
    agent = create_agent(
        model(model_id),
        [get_weather],
        middleware=[ModelFallbackMiddleware(model(other))],
        system_prompt="Be brief.",
    )
    sandbox.enqueue(
        Reply(tool_uses=[{"name": "get_weather", "input": {"city": "Paris"}}]), Fault.error("upstream_error")
    )
    _checked(agent.invoke(ASK)["messages"])
    first, failed, fallback = (request.body for request in sandbox.requests)
    assert failed["messages"] == fallback["messages"]
    assert first["tools"] == fallback["tools"]


def _long_talk(turns: int) -> list[Any]:
    talk: list[Any] = []
    for number in range(turns):
        talk += [HumanMessage(f"Question {number}?"), AIMessage(f"Answer {number}.")]
    return talk


OVERFLOW = Fault.error("invalid_request", message="prompt is too long: 208310 tokens > 200000 maximum")


def test_a_summary_that_overflows_is_made_from_less(model: Model, sandbox: Sandbox) -> None:
    """LangChain's middleware cuts the middle out on ``ContextOverflowError``, and does not merely ask again."""
    sandbox.enqueue(OVERFLOW, Reply("SUMMARY OF IT ALL"), Reply("Done."))
    middleware = SummarizationMiddleware(model(), trigger=("messages", 5), keep=("messages", 3))
    agent = create_agent(model(), middleware=[middleware])
    result = agent.invoke({"messages": [*_long_talk(60), HumanMessage("And now?")]})
    assert result["messages"][-1].text == "Done."
    first, second, answer = (request.body for request in sandbox.requests)
    assert len(str(second)) < len(str(first))
    assert "SUMMARY OF IT ALL" in str(answer["messages"][0])
    assert len(answer["messages"]) < 6


def test_context_overflow_is_langchains_error_too(model: Model, sandbox: Sandbox) -> None:
    sandbox.enqueue(OVERFLOW)
    with pytest.raises(ContextOverflowError) as caught:
        model().invoke("Hello")
    assert isinstance(caught.value, core.ContextOverflowError)


def test_summarisation_believes_the_reported_tokens(model: Model, sandbox: Sandbox) -> None:
    """The estimate of a short talk is small; the platform's own count says that it is time."""
    sandbox.enqueue(
        Reply("Hi.", usage={"input_tokens": 5_000, "output_tokens": 10}), Reply("SUMMARY"), Reply("Done.")
    )
    middleware = SummarizationMiddleware(model(), trigger=("tokens", 4_000), keep=("messages", 1))
    agent = create_agent(model(), middleware=[middleware])
    first = agent.invoke({"messages": [("user", "Hello")]})
    result = agent.invoke({"messages": [*first["messages"], HumanMessage("And now?")]})
    assert result["messages"][-1].text == "Done."
    assert "SUMMARY" in str(sandbox.requests[2].body["messages"])


def test_a_fraction_of_the_window_comes_from_the_profile(model: Model) -> None:
    for model_id, window in ((NATIVE, 200_000), (DIRECT, 1_000_000)):
        middleware = SummarizationMiddleware(
            model(model_id), trigger=("fraction", 0.8), keep=("fraction", 0.3)
        )
        assert middleware._get_profile_limits() == window


def test_the_estimate_has_the_tuning_for_claude(model: Model) -> None:
    """Chosen by the beginning of ``_llm_type``; LangChain's default of four characters undercounts Claude."""
    counter: Any = SummarizationMiddleware(model()).token_counter
    assert counter.keywords["chars_per_token"] == 3.3
