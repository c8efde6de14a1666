"""Attributes of spans: of our own by the GenAI semantic conventions, and of that of a framework's instrumentation.

Where an instrumentation of LangChain or LlamaIndex has begun a span for the call, ours would count the call
twice. So that span gets what only we know: credits, dollars, cache writes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from aivideoapi_core._catalogue.amounts import USD_PER_CREDIT, Credits
from aivideoapi_core._catalogue.prices import cost_of, prices_of
from aivideoapi_core._metering.record import CallRecord

PROVIDER: Final = "aivideoapi"
_NUMBERS: Final = ("max_tokens", "temperature", "top_p", "top_k", "stop_sequences")
_OF_A_MODEL: Final[Mapping[str, frozenset[str]]] = {
    "gen_ai.operation.name": frozenset({"chat", "text_completion", "generate_content"}),
    "openinference.span.kind": frozenset({"LLM"}),
    "langfuse.observation.type": frozenset({"generation"}),
    "llm.request.type": frozenset({"chat", "completion"}),
    "mlflow.spanType": frozenset({'"CHAT_MODEL"', '"LLM"'}),
}
"""What the span of a model's call has, by the conventions of OpenTelemetry, OpenInference, Langfuse, OpenLLMetry
and MLflow, each with its values."""
_MAKERS: Final[Mapping[str, str]] = {
    "openinference": "openinference.span.kind",
    "langfuse": "langfuse.observation.type",
    "mlflow": "mlflow.spanType",
}
"""The beginning of a scope's name, and an attribute of its spans."""
_INSIDE: Final = ("span", "otel_span", "_otel_span", "_mlflow_span", "_span")
"""Where OpenLLMetry, Langfuse, OpenInference and MLflow have it."""
_OURS: Final = "aivideoapi.credits.outcome"


def stands_for_a_call(span: Any) -> bool:
    """Whether ``span`` is a running one of a model's call, about which we have not said anything yet."""
    # Only the SDK's spans can be read, by a property that the API does not promise.
    facts = getattr(span, "attributes", None)
    if not facts or not span.is_recording() or _OURS in facts:
        return False
    return any(facts.get(name) in values for name, values in _OF_A_MODEL.items())


def otel_span_in(found: Any) -> Any:
    """OpenTelemetry's span in what an instrumentation keeps for a call, if it is recording; else ``None``."""
    for _ in _INSIDE:
        if found is None or hasattr(found, "is_recording"):
            break
        found = next((inner for name in _INSIDE if (inner := getattr(found, name, None)) is not None), None)
    return found if hasattr(found, "is_recording") and found.is_recording() else None


def request_attributes(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What was asked for, without content."""
    asked = {f"gen_ai.request.{name}": payload[name] for name in _NUMBERS if name in payload}
    if payload["stream"]:
        asked["gen_ai.request.stream"] = True
    output = payload.get("output_config") or {}
    if isinstance(output, Mapping):
        if isinstance(output.get("effort"), str):
            asked["gen_ai.request.reasoning.level"] = output["effort"]
        if output.get("format"):
            asked["gen_ai.output.type"] = "json"
    return asked


def outcome_attributes(record: CallRecord) -> dict[str, Any]:
    """How the call ended, for a span of our own."""
    facts: dict[str, Any] = {
        "gen_ai.response.id": record.message_id,
        "gen_ai.response.model": record.response_model,
        "gen_ai.response.finish_reasons": (record.stop_reason,) if record.stop_reason else None,
        "error.type": error_type(record),
        "gen_ai.conversation.id": record.thread,
        "gen_ai.agent.name": record.agent,
        **credit_attributes(record),
    }
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


def credit_attributes(record: CallRecord) -> dict[str, Any]:
    """What the call cost, in credits and US dollars; what is unknown is ``None``."""
    usd = usd_of(record)
    reported = record.credits_reported
    return {
        "aivideoapi.request.id": record.request_id,
        "aivideoapi.request.attempts": record.attempts,
        _OURS: record.outcome.value,
        "aivideoapi.credits.computed_micro": record.credits_micro,
        "aivideoapi.credits.reported": None if reported is None else float(reported),
        "aivideoapi.credits.at_most_micro": record.at_most_micro,
        "gen_ai.usage.cost": None if usd is None else float(usd),
    }


def added_attributes(record: CallRecord, span: Any) -> dict[str, Any]:
    """What the ``span`` of an instrumentation is told besides, in the names of its convention."""
    facts = credit_attributes(record)
    tokens, (prompt, completion, total) = record.tokens, _usd_parts(record)
    written = None if tokens is None else tokens.cache_write or None
    match _maker_of(span):
        case "openinference":
            facts |= {
                "llm.cost.prompt": prompt,
                "llm.cost.completion": completion,
                "llm.cost.total": total,
                "llm.provider": PROVIDER,
                "llm.token_count.prompt_details.cache_write": written,
                "llm.token_count.total": None if tokens is None else tokens.total_input + tokens.output,
            }
        case "langfuse":
            facts["langfuse.observation.cost_details"] = _json(input=prompt, output=completion, total=total)
        case "mlflow":
            facts["mlflow.llm.cost"] = _json(input_cost=prompt, output_cost=completion, total_cost=total)
            facts["mlflow.llm.provider"] = json.dumps(
                PROVIDER
            )  # it takes what stands before the "/" of a model's id
            if tokens is not None:
                facts["mlflow.chat.tokenUsage"] = _json(
                    input_tokens=tokens.total_input,
                    output_tokens=tokens.output,
                    total_tokens=tokens.total_input + tokens.output,
                    cache_read_input_tokens=tokens.cache_read,
                    cache_creation_input_tokens=tokens.cache_write,
                )
        case _:
            facts |= {
                "gen_ai.provider.name": PROVIDER,  # a tool tells the framework's name, where it knows no other
                "gen_ai.response.finish_reasons": (record.stop_reason,) if record.stop_reason else None,
                "gen_ai.usage.cache_creation.input_tokens": written,
                "gen_ai.usage.input_tokens": None if tokens is None else tokens.total_input,
            }
    return {name: value for name, value in facts.items() if value is not None}


def _usd_parts(record: CallRecord) -> tuple[float | None, float | None, float | None]:
    """US dollars for the prompt, for the completion and in all; the parts only where they are known to add up."""
    total = usd_of(record)
    tokens, prices = record.tokens, prices_of(record.model)
    if total is None or tokens is None or prices is None or record.credits_reported is not None:
        return None, None, None if total is None else float(total)
    completion = Credits(tokens.output * prices.output)
    prompt = cost_of(replace(tokens, output=0), prices)
    if (
        prompt is None or (prompt + completion).micro != record.credits_micro
    ):  # the caller's own prices, or iterations
        return None, None, float(total)
    return float(prompt.as_usd()), float(completion.as_usd()), float(total)


def _json(**figures: float | None) -> str | None:
    known = {name: figure for name, figure in figures.items() if figure is not None}
    return json.dumps(known) if known else None


def _maker_of(span: Any) -> str:
    """Who made ``span``, by the name of its scope or, for one made by hand, by its attributes."""
    facts = getattr(span, "attributes", None) or {}
    scope = getattr(getattr(span, "instrumentation_scope", None), "name", None) or ""
    return next(
        (name for name, key in _MAKERS.items() if scope.startswith(name) or key in facts),
        "",
    )


def usd_of(record: CallRecord) -> Decimal | None:
    """What was charged, in US dollars; ``None`` if nobody knows."""
    charged = record.charged
    return None if charged is None else charged * USD_PER_CREDIT


def error_type(record: CallRecord) -> str | None:
    """The platform's code where there is one, else the class: few values, as the conventions ask."""
    return record.error.rpartition(" ")[2] if record.error else None
