"""``CallFacts``: what a caller says of one call beside its payload, for the books. None of it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from aivideoapi_core._metering.attribution import Attribution
from aivideoapi_core._metering.budgets import Budgets


class CallFacts(TypedDict, total=False):
    """The keyword arguments of ``create`` and ``stream`` that hang on the call's bookkeeping.

    ``tags`` go on its record, and for whom it is by ``attribution``. ``budget``: one, or a list, that the
    call has to fit beside those of the client and of ``use_budget`` blocks. ``max_tokens_is_default``: nobody
    chose ``max_tokens``, so that a budget with ``when_tight="shrink"`` may lower it. ``span``: OpenTelemetry's,
    of an instrumentation that counts this call already; it is told the cost, and there is none of our own.
    """

    tags: Sequence[str]
    budget: Budgets
    attribution: Attribution
    max_tokens_is_default: bool
    span: Any
