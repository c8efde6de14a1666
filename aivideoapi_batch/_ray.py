"""Ray Data as the engine: what ``map_rows`` does. Ray moves rows; what is called and paid is the job's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import ray
import ray.data

from aivideoapi_core import InvalidInputError

if TYPE_CHECKING:
    from aivideoapi_batch._job import BatchJob

_LOOPBACK: Final = "127.0.0.1"
_ROUNDS_PER_BATCH: Final = 16
"""A batch is so many times the calls at once: its end, when the last calls run alone, costs a small part of it."""
_CPUS: Final = 0.25
"""Of one core: a worker mostly waits for answers."""


def worker_of(job: BatchJob) -> type:
    """The class of the actors, with the job in it: each keeps it, and its connections, from batch to batch."""

    class Worker:
        def __call__(self, batch: Any) -> Any:
            return job(batch)

    return Worker


def mapped(
    rows: Any,
    job: BatchJob,
    *,
    workers: int,
    batch_size: int | None,
    address: str | None,
    options: dict[str, Any],
) -> ray.data.Dataset:
    """See ``map_rows``."""
    if type(workers) is not int or workers < 1:
        raise InvalidInputError(f"workers must be a whole number of at least 1, not {workers!r}")
    size = batch_size or job.concurrency * _ROUNDS_PER_BATCH
    connect(address)
    if not isinstance(rows, ray.data.Dataset):
        rows = ray.data.from_items(list(rows)) if isinstance(rows, Iterable) else rows
    if not isinstance(rows, ray.data.Dataset):
        raise InvalidInputError(f"rows must be a Ray dataset or rows, not a {type(rows).__name__}")
    # One block may hold all rows, and a block goes to one worker.
    return rows.repartition(target_num_rows_per_block=size).map_batches(
        worker_of(job),
        compute=ray.data.ActorPoolStrategy(size=workers),
        **{
            "batch_size": size,
            "batch_format": "pyarrow",
            "num_cpus": cpus_of_worker(workers, [node["Resources"].get("CPU", 0) for node in ray.nodes()]),
            **options,
        },
    )


def cpus_of_worker(workers: int, cores: Sequence[float]) -> float:
    """Of one core, for Ray's scheduler; ``cores`` are those of each node.

    None where nodes would be left without a whole one: what reads and divides the rows takes one, and Ray waits for
    that for ever, without a word.
    """
    return _CPUS if sum(cores) - workers * _CPUS >= len(cores) else 0


def connect(address: str | None) -> None:
    """Be part of a Ray: the one that is there, ``address``, ``RAY_ADDRESS``, or one of this machine's own.

    One of our own listens on the loopback address only, and reports to nobody.
    """
    if ray.is_initialized():
        return
    address = address or os.environ.get("RAY_ADDRESS") or "local"
    if address != "local":
        ray.init(address=address)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # Without this Ray takes the loopback address for an oversight, and listens on all of them. Its own processes
    # read the variable, this one has read it when Ray was imported.
    os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    with contextlib.suppress(ImportError):
        from ray._private import ray_constants

        ray_constants.ENABLE_RAY_CLUSTER = False
    ray.init(address="local", include_dashboard=False, log_to_driver=False, _node_ip_address=_LOOPBACK)
