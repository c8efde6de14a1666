"""The integrations' face of the core: what the adapters for the frameworks share and users do not need."""

from aivideoapi_core._inbound.tool_names import OwnNamesStream, with_own_names
from aivideoapi_core._outbound.in_words import forced_in_words
from aivideoapi_core._outbound.output import (
    VALUE,
    output_format,
    wrapper_for,
    wrapper_of,
)
from aivideoapi_core._outbound.output_schema import enforceable, is_recursive
from aivideoapi_core._outbound.thinking import excludes_forced_tools
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
    "VALUE",
    "OwnNamesStream",
    "ToolNames",
    "enforceable",
    "excludes_forced_tools",
    "forced_in_words",
    "is_custom",
    "is_recursive",
    "output_format",
    "read_tool_choice",
    "wire_choice",
    "wire_tool_name",
    "wire_tools",
    "with_own_names",
    "with_wire_names",
    "wrapper_for",
    "wrapper_of",
]
