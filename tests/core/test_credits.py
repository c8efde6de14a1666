"""Amounts: integer micro-credits inside, decimals outside, and what the platform reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from aivideoapi_core import Credits, parse_reported


def test_forms() -> None:
    amount = Credits(68_400)
    assert amount.as_decimal() == Decimal("0.068400")
    assert amount.as_usd() == Decimal("0.000342")
    assert str(amount) == "0.068400 credits"
    assert amount + Credits(1) == Credits(68_401) > amount


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.06, Decimal("0.06")), (1.66, Decimal("1.66")), (3, Decimal(3)), (0, Decimal(0)), ("0.060", Decimal("0.060")),
        (" 1 ", Decimal(1)), (Decimal("2.5"), Decimal("2.5")), (123456789.12, Decimal("123456789.12")),
        (None, None), (True, None), (-1, None), ("-0.01", None), ("abc", None), ("", None), ("NaN", None),
        (float("nan"), None), (float("inf"), None), ("Infinity", None), ([1], None), ({}, None),
    ],
)  # fmt: skip
def test_parse_reported(value: Any, expected: Decimal | None) -> None:
    assert parse_reported(value) == expected
    if expected is not None:
        assert str(parse_reported(value)) == str(expected)
