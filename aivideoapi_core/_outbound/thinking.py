"""The thinking option in the words of either route."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core._catalogue.routes import Route
from aivideoapi_core._errors import UnsupportedOptionError

_THINKS: Final = frozenset({"enabled", "adaptive"})


def thinking_fields(route: Route, thinking: bool | Mapping[str, Any]) -> dict[str, Any]:
    """Spell the thinking option for ``route``; raise ``UnsupportedOptionError`` if it has no words for it."""
    match route, thinking:
        case _, False:
            return {}
        case Route.NATIVE, True:
            return {"thinkingFlag": True}
        case Route.NATIVE, {"type": "disabled"}:
            return {}
        case Route.NATIVE, _:
            raise UnsupportedOptionError(
                f"thinking={thinking!r} cannot be sent on the native route, which only has a switch: "
                "use thinking=True, or a model id that ends in '/anthropic'"
            )
        case Route.DIRECT, {"type": str()}:
            return {"thinking": dict(thinking)}  # type: ignore[arg-type]  # the pattern proved a mapping
        case _:
            raise UnsupportedOptionError(
                f"thinking={thinking!r} cannot be sent on the direct-forward route, which wants an object: "
                "use {'type': 'adaptive'} or {'type': 'enabled', 'budget_tokens': 4096}"
            )


def thinking_is_on(body: Mapping[str, Any]) -> bool:
    """Whether a body asks for thinking, in the words of either route."""
    thinking = body.get("thinking")
    return body.get("thinkingFlag") is True or (
        isinstance(thinking, Mapping) and thinking.get("type") in _THINKS
    )
