"""Windows of the calendar: where they begin and end, in every zone; and budgets that keep to them in every store."""

from __future__ import annotations

import json
import math
import pickle
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import redis
from budget_kit import Clock, Stores
from hypothesis import example, given
from hypothesis import strategies as st

from aivideoapi_core import (
    BudgetExceededError,
    BudgetStoreError,
    CalendarWindow,
    CreditBudget,
    InvalidInputError,
    WorstCase,
)
from aivideoapi_core._stores import budget_json
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_sqlite import SqliteStore

H = 3_600.0
JUST_BEFORE_2035 = 2051222399.9999998
"""To the nearest microsecond it is the next day, month and year."""


def at(text: str, tz: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(tz)).timestamp()


@pytest.mark.parametrize(
    ("unit", "tz", "moment", "first", "hours"),
    [
        pytest.param("day", "UTC", "2026-02-28 12:00", "2026-02-28", 24, id="a day"),
        pytest.param("day", "UTC", "2026-02-28 00:00", "2026-02-28", 24, id="its first moment"),
        pytest.param("day", "Europe/Berlin", "2026-03-29 12:00", "2026-03-29", 23, id="clocks go forward"),
        pytest.param("day", "Europe/Berlin", "2026-10-25 02:30", "2026-10-25", 25, id="clocks go back"),
        pytest.param("day", "Africa/Cairo", "2026-04-24 12:00", "2026-04-24 01:00", 23, id="no midnight"),
        pytest.param("day", "America/Havana", "2026-11-01 12:00", "2026-11-01", 25, id="midnight comes twice"),
        pytest.param("day", "Pacific/Apia", "2011-12-31 12:00", "2011-12-31", 24, id="after a day that was skipped"),
        pytest.param("week", "UTC", "2026-11-29 23:59", "2026-11-23", 168, id="Sunday belongs to the week before"),
        pytest.param("week", "UTC", "2026-11-30 00:00", "2026-11-30", 168, id="a week begins on Monday"),
        pytest.param("week", "Europe/Berlin", "2026-10-25 12:00", "2026-10-19", 169, id="a week with 169 hours"),
        pytest.param("month", "UTC", "2026-02-28 12:00", "2026-02-01", 28 * 24, id="28 days"),
        pytest.param("month", "UTC", "2028-02-29 12:00", "2028-02-01", 29 * 24, id="29 days"),
        pytest.param("month", "UTC", "2026-12-31 23:59", "2026-12-01", 31 * 24, id="the end of a year"),
        pytest.param("month", "Europe/Berlin", "2026-03-05 12:00", "2026-03-01", 31 * 24 - 1, id="March"),
    ],
)  # fmt: skip
def test_bounds(unit: Any, tz: str, moment: str, first: str, hours: float) -> None:
    start_s, end_s = CalendarWindow(unit, tz=tz).bounds(at(moment, tz))
    assert datetime.fromtimestamp(start_s, ZoneInfo(tz)) == datetime.fromisoformat(first).replace(
        tzinfo=ZoneInfo(tz)
    )
    assert end_s - start_s == hours * H


@given(
    unit=st.sampled_from(["day", "week", "month"]),
    tz=st.sampled_from(
        ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "America/Sao_Paulo", "Asia/Gaza"]
    ),
    moment=st.floats(at("1985-01-01"), at("2035-01-01")),
)
@example(unit="day", tz="UTC", moment=JUST_BEFORE_2035)
@example(unit="week", tz="Europe/Berlin", moment=math.nextafter(at("2026-11-30", "Europe/Berlin"), 0))
@example(unit="month", tz="Asia/Gaza", moment=math.nextafter(at("2026-12-01", "Asia/Gaza"), 0))
def test_windows_leave_no_gap_and_do_not_overlap(unit: Any, tz: str, moment: float) -> None:
    window = CalendarWindow(unit, tz=tz)
    start_s, end_s = window.bounds(moment)
    assert start_s <= moment < end_s
    assert window.bounds(start_s)[1] == end_s
    assert window.bounds(end_s)[0] == end_s
    assert window.bounds(end_s - 0.001)[1] == end_s


def worst(micro: int) -> WorstCase:
    return WorstCase(input=1, output=1, micro=micro)


def clock_at(text: str, tz: str = "UTC") -> Clock:
    return Clock(wall_s=at(text, tz))


BERLIN: dict[str, Any] = {"limit_credits": 100, "window": "calendar day Europe/Berlin", "wait_s": 0}
LIMIT = 100_000_000


def test_a_day_is_full_until_its_last_moment_and_empty_with_the_next(stores: Stores) -> None:
    """On the day that has 25 hours."""
    clock = clock_at("2026-10-25 00:00", "Europe/Berlin")
    budget = CreditBudget(store=stores(clock), **BERLIN)
    budget.settle(budget.hold("m", worst(LIMIT)), LIMIT)
    clock.pass_s(25 * H - 1)
    with pytest.raises(
        BudgetExceededError, match=r"the next day, at 2026-10-26 00:00:00\+0100 \(Europe/Berlin\)"
    ) as no:
        budget.hold("m", worst(1))
    assert no.value.room_at == at("2026-10-26", "Europe/Berlin")
    assert no.value.may_fit_later
    clock.pass_s(1)
    budget.settle(budget.hold("m", worst(LIMIT)), LIMIT)
    assert budget.standing().window_end == datetime(2026, 10, 26, 23, tzinfo=UTC)
    assert CreditBudget(store=stores(clock), **BERLIN).standing().spent_micro == LIMIT


def test_a_call_belongs_to_the_window_it_ends_in_and_no_window_passes_the_limit(stores: Stores) -> None:
    clock = clock_at("2026-11-26 23:59", "Europe/Berlin")
    budget = CreditBudget(store=stores(clock), **BERLIN)
    running = budget.hold("m", worst(60_000_000))
    clock.pass_s(59)
    budget.settle(budget.hold("m", worst(40_000_000)), 40_000_000)
    clock.pass_s(2)
    if budget._store.shared:
        budget._store.renew(budget._terms, owner=budget._purse.owner)
    assert (budget.standing().spent_micro, budget.standing().reserved_micro) == (0, 60_000_000)
    with pytest.raises(BudgetExceededError):
        budget.hold("m", worst(40_000_001))
    budget.settle(running, 60_000_000)
    budget.settle(budget.hold("m", worst(40_000_000)), 40_000_000)
    assert budget.standing().spent_micro == LIMIT


@pytest.mark.parametrize("step_s", [-10 * 86_400.0, -H, H, 10 * 86_400.0])
def test_a_step_of_the_wall_clock_frees_nothing_and_is_followed_when_the_window_is_over(
    stores: Stores, step_s: float
) -> None:
    clock = clock_at("2026-11-26 12:00", "Europe/Berlin")
    budget = CreditBudget(store=stores(clock), **BERLIN)
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    clock.wall_s += step_s
    assert CreditBudget(store=stores(clock), **BERLIN).standing().spent_micro == 30_000_000
    clock.pass_s(12 * H - 1)
    assert budget.standing().spent_micro == 30_000_000
    clock.pass_s(1)
    # A clock that is an hour behind now says that the day has one to go; one that is far behind is not believed.
    assert budget.standing().spent_micro == (30_000_000 if step_s == -H else 0)
    clock.pass_s(H)
    standing = budget.standing()
    assert standing.spent_micro == 0
    if step_s >= -H:
        assert standing.window_end_s == CalendarWindow("day", "Europe/Berlin").bounds(clock.wall_s)[1]


def test_a_restart_and_a_sleep_end_windows(stores: Stores) -> None:
    clock = clock_at("2026-11-26 12:00")
    budget = CreditBudget(store=stores(clock), limit_credits=100, window="calendar week", wait_s=0)
    budget.settle(budget.hold("m", worst(30_000_000)), 30_000_000)
    clock.since_boot_s += 3 * 86_400.0
    clock.wall_s += 3 * 86_400.0
    assert budget.standing().spent_micro == 30_000_000
    after = Clock(boot="two", awake_s=20.0, since_boot_s=20.0, wall_s=at("2026-11-30 00:00"))
    if budget._store.shared:
        assert (
            CreditBudget(store=stores(after), limit_credits=100, window="calendar week")
            .standing()
            .spent_micro
            == 0
        )


def test_in_redis_the_servers_clock_decides_whatever_clients_think(redis_url: str) -> None:
    """Machines whose wall clocks are days apart: one begins the window, all are in it."""
    now = datetime.now(UTC)
    budgets = []
    for days in (0, -40, 40):
        budget = CreditBudget(1, window="calendar month", store=RedisStore(redis_url), wait_s=0)
        far = (now + timedelta(days=days)).timestamp()
        budget._store._page = CalendarWindow("month").bounds(far)
        budgets.append(budget)
    for budget in budgets:
        budget.settle(budget.hold("m", worst(7)), 7)
    ends = {budget.standing().window_end for budget in budgets}
    assert [budget.standing().spent_micro for budget in budgets] == [21, 21, 21]
    assert len(ends) == 1
    for budget in budgets:
        budget.close()


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        ("calendar day", "day", r"window=calendar day UTC, not window=86400 seconds"),
        ("calendar day", "calendar day Europe/Berlin", r"window=calendar day UTC, not window=calendar day Europe/Berlin"),
        ("calendar week", "calendar month", r"window=calendar week UTC, not window=calendar month UTC"),
        (None, "calendar month", r"window=None, not window=calendar month UTC"),
    ],
)  # fmt: skip
def test_another_calendar_is_refused(stores: Stores, one: Any, other: Any, said: str) -> None:
    clock = clock_at("2026-11-26 12:00")
    first = CreditBudget(1, window=one, store=stores(clock))
    first.standing()
    with pytest.raises(InvalidInputError, match=said):
        CreditBudget(1, window=other, store=stores(clock)).standing()


@pytest.mark.parametrize(
    ("window", "said"),
    [
        ("calendar year", "'day', 'week' or 'month', not 'year'"),
        ("calendar", "'calendar day'"),
        ("calendar day Mars/Olympus", "no time zone 'Mars/Olympus': give an IANA name"),
        ("calendar day ../../etc/passwd", "no time zone"),
        ("month", "'calendar month'"),
        (7, "must be None, 'hour'"),
        (timedelta(0), "positive timedelta"),
    ],
)
def test_a_window_that_is_none_is_refused_in_words(window: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        CreditBudget(1, window=window)


def test_a_budget_keeps_its_calendar_over_a_pickle(tmp_path: Path) -> None:
    window = CalendarWindow("month", tz="Asia/Kolkata")
    budget = CreditBudget(1, window=window, store=tmp_path / "b.sqlite")
    budget.standing()
    again = pickle.loads(pickle.dumps(budget))
    assert again._terms.calendar == window
    assert again.standing().window_end == budget.standing().window_end
    for each in (budget, again):
        each.close()


@pytest.mark.parametrize("window", ["day", "calendar day"])
def test_a_state_says_what_has_to_be_understood_of_it(tmp_path: Path, window: str) -> None:
    """A release that does not know it has to refuse, as this one refuses a newer one's, or it would pass the limit."""
    path = tmp_path / "b.sqlite"
    budget = CreditBudget(1, window=window, store=path, wait_s=0)
    budget.raise_until(2, timedelta(days=1))
    budget.settle(budget.hold("m", worst(7)), 7)
    with sqlite3.connect(path) as db:
        (text,) = db.execute("SELECT state FROM budgets").fetchone()
        assert json.loads(text)["version"] == budget_json.VERSION == 4
        newer = {**json.loads(text), "version": budget_json.VERSION + 1}
        db.execute("UPDATE budgets SET state = ?", (json.dumps(newer),))
    db.close()
    with pytest.raises(BudgetStoreError, match=f"has format {budget_json.VERSION + 1}.*upgrade"):
        budget.hold("m", worst(7))
    budget.close()


def test_stores_are_asked_once_more_when_a_window_begins(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = clock_at("2026-11-26 12:00")
    store = RedisStore(redis_url, clock=clock)
    budget = CreditBudget(store=store, **BERLIN)
    asked: list[Any] = []
    script = store.place.script

    def counting(source: Any) -> Any:
        run = script(source)

        def counted(**arguments: Any) -> Any:
            asked.append(None)
            return run(**arguments)

        return counted

    monkeypatch.setattr(store.place, "script", counting)  # all stores of the server share it
    for _ in range(3):
        budget.standing()
    assert len(asked) == 5  # the first one also for the clocks of a machine that it has not met
    clock.pass_s(86_400)
    budget.standing()
    assert len(asked) == 7
    store.close()


SECOND = (  # as the release before windows of the calendar wrote it: 40 spent, 5 reserved
    '{"version":2,"terms":{"limit_micro":100000000,"window_s":86400.0,"soft":false},"time":{"now":1750000000.0,'
    '"awake":1750000000.0,"wall":1750000000.0,"boots":{"one":[1749995000.0,1749995000.0]}},'
    '"pieces":{"1215277":[40,1,40,0,0]},"held":{"r2":["host:1:a",5]},"leases":{"host:1:a":1750000060.0},'
    '"expired":{},"settled":["r1"],"waiting":{}}'
)
SECOND_FACTS = (
    "version 2 limit 100000000 window 86400.0 soft 0 now 1750000000.000000 awake 1750000000.000000 "
    "wall 1750000000.000000 reserved 5 oldest 1215277 turns 0 spent 40 unknown_calls 1 unknown 40 expired_calls 0 expired 0"
)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_what_the_release_before_kept_goes_on(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    clock = Clock()
    store: Any
    if kind == "sqlite":
        with sqlite3.connect(tmp_path / "b.sqlite") as db:
            db.execute("CREATE TABLE budgets (name TEXT PRIMARY KEY, state TEXT NOT NULL) WITHOUT ROWID")
            db.execute("INSERT INTO budgets VALUES ('default', ?)", (SECOND,))
        db.close()
        store = SqliteStore(tmp_path / "b.sqlite", clock=clock)
    else:
        client = redis.Redis.from_url(request.getfixturevalue("redis_url"))
        words = SECOND_FACTS.split()
        prefix = "aivideoapi:budget:{default}:v2:"
        client.hset(prefix + "facts", mapping=dict(zip(words[::2], words[1::2], strict=True)))
        client.hset(prefix + "boots", "one", "1749995000.000000 1749995000.000000")
        client.hset(prefix + "pieces", "1215277", "40 1 40 0 0")
        client.hset(prefix + "held", "r2", "5 host:1:a")
        for part, value in (("owners", "5"), ("calls", "1")):
            client.hset(prefix + part, "host:1:a", value)
        client.zadd(prefix + "leases", {"host:1:a": 1_750_000_060.0})
        client.zadd(prefix + "settled", {"r1": 1_750_000_000.0})
        store = RedisStore(client, clock=clock)
    budget = CreditBudget(100, window="day", store=store, wait_s=0, on_threshold=(0.5,))
    standing = budget.standing()
    assert (standing.spent_micro, standing.unknown_micro, standing.reserved_micro) == (40, 40, 5)
    assert (standing.limit_micro, standing.raised_micro, standing.window_end) == (LIMIT, 0, None)
    budget._store.settle(budget._terms, id="r1", micro=99, unknown=False)  # was settled then
    budget._store.settle(budget._terms, id="r2", micro=3, unknown=False)
    assert budget.raise_until(120, timedelta(hours=1)).limit_micro == 120_000_000
    assert (budget.standing().spent_micro, budget.standing().reserved_micro) == (43, 0)
    clock.pass_s(2 * 86_400)
    assert (budget.standing().spent_micro, budget.standing().limit_micro) == (0, LIMIT)
    budget.close()
