"""Limits of agents and sub-agents inside a budget: each is a budget of its own, found by the agent's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.attribution import as_id
from aivideoapi_core._stores.target import check_name

if TYPE_CHECKING:
    from aivideoapi_core._stores.budget import CreditBudget
    from aivideoapi_core._stores.budget_terms import BudgetStore


def agent_limits_of(limits: Mapping[str, Any] | None, *, store: BudgetStore, name: str) -> dict[str, Any]:
    """Limits by the names that calls tell of their agents, for budget ``name`` in ``store``.

    Raises ``InvalidInputError`` for a name that none can have, and a store that keeps one budget alone.
    """
    by_name: dict[str, Any] = {}
    for given, limit in (limits or {}).items():
        agent = as_id(given, spaced=True)
        if agent is None:
            raise InvalidInputError(
                f"agent_limits must have names of agents, such as 'researcher'; {given!r} is none"
            )
        if store.shared:
            check_name(_name(name, agent))
        by_name[agent] = limit
    if by_name and not hasattr(store, "named"):
        raise InvalidInputError(
            "agent_limits need a store that keeps several budgets: a path, a Redis URL or client, or none (memory)"
        )
    return by_name


def budget_of_agent(budget: CreditBudget, agent: str) -> CreditBudget:
    """The limit of ``agent`` alone, in ``budget``'s store, with its window and manners."""
    name = _name(budget.name, agent)
    store: Any = budget._store  # ``agent_limits_of`` has seen that it can do this
    return budget._like(budget._agent_limits[agent], store=store.named(name), name=name)


def _name(budget: str, agent: str) -> str:
    return f"{budget}/{agent}"
