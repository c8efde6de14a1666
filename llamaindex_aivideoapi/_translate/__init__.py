"""Pure translators between LlamaIndex's types and the wire. No I/O but reading files that blocks name."""

from llamaindex_aivideoapi._translate._cache import limit_breakpoints
from llamaindex_aivideoapi._translate._conversation import to_messages
from llamaindex_aivideoapi._translate._reply import from_message, to_chat_response
from llamaindex_aivideoapi._translate._tools import (
    read_tool_calls,
    to_tool_choice,
    to_tools,
    tool_selections,
)

__all__ = [
    "from_message",
    "limit_breakpoints",
    "read_tool_calls",
    "to_chat_response",
    "to_messages",
    "to_tool_choice",
    "to_tools",
    "tool_selections",
]
