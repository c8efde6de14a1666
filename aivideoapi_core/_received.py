"""The received shapes: parsed JSON as typed dictionaries, so that a streamed delta costs no object.

Fields that the platform adds stay in the dictionaries untouched. Nothing here is validated; the
readers of a field (``read_usage``, the accumulator) are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NotRequired, TypeAlias, TypedDict

ContentBlock: TypeAlias = dict[str, Any]
"""A block by its ``type``: text, thinking, redacted_thinking, tool_use, server tools, or unknown."""

StreamEvent: TypeAlias = dict[str, Any]
"""One decoded event of a stream; ``type`` is always there."""


class CacheCreation(TypedDict, total=False):
    """Cache writes by time to live, in tokens."""

    ephemeral_5m_input_tokens: int
    ephemeral_1h_input_tokens: int


class Usage(TypedDict, total=False):
    """Token counts as on the wire: ``input_tokens`` excludes cache writes and reads."""

    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int | None
    cache_read_input_tokens: int | None
    cache_creation: CacheCreation | None
    output_tokens_details: dict[str, int] | None
    server_tool_use: dict[str, int] | None
    service_tier: str | None


class Message(TypedDict):
    """A reply, whole or accumulated. ``credits_consumed`` is there only if the platform sent it."""

    id: str
    type: str
    role: str
    model: str
    content: list[ContentBlock]
    stop_reason: str | None
    stop_sequence: str | None
    usage: Usage
    credits_consumed: NotRequired[int | float | str]


ToolNames: TypeAlias = Mapping[str, tuple[str, Mapping[str, str]]]
"""Of the tools whose names the wire would have refused: the name on the wire, the caller's, and the same for
the properties of its input."""

WIRE_CONTENT: Final = "wire_content"
"""Key under which a framework's message keeps the reply's own blocks, where the framework's cannot say everything
(citations, server tools): they go back unchanged in the next turn."""
