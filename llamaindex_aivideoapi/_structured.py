"""Structured output: which way the answer is asked for, and how it is read, whole or streamed."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, cast

from llama_index.core.base.llms.types import ChatMessage, ChatResponse
from llama_index.core.instrumentation import (  # type: ignore[attr-defined]  # its documented place
    get_dispatcher,
)
from llama_index.core.instrumentation.events.llm import (
    LLMStructuredPredictEndEvent,
    LLMStructuredPredictStartEvent,
)
from llama_index.core.program.utils import FlexibleModel, create_flexible_model
from llama_index.core.prompts import BasePromptTemplate
from llama_index.core.types import Model, PydanticProgramMode
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from aivideoapi_core import InvalidInputError, ToolChoiceIgnoredError
from aivideoapi_core.adapter_kit import (
    VALUE,
    PartialJSON,
    aread_by,
    by_python_names,
    output_format,
    own_tool,
    read_by,
    recover_call,
    rooted,
    schema_class_of,
    wire_tool_name,
)
from llamaindex_aivideoapi._inbound.tool_calls import tool_selections
from llamaindex_aivideoapi._outbound.tools import prepare_call, prepare_required_call

if TYPE_CHECKING:
    from aivideoapi_core import Message
    from llamaindex_aivideoapi._settings import Settings

dispatcher = get_dispatcher(__name__)

_DECIDED_HERE: Final = frozenset({"tool_choice", "tool_required", "allow_parallel_tool_calls"})
"""Arguments that would contradict the way chosen here; LlamaIndex's own programs drop them too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(Generic[Model]):
    """One structured call: what to send, and how to read the answer, whole or while it comes.

    ``by_tool``: the object comes as a tool's arguments, else as the text of the answer. ``is_wrapped``: what
    was wanted is no object, and ``output_cls`` one that has it in a field.
    """

    llm: Settings
    output_cls: type[Model]
    messages: list[ChatMessage]
    call: dict[str, Any]
    by_tool: bool
    is_wrapped: bool

    def predict(self) -> Model:
        """The object, told to the dispatcher."""
        return self._told(self.llm.chat(self.messages, **self.call))

    async def apredict(self) -> Model:
        """The asynchronous twin of ``predict``."""
        return self._told(await self.llm.achat(self.messages, **self.call))

    def stream(self) -> Generator[Model | FlexibleModel, None, None]:
        """Objects that fill up; the last one is complete and valid."""
        yield from read_by(lambda: PartialReader(self), self.llm.stream_chat(self.messages, **self.call))

    async def astream(self) -> AsyncGenerator[Model | FlexibleModel, None]:
        """The asynchronous twin of ``stream``."""
        responses = await self.llm.astream_chat(self.messages, **self.call)
        async for partial in aread_by(lambda: PartialReader(self), responses):
            yield partial

    def unwrapped(self, read: Any) -> Model:
        """What was wanted of an object that was read."""
        return cast("Model", getattr(read, VALUE, None) if self.is_wrapped else read)

    def read(self, response: ChatResponse) -> Model:
        """The object, out of its wrapper. Raises ``ToolChoiceIgnoredError``, with the reason the model stopped, if there
        is none.
        """
        text = self._arguments(response) if self.by_tool else response.message.content or ""
        try:
            return self.unwrapped(self.output_cls.model_validate_json(text))
        except ValidationError as error:
            found = None if self.by_tool else self._in_words(response)
            if found is not None:
                return self.unwrapped(found)
            raise self._unread(response, error, text) from error

    def _told(self, response: ChatResponse) -> Model:
        result = self.read(response)
        dispatcher.event(LLMStructuredPredictEndEvent(output=result))
        return result

    def _arguments(self, response: ChatResponse) -> str:
        text = response.message.content or ""
        try:
            selections = tool_selections(response)
        except ValueError as error:
            raise self._unread(response, error, text) from None
        if selections:
            return to_json(selections[0].tool_kwargs).decode()
        raise self._unread(response, "the model did not call the tool that takes it", text)

    def _unread(self, response: ChatResponse, why: object, text: str) -> ToolChoiceIgnoredError:
        reason = response.additional_kwargs.get("stop_reason")
        said = f"the answer is not a {self.output_cls.__name__} (stop_reason={reason!r}): {why}"
        return ToolChoiceIgnoredError(f"{said}. It says: {text[:2000]!r}", text=text)

    def _in_words(self, response: ChatResponse) -> Model | None:
        """The object, where a server that does not keep to the schema put words or a fence around it."""
        schema = self.output_cls.model_json_schema()
        message = cast("Message", response.raw)
        found = recover_call(message, {str(schema.get("title") or self.output_cls.__name__): schema})
        if found is None:
            return None
        try:
            return self.output_cls.model_validate(found["content"][-1]["input"])
        except ValidationError:
            return None

    def piece_of(self, response: ChatResponse) -> str:
        """What a streamed response adds to the object's JSON text."""
        if not self.by_tool:
            return response.delta or ""
        delta = response.raw.get("delta") if isinstance(response.raw, Mapping) else None
        piece = delta.get("partial_json") if isinstance(delta, Mapping) else None
        return piece or ""


class PartialReader(Generic[Model]):
    """Objects that fill up while their JSON text arrives, in time linear in the text."""

    def __init__(self, plan: Plan[Model]) -> None:
        self._plan = plan
        self._text = PartialJSON()
        self._flexible: type[FlexibleModel] | None = None

    def take(self, response: ChatResponse) -> list[Model | FlexibleModel]:
        """The object so far, if the response shows more of it."""
        partial = self._partial(response)
        return [] if partial is None else [partial]

    def last(self, response: ChatResponse) -> list[Model | FlexibleModel]:
        """The whole object. Raises what ``Plan.read`` raises."""
        return [self._plan.read(response)]

    def _partial(self, response: ChatResponse) -> Model | FlexibleModel | None:
        piece = self._plan.piece_of(response)
        if not piece or not self._text.append(piece):
            return None
        value = self._text.value_at(self._text.mark)
        if not value:
            return None
        try:
            return self._plan.unwrapped(self._plan.output_cls.model_validate(value))
        except Exception:  # noqa: BLE001 - validators and factories of the user's may raise anything on half an object
            if self._plan.is_wrapped:
                return None  # a value that is not whole has no class of its own
            if self._flexible is None:  # making a class costs a millisecond: once in a stream
                self._flexible = create_flexible_model(self._plan.output_cls)
            try:
                return self._flexible.model_validate(by_python_names(value, self._plan.output_cls))
            except ValidationError:
                return None


def make_plan(
    llm: Settings,
    output_cls: type[Model],
    prompt: BasePromptTemplate,
    llm_kwargs: Mapping[str, Any] | None,
    prompt_args: Mapping[str, Any],
    *,
    is_stream: bool,
) -> Plan[Model] | None:
    """JSON-schema output where the model has it and the schema can be said that way, else a forced tool.

    With thinking on a tool cannot be forced: the model is asked for it in words. ``None``: the user set a program
    mode, so the way is LlamaIndex's to choose. A call that is no stream is told to the dispatcher.
    """
    if llm.pydantic_program_mode is not PydanticProgramMode.DEFAULT:
        return None
    if not isinstance(prompt, BasePromptTemplate):
        raise InvalidInputError(
            f"prompt must be a template, such as PromptTemplate('...'), not {str(prompt)[:80]!r}"
        )
    asked_for, schema, is_wrapped = schema_class_of(output_cls)
    if not is_stream:
        dispatcher.event(
            LLMStructuredPredictStartEvent(
                output_cls=output_cls, template=prompt, template_args=dict(prompt_args)
            )
        )
    messages = llm._extend_messages(prompt.format_messages(llm=llm, **prompt_args))
    call = {name: value for name, value in (llm_kwargs or {}).items() if name not in _DECIDED_HERE}
    plan = functools.partial(Plan, llm=llm, output_cls=asked_for, is_wrapped=is_wrapped)
    wanted = output_format(
        call.get("model") or llm.model, schema, thinking=call.get("thinking", llm.thinking)
    )
    if wanted is not None:
        given = call.pop("output_config", None) or {}
        call["output_config"] = {**given, "format": wanted}
        return plan(messages=messages, call=call, by_tool=False)
    tool = _tool_for(asked_for, schema)
    call |= prepare_call([*call.pop("tools", ()), tool], user_msg=None, history=messages)
    if llm._excludes_forced_tools(call):
        call = prepare_required_call({**call, "tools": [tool]}, thinking=True)
    else:
        call["tool_choice"] = {"type": "tool", "name": tool["name"]}
    call["allow_parallel_tool_calls"] = False
    return plan(messages=call.pop("messages"), call=call, by_tool=True)


def _tool_for(output_cls: type[BaseModel], schema: Mapping[str, Any]) -> dict[str, Any]:
    root = rooted(schema)
    title, description = root.pop("title", None), root.pop("description", None)
    name, words = str(title or output_cls.__name__), f"Give the answer as a {output_cls.__name__}."
    return own_tool(wire_tool_name(name), root, description or words)
