"""The ledger's entry of an answer, and of a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from aivideoapi_core.sandbox._platform.catalog import DIRECT_SUFFIX
from aivideoapi_core.sandbox._platform.errors import SandboxError
from aivideoapi_core.sandbox._server.books import LedgerEntry
from aivideoapi_core.sandbox._server.plan import Plan
from aivideoapi_core.sandbox._server.render import Answer
from aivideoapi_core.sandbox._server.requests import streams


def entry_of(
    plan: Plan, answer: Answer | None, charge: int | None, *, body: Mapping[str, Any], request_id: str
) -> LedgerEntry:
    """The entry of what ``plan`` sends; ``charge`` in microcredits, ``None`` for a model without a price."""
    model = str(body["model"])
    reported: Decimal | None = None
    if plan.charged and answer is not None and answer.credits_consumed is not None:
        reported = Decimal(str(answer.credits_consumed))
    return LedgerEntry(
        request_id=request_id,
        message_id=answer.id if answer is not None else None,
        model=model,
        route=_route_name(model),
        stream=streams(body),
        usage=answer.usage if answer is not None and plan.charged else None,
        credits_micro=charge if plan.charged else 0,
        credits_reported=reported,
        charged=plan.charged,
        outcome=plan.outcome,
    )


def refusal_entry(error: SandboxError, body: Any, *, request_id: str) -> LedgerEntry:
    """The entry of a request that was refused, whatever its body is."""
    model = body.get("model") if isinstance(body, dict) else None
    known = isinstance(model, str)
    return LedgerEntry(
        request_id=request_id,
        message_id=None,
        model=model if known else None,
        route=_route_name(model) if isinstance(model, str) else None,
        stream=streams(body) if isinstance(body, dict) and known else None,
        usage=None,
        credits_micro=0,
        credits_reported=None,
        charged=False,
        outcome=f"error:{error.code}",
    )


def _route_name(model: str) -> str:
    return "direct" if model.endswith(DIRECT_SUFFIX) else "native"
