"""Token counts, price rows and costs: exact integers, and unknown is not zero."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aivideoapi_core import PRICES, Credits, ModelPrices, TokenCounts, cost_of, prices_of, read_usage

SONNET = ModelPrices(input=300, output=1500)

# platform documentation: credits per 1M tokens (input, cache read, write 5m, write 1h, output)
PUBLISHED = {
    "claude-sonnet-4-6": (300, None, None, None, 1500),
    "claude-opus-4-6": (500, None, None, None, 2500),
    "claude-haiku-4-5/anthropic": (295, 30, 368, 589, 1471),
    "claude-sonnet-4-5/anthropic": (883, 89, 1103, 1765, 4412),
    "claude-sonnet-4-6/anthropic": (883, 89, 1103, 1765, 4412),
    "claude-opus-4-5/anthropic": (1471, 148, 1839, 2942, 7353),
    "claude-opus-4-6/anthropic": (1471, 148, 1839, 2942, 7353),
    "claude-opus-4-7/anthropic": (1471, 148, 1839, 2942, 7353),
}


def test_rows_are_pinned() -> None:
    rows = {
        row.model: (
            row.prices.input, row.prices.cache_read, row.prices.cache_write_5m, row.prices.cache_write_1h,
            row.prices.output,
        )
        for row in PRICES
    }  # fmt: skip
    assert rows == PUBLISHED
    assert all(row.source for row in PRICES)


@pytest.mark.parametrize(
    ("model", "tokens", "micro"),
    [
        pytest.param("claude-sonnet-4-6", TokenCounts(input=18, output=42), 68_400, id="the page's example"),
        pytest.param("claude-opus-4-6", TokenCounts(input=20, output=661), 1_662_500, id="the other page's"),
        pytest.param("claude-sonnet-4-6", TokenCounts(), 0, id="nothing used"),
        pytest.param("claude-sonnet-4-6", TokenCounts(cache_read=1), None, id="no published price"),
        pytest.param(
            "claude-haiku-4-5/anthropic",
            TokenCounts(input=1, output=1, cache_read=1, cache_write_5m=1, cache_write_1h=1),
            295 + 1471 + 30 + 368 + 589,
            id="one of each",
        ),
    ],
)
def test_cost(model: str, tokens: TokenCounts, micro: int | None) -> None:
    prices = prices_of(model)
    assert prices is not None
    assert cost_of(tokens, prices) == (None if micro is None else Credits(micro))


def test_an_unknown_model_has_no_price() -> None:
    assert prices_of("claude-next") is None
    assert prices_of("claude-sonnet-4-6-20260101") is None


IN_OUT = {"input_tokens": 3, "output_tokens": 4}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        pytest.param(IN_OUT, TokenCounts(input=3, output=4), id="plain"),
        pytest.param(None, None, id="none"),
        pytest.param({}, None, id="empty"),
        pytest.param([1], None, id="list"),
        pytest.param({"input_tokens": 3}, None, id="no output count"),
        pytest.param({"output_tokens": 3}, None, id="no input count"),
        pytest.param({"input_tokens": 0, "output_tokens": 0}, None, id="no request has no input"),
        pytest.param({"input_tokens": 0, "output_tokens": 4, "cache_read_input_tokens": 3}, TokenCounts(output=4, cache_read=3), id="all input from the cache"),
        pytest.param({**IN_OUT, "output_tokens": None}, None, id="null"),
        pytest.param({**IN_OUT, "output_tokens": -1}, None, id="negative"),
        pytest.param({**IN_OUT, "output_tokens": 10**15}, None, id="absurd"),
        pytest.param({**IN_OUT, "output_tokens": True}, None, id="boolean"),
        pytest.param({**IN_OUT, "output_tokens": "4"}, None, id="text"),
        pytest.param({**IN_OUT, "output_tokens": 4.5}, None, id="fraction"),
        pytest.param({**IN_OUT, "output_tokens": float("inf")}, None, id="infinite"),
        pytest.param({**IN_OUT, "output_tokens": 4.0}, TokenCounts(input=3, output=4), id="whole float"),
        pytest.param({**IN_OUT, "cache_read_input_tokens": -1}, None, id="a bad cache count is not zero"),
        pytest.param({**IN_OUT, "cache_read_input_tokens": None}, TokenCounts(input=3, output=4), id="null cache"),
        pytest.param(
            {**IN_OUT, "cache_creation_input_tokens": 9, "cache_read_input_tokens": 8},
            TokenCounts(input=3, output=4, cache_read=8, cache_write_5m=9),
            id="writes without a split last 5 minutes",
        ),
        pytest.param(
            {**IN_OUT, "cache_creation_input_tokens": 9,
             "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}},
            TokenCounts(input=3, output=4, cache_write_5m=4, cache_write_1h=5),
            id="split",
        ),
        pytest.param(
            {**IN_OUT, "cache_creation_input_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 5}},
            TokenCounts(input=3, output=4, cache_write_5m=4, cache_write_1h=5),
            id="half a split",
        ),
        pytest.param(
            {**IN_OUT, "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 5}},
            TokenCounts(input=3, output=4, cache_write_5m=4, cache_write_1h=5),
            id="split without a total",
        ),
        pytest.param({**IN_OUT, "cache_creation": "x"}, TokenCounts(input=3, output=4), id="odd split"),
        pytest.param(
            {**IN_OUT, "output_tokens_details": {"thinking_tokens": 2}},
            TokenCounts(input=3, output=4, thinking=2),
            id="thinking",
        ),
        pytest.param(
            {**IN_OUT, "output_tokens_details": {"thinking_tokens": -2}},
            TokenCounts(input=3, output=4),
            id="odd thinking costs nothing",
        ),
    ],
)  # fmt: skip
def test_read_usage(usage: Any, expected: TokenCounts | None) -> None:
    assert read_usage(usage) == expected


COUNTS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers())
)


@given(
    st.dictionaries(
        st.sampled_from(
            ["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
             "cache_creation", "output_tokens_details"]
        ),
        COUNTS | st.dictionaries(
            st.sampled_from(["ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens", "thinking_tokens"]), COUNTS
        ),
    )
)  # fmt: skip
def test_any_usage_gives_sane_counts_or_none(usage: dict[str, Any]) -> None:
    tokens = read_usage(usage)
    if tokens is not None:
        cost = cost_of(
            tokens, ModelPrices(input=1, output=1, cache_read=1, cache_write_5m=1, cache_write_1h=1)
        )
        assert cost is not None
        assert cost.micro == tokens.total_input + tokens.output >= 0


def test_totals() -> None:
    tokens = TokenCounts(input=1, cache_read=2, cache_write_5m=3, cache_write_1h=4)
    assert (tokens.cache_write, tokens.total_input) == (7, 10)


def test_sonnet_is_exact_for_large_counts() -> None:
    assert cost_of(TokenCounts(input=10**11, output=10**11), SONNET) == Credits(1800 * 10**11)
