"""A pytest plugin that puts the other Anthropic integration for LlamaIndex in our model's place.

``python -m pytest -p llamaindex_peer tests/llamaindex/test_complaints.py`` with that integration first on
the path; ``tests/llamaindex/test_peer.py`` does so and says what must fail there. The peer gets all
that it needs to do well: its own names for the settings, and limits for our model ids, which it does not know.
"""

from __future__ import annotations

import functools
from typing import Any

from llama_index.core.base.llms.types import LLMMetadata
from llama_index.llms.anthropic import Anthropic

import llamaindex_aivideoapi


@functools.cache
def limits_of(name: str) -> LLMMetadata:
    """Asked for often, and each of the peer's models loads the machine's certificates twice."""
    return Anthropic(model=name, api_key="none").metadata


class KnownNames(Anthropic):
    """The peer, with limits for every model of the catalogue."""

    @property
    def metadata(self) -> LLMMetadata:
        named = limits_of(self.model.removesuffix("/anthropic"))
        return named.model_copy(update={"model_name": self.model})


def peer(model: str, *, api_key: str, base_url: str, **settings: Any) -> Anthropic:
    """What ``AIVideoAPI(...)`` says, in the peer's words."""
    if thinking := settings.pop("thinking", None):
        # It has the official object only, which is what the direct-forward route takes.
        budget = {"type": "enabled", "budget_tokens": 1024} if thinking is True else thinking
        settings |= {"thinking_dict": budget, "max_tokens": 4000}
        model = model.removesuffix("/anthropic") + "/anthropic"
    if cache_control := settings.pop("cache_control", None):
        settings["additional_kwargs"] = {"cache_control": cache_control}
    return KnownNames(
        model=model,
        api_key=api_key,
        base_url=base_url,
        max_retries=0,
        default_headers={"Authorization": f"Bearer {api_key}"},
        **settings,
    )


llamaindex_aivideoapi.AIVideoAPI = peer
