"""The span that an instrumentation of LlamaIndex has begun for our call, which is told what the call cost.

A clever corner. LlamaIndex's dispatcher gives each decorated method a span id and tells its span handlers; those of
OpenInference, OpenLLMetry and MLflow keep OpenTelemetry's span by that id, for streams outside of OpenTelemetry's
context. Without it a call is counted twice (``tests/observability``). A handler that keeps its spans elsewhere is
left alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llama_index_instrumentation import get_dispatcher
from llama_index_instrumentation.span import active_span_id

from aivideoapi_core.adapter_kit import otel_span_in


def span_of_call() -> Any:
    """The OpenTelemetry span of the decorated method that is running, or ``None``."""
    span_id = active_span_id.get()
    if span_id is None:
        return None
    for handler in get_dispatcher().span_handlers:
        spans = getattr(handler, "open_spans", None)
        if isinstance(spans, Mapping) and (span := otel_span_in(spans.get(span_id))) is not None:
            return span
    return None
