"""The place of a budget or a ledger, from what the caller gave: ``None``, a path, a Redis URL, a client, a store."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, cast

from aivideoapi_core._errors import InvalidInputError

if TYPE_CHECKING:
    from aivideoapi_core._metering.one_write import Place
    from aivideoapi_core._stores.budget_redis import RedisStore
    from aivideoapi_core._stores.budget_sqlite import SqliteStore
    from aivideoapi_core._stores.budget_terms import BudgetStore
    from aivideoapi_core._stores.ledger_store import LedgerStore

_MOST_CHARACTERS: Final = 200
_REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")

# Imported by those who use them: a database costs milliseconds of everybody's start.


def budget_store_of(target: Any, *, name: str) -> BudgetStore:
    """The store of budget ``name``. Raises ``InvalidInputError`` for a folder that is not there."""
    if target is None:
        from aivideoapi_core._stores.budget_memory import MemoryStore

        if not isinstance(name, str) or not name:
            check_name(name)  # which says why; in memory a name may have any length
        return MemoryStore()
    if all(hasattr(target, method) for method in ("reserve", "settle", "renew", "standing")):
        return cast("BudgetStore", target)  # checked by its methods, as protocols are
    return shared_budget_store(target)(target, name=check_name(name))


def shared_budget_store(target: Any) -> type[SqliteStore | RedisStore]:
    """The kind of store at a path or in Redis."""
    if is_path(target):
        from aivideoapi_core._stores.budget_sqlite import SqliteStore

        return SqliteStore
    from aivideoapi_core._stores.budget_redis import RedisStore

    return RedisStore


def check_name(name: str) -> str:
    """``name``, if a store can keep a budget by it. Raises ``InvalidInputError``."""
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= _MOST_CHARACTERS
        or not name.isprintable()
        or not {"{", "}"}.isdisjoint(name)
    ):
        raise InvalidInputError(
            f"a budget's name must have 1 to {_MOST_CHARACTERS} printable characters other than {{ and }}, "
            f"such as 'user:17'; not {name!r}"
        )
    return name


def ledger_store_of(target: Any, *, name: str) -> LedgerStore:
    """The store of ledger ``name``. Raises ``InvalidInputError`` for a folder that is not there."""
    if target is None:
        from aivideoapi_core._stores.ledger_memory import MemoryLedger

        return MemoryLedger()
    if hasattr(target, "append") and hasattr(target, "records"):
        return cast("LedgerStore", target)
    if is_path(target):
        from aivideoapi_core._stores.ledger_sqlite import SqliteLedger

        if name != "default":
            raise InvalidInputError(f"name={name!r} is for a ledger in Redis: a file holds one")
        return SqliteLedger(target)
    from aivideoapi_core._stores.ledger_redis import RedisLedger

    return RedisLedger(target, name=name)


def place_of(target: Any) -> Place | None:
    """The file or server that budgets and ledgers at ``target``, a path, a Redis URL or a client, are written in.

    ``None`` is that of those in memory, which have none. Raises ``InvalidInputError``.
    """
    if target is None:
        return None
    if is_path(target):
        from aivideoapi_core._stores.sqlite_file import database_at

        return database_at(target)
    from aivideoapi_core._stores.redis_link import link_to

    return link_to(target, argument="store")


def is_path(target: Any) -> bool:
    """Whether ``target`` names a file."""
    return isinstance(target, (str, os.PathLike)) and not str(target).startswith(_REDIS_SCHEMES)
