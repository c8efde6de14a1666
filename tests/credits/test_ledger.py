"""Ledgers: what goes in comes out, from many processes, and nothing is changed or removed."""

from __future__ import annotations

import copy
import gc
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    CallRecord,
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    SpendLedger,
    build_payload,
)
from aivideoapi_core._stores import ledger_waiting
from aivideoapi_core.sandbox import Reply, Sandbox

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["memory", "sqlite", "redis"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "redis":
        return request.getfixturevalue("redis_url")
    return tmp_path / "ledger.sqlite" if request.param == "sqlite" else None


def spend(sandbox: Sandbox, ledger: SpendLedger) -> None:
    sandbox.enqueue(Reply("Do not keep this answer", usage={"input_tokens": 18, "output_tokens": 42}))
    messages: Any = [{"role": "user", "content": "Do not keep this question"}]
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, ledger=ledger, tags=("team-a",), framework="core"
    ) as client:
        client.create(build_payload("claude-sonnet-4-6", messages, stream=False))


def test_a_row_has_the_facts_and_no_content(sandbox: Sandbox, target: Any) -> None:
    ledger = SpendLedger(target)
    spend(sandbox, ledger)
    (row,) = ledger.records()
    entry = sandbox.ledger[0]
    assert row.model == "claude-sonnet-4-6"
    assert (row.route, row.framework, row.stream, row.tags) == ("native", "core", False, ("team-a",))
    assert row.tokens is not None
    assert (row.tokens.input, row.tokens.output) == (18, 42)
    assert (row.credits_micro, str(row.credits_reported)) == (68_400, "0.06")
    assert (row.request_id, row.message_id) == (entry.request_id, entry.message_id)
    assert row.latency_s is not None
    assert row.latency_s > 0
    text = str(row.to_dict())
    assert "Do not keep" not in text
    assert sandbox.api_key not in text
    assert ledger.summary.credits_micro == sandbox.charged_micro
    ledger.close()


def test_the_file_holds_no_content_and_no_key(sandbox: Sandbox, tmp_path: Path) -> None:
    ledger = SpendLedger(tmp_path / "ledger.sqlite")
    spend(sandbox, ledger)
    ledger.close()
    data = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"Do not keep" not in data
    assert sandbox.api_key.encode() not in data


@pytest.mark.parametrize("statement", ["DELETE FROM calls", "UPDATE calls SET credits_micro = 0"])
def test_rows_stay_as_they_are(sandbox: Sandbox, tmp_path: Path, statement: str) -> None:
    ledger = SpendLedger(tmp_path / "ledger.sqlite")
    spend(sandbox, ledger)
    with (
        sqlite3.connect(tmp_path / "ledger.sqlite") as db,
        pytest.raises(sqlite3.IntegrityError, match="ledger"),
    ):
        db.execute(statement)
    db.close()
    assert ledger.summary.credits_micro == 68_400
    ledger.close()


def test_many_processes_write_one_file(tmp_path: Path) -> None:
    program = (
        "import sys; from aivideoapi_core import CallRecord, SpendLedger\n"
        "ledger = SpendLedger(sys.argv[1])\n"
        "for number in range(50): ledger.append(CallRecord(model=sys.argv[2], attempts=number + 1))\n"
    )
    path = tmp_path / "ledger.sqlite"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(path), f"m{number}"], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
        )
        for number in range(4)
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 4
    rows = list(SpendLedger(path).records())
    for number in range(4):
        assert [row.attempts for row in rows if row.model == f"m{number}"] == list(range(1, 51))


def spent_while_away(sandbox: Sandbox, path: Path) -> SpendLedger:
    """A ledger with a row that waits: a text has taken the place of its file."""
    ledger = SpendLedger(path)
    path.write_text("this came later: no database, but a text that somebody keeps here")
    spend(sandbox, ledger)
    return ledger


def test_a_ledger_that_cannot_be_written_does_not_cost_the_answer(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = spent_while_away(sandbox, path)
    assert "a row waits for its store, 1 in all (DatabaseError" in caplog.text
    path.unlink()
    assert [row.outcome.value for row in ledger.records()] == ["ok"]
    ledger.close()


def test_rows_of_a_ledger_that_nobody_holds_are_written_or_told_at_the_end(
    sandbox: Sandbox, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite"
    ledger = spent_while_away(sandbox, path)
    del ledger
    gc.collect()
    ledger_waiting._write_before_the_end()
    assert "not written, their store is still away: 1 row" in caplog.text
    path.unlink()
    ledger_waiting._write_before_the_end()
    assert [row.outcome.value for row in SpendLedger(path).records()] == ["ok"]


@pytest.mark.parametrize("make", [SpendLedger, lambda path: CreditBudget(1, store=path)])
@pytest.mark.parametrize("url", ["sqlite:///book.sqlite", "postgresql://u:secret@host/db"])
def test_a_url_of_another_kind_is_no_path(make: Callable[[str], Any], url: str) -> None:
    with pytest.raises(InvalidInputError, match="is no store: name the file") as told:
        make(url)
    assert "secret" not in str(told.value)


@pytest.mark.parametrize("make", [SpendLedger, lambda path: CreditBudget(1, store=path)])
def test_a_file_that_can_never_be_opened_is_told_at_once(tmp_path: Path, make: Callable[[Path], Any]) -> None:
    with pytest.raises(InvalidInputError, match="no such folder"):
        make(tmp_path / "no such folder" / "book.sqlite")


def test_copies_write_into_the_same_book(target: Any) -> None:
    ledger = SpendLedger(target)
    assert copy.deepcopy(ledger) is ledger
    if target is None:
        with pytest.raises(TypeError, match="SQLite file or a Redis URL"):
            pickle.dumps(ledger)
        return
    other = pickle.loads(pickle.dumps(ledger))
    other.append(CallRecord(model="m"))
    assert [row.model for row in ledger.records()] == ["m"]
    other.close()
    ledger.close()


def test_a_file_that_is_dropped_without_close_warns_of_nothing(tmp_path: Path) -> None:
    """Python 3.13 warns of connections that are left open."""
    program = (
        "import gc, sys\n"
        "from aivideoapi_core import CallRecord, CreditBudget, SpendLedger\n"
        "ledger, budget = SpendLedger(sys.argv[1]), CreditBudget(1, store=sys.argv[2])\n"
        "ledger.append(CallRecord(model='m')); budget.standing()\n"
        "del ledger, budget; gc.collect()\n"
        "left = SpendLedger(sys.argv[1]); left.append(CallRecord(model='m'))\n"
    )
    paths = [str(tmp_path / "ledger.sqlite"), str(tmp_path / "budget.sqlite")]
    done = subprocess.run(
        [sys.executable, "-W", "error::ResourceWarning", "-c", program, *paths],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stderr == ""
    assert len(list(SpendLedger(paths[0]).records())) == 2
