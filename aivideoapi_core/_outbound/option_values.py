"""Values of options that no route and no model takes: told when a model is made, and before each call."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from aivideoapi_core._catalogue.models import EFFORTS, model_info
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.cache_marks import read_mark
from aivideoapi_core._outbound.names import advice_for_name
from aivideoapi_core._outbound.thinking import check_thinking_shape

_OF_OPENAI: Final = {"minimal": "use 'low'", "none": "leave it out"}
_TIERS: Final = ("auto", "standard_only")
_SHAPES: Final[Mapping[str, tuple[Any, str]]] = {
    "metadata": (Mapping, "{'user_id': '...'}"),
    "container": ((str, Mapping), "'container_...' or {'skills': [...]}"),
    "mcp_servers": ((list, tuple), "[{'type': 'url', 'url': '...', 'name': '...'}]"),
    "context_management": (Mapping, "{'edits': [...]}"),
    "inference_geo": (str, "'us'"),
}
_OUTPUT_CONFIG: Final = ("effort", "format", "task_budget")


def check_settings(settings: Mapping[str, Any]) -> None:
    """Raise ``InvalidInputError`` for a setting of a model that no call could send, whatever its route."""
    model = settings.get("model")
    if isinstance(model, str):
        check_model_id(model)
    for name, wanted in (
        ("timeout", "a positive number of seconds, an httpx.Timeout or None"),
        ("max_retries", "a whole number of at least 0"),
        ("max_retry_wait_s", "a number of seconds of at least 0"),
    ):
        value = settings.get(name)
        if isinstance(value, bool) or (
            isinstance(value, (int, float)) and not (value > 0 or (value == 0 and name != "timeout"))
        ):
            raise InvalidInputError(f"{name} must be {wanted}, not {value!r}")
    check_numbers(settings)
    check_words(settings, known=isinstance(model, str) and model_info(model).known)
    check_thinking_shape(settings.get("thinking"))


def check_model_id(model: Any) -> None:
    """Raise ``InvalidInputError`` for what cannot be the id of a model."""
    if not isinstance(model, str) or model.split() != [model]:
        raise InvalidInputError(f"model must be a model id such as 'claude-sonnet-4-6', not {model!r}")


def check_numbers(options: Mapping[str, Any]) -> None:
    """Raise ``InvalidInputError`` for a number or a stop sequence that the format does not have."""
    for name in ("temperature", "top_p"):
        value = options.get(name)
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise InvalidInputError(f"{name} must be a number, not {value!r}")
        if not 0 <= value <= 1:
            raise InvalidInputError(f"{name}={value!r} is outside 0 to 1")
    for name, least in (("max_tokens", 1), ("top_k", 0)):
        value = options.get(name)
        if value is not None and (type(value) is not int or value < least):
            raise InvalidInputError(f"{name} must be a whole number of at least {least}, not {value!r}")
    stops = options.get("stop_sequences")
    if stops is not None and (
        isinstance(stops, str) or not all(isinstance(stop, str) and stop for stop in stops)
    ):
        raise InvalidInputError("stop_sequences must be a list of non-empty strings")


def check_words(options: Mapping[str, Any], *, known: bool) -> None:
    """Raise ``InvalidInputError`` for a word or an object that the format does not have.

    ``known``: the model is in the catalogue; another may take efforts that nobody has heard of. To be asked of named
    options only: what the platform takes one day goes out in ``extra_body``.
    """
    for name, (kinds, example) in _SHAPES.items():
        if (value := options.get(name)) is not None and not isinstance(value, kinds):
            raise InvalidInputError(f"{name} must be such as {example}, not {value!r}")
    user_id = (options.get("metadata") or {}).get("user_id")
    if user_id is not None and not isinstance(user_id, str):
        raise InvalidInputError(f"metadata['user_id'] must be text, not {user_id!r}")
    if not all(isinstance(server, Mapping) for server in options.get("mcp_servers") or ()):
        raise InvalidInputError("mcp_servers must be a list of objects with 'type', 'url' and 'name'")
    if (effort := options.get("effort")) is not None:
        _check_effort(effort, "effort", known=known)
    if (config := options.get("output_config")) is not None:
        _check_output_config(config, known=known)
    tier = options.get("service_tier")
    if tier is not None and tier not in _TIERS:
        raise InvalidInputError(f"service_tier must be 'auto' or 'standard_only', not {tier!r}")
    if (mark := options.get("cache_control")) is not None:
        read_mark(mark)


def _check_effort(effort: Any, place: str, *, known: bool) -> None:
    if effort in EFFORTS or (not known and isinstance(effort, str)):
        return
    plain = str(effort).strip().lower()
    advice = (
        f"use {plain!r}" if plain in EFFORTS else _OF_OPENAI.get(plain, f"use one of {', '.join(EFFORTS)}")
    )
    raise InvalidInputError(f"{place}={effort!r} is no effort: {advice}")


def _check_output_config(config: Any, *, known: bool) -> None:
    if not isinstance(config, Mapping):
        raise InvalidInputError(
            f"output_config must be a mapping such as {{'effort': 'high'}}, not {config!r}"
        )
    for name in config.keys() - {*_OUTPUT_CONFIG}:
        if (advice := advice_for_name(str(name), _OUTPUT_CONFIG)).startswith("did you mean"):
            raise InvalidInputError(f"{name!r} is no field of output_config: {advice}")
    if (effort := config.get("effort")) is not None:
        _check_effort(effort, "output_config['effort']", known=known)
    wanted = config.get("format")
    if wanted is not None and not (
        isinstance(wanted, Mapping)
        and wanted.get("type") == "json_schema"
        and isinstance(wanted.get("schema"), Mapping)
    ):
        raise InvalidInputError(
            "output_config['format'] must be {'type': 'json_schema', 'schema': {...}}, with the schema of an object"
        )


def stop_list(stop: Any) -> list[str] | None:
    """Stop sequences, one or several, as the wire's list; ``None`` for none. Raises ``InvalidInputError``."""
    if isinstance(stop, str):
        return [stop]
    if stop is not None and not isinstance(stop, (list, tuple, set, frozenset)):
        raise InvalidInputError(f"stop must be a text or a list of texts, not {stop!r}")
    return list(stop) if stop else None
