"""Types for the fields of the adapters' models whose classes are imported when a value is given, not before.

Importing httpx, budgets and ledgers with an adapter would double what the adapter adds to the import of
its framework, and most programs set none of these fields. A type checker sees the classes themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

if TYPE_CHECKING:
    from typing import TypeAlias

    import httpx

    from aivideoapi_core._stores.budget import CreditBudget
    from aivideoapi_core._stores.joint_budget import JointBudget
    from aivideoapi_core._stores.ledger import SpendLedger

    BudgetField: TypeAlias = CreditBudget | JointBudget | Sequence[CreditBudget | JointBudget]
    LedgerField: TypeAlias = SpendLedger
    HTTPClientField: TypeAlias = httpx.Client
    AsyncHTTPClientField: TypeAlias = httpx.AsyncClient
    TimeoutField: TypeAlias = float | httpx.Timeout
    ThinkingField: TypeAlias = bool | dict[str, Any]
    StopField: TypeAlias = list[str]
else:

    def _instance_of(module: str, name: str, value: Any) -> Any:
        """``value`` if it is ``None`` or of the class ``name`` of ``module``; raises ``ValueError``."""
        if value is not None and not isinstance(value, getattr(import_module(module), name)):
            raise ValueError(
                f"must be an instance of {name}, such as {name}(...), not {type(value).__name__}"
            )
        return value

    def _budgets(value: Any) -> Any:
        """``value`` if it is a budget or a list of them; raises ``ValueError``."""
        if value is not None:
            from aivideoapi_core._stores.budget import CreditBudget
            from aivideoapi_core._stores.joint_budget import JointBudget

            for budget in value if isinstance(value, (list, tuple)) else (value,):
                if not isinstance(budget, (CreditBudget, JointBudget)):
                    raise ValueError(
                        "must be an instance of CreditBudget, such as CreditBudget(...), or a list of them, "
                        f"not {type(budget).__name__}"
                    )
        return value

    def _field(module: str, name: str) -> Any:
        return Annotated[Any, AfterValidator(functools.partial(_instance_of, module, name))]

    BudgetField = Annotated[Any, AfterValidator(_budgets)]
    LedgerField = _field("aivideoapi_core._stores.ledger", "SpendLedger")
    HTTPClientField = _field("httpx", "Client")
    AsyncHTTPClientField = _field("httpx", "AsyncClient")

    def _checked_timeout(value: Any) -> Any:
        """Seconds or an ``httpx.Timeout``, also from the numbers of one; raises ``ValueError``."""
        if isinstance(value, dict):
            return import_module("httpx").Timeout(**value)
        try:
            if isinstance(value, bool):
                raise TypeError
            return None if value is None else float(value)
        except (TypeError, ValueError):
            if isinstance(value, import_module("httpx").Timeout):
                return value
        raise ValueError(f"must be a number of seconds, an httpx.Timeout or None, not {value!r}")

    def _timeout_as_json(timeout: Any) -> Any:
        """The four numbers of an ``httpx.Timeout``."""
        return timeout if timeout is None or isinstance(timeout, (int, float)) else timeout.as_dict()

    def _checked_thinking(value: Any) -> Any:
        return import_module("aivideoapi_core._outbound.thinking").check_thinking_shape(value)

    TimeoutField = Annotated[Any, BeforeValidator(_checked_timeout), PlainSerializer(_timeout_as_json)]
    ThinkingField = Annotated[bool | dict[str, Any], BeforeValidator(_checked_thinking)]
    StopField = Annotated[
        list[str], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
    ]
