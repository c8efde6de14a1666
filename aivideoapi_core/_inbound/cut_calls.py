"""Tool calls of a reply that cannot be carried out as they are: cut by the output limit, or without a name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._received import ContentBlock, Message

CUT_REASONS: Final = frozenset({"max_tokens", "model_context_window_exceeded", "refusal"})
"""Stop reasons that cut the last block off wherever it was: at a limit, or by who watches over the answer."""
UNFINISHED: Final = CUT_REASONS | {"pause_turn"}
"""Stop reasons after which the text is not what the model meant to say, or not all of it."""
_EMPTY_FIELDS: Final = ("citations", "caller")
"""Fields that servers send as null or empty where they have nothing to say."""


def clean_block(block: ContentBlock) -> ContentBlock:
    """``block`` without the fields that say nothing; the same object if there are none."""
    if any(name in block and not block[name] for name in _EMPTY_FIELDS):
        return {name: value for name, value in block.items() if name not in _EMPTY_FIELDS or value}
    return block


def cut_place(content: Sequence[Mapping[str, Any]], stop_reason: str | None) -> int | None:
    """Where in ``content`` the call stands that the end of the reply cut: its last block, or ``None``.

    No look at the arguments can tell that they are whole: a server that answers whole makes an object of what there
    is, and a string that was cut in the middle follows any schema.
    """
    place = len(content) - 1
    is_cut = stop_reason in CUT_REASONS and place >= 0 and content[place].get("type") == "tool_use"
    return place if is_cut else None


def invalid_arguments(block: Mapping[str, Any], *, cut: bool) -> str | None:
    """The raw arguments of a ``tool_use`` that cannot be carried out as it is, else ``None``: whose arguments are
    not whole, or which names no tool.

    ``cut`` says that the reply ended inside this block. A server that answers whole repairs cut
    arguments into an object, which must not be taken for what the model meant to say.
    """
    if "partial_json" in block:
        return str(block["partial_json"])
    if cut or not _is_named(block):
        return json.dumps(block.get("input") or {}, ensure_ascii=False)
    return None


def _is_named(block: Mapping[str, Any]) -> bool:
    """Whether a call says which tool it calls."""
    return isinstance(block.get("name"), str) and bool(block["name"])


def call_error(block: Mapping[str, Any], stop_reason: str | None) -> str:
    """What is wrong with a call that ``invalid_arguments`` found."""
    if not _is_named(block):
        return "The call does not name its tool."
    reason = f" (stop_reason {stop_reason})" if stop_reason in CUT_REASONS else ""
    return f"The arguments are not complete JSON{reason}."


def unreadable_call(name: str, arguments: str, stop_reason: str | None) -> str:
    """What an error says of a call whose ``arguments`` are no JSON object."""
    is_cut = stop_reason is None or stop_reason in CUT_REASONS
    advice = ", most likely cut; raise max_tokens and try again" if is_cut else ""
    return (
        f"the arguments of the call to {name!r} are not a whole JSON object (stop_reason {stop_reason!r}{advice}). "
        f"Received: {arguments[-200:]!r}"
    )


def recovered_call(message: Message) -> ContentBlock | None:
    """The call that was read from the text of a reply; it stands after all that came over the wire."""
    block = message["content"][-1] if message.get("recovered_tool_call") else None
    return block if block is not None and block.get("type") == "tool_use" else None
