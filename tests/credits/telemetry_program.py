"""A program with its own OpenTelemetry set-up, run in a process of its own by test_telemetry.py."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    Attribution,
    MessagesClient,
    RetryPolicy,
    build_payload,
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


def in_memory() -> None:
    """Print what the SDK's in-memory exporters got."""
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
        make_calls()
    data = json.loads(reader.get_metrics_data().to_json())
    print(
        json.dumps(
            {"spans": [json.loads(span.to_json()) for span in spans.get_finished_spans()], "metrics": data}
        )
    )


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
    if sys.argv[1] == "memory":
        in_memory()
    elif sys.argv[1] == "without":
        without()
    else:
        over_http(sys.argv[1])
