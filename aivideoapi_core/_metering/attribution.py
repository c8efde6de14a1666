"""``Attribution``: for whom a call was made, as columns of a ledger: agent, thread, user and customer.

Frameworks know these by themselves (an agent's name, a thread's id); a program without one says them
with ``spend_for``. Identifiers by their shape, never content.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import Any, Final

from aivideoapi_core._constructor_errors import with_known_arguments
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.blocks import Blocks

logger = logging.getLogger("aivideoapi")

MAX_ID_CHARS: Final = 128
_ID: Final = re.compile(rf"(?=.{{1,{MAX_ID_CHARS}}}\Z)\w[\w.:=/@+#|~$-]*\Z")
"""As tags, with the characters that identity providers use in ids (``auth0|5f7c...``); a UUID is an id here."""
_BLANKS: Final = re.compile(r"[ \t]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """For whom a call was made; each an identifier of up to 128 characters, or ``None``.

    ``agent``: the name of the agent, or sub-agent, that asked. ``thread``: the id of the conversation or
    session. ``user``: who uses the program. ``customer``: who is billed for it.
    """

    agent: str | None = None
    thread: str | None = None
    user: str | None = None
    customer: str | None = None

    @classmethod
    def cleaned(cls, facts: Mapping[str, Any]) -> Attribution:
        """What of ``facts`` has the shape of an identifier; blanks in an agent's name become ``_``. Of none: ``NOBODY``."""
        if type(facts) is not dict and not isinstance(facts, Mapping):
            raise InvalidInputError(
                f"spend_for must be an object of {', '.join(ATTRIBUTES)}, such as {{'customer': 'acme'}}, not {facts!r}"
            )
        if not facts:
            return NOBODY
        return cls(**{name: as_id(facts.get(name), spaced=name == "agent") for name in ATTRIBUTES})

    def to_dict(self) -> dict[str, str | None]:
        """By name; as arguments of a ``CallRecord``."""
        return {"agent": self.agent, "thread": self.thread, "user": self.user, "customer": self.customer}

    def over(self, other: Attribution) -> Attribution:
        """This one, with what it does not say from ``other``."""
        if other is NOBODY or self is NOBODY:
            return other if self is NOBODY else self
        return Attribution(**{name: getattr(self, name) or getattr(other, name) for name in ATTRIBUTES})


ATTRIBUTES: Final = tuple(one.name for one in fields(Attribution))
NOBODY: Final = Attribution()
_KEYS: Final = {
    "thread": ("thread_id", "session_id", "conversation_id", "langfuse_session_id"),
    "user": ("user_id", "end_user_id", "langfuse_user_id", "langgraph_auth_user_id"),
    "customer": ("customer_id", "tenant_id", "customer"),
}
"""What frameworks and their observers call these ids (LangGraph, LangSmith, Langfuse), likeliest first."""
ATTRIBUTION_KEYS: Final = frozenset(key for keys in _KEYS.values() for key in keys)
_BLOCKS: Final[Blocks[Attribution]] = Blocks("aivideoapi_spend_for")


def attribution_facts(facts: Mapping[str, Any], *, agent_keys: Iterable[str] = ()) -> dict[str, Any]:
    """What of a framework's ``facts`` says for whom a call is, by the names of ``Attribution``; an allow-list.

    ``agent_keys``: where the framework has the agent's name, likeliest first.
    """
    told = {}
    if not ATTRIBUTION_KEYS.isdisjoint(facts):
        told = {name: value for name, keys in _KEYS.items() if (value := first_of(facts, keys))}
    if agent := first_of(facts, agent_keys):
        told["agent"] = agent
    return told


def first_of(facts: Mapping[str, Any], keys: Iterable[str]) -> Any:
    """The first of these keys' values that says something, else ``None``."""
    return next((value for key in keys if (value := facts.get(key))), None)


def as_id(value: object, *, spaced: bool = False) -> str | None:
    """``value`` as an identifier, ``None`` if it has not the shape of one. ``spaced``: blanks may stand in it."""
    if value is None or isinstance(value, bool):
        return None
    if not isinstance(value, str):
        # Integers and UUIDs are ids; of anything else the text could be content.
        if type(value).__name__ not in ("int", "UUID"):
            return None
        value = str(value)
    return _cleaned(value, spaced)


@functools.lru_cache(maxsize=1024)
def _cleaned(text: str, spaced: bool) -> str | None:
    if spaced:
        text = _BLANKS.sub("_", text.strip())
    return text if _ID.match(text) else None


@with_known_arguments
def spend_for(
    *,
    agent: str | None = None,
    thread: str | None = None,
    user: str | None = None,
    customer: str | None = None,
) -> AbstractContextManager[None]:
    """Say for whom the calls of the block are made; for ledgers. Nested blocks win where both say something.

    What is said here also wins over what a framework says. Each is an identifier: up to 128 letters,
    digits and ``. _ - : = / @ + # | ~ $``. What is none is left out, which the log says once per block.
    """
    given = {"agent": agent, "thread": thread, "user": user, "customer": customer}
    attribution = Attribution.cleaned(given)
    for name, value in given.items():
        if value is not None and getattr(attribution, name) is None:
            logger.warning("spend_for: %s is no identifier and is left out (see its documentation)", name)
    return _BLOCKS.open(attribution)


def current_attribution() -> Attribution:
    """What the enclosing ``spend_for`` blocks say."""
    said = NOBODY
    for attribution in _BLOCKS.values():
        said = attribution.over(said)
    return said
