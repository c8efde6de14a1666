"""Sums over calls: both figures kept apart, and nothing unknown shown as 0."""

from __future__ import annotations

import copy
import json
import threading
from dataclasses import replace
from decimal import Decimal

import pytest

from aivideoapi_core import CallRecord, CreditsSummary, Outcome, SpendTracker, TokenCounts

NATIVE = CallRecord(
    model="claude-sonnet-4-6",
    tokens=TokenCounts(input=18, output=42),
    credits_micro=68_400,
    credits_reported=Decimal("0.06"),
    tags=("a", "b"),
)
DIRECT = CallRecord(
    model="claude-haiku-4-5/anthropic",
    tokens=TokenCounts(input=10, output=5, cache_read=7, cache_write_5m=3, cache_write_1h=2, thinking=1),
    credits_micro=12_000,
    tags=("a",),
)
UNPRICED = CallRecord(model="claude-next-9", tokens=TokenCounts(input=1, output=1))
LOST = CallRecord(model="claude-sonnet-4-6", outcome=Outcome.LOST, error="abandoned")
FAILED = CallRecord(model="claude-sonnet-4-6", outcome=Outcome.FAILED)
CACHED = CallRecord(
    model="claude-sonnet-4-6", outcome=Outcome.CACHED, tokens=TokenCounts(input=18, output=42)
)


def test_nothing_costs_nothing() -> None:
    summary = CreditsSummary()
    assert (summary.calls, summary.credits_micro, summary.usd) == (0, 0, Decimal(0))
    assert summary.credits_reported == 0


def test_everything_together() -> None:
    summary = CreditsSummary.of([NATIVE, DIRECT, UNPRICED, LOST, FAILED, CACHED])
    assert (summary.calls, summary.failed, summary.cache_hits, summary.unknown) == (4, 1, 1, 2)
    assert summary.credits_micro == 80_400
    assert (summary.computed_calls, summary.reported_calls, summary.counted_calls) == (2, 1, 3)
    assert summary.credits_reported == Decimal("0.06")
    assert summary.credits == Decimal("0.072")  # what was reported, and what was computed where nothing was
    assert summary.usd == Decimal("0.00036")
    assert summary.usd_computed == Decimal("0.000402")
    assert summary.tokens == TokenCounts(
        input=29, output=48, cache_read=7, cache_write_5m=3, cache_write_1h=2, thinking=1
    )
    assert summary.by_tag["a"].calls == 2
    assert summary.by_tag["b"].credits_micro == 68_400
    assert sum(totals.calls for totals in summary.by_model.values()) == summary.calls
    assert summary.by_model["claude-next-9"].credits_micro is None


@pytest.mark.parametrize("record", [UNPRICED, LOST], ids=["no price", "lost"])
def test_unknown_is_never_zero(record: CallRecord) -> None:
    summary = CreditsSummary.of([record])
    assert summary.unknown == 1
    for amount in (
        summary.credits_micro,
        summary.credits_reported,
        summary.credits,
        summary.usd,
        summary.usd_computed,
    ):
        assert amount is None
    last = str(summary).splitlines()[-1].split()
    assert last[-4:] == ["unknown", "unknown", "1", "unknown"]
    data = summary.to_dict()
    assert (data["credits_micro"], data["credits_reported"], data["usd"]) == (None, None, None)


def test_a_route_that_does_not_report_is_not_zero() -> None:
    summary = CreditsSummary.of([DIRECT])
    assert summary.credits_reported is None
    assert summary.unknown == 0
    assert summary.credits == Decimal("0.012")


def test_the_table_says_what_a_sum_leaves_out() -> None:
    table = str(CreditsSummary.of([NATIVE, DIRECT, LOST]))
    assert "0.06 (1 of 3)" in table
    assert "0.080400 (2 of 3)" in table
    lines = table.splitlines()
    assert lines[0].split()[:3] == ["calls", "input", "output"]
    assert [line.split()[0] for line in lines if line and line[0] != "─"][1:] == [
        "claude-haiku-4-5/anthropic",
        "claude-sonnet-4-6",
        "#a",
        "#b",
        "total",
    ]


def test_to_dict_is_json_and_exact() -> None:
    data = CreditsSummary.of([NATIVE, DIRECT]).to_dict()
    assert json.loads(json.dumps(data)) == data
    assert data["credits_micro"] == 80_400
    assert data["credits_reported"] == "0.06"
    assert Decimal(data["usd"]) == Decimal("0.00036")
    assert data["by_model"]["claude-sonnet-4-6"]["tokens"]["input"] == 18


@pytest.mark.parametrize("record", [NATIVE, DIRECT, UNPRICED, LOST, FAILED, CACHED])
def test_records_survive_json(record: CallRecord) -> None:
    row = json.loads(json.dumps(record.to_dict()))
    assert CallRecord.from_dict(row) == record
    assert CallRecord.from_dict({**row, "a newer field": 1}) == record


def test_a_tracker_counts_from_many_threads_and_copies_share_it() -> None:
    tracker = SpendTracker()
    assert copy.deepcopy(tracker) is tracker

    def work() -> None:
        for _ in range(500):
            tracker.add(NATIVE)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tracker.summary.credits_micro == 8 * 500 * 68_400
    tracker.reset()
    assert tracker.summary == CreditsSummary()


def test_a_tracker_of_one_framework_counts_its_calls_alone() -> None:
    tracker = SpendTracker(framework="langchain")
    for framework in ("langchain", "llamaindex", None):
        tracker.add(replace(NATIVE, framework=framework))
    assert tracker.summary.calls == 1
