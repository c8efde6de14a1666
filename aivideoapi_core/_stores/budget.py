"""``CreditBudget``: a limit in credits that holds, however many calls run at once and wherever."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, runtime_checkable

from aivideoapi_core._errors import AIVideoAPIError, InvalidInputError
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._metering.budgets import AS_TEXT
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.worst_case import WorstCase
from aivideoapi_core._stores.budget_agents import agent_limits_of, budget_of_agent
from aivideoapi_core._stores.budget_calendar import CalendarWindow
from aivideoapi_core._stores.budget_refusals import cannot_be_bounded, in_credits, no_room, other_terms
from aivideoapi_core._stores.budget_terms import (
    BudgetStore,
    NewerFormatError,
    Standing,
    Terms,
    TermsDifferError,
    WhenOwnerDies,
)
from aivideoapi_core._stores.budget_thresholds import OnThreshold, handlers_of
from aivideoapi_core._stores.lease import LeaseKeeper
from aivideoapi_core._stores.purse import Purse
from aivideoapi_core._stores.target import budget_store_of
from aivideoapi_core._stores.tight import Bound, WhenTight, observed_of, shrinking_of
from aivideoapi_core._stores.wait_line import Asking, Patience

if TYPE_CHECKING:
    from aivideoapi_core._stores.budget_run import BudgetRun
    from aivideoapi_core._stores.joint_budget import JointBudget

logger = logging.getLogger("aivideoapi")

Window = (
    Literal["hour", "day", "calendar day", "calendar week", "calendar month"]
    | str
    | timedelta
    | CalendarWindow
    | None
)
"""``str``: one of these windows of the calendar, with a time zone behind: ``"calendar day Europe/Berlin"``."""

_WINDOWS: Final = {"hour": 3_600.0, "day": 86_400.0}


class BudgetStoreError(AIVideoAPIError):
    """A budget's store cannot be reached, so nobody can say whether the call fits. Raised before any I/O."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """Microcredits put aside for one call of ``model``; ``excess_micro`` of them above its bound."""

    id: str
    micro: int
    model: str = ""
    excess_micro: int = 0
    max_tokens: int | None = None
    """What the call is to be sent with, if there is no room for as many as it asked for."""


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
    the computed one, as far as the reported one allows it (see ``charged_at_most_micro``). A call that may have been billed though nobody
    said how much (cut, timed out, abandoned) stays booked at the most it can have cost.

    Where a call would fit but for what running calls have reserved, it waits for room: up to ``wait_s``
    seconds, first come first served. A call made inside another one's stream waits for what that one
    holds, in vain. 0: refuse at once.

    The limit rests on the worst case being one. Where a call costs more than was reserved for it, the budget
    logs a warning, and reserves that much more for the calls of this model from then on.

    ``window``: ``None`` (for all time); ``"hour"``, ``"day"`` or a ``timedelta``: such windows slide, so that
    no stretch of that length costs more than the limit; or of the calendar: ``"calendar day"``, ``"calendar week"``,
    ``"calendar month"`` in UTC, ``"calendar month Europe/Berlin"`` or a ``CalendarWindow``. A call belongs to the
    window that it ends in, and room for it is kept over the end of one. ``soft``: reserve nothing, only stop the next
    call once the limit was reached. ``store``: ``None`` (this process), the path of a SQLite file (the
    processes of one machine) or a Redis URL or client (many machines); there ``name`` says which budget.
    The store keeps limit, window and ``soft`` of whoever came first: others raise ``InvalidInputError``
    with the first call. ``set_limit`` moves the limit for everybody.

    ``on_threshold``: shares of the limit, ``(0.8, 0.95)``, that are logged as a warning when they are spent; or
    by share a function that gets a ``ThresholdPassed``; or one function for 80 and 95 %. In a shared store
    one of the processes is told, that whose booking passed it, once in a window (where it slides: once in
    its length). The functions run in a thread of their own, so that no call waits for them; what they raise is logged.

    ``agent_limits``: credits by the name of an agent or sub-agent, ``{"researcher": 5}``. Its calls have to fit that too;
    it is a budget of its own, ``"NAME/researcher"``, with the same store, window and manners.

    In a shared store a process holds its reservations by a lease, renewed from a thread while calls
    run. When it dies, they come back ``lease_s`` later: ``when_owner_dies="release"``. What those calls
    cost is then in no book; ``"count"`` books their worst case instead, which keeps the limit even
    against calls that were billed after their process had died.

    ``when_tight="shrink"``: a call that has no room, and for which waiting is in vain, is sent with a lower
    ``max_tokens`` if that has room; the reply's metadata say so (``max_tokens_sent``). Only where the caller
    did not set ``max_tokens``, and not below 1,024 tokens beside a thinking budget; ``min_max_tokens`` lets the
    caller's own be lowered too, down to so many. Never on the native route, which may not honour it.

    ``bound="observed"`` reserves for the input what the calls of the model really took of their bound, at most, plus
    a quarter, from the sixth call on. More calls fit; but ``"worst"`` is a guarantee, and this is none.

    Models that need a price which is not published are refused, as are tools that run on the
    server: nothing bounds what they cost. ``soft`` takes both.
    """

    __pydantic_serializer__ = AS_TEXT

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
        wait_s: float = 20.0,
        on_threshold: OnThreshold = None,
        when_tight: WhenTight = "refuse",
        min_max_tokens: int | None = None,
        bound: Bound = "worst",
        agent_limits: Mapping[str, int | float | str | Decimal] | None = None,
    ) -> None:
        if not lease_s > 0:
            raise InvalidInputError(f"lease_s must be more than 0 seconds, not {lease_s!r}")
        if not wait_s >= 0:
            raise InvalidInputError(f"wait_s must be a number of seconds, 0 or more, not {wait_s!r}")
        if when_owner_dies not in ("release", "count"):
            raise InvalidInputError(f"when_owner_dies must be 'release' or 'count', not {when_owner_dies!r}")
        self._shrinking = shrinking_of(when_tight, min_max_tokens)
        self._observed = observed_of(bound)
        self.name = name
        self.wait_s = wait_s
        handlers = handlers_of(on_threshold)
        self._manners: dict[str, Any] = {
            "wait_s": wait_s,
            "when_tight": when_tight,
            "min_max_tokens": min_max_tokens,
            "bound": bound,
            "agent_limits": agent_limits,
        }
        """What is each object's own, not the store's."""
        limit_micro, (window_s, calendar) = _micro(limit_credits), _window(window)
        kept = budget_store_of(store, name=name)
        terms = Terms(
            limit_micro=limit_micro,
            window_s=window_s,
            calendar=calendar,
            soft=soft,
            lease_s=lease_s if kept.shared else float("inf"),
            when_owner_dies=when_owner_dies,
            thresholds=tuple(handlers),
        )
        self._purse = Purse(kept, terms, name, handlers)
        self._agent_limits = agent_limits_of(agent_limits, store=kept, name=name)
        for limit in self._agent_limits.values():
            _micro(limit)  # told here, not in the first call of that agent
        self._of_agents: dict[str, JointBudget] = {}
        self._excess_micro: dict[str, int] = {}
        """By model, the most that a call cost above its bound."""

    @classmethod
    def from_balance(
        cls, source: _HasBalance | Balance | None = None, *, share: float | str | Decimal = 1, **options: Any
    ) -> CreditBudget:
        """A budget of ``share`` of what the account holds now.

        ``source``: a client or model that has ``credits()``, a ``Balance``, or ``None`` for a client
        made from the environment. ``options`` are those of the class. In a shared store the first one's limit
        stays: the balance has changed since.
        """
        if source is None:
            from aivideoapi_core._http.client import MessagesClient  # not before it is needed

            with MessagesClient() as client:
                balance = client.credits()
        else:
            balance = source if isinstance(source, Balance) else source.credits()
        return cls(_share_of(balance, share), **options)._of_whoever_came_first()

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
        return cls(_share_of(balance, share), **options)._of_whoever_came_first()

    @classmethod
    def of_store(cls, store: Any, *, name: str = "default", **options: Any) -> CreditBudget:
        """The budget ``name`` that ``store`` keeps, by whatever terms it was made.

        ``options`` are those that each process has of its own: ``lease_s``, ``when_owner_dies``, ``wait_s``,
        ``on_threshold``. Raises ``InvalidInputError`` if the store keeps none of this name, and what the store raises
        if it cannot be reached.
        """
        from aivideoapi_core._stores.budget_names import kept_terms

        kept = kept_terms(store, name)
        window = kept.calendar if kept.window_s is None else timedelta(seconds=kept.window_s)
        limit = Decimal(kept.limit_micro).scaleb(-6)
        budget = cls(limit, window=window, soft=kept.soft, store=store, name=name, **options)
        return budget._of_whoever_came_first()

    @property
    def limit_micro(self) -> int:
        """The limit in microcredits, without what ``raise_until`` added; of a shared store, as it was heard last."""
        return self._terms.limit_micro

    def standing(self) -> Standing:
        """How the budget stands now. Raises ``BudgetStoreError``, ``InvalidInputError`` for other terms."""
        DROPPED.do()
        self._purse.book_all()
        return self._joined(lambda: self._store.standing(self._terms))

    async def astanding(self) -> Standing:
        """The asynchronous twin of ``standing``."""
        return await asyncio.to_thread(self.standing) if self._store.blocking else self.standing()

    def set_limit(self, limit_credits: int | float | str | Decimal) -> Standing:
        """Move the limit, up or down, for everybody who shares the budget. Raises as ``standing`` does."""
        limit_micro = _micro(limit_credits)
        standing = self._joined(lambda: self._store.set_limit(self._terms, limit_micro=limit_micro))
        self._purse.line.wake_first()
        return standing

    async def aset_limit(self, limit_credits: int | float | str | Decimal) -> Standing:
        """The asynchronous twin of ``set_limit``."""
        if not self._store.blocking:
            return self.set_limit(limit_credits)
        return await asyncio.to_thread(self.set_limit, limit_credits)

    def raise_until(self, limit_credits: int | float | str | Decimal, when: datetime | timedelta) -> Standing:
        """Let a higher limit hold until ``when``, for everybody who shares the budget; then the old one holds again.

        ``when``: a time with a time zone, or how long. The last raise counts; one to no more than the limit only
        ends the one before, and so does ``set_limit``. Raises as ``standing`` does.
        """
        limit_micro, (for_s, at_s) = _micro(limit_credits), _until(when)
        standing = self._joined(
            lambda: self._store.raise_until(self._terms, limit_micro=limit_micro, for_s=for_s, at_s=at_s)
        )
        self._purse.line.wake_first()
        return standing

    async def araise_until(
        self, limit_credits: int | float | str | Decimal, when: datetime | timedelta
    ) -> Standing:
        """The asynchronous twin of ``raise_until``."""
        if not self._store.blocking:
            return self.raise_until(limit_credits, when)
        return await asyncio.to_thread(self.raise_until, limit_credits, when)

    def hold(self, model: str, worst: WorstCase, *, patience: Patience | None = None) -> Reservation:
        """Reserve ``worst`` for a call of ``model``, and wait for room if there is a point in that.

        ``patience`` replaces the budget's own, for those who hold several.

        Raises ``BudgetExceededError`` if it does not fit or cannot be bounded, ``BudgetStoreError``,
        ``InvalidInputError`` for other terms than the store keeps.
        """
        asked = self._asked(model, worst)
        try:
            with self._purse.asking(asked.id, self._patience(patience)) as asking:
                while not asking.is_over:
                    turn = asking.turn()
                    if turn is not None:
                        try:
                            standing = self._purse.reserve(asked.id, asked.micro, turn)
                        except Exception as error:
                            raise self._told(error) from error
                        less = self._less(asked, worst, standing, asking)
                        if less is not None:
                            asked = less
                            continue
                        asking.hear(standing, turn)
                    if not asking.is_over:
                        asking.bell.wait(asking.pause_s())
                return self._granted(asked, worst, asking)
        except Exception:
            raise
        except BaseException as error:  # an interruption, wherever it came: nobody owns what was reserved
            self._purse.abandon(asked.id, error)
            raise

    async def ahold(self, model: str, worst: WorstCase, *, patience: Patience | None = None) -> Reservation:
        """The asynchronous twin of ``hold``; a cancelled one leaves nothing reserved."""
        asked = self._asked(model, worst)
        try:
            with self._purse.asking(asked.id, self._patience(patience)) as asking:
                while not asking.is_over:
                    turn = asking.turn()
                    if turn is not None:
                        try:
                            standing = await self._purse.areserve(asked.id, asked.micro, turn)
                        except Exception as error:
                            raise self._told(error) from error
                        less = self._less(asked, worst, standing, asking)
                        if less is not None:
                            asked = less
                            continue
                        asking.hear(standing, turn)
                    if not asking.is_over:
                        await asking.bell.awaited(asking.pause_s())
                return self._granted(asked, worst, asking)
        except (KeyboardInterrupt, SystemExit) as error:  # a cancelled one has seen to it already
            self._purse.abandon(asked.id, error)
            raise

    def settle(self, reservation: Reservation, micro: int, *, unknown: bool = False) -> None:
        """Book ``micro`` in place of ``reservation``; 0 gives it back. ``unknown``: it is only a bound.

        From any thread, but not from a finalizer, as it takes locks. Never raises for a broken store,
        because an answer that was paid for must not be lost: the booking is logged and made up for with
        the next one.
        """
        self._learn(reservation, micro, unknown=unknown)
        self._purse.book(reservation.id, micro, unknown=unknown)

    def settle_at_once(self, reservation: Reservation, micro: int, *, unknown: bool = False) -> bool:
        """``settle`` without waiting, for an event loop; ``False`` if that cannot be, then nothing was done."""
        done = self._purse.book_at_once(reservation.id, micro, unknown=unknown)
        if done:
            self._learn(reservation, micro, unknown=unknown)
        return done

    def observe(self, model: str, worst: WorstCase, input_tokens: int) -> None:
        """Note how many input tokens a call of ``model`` really had, for ``bound="observed"``."""
        if self._observed is not None:
            self._observed.observe(model, worst, input_tokens)

    def give_back(self, reservation: Reservation, error: BaseException) -> None:
        """Let go of a reservation whose call was left with ``error`` before anything was sent."""
        self._purse.abandon(reservation.id, error)

    def joined(self, others: Sequence[CreditBudget | JointBudget]) -> JointBudget:
        """One budget for this and ``others``: a call has to fit all of them."""
        from aivideoapi_core._stores.joint_budget import JointBudget  # few programs have more than one

        return JointBudget((self, *others))

    def for_agent(self, agent: str) -> CreditBudget | JointBudget:
        """What a call of ``agent`` has to fit: this, and the agent's own limit of ``agent_limits`` if it has one."""
        if agent not in self._agent_limits:
            return self
        if agent not in self._of_agents:
            self._of_agents[agent] = budget_of_agent(self, agent).joined((self,))
        return self._of_agents[agent]

    def run(
        self, limit_credits: int | float | str | Decimal, *, name: str | None = None, **options: Any
    ) -> BudgetRun:
        """A limit for one run inside this budget: ``with budget.run(5) as run: agent.invoke(...)``.

        Calls inside the block have to fit the run's limit and this budget, and are booked on both. ``name``
        is what refusals call the run; ``options`` are those of the class, for the run's limit alone (in
        memory unless it gets a ``store``). ``run.standing()`` is how the run stands, ``run.run(...)`` a part of it.
        """
        from aivideoapi_core._stores.budget_run import BudgetRun

        return BudgetRun(limit_credits, self, name=name or f"run of {self.name}", **options)

    @property
    def key(self) -> Hashable:
        """Equal for all objects of this process that are one budget, by their store and name."""
        return getattr(self._store, "key", id(self._store))

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
        self._purse.close()

    def __repr__(self) -> str:
        return f"CreditBudget({Decimal(self.limit_micro).scaleb(-6).normalize():f}, name={self.name!r})"

    def __copy__(self) -> CreditBudget:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> CreditBudget:
        # A copied model spends from the same purse.
        return self

    def __reduce__(self) -> Any:
        return _rebuilt, (
            self._store,
            self._terms,
            self.name,
            self._manners | {"on_threshold": self._purse.handlers},
        )

    @property
    def _store(self) -> BudgetStore:
        return self._purse.store

    @property
    def _terms(self) -> Terms:
        return self._purse.terms

    @property
    def _keeper(self) -> LeaseKeeper | None:
        return self._purse.keeper

    def _patience(self, given: Patience | None) -> Patience:
        # A soft budget reserves nothing, so nothing would ever come back.
        return given or Patience(0.0 if self._terms.soft else self.wait_s)

    def _like(self, limit_credits: Any, *, store: BudgetStore, name: str) -> CreditBudget:
        """A budget of another limit and name, with all else as this one has it."""
        manners = self._manners | {"on_threshold": self._purse.handlers, "agent_limits": None}
        return CreditBudget(limit_credits, store=store, name=name, **_arguments(self._terms), **manners)

    def _of_whoever_came_first(self) -> CreditBudget:
        self._purse.terms = replace(self._terms, joined=True)
        return self

    def _asked(self, model: str, worst: WorstCase) -> Reservation:
        if worst.micro is None and not self._terms.soft:
            raise cannot_be_bounded(model, worst, self._terms, name=self.name)
        if self._observed is not None:
            worst = self._observed.applied(model, worst)
        excess_micro = self._excess_micro.get(model, 0)
        return Reservation(_new_id(), (worst.micro or 0) + excess_micro, model, excess_micro)

    def _less(
        self, asked: Reservation, worst: WorstCase, standing: Standing, asking: Asking
    ) -> Reservation | None:
        """What to ask for instead, if there is no room for ``asked``; ``None``: nothing less.

        As long as there is a point in waiting, the whole is waited for.
        """
        if self._shrinking is None or standing.granted or (standing.waits and not asking.is_last):
            return None
        if self._observed is not None:
            worst = self._observed.applied(asked.model, worst)
        taken_micro = standing.spent_micro + (standing.reserved_micro if asking.is_last else 0)
        lowered = self._shrinking.fitting(worst, standing.limit_micro - taken_micro - asked.excess_micro)
        if lowered is None or lowered.micro is None or lowered.micro + asked.excess_micro >= asked.micro:
            return None
        return replace(asked, micro=lowered.micro + asked.excess_micro, max_tokens=lowered.output)

    def _granted(self, asked: Reservation, worst: WorstCase, asking: Asking) -> Reservation:
        standing = asking.standing
        if standing is None or standing.granted:
            return asked
        needed_micro, too_tight = asked.micro, ""
        if self._shrinking is not None:
            too_tight = self._shrinking.why_not_lower(worst)
            worst = self._shrinking.least_worst(worst)
            needed_micro = min(needed_micro, (worst.micro or 0) + asked.excess_micro)
        raise no_room(
            asked.model,
            worst,
            standing,
            name=self.name,
            needed_micro=needed_micro,
            too_tight=too_tight,
            excess_micro=asked.excess_micro,
            waited_s=self.wait_s,
            owner=self._purse.owner,
            terms=self._terms,
        )

    def _learn(self, reservation: Reservation, micro: int, *, unknown: bool) -> None:
        """Reserve more from now on, if a call cost more than was reserved for it."""
        if unknown or micro <= reservation.micro or self._terms.soft:
            return
        excess_micro = micro - (reservation.micro - reservation.excess_micro)
        self._excess_micro[reservation.model] = max(
            excess_micro, self._excess_micro.get(reservation.model, 0)
        )
        logger.warning(
            "budget %r: a call of %r cost %s credits, more than the %s reserved for it, so its worst case was none; "
            "%s credits more are reserved for its calls from now on",
            self.name,
            reservation.model,
            in_credits(micro),
            in_credits(reservation.micro),
            in_credits(excess_micro),
        )

    def _joined(self, ask: Callable[[], Standing]) -> Standing:
        try:
            standing = ask()
        except Exception as error:
            raise self._told(error) from error
        self._purse.join(standing)
        return standing

    def _told(self, error: Exception) -> AIVideoAPIError:
        """What the caller is told of what a store raised; stores raise their libraries' own classes."""
        if isinstance(error, TermsDifferError):
            return other_terms(self._terms, error.kept, name=self.name)
        if isinstance(error, NewerFormatError):
            return BudgetStoreError(
                f"budget {self.name!r} was written by a newer release ({error}); the call was not made"
            )
        return BudgetStoreError(
            f"the store of budget {self.name!r} cannot be reached ({type(error).__name__}: {error}); "
            "the call was not made, because its budget could not be checked"
        )


def _new_id() -> str:
    return os.urandom(8).hex()


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


def _share_of(balance: Balance, share: float | str | Decimal) -> Decimal:
    part = Decimal(str(share))
    if not 0 < part <= 1:
        raise InvalidInputError(f"share must be more than 0 and at most 1, not {share!r}")
    return max(balance.balance, 0) * part


def _window(window: Window) -> tuple[float | None, CalendarWindow | None]:
    """Length of a window that slides, or the calendar of those that do not."""
    if window is None:
        return None, None
    calendar = CalendarWindow.parse(window) if isinstance(window, str) else window
    if isinstance(calendar, CalendarWindow):
        return None, calendar
    length_s = window.total_seconds() if isinstance(window, timedelta) else _WINDOWS.get(str(window))
    if length_s is None or length_s <= 0:
        raise InvalidInputError(
            "window must be None, 'hour', 'day' or a positive timedelta, which slide, or of the calendar: "
            f"'calendar day', 'calendar week', 'calendar month', CalendarWindow('day', tz=...); not {window!r}"
        )
    return length_s, None


def _until(when: datetime | timedelta) -> tuple[float | None, float | None]:
    """Seconds from now, or the time in seconds since 1970."""
    if isinstance(when, timedelta):
        if when > timedelta():
            return when.total_seconds(), None
    elif isinstance(when, datetime) and when.tzinfo is not None and when > datetime.now(UTC):
        return None, when.timestamp()
    raise InvalidInputError(
        f"when must be a later datetime with a time zone, or a positive timedelta, not {when!r}"
    )


def _rebuilt(store: BudgetStore, terms: Terms, name: str, manners: dict[str, Any]) -> CreditBudget:
    limit = Decimal(terms.limit_micro).scaleb(-6)
    budget = CreditBudget(limit, store=store, name=name, **_arguments(terms), **manners)
    return budget._of_whoever_came_first() if terms.joined else budget


def _arguments(terms: Terms) -> dict[str, Any]:
    return {
        "window": terms.calendar if terms.window_s is None else timedelta(seconds=terms.window_s),
        "soft": terms.soft,
        "lease_s": terms.lease_s,
        "when_owner_dies": terms.when_owner_dies,
    }
