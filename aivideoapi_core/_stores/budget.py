"""``CreditBudget``: a limit in credits that holds, however many calls run at once and wherever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from aivideoapi_core._constructor_errors import with_known_arguments, with_value_errors
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._inbound.balance import Balance
from aivideoapi_core._metering.budgets import AS_TEXT
from aivideoapi_core._stores.budget_agents import agent_limits_of, name_for
from aivideoapi_core._stores.budget_arguments import (
    Window,
    arguments_of,
    check_seconds,
    limit_micro_of,
    window_of,
)
from aivideoapi_core._stores.budget_balance import (
    HasAsyncBalance,
    HasBalance,
    HasModelBalance,
    abalance_of,
    balance_of,
    part_of,
    share_of,
)
from aivideoapi_core._stores.budget_stored import StoredBudget
from aivideoapi_core._stores.budget_terms import BudgetStore, Terms, WhenOwnerDies
from aivideoapi_core._stores.budget_thresholds import OnThreshold, handlers_of
from aivideoapi_core._stores.call_needs import CallNeeds
from aivideoapi_core._stores.purse import Purse
from aivideoapi_core._stores.target import budget_store_of
from aivideoapi_core._stores.tight import Bound, WhenTight, observed_of, shrinking_of

if TYPE_CHECKING:
    from aivideoapi_core._stores.budget_run import BudgetRun
    from aivideoapi_core._stores.joint_budget import JointBudget


class CreditBudget(StoredBudget):
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

    @with_value_errors
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
        check_seconds("lease_s", lease_s)
        check_seconds("wait_s", wait_s, or_none_at_all=True)
        if not isinstance(soft, bool):
            raise InvalidInputError(f"soft must be True or False, not {soft!r}")
        if when_owner_dies not in ("release", "count"):
            raise InvalidInputError(f"when_owner_dies must be 'release' or 'count', not {when_owner_dies!r}")
        needs = CallNeeds(name, shrinking_of(when_tight, min_max_tokens), observed_of(bound))
        handlers = handlers_of(on_threshold)
        self._manners: dict[str, Any] = {
            "wait_s": wait_s,
            "when_tight": when_tight,
            "min_max_tokens": min_max_tokens,
            "bound": bound,
            "agent_limits": agent_limits,
        }
        """What is each object's own, not the store's."""
        limit_micro, (window_s, calendar) = limit_micro_of(limit_credits), window_of(window)
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
        super().__init__(name, Purse(kept, terms, name, handlers), needs, wait_s=wait_s)
        self._agent_limits = agent_limits_of(agent_limits, store=kept, name=name)
        for agent, limit in self._agent_limits.items():
            limit_micro_of(
                limit, name=f"agent_limits[{agent!r}]"
            )  # told here, not in the first call of that agent
        self._of_agents: dict[str, JointBudget] = {}

    @classmethod
    def from_balance(
        cls, source: HasBalance | Balance | None = None, *, share: float | str | Decimal = 1, **options: Any
    ) -> CreditBudget:
        """A budget of ``share`` of what the account holds now.

        ``source``: a client or model that has ``credits()``, a ``Balance``, or ``None`` for a client
        made from the environment. ``options`` are those of the class. In a shared store the first one's limit
        stays: the balance has changed since.
        """
        part = share_of(share)
        cls(0, **options)  # what is wrong with them is said before anybody is asked
        return cls(part_of(balance_of(source), part), **options)._of_whoever_came_first()

    @classmethod
    async def afrom_balance(
        cls,
        source: HasAsyncBalance | HasModelBalance | None = None,
        *,
        share: float | str | Decimal = 1,
        **options: Any,
    ) -> CreditBudget:
        """The asynchronous twin of ``from_balance``; ``source`` is a model or an ``AsyncMessagesClient``."""
        part = share_of(share)
        cls(0, **options)  # see there
        return cls(part_of(await abalance_of(source), part), **options)._of_whoever_came_first()

    @classmethod
    @with_known_arguments
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

    def joined(self, others: Sequence[StoredBudget | JointBudget]) -> JointBudget:
        """One budget for this and ``others``: a call has to fit all of them."""
        from aivideoapi_core._stores.joint_budget import (
            JointBudget,
            listed,
        )  # few programs have more than one

        return JointBudget((self, *listed(others)))

    def for_agent(self, agent: str) -> CreditBudget | JointBudget:
        """What a call of ``agent`` has to fit: this, and the agent's own limit of ``agent_limits`` if it has one."""
        if agent not in self._agent_limits:
            return self
        if agent not in self._of_agents:
            name = name_for(agent, budget=self.name)
            store: Any = self._store  # ``agent_limits_of`` has seen that it keeps several
            own = self._like(self._agent_limits[agent], store=store.named(name), name=name)
            self._of_agents[agent] = own.joined((self,))
        return self._of_agents[agent]

    @with_known_arguments
    def run(
        self, limit_credits: int | float | str | Decimal, *, name: str | None = None, **options: Any
    ) -> BudgetRun:
        """A limit for one run inside this budget: ``with budget.run(5) as run: agent.invoke(...)``.

        Calls inside the block have to fit the run's limit and this budget, and are booked on both. ``name``
        is what refusals call the run; ``options`` are those of the class, for the run's limit alone (in
        memory unless it gets a ``store``). ``run.standing()`` is how the run stands, ``run.run(...)`` a part of it.
        """
        from aivideoapi_core._stores.budget_run import BudgetRun

        return BudgetRun(
            limit_credits, self, name=name or f"run of {self.name}", make=CreditBudget, **options
        )

    def __enter__(self) -> NoReturn:
        """Raises ``InvalidInputError``: a budget holds what it is given to, and has no block of its own."""
        raise InvalidInputError(
            "a budget is no block: with use_budget(budget): ..., or with budget.run(5) as run: ... for a part of it"
        )

    def __exit__(self, *error: object) -> None:
        """Never reached; see ``__enter__``."""

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

    def _like(self, limit_credits: Any, *, store: BudgetStore, name: str) -> CreditBudget:
        """A budget of another limit and name, with all else as this one has it."""
        manners = self._manners | {"on_threshold": self._purse.handlers, "agent_limits": None}
        return CreditBudget(limit_credits, store=store, name=name, **arguments_of(self._terms), **manners)

    def _of_whoever_came_first(self) -> CreditBudget:
        self._purse.terms = replace(self._terms, joined=True)
        return self


def _rebuilt(store: BudgetStore, terms: Terms, name: str, manners: dict[str, Any]) -> CreditBudget:
    limit = Decimal(terms.limit_micro).scaleb(-6)
    budget = CreditBudget(limit, store=store, name=name, **arguments_of(terms), **manners)
    return budget._of_whoever_came_first() if terms.joined else budget
