"""Exact amounts of platform credits. Source of the exchange rate: platform documentation, "Pricing"."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

USD_PER_CREDIT: Final = Decimal("0.005")


@dataclass(frozen=True, order=True, slots=True)
class Credits:
    """An exact amount of platform credits, held as integer micro-credits."""

    micro: int

    def __add__(self, other: Credits) -> Credits:
        return Credits(self.micro + other.micro)

    def as_decimal(self) -> Decimal:
        """Whole credits, e.g. ``Decimal('0.068400')``."""
        return Decimal(self.micro).scaleb(-6)

    def as_usd(self) -> Decimal:
        """US dollars, at $0.005 per credit (platform documentation, "Pricing")."""
        return self.as_decimal() * USD_PER_CREDIT

    def __str__(self) -> str:
        return f"{self.as_decimal()} credits"


def charged(reported: Decimal | None, computed: Credits | None) -> Decimal | None:
    """Credits that a call was charged: the platform's own figure, else ours; ``None`` if there is neither.

    The one place where this is decided. A budget books ``charged_at_most_micro``.
    """
    if reported is not None:
        return reported
    return None if computed is None else computed.as_decimal()


_CUT_TO: Final = -2
_CUT_MICRO: Final = 9_999
"""What cutting to hundredths of a credit takes away at most: 0.009999 (platform documentation, "Credits")."""


def charged_at_most_micro(reported: Decimal | None, computed_micro: int | None) -> int | None:
    """Microcredits that a budget books: the most that a call was charged by what is known; ``None`` without a figure.

    The platform reports what it charged, cut to hundredths, so the charge lies in ``[reported,
    reported + 0.009999]``; with more decimals the figure is exact, and a part of a microcredit is booked as a whole
    one, since something was charged. The computed figure is booked where
    it lies in there. Above it stand tokens that were counted and not charged (hidden prompt tokens,
    prices that fell), and the upper end is booked: the lesser of the two. Below it our prices are too
    low (they rose), so the computed figure says nothing, and the upper end is booked as well: never
    less than was charged. That is also what a reported figure alone stands for.
    """
    if reported is None:
        return computed_micro
    exponent = reported.as_tuple().exponent
    is_cut = isinstance(exponent, int) and exponent >= _CUT_TO
    low = math.ceil(reported.scaleb(6))
    high = low + (_CUT_MICRO if is_cut else 0)
    return computed_micro if computed_micro is not None and low <= computed_micro <= high else high


MAX_REPORTED: Final = 10**9
"""More credits than any call costs (5 million dollars): a number above it is a fault of the server."""
_MAX_REPORTED_DIGITS: Final = 9
_MAX_CHARS: Final = 40
"""Longer texts are no amounts, and reading them could be made to take long."""


def parse_reported(value: Any) -> Decimal | None:
    """The platform's ``credits_consumed`` as sent, or ``None`` if it is not an amount of 0 to ``MAX_REPORTED``.

    A JSON number that was read as a float is taken by its shortest decimal form, which is the
    text that the platform sent for any amount of up to 15 digits.
    """
    if value is None:
        return None
    match value:
        case bool():
            return None
        case int() | float():
            if not 0 <= value <= MAX_REPORTED:
                return None
        case str():
            if len(value) > _MAX_CHARS:
                return None
        case Decimal():
            pass
        case _:
            return None
    try:
        amount = Decimal(str(value).strip())
    except InvalidOperation:
        return None
    if not amount.is_finite() or len(amount.as_tuple().digits) > _MAX_CHARS:
        return None
    if not amount:
        return abs(amount) if abs(amount.adjusted()) < _MAX_CHARS else Decimal(0)
    # The exponent before the comparison, which would write all its zeros out.
    sane = not amount.is_signed() and -_MAX_CHARS <= amount.adjusted() <= _MAX_REPORTED_DIGITS
    return amount if sane and amount <= MAX_REPORTED else None
