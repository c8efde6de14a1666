"""The rows of a budget in a SQLite file, for what can be many: its reservations, and those that lost their owner."""

from __future__ import annotations

import sqlite3
from collections.abc import ItemsView, Iterator, MutableMapping
from typing import Any, Final, Generic, NamedTuple, TypeVar, overload

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


class UnforeseenError(Exception):
    """Changes that wait are to be read together with what is in the table: write them first."""


class _RowMapping(MutableMapping[str, _V], Generic[_V]):
    """The rows of one budget in one table, by id, through a connection whose transaction is open.

    ``known`` are those that this object put there: it lives only as long as nobody else has changed the budget, so
    that they need not be looked up. Changes can ``wait`` to be written.
    """

    __slots__ = ("_budget", "_execute", "_known", "_table", "_waiting")

    def __init__(self, db: sqlite3.Connection, table: _Table, budget: str) -> None:
        self._execute = db.execute
        self._table = table
        self._budget = budget
        self._known: dict[str, _V] = {}
        self._waiting: list[tuple[str, tuple[Any, ...]]] | None = None

    def _value(self, row: tuple[Any, ...]) -> _V:
        raise NotImplementedError

    def _row(self, value: _V) -> tuple[Any, ...]:
        raise NotImplementedError

    def go_on(self, db: sqlite3.Connection, *, wait: bool) -> None:
        """Go on through ``db``; ``wait``: changes are written by ``write``."""
        self._execute = db.execute
        self._waiting = [] if wait else None

    def write(self) -> None:
        """Write the changes that wait."""
        changes, self._waiting = self._waiting, None
        for statement, values in changes or ():
            self._execute(statement, values)

    def _change(self, statement: str, *values: Any) -> None:
        if self._waiting is None:
            self._execute(statement, values)
        else:
            self._waiting.append((statement, values))

    def _read(self, statement: str) -> sqlite3.Cursor:
        if self._waiting is not None:
            raise UnforeseenError
        return self._execute(statement, (self._budget,))

    def __getitem__(self, id: str) -> _V:
        value = self.get(id)
        if value is None:
            raise KeyError(id)
        return value

    def __contains__(self, id: object) -> bool:
        # In place of the mixin's, which raises an error for every id that is not there; so does its ``get``.
        return isinstance(id, str) and self.get(id) is not None

    @overload
    def get(self, id: str, default: None = None, /) -> _V | None: ...
    @overload
    def get(self, id: str, default: _V | _D, /) -> _V | _D: ...
    def get(self, id: str, default: Any = None, /) -> Any:
        """What there is of ``id``."""
        value = self._known.get(id)
        if value is not None:
            return value
        if self._waiting:  # it may be one of those that wait to be removed
            raise UnforeseenError
        row = self._execute(self._table.get, (self._budget, id)).fetchone()
        return default if row is None else self._value(row)

    def __setitem__(self, id: str, value: _V) -> None:
        self._change(self._table.put, self._budget, id, *self._row(value))
        self._known[id] = value

    def __delitem__(self, id: str) -> None:
        self._change(self._table.remove, self._budget, id)
        self._known.pop(id, None)

    def __iter__(self) -> Iterator[str]:
        return iter([id for id, *_ in self._read(self._table.items)])

    def __len__(self) -> int:
        count: int = self._read(self._table.how_many).fetchone()[0]
        return count

    def items(self) -> ItemsView[str, _V]:
        """All of them, read at once."""
        return {id: self._value(tuple(row)) for id, *row in self._read(self._table.items)}.items()

    def clear(self) -> None:
        """Remove all of them."""
        self._read(self._table.clear)
        self._known.clear()


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


class TableRows(NamedTuple):
    """As ``Rows``, for those who decide when they are written."""

    held: _Held
    expired: _Expired


def rows_of(db: sqlite3.Connection, budget: str) -> TableRows:
    """Those of ``budget``."""
    return TableRows(_Held(db, _HELD, budget), _Expired(db, _EXPIRED, budget))
