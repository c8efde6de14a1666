"""Third part of the demo: what every call cost, and whether that is what left the account."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_cli._terminal import UNKNOWN, credits_text, reported_text, usd_text
from aivideoapi_core import Balance, CallRecord, Credits, parse_reported, read_usage

if TYPE_CHECKING:
    from langchain_core.messages import AIMessage
    from rich.console import Console


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call as the framework's own reply object shows it; ``None`` is unknown, never 0.

    ``model`` is the requested id. ``reported`` is the platform's number, ``computed`` the exact one.
    """

    part: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    reported: Decimal | None
    computed: Credits | None

    @property
    def charged(self) -> Decimal | None:
        """Credits that were charged, by the core's rule; ``None`` if nobody knows."""
        micro = None if self.computed is None else self.computed.micro
        return CallRecord(model=self.model, credits_reported=self.reported, credits_micro=micro).charged


def call_of_langchain(message: AIMessage, *, model: str) -> Call:
    """Read a call off a LangChain message: ``usage_metadata`` and ``response_metadata``."""
    usage: Mapping[str, Any] = message.usage_metadata or {}
    return Call(
        part="agent",
        model=model,
        input_tokens=usage.get("input_tokens"),
        output_tokens=usage.get("output_tokens"),
        reported=parse_reported(message.response_metadata.get("credits_consumed")),
        computed=_credits(usage.get("credits_consumed_micro")),
    )


def call_of_llamaindex(raw: Mapping[str, Any], *, model: str) -> Call:
    """Read a call off ``ChatResponse.raw``, the reply as plain JSON."""
    usage: Mapping[str, Any] = raw.get("usage") or {}
    tokens = read_usage(usage)
    return Call(
        part="docs",
        model=model,
        input_tokens=tokens.total_input if tokens else None,
        output_tokens=tokens.output if tokens else None,
        reported=parse_reported(usage.get("credits_consumed")),
        computed=_credits(usage.get("credits_consumed_micro")),
    )


def _credits(micro: int | None) -> Credits | None:
    return None if micro is None else Credits(micro)


def total_computed(calls: Sequence[Call]) -> Credits | None:
    """The exact sum, or ``None`` if a single call's cost is unknown."""
    amounts = [call.computed for call in calls]
    if None in amounts:
        return None
    return Credits(sum(amount.micro for amount in amounts if amount is not None))


def total_charged(calls: Sequence[Call]) -> Decimal | None:
    """The credits of all calls, or ``None`` if a single one is unknown."""
    return None if any(call.charged is None for call in calls) else lowest_charge(calls)


def lowest_charge(calls: Sequence[Call]) -> Decimal:
    """The least that was charged: the reported number where there is one, else the computed one."""
    return sum((call.charged or Decimal(0) for call in calls), Decimal(0))


def balance_adds_up(calls: Sequence[Call], *, moved: int) -> bool | None:
    """Whether a balance in whole credits can have ``moved`` by so much; ``None`` if a cost is unknown.

    A call is charged the exact amount or the reported one, which is the exact one cut to two
    decimals. The balance shows whole credits, so it moves by the whole credits below or above that.
    """
    most = total_computed(calls)
    if most is None:
        return None
    return math.floor(lowest_charge(calls)) <= moved <= math.ceil(most.as_decimal())


_NARROW: Final = 64
"""Columns of a terminal in which not all of a call fits in a line."""


def show_table(console: Console, calls: Sequence[Call]) -> None:
    """One row per call, and the totals of what is known."""
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), show_footer=True
    )
    computed = total_computed(calls)
    reported = [call.reported for call in calls if call.reported is not None]
    footers = {
        "in": f"{sum(call.input_tokens or 0 for call in calls):,}",
        "out": f"{sum(call.output_tokens or 0 for call in calls):,}",
        "reported": reported_text(sum(reported, Decimal(0))) if reported else UNKNOWN,
        "computed": credits_text(computed),
        "USD": usd_text(total_charged(calls)),
    }
    narrow = console.width < _NARROW
    if narrow:  # amounts are never cut: names are broken, and tokens left out
        del footers["in"], footers["out"]
        table.add_column("call", footer="total", overflow="fold")
    else:
        table.add_column("", no_wrap=True)
        table.add_column("model", footer="total", no_wrap=True)
    for name, footer in footers.items():
        table.add_column(name, footer=footer, justify="right", no_wrap=True)
    for call in calls:
        amounts = (reported_text(call.reported), credits_text(call.computed), usd_text(call.charged))
        counts = (UNKNOWN if n is None else f"{n:,}" for n in (call.input_tokens, call.output_tokens))
        if narrow:
            table.add_row(f"{call.part} {call.model}", *amounts)
        else:
            table.add_row(call.part, call.model, *counts, *amounts)
    console.print(table)


def show_balance(
    console: Console, calls: Sequence[Call], *, before: Balance, after: Balance, ledger_micro: int | None
) -> bool:
    """Set the calls against the balance and, in the sandbox, its exact books; whether they agree."""
    moved = before.balance - after.balance
    computed = total_computed(calls)
    agrees = balance_adds_up(calls, moved=moved)
    fits = {True: "which fits", False: "which does NOT fit", None: "which cannot be compared with"}[agrees]
    console.print(
        f"Balance  {before.balance:,} → {after.balance:,}: {moved:,} whole credit{'s' * (moved != 1)}, {fits} "
        f"the {credits_text(computed)} computed."
    )
    if ledger_micro is None:
        return agrees is not False
    same = computed is not None and computed.micro == ledger_micro
    console.print(
        f"Ledger   the sandbox's own books say {credits_text(Credits(ledger_micro))} credits were charged: "
        f"{'equal to the last digit' if same else 'NOT equal'}.",
        style="green" if same else "red",
    )
    return same and agrees is not False


NOTES = (
    "reported: the platform's own credits_consumed, cut to two decimals; native route only. "
    "computed: tokens times the published prices, exact. USD: what was charged, the reported credits or else the computed ones, x 0.005. "
    "The balance is published in whole credits, so a small cost moves it by one credit or by none."
)
