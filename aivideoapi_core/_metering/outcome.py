"""The outcome of a call that is over: its record, and what is booked on its budget. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aivideoapi_core._catalogue.amounts import charged_at_most_micro
from aivideoapi_core._catalogue.prices import cost_of
from aivideoapi_core._catalogue.tokens import read_usage
from aivideoapi_core._inbound.reply import Reply
from aivideoapi_core._metering.metering import Metering
from aivideoapi_core._metering.record import CallRecord, Outcome, new_record
from aivideoapi_core._metering.worst_case import WorstCase, bills_beside, worst_case
from aivideoapi_core._received import Message


def answered(facts: Mapping[str, Any], reply: Reply) -> CallRecord:
    """The record of an answered call: ``facts`` and what the reply says."""
    computed, message = reply.credits_computed, reply.message
    return new_record(
        **facts,
        tokens=reply.tokens,
        credits_reported=reply.credits_reported,
        credits_micro=None if computed is None else computed.micro,
        request_id=reply.request_id,
        message_id=message["id"] or None,
        call_id=reply.call_id,
        response_model=message["model"] or None,
        stop_reason=message["stop_reason"],
        attempts=reply.attempts,
    )


def at_most_micro(
    partial: Message | None, worst: WorstCase | None, payload: Mapping[str, Any], metering: Metering
) -> int | None:
    """The most a lost call can have cost: with the real input tokens, if the stream stated them.

    ``worst`` is what was reserved for it, if it was.
    """
    prices = metering.prices_of(payload["model"])
    if prices is None:
        return None
    worst = worst or worst_case(payload, prices)
    if partial is None or worst.output is None:
        return worst.micro
    stated = partial["usage"]
    known = read_usage({**stated, "output_tokens": stated.get("output_tokens") or 0})
    if known is None:
        return worst.micro
    # The counts are final once the stream has said why it stopped, if it has said them.
    ended = bool(partial.get("stop_reason"))
    if not ended and bills_beside(payload):
        return None
    final = ended and stated.get("output_tokens") is not None
    output = known.output if final else max(known.output, worst.output)
    micro = cost_of(replace(known, output=output), prices, requested=payload["model"], given=metering.prices)
    return worst.micro if micro is None else micro.micro


def booked_micro(
    record: CallRecord, worst: WorstCase | None, *, lost_requests: int, max_requests: int
) -> tuple[int | None, bool]:
    """Microcredits to book on the budget, and whether they are a bound in place of a figure.

    ``None``: there is neither, which only a soft budget lets happen.
    """
    reserved = None if worst is None else worst.micro
    lost_requests = min(lost_requests, max_requests)
    lost = (reserved or 0) * lost_requests
    match record.outcome:
        case Outcome.FAILED:
            return 0, False
        case Outcome.OK if not record.is_unknown:
            micro = charged_at_most_micro(record.credits_reported, record.credits_micro)
            return (micro or 0) + lost, lost_requests > 0
        case Outcome.OK:
            return None if reserved is None else reserved + lost, True
        case _:
            at_most = reserved if record.at_most_micro is None else record.at_most_micro
            return None if at_most is None else at_most + max(0, lost - (reserved or 0)), True
