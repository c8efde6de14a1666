"""A reply's two facts about money: reported and computed, each unknown without the other suffering."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from aivideoapi_core import Credits, ModelPrices, Reply, TokenCounts

USAGE = {"input_tokens": 18, "output_tokens": 42}


@pytest.mark.parametrize(
    ("model", "usage", "reported", "expected"),
    [
        pytest.param("claude-sonnet-4-6", USAGE, 0.06, (Decimal("0.06"), Credits(68_400)), id="both"),
        pytest.param("claude-sonnet-4-6", USAGE, None, (None, Credits(68_400)), id="computed only"),
        pytest.param("claude-sonnet-4-6", {}, 0.06, (Decimal("0.06"), None), id="reported only"),
        pytest.param("claude-next", USAGE, 0.06, (Decimal("0.06"), None), id="no known price"),
        pytest.param("claude-next", USAGE, "?", (None, None), id="neither"),
        pytest.param("claude-sonnet-4-6", {"input_tokens": 1, "output_tokens": 0}, 0, (Decimal(0), Credits(300)), id="zero is a fact"),
        pytest.param("claude-sonnet-4-6", {"input_tokens": 0, "output_tokens": 0}, None, (None, None), id="no input is no count"),
    ],
)  # fmt: skip
def test_credits(model: str, usage: Any, reported: Any, expected: Any) -> None:
    message: Any = {"usage": usage, "model": "another-dated-id"}
    if reported is not None:
        message["credits_consumed"] = reported
    reply = Reply(message, model)
    assert (reply.credits_reported, reply.credits_computed) == expected


def test_prices_of_the_callers_own() -> None:
    message: Any = {"usage": USAGE}
    reply = Reply(message, "claude-next", prices=ModelPrices(input=1, output=2))
    assert reply.credits_computed == Credits(18 + 84)
    assert reply.tokens == TokenCounts(input=18, output=42)
