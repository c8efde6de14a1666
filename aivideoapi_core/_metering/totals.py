"""Sums over calls: ``CreditsTotals`` for those who read them, ``Sums`` for those who add."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from aivideoapi_core._catalogue.amounts import USD_PER_CREDIT
from aivideoapi_core._catalogue.tokens import TokenCounts
from aivideoapi_core._metering.record import NOT_BILLED, CallRecord, Outcome

_TOKEN_KINDS: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking")
_ZERO: Final = Decimal(0)
_CENT: Final = Decimal("0.01")


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsTotals:
    """Sums over some calls.

    ``calls`` are those that may cost something: answered, or lost on the way. ``failed`` were
    certainly not billed, ``refused`` are those that a budget had no room for, ``cache_hits`` came from a
    framework's cache. ``unknown`` counts the calls
    for which neither figure is known; ``reported_calls`` and ``computed_calls`` say how many calls
    the two sums stand for. ``tokens`` sums the calls that stated theirs, ``counted_calls`` of them.
    """

    calls: int = 0
    failed: int = 0
    refused: int = 0
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
        return None if self.credits is None else self.credits * USD_PER_CREDIT

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
            "refused": self.refused,
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


class Sums:
    """Growing sums; plain attributes, because one call must cost microseconds."""

    __slots__ = ("counts", "thinking", "tokens")

    def __init__(self) -> None:
        self.counts: dict[str, Any] = {}
        self.tokens = [0, 0, 0, 0, 0]
        self.thinking: int | None = None

    @classmethod
    def of_rows(
        cls,
        outcome: Outcome,
        *,
        rows: int,
        charged: tuple[int, int],
        reported: tuple[int, int],
        computed: tuple[int, int],
        counted: int,
        tokens: list[int],
        thinking: int | None,
    ) -> Sums:
        """The sums of ``rows`` calls that ended with ``outcome``, as a database has added them up.

        Each pair: how many calls state it, and its sum in microcredits. ``tokens`` as in ``self.tokens``.
        """
        sums = cls()
        if outcome in NOT_BILLED:
            sums.counts[_COUNT_OF[outcome]] = rows
            return sums
        known, charged_micro = (0, 0) if outcome is Outcome.UNKNOWN else charged
        facts = {
            "calls": rows,
            "unknown": rows - known,
            "charged_sum": _in_credits(charged_micro),
            "computed_calls": computed[0],
            "computed_sum": computed[1],
            "reported_calls": reported[0],
            "reported_sum": _in_credits(reported[1]),
            "counted_calls": counted,
        }
        sums.counts = {name: fact for name, fact in facts.items() if fact}
        sums.tokens, sums.thinking = tokens, thinking
        return sums

    def add(self, record: CallRecord) -> None:
        """Add one call."""
        counts = self.counts
        if record.outcome in NOT_BILLED:
            name = _COUNT_OF[record.outcome]
            counts[name] = counts.get(name, 0) + 1
            return
        counts["calls"] = counts.get("calls", 0) + 1
        computed, reported, tokens = record.credits_micro, record.credits_reported, record.tokens
        charged = record.charged
        if charged is None:
            counts["unknown"] = counts.get("unknown", 0) + 1
        else:
            counts["charged_sum"] = counts.get("charged_sum", _ZERO) + charged
        if computed is not None:
            counts["computed_calls"] = counts.get("computed_calls", 0) + 1
            counts["computed_sum"] = counts.get("computed_sum", 0) + computed
        if reported is not None:
            counts["reported_calls"] = counts.get("reported_calls", 0) + 1
            counts["reported_sum"] = counts.get("reported_sum", _ZERO) + reported
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

    def add_sums(self, other: Sums) -> None:
        """Add what another has added up."""
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count
        self.tokens = [mine + others for mine, others in zip(self.tokens, other.tokens, strict=True)]
        if other.thinking is not None:
            self.thinking = (self.thinking or 0) + other.thinking

    def copy(self) -> Sums:
        """The same sums, which grow apart from these."""
        sums = Sums()
        sums.counts, sums.tokens, sums.thinking = {**self.counts}, [*self.tokens], self.thinking
        return sums

    def totals(self) -> CreditsTotals:
        """What was added, to be read."""
        return CreditsTotals(**self.facts())

    def facts(self) -> dict[str, Any]:
        """The arguments of ``CreditsTotals``."""
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


_COUNT_OF: Final = {Outcome.FAILED: "failed", Outcome.CACHED: "cache_hits", Outcome.REFUSED: "refused"}
"""Where a call that was not billed is counted."""


def _in_credits(micro: int) -> Decimal:
    """Without the zeros that no platform sends: ``Decimal('0.06')``."""
    amount = Decimal(micro).scaleb(-6)
    cents = amount.quantize(_CENT)
    return cents if cents == amount else amount


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
