"""What OpenInference's LlamaIndex instrumentation shows of our calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.tools import FunctionTool
from openinference.instrumentation.llama_index import LlamaIndexInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

QUESTION = [ChatMessage("Hello")]
USAGE = {
    "input_tokens": 7,
    "output_tokens": 5,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
}


@pytest.fixture
def spans() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """The attributes of the LLM spans so far."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    instrumentor = LlamaIndexInstrumentor()
    instrumentor.instrument(tracer_provider=provider, skip_dep_check=True)
    yield lambda: [
        dict(span.attributes or {})
        for span in exporter.get_finished_spans()
        if (span.attributes or {}).get("openinference.span.kind") == "LLM"
    ]
    instrumentor.uninstrument()


FORMS: dict[str, Callable[[AIVideoAPI], Any]] = {
    "chat": lambda llm: llm.chat(QUESTION),
    "stream_chat": lambda llm: list(llm.stream_chat(QUESTION)),
    "achat": lambda llm: asyncio.run(llm.achat(QUESTION)),
    "complete": lambda llm: llm.complete("Hello"),
    "stream_complete": lambda llm: list(llm.stream_complete("Hello")),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_tokens_and_model(
    make_llm: Callable[..., AIVideoAPI],
    sandbox: Sandbox,
    spans: Callable[[], list[dict[str, Any]]],
    form: Callable[[AIVideoAPI], Any],
) -> None:
    sandbox.enqueue(Reply("Hi there", usage=USAGE))
    form(make_llm("claude-sonnet-4-6/anthropic"))
    (span,) = spans()
    assert span["llm.model_name"] == "claude-sonnet-4-6/anthropic"
    assert span["llm.token_count.prompt"] == 127  # all input: fresh, written to the cache and read from it
    assert span["llm.token_count.completion"] == 5
    assert span["llm.token_count.prompt_details.cache_read"] == 100
    assert span["llm.token_count.prompt_details.cache_write"] == 20
    assert "Hi there" in str(span["output.value"])
    assert span["llm.provider"] == "aivideoapi"
    assert "sk-sandbox" not in json.dumps(span, default=str)


@pytest.mark.parametrize("streaming", [False, True])
def test_tool_calls(
    llm: AIVideoAPI, sandbox: Sandbox, spans: Callable[[], list[dict[str, Any]]], streaming: bool
) -> None:
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    sandbox.enqueue(Reply(tool_uses=[{"id": "toolu_1", "name": "add", "input": {"a": 1, "b": 2}}]))
    tools = [FunctionTool.from_defaults(add)]
    if streaming:
        list(llm.stream_chat_with_tools(tools, "1 + 2"))
    else:
        llm.chat_with_tools(tools, "1 + 2")
    # LlamaIndex gives the preparation of the call a span of its own.
    (span,) = (span for span in spans() if "llm.token_count.prompt" in span)
    call = "llm.output_messages.0.message.tool_calls.0.tool_call"
    assert span[f"{call}.id"] == "toolu_1"
    assert span[f"{call}.function.name"] == "add"
    assert json.loads(span[f"{call}.function.arguments"]) == {"a": 1, "b": 2}
