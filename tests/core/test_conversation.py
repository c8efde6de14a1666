"""Turns: tables of what was said and what is sent, and any list at all before two judges."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from official import TURNS, assert_accepted

from aivideoapi_core import InvalidInputError
from aivideoapi_core._outbound.conversation import CONTINUE
from aivideoapi_core.adapter_kit import Conversation, Turns
from aivideoapi_core.sandbox._judge.messages import check_messages, check_system

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
MARK = {"type": "ephemeral"}
HI = {"role": "user", "content": "hi"}
GO = {"role": "user", "content": "go"}
NO_RESULT = "No result: this call was not carried out."
SEARCH = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "q"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def thinking(words: str = "hm", **more: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": "c2ln" * 20, **more}


def use(given: Any = "a", name: str = "look", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": given, "name": name, "input": {}, **more}


def result(given: Any = "a", content: Any = "blue", **more: Any) -> dict[str, Any]:
    block = {"type": "tool_result", "tool_use_id": given, "is_error": False, **more}
    return {**block, "content": content} if content else block


def image(**more: Any) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PNG}, **more}


def assistant(*blocks: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def turns_of(steps: list[Any], **options: Any) -> Turns:
    """``steps`` are (method, arguments, options) of a ``Conversation``; what goes in stays as it was."""
    before = copy.deepcopy(steps)
    conversation = Conversation()
    for at, (method, *arguments) in enumerate(steps):
        more = arguments.pop() if len(arguments) > 1 and isinstance(arguments[-1], dict) else {}
        getattr(conversation, method)(*arguments, at=at, **more)
    turns = conversation.turns(**options)
    assert steps == before, "what was passed in was changed"
    judged(turns)
    return turns


def judged(turns: Turns, **options: Any) -> None:
    """Both judges take it: the official types, and the sandbox's rules."""
    assert_accepted(TURNS, copy.deepcopy(turns.messages))
    body = json.loads(json.dumps({"messages": turns.messages, "system": turns.system}))
    check_system(body["system"])
    check_messages(body, prefill=options.get("prefill", True), system_turns=False, thought={})


OURS = {"ours": True}
CASES: list[Any] = [
    pytest.param([("user", "hi")], [HI], id="one text"),
    pytest.param([("user", [text("hi")])], [HI], id="one text in a list"),
    pytest.param([("user", "hi"), ("user", [image()]), ("user", "go")], [user(text("hi"), image(), text("go"))], id="joined"),
    pytest.param([("user", "hi"), ("assistant", " \n"), ("assistant", []), ("user", "go")], [user(text("hi"), text("go"))], id="empty turns"),
    pytest.param(
        [("user", "hi"), ("assistant", [thinking("a"), use("1"), thinking("b"), use("2")], OURS), ("result", "1", "x"), ("result", "2", "y")],
        [HI, assistant(thinking("a"), use("1"), thinking("b"), use("2")), user(result("1", "x"), result("2", "y"))],
        id="interleaved thinking",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [thinking("a"), text("x")], OURS), ("assistant", [thinking("b"), use()], OURS), ("result", "a", "blue")],
        [HI, assistant(thinking("a"), text("x"), thinking("b"), use()), user(result())],
        id="joined replies keep their order",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [{"type": "compaction", "content": "s"}, thinking(), text("x")], OURS), ("user", "go")],
        [HI, assistant({"type": "compaction", "content": "s"}, thinking(), text("x")), GO],
        id="thinking after a compaction",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [thinking(), text("x")]), ("user", "go")],
        [HI, assistant(text("<thinking>\nhm\n</thinking>"), text("x")), GO],
        id="foreign thinking",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [{"type": "thinking", "thinking": "hm"}, text("x")], OURS), ("user", "go")],
        [HI, assistant(text("<thinking>\nhm\n</thinking>"), text("x")), GO],
        id="unsigned thinking",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [thinking()], OURS), ("user", "go")],
        [HI, {"role": "assistant", "content": "<thinking>\nhm\n</thinking>"}, GO],
        id="a turn of thinking only",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [{"type": "redacted_thinking", "data": "x"}], OURS), ("user", "go")],
        [user(text("hi"), text("go"))],
        id="a turn of encrypted thinking only",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [text("x"), thinking()], OURS), ("user", "go")],
        [HI, assistant(text("x"), text("<thinking>\nhm\n</thinking>")), GO],
        id="thinking at the end",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [thinking()], OURS), ("assistant", [text("x")], OURS), ("user", "go")],
        [HI, assistant(thinking(), text("x")), GO],
        id="thinking at the end of a reply that goes on",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use("a:1"), use("a:1"), use("ä")]), ("result", "ä", "3"), ("result", "a:1", "1"), ("result", "a:1", "2")],
        [HI, assistant(use("a_1"), use("a_1_2"), use("_")), user(result("_", "3"), result("a_1", "1"), result("a_1_2", "2"))],
        id="ids",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use(None, "one"), use("", "two")]), ("result", None, "2", {"name": "two"}), ("result", None, "1")],
        [HI, assistant(use("call_one", "one"), use("call_two", "two")), user(result("call_two", "2"), result("call_one", "1"))],
        id="no ids: by name, then order",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use()]), ("user", "hurry"), ("result", "a", "blue"), ("user", "go")],
        [HI, assistant(use()), user(result(), text("hurry"), text("go"))],
        id="results first",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use(), use("b")], {"not_made": {1}}), ("user", "go")],
        [HI, assistant(use(), use("b")), user(result(content=NO_RESULT, is_error=True), result("b", "This call was not made: its arguments were not valid JSON.", is_error=True), text("go"))],
        id="calls without results",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use()])],
        [HI, assistant(use()), user(result(content=NO_RESULT, is_error=True))],
        id="a call at the very end",
    ),
    pytest.param(
        [("result", "gone", [text("blue"), image()], {"is_error": True}), ("user", "hi")],
        [user(text("Error of an earlier tool call (gone):"), text("blue"), image(), text("hi"))],
        id="a result without call",
    ),
    pytest.param(
        [("user", [result("gone", "blue", cache_control=MARK)])],
        [user(text("Result of an earlier tool call (gone):\nblue", cache_control=MARK))],
        id="a marked result without call",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use(toolset_name="t")]), ("user", [text("x"), result()]), ("assistant", [use("b", toolset_name="t")])],
        [HI, assistant(use(toolset_name="t")), user(result(toolset_name="t"), text("x")), assistant(use("b", toolset_name="t")), user(result("b", NO_RESULT, is_error=True, toolset_name="t"))],
        id="toolset names on call and result",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use(name="a.b/c")]), ("result", "a", "")],
        [HI, assistant(use(name="a_b_c")), user(result(content=None))],
        id="names of another provider, an empty result",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [text("x"), SEARCH], {"ours": True, "paused": True}), ("user", "go")],
        [HI, assistant(text("x"), text('[Called web_search with {"query":"q"}]')), GO],
        id="a server tool's call whose turn is over",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [SEARCH], {"ours": True, "paused": True}), ("assistant", [FOUND, text("x")], OURS), ("user", "go")],
        [HI, assistant(SEARCH, FOUND, text("x")), GO],
        id="a server tool's call whose turn went on",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [FOUND, text("x")], OURS), ("user", "go")],
        [HI, assistant(text("[web search tool result]"), text("x")), GO],
        id="a server tool's result without call",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [SEARCH, use(caller={"type": "code_execution_20250825", "tool_id": "s1"})], OURS), ("result", "a", "6")],
        [HI, assistant(SEARCH, use(caller={"type": "code_execution_20250825", "tool_id": "s1"})), user(result(content="6"))],
        id="a server tool that waits for ours",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [SEARCH, use(caller={"type": "code_execution_20250825", "tool_id": "s1"})], OURS), ("result", "a", "6"), ("user", "stop")],
        [HI, assistant(text('[Called web_search with {"query":"q"}]'), use()), user(result(content="6"), text("stop"))],
        id="a server tool that waits no more",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [image(), text("x")]), ("user", "go")],
        [HI, assistant(text(f"[image: image/png, {len(PNG) * 3 // 4} bytes; it cannot be shown here]"), text("x")), GO],
        id="an image that the assistant made",
    ),
    pytest.param(
        [("user", [thinking(), use(), text("x")])],
        [user(text("<thinking>\nhm\n</thinking>"), text("[Called look with {}]"), text("x"))],
        id="what only the assistant says",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [use()]), ("result", "a", [{"type": "hologram", "depth": 3}, image(source={"type": "base64", "media_type": "image/bmp", "data": "Qk0AAAAA"}, cache_control=MARK)])],
        [HI, assistant(use()), user(result(content=[text('[hologram: {"depth":3}]'), text("[image: image/bmp, 6 bytes; it cannot be shown here]", cache_control=MARK)]))],
        id="what a tool made",
    ),
    pytest.param(
        [("user", [image(source={"type": "base64", "media_type": "image/jpeg", "data": PNG[:40] + "\n" + PNG[40:]})])],
        [user(image())],
        id="the bytes say what an image is",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [text("x", citations=[{"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": None, "start_char_index": 0, "end_char_index": 1, "file_id": "f"}])]), ("user", "go")],
        [HI, assistant(text("x", citations=[{"type": "char_location", "cited_text": "a", "document_index": 0, "document_title": None, "start_char_index": 0, "end_char_index": 1}])), GO],
        id="citations",
    ),
    pytest.param(
        [("user", "hi"), ("user", [text(" ", cache_control=MARK)]), ("user", "go")],
        [user(text("hi", cache_control=MARK), text("go"))],
        id="the breakpoint of a blank block",
    ),
    pytest.param(
        [("user", "hi"), ("assistant", [text("x"), thinking(cache_control=MARK), use()], OURS), ("result", "a", [text("", cache_control=MARK)])],
        [HI, assistant(text("x", cache_control=MARK), thinking(), use(cache_control=MARK)), user(result(content=None))],
        id="breakpoints of blocks that cannot carry one",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "expected"), CASES)
def test_turns(steps: list[Any], expected: list[Any]) -> None:
    assert turns_of(steps).messages == expected


@pytest.mark.parametrize(
    ("steps", "system", "messages"),
    [
        pytest.param([("system", "a"), ("user", "hi")], "a", [HI], id="one"),
        pytest.param([("system", "a"), ("user", "hi"), ("system", [text("b"), text(" ")])], [text("a"), text("b")], [HI], id="later"),
        pytest.param([("system", "a")], None, [{"role": "user", "content": "a"}], id="alone"),
        pytest.param([("system", "a"), ("cache_point", MARK), ("user", "hi")], [text("a", cache_control=MARK)], [HI], id="marked"),
    ],
)  # fmt: skip
def test_system(steps: list[Any], system: Any, messages: Any) -> None:
    assert turns_of(steps)[:2] == (system, messages)


@pytest.mark.parametrize(
    ("said", "prefill", "end"),
    [
        pytest.param([("assistant", "so: \n")], True, [{"role": "assistant", "content": "so:"}], id="prefill"),
        pytest.param([("assistant", "so: ")], False, [{"role": "assistant", "content": "so: "}, user(text(CONTINUE))["content"]], id="no prefill"),
        pytest.param([("assistant", [SEARCH], OURS)], False, [assistant(SEARCH)], id="server tool"),
        pytest.param([("assistant", [SEARCH, FOUND, text("x ")], {"paused": True})], False, [assistant(SEARCH, FOUND, text("x "))], id="paused"),
        pytest.param([("assistant", [{"type": "compaction", "content": "s"}], OURS)], False, [assistant({"type": "compaction", "content": "s"})], id="paused after compaction"),
    ],
)  # fmt: skip
def test_the_end(said: list[Any], prefill: bool, end: list[Any]) -> None:
    sent = turns_of([("user", "hi"), *said], prefill=prefill).messages[1:]
    assert sent[0] == end[0]
    assert [turn["content"] for turn in sent[1:]] == [CONTINUE] * (len(end) - 1)


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        pytest.param([("system", [image()])], "can only hold text", id="image in system"),
        pytest.param([("user", [text(" ", cache_control=MARK)])], "cache_control", id="nothing to mark"),
        pytest.param([("user", "x"), ("cache_point", {"type": "forever"})], "cache_control", id="no mark"),
        pytest.param([("user", [image(source={"type": "base64", "media_type": "image/bmp", "data": "Qk0AAAAA"})])], r"messages\[0\].*image/bmp.*PNG", id="bitmap"),
    ],
)  # fmt: skip
def test_what_its_writer_can_mend_raises(steps: list[Any], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        turns_of(steps)


def test_lone_surrogates_are_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    sent = turns_of(
        [
            ("user", "a\ud83d b \ud83d\ude00"),
            ("assistant", [text("ok"), use(input={"\udc00": ["x\ud800"]})]),
            ("result", "a", [text("\udfff")]),
        ]
    ).messages
    assert sent[0]["content"] == "a\ufffd b 😀"
    assert sent[1]["content"][1]["input"] == {"\ufffd": ["x\ufffd"]}
    assert sent[2]["content"][0]["content"] == "\ufffd"
    (record,) = caplog.records
    assert "messages[0], messages[1], messages[2]" in record.getMessage()


def test_a_message_costs_the_same_wherever_it_stands() -> None:
    """Counted in calls, which do not depend on the machine; providers that give no ids included."""
    import sys

    def calls(count: int) -> int:
        made = 0

        def count_call(*_: Any) -> None:
            nonlocal made
            made += 1

        conversation = Conversation()
        sys.setprofile(count_call)
        try:
            for at in range(count):
                conversation.user("q", at=at)
                conversation.assistant([use(None)], at=at)
                conversation.result(None, "r", at=at)
            conversation.turns()
        finally:
            sys.setprofile(None)
        return made

    assert calls(400) < 4.4 * calls(100)


IDS = st.sampled_from([None, "a", "b.c", "b:c", "ä"])
WORDS = st.sampled_from(["", " ", "x", "\ud800"])
ANY_BLOCK = st.one_of(
    WORDS.map(text),
    st.builds(text, WORDS, cache_control=st.just(MARK)),
    st.just(thinking()),
    st.just({"type": "thinking", "thinking": "hm"}),
    st.just({"type": "redacted_thinking", "data": "x"}),
    st.builds(use, IDS, st.sampled_from(["look", "a.b"])),
    st.builds(result, IDS, st.one_of(WORDS, st.just([image()]), st.just(None))),
    st.just(image()),
    st.just(SEARCH),
    st.just(FOUND),
)
CONTENT = st.one_of(WORDS, st.lists(ANY_BLOCK, max_size=5))
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("user"), CONTENT),
        st.tuples(
            st.just("assistant"), CONTENT, st.fixed_dictionaries({"ours": st.booleans(), "paused": st.booleans()})
        ),
        st.tuples(st.just("result"), IDS, st.lists(ANY_BLOCK, max_size=3), st.just({"name": "look"})),
        st.tuples(st.just("system"), WORDS),
    ),
    max_size=8,
)  # fmt: skip


@given(STEPS, st.booleans())
def test_any_list_at_all_is_sent_in_a_form_that_both_judges_take(steps: list[Any], prefill: bool) -> None:
    conversation = Conversation()
    conversation.user("hi", at=0)
    before = copy.deepcopy(steps)
    for at, (method, *arguments) in enumerate(steps, 1):
        more = arguments.pop() if isinstance(arguments[-1], dict) else {}
        getattr(conversation, method)(*arguments, at=at, **more)
    turns = conversation.turns(prefill=prefill)
    assert steps == before
    judged(turns, prefill=prefill)


def numbered(make: Callable[[str], Any]) -> Any:
    return st.integers().map(lambda number: make(f"<{number}>"))


SAID = st.one_of(
    numbered(text),
    numbered(thinking),
    numbered(lambda words: use(words, input={"said": words})),
    numbered(lambda words: result(words, [text(words)])),
    numbered(lambda words: {"type": "hologram", "says": words}),
)


@given(
    st.lists(
        st.tuples(st.sampled_from(["user", "assistant"]), st.lists(SAID, max_size=4)), min_size=1, max_size=6
    )
)
def test_everything_said_is_there_once(steps: list[Any]) -> None:
    conversation = Conversation()
    numbers: list[str] = []
    for at, (method, blocks) in enumerate(steps):
        said = []
        for block in blocks:
            numbers.append(f"<{len(numbers)}>")
            said.append(json.loads(json.dumps(block).replace(_number_in(block), numbers[-1])))
        getattr(conversation, method)(said, at=at, **({"ours": True} if method == "assistant" else {}))
    sent = json.dumps(_words(conversation.turns().messages))
    for number in numbers:
        assert sent.count(number) == 1, (number, sent)


def _number_in(block: dict[str, Any]) -> str:
    whole = json.dumps(block)
    return whole[whole.index("<") : whole.index(">") + 1]


def _words(value: Any) -> Any:
    """Everything that is said, without ids and what labels say of them."""
    if isinstance(value, dict):
        return [_words(item) for name, item in value.items() if name not in ("id", "tool_use_id")]
    if isinstance(value, list):
        return [_words(item) for item in value]
    if isinstance(value, str) and value.startswith(("Result of an", "Error of an")):
        return value.partition("\n")[2]
    return value
