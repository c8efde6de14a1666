"""A ledger as a file for other programs: CSV, Parquet, or CSV with the columns of FOCUS.

FOCUS: FinOps Open Cost and Usage Specification, 1.2; columns that it does not know begin with ``x_``.
An amount that nobody knows is empty, in every format.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Final

from aivideoapi_core._catalogue.amounts import USD_PER_CREDIT
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.datetimes import datetime_at
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._version import pip_install

FORMATS: Final = ("csv", "focus", "parquet")
_BATCH: Final = 10_000
"""Rows of one Parquet row group."""
_KINDS: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "thinking")


def export(
    records: Iterable[CallRecord], target: str | os.PathLike[str] | IO[str], *, form: str | None
) -> int:
    """Write ``records`` to ``target``; how many there were. See ``SpendLedger.export``."""
    if not isinstance(target, (str, os.PathLike)) and not hasattr(target, "write"):
        raise InvalidInputError(f"a ledger is exported to a path or an open file, not to {target!r}")
    if isinstance(target, (str, os.PathLike)):
        _check_place(Path(target))
    form = form or _form_of(target)
    if form not in FORMATS:
        raise InvalidInputError(f"a ledger cannot be exported as {form!r}, but as {', '.join(FORMATS)}")
    if isinstance(target, io.TextIOBase) is (form == "parquet") and isinstance(target, io.IOBase):
        mode = "wb" if form == "parquet" else "w"
        raise InvalidInputError(
            f"as {form} a ledger is written to a file that was opened with {mode!r}, or to a path"
        )
    if form == "parquet":
        return _write_parquet(records, target)
    flat = _focus if form == "focus" else _flat
    return _write_csv(map(flat, records), flat(CallRecord(model="none")).keys(), target)


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise InvalidInputError(f"'{path}' is a folder: name a file in it, such as '{path / 'spend.csv'}'")
    if not path.parent.is_dir():
        raise InvalidInputError(f"there is no folder '{path.parent}': make it, or name another file")


def _form_of(target: Any) -> str:
    """What the name of ``target`` ends in; CSV without an ending, and for what has no name."""
    name = str(target if isinstance(target, (str, os.PathLike)) else getattr(target, "name", ""))
    if name.lower().endswith(".focus.csv"):
        return "focus"
    return Path(name).suffix.lower().removeprefix(".") or "csv"


def _flat(record: CallRecord) -> dict[str, Any]:
    """The row as ``CallRecord.to_dict`` has it, with one column for each kind of tokens, and what was charged."""
    row = record.to_dict()
    tokens = row.pop("tokens") or {}
    charged = record.charged
    return {
        "started_at": datetime_at(row.pop("started_at")).isoformat(),
        **row,
        "tags": json.dumps(row["tags"], ensure_ascii=False),
        **{f"{kind}_tokens": tokens.get(kind) for kind in _KINDS},
        "credits": _text(charged),
        "usd": _text(None if charged is None else charged * USD_PER_CREDIT),
    }


def _focus(record: CallRecord) -> dict[str, Any]:
    charged = record.charged
    usd = _text(None if charged is None else charged * USD_PER_CREDIT)
    begin = datetime_at(record.started_at)
    month = begin.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    tokens = record.tokens
    quantity = None if tokens is None else tokens.total_input + tokens.output
    return {
        "BilledCost": usd,
        "EffectiveCost": usd,
        "ListCost": usd,
        "ContractedCost": usd,
        "BillingAccountId": None,  # whoever keeps the books knows the account; a row does not
        "BillingAccountName": None,
        "BillingCurrency": "USD",
        "BillingPeriodStart": _utc(month),
        "BillingPeriodEnd": _utc((month + timedelta(days=32)).replace(day=1)),
        "ChargePeriodStart": _utc(begin),
        "ChargePeriodEnd": _utc(begin + timedelta(seconds=record.latency_s or 0)),
        "ChargeCategory": "Usage",
        "ChargeClass": None,  # no correction
        "ChargeFrequency": "Usage-Based",
        "ChargeDescription": f"{record.model}, {record.outcome.value}",
        "ProviderName": "AI Video API",
        "PublisherName": "AI Video API",
        "InvoiceIssuerName": "AI Video API",
        "ServiceName": "Claude messages",
        "ServiceCategory": "AI and Machine Learning",
        "SkuId": record.model,
        "ResourceId": record.call_id,
        "ResourceName": record.agent,
        "SubAccountId": record.customer,
        "ConsumedQuantity": quantity,
        "ConsumedUnit": None if quantity is None else "Tokens",
        "PricingQuantity": quantity,
        "PricingUnit": None if quantity is None else "Tokens",
        "Tags": json.dumps(dict.fromkeys(record.tags, ""), ensure_ascii=False),
        "x_Credits": _text(charged),
        "x_Agent": record.agent,
        "x_Thread": record.thread,
        "x_User": record.user,
        "x_Outcome": record.outcome.value,
    }


def _write_csv(rows: Iterable[dict[str, Any]], names: Iterable[str], target: Any) -> int:
    count = 0
    with _opened(target) as file:
        lines = csv.writer(file, lineterminator="\n")
        lines.writerow(names)
        for row in rows:  # all of them have their fields in one order
            lines.writerow(row.values())
            count += 1
    return count


def _write_parquet(records: Iterable[CallRecord], target: Any) -> int:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidInputError(f"format='parquet' needs pyarrow: {pip_install('parquet')}") from error
    kinds: dict[str, Any] = dict.fromkeys(_flat(CallRecord(model="none")), pyarrow.string())
    kinds |= dict.fromkeys(
        (*(f"{kind}_tokens" for kind in _KINDS), "credits_micro", "at_most_micro", "attempts"),
        pyarrow.int64(),
    )
    kinds |= {"stream": pyarrow.bool_(), "latency_s": pyarrow.float64()}
    schema = pyarrow.schema(list(kinds.items()))
    count = 0
    with parquet.ParquetWriter(target, schema) as writer:
        for batch in _batches(map(_flat, records)):
            writer.write_table(pyarrow.Table.from_pylist(batch, schema=schema))
            count += len(batch)
    return count


def _batches(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    batch: list[dict[str, Any]] = []
    for row in rows:
        batch.append(row)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


@contextmanager
def _opened(target: Any) -> Iterator[IO[str]]:
    if isinstance(target, (str, os.PathLike)):
        with Path(target).open("w", encoding="utf-8", newline="") as file:
            yield file
    else:
        yield target


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _text(amount: Decimal | None) -> str | None:
    return None if amount is None else f"{amount:f}"
