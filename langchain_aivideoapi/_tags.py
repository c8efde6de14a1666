"""The tags of a run, and for whom it was made, for the ledger and the trackers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config

from aivideoapi_core import Attribution, adapter_kit
from aivideoapi_core.adapter_kit import ATTRIBUTION_KEYS, attribution_facts, first_of

FRAMEWORK: Final = "langchain"
_STEP_TAGS: Final = ("seq:step:", "map:key:", "graph:step:", "condition:", "branch:", "langsmith:")
"""Tags that LangChain and LangGraph put on runs by themselves: places in a graph, nobody's purse."""
_AGENT_KEYS: Final = ("lc_agent_name", "agent_name")
"""LangChain's and deepagents' own key, and what programs write by hand."""
_PATH_KEYS: Final = ("langgraph_checkpoint_ns", "checkpoint_ns")
_SAYING: Final = ATTRIBUTION_KEYS.union(_AGENT_KEYS, _PATH_KEYS)
_NODES_OF_AGENTS: Final = frozenset(
    {"model", "model_request", "agent", "call_model", "tools", "generate_structured_response"}
)
"""Nodes that every prebuilt agent has: places in it, not its name."""


def run_tags(run: BaseRunManager | None, own: Sequence[str]) -> tuple[str, ...]:
    """The tags of a call: its run's, where core hands the run over, else ``own`` and those of the run around it."""
    return without_steps((*own, *(_around().get("tags") or ())) if run is None else run.tags)


def run_attribution(run: BaseRunManager | None, told: Mapping[str, Any] | None) -> Attribution:
    """For whom a call is: by its run's metadata; where core does not hand the run over, by what the caller of
    the stream ``told``, else by the run around it. Ids alone, never content.
    """
    if told is None:
        around = _around()
        metadata = around.get("metadata") if run is None else run.metadata
        told = _facts(around.get("configurable") or {}, metadata or {})
    return Attribution.cleaned(told)


def _around() -> RunnableConfig:
    """The settings of the run that this call is a part of."""
    return var_child_runnable_config.get() or {}


def without_steps(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags that somebody chose, as far as they have the shape of one."""
    return adapter_kit.clean_tags(tag for tag in tags if not tag.startswith(_STEP_TAGS)) if tags else ()


def _facts(configurable: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Those of the allow-list; a run's metadata are closer to the call than what is configured around it."""
    if _SAYING.isdisjoint(configurable) and _SAYING.isdisjoint(metadata):
        return {}
    facts = attribution_facts(configurable) | attribution_facts(metadata, agent_keys=_AGENT_KEYS)
    if "agent" not in facts and (agent := _agent_of_path(metadata)):
        facts["agent"] = agent
    return facts


def _agent_of_path(metadata: Mapping[str, Any]) -> str | None:
    """The innermost subgraph or node of a LangGraph run that is not one that every agent has.

    LangGraph writes the path as ``researcher:<uuid>|model:<uuid>``.
    """
    path = str(first_of(metadata, _PATH_KEYS) or "")
    for step in reversed(path.split("|")):
        name = step.partition(":")[0]
        if name and name not in _NODES_OF_AGENTS and not name.isdigit():
            return name
    return None
