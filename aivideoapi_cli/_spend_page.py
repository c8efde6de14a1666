"""A ledger as one self-contained page: a few kilobytes of script draw what was added up before, and fetch nothing.

The page holds sums, no rows: a cell for each day (or month), model, agent and set of tags. So a ledger of
any length makes a page of a bounded size, and its filters work without a server.
"""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from aivideoapi_core import CreditsTotals, SpendLedger

_MOST_CELLS: Final = 20_000
"""More are joined: days to months first, then the sets of tags that cost least."""
_OTHER: Final = "(other)"
_COUNTS: Final = ("input", "output", "cache_read", "cache_write")


def page(book: SpendLedger, asked: Mapping[str, Any], *, title: str) -> str:
    """The whole page over the calls that are ``asked`` for. Unknown figures are said to be unknown, in words."""
    unit, cells = _cells(book, asked)
    data = {"unit": unit, "zone": str(asked.get("tz", "UTC")), **_indexed(cells)}
    # "<" would end the script; so no text of a ledger can.
    payload = json.dumps(data, separators=(",", ":"), ensure_ascii=True).replace("<", "\\u003c")
    files = resources.files("aivideoapi_cli") / "spend_page"
    text = (files / "page.html").read_text(encoding="utf-8")
    made = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    for name, value in (
        ("STYLE", (files / "page.css").read_text(encoding="utf-8")),
        ("SCRIPT", (files / "page.js").read_text(encoding="utf-8")),
        ("TITLE", html.escape(title)),
        ("MADE", made),
        ("DATA", payload),  # the last: its texts are anybody's
    ):
        text = text.replace(f"@@{name}@@", value)
    return text


_Key = tuple[str, str, str, tuple[str, ...]]


def _cells(book: SpendLedger, asked: Mapping[str, Any]) -> tuple[str, dict[_Key, list[CreditsTotals]]]:
    """The sums by time, model, agent and tags, few enough for a page; whether time is in days or months."""
    days: dict[_Key, list[CreditsTotals]] = {
        (when, model, agent or "", tuple(json.loads(tags or "[]"))): [totals]
        for (when, model, agent, tags), totals in book.sums(
            ("day", "model", "agent", "tags"), **asked
        ).items()
    }
    if len(days) <= _MOST_CELLS:
        return "day", days
    months: dict[_Key, list[CreditsTotals]] = {}
    for (
        day,
        model,
        agent,
        tags,
    ), parts in days.items():  # not asked for again: over a large ledger that takes seconds
        months.setdefault((day[: len("2026-11")], model, agent, tags), []).extend(parts)
    return "month", months if len(months) <= _MOST_CELLS else _joined(months)


def _joined(cells: Mapping[_Key, list[CreditsTotals]]) -> dict[_Key, list[CreditsTotals]]:
    """The cells whose agent and tags cost most as they are, the others as one agent and tag."""
    costs: dict[tuple[str, tuple[str, ...]], Decimal] = {}
    for (_, _, agent, tags), parts in cells.items():
        for totals in parts:
            costs[agent, tags] = costs.get((agent, tags), Decimal(0)) + (totals.credits or 0)
    times = len({(when, model) for when, model, _, _ in cells})
    kept = sorted(costs, key=lambda names: -costs[names])[: max(1, _MOST_CELLS // times)]
    stays = frozenset(kept)
    joined: dict[_Key, list[CreditsTotals]] = {}
    for (when, model, agent, tags), parts in cells.items():
        names = (agent, tags) if (agent, tags) in stays else (_OTHER, (_OTHER,))
        joined.setdefault((when, model, *names), []).extend(parts)
    return joined


def _indexed(cells: Mapping[_Key, list[CreditsTotals]]) -> dict[str, Any]:
    """Names once, cells as numbers: when, model, agent, [tags], calls, unknown, failed, refused, cached, micro, tokens."""
    times = sorted({key[0] for key in cells})
    models = sorted({key[1] for key in cells})
    agents = sorted({key[2] for key in cells})
    tags = sorted({tag for key in cells for tag in key[3]})
    at = [{name: number for number, name in enumerate(names)} for names in (times, models, agents, tags)]
    rows = []
    for (when, model, agent, tagged), totals in cells.items():
        counts = [sum(getattr(one.tokens, name) for one in totals) for name in _COUNTS]
        rows.append(
            [
                at[0][when],
                at[1][model],
                at[2][agent],
                [at[3][tag] for tag in tagged],
                sum(one.calls for one in totals),
                sum(one.unknown for one in totals),
                sum(one.failed for one in totals),
                sum(one.refused for one in totals),
                sum(one.cache_hits for one in totals),
                int(sum((one.charged_sum for one in totals), Decimal(0)).scaleb(6)),
                counts,
                sum(one.counted_calls for one in totals),
            ]
        )
    return {"times": times, "models": models, "agents": agents, "tags": tags, "cells": rows}
