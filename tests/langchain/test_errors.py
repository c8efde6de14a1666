"""Errors are ours and LangChain's at once, and every reader agrees on whether to retry."""

from __future__ import annotations

import copy
import inspect
import pickle
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain.agents.middleware._retry import default_retry_on
from langchain_core import exceptions as lc
from langchain_core.language_models.chat_models import _generate_response_from_error
from langgraph.types import RetryPolicy

import aivideoapi_core as core
from aivideoapi_core.sandbox import Fault, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from langchain_aivideoapi._errors import TransientModelError, as_langchain, langchain_errors


def _all_classes(
    cls: type[core.AIVideoAPIError] = core.AIVideoAPIError,
) -> Iterator[type[core.AIVideoAPIError]]:
    """Every class of the core's tree."""
    if cls.__module__.startswith("aivideoapi_core"):
        yield cls
    for sub in cls.__subclasses__():
        yield from _all_classes(sub)


ALL_CLASSES = sorted(set(_all_classes()), key=lambda cls: cls.__name__)
BOTH_WAYS = [
    (cls, retryable)
    for cls in ALL_CLASSES
    for retryable in (True, False)
    # Before any I/O, or of a reply that is paid: never retryable.
    if not (retryable and issubclass(cls, (ValueError, core.ToolChoiceIgnoredError)))
]

TABLE = [
    (core.AuthenticationError, lc.ModelAuthenticationError, False),
    (core.PermissionDeniedError, lc.ModelPermissionDeniedError, False),
    (core.InvalidRequestError, lc.ModelInvalidRequestError, False),
    (core.InvalidInputError, lc.ModelInvalidRequestError, False),
    (core.UnsupportedOptionError, lc.ModelInvalidRequestError, False),
    (core.RequestTooLargeError, lc.ModelInvalidRequestError, False),
    (core.ModelNotFoundError, lc.ModelNotFoundError, False),
    (core.ContextOverflowError, lc.ContextOverflowError, False),
    (core.RateLimitError, lc.ModelRateLimitError, True),
    (core.InternalServerError, lc.ModelAPIError, True),
    (core.UpstreamError, lc.ModelAPIError, True),
    (core.OverloadedError, lc.ModelAPIError, True),
    (core.APIConnectionError, lc.ModelConnectionError, False),
    (core.APITimeoutError, lc.ModelTimeoutError, False),
    (core.StreamTimeoutError, lc.ModelTimeoutError, False),
    (core.IncompleteStreamError, lc.ModelConnectionError, False),
    (core.StreamError, lc.ModelAPIError, False),
    (core.ResponseFormatError, lc.ModelAPIError, False),
    (core.InsufficientCreditsError, lc.ModelError, False),
    (core.SpendLimitError, lc.ModelError, False),
    (core.BudgetExceededError, lc.ModelError, False),
]


@pytest.mark.parametrize(
    ("ours", "theirs", "retryable"), TABLE, ids=lambda value: getattr(value, "__name__", None)
)
def test_class_table(
    ours: type[core.AIVideoAPIError], theirs: type[lc.ModelError], *, retryable: bool
) -> None:
    error = as_langchain(ours("what happened"))
    assert isinstance(error, ours)
    assert isinstance(error, theirs)
    assert error.is_retryable is retryable
    assert type(error).__name__ == ours.__name__


@pytest.mark.parametrize(
    "billing", [core.InsufficientCreditsError, core.SpendLimitError, core.BudgetExceededError]
)
def test_billing_errors_do_not_look_like_something_to_wait_for(billing: type[core.AIVideoAPIError]) -> None:
    error = as_langchain(billing("no credits"))
    assert not isinstance(error, (lc.ModelRateLimitError, lc.ModelAPIError, TransientModelError))
    assert "429" not in str(error)


@pytest.mark.parametrize(
    ("cls", "retryable"), BOTH_WAYS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_every_reader_comes_to_the_same_answer(cls: type[core.AIVideoAPIError], *, retryable: bool) -> None:
    """The core's answer holds for one error, not for a class: ``x-should-retry`` may turn it round."""
    error = as_langchain(cls("what happened", retryable=retryable))
    assert isinstance(error, lc.ModelError)
    assert error.is_retryable is error.retryable is retryable
    assert default_retry_on(error) is retryable
    langgraph_default = RetryPolicy().retry_on
    assert callable(langgraph_default)
    assert langgraph_default(error) is retryable
    assert isinstance(error, TransientModelError) is retryable
    assert isinstance(error, ValueError) is not retryable


@pytest.mark.parametrize(
    ("cls", "retryable"), BOTH_WAYS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_copies_keep_class_and_facts(cls: type[core.AIVideoAPIError], *, retryable: bool) -> None:
    error = as_langchain(
        cls("what happened", retryable=retryable, request_id="req_1", retry_after_s=3.0, body="{}")
    )
    error.attempts = 3
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is type(error)
        assert twin.__dict__ == error.__dict__
        assert str(twin) == str(error)


def test_facts_and_the_snapshot_of_the_response_come_along() -> None:
    body = {"error": {"code": "rate_limit_exceeded", "message": "slow down", "type": "rate_limit_error"}}
    plain = core.error_from_payload(
        body, status_code=429, request_id="req_1", retry_after_s=2.0, body='{"error": {"code": "x"}}'
    )
    error = as_langchain(plain)
    assert isinstance(error, core.RateLimitError)
    assert (error.status_code, error.code, error.type) == (429, "rate_limit_exceeded", "rate_limit_error")
    assert error.response.status_code == 429
    generation = _generate_response_from_error(error)[0]
    assert generation.message.response_metadata == {
        "body": {"error": {"code": "x"}},
        "headers": {"request-id": "req_1", "retry-after": "2"},
        "status_code": 429,
        "request_id": "req_1",
    }


def test_the_context_keeps_traceback_and_cause_and_shows_one_error() -> None:
    def innermost() -> None:
        try:
            raise OSError("connection refused")
        except OSError as error:
            raise core.APIConnectionError("no answer", retryable=True) from error

    with pytest.raises(lc.ModelConnectionError) as caught, langchain_errors():
        innermost()
    assert isinstance(caught.value.__cause__, OSError)
    text = "".join(traceback.format_exception(caught.value))
    assert "in innermost" in text
    assert text.count("APIConnectionError: no answer") == 1
    assert "During handling" not in text


def test_the_context_without_a_cause_hides_the_plain_error() -> None:
    with pytest.raises(lc.ModelError) as caught, langchain_errors():
        raise core.SpendLimitError("daily cap reached")
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_nesting_changes_nothing_and_other_errors_pass() -> None:
    with pytest.raises(core.RateLimitError) as caught, langchain_errors(), langchain_errors():
        raise core.RateLimitError("slow down")
    assert as_langchain(caught.value) is caught.value
    with pytest.raises(KeyError), langchain_errors():
        raise KeyError("other")


def test_a_subclass_of_the_callers_gets_a_twin_too() -> None:
    class TeamBudgetError(core.BudgetExceededError):
        """A budget of the caller's own."""

    error = as_langchain(TeamBudgetError("over budget"))
    assert isinstance(error, TeamBudgetError)
    assert isinstance(error, lc.ModelError)
    assert isinstance(error, ValueError)


def test_notes_are_kept() -> None:
    plain = core.RateLimitError("slow down")
    plain.add_note("while summarising")
    assert as_langchain(plain).__notes__ == ["while summarising"]


async def _v3(chat: ChatAIVideoAPI) -> None:
    await (await chat.astream_events("Hello", version="v3"))


async def _astream(chat: ChatAIVideoAPI) -> None:
    async for _ in chat.astream("Hello"):
        pass


ROADS: dict[str, Callable[[ChatAIVideoAPI], Any]] = {
    "invoke": lambda chat: chat.invoke("Hello"),
    "batch": lambda chat: chat.batch(["Hello"]),
    "stream": lambda chat: list(chat.stream("Hello")),
    "events v3": lambda chat: chat.stream_events("Hello", version="v3").output,
    "tools": lambda chat: chat.bind_tools([{"name": "look", "input_schema": {"type": "object"}}]).invoke(
        "Hello"
    ),
    "structured": lambda chat: chat.with_structured_output(
        {"title": "x", "type": "object", "properties": {}}
    ).invoke("Hi"),
    "ainvoke": lambda chat: chat.ainvoke("Hello"),
    "astream": _astream,
    "async events v3": _v3,
}


async def _take(road: str, chat: ChatAIVideoAPI) -> None:
    result = ROADS[road](chat)
    if inspect.isawaitable(result):
        await result


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("model_id", ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"])
@pytest.mark.parametrize("road", ROADS)
async def test_every_road_raises_the_same(sandbox: Sandbox, road: str, model_id: str) -> None:
    """An empty balance, by whichever call it is found out: once asked, both families, never retried."""
    sandbox.enqueue(Fault.error("insufficient_credits"))
    chat = ChatAIVideoAPI(model=model_id, api_key=sandbox.api_key, base_url=sandbox.url)
    with pytest.raises(core.InsufficientCreditsError) as caught:
        await _take(road, chat)
    assert isinstance(caught.value, lc.ModelError)
    assert isinstance(caught.value, ValueError)
    assert caught.value.request_id
    assert len(sandbox.requests) == 1
    assert sandbox.charged_micro == 0


@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
@pytest.mark.parametrize("road", ROADS)
async def test_bad_input_is_langchains_error_before_any_request(sandbox: Sandbox, road: str) -> None:
    # Each is fine by itself; only a request shows that this model does not take both.
    chat = ChatAIVideoAPI(
        model="claude-haiku-4-5/anthropic",
        api_key=sandbox.api_key,
        base_url=sandbox.url,
        temperature=0.5,
        top_p=0.5,
    )
    with pytest.raises(lc.ModelInvalidRequestError, match="temperature or top_p"):
        await _take(road, chat)
    assert not sandbox.requests
