"""One question about a picture and a PDF, with each framework.

python examples/look_at_image.py [IMAGE.png] [REPORT.pdf] [QUESTION]
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

from _connect import connect
from langchain_core.messages import HumanMessage
from llama_index.core.llms import ChatMessage, DocumentBlock, ImageBlock, TextBlock

from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

DATA = Path(__file__).parent / "data"
MODEL = "claude-sonnet-4-6/anthropic"


def with_langchain(image: Path, report: Path, question: str) -> str:
    """Files as base64 blocks of LangChain's standard content."""
    picture = {
        "type": "image",
        "base64": base64.b64encode(image.read_bytes()).decode(),
        "mime_type": "image/png",
    }
    pdf = {
        "type": "file",
        "base64": base64.b64encode(report.read_bytes()).decode(),
        "mime_type": "application/pdf",
    }
    text = {"type": "text", "text": question}
    message = ChatAIVideoAPI(model=MODEL, max_tokens=600).invoke([HumanMessage([picture, pdf, text])])
    return message.text


def with_llamaindex(image: Path, report: Path, question: str) -> str:
    """Files by their paths; they are read when the call is made."""
    blocks = [
        ImageBlock(path=image),
        DocumentBlock(path=report, title=report.stem, document_mimetype="application/pdf"),
        TextBlock(text=question),
    ]
    return (
        AIVideoAPI(model=MODEL, max_tokens=600)
        .chat([ChatMessage(role="user", blocks=blocks)])
        .message.content
        or ""
    )


def main(image: Path, report: Path, question: str) -> None:
    connect()
    print(f"Q: {question}\n")
    print("LangChain :", with_langchain(image, report, question))
    print("LlamaIndex:", with_llamaindex(image, report, question))


if __name__ == "__main__":
    main(
        Path(sys.argv[1]) if len(sys.argv) > 1 else DATA / "chart.png",
        Path(sys.argv[2]) if len(sys.argv) > 2 else DATA / "report.pdf",
        sys.argv[3] if len(sys.argv) > 3 else "Does the chart agree with the report?",
    )
