"""``map_rows``: a job on Ray Data; imports Ray when it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import pip_install

if TYPE_CHECKING:
    from aivideoapi_batch._job import BatchJob


def map_rows(
    rows: Any,
    job: BatchJob,
    *,
    workers: int = 2,
    batch_size: int | None = None,
    address: str | None = None,
    **options: Any,
) -> Any:
    """A Ray dataset of the results of ``job`` for ``rows``: a ``ray.data.Dataset``, or rows that fit memory.

    ``workers`` processes (actors), each with ``job.concurrency`` calls at once. ``batch_size``: rows handed to one
    at a time; ``None``: 16 times the concurrency. ``address``: of a Ray cluster; ``None``: the Ray that this
    process is part of, else ``RAY_ADDRESS``, else one of this machine's own on the loopback address.
    ``options`` go to ``map_batches``; of them ``num_cpus`` is 0.25 of a core for each worker, or 0 where nodes would be
    left without a whole one. The key comes from ``AIVIDEOAPI_API_KEY`` of each worker.

    The columns are ``id``, ``status``, ``answer`` (objects as JSON text), ``error``, tokens, credits, ``attempts``,
    ``paid_before``, ``latency_s``, ``resumed``; a row that the budget left for another run has none. Needs the
    extra ``ray``. Raises ``InvalidInputError``.
    """
    try:
        from aivideoapi_batch._ray import mapped
    except ModuleNotFoundError as error:
        if error.name not in ("ray", "pyarrow"):
            raise
        raise InvalidInputError(f"map_rows needs {error.name}: {pip_install('ray')}") from error
    return mapped(rows, job, workers=workers, batch_size=batch_size, address=address, options=options)
