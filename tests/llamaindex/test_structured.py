"""Structured output: native where the route has it, by tool elsewhere; whole and streamed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from datetime import date
from enum import StrEnum
from typing import Any

import pytest
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.instrumentation import get_dispatcher
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.prompts import ChatPromptTemplate, PromptTemplate
from llama_index.core.types import PydanticProgramMode
from pydantic import AliasChoices, BaseModel, Field, field_validator

from aivideoapi_core import ToolChoiceIgnoredError
from aivideoapi_core.sandbox import Reply, Sandbox
from llamaindex_aivideoapi import AIVideoAPI

MakeLLM = Callable[..., AIVideoAPI]
PROMPT = PromptTemplate("Describe an album about {topic}.")


@pytest.fixture(autouse=True)
def _prompt_as_written() -> Iterator[None]:
    """LlamaIndex's own programs leave their parser on the prompt."""
    yield
    PROMPT.output_parser = None


class Mood(StrEnum):
    calm = "calm"
    loud = "loud"


class Song(BaseModel):
    title: str
    seconds: int = Field(ge=0)


class Album(BaseModel):
    """An album of songs."""

    name: str
    mood: Mood
    released: date
    songs: list[Song]


class Folder(BaseModel):
    """Contains itself, which JSON-schema output cannot say."""

    name: str
    folders: list[Folder] = []


ALBUM = {
    "name": "Größe",
    "mood": "calm",
    "released": "2024-05-06",
    "songs": [{"title": f"Song {number}", "seconds": number} for number in range(6)],
}
EXPECTED = Album.model_validate(ALBUM)


def is_native_output(model: str) -> bool:
    return model.endswith("/anthropic")


def reply_for(model: str, value: dict[str, Any], name: str = "Album", **style: Any) -> Reply:
    """The reply of a model that does what it was asked to."""
    if is_native_output(model) and name != "Folder":
        return Reply(json.dumps(value, ensure_ascii=False), **style)
    return Reply(tool_uses=[{"name": name, "input": value}], **style)


def body_of(sandbox: Sandbox) -> dict[str, Any]:
    return dict(sandbox.requests[-1].body)


async def all_of(stream: Any) -> list[Any]:
    return [item async for item in await stream]


FORMS: dict[str, Callable[[AIVideoAPI], list[Any]]] = {
    "predict": lambda llm: [llm.structured_predict(Album, PROMPT, topic="cats")],
    "apredict": lambda llm: [asyncio.run(llm.astructured_predict(Album, PROMPT, topic="cats"))],
    "stream": lambda llm: list(llm.stream_structured_predict(Album, PROMPT, topic="cats")),
    "astream": lambda llm: asyncio.run(all_of(llm.astream_structured_predict(Album, PROMPT, topic="cats"))),
    "chat": lambda llm: [llm.as_structured_llm(Album).chat([ChatMessage("cats")]).raw],
    "achat": lambda llm: [asyncio.run(llm.as_structured_llm(Album).achat([ChatMessage("cats")])).raw],
    "stream_chat": lambda llm: [r.raw for r in llm.as_structured_llm(Album).stream_chat([ChatMessage("cats")])],
    "astream_chat": lambda llm: [
        r.raw for r in asyncio.run(all_of(llm.as_structured_llm(Album).astream_chat([ChatMessage("cats")])))
    ],
    "complete": lambda llm: [llm.as_structured_llm(Album).complete("cats").raw],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
class TestForms:
    def test_by_the_rules_of_the_sandbox(
        self, llm: AIVideoAPI, form: Callable[[AIVideoAPI], list[Any]]
    ) -> None:
        assert isinstance(form(llm)[-1], Album)

    def test_exactly(
        self, llm: AIVideoAPI, sandbox: Sandbox, form: Callable[[AIVideoAPI], list[Any]]
    ) -> None:
        sandbox.enqueue(reply_for(llm.model, ALBUM, pieces=5))
        *partial, last = form(llm)
        assert last == EXPECTED
        assert len(sandbox.requests) == 1
        for earlier in partial:
            assert earlier.name is None or EXPECTED.name.startswith(earlier.name)

    def test_with_thinking(
        self,
        make_llm: MakeLLM,
        model: str,
        thinking_of: Callable[[str], Any],
        form: Callable[[AIVideoAPI], list[Any]],
    ) -> None:
        llm = make_llm(model, thinking=thinking_of(model))
        assert isinstance(form(llm)[-1], Album)


class TestTheWay:
    def test_native_output(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        llm = make_llm("claude-sonnet-4-6/anthropic", effort="low")
        llm.structured_predict(Album, PROMPT, topic="cats")
        body = body_of(sandbox)
        assert body["output_config"]["format"]["type"] == "json_schema"
        assert body["output_config"]["format"]["schema"]["additionalProperties"] is False
        assert body["output_config"]["effort"] == "low"
        assert "tools" not in body

    def test_forced_tool(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        make_llm().structured_predict(Album, PROMPT, topic="cats")
        body = body_of(sandbox)
        assert [tool["name"] for tool in body["tools"]] == ["Album"]
        assert body["tools"][0]["description"] == "An album of songs."
        assert body["tool_choice"] == {"type": "tool", "name": "Album", "disable_parallel_tool_use": True}

    def test_streams_force_the_tool_too(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        """LlamaIndex's own program leaves the choice to the model when it streams."""
        list(make_llm().stream_structured_predict(Album, PROMPT, topic="cats"))
        assert body_of(sandbox)["tool_choice"]["type"] == "tool"

    def test_a_model_that_contains_itself_takes_the_tool(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        value = {"name": "a", "folders": [{"name": "b", "folders": []}]}
        sandbox.enqueue(reply_for(llm.model, value, "Folder"))
        assert llm.structured_predict(Folder, PROMPT, topic="x") == Folder.model_validate(value)
        assert body_of(sandbox)["tools"][0]["input_schema"]["type"] == "object"

    def test_model_of_the_call(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        llm = make_llm()
        llm.structured_predict(
            Album, PROMPT, {"model": "claude-haiku-4-5/anthropic", "max_tokens": 900}, topic="x"
        )
        assert "format" in body_of(sandbox)["output_config"]
        assert body_of(sandbox)["max_tokens"] == 900

    def test_llm_kwargs_that_contradict_are_dropped_and_left_untouched(self, llm: AIVideoAPI) -> None:
        given = {"tool_choice": "none", "tool_required": False, "max_tokens": 500}
        assert llm.structured_predict(Album, PROMPT, given, topic="x")
        assert given == {"tool_choice": "none", "tool_required": False, "max_tokens": 500}

    def test_system_prompt_and_history(self, make_llm: MakeLLM, model: str, sandbox: Sandbox) -> None:
        llm = make_llm(model, system_prompt="Be brief.")
        prompt = ChatPromptTemplate([ChatMessage("About {topic}")])
        asyncio.run(llm.astructured_predict(Album, prompt, topic="cats"))
        body = body_of(sandbox)
        assert body["system"] == "Be brief."
        assert body["messages"][0]["content"] == "About cats"

    @pytest.mark.parametrize("mode", [PydanticProgramMode.FUNCTION, PydanticProgramMode.LLM])
    def test_a_chosen_program_is_llamaindexs_own(
        self, make_llm: MakeLLM, model: str, sandbox: Sandbox, mode: PydanticProgramMode
    ) -> None:
        llm = make_llm(model, pydantic_program_mode=mode)
        by_tool = mode is PydanticProgramMode.FUNCTION
        sandbox.enqueue(
            Reply(tool_uses=[{"name": "Album", "input": ALBUM}]) if by_tool else Reply(json.dumps(ALBUM))
        )
        assert llm.structured_predict(Album, PROMPT, topic="x") == EXPECTED
        assert ("tools" in body_of(sandbox)) is by_tool
        assert "output_config" not in body_of(sandbox)


class TestPartialObjects:
    def test_llamaindexs_own_program_fills_them_too(
        self, make_llm: MakeLLM, model: str, sandbox: Sandbox
    ) -> None:
        llm = make_llm(model, pydantic_program_mode=PydanticProgramMode.FUNCTION)
        sandbox.enqueue(Reply(tool_uses=[{"name": "Album", "input": ALBUM}], pieces=20))
        seen = list(llm.stream_structured_predict(Album, PROMPT, topic="cats"))
        songs = [len(getattr(item, "songs", None) or []) for item in seen]
        assert songs == sorted(songs)
        assert len(set(songs)) > 2
        assert seen[-1] == EXPECTED

    @pytest.mark.parametrize("pieces", [1, 4, 30])
    def test_they_fill_up(self, llm: AIVideoAPI, sandbox: Sandbox, pieces: int) -> None:
        sandbox.enqueue(reply_for(llm.model, ALBUM, pieces=pieces))
        seen = list(llm.stream_structured_predict(Album, PROMPT, topic="cats"))
        songs = [len(item.songs or []) for item in seen]
        assert songs == sorted(songs)
        assert {0, 2, 6} <= set(songs)
        assert seen[-1] == EXPECTED
        assert all(isinstance(item, BaseModel) for item in seen)

    def test_a_long_object_takes_linear_time(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        songs = [{"title": f"Song {number}", "seconds": number} for number in range(400)]
        sandbox.enqueue(reply_for(llm.model, {**ALBUM, "songs": songs}, pieces=5))
        seen = list(llm.stream_structured_predict(Album, PROMPT, topic="cats"))
        assert len(seen[-1].songs) == 400
        assert 30 < len(seen) < 300


class TestFailures:
    def test_an_answer_that_was_cut(self, llm: AIVideoAPI, sandbox: Sandbox) -> None:
        reply = (
            Reply('{"name": "x"', stop_reason="max_tokens")
            if is_native_output(llm.model)
            else Reply(tool_uses=[{"name": "Album", "input": {"name": "x"}}], stop_reason="max_tokens")
        )
        sandbox.enqueue(reply, reply)
        with pytest.raises(ToolChoiceIgnoredError, match=r"not a Album .*max_tokens"):
            llm.structured_predict(Album, PROMPT, topic="x")
        with pytest.raises(ToolChoiceIgnoredError, match=r"not a Album .*max_tokens"):
            list(llm.stream_structured_predict(Album, PROMPT, topic="x"))

    @pytest.mark.filterwarnings("ignore:claude-sonnet-4-6.* answered a forced tool call in text")
    def test_while_thinking_json_in_words_will_do(self, make_llm: MakeLLM, sandbox: Sandbox) -> None:
        llm = make_llm(thinking=True)
        sandbox.enqueue(Reply(f"Here it is:\n```json\n{json.dumps(ALBUM)}\n```"))
        assert llm.structured_predict(Album, PROMPT, topic="x") == EXPECTED


class Count(BaseEventHandler):
    names: list[str] = []  # noqa: RUF012 - pydantic copies it

    @classmethod
    def class_name(cls) -> str:
        return "Count"

    def handle(self, event: Any, **_: Any) -> None:
        self.names.append(event.class_name())


def test_events(llm: AIVideoAPI) -> None:
    handler = Count()
    dispatcher = get_dispatcher()
    dispatcher.add_event_handler(handler)
    try:
        llm.structured_predict(Album, PROMPT, topic="x")
        whole, handler.names = handler.names, []
        list(llm.stream_structured_predict(Album, PROMPT, topic="x"))
    finally:
        dispatcher.event_handlers.remove(handler)
    for names in (whole, handler.names):
        assert names.count("LLMChatStartEvent") == names.count("LLMChatEndEvent") == 1
        assert (
            names.count("LLMStructuredPredictStartEvent") == names.count("LLMStructuredPredictEndEvent") == 1
        )


class Leaf(BaseModel):
    """A leaf."""

    size_mm: int = Field(alias="sizeMm")
    kind: str = Field(default="", validation_alias=AliasChoices("leafKind", "kind"))


class Tree(BaseModel):
    """A tree."""

    first: Leaf | None = Field(default=None, alias="firstLeaf")
    others: list[Leaf] = Field(alias="otherLeaves")


TREE = {"firstLeaf": {"sizeMm": 1, "leafKind": "oak"}, "otherLeaves": [{"sizeMm": 2}, {"sizeMm": 3}]}


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"])
def test_partials_of_classes_in_classes_have_python_names(sandbox: Sandbox, model: str) -> None:
    llm = AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url)
    call = Reply(tool_uses=[{"name": "Tree", "input": TREE}], pieces=3)
    sandbox.enqueue(Reply(json.dumps(TREE), pieces=3) if model.endswith("/anthropic") else call)
    partials: list[Any] = list(llm.stream_structured_predict(Tree, PromptTemplate("x")))
    assert partials[-1] == Tree.model_validate(TREE)
    dicts = [partial.model_dump() for partial in partials[:-1] if not isinstance(partial, Tree)]
    assert dicts
    assert not any("Mm" in json.dumps(found) or "Leaf" in json.dumps(found) for found in dicts)
    assert any((found["first"] or {}).get("size_mm") == 1 for found in dicts)


class Picky(BaseModel):
    """Raises whatever it likes on half an object."""

    name: str
    number: int
    made: int = Field(default_factory=lambda given: 6 // given["number"])

    @field_validator("name")
    @classmethod
    def check(cls, name: str) -> str:
        return {"Ada": name}[name]  # a KeyError, which pydantic lets through

    def model_post_init(self, context: object, /) -> None:
        if self.number != 3:
            raise RuntimeError("not yet")


@pytest.mark.parametrize("model", ["claude-sonnet-4-6", "claude-sonnet-4-6/anthropic"])
def test_what_a_class_raises_on_half_an_object_ends_no_stream(sandbox: Sandbox, model: str) -> None:
    llm = AIVideoAPI(model=model, api_key=sandbox.api_key, base_url=sandbox.url)
    call = Reply(tool_uses=[{"name": "Picky", "input": {"name": "Ada", "number": 3}}], pieces=1)
    answer = Reply('{"name": "Ada", "number": 3}', pieces=1)

    async def last() -> Any:
        return [found async for found in await llm.astream_structured_predict(Picky, PromptTemplate("x"))][-1]

    for ask in (
        lambda: list(llm.stream_structured_predict(Picky, PromptTemplate("x")))[-1],
        lambda: asyncio.run(last()),
    ):
        sandbox.enqueue(answer if model.endswith("/anthropic") else call)
        found: Any = ask()
        assert (found.name, found.number, found.made) == ("Ada", 3, 2)
