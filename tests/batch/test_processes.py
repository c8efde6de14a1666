"""A job whose process is killed at drawn points and started again, under one budget in a file."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ready_process import ReadyProcess

from aivideoapi_batch import Journal, JournalStore, RedisJournal, SQLiteJournal
from aivideoapi_core import CreditBudget, SpendLedger
from aivideoapi_core.sandbox import Fault, Sandbox

ROWS, CONCURRENCY = 180, 8


def start(sandbox: Sandbox, order: dict[str, Any]) -> ReadyProcess:
    return ReadyProcess(
        Path(__file__).with_name("worker.py"),
        json.dumps(order),
        env={"AIVIDEOAPI_API_KEY": sandbox.api_key, "AIVIDEOAPI_BASE_URL": sandbox.url},
    )


@pytest.fixture(params=["folder", "sqlite", "redis"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where the journal is."""
    if request.param == "redis":
        return str(request.getfixturevalue("redis_url"))
    return str(tmp_path / {"folder": "out", "sqlite": "all.sqlite"}[request.param])


def journal_at(place: str) -> JournalStore:
    if place.startswith("redis"):
        return RedisJournal(place, name="rows")
    return SQLiteJournal(place, name="rows") if place.endswith(".sqlite") else Journal(place)


def test_killed_and_resumed(sandbox: Sandbox, tmp_path: Path, place: str) -> None:
    """Each id one result; paid twice at most what was in flight; no book above the one that bounds it."""
    draw = random.Random(place.partition(":")[0] or Path(place).name)
    order = {"folder": str(tmp_path), "rows": ROWS, "concurrency": CONCURRENCY, "lease_s": 1, "limit": 100}
    order |= {"journal": place, "journal_lease_s": 0.2}
    is_one_place = not place.endswith("out")
    if is_one_place:
        order["books"] = place
    kills = sorted(draw.sample(range(10, ROWS - 60), 3))
    for kill_at in kills:
        process = start(sandbox, order)
        while len(sandbox.requests) < kill_at:
            assert process.returncode is None
            time.sleep(0.0005)
        process.kill()
        process.communicate()
    journal = journal_at(place)
    for _ in range(
        50
    ):  # what the dead had in flight is theirs until their lease is over, and left to another run
        process = start(sandbox, order)
        assert process.communicate()
        assert process.returncode == 0
        if journal.totals().rows == {"ok": ROWS}:
            break
    results, totals = list(journal.results()), journal.totals()
    assert sorted(int(result.id or "") for result in results) == list(range(ROWS))
    assert totals.rows == {"ok": ROWS}
    asked = Counter(json.dumps(entry.body["messages"]) for entry in sandbox.requests)
    assert sum(count - 1 for count in asked.values()) <= totals.repeated_calls <= len(kills) * CONCURRENCY
    assert {result.paid_before for result in results if asked_of(asked, result.answer) > 1} <= {True}
    books = (place, place) if is_one_place else (tmp_path / "budget.sqlite", tmp_path / "ledger.sqlite")
    standing = CreditBudget(100, store=books[0], when_owner_dies="count", lease_s=1).standing()
    ledger = SpendLedger(books[1]).summary.credits_micro
    assert ledger is not None
    if is_one_place:
        assert totals.credits_micro == ledger, "they are one write"
    assert totals.credits_micro <= ledger <= sandbox.charged_micro
    assert sandbox.charged_micro <= standing.spent_micro + standing.reserved_micro <= standing.limit_micro


def test_two_processes_with_the_same_rows_share_them(sandbox: Sandbox, tmp_path: Path, place: str) -> None:
    """No row is called by both, whichever gets there first; what one left is done by the other."""
    order = {"folder": str(tmp_path), "rows": ROWS, "concurrency": CONCURRENCY, "lease_s": 60, "limit": 100}
    both = [start(sandbox, order | {"journal": place}) for _ in range(2)]
    for process in both:
        process.communicate()
        assert process.returncode == 0
    asked = Counter(json.dumps(entry.body["messages"]) for entry in sandbox.requests)
    assert (len(asked), set(asked.values())) == (ROWS, {1})
    totals = journal_at(place).totals()
    assert (totals.rows, totals.unfinished_calls) == ({"ok": ROWS}, 0)
    if place.endswith("out"):
        assert len(list((tmp_path / "out").glob("journal-*.jsonl"))) == 2, "both had their part"


def test_a_storm_over_two_processes_with_one_pace(sandbox: Sandbox, tmp_path: Path, redis_url: str) -> None:
    """90 of 429 in 120 rows: no row is lost, and no request made but those that were needed."""
    sandbox.enqueue(*(Fault.error("rate_limit_exceeded", retry_after="0.001") for _ in range(90)))
    order = {"rows": 120, "concurrency": 16, "lease_s": 60, "limit": 100, "pace": redis_url}
    both = [start(sandbox, order | {"folder": str(tmp_path)}) for _ in range(2)]
    for process in both:
        process.communicate()
        assert process.returncode == 0
    assert Journal(tmp_path / "out").totals().rows == {"ok": 120}
    assert len(sandbox.requests) == 210


def asked_of(asked: Counter[str], answer: str) -> int:
    return sum(count for text, count in asked.items() if f'{answer}"' in text)
