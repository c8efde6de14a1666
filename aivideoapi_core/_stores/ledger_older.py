"""The part of a ledger that the first release can read, so that it can share one with this release.

It raises for an outcome that it does not know. Such a row says the nearest word that it knows, and the
exact one in a place where it does not look.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core._metering.record import CallRecord, Outcome

WORD_THEN: Final[Mapping[str, str]] = {Outcome.REFUSED.value: Outcome.FAILED.value}
"""Neither was billed."""
_EXACT: Final = "exact_outcome"


def to_row(record: CallRecord) -> dict[str, Any]:
    """``record`` as JSON-ready values that every release reads."""
    row = record.to_dict()
    then = WORD_THEN.get(row["outcome"])
    return row if then is None else {**row, "outcome": then, _EXACT: row["outcome"]}


def from_row(row: dict[str, Any]) -> CallRecord:
    """Read what ``to_row`` of any release wrote."""
    return CallRecord.from_dict({**row, "outcome": row[_EXACT]} if _EXACT in row else row)
