"""The state of a budget as JSON that people can read, and what earlier releases wrote."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import from_json, to_json

from aivideoapi_core._stores.budget_calendar import CalendarWindow, OpenWindow
from aivideoapi_core._stores.budget_clock import BudgetTime, Reading
from aivideoapi_core._stores.budget_rules import BudgetState, Raise
from aivideoapi_core._stores.budget_terms import NewerFormatError, Terms

VERSION: Final = 3
"""Of what has to be understood to keep the limit. A newer version is refused; new keys beside it are kept. Since
3 there are windows of the calendar; a budget without one is written as version 2, which earlier releases read."""

_KEYS: Final = (
    "version",
    "terms",
    "time",
    "pieces",
    "held",
    "leases",
    "expired",
    "settled",
    "waiting",
    "opened",
    "raised",
    "fired",
)
_EARLIEST_S: Final = 1_600_000_000.0
"""Before there was a platform. A piece of a window that would lie before is one of another window."""


def to_text(state: BudgetState, more: dict[str, Any]) -> str:
    """``state`` without its sums, and ``more`` keys of a newer release."""
    terms, calendar = state.terms, None if state.terms is None else state.terms.calendar
    return to_json(
        {
            "version": 2 if calendar is None else VERSION,
            "terms": None
            if terms is None
            else {
                "limit_micro": terms.limit_micro,
                "window_s": terms.window_s,
                "soft": terms.soft,
                **({} if calendar is None else {"calendar": str(calendar)}),
            },
            "time": state.time.to_dict(),
            "pieces": state.pieces,
            "held": state.held,
            "leases": state.leases,
            "expired": state.expired,
            "settled": list(state.settled),
            "waiting": state.waiting,
            **({} if state.opened is None else {"opened": state.opened}),
            **({} if state.raised is None else {"raised": state.raised}),
            **({"fired": list(state.fired.items())} if state.fired else {}),
            **more,
        }
    ).decode()


def from_text(text: str | bytes, terms: Terms, reading: Reading) -> tuple[BudgetState, dict[str, Any]]:
    """What ``to_text`` wrote, in this release or another. Raises ``NewerFormatError``.

    A state from before there were versions is read with ``terms``, whose window it did not say.
    """
    facts = from_json(text)
    version = facts.get("version", 1)
    if version > VERSION:
        raise NewerFormatError(f"its state has format {version}; this release knows {VERSION}: upgrade")
    if version < 2:
        return from_first_release(facts, terms, reading), {}
    kept = facts["terms"]
    state = BudgetState(
        terms=None if kept is None else _terms(kept),
        time=BudgetTime.from_dict(facts["time"]),
        pieces={int(bucket): counts for bucket, counts in facts["pieces"].items()},
        held={key: (owner, micro) for key, (owner, micro) in facts["held"].items()},
        leases=facts["leases"],
        expired=facts["expired"],
        settled=dict.fromkeys(facts["settled"]),
        waiting=facts["waiting"],
        opened=OpenWindow(*facts["opened"]) if "opened" in facts else None,
        raised=Raise(*facts["raised"]) if "raised" in facts else None,
        fired=dict(facts.get("fired", ())),
    )
    return state, {key: value for key, value in facts.items() if key not in _KEYS}


def _terms(kept: dict[str, Any]) -> Terms:
    return Terms(
        limit_micro=kept["limit_micro"],
        window_s=kept["window_s"],
        soft=kept["soft"],
        calendar=CalendarWindow.parse(kept["calendar"]) if "calendar" in kept else None,
    )


def from_first_release(facts: dict[str, Any], terms: Terms, reading: Reading) -> BudgetState:
    """The state that releases before version 2 kept: times of a wall clock, amounts without a window.

    What lies in no piece of the window of ``terms`` (it was another window's, or in a future that never
    was) counts as spent now: it leaves the window late, and is not lost. So do amounts of unknown and
    of expired calls.
    """
    state = BudgetState(terms=terms)
    state.time.advance(reading)
    now = state.time.now
    pieces: dict[int, list[int]] = {}
    spent = {int(bucket): micro for bucket, micro in facts["spent"].items()}
    for bucket, micro in sorted(spent.items()):
        began_s = bucket * terms.grain_s
        place = bucket if terms.window_s is not None and _EARLIEST_S < began_s <= now else terms.bucket(now)
        counts = pieces.setdefault(place, [0] * 5)
        counts[0] += micro
    counts = pieces.setdefault(terms.bucket(now), [0] * 5)
    for place, name in enumerate(("unknown_calls", "unknown_micro", "expired_calls", "expired_micro"), 1):
        counts[place] += facts[name]
    return BudgetState(
        terms=terms,
        time=state.time,
        pieces={bucket: pieces[bucket] for bucket in sorted(pieces)},
        held={key: (owner, micro) for key, (owner, micro) in facts["held"].items()},
        leases={owner: min(until, now + terms.lease_s) for owner, until in facts["leases"].items()},
        expired=dict.fromkeys(facts["expired"], terms.when_owner_dies == "count"),
    )
