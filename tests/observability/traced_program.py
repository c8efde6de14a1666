"""A program that is traced by one of the tools people use, run in a process of its own by test_one_span.py.

Prints, for each road of one framework, the spans of models' calls as an exporter gets them.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from typing import Any

from aivideoapi_core.sandbox import Reply, Sandbox

MODEL = "claude-sonnet-4-6/anthropic"
USAGE = {
    "input_tokens": 7,
    "output_tokens": 5,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 20,
    "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 0},
}


def langchain_roads(options: dict[str, Any], callbacks: list[Any]) -> dict[str, Callable[[], Any]]:
    from langchain.agents import create_agent

    from langchain_aivideoapi import ChatAIVideoAPI

    model = ChatAIVideoAPI(**options)
    config: Any = {"callbacks": callbacks}
    agent = create_agent(model, tools=[], name="helper")
    question: Any = {"messages": [("user", "Hi")]}

    async def astream() -> None:
        async for _ in model.astream("Hi", config):
            pass

    return {
        "invoke": lambda: model.invoke("Hi", config),
        "stream": lambda: list(model.stream("Hi", config)),
        "ainvoke": lambda: asyncio.run(model.ainvoke("Hi", config)),
        "astream": lambda: asyncio.run(astream()),
        "agent, streamed": lambda: list(agent.stream(question, config, stream_mode="messages")),
    }


def llamaindex_roads(options: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    from llama_index.core.llms import ChatMessage

    from llamaindex_aivideoapi import AIVideoAPI

    llm = AIVideoAPI(**options)
    question = [ChatMessage("Hi")]

    async def astream() -> None:
        async for _ in await llm.astream_chat(question):
            pass

    return {
        "chat": lambda: llm.chat(question),
        "stream_chat": lambda: list(llm.stream_chat(question)),
        "achat": lambda: asyncio.run(llm.achat(question)),
        "astream_chat": lambda: asyncio.run(astream()),
        "complete": lambda: llm.complete("Hi"),
    }


def set_up(tool: str, framework: str, provider: Any) -> list[Any]:
    """Switch ``tool`` on; the callbacks that it wants on each run."""
    if tool == "openinference" and framework == "langchain":
        from openinference.instrumentation.langchain import LangChainInstrumentor

        LangChainInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
    elif tool == "openinference":
        from openinference.instrumentation.llama_index import LlamaIndexInstrumentor

        LlamaIndexInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
    elif tool == "openllmetry" and framework == "langchain":
        from opentelemetry.instrumentation.langchain import LangchainInstrumentor

        LangchainInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
    elif tool == "openllmetry":
        from opentelemetry.instrumentation.llamaindex import LlamaIndexInstrumentor as Other

        Other().instrument(tracer_provider=provider, skip_dep_check=True)
    elif tool == "langfuse":
        from langfuse import Langfuse
        from langfuse.langchain import CallbackHandler

        # Nobody listens there: what it sends is what the other exporter of the provider gets.
        Langfuse(public_key="pk", secret_key="sk", base_url="http://127.0.0.1:9", tracer_provider=provider)
        return [CallbackHandler(public_key="pk")]
    return []


def main(tool: str, framework: str) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    callbacks = set_up(tool, framework, provider)
    seen: dict[str, list[dict[str, Any]]] = {}
    with Sandbox() as sandbox:
        options = {"model": MODEL, "base_url": sandbox.url, "api_key": sandbox.api_key, "max_tokens": 100}
        roads = langchain_roads(options, callbacks) if framework == "langchain" else llamaindex_roads(options)
        for road, call in roads.items():
            sandbox.enqueue(Reply("Hello there", usage=USAGE))
            exporter.clear()
            call()
            seen[road] = [
                {"scope": span.instrumentation_scope.name, "attributes": dict(span.attributes or {})}
                for span in exporter.get_finished_spans()
                if span.instrumentation_scope is not None and _is_of_a_model(dict(span.attributes or {}))
            ]
    print(json.dumps(seen, default=str))
    sys.stdout.flush()
    os._exit(0)  # the tools' exporters would try to reach their servers for a while


def _is_of_a_model(facts: dict[str, Any]) -> bool:
    return (
        facts.get("gen_ai.operation.name") == "chat"
        or facts.get("openinference.span.kind") == "LLM"
        or facts.get("langfuse.observation.type") == "generation"
        or "aivideoapi.credits.outcome" in facts
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
