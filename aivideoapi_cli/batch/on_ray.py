"""The engine ``ray``: the same job, its rows handed out by Ray Data to workers on this machine or a cluster."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import ray.data

if TYPE_CHECKING:
    from rich.console import Console

    from aivideoapi_batch import BatchJob


def run_on_ray(console: Console, job: BatchJob, rows: Iterable[Any], *, workers: int, total: int) -> int:
    """Run ``job``; how many rows have ended. Ctrl-C ends the workers: what they had in flight is paid at worst."""
    from aivideoapi_batch import map_rows
    from aivideoapi_cli.batch.show import Bar

    for name in ("ray", "ray.data"):  # the bar has the screen for itself
        logging.getLogger(name).setLevel(logging.ERROR)
    bar = Bar(console, total=total)
    ended = 0
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        results = map_rows(job.open_rows(rows), job, workers=workers)
        with bar.progress:
            for row in results.iter_rows():
                bar.add(row["status"], row["credits_micro"])
                ended += 1
    except KeyboardInterrupt:
        console.print("Stopped; the calls in flight are paid at worst, and counted.", style="yellow")
    finally:
        ray.shutdown()
    return ended
