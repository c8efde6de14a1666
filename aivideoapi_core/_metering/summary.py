"""``CreditsSummary``: what a number of calls cost, with the unknown said and never shown as 0."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, Self

from aivideoapi_core._catalogue.tokens import TokenCounts
from aivideoapi_core._metering.record import CallRecord, Outcome

_TOKEN_KINDS: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking")
_USD_PER_CREDIT: Final = Decimal("0.005")
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsTotals:
    """Sums over some calls.

    ``calls`` are those that may cost something: answered, or lost on the way. ``failed`` were
    certainly not billed, ``cache_hits`` came from a framework's cache. ``unknown`` counts the calls
    for which neither figure is known; ``reported_calls`` and ``computed_calls`` say how many calls
    the two sums stand for. ``tokens`` sums the calls that stated theirs, ``counted_calls`` of them.
    """

    calls: int = 0
    failed: int = 0
    cache_hits: int = 0
    unknown: int = 0
    counted_calls: int = 0
    reported_calls: int = 0
    computed_calls: int = 0
    tokens: TokenCounts = field(default_factory=TokenCounts)
    reported_sum: Decimal = Decimal(0)
    computed_sum: int = 0
    charged_sum: Decimal = Decimal(0)

    @property
    def has_counts(self) -> bool:
        """Whether ``tokens`` says anything: some call stated its counts, or there was none to state them."""
        return self.counted_calls > 0 or not self.calls

    @property
    def credits_reported(self) -> Decimal | None:
        """Sum of the platform's figures in credits; ``None`` if there were calls and none reported."""
        return None if self.calls and not self.reported_calls else self.reported_sum

    @property
    def credits_micro(self) -> int | None:
        """Sum of the computed figures in microcredits; ``None`` if there were calls and none is known."""
        return None if self.calls and not self.computed_calls else self.computed_sum

    @property
    def credits(self) -> Decimal | None:
        """Credits charged: of each call the reported figure, else the computed one.

        ``None`` if there were calls and nothing is known of any; see ``unknown`` for how many are missing.
        """
        return None if self.calls and self.unknown == self.calls else self.charged_sum

    @property
    def usd(self) -> Decimal | None:
        """``credits`` in US dollars, at $0.005 per credit (platform documentation, "Pricing")."""
        return None if self.credits is None else self.credits * _USD_PER_CREDIT

    @property
    def usd_computed(self) -> Decimal | None:
        """``credits_micro`` in US dollars."""
        return None if self.credits_micro is None else Decimal(self.credits_micro * 5).scaleb(-9)

    def to_dict(self) -> dict[str, Any]:
        """As JSON: amounts in credits and dollars as text, microcredits as an integer, unknown as null."""
        tokens = self.tokens
        return {
            "calls": self.calls,
            "failed": self.failed,
            "cache_hits": self.cache_hits,
            "unknown": self.unknown,
            "tokens": {name: getattr(tokens, name) if self.has_counts else None for name in _TOKEN_KINDS},
            "counted_calls": self.counted_calls,
            "credits": _text(self.credits),
            "credits_reported": _text(self.credits_reported),
            "reported_calls": self.reported_calls,
            "credits_micro": self.credits_micro,
            "computed_calls": self.computed_calls,
            "usd": _text(self.usd),
            "usd_computed": _text(self.usd_computed),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsSummary(CreditsTotals):
    """The sums over all calls, and the same by requested model and by tag.

    A call with two tags is in both rows of ``by_tag``, a call without any is in none: those rows
    need not add up to the total, those of ``by_model`` do.
    """

    by_model: Mapping[str, CreditsTotals] = field(default_factory=dict)
    by_tag: Mapping[str, CreditsTotals] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[CallRecord]) -> Self:
        """The summary of ``records``."""
        tracker = SpendTracker()
        for record in records:
            tracker.add(record)
        summary = tracker.summary
        return cls(**{name: getattr(summary, name) for name in cls.__dataclass_fields__})

    def to_dict(self) -> dict[str, Any]:
        """As JSON; see ``CreditsTotals.to_dict``."""
        return {
            **CreditsTotals.to_dict(self),
            "by_model": {name: totals.to_dict() for name, totals in self.by_model.items()},
            "by_tag": {name: totals.to_dict() for name, totals in self.by_tag.items()},
        }

    def __str__(self) -> str:
        rows = [(name, totals) for name, totals in self.by_model.items()]
        rows += [(f"#{name}", totals) for name, totals in self.by_tag.items()]
        rows.append(("total", self))
        return _table(rows)


class _Sums:
    """Growing sums; plain attributes, because one call must cost microseconds."""

    __slots__ = ("counts", "thinking", "tokens")

    def __init__(self) -> None:
        self.counts: dict[str, Any] = {}
        self.tokens = [0, 0, 0, 0, 0]
        self.thinking: int | None = None

    def add(self, record: CallRecord) -> None:
        counts = self.counts
        if record.outcome is Outcome.CACHED:
            counts["cache_hits"] = counts.get("cache_hits", 0) + 1
            return
        if record.outcome is Outcome.FAILED:
            counts["failed"] = counts.get("failed", 0) + 1
            return
        counts["calls"] = counts.get("calls", 0) + 1
        computed, reported, tokens = record.credits_micro, record.credits_reported, record.tokens
        if computed is None and reported is None:
            counts["unknown"] = counts.get("unknown", 0) + 1
        if computed is not None:
            counts["computed_calls"] = counts.get("computed_calls", 0) + 1
            counts["computed_sum"] = counts.get("computed_sum", 0) + computed
        if reported is not None:
            counts["reported_calls"] = counts.get("reported_calls", 0) + 1
            counts["reported_sum"] = counts.get("reported_sum", Decimal(0)) + reported
        charged = reported if reported is not None else Decimal(computed or 0).scaleb(-6)
        counts["charged_sum"] = counts.get("charged_sum", Decimal(0)) + charged
        if tokens is not None:
            counts["counted_calls"] = counts.get("counted_calls", 0) + 1
            sums = self.tokens
            sums[0] += tokens.input
            sums[1] += tokens.output
            sums[2] += tokens.cache_read
            sums[3] += tokens.cache_write_5m
            sums[4] += tokens.cache_write_1h
            if tokens.thinking is not None:
                self.thinking = (self.thinking or 0) + tokens.thinking

    def totals(self) -> CreditsTotals:
        return CreditsTotals(**self.facts())

    def facts(self) -> dict[str, Any]:
        fresh, out, read, write_5m, write_1h = self.tokens
        tokens = TokenCounts(
            input=fresh,
            output=out,
            cache_read=read,
            cache_write_5m=write_5m,
            cache_write_1h=write_1h,
            thinking=self.thinking,
        )
        return {**self.counts, "tokens": tokens}


class SpendTracker:
    """Adds up records from any number of threads and tasks. ``summary`` is a snapshot."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._all = _Sums()
        self._models: dict[str, _Sums] = {}
        self._tags: dict[str, _Sums] = {}

    def add(self, record: CallRecord) -> None:
        """Count one call."""
        with self._lock:
            self._all.add(record)
            self._models.setdefault(record.model, _Sums()).add(record)
            for tag in dict.fromkeys(record.tags):
                self._tags.setdefault(tag, _Sums()).add(record)

    @property
    def summary(self) -> CreditsSummary:
        """The sums so far."""
        with self._lock:
            return CreditsSummary(
                **self._all.facts(),
                by_model={name: sums.totals() for name, sums in sorted(self._models.items())},
                by_tag={name: sums.totals() for name, sums in sorted(self._tags.items())},
            )

    def reset(self) -> None:
        """Forget every call."""
        with self._lock:
            self._all, self._models, self._tags = _Sums(), {}, {}

    def __copy__(self) -> SpendTracker:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SpendTracker:
        # Frameworks copy callbacks with their configs; a copy that counts apart would lose calls.
        return self


_TRACKERS: ContextVar[tuple[SpendTracker, ...]] = ContextVar("aivideoapi_spend_trackers", default=())


@contextmanager
def track_spend(tracker: SpendTracker | None = None) -> Iterator[SpendTracker]:
    """Add up every call that begins in the block, in its tasks, and in threads that got its context.

    Nested blocks each count; ``tracker`` continues an older one.
    """
    tracker = SpendTracker() if tracker is None else tracker
    token = _TRACKERS.set((*_TRACKERS.get(), tracker))
    try:
        yield tracker
    finally:
        _TRACKERS.reset(token)


def count_cache_hit(model: str, *, framework: str | None = None, tags: Iterable[str] = ()) -> None:
    """Tell the trackers of the enclosing blocks of an answer that no call was made for."""
    for tracker in current_trackers():
        tracker.add(CallRecord(model=model, outcome=Outcome.CACHED, framework=framework, tags=tuple(tags)))


def current_trackers() -> tuple[SpendTracker, ...]:
    """The trackers of the enclosing ``track_spend`` blocks, each once."""
    trackers = _TRACKERS.get()
    return trackers if len(trackers) < 2 else tuple(dict.fromkeys(trackers))


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"


def _shown(amount: Decimal | None, known: int, calls: int, *, places: int) -> str:
    """An amount for people: its coverage is said when some calls are missing from it."""
    if amount is None:
        return _UNKNOWN
    text = f"{amount:,.{places}f}"
    return text if known == calls else f"{text} ({known} of {calls})"


def _cells(name: str, totals: CreditsTotals) -> tuple[str, ...]:
    computed = None if totals.credits_micro is None else Decimal(totals.credits_micro).scaleb(-6)
    tokens = totals.tokens
    counts = (tokens.input, tokens.output, tokens.cache_read, tokens.cache_write)
    return (
        name,
        f"{totals.calls:,}",
        *(f"{count:,}" if totals.has_counts else _UNKNOWN for count in counts),
        _shown(totals.credits_reported, totals.reported_calls, totals.calls, places=2),
        _shown(computed, totals.computed_calls, totals.calls, places=6),
        f"{totals.unknown:,}",
        _shown(totals.usd, totals.calls - totals.unknown, totals.calls, places=6),
    )


def _table(rows: Iterable[tuple[str, CreditsTotals]]) -> str:
    header = (
        "",
        "calls",
        "input",
        "output",
        "cache read",
        "cache write",
        "reported",
        "computed",
        "unknown",
        "USD",
    )
    lines = [header, *(_cells(name, totals) for name, totals in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = []
    for number, line in enumerate(lines):
        cells = [
            line[0].ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)),
        ]
        text.append("  ".join(cells).rstrip())
        if number in (0, len(lines) - 2):
            text.append("─" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join(text)
