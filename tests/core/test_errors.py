"""The error tables: every documented row, the official bodies, and whatever else a server may answer."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

import aivideoapi_core as core
from aivideoapi_core import (
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    ContextOverflowError,
    IncompleteStreamError,
    InsufficientCreditsError,
    InternalServerError,
    InvalidInputError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    SpendLimitError,
    StreamTimeoutError,
    TaskNotFoundError,
    UnsupportedOptionError,
    UpstreamError,
    error_from_payload,
)
from aivideoapi_core._secrets import redact

KEY = "sk-canary-7d1f"

# platform documentation, "Error Reference": status, code, type, class, retry
PLATFORM = [
    (400, "invalid_request", "invalid_request_error", InvalidRequestError, False),
    (401, "invalid_api_key", "authentication_error", AuthenticationError, False),
    (402, "insufficient_credits", "billing_error", InsufficientCreditsError, False),
    (403, "ip_not_allowed", "permission_error", PermissionDeniedError, False),
    (404, "model_not_found", "invalid_request_error", ModelNotFoundError, False),
    (404, "task_not_found", "invalid_request_error", TaskNotFoundError, False),
    (429, "rate_limit_exceeded", "rate_limit_error", RateLimitError, True),
    (429, "spend_limit_exceeded", "billing_error", SpendLimitError, False),
    (500, "internal_error", "api_error", InternalServerError, True),
    (503, "upstream_error", "upstream_error", UpstreamError, True),
]
# the official format: status, type, class, retry
OFFICIAL = [
    (400, "invalid_request_error", InvalidRequestError, False),
    (401, "authentication_error", AuthenticationError, False),
    (402, "billing_error", InsufficientCreditsError, False),
    (403, "permission_error", PermissionDeniedError, False),
    (404, "not_found_error", NotFoundError, False),
    (409, "conflict_error", APIStatusError, False),
    (413, "request_too_large", RequestTooLargeError, False),
    (429, "rate_limit_error", RateLimitError, True),
    (500, "api_error", InternalServerError, True),
    (504, "timeout_error", APIStatusError, False),
    (529, "overloaded_error", OverloadedError, True),
]


@pytest.mark.parametrize(
    ("status", "code", "type_", "cls", "retry"), PLATFORM, ids=[row[1] for row in PLATFORM]
)
@pytest.mark.parametrize("leave_out", ["nothing", "type", "status"])
def test_platform_table(
    status: int, code: str, type_: str, cls: type[APIStatusError], retry: bool, leave_out: str
) -> None:
    body: dict[str, Any] = {"error": {"code": code, "message": "No.", "type": type_}}
    if leave_out == "type":
        del body["error"]["type"]
    sent = None if leave_out == "status" else status
    error = error_from_payload(body, status_code=sent, request_id="req_1", body=json.dumps(body))
    assert type(error) is cls
    assert (error.status_code, error.code, error.retryable, error.request_id) == (
        status,
        code,
        retry,
        "req_1",
    )
    assert error.type == (None if leave_out == "type" else type_)
    assert "No" in str(error)
    assert "req_1" in str(error)
    assert error.response.status_code == status
    assert error.response.json() == body


@pytest.mark.parametrize(("status", "type_", "cls", "retry"), OFFICIAL, ids=[row[1] for row in OFFICIAL])
@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("with_status", [True, False])
def test_official_table(
    status: int, type_: str, cls: type[APIStatusError], retry: bool, outer: bool, with_status: bool
) -> None:
    body: dict[str, Any] = {"error": {"type": type_, "message": "No."}, "request_id": "req_2"}
    if outer:
        body = {"type": "error", **body}
    error = error_from_payload(body, status_code=status if with_status else None)
    assert (type(error), error.retryable, error.type, error.request_id) == (cls, retry, type_, "req_2")


@pytest.mark.parametrize(
    ("payload", "status", "cls", "retry"),
    [
        pytest.param({"error": {"code": 402, "message": "no"}}, 402, InsufficientCreditsError, False, id="integer code"),
        pytest.param({"error": {"code": 429.0, "message": "no"}}, None, RateLimitError, True, id="code as a float"),
        pytest.param({"error": {"code": "529", "message": "no"}}, None, OverloadedError, True, id="code as digits"),
        pytest.param({"error": {"code": 402, "message": "no"}}, 500, InsufficientCreditsError, False, id="code over status"),
        pytest.param({"error": {"code": "insufficient_credits"}}, 503, InsufficientCreditsError, False, id="name over status"),
        pytest.param({"error": {"code": "overloaded_error"}}, 500, OverloadedError, True, id="a type in place of a code"),
        pytest.param({"error": {"type": "overloaded_error", "code": "new_code"}}, 500, OverloadedError, True, id="unknown code, known type"),
        pytest.param({"error": {"type": "new_type", "code": "new_code"}}, 402, InsufficientCreditsError, False, id="only the status is known"),
        pytest.param({"error": {"type": "billing_error"}}, 429, SpendLimitError, False, id="429 that is about money"),
        pytest.param({"error": {"type": "rate_limit_error", "message": "Daily spending cap reached"}}, 429, SpendLimitError, False, id="429 that speaks about money"),
        pytest.param({"error": {"type": "billing_error", "details": {"error_code": "spend_limit_exceeded"}}}, 429, SpendLimitError, False, id="code in the details"),
        pytest.param({"error": {"message": "no"}, "code": 402}, 400, InsufficientCreditsError, False, id="code beside the error"),
        pytest.param({"error": "it broke"}, 500, InternalServerError, True, id="error that is a text"),
        pytest.param({"code": 503, "msg": "down", "data": None}, 200, UpstreamError, True, id="envelope"),
        pytest.param({"code": 401, "msg": "no", "data": None}, 200, AuthenticationError, False, id="envelope about the key"),
        pytest.param({"type": "error", "error": {"type": "not_found_error", "message": "model: claude-x"}}, 404, ModelNotFoundError, False, id="the official API's unknown model"),
        pytest.param({"code": 404, "msg": "no such model", "data": None}, 200, ModelNotFoundError, False, id="envelope about the model"),
        pytest.param({"error": {"type": "not_found_error", "message": "container_1 not found"}}, 404, NotFoundError, False, id="404 about something else"),
        pytest.param({"detail": "nope"}, 422, APIStatusError, False, id="another framework's body"),
        pytest.param(None, 502, APIStatusError, True, id="proxy, HTML"),
        pytest.param(None, 503, UpstreamError, True, id="503 without a body"),
        pytest.param(None, 408, APIStatusError, True, id="the request did not arrive"),
        pytest.param(None, 504, APIStatusError, False, id="the gateway lost patience: may be billed"),
        pytest.param(None, 418, APIStatusError, False, id="teapot"),
        pytest.param({"error": {"message": "prompt is too long: 300000 tokens > 200000 maximum", "type": "invalid_request_error"}}, 400, ContextOverflowError, False, id="context overflow"),
        pytest.param({"error": {"code": "invalid_request", "message": "input exceeds the model's maximum context"}}, 400, ContextOverflowError, False, id="context overflow, other words"),
        pytest.param({"error": {"message": "max_tokens: too long"}}, 400, InvalidRequestError, False, id="another thing too long"),
        pytest.param([1], 400, InvalidRequestError, False, id="list"),
        pytest.param([{"error": {"code": 429, "message": "no"}}], 200, RateLimitError, True, id="an error in a list"),
        pytest.param({"error": "Claude API error", "status": 429, "details": "no"}, None, RateLimitError, True, id="a text and a status"),
        pytest.param({"error": "Bad Gateway", "status": "down"}, 502, APIStatusError, True, id="a status that is a text"),
        pytest.param({"error": {"code": "insufficient_user_quota", "type": "new_api_error"}}, 403, InsufficientCreditsError, False, id="a relay's user without quota"),
        pytest.param({"error": {"code": "pre_consume_token_quota_failed", "type": "new_api_error"}}, 403, InsufficientCreditsError, False, id="a relay's key without quota"),
        pytest.param({"error": {"type": "insufficient_quota", "code": None}}, 429, InsufficientCreditsError, False, id="another family's quota"),
        *(pytest.param(None, status, APIStatusError, retry, id=f"Cloudflare {status}") for status, retry in ((520, False), (521, True), (522, False), (523, True), (524, False), (525, True), (526, False))),
        pytest.param({"error": {"message": ["no"], "code": {"a": 1}, "type": 5}}, 400, InvalidRequestError, False, id="fields of the wrong type"),
        pytest.param({"error": {"code": "1" * 5000}}, 400, InvalidRequestError, False, id="a code of 5000 digits"),
    ],
)  # fmt: skip
def test_other_bodies(payload: Any, status: int | None, cls: type[APIStatusError], retry: bool) -> None:
    error = error_from_payload(payload, status_code=status, body=json.dumps(payload))
    assert (type(error), error.retryable) == (cls, retry)
    assert len(str(error)) < 3000


def test_a_text_is_told_with_what_stands_beside_it() -> None:
    said = {"status": 500, "error": "Internal Server Error", "message": "no channel", "path": "/v1/messages"}
    assert "Internal Server Error: no channel" in str(error_from_payload(said, status_code=500))


@pytest.mark.parametrize(
    ("payload", "should_retry", "retry"),
    [
        pytest.param({"error": {"code": "invalid_request"}}, True, True, id="the server knows better"),
        pytest.param({"error": {"code": "internal_error"}}, False, False, id="and here"),
        pytest.param({"error": {"code": "insufficient_credits"}}, True, False, id="money does not come back by waiting"),
        pytest.param({"error": {"code": "spend_limit_exceeded"}}, True, False, id="nor does a limit"),
    ],
)  # fmt: skip
def test_should_retry(payload: Any, should_retry: bool, retry: bool) -> None:
    assert error_from_payload(payload, status_code=500, should_retry=should_retry).retryable is retry


def test_frameworks_that_look_for_429_do_not_retry_a_spend_limit() -> None:
    spend = error_from_payload({"error": {"code": "spend_limit_exceeded", "message": "cap"}}, status_code=429)
    rate = error_from_payload({"error": {"code": "rate_limit_exceeded", "message": "slow"}}, status_code=429)
    assert "429" not in str(spend)
    assert str(rate).startswith("429 rate_limit_exceeded")


@pytest.mark.parametrize(
    "text", [f"Bearer {KEY}", f'{{"key": "{KEY}"}}', KEY * 2, f"x{KEY}x", f"?key={KEY}&a=1", KEY]
)
def test_redact(text: str) -> None:
    assert "canary" not in redact(text, SecretStr(KEY))


@pytest.mark.parametrize("key", ['a"quoted\\key', "with/slash+plus==", "plainsecret"])
def test_a_key_of_another_form_is_redacted_however_it_is_written(key: str) -> None:
    from urllib.parse import quote

    for text in (key, json.dumps({"echo": key}), f"https://x/?k={quote(key, safe='')}"):
        assert redact(text, SecretStr(key)).count("***") == 1


@pytest.mark.parametrize("text", ["a risk-free offer", "task-based", "disk-usage", "sk-1"])
def test_words_are_not_keys(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("filler", [0, 450, 495, 1990, 1998, 70_000])
@pytest.mark.parametrize("key", [KEY, "another-form-of-key"])
def test_an_echoed_key_is_nowhere(filler: int, key: str) -> None:
    echo = "x" * filler + f" {key} is not a key"
    payload = {"error": {"message": echo, "code": key, "type": key}, "request_id": key}
    error = error_from_payload(
        payload, status_code=401, request_id=key, body=json.dumps(payload), secret=SecretStr(key)
    )
    seen = f"{error!r} {error} {error.__dict__} {error.response} {pickle.dumps(error)!r}"
    assert key[:9] not in seen
    assert len(seen) < 20_000


def test_labels_are_one_line() -> None:
    payload = {"error": {"code": "a\nb", "type": "c\r\nd", "message": "e\nf"}, "request_id": "g\nh"}
    error = error_from_payload(payload, status_code=500)
    assert "\n" not in f"{error} {error.code} {error.type} {error.request_id}"


def all_classes(root: type[AIVideoAPIError] = AIVideoAPIError) -> list[type[AIVideoAPIError]]:
    return [root, *(cls for child in root.__subclasses__() for cls in all_classes(child)
                    if cls.__module__.startswith("aivideoapi_core"))]  # fmt: skip


@pytest.mark.parametrize("cls", sorted(set(all_classes()), key=lambda cls: cls.__name__))
def test_errors_travel(cls: type[AIVideoAPIError]) -> None:
    facts: dict[str, Any] = {
        "status_code": 418, "code": "c", "type": "t", "request_id": "r", "retry_after_s": 1.5, "body": "b",
        "retryable": True, "partial": {"content": []},
    }  # fmt: skip
    error = cls("text", **facts)
    error.attempts = 3
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(twin) is cls
        assert (str(twin), twin.__dict__) == (str(error), error.__dict__)


def test_recast_keeps_the_facts() -> None:
    class TwinError(RateLimitError, ValueError):
        retryable = False

    cause = KeyError("x")
    error = error_from_payload({"error": {"code": "rate_limit_exceeded"}}, status_code=429, retry_after_s=2.0)
    error.__cause__ = cause
    error.attempts = 2
    twin = error.recast(TwinError)
    assert type(twin) is TwinError
    assert twin.__cause__ is cause
    assert (twin.retryable, twin.retry_after_s, twin.attempts, str(twin)) == (True, 2.0, 2, str(error))


@pytest.mark.parametrize(
    ("cls", "base"),
    [
        (UnsupportedOptionError, InvalidInputError),
        (APITimeoutError, APIConnectionError),
        (StreamTimeoutError, IncompleteStreamError),
        (StreamTimeoutError, APITimeoutError),
        (ContextOverflowError, InvalidRequestError),
        (ModelNotFoundError, NotFoundError),
    ],
)
def test_tree(cls: type[Exception], base: type[Exception]) -> None:
    assert issubclass(cls, base)
    assert getattr(core, cls.__name__) is cls


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "code", "msg", "message", "type", "details", "error_code", "request_id"]
            ),
            inner,
        )
    ),
    max_leaves=10,
)


@given(JSON, st.none() | st.integers(100, 599), st.binary(max_size=100), st.none() | st.booleans())
def test_any_body_gives_a_typed_error(
    payload: Any, status: int | None, body: bytes, should: bool | None
) -> None:
    error = error_from_payload(payload, status_code=status, body=body, should_retry=should)
    assert isinstance(error, APIStatusError)
    assert str(error)
    assert pickle.loads(pickle.dumps(error)).__dict__ == error.__dict__
