"""What the books of one call take without the call: ``python -m benchmarks.books``.

CPU time of reserving, booking and writing down one answered call with its attribution, in memory and in SQLite, beside
what SQLite itself takes: two transactions by the bare ``sqlite3`` module, with the same tables, statements and
durability. All forms take turns; printed is the least of many rounds, in microseconds a call.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aivideoapi_core import CreditBudget, SpendLedger, build_payload, spend_for
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.meter import CallMeter
from aivideoapi_core._metering.metering import Metering
from aivideoapi_core._stores.ledger_tables import INSERT_CALL, INSERT_FACTS

PAYLOAD = build_payload(
    "claude-sonnet-4-6", [{"role": "user", "content": "Tell me"}], stream=True, max_tokens=1000
)
MESSAGE: Any = {
    "id": "msg_01",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-6",
    "content": [{"type": "text", "text": "word"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 200},
    "credits_consumed": 0.3,
}
Run = Callable[[list[Reply]], None]


def replies(count: int) -> list[Reply]:
    """Answers whose figures are worked out, as frameworks show them in any case."""
    made = [Reply(MESSAGE, "claude-sonnet-4-6", "req_1") for _ in range(count)]
    assert all(reply.credits_reported is not None and reply.credits_computed is not None for reply in made)
    return made


def calls(**books: Any) -> Run:
    """Calls of a thread."""
    metering = Metering(framework="langchain", **books)

    def run(answers: list[Reply]) -> None:
        with spend_for(user="user-17", customer="acme"):
            for reply in answers:
                with CallMeter(metering, PAYLOAD) as meter:
                    meter.answered(reply)

    return run


def async_calls(**books: Any) -> Run:
    """Calls of an event loop, which waits for no file."""
    metering, runner = Metering(framework="langchain", **books), asyncio.Runner()

    async def run(answers: list[Reply]) -> None:
        with spend_for(user="user-17", customer="acme"):
            for reply in answers:
                async with CallMeter(metering, PAYLOAD) as meter:
                    meter.answered(reply)

    return lambda answers: runner.run(run(answers))


def bare_calls(path: Path) -> Run:
    """The statements of a budget and a ledger in one file, which nobody else uses, and nothing else."""
    calls(budget=CreditBudget(10**9, store=path), ledger=SpendLedger(path))(replies(40))
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA wal_autocheckpoint = 2000")
    (state,) = db.execute("SELECT state FROM budgets").fetchone()
    other = state.replace('"version":', '"Version":')  # a row that stays as it is would not be written
    columns = [row[1] for row in db.execute("PRAGMA table_info(calls)")]
    call = db.execute(f"SELECT {', '.join(columns)} FROM calls").fetchone()  # noqa: S608 - the table's own columns
    facts = db.execute("SELECT outcome, agent, thread, user, customer, budget FROM facts").fetchone()
    write = "UPDATE budgets SET state = ? WHERE name = ? AND state = ?"
    hold = "INSERT OR REPLACE INTO reservations (budget, id, owner, micro) VALUES (?, ?, ?, ?)"
    let_go = "DELETE FROM reservations WHERE budget = ? AND id = ?"

    def run(answers: list[Reply]) -> None:
        execute = db.execute
        for _ in answers:
            id, call_id = os.urandom(8).hex(), f"{time.time_ns():016x}{os.urandom(8).hex()}"
            execute("BEGIN IMMEDIATE")
            execute(write, (other, "default", state))
            execute(hold, ("default", id, "host:12345:001122334455", 1_000))
            execute("COMMIT")
            execute("BEGIN IMMEDIATE")
            execute(write, (state, "default", other))
            execute(let_go, ("default", id))
            execute(INSERT_FACTS, (*facts, call_id))
            execute(INSERT_CALL, call)
            execute("COMMIT")

    return run


def forms(folder: Path) -> dict[str, Run]:
    """All that take turns, by name."""

    def books(kind: str) -> dict[str, Any]:
        budget, ledger = folder / f"{kind}-budget", folder / f"{kind}-ledger"
        if kind.startswith("one"):
            ledger = budget
        return {"budget": CreditBudget(10**9, store=budget), "ledger": SpendLedger(ledger)}

    return {
        "no books": calls(),
        "in memory": calls(budget=CreditBudget(10**9), ledger=SpendLedger()),
        "in memory, asynchronous": async_calls(budget=CreditBudget(10**9), ledger=SpendLedger()),
        "one SQLite file": calls(**books("one")),
        "one SQLite file, asynchronous": async_calls(**books("one-async")),
        "two SQLite files": calls(**books("two")),
        "bare sqlite3": bare_calls(folder / "bare"),
    }


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--calls", type=int, default=100, help="of a form in each round")
    parser.add_argument("--only", help="make the calls of this form, and measure nothing: for a profiler")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        runs, answers = forms(Path(folder)), replies(arguments.calls)
        if arguments.only:
            runs[arguments.only](answers)
            return
        least = dict.fromkeys(runs, float("inf"))
        for run in runs.values():
            run(answers)
        for _ in range(arguments.rounds):
            for name, run in runs.items():
                began_s = time.process_time()
                run(answers)
                least[name] = min(least[name], time.process_time() - began_s)
    for name, taken_s in least.items():
        print(f"{name:32} {taken_s / arguments.calls * 1e6:6.0f} µs")


if __name__ == "__main__":
    main()
