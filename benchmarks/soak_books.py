"""Whether three books agree after a soak run: what the callers saw, our ledger and budget, and the sandbox's own ledger."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from aivideoapi_core import CallRecord, Outcome, Standing


@dataclass(slots=True)
class Tally:
    """What the callers saw. ``seen`` holds the computed microcredits of whole answers by message id."""

    calls: int = 0
    seen: dict[str, int] = field(default_factory=dict)
    ended: Counter[str] = field(default_factory=Counter)
    """Calls without an answer, by the name of what ended them."""


@dataclass(frozen=True, slots=True)
class Charge:
    """What the sandbox's ledger says of one answer: whether all of it was sent, and its charge in microcredits."""

    message_id: str | None
    whole: bool
    micro: int


def differences(
    tally: Tally, rows: Sequence[CallRecord], standing: Standing, charges: Sequence[Charge]
) -> list[str]:
    """Where the books disagree, in words. What is known must be equal, what is unknown lie below its bound."""
    return [
        *_seen_and_booked(tally, rows),
        *_booked_and_charged(rows, charges),
        *_unknown(rows, charges),
        *_budget(rows, standing),
    ]


def _seen_and_booked(tally: Tally, rows: Sequence[CallRecord]) -> list[str]:
    """Each answer that a caller got is a row with the same figure; no call has two rows."""
    booked = {row.message_id: row.credits_micro for row in rows if row.outcome is Outcome.OK}
    wrong = sum(booked.get(message) != micro for message, micro in tally.seen.items())
    faults = [f"{wrong} answers that were seen are not booked with their figure"] if wrong else []
    if len(rows) > tally.calls:
        faults.append(f"{tally.calls} calls have {len(rows)} rows")
    if len({row.call_id for row in rows}) != len(rows):
        faults.append("a call was written twice")
    return faults


def _booked_and_charged(rows: Sequence[CallRecord], charges: Sequence[Charge]) -> list[str]:
    """Every known figure is what was charged for that very answer, to the microcredit."""
    charged = {charge.message_id: charge.micro for charge in charges}
    known = [row for row in rows if row.outcome is Outcome.OK]
    wrong = [row for row in known if charged.get(row.message_id) != row.credits_micro]
    if not wrong:
        return []
    ours = sum(row.credits_micro or 0 for row in wrong)
    theirs = sum(charged.get(row.message_id, 0) for row in wrong)
    return [f"{len(wrong)} answers: we booked {ours} microcredits, {theirs} were charged"]


def _unknown(rows: Sequence[CallRecord], charges: Sequence[Charge]) -> list[str]:
    """What was charged beyond the known answers belongs to calls that are booked as lost, and is below their bound."""
    answered = {row.message_id for row in rows if row.outcome is Outcome.OK}
    beyond = [charge for charge in charges if charge.micro and charge.message_id not in answered]
    lost = [row for row in rows if row.outcome is Outcome.LOST]
    faults = []
    if len(beyond) > len(lost):
        faults.append(
            f"{len(beyond)} answers that nobody got were charged, {len(lost)} calls are booked as lost"
        )
    bound = sum(row.at_most_micro or 0 for row in lost)
    if sum(charge.micro for charge in beyond) > bound:
        faults.append(f"lost calls cost more than their bound of {bound} microcredits")
    return faults


def _budget(rows: Sequence[CallRecord], standing: Standing) -> list[str]:
    """The budget has what the rows have, and holds nothing."""
    known = sum(row.credits_micro or 0 for row in rows if row.outcome is Outcome.OK)
    unknown = sum(row.at_most_micro or 0 for row in rows if row.outcome is Outcome.LOST)
    faults = []
    if standing.spent_micro != known + unknown:
        faults.append(f"the budget has {standing.spent_micro} microcredits, the rows {known} + {unknown}")
    if standing.reserved_micro:
        faults.append(f"{standing.reserved_micro} microcredits are still reserved")
    return faults
