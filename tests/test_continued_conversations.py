"""What tools, stores and other providers left in a saved history: each conversation goes on, in both adapters."""

from __future__ import annotations

import base64
import json
import logging
from typing import Any, Final

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_core.messages import ChatMessage as RoleMessage
from llama_index.core.base.llms.types import (
    AudioBlock,
    BaseContentBlock,
    CacheControl,
    CachePoint,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from llama_index.core.llms import ChatMessage
from strict import complaints

from aivideoapi_core import InvalidInputError
from aivideoapi_core.sandbox import Reply, Sandbox
from langchain_aivideoapi import ChatAIVideoAPI
from llamaindex_aivideoapi import AIVideoAPI

MODELS: Final = ("claude-sonnet-4-6", "claude-sonnet-4-6/anthropic")
PNG: Final = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
ZIP: Final = base64.b64encode(b"PK\x03\x04\x00\xff\xfe").decode()
SVG: Final = base64.b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'/>").decode()
CALL: Final = {"name": "look", "args": {}, "id": "toolu_1", "type": "tool_call"}


def sent_by_langchain(sandbox: Sandbox, model: str, messages: list[BaseMessage]) -> list[Any]:
    ChatAIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0).invoke(messages)
    turns: list[Any] = sandbox.requests[-1].body["messages"]
    return turns


def sent_by_llamaindex(sandbox: Sandbox, model: str, messages: list[ChatMessage]) -> list[Any]:
    AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url, max_retries=0).chat(messages)
    turns: list[Any] = sandbox.requests[-1].body["messages"]
    return turns


RESULTS: Final[list[Any]] = [
    pytest.param([{"type": "file", "mime_type": "application/zip", "base64": ZIP, "filename": "a.zip"}], ["a.zip", "application/zip", "bytes"], id="zip"),
    pytest.param([{"type": "audio", "base64": "AAAA", "mime_type": "audio/wav"}], ["audio", "audio/wav", "3 bytes"], id="audio"),
    pytest.param([{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}}], ["mp3"], id="OpenAI's audio"),
    pytest.param([{"type": "video", "url": "https://x.org/a.mp4"}], ["video", "https://x.org/a.mp4"], id="video"),
    pytest.param([{"type": "image", "base64": SVG, "mime_type": "image/svg+xml"}], ["image/svg+xml"], id="svg"),
    pytest.param([{"type": "image", "base64": base64.b64encode(b"BM" + b"\0" * 40).decode(), "mime_type": "image/png"}], ["image"], id="bitmap called PNG"),
    pytest.param([{"type": "image", "base64": "%%%", "mime_type": "image/png"}], ["image/png"], id="no base64"),
    pytest.param([{"type": "image", "base64": f"{PNG[:40]}%%%%{PNG[44:]}", "mime_type": "image/png"}], ["image/png"], id="base64 that breaks off in the middle"),
    pytest.param([{"type": "image", "base64": PNG[:40] + "A" * 8_000_000, "mime_type": "image/png"}], ["image/png"], id="too large"),
    pytest.param([{"type": "image", "url": "file:///tmp/a.png"}], ["file:///tmp/a.png"], id="file link"),
    pytest.param([{"type": "file", "url": "db://rows/1", "mime_type": "text/csv"}], ["db://rows/1", "text/csv"], id="db link"),
    pytest.param([{"type": "file", "url": "ui://widget"}], ["ui://widget"], id="ui link"),
    pytest.param([{"type": "hologram", "depth": 3}], ["hologram", "3"], id="unknown"),
    pytest.param([{"rows": [1, 2]}], ["rows", "[1,2]"], id="no type"),
    pytest.param(["a", {"type": "text", "text": "b"}], ["a", "b"], id="texts"),
    pytest.param([{"type": "resource_link", "uri": "db://a", "name": "a.txt", "mimeType": "text/plain"}], ["a.txt", "text/plain", "db://a"], id="MCP's link"),
    pytest.param([{"type": "resource", "resource": {"uri": "x://a", "text": "hello"}}], ["hello"], id="MCP's text"),
    pytest.param([{"type": "resource", "resource": {"uri": "x://a", "mimeType": "application/zip", "blob": ZIP}}], ["x://a", "application/zip", "bytes"], id="MCP's bytes"),
    pytest.param([{"type": "resource", "resource": {"uri": "x://a", "mimeType": "image/png", "blob": PNG}}], [PNG], id="MCP's image as a resource"),
    pytest.param([{"type": "image", "data": PNG, "mimeType": "image/png", "annotations": {"priority": 1}}], [PNG], id="MCP's image"),
    pytest.param([{"type": "audio", "data": "AAAA", "mimeType": "audio/wav"}], ["audio/wav"], id="MCP's audio"),
    pytest.param([{"type": "text", "text": "x", "annotations": {"audience": ["user"]}, "_meta": {}}], ["x"], id="MCP's text with notes"),
    pytest.param([{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG, "x": 1}, "alt": "y", "id": "1"}], [PNG], id="fields of its own"),
    pytest.param([{"type": "image", "source": None}], ["image"], id="no source"),
    pytest.param([{"type": "image", "source": {"type": "s3", "url": "s3://x"}}], ["s3://x"], id="a source elsewhere"),
    pytest.param([{"type": "image", "url": "https://x.org/a b.png"}], ["https://x.org/a%20b.png"], id="blank in a URL"),
    pytest.param([{"type": "image", "url": "https://"}], ["https://"], id="no host"),
    pytest.param([{"type": "image", "url": "HTTPS://x.org/A.png"}], ["https://x.org/A.png"], id="scheme in capitals"),
    pytest.param([{"type": "document", "source": {"type": "text", "media_type": "text/markdown", "data": "# x"}, "title": "", "context": None}], ["# x"], id="markdown"),
    pytest.param([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}, "title": "t" * 600}], ["ttt…"], id="long title"),
    pytest.param([{"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": " "}}], ["document"], id="blank document"),
    pytest.param([{"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": ""}, {"type": "text", "text": "x"}]}}], ["x"], id="blank part"),
    pytest.param([{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x", "id": "1"}, {"type": "text", "text": ""}], "score": 1}], ["x"], id="search result"),
    pytest.param([{"type": "search_result", "source": "s", "content": "found"}], ["found"], id="search result without title"),
    pytest.param([{"type": "text", "text": "x", "cache_control": {"type": "persistent"}}], ["x"], id="no breakpoint"),
    pytest.param([{"type": "image", "base64": PNG}], [PNG], id="image without its type"),
    pytest.param([{"type": "image", "base64": ""}], ["image"], id="image of nothing"),
    pytest.param([{"type": "image", "source_type": "base64", "data": PNG}], [PNG], id="older image without its type"),
    pytest.param([{"type": "tool_reference"}], ["tool reference"], id="reference to no tool"),
    pytest.param([{"type": "tool_reference", "tool_name": "a.b"}], ["tool a_b: it is not available"], id="reference to a tool that is gone"),
    pytest.param([{"type": "browser_state", "url": "https://x.org"}], ["browser state", "https://x.org"], id="browser without tabs"),
    pytest.param([{"type": "text", "text": "x", "citations": [{"type": "char_location"}, {"type": "web_search_result_location", "url": "u"}]}], ["x"], id="half a citation"),
    pytest.param([{"a\ud83d": float("nan"), "b": [float("inf")]}], ["nan", "inf"], id="no JSON"),
    pytest.param([{"type": "text", "text": "x", "extras": 3}, {"type": "image", "extras": "y"}], ["x"], id="malformed"),
    pytest.param([{"audio": {"format": "wav", "source": {"bytes": b"x"}}}, {"searchResult": {"source": "s", "title": "t", "content": [{"text": "x"}]}}], ["wav", "search_result"], id="Bedrock's"),
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("content", "words"), RESULTS)
def test_results_that_cannot_be_sent_are_told(
    sandbox: Sandbox, model: str, content: Any, words: list[str]
) -> None:
    turns = sent_by_langchain(
        sandbox,
        model,
        [HumanMessage("hi"), AIMessage("", tool_calls=[CALL]), ToolMessage(content, tool_call_id="toolu_1")],
    )
    result, *below = turns[-1]["content"]
    parts = [result["content"]] if isinstance(result["content"], str) else [*result["content"], *below]
    said = "".join(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in parts)
    assert [word for word in words if word not in said] == []
    assert len(said) < 1_000
    assert complaints(sandbox.requests[-1].body) == []


def holds_itself() -> Any:
    value: dict[str, Any] = {"type": "json", "name": "loop"}
    value["me"] = [value]
    return value


class Silent:
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    "content",
    [
        None,
        3,
        {"rows": [1]},
        {"type": "text", "text": "x"},
        b"\xff",
        Silent(),
        float("nan"),
        {1, 2},
        ValueError("x"),
        holds_itself(),
    ],
)
def test_results_of_any_type(sandbox: Sandbox, content: Any) -> None:
    message = ToolMessage("", tool_call_id="toolu_1")
    message.content = content
    turns = sent_by_langchain(
        sandbox, MODELS[1], [HumanMessage("hi"), AIMessage("", tool_calls=[CALL]), message]
    )
    assert turns[-1]["content"][0]["type"] == "tool_result"
    assert complaints(sandbox.requests[-1].body) == []


BLOCKS: Final[list[Any]] = [
    pytest.param("openai", {"type": "refusal", "refusal": "no way"}, "no way", id="refusal"),
    pytest.param("openai", {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "sky"}}, "sky", id="web search"),
    pytest.param("openai", {"type": "file_search_call", "id": "fs_1", "queries": ["sky"], "results": None}, "sky", id="file search"),
    pytest.param("openai", {"type": "computer_call", "id": "cu_1", "call_id": "c", "action": {"type": "click", "x": 1}}, "click", id="computer"),
    pytest.param("openai", {"type": "code_interpreter_call", "id": "ci_1", "code": "print(1)", "outputs": []}, "print(1)", id="code"),
    pytest.param("openai", {"type": "image_generation_call", "id": "ig_1", "result": PNG * 100}, "image generation call", id="picture"),
    pytest.param("openai", {"type": "mcp_call", "id": "m_1", "name": "roll", "arguments": "{}", "output": "4"}, "roll", id="mcp"),
    pytest.param("openai", {"type": "mcp_list_tools", "id": "m_2", "tools": [{"name": "roll"}]}, "roll", id="mcp tools"),
    pytest.param("openai", {"type": "non_standard", "value": {"type": "web_search_call", "action": {"query": "sky"}}}, "sky", id="in non_standard"),
    pytest.param("openai", {"type": "server_tool_call", "id": "ws_1", "name": "web_search", "args": {"query": "sky"}}, "sky", id="standard call"),
    pytest.param(None, {"type": "server_tool_call", "id": "ws_1", "name": "web_search", "args": {"query": "sky"}}, "sky", id="standard call of nobody"),
    pytest.param("openai", {"type": "server_tool_result", "tool_call_id": "ws_1", "status": "success", "output": "blue"}, "blue", id="standard result"),
    pytest.param("bedrock_converse", {"guardContent": {"text": {"text": "guarded"}}}, "guarded", id="guard"),
    pytest.param("bedrock_converse", {"citationsContent": {"content": [{"text": "cited"}], "citations": []}}, "cited", id="citations"),
    pytest.param("bedrock_converse", {"reasoningContent": {"reasoningText": {"text": "thought"}}}, "thought", id="reasoning"),
    pytest.param("google_genai", {"type": "thinking", "thinking": "thought", "signature": "g"}, "thought", id="Gemini's thought"),
    pytest.param("google_genai", {"type": "text", "text": "thought", "thought": True}, "thought", id="Gemini's thought in text"),
    pytest.param("google_genai", {"type": "executable_code", "executable_code": {"code": "print(1)", "language": "PYTHON"}}, "print(1)", id="Gemini's code"),
    pytest.param("google_genai", {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, "image/png", id="Gemini's picture"),
    pytest.param("deepseek", {"type": "hologram", "says": "deep"}, "deep", id="anything"),
    pytest.param("openai", {"type": "compaction", "id": "cmp_1", "encrypted_content": "x"}, "compaction", id="OpenAI's compaction"),
    pytest.param("mistralai", {"type": "thinking", "thinking": [{"type": "text", "text": "thought"}]}, "thought", id="Mistral's thought"),
    pytest.param("bedrock_converse", {"type": "text", "text": "cited", "citations": [{"title": "t", "location": {}}]}, "cited", id="Bedrock's citation"),
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("provider", "block", "words"), BLOCKS)
def test_turns_of_other_providers_go_on(
    sandbox: Sandbox, model: str, provider: str | None, block: dict[str, Any], words: str
) -> None:
    said = AIMessage([block, {"type": "text", "text": "So."}], response_metadata={"model_provider": provider})
    turns = sent_by_langchain(sandbox, model, [HumanMessage("hi"), said, HumanMessage("go on")])
    told, last = turns[1]["content"]
    assert told["type"] == "text"
    assert words in told["text"]
    assert len(told["text"]) < 1_000
    assert last == {"type": "text", "text": "So."}
    assert complaints(sandbox.requests[-1].body) == []


@pytest.mark.parametrize("extra", [{"refusal": "no way"}, {"audio": {"id": "a", "transcript": "no way"}}])
def test_what_is_said_beside_an_empty_content(sandbox: Sandbox, extra: dict[str, Any]) -> None:
    history = [HumanMessage("hi"), AIMessage("", additional_kwargs=extra), HumanMessage("go on")]
    assert sent_by_langchain(sandbox, MODELS[1], history)[1]["content"] == "no way"


def test_arguments_that_are_no_json(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    call = {**CALL, "args": {"x": float("nan"), "y": b"\xff", "z": Silent()}}
    history = [
        HumanMessage("hi"),
        AIMessage("", tool_calls=[call]),
        ToolMessage("ok", tool_call_id="toolu_1"),
    ]
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        turns = sent_by_langchain(sandbox, MODELS[1], history)
    assert turns[1]["content"][0]["input"] == {"x": "nan", "y": "\ufffd", "z": "(Silent)"}
    assert "messages[1]" in caplog.text


def test_a_chat_message_may_be_a_result(sandbox: Sandbox) -> None:
    history = [HumanMessage("hi"), AIMessage("", tool_calls=[CALL]), RoleMessage("ok", role="tool")]
    assert sent_by_langchain(sandbox, MODELS[1], history)[2]["content"][0]["content"] == "ok"


def test_a_cache_point_of_bedrock_marks_what_is_before_it(sandbox: Sandbox) -> None:
    asked = HumanMessage([{"type": "text", "text": "hi"}, {"cachePoint": {"type": "default"}}])
    turns = sent_by_langchain(sandbox, MODELS[1], [asked])
    assert turns[0]["content"] == [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]


MADE: Final[list[Any]] = [
    pytest.param(AudioBlock(audio=b"RIFF0000WAVE", format="wav"), "wav", id="audio"),
    pytest.param(VideoBlock(url="https://x.org/a.mp4"), "https://x.org/a.mp4", id="video"),
    pytest.param(DocumentBlock(data=b"PK\x03\x04\x00\xff", title="a.zip", document_mimetype="application/zip"), "a.zip", id="zip"),
    pytest.param(ImageBlock(image=b"BM" + b"\0" * 40), "image", id="bitmap"),
    pytest.param(ImageBlock(url="file:///tmp/a.png"), "file:///tmp/a.png", id="link"),
    pytest.param(DocumentBlock(path="/nowhere/a.pdf"), "a.pdf", id="missing file"),
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("role", ["tool", "assistant"])
@pytest.mark.parametrize(("block", "words"), MADE)
def test_llamaindex_tells_them_too(
    sandbox: Sandbox, model: str, role: str, block: BaseContentBlock, words: str
) -> None:
    calls = [{"id": "toolu_1", "name": "look", "input": {}}]
    history = [ChatMessage("hi"), ChatMessage("", role="assistant", additional_kwargs={"tool_calls": calls})]
    made = ChatMessage(role=role, blocks=[block], additional_kwargs={"tool_call_id": "toolu_1"})
    turns = sent_by_llamaindex(
        sandbox, model, [*(history if role == "tool" else history[:1]), made, ChatMessage("go on")]
    )
    assert words in json.dumps(turns)
    with pytest.raises(InvalidInputError, match=r"messages\[0\]"):
        sent_by_llamaindex(sandbox, model, [ChatMessage(role="user", blocks=[block])])


def test_encrypted_thinking_of_another_provider(sandbox: Sandbox) -> None:
    thought = ThinkingBlock(
        content="hm", additional_information={"type": "reasoning", "encrypted_content": "x"}
    )
    turns = sent_by_llamaindex(
        sandbox, MODELS[1], [ChatMessage("hi"), ChatMessage(role="assistant", blocks=[thought, TextBlock(text="So.")]), ChatMessage("go")]
    )  # fmt: skip
    assert turns[1]["content"][0]["text"] == "<thinking>\nhm\n</thinking>"


IMAGES: Final[list[Any]] = [
    pytest.param({"type": "image", "base64": PNG, "mime_type": "image/jpeg"}, id="declared JPEG"),
    pytest.param({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": PNG}}, id="in the wire's form"),
    pytest.param({"type": "image_url", "image_url": f"data:image/PNG;base64,{PNG}"}, id="upper case"),
    pytest.param({"type": "image", "base64": f"data:image/jpeg;base64,{PNG}", "mime_type": "image/jpeg"}, id="a data URI for data"),
    pytest.param({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": f"data:image/png;base64,{PNG}"}}, id="a data URI in the wire's form"),
    pytest.param({"type": "image_url", "image_url": f"data:;base64, {PNG}"}, id="no type"),
    pytest.param({"type": "image_url", "image_url": f"DATA:image/png;charset=utf-8;BASE64,{PNG}"}, id="parameters"),
    pytest.param({"type": "image", "base64": f"{PNG[:20]}\r\n{PNG[20:]}\n", "mime_type": "image/png"}, id="line breaks"),
    pytest.param({"type": "image", "base64": PNG.translate(str.maketrans("+/", "-_")).rstrip("="), "mime_type": "image/png"}, id="URL-safe"),
    pytest.param({"type": "image", "base64": PNG, "mime_type": "application/octet-stream"}, id="any bytes"),
    pytest.param({"type": "file", "base64": PNG, "mime_type": "application/octet-stream"}, id="a file"),
    pytest.param({"type": "image_url", "image_url": f" data:image/png;base64,{PNG}"}, id="a blank before it"),
    pytest.param({"type": "image", "base64": f"\ufeff{PNG[:20]}\u00a0{PNG[20:]}", "mime_type": "image/png"}, id="blanks beyond ASCII"),
    pytest.param({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": base64.b64decode(PNG)}}, id="bytes in the wire's form"),
    pytest.param({"type": "image", "base64": base64.b64encode(f"{PNG[:40]}\n{PNG[40:]}".encode()).decode()}, id="encoded twice"),
    pytest.param({"inline_data": {"mime_type": "image/jpeg", "data": PNG}}, id="Gemini's"),
    pytest.param({"inlineData": {"mimeType": "image/jpeg", "data": base64.b64decode(PNG)}}, id="Gemini's bytes"),
]  # fmt: skip


@pytest.mark.parametrize("block", IMAGES)
def test_the_bytes_say_what_an_image_is(sandbox: Sandbox, block: dict[str, Any]) -> None:
    (sent,) = sent_by_langchain(sandbox, MODELS[1], [HumanMessage([block])])[0]["content"]
    assert sent == {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}}


def test_llamaindex_takes_base64_with_line_breaks(sandbox: Sandbox) -> None:
    """LlamaIndex takes it for bytes and encodes it again."""
    wrapped = f"{PNG[:40]}\n{PNG[40:]}\n".encode()
    blocks: list[Any] = [
        ImageBlock(image=wrapped),
        DocumentBlock(data=wrapped, document_mimetype="application/pdf"),
    ]
    for block in sent_by_llamaindex(sandbox, MODELS[1], [ChatMessage(role="user", blocks=blocks)])[0][
        "content"
    ]:
        assert block == {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": PNG},
        }


def test_an_image_at_a_url_of_no_type_is_an_image(sandbox: Sandbox) -> None:
    block = {"type": "image", "url": "https://x.org/a", "mime_type": "application/octet-stream"}
    (sent,) = sent_by_langchain(sandbox, MODELS[1], [HumanMessage([block])])[0]["content"]
    assert sent == {"type": "image", "source": {"type": "url", "url": "https://x.org/a"}}


def test_half_an_emoji_is_told_of_once(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    messages = [
        HumanMessage("hi"),
        AIMessage("", tool_calls=[CALL]),
        ToolMessage("a\ud83d b", tool_call_id="toolu_1"),
    ]
    with caplog.at_level(logging.WARNING, "aivideoapi"):
        turns = sent_by_langchain(sandbox, MODELS[1], messages)
    assert turns[-1]["content"][0]["content"] == "a\ufffd b"
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["messages[2]"]
    assert sent_by_llamaindex(sandbox, MODELS[1], [ChatMessage("a\ud83d b")])[0]["content"] == "a\ufffd b"


def test_what_a_framework_cannot_say_of_a_block_goes_back(sandbox: Sandbox) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}, "toolset_name": "eyes"}
    sandbox.enqueue(Reply(content=[call], stop_reason="tool_use"))
    llm = AIVideoAPI(model=MODELS[1], api_key=sandbox.api_key, base_url=sandbox.url)
    first = llm.chat([ChatMessage("hi")]).message
    blue = ChatMessage("blue", role="tool", additional_kwargs={"tool_call_id": "toolu_1"})
    llm.chat([ChatMessage("hi"), first, blue])
    turns = sandbox.requests[-1].body["messages"]
    assert turns[1]["content"] == [call]
    assert turns[2]["content"][0]["toolset_name"] == "eyes"


@pytest.mark.parametrize("mark", [{"type": "ephemeral", "ttl": "9h"}, {"type": "persistent"}])
def test_a_breakpoint_that_is_none_ends_no_conversation(sandbox: Sandbox, mark: dict[str, str]) -> None:
    """Of a model or a tool, that is: what the user wrote raises, naming what the wire takes."""
    block = {"type": "text", "text": "x", "cache_control": mark}
    chat: list[BaseMessage] = [
        HumanMessage("hi"),
        AIMessage([block, {**block, "text": ""}], tool_calls=[CALL]),
        ToolMessage([block], tool_call_id="toolu_1"),
    ]
    point = CachePoint(cache_control=CacheControl(**mark))
    told = [
        ChatMessage("hi"),
        ChatMessage(role="assistant", blocks=[TextBlock(text="x"), point, ToolCallBlock(tool_call_id="toolu_1", tool_name="look")]),
        ChatMessage(role="tool", blocks=[TextBlock(text="x"), point], additional_kwargs={"tool_call_id": "toolu_1"}),
    ]  # fmt: skip
    for turns in (sent_by_langchain(sandbox, MODELS[1], chat), sent_by_llamaindex(sandbox, MODELS[1], told)):
        assert "cache_control" not in json.dumps(turns)
        assert complaints(sandbox.requests[-1].body) == []
    with pytest.raises(InvalidInputError, match="cache_control"):
        sent_by_langchain(sandbox, MODELS[1], [HumanMessage([block])])


BUDGET: Final = {"type": "enabled", "budget_tokens": 1024}


def test_a_loop_that_began_without_thinking_goes_on(sandbox: Sandbox, caplog: Any) -> None:
    """Another model's calls, answered by one that thinks with a budget: it does so from the user's next turn on."""
    where: Any = {
        "api_key": sandbox.api_key,
        "base_url": sandbox.url,
        "thinking": BUDGET,
        "max_tokens": 4_000,
    }
    model = "claude-haiku-4-5/anthropic"
    chat = ChatAIVideoAPI(model=model, **where)
    called = AIMessage("", tool_calls=[CALL], response_metadata={"model_provider": "openai"})
    history: list[BaseMessage] = [HumanMessage("hi"), called, ToolMessage("x", tool_call_id="toolu_1")]
    history += [chat.invoke(history), HumanMessage("and then?")]
    chat.invoke(history)
    call = ToolCallBlock(tool_call_id="toolu_1", tool_name="look")
    told = [ChatMessage("hi"), ChatMessage(role="assistant", blocks=[call])]
    told += [ChatMessage(role="tool", content="x", additional_kwargs={"tool_call_id": "toolu_1"})]
    AIVideoAPI(model=model, **where).chat(told)
    assert [request.body.get("thinking") for request in sandbox.requests] == [None, BUDGET, None]
    chat.invoke(history[:3])
    assert len([record.message for record in caplog.records if "without thinking" in record.message]) == 1


def test_a_loop_of_ours_keeps_its_thinking(sandbox: Sandbox) -> None:
    chat = ChatAIVideoAPI(
        model="claude-haiku-4-5/anthropic", api_key=sandbox.api_key, base_url=sandbox.url,
        thinking=BUDGET, max_tokens=4_000,
    )  # fmt: skip
    sandbox.enqueue(Reply("", thinking="hm", tool_uses=[{"name": "look", "input": {}}]))
    tools: Any = [{"name": "look", "input_schema": {"type": "object", "properties": {}}}]
    reply = chat.bind_tools(tools).invoke("hi")
    chat.bind_tools(tools).invoke(
        [HumanMessage("hi"), reply, ToolMessage("x", tool_call_id=reply.tool_calls[0]["id"])]
    )
    assert [request.body.get("thinking") for request in sandbox.requests] == [BUDGET, BUDGET]
