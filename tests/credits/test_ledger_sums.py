"""Sums of a ledger: in SQL, page by page or row by row they are the same to the microcredit."""

from __future__ import annotations

import tempfile
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aivideoapi_core import CallRecord, CreditsSummary, InvalidInputError, Outcome, SpendLedger, TokenCounts
from aivideoapi_core._stores.ledger_query import add_up, moment, span_name

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)

names = st.sampled_from(["a", "b", "größe", 'with "quotes" \\ and more', "c.d"])
counts = st.integers(0, 10**7)
amounts = st.one_of(
    st.none(),
    st.decimals(0, 10**9, places=2),
    st.decimals(0, 10**6, places=6),
    st.decimals(0, 10, places=9),
    st.sampled_from([Decimal("1E-7"), Decimal("6E+2"), Decimal("0.29"), Decimal("0E-8"), Decimal(1234567)]),
)
records = st.builds(
    CallRecord,
    model=names,
    outcome=st.sampled_from(Outcome),
    started_at=st.floats(0, 2e9, allow_nan=False),
    framework=st.one_of(st.none(), names),
    tokens=st.one_of(
        st.none(),
        st.builds(
            TokenCounts,
            input=counts,
            output=counts,
            cache_read=counts,
            cache_write_5m=counts,
            cache_write_1h=counts,
            thinking=st.one_of(st.none(), counts),
        ),
    ),
    credits_reported=amounts,
    credits_micro=st.one_of(st.none(), st.integers(0, 10**12)),
    tags=st.lists(names, max_size=3, unique=True).map(tuple),
    agent=st.one_of(st.none(), names),
    customer=st.one_of(st.none(), names),
    call_id=st.none(),
)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(records, max_size=25),
    st.sampled_from(
        ["model", "outcome", "agent", "tag", "day", "hour", "month", ("day", "tag"), ("agent", "customer")]
    ),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Lord_Howe"]),
    st.fixed_dictionaries({}, optional={"model": names, "agent": names, "tag": names}),
    st.one_of(st.none(), st.floats(1e8, 2e9)),
    st.sampled_from([1, 5]),
)
def test_sql_adds_up_as_python_does(
    rows: list[CallRecord], by: Any, tz: str, where: dict[str, str], since: float | None, alike: int
) -> None:
    rows = rows * alike  # of rows that are alike, groupings share one table of sums
    with tempfile.TemporaryDirectory() as folder:
        ledger = SpendLedger(Path(folder) / "ledger.sqlite")
        for row in rows:
            ledger.append(row)
        expected = CreditsSummary.of(rows)
        assert ledger.summary == expected
        plain = SpendLedger()
        for row in rows:
            plain.append(row)
        assert list(ledger.records(since=since, **where)) == list(plain.records(since=since, **where))
        assert ledger.sums(by, tz=tz, since=since, **where) == plain.sums(by, tz=tz, since=since, **where)
        each = ["route", *([by] if isinstance(by, str) else by)]
        total, tables = ledger.spent_by(each, tz=tz, since=since, **where)
        assert (total, tables) == plain.spent_by(each, tz=tz, since=since, **where)
        assert total == plain.spent(since=since, **where)
        assert tables == {name: plain.sums(name, tz=tz, since=since, **where) for name in each}
        assert ledger.spent(since=since, **where) == plain.spent(since=since, **where)
        with patch("time.time", return_value=2e9):
            assert ledger.rate(days=10_000) == plain.rate(days=10_000)
        ledger.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    target: Any = None
    if request.param == "redis":
        target = request.getfixturevalue("redis_url")
    elif request.param == "sqlite":
        target = tmp_path / "ledger.sqlite"
    ledger = SpendLedger(target)
    yield ledger
    ledger.close()


def test_what_did_an_agent_cost_a_customer_yesterday(book: SpendLedger) -> None:
    now = datetime.now(UTC)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    for number, (at, agent, customer) in enumerate(
        [
            (today - 86_400.0, "x", "y"),
            (today - 0.001, "x", "y"),
            (today, "x", "y"),
            (today - 86_400.001, "x", "y"),
            (today - 5, "x", "z"),
            (today - 5, "w", "y"),
        ]
    ):
        book.append(
            CallRecord(model="m", started_at=at, agent=agent, customer=customer, credits_micro=10**number)
        )
    spent = book.spent(agent="x", customer="y", since="yesterday", until="yesterday")
    assert (spent.calls, spent.credits_micro) == (2, 11)
    by_agent = book.sums("agent", since="yesterday")
    assert {agent: totals.calls for agent, totals in by_agent.items()} == {"w": 1, "x": 4}
    assert list(book.sums(("customer", "agent"))) == [("y", "w"), ("y", "x"), ("z", "x")]


def test_calls_without_a_name_have_a_row(book: SpendLedger) -> None:
    book.append(CallRecord(model="m", credits_micro=1))
    book.append(CallRecord(model="m", agent="a", credits_micro=2))
    assert {key: totals.credits_micro for key, totals in book.sums("agent").items()} == {None: 1, "a": 2}


def test_days_are_those_of_the_zone(book: SpendLedger) -> None:
    at = datetime(2026, 11, 25, 23, 30, tzinfo=UTC).timestamp()
    book.append(CallRecord(model="m", started_at=at))
    assert list(book.sums("day")) == ["2026-11-25"]
    assert list(book.sums("day", tz="Europe/Berlin")) == ["2026-11-26"]
    assert list(book.sums("hour", tz="Asia/Kathmandu")) == ["2026-11-26T05:00+0545"]
    assert book.spent(since="2026-11-26", until="2026-11-26", tz="Europe/Berlin").calls == 1
    assert book.spent(since=date(2026, 11, 26), until=date(2026, 11, 26)).calls == 0


def test_the_last_moment_of_a_day_is_of_that_day(book: SpendLedger) -> None:
    record = CallRecord(model="m", started_at=2051222399.9999998)
    book.append(record)
    assert [record.day] == list(book.sums("day")) == list(book.sums("day", tz="GMT")) == ["2034-12-31"]


def test_in_autumn_an_hour_comes_twice() -> None:
    zone = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    assert [span_name("hour", at, zone) for at in (first, first + 3600)] == [
        "2026-10-25T02:00+0200", "2026-10-25T02:00+0100",
    ]  # fmt: skip
    groups = add_up([CallRecord(model="m", started_at=first + 900 * n) for n in range(100)], ("day",), zone)
    assert sum(sums.totals().calls for sums in groups.values()) == 100


@pytest.mark.parametrize(
    ("when", "begin", "end"),
    [
        ("today", (2026, 11, 26), (2026, 11, 27)),
        ("Yesterday", (2026, 11, 25), (2026, 11, 26)),
        ("2026-02-03", (2026, 2, 3), (2026, 2, 4)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        (date(2026, 2, 28), (2026, 2, 28), (2026, 3, 1)),
        ("2026-02-03T04:05", (2026, 2, 3, 4, 5), (2026, 2, 3, 4, 5)),
        ("last 1 day", (2026, 11, 26), (2026, 11, 26)),
        ("last 7 days", (2026, 11, 20), (2026, 11, 20)),
        ("24h", (2026, 11, 25, 12), (2026, 11, 25, 12)),
        ("2w ago", (2026, 11, 12, 12), (2026, 11, 12, 12)),
        (datetime(2026, 1, 1), (2026, 1, 1), (2026, 1, 1)),
        (datetime(2026, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), (2026, 1, 1), (2026, 1, 1)),
    ],
)
def test_moments(when: Any, begin: tuple[int, ...], end: tuple[int, ...]) -> None:
    at = [moment(when, UTC, after=after, now=NOON) for after in (False, True)]
    assert at == [datetime(*begin, tzinfo=UTC).timestamp(), datetime(*end, tzinfo=UTC).timestamp()]


@pytest.mark.parametrize(
    "ask",
    [
        lambda ledger: ledger.sums("colour"),
        lambda ledger: ledger.spent(colour="red"),
        lambda ledger: ledger.spent(since="the other day"),
        lambda ledger: ledger.spent(since="2026-13-01"),
        lambda ledger: ledger.records(tz="Mars/Olympus"),
        lambda ledger: ledger.records(until=True),
    ],
)
def test_what_there_is_not_is_told(ask: Any) -> None:
    with pytest.raises(InvalidInputError):
        ask(SpendLedger())
