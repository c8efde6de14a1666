"""What the same calls cost on each route. Pure integer arithmetic at published prices."""

from __future__ import annotations

from dataclasses import dataclass

from aivideoapi_core._catalogue.prices import ModelPrices, prices_of
from aivideoapi_core._catalogue.routes import DIRECT_SUFFIX, base_model
from aivideoapi_core._errors import InvalidInputError


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


def compare_routes(
    model: str, *, prompt_tokens: int, prefix_tokens: int, calls: int, output_tokens: int
) -> tuple[RouteCost, ...]:
    """The cost of ``calls`` calls: native, direct, direct with the 5-minute and with the 1-hour cache.

    ``model`` is either id. Each call has ``prompt_tokens``, of which the first ``prefix_tokens`` are the same in
    all, and ``output_tokens``. The first call writes the prefix to the cache and the others read it, so they
    must follow each other within the cache's time. The minimum length that can be cached is not looked at.
    Raises ``InvalidInputError`` for counts that cannot be.
    """
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
