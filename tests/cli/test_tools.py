"""The demo's tools really compute and really look up."""

from __future__ import annotations

import pytest

from aivideoapi_cli.demo.tools import calculate, look_up_prices, value_of


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3", "7"),
        ("(20 * 500 + 661 * 2500) / 1000000", "1.6625"),
        ("0.1 + 0.2", "0.3"),
        ("10 / 3", "about 3.3333333333"),
        ("-2 ** 2", "-4"),
        ("2 ^ 10", "1024"),
        ("7 // 2 + 7 % 2", "4"),
        ("2 ** -2", "0.25"),
        ("1e3", "1000"),
        ("-0.5", "-0.5"),
        ("10", "10"),
        ("1/1000000000000", "about 0"),
        ("1 / 0", "not calculated: division by zero"),
    ],
)
def test_value_of(expression: str, expected: str) -> None:
    assert value_of(expression) == expected


def test_calculate_says_it_in_a_sentence() -> None:
    assert calculate(" 1 + 2 ") == "1 + 2 = 3."


@pytest.mark.parametrize(
    "expression",
    [
        "__import__('os')",
        "a + 1",
        "(lambda: 1)()",
        "2 ** 1000",
        "9 ** 9 ** 9",
        "2 ** 0.5",
        "1 +",
        "",
        "True + 1",
        "[1][0]",
        "'a' * 9",
        "1 if 1 else 2",
        "(" * 300 + "1" + ")" * 300,
        "1" * 300,
        "1j",
        "1\x00",
        "inf",
        "0 ** -1",
    ],
)
def test_calculate_refuses(expression: str) -> None:
    assert calculate(expression).startswith("not calculated: ")


def test_look_up_prices() -> None:
    assert look_up_prices(" claude-opus-4-6 ").startswith(
        "claude-opus-4-6 costs 500 credits per million input tokens and 2500 credits per million output tokens"
    )
    assert "30 per million tokens read from the cache" in look_up_prices("claude-haiku-4-5/anthropic")


def test_look_up_of_an_unknown_model_names_the_known_ones() -> None:
    assert "claude-sonnet-4-6" in look_up_prices("gpt-9")
