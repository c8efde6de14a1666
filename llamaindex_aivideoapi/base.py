"""``AIVideoAPI``: Claude on the AI Video API platform as a LlamaIndex LLM.

::

    from llama_index.core.llms import ChatMessage
    from llamaindex_aivideoapi import AIVideoAPI

    llm = AIVideoAPI(model="claude-sonnet-4-6")  # the key is in AIVIDEOAPI_API_KEY
    reply = llm.chat([ChatMessage("Why is the sky blue?")])
    print(reply.message.content, reply.additional_kwargs["credits_consumed"])
"""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import httpx
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
    LLMMetadata,
    MessageRole,
)
from llama_index.core.bridge.pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_serializer,
    field_validator,
)
from llama_index.core.llms.callbacks import llm_chat_callback, llm_completion_callback
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.prompts import PromptTemplate

from aivideoapi_core import (
    DEFAULT_TIMEOUT,
    AsyncMessagesClient,
    Balance,
    CreditBudget,
    CreditsEstimate,
    MessagesClient,
    ModelPrices,
    RetryPolicy,
    Route,
    SpendLedger,
    Timeout,
    build_headers,
    estimate_credits,
    model_info,
    resolve_base_url,
    thinking_is_on,
)
from llamaindex_aivideoapi import _structured
from llamaindex_aivideoapi._options import Request, build_request, unknown_argument
from llamaindex_aivideoapi._streaming import ResponseStream
from llamaindex_aivideoapi._translate import to_chat_response, to_tools, tool_selections
from llamaindex_aivideoapi._with_tools import keep_first_call, prepare_call, prepare_required_call
from llamaindex_aivideoapi.credits import FRAMEWORK, current_tags, report_call

if TYPE_CHECKING:
    from llama_index.core.program.utils import FlexibleModel
    from llama_index.core.tools.types import BaseTool
    from llama_index.core.types import Model

DEFAULT_MODEL: Final = "claude-sonnet-4-6"

_CLIENT_FIELDS: Final = frozenset(
    {
        "api_key", "base_url", "timeout", "max_retries", "max_retry_wait_s", "default_headers", "allow_http",
        "http_client", "http_async_client", "budget", "ledger", "prices", "spend_tags",
    }
)  # fmt: skip
"""A change to one of these makes new clients."""

_REQUEST_FIELDS: Final = (
    "model", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "thinking", "effort",
    "output_config", "betas", "service_tier", "container", "inference_geo", "context_management",
    "mcp_servers", "cache_control", "tools", "additional_kwargs", "default_headers",
)  # fmt: skip
"""What goes into a request unless a call's argument says otherwise."""


class AIVideoAPI(FunctionCallingLLM):
    """Claude on the AI Video API platform.

    Every request option may also be given to a single call (``llm.chat(messages, max_tokens=100)``),
    ``model=`` included: the route, the limits and the prices follow it. A call also takes
    ``extra_headers``, ``timeout``, ``stop``, ``tools`` and ``tool_choice``.

    A misspelt argument raises ``InvalidInputError``. So does, before anything is sent, whatever the
    model or its route cannot take.
    """

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    model: str = Field(
        default=DEFAULT_MODEL, description="Model id; one that ends in '/anthropic' is direct-forward."
    )
    api_key: SecretStr | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Default: AIVIDEOAPI_API_KEY, read at the first call.",
    )
    base_url: str | None = Field(
        default=None, description="With or without /v1. Default: AIVIDEOAPI_BASE_URL, then the platform."
    )
    max_tokens: int | None = Field(default=None, description="Most tokens of output. Default: by model.")
    temperature: float | None = Field(default=None, description="0 to 1; not sent unless set.")
    top_p: float | None = Field(default=None, description="0 to 1; not sent unless set.")
    top_k: int | None = Field(default=None, description="Not sent unless set.")
    stop_sequences: list[str] | None = Field(
        default=None, description="Texts that end the answer; also stop=."
    )
    thinking: bool | dict[str, Any] | None = Field(
        default=None, description="True on the native route; {'type': 'adaptive'} and the like on the other."
    )
    effort: str | None = Field(default=None, description="low, medium, high, xhigh or max.")
    output_config: dict[str, Any] | None = Field(default=None, description="The wire's output_config.")
    betas: list[str] | None = Field(default=None, description="Names for the anthropic-beta header.")
    service_tier: str | None = Field(default=None, description="auto or standard_only.")
    container: str | dict[str, Any] | None = Field(
        default=None, description="Container of the code execution tool."
    )
    inference_geo: str | None = Field(default=None, description="Where the work may be done.")
    context_management: dict[str, Any] | None = Field(
        default=None, description="The wire's context_management."
    )
    mcp_servers: list[dict[str, Any]] | None = Field(
        default=None, repr=False, description="MCP servers; their tokens are left out of to_dict()."
    )
    cache_control: dict[str, Any] | None = Field(
        default=None, description="{'type': 'ephemeral'}: cache up to the last block of each request."
    )
    tools: list[dict[str, Any]] | None = Field(
        default=None, description="Server tools, added to every request."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="More options; names that are none become fields of the body."
    )
    timeout: Timeout = Field(
        default=DEFAULT_TIMEOUT,
        description="Seconds between two pieces of a reply, or httpx.Timeout (its four numbers in to_dict()).",
    )
    max_retries: int = Field(default=2, ge=0, description="Tries after the first one.")
    max_retry_wait_s: float = Field(
        default=60.0, ge=0, description="If the server asks for a longer wait than this, the error is raised."
    )
    default_headers: dict[str, str] | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Sent with every request; may hold secrets, so not in to_dict().",
    )
    allow_http: bool = Field(default=False, description="Permit http to hosts other than this machine.")
    http_client: httpx.Client | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="For proxies, certificates and limits; yours to close.",
    )
    http_async_client: httpx.AsyncClient | None = Field(
        default=None, exclude=True, repr=False, description="The same for the asynchronous methods."
    )
    context_window: int | None = Field(
        default=None, gt=0, description="Tokens of input and output. Default: by model."
    )
    num_output: int | None = Field(
        default=None,
        gt=0,
        description="Tokens that LlamaIndex keeps free for the answer. Default: max_tokens.",
    )

    budget: CreditBudget | None = Field(
        default=None, exclude=True, description="Refuses calls that could pass its limit; may be shared."
    )
    ledger: SpendLedger | None = Field(
        default=None, exclude=True, repr=False, description="Gets a row for every call; may be shared."
    )
    prices: dict[str, ModelPrices] | None = Field(
        default=None, description="By model id, in place of the published prices."
    )
    spend_tags: list[str] = Field(
        default_factory=list,
        description="Tags for every row of the ledger; active instrument tags join them.",
    )

    _clients: dict[str, Any] = PrivateAttr(default_factory=dict)

    def __init__(self, model: str = DEFAULT_MODEL, **settings: Any) -> None:
        """``stop`` is ``stop_sequences``; see the fields for the rest."""
        if "stop" in settings:
            stop = settings.pop("stop")
            settings.setdefault("stop_sequences", [stop] if isinstance(stop, str) else stop)
        for name in settings:
            if name not in type(self).model_fields:
                raise unknown_argument(name, sorted(type(self).model_fields), place=type(self).__name__)
        if settings.get("additional_kwargs", {}) is None:
            del settings["additional_kwargs"]
        super().__init__(model=model, **settings)
        # A wrong address or header should be heard of here, not at the first call.
        resolve_base_url(self.base_url, allow_http=self.allow_http)
        build_headers(self.default_headers, betas=self.betas)

    @classmethod
    def class_name(cls) -> str:
        """The name under which ``load_llm`` finds this class."""
        return "AIVideoAPI_LLM"

    @property
    def metadata(self) -> LLMMetadata:
        """Limits and abilities; never raises, unknown models get cautious limits."""
        info = model_info(self.model)
        return LLMMetadata(
            context_window=self.context_window or info.context_window,
            num_output=self.num_output or self.max_tokens or info.default_max_tokens,
            is_chat_model=True,
            is_function_calling_model=True,
            model_name=self.model,
            system_role=MessageRole.SYSTEM,
        )

    def to_payload(self) -> dict[str, Any]:
        """What instrumentation events say of this model; nothing secret."""
        inherited = getattr(super(), "to_payload", dict)  # llama-index-core has one since 0.14.23
        return {
            **inherited(),
            "model": self.model,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }

    @field_serializer("mcp_servers")
    def _without_tokens(self, servers: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        if servers is None:
            return None
        return [
            {name: value for name, value in server.items() if name != "authorization_token"}
            for server in servers
        ]

    @field_serializer("timeout")
    def _timeout_as_json(self, timeout: Timeout) -> float | dict[str, float | None] | None:
        return timeout.as_dict() if isinstance(timeout, httpx.Timeout) else timeout

    @field_validator("timeout", mode="before")
    @classmethod
    def _timeout_from_json(cls, timeout: Any) -> Any:
        return httpx.Timeout(**timeout) if isinstance(timeout, dict) else timeout

    # Calls. Each public method is decorated and leads to an undecorated one, so that a call over the
    # wire is one event, whichever method it came by.

    @llm_chat_callback()
    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """One whole reply."""
        return self._chat(messages, **kwargs)

    @llm_chat_callback()
    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """The reply as it comes; each response holds the whole message so far, the last one the facts."""
        return self._stream_chat(messages, **kwargs)

    @llm_chat_callback()
    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """The asynchronous twin of ``chat``."""
        return await self._achat(messages, **kwargs)

    @llm_chat_callback()
    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """The asynchronous twin of ``stream_chat``."""
        return await self._astream_chat(messages, **kwargs)

    @llm_completion_callback()
    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """``chat`` with one user message."""
        return chat_to_completion_decorator(self._chat)(prompt, **kwargs)

    @llm_completion_callback()
    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """``stream_chat`` with one user message."""
        return stream_chat_to_completion_decorator(self._stream_chat)(prompt, **kwargs)

    @llm_completion_callback()
    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """The asynchronous twin of ``complete``."""
        return await achat_to_completion_decorator(self._achat)(prompt, **kwargs)

    @llm_completion_callback()
    async def astream_complete(
        self, prompt: str, formatted: bool = False, **kwargs: Any
    ) -> CompletionResponseAsyncGen:
        """The asynchronous twin of ``stream_complete``."""
        return await astream_chat_to_completion_decorator(self._astream_chat)(prompt, **kwargs)

    def _chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request = self._request(messages, kwargs, stream=False)
        reply = self._client.create(request.payload, headers=request.headers, timeout=request.timeout)
        return to_chat_response(reply)

    async def _achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        request = self._request(messages, kwargs, stream=False)
        reply = await self._async_client.create(
            request.payload, headers=request.headers, timeout=request.timeout
        )
        return to_chat_response(reply)

    def _stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        return self._responses(self._request(messages, kwargs, stream=True), self._client)

    async def _astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        return self._aresponses(self._request(messages, kwargs, stream=True), self._async_client)

    @staticmethod
    def _responses(request: Request, client: MessagesClient) -> ChatResponseGen:
        responses = ResponseStream()
        with client.stream(request.payload, headers=request.headers, timeout=request.timeout) as stream:
            for event in stream:
                response = responses.feed(event, stream.accumulator)
                if response is not None:
                    yield response
            # After the end of the body: the credits may come after everything else.
            last = to_chat_response(stream.reply, delta="")
        yield last

    @staticmethod
    async def _aresponses(request: Request, client: AsyncMessagesClient) -> ChatResponseAsyncGen:
        responses = ResponseStream()
        async with client.stream(request.payload, headers=request.headers, timeout=request.timeout) as stream:
            async for event in stream:
                response = responses.feed(event, stream.accumulator)
                if response is not None:
                    yield response
            last = to_chat_response(stream.reply, delta="")
        yield last

    def _request(self, messages: Sequence[ChatMessage], call: Mapping[str, Any], *, stream: bool) -> Request:
        defaults = {name: getattr(self, name) for name in _REQUEST_FIELDS}
        return build_request(messages, defaults=defaults, call=call, stream=stream)

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
        While thinking is on, the wire takes no forced choice: an explicit one raises, and
        ``tool_required`` becomes a request in words.
        """
        call = prepare_call(to_tools(tools), user_msg=user_msg, history=chat_history)
        call |= {"allow_parallel_tool_calls": allow_parallel_tool_calls, **kwargs}
        if tool_choice is not None:
            return {**call, "tool_choice": tool_choice}
        if tool_required and call.get("tools"):
            return prepare_required_call(call, thinking=self._thinks(kwargs))
        return call

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """The tool calls of a reply.

        Raises ``ValueError`` if there are none and ``error_on_no_tool_call``, and for arguments that
        the output limit cut.
        """
        selections = tool_selections(response.message)
        if not selections and error_on_no_tool_call:
            raise ValueError(f"expected a tool call, but the model answered: {response.message.content!r}")
        return selections

    def _validate_chat_with_tools_response(
        self,
        response: ChatResponse,
        tools: Sequence[BaseTool],
        allow_parallel_tool_calls: bool = False,
        **kwargs: Any,
    ) -> ChatResponse:
        return response if allow_parallel_tool_calls else keep_first_call(response)

    def _thinks(self, call: Mapping[str, Any]) -> bool:
        """Whether a call with these arguments has thinking on."""
        thinking = call.get("thinking")
        if thinking is None:
            thinking = self.thinking
        return thinking is True or thinking_is_on({"thinking": thinking})

    # Structured output.

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """An ``output_cls``: by JSON-schema output where the model has it, else by a forced tool call."""
        if not _structured.is_ours(self):
            theirs: Model = super().structured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return theirs
        return _structured.predict(self, output_cls, prompt, llm_kwargs, prompt_args)

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """The asynchronous twin of ``structured_predict``."""
        if not _structured.is_ours(self):
            theirs: Model = await super().astructured_predict(output_cls, prompt, llm_kwargs, **prompt_args)
            return theirs
        return await _structured.apredict(self, output_cls, prompt, llm_kwargs, prompt_args)

    def _structured_stream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None, None]:
        """Behind ``stream_structured_predict``: objects that fill up, the last one an ``output_cls``."""
        if not _structured.is_ours(self):
            return super()._structured_stream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return _structured.stream(self, output_cls, prompt, llm_kwargs, prompt_args)

    async def _structured_astream_call(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Model | list[Model] | FlexibleModel | list[FlexibleModel], None]:
        """The asynchronous twin of ``_structured_stream_call``."""
        if not _structured.is_ours(self):
            return await super()._structured_astream_call(output_cls, prompt, llm_kwargs, **prompt_args)
        return _structured.astream(self, output_cls, prompt, llm_kwargs, prompt_args)

    # Balance and clients.

    def estimate_credits(self, messages: Sequence[ChatMessage], **kwargs: Any) -> CreditsEstimate:
        """What a ``chat`` call with these arguments will cost, from the input alone to the worst case; offline."""
        request = self._request(messages, kwargs, stream=False)
        prices = (self.prices or {}).get(request.payload["model"])
        return estimate_credits(request.payload, prices=prices)

    def credits(self) -> Balance:
        """The account's balance, in whole credits."""
        return self._client.credits()

    async def acredits(self) -> Balance:
        """The asynchronous twin of ``credits``."""
        return await self._async_client.credits()

    def close(self) -> None:
        """Close the connections of the synchronous methods; a later call opens new ones."""
        if "sync" in self._clients:
            self._client.close()

    async def aclose(self) -> None:
        """Close the connections that the asynchronous methods opened on the running event loop."""
        if "async" in self._clients:
            await self._async_client.aclose()

    @property
    def route(self) -> Route:
        """The route that serves ``model``."""
        return model_info(self.model).route

    @property
    def _client(self) -> MessagesClient:
        client = self._clients.get("sync")
        if client is None:
            # Of two threads that come here at once, one client is kept.
            client = self._clients.setdefault(
                "sync", MessagesClient(http_client=self.http_client, **self._client_settings())
            )
        return client  # type: ignore[no-any-return]  # made above

    @property
    def _async_client(self) -> AsyncMessagesClient:
        client = self._clients.get("async")
        if client is None:
            client = self._clients.setdefault(
                "async", AsyncMessagesClient(http_client=self.http_async_client, **self._client_settings())
            )
        return client  # type: ignore[no-any-return]  # made above

    def _client_settings(self) -> dict[str, Any]:
        """The one place where a client's settings come together, for both kinds of client."""
        return {
            "api_key": self.api_key,
            "base_url": self.base_url,
            "timeout": self.timeout,
            "retry": RetryPolicy(max_retries=self.max_retries, longest_wait_s=self.max_retry_wait_s),
            "default_headers": self.default_headers,
            "allow_http": self.allow_http,
            "budget": self.budget,
            "ledger": self.ledger,
            "prices": self.prices,
            "tags": functools.partial(current_tags, tuple(self.spend_tags)),
            "framework": FRAMEWORK,
            "on_call": report_call,
        }

    # Copies. Clients never travel: a copy makes its own. A key that came from the environment is not
    # a field, so it does not travel either; one that was passed does.

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _CLIENT_FIELDS and self.__pydantic_private__ is not None:
            self._clients = {}

    def __copy__(self) -> AIVideoAPI:
        copied = super().__copy__()
        copied._clients = {}
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> AIVideoAPI:
        # What is connected to the world outside is shared, not copied.
        memo = {} if memo is None else memo
        for shared in (
            self.http_client, self.http_async_client, self.callback_manager, self.rate_limiter, self.budget, self.ledger
        ):  # fmt: skip
            if shared is not None:
                memo[id(shared)] = shared
        memo[id(self._clients)] = {}
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[str, Any]:
        bare = self.model_copy(update={"http_client": None, "http_async_client": None})
        return super(AIVideoAPI, bare).__getstate__()
