"""The usage of a stream: counts that are said more than once, and not always by somebody who knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_INPUT: Final = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "cache_creation",
)


class UsageTally:
    """The usage so far: what comes later overwrites, also with less; what is absent or null stays.

    A later usage whose input counts are all 0 knows nothing of the input. The output count of the start
    is provisional: it is not kept, and unless a later one is stated the output is unknown.
    """

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[str, Any] = {}

    def start(self, usage: Any, *, final: bool = False) -> None:
        """Take the usage of ``message_start``. ``final``: the whole answer is in it, so it is no guess."""
        if not isinstance(usage, Mapping):
            return
        self._update(usage if final else {name: usage[name] for name in usage if name != "output_tokens"})

    def add(self, usage: Any) -> None:
        """Take a later usage."""
        if not isinstance(usage, Mapping):
            return
        new = usage
        if _says_zero(new) and _counts_input(self.known):
            new = {name: new[name] for name in new if name not in _INPUT}
        self._update(new)

    def _update(self, usage: Mapping[str, Any]) -> None:
        known = self.known
        for name, value in usage.items():
            if name != "credits_consumed" and (value is not None or name not in known):
                known[name] = value
        writes = usage.get("cache_creation_input_tokens")
        # A total may fall below the split that was said before it.
        if (
            type(writes) is int
            and usage.get("cache_creation") is None
            and _sum_of(known.get("cache_creation")) > writes
        ):
            del known["cache_creation"]


def _says_zero(usage: Mapping[str, Any]) -> bool:
    said = [usage[name] for name in _INPUT if usage.get(name) is not None]
    return bool(said) and not any(map(_sum_of, said))


def _counts_input(usage: Mapping[str, Any]) -> bool:
    return any(_sum_of(usage.get(name)) for name in _INPUT)


def _sum_of(count: Any) -> float:
    """The count, or the sum of a split; what is no number counts as one, since it is not zero."""
    if isinstance(count, Mapping):
        return sum(map(_sum_of, count.values()))
    if count is None:
        return 0
    return count if isinstance(count, (int, float)) else 1
