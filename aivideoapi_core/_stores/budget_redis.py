"""Budget state in Redis, for many machines: every change is one script, which Redis runs alone."""

from __future__ import annotations

import functools
from importlib.resources import files
from typing import Any, Final

from aivideoapi_core._stores.budget_clock import Clock, machine_clock, read
from aivideoapi_core._stores.budget_terms import (
    GRAINS_PER_WINDOW,
    NewerFormatError,
    Standing,
    Terms,
    TermsDifferError,
    Turn,
)
from aivideoapi_core._stores.redis_link import RedisLink

_PARTS: Final = ("facts", "pieces", "held", "owners", "leases", "late", "settled", "line", "boots", "calls")
_FIRST_PARTS: Final = ("spent", "held", "leases", "expired", "facts")
"""Of releases before version 2, under a prefix of their own."""


class RedisStore:
    """State of one budget, by name, in a Redis of version 6.2 or later. Keys begin with ``aivideoapi:``.

    ``target`` is a URL or a ``redis.Redis`` client (synchronous; asynchronous callers run it in a
    thread). ``clock`` of a test replaces the machine's and the server's.
    """

    blocking = True
    shared = True

    def __init__(self, target: Any, *, name: str = "default", clock: Clock | None = None) -> None:
        self.name = name
        self._link = RedisLink(target, argument="store")
        self._clock = clock
        # The braces keep all keys of one budget on one node of a cluster.
        prefix = f"aivideoapi:budget:{{{name}}}"
        self._keys = [f"{prefix}:v2:{part}" for part in _PARTS] + [
            f"{prefix}:{part}" for part in _FIRST_PARTS
        ]

    def reserve(
        self,
        terms: Terms,
        *,
        id: str,  # noqa: A002 - the same word everywhere
        owner: str,
        micro: int,
        turn: Turn = "at once",
    ) -> Standing:
        """See ``BudgetStore``."""
        return self._run("reserve", terms, id=id, owner=owner, micro=micro, turn=turn)

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:  # noqa: A002
        """See ``BudgetStore``."""
        return self._run("settle", terms, id=id, micro=micro, unknown=unknown)

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        return self._run("renew", terms, owner=owner)

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        return self._run("standing", terms)

    def set_limit(self, terms: Terms, *, limit_micro: int) -> Standing:
        """See ``BudgetStore``."""
        return self._run("set_limit", terms, micro=limit_micro)

    def close(self) -> None:
        """Close the connections that are our own."""
        self._link.close()

    def __reduce__(self) -> Any:
        if self._link.url is None:
            raise TypeError(
                "a budget with a Redis client cannot go to another process: give it the URL instead"
            )
        return _redis_store, (self._link.url, self.name)

    def _run(self, op: str, terms: Terms, **facts: Any) -> Standing:
        script = self._link.script(_source)
        return _standing_of(script(keys=self._keys, args=self._arguments(op, terms, **facts)))

    def _arguments(
        self,
        op: str,
        terms: Terms,
        *,
        id: str = "",  # noqa: A002 - the same word everywhere
        owner: str = "",
        micro: int = 0,
        unknown: bool = False,
        turn: Turn = "at once",
    ) -> list[Any]:
        reading = read(self._clock or machine_clock)
        return [
            op,
            reading.boot,
            f"{reading.awake_s:.6f}",
            f"{reading.since_boot_s:.6f}",
            # The server's, unless a test says otherwise: one for all machines.
            "" if self._clock is None else f"{reading.wall_s:.6f}",
            terms.limit_micro,
            terms.window_s or 0,
            int(terms.soft),
            terms.when_owner_dies,
            int(terms.joined),
            terms.lease_s,
            GRAINS_PER_WINDOW,
            id,
            owner,
            micro,
            int(unknown),
            turn,
        ]


@functools.lru_cache(maxsize=1)
def _source() -> str:
    return files("aivideoapi_core._stores").joinpath("budget.lua").read_text(encoding="utf-8")


def _standing_of(answer: list[Any]) -> Standing:
    """Raises ``TermsDifferError``, ``NewerFormatError``."""
    status, *facts = (part.decode() if isinstance(part, bytes) else part for part in answer)
    if status == "newer":
        raise NewerFormatError(f"its state has format {facts[0]}: upgrade")
    if status == "terms":
        limit, window, soft = facts
        raise TermsDifferError(
            Terms(
                limit_micro=int(limit),
                window_s=float(window) or None,
                soft=soft == "1",
            )
        )
    limit, reserved, spent, unknown_calls, unknown, expired_calls, expired, *extra = facts
    room, *owners = extra or ("",)
    return Standing(
        limit_micro=int(limit),
        spent_micro=int(spent),
        reserved_micro=int(reserved),
        unknown_calls=int(unknown_calls),
        unknown_micro=int(unknown),
        expired_calls=int(expired_calls),
        expired_micro=int(expired),
        granted=status == "ok",
        waits=status == "waits",
        reserved_by={owner: int(micro) for owner, micro in zip(owners[::2], owners[1::2], strict=True)},
        room_in_s=float(room) if room else None,
    )


def _redis_store(url: str, name: str) -> RedisStore:
    return RedisStore(url, name=name)
