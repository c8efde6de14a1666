"""One budget and one ledger for several processes, some of which are killed in the middle of their calls."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ready_process import ReadyProcess

from aivideoapi_core import CreditBudget, ModelPrices, SpendLedger, build_payload, worst_case
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_sqlite import SqliteStore
from aivideoapi_core.sandbox import Sandbox

HAIKU = ModelPrices(input=295, cache_read=30, cache_write_5m=368, cache_write_1h=589, output=1471)
BODY = build_payload(
    "claude-haiku-4-5/anthropic", [{"role": "user", "content": "Hi"}], stream=True, max_tokens=100
)
WORST = worst_case(BODY, HAIKU).micro or 0
ALLOWED = 37


class Worker(ReadyProcess):
    """It holds streams open until it is told to finish them."""

    def report(self) -> dict[str, int]:
        counts: dict[str, int] = json.loads(self.stdout.readline())
        return counts

    def finish(self) -> None:
        self.communicate("go on\n")
        assert self.returncode == 0


@contextmanager
def workers(count: int, **order: Any) -> Iterator[list[Worker]]:
    with ExitStack() as stack:
        script = Path(__file__).with_name("worker.py")
        yield [stack.enter_context(closing(Worker(script, json.dumps(order)))) for _ in range(count)]


def order_for(
    sandbox: Sandbox, *, store: Any, ledger: Any, calls: int, lease_s: float = 60.0
) -> dict[str, Any]:
    limit = Decimal(WORST * (ALLOWED + 1) - 1).scaleb(-6)
    return {
        "url": sandbox.url,
        "key": sandbox.api_key,
        "limit": str(limit),
        "store": str(store),
        "ledger": str(ledger),
        "calls": calls,
        "lease_s": lease_s,
    }


def test_eight_processes_share_a_sqlite_file(sandbox: Sandbox, tmp_path: Path) -> None:
    store, book = tmp_path / "budget.sqlite", tmp_path / "ledger.sqlite"
    order = order_for(sandbox, store=store, ledger=book, calls=25)
    with workers(8, **order) as processes:
        reports = [worker.report() for worker in processes]
        assert sum(report["open"] for report in reports) == ALLOWED
        assert sum(report["refused"] for report in reports) == 8 * 25 - ALLOWED
        for worker in processes:
            worker.finish()
    standing = CreditBudget(order["limit"], store=store).standing()
    assert len(sandbox.requests) == ALLOWED
    assert standing.spent_micro == sandbox.charged_micro == SpendLedger(book).summary.credits_micro
    assert standing.reserved_micro == 0


@pytest.mark.parametrize("kind", ["redis", "sqlite"])
@pytest.mark.parametrize("policy", ["release", "count"])
def test_two_of_four_processes_are_killed(
    sandbox: Sandbox, kind: str, policy: Any, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The reservations of the dead come back when their lease is over, and the limit holds all the time."""
    store = request.getfixturevalue("redis_url") if kind == "redis" else tmp_path / "budget.sqlite"
    order = order_for(sandbox, store=store, ledger=tmp_path / "ledger.sqlite", calls=12)
    limit_micro = WORST * (ALLOWED + 1) - 1
    now = CreditBudget(order["limit"], store=store, when_owner_dies=policy)
    with workers(4, **order) as processes:
        opened = [worker.report()["open"] for worker in processes]
        assert sum(opened) == ALLOWED
        for worker in processes[:2]:
            worker.kill()
        for worker in processes[2:]:
            worker.finish()
        lost = sum(opened[:2])
        survived = sandbox_cost(sandbox, ALLOWED - lost)
        standing = now.standing()
        assert standing.reserved_micro == lost * WORST  # nobody can know yet that they are dead
        assert standing.spent_micro == survived
        assert sandbox.charged_micro <= limit_micro

    # A minute later their leases are over.
    later = (
        RedisStore(store, clock=lambda: time.time() + 61)
        if kind == "redis"
        else SqliteStore(store, clock=lambda: time.time() + 61)
    )
    budget = CreditBudget(order["limit"], store=later, when_owner_dies=policy)
    standing = budget.standing()
    assert standing.reserved_micro == 0
    assert (standing.expired_calls, standing.expired_micro) == (lost, lost * WORST)
    expected = survived + (lost * WORST if policy == "count" else 0)
    assert standing.spent_micro == expected
    assert standing.available_micro == limit_micro - expected
    with workers(1, **{**order, "calls": 0}) as (worker,):
        assert worker.report() == {"open": 0, "refused": 0}
    if policy == "count":
        # Whatever the calls of the dead were charged, the whole account stays below the limit.
        assert sandbox.charged_micro + standing.available_micro <= limit_micro
    reservation = budget.hold("claude-haiku-4-5/anthropic", worst_case(BODY, HAIKU))
    budget.settle(reservation, 0)
    budget.close()
    now.close()


def sandbox_cost(sandbox: Sandbox, calls: int) -> int:
    """The charge of ``calls`` of the calls, which are all alike."""
    costs = {entry.credits_micro for entry in sandbox.ledger}
    assert len(costs) == 1
    return calls * (costs.pop() or 0)
