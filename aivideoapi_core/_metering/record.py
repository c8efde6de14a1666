"""The record of one call: the facts that trackers, budgets and ledgers share.

A record never holds content, headers or the key. An amount that is not known is ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, Self

from aivideoapi_core._catalogue.amounts import Credits, charged, parse_reported
from aivideoapi_core._catalogue.routes import route_of
from aivideoapi_core._catalogue.tokens import TokenCounts
from aivideoapi_core._errors import (
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    BudgetExceededError,
    InvalidInputError,
    StreamError,
)
from aivideoapi_core._inbound.reply import new_call_id
from aivideoapi_core._metering.datetimes import datetime_at
from aivideoapi_core._metering.quick_records import quick

_GATEWAY_TIMEOUTS: Final = frozenset({504, 522, 524})
"""A proxy gave up waiting; what it waited for may have been done, and billed."""


class Outcome(StrEnum):
    """How a call ended, as far as money is concerned."""

    OK = "ok"
    """Answered. A figure can still be unknown: a model without a price, a reply without usage."""
    FAILED = "failed"
    """Refused or never worked on: certainly not billed."""
    LOST = "lost"
    """Cut, timed out or abandoned: it may have been billed, and nobody said how much."""
    CACHED = "cached"
    """Answered from a framework's cache: no call was made, nothing is billed."""
    REFUSED = "refused"
    """A budget had no room for it: no call was made, nothing is billed."""
    UNKNOWN = "unknown"
    """A word of a newer release that shares the ledger: nobody here can say what it means for the bill."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call. ``model`` is the requested id; ``started_at`` seconds since the epoch (UTC).

    ``credits_reported`` is the platform's figure as sent, ``credits_micro`` the computed one in
    microcredits; each is ``None`` when unknown. ``at_most_micro`` bounds the cost of a call whose
    figures are unknown, where a bound is known; of a refused call it is what the budget named ``budget`` had
    no room for. ``error`` names a class and a code, never a text. ``agent``, ``thread``, ``user`` and
    ``customer`` say for whom it was (see ``Attribution``). ``call_id`` is ours, and no other call anywhere
    has it, so that a row that is written twice is one; rows of earlier releases have none.
    """

    model: str
    outcome: Outcome = Outcome.OK
    started_at: float = 0.0
    framework: str | None = None
    stream: bool | None = None
    tokens: TokenCounts | None = None
    credits_reported: Decimal | None = None
    credits_micro: int | None = None
    at_most_micro: int | None = None
    request_id: str | None = None
    message_id: str | None = None
    response_model: str | None = None
    stop_reason: str | None = None
    latency_s: float | None = None
    attempts: int = 1
    tags: tuple[str, ...] = ()
    error: str | None = None
    agent: str | None = None
    thread: str | None = None
    user: str | None = None
    customer: str | None = None
    budget: str | None = None
    call_id: str | None = field(default_factory=new_call_id, compare=False)

    @property
    def route(self) -> str:
        """``native`` or ``direct-forward``."""
        return route_of(self.model).value

    @property
    def day(self) -> str:
        """The UTC day it began on, ``YYYY-MM-DD``."""
        return datetime_at(self.started_at).date().isoformat()

    @property
    def charged(self) -> Decimal | None:
        """Credits that were charged, by the one rule of ``amounts.charged``; ``None`` if nobody knows.

        0 for a call that was certainly not billed.
        """
        if self.outcome in NOT_BILLED:
            return Decimal(0)
        if self.outcome is Outcome.UNKNOWN:
            return None
        return charged(
            self.credits_reported, None if self.credits_micro is None else Credits(self.credits_micro)
        )

    @property
    def is_unknown(self) -> bool:
        """Whether it may have cost something and neither figure is known."""
        # ``charged`` has the rule; it makes a decimal, which each call of a batch job would pay for.
        if self.outcome in NOT_BILLED:
            return False
        return self.outcome is Outcome.UNKNOWN or (
            self.credits_reported is None and self.credits_micro is None
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON-ready values; ``credits_reported`` as text, so that no digit is lost."""
        # By hand: dataclasses.asdict copies deeply, which costs more than writing the row to a disk.
        row: dict[str, Any] = {name: getattr(self, name) for name in _FIELDS}
        tokens, reported = self.tokens, self.credits_reported
        row["tokens"] = None if tokens is None else {name: getattr(tokens, name) for name in _COUNTS}
        row["outcome"] = self.outcome.value
        row["route"] = self.route
        row["tags"] = list(self.tags)
        row["credits_reported"] = None if reported is None else str(reported)
        return row

    @classmethod
    def from_dict(cls, row: Mapping[str, Any]) -> Self:
        """Read what ``to_dict`` wrote; keys and outcomes that are not ours (a newer release's) break nothing."""
        facts = {name: row[name] for name in _FIELDS if name in row}
        facts.setdefault("call_id", None)
        facts["outcome"] = outcome_of(facts.get("outcome", "ok"))
        facts["tags"] = tuple(facts.get("tags") or ())
        facts["credits_reported"] = parse_reported(facts.get("credits_reported"))
        counts = facts.get("tokens")
        if counts is not None:
            facts["tokens"] = TokenCounts(**{name: counts[name] for name in _COUNTS if name in counts})
        return cls(**facts)


new_record: Final = quick(CallRecord)
NOT_BILLED: Final = frozenset({Outcome.FAILED, Outcome.CACHED, Outcome.REFUSED})
_OUTCOMES: Final = {outcome.value: outcome for outcome in Outcome}
_FIELDS: Final = tuple(one.name for one in fields(CallRecord))
_COUNTS: Final = tuple(one.name for one in fields(TokenCounts) if one.name != "by_model")
"""Whose tokens they were is told by the cost beside them."""


def outcome_of(word: str) -> Outcome:
    """The outcome that a row calls ``word``."""
    return _OUTCOMES.get(word, Outcome.UNKNOWN)


def may_be_billed(error: BaseException) -> bool:
    """Whether the platform may charge for a call that ended with ``error``.

    No: what was refused here or by an error status or ``error`` event before all else (failed work is
    refunded: platform documentation, "Error Reference"), and a connection that failed before the work began,
    which is what the client retries. Yes: whatever broke off later, and anything that is not an
    error of ours, such as a cancelled task or an abandoned generator.
    """
    match error:
        case InvalidInputError() | BudgetExceededError():
            return False
        case APIStatusError():
            return error.billed or error.status_code in _GATEWAY_TIMEOUTS
        case StreamError():
            return error.partial is not None or not error.retryable
        case APIConnectionError(never_sent=True):
            return False
        case APITimeoutError():
            return True
        case APIConnectionError():
            return not error.retryable
        case AIVideoAPIError() | _:
            return True


def label_of(error: BaseException) -> str:
    """What a row may say of an error: class and code, never content."""
    code = getattr(error, "code", None) or getattr(error, "type", None)
    return f"{type(error).__name__} {code}" if isinstance(code, str) else type(error).__name__
