"""A forced tool call asked for in words, for routes that do not honour ``tool_choice``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

_CALL: Final = (
    "Answer only by calling {names}. If you cannot call tools, answer with one JSON object and nothing else: no "
    'other text, no Markdown fences. It is {{"name": <the tool>, "arguments": <its arguments>}}, and the arguments '
    "follow the tool's JSON schema.\n{schemas}"
)


def forced_in_words(
    choice: Mapping[str, Any] | None, tools: Sequence[Mapping[str, Any]]
) -> tuple[str, dict[str, Any] | None] | None:
    """What to tell the model in place of a forced ``choice``, and the choice that is left to send, if any.

    ``None`` where the choice forces nothing that has a schema: then it goes out as it is.
    """
    if choice is None or choice.get("type") not in ("any", "tool"):
        return None
    meant = [
        tool
        for tool in tools
        if isinstance(tool.get("input_schema"), Mapping) and choice.get("name") in (None, tool.get("name"))
    ]
    if not meant:
        return None
    names = " or ".join(json.dumps(tool["name"]) for tool in meant)
    schemas = "\n".join(
        f"{json.dumps(tool['name'])}: {json.dumps(tool['input_schema'], ensure_ascii=False)}"
        for tool in meant
    )
    kept = {name: value for name, value in choice.items() if name == "disable_parallel_tool_use"}
    return _CALL.format(names=names, schemas=schemas), {"type": "auto", **kept} if kept else None


def with_instruction(system: Any, text: str) -> Any:
    """A system prompt, or ``None``, with ``text`` after it."""
    if not system:
        return text
    return f"{system}\n\n{text}" if isinstance(system, str) else [*system, {"type": "text", "text": text}]
