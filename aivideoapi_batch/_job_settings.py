"""``JobSettings``: what a run reads of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aivideoapi_batch._manifest import Manifest

if TYPE_CHECKING:
    from aivideoapi_batch._calls import RowCall
    from aivideoapi_batch._journal_store import JournalStore
    from aivideoapi_batch._pace import Pace
    from aivideoapi_batch._results import Status
    from aivideoapi_core import RetryPolicy

OnBudget = Literal["wait", "mark"]


class JobSettings:
    """The settings of a ``BatchJob``, which says what each is, as it has checked them."""

    call: RowCall
    name: str
    tags: tuple[str, ...]
    id_field: str
    journal: JournalStore
    concurrency: int
    on_budget: OnBudget
    pace: Pace
    retry: frozenset[Status]
    policy: RetryPolicy

    @property
    def manifest(self) -> Manifest:
        """What makes this job this job."""
        return Manifest.of(self.name, self.id_field, self.call.facts)
