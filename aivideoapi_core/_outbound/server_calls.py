"""Calls of the tools that the server carries out, and their results, in one conversation.

A call and its result stand in the assistant's own turns. The wire refuses a call that never got its
result once the turn is over, and a result whose call is gone. While the turn goes on (the server
paused it, or code that the server runs waits for a tool of ours) the result is still to come.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._outbound.text import mended, told

_CALLS: Final = frozenset({"server_tool_use", "mcp_tool_use"})


def is_server_result(block: Mapping[str, Any]) -> bool:
    """Whether a block is the result of a tool that the server carried out."""
    kind: str = block["type"]
    return kind.endswith("_tool_result") and kind != "tool_result"


def is_server_block(block: Mapping[str, Any]) -> bool:
    """Whether a block is a call of such a tool, or its result."""
    return block["type"] in _CALLS or is_server_result(block)


def goes_on(content: Any, *, paused: bool = True) -> bool:
    """Whether the server can go on by itself with an assistant turn at the end.

    ``paused`` says that it stopped in the middle; if that is not known, the last block says it.
    """
    if not isinstance(content, (list, tuple)) or not content:
        return False
    return (
        is_server_block(content[-1])
        or content[-1]["type"] == "compaction"
        or (paused and any(map(is_server_block, content)))
    )


class ServerCalls:
    """Where each call stands, and which of them have a result."""

    def __init__(self) -> None:
        self._called: dict[Any, tuple[list[dict[str, Any]], int]] = {}
        self._answered: set[Any] = set()

    def take(self, block: dict[str, Any], turn: list[dict[str, Any]]) -> dict[str, Any]:
        """Note ``block``, about to be put at the end of ``turn``; an id used before and a result without call come back as text."""
        is_call = block["type"] in _CALLS
        call = block.get("id" if is_call else "tool_use_id")
        if call is not None and not isinstance(call, str):  # nor need it be hashable
            return _told(block)
        if is_call:
            if call in self._called:
                return _told(block)
            self._called[call] = turn, len(turn)
            return block
        if call not in self._called or call in self._answered:
            return _told(block)
        self._answered.add(call)
        return block

    def settle(self, turns: Sequence[Mapping[str, Any]], *, paused: bool) -> None:
        """Tell as text what was called in a turn that is over and has no result, in place."""
        for call, (turn, place) in self._called.items():
            if call in self._answered or _is_to_come(call, turn, turns, paused=paused):
                continue
            turn[place] = _told(turn[place])
            for block in turn:
                if _waits_for(block, call):
                    del block["caller"]


def _is_to_come(call: Any, turn: Any, turns: Sequence[Mapping[str, Any]], *, paused: bool) -> bool:
    """Whether the result is still to come: at the end, or after the results of our own tools."""
    if turns and turns[-1]["content"] is turn:
        return goes_on(turn, paused=paused)
    if len(turns) < 2 or not any(_waits_for(block, call) for block in turns[-2]["content"]):
        return False
    return all(block["type"] == "tool_result" for block in turns[-1]["content"])


def is_called_by_code(block: Mapping[str, Any]) -> bool:
    """Whether code that the server runs made this call of one of our tools."""
    caller = block.get("caller")
    return isinstance(caller, Mapping) and "tool_id" in caller


def _waits_for(block: Mapping[str, Any], call: Any) -> bool:
    """Whether a call of one of our tools was made by the server's ``call``."""
    return is_called_by_code(block) and block["caller"]["tool_id"] == call


def _told(block: dict[str, Any]) -> dict[str, Any]:
    words: dict[str, Any] = dict(mended(told(block) or block))
    return {**words, "cache_control": block["cache_control"]} if "cache_control" in block else words
