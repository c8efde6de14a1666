"""Rows from JSON Lines, CSV and Parquet, one after another: files may be larger than memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from aivideoapi_cli._terminal import WRONG_USE, CommandError

_LONGEST_FIELD: Final = 2**31 - 1
"""Characters; the csv module refuses more than 131,072 unless told otherwise."""


def rows_of(path: Path) -> Iterator[Any]:
    """The rows of ``path``, by the end of its name. A line that is no JSON object comes as ``None``.

    Raises ``CommandError`` at once for a file that is not there or of another kind.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise CommandError(f"{path} must end in {', '.join(_READERS)}", exit_code=WRONG_USE)
    if not path.is_file():
        raise CommandError(f"there is no file {path}", exit_code=WRONG_USE)
    return read(path)


def _jsonl(path: Path) -> Iterator[Any]:
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if number == 0:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError:
                row = None  # told as a bad row: one row's fault ends no job
            yield row


def _csv(path: Path) -> Iterator[Any]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            for row in csv.DictReader(file):
                # A cell that is not there is None, cells without a name are under None.
                yield {name: cell for name, cell in row.items() if name is not None}
        except (UnicodeDecodeError, csv.Error) as error:
            raise CommandError(f"{path} cannot be read as CSV in UTF-8: {error}") from error


def _parquet(path: Path) -> Iterator[Any]:
    import pyarrow.parquet

    def rows() -> Iterator[Any]:
        try:
            for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=1024):
                yield from batch.to_pylist()
        except pyarrow.ArrowInvalid as error:
            raise CommandError(f"{path} cannot be read as Parquet: {error}") from error

    return rows()


_READERS: Final[Mapping[str, Callable[[Path], Iterator[Any]]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".csv": _csv,
    ".parquet": _parquet,
}
