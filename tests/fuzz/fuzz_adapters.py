"""Coverage-guided fuzzing of the adapters' translators of streams. By hand; needs ``atheris``.

    python tests/fuzz/fuzz_adapters.py -max_total_time=60 CORPUS_DIR tests/core/streams

Whatever message the bytes come to: both adapters translate every event of it, and the sum of what streams is what
the whole reply is.
"""

from __future__ import annotations

import functools
import operator
import sys
from typing import Any

import atheris

with atheris.instrument_imports(include=["aivideoapi_core", "langchain_aivideoapi", "llamaindex_aivideoapi"]):
    from aivideoapi_core import AIVideoAPIError, Reply, StreamReader
    from aivideoapi_core.adapter_kit import Changed
    from langchain_aivideoapi._inbound.message import to_result
    from langchain_aivideoapi._inbound.streams import ChunkStream, EventStream
    from llamaindex_aivideoapi._inbound.message import to_response
    from llamaindex_aivideoapi._inbound.streams import ResponseStream

MODEL = "claude-sonnet-4-6/anthropic"
CHANGES = (
    Changed(),
    Changed(output_tool="roll"),
    Changed(text_format={"answer": {"type": "object", "properties": {"n": {"type": "integer"}}}}),
)


def check(data: bytes) -> None:
    """One input: the last byte chooses what was asked for, the rest is the reply."""
    changed, structured = CHANGES[data[-1] % 3 if data else 0], bool(data and data[-1] & 4)
    reader = StreamReader()
    chunks = ChunkStream(reader.accumulator, structured=structured, with_usage=True, changed=changed)
    protocol = EventStream(reader.accumulator, model=MODEL, message_id="m", with_usage=True, changed=changed)
    responses = ResponseStream(reader.accumulator, one_call=False, changed=changed)
    found: list[Any] = []
    try:
        for source in (reader.feed(data[:-1]), reader.finish()):
            for event in source:
                if (chunk := chunks.feed(event)) is not None:
                    found.append(chunk)
                protocol.feed(event)
                if (response := responses.feed(event)) is not None:
                    response.model_dump_json()
    except AIVideoAPIError:
        return
    reply = Reply(reader.accumulator.message(), MODEL)
    found.append(chunks.last(reply))
    protocol.finish(reply)
    to_response(reply).model_dump_json()
    whole: Any = to_result(changed.read(reply)).generations[0].message
    summed: Any = functools.reduce(operator.add, found).message
    assert summed.tool_calls == whole.tool_calls, "other calls"
    assert summed.invalid_tool_calls == whole.invalid_tool_calls, "other invalid calls"
    if changed is CHANGES[0] and [block["index"] for block in _starts(reply)] == []:
        assert summed.text == whole.text, "another text"


def _starts(reply: Reply) -> list[Any]:
    return [block for block in reply.message["content"] if "index" in block]


if __name__ == "__main__":
    atheris.Setup(sys.argv, check)
    atheris.Fuzz()
