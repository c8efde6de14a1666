"""Budget state in Redis, for many machines: every change is one script, which Redis runs alone."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, Final

from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._stores.budget_calendar import CalendarWindow
from aivideoapi_core._stores.budget_clock import Clock, machine_clock, read
from aivideoapi_core._stores.budget_terms import (
    GRAINS_PER_WINDOW,
    NewerFormatError,
    Standing,
    Terms,
    TermsDifferError,
    Turn,
)
from aivideoapi_core._stores.redis_link import link_to

_PARTS: Final = ("facts", "pieces", "held", "owners", "leases", "late", "settled", "line", "boots", "calls")
_MOST_QUESTIONS: Final = 10
"""A window can begin between a question and its answer; not ten times."""
_ANY: Final = Terms(limit_micro=0)
"""Of somebody who only looks on."""
_FIRST_PARTS: Final = ("spent", "held", "leases", "expired", "facts")
"""Of releases before version 2, under a prefix of their own."""


class AsksFirstError(Exception):
    """The script has to be told something first: the bounds of another window of the calendar, or what this machine's
    clocks show now; nothing was changed.
    """


class RedisStore:
    """State of one budget, by name, in a Redis of version 6.2 or later. Keys begin with ``aivideoapi:``.

    ``target`` is a URL or a ``redis.Redis`` client (synchronous; asynchronous callers run it in a
    thread). ``clock`` of a test replaces the machine's, ``server_s`` the server's, which else is that machine's too.
    """

    blocking = True
    shared = True

    def __init__(
        self,
        target: Any,
        *,
        name: str = "default",
        clock: Clock | None = None,
        server_s: Callable[[], float] | None = None,
    ) -> None:
        self.name = name
        self._target = target
        self.place = link_to(target, argument="store")
        """One object for all budgets and ledgers of the server."""
        self.key = ("redis", self.place.url or id(target), name)
        """Equal for all stores of one budget."""
        self._clock = clock
        self._server_s = server_s
        self._page: tuple[float, float] | None = None
        """Bounds of the calendar's window that were asked for last."""
        # The braces keep all keys of one budget on one node of a cluster.
        prefix = f"aivideoapi:budget:{{{name}}}"
        self._keys = [f"{prefix}:v2:{part}" for part in _PARTS] + [
            f"{prefix}:{part}" for part in _FIRST_PARTS
        ]

    def reserve(
        self,
        terms: Terms,
        *,
        id: str,
        owner: str,
        micro: int,
        turn: Turn = "at once",
    ) -> Standing:
        """See ``BudgetStore``."""
        return self._run("reserve", terms, id=id, owner=owner, micro=micro, turn=turn)

    def settle(self, terms: Terms, *, id: str, micro: int, unknown: bool) -> Standing:
        """See ``BudgetStore``."""
        return self._run("settle", terms, id=id, micro=micro, unknown=unknown)

    def settling(
        self,
        terms: Terms,
        *,
        id: str,
        micro: int,
        unknown: bool,
        done: Callable[[Standing], None],
        failed: Callable[[float], None],
    ) -> Entry:
        """``settle`` as an entry that is written with others of the server. Its ``done`` raises where a window begins
        or a machine is met, of which the script cannot know all by itself: then it is to be settled alone.
        """
        sha = self.place.script(_source).sha
        arguments = self._arguments("settle", terms, id=id, micro=micro, unknown=unknown)
        return Entry(
            self.place,
            lambda pipe: pipe.evalsha(sha, len(self._keys), *self._keys, *arguments),
            lambda answer: done(_standing_of(_texts(answer))),
            failed,
        )

    def renew(self, terms: Terms, *, owner: str) -> Standing:
        """See ``BudgetStore``."""
        return self._run("renew", terms, owner=owner)

    def standing(self, terms: Terms) -> Standing:
        """See ``BudgetStore``."""
        return self._run("standing", terms)

    def set_limit(self, terms: Terms, *, limit_micro: int) -> Standing:
        """See ``BudgetStore``."""
        return self._run("set_limit", terms, micro=limit_micro)

    def raise_until(
        self, terms: Terms, *, limit_micro: int, for_s: float | None = None, at_s: float | None = None
    ) -> Standing:
        """See ``BudgetStore``."""
        return self._run("raise", terms, micro=limit_micro, for_s=for_s, at_s=at_s)

    def named(self, name: str) -> RedisStore:
        """The store of another budget in the same place."""
        return RedisStore(self._target, name=name, clock=self._clock, server_s=self._server_s)

    def close(self) -> None:
        """Close the connections that are our own."""
        self.place.close()

    def __reduce__(self) -> Any:
        if self.place.url is None:
            raise TypeError(
                "a budget with a Redis client cannot go to another process: give it the URL instead"
            )
        return _redis_store, (self.place.url, self.name)

    def look(self) -> tuple[Terms, Standing] | None:
        """See ``BudgetStore``."""
        answer = self._answer("look", _ANY)
        if answer[0] == "none":
            return None
        *facts, window, soft, calendar = answer
        return _terms_of(facts[1], window, soft, calendar), _standing_of(facts)

    @classmethod
    def names_in(cls, target: Any) -> list[str]:
        """Names of the budgets there, in no order. Looks at every key of the server."""
        keys = link_to(target, argument="store").client.scan_iter(
            match="aivideoapi:budget:{*}:v2:facts", count=1_000
        )
        texts = (key.decode() if isinstance(key, bytes) else key for key in keys)
        return [text.removeprefix("aivideoapi:budget:{").removesuffix("}:v2:facts") for text in texts]

    def _run(self, op: str, terms: Terms, **facts: Any) -> Standing:
        return _standing_of(self._answer(op, terms, **facts))

    def _answer(self, op: str, terms: Terms, **facts: Any) -> list[str]:
        """What the script answers, once it knows what it asks: the bounds of the calendar's window when one begins, and
        what the clocks of a machine show that it has not met.
        """
        script = self.place.script(_source)
        met: Sequence[str] = ("", "")
        for _ in range(_MOST_QUESTIONS):
            answer = _texts(script(keys=self._keys, args=[*self._arguments(op, terms, **facts), *met]))
            if answer[0] == "clock":
                met = answer[1:]
                continue
            if answer[0] != "calendar":
                return answer
            calendar = CalendarWindow.parse(answer[1])
            if calendar is None:
                break
            self._page = calendar.bounds(float(answer[2]))
        raise NewerFormatError("its calendar is not known to this release")

    def _arguments(
        self,
        op: str,
        terms: Terms,
        *,
        id: str = "",
        owner: str = "",
        micro: int = 0,
        unknown: bool = False,
        turn: Turn = "at once",
        for_s: float | None = None,
        at_s: float | None = None,
    ) -> list[Any]:
        reading = read(self._clock or machine_clock)
        server_s = (
            None if self._clock is None else reading.wall_s if self._server_s is None else self._server_s()
        )
        return [
            op,
            reading.boot,
            f"{reading.awake_s:.6f}",
            f"{reading.since_boot_s:.6f}",
            # The server's, unless a test says otherwise: one for all machines.
            "" if server_s is None else f"{server_s:.6f}",
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
            "" if terms.calendar is None else str(terms.calendar),
            *(("", "") if self._page is None else self._page),
            " ".join(map(repr, terms.thresholds)) if op == "settle" else "",
            "" if for_s is None else for_s,
            "" if at_s is None else at_s,
            f"{reading.wall_s:.6f}",
        ]


def _texts(answer: Sequence[Any]) -> list[str]:
    return [part.decode() if isinstance(part, bytes) else str(part) for part in answer]


@functools.lru_cache(maxsize=1)
def _source() -> str:
    return files("aivideoapi_core._stores").joinpath("budget.lua").read_text(encoding="utf-8")


def _terms_of(limit: str, window: str, soft: str, calendar: str) -> Terms:
    return Terms(
        limit_micro=int(limit),
        window_s=float(window) or None,
        soft=soft == "1",
        calendar=CalendarWindow.parse(calendar),
    )


def _standing_of(answer: list[str]) -> Standing:
    """Raises ``TermsDifferError``, ``NewerFormatError``, ``AsksFirstError``."""
    status, *facts = answer
    if status in ("calendar", "clock"):
        raise AsksFirstError
    if status == "newer":
        raise NewerFormatError(f"its state has format {facts[0]}: upgrade")
    if status == "terms":
        raise TermsDifferError(_terms_of(*facts))
    agreed, limit, reserved, spent, unknown_calls, unknown, expired_calls, expired, *more = facts
    raised_until, window_end, passed, *extra = more
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
        raised_micro=int(limit) - int(agreed),
        raised_until_s=float(raised_until) if raised_until else None,
        window_end_s=float(window_end) if window_end else None,
        passed=tuple(map(float, passed.split())),
    )


def _redis_store(url: str, name: str) -> RedisStore:
    return RedisStore(url, name=name)
