"""A ledger in a Redis stream, for many machines."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._stores.ledger_older import from_row, to_row
from aivideoapi_core._stores.ledger_query import Selection
from aivideoapi_core._stores.redis_link import link_to

_FORMAT: Final = "3"
"""Written beside each row: by which release's rules. Readers leave alone what they do not know."""
_REMEMBERED: Final = 10_000
"""Ids of the newest rows that are kept: a row is written twice only at once, after an interruption."""
_PAGE: Final = 1_000
_MARGIN_S: Final = 86_400.0
"""A row's id is the server's time when it was written, ``started_at`` the client's when the call began: its clock may be ahead."""
_APPEND: Final = f"""
if ARGV[1] ~= '' and redis.call('ZSCORE', KEYS[2], ARGV[1]) then return 0 end
redis.call('XADD', KEYS[1], '*', 'row', ARGV[2], 'v', ARGV[3])
if ARGV[1] ~= '' then
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[2], time[1] * 1000000 + time[2], ARGV[1])
  redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -{_REMEMBERED + 1})
end
return 1
"""
"""The row before its id: Redis does not undo what a script did before an error, and an id without its row would keep
the row from being written ever after."""


class RedisLedger:
    """Rows in a Redis stream, each call once."""

    blocking = True

    def __init__(self, target: Any, *, name: str = "default") -> None:
        self._name = name
        self.place = link_to(target, argument="ledger")
        """One object for all budgets and ledgers of the server."""
        self._key = f"aivideoapi:ledger:{{{name}}}"

    def append(self, record: CallRecord) -> None:
        """See ``LedgerStore``."""
        keys, values = self._arguments(record)
        self.place.script(_script)(keys=keys, args=values)

    def entry(
        self, record: CallRecord, *, done: Callable[[Any], None], failed: Callable[[float], None]
    ) -> Entry:
        """``append`` as an entry that is written with others of the server."""
        keys, values = self._arguments(record)
        sha = self.place.script(_script).sha
        return Entry(self.place, lambda pipe: pipe.evalsha(sha, len(keys), *keys, *values), done, failed)

    def records(self) -> Iterator[CallRecord]:
        """See ``LedgerStore``."""
        return self.selected(Selection())

    def selected(self, selection: Selection) -> Iterator[CallRecord]:
        """See ``LedgerStore``; a page of rows at a time is in memory."""
        since = selection.since
        first = "-" if since is None else str(max(0, int((since - _MARGIN_S) * 1000)))
        while True:  # to the end: a row that had to wait for the server was written long after its call
            page = self.place.client.xrange(self._key, first, "+", count=_PAGE)
            for _, fields in page:
                row = fields.get(b"row") or fields["row"]
                record = from_row(json.loads(row))
                if selection.matches(record):
                    yield record
            if len(page) < _PAGE:
                return
            newest = page[-1][0]
            first = "(" + (newest.decode() if isinstance(newest, bytes) else newest)

    def close(self) -> None:
        """Close the connections that are our own; a later call opens others."""
        self.place.close()

    def _arguments(self, record: CallRecord) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Keys and values of the script."""
        keys = (self._key, f"{self._key}:ids")
        return keys, (record.call_id or "", json.dumps(to_row(record)), _FORMAT)

    def __reduce__(self) -> Any:
        if self.place.url is None:
            raise TypeError(
                "a ledger with a Redis client cannot go to another process: give it the URL instead"
            )
        return _redis_ledger, (self.place.url, self._name)


def _script() -> str:
    return _APPEND


def _redis_ledger(url: str, name: str) -> RedisLedger:
    return RedisLedger(url, name=name)
