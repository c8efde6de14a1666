"""The profiles that deepagents loads through its entry-point groups: nothing to call, nothing to configure.

``create_deep_agent(model="aivideoapi:claude-sonnet-4-6/anthropic")`` then finds our model, caches its
prompts where the route can, and gives it the guidance that deepagents has for the same Claude model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aivideoapi_core import base_model, known_models
from langchain_aivideoapi.registry import PROVIDER, register


def register_provider() -> None:
    """Entry point of ``deepagents.provider_profiles``: make our model strings known when one is first used."""
    from deepagents import ProviderProfile, register_provider_profile

    # Only then: an error in register() must reach those who use our models, and nobody else.
    register_provider_profile(PROVIDER, ProviderProfile(pre_init=lambda spec: register()))


def register_harness() -> None:
    """Entry point of ``deepagents.harness_profiles``: prompt caching, and the guidance for each Claude model."""
    from deepagents import HarnessProfile, register_harness_profile

    register_harness_profile(PROVIDER, HarnessProfile(extra_middleware=_middleware))
    for info in known_models():
        if guidance := _guidance(base_model(info.id)):
            register_harness_profile(f"{PROVIDER}:{info.id}", HarnessProfile(system_prompt_suffix=guidance))


def _middleware() -> Sequence[Any]:
    """Prompt caching as deepagents has it for Anthropic's own model class: on, and silent where it cannot be."""
    from langchain_aivideoapi.middleware import AIVideoAPIPromptCachingMiddleware

    return [AIVideoAPIPromptCachingMiddleware(unsupported_model_behavior="ignore")]


def _guidance(model: str) -> str | None:
    """The prompt suffix that deepagents itself adds for ``model``, if this version has one."""
    from deepagents.profiles.harness import harness_profiles

    # There is no public getter; without it the agent works all the same, only less well advised.
    table = getattr(harness_profiles, "_HARNESS_PROFILES", {})
    profile = table.get(f"anthropic:{model}")
    return getattr(profile, "system_prompt_suffix", None)
