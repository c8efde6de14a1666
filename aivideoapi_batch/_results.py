"""``RowResult``: how one row of a batch ended. Plain data, written to the journal and handed to the caller."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from enum import StrEnum
from operator import attrgetter
from typing import Any, Final, Self

from pydantic_core import PydanticSerializationError, to_json

from aivideoapi_core import CallRecord, Outcome, TokenCounts, parse_reported


class Status(StrEnum):
    """How a row ended."""

    OK = "ok"
    """Answered."""
    REFUSED = "refused"
    """Not worked on for want of credits: your budget, the account or the key's spend limit said no. Not billed."""
    FAILED = "failed"
    """Ended with an error. ``credits_micro`` says whether it cost something all the same."""
    LOST = "lost"
    """Cut or timed out: it may have been billed, and nobody said how much. ``at_most_micro`` bounds it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """One row's end. ``id`` as text; ``None`` only for a row that has none, which is never called.

    ``answer`` is JSON-ready. ``error`` names a class and a code, never a text. ``credits_micro`` is
    computed from the tokens, in microcredits, ``credits_reported`` the platform's own figure; each is
    ``None`` when unknown, never 0. ``attempts`` counts requests. ``paid_before``: an earlier call of
    this row was billed, or was running when its process died. ``resumed``: read from the journal, not
    called now.
    """

    id: str | None
    status: Status
    answer: Any = None
    error: str | None = None
    tokens: TokenCounts | None = None
    credits_micro: int | None = None
    credits_reported: Decimal | None = None
    at_most_micro: int | None = None
    attempts: int = 0
    paid_before: bool = False
    latency_s: float | None = None
    resumed: bool = False

    @property
    def may_have_cost(self) -> bool:
        """Whether it was billed, or may have been."""
        return self.credits_micro != 0 or bool(self.credits_reported)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; ``credits_reported`` as text, so that no digit is lost."""
        tokens, reported = self.tokens, self.credits_reported
        return {
            "id": self.id,
            "status": self.status.value,
            "answer": self.answer,
            "error": self.error,
            "tokens": None if tokens is None else dict(zip(_COUNTS, _counts_of(tokens), strict=True)),
            "credits_micro": self.credits_micro,
            "credits_reported": None if reported is None else str(reported),
            "at_most_micro": self.at_most_micro,
            "attempts": self.attempts,
            "paid_before": self.paid_before,
            "latency_s": self.latency_s,
        }

    def to_json(self) -> bytes:
        """``to_dict`` as one line of JSON."""
        row = self.to_dict()
        try:
            return to_json(row)
        except PydanticSerializationError:  # half a surrogate pair, which UTF-8 has not
            return json.dumps(row, separators=(",", ":")).encode()

    @classmethod
    def from_dict(cls, row: Mapping[str, Any], *, resumed: bool = False) -> Self:
        """Read what ``to_dict`` wrote; keys of a newer version are left alone."""
        facts = {name: row[name] for name in _FIELDS if name in row}
        facts["status"] = Status(facts["status"])
        facts["credits_reported"] = parse_reported(facts.get("credits_reported"))
        if facts.get("tokens") is not None:
            facts["tokens"] = TokenCounts(**facts["tokens"])
        return cls(**facts, resumed=resumed)


_FIELDS: Final = tuple(field.name for field in fields(RowResult) if field.name != "resumed")
_COUNTS: Final = tuple(field.name for field in fields(TokenCounts) if field.name != "by_model")
"""Whose tokens they were is told by the cost beside them."""
_counts_of: Final = attrgetter(*_COUNTS)
_SUMMED: Final = tuple(name for name in _COUNTS if name != "thinking")


def costs_of(records: Sequence[CallRecord]) -> dict[str, Any]:
    """The facts of a row's calls as fields of its result: sums, ``None`` where one part is unknown.

    A row whose calls all failed cost 0; a lost call leaves the figures unknown and ``at_most_micro`` bounds them.
    """
    tokens: list[TokenCounts] = []
    micro: int | None = 0
    at_most: int | None = 0
    reported: Decimal | None = None
    billed = with_reported = attempts = 0
    for record in records:
        attempts += record.attempts if record.outcome is not Outcome.CACHED else 0
        if record.outcome in (Outcome.FAILED, Outcome.CACHED, Outcome.REFUSED):
            continue
        billed += 1
        own = record.credits_micro
        micro = None if micro is None or own is None else micro + own
        bound = own if own is not None else record.at_most_micro
        if bound is None and record.credits_reported is not None:
            bound = int(record.credits_reported.scaleb(6))
        at_most = None if at_most is None or bound is None else at_most + bound
        if record.credits_reported is not None:
            with_reported += 1
            reported = (reported or Decimal(0)) + record.credits_reported
        if record.tokens is not None:
            tokens.append(record.tokens)
    return {
        "tokens": _summed(tokens),
        "credits_micro": micro,
        "credits_reported": reported if with_reported == billed else None,
        "at_most_micro": at_most if micro is None else None,
        "attempts": attempts,
    }


def _summed(counts: Sequence[TokenCounts]) -> TokenCounts | None:
    """One sum, without whose tokens they were; ``None`` of none."""
    if not counts:
        return None
    if len(counts) == 1 and not counts[0].by_model:
        return counts[0]
    thinking = [each.thinking for each in counts if each.thinking is not None]
    return TokenCounts(
        **{name: sum(getattr(each, name) for each in counts) for name in _SUMMED},
        thinking=sum(thinking) if thinking else None,
    )
