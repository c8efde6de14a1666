"""Cache breakpoints (``cache_control``): which blocks can carry one, where a request has them, how many."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.text import warn_once

MAX_CACHE_BREAKPOINTS: Final = 4

UNMARKABLE: Final = frozenset({"thinking", "redacted_thinking"})
"""The blocks that cannot carry a breakpoint."""


def read_mark(value: Any) -> dict[str, Any]:
    """A caller's ``cache_control``; the lifetime is left out where it is the default.

    Raises ``InvalidInputError`` for anything that the wire would refuse.
    """
    if not isinstance(value, Mapping) or value.get("type") != "ephemeral":
        raise InvalidInputError(f"cache_control must be {{'type': 'ephemeral'}}, not {value!r}")
    ttl = value.get("ttl") or "5m"
    if ttl not in ("5m", "1h"):
        raise InvalidInputError(f"cache_control ttl must be '5m' or '1h', not {ttl!r}")
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def mark_on(block: Mapping[str, Any]) -> Any:
    """The breakpoint that a block or a tool of the wire carries, if any."""
    return block.get("cache_control")


def marked_in(blocks: Any) -> list[Any]:
    """The blocks that carry a breakpoint, in their order; one that holds blocks comes after those."""
    found: list[Any] = []
    if isinstance(blocks, (list, tuple)):
        for block in blocks:
            if type(block) is dict or isinstance(block, Mapping):  # a dict at once: histories are long
                if "content" in block and type(inner := block["content"]) is not str:
                    found += marked_in(inner)
                if "cache_control" in block and block["cache_control"] is not None:
                    found.append(block)
    return found


def marked(*, tools: Any, system: Any, messages: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Every tool and block of a request that carries a breakpoint, in the order of the prompt."""
    said = [
        part for message in messages if type(content := message["content"]) is not str for part in content
    ]
    found: list[Any] = []
    for blocks in (tools, system, said):
        if blocks:
            found += marked_in(blocks)
    return found


def marked_in_request(body: Mapping[str, Any]) -> list[Any]:
    """The same for a request's body, which is itself among them if it asks for automatic caching."""
    found = marked(tools=body.get("tools"), system=body.get("system"), messages=body["messages"])
    return found if body.get("cache_control") is None else [*found, body]


def limit_marks(
    *,
    tools: Sequence[Mapping[str, Any]],
    system: Any,
    messages: Sequence[Mapping[str, Any]],
    options: dict[str, Any],
) -> Sequence[Mapping[str, Any]]:
    """Settle which breakpoints of a request the wire takes, and say so; the tools.

    The last ones are kept, since they cover the longest prefixes, so a long conversation stays cached. ``system`` and
    ``messages`` are ours (from ``Conversation``) and changed in place, as is the automatic breakpoint of ``options``;
    of the tools, a copy is.
    """
    found = marked(tools=tools, system=system, messages=messages)
    automatic = options.get("cache_control")
    if not found:
        return tools
    if any(mark_on(tool) is not None for tool in tools):
        tools = _without_deferred([dict(tool) for tool in tools])
        found = marked(tools=tools, system=system, messages=messages)
    excess = len(found) + (automatic is not None) - MAX_CACHE_BREAKPOINTS
    if excess > 0:
        warn_once(
            f"the request has {MAX_CACHE_BREAKPOINTS + excess} cache breakpoints, the wire takes {MAX_CACHE_BREAKPOINTS}: "
            f"the first {excess} are left out",
            of=("breakpoints", str(options.get("model"))),
        )
        for block in found[:excess]:
            del block["cache_control"]
        found = found[excess:]
    if automatic is not None:
        found = [*found, options]
    _put_in_order(found)
    return tools


def _without_deferred(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The wire takes no breakpoint on a tool that is loaded later: it goes to the last one before it that is not."""
    for place, tool in enumerate(tools):
        if tool.get("defer_loading") and mark_on(tool) is not None:
            mark = tool.pop("cache_control")
            before = next(
                (other for other in reversed(tools[:place]) if not other.get("defer_loading")), None
            )
            if before is not None:
                before.setdefault("cache_control", mark)
    return tools


def _put_in_order(found: Sequence[Any]) -> None:
    """The wire refuses a longer life after a shorter one: what asks for it (another time's, a tool's) gets 5 minutes."""
    lives = [mark_on(block).get("ttl") or "5m" for block in found]
    if "5m" not in lives or "1h" not in lives[lives.index("5m") :]:
        return
    for block, life in list(zip(found, lives, strict=True))[lives.index("5m") :]:
        if life == "1h":
            block["cache_control"] = {"type": "ephemeral"}
            warn_once(
                "a cache breakpoint of 1h stands after one of 5m, which the wire refuses: it goes out as 5m"
            )
