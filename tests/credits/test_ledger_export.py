"""Exports of a ledger, its rate, and what its calls would have cost on the other route."""

from __future__ import annotations

import csv
import io
import json
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aivideoapi_cli._app import app
from aivideoapi_core import (
    CallRecord,
    InvalidInputError,
    Outcome,
    SpendLedger,
    TokenCounts,
    compare_routes,
    prices_of,
    what_if,
)
from aivideoapi_core.sandbox import Sandbox

NATIVE, DIRECT = "claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"


def record(model: str, at: float = 0.0, *, thread: str | None = None, **counts: int) -> CallRecord:
    tokens = TokenCounts(**{"input": 1_000, "output": 100, **counts})
    prices = prices_of(model)
    assert prices is not None
    micro = tokens.input * prices.input + tokens.output * prices.output
    micro += tokens.cache_read * (prices.cache_read or 0) + tokens.cache_write_5m * (
        prices.cache_write_5m or 0
    )
    return CallRecord(model=model, started_at=at, thread=thread, tokens=tokens, credits_micro=micro)


@pytest.fixture
def book(tmp_path: Path) -> SpendLedger:
    ledger = SpendLedger(tmp_path / "ledger.sqlite")
    ledger.append(
        CallRecord(
            model=NATIVE,
            started_at=86_400.0,
            latency_s=2.0,
            tokens=TokenCounts(input=18, output=42),
            credits_reported=Decimal("0.06"),
            credits_micro=68_400,
            tags=("team-a",),
            agent="a",
            customer="acme",
        )
    )
    ledger.append(CallRecord(model="claude-next-9", started_at=2 * 86_400.0, outcome=Outcome.LOST))
    return ledger


def test_csv(book: SpendLedger, tmp_path: Path) -> None:
    assert book.export(tmp_path / "rows.csv") == 2
    known, unknown = csv.DictReader((tmp_path / "rows.csv").open(encoding="utf-8"))
    assert (known["started_at"], known["credits"], known["usd"]) == (
        "1970-01-02T00:00:00+00:00",
        "0.06",
        "0.00030",
    )
    assert (known["agent"], known["customer"], json.loads(known["tags"])) == ("a", "acme", ["team-a"])
    assert (known["input_tokens"], known["thinking_tokens"]) == ("18", "")
    assert (unknown["credits"], unknown["usd"], unknown["input_tokens"]) == ("", "", "")
    book.close()


def test_focus(book: SpendLedger) -> None:
    text = io.StringIO()
    assert book.export(text, format="focus", agent="a") == 1
    (row,) = csv.DictReader(text.getvalue().splitlines())
    assert (row["BilledCost"], row["BillingCurrency"], row["x_Credits"]) == ("0.00030", "USD", "0.06")
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
        "1970-01-02T00:00:00Z",
        "1970-01-02T00:00:02Z",
    )
    assert (row["BillingPeriodStart"], row["BillingPeriodEnd"]) == (
        "1970-01-01T00:00:00Z",
        "1970-02-01T00:00:00Z",
    )
    assert (row["SkuId"], row["SubAccountId"], row["ConsumedQuantity"]) == (NATIVE, "acme", "60")
    book.close()


def test_the_last_moment_of_a_year_is_billed_in_that_year() -> None:
    ledger, focus, plain = SpendLedger(), io.StringIO(), io.StringIO()
    ledger.append(CallRecord(model=NATIVE, started_at=2051222399.9999998))
    ledger.export(focus, format="focus")
    ledger.export(plain, format="csv")
    (row,) = csv.DictReader(focus.getvalue().splitlines())
    assert (row["BillingPeriodEnd"], row["ChargePeriodStart"]) == (
        "2035-01-01T00:00:00Z",
        "2034-12-31T23:59:59Z",
    )
    assert "2034-12-31T23:59:59.999999+00:00" in plain.getvalue()


def test_parquet(book: SpendLedger, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="the extra parquet")
    assert book.export(tmp_path / "rows.parquet") == 2
    known, unknown = parquet.read_table(tmp_path / "rows.parquet").to_pylist()
    assert (known["input_tokens"], known["credits"], unknown["credits"]) == (18, "0.06", None)
    book.close()


def test_what_cannot_be_exported_is_told(
    book: SpendLedger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInputError, match="csv, focus, parquet"):
        book.export(tmp_path / "rows.csv", format="excel")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(InvalidInputError, match=r"\[parquet\]"):
        book.export(tmp_path / "rows.parquet")
    assert list(tmp_path.glob("rows*")) == []
    book.close()


def test_to_the_native_route_it_is_exact() -> None:
    rows = [record(DIRECT, input=200, cache_read=700, cache_write_5m=100), record(NATIVE)]
    other = what_if(rows, "native")
    assert other.least_micro == other.most_micro == 2 * (1_000 * 300 + 100 * 1_500)
    assert other.now_micro == sum(row.credits_micro or 0 for row in rows)


def test_to_the_direct_route_it_is_a_range() -> None:
    prices = prices_of(DIRECT)
    assert prices is not None
    rows = [record(NATIVE, 0.0, thread="t"), record(NATIVE, 100.0, thread="t"), record(NATIVE, 900.0, thread="t"),
            record(NATIVE, 901.0), CallRecord(model="claude-next-9")]  # fmt: skip
    other = what_if(rows, "direct")
    plain = 1_000 * prices.input + 100 * prices.output
    assert (other.calls, other.left_out, other.most_micro) == (4, 1, 4 * plain)
    # One call alone finds the call before it in the cache: the third comes too late, the fourth has no thread.
    # What it finds there the one before has written.
    cache = 1_000 * ((prices.cache_read or 0) + (prices.cache_write_5m or 0))
    assert other.least_micro == 2 * plain + cache + 2 * 100 * prices.output
    with pytest.raises(InvalidInputError):
        what_if(rows, "sideways")


@pytest.mark.parametrize("calls", [2, 3, 7])
def test_the_least_of_the_range_is_what_the_routes_compared_say(calls: int) -> None:
    rows = [record(NATIVE, 10.0 * number, thread="t") for number in range(calls)]
    compared = compare_routes(
        NATIVE, prompt_tokens=1_000, prefix_tokens=1_000, calls=calls, output_tokens=100
    )
    by_name = {row.name: row.micro for row in compared}
    other = what_if(rows, "direct")
    assert (other.least_micro, other.most_micro) == (by_name["direct, 5m cache"], by_name["direct"])


def test_advice_where_money_was_wasted_and_nowhere_else() -> None:
    ledger = SpendLedger()
    ledger.append(record(NATIVE))
    ledger.append(record(DIRECT, input=10, cache_read=9_990, output=10))
    assert ledger.summary.advice is None
    ledger.append(record("claude-opus-4-6/anthropic"))
    text = ledger.summary.advice
    assert text is not None
    assert "claude-opus-4-6/anthropic" in text
    assert "sonnet" not in text


def test_the_rate_and_how_long_the_balance_lasts(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = SpendLedger(tmp_path / "ledger.sqlite")
    assert ledger.rate() is None
    now = time.time()
    ledger.append(CallRecord(model="m", started_at=now - 100, credits_micro=3_000_000))
    assert ledger.rate() == 3  # younger than a day: what there is counts as one
    ledger.append(CallRecord(model="m", started_at=now - 100, credits_micro=4_000_000))
    ledger.close()
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    options = ["credits", "--json", "--ledger", str(tmp_path / "ledger.sqlite")]
    data = json.loads(CliRunner().invoke(app, options).stdout)
    assert (data["credits_per_day"], data["days_left"]) == ("7.000000", f"{data['balance'] / 7:.1f}")
    options = ["spend", "--ledger", str(tmp_path / "ledger.sqlite")]
    assert "7.00 credits a day" in CliRunner().invoke(app, options).stdout


def test_the_command_exports_and_asks_what_if(book: SpendLedger, tmp_path: Path) -> None:
    book.close()
    ask = ["spend", "--ledger", str(tmp_path / "ledger.sqlite")]
    shown = CliRunner().invoke(app, [*ask, "--what-if", "native"]).stdout
    assert shown.splitlines()[0].endswith("on the native route 0.07 (exact)")
    assert "1 calls without tokens or a price are left out" in shown
    CliRunner().invoke(app, [*ask, "--export", str(tmp_path / "rows.focus.csv"), "--customer", "acme"])
    assert len((tmp_path / "rows.focus.csv").read_text(encoding="utf-8").splitlines()) == 2
