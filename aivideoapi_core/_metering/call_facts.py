"""``CallFacts``: what a caller says of one call beside its payload, for the books. None of it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypedDict

from aivideoapi_core._errors import UnsupportedOptionError
from aivideoapi_core._metering.attribution import Attribution
from aivideoapi_core._metering.budgets import Budgets
from aivideoapi_core._metering.summary import SpendTracker


class CallFacts(TypedDict, total=False):
    """The keyword arguments of ``create`` and ``stream`` that hang on the call's bookkeeping.

    ``tags`` go on its record, and for whom it is by ``attribution``. ``budget``: one, or a list, that the
    call has to fit beside those of the client and of ``use_budget`` blocks. ``max_tokens_is_default``: nobody
    chose ``max_tokens``, so that a budget with ``when_tight="shrink"`` may lower it. ``span``: OpenTelemetry's,
    of an instrumentation that counts this call already; it is told the cost, and there is none of our own.
    ``trackers`` count it beside those of ``track_spend`` blocks.
    """

    tags: Sequence[str]
    budget: Budgets
    attribution: Attribution
    max_tokens_is_default: bool
    span: Any
    trackers: Sequence[SpendTracker]


_OF_CLIENTS: Final = frozenset({"api_key", "base_url", "ledger", "max_retries", "prices", "retry"})


def check_names(arguments: Iterable[str]) -> None:
    """Raise ``UnsupportedOptionError`` for an argument of a call that is none, with what to do about it."""
    for name in sorted({*arguments} - CallFacts.__annotations__.keys()):
        if name in ("extra_headers", "default_headers"):
            advice = "use headers="
        elif name in _OF_CLIENTS:
            advice = "set it when the client is made"
        else:
            from aivideoapi_core._outbound.names import advice_for_name  # only for those who mistype

            advice = advice_for_name(name, {*CallFacts.__annotations__, "headers", "timeout"})
            advice += " What is sent belongs in the payload: build_payload(...)"
        raise UnsupportedOptionError(f"{name!r} is not an argument of a call: {advice}")
