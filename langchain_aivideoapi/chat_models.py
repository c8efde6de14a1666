"""``ChatAIVideoAPI``: the LangChain chat model over the AI Video API platform's Messages route."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.callbacks.manager import BaseRunManager
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import ConfigurableField, Runnable, RunnableConfig, RunnableSerializable
from langchain_core.utils.utils import LC_ID_PREFIX

from aivideoapi_core import InvalidInputError, adapter_kit
from langchain_aivideoapi._errors import TransientModelError, langchain_errors
from langchain_aivideoapi._inbound import standard
from langchain_aivideoapi._settings import Settings
from langchain_aivideoapi._tags import FRAMEWORK, run_tags
from langchain_aivideoapi._types import StructuredMethod, ToolLike

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableWithFallbacks

    from aivideoapi_core import CreditsEstimate
    from langchain_aivideoapi._call import Call

standard.register()
_R = TypeVar("_R")


class ChatAIVideoAPI(Settings):
    """A Claude model on the AI Video API platform.

    ::

        from langchain_aivideoapi import ChatAIVideoAPI

        model = ChatAIVideoAPI(model="claude-sonnet-4-6")  # key: AIVIDEOAPI_API_KEY
        reply = model.invoke("Why is the sky blue?")
        print(reply.text, reply.usage_metadata["credits_consumed_micro"])

    The model id picks the route: ``claude-sonnet-4-6`` the platform's native one,
    ``claude-sonnet-4-6/anthropic`` the direct-forward one, with all that the official format has.
    Every option may be given per call too, ``model`` included; ``None`` takes a setting back. What a
    route or model cannot take raises before any request, and so does an argument nobody knows:
    fields of the request that have no name here go through ``extra_body`` (per call) or
    ``model_kwargs``.

    ``usage_metadata["credits_consumed_micro"]`` is the exact cost of a call by the published prices,
    in microcredits (1 credit = 1,000,000); ``response_metadata["credits_consumed"]`` is the number
    the platform reports, as sent. Either is absent when unknown.

    A pickle leaves a key that came from the environment out, and reads the environment where it is
    loaded; a key passed explicitly travels with it.
    """

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where ``load`` finds this class."""
        return ["langchain_aivideoapi", "chat_models"]

    def _call(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        arguments: dict[str, Any],
        *,
        stream: bool,
        run: BaseRunManager | None = None,
    ) -> Call:
        return _make_call(
            messages,
            run=run,
            tags=self.tags or (),
            defaults=self._defaults(),
            stop=stop,
            arguments=arguments,
            stream=stream,
        )

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        with langchain_errors():
            try:
                prompt = super()._convert_input(model_input)
            except Exception as error:
                from langchain_aivideoapi._outbound.traceable import unreadable

                raise unreadable(model_input, error) from error
            if not isinstance(prompt, ChatPromptValue):
                return prompt
            from langchain_aivideoapi._outbound.traceable import traceable

            messages = traceable(prompt.messages)
        return prompt if messages is prompt.messages else ChatPromptValue(messages=messages)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=False, run=run_manager)
            reply = self._client.create(**call.sent)
            return call.result(reply)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=False, run=run_manager)
            reply = await self._async_client.create(**call.sent)
            return call.result(reply)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=True, run=run_manager)
            client = self._client
            with client.stream(**call.sent) as events:
                chunks = call.chunks(events.accumulator)
                for event in events:
                    chunk = chunks.feed(event)
                    if chunk is not None:
                        if run_manager:
                            run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk
                chunk = chunks.last(events.reply)
            if run_manager:
                run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=True, run=run_manager)
            client = self._async_client
            async with client.stream(**call.sent) as events:
                chunks = call.chunks(events.accumulator)
                async for event in events:
                    chunk = chunks.feed(event)
                    if chunk is not None:
                        if run_manager:
                            await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                        yield chunk
                chunk = chunks.last(events.reply)
            if run_manager:
                await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
            yield chunk

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[Any]:
        """LangChain's protocol events straight from the wire's; core calls this for ``version="v3"``."""
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=True, run=run_manager)
            client = self._client
            with client.stream(**call.sent) as events:
                translator = call.events(events.accumulator, message_id=_message_id(run_manager))
                yield translator.start()
                for event in events:
                    yield from translator.feed(event)
                finish = translator.finish(events.reply)
            yield from finish

    async def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Any]:
        """The asynchronous twin of ``_stream_chat_model_events``."""
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=True, run=run_manager)
            client = self._async_client
            async with client.stream(**call.sent) as events:
                translator = call.events(events.accumulator, message_id=_message_id(run_manager))
                yield translator.start()
                async for event in events:
                    for translated in translator.feed(event):
                        yield translated
                finish = translator.finish(events.reply)
            for translated in finish:
                yield translated

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """As in LangChain; ``metadata=`` is the wire's."""
        return super().invoke(input, config, **_wire_metadata(kwargs))

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """As in LangChain; ``metadata=`` is the wire's."""
        return await super().ainvoke(input, config, **_wire_metadata(kwargs))

    def with_retry(
        self,
        *,
        retry_if_exception_type: tuple[type[BaseException], ...] | Callable[[BaseException], bool] = (
            TransientModelError,
        ),
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """As in LangChain, but by default only for errors that are worth another try.

        LangChain's default is any error: an empty balance, a wrong key and a stream that was billed
        would all be asked for again. What is made of the model (``bind``, ``bind_tools``,
        ``with_config``, ``with_structured_output``, ``with_fallbacks``, ``configurable_fields``) has
        the better default too. A chain made with ``|`` has not: give the model its retries before it
        goes into one, or the chain ``retry_if_exception_type=is_worth_retrying``.
        """
        return super().with_retry(retry_if_exception_type=retry_if_exception_type, **kwargs)

    def batch(self, inputs: list[LanguageModelInput], *args: Any, **kwargs: Any) -> list[AIMessage]:
        """As in LangChain; raises ``InvalidInputError`` for a text, each letter of which would be a call."""
        _check_inputs(inputs)
        return super().batch(inputs, *args, **kwargs)

    async def abatch(self, inputs: list[LanguageModelInput], *args: Any, **kwargs: Any) -> list[AIMessage]:
        """The asynchronous twin of ``batch``."""
        _check_inputs(inputs)
        return await super().abatch(inputs, *args, **kwargs)

    def with_fallbacks(self, *args: Any, **kwargs: Any) -> RunnableWithFallbacks[LanguageModelInput, Any]:
        """As in LangChain."""
        return _retrying(super().with_fallbacks(*args, **kwargs))

    def configurable_fields(self, **kwargs: Any) -> RunnableSerializable[LanguageModelInput, Any]:
        """As in LangChain."""
        return _retrying(super().configurable_fields(**kwargs))

    def configurable_alternatives(
        self, which: ConfigurableField, **kwargs: Any
    ) -> RunnableSerializable[LanguageModelInput, Any]:
        """As in LangChain."""
        return _retrying(super().configurable_alternatives(which, **kwargs))

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: str | bool | dict[str, Any] | None = None,
        parallel_tool_calls: bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """A model that may call ``tools``.

        ``tools``: functions, ``BaseTool``, pydantic and TypedDict classes, JSON schemas, OpenAI and
        Anthropic tool dicts; a dict whose ``type`` names a server tool goes through as it is.
        ``tool_choice``: ``auto``, ``any``, ``none``, a tool's name, ``True``, or an object of either format. ``parallel_tool_calls=False``: at most one call.
        ``strict``: arguments follow the schema. ``kwargs``: any option of a call.

        A forced choice goes out as ``auto``, with a warning, where thinking excludes it (a budget, the native
        route's switch); ``adaptive`` thinking takes it.
        """
        with langchain_errors():
            bound = _bound_tools(tools, tool_choice=tool_choice, parallel=parallel_tool_calls, strict=strict)
        return self.bind(**{**kwargs, **bound})

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        include_raw: bool = False,
        method: StructuredMethod = "function_calling",
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """A model whose answers are objects of ``schema``.

        ``schema``: a pydantic, TypedDict or dataclass class, a JSON schema, or a tool dict. Pydantic
        and dataclass classes give instances, everything else dicts. ``strict``: the tool is declared
        strict; ``json_schema`` always is. ``kwargs``: any option of a call.

        ``method``:

        - ``function_calling``: the model must call a tool that takes the schema. With thinking that
          excludes a forced call (see ``bind_tools``), it is asked to (with a warning), and an answer without the
          call raises ``OutputParserException``.
        - ``json_schema``: the reply's text is JSON by the schema, by ``output_config.format`` on the
          direct-forward route. The native route documents no such field, and the field takes neither
          recursion nor mappings with free keys, so then a forced tool stands in and its arguments
          become the text.
        - ``json_mode``: the same where the schema can be said that way, else (and without a schema)
          the model is told to answer with JSON, and the text is parsed.
        """
        from langchain_aivideoapi._structured import structured_output

        with langchain_errors():
            return structured_output(
                self, schema, include_raw=include_raw, method=method, strict=strict, options=kwargs
            )

    def _convert_cached_generations(self, cache_val: list[Generation]) -> list[ChatGeneration]:
        from langchain_aivideoapi._inbound.message import as_cached
        from langchain_aivideoapi._tracing import run_of_caller, trackers_of

        run = run_of_caller()
        # Core assigns to the generations that the cache holds: it gets copies.
        generations = super()._convert_cached_generations([hit.model_copy() for hit in cache_val])
        for generation in generations:
            if isinstance(message := generation.message, AIMessage):
                adapter_kit.count_cache_hit(
                    message.response_metadata.get("model_name") or self.model,
                    framework=FRAMEWORK,
                    tags=run_tags(run, self.tags or ()),
                    trackers=trackers_of(run),
                )
                generation.message = as_cached(message)
        return generations

    def get_num_tokens(self, text: str) -> int:
        """An estimate for a text, made offline (see ``get_num_tokens_from_messages``)."""
        from aivideoapi_core import estimate_text_tokens

        with langchain_errors():
            return estimate_text_tokens(text)

    def get_token_ids(self, text: str) -> list[int]:
        """Not possible: the tokenizer of these models is not public."""
        raise NotImplementedError(
            "the tokenizer of these models is not public; get_num_tokens() estimates the number of tokens"
        )

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[ToolLike] | None = None, **kwargs: Any
    ) -> int:
        """An estimate of the input tokens of a request, made offline. See ``aivideoapi_core.estimate_input_tokens``.

        Any part of a conversation can be counted, also one that could not be sent by itself, so the
        model is a ``token_counter`` for ``trim_messages``.
        """
        from aivideoapi_core import estimate_input_tokens

        with langchain_errors():
            from langchain_aivideoapi._outbound.request import countable

            return estimate_input_tokens(countable(messages, {**kwargs, "tools": tools}))

    def estimate_credits(
        self, messages: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> CreditsEstimate:
        """What a call with these arguments will cost, from the input alone to the worst case; made offline."""
        with langchain_errors():
            turns = self._convert_input(messages).to_messages()
            return self._call(turns, stop, kwargs, stream=False).request.estimate(self.prices)


_make_call: Callable[..., Call] = adapter_kit.late_function("langchain_aivideoapi._call", "make_call")
_bound_tools: Callable[..., dict[str, Any]] = adapter_kit.late_function(
    "langchain_aivideoapi._outbound.tools", "bound_tools"
)
_retrying: Callable[[_R], _R] = adapter_kit.late_function("langchain_aivideoapi._retrying", "retrying")


def _check_inputs(inputs: object) -> None:
    if isinstance(inputs, (str, bytes, dict)):
        with langchain_errors():
            raise InvalidInputError(
                f"batch takes a list of inputs, such as ['...', '...'], not a {type(inputs).__name__}"
            )


def _message_id(run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None) -> str:
    """The id that core gives to the message of a run; empty leaves it to core."""
    return f"{LC_ID_PREFIX}-{run_manager.run_id}" if run_manager else ""


def _wire_metadata(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Core's ``invoke`` has its own ``metadata`` and fails on a second one."""
    if "metadata" in kwargs:
        kwargs["request_metadata"] = kwargs.pop("metadata")
    return kwargs


adapter_kit.remember_signatures(ChatAIVideoAPI, "_generate", "_agenerate")
__all__ = ["ChatAIVideoAPI"]
