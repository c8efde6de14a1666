"""The sandbox's books: what was charged, request by request, and the balance that is left."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

MICRO: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One answered ``/v1/messages`` request.

    ``usage`` is the object as it went over the wire (``None``: no answer was begun).
    ``credits_micro`` is the exact charge: 0 when nothing was charged, ``None`` when the model has no
    price. ``credits_reported`` is what the reply says, cut to two decimals; native route only.
    ``outcome``: ``ok``, ``error:<code>``, ``cut``, ``stall``, ``abandoned`` (the client left), or the
    name of another fault.
    """

    request_id: str
    message_id: str | None
    model: str | None
    route: str | None
    stream: bool | None
    usage: Mapping[str, Any] | None
    credits_micro: int | None
    credits_reported: Decimal | None
    charged: bool
    outcome: str

    def line(self) -> str:
        """The entry in one line, for people: outcome, model, tokens, charge; nothing that was said."""
        parts = [self.outcome, self.model or "-", "stream" if self.stream else "whole"]
        if self.usage is not None:
            counts = (self.usage.get("input_tokens"), self.usage.get("output_tokens"))
            parts.append(f"{counts[0] or 0} in, {counts[1] or 0} out")
        if self.credits_micro is not None:
            parts.append(f"{Decimal(self.credits_micro) / MICRO:.6f} credits")
        return "  ".join(parts)


def reported_credits(credits_micro: int) -> Decimal:
    """The exact charge in credits, cut (not rounded) to two decimals, as the platform reports it."""
    return (Decimal(credits_micro) / MICRO).quantize(Decimal("0.01"), rounding=ROUND_DOWN)


def as_json_number(amount: Decimal) -> int | float:
    """A JSON number that prints as the decimal does, without trailing zeros."""
    return int(amount) if amount == amount.to_integral_value() else float(amount)


class Ledger:
    """Entries and balance under one lock: a charge and its row appear together."""

    def __init__(self, purchased_micro: int) -> None:
        self._lock = threading.Lock()
        self._purchased_micro = purchased_micro
        self._charged_micro = 0
        self._entries: list[LedgerEntry] = []
        self._charged_by_key: dict[str, int] = {}

    def add(self, entry: LedgerEntry, *, key: str) -> int:
        """Book one entry and its charge; returns its position for ``amend``."""
        with self._lock:
            if entry.charged and entry.credits_micro:
                self._charged_micro += entry.credits_micro
                spent = self._charged_by_key.get(key, 0)
                self._charged_by_key[key] = spent + entry.credits_micro
            self._entries.append(entry)
            return len(self._entries) - 1

    def amend(self, request_id: str, *, outcome: str) -> None:
        """Change how an answer ended (the client left); the charge stays."""
        with self._lock:
            for number in range(len(self._entries) - 1, -1, -1):
                if self._entries[number].request_id == request_id:
                    self._entries[number] = replace(self._entries[number], outcome=outcome)
                    return

    def spent_by(self, key: str) -> int:
        """Microcredits charged to one key."""
        with self._lock:
            return self._charged_by_key.get(key, 0)

    @property
    def entries(self) -> list[LedgerEntry]:
        """A copy of the rows so far."""
        with self._lock:
            return list(self._entries)

    @property
    def charged_micro(self) -> int:
        """Sum of all charges in microcredits."""
        with self._lock:
            return self._charged_micro

    @property
    def balance_micro(self) -> int:
        """What is left in microcredits; the last call may take it below zero."""
        with self._lock:
            return self._purchased_micro - self._charged_micro

    def balance_object(self) -> dict[str, int]:
        """``data`` of ``GET /v1/credits``: integers, in credits; a started credit counts as consumed."""
        with self._lock:
            purchased = self._purchased_micro // MICRO
            balance = max(0, (self._purchased_micro - self._charged_micro) // MICRO)
        return {"balance": balance, "total_purchased": purchased, "total_consumed": purchased - balance}
