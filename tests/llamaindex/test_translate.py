"""Blocks and messages to the wire, judged by the official SDK's own types."""

from __future__ import annotations

import base64
import copy
import itertools
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from golden import recorded
from llama_index.core.base.llms.types import (
    AudioBlock,
    CacheControl,
    CachePoint,
    ChatMessage,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    MessageRole,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
    VideoBlock,
)
from official import REQUEST, assert_accepted

from aivideoapi_core import InvalidInputError
from llamaindex_aivideoapi._outbound.conversation import to_conversation as translated

_noted = recorded(translated)


def to_messages(messages: list[ChatMessage], **options: Any) -> tuple[Any, Any]:
    """The system prompt and the turns."""
    system, turns, *_ = _noted(messages, **options)
    return system, turns


PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 20
GIF = b"GIF89a" + b"\0" * 20
WEBP = b"RIFF\x10\0\0\0WEBPVP8 " + b"\0" * 20
PDF = b"%PDF-1.4\n%%EOF\n"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def user(*blocks: Any, **extra: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.USER, blocks=list(blocks), additional_kwargs=extra)


def assistant(*blocks: Any, **extra: Any) -> ChatMessage:
    return ChatMessage(role=MessageRole.ASSISTANT, blocks=list(blocks), additional_kwargs=extra)


def result(call_id: str | None, *blocks: Any, role: str = "tool", **extra: Any) -> ChatMessage:
    known = {"tool_call_id": call_id} if call_id else {}
    return ChatMessage(role=role, blocks=list(blocks), additional_kwargs={**known, **extra})


def text(value: str) -> TextBlock:
    return TextBlock(text=value)


def call(call_id: str | None, name: str = "look", arguments: Any = None) -> ToolCallBlock:
    return ToolCallBlock(
        tool_call_id=call_id, tool_name=name, tool_kwargs={} if arguments is None else arguments
    )


def translate(messages: list[ChatMessage], **options: Any) -> tuple[list[Any], list[Any]]:
    """Translate, and let the official types judge; the caller's messages must stay as they were."""
    before = [message.model_dump() for message in messages]
    system, turns = to_messages(messages, **options)
    assert [message.model_dump() for message in messages] == before
    body = {"model": "m", "max_tokens": 10, "messages": turns, **({"system": system} if system else {})}
    assert_accepted(REQUEST, copy.deepcopy(body))
    roles = [turn["role"] for turn in turns]
    assert all(one != other for one, other in itertools.pairwise(roles)), roles
    return _in_blocks(system or []), [{**turn, "content": _in_blocks(turn["content"])} for turn in turns]


def _in_blocks(content: Any) -> Any:
    """``content`` in the long form: one text is sent as a string."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [
        {
            name: value
            for name, value in {**block, "content": _in_blocks(block["content"])}.items()
            if name != "is_error"
        }
        if block["type"] == "tool_result" and block.get("content") and not block.get("is_error")
        else block
        for block in content
    ]


def one_block(block: Any) -> Any:
    _, turns = translate([user(block)])
    assert len(turns) == len(turns[0]["content"]) == 1
    return turns[0]["content"][0]


def image_source(kind: str, data: bytes) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": kind, "data": b64(data)}}


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


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        pytest.param(
            ThinkingBlock(content="hm", additional_information={"signature": "sig"}),
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            id="thinking",
        ),
        pytest.param(
            ThinkingBlock(content=None, additional_information={"signature": "sig"}),
            {"type": "thinking", "thinking": "", "signature": "sig"},
            id="signature only",
        ),
        pytest.param(
            ThinkingBlock(additional_information={"type": "redacted_thinking", "data": "xyz"}),
            {"type": "redacted_thinking", "data": "xyz"},
            id="redacted",
        ),
    ],
)
def test_thinking_goes_back_unchanged(block: ThinkingBlock, expected: Any) -> None:
    _, turns = translate([user(text("q")), assistant(block, text("a")), user(text("more"))])
    assert turns[1]["content"][0] == expected


def test_thinking_of_another_provider_goes_as_text() -> None:
    _, turns = translate(
        [user(text("q")), assistant(ThinkingBlock(content="hm"), text("a")), user(text("b"))]
    )
    said = "<thinking>\nhm\n</thinking>"
    assert turns[1]["content"] == [{"type": "text", "text": said}, {"type": "text", "text": "a"}]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param({"city": "Zürich"}, {"city": "Zürich"}, id="object"),
        pytest.param('{"city": "東京"}', {"city": "東京"}, id="text"),
        pytest.param("", {}, id="empty text"),
        pytest.param({}, {}, id="none"),
        pytest.param('{"city": "Par', {"unparsed_arguments": '{"city": "Par'}, id="cut"),
    ],
)
def test_tool_arguments(arguments: Any, expected: Any) -> None:
    _, turns = translate(
        [user(text("q")), assistant(call("a1", arguments=arguments)), result("a1", text("ok"))]
    )
    assert turns[1]["content"] == [{"type": "tool_use", "id": "a1", "name": "look", "input": expected}]


def test_tool_results_with_everything() -> None:
    _, turns = translate(
        [
            user(text("q")),
            assistant(call("a"), call("b"), call("c"), call("d")),
            result("a", text("fine"), ImageBlock(image=PNG), DocumentBlock(data=PDF)),
            result("b", text("boom"), is_error=True),
            result("c"),
            result("d", text("  "), role="function"),
        ]
    )
    assert turns[2]["content"] == [
        {
            "type": "tool_result",
            "tool_use_id": "a",
            "content": [
                {"type": "text", "text": "fine"},
                image_source("image/png", PNG),
                {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": b64(PDF)}},
            ],
        },
        {"type": "tool_result", "tool_use_id": "b", "content": "boom", "is_error": True},
        {"type": "tool_result", "tool_use_id": "c", "is_error": False},
        {"type": "tool_result", "tool_use_id": "d", "is_error": False},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("role", "wire"),
    [("model", "assistant"), ("chatbot", "assistant"), ("assistant", "assistant"), ("user", "user")],
)
def test_roles(role: str, wire: str) -> None:
    _, turns = translate([user(text("a")), ChatMessage("b", role=role), ChatMessage("c", role="user")])
    assert wire in [turn["role"] for turn in turns]
    assert "".join(block["text"] for turn in turns for block in turn["content"]) == "abc"


def test_system_messages_are_gathered_in_order() -> None:
    system, turns = translate(
        [
            ChatMessage("one", role="system"),
            user(text("hi")),
            ChatMessage("two", role="developer"),
            user(text("there")),
        ]
    )
    assert [block["text"] for block in system] == ["one", "two"]
    assert turns == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}, {"type": "text", "text": "there"}]}
    ]


def test_a_system_prompt_alone_becomes_the_question() -> None:
    system, turns = translate([ChatMessage("Say hello.", role="system")])
    assert system == []
    assert turns == [{"role": "user", "content": [{"type": "text", "text": "Say hello."}]}]


def test_an_image_in_a_system_message_raises() -> None:
    with pytest.raises(InvalidInputError, match="can only hold text"):
        to_messages([ChatMessage(role="system", blocks=[ImageBlock(image=PNG)]), user(text("hi"))])


def test_blank_text_and_empty_messages_disappear() -> None:
    _, turns = translate(
        [user(text("a")), assistant(text(" \n")), assistant(), user(text(""), text("b")), ChatMessage()]
    )
    assert turns == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


class TestTheEnd:
    """A list that ends with an assistant turn."""

    HISTORY = (user(text("q")), assistant(text("The answer is \n")))

    def test_is_a_prefill_for_models_that_take_one(self) -> None:
        _, turns = translate(list(self.HISTORY), prefill=True)
        assert turns[-1] == {"role": "assistant", "content": [{"type": "text", "text": "The answer is"}]}

    def test_is_followed_by_a_user_turn_for_the_others(self) -> None:
        _, turns = translate(list(self.HISTORY), prefill=False)
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]

    def test_is_left_alone_where_the_server_paused(self) -> None:
        paused = {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "x"}}
        _, turns = translate([user(text("q")), assistant(wire_content=[paused])], prefill=False)
        assert turns[-1] == {"role": "assistant", "content": [paused]}


class TestToolLoops:
    """Lists that the wire would refuse as they are."""

    def test_results_come_first_whatever_was_said_before(self) -> None:
        _, turns = translate(
            [user(text("q")), assistant(call("a"), call("b")), user(text("hurry")), result("b"), result("a")]
        )
        kinds = [(block["type"], block.get("tool_use_id")) for block in turns[2]["content"]]
        assert kinds == [("tool_result", "b"), ("tool_result", "a"), ("text", None)]

    def test_parallel_calls_in_turns_of_their_own(self) -> None:
        _, turns = translate(
            [
                user(text("q")),
                assistant(call("a")),
                assistant(call("b")),
                result("a", text("1")),
                result("b", text("2")),
            ]
        )
        assert [turn["role"] for turn in turns] == ["user", "assistant", "user"]
        assert [block["tool_use_id"] for block in turns[2]["content"]] == ["a", "b"]

    def test_a_call_without_result_gets_one(self) -> None:
        """A FunctionAgent that returns directly from one of two parallel calls leaves this behind."""
        _, turns = translate(
            [
                user(text("q")),
                assistant(call("a"), call("b")),
                result("a", text("1")),
                assistant(text("1")),
                user(text("next")),
            ]
        )
        assert [block["tool_use_id"] for block in turns[2]["content"]] == ["a", "b"]
        assert turns[2]["content"][1]["is_error"] is True

    def test_an_empty_turn_in_between_changes_nothing(self) -> None:
        _, turns = translate([user(text("q")), assistant(call("a")), assistant(), result("a", text("1"))])
        assert turns[2]["content"] == [
            {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]}
        ]

    def test_a_call_at_the_very_end_gets_a_result(self) -> None:
        _, turns = translate([user(text("q")), assistant(call("a"))], prefill=False)
        assert turns[-1]["role"] == "user"
        assert turns[-1]["content"][0]["tool_use_id"] == "a"

    def test_a_result_without_call_is_told_as_text(self) -> None:
        """A memory that forgets the oldest messages cuts tool loops in two."""
        _, turns = translate([result("gone", text("42")), user(text("so?"))])
        assert turns == [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Result of an earlier tool call (gone):\n42"},
                    {"type": "text", "text": "so?"},
                ],
            }
        ]

    def test_ids_are_made_fit_for_the_wire_and_stay_paired(self) -> None:
        _, turns = translate(
            [
                user(text("q")),
                assistant(call("call:1/ü"), call("call:1/ö")),
                result("call:1/ö"),
                result("call:1/ü"),
            ]
        )
        used = [block["id"] for block in turns[1]["content"]]
        assert len(set(used)) == 2
        assert [block["tool_use_id"] for block in turns[2]["content"]] == used[::-1]

    def test_ids_that_repeat_are_told_apart(self) -> None:
        """Some providers use the tool's name for an id, in every turn."""
        loop = [assistant(call("look")), result("look", text("x"))]
        _, turns = translate([user(text("q")), *loop, *loop])
        assert [turns[1]["content"][0]["id"], turns[3]["content"][0]["id"]] == ["look", "look_2"]
        assert turns[4]["content"][0]["tool_use_id"] == "look_2"

    def test_calls_without_ids_are_matched_by_name_and_order(self) -> None:
        _, turns = translate(
            [
                user(text("q")),
                assistant(call(None, "one"), call(None, "two")),
                result(None, text("2"), name="two"),
                result(None, text("1")),
            ]
        )
        ids = {block["name"]: block["id"] for block in turns[1]["content"]}
        assert [block["tool_use_id"] for block in turns[2]["content"]] == [ids["two"], ids["one"]]

    def test_a_result_with_an_id_for_a_call_without_one(self) -> None:
        _, turns = translate([user(text("q")), assistant(call(None)), result("call_9", text("1"))])
        assert turns[2]["content"][0]["tool_use_id"] == turns[1]["content"][0]["id"]

    def test_thinking_stands_where_it_stood_in_a_merged_turn(self) -> None:
        thought = ThinkingBlock(content="hm", additional_information={"signature": "s"})
        _, turns = translate(
            [user(text("q")), assistant(text("a")), assistant(thought, call("x")), result("x", text("r"))]
        )
        assert [block["type"] for block in turns[1]["content"]] == ["text", "thinking", "tool_use"]


class _Function:
    name = "look"
    arguments = '{"city": "Oslo"}'


class _Call:
    id = "c1"
    function = _Function()


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"id": "c1", "name": "look", "input": {"city": "Oslo"}}, id="anthropic"),
        pytest.param(
            {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"city": "Oslo"}'}},
            id="openai dict",
        ),
        pytest.param(_Call(), id="openai object"),
        pytest.param({"id": "c1", "name": "look", "args": {"city": "Oslo"}}, id="langchain-like"),
        pytest.param({"toolUseId": "c1", "name": "look", "input": {"city": "Oslo"}}, id="bedrock"),
        pytest.param({"tool_id": "c1", "tool_name": "look", "tool_kwargs": {"city": "Oslo"}}, id="selection"),
    ],
)
def test_tool_calls_in_additional_kwargs(entry: Any) -> None:
    _system, turns = to_messages(
        [user(text("q")), assistant(text("I look."), tool_calls=[entry]), result("c1", text("ok"))]
    )
    assert turns[1]["content"] == [
        {"type": "text", "text": "I look."},
        {"type": "tool_use", "id": "c1", "name": "look", "input": {"city": "Oslo"}},
    ]
    assert turns[2]["content"][0]["tool_use_id"] == "c1"


def test_a_call_that_is_said_twice_is_sent_once() -> None:
    _, turns = translate(
        [
            user(text("q")),
            assistant(call("c1"), tool_calls=[{"id": "c1", "name": "look", "input": {}}]),
            result("c1"),
        ]
    )
    assert len(turns[1]["content"]) == 1


class TestCache:
    POINT = CachePoint(cache_control=CacheControl(type="ephemeral"))
    HOUR = CachePoint(cache_control=CacheControl(type="ephemeral", ttl="1h"))

    def test_points_mark_what_is_before_them(self) -> None:
        system, turns = translate(
            [
                ChatMessage(role="system", blocks=[text("rules"), self.HOUR]),
                user(text("a"), self.POINT, text("b")),
                assistant(text("c")),
                user(text("d"), cache_control={"type": "ephemeral"}),
            ]
        )
        assert system[0]["cache_control"] == {"type": "ephemeral", "ttl": "1h"}
        assert ["cache_control" in block for block in turns[0]["content"]] == [True, False]
        assert turns[2]["content"][0]["cache_control"] == {"type": "ephemeral"}

    def test_a_point_alone_marks_the_message_before(self) -> None:
        _, turns = translate([user(text("a")), user(self.POINT)])
        assert "cache_control" in turns[0]["content"][0]

    def test_a_point_whose_messages_were_trimmed_is_left_out(self, caplog: pytest.LogCaptureFixture) -> None:
        _, turns = translate([user(self.POINT, text("a")), assistant(text("b")), user(text("c"), self.POINT)])
        assert ["cache_control" in turn["content"][0] for turn in turns] == [False, False, True]
        assert "messages[0] has nothing before it any more" in caplog.text
        with pytest.raises(InvalidInputError, match="something before it"):
            to_messages([user(self.POINT, text("a"))])

    @pytest.mark.parametrize(
        "extra", [{"refusal": "I will not."}, {"audio": {"id": "a", "transcript": "I will not."}}]
    )
    def test_what_stands_beside_an_empty_content_is_told(self, extra: dict[str, Any]) -> None:
        said = ChatMessage(role="assistant", blocks=[], additional_kwargs=extra)
        _, turns = translate([user(text("a")), said, user(text("b"))])
        assert turns[1]["content"] == [{"type": "text", "text": "I will not."}]

    def test_thinking_is_never_marked(self) -> None:
        thought = ThinkingBlock(content="hm", additional_information={"signature": "s"})
        _, turns = translate([user(text("a")), assistant(text("b"), thought, self.POINT), user(text("c"))])
        marked = [block["type"] for block in turns[1]["content"] if "cache_control" in block]
        assert marked == ["text"]

    def test_a_point_in_a_tool_result_marks_the_result(self) -> None:
        _, turns = translate([user(text("q")), assistant(call("a")), result("a", text("ok"), self.POINT)])
        assert turns[2]["content"][0]["cache_control"] == {"type": "ephemeral"}

    @pytest.mark.parametrize("bad", [{"type": "forever"}, {"type": "ephemeral", "ttl": "2d"}, "yes"])
    def test_what_the_wire_would_refuse_raises(self, bad: Any) -> None:
        with pytest.raises(InvalidInputError, match="cache_control"):
            to_messages([user(text("a"), cache_control=bad)])


def test_citations_of_a_reply_are_not_sent_as_blocks() -> None:
    cited = CitationBlock(cited_content=text("x"), source="s", title="t", additional_location_info={})
    _, turns = translate([user(text("q")), assistant(text("a"), cited), user(text("b"))])
    assert turns[1]["content"] == [{"type": "text", "text": "a"}]


def test_kept_wire_blocks_yield_to_a_message_that_was_changed() -> None:
    kept = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    same = assistant(text("ab"), wire_content=kept)
    changed = assistant(text("other"), wire_content=kept)
    _, turns = translate([user(text("q")), same, user(text("r")), changed, user(text("s"))])
    assert turns[1]["content"] == kept
    assert turns[3]["content"] == [{"type": "text", "text": "other"}]


def test_a_long_history_costs_the_same_per_message() -> None:
    """Counted in calls, which do not depend on the machine."""
    import sys

    def calls(count: int) -> int:
        history = [
            message
            for number in range(count)
            for message in (
                user(text(f"q{number}")),
                assistant(call(f"c{number}")),
                result(f"c{number}", text("r")),
            )
        ]
        made = 0

        def count_call(*_: Any) -> None:
            nonlocal made
            made += 1

        sys.setprofile(count_call)
        try:
            to_messages(history)
        finally:
            sys.setprofile(None)
        return made

    assert calls(400) < 4.4 * calls(100)


def test_json_survives() -> None:
    """What a serialised message says is what the message says."""
    messages = [
        user(text("q"), ImageBlock(image=PNG)),
        assistant(
            ThinkingBlock(content="hm", additional_information={"signature": "s"}),
            call("a", arguments={"x": 1}),
        ),
        result("a", text("ok")),
    ]
    restored = [ChatMessage.model_validate(json.loads(message.model_dump_json())) for message in messages]
    assert to_messages(restored) == to_messages(messages)
