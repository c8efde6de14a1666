"""Rows of a ledger: each call once, readable by older and newer releases, with whom it was for."""

from __future__ import annotations

import json
import sqlite3
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import redis

from aivideoapi_core import (
    BudgetExceededError,
    CallRecord,
    CreditBudget,
    MessagesClient,
    Outcome,
    SpendLedger,
    TokenCounts,
    build_payload,
    spend_for,
)
from aivideoapi_core._metering.attribution import Attribution, as_id, current_attribution
from aivideoapi_core.sandbox import Reply, Sandbox

FIRST_SCHEMA = """
CREATE TABLE calls (started_at REAL NOT NULL, model TEXT NOT NULL, route TEXT NOT NULL, framework TEXT,
outcome TEXT NOT NULL, stream INTEGER, input_tokens INTEGER, output_tokens INTEGER, cache_read_tokens INTEGER,
cache_write_5m_tokens INTEGER, cache_write_1h_tokens INTEGER, thinking_tokens INTEGER, credits_reported TEXT,
credits_micro INTEGER, at_most_micro INTEGER, request_id TEXT, message_id TEXT, response_model TEXT, stop_reason TEXT,
latency_s REAL, attempts INTEGER NOT NULL, tags TEXT NOT NULL, error TEXT);
CREATE TRIGGER calls_stay BEFORE DELETE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not removed'); END;
CREATE TRIGGER calls_are_final BEFORE UPDATE ON calls
BEGIN SELECT RAISE(ABORT, 'rows of a ledger are not changed'); END;
INSERT INTO calls VALUES (86400.0, 'claude-sonnet-4-6', 'native', 'core', 'ok', 0, 18, 42, 0, 0, 0, NULL, '0.06',
68400, NULL, 'req', 'msg', NULL, 'end_turn', 0.5, 1, '["team-a"]', NULL);
"""
"""What the first release wrote."""
RECORD = CallRecord(
    model="claude-sonnet-4-6",
    started_at=2 * 86_400.0,
    tokens=TokenCounts(input=1, output=2, cache_read=3, cache_write_5m=4, cache_write_1h=5, thinking=1),
    credits_reported=Decimal("1E-7"),
    credits_micro=5,
    stream=True,
    latency_s=0.25,
    tags=("a", "größe"),
    agent="researcher",
    thread="b0c5a8e0-0d5d-4f6f-9d4e-0a6a3c1f9f11",
    user="auth0|5f7c8ec7c33c6c004bbafe82",
    customer="acme",
)


@pytest.fixture(params=["memory", "sqlite", "redis"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    return tmp_path / "ledger.sqlite" if request.param == "sqlite" else None


def test_a_row_comes_out_as_it_went_in(target: Any) -> None:
    ledger = SpendLedger(target)
    ledger.append(RECORD)
    (row,) = ledger.records()
    assert row == RECORD
    assert row.call_id == RECORD.call_id
    ledger.close()


def test_a_call_that_is_written_twice_is_one_row(target: Any) -> None:
    """As after an interruption that comes right behind the commit."""
    ledger = SpendLedger(target)
    other = replace(RECORD, call_id="another")
    for record in (RECORD, RECORD, other, RECORD, other):
        ledger.append(record)
    if ledger._store.blocking:
        ledger.append_at_once(RECORD)
    assert [row.call_id for row in ledger.records()] == [RECORD.call_id, "another"]
    assert ledger.summary.calls == 2
    ledger.close()


def test_rows_without_an_id_are_all_kept(target: Any) -> None:
    ledger = SpendLedger(target)
    for _ in range(3):
        ledger.append(replace(RECORD, call_id=None))
    assert len(list(ledger.records())) == 3
    ledger.close()


def test_no_two_calls_have_one_id() -> None:
    found: list[str | None] = []

    def make() -> None:
        found.extend(CallRecord(model="m").call_id for _ in range(500))

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 2_000


def test_a_file_of_the_first_release_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(FIRST_SCHEMA)
    db.close()
    ledger = SpendLedger(path)
    (old,) = ledger.records()
    assert (old.call_id, old.agent, old.credits_reported, old.tags) == (
        None,
        None,
        Decimal("0.06"),
        ("team-a",),
    )
    ledger.append(RECORD)
    ledger.append(RECORD)
    assert [row.started_at for row in ledger.records()] == [86_400.0, 2 * 86_400.0]
    assert ledger.summary.by_model["claude-sonnet-4-6"].credits == Decimal("0.0600001")
    ledger.close()
    with sqlite3.connect(path) as db, pytest.raises(sqlite3.IntegrityError, match="not changed"):
        db.execute("UPDATE calls SET error = 'x'")
    db.close()


def as_the_first_release_writes(path: Path) -> None:
    """By place, into all the columns that there are."""
    values = (
        "VALUES (5.0, 'claude-opus-4-6', 'native', 'core', 'failed', 1, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
        "NULL, NULL, NULL, NULL, NULL, 0.5, 1, '[]', 'RateLimitError')"
    )
    with sqlite3.connect(path) as db:
        db.executescript(FIRST_SCHEMA.partition("INSERT")[0].replace("CREATE TABLE", "CREATE TABLE IF NOT EXISTS")
                         .replace("CREATE TRIGGER", "CREATE TRIGGER IF NOT EXISTS"))  # fmt: skip
        db.execute(f"INSERT INTO calls {values}")
    db.close()


def test_the_first_release_and_this_one_write_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = SpendLedger(path)
    refused = CallRecord(model="m", outcome=Outcome.REFUSED, budget="team-a", attempts=0)
    ledger.append(RECORD)
    as_the_first_release_writes(path)
    ledger.append(refused)
    ledger.append(RECORD)  # twice, and others' rows in between
    as_the_first_release_writes(path)
    ledger.append_at_once(replace(RECORD, call_id="later"))
    rows = list(ledger.records())
    assert [row.agent for row in rows] == ["researcher", None, None, None, "researcher"]
    assert [row.outcome for row in rows] == ["ok", "failed", "refused", "failed", "ok"]
    assert (rows[0], rows[2]) == (RECORD, refused)
    assert ledger.spent(agent="researcher").calls == 2
    summary = ledger.summary
    assert (summary.calls, summary.failed, summary.refused) == (2, 2, 1)
    assert ledger.sums("budget")["team-a"].refused == 1
    ledger.close()
    with sqlite3.connect(path) as db:
        first = db.execute("SELECT * FROM calls ORDER BY rowid").fetchall()
        for change in ("UPDATE facts SET agent = 'x'", "DELETE FROM facts"):
            with pytest.raises(sqlite3.IntegrityError, match="rows of a ledger are not"):
                db.execute(change)
    db.close()
    assert {len(row) for row in first} == {23}
    assert [row[4] for row in first] == ["ok", "failed", "failed", "failed", "ok"]  # words that it knows


def test_rows_of_a_development_version_keep_their_facts(tmp_path: Path) -> None:
    """For a while ``calls`` itself had more columns."""
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(FIRST_SCHEMA)
        for name in ("agent", "thread", "user", "customer", "budget", "call_id"):
            db.execute(f"ALTER TABLE calls ADD COLUMN {name} TEXT")
        db.execute("INSERT INTO calls SELECT 9.0, model, route, framework, outcome, stream, 1, 1, 0, 0, 0, NULL, NULL, 7, "
                   "NULL, NULL, NULL, NULL, NULL, 1, 1, '[]', NULL, 'planner', NULL, NULL, NULL, NULL, 'c1' FROM calls")  # fmt: skip
    db.close()
    for _ in range(2):
        ledger = SpendLedger(path)
        ledger.append(RECORD)
        assert [(row.agent, row.call_id) for row in ledger.records()] == [
            (None, None),
            ("planner", "c1"),
            ("researcher", RECORD.call_id),
        ]
        ledger.close()


def test_the_first_release_reads_our_rows_in_redis(redis_url: str) -> None:
    ledger = SpendLedger(redis_url)
    refused = CallRecord(model="m", outcome=Outcome.REFUSED, budget="team-a", attempts=0)
    ledger.append(refused)
    with redis.Redis.from_url(redis_url) as client:
        ((_, fields),) = client.xrange("aivideoapi:ledger:{default}")
    assert json.loads(fields[b"row"])["outcome"] == "failed"  # it raises for a word that it does not know
    assert list(ledger.records()) == [refused]
    ledger.close()


def test_many_open_a_file_of_the_first_release_together(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with sqlite3.connect(path) as db:
        db.executescript(FIRST_SCHEMA)
    db.close()
    ledgers = [SpendLedger(path) for _ in range(8)]
    threads = [threading.Thread(target=ledger.append, args=(CallRecord(model="m"),)) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledgers[0].summary.calls == 9
    for ledger in ledgers:
        ledger.close()


def test_a_newer_releases_file_is_read_and_written(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = SpendLedger(path)
    ledger.append(RECORD)
    ledger.close()
    with sqlite3.connect(path) as db:
        db.execute("ALTER TABLE calls ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'")
        db.execute("INSERT INTO calls (started_at, model, route, outcome, attempts, tags, credits_reported)"
                   " VALUES (1, 'claude-next-9', 'sideways', 'refunded', 1, '[]', '3.00')")  # fmt: skip
        db.execute("PRAGMA user_version = 99")
    db.close()
    ledger.append(replace(RECORD, call_id="later"))
    assert [row.outcome for row in ledger.records()] == ["ok", "unknown", "ok"]
    summary = ledger.summary
    assert (summary.calls, summary.unknown) == (3, 1)
    assert summary.by_model["claude-next-9"].credits is None
    assert ledger.sums("outcome").keys() == {"ok", "unknown"}
    ledger.close()
    with sqlite3.connect(path) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (99,)
        assert db.execute("SELECT mood FROM calls").fetchall() == [("calm",)] * 3
    db.close()


def test_a_newer_releases_row_in_redis_is_read(redis_url: str) -> None:
    ledger = SpendLedger(redis_url)
    ledger.append(RECORD)
    row = {
        "model": "m",
        "outcome": "refunded",
        "mood": "calm",
        "tokens": {"input": 1, "output": 2, "dreams": 3},
    }
    with redis.Redis.from_url(redis_url) as client:
        client.xadd("aivideoapi:ledger:{default}", {"row": json.dumps(row), "v": "99", "more": "x"})
        assert [fields[b"v"] for _, fields in client.xrange("aivideoapi:ledger:{default}")] == [b"3", b"99"]
    known, newer = ledger.records()
    assert known == RECORD
    assert (newer.outcome, newer.charged, newer.tokens) == (
        Outcome.UNKNOWN,
        None,
        TokenCounts(input=1, output=2),
    )
    ledger.close()


def test_redis_is_read_in_pages(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivideoapi_core._stores.ledger_redis._PAGE", 7)
    ledger = SpendLedger(redis_url)
    for number in range(30):
        ledger.append(CallRecord(model="m", started_at=float(number), attempts=number))
    assert [row.attempts for row in ledger.records()] == list(range(30))
    ledger.close()


def test_sqlite_is_read_in_pages_while_rows_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aivideoapi_core._stores.ledger_sqlite._PAGE", 7)
    ledger = SpendLedger(tmp_path / "ledger.sqlite")
    for number in range(30):
        ledger.append(CallRecord(model="m", started_at=1e9 + 30 - number, attempts=number))
    rows = ledger.records()
    first = next(rows)
    ledger.append(CallRecord(model="m", attempts=99))  # no reader stands in a writer's way
    assert [first.attempts, *(row.attempts for row in rows)] == list(range(30))
    assert [row.attempts for row in ledger.records(since=1e9 + 10, until=1e9 + 13)] == [18, 19, 20]
    ledger.close()


def test_a_refused_call_is_a_row(sandbox: Sandbox, target: Any) -> None:
    ledger = SpendLedger(target)
    budget = CreditBudget("0.001", name="team-a")
    messages: Any = [{"role": "user", "content": "Do not keep this question"}]
    payload = build_payload("claude-sonnet-4-6", messages, stream=False, max_tokens=100)
    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, ledger=ledger, budget=budget) as client,
        spend_for(user="u1"),
        pytest.raises(BudgetExceededError) as refusal,
    ):
        client.create(payload)
    (row,) = ledger.records()
    assert (row.outcome, row.budget, row.user) == (Outcome.REFUSED, "team-a", "u1")
    assert (row.error, row.at_most_micro) == ("BudgetExceededError", refusal.value.needed_micro)
    assert (row.charged, row.tokens) == (0, None)
    summary = ledger.summary
    assert (summary.calls, summary.failed, summary.refused, summary.credits) == (0, 0, 1, 0)
    assert not sandbox.ledger
    ledger.close()


def test_for_whom_a_call_is(sandbox: Sandbox) -> None:
    ledger = SpendLedger()
    sandbox.enqueue(Reply("one"), Reply("two"))
    messages: Any = [{"role": "user", "content": "Hi"}]
    payload = build_payload("claude-sonnet-4-6", messages, stream=False)
    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, ledger=ledger) as client,
        spend_for(customer="acme", user="someone@example.com", agent="outer"),
    ):
        with spend_for(agent="Research Agent"):
            client.create(payload, attribution=Attribution(agent="told", thread="t-1"))
        client.create(payload)
    inner, outer = ledger.records()
    assert (inner.customer, inner.user, inner.agent, inner.thread) == (
        "acme", "someone@example.com", "Research_Agent", "t-1",
    )  # fmt: skip
    assert (outer.agent, outer.thread) == ("outer", None)
    assert current_attribution() == Attribution()


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("acme", "acme"),
        ("b0c5a8e0-0d5d-4f6f-9d4e-0a6a3c1f9f11", "b0c5a8e0-0d5d-4f6f-9d4e-0a6a3c1f9f11"),
        ("auth0|5f7c8ec7c33c6c004bbafe82", "auth0|5f7c8ec7c33c6c004bbafe82"),
        (4711, "4711"),
        ("what the user said", None),
        ("a\x1b[31m", None),
        ("x" * 129, None),
        ("", None),
        (True, None),
        ({"a": 1}, None),
        (None, None),
    ],
)
def test_ids_by_their_shape(given: object, kept: str | None) -> None:
    assert as_id(given) == kept


def test_what_is_no_id_is_told_and_left_out(caplog: pytest.LogCaptureFixture) -> None:
    with spend_for(user="what the user said", customer="acme"):
        assert current_attribution() == Attribution(customer="acme")
    assert "user is no identifier" in caplog.text
    assert "said" not in caplog.text
