"""The survey before a job begins: which rows have no result, and what they may cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aivideoapi_cli._terminal import WRONG_USE, CommandError
from aivideoapi_cli.batch.show import Reading

if TYPE_CHECKING:
    from rich.console import Console

    from aivideoapi_batch import BatchEstimate, BatchJob


@dataclass(slots=True)
class Survey:
    """What there is to do: rows of the input, those without a result, what they may cost."""

    rows: int = 0
    open_rows: int = 0
    estimate: BatchEstimate | None = None
    first: str = ""
    """What the first row is, in words."""

    def counted(self, rows: Iterable[Any]) -> Iterator[Any]:
        """``rows`` as they are, counted."""
        for row in rows:
            if not self.rows:
                names = ", ".join(map(_shown, row)) if isinstance(row, dict) else ""
                self.first = "has no fields" if row == {} else "is no JSON object"
                self.first = f"has the fields {names}" if names else self.first
            self.rows += 1
            yield row


def _shown(name: Any) -> str:
    """A field's name; in quotes where blanks would go unseen."""
    return str(name) if str(name) == str(name).strip() else repr(name)


def surveyed(console: Console, job: BatchJob, rows: Iterable[Any], *, dry_run: bool) -> Survey:
    """Read ``rows`` to the end; a million take about a minute or two, and the terminal shows how far it is."""
    survey = Survey()
    job.journal.check(job.manifest)
    with Reading(console) as reading:
        totals = job.journal.totals()
        spent_micro = totals.credits_micro + totals.at_most_micro
        counted = job.open_rows(survey.counted(reading.shown(rows)))
        budget = job.call.budget
        limit_micro = 0 if budget is None else budget.limit_micro
        survey.estimate = job.estimate(counted, available_micro=max(0, limit_micro - spent_micro))
    survey.open_rows = survey.estimate.rows
    if survey.open_rows and survey.estimate.bad_rows == survey.rows:
        raise CommandError(
            f"no row can be called: the first {survey.first}, --id asks for {job.id_field!r}, "
            "and --prompt for a field for each {name} in it",
            exit_code=WRONG_USE,
        )
    if survey.open_rows and survey.estimate.high is None and budget is not None:
        raise CommandError(
            "--budget bounds no call of this model, which has no published price; 'aivideoapi models' lists those "
            "that have one",
            exit_code=WRONG_USE,
        )
    if dry_run:
        job.close()
    return survey
