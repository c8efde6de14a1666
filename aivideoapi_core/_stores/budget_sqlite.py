"""Budget state in a SQLite file, for the processes of one machine."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._stores.budget_clock import Clock, Reading, machine_clock, read
from aivideoapi_core._stores.budget_json import Rows, from_text, to_text
from aivideoapi_core._stores.budget_rows import ROW_TABLES, TableRows, UnforeseenError, rows_of
from aivideoapi_core._stores.budget_rules import BudgetState
from aivideoapi_core._stores.budget_terms import Standing, Terms, TermsDifferError, Turn
from aivideoapi_core._stores.sqlite_file import WouldWaitError, database_at, in_transaction, mark_format

_READ: Final = "SELECT state FROM budgets WHERE name = ?"
_NAMES: Final = "SELECT name FROM budgets"
_AT_ONCE: Final = 100
"""Reservations of the dead that an event loop lets go of itself: ten microseconds each."""
_ANY: Final = Terms(limit_micro=0)
"""Of somebody who only looks on."""
_BEGIN: Final = "INSERT INTO budgets (state, name) VALUES (?, ?)"
_WRITE: Final = "UPDATE budgets SET state = ? WHERE name = ?"
_WRITE_OVER: Final = "UPDATE budgets SET state = ? WHERE name = ? AND state = ?"
"""Where nobody else has written since: a question less than reading the state first."""
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL)"

_Rule = Callable[[BudgetState, Reading], Standing]


class _Left(NamedTuple):
    """A budget as one object left it in its file."""

    text: str
    state: BudgetState
    more: dict[str, Any]
    """What a newer release says in the row besides."""
    rows: TableRows
    is_alone: bool
    """Whether nobody else had written in between the last two changes; then it will be so again."""


class SqliteStore:
    """State of any number of budgets, by name, in one SQLite file.

    Each change is one write transaction, so that processes take turns. The row of a budget is JSON that people can
    read, with the sums over its reservations, which are rows of their own. Not for network file systems, whose locks cannot be trusted: use Redis there.
    ``at_once`` is the same store for an event loop: it never waits.
    """

    blocking = True
    shared = True

    def __init__(
        self, path: str | os.PathLike[str], *, name: str = "default", clock: Clock = machine_clock
    ) -> None:
        self.path = Path(path)
        self.name = name
        self._clock = clock
        self.place = database_at(path)
        """One object for all budgets and ledgers of the file."""
        self.key = ("sqlite", os.path.abspath(path), name)
        """Equal for all stores of one budget."""
        self.at_once = _AtOnce(self)
        self._left: _Left | None = None
        """Touched inside a write transaction only, and of those a file has one at a time."""

    def reserve(
        self,
        terms: Terms,
        *,
        id: str,
        owner: str,
        micro: int,
        turn: Turn = "at once",
    ) -> Standing:
        """See ``BudgetStore``."""
        return self.change(
            terms, lambda state, at: state.reserve(terms, at, id=id, owner=owner, micro=micro, turn=turn)
        )

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:
        """See ``BudgetStore``."""
        return self.change(terms, _settling(terms, id, micro, unknown))

    def settling(
        self,
        terms: Terms,
        *,
        id: str,
        micro: int,
        unknown: bool,
        done: Callable[[Standing], None],
        failed: Callable[[float], None],
    ) -> Entry:
        """``settle`` as an entry that is written with others of the file."""
        rule = _settling(terms, id, micro, unknown)
        return Entry(self.place, lambda db: self._changed(db, terms, rule), done, failed)

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        return self.change(terms, lambda state, at: state.renew(terms, at, owner=owner))

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        return self.change(terms, lambda state, at: state.standing(terms, at))

    def set_limit(self, terms: Terms, *, limit_micro: int) -> Standing:
        """See ``BudgetStore``."""
        return self.change(terms, lambda state, at: state.set_limit(terms, at, limit_micro=limit_micro))

    def raise_until(
        self, terms: Terms, *, limit_micro: int, for_s: float | None = None, at_s: float | None = None
    ) -> Standing:
        """See ``BudgetStore``."""
        return self.change(
            terms,
            lambda state, at: state.raise_until(terms, at, limit_micro=limit_micro, for_s=for_s, at_s=at_s),
        )

    def look(self) -> tuple[Terms, Standing] | None:
        """See ``BudgetStore``."""
        reading = read(self._clock)
        text = self.place.run(lambda db: _text_of(db, self.name), _prepare)
        return None if text is None else from_text(text, Rows.in_memory(), _ANY, reading)[0].look(reading)

    @classmethod
    def names_in(cls, path: str | os.PathLike[str]) -> list[str]:
        """Names of the budgets in the file, in no order."""
        return [name for (name,) in database_at(path).run(lambda db: db.execute(_NAMES).fetchall(), _prepare)]

    def named(self, name: str) -> SqliteStore:
        """The store of another budget in the same place."""
        return SqliteStore(self.path, name=name, clock=self._clock)

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self.place.close()

    def change(self, terms: Terms, rule: _Rule, *, waits: bool = True) -> Standing:
        """Apply ``rule`` to the state, in one transaction. Raises ``WouldWaitError`` if it must not wait and would."""
        run = self.place.run if waits else self.place.run_at_once
        return run(lambda db: in_transaction(db, self._changed, terms, rule, waits=waits), _prepare)

    def _changed(self, db: sqlite3.Connection, terms: Terms, rule: _Rule, *, waits: bool = True) -> Standing:
        """Apply ``rule`` in a transaction that somebody else begins and ends."""
        # Forgotten until it is written: a rule that fails half way leaves a state that nobody has.
        left, self._left = self._left, None
        reading = read(self._clock)
        if left is not None and left.is_alone:
            standing = self._changed_over(db, left, terms, rule, reading, waits=waits)
            if standing is not None:
                return standing
            left = None
        text = _text_of(db, self.name)
        is_alone = left is not None and left.text == text
        if left is not None and is_alone:
            _, state, more, rows, _ = left
            for each in rows:
                each.go_on(db, wait=False)
        else:
            rows = rows_of(db, self.name)
            state, more = from_text(text, Rows(*rows), terms, reading)
        _check(state, terms, reading, waits=waits)
        standing = rule(state, reading)
        changed = to_text(state, more)
        db.execute(_BEGIN if text is None else _WRITE, (changed, self.name))
        self._left = _Left(changed, state, more, rows, is_alone)
        return standing

    def _changed_over(
        self, db: sqlite3.Connection, left: _Left, terms: Terms, rule: _Rule, reading: Reading, *, waits: bool
    ) -> Standing | None:
        """``_changed`` of what was ``left``, without reading it first; ``None``: somebody else has written, or it
        is more than a few changes, and nothing was done.
        """
        state, rows = left.state, left.rows
        for each in rows:
            each.go_on(db, wait=True)
        try:
            _check(state, terms, reading, waits=waits)
            standing = rule(state, reading)
        except (UnforeseenError, TermsDifferError):  # terms can have been moved by others
            return None
        changed = to_text(state, left.more)
        if not db.execute(_WRITE_OVER, (changed, self.name, left.text)).rowcount:
            return None
        for each in rows:
            each.write()
        self._left = _Left(changed, state, left.more, rows, True)
        return standing

    def __reduce__(self) -> Any:
        return _sqlite_store, (self.path, self.name)


class _AtOnce:
    """The same store for an event loop. Raises ``WouldWaitError`` in place of waiting."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def reserve(
        self,
        terms: Terms,
        *,
        id: str,
        owner: str,
        micro: int,
        turn: Turn = "at once",
    ) -> Standing:
        """See ``BudgetStore``."""
        return self._store.change(
            terms,
            lambda state, at: state.reserve(terms, at, id=id, owner=owner, micro=micro, turn=turn),
            waits=False,
        )

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:
        """See ``BudgetStore``."""
        return self._store.change(terms, _settling(terms, id, micro, unknown), waits=False)


def _settling(terms: Terms, id: str, micro: int, unknown: bool) -> _Rule:
    return lambda state, at: state.settle(terms, at, id=id, micro=micro, unknown=unknown)


def _check(state: BudgetState, terms: Terms, reading: Reading, *, waits: bool) -> None:
    if not waits and state.calls_of_the_dead(terms, reading) > _AT_ONCE:
        raise WouldWaitError


def _text_of(db: sqlite3.Connection, name: str) -> str | None:
    row = db.execute(_READ, (name,)).fetchone()
    return None if row is None else row[0]


def _prepare(db: sqlite3.Connection) -> None:
    db.execute(_SCHEMA)
    db.executescript(ROW_TABLES)
    mark_format(db)


def _sqlite_store(path: Path, name: str) -> SqliteStore:
    return SqliteStore(path, name=name)
