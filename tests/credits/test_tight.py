"""Where room is tight: a lower ``max_tokens`` instead of a refusal, and a closer bound of the input."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    AsyncMessagesClient,
    BudgetExceededError,
    CreditBudget,
    InvalidInputError,
    JointBudget,
    MessagesClient,
    WorstCase,
    build_payload,
    prices_of,
    use_budget,
    worst_case,
)
from aivideoapi_core._metering.worst_case import Lowering
from aivideoapi_core._stores.tight import OBSERVED_AFTER
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

DIRECT, NATIVE = "claude-haiku-4-5/anthropic", "claude-sonnet-4-6"


def worst(output: int, *, is_default: bool = True, thinking: int = 0, requests: int = 1) -> WorstCase:
    """10 microcredits of input, 1 for each token of output."""
    one = WorstCase(
        input=10,
        output=output,
        micro=10 + output,
        input_price=1,
        output_price=1,
        lowering=Lowering(is_default=is_default, thinking=thinking),
    )
    return one.times(requests)


def budget(limit: int, **options: Any) -> CreditBudget:
    return CreditBudget(
        Decimal(limit).scaleb(-6),
        **{"wait_s": 0, "when_tight": "shrink", **options},
    )


@pytest.mark.parametrize(
    ("limit", "asked", "options", "expected"),
    [
        pytest.param(3010, worst(3000), {}, None, id="all of it fits"),
        pytest.param(2010, worst(3000), {}, 2000, id="as much as fits"),
        pytest.param(1034, worst(3000), {}, 1024, id="the floor just fits"),
        pytest.param(1033, worst(3000), {}, "below 1,024", id="not below the floor"),
        pytest.param(2010, worst(3000, is_default=False), {}, "min_max_tokens=", id="the caller's own stays"),
        pytest.param(
            60, worst(3000, is_default=False), {"min_max_tokens": 50}, 50, id="the caller's own, if asked"
        ),
        pytest.param(2010, worst(3000, thinking=1500), {}, "below 2,524", id="thinking and an answer"),
        pytest.param(2534, worst(3000, thinking=1500), {}, 2524, id="thinking and the floor fit"),
        pytest.param(2044, worst(3000, requests=2), {}, "below", id="made again: half is not enough"),
        pytest.param(2068, worst(3000, requests=2), {}, 1024, id="made again"),
        pytest.param(2010, worst(3000), {"when_tight": "refuse"}, "smaller", id="not asked for"),
        pytest.param(2010, WorstCase(input=10, output=3000, micro=3010), {}, "native", id="not honoured"),
        pytest.param(500, worst(500), {}, "below 1,024", id="short already"),
    ],
)
def test_what_is_asked_for_instead(limit: int, asked: WorstCase, options: Any, expected: Any) -> None:
    for hold in (CreditBudget.hold, lambda *args: asyncio.run(CreditBudget.ahold(*args))):
        tight = budget(limit, **options)
        if isinstance(expected, str):
            with pytest.raises(BudgetExceededError, match=expected):
                hold(tight, "m", asked)
            assert tight.standing().reserved_micro == 0
        else:
            reservation = hold(tight, "m", asked)
            assert reservation.max_tokens == expected
            assert tight.standing().reserved_micro == reservation.micro <= limit


def test_the_whole_is_waited_for_first(tmp_path: Path) -> None:
    for store in (None, tmp_path / "b.sqlite"):
        tight = budget(5010, wait_s=30, store=store)
        first = tight.hold("m", worst(3000))
        with ThreadPoolExecutor(1) as threads:
            second = threads.submit(tight.hold, "m", worst(3000))
            while tight._purse.line.is_empty:
                assert not second.done()
            tight.settle(first, 10)
            assert second.result(30).max_tokens is None
        patient = budget(5010, wait_s=0.02, store=store, name="patient")
        patient.hold("m", worst(3000))
        assert patient.hold("m", worst(3000)).max_tokens == 1990  # what was left when the wait was over


def test_nested_the_narrowest_decides_and_the_others_reserve_no_more() -> None:
    user, team = budget(2010), budget(10_000, when_tight="refuse")
    held = JointBudget([team, user]).hold("m", worst(3000))
    assert held.max_tokens == 2000
    first = JointBudget([user.run("0.1"), user, team])
    with pytest.raises(BudgetExceededError):
        first.hold("m", worst(3000))
    again = JointBudget([budget(1800), budget(1500), team]).hold("m", worst(3000))
    assert (again.max_tokens, again.parts[-1].reservation.micro) == (1490, 1500)


def test_nonsense_is_refused_by_name() -> None:
    for options, name in (
        ({"when_tight": "squeeze"}, "when_tight"),
        ({"min_max_tokens": 0}, "min_max_tokens"),
        ({"when_tight": "refuse", "min_max_tokens": 5}, "when_tight"),
        ({"bound": "guess"}, "bound"),
    ):
        with pytest.raises(InvalidInputError, match=name):
            budget(1, **options)


def test_manners_travel(tmp_path: Path) -> None:
    made = budget(60, store=tmp_path / "b.sqlite", min_max_tokens=50)
    other: CreditBudget = pickle.loads(pickle.dumps(made))
    assert other.hold("m", worst(3000, is_default=False)).max_tokens == 50


# On the wire, and in what the frameworks say of it.

INPUT_MICRO = 295 * (
    worst_case(
        build_payload(DIRECT, [{"role": "user", "content": "Hi"}], stream=False), prices_of(DIRECT)
    ).input
    or 0
)
TWO_THOUSAND = Decimal(INPUT_MICRO + 2000 * 1471).scaleb(-6)


def _langchain(model: Any, road: int) -> dict[str, Any]:
    async def stream() -> Any:
        whole: Any = None
        async for chunk in model.astream("Hi"):
            whole = chunk if whole is None else whole + chunk
        return whole

    def sync_stream() -> Any:
        first, *rest = model.stream("Hi")
        return sum(rest, first)

    roads: list[Callable[[], Any]] = [
        lambda: model.invoke("Hi"),
        sync_stream,
        lambda: asyncio.run(model.ainvoke("Hi")),
        lambda: asyncio.run(stream()),
    ]
    metadata: dict[str, Any] = roads[road]().response_metadata
    return metadata


def _llamaindex(model: Any, road: int) -> dict[str, Any]:
    async def stream() -> Any:
        return [response async for response in await model.astream_complete("Hi")][-1]

    roads: list[Callable[[], Any]] = [
        lambda: model.complete("Hi"),
        lambda: [*model.stream_complete("Hi")][-1],
        lambda: asyncio.run(model.acomplete("Hi")),
        lambda: asyncio.run(stream()),
    ]
    raw: dict[str, Any] = roads[road]().raw
    return raw


@pytest.mark.parametrize("road", range(4))
@pytest.mark.parametrize(("make", "ask"), [(ChatAIVideoAPI, _langchain), (AIVideoAPI, _llamaindex)])
def test_a_lower_limit_goes_out_and_the_reply_says_so(
    make: Any, ask: Any, road: int, sandbox: Sandbox
) -> None:
    where = {"model": DIRECT, "api_key": sandbox.api_key, "base_url": sandbox.url}
    with use_budget(CreditBudget(TWO_THOUSAND, when_tight="shrink")):
        said = ask(make(**where), road)
    assert said["max_tokens_sent"] == sandbox.requests[-1].body["max_tokens"] == 2000
    assert "max_tokens_sent" not in ask(make(**where), road)
    assert sandbox.requests[-1].body["max_tokens"] == 32_000
    with pytest.raises(BudgetExceededError, match="min_max_tokens"):
        ask(make(**where, max_tokens=3000, budget=CreditBudget(TWO_THOUSAND, when_tight="shrink")), road)
    allowed = CreditBudget(TWO_THOUSAND, when_tight="shrink", min_max_tokens=100)
    assert ask(make(**where, max_tokens=3000, budget=allowed), road)["max_tokens_sent"] == 2000


@pytest.mark.parametrize("make", [ChatAIVideoAPI, AIVideoAPI])
def test_the_native_route_is_not_asked_for_less(make: Any, sandbox: Sandbox) -> None:
    tight = CreditBudget(1, when_tight="shrink", min_max_tokens=10)
    model = make(model=NATIVE, max_tokens=3000, api_key=sandbox.api_key, base_url=sandbox.url, budget=tight)
    with pytest.raises(BudgetExceededError, match="native"):
        (model.invoke if make is ChatAIVideoAPI else model.complete)("Hi")
    assert not sandbox.requests


def test_two_hundred_at_once_use_the_limit_and_never_pass_it(sandbox: Sandbox) -> None:
    """Every call's cost is known; with room for 37 of 200, no more than the limit is spent, and nearly all of it."""
    body = build_payload(DIRECT, [{"role": "user", "content": "Hi"}], stream=False, max_tokens=1000)
    sandbox.enqueue(*(Reply("Hi", usage={"input_tokens": 20, "output_tokens": 200}) for _ in range(200)))
    one = 20 * 295 + 200 * 1471
    limit = CreditBudget(Decimal(37 * one).scaleb(-6), when_tight="shrink", min_max_tokens=200, wait_s=60)

    async def all_at_once() -> list[bool]:
        async with AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=limit) as client:

            async def call() -> bool:
                try:
                    await client.create(body)
                except BudgetExceededError:
                    return False
                return True

            return await asyncio.gather(*(call() for _ in range(200)))

    answered = sum(asyncio.run(all_at_once()))
    standing = limit.standing()
    assert standing.reserved_micro == 0
    assert standing.spent_micro == answered * one <= standing.limit_micro
    assert standing.spent_micro >= 0.95 * standing.limit_micro


# A closer bound.


def test_an_observed_bound_is_closer_once_enough_was_seen(sandbox: Sandbox) -> None:
    text = "All happy families are alike; each unhappy family is unhappy in its own way. " * 50
    body = build_payload(DIRECT, [{"role": "user", "content": text}], stream=False, max_tokens=10)
    bound = worst_case(body, prices_of(DIRECT))
    assert bound.input is not None
    assert bound.micro is not None
    real = bound.input // 4
    sandbox.enqueue(*(Reply("Hi", usage={"input_tokens": real}) for _ in range(OBSERVED_AFTER)))
    observed, guaranteed = CreditBudget(100, bound="observed"), CreditBudget(100)
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, budget=[observed, guaranteed]
    ) as client:
        for _ in range(OBSERVED_AFTER):
            assert observed.hold("other", bound).micro == bound.micro
            client.create(body)
    closer = observed.hold(DIRECT, bound).micro
    assert guaranteed.hold(DIRECT, bound).micro == bound.micro
    assert real * 295 + 10 * 1471 <= closer < (bound.input // 3) * 295 + 10 * 1471
    assert observed.hold("other", bound).micro == bound.micro


def test_an_observed_bound_is_never_above_the_worst_case() -> None:
    observed = CreditBudget(100, bound="observed")
    for _ in range(OBSERVED_AFTER):
        observed.observe("m", worst(100), 26_081)
    assert observed.hold("m", worst(100)).micro == 110
