"""What the clients ask for again, after which time, and what they never do."""

from __future__ import annotations

import httpx
import pytest
from client_kit import SHORT, Caller, both_ways, call_sync
from core_kit import payload

from aivideoapi_core import (
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    AuthenticationError,
    InsufficientCreditsError,
    InternalServerError,
    PermissionDeniedError,
    RateLimitError,
    ResponseFormatError,
    RetryPolicy,
    SpendLimitError,
)
from aivideoapi_core.sandbox import Fault, Reply, Sandbox

# fault, error, requests; the first answer after it is a good one. Nothing here may be charged twice.
RETRIED = [
    pytest.param(Fault.error("rate_limit_exceeded"), id="429 rate limit"),
    pytest.param(Fault.error("internal_error"), id="500"),
    pytest.param(Fault.error("upstream_error"), id="503"),
    pytest.param(Fault.error("overloaded_error"), id="529"),
    pytest.param(Fault.error("rate_limit_error", outer_type=False), id="official 429 without its outer type"),
    pytest.param(Fault.error(500), id="integer code"),
    pytest.param(Fault.error("timeout_error", headers={"x-should-retry": "true"}), id="x-should-retry: true"),
    pytest.param(Fault.html(502), id="HTML 502"),
    pytest.param(Fault.html(503), id="HTML 503"),
    pytest.param(Fault.empty(500), id="empty 500"),
    pytest.param(Fault.envelope(429, "slow down"), id="200 with an envelope of 429"),
    pytest.param(Fault.envelope(503, "down"), id="200 with an envelope of 503"),
    pytest.param(Fault.huge_error("internal_error"), id="huge 500"),
    pytest.param(Fault.error_event("overloaded_error", after_events=0), id="error event first of all"),
]
RETRIED_STREAMS = [
    pytest.param(Fault.disconnect(), id="disconnect"),
    pytest.param(Fault.disconnect(reset=True), id="reset"),
    pytest.param(Fault.cut(0), id="cut before the first byte"),
    pytest.param(Fault.cut(0, ending="clean"), id="empty body"),
    pytest.param(Fault.empty(200), id="empty 200"),
]


@both_ways
@pytest.mark.parametrize("fault", RETRIED)
def test_retried(sandbox: Sandbox, call: Caller, fault: Fault, stream: bool) -> None:
    sandbox.enqueue(fault, fault, Reply("Paris"))
    reply = call(payload(stream=stream))
    assert reply.message["content"] == [{"type": "text", "text": "Paris"}]
    assert (reply.attempts, len(sandbox.requests)) == (3, 3)
    assert [entry.charged for entry in sandbox.ledger] == [False, False, True]
    assert reply.credits_computed is not None
    assert reply.credits_computed.micro == sandbox.charged_micro


@pytest.mark.parametrize("fault", RETRIED_STREAMS)
def test_retried_streams(sandbox: Sandbox, call: Caller, fault: Fault) -> None:
    sandbox.enqueue(fault, Reply("Paris"))
    reply = call(payload(stream=True))
    assert (reply.attempts, len(sandbox.requests)) == (2, 2)
    assert [entry.charged for entry in sandbox.ledger] == [False, True]


@both_ways
def test_retries_end(sandbox: Sandbox, call: Caller, stream: bool) -> None:
    sandbox.enqueue(*[Fault.error("internal_error")] * 9)
    with pytest.raises(InternalServerError) as caught:
        call(payload(stream=stream))
    assert (caught.value.attempts, len(sandbox.requests)) == (3, 3)
    with pytest.raises(InternalServerError) as caught:
        call(payload(stream=stream), retry=RetryPolicy(max_retries=0))
    assert (caught.value.attempts, len(sandbox.requests)) == (1, 4)
    assert caught.value.request_id == sandbox.ledger[-1].request_id


NOT_RETRIED = [
    (Fault.error("invalid_request"), APIStatusError, 400),
    (Fault.error("invalid_api_key"), AuthenticationError, 401),
    (Fault.error("insufficient_credits"), InsufficientCreditsError, 402),
    (Fault.error("ip_not_allowed"), PermissionDeniedError, 403),
    (Fault.error("model_not_found"), APIStatusError, 404),
    (Fault.error("spend_limit_exceeded"), SpendLimitError, 429),
    (Fault.error("spend_limit_exceeded", retry_after=0), SpendLimitError, 429),
    (Fault.error("billing_error", headers={"x-should-retry": "true"}), InsufficientCreditsError, 402),
    (Fault.error("internal_error", headers={"x-should-retry": "false"}), InternalServerError, 500),
    (Fault.error("request_too_large"), APIStatusError, 413),
    (Fault.error("timeout_error"), APIStatusError, 504),
    (Fault.error("rate_limit_exceeded", retry_after=3600), RateLimitError, 429),
    (Fault.error("rate_limit_exceeded", retry_after="Fri, 31 Dec 2100 00:00:00 GMT"), RateLimitError, 429),
    (Fault.envelope(402, "insufficient credits"), InsufficientCreditsError, 402),
    (Fault.envelope(401, "bad key"), AuthenticationError, 401),
    (Fault.huge_error("spend_limit_exceeded"), SpendLimitError, 429),
    (Fault.html(200), ResponseFormatError, 200),
    (Fault.html(404), APIStatusError, 404),
    (Fault.redirect(), APIStatusError, 307),
    (Fault.redirect("https://evil.example/v1/messages", status=302), APIStatusError, 302),
]


@both_ways
@pytest.mark.parametrize(
    ("fault", "cls", "status"),
    NOT_RETRIED,
    ids=[f"{fault.kind}-{fault.code}-{status}" for fault, _, status in NOT_RETRIED],
)
def test_not_retried(
    sandbox: Sandbox, call: Caller, fault: Fault, cls: type[AIVideoAPIError], status: int, stream: bool
) -> None:
    sandbox.enqueue(fault)
    with pytest.raises(cls) as caught:
        call(payload(stream=stream))
    error = caught.value
    assert (error.status_code, error.attempts, len(sandbox.requests)) == (status, 1, 1)
    assert error.request_id == sandbox.ledger[0].request_id
    assert sandbox.charged_micro == 0
    assert len(str(error)) < 3000
    assert error.body is None or len(error.body) < 600


def test_a_redirect_is_not_followed_even_by_a_client_that_would(sandbox: Sandbox) -> None:
    with Sandbox() as elsewhere:
        sandbox.enqueue(*[Fault.redirect(f"{elsewhere.url}/v1/messages")] * 2)
        with httpx.Client(follow_redirects=True) as http, pytest.raises(APIStatusError, match="redirects to"):
            call_sync(sandbox, payload(), http_client=http)
        assert elsewhere.requests == []


def test_a_read_timeout_is_retried_by_choice(sandbox: Sandbox, call: Caller) -> None:
    sandbox.enqueue(Fault.stall(-1), Reply("Paris"))
    patient = RetryPolicy(first_wait_s=0.0, retry_read_timeouts=True)
    assert call(payload(), timeout=SHORT, retry=patient).attempts == 2


@both_ways
def test_a_disconnect_of_a_whole_call_may_be_billed(sandbox: Sandbox, call: Caller, stream: bool) -> None:
    sandbox.enqueue(Fault.disconnect())
    if stream:
        assert call(payload(stream=True)).attempts == 2
    else:
        with pytest.raises(APIConnectionError):
            call(payload())
        assert len(sandbox.requests) == 1


@both_ways
def test_refused_connections_are_retried(sandbox: Sandbox, call: Caller, stream: bool) -> None:
    with Sandbox() as closed_soon:
        url = closed_soon.url
    with pytest.raises(APIConnectionError) as caught:
        call(payload(stream=stream), base_url=url)
    assert caught.value.attempts == 3


@pytest.mark.parametrize("retry_after", ["0", "0.01", "Fri, 20 Nov 1999 12:00:00 GMT"])
def test_retry_after(sandbox: Sandbox, call: Caller, retry_after: str) -> None:
    sandbox.enqueue(Fault.error("rate_limit_exceeded", retry_after=retry_after))
    # Our own wait would be beyond the ceiling; the server's is not.
    policy = RetryPolicy(first_wait_s=100.0, longest_own_wait_s=100.0, longest_wait_s=1.0)
    assert call(payload(), retry=policy).attempts == 2


def test_retry_after_of_an_envelope_counts(sandbox: Sandbox, call: Caller) -> None:
    class Slow(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, json={"code": 429, "msg": "slow"}, headers={"retry-after": "3600"})

    with httpx.Client(transport=Slow()) as http, pytest.raises(RateLimitError) as caught:
        call_sync(sandbox, payload(), http_client=http)
    assert (caught.value.retry_after_s, caught.value.attempts) == (3600.0, 1)
