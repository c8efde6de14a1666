"""Where a budget or a ledger lives, from what the caller gave: ``None``, a path, a Redis URL, a client, a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from aivideoapi_core._stores.budget_terms import BudgetStore
    from aivideoapi_core._stores.ledger import LedgerStore

_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")

# Imported by those who use them: a database costs milliseconds of everybody's start.


def budget_store_of(target: Any, *, name: str) -> BudgetStore:
    """The store of budget ``name``. Raises ``InvalidInputError`` for a folder that is not there."""
    if target is None:
        from aivideoapi_core._stores.budget_rules import MemoryStore

        return MemoryStore()
    if all(hasattr(target, method) for method in ("reserve", "settle", "renew", "standing")):
        return cast("BudgetStore", target)  # checked by its methods, as protocols are
    if _is_path(target):
        from aivideoapi_core._stores.budget_sqlite import SqliteStore

        return SqliteStore(target, name=name)
    from aivideoapi_core._stores.budget_redis import RedisStore

    return RedisStore(target, name=name)


def ledger_store_of(target: Any, *, name: str) -> LedgerStore:
    """The store of ledger ``name``. Raises ``InvalidInputError`` for a folder that is not there."""
    if target is None:
        from aivideoapi_core._stores.ledger_memory import MemoryLedger

        return MemoryLedger()
    if hasattr(target, "append") and hasattr(target, "records"):
        return cast("LedgerStore", target)
    if _is_path(target):
        from aivideoapi_core._stores.ledger_sqlite import SqliteLedger

        return SqliteLedger(target)
    from aivideoapi_core._stores.ledger_redis import RedisLedger

    return RedisLedger(target, name=name)


def _is_path(target: Any) -> bool:
    return isinstance(target, (str, os.PathLike)) and not str(target).startswith(_REDIS_SCHEMES)
