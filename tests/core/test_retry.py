"""When to try again: the policy as a table, and every form of Retry-After."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core import InvalidInputError, InvalidRequestError, RateLimitError, RetryPolicy
from aivideoapi_core._http.retry import parse_retry_after, parse_should_retry

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("attempt", "jitter", "retry_after_s", "expected"),
    [
        pytest.param(0, 0.0, None, 0.5, id="first"),
        pytest.param(1, 0.0, None, 1.0, id="doubles"),
        pytest.param(0, 1.0, None, 0.375, id="jitter takes a quarter at most"),
        pytest.param(2, 0.0, None, None, id="two retries by default"),
        pytest.param(0, 1.0, 7.0, 7.0, id="the server's word is not jittered"),
        pytest.param(0, 0.0, 0.0, 0.0, id="at once, if the server says so"),
        pytest.param(0, 0.0, 60.0, 60.0, id="up to the ceiling"),
        pytest.param(0, 0.0, 60.1, None, id="beyond the ceiling"),
    ],
)
def test_delay(attempt: int, jitter: float, retry_after_s: float | None, expected: float | None) -> None:
    error = RateLimitError("slow", retry_after_s=retry_after_s)
    assert RetryPolicy().delay_s(attempt, error, jitter=jitter) == expected


def test_what_is_not_retryable_is_not_retried() -> None:
    assert (
        RetryPolicy(max_retries=9).delay_s(0, InvalidRequestError("no", retry_after_s=1.0), jitter=0.0)
        is None
    )


def test_our_own_wait_has_a_ceiling_however_often() -> None:
    policy = RetryPolicy(max_retries=100_000)
    assert policy.delay_s(99_999, RateLimitError("slow"), jitter=0.0) == 8.0


def test_a_lower_ceiling_of_the_user() -> None:
    policy = RetryPolicy(longest_wait_s=0.1)
    assert policy.delay_s(0, RateLimitError("slow", retry_after_s=0.2), jitter=0.0) is None


@pytest.mark.parametrize(
    "bad",
    [{"max_retries": -1}, {"max_retries": 1.5}, {"max_retries": True}, {"first_wait_s": -1.0},
     {"first_wait_s": float("nan")}, {"longest_wait_s": "60"}, {"longest_own_wait_s": True}],
)  # fmt: skip
def test_bad_numbers(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        RetryPolicy(**bad)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        pytest.param({}, None, id="absent"),
        pytest.param({"retry-after": "7"}, 7.0, id="seconds"),
        pytest.param({"retry-after": " 1.5 "}, 1.5, id="fraction"),
        pytest.param({"retry-after": "0"}, 0.0, id="zero"),
        pytest.param({"retry-after-ms": "250"}, 0.25, id="milliseconds"),
        pytest.param({"retry-after-ms": "250", "retry-after": "7"}, 0.25, id="milliseconds first"),
        pytest.param({"retry-after-ms": "soon", "retry-after": "7"}, 7.0, id="nonsense, then seconds"),
        pytest.param({"retry-after-ms": "-1", "retry-after": "7"}, 7.0, id="negative, then seconds"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 12:00:30 GMT"}, 30.0, id="HTTP date"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 13:00:30 +0100"}, 30.0, id="date of another zone"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 12:00:30 -0000"}, 30.0, id="date of no zone"),
        pytest.param({"retry-after": "Friday, 20-Nov-26 12:00:30 GMT"}, 30.0, id="date of the old form"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 11:59:00 GMT"}, 0.0, id="date in the past"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after": "nan"}, None, id="not a number"),
        pytest.param({"retry-after": "inf"}, None, id="for ever"),
        pytest.param({"retry-after": "soon"}, None, id="words"),
        pytest.param({"retry-after": ""}, None, id="empty"),
        pytest.param({"retry-after": "Fri, 99 Nov 2026 12:00:30 GMT"}, None, id="no such day"),
        pytest.param({"retry-after": "Fri, 20 Nov 99999 12:00:30 GMT"}, None, id="no such year"),
        pytest.param({"retry-after": "Fri, 20 Nov 2026 12:00:30 +9999999"}, None, id="no such zone"),
    ],
)
def test_retry_after(headers: dict[str, str], expected: float | None) -> None:
    assert parse_retry_after(headers, now=NOW) == expected


@given(st.integers(0, 10**6))
def test_retry_after_as_a_date(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after({"retry-after": date}, now=NOW) == seconds


@given(
    st.text(max_size=40)
    | st.lists(
        st.sampled_from(["Fri", ",", " ", "20", "Nov", "2026", "12:00:30", "GMT", "+", "-", "9" * 12, ":", "(", ")"]),
        max_size=12,
    ).map("".join)
)  # fmt: skip
def test_any_header_gives_a_time_or_nothing(value: str) -> None:
    wait_s = parse_retry_after({"retry-after": value, "retry-after-ms": value}, now=NOW)
    assert wait_s is None or 0 <= wait_s < float("inf")


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("false", False), (" True ", True), ("1", None), ("", None), (None, None)],
)
def test_should_retry(value: str | None, expected: bool | None) -> None:
    assert parse_should_retry({} if value is None else {"x-should-retry": value}) is expected
