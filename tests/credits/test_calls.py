"""What each way for a call to end does to record, budget and ledger, in both colours, whole and streamed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    BudgetExceededError,
    CallRecord,
    CreditBudget,
    CreditsSummary,
    MessagesClient,
    ModelPrices,
    Outcome,
    OverloadedError,
    RetryPolicy,
    SpendLedger,
    build_payload,
    spend_tags,
    track_spend,
    worst_case,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

NATIVE = "claude-sonnet-4-6"
DIRECT = "claude-haiku-4-5/anthropic"
NEXT = "claude-next-9/anthropic"
QUICK = RetryPolicy(first_wait_s=0.0)


def payload(
    model: str = NATIVE, *, stream: bool, max_tokens: int | None = 100, **options: Any
) -> dict[str, Any]:
    messages: Any = [{"role": "user", "content": "Why is the sky blue?"}]
    return build_payload(model, messages, stream=stream, max_tokens=max_tokens, **options)


def settings(sandbox: Sandbox, **more: Any) -> dict[str, Any]:
    return {"api_key": sandbox.api_key, "base_url": sandbox.url, "retry": QUICK, **more}


def sync_call(body: dict[str, Any], **options: Any) -> None:
    with MessagesClient(**options) as client:
        if not body["stream"]:
            client.create(body)
            return
        with client.stream(body) as stream:
            for _ in stream:
                pass


def async_call(body: dict[str, Any], **options: Any) -> None:
    async def call() -> None:
        async with AsyncMessagesClient(**options) as client:
            if not body["stream"]:
                await client.create(body)
                return
            async with client.stream(body) as stream:
                async for _ in stream:
                    pass

    asyncio.run(call())


FORMS = [
    pytest.param(call, stream, id=f"{name}-{'stream' if stream else 'whole'}")
    for name, call in (("sync", sync_call), ("async", async_call))
    for stream in (False, True)
]
HELLO = Reply("Hello", usage={"input_tokens": 20, "output_tokens": 40})


@pytest.mark.parametrize(("call", "stream"), FORMS)
@pytest.mark.parametrize(
    ("script", "outcome", "attempts"),
    [
        pytest.param([HELLO], Outcome.OK, 1, id="answered"),
        pytest.param([Fault.error("rate_limit_exceeded", retry_after=0), HELLO], Outcome.OK, 2, id="retried"),
        pytest.param([Fault.error("invalid_api_key")], Outcome.FAILED, 1, id="refused"),
        pytest.param([Fault.error("upstream_error")] * 3, Outcome.FAILED, 3, id="given up"),
        pytest.param([Fault.envelope(402)], Outcome.FAILED, 1, id="envelope"),
        pytest.param(
            [Fault.error_event("overloaded_error", 0, reply=HELLO)] * 3,
            Outcome.FAILED,
            None,
            id="error event first of all",
        ),
        pytest.param([Fault.cut(4, reply=HELLO)], Outcome.LOST, 1, id="cut"),
        pytest.param([Fault.malformed(4, reply=HELLO)], Outcome.LOST, 1, id="malformed"),
    ],
)
def test_every_ending(
    sandbox: Sandbox,
    call: Callable[..., None],
    stream: bool,
    script: list[Any],
    outcome: Outcome,
    attempts: int | None,
) -> None:
    sandbox.enqueue(*script)
    ledger, budget = SpendLedger(), CreditBudget(100)
    heard: list[CallRecord] = []
    body = payload(stream=stream)
    try:
        call(body, **settings(sandbox, ledger=ledger, budget=budget, on_call=heard.append))
    except AIVideoAPIError:
        assert outcome is not Outcome.OK
    (record,) = ledger.records()
    assert heard == [record]
    assert record.outcome is outcome
    assert record.stream is stream
    assert attempts is None or record.attempts == attempts
    standing = budget.standing()
    assert standing.reserved_micro == 0
    if outcome is Outcome.OK:
        assert record.credits_micro == standing.spent_micro == sandbox.charged_micro == 66_000
        assert record.credits_reported == Decimal("0.06")
        assert record.request_id == sandbox.ledger[-1].request_id
        assert record.message_id == sandbox.ledger[-1].message_id
    elif outcome is Outcome.FAILED:
        assert standing.spent_micro == sandbox.charged_micro == 0
        assert not record.is_unknown
    else:
        assert record.is_unknown
        assert record.at_most_micro == standing.spent_micro == standing.unknown_micro
        assert (
            sandbox.charged_micro
            <= standing.spent_micro
            <= (worst_case(body, ModelPrices(input=300, output=1500)).micro or 0)
        )
        assert standing.unknown_calls == 1


@pytest.mark.parametrize("after_events", [1, 3])
def test_an_error_event_after_the_start_is_booked_at_the_bound(sandbox: Sandbox, after_events: int) -> None:
    sandbox.enqueue(Fault.error_event("overloaded_error", after_events, reply=HELLO))
    budget, ledger = CreditBudget(100), SpendLedger()
    body = payload(stream=True)
    with pytest.raises(OverloadedError):
        sync_call(body, **settings(sandbox, budget=budget, ledger=ledger))
    (record,) = ledger.records()
    assert (record.outcome, record.attempts, len(sandbox.requests)) == (Outcome.LOST, 1, 1)
    assert budget.standing().spent_micro == budget.standing().unknown_micro == record.at_most_micro
    assert record.at_most_micro


@pytest.mark.parametrize(("call", "stream"), FORMS)
def test_a_refused_call_does_no_io(sandbox: Sandbox, call: Callable[..., None], stream: bool) -> None:
    ledger = SpendLedger()
    with pytest.raises(BudgetExceededError, match="max_tokens") as caught:
        call(payload(stream=stream), **settings(sandbox, budget=CreditBudget("0.1"), ledger=ledger))
    assert not caught.value.retryable
    assert not isinstance(caught.value, ValueError)  # which LlamaIndex' response synthesizers swallow
    assert sandbox.requests == []
    (row,) = ledger.records()
    assert (row.outcome, row.budget, row.charged, row.attempts) == ("refused", "default", 0, 0)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(payload("claude-next-9", stream=False), "no price", id="no price"),
        pytest.param(
            payload("claude-next-9", stream=False, max_tokens=None), "max_tokens", id="no output limit"
        ),
        pytest.param(
            payload(DIRECT, stream=False, tools=[{"type": "web_search_20260318", "name": "web_search"}]),
            "server",
            id="server tool",
        ),
    ],
)
def test_what_nothing_bounds_is_refused(sandbox: Sandbox, body: dict[str, Any], reason: str) -> None:
    with pytest.raises(BudgetExceededError, match=reason):
        sync_call(body, **settings(sandbox, budget=CreditBudget(1_000_000)))
    assert sandbox.requests == []


def test_own_prices_take_the_place_of_published_ones() -> None:
    prices = {"claude-next-9": ModelPrices(input=10, output=20)}
    with Sandbox(extra_models={"claude-next-9": None}) as sandbox:
        sandbox.enqueue(HELLO)
        ledger, budget = SpendLedger(), CreditBudget(1)
        sync_call(
            payload("claude-next-9", stream=False),
            **settings(sandbox, budget=budget, ledger=ledger, prices=prices),
        )
        assert ledger.summary.credits_micro == budget.standing().spent_micro == 20 * 10 + 40 * 20


def test_a_model_without_price_is_unknown_not_free() -> None:
    with Sandbox(extra_models={"claude-next-9/anthropic": None}) as sandbox:
        ledger = SpendLedger()
        sync_call(payload("claude-next-9/anthropic", stream=False), **settings(sandbox, ledger=ledger))
        summary = ledger.summary
        assert summary.calls == summary.unknown == 1
        assert summary.credits_micro is None
        assert summary.credits_reported is None
        assert summary.credits is None
        assert summary.usd is None
        assert " unknown" in str(summary)
        assert summary.to_dict()["credits_micro"] is None


def test_soft_stops_the_call_after_the_limit(sandbox: Sandbox) -> None:
    budget = CreditBudget("0.05", soft=True)
    options = settings(sandbox, budget=budget)
    sandbox.enqueue(HELLO)
    sync_call(payload(stream=True), **options)
    assert budget.standing().spent_micro == 66_000
    with pytest.raises(BudgetExceededError, match="used up"):
        sync_call(payload(stream=True), **options)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite", "redis"])
def test_soft_says_that_a_call_without_a_bound_is_missing_from_the_spent(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    store: Any = None
    if kind != "memory":
        store = tmp_path / "b.sqlite" if kind == "sqlite" else request.getfixturevalue("redis_url")
    budget = CreditBudget(1, soft=True, store=store, name="soft")
    with Sandbox(extra_models={NEXT: None}) as sandbox:
        for stream in (False, True):
            sync_call(payload(NEXT, stream=stream), **settings(sandbox, budget=budget))
    standing = budget.standing()
    budget.close()
    assert (standing.spent_micro, standing.unknown_calls, standing.unknown_micro) == (0, 2, 0)
    assert "is unknown, has no bound and is missing from that (2)" in str(standing)
    assert caplog.text.count(f"nobody knows what a call of {NEXT!r} cost") == 2


@pytest.mark.parametrize("read", [1, 3])
def test_an_abandoned_stream_is_unknown(sandbox: Sandbox, read: int) -> None:
    ledger, budget = SpendLedger(), CreditBudget(100)
    sandbox.enqueue(Reply("word " * 50, usage={"input_tokens": 7, "output_tokens": 60}, pieces=5))
    with (
        MessagesClient(**settings(sandbox, ledger=ledger, budget=budget)) as client,
        client.stream(payload(stream=True)) as stream,
    ):
        for _, _event in zip(range(read), stream, strict=False):
            pass
    (record,) = ledger.records()
    assert record.outcome is Outcome.LOST
    assert record.error == "abandoned"
    assert record.credits_micro is None
    # The stream had stated its input: 7 tokens, and at most max_tokens of output.
    assert record.at_most_micro == budget.standing().spent_micro == 7 * 300 + 100 * 1500


def test_a_stream_collected_after_its_loop_gives_its_reservation_up(sandbox: Sandbox) -> None:
    budget = CreditBudget(100)
    client = AsyncMessagesClient(**settings(sandbox, budget=budget))
    kept: list[Any] = []

    async def begin() -> None:
        stream = client.stream(payload(stream=True))
        kept.append(await stream.__aenter__())
        assert budget.standing().reserved_micro > 0

    asyncio.run(begin())
    kept.clear()
    assert budget.standing().reserved_micro == 0
    assert budget.standing().unknown_calls == 1


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_cancelled_call_keeps_nothing_reserved(sandbox: Sandbox, store: str, tmp_path: Any) -> None:
    sandbox.enqueue(Fault.stall(-1))
    budget = CreditBudget(100, store=None if store == "memory" else tmp_path / "budget.sqlite")
    async with AsyncMessagesClient(**settings(sandbox, budget=budget)) as client:
        task = asyncio.create_task(client.create(payload(stream=False)))
        while not sandbox.requests:  # noqa: ASYNC110 - the server has no event to wait for
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    standing = await budget.astanding()
    assert standing.reserved_micro == 0
    assert standing.unknown_calls == 1  # it had been sent, so it may be billed


def limit_for(count: int, body: dict[str, Any], prices: ModelPrices) -> Decimal:
    """A limit that ``count`` calls fit in, and one more misses by a microcredit."""
    worst = worst_case(body, prices).micro
    assert worst is not None
    return Decimal(worst * (count + 1) - 1).scaleb(-6)


HAIKU = ModelPrices(input=295, cache_read=30, cache_write_5m=368, cache_write_1h=589, output=1471)


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
async def test_two_hundred_streams_under_a_budget_for_37(
    sandbox: Sandbox, store: str, tmp_path: Any, request: pytest.FixtureRequest
) -> None:
    body = payload(DIRECT, stream=True)
    target = {
        "memory": lambda: None,
        "sqlite": lambda: tmp_path / "b.sqlite",
        "redis": lambda: request.getfixturevalue("redis_url"),
    }
    place = target[store]()
    budget = CreditBudget(limit_for(37, body, HAIKU), store=place, wait_s=0)
    ledger = SpendLedger(None if store == "memory" else tmp_path / "l.sqlite" if store == "sqlite" else place)
    tried, all_tried = iter(range(200)), asyncio.Event()
    refused: list[BudgetExceededError] = []

    def count() -> None:
        if next(tried) == 199:
            all_tried.set()

    async with AsyncMessagesClient(**settings(sandbox, budget=budget, ledger=ledger)) as client:

        async def one() -> None:
            try:
                async with client.stream(body) as stream:
                    count()
                    await all_tried.wait()
                    async for _ in stream:
                        pass
            except BudgetExceededError as error:
                refused.append(error)
                count()

        await asyncio.gather(*(one() for _ in range(200)))
    assert len(refused) == 163
    assert len(sandbox.requests) == 37
    charged = [entry.credits_micro for entry in sandbox.ledger]
    assert sorted(row.credits_micro or 0 for row in ledger.records(outcome="ok")) == sorted(charged)
    standing = budget.standing()
    assert standing.spent_micro == sandbox.charged_micro == sum(charged)
    assert standing.reserved_micro == 0
    budget.close()
    ledger.close()


def test_threads_share_a_budget(sandbox: Sandbox) -> None:
    body = payload(DIRECT, stream=True)
    # Those that hold a reservation wait for the others, so nobody may wait for room.
    budget = CreditBudget(limit_for(5, body, HAIKU), wait_s=0)
    gate = threading.Barrier(20)
    refused: list[int] = []
    with MessagesClient(**settings(sandbox, budget=budget)) as client:

        def one(number: int) -> None:
            try:
                with client.stream(body) as stream:
                    gate.wait(timeout=30)
                    for _ in stream:
                        pass
            except BudgetExceededError:
                refused.append(number)
                gate.wait(timeout=30)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(refused) == 15
    assert budget.standing().spent_micro == sandbox.charged_micro


def test_trackers_and_tags_nest(sandbox: Sandbox) -> None:
    ledger = SpendLedger()
    with MessagesClient(**settings(sandbox, ledger=ledger, tags=("app",))) as client, track_spend() as outer:
        client.create(payload(stream=False))
        with track_spend() as inner, spend_tags("team-a"):
            client.create(payload(DIRECT, stream=False))
    client.create(payload(stream=False))  # after the blocks
    assert (outer.summary.calls, inner.summary.calls) == (2, 1)
    assert outer.summary.by_tag.keys() == {"app", "team-a"}
    assert outer.summary.by_model.keys() == {NATIVE, DIRECT}
    assert ledger.summary.calls == 3
    assert ledger.summary == CreditsSummary.of(ledger.records())
    assert ledger.summary.credits_micro == sandbox.charged_micro
