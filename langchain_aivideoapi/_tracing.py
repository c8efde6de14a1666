"""Facts for the tracers of a LangChain run: the span that stands for our call, and its cost in LangSmith.

A clever corner. LangChain's tracers hang on the run as callback handlers. Those of OpenInference, OpenLLMetry,
Langfuse and MLflow keep their span by the run's id and mostly out of OpenTelemetry's context, so only the
adapter can find it; without it the call is counted twice (``tests/observability``). LangSmith's tracer writes
a message's usage into the run's metadata, where ``total_cost`` is what its interface shows; in the message itself
a cost in dollars, which is no integer, would break LangChain's sums of usage. So the run's metadata are a dict that
adds the cost when the usage arrives.
All of it is by shape: a tracer that keeps its spans elsewhere is left alone.

The run itself is handed to ``_generate`` and to events, but LangChain's core (1.8) leaves it out where it calls
``_stream`` and ``_astream``, though both have the parameter. It is a local variable of the caller there, and that
is where ``run_of_caller`` reads it. A core that keeps it elsewhere costs a stream its place in the tracers and in
``CreditsCallbackHandler``, and the tags and ids of its own config in the ledger, which the log says once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.language_models.chat_models import BaseChatModel

from aivideoapi_core import Credits, SpendTracker
from aivideoapi_core.adapter_kit import otel_span_in, warn_once

_FINDERS: Final = ("get_span", "_get_span_by_run_id")
"""Methods of OpenInference's and MLflow's tracers."""
_PLACES: Final = ("spans", "_runs")
"""Where OpenLLMetry's and Langfuse's handlers keep theirs, by the run's id."""
_MOVED: Final = (
    "this version of langchain-core keeps the run of a stream in another place: CreditsCallbackHandler and tracers "
    "do not count it, and tags and ids of its config are not in the ledger; get_credits_callback counts it"
)
_NEAR: Final = 40
"""Frames from the model's own methods to the core's, with those of a subclass and of what wraps its methods between."""


def run_of_caller() -> BaseRunManager | None:
    """The run of the core's method that is calling the model, from its frame; ``None`` if it is not there."""
    frame = sys._getframe(1)
    for _ in range(_NEAR):
        if frame.f_back is None:
            return None
        frame = frame.f_back
        if frame.f_globals.get("__name__") == BaseChatModel.__module__:
            if "run_manager" not in frame.f_locals:
                warn_once(_MOVED)
            run = frame.f_locals.get("run_manager")
            return run if isinstance(run, BaseRunManager) else None
    return None


def span_of(run: BaseRunManager | None) -> Any:
    """The OpenTelemetry span that an instrumentation has begun for ``run``, or ``None``."""
    if run is None:
        return None
    found = (_found(handler, run.run_id) for handler in run.handlers)
    return next((span for span in found if span is not None), None)


def _found(handler: Any, run_id: UUID) -> Any:
    for name in _FINDERS:
        find: Callable[[UUID], Any] | None = getattr(handler, name, None)
        if find is not None:
            try:
                return otel_span_in(find(run_id))
            except Exception:  # noqa: BLE001 - another's handler; MLflow's raises for a run that it does not know
                return None
    for name in _PLACES:
        spans = getattr(handler, name, None)
        if isinstance(spans, Mapping) and run_id in spans:
            return otel_span_in(spans[run_id])
    return None


def trackers_of(run: BaseRunManager | None) -> list[SpendTracker]:
    """Those of the handlers of ``run`` that count what its call costs."""
    found = (getattr(handler, "spend_tracker", None) for handler in (() if run is None else run.handlers))
    return [tracker for tracker in found if isinstance(tracker, SpendTracker)]


def show_cost_in_langsmith(run: BaseRunManager | None) -> None:
    """Let LangSmith's tracer, if there is one, state what the call of ``run`` cost."""
    for handler in () if run is None else run.handlers:
        runs = getattr(handler, "run_map", None)
        if run is None or not hasattr(handler, "project_name") or not isinstance(runs, Mapping):
            continue
        traced = runs.get(str(run.run_id))
        extra = getattr(traced, "extra", None)
        if isinstance(extra, dict) and not isinstance(extra.get("metadata"), _Priced):
            extra["metadata"] = _Priced(extra.get("metadata") or {})


class _Priced(dict[str, Any]):
    """A run's metadata that know what usage costs."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name == "usage_metadata" and isinstance(value, Mapping):
            micro = value.get("credits_consumed_micro")
            if type(micro) is int:
                value = {**value, "total_cost": float(Credits(micro).as_usd())}
        super().__setitem__(name, value)
