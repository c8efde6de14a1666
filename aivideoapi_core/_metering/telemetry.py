"""OpenTelemetry, for those who have set it up: spans and metrics by the GenAI semantic conventions.

Nothing is imported here. A program that configures OpenTelemetry has imported its API, and only
then is it looked up; without it the cost is two dictionary look-ups a call, and little more where a
library (langsmith is one) imported the API and nobody set it up. No content is recorded.
Names: OpenTelemetry "Semantic conventions for generative AI", client spans and client metrics;
credits have none there, theirs begin with ``aivideoapi.``.

A call is one counted span: see ``telemetry_spans``. Both keys by which instrumentations ask others to be
silent are honoured: under ``suppress_instrumentation`` nothing is said; under OpenLLMetry's
``suppress_language_model_instrumentation`` somebody else counts the call, and only credits are.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from collections.abc import Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from aivideoapi_core._metering.record import CallRecord, Outcome
from aivideoapi_core._metering.telemetry_labels import metric_labels
from aivideoapi_core._metering.telemetry_spans import (
    PROVIDER,
    added_attributes,
    error_type,
    outcome_attributes,
    request_attributes,
    stands_for_a_call,
)
from aivideoapi_core._version import __version__

SWITCH: Final = "AIVIDEOAPI_TELEMETRY"
"""The environment variable that switches all of this off (``off``, ``0``, ``false``)."""
_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
"""OpenTelemetry's own, a list of names; ours is ``aivideoapi``."""
_SCOPE: Final = "aivideoapi"
_STAND_INS: Final = frozenset({"ProxyTracerProvider", "_ProxyMeterProvider"})
"""What the API has until a program sets a provider. By name: one of the two is not public. Logfire has one of such a name too."""
_ALL_SILENT: Final = "suppress_instrumentation"
_MODELS_SILENT: Final = "suppress_language_model_instrumentation"
_TOKEN_BOUNDS: Final = tuple(4**power for power in range(14))
_SECONDS_BOUNDS: Final = tuple(0.01 * 2**power for power in range(14))
_CHUNK_BOUNDS: Final = (
    0.001,
    0.005,
    0.01,
    0.02,
    0.04,
    0.06,
    0.08,
    0.1,
    0.25,
    0.5,
    0.75,
    1.0,
    2.5,
    5.0,
    7.5,
    10.0,
)
"""All three as the conventions advise."""


def start_telemetry(
    model: str, payload: Mapping[str, Any], *, base_url: str, span: Any = None
) -> CallTelemetry | None:
    """Begin the span and the clock of one call; ``None`` if nobody has set OpenTelemetry up, or wants it.

    ``span``: the one that an instrumentation has begun for this call, where the adapter found it.
    """
    trace, metrics = _set_up()
    if (trace is None and metrics is None and span is None) or _is_off():
        return None
    context = sys.modules.get("opentelemetry.context")
    if context is not None and context.get_value(_ALL_SILENT):
        return None
    counted = context is not None and bool(context.get_value(_MODELS_SILENT))
    if span is None and trace is not None and stands_for_a_call(current := trace.get_current_span()):
        span = current
    own = span is None and trace is not None and not counted
    if span is None and metrics is None and not own:
        return None
    common = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": PROVIDER,
        "gen_ai.system": PROVIDER,  # the name that the conventions had before provider.name
        "gen_ai.request.model": model,
        **_server(base_url),
    }
    if own and trace is not None:
        span = trace.get_tracer(_SCOPE, __version__).start_span(
            f"chat {model}",
            kind=trace.SpanKind.CLIENT,
            attributes={**common, **request_attributes(payload)},
        )
    instruments = None if metrics is None else _LAST.instruments(metrics.get_meter_provider())
    return CallTelemetry(common, span, instruments, is_own=own, is_counted=counted)


def may_be_traced() -> bool:
    """Whether anything in this process could listen to telemetry."""
    try:
        return any(_set_up())
    except Exception:  # noqa: BLE001 - a provider that cannot be made; ``start_telemetry`` raises the same, where it is logged
        return True


def _set_up() -> tuple[Any, Any]:
    """OpenTelemetry's modules for traces and for metrics, each ``None`` where no program has set a provider."""
    trace, metrics = sys.modules.get("opentelemetry.trace"), sys.modules.get("opentelemetry.metrics")
    if trace is not None and _stands_in(type(trace.get_tracer_provider())):
        trace = None
    if metrics is not None and _stands_in(type(metrics.get_meter_provider())):
        metrics = None
    return trace, metrics


def _stands_in(provider: type) -> bool:
    return provider.__name__ in _STAND_INS and provider.__module__.startswith("opentelemetry.")


@functools.cache
def _is_off() -> bool:
    names = os.environ.get(_DISABLED, "").split(",")
    return os.environ.get(SWITCH, "").strip().lower() in ("off", "0", "false", "no") or _SCOPE in map(
        str.strip, names
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


class _Instruments(NamedTuple):
    """Those of one meter provider."""

    tokens: Any
    duration: Any
    first_chunk: Any
    credits: Any


class _LastProvider:
    """The meter provider that was used last, and its instruments: by itself, for Logfire's has no hash."""

    def __init__(self) -> None:
        self._last: tuple[Any, _Instruments] | None = None

    def instruments(self, provider: Any) -> _Instruments:
        last = self._last
        if last is None or last[0] is not provider:
            self._last = last = (provider, _instruments(provider))
        return last[1]


_LAST: Final = _LastProvider()


def _instruments(provider: Any) -> _Instruments:
    meter = provider.get_meter(_SCOPE, __version__)
    return _Instruments(
        tokens=meter.create_histogram(
            "gen_ai.client.token.usage",
            unit="{token}",
            description="Number of input and output tokens used",
            explicit_bucket_boundaries_advisory=_TOKEN_BOUNDS,
        ),
        duration=meter.create_histogram(
            "gen_ai.client.operation.duration",
            unit="s",
            description="Duration of the call",
            explicit_bucket_boundaries_advisory=_SECONDS_BOUNDS,
        ),
        first_chunk=meter.create_histogram(
            "gen_ai.client.operation.time_to_first_chunk",
            unit="s",
            description="Time from the call to the first event of its stream",
            explicit_bucket_boundaries_advisory=_CHUNK_BOUNDS,
        ),
        credits=meter.create_counter(
            "aivideoapi.client.credits", unit="{microcredit}", description="Computed cost in microcredits"
        ),
    )


class CallTelemetry:
    """What is being measured of one call. Nothing is recorded for a figure that is unknown.

    ``is_own``: whether the span is ours to end. ``is_counted``: whether somebody else counts the call.
    """

    def __init__(
        self,
        common: dict[str, Any],
        span: Any,
        instruments: _Instruments | None,
        *,
        is_own: bool,
        is_counted: bool,
    ) -> None:
        self._common = common
        self._span = span
        self._instruments = instruments
        self._is_own = is_own
        self._is_counted = is_counted
        self._began_s = time.perf_counter()
        self._first_s: float | None = None

    def first_chunk(self) -> None:
        """The first event of a stream has come; later ones do nothing."""
        if self._first_s is None:
            self._first_s = time.perf_counter() - self._began_s

    def end(self, record: CallRecord) -> None:
        """Write the outcome down, and close the span if it is ours."""
        if self._instruments is not None:
            self._measure(record, self._instruments)
        span = self._span
        if span is None:
            return
        if not self._is_own:
            if span.is_recording():
                span.set_attributes(added_attributes(record, span))
            return
        if span.is_recording():
            span.set_attributes(outcome_attributes(record))
            if self._first_s is not None:
                span.set_attribute("gen_ai.response.time_to_first_chunk", self._first_s)
            if record.outcome is not Outcome.OK:
                # StatusCode comes with the span's own API, which therefore is imported.
                trace = sys.modules["opentelemetry.trace"]
                span.set_status(trace.Status(trace.StatusCode.ERROR, record.error))
        span.end(time.time_ns())

    def _measure(self, record: CallRecord, instruments: _Instruments) -> None:
        common = {**self._common, **metric_labels().of(record)}
        if record.response_model:
            common["gen_ai.response.model"] = record.response_model
        if record.credits_micro is not None:
            instruments.credits.add(record.credits_micro, common)
        if self._is_counted:
            return
        failure = {} if record.outcome is Outcome.OK else {"error.type": error_type(record) or "_OTHER"}
        instruments.duration.record(record.latency_s or 0.0, {**common, **failure})
        if self._first_s is not None:
            instruments.first_chunk.record(self._first_s, common)
        if record.tokens is not None:
            instruments.tokens.record(record.tokens.total_input, {**common, "gen_ai.token.type": "input"})
            instruments.tokens.record(record.tokens.output, {**common, "gen_ai.token.type": "output"})
