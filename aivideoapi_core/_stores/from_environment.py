"""The ledger and the budget that the environment names, for every client of a process that was given none.

``AIVIDEOAPI_LEDGER`` is what ``SpendLedger`` takes as text: the path of a SQLite file, or a Redis URL.
``AIVIDEOAPI_BUDGET`` is a number of credits, with a window behind a slash if it has one: ``10``, ``10/day``,
``10/calendar month Europe/Berlin``.
All clients of the process share them.
"""

from __future__ import annotations

import os
import threading
from typing import Final, cast

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._stores.budget import CreditBudget
from aivideoapi_core._stores.budget_arguments import Window
from aivideoapi_core._stores.ledger import SpendLedger

LEDGER_ENV: Final = "AIVIDEOAPI_LEDGER"
BUDGET_ENV: Final = "AIVIDEOAPI_BUDGET"


class _Kept:
    """One for each value, for as long as the process lives: two budgets of 10 credits would be 20."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.ledgers: dict[str, SpendLedger] = {}
        self.budgets: dict[str, CreditBudget] = {}
        renew_in_child(self, _Kept._begin_in_child)

    def _begin_in_child(self) -> None:
        self.lock = threading.Lock()


_kept: Final = _Kept()


def default_ledger() -> SpendLedger | None:
    """The ledger that ``AIVIDEOAPI_LEDGER`` names. Raises ``InvalidInputError`` if there can be none there."""
    target = os.environ.get(LEDGER_ENV)
    if not target:
        return None
    with _kept.lock:
        if target not in _kept.ledgers:
            try:
                _kept.ledgers[target] = SpendLedger(target)
            except InvalidInputError as error:
                raise InvalidInputError(f"{LEDGER_ENV}: {error}") from error
        return _kept.ledgers[target]


def default_budget() -> CreditBudget | None:
    """The budget that ``AIVIDEOAPI_BUDGET`` sets. Raises ``InvalidInputError`` if it cannot be read."""
    text = os.environ.get(BUDGET_ENV)
    if not text:
        return None
    with _kept.lock:
        if text not in _kept.budgets:
            limit, _, window = text.partition("/")
            try:
                _kept.budgets[text] = CreditBudget(
                    limit.strip(), window=cast("Window", window.strip() or None)
                )
            except InvalidInputError as error:
                raise InvalidInputError(
                    f"{BUDGET_ENV}={text!r} is no budget such as 10 or 10/day or 10/calendar month: {error}"
                ) from error
        return _kept.budgets[text]
