"""A program with its own OpenTelemetry set-up, run in a process of its own by test_telemetry.py."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    Attribution,
    BudgetExceededError,
    CreditBudget,
    MessagesClient,
    RetryPolicy,
    build_payload,
    label_metrics,
    spend_tags,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

ANSWER = Reply("Hello", usage={"input_tokens": 18, "output_tokens": 42})


def body(model: str, *, stream: bool) -> dict[str, Any]:
    return build_payload(
        model, [{"role": "user", "content": "secret words"}], stream=stream, max_tokens=64, temperature=0.5
    )


def make_calls() -> None:
    """A whole call, an asynchronous stream on the other route, and one that fails."""
    with Sandbox() as sandbox:
        sandbox.enqueue(ANSWER, ANSWER, Fault.error("insufficient_credits"))
        options: dict[str, Any] = {
            "api_key": sandbox.api_key,
            "base_url": sandbox.url,
            "retry": RetryPolicy(),
        }
        with MessagesClient(**options) as client:
            client.create(body("claude-sonnet-4-6", stream=False))

            async def stream() -> None:
                request = body("claude-haiku-4-5/anthropic", stream=True)
                who = Attribution(agent="clerk", thread="thread-7")
                async with (
                    AsyncMessagesClient(**options) as other,
                    other.stream(request, attribution=who) as events,
                ):
                    async for _ in events:
                        pass

            asyncio.run(stream())
            with suppress(AIVideoAPIError):
                client.create(body("claude-sonnet-4-6", stream=False))


def in_memory(work: Callable[[], None]) -> None:
    """Print what the SDK's in-memory exporters got of ``work``."""
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(MeterProvider(metric_readers=[reader]))
    with trace.get_tracer("test").start_as_current_span("the caller's own"):
        work()
    data = json.loads(reader.get_metrics_data().to_json())
    print(
        json.dumps(
            {"spans": [json.loads(span.to_json()) for span in spans.get_finished_spans()], "metrics": data}
        )
    )


def refused() -> None:
    """Print metrics and spans of calls that a budget refused, made in every way of both frameworks."""
    from llama_index.core.llms import ChatMessage

    from langchain_aivideoapi import ChatAIVideoAPI
    from llamaindex_aivideoapi import AIVideoAPI

    with Sandbox() as sandbox:
        facts: dict[str, Any] = {
            "model": "claude-sonnet-4-6",
            "max_tokens": 64,
            "api_key": sandbox.api_key,
            "base_url": sandbox.url,
            "budget": CreditBudget("0.000001", wait_s=0, name="small"),
        }
        model, llm = ChatAIVideoAPI(**facts), AIVideoAPI(**facts)
        messages = [ChatMessage("hi")]

        async def last(stream: Any) -> None:
            async for _ in await stream if hasattr(stream, "__await__") else stream:
                pass

        ways: list[Any] = [
            lambda: model.invoke("hi"),
            lambda: list(model.stream("hi")),
            lambda: asyncio.run(model.ainvoke("hi")),
            lambda: asyncio.run(last(model.astream("hi"))),
            lambda: llm.chat(messages),
            lambda: list(llm.stream_chat(messages)),
            lambda: asyncio.run(llm.achat(messages)),
            lambda: asyncio.run(last(llm.astream_chat(messages))),
        ]
        for way in ways:
            try:
                way()
            except BudgetExceededError:
                continue
            raise AssertionError("nothing was refused")
        assert not sandbox.requests


def labelled() -> None:
    """Print the metrics of calls with tags and columns as labels, of one key more values than are told apart."""
    label_metrics("team", "agent", most_values=2)
    with Sandbox() as sandbox, MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        for team in ("search", "sales", "search", "legal", "ops"):
            with spend_tags(f"team:{team}", "nightly"):
                client.create(body("claude-sonnet-4-6", stream=False))
        client.create(body("claude-sonnet-4-6", stream=False), attribution=Attribution(agent="clerk"))


def over_http(endpoint: str) -> None:
    """Send everything to a collector."""
    from opentelemetry import metrics, trace
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces")))
    trace.set_tracer_provider(tracer_provider)
    reader = PeriodicExportingMetricReader(OTLPMetricExporter(f"{endpoint}/v1/metrics"))
    provider = MeterProvider(metric_readers=[reader])
    metrics.set_meter_provider(provider)
    make_calls()
    print(json.dumps({"flushed": provider.force_flush() and tracer_provider.force_flush()}))


def without() -> None:
    """Print which of OpenTelemetry's modules the calls have imported."""
    make_calls()
    print(json.dumps([name for name in sys.modules if name.startswith("opentelemetry")]))


if __name__ == "__main__":
    if sys.argv[1] in (works := {"memory": make_calls, "refused": refused, "labels": labelled}):
        in_memory(works[sys.argv[1]])
    elif sys.argv[1] == "without":
        without()
    else:
        over_http(sys.argv[1])
