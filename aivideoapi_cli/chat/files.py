"""Files around a chat: what is attached to a question, and where conversations are kept."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any, Final

from aivideoapi_cli._terminal import CommandError

_STARTS: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
"""How the files begin that are not sent as text; names and endings can lie."""


def block_of(path: Path) -> dict[str, Any]:
    """The block for a file: an image, a PDF, or its text under its name. Raises ``CommandError``."""
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise CommandError(f"cannot read {path}: {error.strerror or error}") from error
    media_type = next((kind for start, kind in _STARTS if data.startswith(start)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        media_type = "image/webp"
    if media_type is None:
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text:
            raise CommandError(f"{path} is neither text in UTF-8, nor an image, nor a PDF")
        if not text.strip():
            raise CommandError(f"{path} is empty")
        return {"type": "text", "text": f'<file name="{path.name}">\n{text.rstrip()}\n</file>'}
    source = {"type": "base64", "media_type": media_type, "data": base64.b64encode(data).decode("ascii")}
    return {"type": "document" if media_type == "application/pdf" else "image", "source": source}


def last_conversation() -> Path:
    """Where the last conversation is kept for ``--continue``, in the user's folder for such things."""
    if os.name == "nt":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    else:
        base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "aivideoapi" / "last-chat.json"


def keep(path: Path, text: str) -> None:
    """Write a conversation for this user alone. A place that cannot be written to is left alone."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(text)
    except OSError:
        return  # a read-only home must not end a conversation that was paid for


def read(path: Path) -> str:
    """The text of a saved conversation. Raises ``CommandError``."""
    try:
        return path.expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(f"cannot read {path}: {reason}") from error
