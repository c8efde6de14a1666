"""The account's balance, as ``GET /v1/credits`` answers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Balance:
    """The account's credits, in whole credits as the platform sends them."""

    balance: int
    total_purchased: int
    total_consumed: int


def parse_balance(payload: Any) -> Balance | None:
    """The balance in ``{"code", "msg", "data": {...}}``, or ``None`` if it is not there."""
    data = payload.get("data") if isinstance(payload, dict) else None
    names = [field.name for field in fields(Balance)]
    if not isinstance(data, dict) or not all(type(data.get(name)) is int for name in names):
        return None
    return Balance(**{name: data[name] for name in names})
