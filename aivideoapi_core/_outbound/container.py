"""The code execution container of the most recent reply, used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any


def reused_container(container: Any, earlier: Iterable[Any], *, now: datetime) -> Any:
    """``container`` with the id that the newest of ``earlier`` names, unless it has one of its own.

    ``earlier``: the ``container`` fields of the conversation's replies, newest first. One that has expired is not
    named again: a conversation that was left for a while would be refused, and gets a new container instead.
    """
    if isinstance(container, str) or (isinstance(container, Mapping) and container.get("id")):
        return container
    for last in earlier:
        if isinstance(last, Mapping) and last.get("id"):
            if _is_over(last.get("expires_at"), now):
                return container
            return {**container, "id": last["id"]} if container else last["id"]
    return container


def _is_over(expires_at: Any, now: datetime) -> bool:
    """Whether a time, in the wire's text or as it was read, has passed; one that nobody can read has not."""
    if isinstance(expires_at, str):
        try:
            expires_at = datetime.fromisoformat(expires_at.replace("Z", "+00:00"))
        except ValueError:
            return False
    if not isinstance(expires_at, datetime):
        return False
    return (expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)) <= now
