"""The two routes behind ``/v1/messages``. The model id alone picks one, here and nowhere else."""

from __future__ import annotations

import re
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
    try:
        return Route.DIRECT if model.endswith(DIRECT_SUFFIX) else Route.NATIVE
    except (AttributeError, TypeError):
        raise _no_id(model) from None


def base_model(model: str) -> str:
    """The model's own name, without the route: what other catalogues know it by."""
    try:
        return model.removesuffix(DIRECT_SUFFIX)
    except (AttributeError, TypeError):
        raise _no_id(model) from None


def check_id(model: object) -> None:
    """Raise ``ValueError`` for what is no model id, so that nobody takes it for one that is not listed."""
    if not isinstance(model, str):
        raise _no_id(model)


def _no_id(model: object) -> ValueError:
    return ValueError(f"model must be a model id such as 'claude-sonnet-4-6', not {model!r}")


_IN_FRONT: Final = re.compile(r"^.*[/.:](?=claude)")
"""A provider, a region, the resource that a cloud calls the model by."""
_BEHIND: Final = re.compile(r"(?:-latest|-v\d+|-?20\d{6}|-20\d\d-\d\d-\d\d)*(?:[@:].*)?$")
_VERSION_FIRST: Final = re.compile(r"^claude-(\d+(?:-\d+)?)-([a-z]+)$")


def plain_name(typed: str) -> str:
    """The model's own name in this platform's spelling, however upstream or another platform writes it.

    ``us.anthropic.claude-opus-4-6-v1:0``, ``anthropic/claude-opus-4.6``, ``claude-4.6-opus-20260205`` and
    ``claude-opus-4-6@default`` are ``claude-opus-4-6``. A word that says more (``claude-opus-4-6-fast``) stays.
    """
    name = _IN_FRONT.sub("", base_model(typed.strip().lower()))
    name = re.sub(r"[._ ]", "-", _BEHIND.sub("", name))
    return _VERSION_FIRST.sub(r"claude-\2-\1", name)
