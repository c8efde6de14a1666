"""Mistakes of people who move over, who limit and who write tests: an error of ours before any I/O that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aivideoapi_core import (
    AIVideoAPIError,
    AsyncMessagesClient,
    CallRecord,
    CreditBudget,
    InvalidInputError,
    MessagesClient,
    ModelPrices,
    SpendLedger,
)
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import AIVideoAPIPromptCachingMiddleware, BudgetLandingMiddleware, ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

NAMES = "1 to 200 printable characters"
BUDGETS: list[tuple[dict[str, Any], str]] = [
    ({"wait_s": "5"}, "wait_s must be a number of seconds, 0 or more, not '5'"),
    ({"wait_s": float("nan")}, "wait_s must be a number of seconds"),
    ({"wait_s": True}, "wait_s must be a number of seconds"),
    ({"lease_s": "60"}, "lease_s must be a number of seconds, more than 0, not '60'"),
    ({"lease_s": 0}, "lease_s must be a number of seconds, more than 0, not 0"),
    ({"soft": "yes"}, "soft must be True or False, not 'yes'"),
    ({"name": ""}, NAMES),
    ({"name": 17}, NAMES),
    ({"agent_limits": ["researcher"]}, "agent_limits must be limits by the names of agents"),
]


@pytest.mark.parametrize(("wrong", "said"), BUDGETS, ids=str)
def test_a_budget_says_which_argument_is_none(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        CreditBudget(1, **wrong)


@pytest.mark.parametrize("share", [0, 1.5, -1, "half", "nan", True])
async def test_a_share_is_looked_at_before_the_balance_is_asked_for(sandbox: Sandbox, share: Any) -> None:
    model = ChatAIVideoAPI(model="claude-sonnet-4-6", api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(InvalidInputError, match="share must be more than 0 and at most 1"):
        CreditBudget.from_balance(model, share=share)
    with pytest.raises(InvalidInputError, match="share must be more than 0 and at most 1"):
        await CreditBudget.afrom_balance(model, share=share)
    assert not sandbox.requests


@pytest.mark.parametrize("prices", [{"input": -1}, {"output": 1.5}, {"cache_read": -5}, {"output": None}])
def test_prices_are_whole_and_never_negative(prices: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must be whole credits for a million tokens, 0 or more"):
        ModelPrices(**{"input": 1, "output": 2, **prices})
    with pytest.raises(InvalidInputError, match=r"must be (whole credits|a valid integer)"):
        ChatAIVideoAPI(
            model="claude-x", api_key="sk-1", prices={"claude-x": {"input": 1, "output": 2, **prices}}
        )


def test_a_file_holds_one_ledger(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="name='team' is for a ledger in Redis: a file holds one"):
        SpendLedger(tmp_path / "ledger.sqlite", name="team")


@pytest.mark.parametrize(
    ("use", "said"),
    [
        (lambda ledger, folder: ledger.append({"model": "x"}), "rows of CallRecord, not of dict"),
        (lambda ledger, folder: ledger.rate(days=0), "days must be a whole number of at least 1"),
        (lambda ledger, folder: ledger.export(folder / "rows.xlsx"), "cannot be exported as 'xlsx'"),
        (lambda ledger, folder: ledger.spent(since="today", until="yesterday"), "since='today' is after"),
    ],
    ids=["append", "rate", "export", "spent"],
)
def test_a_ledger_says_what_it_cannot_do(
    tmp_path: Path, use: Callable[[SpendLedger, Path], Any], said: str
) -> None:
    ledger = SpendLedger(tmp_path / "ledger.sqlite")
    with pytest.raises(InvalidInputError, match=said):
        use(ledger, tmp_path)
    ledger.close()
    assert not (tmp_path / "rows.xlsx").exists()


@pytest.mark.parametrize("name", ["rows", "rows.csv", "ROWS.CSV"])
def test_an_export_without_a_format_goes_by_its_ending(tmp_path: Path, name: str) -> None:
    ledger = SpendLedger()
    ledger.append(CallRecord(model="claude-sonnet-4-6", credits_micro=1_000))
    assert ledger.export(tmp_path / name) == ledger.export(tmp_path / "rows.focus.csv") == 1
    assert (tmp_path / name).read_text().startswith("started_at,")
    assert (tmp_path / "rows.focus.csv").read_text().startswith("BilledCost,")


@pytest.mark.parametrize("make", [MessagesClient, AsyncMessagesClient])
def test_a_client_names_what_was_meant(make: Any) -> None:
    with pytest.raises(
        InvalidInputError, match=rf"'apikey' is not an argument of {make.__name__}: did you mean 'api_key'\?"
    ):
        make(apikey="canary")
    with pytest.raises(InvalidInputError, match="prices must be ModelPrices by model id"):
        make(api_key="sk-1", prices={"claude-x": {"input": 1, "output": 2}})


@pytest.mark.parametrize("make", [ChatAIVideoAPI, AIVideoAPI])
@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": " claude-sonnet-4-6"}, "model must be a model id such as"),
        ({"model": "claude sonnet"}, "model must be a model id such as"),
        ({"async_http_client": None}, "use http_async_client"),
    ],
    ids=str,
)
def test_a_model_names_what_was_meant(make: Any, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        make(**{"model": "claude-sonnet-4-6", "api_key": "sk-1", **wrong})


def test_a_user_id_is_text(sandbox: Sandbox) -> None:
    settings: Any = {
        "model": "claude-haiku-4-5/anthropic",
        "api_key": sandbox.api_key,
        "base_url": sandbox.url,
    }
    with pytest.raises(AIVideoAPIError, match=r"metadata\['user_id'\] must be text, not 17"):
        ChatAIVideoAPI(**settings).invoke("Hello", metadata={"user_id": 17})
    with pytest.raises(AIVideoAPIError, match=r"metadata\['user_id'\] must be text, not 17"):
        AIVideoAPI(**settings).complete("Hello", metadata={"user_id": 17})
    assert not sandbox.requests


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: BudgetLandingMiddleware(tool_result_tokens="many"), "tool_result_tokens must be a whole"),
        (lambda: AIVideoAPIPromptCachingMiddleware(min_messages_to_cache="3"), "min_messages_to_cache must"),
        (lambda: Reply(5), "its text, not 5"),
        (lambda: Sandbox(keys=["sk-1"]), "keys must say"),
    ],
    ids=["landing", "caching", "reply", "keys"],
)
def test_middleware_and_scripts_say_it_when_they_are_made(make: Callable[[], Any], said: str) -> None:
    with pytest.raises((ValueError, TypeError), match=said):
        make()
