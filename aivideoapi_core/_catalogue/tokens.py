"""Token counts, as a wire ``usage`` states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_ABSURD: Final = 10**12
"""A count at or above this is a fault of the server, not a count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """The tokens of one call. ``input`` excludes cache reads and writes; ``output`` includes thinking.

    ``thinking`` is ``None`` where the server did not say.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking: int | None = None

    @property
    def cache_write(self) -> int:
        """Cache writes of both lifetimes."""
        return self.cache_write_5m + self.cache_write_1h

    @property
    def total_input(self) -> int:
        """All input tokens: fresh, written to the cache and read from it."""
        return self.input + self.cache_write + self.cache_read


def read_usage(usage: Mapping[str, Any] | None) -> TokenCounts | None:
    """Read a wire ``usage``; ``None`` unless input and output counts are there and every count is sane.

    Where the split of cache writes by lifetime is absent or says less than the total, the rest
    counts as 5-minute writes (platform documentation, "Prompt caching").
    """
    if not isinstance(usage, Mapping):
        return None
    split = usage.get("cache_creation")
    try:
        write_1h = write_5m = 0
        if isinstance(split, Mapping):
            write_1h = _count(split.get("ephemeral_1h_input_tokens")) or 0
            write_5m = _count(split.get("ephemeral_5m_input_tokens")) or 0
        writes = _count(usage.get("cache_creation_input_tokens")) or 0
        reads = _count(usage.get("cache_read_input_tokens")) or 0
        input_tokens, output_tokens = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    except ValueError:
        return None  # a wrong count makes a wrong bill, and unknown is not zero
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


def _thinking(details: Any) -> int | None:
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
        raise ValueError(value)
    return value
