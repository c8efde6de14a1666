"""The comparison of routes: what the same calls cost on each. Pure integer arithmetic at published prices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from aivideoapi_core._catalogue.prices import ModelPrices, prices_of
from aivideoapi_core._catalogue.routes import DIRECT_SUFFIX, base_model
from aivideoapi_core._constructor_errors import with_known_arguments
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.record import CallRecord
from aivideoapi_core._metering.totals import CreditsTotals
from aivideoapi_core._outbound.option_values import check_model_id

_LIFE_S: Final = 300.0
"""How long what was written to the 5-minute cache can be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteCost:
    """The cost of all calls on one route in microcredits, ``None`` with the reason where there is none.

    ``break_even_calls``: from so many calls on, a cached row is cheaper than the native one; ``None``: never,
    or not comparable.
    """

    name: str
    model: str
    micro: int | None
    reason: str | None = None
    break_even_calls: int | None = None


@with_known_arguments
def compare_routes(
    model: str, *, prompt_tokens: int, prefix_tokens: int, calls: int, output_tokens: int
) -> tuple[RouteCost, ...]:
    """The cost of ``calls`` calls: native, direct, direct with the 5-minute and with the 1-hour cache.

    ``model`` is either id. Each call has ``prompt_tokens``, of which the first ``prefix_tokens`` are the same in
    all, and ``output_tokens``. The first call writes the prefix to the cache and the others read it, so they
    must follow each other within the cache's time. The minimum length that can be cached is not looked at.
    Raises ``InvalidInputError`` for counts that cannot be.
    """
    check_model_id(model)
    _check(prompt_tokens=prompt_tokens, prefix_tokens=prefix_tokens, calls=calls, output_tokens=output_tokens)
    if prefix_tokens > prompt_tokens:
        raise InvalidInputError("prefix_tokens is a part of prompt_tokens and cannot be larger.")
    native_id = base_model(model)
    direct_id = native_id + DIRECT_SUFFIX
    native, direct = prices_of(native_id), prices_of(direct_id)
    native_call = _plain(native, prompt_tokens, output_tokens)
    direct_call = _plain(direct, prompt_tokens, output_tokens)
    rows = [
        _plain_row("native", native_id, native_call, calls),
        _plain_row("direct", direct_id, direct_call, calls),
    ]
    for name, write in (
        ("direct, 5m cache", direct.cache_write_5m if direct else None),
        ("direct, 1h cache", direct.cache_write_1h if direct else None),
    ):
        if direct is None or write is None or direct.cache_read is None:
            rows.append(
                RouteCost(
                    name=name, model=direct_id, micro=None, reason=f"no published price for {direct_id}"
                )
            )
            continue
        if not prefix_tokens:
            rows.append(RouteCost(name=name, model=direct_id, micro=None, reason="no shared prefix to cache"))
            continue
        reading = _plain(direct, prompt_tokens - prefix_tokens, output_tokens) or 0
        reading += prefix_tokens * direct.cache_read
        writing = prefix_tokens * (write - direct.cache_read)
        rows.append(
            RouteCost(
                name=name,
                model=direct_id,
                micro=writing + calls * reading,
                break_even_calls=_break_even(writing, reading, native_call),
            )
        )
    return tuple(rows)


def _check(**counts: int) -> None:
    for name, count in counts.items():
        least = 1 if name in ("calls", "prompt_tokens") else 0
        if type(count) is not int or count < least:
            raise InvalidInputError(f"{name} must be a whole number of at least {least}, not {count!r}.")


def _plain(prices: ModelPrices | None, prompt_tokens: int, output_tokens: int) -> int | None:
    return None if prices is None else prompt_tokens * prices.input + output_tokens * prices.output


def _plain_row(name: str, model: str, per_call: int | None, calls: int) -> RouteCost:
    if per_call is None:
        return RouteCost(name=name, model=model, micro=None, reason=f"no published price for {model}")
    return RouteCost(name=name, model=model, micro=per_call * calls)


def _break_even(writing: int, reading: int, native_call: int | None) -> int | None:
    """The least count with ``writing + count * reading < count * native_call``."""
    if native_call is None or native_call <= reading:
        return None
    return writing // (native_call - reading) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherRoute:
    """What the calls of a ledger would have cost on one route, in microcredits at published prices.

    ``now_micro``: what the same calls cost by the published prices as they were made. ``least_micro`` and
    ``most_micro`` are equal where it is exact. ``left_out``: calls without tokens or without a price.
    """

    calls: int
    left_out: int
    now_micro: int
    least_micro: int
    most_micro: int


def what_if(records: Iterable[CallRecord], route: str) -> OtherRoute:
    """What ``records``, in the order of time, would have cost on ``route``: ``native`` or ``direct``.

    Native is exact: there is no cache, so every input token has one price. Direct is a range: at most without
    a cache, at least with a 5-minute cache that holds, in each thread, all of the call before. A direct call
    is taken as it was. Raises ``InvalidInputError`` for another route.
    """
    if route not in ("native", "direct"):
        raise InvalidInputError(f"route must be 'native' or 'direct', not {route!r}.")
    if not hasattr(records, "__iter__"):
        raise _no_rows(records)
    calls = left_out = now = least = most = 0
    last: dict[tuple[str, str], tuple[float, int, int]] = {}
    for record in records:
        if not isinstance(record, CallRecord):
            raise _no_rows(record)
        tokens, was = record.tokens, record.credits_micro
        model = base_model(record.model)
        prices = prices_of(model if route == "native" else model + DIRECT_SUFFIX)
        if tokens is None or was is None or prices is None:
            left_out += record.charged != 0
            continue
        calls += 1
        now += was
        if route == "direct" and record.model.endswith(DIRECT_SUFFIX):
            least, most = least + was, most + was
            continue
        plain = _plain(prices, tokens.total_input, tokens.output) or 0
        most += plain
        least += plain
        if route == "direct" and record.thread is not None:
            read = 0
            before_s, before, read_before = last.get((model, record.thread), (float("-inf"), 0, 0))
            if record.started_at - before_s <= _LIFE_S:
                read = min(before, tokens.total_input)
                least -= _saved(prices, read, read_before=read_before)
            last[model, record.thread] = record.started_at, tokens.total_input, read
    return OtherRoute(calls=calls, left_out=left_out, now_micro=now, least_micro=least, most_micro=most)


def _no_rows(given: object) -> InvalidInputError:
    return InvalidInputError(
        f"what_if takes rows of CallRecord, such as ledger.records(since='7d'), not a {type(given).__name__}"
    )


def advice(by_model: Mapping[str, CreditsTotals]) -> str | None:
    """One line where money was plainly wasted: direct-forward calls whose tokens cost less on the native route."""
    wasted = 0
    names: list[str] = []
    for model, totals in by_model.items():
        native, tokens = prices_of(base_model(model)), totals.tokens
        if (
            not model.endswith(DIRECT_SUFFIX)
            or native is None
            or totals.counted_calls != totals.computed_calls
        ):
            continue
        saved = totals.computed_sum - (_plain(native, tokens.total_input, tokens.output) or 0)
        if saved * 10 > totals.computed_sum:  # less than a tenth is no plain waste
            wasted, names = wasted + saved, [*names, model]
    if not names:
        return None
    amount = Decimal(wasted).scaleb(-6)
    return (
        f"{amount:,.2f} credits could have been saved: the tokens of {', '.join(names)} cost that much less "
        f"without {DIRECT_SUFFIX}, because too few of them were read from the cache"
    )


def _saved(prices: ModelPrices, read: int, *, read_before: int) -> int:
    """What it saves that ``read`` tokens come from the cache. What the call before has not read itself it had to write."""
    if prices.cache_read is None or prices.cache_write_5m is None:
        return 0
    written = max(0, read - read_before)
    return read * (prices.input - prices.cache_read) - written * (prices.cache_write_5m - prices.input)
