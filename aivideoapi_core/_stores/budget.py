"""``CreditBudget``: a limit in credits that holds, however many calls run at once and wherever."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal, Protocol, TypeVar, runtime_checkable

from aivideoapi_core._errors import AIVideoAPIError, BudgetExceededError, InvalidInputError
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.worst_case import WorstCase
from aivideoapi_core._stores.budget_rules import BudgetStore, MemoryStore, Standing, Terms, WhenOwnerDies

logger = logging.getLogger("aivideoapi")

Window = Literal["hour", "day"] | timedelta | None
_T = TypeVar("_T")

_WINDOWS: Final = {"hour": 3_600.0, "day": 86_400.0}
REDIS_SCHEMES: Final = ("redis://", "rediss://", "unix://")


class BudgetStoreError(AIVideoAPIError):
    """A budget's store cannot be reached, so nobody can say whether the call fits. Raised before any I/O."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Microcredits put aside for one call."""

    id: str
    micro: int


class _HasBalance(Protocol):
    def credits(self) -> Balance: ...


class _HasAsyncBalance(Protocol):
    async def credits(self) -> Balance: ...


@runtime_checkable
class _HasModelBalance(Protocol):
    async def acredits(self) -> Balance: ...


class CreditBudget:
    """A limit in credits, shared by as many models of both frameworks as hold it.

    Before each call the worst case is reserved (see ``aivideoapi_core._metering.worst_case``); a call that could
    pass the limit raises ``BudgetExceededError`` before any I/O. After it the real figure is booked:
    of the reported and the computed one the larger. A call that may have been billed though nobody
    said how much (cut, timed out, abandoned) stays booked at the most it can have cost.

    ``window``: ``None`` (for all time), ``"hour"``, ``"day"`` or a ``timedelta``; windows slide, so that
    no stretch of that length costs more than the limit. ``soft``: reserve nothing, only stop the next
    call once the limit was reached. ``store``: ``None`` (this process), the path of a SQLite file (the
    processes of one machine) or a Redis URL or client (many machines); there ``name`` says which budget.

    In a shared store a process holds its reservations by a lease, renewed from a thread while calls
    run. When it dies, they come back ``lease_s`` later: ``when_owner_dies="release"``. What those calls
    cost is then in no book; ``"count"`` books their worst case instead, which keeps the limit even
    against calls that were billed after their process had died.

    Models that need a price which is not published are refused, as are tools that run on the
    server: nothing bounds what they cost. ``soft`` takes both.
    """

    def __init__(
        self,
        limit_credits: int | float | str | Decimal,
        *,
        window: Window = None,
        soft: bool = False,
        store: Any = None,
        name: str = "default",
        lease_s: float = 60.0,
        when_owner_dies: WhenOwnerDies = "release",
    ) -> None:
        self.name = name
        self.limit_micro = _micro(limit_credits)
        self._store: BudgetStore = _store_of(store, name)
        self._terms = Terms(
            limit_micro=self.limit_micro,
            window_s=_window_s(window),
            soft=soft,
            lease_s=lease_s if self._store.shared else float("inf"),
            when_owner_dies=when_owner_dies,
        )
        if lease_s <= 0:
            raise InvalidInputError(f"lease_s must be more than 0 seconds, not {lease_s!r}")
        if when_owner_dies not in ("release", "count"):
            raise InvalidInputError(f"when_owner_dies must be 'release' or 'count', not {when_owner_dies!r}")
        self._lock = threading.Lock()
        self._pid = os.getpid()
        self._owner = os.urandom(16).hex()
        self._running: set[str] = set()
        self._unbooked: list[tuple[str, int, bool]] = []
        self._keeper: _LeaseKeeper | None = None

    @classmethod
    def from_balance(
        cls, source: _HasBalance | Balance | None = None, *, share: float | str | Decimal = 1, **options: Any
    ) -> CreditBudget:
        """A budget of ``share`` of what the account holds now.

        ``source``: a client or model that has ``credits()``, a ``Balance``, or ``None`` for a client
        made from the environment. ``options`` are those of the class.
        """
        if source is None:
            from aivideoapi_core._http.client import MessagesClient  # not before it is needed

            with MessagesClient() as client:
                balance = client.credits()
        else:
            balance = source if isinstance(source, Balance) else source.credits()
        return cls(_share_of(balance, share), **options)

    @classmethod
    async def afrom_balance(
        cls,
        source: _HasAsyncBalance | _HasModelBalance | None = None,
        *,
        share: float | str | Decimal = 1,
        **options: Any,
    ) -> CreditBudget:
        """The asynchronous twin of ``from_balance``; ``source`` is a model or an ``AsyncMessagesClient``."""
        if source is None:
            from aivideoapi_core._http.async_client import AsyncMessagesClient

            async with AsyncMessagesClient() as client:
                balance = await client.credits()
        else:
            ask = source.acredits if isinstance(source, _HasModelBalance) else source.credits
            balance = await ask()
        return cls(_share_of(balance, share), **options)

    def standing(self) -> Standing:
        """How the budget stands now. Raises ``BudgetStoreError``."""
        DROPPED.do()
        return self._reached(lambda: self._store.standing(self._terms))

    async def astanding(self) -> Standing:
        """The asynchronous twin of ``standing``."""
        return await self._awaited(self.standing)

    def hold(self, model: str, worst: WorstCase) -> Reservation:
        """Reserve ``worst`` for a call of ``model``.

        Raises ``BudgetExceededError`` if it does not fit or cannot be bounded, ``BudgetStoreError``.
        """
        reservation = self._asked(model, worst)
        try:
            return self._granted(model, worst, self._reserve(reservation))
        except AIVideoAPIError:
            raise
        except BaseException:  # Ctrl-C, a greenlet that is killed: nobody would know of the reservation
            self.settle(reservation, 0)
            raise

    async def ahold(self, model: str, worst: WorstCase) -> Reservation:
        """The asynchronous twin of ``hold``; a cancelled one leaves nothing reserved."""
        reservation = self._asked(model, worst)
        if not self._store.blocking:
            return self._granted(model, worst, self._reserve(reservation))
        at_once = self._reserve_at_once(reservation)
        if at_once is not None:
            return self._granted(model, worst, at_once)
        said: list[str] = []

        def reserve() -> tuple[Reservation, Standing]:
            outcome = self._reserve(reservation)
            said.append("reserved")
            if "left" in said:  # the caller was cancelled, or its event loop has ended
                self.settle(reservation, 0)
            return outcome

        asked = asyncio.ensure_future(asyncio.to_thread(reserve))
        asked.add_done_callback(lambda done: done.cancelled() or done.exception())
        try:
            outcome = await asyncio.shield(asked)
        except AIVideoAPIError:
            raise
        except BaseException:
            said.append("left")
            if "reserved" in said:  # of the two, one at least sees what the other has said
                DROPPED.put(functools.partial(self.settle, reservation, 0))
                if not DROPPED.in_collector:
                    with contextlib.suppress(RuntimeError):
                        asyncio.get_running_loop().run_in_executor(None, DROPPED.do)
            raise
        return self._granted(model, worst, outcome)

    def settle(self, reservation: Reservation, micro: int, *, unknown: bool = False) -> None:
        """Book ``micro`` in place of ``reservation``; 0 gives it back. ``unknown``: it is only a bound.

        Never raises for a broken store, because an answer that was paid for must not be lost: the
        booking is logged and made up for with the next one.
        """
        with self._lock:
            self._running.discard(reservation.id)
            self._unbooked.append((reservation.id, micro, unknown))
        self._book_all()

    def settle_at_once(self, reservation: Reservation, micro: int, *, unknown: bool = False) -> bool:
        """``settle`` without waiting, for an event loop; ``False`` if that cannot be, then nothing was done."""
        if not self._store.blocking:
            self.settle(reservation, micro, unknown=unknown)
            return True
        store = getattr(self._store, "at_once", None)
        if store is None or self._unbooked:
            return False
        try:
            store.settle(self._terms, id=reservation.id, micro=micro, unknown=unknown)
        except Exception:  # noqa: BLE001 - busy or broken: a thread tries again, and logs
            return False
        with self._lock:
            self._running.discard(reservation.id)
        return True

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
        self._store.close()

    def __repr__(self) -> str:
        return f"CreditBudget({Decimal(self.limit_micro).scaleb(-6).normalize():f}, name={self.name!r})"

    def __copy__(self) -> CreditBudget:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CreditBudget:
        # A copied model spends from the same purse.
        return self

    def __reduce__(self) -> Any:
        return _rebuilt, (self._store, self._terms, self.name)

    def _asked(self, model: str, worst: WorstCase) -> Reservation:
        return Reservation(os.urandom(16).hex(), self._needed(model, worst))

    def _needed(self, model: str, worst: WorstCase) -> int:
        """Microcredits to reserve; raises for what cannot be bounded."""
        if worst.micro is not None or self._terms.soft:
            return worst.micro or 0
        if worst.output is None:
            why, fix = "its output limit is not known", "set max_tokens"
        elif worst.input is None:
            why, fix = "tools that run on the server have no limit", "use CreditBudget(..., soft=True)"
        else:
            why, fix = (
                "no price is published",
                "give prices={model: ModelPrices(...)}, or use CreditBudget(..., soft=True)",
            )
        raise BudgetExceededError(f"the cost of a call of {model!r} cannot be bounded, because {why}: {fix}")

    def _granted(self, model: str, worst: WorstCase, outcome: tuple[Reservation, Standing]) -> Reservation:
        reservation, standing = outcome
        if standing.granted:
            return reservation
        spent, held, limit = (
            _credits(micro) for micro in (standing.spent_micro, standing.reserved_micro, standing.limit_micro)
        )
        if self._terms.soft:
            raise BudgetExceededError(
                f"budget {self.name!r} is used up: {spent} of {limit} credits were spent"
            )
        raise BudgetExceededError(
            f"a call of {model!r} could cost {_credits(reservation.micro)} credits (at most {worst.input:,} input and "
            f"{worst.output:,} output tokens), but of the {limit} credits of budget {self.name!r} {spent} are spent and "
            f"{held} are reserved by running calls: set a smaller max_tokens, or raise the limit"
        )

    def _reserve(self, reservation: Reservation) -> tuple[Reservation, Standing]:
        owner = self._here()
        standing = self._reached(
            lambda: self._store.reserve(self._terms, id=reservation.id, owner=owner, micro=reservation.micro)
        )
        return self._noted(reservation, standing)

    def _reserve_at_once(self, reservation: Reservation) -> tuple[Reservation, Standing] | None:
        """Reserve without waiting; ``None`` if a thread has to be asked, with the same reservation."""
        store = getattr(self._store, "at_once", None)
        if store is None or self._unbooked:
            return None
        try:
            standing = store.reserve(
                self._terms, id=reservation.id, owner=self._here(), micro=reservation.micro
            )
        except Exception:  # noqa: BLE001 - busy or broken: the thread finds out which
            return None
        return self._noted(reservation, standing)

    def _noted(self, reservation: Reservation, standing: Standing) -> tuple[Reservation, Standing]:
        if standing.granted:
            with self._lock:
                self._running.add(reservation.id)
            self._keep_lease()
        return reservation, standing

    def _book_all(self) -> None:
        """Book what is waiting to be booked; leave it waiting if the store cannot be reached."""
        with self._lock:
            waiting, self._unbooked = self._unbooked, []
        while waiting:
            id, micro, unknown = waiting[0]  # noqa: A001 - the same word everywhere
            try:
                self._store.settle(self._terms, id=id, micro=micro, unknown=unknown)
            except BaseException as error:  # whatever a store raises, the paid answer goes on
                with self._lock:
                    self._unbooked = [*waiting, *self._unbooked]
                if not isinstance(error, Exception):
                    raise
                logger.warning(
                    "budget %r: %d bookings wait for the store (%s)",
                    self.name,
                    len(waiting),
                    type(error).__name__,
                )
                return
            waiting.pop(0)

    def _reached(self, ask: Callable[[], Standing]) -> Standing:
        if self._unbooked:
            self._book_all()
        try:
            return ask()
        except Exception as error:
            # Stores raise their libraries' own classes; which, the caller should not need to know.
            raise BudgetStoreError(
                f"the store of budget {self.name!r} cannot be reached ({type(error).__name__}: {error}); "
                "the call was not made, because its budget could not be checked"
            ) from error

    async def _awaited(self, ask: Callable[[], _T]) -> _T:
        return await asyncio.to_thread(ask) if self._store.blocking else ask()

    def _here(self) -> str:
        """This process as an owner; another one after a fork."""
        with self._lock:
            if self._pid != os.getpid():
                self._pid, self._owner, self._running = os.getpid(), os.urandom(16).hex(), set()
                self._unbooked, self._keeper = [], None
            return self._owner

    def _keep_lease(self) -> None:
        if not self._store.shared:
            return
        with self._lock:
            if self._keeper is None or not self._keeper.is_alive():
                self._keeper = _LeaseKeeper(self)
                self._keeper.start()

    def _renew(self) -> bool:
        """Renew the lease; whether there is a reason to go on."""
        DROPPED.do()
        with self._lock:
            running = bool(self._running) or bool(self._unbooked)
            if not running:
                self._keeper = None
        if running:
            self._book_all()
            try:
                self._store.renew(self._terms, owner=self._owner)
            except Exception as error:  # noqa: BLE001 - tried again soon; the lease allows for two misses
                logger.warning("budget %r: the lease was not renewed (%s)", self.name, type(error).__name__)
        return running


class _LeaseKeeper(threading.Thread):
    """Renews the lease three times while it lasts, as long as calls run."""

    def __init__(self, budget: CreditBudget) -> None:
        super().__init__(name="aivideoapi-budget-lease", daemon=True)
        self._budget = budget
        self._pause = threading.Event()

    def run(self) -> None:
        """Until no call runs any more."""
        while True:
            self._pause.wait(self._budget._terms.lease_s / 3)
            if not self._budget._renew():
                return


def _micro(amount_credits: int | float | str | Decimal) -> int:
    try:
        amount = Decimal(str(amount_credits))
        if isinstance(amount_credits, bool) or not amount.is_finite() or amount < 0:
            raise InvalidOperation
    except InvalidOperation:
        raise InvalidInputError(
            f"limit_credits must be a number of credits, 0 or more, not {amount_credits!r}"
        ) from None
    return int(amount.scaleb(6))


def _credits(micro: int) -> str:
    return f"{Decimal(micro).scaleb(-6):f}"


def _share_of(balance: Balance, share: float | str | Decimal) -> Decimal:
    part = Decimal(str(share))
    if not 0 < part <= 1:
        raise InvalidInputError(f"share must be more than 0 and at most 1, not {share!r}")
    return max(balance.balance, 0) * part


def _window_s(window: Window) -> float | None:
    if window is None:
        return None
    length_s = window.total_seconds() if isinstance(window, timedelta) else _WINDOWS.get(window)
    if length_s is None or length_s <= 0:
        raise InvalidInputError(f"window must be None, 'hour', 'day' or a positive timedelta, not {window!r}")
    return length_s


def _store_of(store: Any, name: str) -> BudgetStore:
    if store is None:
        return MemoryStore()
    if all(hasattr(store, method) for method in ("reserve", "settle", "renew", "standing")):
        return store  # type: ignore[no-any-return]  # checked by its methods, as protocols are
    # Imported by those who use them: a database costs milliseconds of everybody's start.
    if isinstance(store, (str, os.PathLike)) and not str(store).startswith(REDIS_SCHEMES):
        from aivideoapi_core._stores.budget_sqlite import SqliteStore

        return SqliteStore(store, name=name)
    from aivideoapi_core._stores.budget_redis import RedisStore

    return RedisStore(store, name=name)


def _rebuilt(store: BudgetStore, terms: Terms, name: str) -> CreditBudget:
    window = None if terms.window_s is None else timedelta(seconds=terms.window_s)
    return CreditBudget(
        Decimal(terms.limit_micro).scaleb(-6),
        window=window,
        soft=terms.soft,
        store=store,
        name=name,
        lease_s=terms.lease_s,
        when_owner_dies=terms.when_owner_dies,
    )
