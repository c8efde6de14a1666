"""A ledger in a Redis stream, for many machines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._stores.redis_link import redis_client


class RedisLedger:
    """Rows in a Redis stream."""

    blocking = True

    def __init__(self, target: Any, *, name: str = "default") -> None:
        self._url = target if isinstance(target, str) else None
        self._name = name
        self._client = redis_client(target, argument="ledger")
        self._key = f"aivideoapi:ledger:{{{name}}}"

    def append(self, record: CallRecord) -> None:
        """See ``LedgerStore``."""
        self._client.xadd(self._key, {"row": json.dumps(record.to_dict())})

    def records(self) -> Iterator[CallRecord]:
        """See ``LedgerStore``."""
        for _, fields in self._client.xrange(self._key):
            row = fields.get(b"row") or fields["row"]
            yield CallRecord.from_dict(json.loads(row))

    def close(self) -> None:
        """Close the connections that are our own."""
        if self._url is not None:
            self._client.close()

    def __reduce__(self) -> Any:
        if self._url is None:
            raise TypeError(
                "a ledger with a Redis client cannot go to another process: give it the URL instead"
            )
        return _redis_ledger, (self._url, self._name)


def _redis_ledger(url: str, name: str) -> RedisLedger:
    return RedisLedger(url, name=name)
