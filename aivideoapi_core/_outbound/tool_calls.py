"""Tool calls and their results, brought into the shape that the wire wants.

The wire refuses a conversation in which a call has no result, a result no call, or two calls one id.
Frameworks make such conversations: a memory that forgot the first half of a tool loop, a run that was
stopped between a call and its result, parallel calls of which one returned early, providers that
number their calls from 1 in every turn. So ids are made unique, a call without a result gets a
(failed) one that says so, and a result without a call is told as text. Nothing that was said is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import from_json

from aivideoapi_core._outbound.server_calls import is_called_by_code

_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_-]")

UNANSWERED_CALL: Final = "No result: this call was not carried out."
"""Sent as the (failed) result of a tool call that the conversation has no result for."""
CALL_NOT_MADE: Final = "This call was not made: its arguments were not valid JSON."
"""The same for a call that nobody could carry out."""
UNPARSED_ARGUMENTS: Final = "unparsed_arguments"
"""The key under which arguments that are no JSON object go back to the model that said them."""

_ARGUMENTS: Final = ("input", "arguments", "args", "tool_kwargs", "parameters")
"""What other integrations call the arguments of a call."""


def orphan_label(call_id: Any, *, is_error: bool = False) -> str:
    """What stands before a result whose call is gone, when it is told as text."""
    kind = "Error" if is_error else "Result"
    return f"{kind} of an earlier tool call ({call_id}):" if call_id else f"{kind} of an earlier tool call:"


def parse_arguments(text: str) -> dict[str, Any] | None:
    """JSON text as an object; blank text is ``{}``; ``None`` if it is anything else."""
    if not text.strip():
        return {}
    try:
        parsed = from_json(text, allow_inf_nan=False)
        json.dumps(parsed, allow_nan=False)  # raises for what ``1e400`` has become
    except ValueError:
        return None
    return parsed if isinstance(parsed, dict) else None


def to_call_input(arguments: Any, *, raw: Any = None) -> dict[str, Any]:
    """A tool call's arguments as the object that the wire wants; nothing at all is ``{}``.

    ``raw`` is the text of arguments that did not arrive whole, which is more exact than what somebody
    made of it. What is no object stands under ``UNPARSED_ARGUMENTS``.
    """
    if (type(arguments) is dict or isinstance(arguments, Mapping)) and (arguments or not raw):
        return dict(arguments)
    said = raw or arguments
    if said is None:
        return {}
    parsed = parse_arguments(said) if isinstance(said, str) else None
    return {UNPARSED_ARGUMENTS: said} if parsed is None else parsed


def place_of_call(
    blocks: list[dict[str, Any]], waiting: dict[int, dict[str, Any]], call: Mapping[str, Any]
) -> int:
    """Where the block of ``call`` (id, name, args) stands among those ``waiting``; at the end, if the content has none."""
    call_id, name = call["id"] or None, call["name"]
    places = waiting and [
        place
        for place, block in waiting.items()
        if (block["id"] or None) == call_id and (call_id or block["name"] == name)
    ]
    if places:  # servers give calls one id: of those it is the one that says the same
        place = next((place for place in places if waiting[place]["input"] == call["args"]), places[0])
        del waiting[place]
        return place
    blocks.append({"type": "tool_use", "id": call_id, "name": name or "unknown", "input": {}})
    return len(blocks) - 1


def read_tool_calls(calls: Any) -> list[tuple[str | None, str, Any]]:
    """(id, name, arguments) of ``additional_kwargs["tool_calls"]``, whichever integration wrote it."""
    if not isinstance(calls, Sequence) or isinstance(calls, str):
        return []
    found = (_read_tool_call(call) for call in calls)
    return [call for call in found if call is not None]


def _read_tool_call(call: Any) -> tuple[str | None, str, Any] | None:
    function = _first(call, "function")
    name = _first(call, "name", "tool_name") or _first(function, "name")
    if not isinstance(name, str) or not name:
        return None
    call_id = _first(call, "id", "tool_call_id", "tool_id", "toolUseId", "call_id")
    arguments = _first(call, *_ARGUMENTS)
    if arguments is None:
        arguments = _first(function, *_ARGUMENTS)
    return (str(call_id) if call_id else None), name, arguments


def _first(holder: Any, *names: str) -> Any:
    """The first of these keys or attributes that is set."""
    for name in names:
        value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
        if value is not None and not callable(value):
            return value
    return None


class OpenToolCalls:
    """The calls of a conversation that have no result yet, and the ids that they have on the wire.

    Ids there have few characters, are unique in the conversation, and each is answered once. Some
    providers give no ids, or the tool's name for one; calls are then matched by name and order.
    """

    def __init__(self) -> None:
        self._used: dict[str, int] = {}
        """Ids on the wire, and the last number that was put behind each."""
        self._open: list[tuple[str | None, str, str]] = []
        self._not_made: set[str] = set()
        self._toolsets: dict[str, str] = {}
        self._called_by_code: set[str] = set()

    def __bool__(self) -> bool:
        """Whether any call is open."""
        return bool(self._open)

    def open(self, given: str | None, name: str) -> str:
        """Take a call; its id on the wire."""
        base = wire_id = _REFUSED.sub("_", given or f"call_{name}")
        number = self._used.get(base, 0)
        while wire_id in self._used:
            number = max(number + 1, 2)
            wire_id = f"{base}_{number}"
        self._used[base] = number
        self._used.setdefault(wire_id, 0)
        self._open.append((given, name, wire_id))
        return wire_id

    def answer(self, given: Any, name: Any = None) -> str | None:
        """Take a result; the id of its call on the wire, or ``None`` if no such call is open."""
        for position, (call_id, call_name, wire_id) in enumerate(self._open):
            if call_id == given if given and call_id else not given and (not name or call_name == name):
                del self._open[position]
                return wire_id
        return self._answer_without_id(given)

    def _answer_without_id(self, given: Any) -> str | None:
        """A result with an id, for a call that had none: the one of that name, else the first."""
        without = [call for call in self._open if call[0] is None]
        call = next((call for call in without if given == call[1]), without[0] if without else None)
        if call is None:
            return None
        self._open.remove(call)
        return call[2]

    def take_open(self) -> list[str]:
        """The ids of the calls that were not answered; they are closed now."""
        taken, self._open = self._open, []
        return [wire_id for _, _, wire_id in taken]

    def note(self, call: Mapping[str, Any], *, is_made: bool) -> None:
        """Keep what the result of a ``call``, whose id is the wire's, depends on; not ``is_made``: nobody could carry it out."""
        wire_id = call["id"]
        if not is_made:
            self._not_made.add(wire_id)
        if (toolset := call.get("toolset_name")) is not None:
            self._toolsets[wire_id] = toolset
        if "caller" in call and is_called_by_code(call):
            self._called_by_code.add(wire_id)

    def is_alone(self, wire_id: str) -> bool:
        """Whether the server's code waits for this call: the wire takes nothing beside its result."""
        return wire_id in self._called_by_code

    def complete(self, result: dict[str, Any]) -> None:
        """Put into a result what it has to say of its call."""
        if self._toolsets and (toolset := self._toolsets.get(result["tool_use_id"])) is not None:
            result["toolset_name"] = toolset

    def missing(self) -> list[dict[str, Any]]:
        """A failed result for each call that was not answered; they are closed now."""
        return [self._no_result(wire_id) for wire_id in self.take_open()]

    def _no_result(self, wire_id: str) -> dict[str, Any]:
        content = CALL_NOT_MADE if wire_id in self._not_made else UNANSWERED_CALL
        result = {"type": "tool_result", "tool_use_id": wire_id, "content": content, "is_error": True}
        self.complete(result)
        return result
