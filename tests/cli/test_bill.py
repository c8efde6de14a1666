"""The demo's bill: unknown is not zero, and a balance in whole credits is compared fairly."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from rich.console import Console

from aivideoapi_cli.demo.bill import (
    Call,
    balance_adds_up,
    call_of_llamaindex,
    show_balance,
    show_table,
    total_computed,
)
from aivideoapi_core import Balance, Credits


def call(micro: int | None, reported: str | None = None) -> Call:
    return Call(
        part="agent",
        model="claude-sonnet-4-6",
        input_tokens=18,
        output_tokens=42,
        reported=None if reported is None else Decimal(reported),
        computed=None if micro is None else Credits(micro),
    )


@pytest.mark.parametrize(
    ("calls", "moved", "expected"),
    [
        pytest.param([call(68_400, "0.06")], 0, True, id="a small cost may not show"),
        pytest.param([call(68_400, "0.06")], 1, True, id="or move the balance by one"),
        pytest.param([call(68_400, "0.06")], 2, False, id="but not by two"),
        pytest.param([call(3_000_000, "3")], 3, True, id="whole credits"),
        pytest.param([call(3_000_000, "3")], 2, False, id="too little left"),
        pytest.param([call(3_005_000, "2.99")], 2, True, id="charged what was reported"),
        pytest.param([call(3_005_000)], 2, False, id="nothing reported"),
        pytest.param([call(1), call(None)], 0, None, id="an unknown cost"),
        pytest.param([], 0, True, id="no calls"),
    ],
)
def test_balance_adds_up(calls: list[Call], moved: int, expected: bool | None) -> None:
    assert balance_adds_up(calls, moved=moved) is expected


def test_an_unknown_cost_makes_the_sum_unknown() -> None:
    assert total_computed([call(1), call(2)]) == Credits(3)
    assert total_computed([call(1), call(None)]) is None


def test_llamaindex_input_counts_cache_tokens() -> None:
    usage = {
        "input_tokens": 5,
        "output_tokens": 7,
        "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20,
        "credits_consumed_micro": 9,
    }
    found = call_of_llamaindex({"usage": usage}, model="claude-haiku-4-5/anthropic")
    assert (found.input_tokens, found.output_tokens, found.computed, found.reported) == (
        125,
        7,
        Credits(9),
        None,
    )
    assert call_of_llamaindex({}, model="x").computed is None


@pytest.mark.parametrize("width", [80, 120])
def test_table_fits_and_shows_unknown_as_a_dash(width: int) -> None:
    console = Console(width=width, record=True, file=io.StringIO())
    show_table(console, [call(68_400, "0.06"), call(None)])
    lines = console.export_text().splitlines()
    assert max(map(len, lines)) <= width
    assert not any("…" in line for line in lines)
    assert [line.split()[-3:] for line in lines if line.startswith("agent")] == [
        ["0.06", "0.068400", "$0.000300"],  # what was charged, as everywhere
        ["-", "-", "-"],
    ]


@pytest.mark.parametrize(("ledger_micro", "agrees"), [(68_400, True), (68_399, False), (None, True)])
def test_the_sandbox_ledger_must_be_equal(ledger_micro: int | None, agrees: bool) -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    before, after = Balance(100, 100, 0), Balance(99, 100, 1)
    assert (
        show_balance(console, [call(68_400, "0.06")], before=before, after=after, ledger_micro=ledger_micro)
        is agrees
    )
    assert ("NOT equal" in console.export_text()) is (not agrees)


def test_amounts_are_whole_on_a_narrow_terminal() -> None:
    console = Console(file=io.StringIO(), width=40)
    show_table(console, [call(68_400, "0.06")])
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(map(len, text.splitlines())) <= 40
    for whole in ("reported", "computed", "0.06", "0.068400", "$0.000300"):
        assert whole in text
