"""The code execution container of the most recent reply, used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def reused_container(container: Any, earlier: Iterable[Any]) -> Any:
    """``container`` with the id that the newest of ``earlier`` names, unless it has one of its own.

    ``earlier``: the ``container`` fields of the conversation's replies, newest first.
    """
    if isinstance(container, str) or (isinstance(container, Mapping) and container.get("id")):
        return container
    for last in earlier:
        if isinstance(last, Mapping) and last.get("id"):
            return {**container, "id": last["id"]} if container else last["id"]
    return container
