"""The budgets of a store, by name: which there are, how they stand, and one of them to be used."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._stores.budget_terms import Standing, Terms
from aivideoapi_core._stores.target import check_name, is_path, shared_budget_store

if TYPE_CHECKING:
    from aivideoapi_core._stores.budget_redis import RedisStore
    from aivideoapi_core._stores.budget_sqlite import SqliteStore

_SHOWN: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBudget:
    """A budget that a store keeps: its name, its terms in words, and how it stands.

    ``limit_micro`` is the limit agreed on, in microcredits; ``standing.limit_micro`` the one that holds now. ``window``
    is ``None`` (for all time), ``"day"``, ``"hour"``, ``"5400 seconds"``, which slide, or ``"calendar month UTC"``.
    """

    name: str
    limit_micro: int
    window: str | None
    soft: bool
    standing: Standing


def budgets_in(store: Any) -> list[KeptBudget]:
    """The budgets that ``store``, a SQLite file or a Redis URL or client, keeps, in the order of their names.

    Changes nothing: what a dead process had reserved is still reserved. Raises ``InvalidInputError`` for what is
    no store, and what the store raises if it cannot be reached.
    """
    kind = _kind(store)
    found = ((name, kind(store, name=name).look()) for name in sorted(kind.names_in(store)))
    return [_kept(name, *looked) for name, looked in found if looked is not None]


def kept_terms(store: Any, name: str) -> Terms:
    """The terms of one of them. Raises ``InvalidInputError`` if there is none of this name."""
    kind = _kind(store)
    looked = kind(store, name=check_name(name)).look()
    if looked is None:
        raise no_such_budget(name, sorted(kind.names_in(store)))
    return looked[0]


def no_such_budget(name: str, kept: Sequence[str]) -> InvalidInputError:
    """What is said of a ``name`` that is not among those ``kept``."""
    some = ", ".join(map(repr, kept[:_SHOWN])) + (" ..." if len(kept) > _SHOWN else "")
    return InvalidInputError(f"the store keeps no budget {name!r}; it has {some or 'none'}")


def _kind(store: Any) -> type[SqliteStore | RedisStore]:
    if store is None:
        raise InvalidInputError("store must be the path of a SQLite file, or a Redis URL or client")
    if is_path(store) and not Path(store).is_file():
        raise InvalidInputError(f"there is no file {os.fspath(store)!r}: a CreditBudget with store= makes it")
    return shared_budget_store(store)


def window_text(terms: Terms) -> str | None:
    """The window in words."""
    if terms.calendar is not None:
        return str(terms.calendar)
    if terms.window_s is None:
        return None
    return {3_600.0: "hour", 86_400.0: "day"}.get(terms.window_s, f"{terms.window_s:g} seconds")


def _kept(name: str, terms: Terms, standing: Standing) -> KeptBudget:
    return KeptBudget(
        name=name,
        limit_micro=terms.limit_micro,
        window=window_text(terms),
        soft=terms.soft,
        standing=standing,
    )
