"""Several budgets for one call: of a model, of a block, of a call, of a run. Held all or none, settled all."""

from __future__ import annotations

import asyncio
import contextvars
import json
import pickle
import random
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda, RunnableParallel
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from ready_process import ReadyProcess

from aivideoapi_core import (
    AsyncMessagesClient,
    BudgetExceededError,
    BudgetRun,
    CreditBudget,
    InvalidInputError,
    JointBudget,
    MessagesClient,
    WorstCase,
    build_payload,
    use_budget,
)
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

ROOT = Path(__file__).parents[2]
DIRECT = "claude-haiku-4-5/anthropic"
BODY = build_payload(DIRECT, [{"role": "user", "content": "Hi"}], stream=False, max_tokens=100)


def worst(micro: int) -> WorstCase:
    return WorstCase(input=1, output=1, micro=micro)


def budgets(*limits: int, **options: Any) -> list[CreditBudget]:
    options = {"wait_s": 0, **options}
    return [
        CreditBudget(Decimal(limit).scaleb(-6), name=f"b{n}", **options) for n, limit in enumerate(limits)
    ]


def spent(*each: CreditBudget) -> list[int]:
    return [budget.standing().spent_micro for budget in each]


def stands_in_line(budget: CreditBudget) -> None:
    """Wait until a call waits for ``budget``, for a minute at most."""
    until = time.monotonic() + 60
    while budget._purse.line.is_empty:
        assert time.monotonic() < until
        time.sleep(0.001)


def held(*each: CreditBudget) -> list[int]:
    return [budget.standing().reserved_micro for budget in each]


@pytest.mark.parametrize("refusing", [0, 1, 2])
def test_held_all_or_none_and_the_refusal_names_which(refusing: int) -> None:
    each = budgets(*(5 if number == refusing else 100 for number in range(3)))
    joint = JointBudget(each)
    with pytest.raises(BudgetExceededError, match=f"b{refusing}") as caught:
        joint.hold("m", worst(10))
    assert caught.value.budget == f"b{refusing}"
    with pytest.raises(BudgetExceededError) as caught:
        asyncio.run(joint.ahold("m", worst(10)))
    assert caught.value.budget == f"b{refusing}"
    assert held(*each) == spent(*each) == [0, 0, 0]


def test_what_cannot_be_bounded_names_which() -> None:
    soft, hard = CreditBudget(1, soft=True, name="soft"), CreditBudget(1, name="hard")
    with pytest.raises(BudgetExceededError) as caught:
        JointBudget([soft, hard]).hold("m", WorstCase(input=1, output=None, micro=None))
    assert caught.value.budget == "hard"
    assert held(soft, hard) == [0, 0]


def test_one_budget_named_twice_counts_once(tmp_path: Path) -> None:
    store = tmp_path / "b.sqlite"
    one, again = (CreditBudget(1, store=store, name="team") for _ in range(2))
    other = CreditBudget(1, store=store, name="user")
    joint = JointBudget([one, again, JointBudget([one, other])])
    assert joint.budgets == (one, other)
    joint.settle(joint.hold("m", worst(10)), 7)
    assert spent(one, other) == [7, 7]


class Broken(CreditBudget):
    def settle(self, reservation: Any, micro: int, *, unknown: bool = False) -> None:
        raise OSError("away")

    def settle_at_once(self, reservation: Any, micro: int, *, unknown: bool = False) -> bool:
        raise OSError("away")


def test_a_broken_budget_keeps_no_other_from_its_figure(sandbox: Sandbox) -> None:
    first, broken, last = (
        CreditBudget(1, name="first"),
        Broken(1, name="broken"),
        CreditBudget(1, name="last"),
    )
    settings: dict[str, Any] = {
        "api_key": sandbox.api_key,
        "base_url": sandbox.url,
        "budget": [first, broken, last],
    }
    with MessagesClient(**settings) as client:
        client.create(BODY)

    async def call() -> None:
        async with AsyncMessagesClient(**settings) as client:
            await client.create(BODY)

    before = spent(first, last)
    asyncio.run(call())
    assert before[0] == before[1] > 0
    assert spent(first, last) == [before[0] * 2] * 2


@pytest.fixture(params=["memory", "sqlite", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., CreditBudget]]:
    made: list[CreditBudget] = []
    store: Any = None
    if request.param != "memory":
        store = request.getfixturevalue("redis_url") if request.param == "redis" else tmp_path / "b.sqlite"

    def budget(limit: int, name: str, **options: Any) -> CreditBudget:
        made.append(CreditBudget(Decimal(limit).scaleb(-6), store=store, name=name, **options))
        return made[-1]

    yield budget
    for each in made:
        each.close()


def test_waits_for_the_one_that_is_full_without_holding_the_others(make: Callable[..., CreditBudget]) -> None:
    user, team = make(10, "user", wait_s=60), make(100, "team", wait_s=60)
    joint = JointBudget([user, team])
    of_user, of_team = user.hold("m", worst(10)), team.hold("m", worst(100))
    waiting = threading.Thread(target=lambda: joint.settle(joint.hold("m", worst(10)), 5))
    waiting.start()
    stands_in_line(user)
    user.settle(of_user, 0)
    stands_in_line(team)
    assert held(user, team) == [0, 100]
    team.settle(of_team, 0)
    waiting.join(60)
    assert not waiting.is_alive()
    assert held(user, team) == [0, 0]
    assert spent(user, team) == [5, 5]


def test_opposite_orders_neither_deadlock_nor_starve(make: Callable[..., CreditBudget]) -> None:
    one, two = make(10, "one", wait_s=60), make(10, "two", wait_s=60)
    orders = JointBudget([one, two]), JointBudget([two, one])
    over: list[int] = []

    def work(number: int) -> int:
        chance = random.Random(number)
        total = 0
        for _ in range(10):
            joint = orders[chance.randrange(2)]
            mine = joint.hold("m", worst(chance.randint(4, 10)))
            over.extend(each for each in held(one, two) if each > 10)
            joint.settle(mine, 0)
            total += 1
        return total

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(work, range(8))) == [10] * 8
    assert not over
    assert held(one, two) == [0, 0]


def test_tasks_of_opposite_orders_finish(make: Callable[..., CreditBudget]) -> None:
    one, two = make(10, "one", wait_s=60), make(10, "two", wait_s=60)
    orders = JointBudget([one, two]), JointBudget([two, one])

    async def work(number: int) -> None:
        for turn in range(5):
            joint = orders[(number + turn) % 2]
            mine = await joint.ahold("m", worst(6))
            await asyncio.sleep(0)
            if not joint.settle_at_once(mine, 0):
                await asyncio.to_thread(joint.settle, mine, 0)

    async def all_of_them() -> None:
        await asyncio.gather(*(work(number) for number in range(8)))

    asyncio.run(all_of_them())
    assert held(one, two) == [0, 0]


def test_a_cancelled_wait_leaves_nothing_reserved(make: Callable[..., CreditBudget]) -> None:
    user, team = make(100, "user"), make(10, "team")
    joint = JointBudget([user, team])

    async def cancelled() -> None:
        mine = await joint.ahold("m", worst(10))
        task = asyncio.create_task(joint.ahold("m", worst(10)))
        await asyncio.to_thread(stands_in_line, team)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        joint.settle(mine, 3)

    asyncio.run(cancelled())
    assert held(user, team) == [0, 0]
    assert spent(user, team) == [3, 3]


def test_a_refusal_after_waiting_names_which(make: Callable[..., CreditBudget]) -> None:
    user, team = make(100, "user", wait_s=30), make(10, "team", wait_s=0.05)
    team.hold("m", worst(10))
    with pytest.raises(BudgetExceededError, match="team") as caught:
        JointBudget([user, team]).hold("m", worst(10))
    assert caught.value.budget == "team"
    assert caught.value.crowded
    assert held(user) == [0]


def test_exact_under_sixteen_processes(redis_url: str) -> None:
    """Every budget has booked what the processes say they spent, nothing stays reserved, no limit is passed."""
    limits = {"user-a": 700, "user-b": 900, "team": 3_000, "company": 1_200}
    orders = [{"store": redis_url, "number": n, "calls": 8, "limits": limits} for n in range(16)]
    script = Path(__file__).with_name("nested_worker.py")
    running = [ReadyProcess(script, json.dumps(order)) for order in orders]
    reports = [json.loads(process.communicate()) for process in running]
    for name, limit in limits.items():
        budget = CreditBudget(Decimal(limit).scaleb(-6), store=redis_url, name=name)
        standing = budget.standing()
        assert standing.spent_micro == sum(report[name] for report in reports) <= limit
        assert standing.reserved_micro == 0
        budget.close()
    assert sum(report["company"] for report in reports) > 1_000


# Blocks.


def test_blocks_add_up_and_reach_tasks_and_copied_threads(sandbox: Sandbox) -> None:
    own, user, request = (CreditBudget(1, name=name) for name in ("own", "user", "request"))
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=own) as client:

        async def in_a_task() -> None:
            with use_budget([request, None]):
                await asyncio.to_thread(client.create, BODY)

        with use_budget(user):
            client.create(BODY)
            with ThreadPoolExecutor(1) as threads:
                threads.submit(contextvars.copy_context().run, client.create, BODY).result()
                threads.submit(client.create, BODY).result()  # without the context
            asyncio.run(in_a_task())
        client.create(BODY)
    one = spent(request)[0]
    assert one > 0
    assert spent(own, user) == [5 * one, 3 * one]


def test_blocks_of_generators_that_are_closed_elsewhere_close_themselves_alone(sandbox: Sandbox) -> None:
    outer, inner = CreditBudget(1), CreditBudget(1)

    def generator() -> Generator[None, None, None]:
        with use_budget(inner):
            yield

    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client, use_budget(outer):
        running = generator()
        next(running)
        contextvars.Context().run(running.close)
        client.create(BODY)
    assert spent(inner) == [0]
    assert spent(outer)[0] > 0


def test_a_stream_is_booked_on_the_block_it_was_begun_in(sandbox: Sandbox) -> None:
    user = CreditBudget(1, name="user")
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        with use_budget(user):
            stream = client.stream({**BODY, "stream": True})
        with stream as events:
            for _ in events:
                pass
    assert spent(user)[0] > 0


def test_a_block_refuses_for_a_model_that_has_no_budget(sandbox: Sandbox) -> None:
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
        with use_budget(CreditBudget(0, name="nobody")), pytest.raises(BudgetExceededError, match="nobody"):
            client.create(BODY)
        client.create(BODY)
    assert len(sandbox.requests) == 1


@pytest.mark.parametrize("wrong", ["10", 10, object(), [CreditBudget(1), 10]])
def test_what_is_no_budget_is_refused(wrong: Any, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidInputError, match="CreditBudget"), use_budget(wrong):
        pass
    with pytest.raises(InvalidInputError, match="CreditBudget"):
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=wrong)
    models: list[Any] = [ChatAIVideoAPI, AIVideoAPI]
    for model in models:
        with pytest.raises(ValueError, match="CreditBudget"):
            model(model=DIRECT, api_key=sandbox.api_key, base_url=sandbox.url, budget=wrong)


# Runs.


def test_a_run_has_a_limit_of_its_own_and_books_on_what_is_around(sandbox: Sandbox) -> None:
    team = CreditBudget(1, name="team")
    with MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url, budget=team) as client:
        with team.run("0.5") as run:
            client.create(BODY)
            with run.run("0.2", name="search") as part:
                client.create(BODY)
            client.create(BODY)
        client.create(BODY)
        with pytest.raises(BudgetExceededError, match="run of team") as caught, team.run(0):
            client.create(BODY)
    assert caught.value.budget == "run of team"
    one = part.standing().spent_micro
    assert one > 0
    assert (run.standing().spent_micro, spent(team)[0]) == (3 * one, 4 * one)
    assert (run.limit_micro, run.standing().limit_micro) == (500_000, 500_000)


def test_a_run_in_tasks(sandbox: Sandbox) -> None:
    team = CreditBudget(1, name="team")

    async def one(client: AsyncMessagesClient, number: int) -> int:
        async with team.run(1, name=f"run {number}") as run:
            await asyncio.gather(*(client.create(BODY) for _ in range(number)))
            standing = await run.astanding()
            return standing.spent_micro

    async def several() -> list[int]:
        async with AsyncMessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client:
            return await asyncio.gather(*(one(client, number) for number in (1, 2, 3)))

    first, second, third = asyncio.run(several())
    assert (second, third) == (2 * first, 3 * first)
    assert spent(team) == [6 * first]


def test_a_run_is_entered_once_at_a_time() -> None:
    run = CreditBudget(1).run(1)
    with run:
        with pytest.raises(InvalidInputError, match="use_budget"), run:
            pass
        with use_budget(run):
            pass
    with run:
        pass


def test_joint_budgets_travel_where_their_members_do(tmp_path: Path) -> None:
    each = [CreditBudget(1, store=tmp_path / "b.sqlite", name=name) for name in ("user", "team")]
    joint = JointBudget(each)
    other: JointBudget = pickle.loads(pickle.dumps(joint))
    other.settle(other.hold("m", worst(10)), 7)
    assert spent(*each) == [7, 7]
    assert (joint.limit_micro, joint.standing().spent_micro) == (1_000_000, 7)
    assert asyncio.run(joint.astanding()).spent_micro == 7
    with pytest.raises(TypeError, match="memory"):
        pickle.dumps(each[0].run(1))


# Through the frameworks.


@pytest.fixture
def where(sandbox: Sandbox) -> dict[str, Any]:
    return {"model": DIRECT, "max_tokens": 100, "api_key": sandbox.api_key, "base_url": sandbox.url}


def _langchain_roads(model: Any, **call: Any) -> list[Callable[[], Any]]:
    async def stream() -> list[Any]:
        return [chunk async for chunk in model.astream("Hi", **call)]

    return [
        lambda: model.invoke("Hi", **call),
        lambda: list(model.stream("Hi", **call)),
        lambda: asyncio.run(model.ainvoke("Hi", **call)),
        lambda: asyncio.run(stream()),
        lambda: model.bind(**call).invoke("Hi"),
    ]


def _llamaindex_roads(model: Any, **call: Any) -> list[Callable[[], Any]]:
    async def stream() -> list[Any]:
        return [chunk async for chunk in await model.astream_complete("Hi", **call)]

    return [
        lambda: model.complete("Hi", **call),
        lambda: list(model.stream_complete("Hi", **call)),
        lambda: asyncio.run(model.acomplete("Hi", **call)),
        lambda: asyncio.run(stream()),
        lambda: model.complete("Hi", additional_kwargs=call),
    ]


@pytest.mark.parametrize(
    ("make_model", "roads"),
    [
        pytest.param(ChatAIVideoAPI, _langchain_roads, id="langchain"),
        pytest.param(AIVideoAPI, _llamaindex_roads, id="llamaindex"),
    ],
)
@pytest.mark.parametrize("road", range(5))
def test_budgets_of_the_model_the_block_and_the_call(
    make_model: Any, roads: Any, road: int, where: dict[str, Any], sandbox: Sandbox
) -> None:
    user, team, customer, job = (CreditBudget(1, name=name) for name in ("user", "team", "customer", "job"))
    model = make_model(**where, budget=[user, team])
    with use_budget(customer):
        roads(model, budget=job)[road]()
    assert len({*spent(user, team, customer, job)}) == 1
    assert spent(user)[0] > 0
    assert "budget" not in sandbox.requests[-1].body
    with pytest.raises(BudgetExceededError, match="full"):
        roads(model, budget=[job, CreditBudget(0, name="full")])[road]()
    assert held(user, team, job) == [0, 0, 0]
    assert len(sandbox.requests) == 1


def test_models_with_several_budgets_are_copied_and_bound(where: dict[str, Any]) -> None:
    user, team = CreditBudget(1), CreditBudget(1)
    chat = ChatAIVideoAPI(**where, budget=[user, team])
    for model in (chat.model_copy(), chat.model_copy(deep=True), chat.with_config(tags=["a"])):
        model.invoke("Hi")
    chat.with_structured_output({"title": "A", "type": "object", "properties": {}}, budget=user)
    llm = AIVideoAPI(**where, budget=(user, team))
    llm.model_copy(deep=True).complete("Hi")
    assert spent(user) == spent(team)
    assert "budget" not in llm.to_dict()


def test_a_block_reaches_branches_and_agents_of_langchain(where: dict[str, Any], sandbox: Sandbox) -> None:
    customer = CreditBudget(1, name="customer")
    model = ChatAIVideoAPI(**where)
    branches = RunnableParallel(a=model, b=RunnableLambda(lambda text: model.invoke(text)))
    with use_budget(customer):
        branches.invoke("Hi")
        asyncio.run(branches.ainvoke("Hi"))
        model.batch(["Hi", "Hi"])
    calls = len(sandbox.requests)
    sandbox.enqueue(Reply("Hi"))
    assert calls == 6
    assert spent(customer)[0] > 0


def test_a_run_is_a_budget_of_a_call(where: dict[str, Any]) -> None:
    team = CreditBudget(1, name="team")
    run = team.run("0.5")
    assert isinstance(run, BudgetRun)
    ChatAIVideoAPI(**where, budget=team).invoke("Hi", budget=run)
    AIVideoAPI(**where, budget=run).complete("Hi")
    assert run.standing().spent_micro == spent(team)[0] > 0


def test_events_with_a_budget_among_the_arguments_are_written_as_json(where: dict[str, Any]) -> None:
    written: list[str] = []

    class Writer(BaseEventHandler):
        def handle(self, event: BaseEvent, **kwargs: Any) -> Any:
            written.append(event.model_dump_json())

    team, handler = CreditBudget(1, name="team"), Writer()
    get_dispatcher().add_event_handler(handler)
    try:
        AIVideoAPI(**where).complete("Hi", budget=[team, team.run(1)])
    finally:
        get_dispatcher().event_handlers.remove(handler)
    assert "CreditBudget(1, name='team')" in written[0]
