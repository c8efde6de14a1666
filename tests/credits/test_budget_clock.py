"""The time of a budget in Redis: never ahead of the time that passed, whatever is late and whichever clock is set.

Clients send what their clocks show; it can be old when it arrives: a process is stopped, a server hangs, a request is
made again. What was spent must not leave its window early for that, and no lease end.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from aivideoapi_core import CreditBudget, WorstCase
from aivideoapi_core._stores.budget_clock import Reading
from aivideoapi_core._stores.budget_redis import RedisStore
from aivideoapi_core._stores.budget_terms import Terms

TERMS: dict[str, Any] = {"limit_credits": 100, "window": "hour", "wait_s": 0}
CREDITS_60 = WorstCase(input=1, output=1, micro=60_000_000)
PLAIN = Terms(limit_micro=100, window_s=3_600.0, lease_s=60.0)


class Server:
    """The clock of Redis and the time that passes, for as many machines as there are clocks."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.true_s = 0.0
        self.set_by_s = 0.0
        self.stores: list[RedisStore] = []

    def now_s(self) -> float:
        return 1_750_000_000.0 + self.true_s + self.set_by_s

    def machine(
        self, boot: str, *, since_boot_s: float = 5_000.0, set_by_s: float = 0.0
    ) -> Callable[..., Reading]:
        """The clocks of a machine that shows ``since_boot_s`` now, as they were ``ago_s`` ago."""
        began_s = since_boot_s - self.true_s

        def read(ago_s: float = 0.0) -> Reading:
            then_s = self.true_s - ago_s
            return Reading(boot, began_s + then_s, began_s + then_s, 1_750_000_000.0 + then_s + set_by_s)

        return read

    def store(self, clock: Callable[[], Reading]) -> RedisStore:
        self.stores.append(RedisStore(self.url, clock=clock, server_s=self.now_s))
        return self.stores[-1]

    def time_s(self) -> tuple[float, float]:
        """``now`` and ``awake`` of the budget since its beginning."""
        client = self.stores[0].place.client
        now, awake = (float(text) for text in client.hmget(self.stores[0]._keys[0], "now", "awake"))
        return now - 1_750_000_000.0, awake - 1_750_000_000.0


@pytest.mark.parametrize("seed", range(8))
def test_readings_that_arrive_late_make_no_time_pass(redis_url: str, seed: int) -> None:
    """Thirty-two threads made a budget's clock run faster by 40 %, and a process that was stopped for a minute by a minute."""
    rng = random.Random(seed)
    server = Server(redis_url)
    machines = [server.machine(f"m{number}", since_boot_s=rng.uniform(0, 1e6)) for number in range(3)]
    try:
        for _ in range(150):
            server.true_s += rng.choice([0.0, 0.001, 0.01, 1.0])
            late_s = iter([rng.choice([0.0, 0.002, 0.1, 7.0, 90.0])])
            read = rng.choice(machines)
            # Asked again, it reads its clocks again.
            store = server.store(lambda read=read, late_s=late_s: read(next(late_s, 0.0)))  # type: ignore[misc]
            rng.choice([store.standing, lambda terms, store=store: store.renew(terms, owner="o")])(PLAIN)
            now_s, awake_s = server.time_s()
            assert max(now_s, awake_s) <= server.true_s + 0.001
        for read in machines:
            server.store(read).standing(PLAIN)
        # And it does pass, but for what a machine lags behind.
        assert min(server.time_s()) >= server.true_s - 10.0
    finally:
        server.stores[0].close()


@pytest.mark.parametrize("window", ["hour", "calendar day"])
@pytest.mark.parametrize("step_s", [-86_400.0, 3_600.0, 30 * 86_400.0])
def test_a_machine_that_joins_after_the_servers_clock_was_set_ends_no_window(
    redis_url: str, window: str, step_s: float
) -> None:
    server = Server(redis_url)
    try:
        first = CreditBudget(store=server.store(server.machine("one")), **{**TERMS, "window": window})
        first.settle(first.hold("m", CREDITS_60), 60_000_000)
        server.true_s += 600
        server.set_by_s = step_s
        joined = CreditBudget(
            store=server.store(server.machine("two", since_boot_s=7.0)), **{**TERMS, "window": window}
        )
        assert joined.standing().spent_micro == 60_000_000
        server.true_s += 2 * 86_400
        assert joined.standing().spent_micro == 0
    finally:
        server.stores[0].close()


@pytest.mark.parametrize("set_by_s", [-5_000.0, 5_000.0])
def test_a_machine_whose_own_clock_is_wrong_ends_no_window_either(redis_url: str, set_by_s: float) -> None:
    server = Server(redis_url)
    try:
        first = CreditBudget(store=server.store(server.machine("one")), **TERMS)
        first.settle(first.hold("m", CREDITS_60), 60_000_000)
        for number in range(3):
            wrong = server.machine(f"wrong {number}", set_by_s=set_by_s)
            assert CreditBudget(store=server.store(wrong), **TERMS).standing().spent_micro == 60_000_000
        server.true_s += 3_661
        assert first.standing().spent_micro == 0
    finally:
        server.stores[0].close()


def test_machines_that_come_back_from_one_snapshot(redis_url: str) -> None:
    """All have its boot, and clocks that go on from where it was taken: for those that run shortly no time passed."""
    server = Server(redis_url)
    try:
        elder = CreditBudget(store=server.store(server.machine("snapshot")), **TERMS)
        elder.settle(elder.hold("m", CREDITS_60), 60_000_000)
        server.true_s += 600
        assert elder.standing().spent_micro == 60_000_000
        for _ in range(9):
            server.true_s += 300
            again = CreditBudget(
                store=server.store(server.machine("snapshot", since_boot_s=5_001.0)), **TERMS
            )
            assert again.standing().spent_micro == 60_000_000
            assert elder.standing().spent_micro == 60_000_000  # and its clock does not jump for their sake
            assert server.time_s()[0] <= server.true_s + 0.001
        server.true_s += 361
        again = CreditBudget(store=server.store(server.machine("snapshot", since_boot_s=5_001.0)), **TERMS)
        assert again.standing().spent_micro == 0
    finally:
        server.stores[0].close()
