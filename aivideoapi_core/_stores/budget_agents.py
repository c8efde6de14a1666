"""Limits of agents and sub-agents inside a budget: each is a budget of its own, found by the agent's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.attribution import as_id
from aivideoapi_core._stores.target import check_name

if TYPE_CHECKING:
    from aivideoapi_core._stores.budget_terms import BudgetStore


def agent_limits_of(limits: Mapping[str, Any] | None, *, store: BudgetStore, name: str) -> dict[str, Any]:
    """Limits by the names that calls tell of their agents, for budget ``name`` in ``store``.

    Raises ``InvalidInputError`` for a name that none can have, and a store that keeps one budget alone.
    """
    if limits is not None and not isinstance(limits, Mapping):
        raise InvalidInputError(f"agent_limits must be limits by the names of agents, not {limits!r}")
    by_name: dict[str, Any] = {}
    for given, limit in (limits or {}).items():
        agent = as_id(given, spaced=True)
        if agent is None:
            raise InvalidInputError(
                f"agent_limits must have names of agents, such as 'researcher'; {given!r} is none"
            )
        if store.shared:
            check_name(name_for(agent, budget=name))
        by_name[agent] = limit
    if by_name and not hasattr(store, "named"):
        raise InvalidInputError(
            "agent_limits need a store that keeps several budgets: a path, a Redis URL or client, or none (memory)"
        )
    return by_name


def name_for(agent: str, *, budget: str) -> str:
    """The name of the budget that is ``agent``'s limit inside ``budget``."""
    return f"{budget}/{agent}"
