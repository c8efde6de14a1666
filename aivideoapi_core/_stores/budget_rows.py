"""What of a budget can be many, as rows of a SQLite file: its reservations, and those that lost their owner."""

from __future__ import annotations

import sqlite3
from collections.abc import ItemsView, Iterator, MutableMapping
from typing import Any, Final, Generic, NamedTuple, TypeVar, overload

from aivideoapi_core._stores.budget_json import Rows

_V = TypeVar("_V")
_D = TypeVar("_D")

ROW_TABLES: Final = """
CREATE TABLE IF NOT EXISTS reservations (
    budget TEXT NOT NULL, id TEXT NOT NULL, owner TEXT NOT NULL, micro INTEGER NOT NULL, PRIMARY KEY (budget, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS expired (
    number INTEGER PRIMARY KEY, budget TEXT NOT NULL, id TEXT NOT NULL, counted INTEGER NOT NULL, UNIQUE (budget, id)
);
"""
"""``expired`` is read in the order in which its rows were written."""


class _Table(NamedTuple):
    """The statements of one table, whose rows are found by budget and id."""

    get: str
    put: str
    remove: str
    items: str
    how_many: str
    clear: str


_HELD: Final = _Table(
    get="SELECT owner, micro FROM reservations WHERE budget = ? AND id = ?",
    put="INSERT OR REPLACE INTO reservations (budget, id, owner, micro) VALUES (?, ?, ?, ?)",
    remove="DELETE FROM reservations WHERE budget = ? AND id = ?",
    items="SELECT id, owner, micro FROM reservations WHERE budget = ?",
    how_many="SELECT count(*) FROM reservations WHERE budget = ?",
    clear="DELETE FROM reservations WHERE budget = ?",
)
_EXPIRED: Final = _Table(
    get="SELECT counted FROM expired WHERE budget = ? AND id = ?",
    put="INSERT OR REPLACE INTO expired (budget, id, counted) VALUES (?, ?, ?)",
    remove="DELETE FROM expired WHERE budget = ? AND id = ?",
    items="SELECT id, counted FROM expired WHERE budget = ? ORDER BY number",
    how_many="SELECT count(*) FROM expired WHERE budget = ?",
    clear="DELETE FROM expired WHERE budget = ?",
)


class _RowMapping(MutableMapping[str, _V], Generic[_V]):
    """The rows of one budget in one table, by id, through a connection whose transaction is open."""

    __slots__ = ("_budget", "_execute", "_table")

    def __init__(self, db: sqlite3.Connection, table: _Table, budget: str) -> None:
        self._execute = db.execute
        self._table = table
        self._budget = budget

    def _value(self, row: tuple[Any, ...]) -> _V:
        raise NotImplementedError

    def _row(self, value: _V) -> tuple[Any, ...]:
        raise NotImplementedError

    def __getitem__(self, id: str) -> _V:
        row = self._execute(self._table.get, (self._budget, id)).fetchone()
        if row is None:
            raise KeyError(id)
        return self._value(row)

    def __contains__(self, id: object) -> bool:
        # In place of the mixin's, which raises an error for every id that is not there; so does its ``get``.
        return self._execute(self._table.get, (self._budget, id)).fetchone() is not None

    @overload
    def get(self, id: str, default: None = None, /) -> _V | None: ...
    @overload
    def get(self, id: str, default: _V | _D, /) -> _V | _D: ...
    def get(self, id: str, default: Any = None, /) -> Any:
        """What there is of ``id``."""
        row = self._execute(self._table.get, (self._budget, id)).fetchone()
        return default if row is None else self._value(row)

    def __setitem__(self, id: str, value: _V) -> None:
        self._execute(self._table.put, (self._budget, id, *self._row(value)))

    def __delitem__(self, id: str) -> None:
        self._execute(self._table.remove, (self._budget, id))

    def __iter__(self) -> Iterator[str]:
        return iter([id for id, *_ in self._execute(self._table.items, (self._budget,))])

    def __len__(self) -> int:
        count: int = self._execute(self._table.how_many, (self._budget,)).fetchone()[0]
        return count

    def items(self) -> ItemsView[str, _V]:
        """All of them, read at once."""
        rows = self._execute(self._table.items, (self._budget,))
        return {id: self._value(tuple(row)) for id, *row in rows}.items()

    def clear(self) -> None:
        """Remove all of them."""
        self._execute(self._table.clear, (self._budget,))


class _Held(_RowMapping[tuple[str, int]]):
    def _value(self, row: tuple[Any, ...]) -> tuple[str, int]:
        return row[0], row[1]

    def _row(self, value: tuple[str, int]) -> tuple[Any, ...]:
        return value


class _Expired(_RowMapping[bool]):
    def _value(self, row: tuple[Any, ...]) -> bool:
        return bool(row[0])

    def _row(self, value: bool) -> tuple[Any, ...]:
        return (int(value),)


def rows_of(db: sqlite3.Connection, budget: str) -> Rows:
    """Those of ``budget``."""
    return Rows(_Held(db, _HELD, budget), _Expired(db, _EXPIRED, budget))
