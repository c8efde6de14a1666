"""``AIVideoAPI``: Claude on the AI Video API platform as a LlamaIndex LLM.

::

    from llama_index.core.llms import ChatMessage
    from llamaindex_aivideoapi import AIVideoAPI

    llm = AIVideoAPI(model="claude-sonnet-4-6")  # the key is in AIVIDEOAPI_API_KEY
    reply = llm.chat([ChatMessage("Why is the sky blue?")])
    print(reply.message.content, reply.additional_kwargs["credits_consumed"])
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llama_index.core.base.llms.generic_utils import (
    achat_to_completion_decorator,
    astream_chat_to_completion_decorator,
    chat_to_completion_decorator,
    stream_chat_to_completion_decorator,
)
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.prompts import PromptTemplate

from aivideoapi_core import ToolChoiceIgnoredError, adapter_kit
from llamaindex_aivideoapi._given import check_output_class, checked_prompt, with_messages
from llamaindex_aivideoapi._settings import DEFAULT_MODEL, Settings

if TYPE_CHECKING:
    from llama_index.core.llms.structured_llm import StructuredLLM
    from llama_index.core.program.utils import FlexibleModel
    from llama_index.core.tools.types import BaseTool
    from llama_index.core.types import Model
    from pydantic import BaseModel

    from aivideoapi_core import AsyncMessagesClient, CreditsEstimate, MessagesClient
    from llamaindex_aivideoapi._call import Call
    from llamaindex_aivideoapi._structured import Plan


class AIVideoAPI(Settings):
    """Claude on the AI Video API platform.

    Every request option may also be given to a single call (``llm.chat(messages, max_tokens=100)``),
    ``model=`` included: the route, the limits and the prices follow it. A call also takes
    ``extra_headers``, ``timeout``, ``stop``, ``tools`` and ``tool_choice``.

    A misspelt argument raises ``InvalidInputError``. So does, before anything is sent, whatever the
    model or its route cannot take.
    """

    def __init__(self, model: str = DEFAULT_MODEL, **settings: Any) -> None:
        """See the fields."""
        with adapter_kit.hidden_arguments(settings, self):
            if settings.get("additional_kwargs", {}) is None:
                del settings["additional_kwargs"]
            super().__init__(model=model, **settings)
            if self.additional_kwargs:
                from llamaindex_aivideoapi._outbound.names import NAMES

                NAMES.warn_of(self.additional_kwargs, argument="additional_kwargs")
            self._check(vars(self))  # what is wrong should be heard of here, not at the first call

    @classmethod
    def class_name(cls) -> str:
        """The name under which ``load_llm`` finds this class."""
        return "AIVideoAPI_LLM"

    # Calls. Each public method is decorated and leads to an undecorated one, so that a call over the
    # wire is one event, whichever method it came by.

    @with_messages
    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """One whole reply."""
        return self._chat(messages, **kwargs)

    @with_messages
    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The reply as it comes; each response holds the whole message so far, the last one the facts."""
        return self._stream_chat(messages, **kwargs)

    @with_messages
    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The asynchronous twin of ``chat``."""
        return await self._achat(messages, **kwargs)

    @with_messages
    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The asynchronous twin of ``stream_chat``."""
        return await self._astream_chat(messages, **kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """``chat`` with one user message."""
        return chat_to_completion_decorator(self._chat)(checked_prompt(prompt), **kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """``stream_chat`` with one user message."""
        return stream_chat_to_completion_decorator(self._stream_chat)(checked_prompt(prompt), **kwargs)

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The asynchronous twin of ``complete``."""
        return await achat_to_completion_decorator(self._achat)(checked_prompt(prompt), **kwargs)

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """The asynchronous twin of ``stream_complete``."""
        return await astream_chat_to_completion_decorator(self._astream_chat)(
            checked_prompt(prompt), **kwargs
        )

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        call = self._call(messages, kwargs, stream=False)
        return call.response(self._client.create(**call.sent))

    async def _achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        call = self._call(messages, kwargs, stream=False)
        return call.response(await self._async_client.create(**call.sent))

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return self._responses(self._call(messages, kwargs, stream=True), self._client)

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return self._aresponses(self._call(messages, kwargs, stream=True), self._async_client)

    @staticmethod
    def _responses(call: Call, client: MessagesClient) -> ChatResponseGen:
        with client.stream(**call.sent) as stream:
            responses = call.responses(stream.accumulator)
            for event in stream:
                response = responses.feed(event)
                if response is not None:
                    yield response
            # After the end of the body: the credits may come after everything else.
            last = call.last_response(stream.reply, responses)
        yield last

    @staticmethod
    async def _aresponses(call: Call, client: AsyncMessagesClient) -> ChatResponseAsyncGen:
        async with client.stream(**call.sent) as stream:
            responses = call.responses(stream.accumulator)
            async for event in stream:
                response = responses.feed(event)
                if response is not None:
                    yield response
            last = call.last_response(stream.reply, responses)
        yield last

    def _call(self, messages: Sequence[ChatMessage], arguments: Mapping[str, Any], *, stream: bool) -> Call:
        return _make_call(messages, defaults=self._defaults(), arguments=arguments, stream=stream)

    # Tools.

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        tool_choice: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The arguments of the ``chat`` call behind ``chat_with_tools``; the history is left untouched.

        ``tool_choice``: ``auto``, ``any``, ``required``, ``none``, a tool's name, or the wire's object.
        Where thinking excludes a forced choice, an explicit one goes out as ``auto`` with a warning, and
        ``tool_required`` becomes a request in words.
        """
        adapter_kit.check_flag("allow_parallel_tool_calls", allow_parallel_tool_calls)
        adapter_kit.check_flag("tool_required", tool_required)
        call = _bound_tools(
            tools, user_msg=user_msg, history=chat_history, headers=kwargs.get("extra_headers")
        )
        call |= {"allow_parallel_tool_calls": allow_parallel_tool_calls, **kwargs}
        if tool_choice is not None:
            return {**call, "tool_choice": tool_choice}
        if tool_required and call.get("tools"):
            from llamaindex_aivideoapi._outbound.tools import prepare_required_call

            return prepare_required_call(call, thinking=self._excludes_forced_tools(kwargs))
        return call

    def stream_chat_with_tools(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> ChatResponseGen:
        """As in LlamaIndex. For a ``FunctionCallingProgram`` its tool is required, as it is when the program is called,
        and a stream without the object raises at its end what ``get_tool_calls_from_response`` raises.
        """
        from llamaindex_aivideoapi._programs import required_by_program

        reader, kwargs = required_by_program(tools, kwargs, self.get_tool_calls_from_response)
        responses = super().stream_chat_with_tools(tools, *args, **kwargs)
        return responses if reader is None else adapter_kit.read_by(reader, responses)

    async def astream_chat_with_tools(
        self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """The asynchronous twin of ``stream_chat_with_tools``."""
        from llamaindex_aivideoapi._programs import required_by_program

        reader, kwargs = required_by_program(tools, kwargs, self.get_tool_calls_from_response)
        responses = await super().astream_chat_with_tools(tools, *args, **kwargs)
        return responses if reader is None else adapter_kit.aread_by(reader, responses)

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tool calls of a reply.

        Raises ``ValueError`` if there are none and ``error_on_no_tool_call``, a ``ToolChoiceIgnoredError``
        if one was forced, and for arguments that the output limit cut.
        """
        from llamaindex_aivideoapi._inbound.tool_calls import tool_selections

        selections = tool_selections(response)
        if not selections and error_on_no_tool_call:
            text = response.message.content or ""
            said = f"expected a tool call, but the model answered: {text!r}"
            if response.message.additional_kwargs.get("tool_choice_ignored"):
                raise ToolChoiceIgnoredError(said, text=text)
            raise ValueError(said)
        return selections

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        from llamaindex_aivideoapi._inbound.tool_calls import keep_first_call

        return response if allow_parallel_tool_calls else keep_first_call(response)

    # Structured output.

    def _plan(self, output_cls: type[Model], *asked: Any, is_stream: bool) -> Plan[Model] | None:
        from llamaindex_aivideoapi._structured import make_plan

        return make_plan(self, output_cls, *asked, is_stream=is_stream)

    def as_structured_llm(self, output_cls: type[BaseModel], **kwargs: Any) -> StructuredLLM:
        """As in LlamaIndex, which takes pydantic classes alone here."""
        check_output_class(output_cls)
        return super().as_structured_llm(output_cls, **kwargs)

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """An ``output_cls``: by JSON-schema output where the model has it, else by a forced tool call."""
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args, is_stream=False)
        if plan is None:
            theirs: Model = super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return theirs
        return plan.predict()

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """The asynchronous twin of ``structured_predict``."""
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args, is_stream=False)
        if plan is None:
            theirs: Model = await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return theirs
        return await plan.apredict()

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None, None]:
        """Behind ``stream_structured_predict``: objects that fill up, the last one an ``output_cls``."""
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args, is_stream=True)
        if plan is None:
            return super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return plan.stream()

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
        """The asynchronous twin of ``_structured_stream_call``."""
        plan = self._plan(output_cls, prompt, llm_kwargs, prompt_args, is_stream=True)
        if plan is None:
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return plan.astream()

    def estimate_credits(self, messages: Sequence[ChatMessage], **kwargs: Any) -> CreditsEstimate:
        """What a ``chat`` call with these arguments will cost, from the input alone to the worst case; offline."""
        return self._call(messages, kwargs, stream=False).request.estimate(self.prices)


_make_call: Callable[..., Call] = adapter_kit.late_function("llamaindex_aivideoapi._call", "make_call")
_bound_tools: Callable[..., dict[str, Any]] = adapter_kit.late_function(
    "llamaindex_aivideoapi._outbound.tools", "bound_tools"
)


adapter_kit.remember_signatures(
    AIVideoAPI,
    *("chat", "achat", "stream_chat", "astream_chat"),
    *("complete", "acomplete", "stream_complete", "astream_complete"),
)
