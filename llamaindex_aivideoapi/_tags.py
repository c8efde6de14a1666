"""LlamaIndex's instrument tags as the tags of a call, for the ledger and the trackers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from llama_index_instrumentation.dispatcher import active_instrument_tags

FRAMEWORK: Final = "llamaindex"


_ITS_OWN: Final = "llamaindex."
"""What LlamaIndex's workflows put among the tags: steps, runs, and what the user wrote to them."""


def current_tags(own: tuple[str, ...] = ()) -> tuple[str, ...]:
    """``own`` and the instrument tags that are active now, as names for records."""
    return (*own, *tag_names(active_instrument_tags.get()))


def tag_names(tags: Mapping[str, Any]) -> Iterator[str]:
    """``{"team": "search"}`` as ``team=search``. Values that are no short texts or numbers are content."""
    for name, value in tags.items():
        if isinstance(value, (str, int)) and not str(name).startswith(_ITS_OWN):
            yield f"{name}={value}"
