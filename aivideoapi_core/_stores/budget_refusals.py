"""Refusals of a budget, in words and as data."""

from __future__ import annotations

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from aivideoapi_core._errors import AIVideoAPIError, BudgetExceededError, InvalidInputError
from aivideoapi_core._metering.datetimes import datetime_at
from aivideoapi_core._metering.worst_case import WorstCase
from aivideoapi_core._stores.budget_terms import NewerFormatError, Standing, Terms, TermsDifferError

_MOST_NAMED: Final = 3


class BudgetStoreError(AIVideoAPIError):
    """A budget's store cannot be reached, so nobody can say whether the call fits. Raised before any I/O."""


def cannot_be_bounded(model: str, worst: WorstCase, terms: Terms, *, name: str) -> BudgetExceededError:
    """The refusal of a call that nothing bounds."""
    if worst.output is None:
        why, fix = "its output limit is not known", "set max_tokens"
    elif worst.input is None:
        why, fix = "tools that run on the server have no limit", "use CreditBudget(..., soft=True)"
    else:
        why, fix = (
            "no price is published",
            "give prices={model: ModelPrices(...)}, or use CreditBudget(..., soft=True)",
        )
    error = BudgetExceededError(f"the cost of a call of {model!r} cannot be bounded, because {why}: {fix}")
    error.budget = name
    error.limit_micro = terms.limit_micro
    return error


def no_room(
    model: str,
    worst: WorstCase,
    standing: Standing,
    *,
    name: str,
    needed_micro: int,
    excess_micro: int,
    too_tight: str = "",
    waited_s: float,
    owner: str,
    terms: Terms,
) -> BudgetExceededError:
    """The refusal of a call that ``standing`` leaves no room for, by which of the two cases it is."""
    spent, held, limit = (
        in_credits(micro) for micro in (standing.spent_micro, standing.reserved_micro, standing.limit_micro)
    )
    room_at = (
        None if standing.room_in_s is None else standing.window_end_s or time.time() + standing.room_in_s
    )
    if terms.soft:
        text = f"budget {name!r} is used up: {spent} of {limit} credits were spent"
        fixes = ["raise the limit"]
    else:
        more = (
            f", {in_credits(excess_micro)} of it for what calls cost above their bound"
            if excess_micro
            else ""
        )
        text = (
            f"a call of {model!r} could cost {in_credits(needed_micro)} credits (at most {worst.input:,} input and "
            f"{worst.output:,} output tokens{more}), but of the {limit} credits of budget {name!r} {spent} are spent "
            f"and {held} are reserved by running calls"
        )
        if standing.waits:
            text += f" ({_holders(standing.reserved_by, owner)})"
            fixes = [
                f"no room came within wait_s={waited_s:g} seconds, so run fewer calls at once, set a smaller "
                "max_tokens, or wait longer",
            ]
        else:
            fixes = ["set a smaller max_tokens, or raise the limit"]
    if too_tight:
        fixes.append(too_tight)
    if room_at is not None:
        fixes.append(_room_text(room_at, terms))
    error = BudgetExceededError(f"{text}: {'; '.join(fixes)}")
    error.budget = name
    error.crowded = standing.waits
    error.needed_micro = needed_micro
    error.spent_micro = standing.spent_micro
    error.reserved_micro = standing.reserved_micro
    error.limit_micro = standing.limit_micro
    error.reserved_by = _by_process(standing.reserved_by)
    error.may_fit_later = standing.waits or room_at is not None
    error.room_at = room_at
    return error


def other_terms(terms: Terms, kept: Terms, *, name: str) -> InvalidInputError:
    """The refusal of a budget that was agreed on otherwise, wherever it was made."""
    ours, theirs = _terms_text(terms), _terms_text(kept)
    changed = [name for name in ours if ours[name] != theirs[name]]
    return InvalidInputError(
        f"the store keeps budget {name!r} with {_listed(theirs, changed)}, not {_listed(ours, changed)}: "
        "give the same terms everywhere, or another name; an existing limit is moved by set_limit()"
    )


def store_failed(error: Exception, terms: Terms, *, name: str) -> AIVideoAPIError:
    """What a caller is told of what a store raised; stores raise their libraries' own classes."""
    if isinstance(error, TermsDifferError):
        return other_terms(terms, error.kept, name=name)
    if isinstance(error, NewerFormatError):
        return BudgetStoreError(
            f"budget {name!r} was written by a newer release ({error}); the call was not made"
        )
    return BudgetStoreError(
        f"the store of budget {name!r} cannot be reached ({type(error).__name__}: {error}); "
        "the call was not made, because its budget could not be checked"
    )


def _room_text(room_at: float, terms: Terms) -> str:
    if terms.calendar is None:
        return f"room comes at {datetime_at(room_at):%Y-%m-%d %H:%M:%S} UTC at the latest"
    begins = datetime_at(room_at, terms.calendar.zone)
    return f"room comes with the next {terms.calendar.unit}, at {begins:%Y-%m-%d %H:%M:%S%z} ({terms.calendar.tz})"


def in_credits(micro: int) -> str:
    """``0.068400``."""
    return f"{Decimal(micro).scaleb(-6):f}"


def _terms_text(terms: Terms) -> dict[str, str]:
    window = str(terms.calendar) if terms.window_s is None else f"{terms.window_s:g} seconds"
    return {
        "limit_credits": f"{Decimal(terms.limit_micro).scaleb(-6).normalize():f}",
        "window": window,
        "soft": str(terms.soft),
    }


def _listed(texts: Mapping[str, str], names: list[str]) -> str:
    return ", ".join(f"{name}={texts[name]}" for name in names)


def _by_process(owners: Mapping[str, int]) -> dict[str, int]:
    """By ``host:process``, from the ids of owners, which say which budget of it besides."""
    sums: dict[str, int] = {}
    for owner, micro in owners.items():
        if micro:
            process = owner.rpartition(":")[0] or owner
            sums[process] = sums.get(process, 0) + micro
    return sums


def _holders(owners: Mapping[str, int], own: str) -> str:
    here = own.rpartition(":")[0]
    sums = sorted(_by_process(owners).items(), key=lambda item: -item[1])
    named = [
        f"{in_credits(micro)} by {'this process' if process == here else process}"
        for process, micro in sums[:_MOST_NAMED]
    ]
    if len(sums) > _MOST_NAMED:
        named.append(f"the rest by {len(sums) - _MOST_NAMED} others")
    return ", ".join(named) or "others stand in line"
