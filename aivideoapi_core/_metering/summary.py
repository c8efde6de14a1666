"""``CreditsSummary``: what a number of calls cost, with the unknown said and never shown as 0."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Self

from aivideoapi_core._constructor_errors import with_known_arguments
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.blocks import Blocks
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.forks import renew_in_child
from aivideoapi_core._metering.record import CallRecord, Outcome
from aivideoapi_core._metering.tags import clean_tags
from aivideoapi_core._metering.totals import CreditsTotals, Sums

MAX_ROWS: Final = 10_000
"""Tags, and models, that a tracker keeps apart. Further ones share the row ``OTHER``: it must not grow without end."""
OTHER: Final = "(other)"
_FOLD_AT: Final = 64
"""Records that wait to be added up before ``add`` does so itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditsSummary(CreditsTotals):
    """The sums over all calls, and the same by requested model and by tag.

    A call with two tags is in both rows of ``by_tag``, a call without any is in none: those rows
    need not add up to the total, those of ``by_model`` do.
    """

    by_model: Mapping[str, CreditsTotals] = field(default_factory=dict)
    by_tag: Mapping[str, CreditsTotals] = field(default_factory=dict)

    @property
    def advice(self) -> str | None:
        """One line where money was plainly wasted by the choice of the route, else ``None``; at published prices."""
        from aivideoapi_core._metering.route_comparison import advice

        return advice(self.by_model)

    @classmethod
    def of(cls, records: Iterable[CallRecord]) -> Self:
        """The summary of ``records``."""
        tracker = SpendTracker()
        for record in records:
            tracker.add(record)
        summary = tracker.summary
        return cls(**{name: getattr(summary, name) for name in cls.__dataclass_fields__})

    def to_dict(self) -> dict[str, Any]:
        """As JSON; see ``CreditsTotals.to_dict``."""
        return {
            **CreditsTotals.to_dict(self),
            "by_model": {name: totals.to_dict() for name, totals in self.by_model.items()},
            "by_tag": {name: totals.to_dict() for name, totals in self.by_tag.items()},
        }

    def __str__(self) -> str:
        from aivideoapi_core._metering.summary_table import (
            table,  # each call has a summary near, and few are shown
        )

        rows = [(name, totals) for name, totals in self.by_model.items()]
        rows += [(f"#{name}", totals) for name, totals in self.by_tag.items()]
        rows.append(("total", self))
        return table(rows)


class SpendTracker:
    """Adds up records from any number of threads and tasks. ``summary`` is a snapshot.

    ``add`` waits for no lock, because a stream that the collector drops is counted wherever the
    collector happens to run: records are put down, and whoever finds the sums free adds them up.
    ``framework``: only calls that were made through that one count.
    """

    def __init__(self, *, framework: str | None = None) -> None:
        self._framework = framework
        self._lock = threading.Lock()
        self._new: deque[CallRecord] = deque()
        self._all = Sums()
        self._models: dict[str, Sums] = {}
        self._tags: dict[str, Sums] = {}
        renew_in_child(self, SpendTracker._begin_in_child, guarded=True)

    def fork_guards(self) -> tuple[threading.Lock]:
        """The lock that nobody holds while a process is forked: the sums are whole then."""
        return (self._lock,)

    def _begin_in_child(self) -> None:
        self._lock = threading.Lock()

    def add(self, record: CallRecord) -> None:
        """Count one call."""
        if self._framework not in (None, record.framework):
            return
        self._new.append(record)
        if len(self._new) >= _FOLD_AT and self._lock.acquire(blocking=False):
            try:
                self._fold()
            finally:
                self._lock.release()

    def _fold(self) -> None:
        """Add up what was put down. The lock is held."""
        new = self._new
        while new:
            record = new.popleft()
            self._all.add(record)
            _row(self._models, record.model).add(record)
            for row in {id(row): row for row in (_row(self._tags, tag) for tag in record.tags)}.values():
                row.add(record)

    @property
    def summary(self) -> CreditsSummary:
        """The sums so far."""
        DROPPED.do()
        with self._lock:
            self._fold()
            facts, models, tags = self._all.facts(), totals_of(self._models), totals_of(self._tags)
        return CreditsSummary(**facts, by_model=models, by_tag=tags)

    def reset(self) -> None:
        """Forget every call."""
        DROPPED.do()
        with self._lock:
            self._new.clear()
            self._all, self._models, self._tags = Sums(), {}, {}

    def __copy__(self) -> SpendTracker:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> SpendTracker:
        # Frameworks copy callbacks with their configs; a copy that counts apart would lose calls.
        return self


def _row(rows: dict[str, Sums], name: str) -> Sums:
    """The sums of ``name``, those of all others once there are too many."""
    sums = rows.get(name)
    if sums is None:
        sums = rows.setdefault(name if len(rows) < MAX_ROWS else OTHER, Sums())
    return sums


def totals_of(rows: Mapping[str, Sums]) -> dict[str, CreditsTotals]:
    """The sums by name, to be read."""
    return {name: sums.totals() for name, sums in sorted(rows.items())}


_BLOCKS: Final[Blocks[SpendTracker]] = Blocks("aivideoapi_spend_trackers")


@with_known_arguments
@contextmanager
def track_spend(tracker: SpendTracker | None = None) -> Iterator[SpendTracker]:
    """Add up every call that begins in the block, in its tasks, and in threads that got its context.

    Nested blocks each count; ``tracker`` continues an older one. Blocks may be closed in any order.
    """
    tracker = SpendTracker() if tracker is None else tracker
    if not isinstance(tracker, SpendTracker):
        raise InvalidInputError(f"track_spend goes on with a SpendTracker, not with {tracker!r}")
    with tracked_by(tracker):
        yield tracker


def tracked_by(tracker: SpendTracker) -> AbstractContextManager[None]:
    """``track_spend`` for a tracker that is at hand."""
    return _BLOCKS.open(tracker)


def count_cache_hit(
    model: str,
    *,
    framework: str | None = None,
    tags: Iterable[str] = (),
    trackers: Iterable[SpendTracker] = (),
) -> None:
    """Tell the trackers of the enclosing blocks, and ``trackers``, of an answer that no call was made for."""
    for tracker in (*current_trackers(), *trackers):
        tracker.add(
            CallRecord(model=model, outcome=Outcome.CACHED, framework=framework, tags=clean_tags(tags))
        )


def current_trackers() -> tuple[SpendTracker, ...]:
    """The trackers of the enclosing ``track_spend`` blocks, each once."""
    trackers = _BLOCKS.values()
    return trackers if len(trackers) < 2 else tuple(dict.fromkeys(trackers))
