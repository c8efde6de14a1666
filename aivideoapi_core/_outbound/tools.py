"""Tools and tool choice: every spelling that the adapters meet, as the wire has it.

Names that the wire refuses are replaced on the way out. ``ToolNames`` is the way back; it is ``None``
where nothing was replaced, and then costs nothing.
"""

from __future__ import annotations

import functools
import logging
import marshal
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, cast

from pydantic_core import PydanticSerializationError, to_json

from aivideoapi_core._errors import InvalidInputError, UnsupportedOptionError
from aivideoapi_core._outbound.cache_marks import read_mark
from aivideoapi_core._outbound.flags import check_flag
from aivideoapi_core._outbound.output_schema import strict_schema
from aivideoapi_core._outbound.params import ToolChoiceParam
from aivideoapi_core._outbound.refusals import TOOL_NAME
from aivideoapi_core._outbound.text import mended
from aivideoapi_core._outbound.tool_forms import each_tool, is_custom, warn_of_type
from aivideoapi_core._outbound.tool_schema import renamed_keys, tool_schema
from aivideoapi_core._received import ToolNames

logger = logging.getLogger("aivideoapi")

_LONGEST_NAME: Final = 128
_REFUSED: Final = re.compile(r"[^a-zA-Z0-9_-]")
_CHOICES: Final[Mapping[str, str]] = {"auto": "auto", "any": "any", "required": "any", "none": "none"}


def wire_tool_name(name: str) -> str:
    """``name`` in the characters and the length that the wire takes; the same for the same name."""
    return name if TOOL_NAME.fullmatch(name) else _REFUSED.sub("_", name)[:_LONGEST_NAME] or "tool"


def wire_tools(tools: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], ToolNames | None]:
    """Every tool as the wire takes it, and the names that were replaced. The arguments are left untouched.

    Takes every form that ``each_tool`` knows. A server tool goes through as it is. Raises
    ``InvalidInputError``, naming tool and place, for what cannot be said.
    """
    given = list(tools)
    try:
        written = marshal.dumps(given, _SAME_BYTES)
    except ValueError:  # something in them is of a class of its own
        return _wired(given)
    wired, names = _known(written)
    return [dict(tool) for tool in wired], names


_SAME_BYTES: Final = 2
"""The version of ``marshal`` that writes the same bytes for equal values of equal types, whoever else holds them."""


@functools.lru_cache(maxsize=128)
def _known(written: bytes) -> tuple[list[dict[str, Any]], ToolNames | None]:
    """An agent sends the same tools with every call: their schemas are walked once. By value, and from bytes, so that
    it is of no consequence who changes what afterwards.
    """
    return _wired(marshal.loads(written))  # noqa: S302 - our own bytes, of a moment ago


def _wired(tools: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], ToolNames | None]:
    given = _once(list(each_tool(tools)))
    taken = {str(tool.get("name")) for tool in given}
    wired: list[dict[str, Any]] = []
    names: dict[str, tuple[str, Mapping[str, str]]] = {}
    for tool in given:
        if (mark := tool.get("cache_control")) is not None:
            try:
                read_mark(mark)
            except InvalidInputError as error:
                raise InvalidInputError(f"tool {tool.get('name')!r}: {error}") from error
        if not is_custom(tool):
            warn_of_type(tool["type"])
            wired.append(tool)
            continue
        own = name = tool["name"]
        if "strict" in tool:
            check_flag(f"tool {own!r}: strict", tool["strict"])
        if not TOOL_NAME.fullmatch(own):
            name = _free_name(wire_tool_name(own), taken)
            taken.add(name)
        schema, words, keys = tool_schema(tool.get("input_schema"), tool=own)
        if tool.get("strict") is True:
            schema = strict_schema(schema, tool=own)
        if keys and isinstance(tool.get("input_examples"), list):
            tool["input_examples"] = renamed_keys(
                tool["input_examples"], {own: key for key, own in keys.items()}
            )
        if words:
            tool["description"] = f"{tool['description']}\n\n{words}" if tool.get("description") else words
        if name != own or keys:
            names[name] = (own, keys)
        tool |= {"name": name, "input_schema": schema}
        _check_writable(tool, own)
        wired.append(tool)
    return wired, names or None


def _check_writable(tool: Mapping[str, Any], own: str) -> None:
    """Raise ``UnsupportedOptionError``, naming tool and field, for one that the request could not be written with."""
    for field, value in tool.items():
        try:
            to_json([[{field: mended(value, leaf=_as_it_is)}]])  # as deep as it stands in the request
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            why = str(error).rpartition(": ")[2]
            raise UnsupportedOptionError(f"tool {own!r}: {field} cannot be written as JSON: {why}") from error


def _as_it_is(value: Any) -> Any:
    return value


def _once(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each name once, which is all that the wire takes: the last of a name, which is the one that frameworks run.

    A toolset has its server's name in place of one of its own; two tools without any are two.
    """
    last = {_identity(tool): tool for tool in tools}
    if len(last) == len(tools):
        return tools
    names = dict.fromkeys(repr(tool.get("name")) for tool in tools if last[_identity(tool)] != tool)
    if names:
        logger.warning("several tools are called %s; only the last of each is sent", ", ".join(names))
    return [tool for tool in tools if last[_identity(tool)] is tool]


def _identity(tool: Mapping[str, Any]) -> Any:
    return tool.get("name") or (tool.get("type"), str(tool.get("mcp_server_name", id(tool))))


def _free_name(base: str, taken: Collection[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base[: _LONGEST_NAME - 4]}_{number}"
    return name


class WireNames:
    """The names that a conversation's calls have on the wire, one for each of the caller's own.

    ``names`` are those of the request's ``tools`` that go out under others. A call of a tool that is no longer there may
    have a name that the wire refuses too, and two that differ only in refused characters stay two.
    """

    def __init__(self, names: ToolNames | None = None, tools: Sequence[Mapping[str, Any]] = ()) -> None:
        self._tools = tools
        self._wire: dict[str, str] = {}
        self._keys: dict[str, dict[str, str]] = {}
        self.defined: dict[str, tuple[str, Mapping[str, str]]] = {}
        """Those of tools that came in the middle of the conversation, as ``wire_tools`` says them."""
        if names:
            self._learn(names)

    def _learn(self, names: ToolNames) -> None:
        for name, (own, keys) in names.items():
            self._wire[name] = self._wire[own] = name
            if keys:
                self._keys[name] = self._keys[own] = {key: wire for wire, key in keys.items()}

    def wire(self, own: str) -> str:
        """The name on the wire."""
        if (known := self._wire.get(own)) is not None:
            return known
        name = own
        if not TOOL_NAME.fullmatch(own):
            name = _free_name(wire_tool_name(own), self._taken())
        self._wire[own] = name
        return name

    def _taken(self) -> set[Any]:
        return {*self._wire.values(), *(tool.get("name") for tool in self._tools)}

    def keys(self, own: str) -> Mapping[str, str]:
        """The names that properties of the tool have on the wire, by the caller's own, where they differ."""
        return self._keys.get(own, {})

    def _name_of_definition(self, own: str, wanted: Any) -> Any:
        """The name of a tool that comes in the middle: its own, or one that no other tool goes by."""
        if (known := self._wire.get(own, own)) != own:
            return known
        others = {name for whose, name in self._wire.items() if whose not in (own, name)}
        others |= {str(tool.get("name")) for tool in self._tools if tool.get("name") != own}
        return _free_name(wanted, others) if wanted in others else wanted

    def of_change(self, block: Mapping[str, Any]) -> dict[str, Any]:
        """A ``tool_addition`` or ``tool_removal`` with the tool as the wire has it."""
        tool = block.get("tool")
        if not isinstance(tool, Mapping):
            return dict(block)
        if tool.get("type") == "tool_reference" and isinstance(name := tool.get("name"), str):
            tool = {**tool, "name": self.wire(name)}
        elif isinstance(definition := tool.get("definition"), Mapping):
            (defined,), names = wire_tools([definition])
            own = str(definition.get("name") or defined.get("name"))
            keys = next(iter(names.values()))[1] if names else {}
            name = self._name_of_definition(own, defined.get("name"))
            tool = {**tool, "definition": {**defined, "name": name} if "name" in defined else defined}
            if name != own or keys:
                self._learn({name: (own, keys)})
                self.defined[name] = own, keys
        return {**block, "tool": tool}


def read_tool_choice(
    choice: Any, tools: Sequence[Mapping[str, Any]] = (), *, parallel: bool | None = None
) -> ToolChoiceParam | None:
    """A choice in any spelling as the wire's; ``None`` leaves it to the model.

    Takes ``"auto"``, ``"any"`` or ``"required"``, ``"none"``, a tool's name, ``True`` (the only tool, or
    any), ``False`` and ``None``, and the objects of the Anthropic and OpenAI formats. ``parallel``:
    whether several calls at once are welcome. Raises ``InvalidInputError`` for anything else.
    """
    check_flag("parallel_tool_calls", parallel)
    chosen = _chosen(choice, tools)
    if parallel is None or (chosen and chosen["type"] == "none"):
        return chosen
    return {**(chosen or {"type": "auto"}), "disable_parallel_tool_use": not parallel}


def _chosen(choice: Any, tools: Sequence[Mapping[str, Any]]) -> ToolChoiceParam | None:
    match choice:
        case None | False | "":
            return None
        case True:
            return {"type": "tool", "name": tools[0]["name"]} if len(tools) == 1 else {"type": "any"}
        case str():
            found = _CHOICES.get(choice)
            return cast("ToolChoiceParam", {"type": found}) if found else {"type": "tool", "name": choice}
        case {"type": "function", "function": {"name": str(name)}} | {"type": "function", "name": str(name)}:
            return {"type": "tool", "name": name}
        case {"type": "required"}:
            return cast("ToolChoiceParam", {**choice, "type": "any"})
        case {"type": "tool", "name": str(name)} if name:
            return cast("ToolChoiceParam", dict(choice))
        case {"type": "auto" | "any" | "none"}:
            return cast("ToolChoiceParam", dict(choice))
        case _:
            raise InvalidInputError(
                f"tool_choice={choice!r} is not understood; use 'auto', 'any', 'required', 'none', "
                "a tool's name, or {'type': 'tool', 'name': ...}"
            )


def wire_choice(choice: ToolChoiceParam, names: ToolNames | None) -> ToolChoiceParam:
    """``choice`` with the tool's name on the wire."""
    if names and choice["type"] == "tool":
        for name, (own, _) in names.items():
            if own == choice.get("name"):
                return {**choice, "name": name}
    return choice
