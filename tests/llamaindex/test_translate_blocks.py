"""Blocks of a user to the wire, judged by the official SDK's own types."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    CitableBlock,
    DocumentBlock,
    ImageBlock,
    VideoBlock,
)
from llamaindex_turns import PDF, PNG, b64, image_source, text, to_messages, translate, user

from aivideoapi_core import InvalidInputError

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20
GIF = b"GIF89a" + b"\0" * 20
WEBP = b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 20


def one_block(block: Any) -> Any:
    _, turns = translate([user(block)])
    assert len(turns) == len(turns[0]["content"]) == 1
    return turns[0]["content"][0]


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param(text("hi"), {"type": "text", "text": "hi"}, id="text"),
        pytest.param(
            ImageBlock(url="https://x.org/a.png"),
            {"type": "image", "source": {"type": "url", "url": "https://x.org/a.png"}},
            id="image url",
        ),
        pytest.param(ImageBlock(image=PNG), image_source("image/png", PNG), id="png bytes"),
        pytest.param(
            ImageBlock(image=b64(PNG).encode()), image_source("image/png", PNG), id="png base64 bytes"
        ),
        pytest.param(ImageBlock(image=BytesIO(JPEG)), image_source("image/jpeg", JPEG), id="jpeg stream"),
        pytest.param(ImageBlock(image=GIF), image_source("image/gif", GIF), id="gif"),
        pytest.param(ImageBlock(image=WEBP), image_source("image/webp", WEBP), id="webp"),
        pytest.param(
            ImageBlock(image=JPEG, image_mimetype="image/png"),
            image_source("image/jpeg", JPEG),
            id="wrong media type",
        ),
        pytest.param(
            ImageBlock(url=f"data:image/png;base64,{b64(PNG)}"),
            image_source("image/png", PNG),
            id="image data url",
        ),
        pytest.param(
            ImageBlock(image=PDF, image_mimetype="application/pdf"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
            },
            id="pdf as image",
        ),
        pytest.param(
            DocumentBlock(data=PDF, title="Report"),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
                "title": "Report",
            },
            id="pdf with title",
        ),
        pytest.param(
            DocumentBlock(data=BytesIO(PDF)),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
            },
            id="pdf stream without title",
        ),
        pytest.param(
            DocumentBlock(data="Grüße, plain text.".encode(), document_mimetype="text/plain"),
            {
                "type": "document",
                "source": {"type": "text", "media_type": "text/plain", "data": "Grüße, plain text."},
            },
            id="plain text",
        ),
        pytest.param(
            DocumentBlock(data=b"test", document_mimetype="text/plain"),
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "test"}},
            id="text that looks like base64",
        ),
        pytest.param(
            DocumentBlock(data=b"AAAA", document_mimetype="text/plain"),  # base64 of NULs, which are no text
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "AAAA"}},
            id="text that is base64 of no text",
        ),
        pytest.param(
            DocumentBlock(url="https://x.org/a.pdf"),
            {"type": "document", "source": {"type": "url", "url": "https://x.org/a.pdf"}},
            id="document url",
        ),
        pytest.param(
            CitableBlock(title="T", source="S", content="said so"),
            {
                "type": "search_result",
                "source": "S",
                "title": "T",
                "content": [{"type": "text", "text": "said so"}],
                "citations": {"enabled": True},
            },
            id="citable",
        ),
        pytest.param(
            CitableBlock(title="T", source="S", content=[DocumentBlock(data=PDF)]),
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)},
                "title": "T",
                "context": "S",
                "citations": {"enabled": True},
            },
            id="citable document",
        ),
    ],
)
def test_blocks_of_a_user(block: Any, expected: Any) -> None:
    assert one_block(block) == expected


def test_files_by_path(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "notes.md").write_text("# Notes", encoding="utf-8")
    assert one_block(ImageBlock(path=tmp_path / "a.png")) == image_source("image/png", PNG)
    assert one_block(DocumentBlock(path=tmp_path / "notes.md"))["source"]["data"] == "# Notes"


@pytest.mark.parametrize(
    ("block", "words"),
    [
        pytest.param(AudioBlock(audio=b"RIFF0000"), "audio cannot be sent", id="audio"),
        pytest.param(VideoBlock(video=b"0000ftyp"), "video cannot be sent", id="video"),
        pytest.param(ImageBlock(image=b"BM" + b"\0" * 30), "use JPEG, PNG, GIF or WebP", id="bitmap"),
        pytest.param(ImageBlock(), "no image, path or url", id="empty image"),
        pytest.param(DocumentBlock(data=b"PK\x03\x04\x00\xff"), "send a PDF or plain text", id="office file"),
        pytest.param(DocumentBlock(path="/nowhere/at/all.pdf"), "cannot read", id="missing file"),
        pytest.param(
            CitableBlock(title="t", source="s", content=[ImageBlock(image=PNG)]), "text or one document", id="citable image"
        ),
        pytest.param(CachePoint(cache_control=CacheControl(type="ephemeral")), "something before it", id="cache first"),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_raises(block: Any, words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        to_messages([user(block)])
