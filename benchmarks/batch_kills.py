"""``python -m benchmarks.batch_kills``: a batch job whose processes are killed at drawn points, under one budget that fits half.

    python -m benchmarks.batch_kills --journal folder             # or sqlite
    python -m benchmarks.batch_kills --journal redis://127.0.0.1:6379/0   # an empty one

Two processes with the same rows; at each drawn number of requests one of them, or both ("a node"), gets ``SIGKILL`` and is
started again. When the budget has no room the limit is raised, and it goes on. Exit code 1 unless every row ended once,
results <= ledger <= budget <= limit, and what was asked twice is at most what the report says, and that at most the calls in
flight of the dead. The sandbox is no evidence of how the platform behaves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from aivideoapi_batch import BatchJob, Journal, JournalStore, Pace, RedisJournal, SQLiteJournal, prompt_call
from aivideoapi_core import CreditBudget, SpendLedger
from aivideoapi_core.sandbox import Sandbox

_LEASE_S: Final = 1.0
_NAME: Final = "kills"
_PROCESSES: Final = 2


def worker(order: dict[str, Any]) -> None:
    """One process: works on all rows until it is done, has no room, or is killed."""
    from langchain_aivideoapi import ChatAIVideoAPI

    books = order["books"]
    budget = _budget(order)
    model = ChatAIVideoAPI(
        model="claude-haiku-4-5/anthropic", max_tokens=50, budget=budget, ledger=SpendLedger(books)
    )
    job = BatchJob(
        prompt_call(model, "Say {text}"),
        name=_NAME,
        journal=_journal(order["journal"]),
        concurrency=order["concurrency"],
        pace=Pace.shared(books, name=_NAME) if books.startswith("redis") else None,
    )
    rows = [{"id": number, "text": f"Row {number}"} for number in range(order["rows"])]
    print(len(job.run(rows, replay=False)))


def _budget(order: dict[str, Any]) -> CreditBudget:
    return CreditBudget(order["limit"], store=order["books"], lease_s=_LEASE_S, when_owner_dies="count")


def _journal(place: str) -> JournalStore:
    if place.startswith("redis"):
        return RedisJournal(place, name=_NAME, lease_s=_LEASE_S)
    return SQLiteJournal(place, name=_NAME) if place.endswith(".sqlite") else Journal(place)


@dataclass(slots=True)
class Processes:
    """Those that run; ``dead`` counts those that were killed."""

    order: dict[str, Any]
    sandbox: Sandbox
    dead: int = 0
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def fill_up(self) -> None:
        """Start as many as are missing."""
        own = {"AIVIDEOAPI_API_KEY": self.sandbox.api_key, "AIVIDEOAPI_BASE_URL": self.sandbox.url}
        command = [sys.executable, "-m", "benchmarks.batch_kills", "--worker", json.dumps(self.order)]
        while len(self.running) < _PROCESSES:
            started = subprocess.Popen(command, env=os.environ | own, stdout=subprocess.PIPE, text=True)
            self.running.append(started)

    def kill(self, count: int) -> None:
        """Kill ``count`` of them, as the system would."""
        for process in self.running[:count]:
            process.kill()
            process.communicate()
            self.dead += 1
        del self.running[:count]

    @property
    def are_done(self) -> bool:
        """Whether all have ended by themselves."""
        codes = [process.poll() for process in self.running]
        assert not any(codes), codes
        return None not in codes

    def wait(self) -> None:
        """Until all have ended."""
        for process in self.running:
            process.communicate()
            assert process.returncode == 0
        self.running.clear()


def run(options: argparse.Namespace, folder: Path) -> bool:
    """Print the figures; whether all is as it should be."""
    draw = random.Random(options.seed)
    place = options.journal
    if not place.startswith("redis"):
        place = str(folder / {"folder": "journal", "sqlite": "all.sqlite"}[place])
    books = options.books or (str(folder / "books.sqlite") if options.journal == "folder" else place)
    order = {
        "journal": place,
        "books": books,
        "rows": options.rows,
        "concurrency": options.concurrency,
        "limit": options.limit,
    }
    margin = options.rows // 50
    kills = deque(sorted(draw.sample(range(margin, options.rows - margin), options.kills)))
    with Sandbox(balance_credits=10**6, first_token_s=0.005) as sandbox:
        processes = Processes(order, sandbox)
        raised_at, done = None, -1
        while True:
            processes.fill_up()
            while not processes.are_done and not (kills and len(sandbox.requests) >= kills[0]):
                time.sleep(0.01)
            if not processes.are_done:
                kills.popleft()
                processes.kill(draw.choice([1, 1, 1, _PROCESSES]))
                continue
            processes.wait()
            if raised_at is None:
                raised_at = len(sandbox.requests)
                _budget(order).set_limit(options.raised)
                order["limit"] = options.raised
                continue
            before, done = done, sum(_journal(place).totals().rows.values())
            if done in (before, options.rows):
                break
            time.sleep(_LEASE_S)  # what the dead had is nobody's until their lease is over
        return _all_is_well(order, sandbox, dead=processes.dead, raised_at=raised_at)


def _all_is_well(order: dict[str, Any], sandbox: Sandbox, *, dead: int, raised_at: int) -> bool:
    """Compare the books, and print them."""
    journal = _journal(order["journal"])
    ids, totals = Counter(result.id for result in journal.results()), journal.totals()
    asked = Counter(json.dumps(entry.body["messages"]) for entry in sandbox.requests)
    twice = sum(count - 1 for count in asked.values())
    standing = _budget(order).standing()
    ledger = SpendLedger(order["books"]).summary.credits_micro or 0
    kept = standing.spent_micro + standing.reserved_micro
    in_flight = dead * order["concurrency"]
    print(
        f"rows {len(ids):,}, {dict(totals.rows)}; requests {len(sandbox.requests):,}, limit raised at {raised_at:,}"
    )
    print(
        f"asked twice {twice}, at most {totals.repeated_calls} says the report; in flight of {dead} dead {in_flight}"
    )
    credits = [totals.credits_micro, ledger, sandbox.charged_micro, kept, standing.limit_micro]
    names = ("results", "ledger", "charged", "budget", "limit")
    print(", ".join(f"{name} {micro / 1e6:.2f}" for name, micro in zip(names, credits, strict=True)))
    rules = {
        "every row once": totals.rows == {"ok": order["rows"]} and set(ids.values()) == {1},
        "paid twice": twice <= totals.repeated_calls <= in_flight,
        "results <= ledger <= charged <= budget <= limit": credits == sorted(credits),
        "half": raised_at < order["rows"],
    }
    for rule, holds in rules.items():
        if not holds:
            print("NOT:", rule)
    return all(rules.values())


def main() -> None:
    """Run it once."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batch_kills", description=__doc__)
    parser.add_argument("--journal", default="folder", help="folder, sqlite, or the URL of an empty Redis")
    parser.add_argument("--books", help="where budget, ledger and pace are, if not with the journal")
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--kills", type=int, default=8)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--limit", type=float, default=15.5, help="credits; half of what 5,000 rows cost")
    parser.add_argument("--raised", type=float, default=60, help="credits, later")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        worker(json.loads(options.worker))
        return
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if run(options, Path(folder)) else 1)


if __name__ == "__main__":
    main()
