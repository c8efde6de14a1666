"""Limits of a tool's result: what no request may hold is told in words, for the conversation goes on.

A text that is longer than the model's window, more or larger images than a request takes, a reference to a tool that
is not there. So are files that the user sent in a turn which has been answered; those of a new turn raise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.image_size import longest_side
from aivideoapi_core._outbound.text import told, warn_once

LONG_RESULT: Final = 40_000
"""Characters of a text that is looked at; of one that cannot be sent, so many are left."""
SEARCH_RESULT: Final = "tool_search_tool_result"
_CHARACTERS_PER_TOKEN: Final = 4
"""More than English prose has (3.5, officially): a text of so many for each token of the window cannot fit."""
MANY_IMAGES: Final = 20
_SIDE_OF_MANY: Final = 2_000
"""Pixels of an image's longer side, officially, in a request with more than ``MANY_IMAGES``."""
_MOST_IMAGES: Final = ((200_000, 100), (10**9, 600))
"""Images in one request, officially, by the model's window."""
_MOST_DATA: Final = 30_000_000
"""Characters of base64 in one request; officially 32 MB of everything."""


def settle_results(
    parts: Sequence[dict[str, Any]],
    turns: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    *,
    window: int,
    pictures: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Put what cannot be sent into words, with a warning for each. ``parts``, oldest first, are changed.

    ``pictures``: images that the caller has just written; for those ``InvalidInputError`` is raised.
    UNVERIFIED: the limits are the official API's; the platform documents none of its own.
    """
    _cut_texts(parts, room=window * _CHARACTERS_PER_TOKEN)
    _tell_unknown_tools(parts, turns, tools)
    media = [part for part in parts if _data_of(part) or part["type"] == "image"]
    if media or pictures:
        everywhere = [part for turn in turns for part in _media_in(turn["content"])]
        left = _tell_media(media, everywhere, window=window)
        _check_pictures(pictures, left, window=window)


def _cut_texts(parts: Sequence[dict[str, Any]], *, room: int) -> None:
    """Leave head and tail of the longest texts until all of them could fit."""
    texts = [(len(holder[key]), holder, key) for part in parts for holder, key in _texts_in(part)]
    total = sum(length for length, _, _ in texts)
    for length, holder, key in sorted(texts, key=lambda each: -each[0]):
        if total <= room or length <= LONG_RESULT:
            return
        half = LONG_RESULT // 2
        text = holder[key]
        told_of = f"a tool's result of {length:,} characters is more than the model can read"
        holder[key] = (
            f"[{told_of}: here are its first and its last {half:,}]\n{text[:half]}\n[...]\n{text[-half:]}"
        )
        total -= length - len(holder[key])
        warn_once(f"{told_of}; {half:,} of its beginning and of its end are sent")


def _texts_in(part: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """What holds a text of a result, and under which key; of a document, a copy of its source."""
    if part["type"] == "document":
        source = part.get("source")
        if isinstance(source, Mapping) and source.get("type") == "text" and len(source["data"]) > LONG_RESULT:
            part["source"] = copied = dict(source)
            yield copied, "data"
    elif part["type"] == "search_result":
        yield from ((text, "text") for text in part["content"])
    else:
        key = "text" if part["type"] == "text" else "content"
        if isinstance(part.get(key), str):
            yield part, key


def _tell_unknown_tools(
    parts: Sequence[dict[str, Any]], turns: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]
) -> None:
    """A reference to a tool that is not in the request: the wire refuses it."""
    references = [part for part in parts if part["type"] in ("tool_reference", SEARCH_RESULT)]
    if not references or any(tool.get("type") == "mcp_toolset" for tool in tools):
        return  # what a server of MCP has is not known here
    known = {tool.get("name") for tool in tools} | _defined_in(turns)
    for part in references:
        if part["type"] == SEARCH_RESULT:
            part["content"] = _without_unknown(part.get("content"), known)
        elif (name := part["tool_name"]) not in known:
            _replace(part, {"type": "text", "text": f"[tool {name}: it is not available now]"})


def _without_unknown(found: Any, known: set[Any]) -> Any:
    """What the server's tool search found, less what is not there any more."""
    listed = found.get("tool_references") if isinstance(found, Mapping) else None
    if not isinstance(listed, list):
        return found
    kept = [each for each in listed if isinstance(each, Mapping) and each.get("tool_name") in known]
    return found if len(kept) == len(listed) else {**found, "tool_references": kept}


def _defined_in(turns: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Names of tools that came in the middle of the conversation."""
    changes = (part.get("tool") for turn in turns for part in turn["content"] if isinstance(part, Mapping))
    defined = (tool.get("definition") for tool in changes if isinstance(tool, Mapping))
    return {tool.get("name") for tool in defined if isinstance(tool, Mapping)}


def _check_pictures(pictures: Sequence[Mapping[str, Any]], count: int, *, window: int) -> None:
    """Raise ``InvalidInputError`` for images of the caller's that cannot all be in one request."""
    if count > (most := _most_images(window)):
        raise InvalidInputError(f"the request has {count} images; the limit is {most}: send fewer at a time")
    for number, part in enumerate(pictures if count > MANY_IMAGES else ()):
        if (side := longest_side(_data_of(part)) or 0) > _SIDE_OF_MANY:
            raise InvalidInputError(
                f"image {number + 1} of the last turn has a side of {side:,} pixels; in a request with more than "
                f"{MANY_IMAGES} images (this has {count}) the limit is {_SIDE_OF_MANY:,}: scale it down, or send fewer"
            )


def _most_images(window: int) -> int:
    return next(count for least, count in _MOST_IMAGES if window <= least)


def _tell_media(
    media: Sequence[dict[str, Any]], everywhere: Sequence[Mapping[str, Any]], *, window: int
) -> int:
    """Tell those that are too many or too large, oldest first; how many images are left."""
    images = [part for part in everywhere if part["type"] == "image"]
    most = _most_images(window)
    count, size = len(images), sum(map(len, map(_data_of, everywhere)))
    is_many = count > MANY_IMAGES
    for part in media:  # the oldest are the first to go
        data, is_image = _data_of(part), part["type"] == "image"
        if is_image and is_many and (longest_side(data) or 0) > _SIDE_OF_MANY:
            why = f"its side is longer than {_SIDE_OF_MANY:,} pixels, in a request with more than {MANY_IMAGES} images"
        elif is_image and count > most:
            why = f"the request has more than {most} images"
        elif size > _MOST_DATA:
            why = f"the request has more than {_MOST_DATA:,} bytes of images and files"
        else:
            continue
        count, size = count - is_image, size - len(data)
        said = told(part) or {"type": "text", "text": f"[{part['type']}]"}
        warn_once(
            f"an image or file of {len(data) * 3 // 4:,} bytes is told in words: {why}", of=(why, hash(data))
        )
        _replace(part, said)
    return count


def _media_in(content: Any) -> list[Mapping[str, Any]]:
    """Images and documents of a turn, those in tools' results too."""
    found: list[Mapping[str, Any]] = []
    for part in content if isinstance(content, list) else ():
        if part["type"] == "tool_result":
            found += _media_in(part.get("content"))
        elif part["type"] in ("image", "document"):
            found.append(part)
    return found


def _data_of(part: Mapping[str, Any]) -> str:
    """The base64 text in an image or a document; empty for one that is elsewhere."""
    source = part.get("source")
    data = source.get("data") if isinstance(source, Mapping) and source.get("type") == "base64" else None
    return data if isinstance(data, str) else ""


def _replace(part: dict[str, Any], words: Mapping[str, Any]) -> None:
    """Put words in the place of a part, which keeps its breakpoint."""
    mark = part.get("cache_control")
    part.clear()
    part.update(words)
    if mark is not None:
        part["cache_control"] = mark
