"""``build_payload``: options in, the JSON body of either route out, or a clear error before any I/O.

Two rules. What is undocumented is forwarded, for the platform to decide. What the format, the
route or a model of the catalogue is known to refuse raises here and names the argument and the fix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Unpack

from aivideoapi_core._catalogue.models import ModelInfo, model_info
from aivideoapi_core._catalogue.routes import Route
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.flags import check_flag
from aivideoapi_core._outbound.option_values import check_model_id, check_words
from aivideoapi_core._outbound.params import MessageParam, RequestOptions
from aivideoapi_core._outbound.refusals import refuse
from aivideoapi_core._outbound.thinking import soften_forced_tools, thinking_fields

_OPTIONS: Final = RequestOptions.__annotations__.keys()
_OWN_FIELDS: Final = frozenset({"model", "messages", "stream"})


def build_payload(
    model: str,
    messages: Sequence[MessageParam],
    *,
    stream: bool,
    **options: Unpack[RequestOptions],
) -> dict[str, Any]:
    """The request body for ``model``'s route. The arguments are left untouched.

    ``stream`` is always in the body, because its default differs between the routes;
    ``max_tokens`` always is on the direct-forward route. An option that is ``None`` counts as not set.

    Raises ``InvalidInputError`` for what no route can take, ``UnsupportedOptionError`` for what this
    route or this model cannot take.
    """
    if isinstance(messages, (str, bytes, Mapping)) or not isinstance(messages, Iterable):
        raise InvalidInputError("messages must be a list of turns such as {'role': 'user', 'content': '...'}")
    check_flag("stream", stream)
    return payload_of(model, list(messages), options, stream=stream, is_made=False)


def payload_of(
    model: str, turns: list[MessageParam], options: Mapping[str, Any], *, stream: bool, is_made: bool
) -> dict[str, Any]:
    """The same with the turns in a list of its own. ``is_made``: ``Conversation`` made them, and ``wire_tools`` the tools.

    What those two made is in the wire's form already and is not looked through again.
    """
    check_model_id(model)
    if not options.keys() <= _OPTIONS:
        raise InvalidInputError(
            f"unknown options {sorted(options.keys() - _OPTIONS)}; a field without a name goes in extra_body"
        )
    info = model_info(model)
    body: dict[str, Any] = {"model": model, "messages": turns, "stream": stream}
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    if (extra := given.pop("extra_body", None)) is not None:
        _check_extra(extra)
    thinking = given.pop("thinking", None)
    if thinking is not None:
        body |= thinking_fields(info.route, thinking, accepted=info.thinking)
    effort = given.pop("effort", None)
    if effort is not None:
        body["output_config"] = _with_effort(given.pop("output_config", {}), effort)
    if given.get("system") == "" or given.get("system") == []:
        del given["system"]
    if "tools" in given and not given["tools"]:
        del given["tools"]
    body |= given
    check_words(body, known=info.known)
    if extra:
        body |= extra
    if "max_tokens" not in body and info.route is Route.DIRECT:
        body["max_tokens"] = _default_max_tokens(info, body.get("thinking"))
    refuse(body, info, is_made=is_made and not extra)
    soften_forced_tools(body)
    return body


def _check_extra(extra: Any) -> None:
    if not isinstance(extra, Mapping):
        raise InvalidInputError(f"extra_body must be a mapping, not {extra!r}")
    if clash := _OWN_FIELDS & extra.keys():
        raise InvalidInputError(f"extra_body must not set {sorted(clash)}; use the arguments of that name")


def _with_effort(output_config: Mapping[str, Any], effort: str) -> dict[str, Any]:
    if output_config.get("effort", effort) != effort:
        raise InvalidInputError(
            f"effort={effort!r} and output_config['effort']={output_config['effort']!r} disagree; set one"
        )
    return {**output_config, "effort": effort}


def _default_max_tokens(info: ModelInfo, thinking: Any) -> int:
    """The catalogue's default, on top of the thinking budget, which counts as output too."""
    budget = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    room = budget if type(budget) is int and budget > 0 else 0
    return min(info.default_max_tokens + room, info.max_output_tokens)
