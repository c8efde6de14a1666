"""The size of an image, by its first bytes. Nothing is decoded but what says so."""

from __future__ import annotations

import base64
from typing import Final

_HEAD: Final = 44
"""Characters of base64 that hold the size of a PNG, GIF or WebP; a multiple of four."""
_NO_SIZE: Final = frozenset({0xC4, 0xC8, 0xCC})
"""JPEG markers among those of a frame's start (C0 to CF) that start none."""

_MOST_SEGMENTS: Final = 1_000
"""Of a JPEG are looked at; a photograph has some dozens before its frame, padding could have millions."""


def longest_side(data: str) -> int | None:
    """The longer side of a PNG, GIF, WebP or JPEG in pixels, from clean base64 text; ``None`` if it does not say."""
    head = base64.b64decode(data[:_HEAD])
    if head.startswith(b"\x89PNG") and head[12:16] == b"IHDR":
        return max(_big(head[16:20]), _big(head[20:24]))
    if head.startswith(b"GIF8"):
        return max(_little(head[6:8]), _little(head[8:10]))
    if head.startswith(b"RIFF"):
        return _webp_side(head)
    return _jpeg_side(data) if head.startswith(b"\xff\xd8") else None


def _webp_side(head: bytes) -> int | None:
    match head[12:16]:
        case b"VP8 ":
            return max(_little(head[26:28]) & 0x3FFF, _little(head[28:30]) & 0x3FFF)
        case b"VP8L":
            bits = _little(head[21:25])
            return max(bits & 0x3FFF, bits >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return max(_little(head[24:27]), _little(head[27:30])) + 1
    return None


def _jpeg_side(data: str) -> int | None:
    """From segment to segment up to the first frame; what stands before it may be a long preview."""
    at = 2
    for _ in range(_MOST_SEGMENTS):
        segment = _bytes_at(data, at, 9)
        if len(segment) < 9 or segment[0] != 0xFF:
            break
        marker = segment[1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            return max(_big(segment[5:7]), _big(segment[7:9]))
        at += 1 if marker == 0xFF else 2 + _big(segment[2:4])
    return None


def _bytes_at(data: str, at: int, count: int) -> bytes:
    """``count`` bytes of base64 text from the byte ``at`` on."""
    first = at // 3
    return base64.b64decode(data[first * 4 : (first + count // 3 + 2) * 4])[at % 3 :][:count]


def _big(raw: bytes) -> int:
    return int.from_bytes(raw, "big")


def _little(raw: bytes) -> int:
    return int.from_bytes(raw, "little")
