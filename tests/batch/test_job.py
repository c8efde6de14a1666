"""A job against the sandbox, with either framework: every id ends with exactly one result."""

from __future__ import annotations

import asyncio
import json
import pickle
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from batch_kit import HAIKU, FakeClock, rows_of
from pydantic import BaseModel

from aivideoapi_batch import BatchJob, Journal, Pace, RowResult, Status, prompt_call, transform_call
from aivideoapi_core import CreditBudget, InvalidInputError, SpendLedger
from aivideoapi_core._stores.budget_memory import MemoryStore
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

Make = Callable[..., BatchJob]


class City(BaseModel):
    city: str


def by_id(results: list[RowResult]) -> dict[str | None, RowResult]:
    assert len({result.id for result in results}) == len(results)
    return {result.id: result for result in results}


def test_each_row_once_and_three_equal_books(job: Make, sandbox: Sandbox) -> None:
    budget, ledger = CreditBudget(1000), SpendLedger()
    first = job(budget=budget, ledger=ledger)
    rows = rows_of(40)
    results = by_id(first.run(rows[:25]))
    results |= by_id(first.run(rows[20:]))
    assert [results[f"r{n}"].answer for n in range(40)] == [f"Row {n}" for n in range(40)]
    assert len(sandbox.requests) == 40
    again = job(budget=budget, ledger=ledger)
    resumed = again.run(rows)
    assert len(sandbox.requests) == 40
    assert all(result.resumed for result in resumed)
    assert [result.answer for result in resumed] == [f"Row {n}" for n in range(40)]
    report = again.report()
    assert set(report.books().values()) == {report.books()["results"]}
    assert report.totals.credits_micro == sandbox.charged_micro == budget.standing().spent_micro
    assert (report.totals.rows, report.counts.resumed) == ({"ok": 40}, 40)
    assert {record.tags for record in ledger.records()} == {("echo",)}
    assert json.dumps(report.to_dict())


ERRORS = [
    ("invalid_request", "failed"),
    ("invalid_api_key", "failed"),
    ("insufficient_credits", "refused"),
    ("ip_not_allowed", "failed"),
    ("model_not_found", "failed"),
    ("request_too_large", "failed"),
    ("spend_limit_exceeded", "refused"),
]


def test_one_rows_fault_never_ends_a_job(job: Make, sandbox: Sandbox) -> None:
    sandbox.enqueue(
        *(Fault.error(code) for code, _ in ERRORS), Fault.disconnect(), Fault.malformed(0), Fault.html(502)
    )
    rows = [{"id": n, "text": "with a secret"} for n in range(30)]
    batch = job(options={"concurrency": 1})
    results = by_id(batch.run(rows))
    assert len(results) == 30
    assert [results[str(n)].status for n in range(len(ERRORS))] == [status for _, status in ERRORS]
    assert all(results[str(n)].credits_micro == 0 for n in range(len(ERRORS)))
    for result in results.values():
        assert (result.error is None) is (result.status is Status.OK)
        assert "secret" not in str(result.error)
        if result.status is Status.LOST:
            assert result.credits_micro is None
            assert result.at_most_micro
    assert {results[str(n)].status for n in range(12, 30)} == {Status.OK}
    before = len(sandbox.requests)
    retried = by_id(job(options={"retry": ("failed", "refused", "lost")}).run(rows))
    assert {result.status for result in retried.values()} == {Status.OK}
    bad = [name for name, result in results.items() if result.status is not Status.OK]
    assert len(sandbox.requests) - before == len(bad)
    assert {name for name, result in retried.items() if result.paid_before} == {
        name for name in bad if results[name].may_have_cost
    }


@pytest.mark.parametrize(
    ("row", "error"),
    [
        pytest.param({"text": "a"}, "BadRow no_id", id="no id"),
        pytest.param({"id": None, "text": "a"}, "BadRow no_id", id="null"),
        pytest.param({"id": " ", "text": "a"}, "BadRow no_id", id="blank"),
        pytest.param({"id": float("nan"), "text": "a"}, "BadRow no_id", id="NaN"),
        pytest.param({"id": True, "text": "a"}, "BadRow no_id", id="bool"),
        pytest.param({"id": [1], "text": "a"}, "BadRow no_id", id="list"),
        pytest.param({"id": "r0", "text": "a"}, "BadRow duplicate_id", id="twice"),
        pytest.param("r9", "BadRow not_a_mapping", id="text"),
        pytest.param(None, "BadRow not_a_mapping", id="None"),
        pytest.param({"id": 9}, "BadRow missing_field", id="without what the prompt asks for"),
    ],
)
def test_bad_rows_are_told_and_not_called(job: Make, sandbox: Sandbox, row: Any, error: str) -> None:
    batch = job()
    results = batch.run([*rows_of(1), row, {"id": "last", "text": "z"}])
    (bad,) = [result for result in results if result.status is not Status.OK]
    assert (bad.status, bad.error, bad.credits_micro) == (Status.FAILED, error, 0)
    assert (len(results), len(sandbox.requests)) == (3, 2)
    assert batch.estimate([row]).bad_rows == (error != "BadRow duplicate_id")


def test_a_storm_of_429s_loses_no_row(job: Make, sandbox: Sandbox, clock: FakeClock) -> None:
    """The issue's: 300 of them in 400 rows. No request but those that were needed."""
    sandbox.enqueue(*(Fault.error("rate_limit_exceeded", retry_after=5) for _ in range(300)))
    batch = job(options={"concurrency": 32})
    results = batch.run(rows_of(400))
    assert {result.status for result in results} == {Status.OK}
    assert len(results) == 400
    assert len(sandbox.requests) == 700
    assert batch.report().totals.attempts == 700
    assert clock.slept


def test_errors_that_pass_are_tried_again(job: Make, sandbox: Sandbox, clock: FakeClock) -> None:
    sandbox.enqueue(*(Fault.error("upstream_error") for _ in range(2)))
    (result,) = job().run(rows_of(1))
    assert (result.status, result.attempts) == (Status.OK, 3)
    sandbox.enqueue(*(Fault.error("upstream_error") for _ in range(3)))
    (result,) = job("other").run(rows_of(1))
    assert (result.status, result.error) == (Status.FAILED, "UpstreamError upstream_error")
    assert len(clock.slept) == 4


def test_what_every_row_would_meet_ends_the_run(job: Make, sandbox: Sandbox) -> None:
    """A wrong key is not tried a million times."""
    sandbox.enqueue(*(Fault.error("invalid_api_key") for _ in range(28)))
    batch = job()
    results = batch.run(rows_of(200))
    assert 20 <= len(results) <= 28
    assert "AuthenticationError" in str(batch.report().counts.stopped)
    sandbox.reset()
    assert len(job().run(rows_of(200))) == 200


def test_waiting_for_room_and_going_on_with_a_higher_limit(job: Make, sandbox: Sandbox) -> None:
    rows = rows_of(60)
    worst = job(budget=CreditBudget(1)).estimate(rows[:1]).high
    assert worst is not None
    limit = worst.as_decimal() * 2
    budget = CreditBudget(limit)
    batch = job("out", budget=budget)
    first = batch.run(rows)
    standing = budget.standing()
    assert 2 <= len(first) < 60
    assert {result.status for result in first} == {Status.OK}
    assert standing.spent_micro == sandbox.charged_micro <= standing.limit_micro
    assert standing.available_micro < worst.micro, "used as far as it goes"
    assert standing.reserved_micro == 0
    assert batch.report().counts.stopped == "the budget has no room for another call"
    assert batch.report().totals.unfinished_calls == 0
    results = job("out", budget=CreditBudget(100)).run(rows)
    assert len(by_id(results)) == 60 == len(sandbox.requests)


@pytest.mark.parametrize("window", ["hour", "calendar day UTC"])
def test_waiting_for_what_leaves_the_window(
    job: Make, sandbox: Sandbox, clock: FakeClock, window: Any
) -> None:
    """The job goes on when the window has room, as often as it takes, and does not end before."""
    worst = job(budget=CreditBudget(1)).estimate(rows_of(1)).high
    assert worst is not None
    clock.time_s = time.time()  # by which refusals say when there is room
    store = MemoryStore(clock=lambda: clock.time_s)
    budget = CreditBudget(worst.as_decimal() * 2, window=window, store=store)
    batch = job(budget=budget)
    results = by_id(batch.run(rows_of(60)))
    assert {result.status for result in results.values()} == {Status.OK}
    assert len(results) == 60 == len(sandbox.requests)
    assert batch.counts.stopped is None
    assert sandbox.charged_micro > budget.limit_micro
    assert max(clock.slept) > 60


def test_marking_what_does_not_fit(job: Make, sandbox: Sandbox) -> None:
    worst = job(budget=CreditBudget(1)).estimate(rows_of(1)).high
    assert worst is not None
    batch = job(budget=CreditBudget(worst.as_decimal()), options={"on_budget": "mark"})
    results = by_id(batch.run(rows_of(50)))
    refused = [result for result in results.values() if result.status is Status.REFUSED]
    assert {(result.error, result.credits_micro, result.attempts) for result in refused} == {
        ("BudgetExceededError", 0, 0)
    }
    assert len(results) == 50 == len(refused) + len(sandbox.requests)


def test_a_row_that_could_never_fit_is_marked(job: Make, sandbox: Sandbox) -> None:
    rows = rows_of(6)
    rows[2]["text"] = "long " * 20_000
    worst = job(budget=CreditBudget(1)).estimate(rows[:1]).high
    assert worst is not None
    results = by_id(job(budget=CreditBudget(worst.as_decimal() * 10)).run(rows))
    assert [results[f"r{n}"].status for n in range(6)] == ["ok", "ok", "refused", "ok", "ok", "ok"]


def test_estimate_bounds_what_is_charged(job: Make, sandbox: Sandbox) -> None:
    batch = job(budget=CreditBudget("1.5"))
    estimate = batch.estimate(rows_of(50))
    assert sandbox.requests == []
    batch.run(rows_of(10))
    own = batch.estimate(rows_of(10))
    assert own.low is not None
    assert own.high is not None
    assert own.low.micro <= sandbox.charged_micro <= own.high.micro
    assert estimate.rows == estimate.fits_at_best == 50
    assert estimate.fits_at_worst is not None
    assert 0 < estimate.fits_at_worst < 50
    assert "surely" in str(estimate)
    assert batch.estimate(rows_of(50), available_micro=0).fits_at_best == 0


async def test_rows_are_read_as_needed_and_left_early(job: Make, sandbox: Sandbox) -> None:
    read = 0

    async def endless() -> AsyncIterator[dict[str, Any]]:
        nonlocal read
        while True:
            read += 1
            yield {"id": read, "text": "a"}

    seen = 0
    results = job(options={"concurrency": 4}).arun(endless())
    async for _ in results:
        seen += 1
        if seen == 20:
            break
    await results.aclose()
    assert read <= 20 + 4 * 4
    assert len(asyncio.all_tasks()) == 1


def test_stop_finishes_what_runs(job: Make, sandbox: Sandbox) -> None:
    batch = job(options={"concurrency": 4})

    async def stopped() -> list[RowResult]:
        results = []
        async for result in batch.arun(rows_of(100)):
            results.append(result)
            batch.stop("asked to")
        return results

    results = asyncio.run(stopped())
    report = batch.report()
    assert 1 <= len(results) <= 8
    assert (report.totals.rows, report.counts.stopped) == ({"ok": len(results)}, "asked to")
    assert report.totals.unfinished_calls == 0 == len(sandbox.requests) - len(results)


async def test_a_cancelled_run_says_what_may_have_been_paid(job: Make, sandbox: Sandbox) -> None:
    sandbox.enqueue(Fault.stall(-1), Fault.stall(-1))
    batch = job(options={"concurrency": 2})

    async def run() -> None:
        async for _ in batch.arun(rows_of(10)):
            pass

    running = asyncio.create_task(run())
    while len(sandbox.requests) < 2:
        assert not running.done()
        await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert batch.report().totals.unfinished_calls == 2
    results = [result async for result in job().arun(rows_of(10))]
    assert sorted(result.id or "" for result in results if result.paid_before) == ["r0", "r1"]
    assert job().report().totals.repeated_calls == 2


def test_a_source_that_breaks_is_raised_after_the_calls(job: Make) -> None:
    def rows() -> Any:
        yield from rows_of(5)
        raise OSError("the table is broken")

    batch = job()
    with pytest.raises(OSError, match="the table is broken"):
        batch.run(rows())
    assert batch.report().totals.rows == {"ok": 5}


def test_objects(model: Callable[..., Any], sandbox: Sandbox, tmp_path: Path) -> None:
    call = prompt_call(model(budget=CreditBudget(100)), 'Extract {"city": ...} from: {text}', schema=City)
    batch = BatchJob(call, name="cities", journal=tmp_path)
    (result,) = batch.run([{"id": 1, "text": "{text} of Lisbon"}])
    assert result.status is Status.OK
    assert City(**result.answer)
    assert '{"city": ...} from: {text} of Lisbon' in json.dumps(sandbox.requests[0].body).replace("\\", "")
    estimate = batch.estimate([{"id": 1, "text": "{text} of Lisbon"}])
    assert estimate.high is not None
    assert sandbox.charged_micro <= estimate.high.micro
    sandbox.enqueue(Reply("no object"))
    (result,) = batch.run([{"id": 2, "text": "x"}])
    assert result.status is Status.FAILED
    assert result.credits_micro, "paid for, and said so"


def test_another_job_on_the_same_journal_is_refused(model: Callable[..., Any], tmp_path: Path) -> None:
    def run(prompt: str = "Say {text}", schema: Any = None, **settings: Any) -> None:
        job = BatchJob(prompt_call(model(**settings), prompt, schema=schema), name="a", journal=tmp_path)
        job.run([{"id": 1, "text": "x"}])

    run()
    run(max_retries=7, budget=CreditBudget(5))  # changes no answer
    for change in ({"prompt": "Tell {text}"}, {"schema": City}, {"max_tokens": 60}, {"temperature": 0.5}):
        with pytest.raises(InvalidInputError, match="another job"):
            run(**change)


def test_plain_functions_of_either_colour(tmp_path: Path) -> None:
    async def double(row: Any) -> int:
        return int(row["n"]) * 2

    def fail(row: Any) -> None:
        raise ValueError("of row 3")

    (one,) = BatchJob(double, name="double", journal=tmp_path / "a").run([{"id": 1, "n": 4}])
    assert (one.answer, one.credits_micro) == (8, 0)
    (two,) = BatchJob(fail, name="fail", journal=tmp_path / "b").run([{"id": 1}])
    assert (two.status, two.error) == (Status.FAILED, "ValueError")


class NoException(BaseException):
    pass


@pytest.mark.parametrize(
    "error",
    [
        asyncio.CancelledError(),
        NoException(),
        MemoryError(),
        StopIteration(),
        TimeoutError(),
        GeneratorExit(),
    ],
)
def test_whatever_a_row_raises_is_that_rows_result(error: BaseException, tmp_path: Path) -> None:
    async def function(row: Any) -> str:
        if row["id"] == "r3":
            raise error
        return str(row["text"])

    batch = BatchJob(function, name="raises", journal=tmp_path, concurrency=2)
    results = by_id(batch.run(rows_of(8)))
    wrong = results.pop("r3")
    assert wrong.status is Status.FAILED
    assert wrong.error == ("RuntimeError" if isinstance(error, StopIteration) else type(error).__name__), (
        "asyncio lets no StopIteration out of a coroutine"
    )
    assert {result.status for result in results.values()} == {Status.OK}
    assert len(results) == 7


def test_a_pipeline_is_its_transformations(sandbox: Sandbox, tmp_path: Path) -> None:
    """One after another; one that would write into a store of its own for each row is refused."""
    from llama_index.core.extractors import KeywordExtractor
    from llama_index.core.ingestion import IngestionPipeline
    from llama_index.core.node_parser import SentenceSplitter
    from llama_index.core.schema import TextNode
    from llama_index.core.storage.docstore import SimpleDocumentStore

    from llamaindex_aivideoapi import AIVideoAPI

    llm = AIVideoAPI(
        HAIKU, api_key=sandbox.api_key, base_url=sandbox.url, max_tokens=50, budget=CreditBudget(9)
    )
    steps = [SentenceSplitter(chunk_size=64, chunk_overlap=0), KeywordExtractor(llm=llm, show_progress=False)]
    text = "A sentence about trams in Lisbon and in Vienna. " * 20
    for number, made in enumerate((steps, IngestionPipeline(transformations=steps))):
        call = transform_call(made)
        assert call.budget is llm.budget
        (result,) = BatchJob(call, name="nodes", journal=tmp_path / str(number)).run(
            [{"id": "a", "text": text}]
        )
        nodes = [TextNode.from_dict(node) for node in result.answer]
        assert len(nodes) > 1
        assert all("excerpt_keywords" in node.metadata for node in nodes)
        assert result.attempts == len(nodes)
    with pytest.raises(InvalidInputError, match="a pipeline with a docstore"):
        transform_call(IngestionPipeline(transformations=steps, docstore=SimpleDocumentStore()))


def test_models_in_what_is_made_of_them(sandbox: Sandbox, tmp_path: Path) -> None:
    """Budget, ledger and key are those of the model, however it is wrapped; one call is told from several."""
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough

    from langchain_aivideoapi import ChatAIVideoAPI

    budget, ledger = CreditBudget(9), SpendLedger()
    model = ChatAIVideoAPI(
        model=HAIKU,
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        max_tokens=50,
        budget=budget,
        ledger=ledger,
    )
    prompt = ChatPromptTemplate.from_template("Say {text}")
    again = RunnableLambda(lambda text: {"text": text})
    upper = RunnablePassthrough.assign(text=lambda row: row["text"].upper())
    made = [
        (prompt | model | StrOutputParser(), True),
        (prompt | model.with_structured_output(City), True),
        (prompt | model.bind(max_tokens=9), True),
        (prompt | model.with_retry(), False),
        (prompt | model.with_fallbacks([model]), False),
        (prompt | model.with_structured_output(City, include_raw=True), False),
        (upper | prompt | model, False),
        (prompt | model | StrOutputParser() | again | prompt | model, False),
    ]
    for runnable, once in made:
        call: Any = prompt_call(runnable)
        assert call.budget is budget
        assert call.ledger is ledger
        assert call.key() == sandbox.api_key
        assert call.calls_once is once, runnable


def test_a_transformation_makes_nodes(sandbox: Sandbox, tmp_path: Path) -> None:
    from llama_index.core.extractors import SummaryExtractor
    from llama_index.core.schema import TextNode

    from llamaindex_aivideoapi import AIVideoAPI

    budget = CreditBudget(100)
    llm = AIVideoAPI(
        "claude-sonnet-4-6", api_key=sandbox.api_key, base_url=sandbox.url, max_tokens=50, budget=budget
    )
    extractor = SummaryExtractor(llm=llm, show_progress=False)
    batch = BatchJob(transform_call(extractor), name="summaries", journal=tmp_path, pace=Pace())
    results = by_id(batch.run([{**row, "page": 3} for row in rows_of(3)]))
    node = TextNode.from_dict(results["r1"].answer[0])
    assert (node.node_id, node.text, node.metadata["page"]) == ("r1", "Row 1", 3)
    assert node.metadata["section_summary"]
    assert batch.report().totals.credits_micro == sandbox.charged_micro
    assert budget.standing().spent_micro >= sandbox.charged_micro


def test_the_key_never_travels(
    job: Make, model: Callable[..., Any], sandbox: Sandbox, monkeypatch: Any
) -> None:
    with pytest.raises(InvalidInputError, match="AIVIDEOAPI_API_KEY"):
        pickle.dumps(job(options={"pace": None}))
    monkeypatch.setenv("AIVIDEOAPI_API_KEY", sandbox.api_key)
    dumped = pickle.dumps(job(api_key=None, options={"pace": None}))
    assert sandbox.api_key.encode() not in dumped
    assert len(pickle.loads(dumped).run(rows_of(3))) == 3
    with pytest.raises(TypeError, match="a budget in memory"):
        pickle.dumps(job(api_key=None, budget=CreditBudget(1), options={"pace": None}))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"concurrency": 0}, "concurrency"),
        ({"on_budget": "hope"}, "on_budget"),
        ({"retry": ["ok"]}, "retry"),
        ({"journal": 3}, "journal"),
    ],
)
def test_wrong_use(arguments: dict[str, Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=says):
        BatchJob(print, **{"name": "a", "journal": tmp_path, **arguments})


def test_wrong_calls(model: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="prompt_call"):
        BatchJob(model(), name="a", journal=tmp_path)
    with pytest.raises(InvalidInputError, match="prompt"):
        prompt_call(model())
    with pytest.raises(InvalidInputError, match="not a str"):
        transform_call("x")


def test_a_name_that_is_no_tag_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    job = BatchJob(lambda row: row["id"], name="night 2026-11-27", journal=tmp_path / "out")
    assert [result.answer for result in job.run([{"id": 1}, {"id": 2}])] == [1, 2]
    assert [record.message for record in caplog.records if "tag" in record.message] == [
        "batch job 'night 2026-11-27': its name is no tag (see spend_tags), so its calls have none"
    ]


@pytest.mark.parametrize("concurrency", [1, 100])
def test_rows_are_met_together(job: Make, sandbox: Sandbox, tmp_path: Path, concurrency: int) -> None:
    """Where many calls run at once, one look at the journal is for many rows; where one does, nothing is read ahead."""
    met: list[int] = []

    class Counting(Journal):
        async def meet(self, ids: Sequence[str], **options: Any) -> list[tuple[Any, bool]]:
            met.append(len(ids))
            return await super().meet(ids, **options)

    batch = job(options={"concurrency": concurrency, "journal": Counting(tmp_path / "counting")})
    assert len(batch.run(rows_of(300))) == 300
    assert sum(met) == 300
    assert max(met) <= concurrency
    assert len(met) <= (300 if concurrency == 1 else 20)
