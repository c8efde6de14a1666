"""The estimate of a job, and the report of what it came to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aivideoapi_core import Credits

if TYPE_CHECKING:
    from aivideoapi_batch._calls import Row, RowCall
    from aivideoapi_batch._journal_store import Totals
    from aivideoapi_core import CreditsSummary, Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchEstimate:
    """From ``low`` to ``high`` for ``rows``; ``None`` where a row's cost cannot be told or bounded.

    ``known_rows`` could be estimated, ``bad_rows`` cannot be called. ``fits_at_worst`` rows surely fit the
    budget, ``fits_at_best`` if every call costs as little as it can; ``None`` without a budget.
    """

    rows: int
    known_rows: int
    bad_rows: int
    low: Credits | None
    high: Credits | None
    budget: Credits | None
    fits_at_worst: int | None
    fits_at_best: int | None

    def __str__(self) -> str:
        low, high = (
            "unknown" if end is None else f"{end.as_decimal():,.2f}" for end in (self.low, self.high)
        )
        parts = [f"{self.rows:,} {'row' if self.rows == 1 else 'rows'}: {low} to {high} credits"]
        if self.budget is not None and self.fits_at_worst is not None:
            limit = f"{round(self.budget.as_decimal(), 4).normalize():,f}"
            if self.fits_at_worst >= self.rows - self.bad_rows:
                parts.append(f"all fit the budget of {limit}")
            else:
                parts.append(
                    f"of which {self.fits_at_worst:,} surely and {self.fits_at_best:,} at best "
                    f"fit the budget of {limit}"
                )
        if self.bad_rows:
            parts.append(f"{self.bad_rows:,} cannot be called")
        return "; ".join(parts)


def estimated(
    call: RowCall, rows: Iterable[tuple[Row | None, bool]], *, available_micro: int | None
) -> BatchEstimate:
    """The sums over ``rows``, each with whether it can be called at all."""
    from aivideoapi_batch._rows import BadRowError

    count = known = bad = 0
    low: int | None = 0
    high: int | None = 0
    worst, best = _Fitting(available_micro), _Fitting(available_micro)
    for row, is_good in rows:
        count += 1
        estimate = None
        try:
            if row is not None and is_good:
                estimate = call.estimate(row)
            else:
                bad += 1
                continue
        except BadRowError:
            bad += 1
            continue
        known += estimate is not None
        own_low, own_high = (None, None) if estimate is None else (estimate.low, estimate.high)
        low = None if low is None or own_low is None else low + own_low.micro
        high = None if high is None or own_high is None else high + own_high.micro
        worst.add(own_high)
        best.add(own_low)
    return BatchEstimate(
        rows=count,
        known_rows=known,
        bad_rows=bad,
        low=None if low is None else Credits(low),
        high=None if high is None else Credits(high),
        budget=None if available_micro is None else Credits(available_micro),
        fits_at_worst=worst.rows,
        fits_at_best=best.rows,
    )


class _Fitting:
    """How many rows fit ``available_micro``, in their order; one that all of it is too little for is left out, as by a run."""

    def __init__(self, available_micro: int | None) -> None:
        self.rows = None if available_micro is None else 0
        self._available = available_micro
        self._sum: int | None = 0

    def add(self, cost: Credits | None) -> None:
        """One more row; after one of unknown cost nobody can say of any."""
        self._sum = None if self._sum is None or cost is None else self._sum
        if self.rows is None or self._available is None or self._sum is None or cost is None:
            return
        if cost.micro <= self._available:
            self._sum += cost.micro
            self.rows += self._sum <= self._available


@dataclass(slots=True)
class RunCounts:
    """What the runs of one job object did. ``stopped``: why rows were left, ``None`` if none were. ``needed_micro``: what
    the call may cost that the budget had no room for, if that was why.
    """

    called: int = 0
    resumed: int = 0
    bad: int = 0
    bad_by_code: dict[str, int] = field(default_factory=dict)
    elsewhere: int = 0
    left: int = 0
    stopped: str | None = None
    needed_micro: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchReport:
    """What the journal holds, beside what the ledger and the budget say, and what the last run did.

    ``calls_once``: a row is one call, so that what is paid twice can be counted in calls; else in rows.
    """

    totals: Totals
    counts: RunCounts = field(default_factory=RunCounts)
    ledger: CreditsSummary | None = None
    standing: Standing | None = None
    calls_once: bool = True

    @property
    def done(self) -> int:
        """Rows that have a result."""
        return sum(self.totals.rows.values())

    def books(self) -> dict[str, Decimal | None]:
        """Credits by who says so: ``results``, ``ledger``, ``budget``; ``None`` where there is no such book.

        Results are at most the ledger, the ledger at most the budget, which counts the unknown at its bound.
        """
        return {
            "results": Decimal(self.totals.credits_micro).scaleb(-6),
            "ledger": None if self.ledger is None else Decimal(self.ledger.credits_micro or 0).scaleb(-6),
            "budget": None if self.standing is None else Decimal(self.standing.spent_micro).scaleb(-6),
        }

    def to_dict(self) -> dict[str, Any]:
        """As JSON: amounts in credits as text."""
        totals, counts = self.totals, self.counts
        return {
            "rows": dict(totals.rows),
            "credits": f"{Decimal(totals.credits_micro).scaleb(-6):f}",
            "credits_reported": f"{totals.reported:f}",
            "unknown": totals.unknown,
            "at_most_for_unknown": f"{Decimal(totals.at_most_micro).scaleb(-6):f}",
            "requests": totals.attempts,
            "paid_before": totals.paid_before,
            "unfinished_calls": totals.unfinished_calls,
            "paid_twice_at_most": totals.repeated_calls,
            "paid_twice_counts": "calls" if self.calls_once else "rows",
            "books": {
                name: None if amount is None else f"{amount:f}" for name, amount in self.books().items()
            },
            "run": {
                "called": counts.called,
                "resumed": counts.resumed,
                "bad": counts.bad,
                "elsewhere": counts.elsewhere,
                "left": counts.left,
                "stopped": counts.stopped,
            },
        }

    def __str__(self) -> str:
        rows = (
            ", ".join(f"{count:,} {status}" for status, count in sorted(self.totals.rows.items())) or "none"
        )
        books = ", ".join(
            f"{name} {amount:,.4f}" for name, amount in self.books().items() if amount is not None
        )
        lines = [f"rows: {rows}", f"credits: {books}"]
        if self.totals.unknown:
            bound = Decimal(self.totals.at_most_micro).scaleb(-6)
            lines.append(f"cost unknown: {self.totals.unknown:,} rows, at most {bound:,.4f} credits")
        twice = f"{self.totals.repeated_calls:,}"
        lines.append(
            f"paid twice: at most {twice} calls"
            if self.calls_once
            else f"paid twice: at most the calls of {twice} rows"
        )
        if self.counts.stopped:
            lines.append(f"stopped: {self.counts.stopped}")
        return "\n".join(lines)
