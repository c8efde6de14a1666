"""Token counts, as a wire ``usage`` states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

_ABSURD: Final = 10**12
"""A count at or above this is a fault of the server, not a count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """The billed tokens of one call. ``input`` excludes cache reads and writes; ``output`` includes thinking.

    ``thinking`` is ``None`` where the server did not say. ``by_model`` holds the part of the counts
    that other models than the requested one were at work for (an advisor's), by their upstream names:
    each has a price of its own.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking: int | None = None
    by_model: tuple[tuple[str, TokenCounts], ...] = ()

    @property
    def cache_write(self) -> int:
        """Cache writes of both lifetimes."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def total_input(self) -> int:
        """All input tokens: fresh, written to the cache and read from it."""
        return self.input + self.cache_write + self.cache_read

    def as_usage(self) -> dict[str, Any]:
        """The counts as a wire ``usage`` states them, all that was billed at its top."""
        return {
            "input_tokens": self.input,
            "output_tokens": self.output,
            "cache_read_input_tokens": self.cache_read,
            "cache_creation_input_tokens": self.cache_write,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.cache_write_5m,
                "ephemeral_1h_input_tokens": self.cache_write_1h,
            },
        }

    @property
    def own(self) -> TokenCounts:
        """The counts without those of ``by_model``."""
        counts = self
        for _, others in self.by_model:
            counts = _added(counts, others, -1)
        return replace(counts, by_model=())


def _added(counts: TokenCounts, others: TokenCounts, sign: int = 1) -> TokenCounts:
    return replace(
        counts,
        input=counts.input + sign * others.input,
        output=counts.output + sign * others.output,
        cache_read=counts.cache_read + sign * others.cache_read,
        cache_write_5m=counts.cache_write_5m + sign * others.cache_write_5m,
        cache_write_1h=counts.cache_write_1h + sign * others.cache_write_1h,
    )


def read_usage(usage: Mapping[str, Any] | None) -> TokenCounts | None:
    """Read a wire ``usage``: everything that is billed for the call.

    ``None`` unless input and output counts are there, every count is sane, and some input is counted
    (no request has none). Where the split of cache writes by lifetime is absent or says less than the
    total, the rest counts as 5-minute writes (platform documentation, "Prompt caching"). The entries of
    ``iterations`` that are no messages (a compaction, an advisor's work) are billed and not in the
    counts at the top: they are added. A fallback model's message is in them, at that model's price.
    """
    if not isinstance(usage, Mapping):
        return None
    try:
        counts = _counts_of(usage)
        if counts is not None and usage.get("iterations"):
            counts = _with_iterations(counts, usage["iterations"])
    except ValueError:
        return None  # a wrong count makes a wrong bill, and unknown is not zero
    return counts if counts is not None and counts.total_input else None


def _counts_of(usage: Mapping[str, Any]) -> TokenCounts | None:
    """The counts at the top of ``usage`` or of one iteration; raises ``ValueError`` for what is none."""
    split = usage.get("cache_creation")
    write_1h = write_5m = 0
    if split is not None and isinstance(split, Mapping):
        write_1h = _count(split.get("ephemeral_1h_input_tokens")) or 0
        write_5m = _count(split.get("ephemeral_5m_input_tokens")) or 0
    writes = _count(usage.get("cache_creation_input_tokens")) or 0
    reads = _count(usage.get("cache_read_input_tokens")) or 0
    input_tokens, output_tokens = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    if input_tokens is None or output_tokens is None:
        return None
    return TokenCounts(
        input=input_tokens,
        output=output_tokens,
        cache_read=reads,
        cache_write_5m=max(write_5m, writes - write_1h),
        cache_write_1h=write_1h,
        thinking=_thinking(usage.get("output_tokens_details")),
    )


def _with_iterations(counts: TokenCounts, iterations: Any) -> TokenCounts:
    """``counts`` and what ``iterations`` say was billed beside them.

    Raises ``ValueError`` for an entry that does not say how much: part of the bill is unknown then.
    """
    if not isinstance(iterations, (list, tuple)):
        raise ValueError("iterations")
    by_model: list[tuple[str, TokenCounts]] = []
    top = counts
    for entry in iterations:
        if not isinstance(entry, Mapping):
            raise ValueError("iteration")
        if entry.get("type") == "message":
            continue  # is in the counts at the top
        billed = _counts_of(entry)
        if billed is None:
            raise ValueError("iteration")
        billed = replace(billed, thinking=None)
        rest = _added(top, billed, -1)
        if entry.get("type") == "fallback_message" and min(_amounts(rest)) >= 0:
            top = rest  # this type stands "in place of message" (the official SDK), so its counts are at the top
        else:
            counts = _added(counts, billed)
        model = entry.get("model")
        if isinstance(model, str) or "advisor" in str(entry.get("type")):
            # An advisor is another model; without its name there is no price for it.
            by_model.append((model if isinstance(model, str) else "", billed))
    return replace(counts, by_model=tuple(by_model))


def _amounts(counts: TokenCounts) -> tuple[int, ...]:
    return counts.input, counts.output, counts.cache_read, counts.cache_write_5m, counts.cache_write_1h


def _thinking(details: Any) -> int | None:
    if details is None:
        return None
    try:
        return _count(details.get("thinking_tokens")) if isinstance(details, Mapping) else None
    except ValueError:
        return None  # says nothing about the bill


def _count(value: Any) -> int | None:
    """A count of tokens, ``None`` where there is none. Raises ``ValueError`` for what cannot be one."""
    if value is None or (type(value) is int and 0 <= value < _ABSURD):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if type(value) is not int or not 0 <= value < _ABSURD:
        raise ValueError("not a count")
    return value
