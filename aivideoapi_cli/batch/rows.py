"""Rows from JSON Lines, CSV and Parquet, one after another: files may be larger than memory."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aivideoapi_cli._terminal import WRONG_USE, CommandError

_LONGEST_FIELD: Final = 2**31 - 1
"""Characters; the csv module refuses more than 131,072 unless told otherwise."""


def rows_of(path: Path) -> Iterator[Any]:
    """The rows of ``path``, by the end of its name. A line that is no JSON object, or has more cells than there are
    columns, comes as ``None``.

    Raises ``CommandError`` at once for a file that is not there or of another kind.
    """
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise CommandError(f"{path} must end in {', '.join(_READERS)}", exit_code=WRONG_USE)
    if not path.is_file():
        raise CommandError(f"there is no file {path}", exit_code=WRONG_USE)
    return read(path)


def _jsonl(path: Path) -> Iterator[Any]:
    is_first = True
    with path.open("rb") as file:
        for number, line in enumerate(file):
            if number == 0:
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line.strip():
                continue
            if is_first and line.lstrip().startswith(b"["):
                raise CommandError(
                    f"{path} is one JSON array; put each row on a line of its own: jq -c '.[]' {path} > rows.jsonl",
                    exit_code=WRONG_USE,
                )
            is_first = False
            try:
                row = json.loads(line)
            except ValueError:
                row = None  # told as a bad row: one row's fault ends no job
            yield row


def _csv(path: Path) -> Iterator[Any]:
    csv.field_size_limit(_LONGEST_FIELD)
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or [])
            for row in reader:
                # A cell that is not there is None, cells without a column are under None.
                more = row.pop(None, [])
                yield row if not any(cell.strip() for cell in more) else None
        except (UnicodeDecodeError, csv.Error) as error:
            raise CommandError(
                f"{path} cannot be read as CSV in UTF-8: {error}; save it as UTF-8, with commas"
            ) from error


def _check_columns(path: Path, names: Sequence[str]) -> None:
    """Raise ``CommandError`` where the names in the first line are not what they were meant to be."""
    if len(names) == 1 and (other := next((mark for mark in ";\t" if mark in names[0]), None)):
        raise CommandError(
            f"{path} has {other!r} between its columns: save it with commas", exit_code=WRONG_USE
        )
    if twice := [name for name, count in Counter(names).items() if count > 1 and name.strip()]:
        raise CommandError(f"{path} has two columns {twice[0]!r}: rename one of them", exit_code=WRONG_USE)


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
