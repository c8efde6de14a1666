"""The tags of a run, for the ledger and the trackers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.runnables import RunnableConfig, ensure_config

from aivideoapi_core import adapter_kit

FRAMEWORK: Final = "langchain"
_STEP_TAGS: Final = ("seq:step:", "map:key:", "graph:step:", "condition:", "branch:", "langsmith:")
"""Tags that LangChain and LangGraph put on runs by themselves: places in a graph, nobody's purse."""


def run_tags(run: BaseRunManager | None, own: Sequence[str]) -> tuple[str, ...]:
    """The tags of a call: its run's, where core hands the run over, else ``own``."""
    return without_steps(own if run is None else run.tags)


def with_run_tags(config: RunnableConfig | None, arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a stream with its run's tags among them, because core does not hand the run over."""
    tags = ensure_config(config).get("tags")
    return {**arguments, "spend_tags": [*arguments.get("spend_tags", ()), *tags]} if tags else arguments


def without_steps(tags: Sequence[str]) -> tuple[str, ...]:
    """The tags that somebody chose, as far as they have the shape of one."""
    return adapter_kit.clean_tags(tag for tag in tags if not tag.startswith(_STEP_TAGS))
