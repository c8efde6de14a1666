"""One call is one counted span, whichever tool traces the framework, and that span says what the call cost."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tracers import LangChainTracer
from opentelemetry import context
from ready_process import ReadyProcess

from aivideoapi_core._metering import telemetry
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

ROOT = Path(__file__).parents[2]
MODEL = "claude-sonnet-4-6/anthropic"
COST_MICRO = 7 * 883 + 5 * 4412 + 100 * 89 + 20 * 1103
COST_USD = COST_MICRO * 5e-9
CASES = [
    ("none", "langchain"),
    ("none", "llamaindex"),
    ("openinference", "langchain"),
    ("openinference", "llamaindex"),
    ("openllmetry", "langchain"),
    ("openllmetry", "llamaindex"),
    ("langfuse", "langchain"),
]
SCOPES = {
    "none": "aivideoapi",
    "openinference": "openinference.instrumentation.",
    "openllmetry": "opentelemetry.instrumentation.",
    "langfuse": "langfuse-sdk",
}
COSTS = {"openinference": "llm.cost.total", "langfuse": "langfuse.observation.cost_details"}
PROVIDERS = {"openinference": "llm.provider", "openllmetry": "gen_ai.provider.name"}
INPUTS = {
    "none": "gen_ai.usage.input_tokens",
    "openllmetry": "gen_ai.usage.input_tokens",
    "openinference": "llm.token_count.prompt",
}
WRITES = {
    "none": "gen_ai.usage.cache_creation.input_tokens",
    "openllmetry": "gen_ai.usage.cache_creation.input_tokens",
    "openinference": "llm.token_count.prompt_details.cache_write",
}


@pytest.mark.slow
@pytest.mark.parametrize(("tool", "framework"), CASES, ids=[" ".join(case) for case in CASES])
def test_one_call_is_one_span_that_knows_its_cost(tool: str, framework: str) -> None:
    program = Path(__file__).with_name("traced_program.py")
    process = ReadyProcess(program, tool, framework, env={"LANGCHAIN_TRACING_V2": "false"})
    seen = json.loads(process.communicate())
    assert process.returncode == 0
    assert len(seen) == 5
    for road, spans in seen.items():
        assert len(spans) == 1, (road, [span["scope"] for span in spans])
        facts = spans[0]["attributes"]
        assert spans[0]["scope"].startswith(SCOPES[tool]), road
        assert facts["aivideoapi.credits.computed_micro"] == COST_MICRO, road
        assert facts["gen_ai.usage.cost"] == pytest.approx(COST_USD), road
        if tool in COSTS:
            cost = facts[COSTS[tool]]
            total = json.loads(cost)["total"] if isinstance(cost, str) else cost
            assert total == pytest.approx(COST_USD), road
        if tool in INPUTS:
            assert facts[INPUTS[tool]] == 127, road  # with what was read from a cache, and written to it
        if tool in PROVIDERS:
            assert facts[PROVIDERS[tool]] == "aivideoapi", road
        if tool == "openinference":
            assert facts["llm.token_count.total"] == 132, road
        if tool == "openllmetry":  # in LlamaIndex it maps the word to one of its own
            assert facts["gen_ai.response.finish_reasons"] in (["end_turn"], ["stop"]), road
        if tool in WRITES and road != "complete":  # LlamaIndex has no counts for completions to hand over
            assert facts[WRITES[tool]] == 20, road


class _Silent:
    """LangSmith's client as its tracer uses it, sending nothing."""

    tracing_queue = None

    def __getattr__(self, name: str) -> Any:
        return lambda *args, **kwargs: None


@pytest.mark.parametrize("road", ["invoke", "stream"])
def test_langsmith_shows_the_cost(road: str, sandbox: Sandbox) -> None:
    seen: list[Any] = []

    class Tracer(LangChainTracer):
        def _update_run_single(self, run: Any) -> None:
            seen.append(run.extra["metadata"]["usage_metadata"])

    sandbox.enqueue(Reply("Hello", usage={"input_tokens": 7, "output_tokens": 5}))
    model = ChatAIVideoAPI(model=MODEL, base_url=sandbox.url, api_key=sandbox.api_key)
    config: Any = {"callbacks": [Tracer(client=_Silent())]}
    message = model.invoke("Hi", config) if road == "invoke" else list(model.stream("Hi", config))[-1]
    assert seen[0]["total_cost"] == pytest.approx((7 * 883 + 5 * 4412) * 5e-9)
    assert "total_cost" not in (message.usage_metadata or {})  # LangChain adds usage up, of integers alone


def _silent(key: str) -> Any:
    return context.attach(context.set_value(key, True))


@pytest.mark.parametrize(
    ("key", "spans", "tokens"),
    [
        (None, 1, 2),
        ("suppress_instrumentation", 0, 0),
        ("suppress_language_model_instrumentation", 0, 0),
    ],
)
def test_both_suppression_keys_are_honoured(
    key: str | None, spans: int, tokens: int, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry import metrics, trace
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    exporter, provider, reader = InMemorySpanExporter(), TracerProvider(), InMemoryMetricReader()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    meters = MeterProvider(metric_readers=[reader])
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: meters)
    token = None if key is None else _silent(key)
    try:
        ChatAIVideoAPI(model=MODEL, base_url=sandbox.url, api_key=sandbox.api_key).invoke("Hi")
    finally:
        if token is not None:
            context.detach(token)
    assert len(exporter.get_finished_spans()) == spans
    data = reader.get_metrics_data()
    points = [
        point
        for resource in (data.resource_metrics if data else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == "gen_ai.client.token.usage"
        for point in metric.data.data_points
    ]
    assert len(points) == tokens


def test_a_provider_of_a_stand_ins_name_is_none(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logfire's is called so, and every call of a program that uses it went unseen."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    class ProxyTracerProvider(TracerProvider):
        """As in Logfire."""

    exporter, provider = InMemorySpanExporter(), ProxyTracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    ChatAIVideoAPI(model=MODEL, base_url=sandbox.url, api_key=sandbox.api_key).invoke("Hi")
    assert [span.name for span in exporter.get_finished_spans()] == [f"chat {MODEL}"]


def test_a_meter_provider_without_a_hash(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logfire's has none, and no call of a program that uses it had a span."""
    from opentelemetry import metrics
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    class ProxyMeterProvider(MeterProvider):
        __hash__ = None  # type: ignore[assignment]

    reader = InMemoryMetricReader()
    provider = ProxyMeterProvider([reader])
    monkeypatch.setattr(metrics, "get_meter_provider", lambda: provider)
    chat = ChatAIVideoAPI(model=MODEL, base_url=sandbox.url, api_key=sandbox.api_key)
    chat.invoke("Hi")
    chat.invoke("Hi")
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []
    data: Any = reader.get_metrics_data()
    (scope,) = [each for resource in data.resource_metrics for each in resource.scope_metrics]
    (duration,) = [each for each in scope.metrics if each.name == "gen_ai.client.operation.duration"]
    assert sum(point.count for point in duration.data.data_points) == 2


@pytest.mark.parametrize(
    ("name", "value"),
    [("AIVIDEOAPI_TELEMETRY", "off"), ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "httpx, aivideoapi")],
)
def test_the_environment_switches_it_off(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    telemetry._is_off.cache_clear()
    try:
        assert telemetry._is_off()
    finally:
        telemetry._is_off.cache_clear()
