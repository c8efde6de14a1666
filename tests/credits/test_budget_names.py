"""Budgets of a store by name: a thousand cost no connection each, and can be listed."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
import redis

from aivideoapi_core import CreditBudget, InvalidInputError, WorstCase, budgets_in


@pytest.fixture(params=["sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    return tmp_path / "b.sqlite" if request.param == "sqlite" else request.getfixturevalue("redis_url")


def test_a_thousand_users_share_connections_and_a_thread(place: Any) -> None:
    if not isinstance(place, Path):
        probe = redis.Redis.from_url(place)
        before = probe.info("clients")["connected_clients"]
    budgets = [CreditBudget(1, store=place, name=f"user:{number}", wait_s=0) for number in range(1_000)]
    held = [budget.hold("m", WorstCase(input=1, output=1, micro=7)) for budget in budgets]
    keepers = [thread for thread in threading.enumerate() if thread.name == "aivideoapi-budget-lease"]
    assert len({budget._keeper for budget in budgets} & set(keepers)) == 1
    for budget, reservation in zip(budgets, held, strict=True):
        budget.settle(reservation, 5)
    if isinstance(place, Path):
        assert len({id(budget._store.place) for budget in budgets}) == 1
    else:
        assert probe.info("clients")["connected_clients"] <= before + 2
        probe.close()
    kept = budgets_in(place)
    assert [budget.name for budget in kept] == sorted(f"user:{number}" for number in range(1_000))
    assert {budget.standing.spent_micro for budget in kept} == {5}
    budgets[0].close()


def test_what_is_listed_and_joined_is_what_was_agreed(place: Any) -> None:
    made = CreditBudget(3, window="calendar week Asia/Tokyo", soft=True, store=place, name="a", wait_s=0)
    made.standing()
    CreditBudget(4, window="day", store=place, name="b").standing()
    CreditBudget(5, store=place, name="c").standing()
    listed = [(kept.name, kept.limit_micro, kept.window, kept.soft) for kept in budgets_in(place)]
    assert listed == [
        ("a", 3_000_000, "calendar week Asia/Tokyo", True),
        ("b", 4_000_000, "day", False),
        ("c", 5_000_000, None, False),
    ]
    joined = CreditBudget.of_store(place, name="a", wait_s=0)
    assert joined.standing() == made.standing()
    with pytest.raises(InvalidInputError, match="no budget 'd'"):
        CreditBudget.of_store(place, name="d")
    made.close()


@pytest.mark.parametrize("name", ["", "a{b", "}", "two\nlines", "x" * 201, "\ud800", 7, None])
def test_names_that_no_store_can_keep_are_refused(name: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="1 to 200 printable characters"):
        CreditBudget(1, store=tmp_path / "b.sqlite", name=name)


@pytest.mark.parametrize(
    ("store", "said"), [(None, "path of a SQLite file"), ("no.sqlite", "there is no file")]
)
def test_what_is_no_store_is_refused(store: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        budgets_in(store)
