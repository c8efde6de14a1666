"""What a ``ChatAIVideoAPI`` is made of: its settings, its identity, its clients, its copies."""

from __future__ import annotations

import functools
import json
import os
from typing import TYPE_CHECKING, Any, Final, Self

from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from pydantic import (
    AliasChoices,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from aivideoapi_core import (
    API_KEY_ENV,
    BASE_URL_ENV,
    InvalidInputError,
    ModelPrices,
    adapter_kit,
)
from aivideoapi_core.adapter_kit import (
    AsyncHTTPClientField,
    BudgetField,
    HTTPClientField,
    LedgerField,
    ThinkingField,
    TimeoutField,
)
from langchain_aivideoapi._errors import as_langchain
from langchain_aivideoapi._inbound.fast import PROVIDER
from langchain_aivideoapi._profiles import profile_of
from langchain_aivideoapi._tags import FRAMEWORK

if TYPE_CHECKING:
    from aivideoapi_core import AsyncMessagesClient, MessagesClient

_SECRETS: Final = {
    "api_key": API_KEY_ENV,
    "mcp_servers": "AIVIDEOAPI_MCP_SERVERS",
    "default_headers": "AIVIDEOAPI_DEFAULT_HEADERS",
}
"""Fields that may hold keys or tokens, and where ``load`` finds their values (JSON but for the key)."""

REQUEST_FIELDS: Final = (
    "max_tokens", "temperature", "top_p", "top_k", "thinking", "effort", "output_config", "cache_control",
    "service_tier", "container", "reuse_last_container", "inference_geo", "context_management", "mcp_servers",
)  # fmt: skip
"""What goes into a request under one name everywhere: as a field, as a call's argument and in the core."""


class _Runtime:
    """What a model holds besides its settings. Never part of its value: any two are equal.

    ``clients`` are the core's clients by colour, made at first use; copies and pickles have none.
    """

    __hash__ = None  # type: ignore[assignment]  # as for everything that compares by value

    def __init__(self, *, key_from_env: bool = False) -> None:
        self.clients = adapter_kit.ModelClients()
        self.key_from_env = key_from_env

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Runtime)

    def fresh(self) -> _Runtime:
        """The same without clients."""
        return _Runtime(key_from_env=self.key_from_env)

    def __deepcopy__(self, memo: dict[int, Any]) -> _Runtime:
        return self.fresh()

    def __getstate__(self) -> dict[str, Any]:
        return vars(self.fresh())


@functools.cache
def _accepted(model: type[BaseChatModel]) -> adapter_kit.ArgumentNames:
    """The names of a model's arguments, their other names among them."""
    from langchain_aivideoapi._outbound.names import OTHER_NAMES

    names = set(model.model_fields)
    for field in model.model_fields.values():
        alias = field.validation_alias
        choices = alias.choices if isinstance(alias, AliasChoices) else [alias]
        names.update(choice for choice in choices if isinstance(choice, str))
    return adapter_kit.ArgumentNames(names, advice=OTHER_NAMES)


class Settings(BaseChatModel):
    """The base of ``ChatAIVideoAPI``: everything but the calls."""

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
    timeout: TimeoutField | None = Field(
        default=None, validation_alias=AliasChoices("timeout", "default_request_timeout")
    )
    """Seconds between two pieces of a reply, or an ``httpx.Timeout``; ``None``: 600 (5 to connect)."""
    max_retries: int = 2
    """Tries after the first, for what costs nothing to try again."""
    max_retry_wait_s: float = 60.0
    """The longest wait that a server may ask for, in seconds; if it asks for more, the error is raised."""
    thinking: ThinkingField | None = None
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
    reuse_last_container: bool | None = None
    """Send the container that the newest reply of the conversation names, unless ``container`` has an id."""
    inference_geo: str | None = None
    """Where inference runs."""
    context_management: dict[str, Any] | None = None
    """The official (beta) object."""
    mcp_servers: list[dict[str, Any]] | None = Field(default=None, repr=False)
    """The official (beta) list. May hold tokens, so dumps leave it out."""
    honours_tool_choice: bool | None = None
    """Whether the route honours a forced ``tool_choice``; default: as ``profile["tool_choice"]`` says. If ``False``,
    the model is told in words, with the schemas, what to call."""
    cache_control: dict[str, Any] | None = None
    """A cache breakpoint on the last block of every request (direct-forward route)."""
    default_headers: dict[str, str] | None = Field(default=None, repr=False)
    """Headers of every request. May hold tokens, so dumps leave them out."""
    http_client: HTTPClientField | None = Field(default=None, exclude=True, repr=False)
    """Replaces our own client for synchronous calls: proxies, custom CA, mTLS. Never closed by us."""
    http_async_client: AsyncHTTPClientField | None = Field(default=None, exclude=True, repr=False)
    """The same for asynchronous calls."""
    allow_http: bool = False
    """Send the key over plain http to hosts other than this machine."""
    streaming: bool = False
    """Stream even under ``invoke``."""
    stream_usage: bool = True
    """Whether streamed messages have ``usage_metadata``."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further options; names that are none become fields of the request's body."""

    budget: BudgetField | None = Field(default=None, exclude=True)
    """Refuses calls that could pass its limit, before any request. May be shared with other models. A list: a call
    has to fit all of them. ``budget=`` of a call adds to it, as ``aivideoapi_core.use_budget`` blocks do."""
    ledger: LedgerField | None = Field(default=None, exclude=True, repr=False)
    """Gets a row for every call. May be shared with other models."""
    prices: dict[str, ModelPrices] | None = Field(default=None, exclude=True)
    """Prices by model id, in place of the published ones."""
    spend_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for every row of the ledger; those of ``aivideoapi_core.spend_tags`` blocks join them."""

    _runtime: _Runtime = PrivateAttr(default_factory=_Runtime)

    model_config = ConfigDict(
        extra="forbid",
        populate_by_name=True,
        arbitrary_types_allowed=True,
        hide_input_in_errors=True,  # the input of a failed construction may hold the key
        protected_namespaces=(),
        defer_build=True,  # the validator is made at first use, and never for this class itself
    )

    def __init__(self, *args: Any, **fields: Any) -> None:
        """Raises ``InvalidInputError`` for what could never be sent, ``ValidationError`` for values of other types."""
        adapter_kit.hide_keys(fields)
        try:
            super().__init__(*args, **fields)
        except ValidationError as error:
            ours = adapter_kit.own_error(error)
            if ours is None:
                raise
            raise as_langchain(ours) from None

    @model_validator(mode="before")
    @classmethod
    def _say_what_to_use(cls, values: Any) -> Any:
        """Names that ChatAnthropic has and we have not are mistakes with a known remedy, others nearly always typos."""
        names = _accepted(cls)
        unknown = sorted(values.keys() - names.known) if isinstance(values, dict) else []
        if unknown:
            values = None  # a traceback may show local variables, and it may hold the key
            advice = [f"{name!r}: {names.advice_for(name)}" for name in unknown]
            raise InvalidInputError(f"there is no argument {'; '.join(advice).rstrip('.')}")
        return values

    @field_validator("stop", mode="before")
    @classmethod
    def _listed_stop(cls, value: Any) -> Any:
        return [value] if isinstance(value, str) else value

    @field_validator("mcp_servers", "default_headers", mode="before")
    @classmethod
    def _parse_secret(cls, value: Any) -> Any:
        """``load`` gives the value of a secret as text."""
        return json.loads(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        """Take key and address from the environment, and check all that can be checked without I/O."""
        self._read_environment()
        adapter_kit.check_settings(self._defaults())
        self._sync_client()
        return self

    def _read_environment(self) -> None:
        if self.api_key is None and (key := os.environ.get(API_KEY_ENV)):
            self.__dict__["api_key"] = SecretStr(key)
            self._runtime.key_from_env = True
        if self.base_url is None and (url := os.environ.get(BASE_URL_ENV)):
            self.__dict__["base_url"] = url

    @model_validator(mode="after")
    def _check_profile_keys(self) -> Self:
        """LangChain's own check, which resolves all annotations for each model, only where it has something to say."""
        if self.profile and not self.profile.keys() <= ModelProfile.__annotations__.keys():
            super()._check_profile_keys()  # type: ignore[operator]  # pydantic makes a method of it again
        return self

    def _resolve_model_profile(self) -> ModelProfile | None:
        profile = profile_of(self.model)
        if self.honours_tool_choice is not None:
            profile["tool_choice"] = self.honours_tool_choice
        return profile

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
            **{name: value for name in REQUEST_FIELDS if (value := getattr(self, name)) is not None},
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
        honours = self.honours_tool_choice
        if honours is False or (honours is None and (self.profile or {}).get("tool_choice") is False):
            defaults["honours_tool_choice"] = False
        if not self.stream_usage:
            defaults["stream_usage"] = False
        if self.model_kwargs:
            from langchain_aivideoapi._outbound.names import defaults_from_kwargs

            defaults |= defaults_from_kwargs(self.model_kwargs)
        return defaults

    def _client_settings(self) -> dict[str, Any]:
        """What both of the core's clients are made with."""
        return adapter_kit.client_settings(self, tags=tuple(self.spend_tags or ()), framework=FRAMEWORK)

    def _sync_client(self) -> MessagesClient:
        return self._runtime.clients.blocking(self.http_client, self._client_settings)

    def _async_client(self) -> AsyncMessagesClient:
        return self._runtime.clients.awaiting(self.http_async_client, self._client_settings)

    def __setattr__(self, name: str, value: Any) -> None:
        """A setting that is changed later counts from the next call on, the clients' own included."""
        super().__setattr__(name, value)
        if name in type(self).model_fields and self.__pydantic_private__ is not None:
            if name == "api_key":
                self._runtime.key_from_env = False
            self._forget()

    def __getstate__(self) -> dict[Any, Any]:
        """Without clients, and without a key that came from the environment.

        Raises ``pickle.PicklingError`` with an injected http client, which cannot travel.
        """
        adapter_kit.refuse_to_pickle(self.http_client, self.http_async_client)
        state: dict[Any, Any] = dict(super().__getstate__())
        fields = state["__dict__"] = {**state["__dict__"]}
        fields.pop("_serialized", None)
        if self._runtime.key_from_env:
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
        copied = super().__deepcopy__(memo)
        copied._forget()
        return copied

    def _forget(self) -> None:
        """Drop what was made from the settings."""
        self._runtime = self._runtime.fresh()
        self.__dict__.pop("_serialized", None)
