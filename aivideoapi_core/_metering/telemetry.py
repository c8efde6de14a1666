"""OpenTelemetry, for those who have set it up: spans and metrics by the GenAI semantic conventions.

Nothing is imported here. A program that configures OpenTelemetry has imported its API, and only
then is it looked up; without it the cost is two dictionary look-ups a call, and little more where a
library (langsmith is one) imported the API and nobody set it up. No content is recorded.
Names: OpenTelemetry "Semantic conventions for generative AI", client spans and client metrics;
credits have none there, theirs begin with ``aivideoapi.``.
"""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from aivideoapi_core._metering.record import CallRecord, Outcome
from aivideoapi_core._version import __version__

PROVIDER: Final = "aivideoapi"
_SCOPE: Final = "aivideoapi"
_STAND_INS: Final = frozenset({"ProxyTracerProvider", "_ProxyMeterProvider"})
"""What the API has until a program sets a provider. By name: one of the two is not public."""
_TOKEN_BOUNDS: Final = (
    1,
    4,
    16,
    64,
    256,
    1024,
    4096,
    16384,
    65536,
    262144,
    1048576,
    4194304,
    16777216,
    67108864,
)
_SECONDS_BOUNDS: Final = (
    0.01,
    0.02,
    0.04,
    0.08,
    0.16,
    0.32,
    0.64,
    1.28,
    2.56,
    5.12,
    10.24,
    20.48,
    40.96,
    81.92,
)
_REQUEST_FIELDS: Final = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences")


def start_telemetry(model: str, payload: Mapping[str, Any], *, base_url: str) -> CallTelemetry | None:
    """Begin the span and the clock of one call; ``None`` if nobody has set OpenTelemetry up."""
    trace, metrics = sys.modules.get("opentelemetry.trace"), sys.modules.get("opentelemetry.metrics")
    if trace is not None and type(trace.get_tracer_provider()).__name__ in _STAND_INS:
        trace = None
    if metrics is not None and type(metrics.get_meter_provider()).__name__ in _STAND_INS:
        metrics = None
    if trace is None and metrics is None:
        return None
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.system": PROVIDER,  # the name that the conventions had before provider.name
        "gen_ai.request.model": model,
        **_server(base_url),
    }
    span = None
    if trace is not None:
        tracer = trace.get_tracer(_SCOPE, __version__)
        asked = {f"gen_ai.request.{name}": payload[name] for name in _REQUEST_FIELDS if name in payload}
        if payload["stream"]:
            asked["gen_ai.request.stream"] = True
        span = tracer.start_span(f"chat {model}", kind=trace.SpanKind.CLIENT, attributes={**common, **asked})
    return CallTelemetry(
        common, span, None if metrics is None else _instruments(metrics.get_meter_provider())
    )


@functools.lru_cache(maxsize=4)
def _server(base_url: str) -> dict[str, Any]:
    parts = urlsplit(base_url)
    if not parts.hostname:
        return {}
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or {"http": 80}.get(parts.scheme, 443),
    }


@functools.lru_cache(maxsize=4)
def _instruments(provider: Any) -> tuple[Any, Any, Any]:
    """Token, duration and credit instruments of one meter provider."""
    meter = provider.get_meter(_SCOPE, __version__)
    return (
        meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used",
            explicit_bucket_boundaries_advisory=_TOKEN_BOUNDS,
        ),
        meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="Duration of the call",
            explicit_bucket_boundaries_advisory=_SECONDS_BOUNDS,
        ),
        meter.create_counter(
            "aivideoapi.client.credits", unit="{microcredit}", description="Computed cost in microcredits"
        ),
    )


class CallTelemetry:
    """What is being measured of one call. Nothing is recorded for a figure that is unknown."""

    def __init__(self, common: dict[str, Any], span: Any, instruments: tuple[Any, Any, Any] | None) -> None:
        self._common = common
        self._span = span
        self._instruments = instruments

    def end(self, record: CallRecord) -> None:
        """Write the outcome down and close the span."""
        common = self._common
        if record.response_model:
            common = {**common, "gen_ai.response.model": record.response_model}
        if self._instruments is not None:
            self._measure(record, common)
        if self._span is not None and self._span.is_recording():
            self._span.set_attributes(_outcome_attributes(record))
            if record.outcome is not Outcome.OK:
                # StatusCode comes with the span's own API, which therefore is imported.
                trace = sys.modules["opentelemetry.trace"]
                self._span.set_status(trace.Status(trace.StatusCode.ERROR, record.error))
        if self._span is not None:
            self._span.end(time.time_ns())

    def _measure(self, record: CallRecord, common: dict[str, Any]) -> None:
        if self._instruments is None:
            return
        tokens, duration, spent = self._instruments
        failure = {} if record.outcome is Outcome.OK else {"error.type": _error_type(record) or "_OTHER"}
        duration.record(record.latency_s or 0.0, {**common, **failure})
        if record.tokens is not None:
            tokens.record(record.tokens.total_input, {**common, "gen_ai.token.type": "input"})
            tokens.record(record.tokens.output, {**common, "gen_ai.token.type": "output"})
        if record.credits_micro is not None:
            spent.add(record.credits_micro, common)


def _error_type(record: CallRecord) -> str | None:
    """The platform's code where there is one, else the class: few values, as the conventions ask."""
    return record.error.rpartition(" ")[2] if record.error else None


def _outcome_attributes(record: CallRecord) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "gen_ai.response.id": record.message_id,
        "gen_ai.response.model": record.response_model,
        "gen_ai.response.finish_reasons": (record.stop_reason,) if record.stop_reason else None,
        "aivideoapi.request.id": record.request_id,
        "aivideoapi.request.attempts": record.attempts,
        "aivideoapi.credits.outcome": record.outcome.value,
        "aivideoapi.credits.computed_micro": record.credits_micro,
        "aivideoapi.credits.at_most_micro": record.at_most_micro,
        "error.type": _error_type(record),
    }
    if record.credits_reported is not None:
        facts["aivideoapi.credits.reported"] = float(record.credits_reported)
    tokens = record.tokens
    if tokens is not None:
        facts |= {
            "gen_ai.usage.input_tokens": tokens.total_input,
            "gen_ai.usage.output_tokens": tokens.output,
            "gen_ai.usage.cache_read.input_tokens": tokens.cache_read,
            "gen_ai.usage.cache_creation.input_tokens": tokens.cache_write,
            "gen_ai.usage.reasoning.output_tokens": tokens.thinking,
        }
    return {name: value for name, value in facts.items() if value is not None}
