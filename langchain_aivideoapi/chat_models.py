"""``ChatAIVideoAPI``: the LangChain chat model over the AI Video API platform's Messages route."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final, Self

import httpx
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult, Generation
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.utils.utils import LC_ID_PREFIX
from pydantic import AliasChoices, ConfigDict, Field, PrivateAttr, SecretStr, field_validator, model_validator

from aivideoapi_core import (
    API_KEY_ENV,
    BASE_URL_ENV,
    DEFAULT_TIMEOUT,
    AsyncMessagesClient,
    Balance,
    CreditBudget,
    CreditsEstimate,
    MessagesClient,
    ModelPrices,
    RetryPolicy,
    SpendLedger,
    Timeout,
    estimate_credits,
)
from langchain_aivideoapi._call import WIRE_OPTIONS, Call, defaults_from_kwargs, prepare
from langchain_aivideoapi._errors import TransientModelError, langchain_errors
from langchain_aivideoapi._fast import PROVIDER
from langchain_aivideoapi._profiles import profile_of
from langchain_aivideoapi._structured import StructuredMethod, structured_output
from langchain_aivideoapi._tokens import estimate_text, estimate_tokens
from langchain_aivideoapi._translate import standard
from langchain_aivideoapi._translate.tools import ToolLike, to_tool_choice, to_tools

standard.register()

_SECRETS: Final = {
    "api_key": API_KEY_ENV,
    "mcp_servers": "AIVIDEOAPI_MCP_SERVERS",
    "default_headers": "AIVIDEOAPI_DEFAULT_HEADERS",
}
"""Fields that may hold keys or tokens, and where ``load`` finds their values (JSON but for the key)."""


class ChatAIVideoAPI(BaseChatModel):
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

    model: str = Field(validation_alias=AliasChoices("model", "model_name"))
    """Model id. An id that the catalogue does not list works too, without prices."""
    api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("api_key", "aivideoapi_api_key")
    )
    """The platform's key; default: the environment variable ``AIVIDEOAPI_API_KEY``."""
    base_url: str | None = None
    """Where the platform is, with or without ``/v1``; default: ``AIVIDEOAPI_BASE_URL``, then the platform."""
    max_tokens: int | None = Field(
        default=None, validation_alias=AliasChoices("max_tokens", "max_tokens_to_sample")
    )
    """Output limit in tokens; default: from the catalogue on the direct-forward route, else the platform's."""
    temperature: float | None = None
    """0 to 1."""
    top_p: float | None = None
    """0 to 1."""
    top_k: int | None = None
    """Tokens to choose from at each step."""
    stop: list[str] | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    """Stop sequences of every call that gives none itself."""
    timeout: Timeout = Field(
        default=None, validation_alias=AliasChoices("timeout", "default_request_timeout")
    )
    """Seconds between two pieces of a reply, or an ``httpx.Timeout``; ``None``: 600 (5 to connect)."""
    max_retries: int = 2
    """Tries after the first, for what costs nothing to try again."""
    max_retry_wait_s: float = 60.0
    """The longest wait that a server may ask for, in seconds; if it asks for more, the error is raised."""
    thinking: bool | dict[str, Any] | None = None
    """``True`` on the native route; the official object on the direct-forward one."""
    effort: str | None = Field(default=None, validation_alias=AliasChoices("effort", "reasoning_effort"))
    """Shorthand for ``output_config["effort"]``."""
    output_config: dict[str, Any] | None = None
    """The official object: ``effort``, ``format``."""
    betas: list[str] | None = None
    """Names for the ``anthropic-beta`` header."""
    request_metadata: dict[str, Any] | None = None
    """The wire's ``metadata``, such as ``{"user_id": ...}``.

    LangChain's own ``metadata`` is for traces and stays there, but for ``user_id``, the one key the
    wire's has: that is sent too unless this field is set.
    """
    service_tier: str | None = None
    """``auto`` or ``standard_only``."""
    container: str | dict[str, Any] | None = None
    """Container of the code execution tool: an id, or the official object."""
    inference_geo: str | None = None
    """Where inference runs."""
    context_management: dict[str, Any] | None = None
    """The official (beta) object."""
    mcp_servers: list[dict[str, Any]] | None = Field(default=None, repr=False)
    """The official (beta) list. May hold tokens, so dumps leave it out."""
    cache_control: dict[str, Any] | None = None
    """A cache breakpoint on the last block of every request (direct-forward route)."""
    default_headers: dict[str, str] | None = Field(default=None, repr=False)
    """Headers of every request. May hold tokens, so dumps leave them out."""
    http_client: httpx.Client | None = Field(default=None, exclude=True, repr=False)
    """Replaces our own client for synchronous calls: proxies, custom CA, mTLS. Never closed by us."""
    http_async_client: httpx.AsyncClient | None = Field(default=None, exclude=True, repr=False)
    """The same for asynchronous calls."""
    allow_http: bool = False
    """Send the key over plain http to hosts other than this machine."""
    streaming: bool = False
    """Stream even under ``invoke``."""
    stream_usage: bool = True
    """Whether streamed messages have ``usage_metadata``."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further options; names that are none become fields of the request's body."""

    budget: CreditBudget | None = Field(default=None, exclude=True)
    """Refuses calls that could pass its limit, before any request. May be shared with other models."""
    ledger: SpendLedger | None = Field(default=None, exclude=True, repr=False)
    """Gets a row for every call. May be shared with other models."""
    prices: dict[str, ModelPrices] | None = Field(default=None, exclude=True)
    """Prices by model id, in place of the published ones."""
    spend_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for every row of the ledger; those of ``aivideoapi_core.spend_tags`` blocks join them."""

    _clients: dict[str, Any] = PrivateAttr(default_factory=dict)
    """The core's clients by colour, made at first use."""
    _key_from_env: bool = PrivateAttr(default=False)

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,  # the input of a failed construction may hold the key
        protected_namespaces=(),
    )

    @field_validator("mcp_servers", "default_headers", mode="before")
    @classmethod
    def _parse_secret(cls, value: Any) -> Any:
        """``load`` gives the value of a secret as text."""
        return json.loads(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Take key and address from the environment, and check all that can be checked without I/O."""
        self._read_environment()
        defaults_from_kwargs(self.model_kwargs)
        self._sync_client()
        return self

    def _read_environment(self) -> None:
        if self.api_key is None and (key := os.environ.get(API_KEY_ENV)):
            self.__dict__["api_key"] = SecretStr(key)
            self._key_from_env = True
        if self.base_url is None and (url := os.environ.get(BASE_URL_ENV)):
            self.__dict__["base_url"] = url

    def _resolve_model_profile(self) -> ModelProfile | None:
        return profile_of(self.model)

    @property
    def model_name(self) -> str:
        """The model id, by the other name that frameworks look for."""
        return self.model

    @property
    def _llm_type(self) -> str:
        # LangChain's SummarizationMiddleware tunes its token estimate by the prefix.
        return "anthropic-chat-aivideoapi"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether ``dumps`` can write this class."""
        return True

    @classmethod
    def get_lc_namespace(cls) -> list[str]:
        """Where ``load`` finds this class."""
        return ["langchain_aivideoapi", "chat_models"]

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Fields whose values dumps must not hold, and the secrets that stand for them."""
        return dict(_SECRETS)

    @property
    def _identifying_params(self) -> dict[str, Any]:
        """Everything that changes the output, without secrets."""
        options = self._defaults()
        for name in ("timeout", "stream_usage", "default_headers"):
            options.pop(name, None)
        if "mcp_servers" in options:
            options["mcp_servers"] = [
                {name: value for name, value in server.items() if name != "authorization_token"}
                for server in options["mcp_servers"]
            ]
        return {"base_url": self.base_url, **options}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        """What traces call this model. ``kwargs`` are the call's arguments and win."""
        params = LangSmithParams(
            ls_provider=PROVIDER,
            ls_model_name=kwargs.get("model") or kwargs.get("model_name") or self.model,
            ls_model_type="chat",
        )
        if (temperature := kwargs.get("temperature", self.temperature)) is not None:
            params["ls_temperature"] = temperature
        if (max_tokens := kwargs.get("max_tokens", self.max_tokens)) is not None:
            params["ls_max_tokens"] = max_tokens
        if stop or self.stop:
            params["ls_stop"] = stop or self.stop
        return params

    def _defaults(self) -> dict[str, Any]:
        """The model's settings by the names that a call's arguments have."""
        defaults: dict[str, Any] = {
            "model": self.model,
            **{name: value for name in WIRE_OPTIONS if (value := getattr(self, name)) is not None},
        }
        if self.stop:
            defaults["stop_sequences"] = self.stop
        metadata = self.request_metadata
        if metadata is None and self.metadata and self.metadata.get("user_id") is not None:
            metadata = {"user_id": self.metadata["user_id"]}
        for name, value in (
            ("metadata", metadata),
            ("betas", self.betas),
            ("default_headers", self.default_headers),
        ):
            if value:
                defaults[name] = value
        if not self.stream_usage:
            defaults["stream_usage"] = False
        if self.model_kwargs:
            defaults |= defaults_from_kwargs(self.model_kwargs)
        return defaults

    def _call(
        self,
        messages: Sequence[BaseMessage],
        stop: list[str] | None,
        arguments: dict[str, Any],
        *,
        stream: bool,
    ) -> Call:
        return prepare(self._defaults(), messages, stop=stop, arguments=arguments, stream=stream)

    def _client_settings(self) -> dict[str, Any]:
        """What both of the core's clients are made with."""
        return {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "timeout": DEFAULT_TIMEOUT if self.timeout is None else self.timeout,
            "retry": RetryPolicy(max_retries=self.max_retries, longest_wait_s=self.max_retry_wait_s),
            "default_headers": self.default_headers,
            "allow_http": self.allow_http,
            "budget": self.budget,
            "ledger": self.ledger,
            "prices": self.prices,
            "tags": tuple(self.spend_tags or ()),
            "framework": "langchain",
        }

    def _sync_client(self) -> MessagesClient:
        client: MessagesClient | None = self._clients.get("sync")
        if client is None:
            made = MessagesClient(http_client=self.http_client, **self._client_settings())
            client = self._clients.setdefault("sync", made)  # atomic: threads agree on one
        return client

    def _async_client(self) -> AsyncMessagesClient:
        client: AsyncMessagesClient | None = self._clients.get("async")
        if client is None:
            made = AsyncMessagesClient(http_client=self.http_async_client, **self._client_settings())
            client = self._clients.setdefault("async", made)
        return client

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=False)
            reply = self._sync_client().create(call.payload, headers=call.headers, timeout=call.timeout)
            return ChatResult(generations=[ChatGeneration(message=call.message(reply))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=False)
            reply = await self._async_client().create(
                call.payload, headers=call.headers, timeout=call.timeout
            )
            return ChatResult(generations=[ChatGeneration(message=call.message(reply))])

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        with langchain_errors():
            call = self._call(messages, stop, kwargs, stream=True)
            client = self._sync_client()
            with client.stream(call.payload, headers=call.headers, timeout=call.timeout) as events:
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
            call = self._call(messages, stop, kwargs, stream=True)
            client = self._async_client()
            async with client.stream(call.payload, headers=call.headers, timeout=call.timeout) as events:
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
            call = self._call(messages, stop, kwargs, stream=True)
            client = self._sync_client()
            with client.stream(call.payload, headers=call.headers, timeout=call.timeout) as events:
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
            call = self._call(messages, stop, kwargs, stream=True)
            client = self._async_client()
            async with client.stream(call.payload, headers=call.headers, timeout=call.timeout) as events:
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
        input: LanguageModelInput,  # noqa: A002 - the framework's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """As in LangChain; ``metadata=`` is the wire's."""
        return super().invoke(input, config, stop=stop, **_wire_metadata(kwargs))

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - the framework's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """As in LangChain; ``metadata=`` is the wire's."""
        return await super().ainvoke(input, config, stop=stop, **_wire_metadata(kwargs))

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
        would all be asked for again. That default still holds for ``with_retry`` of a chain, so give
        the model its retries before it goes into one.
        """
        return super().with_retry(retry_if_exception_type=retry_if_exception_type, **kwargs)

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
        ``tool_choice``: see ``to_tool_choice``. ``parallel_tool_calls=False``: at most one call.
        ``strict``: arguments follow the schema. ``kwargs``: any option of a call.

        A forced choice together with thinking raises when the call is made: the wire refuses it.
        """
        with langchain_errors():
            converted = to_tools(tools, strict=strict)
            choice = to_tool_choice(
                tool_choice, converted, parallel_tool_calls=parallel_tool_calls if converted else None
            )
        if choice is not None:
            kwargs["tool_choice"] = choice
        return self.bind(tools=converted, **kwargs)

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

        - ``function_calling``: the model must call a tool that takes the schema. With thinking on,
          which excludes a forced call, it is asked to (with a warning), and an answer without the
          call raises ``OutputParserException``.
        - ``json_schema``: the reply's text is JSON by the schema, by ``output_config.format`` on the
          direct-forward route. The native route documents no such field, so there a forced tool
          stands in and its arguments become the text.
        - ``json_mode``: the same where the schema can be said that way, else (and without a schema)
          the model is told to answer with JSON, and the text is parsed.
        """
        with langchain_errors():
            return structured_output(
                self, schema, include_raw=include_raw, method=method, strict=strict, options=kwargs
            )

    def _convert_cached_generations(self, cache_val: list[Generation]) -> list[ChatGeneration]:
        """A cache hit made no request, so it has no credits and no request's facts."""
        generations = super()._convert_cached_generations(list(map(_shallow, cache_val)))
        for generation in generations:
            message = generation.message
            if not isinstance(message, AIMessage):
                continue
            usage: Any = {**(message.usage_metadata or {})}
            if usage:
                usage["credits_consumed_micro"] = 0
            metadata = {
                name: value
                for name, value in message.response_metadata.items()
                if name not in ("credits_consumed", "request_id", "attempts")
            }
            generation.message = message.model_copy(
                update={"usage_metadata": usage or None, "response_metadata": {**metadata, "cache_hit": True}}
            )
        return generations

    def get_num_tokens(self, text: str) -> int:
        """An estimate for a text, made offline (see ``get_num_tokens_from_messages``)."""
        return estimate_text(text)

    def get_token_ids(self, text: str) -> list[int]:
        """Not possible: the tokenizer of these models is not public."""
        raise NotImplementedError(
            "the tokenizer of these models is not public; get_num_tokens() estimates the number of tokens"
        )

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[ToolLike] | None = None, **kwargs: Any
    ) -> int:
        """An estimate of the input tokens of a request, made offline. See ``_tokens.py`` for the rules."""
        with langchain_errors():
            call = self._call(messages, None, {**kwargs, "tools": tools}, stream=False)
            return estimate_tokens(call.payload)

    def estimate_credits(
        self, messages: LanguageModelInput, *, stop: list[str] | None = None, **kwargs: Any
    ) -> CreditsEstimate:
        """What a call with these arguments will cost, from the input alone to the worst case; made offline."""
        with langchain_errors():
            payload = self._call(
                self._convert_input(messages).to_messages(), stop, kwargs, stream=False
            ).payload
            return estimate_credits(payload, prices=(self.prices or {}).get(payload["model"]))

    def credits(self) -> Balance:
        """The account's balance, in whole credits."""
        with langchain_errors():
            return self._sync_client().credits()

    async def acredits(self) -> Balance:
        """The account's balance, in whole credits."""
        with langchain_errors():
            return await self._async_client().credits()

    def close(self) -> None:
        """Close the connections of synchronous calls. A later call opens new ones."""
        self._sync_client().close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop. A later call opens new ones."""
        await self._async_client().aclose()

    def __setattr__(self, name: str, value: Any) -> None:
        """A setting that is changed later counts from the next call on, the clients' own included."""
        super().__setattr__(name, value)
        if name in type(self).model_fields and self.__pydantic_private__ is not None:
            self._forget()

    def __getstate__(self) -> dict[Any, Any]:
        """Without clients, and without a key that came from the environment.

        Raises ``pickle.PicklingError`` with an injected http client, which cannot travel.
        """
        if self.http_client is not None or self.http_async_client is not None:
            raise pickle.PicklingError(
                "a model with http_client or http_async_client cannot be pickled: "
                "make the model where it is used, with a client made there"
            )
        state: dict[Any, Any] = dict(super().__getstate__())
        state["__pydantic_private__"] = {**(state["__pydantic_private__"] or {}), "_clients": {}}
        fields = state["__dict__"] = {**state["__dict__"]}
        fields.pop("_serialized", None)
        if self._key_from_env:
            fields["api_key"] = None
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Read a key that was left out from the environment of this process."""
        super().__setstate__(state)
        self._read_environment()

    def __copy__(self) -> Self:
        """A copy (``model_copy`` too) makes its own clients, since its settings may be changed."""
        copied = super().__copy__()
        copied._forget()
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A deep copy; injected http clients and the rate limiter, which hold locks, are shared."""
        memo = {} if memo is None else memo
        for shared in (self.http_client, self.http_async_client, self.rate_limiter, self.budget, self.ledger):
            if shared is not None:
                memo[id(shared)] = shared
        memo[id(self._clients)] = {}
        copied = super().__deepcopy__(memo)
        copied._forget()
        return copied

    def _forget(self) -> None:
        """Drop what was made from the settings."""
        self._clients = {}
        self.__dict__.pop("_serialized", None)


def _message_id(run_manager: CallbackManagerForLLMRun | AsyncCallbackManagerForLLMRun | None) -> str:
    """The id that core gives to the message of a run; empty leaves it to core."""
    return f"{LC_ID_PREFIX}-{run_manager.run_id}" if run_manager else ""


def _wire_metadata(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Core's ``invoke`` has its own ``metadata`` and fails on a second one."""
    if "metadata" in kwargs:
        kwargs["request_metadata"] = kwargs.pop("metadata")
    return kwargs


def _shallow(generation: Generation) -> Generation:
    """Core assigns to the generations that the cache holds; give it copies."""
    return generation.model_copy()


__all__ = ["ChatAIVideoAPI"]
