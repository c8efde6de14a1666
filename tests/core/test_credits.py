"""Amounts: integer micro-credits inside, decimals outside, and what the platform reports."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from aivideoapi_core import Credits, parse_reported
from aivideoapi_core._catalogue.amounts import charged_at_most_micro


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


@pytest.mark.parametrize(
    ("reported", "computed", "booked"),
    [
        pytest.param("0.06", 68_400, 68_400, id="docs example, sonnet"),
        pytest.param("1.66", 1_662_500, 1_662_500, id="docs example, opus"),
        pytest.param("0.05", 7_850_000, 59_999, id="26,081 hidden tokens that nobody was charged for"),
        pytest.param("0.05", 50_000, 50_000, id="nothing was cut"),
        pytest.param("0.05", 59_999, 59_999, id="as much as can be was cut"),
        pytest.param("0.05", 60_000, 59_999, id="prices fell"),
        pytest.param("0.20", 68_400, 209_999, id="prices rose"),
        pytest.param("0.0684", 68_400, 68_400, id="not cut"),
        pytest.param("0.0684", 70_000, 68_400, id="not cut, and less than computed"),
        pytest.param("1", 1_005_000, 1_005_000, id="a JSON number without decimals"),
        pytest.param("0.0684001", 68_400, 68_401, id="more than computed by a part of a microcredit"),
        pytest.param("1e-7", 68_400, 1, id="a part of a microcredit is not nothing"),
        pytest.param("0.06", None, 69_999, id="reported alone"),
        pytest.param(None, 68_400, 68_400, id="computed alone"),
        pytest.param(None, None, None, id="neither"),
    ],
)
def test_what_a_budget_books(reported: str | None, computed: int | None, booked: int | None) -> None:
    given = None if reported is None else Decimal(reported)
    assert charged_at_most_micro(given, computed) == booked
