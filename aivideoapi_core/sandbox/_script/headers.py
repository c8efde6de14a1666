"""Scripting by request header, so that concurrent tests need no shared queue.

``x-sandbox-fault: <name>[;k=v...]``: ``name`` is a kind of ``Fault`` or an error code or type, the
rest are the arguments of its class method. ``times=N`` with ``id=TEXT`` acts on the first N requests
that carry the same id. ``x-sandbox-reply: {...}`` holds the arguments of ``Reply`` as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from typing import Any

from aivideoapi_core.sandbox._platform.errors import OFFICIAL_ERRORS, PLATFORM_ERRORS, bad_request
from aivideoapi_core.sandbox._script.replies import FAULT_KINDS, Fault, Reply, Scripted


def scripted_by_headers(headers: Mapping[str, str], uses: MutableMapping[str, int]) -> Scripted | None:
    """What the headers ask for; ``uses`` counts the requests per ``id``. Raises 400 for a bad header."""
    reply = _reply_of(headers.get("x-sandbox-reply"))
    text = headers.get("x-sandbox-fault")
    if text is None:
        return reply
    name, arguments = _split(text)
    times, identity = arguments.pop("times", None), str(arguments.pop("id", text))
    if times is not None:
        uses[identity] = uses.get(identity, 0) + 1
        if uses[identity] > int(times):
            return reply
    try:
        return _fault(name, arguments, reply)
    except (TypeError, ValueError) as error:
        raise bad_request(f"x-sandbox-fault: {error}") from error


def _split(text: str) -> tuple[str, dict[str, Any]]:
    name, *pairs = (part.strip() for part in text.split(";"))
    arguments = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        arguments[key.strip()] = _value(value.strip())
    return name, arguments


def _value(text: str) -> str | int | float | bool:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _fault(name: str, arguments: dict[str, Any], reply: Reply | None) -> Fault:
    if name in PLATFORM_ERRORS or name in OFFICIAL_ERRORS or name.isdecimal():
        return Fault.error(int(name) if name.isdecimal() else name, **arguments)
    if name not in FAULT_KINDS:
        raise ValueError(f"unknown fault {name!r}")
    if name == "error":
        return Fault.error(arguments.pop("code"), **arguments)
    if reply is not None and name in ("delay", "stall", "cut", "malformed", "invalid_utf8", "error_event"):
        arguments["then" if name == "delay" else "reply"] = reply
    made: Fault = getattr(Fault, name)(**arguments)
    return made


def _reply_of(text: str | None) -> Reply | None:
    if text is None:
        return None
    try:
        return Reply(**json.loads(text))
    except (TypeError, ValueError, RecursionError) as error:
        raise bad_request(f"x-sandbox-reply: {error}") from error
