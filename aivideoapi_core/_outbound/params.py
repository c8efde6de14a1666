"""The Messages request as typed dictionaries (received shapes are in ``_received``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, Required, TypeAlias, TypedDict

JSONObject: TypeAlias = Mapping[str, Any]


class CacheControlParam(TypedDict, total=False):
    """A cache breakpoint; ``ttl`` is ``5m`` when absent."""

    type: Required[Literal["ephemeral"]]
    ttl: Literal["5m", "1h"]


class TextBlockParam(TypedDict):
    """Text; never empty or blank."""

    type: Literal["text"]
    text: str
    cache_control: NotRequired[CacheControlParam]
    citations: NotRequired[Sequence[JSONObject]]


class ImageBlockParam(TypedDict):
    """An image; ``source`` is base64, url or file."""

    type: Literal["image"]
    source: JSONObject
    cache_control: NotRequired[CacheControlParam]


class DocumentBlockParam(TypedDict):
    """A document; ``source`` is base64 (PDF), text, content, url or file."""

    type: Literal["document"]
    source: JSONObject
    title: NotRequired[str]
    context: NotRequired[str]
    citations: NotRequired[JSONObject]
    cache_control: NotRequired[CacheControlParam]


class ThinkingBlockParam(TypedDict):
    """Thinking, back unchanged with the signature it came with."""

    type: Literal["thinking"]
    thinking: str
    signature: str


class RedactedThinkingBlockParam(TypedDict):
    """Encrypted thinking, back unchanged."""

    type: Literal["redacted_thinking"]
    data: str


class ToolUseBlockParam(TypedDict):
    """A tool call of the assistant."""

    type: Literal["tool_use"]
    id: str
    name: str
    input: JSONObject
    cache_control: NotRequired[CacheControlParam]


class ToolResultBlockParam(TypedDict):
    """The answer to one tool use, first in the user turn that follows it."""

    type: Literal["tool_result"]
    tool_use_id: str
    content: NotRequired[str | Sequence[JSONObject]]
    is_error: NotRequired[bool]
    cache_control: NotRequired[CacheControlParam]


ContentBlockParam: TypeAlias = (
    TextBlockParam
    | ImageBlockParam
    | DocumentBlockParam
    | ThinkingBlockParam
    | RedactedThinkingBlockParam
    | ToolUseBlockParam
    | ToolResultBlockParam
    | dict[str, Any]  # server tools, MCP, search results and what the platform adds: passed through
)


class MessageParam(TypedDict):
    """One turn. ``system`` is a mid-conversation system message, for models that take it."""

    role: Literal["user", "assistant", "system"]
    content: str | list[ContentBlockParam]


class ToolParam(TypedDict, total=False):
    """A tool of the caller's. ``name`` matches ``^[a-zA-Z0-9_-]{1,128}$``."""

    name: Required[str]
    input_schema: Required[JSONObject]
    description: str
    strict: bool
    cache_control: CacheControlParam
    type: Literal["custom"]


class ToolChoiceParam(TypedDict, total=False):
    """``name`` goes with type ``tool`` only."""

    type: Required[Literal["auto", "any", "tool", "none"]]
    name: str
    disable_parallel_tool_use: bool


class ThinkingParam(TypedDict, total=False):
    """The official thinking object (direct-forward route). Budgets are tokens."""

    type: Required[Literal["enabled", "adaptive", "disabled"]]
    budget_tokens: int
    display: Literal["summarized", "omitted"]


class OutputConfigParam(TypedDict, total=False):
    """How hard to work, and the shape of the answer."""

    effort: Literal["low", "medium", "high", "xhigh", "max"]
    format: JSONObject


class RequestOptions(TypedDict, total=False):
    """Everything of a request besides model, messages and stream. ``None`` counts as not set.

    ``effort`` is shorthand for ``output_config.effort``. ``extra_body`` holds body fields without
    a name here, sent as they are.
    """

    max_tokens: int | None
    system: str | Sequence[TextBlockParam] | None
    tools: Sequence[JSONObject] | None
    tool_choice: ToolChoiceParam | None
    thinking: bool | ThinkingParam | None
    effort: str | None
    output_config: OutputConfigParam | None
    stop_sequences: Sequence[str] | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    cache_control: CacheControlParam | None
    metadata: JSONObject | None
    service_tier: str | None
    container: str | JSONObject | None
    inference_geo: str | None
    context_management: JSONObject | None
    mcp_servers: Sequence[JSONObject] | None
    extra_body: JSONObject | None
