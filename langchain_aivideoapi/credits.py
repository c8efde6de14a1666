"""The cost of LangChain runs: a context manager for everything inside, and a callback handler.

::

    with get_credits_callback() as credits:
        agent.invoke({"messages": [("user", "...")]})
    print(credits.summary)  # a table; .to_dict() is JSON

Runs of other providers' models are not counted: nobody knows what they cost in credits.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import LLMResult

from aivideoapi_core import (
    BudgetExceededError,
    BudgetStoreError,
    CallRecord,
    CreditsSummary,
    InvalidInputError,
    Outcome,
    SpendTracker,
    TokenCounts,
    cost_of,
    prices_of,
    track_spend,
)
from aivideoapi_core.adapter_kit import figures_in, may_be_billed, with_known_arguments
from langchain_aivideoapi._inbound.fast import PROVIDER
from langchain_aivideoapi._tags import FRAMEWORK, without_steps

_REFUSED: Final = (BudgetExceededError, BudgetStoreError, InvalidInputError)
"""Raised before any request: there was no call."""


@dataclass(frozen=True, slots=True)
class _Run:
    """A run that has not ended."""

    model: str
    tags: tuple[str, ...]
    started_at: float
    began_s: float


class CreditsCallbackHandler(BaseCallbackHandler):
    """Adds up tokens and credits of the runs it hears of; ``summary`` has the sums, by model and by tag.

    Give it in ``callbacks``, to a model or in a call's config; it hears of streams of either kind,
    batches, agents and whatever runs below. A cache hit costs nothing; a run that broke off after it
    may have been billed counts as unknown. Safe to use from many threads and tasks; copies share the
    sums. Like any handler it costs some microseconds for each streamed token, which LangChain spends
    on calling it; ``get_credits_callback`` does not.
    """

    # In asynchronous runs a synchronous handler would go through a thread, at every token.
    run_inline = True
    ignore_agent = True
    ignore_chain = True
    ignore_retriever = True
    ignore_retry = True
    ignore_custom_event = True

    @with_known_arguments
    def __init__(self) -> None:
        super().__init__()
        self._tracker = SpendTracker()
        self._runs: dict[UUID, _Run] = {}

    @property
    def summary(self) -> CreditsSummary:
        """The sums so far."""
        return self._tracker.summary

    def reset(self) -> None:
        """Forget every ended run."""
        self._tracker.reset()

    def on_chat_model_start(
        self,
        serialized: dict[str, Any],
        messages: list[list[BaseMessage]],
        *,
        run_id: UUID,
        tags: list[str] | None = None,
        metadata: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Note a run of one of our models."""
        known = metadata or {}
        if known.get("ls_provider") == PROVIDER:
            model = str(known.get("ls_model_name") or "unknown")
            own = without_steps(tags or ())
            self._runs[run_id] = _Run(model, own, time.time(), time.perf_counter())

    def on_llm_end(self, response: LLMResult, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a run that ended well."""
        self._end(run_id, _message_of(response), None)

    def on_llm_error(self, error: BaseException, *, run_id: UUID, **kwargs: Any) -> None:
        """Count a run that failed or was abandoned; what it had said until then may have its price."""
        self._end(run_id, _message_of(kwargs.get("response")), error)

    def __copy__(self) -> CreditsCallbackHandler:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CreditsCallbackHandler:
        return self

    def _end(self, run_id: UUID, message: AIMessage | None, error: BaseException | None) -> None:
        run = self._runs.pop(run_id, None)
        if run is not None and not isinstance(error, _REFUSED):
            self._tracker.add(_record_of(run, message, error))


@with_known_arguments
@contextmanager
def get_credits_callback() -> Iterator[SpendTracker]:
    """Add up every call of LangChain's that begins in the block, in its tasks and in the threads that LangChain starts.

    Threads of your own need the block's context: ``contextvars.copy_context().run``. Blocks nest;
    each counts. No handler is put on the runs, since LangChain calls every handler for each token:
    the client counts, and a token costs nothing more.
    """
    with track_spend(SpendTracker(framework=FRAMEWORK)) as block:
        yield block


def _message_of(result: Any) -> AIMessage | None:
    if not isinstance(result, LLMResult) or not result.generations or not result.generations[0]:
        return None
    message = getattr(result.generations[0][0], "message", None)
    return message if isinstance(message, AIMessage) else None


def _record_of(run: _Run, message: AIMessage | None, error: BaseException | None) -> CallRecord:
    metadata: Mapping[str, Any] = message.response_metadata if message is not None else {}
    usage: Mapping[str, Any] = (message.usage_metadata or {}) if message is not None else {}
    outcome = _outcome(usage, metadata, error)
    found: dict[str, Any] = {}
    if outcome in (Outcome.OK, Outcome.CACHED):
        found = figures_in({**metadata, **usage}, metadata.get("usage"))
        found["tokens"] = found["tokens"] or _counts(usage)
        if found["credits_micro"] is None:
            found["credits_micro"] = _by_prices(run.model, found["tokens"])
    return CallRecord(
        model=run.model,
        outcome=outcome,
        framework=FRAMEWORK,
        started_at=run.started_at,
        latency_s=time.perf_counter() - run.began_s,
        tags=run.tags,
        error=None if error is None else type(error).__name__,
        **found,
    )


def _by_prices(model: str, tokens: TokenCounts | None) -> int | None:
    """The published prices' figure, for a stream that was asked to keep its usage back."""
    prices = prices_of(model)
    cost = cost_of(tokens, prices, requested=model) if tokens is not None and prices is not None else None
    return None if cost is None else cost.micro


def _outcome(usage: Mapping[str, Any], metadata: Mapping[str, Any], error: BaseException | None) -> Outcome:
    if error is not None and not may_be_billed(error):
        return Outcome.FAILED
    if error is not None:
        # Left after its last chunk, a stream has said what it cost.
        stated = "credits_consumed_micro" in usage or "credits_consumed" in metadata
        return Outcome.OK if stated else Outcome.LOST
    # Core puts a total cost of 0 on what comes from its cache, and nowhere else.
    return Outcome.CACHED if metadata.get("cache_hit") or "total_cost" in usage else Outcome.OK


def _counts(usage: Mapping[str, Any]) -> TokenCounts | None:
    """LangChain's counts in the wire's terms, for a message that lost its wire usage."""
    if "input_tokens" not in usage or "output_tokens" not in usage:
        return None
    details = usage.get("input_token_details") or {}
    read = details.get("cache_read") or 0
    write_1h = details.get("ephemeral_1h_input_tokens") or 0
    write_5m = details.get("ephemeral_5m_input_tokens", details.get("cache_creation")) or 0
    return TokenCounts(
        input=max(0, usage["input_tokens"] - read - write_5m - write_1h),
        output=usage["output_tokens"],
        cache_read=read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        thinking=(usage.get("output_token_details") or {}).get("reasoning"),
    )
