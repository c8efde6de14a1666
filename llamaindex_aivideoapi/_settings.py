"""What an ``AIVideoAPI`` is made of: its settings, its identity, its clients, its copies."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from llama_index.core.base.llms.types import LLMMetadata, MessageRole
from llama_index.core.bridge.pydantic import (
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_serializer,
)
from llama_index.core.llms.function_calling import FunctionCallingLLM

from aivideoapi_core import ModelPrices, Route, adapter_kit, model_info
from aivideoapi_core.adapter_kit import (
    AsyncHTTPClientField,
    BudgetField,
    HTTPClientField,
    LedgerField,
    ThinkingField,
    TimeoutField,
)
from llamaindex_aivideoapi._tags import FRAMEWORK, current_attribution, current_tags

if TYPE_CHECKING:
    from aivideoapi_core import AsyncMessagesClient, MessagesClient
    from aivideoapi_core.adapter_kit import ModelClients

DEFAULT_MODEL: Final = "claude-sonnet-4-6"

_CLIENT_FIELDS: Final = frozenset(
    {
        "api_key", "base_url", "timeout", "max_retries", "max_retry_wait_s", "default_headers", "allow_http",
        "http_client", "http_async_client", "budget", "ledger", "prices", "spend_tags",
    }
)  # fmt: skip
"""A change to one of these makes new clients."""

REQUEST_FIELDS: Final = (
    "model", "max_tokens", "temperature", "top_p", "top_k", "stop_sequences", "thinking", "effort",
    "output_config", "betas", "service_tier", "container", "reuse_last_container", "inference_geo", "context_management",
    "mcp_servers", "cache_control", "tools", "additional_kwargs", "default_headers",
    "honours_tool_choice",
)  # fmt: skip
"""What goes into a request unless a call's argument says otherwise."""


class EstimatingTokenizer:
    """``encode`` gives as many numbers as ``estimate_text_tokens`` says the text has tokens; no network."""

    def encode(self, text: str, *args: Any, **kwargs: Any) -> list[int]:
        """Numbers that stand for tokens: how many there are counts, not which."""
        from aivideoapi_core import estimate_text_tokens

        return list(range(estimate_text_tokens(text)))


class ModelSettings(FunctionCallingLLM):
    """The base of ``AIVideoAPI``: everything but the calls."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, protected_namespaces=())

    model: str = Field(
        default=DEFAULT_MODEL, description="Model id; one that ends in '/anthropic' is direct-forward."
    )
    api_key: SecretStr | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Default: AIVIDEOAPI_API_KEY, read when the model is made, and again at the first call.",
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
    thinking: ThinkingField | None = Field(
        default=None, description="True on the native route; {'type': 'adaptive'} and the like on the other."
    )
    effort: str | None = Field(default=None, description="low, medium, high, xhigh or max.")
    output_config: dict[str, Any] | None = Field(default=None, description="The wire's output_config.")
    betas: list[str] | None = Field(default=None, description="Names for the anthropic-beta header.")
    service_tier: str | None = Field(default=None, description="auto or standard_only.")
    container: str | dict[str, Any] | None = Field(
        default=None, description="Container of the code execution tool."
    )
    reuse_last_container: bool | None = Field(
        default=None, description="Send the container that the newest reply of the conversation names."
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
    honours_tool_choice: bool | None = Field(
        default=None,
        description="False: the route ignores a forced tool_choice, so the model is told in words what to call.",
    )
    tools: list[dict[str, Any]] | None = Field(
        default=None, description="Server tools, added to every request."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="More options; names that are none become fields of the body."
    )
    timeout: TimeoutField | None = Field(
        default=None,
        description="Seconds between two pieces of a reply, or httpx.Timeout. Default: 600 (5 to connect).",
    )
    max_retries: int = Field(default=2, description="Tries after the first one.")
    max_retry_wait_s: float = Field(
        default=60.0, description="If the server asks for a longer wait than this, the error is raised."
    )
    default_headers: dict[str, str] | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Sent with every request; may hold secrets, so not in to_dict().",
    )
    allow_http: bool = Field(default=False, description="Permit http to hosts other than this machine.")
    http_client: HTTPClientField | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="For proxies, certificates and limits; yours to close.",
    )
    http_async_client: AsyncHTTPClientField | None = Field(
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

    budget: BudgetField | None = Field(
        default=None,
        exclude=True,
        description="Refuses calls that could pass its limit; may be shared. A list: all of them have to have room.",
    )
    ledger: LedgerField | None = Field(
        default=None, exclude=True, repr=False, description="Gets a row for every call; may be shared."
    )
    prices: dict[str, ModelPrices] | None = Field(
        default=None, description="By model id, in place of the published prices."
    )
    spend_tags: list[str] = Field(
        default_factory=list,
        description="Tags for every row of the ledger; active instrument tags join them.",
    )

    _clients: Any = PrivateAttr(default_factory=lambda: adapter_kit.ModelClients())

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

    @property
    def tokenizer(self) -> EstimatingTokenizer:
        """Stands for the models' own, which is not public: for splitters and counters that ask for one."""
        return EstimatingTokenizer()

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

    def _excludes_forced_tools(self, call: Mapping[str, Any]) -> bool:
        """Whether the thinking of a call with these arguments leaves no room for a forced tool."""
        thinking = call.get("thinking")
        if thinking is None:
            thinking = self.thinking
        return adapter_kit.excludes_forced_tools(thinking)

    @property
    def route(self) -> Route:
        """The route that serves ``model``."""
        return model_info(self.model).route

    @property
    def _client(self) -> MessagesClient:
        clients: ModelClients = self._clients
        return clients.blocking(self.http_client, self._client_settings)

    @property
    def _async_client(self) -> AsyncMessagesClient:
        clients: ModelClients = self._clients
        return clients.awaiting(self.http_async_client, self._client_settings)

    def _client_settings(self) -> dict[str, Any]:
        """The one place where a client's settings come together, for both kinds of client."""
        from llamaindex_aivideoapi.credits import report_call

        return adapter_kit.client_settings(
            self,
            tags=functools.partial(current_tags, tuple(self.spend_tags)),
            attribution=current_attribution,
            framework=FRAMEWORK,
            on_call=report_call,
        )

    # Copies. Clients never travel: a copy makes its own. A key that came from the environment is not
    # a field, so it does not travel either; one that was passed does.

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _CLIENT_FIELDS and self.__pydantic_private__ is not None:
            self._clients = adapter_kit.ModelClients()

    def __copy__(self) -> Self:
        copied = super().__copy__()
        copied._clients = adapter_kit.ModelClients()
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        # What is connected to the world outside is shared, not copied.
        memo = {} if memo is None else memo
        for shared in (
            self.http_client, self.http_async_client, self.callback_manager, self.rate_limiter, self.budget, self.ledger
        ):  # fmt: skip
            if shared is not None:
                memo[id(shared)] = shared
        return super().__deepcopy__(memo)

    def __getstate__(self) -> dict[str, Any]:
        """Raises ``pickle.PicklingError`` with an injected http client, which cannot travel, and whatever a setting
        raises that cannot either: LlamaIndex would leave it out, and a model without its budget spends without limit.
        """
        adapter_kit.refuse_to_pickle(self.http_client, self.http_async_client)
        for name, value in vars(self).items():
            try:
                pickle.dumps(value)
            except Exception as error:
                error.add_note(
                    f"{type(self).__name__}.{name} cannot be pickled, so the model cannot be either"
                )
                raise
        return super(ModelSettings, self.model_copy()).__getstate__()
