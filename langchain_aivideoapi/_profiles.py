"""Model profiles: what LangChain, its middleware and deepagents may expect of a model id.

All facts come from the core's catalogue. A key is left out where nothing is documented: readers
take a missing key for "unknown", and an explicit ``False`` for "refused".
"""

from __future__ import annotations

from typing import Final

from langchain_core.language_models.model_profile import ModelProfile

from aivideoapi_core import Route, model_info
from aivideoapi_core.adapter_kit import EFFORTS

_DEFAULT_EFFORT: Final = "high"
"""What the official format does when no effort is sent."""


def profile_of(model: str) -> ModelProfile:
    """The profile of ``model``; a fresh dict, and a cautious one for an id that the catalogue does not list."""
    info = model_info(model)
    profile: ModelProfile = {
        "name": info.display_name,
        "open_weights": False,
        "max_input_tokens": info.context_window,
        "max_output_tokens": info.max_output_tokens,
        "text_inputs": True,
        "image_inputs": True,
        "image_url_inputs": True,
        "audio_inputs": False,
        "video_inputs": False,
        "text_outputs": True,
        "image_outputs": False,
        "audio_outputs": False,
        "video_outputs": False,
        "tool_calling": True,
        "tool_choice": True,
        "tool_call_streaming": True,
        "mid_conversation_system_messages": False,
        "mid_conversation_tools": False,
        "structured_output": info.structured_output,
        "attachment": True,
    }
    if info.known:
        profile["status"] = "active"
        profile["reasoning_output"] = True
    if info.route is Route.DIRECT:
        profile["pdf_inputs"] = True
        profile["image_tool_message"] = True
        profile["pdf_tool_message"] = True
        profile["temperature"] = info.sampling != "fixed"
        if info.known and info.efforts:  # an unlisted model may have any or none
            profile["reasoning_effort_levels"] = [level for level in EFFORTS if level in info.efforts]
            profile["reasoning_effort_default"] = _DEFAULT_EFFORT
    return profile
