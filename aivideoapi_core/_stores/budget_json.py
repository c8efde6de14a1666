"""The state of a budget as JSON that people can read, but for what can be many; and what earlier releases wrote."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, Final, NamedTuple

from pydantic_core import from_json, to_json

from aivideoapi_core._stores.budget_calendar import CalendarWindow, OpenWindow
from aivideoapi_core._stores.budget_clock import BudgetTime, Reading
from aivideoapi_core._stores.budget_rules import EARLIER, BudgetState, Owner, Raise
from aivideoapi_core._stores.budget_terms import NewerFormatError, Terms

VERSION: Final = 4
"""Of what has to be understood to keep the limit. A newer version is refused; new keys beside it are kept. Since 3
there are windows of the calendar; since 4 reservations are rows of their own, and ``owners`` has the sums over them."""

_KEYS: Final = frozenset(
    ("version", "terms", "time", "pieces", "owners", "settled", "waiting", "opened", "raised", "fired")
)
_OLD_KEYS: Final = frozenset(("held", "leases", "expired"))
_EARLIEST_S: Final = 1_600_000_000.0
"""Before there was a platform. A piece of a window that would lie before is one of another window."""


class Rows(NamedTuple):
    """What can be many, as its store keeps it: see ``BudgetState``."""

    held: MutableMapping[str, tuple[str, int]]
    expired: MutableMapping[str, bool]

    @classmethod
    def in_memory(cls) -> Rows:
        """For somebody who only looks on."""
        return cls({}, {})

    def begin(
        self, held: Mapping[str, tuple[str, int]], expired: Iterable[tuple[str, bool]]
    ) -> dict[str, Owner]:
        """Replace whatever is there; the owners of what is held, who count as dead at once."""
        self.held.clear()
        self.expired.clear()
        self.held.update(held)
        self.expired.update(expired)
        owners: dict[str, Owner] = {}
        for name, micro in held.values():
            owner = owners.setdefault(name, Owner(0.0))
            owner.micro += micro
            owner.calls += 1
        return owners


def to_text(state: BudgetState, more: Mapping[str, Any]) -> str:
    """``state`` without its rows and sums, and ``more`` keys of a newer release."""
    terms = state.terms
    facts: dict[str, Any] = {
        "version": VERSION,
        "terms": terms,
        "time": state.time.to_dict(),
        "pieces": state.pieces,
        "owners": {name: (own.until, own.micro, own.calls) for name, own in state.owners.items()},
        "settled": list(state.settled),
        "waiting": state.waiting,
    }
    if terms is not None:
        kept = {"limit_micro": terms.limit_micro, "window_s": terms.window_s, "soft": terms.soft}
        facts["terms"] = kept if terms.calendar is None else {**kept, "calendar": str(terms.calendar)}
    if state.opened is not None:
        facts["opened"] = state.opened
    if state.raised is not None:
        facts["raised"] = state.raised
    if state.fired:
        facts["fired"] = list(state.fired.items())
    if more:
        facts.update(more)
    return to_json(facts).decode()


def from_text(
    text: str | bytes | None, rows: Rows, terms: Terms, reading: Reading
) -> tuple[BudgetState, dict[str, Any]]:
    """What ``to_text`` wrote, in this release or another, with its ``rows``. Raises ``NewerFormatError``.

    ``None``: a new budget, or one whose state was lost, and the rows with it. The rows of an earlier release are put
    where they belong. A state from before there were versions is read with ``terms``, whose window it did not say.
    """
    if text is None:
        rows.begin({}, ())
        return BudgetState(held=rows.held, expired=rows.expired), {}
    facts = from_json(text)
    version = facts.get("version", 1)
    if version > VERSION:
        raise NewerFormatError(f"its state has format {version}; this release knows {VERSION}: upgrade")
    if version < 2:
        return from_first_release(facts, rows, terms, reading), {}
    kept = facts["terms"]
    owners = (
        {name: Owner(*owner) for name, owner in facts["owners"].items()}
        if version > 3
        else _moved(facts, rows)
    )
    state = BudgetState(
        terms=None if kept is None else _terms(kept),
        time=BudgetTime.from_dict(facts["time"]),
        pieces={int(bucket): counts for bucket, counts in facts["pieces"].items()},
        held=rows.held,
        owners=owners,
        expired=rows.expired,
        settled=dict.fromkeys(facts["settled"]),
        waiting=facts["waiting"],
        opened=OpenWindow(*facts["opened"]) if "opened" in facts else None,
        raised=Raise(*facts["raised"]) if "raised" in facts else None,
        fired=dict(facts.get("fired", ())),
    )
    known = _KEYS if version > 3 else _KEYS | _OLD_KEYS
    return state, {key: value for key, value in facts.items() if key not in known}


def _moved(facts: Mapping[str, Any], rows: Rows) -> dict[str, Owner]:
    """The owners, after the reservations of versions 2 and 3 became rows."""
    return _taken_over(
        facts, rows, facts["expired"].items(), now=facts["time"]["awake"], lease_s=float("inf")
    )


def _taken_over(
    facts: Mapping[str, Any], rows: Rows, expired: Iterable[tuple[str, bool]], *, now: float, lease_s: float
) -> dict[str, Owner]:
    """The owners, after their reservations became rows; those who are alive ``now`` by a name that says whose they are."""
    leases = facts["leases"]
    names = {
        owner: EARLIER + owner if leases.get(owner, 0.0) > now else owner
        for owner, _ in facts["held"].values()
    }
    held = {id: (names[owner], micro) for id, (owner, micro) in facts["held"].items()}
    owners = rows.begin(held, expired)
    for owner, name in names.items():
        owners[name].until = min(leases.get(owner, 0.0), now + lease_s)
    return owners


def _terms(kept: dict[str, Any]) -> Terms:
    return Terms(
        limit_micro=kept["limit_micro"],
        window_s=kept["window_s"],
        soft=kept["soft"],
        calendar=CalendarWindow.parse(kept["calendar"]) if "calendar" in kept else None,
    )


def from_first_release(facts: Mapping[str, Any], rows: Rows, terms: Terms, reading: Reading) -> BudgetState:
    """The state that releases before version 2 kept: times of a wall clock, amounts without a window.

    What lies in no piece of the window of ``terms`` (it was another window's, or in a future that never
    was) counts as spent now: it leaves the window late, and is not lost. So do amounts of unknown and
    of expired calls.
    """
    state = BudgetState(terms=terms)
    state.time.advance(reading, terms.lease_s)
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
    expired = ((id, terms.when_owner_dies == "count") for id in facts["expired"])
    owners = _taken_over(facts, rows, expired, now=now, lease_s=terms.lease_s)
    return BudgetState(
        terms=terms,
        time=state.time,
        pieces={bucket: pieces[bucket] for bucket in sorted(pieces)},
        held=rows.held,
        owners=owners,
        expired=rows.expired,
    )
