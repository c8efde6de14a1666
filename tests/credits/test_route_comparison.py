"""The cost of the same calls on each route."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core import AIVideoAPIError, compare_routes

MODEL = "claude-sonnet-4-6"


@pytest.mark.parametrize(
    ("prefix", "output", "expected"),
    [
        pytest.param(10_000, 0, (5, 8), id="all of it shared"),
        pytest.param(7_000, 0, (None, None), id="7 of 10 shared, the rest plain"),
        pytest.param(10_000, 720, (759, 1_255), id="just below 7.25 % output"),
        pytest.param(10_000, 725, (None, None), id="7.25 % output"),
        pytest.param(0, 0, (None, None), id="nothing shared"),
    ],
)
def test_break_even(prefix: int, output: int, expected: tuple[int | None, int | None]) -> None:
    rows = compare_routes(MODEL, prompt_tokens=10_000, prefix_tokens=prefix, calls=5, output_tokens=output)
    assert (rows[2].break_even_calls, rows[3].break_even_calls) == expected


@pytest.mark.parametrize(
    ("calls", "output", "wins"),
    [
        pytest.param(4, 0, False, id="75 % read"),
        pytest.param(5, 0, True, id="80 % read: more than 79 %"),
        pytest.param(6, 200, False, id="83 % read at 2 % output"),
        pytest.param(7, 200, True, id="86 % read at 2 % output: more than 85 %"),
    ],
)
def test_share_read_from_the_cache_that_wins(calls: int, output: int, wins: bool) -> None:
    rows = compare_routes(
        MODEL, prompt_tokens=10_000, prefix_tokens=10_000, calls=calls, output_tokens=output
    )
    native, direct, cached = (row.micro or 0 for row in rows[:3])
    assert (cached < native) is wins
    assert direct * 100 // native == 294


@pytest.mark.parametrize("model", [MODEL, MODEL + "/anthropic"])
def test_costs_by_hand(model: str) -> None:
    rows = compare_routes(model, prompt_tokens=1_000, prefix_tokens=900, calls=3, output_tokens=10)
    fresh = 3 * (100 * 883 + 10 * 4412)
    assert [row.micro for row in rows] == [
        3 * (1_000 * 300 + 10 * 1500),
        3 * (1_000 * 883 + 10 * 4412),
        fresh + 900 * (1103 + 2 * 89),
        fresh + 900 * (1765 + 2 * 89),
    ]


@pytest.mark.parametrize(
    ("model", "impossible"),
    [
        pytest.param("claude-haiku-4-5", [True, False, False, False], id="direct only"),
        pytest.param("claude-next", [True] * 4, id="unknown"),
    ],
)
def test_impossible_rows_say_why(model: str, impossible: list[bool]) -> None:
    rows = compare_routes(model, prompt_tokens=1_000, prefix_tokens=900, calls=3, output_tokens=10)
    assert [row.micro is None for row in rows] == impossible
    assert [row.reason is not None for row in rows] == impossible
    assert all(row.break_even_calls is None for row in rows)


@pytest.mark.parametrize(
    "change", [{"calls": 0}, {"prefix_tokens": 1_001}, {"output_tokens": -1}, {"calls": True}]
)
def test_counts_that_cannot_be(change: dict[str, int]) -> None:
    counts = {"prompt_tokens": 1_000, "prefix_tokens": 900, "calls": 3, "output_tokens": 10} | change
    with pytest.raises(AIVideoAPIError):
        compare_routes(MODEL, **counts)


@given(st.integers(1, 3_000), st.integers(0, 3_000), st.integers(0, 200))
def test_break_even_is_the_first_count_that_is_cheaper(prompt: int, fresh: int, output: int) -> None:
    def rows(calls: int) -> list[int | None]:
        found = compare_routes(
            MODEL,
            prompt_tokens=prompt,
            prefix_tokens=max(0, prompt - fresh),
            calls=calls,
            output_tokens=output,
        )
        return [row.micro for row in found]

    counted = [None, None]
    for calls in range(1, 61):
        native, _, *cached = rows(calls)
        for at, micro in enumerate(cached):
            if counted[at] is None and micro is not None and native is not None and micro < native:
                counted[at] = calls
    found = compare_routes(
        MODEL, prompt_tokens=prompt, prefix_tokens=max(0, prompt - fresh), calls=1, output_tokens=output
    )
    told = [row.break_even_calls for row in found[2:]]
    assert [None if count is None or count > 60 else count for count in told] == counted
