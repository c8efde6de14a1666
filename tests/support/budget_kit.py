"""Clocks of machines and worst cases of calls for the tests of budgets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from aivideoapi_core import WorstCase
from aivideoapi_core._stores.budget_clock import Reading
from aivideoapi_core._stores.budget_terms import BudgetStore


@dataclass
class Clock:
    """The clocks of one machine; each can be moved without the others."""

    boot: str = "one"
    awake_s: float = 5_000.0
    since_boot_s: float = 5_000.0
    wall_s: float = 1_750_000_000.0

    def __call__(self) -> Reading:
        return Reading(self.boot, self.awake_s, self.since_boot_s, self.wall_s)

    def pass_s(self, seconds: float) -> None:
        self.awake_s += seconds
        self.since_boot_s += seconds
        self.wall_s += seconds


Stores = Callable[..., BudgetStore]
"""Makes a store of one budget for a machine with such a clock."""


def worst(micro: int) -> WorstCase:
    return WorstCase(input=1, output=1, micro=micro)
