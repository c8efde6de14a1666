"""The state of a budget as JSON that people can read, and what earlier releases wrote."""

from __future__ import annotations

from typing import Any, Final

from pydantic_core import from_json, to_json

from aivideoapi_core._stores.budget_clock import BudgetTime, Reading
from aivideoapi_core._stores.budget_rules import BudgetState
from aivideoapi_core._stores.budget_terms import NewerFormatError, Terms

VERSION: Final = 2
"""Of what has to be understood to keep the limit. A newer version is refused; new keys beside it are kept."""

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
)
_EARLIEST_S: Final = 1_600_000_000.0
"""Before there was a platform. A piece of a window that would lie before is one of another window."""


def to_text(state: BudgetState, more: dict[str, Any]) -> str:
    """``state`` without its sums, and ``more`` keys of a newer release."""
    terms = state.terms
    return to_json(
        {
            "version": VERSION,
            "terms": None
            if terms is None
            else {
                "limit_micro": terms.limit_micro,
                "window_s": terms.window_s,
                "soft": terms.soft,
            },
            "time": state.time.to_dict(),
            "pieces": state.pieces,
            "held": state.held,
            "leases": state.leases,
            "expired": state.expired,
            "settled": list(state.settled),
            "waiting": state.waiting,
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
    if version < VERSION:
        return from_first_release(facts, terms, reading), {}
    kept = facts["terms"]
    state = BudgetState(
        terms=None if kept is None else Terms(**{name: kept[name] for name in _TERMS}),
        time=BudgetTime.from_dict(facts["time"]),
        pieces={int(bucket): counts for bucket, counts in facts["pieces"].items()},
        held={key: (owner, micro) for key, (owner, micro) in facts["held"].items()},
        leases=facts["leases"],
        expired=facts["expired"],
        settled=dict.fromkeys(facts["settled"]),
        waiting=facts["waiting"],
    )
    return state, {key: value for key, value in facts.items() if key not in _KEYS}


_TERMS: Final = ("limit_micro", "window_s", "soft")


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
