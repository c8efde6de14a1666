"""The talk of ``CreditBudget`` with its store: how it stands, its limit, what a call reserves and books."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Hashable
from datetime import datetime, timedelta
from decimal import Decimal

from aivideoapi_core._constructor_errors import with_known_arguments
from aivideoapi_core._errors import AIVideoAPIError
from aivideoapi_core._metering.budgets import Budget
from aivideoapi_core._metering.dropped import DROPPED
from aivideoapi_core._metering.one_write import Entry
from aivideoapi_core._metering.worst_case import WorstCase
from aivideoapi_core._stores.budget_arguments import limit_micro_of, until_of
from aivideoapi_core._stores.budget_refusals import store_failed
from aivideoapi_core._stores.budget_terms import BudgetStore, Standing, Terms, Turn
from aivideoapi_core._stores.call_needs import CallNeeds, Reservation
from aivideoapi_core._stores.lease import LeaseKeeper
from aivideoapi_core._stores.purse import Purse
from aivideoapi_core._stores.wait_line import Asking, Patience

logger = logging.getLogger("aivideoapi")


class StoredBudget:
    """A budget as its store keeps it."""

    def __init__(self, name: str, purse: Purse, needs: CallNeeds, *, wait_s: float) -> None:
        self.name = name
        self.wait_s = wait_s
        self._purse = purse
        self._needs = needs

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

    @with_known_arguments
    def set_limit(self, limit_credits: int | float | str | Decimal) -> Standing:
        """Move the limit, up or down, for everybody who shares the budget. Raises as ``standing`` does."""
        limit_micro = limit_micro_of(limit_credits)
        standing = self._joined(lambda: self._store.set_limit(self._terms, limit_micro=limit_micro))
        self._purse.line.wake_first()
        return standing

    async def aset_limit(self, limit_credits: int | float | str | Decimal) -> Standing:
        """The asynchronous twin of ``set_limit``."""
        if not self._store.blocking:
            return self.set_limit(limit_credits)
        return await asyncio.to_thread(self.set_limit, limit_credits)

    @with_known_arguments
    def raise_until(self, limit_credits: int | float | str | Decimal, when: datetime | timedelta) -> Standing:
        """Let a higher limit hold until ``when``, for everybody who shares the budget; then the old one holds again.

        ``when``: a time with a time zone, or how long. The last raise counts; one to no more than the limit only
        ends the one before, and so does ``set_limit``. Raises as ``standing`` does.
        """
        limit_micro, (for_s, at_s) = limit_micro_of(limit_credits), until_of(when)
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
        asked = self._needs.whole(model, worst, self._terms)
        try:
            if self._purse.line.is_free_for(patience) and self._reserve(asked, "behind").granted:
                return asked  # nearly all: nobody waits, and there is room
            with self._purse.asking(asked.id, self._patience(patience)) as asking:
                while not asking.is_over:
                    turn = asking.turn()
                    if turn is not None:
                        standing = self._reserve(asked, turn)
                        less = self._needs.less(asked, worst, standing, is_last=asking.is_last)
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
        asked = self._needs.whole(model, worst, self._terms)
        try:
            if self._purse.line.is_free_for(patience) and (await self._areserve(asked, "behind")).granted:
                return asked
            with self._purse.asking(asked.id, self._patience(patience)) as asking:
                while not asking.is_over:
                    turn = asking.turn()
                    if turn is not None:
                        standing = await self._areserve(asked, turn)
                        less = self._needs.less(asked, worst, standing, is_last=asking.is_last)
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

    def settle(self, reservation: Reservation, micro: int | None, *, unknown: bool = False) -> None:
        """Book ``micro`` in place of ``reservation``; 0 gives it back. ``unknown``: it is only a bound.

        ``None``: the cost is unknown and nothing bounds it. It is counted in the standing's ``unknown_calls``, adds
        nothing to what is spent, and a warning says so.

        From any thread, but not from a finalizer, as it takes locks. Never raises for a broken store,
        because an answer that was paid for must not be lost: the booking is logged and made up for with
        the next one.
        """
        self._learn(reservation, micro, unknown=unknown)
        self._purse.book(reservation.id, micro or 0, unknown=unknown or micro is None)

    def settle_at_once(self, reservation: Reservation, micro: int | None, *, unknown: bool = False) -> bool:
        """``settle`` without waiting, for an event loop; ``False`` if that cannot be, then nothing was done."""
        done = self._purse.book_at_once(reservation.id, micro or 0, unknown=unknown or micro is None)
        if done:
            self._learn(reservation, micro, unknown=unknown)
        return done

    def settling(
        self, reservation: Reservation, micro: int | None, *, unknown: bool, done: Callable[[], None]
    ) -> list[Entry]:
        """``settle`` as entries to be written with others; none where the store is no place for that.

        ``done`` is called once it is booked.
        """

        def learned() -> None:
            self._learn(reservation, micro, unknown=unknown)
            done()

        entry = self._purse.settling(
            reservation.id, micro or 0, unknown=unknown or micro is None, done=learned
        )
        return [] if entry is None else [entry]

    def observe(self, model: str, worst: WorstCase, input_tokens: int) -> None:
        """Note how many input tokens a call of ``model`` really had, for ``bound="observed"``."""
        self._needs.observe(model, worst, input_tokens)

    def give_back(self, reservation: Reservation, error: BaseException) -> None:
        """Let go of a reservation whose call was left with ``error`` before anything was sent."""
        self._purse.abandon(reservation.id, error)

    def for_agent(self, agent: str) -> Budget:
        """What a call of ``agent`` has to fit: this."""
        return self

    @property
    def key(self) -> Hashable:
        """Equal for all objects of this process that are one budget, by their store and name."""
        return getattr(self._store, "key", id(self._store))

    def close(self) -> None:
        """Let go of files and connections; a later call opens them again."""
        self._purse.close()

    @property
    def _store(self) -> BudgetStore:
        return self._purse.store

    @property
    def _terms(self) -> Terms:
        return self._purse.terms

    @property
    def _keeper(self) -> LeaseKeeper | None:
        return self._purse.keeper

    def _reserve(self, asked: Reservation, turn: Turn) -> Standing:
        try:
            return self._purse.reserve(asked.id, asked.micro, turn)
        except Exception as error:
            raise self._told(error) from error

    async def _areserve(self, asked: Reservation, turn: Turn) -> Standing:
        try:
            return await self._purse.areserve(asked.id, asked.micro, turn)
        except Exception as error:
            raise self._told(error) from error

    def _patience(self, given: Patience | None) -> Patience:
        # A soft budget reserves nothing, so nothing would ever come back.
        return given or Patience(0.0 if self._terms.soft else self.wait_s)

    def _granted(self, asked: Reservation, worst: WorstCase, asking: Asking) -> Reservation:
        standing = asking.standing
        if standing is None or standing.granted:
            return asked
        raise self._needs.refusal(
            asked, worst, standing, self._terms, owner=self._purse.owner, waited_s=self.wait_s
        )

    def _learn(self, reservation: Reservation, micro: int | None, *, unknown: bool) -> None:
        if micro is None:
            logger.warning(
                "budget %r: nobody knows what a call of %r cost, and nothing bounds it; it is counted among the calls of "
                "unknown cost, and is missing from the credits spent",
                self.name,
                reservation.model,
            )
        elif not self._terms.soft:
            self._needs.learn(reservation, micro, unknown=unknown)

    def _joined(self, ask: Callable[[], Standing]) -> Standing:
        try:
            standing = ask()
        except Exception as error:
            raise self._told(error) from error
        self._purse.join(standing)
        return standing

    def _told(self, error: Exception) -> AIVideoAPIError:
        return store_failed(error, self._terms, name=self.name)
