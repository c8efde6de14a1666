"""The names of a call's arguments, their other names, and what to say of one that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core import InvalidInputError
from aivideoapi_core.adapter_kit import CALL_ARGUMENTS, ArgumentNames

ALIASES: Final = {
    "model_name": "model",
    "max_tokens_to_sample": "max_tokens",
    "stop": "stop_sequences",
    "reasoning_effort": "effort",
    "request_metadata": "metadata",
    "default_request_timeout": "timeout",
}
OTHER_NAMES: Final = {
    "default_headers": "use default_headers on the model, or extra_headers per call",
    "disable_parallel_tool_use": "use parallel_tool_calls=False",
    "functions": "use bind_tools, or tools=",
    "output_format": "use response_format per call, or output_config with a format",
    "response_format": "use response_format per call, or with_structured_output",
    "parallel_tool_calls": "use bind_tools(..., parallel_tool_calls=)",
    "stream": "use streaming on the model, or its stream method",
    "streaming": "use streaming on the model",
    "tool_choice": "use bind_tools(..., tool_choice=)",
    "tools": "use bind_tools, or tools= per call",
    "user": "use request_metadata={'user_id': ...} on the model, or metadata={'user_id': ...} per call",
    "user_profile_id": "use user_profile_id per call, or model_kwargs on the model",
}
"""Names that other integrations and the official client have, and what to use here, where that is LangChain's."""
FRAMEWORK_ONLY: Final = frozenset({"stream", "ls_structured_output_format", "structured_output_format"})
"""What langchain-core itself adds to a call's arguments; it has done its work by then."""
NAMES: Final = ArgumentNames(
    CALL_ARGUMENTS | {"parallel_tool_calls", "response_format", "stream_usage", "strict"},
    place="a call of this model",
    body="extra_body",
    aliases=ALIASES,
    advice=OTHER_NAMES,
)


def named(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments under one name each. Raises ``UnsupportedOptionError`` for one that nobody knows."""
    return NAMES.named(arguments, without=FRAMEWORK_ONLY)


def defaults_from_kwargs(model_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """``model_kwargs`` sorted into options that have a name, and body fields that have none."""
    named = NAMES.spread(model_kwargs)
    if "model" in named:
        raise InvalidInputError("model_kwargs must not set the model; use model=")
    return named
