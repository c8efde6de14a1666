"""Batches of a table as rows, and results as a table: what engines such as Ray Data hand over and take back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_core import InvalidInputError

if TYPE_CHECKING:
    from aivideoapi_batch._results import RowResult

COLUMNS: Final = {
    "id": "string",
    "status": "string",
    "answer": "string",
    "error": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "credits_micro": "int64",
    "credits_reported": "string",
    "at_most_micro": "int64",
    "attempts": "int64",
    "paid_before": "bool",
    "latency_s": "float64",
    "resumed": "bool",
}
"""Columns of a table of results with their Arrow types: the same for every batch, whatever its answers are."""


def rows_of(batch: Any) -> list[dict[str, Any]]:
    """The rows of ``batch``: an Arrow table, a pandas DataFrame, or a dict of columns (numpy arrays, lists)."""
    if hasattr(batch, "to_pylist"):
        return list(batch.to_pylist())
    if hasattr(batch, "to_dict") and hasattr(batch, "columns"):
        return list(batch.to_dict("records"))
    if isinstance(batch, Mapping):
        columns = [getattr(column, "tolist", lambda column=column: column)() for column in batch.values()]
        return [dict(zip(batch, values, strict=True)) for values in zip(*columns, strict=True)]
    raise InvalidInputError(
        f"a batch must be an Arrow table, a DataFrame or a dict of columns, not a {type(batch).__name__}"
    )


def table_of(results: Iterable[RowResult]) -> Any:
    """``results`` as an Arrow table with ``COLUMNS``; an answer that is no text as JSON."""
    import pyarrow

    schema = pyarrow.schema(
        [(name, getattr(pyarrow, kind, pyarrow.bool_)()) for name, kind in COLUMNS.items()]
    )
    return pyarrow.Table.from_pylist([_flat(result) for result in results], schema=schema)


def _flat(result: RowResult) -> dict[str, Any]:
    answer, tokens = result.answer, result.tokens
    row = {name: getattr(result, name, None) for name in COLUMNS}
    row["status"] = result.status.value
    if answer is not None and not isinstance(answer, str):
        row["answer"] = json.dumps(answer, ensure_ascii=False)
    if tokens is not None:
        row["input_tokens"], row["output_tokens"] = tokens.total_input, tokens.output
    if result.credits_reported is not None:
        row["credits_reported"] = str(result.credits_reported)
    return row
