"""Mistakes in scripts, batch jobs and around the books: told where they are written, before anything is read or sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_batch import BatchJob, Pace, SQLiteJournal, prompt_call
from aivideoapi_core import (
    AIVideoAPIError,
    CreditBudget,
    InvalidInputError,
    JointBudget,
    MessagesClient,
    SpendLedger,
    build_payload,
    estimate_credits,
    track_spend,
    use_budget,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI

MODEL = "claude-sonnet-4-6"
REPLIES: list[tuple[dict[str, Any], str]] = [
    ({"thinking": 5}, "thinking must be text"),
    ({"model": 5}, "model must be text"),
    ({"stop_reason": 5}, "stop_reason must be text"),
    ({"tool_uses": ["search"]}, "tool_uses must be a list of dicts with 'name'; one is 'search'"),
    ({"tool_uses": [{"nam": "search"}]}, "tool_uses must be a list of dicts with 'name'"),
    ({"tool_uses": {"name": "search", "input": {}}}, "tool_uses must be a list of dicts, not"),
    ({"content": "Hello"}, "content must be a list of dicts, not 'Hello'"),
    ({"extra_events": [5]}, "extra_events must be a list of dicts; one is 5"),
    ({"usage": 5}, "usage must be a dict of counts"),
    ({"credits": "five"}, "credits must be a number of credits, not 'five'"),
    ({"credits": True}, "credits must be a number of credits"),
    ({"pieces": 0}, "pieces must be a whole number of at least 1"),
    ({"pieces": "abc"}, "pieces must be a whole number"),
    ({"credits_at": "end"}, "credits_at must be one of 'message_start'"),
    ({"usage_at": "end"}, "usage_at must be one of 'both'"),
    ({"tool_input_style": "whole"}, "tool_input_style must be one of 'deltas'"),
    ({"newline": "\t"}, "newline must be one of"),
    ({"pause_s": -1}, "pause_s must be a number of at least 0"),
    ({"pings": 1.5}, "pings must be a whole number"),
]
FAULTS: list[tuple[Callable[[], Any], str]] = [
    (lambda: Fault(kind="boom"), "kind must be one of 'error'"),
    (lambda: Fault.cut("1"), r"Fault\.cut: after_events must be a whole number"),  # type: ignore[arg-type]
    (lambda: Fault.cut(-2), "after_events must be a whole number of at least -1"),
    (lambda: Fault.cut(1, ending="bang"), "ending must be one of 'close'"),  # type: ignore[arg-type]
    (lambda: Fault.cut(1, reply="Hello"), "reply must be a Reply, not 'Hello'"),  # type: ignore[arg-type]
    (lambda: Fault.delay(-1), "seconds must be a number of at least 0"),
    (lambda: Fault.delay("1s"), "seconds must be a number of at least 0, not '1s'"),  # type: ignore[arg-type]
    (lambda: Fault.delay(1, "Hello"), "then must be a Reply or a Fault"),  # type: ignore[arg-type]
    (lambda: Fault.error("x", status=99), "status must be a whole number of at least 100"),
    (lambda: Fault.html("502"), "status must be a whole number"),  # type: ignore[arg-type]
    (lambda: Fault.out_of_order("last"), "variant must be one of 'delta_first'"),  # type: ignore[arg-type]
    (lambda: Fault.huge_error(size=-1), "size must be a whole number of at least 0"),
]
SANDBOXES: list[tuple[dict[str, Any], str]] = [
    ({"balance_credits": "10"}, "balance_credits must be a whole number"),
    ({"balance_credits": -1}, "balance_credits must be a whole number of at least 0"),
    ({"balance_credits": 1.5}, "balance_credits must be a whole number"),
    ({"port": 99_999}, "port must be a whole number up to 65535"),
    ({"port": "8080"}, "port must be a whole number up to 65535"),
    ({"keys": {"sk-1": "okay"}}, "the state of a key must be one of 'ok'"),
    ({"extra_models": ["claude-x"]}, "extra_models must be prices by model id"),
    ({"extra_models": {"claude-x": 5}}, r"extra_models\['claude-x'\] must be prices"),
    ({"record_limit": -1}, "record_limit must be a whole number"),
    ({"cache_min_tokens": -1}, "cache_min_tokens must be a whole number"),
    ({"first_token_s": "1"}, "first_token_s must be a number"),
    ({"tokens_per_s": "50"}, "tokens_per_s must be more than 0"),
    ({"seed": 5}, "seed must be text"),
]


@pytest.mark.parametrize(("wrong", "said"), REPLIES, ids=str)
def test_a_reply_says_which_option_means_nothing(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Reply("Hello", **wrong)


@pytest.mark.parametrize(("make", "said"), FAULTS, ids=[said for _, said in FAULTS])
def test_a_fault_says_which_option_means_nothing(make: Callable[[], Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


@pytest.mark.parametrize(("wrong", "said"), SANDBOXES, ids=str)
def test_a_sandbox_says_which_setting_means_nothing(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Sandbox(**wrong)


@pytest.mark.parametrize("kind", ["document", "search_result"])
def test_a_switch_of_citations_that_is_none_is_a_400(sandbox: Sandbox, kind: str) -> None:
    block = {
        "document": {"source": {"type": "text", "media_type": "text/plain", "data": "Tea"}},
        "search_result": {"source": "a", "title": "b", "content": [{"type": "text", "text": "Tea"}]},
    }[kind]
    turns: Any = [{"role": "user", "content": [{"type": kind, "citations": True, **block}]}]
    with (
        MessagesClient(api_key=sandbox.api_key, base_url=sandbox.url) as client,
        pytest.raises(AIVideoAPIError, match=f"citations of a {kind} block"),
    ):
        client.create({"model": MODEL, "max_tokens": 50, "stream": False, "messages": turns})


def _job(sandbox: Sandbox, folder: Path, **wrong: Any) -> BatchJob:
    model = ChatAIVideoAPI(model=MODEL, api_key=sandbox.api_key, base_url=sandbox.url)
    settings: dict[str, Any] = {"name": "reviews", "journal": folder / "reviews.sqlite", **wrong}
    return BatchJob(prompt_call(model, "Say {text}"), **settings)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": ""}, "name must be a text"),
        ({"name": 5}, "name must be a text"),
        ({"id": 5}, "id must be a text"),
        ({"pace": 5}, r"pace must be a Pace, such as Pace\(most=8\), not 5"),
    ],
    ids=str,
)
def test_a_job_says_which_argument_is_none(
    sandbox: Sandbox, tmp_path: Path, wrong: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        _job(sandbox, tmp_path, **wrong)


class Table:
    """What looks like a table of pandas: its rows are not what it gives."""

    columns = ("id", "text")

    def __iter__(self) -> Any:
        return iter(self.columns)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("rows.jsonl", "one for each row, not 'rows.jsonl'; for a file of JSON Lines"),
        ({"id": "1", "text": "x"}, "one for each row, not a dict"),
        (5, "not a int"),
        (None, "not a NoneType"),
        (Table(), r"job\(table\)"),
    ],
    ids=["path", "row", "number", "none", "table"],
)
def test_rows_that_are_none_are_told_before_a_journal_is_made(
    sandbox: Sandbox, tmp_path: Path, rows: Any, said: str
) -> None:
    job = _job(sandbox, tmp_path)
    for use in (job.run, job.estimate, lambda rows: list(job.open_rows(rows))):
        with pytest.raises(InvalidInputError, match=said):
            use(rows)
    assert not list(tmp_path.iterdir())
    assert not sandbox.requests


@pytest.mark.parametrize("most", [0, "3", 1.5])
def test_a_pace_is_a_number_of_calls(most: Any) -> None:
    with pytest.raises(InvalidInputError, match="most must be a whole number of at least 1"):
        Pace(most=most)


def test_a_journal_in_a_file_has_a_name_and_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is a folder: name a file in it"):
        SQLiteJournal(tmp_path, name="reviews")
    with pytest.raises(InvalidInputError, match="name must be a text"):
        SQLiteJournal(tmp_path / "reviews.sqlite", name="")


BOOKS: list[tuple[Callable[[], Any], str]] = [
    (lambda: JointBudget([CreditBudget(1), 5]), "held together are CreditBudgets"),  # type: ignore[list-item]
    (lambda: CreditBudget(1).joined([CreditBudget]), "held together are CreditBudgets"),  # type: ignore[list-item]
    (lambda: use_budget(CreditBudget).__enter__(), "not the class CreditBudget"),
    (lambda: track_spend(5).__enter__(), "goes on with a SpendTracker, not with 5"),  # type: ignore[arg-type]
    (lambda: SpendLedger().spent(since="today", tz=5), "tz must be the name of a time zone"),  # type: ignore[arg-type]
    (lambda: SpendLedger().export(5), "to a path or an open file, not to 5"),  # type: ignore[arg-type]
    (lambda: MessagesClient(api_key="sk-1", retry=5), "retry must be a RetryPolicy"),
    (lambda: estimate_credits(None), "a request's body with model and messages"),  # type: ignore[arg-type]
    (lambda: estimate_credits({"model": MODEL}), "a request's body with model and messages"),
    (
        lambda: estimate_credits({"model": MODEL, "messages": []}, prices=5),  # type: ignore[arg-type]
        "prices must be ModelPrices, not int",
    ),
    (lambda: build_payload(MODEL, None, stream=False), "messages must be a list of turns"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("use", "said"), BOOKS, ids=[said for _, said in BOOKS])
def test_what_counts_says_what_it_cannot_use(use: Callable[[], Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        use()
