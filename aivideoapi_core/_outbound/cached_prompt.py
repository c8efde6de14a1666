"""``cache_prompt``: breakpoints where a prompt that grows wants them, beside those that the caller set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.cache_marks import MAX_CACHE_BREAKPOINTS, mark_on, marked_in

_TOOLS, _SYSTEM, _MESSAGES, _TAIL = range(4)
"""The order in which the wire reads a prompt: a breakpoint covers everything before it."""

_PRIORITY: Final = (_SYSTEM, _TAIL, _TOOLS)
"""Which breakpoints to place first when the caller left room for fewer: the system prompt's covers the tools."""


def cache_prompt(
    ttl: Any,
    options: dict[str, Any],
    *,
    tools: Sequence[Mapping[str, Any]],
    system: Any,
    messages: Sequence[Mapping[str, Any]],
) -> tuple[Sequence[Mapping[str, Any]], Any]:
    """Tools and system prompt with a breakpoint at the end of each; ``options`` get the one behind the last message.

    As many as the caller left room for, none where one is already. ``ttl`` is their life, ``5m`` or ``1h``; the wire
    refuses a longer one after a shorter, so where the caller's force it the other is used. Raises ``InvalidInputError``
    for another life.
    """
    if ttl not in ("5m", "1h"):
        raise InvalidInputError(f"cache_prompt must be '5m' or '1h', not {ttl!r}")
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else list(system or ())
    given = list(_given(tools, blocks, messages, options.get("cache_control")))
    room = MAX_CACHE_BREAKPOINTS - len(given)
    for place in _PRIORITY:
        if room <= 0:
            break
        mark = {"type": "ephemeral", "ttl": _fitting_life(place, given, ttl)}
        if place == _TAIL:
            content = messages[-1]["content"]
            if options.get("cache_control") is not None or (content[-1:] and _carries(content[-1])):
                continue
            # The wire itself puts a breakpoint given for the whole request on the last block that can carry one.
            options["cache_control"] = mark
        else:
            ends = blocks if place == _SYSTEM else tools
            if not ends or _carries(ends[-1]):
                continue
            marked = [*ends[:-1], {**ends[-1], "cache_control": mark}]
            if place == _SYSTEM:
                system = marked
            else:
                tools = marked
        room -= 1
    return tools, system


def _carries(block: Any) -> bool:
    return isinstance(block, Mapping) and mark_on(block) is not None


def _given(tools: Any, system: Any, messages: Any, automatic: Any) -> Iterator[tuple[int, str]]:
    """The caller's own breakpoints: where they are and how long they live."""
    said = [block for message in messages if type(content := message["content"]) is list for block in content]
    tail = [{"cache_control": automatic}]
    for place, blocks in ((_TOOLS, tools), (_SYSTEM, system), (_MESSAGES, said), (_TAIL, tail)):
        for block in marked_in(blocks):
            yield place, mark_on(block).get("ttl") or "5m"


def _fitting_life(place: int, given: Sequence[tuple[int, str]], ttl: str) -> str:
    if any(at <= place and life == "5m" for at, life in given):
        return "5m"
    return "1h" if any(at > place and life == "1h" for at, life in given) else ttl
