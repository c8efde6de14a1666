"""LlamaIndex's instrument tags as the tags of a call, and for whom it is, for the ledger and the trackers."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

from llama_index_instrumentation.dispatcher import active_instrument_tags

from aivideoapi_core import Attribution
from aivideoapi_core.adapter_kit import ATTRIBUTION_KEYS, attribution_facts

FRAMEWORK: Final = "llamaindex"
_ITS_OWN: Final = "llamaindex."
"""What LlamaIndex's workflows put among the tags: steps, runs, and what the user wrote to them."""
_AGENT_KEYS: Final = ("agent", "agent_name")


def current_tags(own: tuple[str, ...] = ()) -> tuple[str, ...]:
    """``own`` and the instrument tags that are active now, as names for records."""
    return (*own, *tag_names(active_instrument_tags.get()))


def tag_names(tags: Mapping[str, Any]) -> Iterator[str]:
    """``{"team": "search"}`` as ``team=search``. Values that are no short texts or numbers are content.

    Who it is for (``user_id``, ``session_id`` and the like) has columns of its own.
    """
    for name, value in tags.items():
        if name in ATTRIBUTION_KEYS or str(name).startswith(_ITS_OWN):
            continue
        if isinstance(value, (str, int)):
            yield f"{name}={value}"


def current_attribution() -> Attribution:
    """For whom a call that begins now is: by the active instrument tags and the agent that runs."""
    facts = attribution_facts(active_instrument_tags.get(), agent_keys=_AGENT_KEYS)
    if "agent" not in facts and (agent := _running_agent()):
        facts["agent"] = agent
    return Attribution.cleaned(facts)


def _running_agent() -> str | None:
    """The name of the agent whose step is being carried out, else of the workflow's class."""
    # UNVERIFIED: internal to LlamaIndex's workflows, as of their release 2.26; without them there is no name.
    steps = sys.modules.get("workflows.runtime.types.results")
    step = _value_of(getattr(steps, "StepWorkerStateContextVar", None))
    name = getattr(getattr(step, "event", None), "current_agent_name", None)
    if isinstance(name, str):
        return name
    running = _value_of(getattr(steps, "InternalContextVar", None))
    context = running() if callable(running) else None
    workflow = getattr(getattr(context, "_face", context), "_workflow", None)
    if workflow is None:
        return None
    own = getattr(workflow, "name", None)
    return own if isinstance(own, str) else type(workflow).__name__


def _value_of(variable: Any) -> Any:
    return None if variable is None else variable.get(None)
