"""What a job calls: models and chains of LangChain, LLMs and transformations of LlamaIndex, agents, functions."""

from __future__ import annotations

import asyncio
import json
import pickle
from collections.abc import Callable
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from batch_kit import HAIKU, City, Make, by_id, rows_of

from aivideoapi_batch import BatchJob, Pace, Status, prompt_call, transform_call
from aivideoapi_batch._manifest import Manifest
from aivideoapi_batch._template import filled
from aivideoapi_core import CreditBudget, InvalidInputError, SpendLedger
from aivideoapi_core.sandbox import Reply, Sandbox


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


def wrappings(model: Any) -> dict[str, tuple[Any, bool]]:
    """A LangChain model in what is made of it, and whether that is one call for sure."""
    from langchain.agents import create_agent
    from langchain_core.output_parsers import StrOutputParser
    from langchain_core.prompts import ChatPromptTemplate
    from langchain_core.runnables import RunnableLambda, RunnablePassthrough

    prompt = ChatPromptTemplate.from_template("Say {text}")
    again = RunnableLambda(lambda text: {"text": text})
    upper = RunnablePassthrough.assign(text=lambda row: row["text"].upper())
    return {
        "parser": (prompt | model | StrOutputParser(), True),
        "schema": (prompt | model.with_structured_output(City), True),
        "bound": (prompt | model.bind(max_tokens=9), True),
        "retry": (prompt | model.with_retry(), False),
        "fallbacks": (prompt | model.with_fallbacks([model]), False),
        "schema and raw": (prompt | model.with_structured_output(City, include_raw=True), False),
        "assign": (upper | prompt | model, False),
        "twice": (prompt | model | StrOutputParser() | again | prompt | model, False),
        "lambda": (RunnableLambda(lambda row: model.invoke(row["text"])), False),
        "agent": (create_agent(model, []), False),
        "agent and more": (prompt | create_agent(model, []), False),
    }


def test_models_in_what_is_made_of_them(sandbox: Sandbox) -> None:
    """Budget, ledger and key are those of the model, however it is wrapped; one call is told from several."""
    from langchain_aivideoapi import ChatAIVideoAPI

    settings: dict[str, Any] = {"api_key": sandbox.api_key, "base_url": sandbox.url, "max_tokens": 50}
    settings |= {"budget": CreditBudget(9), "ledger": SpendLedger()}

    def prints(**changes: Any) -> dict[str, str]:
        made = wrappings(ChatAIVideoAPI(model=HAIKU, **settings | changes))
        return {
            name: Manifest.of("a", "id", prompt_call(each).facts).fingerprint
            for name, (each, _) in made.items()
        }

    for name, (runnable, once) in wrappings(ChatAIVideoAPI(model=HAIKU, **settings)).items():
        call: Any = prompt_call(runnable)
        assert (call.budget, call.ledger) == (settings["budget"], settings["ledger"]), name
        assert (call.key(), call.calls_once) == (sandbox.api_key, once), name
    # What changes no answer makes no other job of it, and what does makes one.
    first = prints()
    assert first == prints(timeout=7, max_retries=9, budget=CreditBudget(1))
    assert not set(first.values()) & set(prints(temperature=0.5).values())


named: Any = None
"""What a function of this module finds by its name."""


def by_name(row: Any) -> Any:
    return named.complete(row["text"]).text


def test_models_in_functions_and_agents(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row of several calls: its sum is theirs, and the report has three books."""
    from llama_index.core.agent import FunctionAgent

    from llamaindex_aivideoapi import AIVideoAPI

    budget, ledger = CreditBudget(100), SpendLedger()
    settings: Any = {"api_key": sandbox.api_key, "base_url": sandbox.url, "max_tokens": 50}
    llm = AIVideoAPI(HAIKU, budget=budget, ledger=ledger, **settings)
    monkeypatch.setitem(globals(), "named", llm)

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    agent = FunctionAgent(tools=[add], llm=llm, streaming=False)

    class Caller:
        def __init__(self, llm: Any) -> None:
            self.llm = llm

        async def __call__(self, row: Any) -> Any:
            return str(await agent.run(row["text"]))

        def method(self, row: Any) -> Any:
            return self.llm.complete(row["text"]).text

    async def closure(row: Any) -> Any:
        return str(await agent.run(row["text"]))

    calls = [by_name, Caller(llm), Caller(llm).method, partial(lambda llm, row: "", llm), closure]
    for call in calls:
        job = BatchJob(call, name="agents", journal=tmp_path / str(calls.index(call)))
        assert (job.call.budget, job.call.ledger, job.call.key()) == (budget, ledger, sandbox.api_key), call
    results = by_id(job.run([{"id": n, "text": f"add {n} and 2"} for n in range(4)]))
    assert [results[str(n)].attempts for n in range(4)] == [2] * 4
    assert sum(result.credits_micro or 0 for result in results.values()) == sandbox.charged_micro
    assert {int(amount * 10**6) for amount in job.report().books().values() if amount is not None} == {
        sandbox.charged_micro
    }
    assert BatchJob(print, name="none", journal=tmp_path / "none").report().books()["budget"] is None


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
    ("value", "says"),
    [
        (True, "True"),
        (3, "3"),
        ("{text}", "{text}"),
        ({"b": ["ü", None, True]}, '{"b": ["ü", null, true]}'),
        ([date(2026, 11, 27)], "[datetime.date(2026, 11, 27)]"),
    ],
)
def test_a_field_in_a_prompt(value: Any, says: str) -> None:
    """Objects and lists as the row's file has them."""
    assert filled('{"a": {text}} {} {0}', {"text": value}) == f'{{"a": {says}}} {{}} {{0}}'


def test_wrong_calls(model: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="prompt_call"):
        BatchJob(model(), name="a", journal=tmp_path)
    with pytest.raises(InvalidInputError, match="prompt"):
        prompt_call(model())
    with pytest.raises(InvalidInputError, match="not a str"):
        transform_call("x")


@pytest.mark.parametrize("store", ["folder", "sqlite", "redis", "two files"])
def test_a_row_of_several_calls_is_noted_call_by_call(
    store: str, sandbox: Sandbox, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A process that ends between two calls of a row leaves equal books, wherever the journal is."""
    from langchain_aivideoapi import ChatAIVideoAPI

    books = str(tmp_path / "all.sqlite") if store != "redis" else request.getfixturevalue("redis_url")
    settings: Any = {"api_key": sandbox.api_key, "base_url": sandbox.url, "max_tokens": 50}
    settings |= {"budget": CreditBudget(100, store=books), "ledger": SpendLedger(books)}
    model = ChatAIVideoAPI(model=HAIKU, **settings)
    breaks = True

    async def twice(row: Any) -> str:
        first = await model.ainvoke(f"Say {row['text']}")
        if breaks and row["id"] == "r3":
            raise KeyboardInterrupt
        return first.text + await asyncio.to_thread(lambda: model.invoke("Say .").text)

    def job() -> BatchJob:
        place = {"folder": str(tmp_path / "out"), "two files": str(tmp_path / "rows.sqlite")}.get(
            store, books
        )
        return BatchJob(twice, name="twice", journal=place, concurrency=1)

    with pytest.raises(KeyboardInterrupt):
        job().run(rows_of(6))
    report = job().report()
    amounts = {name: int((amount or 0) * 10**6) for name, amount in report.books().items()}
    assert set(amounts.values()) == {sandbox.charged_micro}
    assert (report.totals.rows, report.totals.attempts) == ({"ok": 3}, 7)
    breaks = False
    results = by_id(job().run(rows_of(6)))
    assert [results[f"r{n}"].answer for n in range(6)] == [f"Row {n}." for n in range(6)]
    assert [results[f"r{n}"].attempts for n in range(6)] == [2] * 6
    assert [name for name, result in results.items() if result.paid_before] == ["r3"]
    report = job().report()
    again = sandbox.charged_micro - sum(result.credits_micro or 0 for result in results.values())
    assert again > 0, "what the row that was interrupted had cost"
    assert (report.totals.credits_micro, report.totals.repeated_calls) == (sandbox.charged_micro, 1)
    assert int((report.books()["ledger"] or 0) * 10**6) == sandbox.charged_micro
    assert "paid twice: at most the calls of 1 rows" in str(report)
