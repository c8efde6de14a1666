"""Budget state in a SQLite file, for the processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from aivideoapi_core._stores.budget_rules import BudgetState, Clock, Standing, Terms
from aivideoapi_core._stores.sqlite_file import Database

_READ: Final = "SELECT state FROM budgets WHERE name = ?"
_WRITE: Final = (
    "INSERT INTO budgets (name, state) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET state = excluded.state"
)
_SWAP: Final = "UPDATE budgets SET state = ? WHERE name = ? AND state = ?"
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID"
)


class SqliteStore:
    """State of any number of budgets, by name, in one SQLite file.

    Each change is one write transaction, so that processes take turns; the row of a budget is
    JSON that people can read. Not for network file systems, whose locks cannot be trusted: use Redis there.
    ``at_once`` is the same store for an event loop.
    """

    blocking = True
    shared = True

    def __init__(
        self, path: str | os.PathLike[str], *, name: str = "default", clock: Clock = time.time
    ) -> None:
        self.path = Path(path)
        self.name = name
        self._database = Database(path, _SCHEMA)
        self.at_once = _SqliteState(self._database.run_at_once, name, clock)
        self._state = _SqliteState(self._database.run, name, clock)

    def reserve(self, terms: Terms, *, id: str, owner: str, micro: int) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self._state.reserve(terms, id=id, owner=owner, micro=micro)

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self._state.settle(terms, id=id, micro=micro, unknown=unknown)

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        return self._state.change(lambda state, now: state.renew(terms, owner=owner, now=now))

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        return self._state.change(lambda state, now: state.swept(terms, now=now))

    def close(self) -> None:
        """Close the file; a later call opens it again."""
        self._database.close()

    def __reduce__(self) -> Any:
        return _sqlite_store, (self.path, self.name)


class _SqliteState:
    """The state of one budget as seen through one connection, which ``run`` lends."""

    def __init__(
        self, run: Callable[[Callable[[sqlite3.Connection], Standing]], Standing], name: str, clock: Clock
    ) -> None:
        self._run = run
        self._name = name
        self._clock = clock
        self._last: tuple[str, BudgetState] | None = None
        """The row as we wrote it last, and what it says."""

    def reserve(self, terms: Terms, *, id: str, owner: str, micro: int) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self.change(lambda state, now: state.reserve(terms, id=id, owner=owner, micro=micro, now=now))

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self.change(
            lambda state, now: state.settle(terms, id=id, micro=micro, unknown=unknown, now=now)
        )

    def change(self, rule: Callable[[BudgetState, float], Standing]) -> Standing:
        """Apply ``rule`` to the state, in one transaction."""
        return self._run(lambda db: self._transaction(db, rule))

    def _transaction(
        self, db: sqlite3.Connection, rule: Callable[[BudgetState, float], Standing]
    ) -> Standing:
        last, self._last = self._last, None
        if last is not None:
            # One statement in place of four: it does nothing if others wrote since.
            standing, text = self._applied(rule, last[1])
            if db.execute(_SWAP, (text, self._name, last[0])).rowcount:
                self._last = text, last[1]
                return standing
        db.execute("BEGIN IMMEDIATE")
        try:
            row = db.execute(_READ, (self._name,)).fetchone()
            state = BudgetState() if row is None else BudgetState.from_json(row[0])
            standing, text = self._applied(rule, state)
            db.execute(_WRITE, (self._name, text))
            db.execute("COMMIT")
        except BaseException:
            db.execute("ROLLBACK")
            raise
        self._last = text, state
        return standing

    def _applied(
        self, rule: Callable[[BudgetState, float], Standing], state: BudgetState
    ) -> tuple[Standing, str]:
        standing = rule(state, self._clock())
        return standing, state.to_json().decode()


def _sqlite_store(path: Path, name: str) -> SqliteStore:
    return SqliteStore(path, name=name)
