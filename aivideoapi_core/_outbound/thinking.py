"""The thinking option in the words of either route."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._catalogue.routes import Route
from aivideoapi_core._errors import InvalidInputError, UnsupportedOptionError
from aivideoapi_core._outbound.text import warn_once

FORCED: Final = frozenset({"any", "tool"})
"""The types of tool choice that leave the model no way but to call."""
_THINKS: Final = frozenset({"enabled", "adaptive"})


_SHAPES: Final = "True on the native route, {'type': 'adaptive'} or {'type': 'enabled', 'budget_tokens': 4096} on the other"


def check_thinking_shape(thinking: Any) -> Any:
    """``thinking`` if it is a switch or an object with a type, on whichever route; else ``InvalidInputError``."""
    if thinking is None or isinstance(thinking, bool):
        return thinking
    if not isinstance(thinking, Mapping):
        wanted = (
            f"to think with a budget of so many tokens use {_budget(thinking)}"
            if type(thinking) is int
            else _EFFORT
        )
        raise InvalidInputError(
            f"thinking={thinking!r} is not a way to think: {wanted}; thinking is {_SHAPES}"
        )
    if not isinstance(thinking.get("type"), str):
        meant = (
            _budget(thinking.get("budget_tokens", 4096))
            if thinking.keys() & {"budget_tokens"}
            else "{'type': 'adaptive'}"
        )
        raise InvalidInputError(f"thinking={dict(thinking)!r} lacks its 'type': use {meant}")
    if thinking["type"] == "enabled" and thinking.get("budget_tokens") is None:
        raise InvalidInputError(f"thinking={dict(thinking)!r} lacks its 'budget_tokens': use {_budget(4096)}")
    if thinking.get("display") not in (None, "summarized", "omitted"):
        raise InvalidInputError(f"thinking={dict(thinking)!r}: 'display' must be 'summarized' or 'omitted'")
    return thinking


_EFFORT: Final = "how hard to think is effort='high' (output_config)"


def _budget(tokens: Any) -> str:
    return f"{{'type': 'enabled', 'budget_tokens': {tokens!r}}}"


def thinking_fields(
    route: Route, thinking: bool | Mapping[str, Any], *, accepted: Collection[str] = ("enabled", "adaptive")
) -> dict[str, Any]:
    """Spell the thinking option for ``route``; raise ``UnsupportedOptionError`` if it has no words for it.

    ``accepted`` are the types that the model takes, of which the error recommends what is there.
    """
    if isinstance(thinking, Mapping) and "display" in thinking:
        check_thinking_shape(thinking)
    match route, thinking:
        case _, False:
            return {}
        case Route.NATIVE, True:
            return {"thinkingFlag": True}
        case Route.NATIVE, {"type": "disabled"}:
            return {}
        case Route.NATIVE, _:
            raise UnsupportedOptionError(
                f"thinking={thinking!r} cannot be sent on the native route, which only has a switch: "
                "use thinking=True, or a model id that ends in '/anthropic'"
            )
        case Route.DIRECT, {"type": str()}:
            return {"thinking": dict(thinking)}  # type: ignore[arg-type]  # the pattern proved a mapping
        case _:
            if isinstance(thinking, (str, int, Mapping)) and thinking not in (True, 1, {}):
                try:
                    check_thinking_shape(thinking)
                except InvalidInputError as error:
                    raise UnsupportedOptionError(error.message) from None
            spelled = {"adaptive": "{'type': 'adaptive'}", "enabled": _budget(4096)}
            wanted = " or ".join(words for kind, words in spelled.items() if kind in accepted)
            missing = ""
            if isinstance(thinking, Mapping) and "budget_tokens" in thinking:
                missing = ", and this one lacks its 'type'"
            raise UnsupportedOptionError(
                f"thinking={thinking!r} cannot be sent on the direct-forward route, which wants an object{missing}: "
                f"use {wanted}"
            )


def thinking_is_on(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for thinking, in the words of either route."""
    thinking = body.get("thinking")
    if thinking is None:
        return body.get("thinkingFlag") is True
    kind = thinking.get("type") if isinstance(thinking, Mapping) else None
    return isinstance(kind, str) and kind in _THINKS


def excludes_forced_tools(thinking: Any) -> bool:
    """Whether the thinking option of a call leaves no room for a forced tool: a budget does, ``adaptive`` does not.

    UNVERIFIED: what the native route's switch does with a forced choice is undocumented; it is read as a budget.
    """
    return thinking is True or (isinstance(thinking, Mapping) and thinking.get("type") == "enabled")


def soften_forced_tools(body: dict[str, Any]) -> None:
    """Let the model choose, with a warning, where the body of a request forces a tool and thinking excludes that."""
    choice = body.get("tool_choice")
    if choice is None or not isinstance(choice, Mapping) or choice.get("type") not in FORCED:
        return
    if not excludes_forced_tools(body.get("thinkingFlag") or body.get("thinking")):
        return
    warnings.warn(
        f"thinking excludes a forced tool call, so tool_choice={dict(choice)!r} goes out as 'auto' and the model "
        "may answer without a call; use thinking={'type': 'adaptive'} on the direct-forward route, "
        "or switch thinking off for this call",
        stacklevel=4,
    )
    kept = {name: value for name, value in choice.items() if name == "disable_parallel_tool_use"}
    body["tool_choice"] = {"type": "auto", **kept}


def rested(thinking: Any, turns: Sequence[Mapping[str, Any]], *, model: str) -> Any:
    """``thinking``, or ``None`` with a warning where the conversation stands in a tool loop that began without.

    With a budget the wire wants such a loop to begin with a thinking block. Another model's calls, and those that
    were made before thinking was switched on, have none that it could verify: this call does not think then, and
    the next turn of the user's does again.
    """
    if not isinstance(thinking, Mapping) or thinking.get("type") != "enabled" or _loop_began_thinking(turns):
        return thinking
    warn_once(
        f"the open tool calls were made without thinking, so that a call of {model} with their results cannot think; "
        "the next turn does again"
    )
    return None


def _loop_began_thinking(turns: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the first reply since the user last spoke begins with thinking, or calls nothing."""
    start = len(turns)
    while start and (turns[start - 1]["role"] == "assistant" or _kinds(turns[start - 1]) & {"tool_result"}):
        start -= 1
    if start == len(turns) or turns[start]["role"] != "assistant":
        return True
    first = turns[start]
    return "tool_use" not in _kinds(first) or first["content"][0]["type"] in ("thinking", "redacted_thinking")


def _kinds(turn: Mapping[str, Any]) -> set[str]:
    content = turn["content"]
    return set() if isinstance(content, str) else {block["type"] for block in content}
