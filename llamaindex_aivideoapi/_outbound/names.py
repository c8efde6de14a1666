"""The names of a call's arguments, their other names, and what to say of one that nobody knows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core.adapter_kit import CALL_ARGUMENTS, ArgumentNames

_KNOWN: Final = CALL_ARGUMENTS | {
    *("additional_kwargs", "allow_parallel_tool_calls", "stop", "tool_required", "verbose")
}
ALIASES: Final = {"reasoning_effort": "effort", "default_request_timeout": "timeout"}
OTHER_NAMES: Final[Mapping[str, str]] = {
    "llm": "it is an LLM itself: give model='claude-sonnet-4-6', and its settings",
    "cache_idx": "put a CachePoint block where the cached part ends, or set cache_control=",
    "disable_parallel_tool_use": "use allow_parallel_tool_calls=",
    "output_format": "use output_config={'format': ...}, or as_structured_llm",
    "parallel_tool_calls": "use allow_parallel_tool_calls=",
    "response_format": "use output_config={'format': ...}, or as_structured_llm",
    "stream": "use stream_chat or stream_complete",
    "tool_choice": "use tool_choice= per call, as in chat_with_tools",
    "metadata": "use metadata= per call, or additional_kwargs={'metadata': ...} on the model",
    "stream_usage": "usage comes with every stream; leave it out",
    "streaming": "use stream_chat or stream_complete",
    "strict": "set strict on the tool, as a dictionary of the wire's form",
    "system": "use system_prompt= on the model, or a system message in the call",
    "system_prompt": "use system_prompt= on the model, or a system message in the call",
    "user": "use metadata={'user_id': ...} per call, or additional_kwargs={'metadata': {'user_id': ...}} on the model",
}
"""Names that other integrations have, and what to use here, where that is LlamaIndex's."""
NAMES: Final = ArgumentNames(
    _KNOWN,
    place="a call of this model",
    body="additional_kwargs",
    aliases=ALIASES,
    advice=OTHER_NAMES,
)


def named(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """A call's arguments under one name each. Raises ``UnsupportedOptionError`` for one that nobody knows."""
    return arguments if arguments.keys() <= _KNOWN else NAMES.named(arguments)
