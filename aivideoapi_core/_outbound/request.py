"""The last steps of a request, the same for every framework: from turns, tools and options to body and headers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from aivideoapi_core._catalogue.models import model_info
from aivideoapi_core._outbound.cache_marks import limit_marks
from aivideoapi_core._outbound.cached_prompt import cache_prompt
from aivideoapi_core._outbound.citing import settle_citations
from aivideoapi_core._outbound.container import reused_container
from aivideoapi_core._outbound.headers import call_headers
from aivideoapi_core._outbound.in_words import forced_in_words, with_instruction
from aivideoapi_core._outbound.payload import payload_of
from aivideoapi_core._outbound.result_limits import MANY_IMAGES, settle_results
from aivideoapi_core._outbound.thinking import rested
from aivideoapi_core._outbound.tool_forms import are_in_wire_form
from aivideoapi_core._outbound.tools import read_tool_choice, wire_choice, wire_tools
from aivideoapi_core._outbound.turns import Turns
from aivideoapi_core._received import ToolNames

_HEADERS: Final = ("default_headers", "extra_headers", "betas")


class Prepared(NamedTuple):
    """A request as it is sent, and what its reply is read by.

    ``headers``: those besides the client's own. ``choice``: the tool choice that was meant, which thinking or a route may have kept from the body.
    ``max_tokens_is_default``: neither the model's settings nor the call's say how many.
    """

    payload: dict[str, Any]
    headers: dict[str, str] | None
    choice: Any
    max_tokens_is_default: bool


def wire_tools_in(options: dict[str, Any]) -> ToolNames | None:
    """Put the ``tools`` and the ``tool_choice`` of ``options`` into the wire's form; the names that were replaced."""
    if not options.get("tools"):
        return None
    options["tools"], names = wire_tools(options["tools"])
    if names is not None and options.get("tool_choice") is not None:
        options["tool_choice"] = wire_choice(options["tool_choice"], names)
    return names


def prepare_request(
    conversation: Turns,
    options: dict[str, Any],
    *,
    stream: bool,
    replies: Iterable[Mapping[str, Any] | None] = (),
) -> Prepared:
    """The request with this conversation and these options, whose tools are the wire's (``wire_tools_in``).

    ``options`` are taken apart. They are those of ``build_payload``, and besides ``model``, ``betas``, ``cache_prompt``,
    ``default_headers``, ``extra_headers``, ``honours_tool_choice`` and ``reuse_last_container``; ``system`` is an
    instruction that stands after the conversation's own. ``replies``: what is noted of each message, newest first,
    and ``None`` for what is no reply. Raises ``InvalidInputError`` and ``UnsupportedOptionError`` for what cannot
    be sent.
    """
    header_settings = {name: options.pop(name, None) for name in _HEADERS}
    honours_tool_choice = options.pop("honours_tool_choice", None)
    if options.pop("reuse_last_container", None):
        earlier = (reply.get("container") for reply in replies if reply is not None)
        options["container"] = reused_container(options.get("container"), earlier, now=datetime.now(UTC))
    tools: Sequence[Mapping[str, Any]] = options.pop("tools", None) or ()
    choice = options.get("tool_choice")
    system, turns, results, _, pictures, citable = conversation
    if results or len(pictures) > MANY_IMAGES:
        window = model_info(str(options["model"])).context_window
        settle_results(results, turns, tools, window=window, pictures=pictures)
    if citable:
        has_format = "format" in (options.get("output_config") or ())
        settle_citations(citable, tools, has_format=has_format)
    if (instruction := options.pop("system", None)) is not None:
        system = with_instruction(system, instruction)
    if honours_tool_choice is False and (words := forced_in_words(choice, tools)):
        system, options["tool_choice"] = with_instruction(system, words[0]), words[1]
    if (life := options.pop("cache_prompt", None)) is not None:
        tools, system = cache_prompt(life, options, tools=tools, system=system, messages=turns)
    if (thinking := options.get("thinking")) is not None:
        options["thinking"] = rested(thinking, turns, model=options["model"])
    options["system"] = system
    options["tools"] = limit_marks(tools=tools, system=system, messages=turns, options=options)
    is_default = options.get("max_tokens") is None and "max_tokens" not in (options.get("extra_body") or ())
    payload = payload_of(options.pop("model"), turns, options, stream=stream, is_made=True)
    return Prepared(
        payload,
        call_headers(payload, **header_settings),
        choice or payload.get("tool_choice"),
        is_default,
    )


def settle_tools(
    options: dict[str, Any], to_tools: Callable[[Any], list[dict[str, Any]]], *, parallel: bool | None
) -> None:
    """Put the framework's ``tools`` of ``options`` into the wire's form, and a ``tool_choice`` in any spelling, or none.

    ``parallel`` as in ``read_tool_choice``, which says what is raised.
    """
    tools = options.get("tools")
    if tools is not None and not are_in_wire_form(tools):
        options["tools"] = tools = to_tools(tools)
    choice = options.pop("tool_choice", None)
    if choice is None and (parallel is None or not tools):
        return
    read = read_tool_choice(choice, tools or (), parallel=parallel)
    # Without any tool, "auto" and "none" say nothing, and the wire refuses them.
    if read is not None and (tools or options.get("mcp_servers") or read["type"] in ("any", "tool")):
        options["tool_choice"] = read
