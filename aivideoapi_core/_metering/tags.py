"""Tags: the short names that a call's record carries into books, traces and consoles.

A record never holds content, and frameworks put all sorts of things among their tags (a workflow of
LlamaIndex: what the user wrote). So tags are allowed by their shape, and few of them.
"""

from __future__ import annotations

import functools
import itertools
import logging
import re
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final

from aivideoapi_core._constructor_errors import with_known_arguments
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.blocks import Blocks

logger = logging.getLogger("aivideoapi")

MAX_TAGS: Final = 16
"""Of one record; the first ones stay."""
MAX_TAG_CHARS: Final = 64
_TAG: Final = re.compile(rf"(?=.{{1,{MAX_TAG_CHARS}}}\Z)\w[\w.:=/@+#-]*\Z")
"""An identifier: no blanks, no control characters, no punctuation of sentences."""
_OF_ONE_RUN: Final = re.compile(
    r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}|(?=\w*\d)[0-9a-f]{16,}|\d{12,}",
    re.IGNORECASE,
)
"""UUIDs, hashes and times: the id of a run says nothing about who pays, and makes a row of its own in every sum."""

_BLOCKS: Final[Blocks[tuple[str, ...]]] = Blocks("aivideoapi_spend_tags")


def is_tag(text: object) -> bool:
    """Whether ``text`` has the shape of a tag."""
    return isinstance(text, str) and _TAG.match(text) is not None and _OF_ONE_RUN.search(text) is None


def tag_list(tags: Any) -> Iterable[str]:
    """A caller's list of tags. Raises ``InvalidInputError`` for a text, which would be a tag for each letter."""
    if tags is None or isinstance(tags, (str, Mapping)) or not isinstance(tags, Iterable):
        raise InvalidInputError(f"spend_tags must be a list of tags, such as ['team=search'], not {tags!r}")
    return tags


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Those of ``tags`` that have the shape of one, each once, at most ``MAX_TAGS``."""
    if not tags:
        return ()
    return _cleaned(tuple(tag for tag in tags if isinstance(tag, str)))


@functools.lru_cache(maxsize=512)
def _cleaned(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag for tag in tags if is_tag(tag)))[:MAX_TAGS]


@with_known_arguments
def spend_tags(*tags: str) -> AbstractContextManager[None]:
    """Put ``tags`` on every call of the block, nested blocks add theirs; for ledgers and trackers.

    A tag is a short identifier: up to 64 letters, digits and ``. _ - : = / @ + #``. What is none is left out, which
    the log says once per block: texts and the ids of single runs do not belong into a book.
    """
    left_out = sum(not is_tag(tag) for tag in tags)
    if left_out:
        logger.warning("spend_tags: %d of %d are no tags (see its documentation)", left_out, len(tags))
    return tagged(tags)


def tagged(tags: tuple[str, ...]) -> AbstractContextManager[None]:
    """``spend_tags`` for tags that were looked at before, by ``clean_tags``."""
    return _BLOCKS.open(tags)


def current_spend_tags() -> tuple[str, ...]:
    """The tags of the enclosing ``spend_tags`` blocks, outermost first."""
    return tuple(itertools.chain.from_iterable(_BLOCKS.values()))
