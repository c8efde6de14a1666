"""Signatures of thinking blocks: made here, checked here, so that loss and tampering are caught.

A signature holds a fixed mark, a digest of the hidden thinking, and a MAC over that digest and the
visible text. The MAC key is no secret: any sandbox accepts what any other sandbox signed, which lets
recorded conversations be continued.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

_MARK: Final = b"aivideoapi-sandbox\x00"
_MAC_KEY: Final = b"aivideoapi sandbox thinking signature, version 1"
_FOREIGN_MIN_BYTES: Final = 32


def sign(visible: str, hidden: str | None = None) -> str:
    """Signature for a thinking block showing ``visible`` (empty when the display is omitted)."""
    digest = hashlib.blake2b((hidden or visible).encode("utf-8", "backslashreplace"), digest_size=16).digest()
    return base64.b64encode(_MARK + digest + _mac(digest, visible)).decode()


def is_own(signature: str) -> bool:
    """Whether a sandbox made this signature (even if it was cut or changed after its first bytes)."""
    raw = _decoded(signature[: len(signature) // 4 * 4])
    return raw is not None and raw.startswith(_MARK)


def is_valid(signature: str, visible: str) -> bool:
    """Whether a sandbox signed exactly this visible text."""
    raw = _decoded(signature)
    if raw is None or not raw.startswith(_MARK):
        return False
    digest, mac = raw[len(_MARK) : len(_MARK) + 16], raw[len(_MARK) + 16 :]
    return hmac.compare_digest(mac, _mac(digest, visible))


def is_plausible(signature: str) -> bool:
    """Whether it has the form of some other provider's signature: base64 of a fair length."""
    raw = _decoded(signature)
    return raw is not None and len(raw) >= _FOREIGN_MIN_BYTES


def _mac(digest: bytes, visible: str) -> bytes:
    return hmac.new(_MAC_KEY, digest + visible.encode("utf-8", "backslashreplace"), hashlib.sha256).digest()


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
