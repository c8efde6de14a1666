"""``CreditBudget`` itself: what it takes, copies, windows, a store that is away, the account's balance."""

from __future__ import annotations

import asyncio
import copy
import pickle
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from budget_kit import worst

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    Balance,
    BudgetExceededError,
    BudgetStoreError,
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    Standing,
    WorstCase,
    build_payload,
)
from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core.sandbox import Sandbox


@pytest.mark.parametrize(
    ("limit", "micro"),
    [(1, 1_000_000), ("0.0684", 68_400), (Decimal("0.1"), 100_000), (0.1, 100_000), (0, 0)],
)
def test_limits_are_exact(limit: Any, micro: int) -> None:
    assert CreditBudget(limit).limit_micro == micro


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"limit_credits": -1}, "limit_credits"),
        ({"limit_credits": "much"}, "limit_credits"),
        ({"limit_credits": float("nan")}, "limit_credits"),
        ({"limit_credits": True}, "limit_credits"),
        ({"limit_credits": 1, "window": "week"}, "window"),
        ({"limit_credits": 1, "window": timedelta(0)}, "window"),
        ({"limit_credits": 1, "lease_s": 0}, "lease_s"),
        ({"limit_credits": 1, "when_owner_dies": "shrug"}, "when_owner_dies"),
    ],
)
def test_nonsense_is_refused_by_name(arguments: dict[str, Any], name: str) -> None:
    with pytest.raises(InvalidInputError, match=name):
        CreditBudget(**arguments)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("window", "length_s"), [("hour", 3600), ("day", 86_400), (timedelta(minutes=5), 300)]
)
def test_a_window_slides(window: Any, length_s: int) -> None:
    clock = Clock()
    budget = CreditBudget(1, window=window, store=MemoryStore(clock=clock))
    budget.settle(budget.hold("m", worst(1_000_000)), 1_000_000)
    for _ in range(3):
        clock.now += length_s / 3
        with pytest.raises(BudgetExceededError):
            budget.hold("m", worst(1))
    clock.now += length_s / 60  # the grain of the window
    budget.hold("m", worst(1_000_000))


def test_the_error_says_what_and_how_to_go_on() -> None:
    budget = CreditBudget("0.5", name="team", wait_s=0)
    budget.settle(budget.hold("m", worst(100_000)), 100_000)
    budget.hold("m", worst(200_000))
    with pytest.raises(BudgetExceededError) as caught:
        budget.hold("claude-x", WorstCase(input=1234, output=5678, micro=300_000))
    text = str(caught.value)
    for part in (
        "claude-x",
        "0.300000",
        "1,234",
        "5,678",
        "0.500000",
        "'team'",
        "0.100000",
        "0.200000",
        "max_tokens",
    ):
        assert part in text
    assert caught.value.retryable is False


def test_copies_spend_from_the_same_purse(tmp_path: Path, redis_url: str) -> None:
    memory = CreditBudget(1)
    assert copy.deepcopy(memory) is memory
    assert copy.copy(memory) is memory
    with pytest.raises(TypeError, match=r"store='budget\.sqlite'"):
        pickle.dumps(memory)
    for store in (tmp_path / "b.sqlite", redis_url):
        budget = CreditBudget("1.5", store=store, window="day", name="x", when_owner_dies="count")
        other = pickle.loads(pickle.dumps(budget))
        budget.settle(budget.hold("m", worst(7)), 7)
        assert other.standing() == budget.standing()
        assert other.standing().spent_micro == 7
        budget.close()
        other.close()


def test_budgets_of_one_store_are_told_apart_by_name(tmp_path: Path, redis_url: str) -> None:
    for store in (tmp_path / "b.sqlite", redis_url):
        one, other = (CreditBudget(1, store=store, name=name) for name in ("one", "other"))
        one.settle(one.hold("m", worst(7)), 7)
        assert (one.standing().spent_micro, other.standing().spent_micro) == (7, 0)
        one.close()
        other.close()


class Flaky(MemoryStore):
    """A store that can be away."""

    away = False

    def _check(self) -> None:
        if self.away:
            raise ConnectionError("no route to the store")

    def reserve(self, *args: Any, **kwargs: Any) -> Standing:
        self._check()
        return super().reserve(*args, **kwargs)

    def settle(self, *args: Any, **kwargs: Any) -> Standing:
        self._check()
        return super().settle(*args, **kwargs)


def test_no_call_without_a_store_to_ask(sandbox: Sandbox) -> None:
    store = Flaky()
    store.away = True
    messages: Any = [{"role": "user", "content": "Hi"}]
    payload = build_payload("claude-sonnet-4-6", messages, stream=False, max_tokens=10)
    with (
        MessagesClient(
            api_key=sandbox.api_key, base_url=sandbox.url, budget=CreditBudget(10, store=store)
        ) as client,
        pytest.raises(BudgetStoreError, match="the call was not made"),
    ):
        client.create(payload)
    assert sandbox.requests == []
    assert issubclass(BudgetStoreError, AIVideoAPIError)


def test_a_booking_that_fails_is_made_up_for() -> None:
    store = Flaky()
    budget = CreditBudget(10, store=store)
    reservation = budget.hold("m", worst(100))
    store.away = True
    budget.settle(reservation, 60)  # an answer that was paid for is not lost for it
    store.away = False
    assert budget.standing().spent_micro == 60
    assert budget.standing().reserved_micro == 0


def test_an_unreachable_redis_is_a_clear_error() -> None:
    budget = CreditBudget(10, store="redis://127.0.0.1:9/0")
    with pytest.raises(BudgetStoreError, match="cannot be reached"):
        budget.hold("m", worst(1))


def test_an_asynchronous_redis_client_is_refused_by_name(redis_url: str) -> None:
    import redis.asyncio

    with pytest.raises(InvalidInputError, match=r"store must be a URL or a synchronous redis\.Redis"):
        CreditBudget(10, store=redis.asyncio.Redis.from_url(redis_url))


def test_a_redis_client_of_the_caller_works(redis_url: str) -> None:
    import redis

    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        budget = CreditBudget(10, store=client)
        budget.settle(budget.hold("m", worst(5)), 3)
        assert budget.standing().spent_micro == 3
        with pytest.raises(TypeError, match="give it the URL"):
            pickle.dumps(budget)


class Slow(MemoryStore):
    """A store that answers when it is let go, on whatever thread asks."""

    blocking = True

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.go_on, self.settled = threading.Event(), threading.Event(), threading.Event()

    def reserve(self, *args: Any, **kwargs: Any) -> Standing:
        self.asked.set()
        self.go_on.wait(timeout=30)
        return super().reserve(*args, **kwargs)

    def settle(self, *args: Any, **kwargs: Any) -> Standing:
        standing = super().settle(*args, **kwargs)
        self.settled.set()
        return standing


async def test_a_slow_store_does_not_hold_up_the_event_loop_and_cancelling_leaves_nothing() -> None:
    store = Slow()
    budget = CreditBudget(10, store=store)
    task = asyncio.create_task(budget.ahold("m", worst(5)))
    await asyncio.to_thread(store.asked.wait, 30)  # we run, while the store thinks
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    store.go_on.set()
    await asyncio.to_thread(store.settled.wait, 30)
    assert store.standing(budget._terms).reserved_micro == 0


def test_the_lease_is_renewed_while_calls_run(tmp_path: Path) -> None:
    from aivideoapi_core._stores.budget_sqlite import SqliteStore

    class Counting(SqliteStore):
        renewed = 0
        enough = threading.Event()

        def renew(self, *args: Any, **kwargs: Any) -> Standing:
            self.renewed += 1
            if self.renewed == 3:
                self.enough.set()
            return super().renew(*args, **kwargs)

    store = Counting(tmp_path / "b.sqlite")
    budget = CreditBudget(10, store=store, lease_s=0.3)
    reservation = budget.hold("m", worst(5))
    assert store.enough.wait(timeout=30)
    budget.settle(reservation, 5)
    keeper = budget._keeper
    if keeper is not None:
        keeper.join(timeout=30)
        assert not keeper.is_alive()  # nothing runs, so nothing is renewed
    budget.close()


def test_from_balance(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    monkeypatch.setenv("AIVIDEOAPI_BASE_URL", sandbox.url)
    tenth = 1_000 * 1_000_000
    assert CreditBudget.from_balance(share=0.1).limit_micro == tenth
    assert (
        CreditBudget.from_balance(Balance(10_000, 10_000, 0), share="0.1", window="day").limit_micro == tenth
    )
    with MessagesClient() as client:
        assert CreditBudget.from_balance(client, share=Decimal("0.1")).limit_micro == tenth

    async def both() -> list[int]:
        async with AsyncMessagesClient() as client:
            budgets = [
                await CreditBudget.afrom_balance(client, share=0.1),
                await CreditBudget.afrom_balance(share=0.1),
            ]
        return [budget.limit_micro for budget in budgets]

    assert asyncio.run(both()) == [tenth, tenth]
    with pytest.raises(InvalidInputError, match="share"):
        CreditBudget.from_balance(share=1.5)


def test_a_standing_reads_as_a_sentence() -> None:
    plain = Standing(limit_micro=10_000_000, spent_micro=46_500)
    assert str(plain) == "0.0465 of 10 credits spent, 0 reserved"
    troubled = Standing(
        limit_micro=1_500_000, spent_micro=900_000, reserved_micro=500_000,
        unknown_calls=2, unknown_micro=300_000, expired_calls=1, expired_micro=100_000,
    )  # fmt: skip
    assert str(troubled) == (
        "0.9 of 1.5 credits spent, 0.5 reserved; 0.3 of that is a bound, for calls of unknown cost (2); "
        "0.1 had been reserved for calls whose process died (1)"
    )
    boundless = Standing(limit_micro=1_000_000, unknown_calls=3)
    assert str(boundless) == (
        "0 of 1 credits spent, 0 reserved; the cost of some calls is unknown, has no bound and is missing from that (3)"
    )
