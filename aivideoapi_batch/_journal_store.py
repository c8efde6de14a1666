"""``JournalStore``: what a job needs of a journal, wherever it is kept, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from aivideoapi_batch._manifest import Manifest
from aivideoapi_batch._results import RowResult, Status
from aivideoapi_core import AIVideoAPIError

if TYPE_CHECKING:
    from aivideoapi_core.adapter_kit import Entry

SUMS: Final = ("credits_micro", "unknown", "at_most_micro", "attempts", "paid_before", "reported")
"""What a store that adds up by itself sums over all results."""
REPORTED_DIGITS: Final = 9
"""There reported credits are integers, with so many decimals."""


def to_bytes(id: str) -> bytes:
    """An id as stores keep it: any text, half a surrogate pair too."""
    return id.encode("utf-8", "surrogatepass")


class JournalError(AIVideoAPIError):
    """The journal cannot be written or read. The job stops: what is not written down would be paid twice."""


class Seen(StrEnum):
    """What the journal says when a run meets a row."""

    NEW = "new"
    """To be called."""
    DONE = "done"
    """Has its result."""
    TWICE = "twice"
    """This run has met the id before."""
    ELSEWHERE = "elsewhere"
    """Another worker holds the row's claim."""


@dataclass(slots=True)
class Totals:
    """Sums over a journal. ``rows``: ids by status. Costs are of every result line, repeated rows too, and of the calls
    of rows that have several and did not end.

    ``credits_micro`` sums the computed figures that are known, ``reported`` the platform's, ``unknown``
    counts results of which neither is known, and ``at_most_micro`` bounds those where a bound is known.
    ``unfinished_calls`` began and have no result: they run now, or died with their process.
    ``repeated_calls`` are those among them whose row was called again: paid twice at worst.
    """

    rows: dict[str, int] = field(default_factory=dict)
    credits_micro: int = 0
    reported: Decimal = Decimal(0)
    unknown: int = 0
    at_most_micro: int = 0
    attempts: int = 0
    paid_before: int = 0
    unfinished_calls: int = 0
    repeated_calls: int = 0

    def add(self, result: RowResult) -> None:
        """One more result line."""
        self.attempts += result.attempts
        self.paid_before += result.paid_before
        self.credits_micro += result.credits_micro or 0
        self.reported += result.credits_reported or 0
        if result.credits_micro is None:
            self.unknown += result.credits_reported is None
            self.at_most_micro += result.at_most_micro or 0

    def note(self, numbers: Sequence[int], *, by: int = 1) -> None:
        """``SUMS`` as integers, added ``by`` times."""
        for name, number in zip(SUMS, numbers, strict=True):
            if name == "reported":
                self.reported += by * Decimal(number).scaleb(-REPORTED_DIGITS)
            else:
                setattr(self, name, getattr(self, name) + by * number)

    def numbers(self) -> list[int]:
        """``SUMS`` as integers."""
        reported = int(self.reported.scaleb(REPORTED_DIGITS).to_integral_value())
        return [reported if name == "reported" else int(getattr(self, name)) for name in SUMS]


def beyond(numbers: Sequence[int], notes: Sequence[Sequence[int]]) -> list[int]:
    """What of ``numbers``, a result's ``SUMS``, is in none of its row's ``notes``."""
    return [number - sum(note) for number, *note in zip(numbers, *notes, strict=True)]


@runtime_checkable
class JournalStore(Protocol):
    """Where results are kept. ``meet`` and ``began``, ``back``, ``ended`` are called by the job, in this order."""

    async def open(self, manifest: Manifest) -> int:
        """Check that the journal is of this job, read what others wrote, and begin a run; its number."""

    def check(self, manifest: Manifest) -> None:
        """Raise ``InvalidInputError`` if it is of another job; makes nothing."""

    async def meet(
        self, ids: Sequence[str], *, run: int, retry: frozenset[Status]
    ) -> list[tuple[Seen, bool]]:
        """What to do with each of some rows; and, of a new one, whether an earlier call of it may have been billed."""

    async def began(self, id: str) -> bool:
        """A call is about to be made; false if it must not be, since another worker has got the row."""

    async def back(self, id: str) -> None:
        """It was not made after all."""

    async def ended(self, result: RowResult) -> RowResult:
        """The row's result, safe once this returns: ``result``, or what another worker had brought before."""

    def entry(self, result: RowResult, done: Callable[[RowResult], None]) -> Entry | None:
        """What ``ended`` does as an entry that is written together with the books, where they are in the same place;
        ``done`` gets what ``ended`` returns. ``None``: this store has nothing to do with books.
        """

    def note(self, id: str, paid: Totals) -> Entry | None:
        """What a call cost whose row goes on, as an entry that is written together with its books, or right after them;
        ``None`` for nothing.

        The sums have it at once; when the row ends they get what its result says beyond its notes.
        """

    async def get(self, ids: Sequence[str]) -> list[RowResult | None]:
        """The results of some rows, ``None`` for one that has none."""

    async def rest(self) -> None:
        """The run is over: let others have what it left."""

    def statuses(self, ids: Sequence[str]) -> list[str | None]:
        """The status of each of ``ids``, ``None`` where it has no result; reads what others wrote first."""

    def results(self) -> Iterator[RowResult]:
        """One result of every row that has one."""

    def totals(self) -> Totals:
        """The sums so far."""

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
