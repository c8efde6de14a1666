"""The integrations' face of the core: what the adapters for the frameworks share and users do not need."""

from aivideoapi_core._errors import own_error
from aivideoapi_core._http.injected import refuse_to_pickle
from aivideoapi_core._http.target import check_key_shape
from aivideoapi_core._inbound.tool_names import OwnNamesStream, with_own_names
from aivideoapi_core._outbound.cache_marks import limit_marks
from aivideoapi_core._outbound.container import reused_container
from aivideoapi_core._outbound.conversation import CONTINUE, Content, Conversation, Turns, may_prefill
from aivideoapi_core._outbound.in_words import forced_in_words
from aivideoapi_core._outbound.media import block_at, document_block, image_block, text_document
from aivideoapi_core._outbound.names import ArgumentNames, merged_lists
from aivideoapi_core._outbound.output import (
    VALUE,
    output_format,
    wrapper_for,
    wrapper_of,
)
from aivideoapi_core._outbound.output_schema import enforceable, is_recursive
from aivideoapi_core._outbound.refusals import check_settings
from aivideoapi_core._outbound.text import thought_as_text, told, told_file
from aivideoapi_core._outbound.thinking import check_thinking_shape, excludes_forced_tools
from aivideoapi_core._outbound.tool_calls import parse_arguments, to_call_input
from aivideoapi_core._outbound.tools import (
    is_custom,
    read_tool_choice,
    wire_choice,
    wire_tool_name,
    wire_tools,
    with_wire_names,
)
from aivideoapi_core._received import ToolNames

__all__ = [
    "CONTINUE",
    "VALUE",
    "ArgumentNames",
    "Content",
    "Conversation",
    "OwnNamesStream",
    "ToolNames",
    "Turns",
    "block_at",
    "check_key_shape",
    "check_settings",
    "check_thinking_shape",
    "document_block",
    "enforceable",
    "excludes_forced_tools",
    "forced_in_words",
    "image_block",
    "is_custom",
    "is_recursive",
    "limit_marks",
    "may_prefill",
    "merged_lists",
    "output_format",
    "own_error",
    "parse_arguments",
    "read_tool_choice",
    "refuse_to_pickle",
    "reused_container",
    "text_document",
    "thought_as_text",
    "to_call_input",
    "told",
    "told_file",
    "wire_choice",
    "wire_tool_name",
    "wire_tools",
    "with_own_names",
    "with_wire_names",
    "wrapper_for",
    "wrapper_of",
]
