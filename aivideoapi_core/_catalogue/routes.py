"""The two routes behind ``/v1/messages``. The model id alone picks one, here and nowhere else."""

from __future__ import annotations

from enum import Enum
from typing import Final

DIRECT_SUFFIX: Final = "/anthropic"


class Route(Enum):
    """Which dialect of the Messages format a model id speaks."""

    NATIVE = "native"
    """``claude-sonnet-4-6``: ``thinkingFlag``, streams unless told otherwise, reports credits."""
    DIRECT = "direct-forward"
    """``claude-sonnet-4-6/anthropic``: the official format, no credits in the reply."""


def route_of(model: str) -> Route:
    """The route that ``model`` is served by."""
    return Route.DIRECT if model.endswith(DIRECT_SUFFIX) else Route.NATIVE


def base_model(model: str) -> str:
    """The model's own name, without the route: what other catalogues know it by."""
    return model.removesuffix(DIRECT_SUFFIX)
