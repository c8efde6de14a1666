"""What a job will cost, and what it came to."""

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
            limit = f"{self.budget.as_decimal().normalize():,f}"
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
    worst_fit = best_fit = 0
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
        if available_micro is not None:
            worst_fit += high is not None and high <= available_micro
            best_fit += low is not None and low <= available_micro
    return BatchEstimate(
        rows=count,
        known_rows=known,
        bad_rows=bad,
        low=None if low is None else Credits(low),
        high=None if high is None else Credits(high),
        budget=None if available_micro is None else Credits(available_micro),
        fits_at_worst=None if available_micro is None else worst_fit,
        fits_at_best=None if available_micro is None else best_fit,
    )


@dataclass(slots=True)
class RunCounts:
    """What the runs of one job object did. ``stopped``: why rows were left, ``None`` if none were."""

    called: int = 0
    resumed: int = 0
    bad: int = 0
    elsewhere: int = 0
    left: int = 0
    stopped: str | None = None


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
