"""Sync is async, streamed is whole, and both frameworks say the same of one answer: whole values compared.

Every call gets a sandbox of its own with the same seed, so that ids and request ids are equal too.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.base.llms.types import CitableBlock, TextBlock
from llama_index.core.llms import ChatMessage, ChatResponse

from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"
QUESTION: Final = "What is the weather in Paris?"
USAGE: Final = {"input_tokens": 120, "output_tokens": 88}
TOOLS: Final = [
    {"name": "weather", "description": "d", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}},
    {"name": "now", "description": "d", "input_schema": {"type": "object", "properties": {}}},
]  # fmt: skip
CITATION: Final = {
    "type": "search_result_location", "cited_text": "Paris lies on the Seine.", "source": "cities.txt",
    "title": "Cities", "search_result_index": 0, "start_block_index": 0, "end_block_index": 1,
}  # fmt: skip
CITED: Final = [
    {"type": "text", "text": "It lies "},
    {"type": "text", "text": "on the Seine", "citations": [CITATION]},
    {"type": "text", "text": "."},
]
SEARCH_RESULT: Final = {
    "type": "search_result", "source": "cities.txt", "title": "Cities", "citations": {"enabled": True},
    "content": [{"type": "text", "text": "Paris lies on the Seine."}],
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One exchange: what is asked of each framework and how, and what the sandbox answers."""

    id: str
    model: str
    reply: Reply | None
    options: Mapping[str, Any] = field(default_factory=dict)
    langchain: Any = QUESTION
    llamaindex: tuple[ChatMessage, ...] = (ChatMessage(role="user", content=QUESTION),)
    calls: int = 1


def cases() -> list[Case]:
    """Text, thinking with tools, and citations on both routes; caching where it has a price."""
    thinking: dict[str, Any] = {NATIVE: True, DIRECT: {"type": "adaptive"}}
    found = []
    for model, route in ((NATIVE, "native"), (DIRECT, "direct")):
        found += [
            Case(
                id=f"text, {route}", model=model, reply=Reply("Sunny. 🌞\n\nAnd warm.", pieces=3, usage=USAGE)
            ),
            Case(id=f"empty, {route}", model=model, reply=Reply("", usage=USAGE)),
            Case(
                id=f"max_tokens, {route}",
                model=model,
                reply=Reply("It is", stop_reason="max_tokens", usage=USAGE),
            ),
            Case(
                id=f"thinking and tools, {route}",
                model=model,
                reply=Reply(
                    "Let me look.",
                    thinking="Two cities, two calls.",
                    redacted_thinking="ZW5jcnlwdGVk",
                    tool_uses=[
                        {"name": "weather", "input": {"city": "Paris é"}},
                        {"name": "now", "input": {}},
                    ],
                    pieces=3,
                    usage=USAGE,
                ),
                options={"thinking": thinking[model], "tools": TOOLS},
            ),
            Case(
                id=f"tool without arguments, given in the start, {route}",
                model=model,
                reply=Reply(
                    tool_uses=[{"name": "weather", "input": {"city": "Paris"}}],
                    tool_input_style="start",
                    usage=USAGE,
                ),
                options={"tools": TOOLS},
            ),
        ]
    found += [
        Case(
            id="citations, direct",
            model=DIRECT,
            reply=Reply(content=CITED, usage=USAGE),
            langchain=[HumanMessage(content=[SEARCH_RESULT, {"type": "text", "text": QUESTION}])],
            llamaindex=(
                ChatMessage(
                    role="user",
                    blocks=[
                        CitableBlock(
                            title="Cities",
                            source="cities.txt",
                            content=[TextBlock(text="Paris lies on the Seine.")],
                        ),
                        TextBlock(text=QUESTION),
                    ],
                ),
            ),
        ),
        Case(
            id="cached, written", model=DIRECT, reply=None, options={"cache_control": {"type": "ephemeral"}}
        ),
        Case(
            id="cached, read",
            model=DIRECT,
            reply=None,
            options={"cache_control": {"type": "ephemeral"}},
            calls=2,
        ),
    ]
    return found


CASES: Final = cases()


def answered(case: Case, ask: Callable[[Any, Any], Any], make: Callable[..., Any], question: Any) -> Any:
    """The last answer of ``case.calls`` equal calls to a fresh sandbox."""
    with Sandbox(seed="parity") as sandbox:
        model = make(model=case.model, api_key=sandbox.api_key, base_url=sandbox.url, **case.options)
        for _ in range(case.calls):
            if case.reply is not None:
                sandbox.enqueue(case.reply)
            answer = ask(model, question)
            if asyncio.iscoroutine(answer):
                answer = asyncio.run(answer)
        return answer


# --- LangChain


async def _sum_async(model: ChatAIVideoAPI, question: Any) -> Any:
    return reduce(add, [chunk async for chunk in model.astream(question)])


async def _v3_async(model: ChatAIVideoAPI, question: Any) -> Any:
    return await (await model.astream_events(question, version="v3"))


LANGCHAIN: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "ainvoke": lambda model, question: model.ainvoke(question),
    "stream": lambda model, question: reduce(add, model.stream(question)),
    "astream": _sum_async,
    "events v3": lambda model, question: model.stream_events(question, version="v3").output,
    "async events v3": _v3_async,
}


def chat_model(*, tools: Any = None, **settings: Any) -> Any:
    """A model, with tools bound if there are any."""
    model = ChatAIVideoAPI(**settings)
    return model.bind_tools(tools) if tools else model


def facts_of(message: AIMessage, *, standard: bool) -> dict[str, Any]:
    """All of a message but what tells a chunk from a whole: positions, and the id of the run.

    ``standard``: the content in LangChain's standard form, the only one that v3 events have.
    """
    content = message.content_blocks if standard else message.content
    if isinstance(content, list):
        content = [{key: block[key] for key in block if key != "index"} for block in content]
    metadata = {key: value for key, value in message.response_metadata.items() if key != "output_version"}
    return {
        "content": content,
        "text": message.text,
        "tool_calls": message.tool_calls,
        "invalid_tool_calls": message.invalid_tool_calls,
        "usage": message.usage_metadata,
        "metadata": metadata,
        "additional": message.additional_kwargs,
    }


@pytest.mark.filterwarnings("ignore:.*is in beta")
@pytest.mark.parametrize("method", LANGCHAIN)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_langchain(case: Case, method: str) -> None:
    whole = answered(case, lambda model, question: model.invoke(question), chat_model, case.langchain)
    other = answered(case, LANGCHAIN[method], chat_model, case.langchain)
    standard = "v3" in method
    assert facts_of(other, standard=standard) == facts_of(whole, standard=standard)


# --- LlamaIndex


async def _last_async(llm: AIVideoAPI, messages: Any) -> ChatResponse:
    return [response async for response in await llm.astream_chat(messages)][-1]


LLAMAINDEX: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "achat": lambda llm, messages: llm.achat(messages),
    "stream_chat": lambda llm, messages: list(llm.stream_chat(messages))[-1],
    "astream_chat": _last_async,
}


@pytest.mark.parametrize("method", LLAMAINDEX)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_llamaindex(case: Case, method: str) -> None:
    whole = answered(case, lambda llm, messages: llm.chat(messages), AIVideoAPI, case.llamaindex)
    other = answered(case, LLAMAINDEX[method], AIVideoAPI, case.llamaindex)
    assert other.model_copy(update={"delta": None}).model_dump() == whole.model_dump()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_deltas_make_the_text(case: Case) -> None:
    responses = answered(
        case, lambda llm, messages: list(llm.stream_chat(messages)), AIVideoAPI, case.llamaindex
    )
    text = "".join(response.delta or "" for response in responses)
    assert text == (responses[-1].message.content or "")


# --- both


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_frameworks_agree(case: Case) -> None:
    message = answered(case, lambda model, question: model.invoke(question), chat_model, case.langchain)
    response = answered(case, lambda llm, messages: llm.chat(messages), AIVideoAPI, case.llamaindex)
    raw = response.raw
    wire_usage = {key: value for key, value in raw["usage"].items() if not key.startswith("credits_")}
    by_other_names = [wire_usage.pop(f"{name}_tokens") for name in ("prompt", "completion", "total")]
    cached = wire_usage.pop("prompt_tokens_details")["cached_tokens"]
    assert message.text == (response.message.content or "")
    assert message.response_metadata["usage"] == wire_usage
    counts = message.usage_metadata
    assert by_other_names == [counts[f"{name}_tokens"] for name in ("input", "output", "total")]
    assert cached == counts["input_token_details"]["cache_read"]
    for name in ("id", "model", "stop_reason", "stop_sequence", "attempts", "request_id"):
        assert message.response_metadata[name] == raw[name], name
    assert message.usage_metadata["credits_consumed_micro"] == raw["usage"]["credits_consumed_micro"]
    assert message.response_metadata.get("credits_consumed") == raw["usage"].get("credits_consumed")
    assert [(call["id"], call["name"], call["args"]) for call in message.tool_calls] == [
        (call["id"], call["name"], call["input"])
        for call in response.message.additional_kwargs.get("tool_calls", [])
    ]


def test_the_cached_cases_are_cached() -> None:
    usages = {
        case.id: answered(
            case, lambda model, question: model.invoke(question), chat_model, QUESTION
        ).usage_metadata
        for case in CASES
        if case.id.startswith("cached")
    }
    details = {name: usage["input_token_details"] for name, usage in usages.items()}
    assert details["cached, written"]["cache_creation"] > 0
    assert details["cached, read"]["cache_read"] > 0


@pytest.mark.parametrize(
    ("cls", "name", "parameters"),
    [
        (ChatAIVideoAPI, "_generate", ["self", "messages", "stop", "run_manager", "kwargs"]),
        (ChatAIVideoAPI, "_agenerate", ["self", "messages", "stop", "run_manager", "kwargs"]),
        (AIVideoAPI, "chat", ["_self", "messages", "kwargs"]),
        (AIVideoAPI, "astream_complete", ["_self", "args", "kwargs"]),
    ],
)
def test_signatures_that_frameworks_ask_for_are_worked_out(
    cls: Any, name: str, parameters: list[str]
) -> None:
    """Else each call works one out: 5 % of it in LangChain, 4 % in LlamaIndex."""
    remembered = vars(inspect.unwrap(vars(cls)[name]))["__signature__"]
    assert list(remembered.parameters) == parameters
    assert list(inspect.signature(getattr(cls, name)).parameters) == parameters
