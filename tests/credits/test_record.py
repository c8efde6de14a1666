"""Which failures may have been billed, and what is booked for requests that were made again."""

from __future__ import annotations

import asyncio
import pickle
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from aivideoapi_core import (
    APIConnectionError,
    APITimeoutError,
    AuthenticationError,
    BudgetExceededError,
    CreditBudget,
    IncompleteStreamError,
    InsufficientCreditsError,
    InvalidInputError,
    Message,
    MessagesClient,
    ResponseFormatError,
    RetryPolicy,
    SpendLedger,
    StreamError,
    StreamTimeoutError,
    UpstreamError,
    WorstCase,
    build_payload,
    max_input_tokens,
)
from aivideoapi_core._errors import APIStatusError
from aivideoapi_core._metering.record import CallRecord, new_record
from aivideoapi_core.adapter_kit import may_be_billed
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

PARTIAL: Any = Message(
    id="m",
    type="message",
    role="assistant",
    model="m",
    content=[],
    stop_reason=None,
    stop_sequence=None,
    usage={},
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        pytest.param(InvalidInputError("x"), False, id="refused here"),
        pytest.param(BudgetExceededError("x"), False, id="over budget"),
        pytest.param(AuthenticationError("x"), False, id="401"),
        pytest.param(InsufficientCreditsError("x"), False, id="402"),
        pytest.param(UpstreamError("x"), False, id="503, refunded"),
        pytest.param(UpstreamError("x", partial=PARTIAL), False, id="error event"),
        pytest.param(APIStatusError("x", status_code=504), True, id="a proxy gave up waiting"),
        pytest.param(ResponseFormatError("x"), True, id="unreadable"),
        pytest.param(APIConnectionError("x", never_sent=True), False, id="not connected"),
        pytest.param(APITimeoutError("x", never_sent=True), False, id="not connected in time"),
        pytest.param(APITimeoutError("x", retryable=True), True, id="no answer in time"),
        pytest.param(APIConnectionError("x", retryable=True), False, id="stream that did not begin"),
        pytest.param(APIConnectionError("x"), True, id="whole reply that broke off"),
        pytest.param(IncompleteStreamError("x", retryable=True), False, id="stream without an event"),
        pytest.param(IncompleteStreamError("x", partial=PARTIAL), True, id="cut"),
        pytest.param(StreamTimeoutError("x", partial=PARTIAL), True, id="went silent"),
        pytest.param(StreamError("x"), True, id="not a stream"),
        pytest.param(GeneratorExit(), True, id="abandoned"),
        pytest.param(asyncio.CancelledError(), True, id="cancelled"),
        pytest.param(KeyboardInterrupt(), True, id="interrupted"),
        pytest.param(RuntimeError("x"), True, id="anything else"),
    ],
)
def test_may_be_billed(error: BaseException, expected: bool) -> None:
    assert may_be_billed(error) is expected


def test_requests_that_were_made_again_after_a_timeout_are_all_held(sandbox: Sandbox) -> None:
    """With ``retry_read_timeouts`` one call can be billed several times, so that much is reserved."""
    messages: Any = [{"role": "user", "content": "Hi"}]
    payload = build_payload("claude-sonnet-4-6", messages, stream=False, max_tokens=10)
    sandbox.enqueue(Fault.stall(-1), Reply("Hi", usage={"input_tokens": 5, "output_tokens": 5}))
    reserved: list[int | None] = []

    class Spy(CreditBudget):
        """Notes what is reserved."""

        def hold(self, model: str, worst: WorstCase) -> Any:
            reserved.append(worst.micro)
            return super().hold(model, worst)

    budget, ledger = Spy(1), SpendLedger()
    policy = RetryPolicy(max_retries=1, first_wait_s=0.0, retry_read_timeouts=True)
    with MessagesClient(
        api_key=sandbox.api_key, base_url=sandbox.url, retry=policy, timeout=0.2, budget=budget, ledger=ledger
    ) as client:
        reply = client.create(payload)
    assert reply.attempts == 2
    (row,) = ledger.records()
    assert (row.attempts, row.credits_micro) == (2, 5 * 300 + 5 * 1500)
    worst = max_input_tokens(payload) * 300 + 10 * 1500
    assert reserved == [2 * worst]
    standing = budget.standing()
    assert standing.spent_micro == 5 * 300 + 5 * 1500 + worst  # the lost request at its worst
    assert (standing.unknown_calls, standing.reserved_micro) == (1, 0)


def test_a_record_that_is_made_quickly_is_one() -> None:
    facts: dict[str, Any] = {"model": "m", "call_id": "c", "tags": ("a",), "credits_micro": 3}
    quickly, plainly = new_record(**facts), CallRecord(**facts)
    assert type(quickly) is CallRecord
    assert quickly == plainly == pickle.loads(pickle.dumps(quickly)) == replace(quickly)
    assert hash(quickly) == hash(plainly)
    assert repr(quickly) == repr(plainly)
    assert new_record(model="m").call_id != new_record(model="m").call_id
    with pytest.raises(FrozenInstanceError):
        quickly.model = "other"  # type: ignore[misc]
    with pytest.raises(TypeError, match="no_fact"):
        new_record(model="m", no_fact=1)  # type: ignore[call-arg]
