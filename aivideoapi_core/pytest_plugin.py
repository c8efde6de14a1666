"""pytest: "this test costs at most N credits", for models of both frameworks, on the platform or the sandbox.

``@pytest.mark.max_credits(5)`` holds all calls of a test, and of the fixtures that are set up for it, to 5
credits: a call that could cost more is refused before any I/O with ``BudgetExceededError``. The fixture
``credit_limit`` does the same from inside a test: ``budget = credit_limit(5)``. What was spent goes
into the report as the property ``credits``.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from aivideoapi_core import CreditBudget

# The package is imported in the hooks: pytest loads plugins at start-up, in every project that has it.


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known."""
    config.addinivalue_line(
        "markers", "max_credits(credits): all calls of the test together may cost at most so many credits."
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Raises ``UsageError`` for a marker that says no amount, before any test runs."""
    for item in items:
        if item.get_closest_marker("max_credits") is not None:
            _budget_of(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Run a marked test, its fixtures included, inside a block of its budget."""
    if item.get_closest_marker("max_credits") is None:
        return (yield)
    from aivideoapi_core import use_budget

    budget = _budget_of(item)
    with use_budget(budget):
        result = yield
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Put what was spent into the report."""
    for budget in item.stash.get(_BUDGETS, ()):
        spent = Decimal(budget.standing().spent_micro).scaleb(-6).normalize()
        limit = Decimal(budget.limit_micro).scaleb(-6).normalize()
        item.user_properties.append(("credits", f"{spent:f} of {limit:f}"))


@pytest.fixture
def credit_limit(request: pytest.FixtureRequest) -> Iterator[Callable[[float | str | Decimal], CreditBudget]]:
    """A function that holds the calls which follow in this test to so many credits, and returns the budget."""
    from aivideoapi_core import CreditBudget, use_budget

    with ExitStack() as blocks:

        def limit(most: float | str | Decimal) -> CreditBudget:
            budget = CreditBudget(most, name=request.node.name)
            _noted(request.node, budget)
            blocks.enter_context(use_budget(budget))
            return budget

        yield limit


_BUDGETS = pytest.StashKey[list["CreditBudget"]]()


def _noted(item: pytest.Item, budget: CreditBudget) -> None:
    item.stash.setdefault(_BUDGETS, []).append(budget)


def _budget_of(item: pytest.Item) -> CreditBudget:
    """The budget of a marked test, made anew each time the test is run."""
    from aivideoapi_core import CreditBudget, InvalidInputError

    marker = item.get_closest_marker("max_credits")
    amounts = () if marker is None or marker.kwargs else marker.args
    try:
        (amount,) = amounts
        budget = CreditBudget(amount, name=item.name)
    except (ValueError, InvalidInputError) as error:
        raise pytest.UsageError(
            f"{item.nodeid}: max_credits takes one number of credits, as in @pytest.mark.max_credits(5)"
        ) from error
    item.stash[_BUDGETS] = [budget]
    return budget
