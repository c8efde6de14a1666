"""``ModelSettings``: what every framework's model has, whatever its base class: settings, clients, copies, pickles."""

from __future__ import annotations

import pickle
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    field_serializer,
    model_validator,
)

from aivideoapi_core._constructor_errors import as_value_error, settings_error
from aivideoapi_core._errors import AIVideoAPIError, InvalidInputError
from aivideoapi_core._fields import (
    AsyncHTTPClientField,
    BudgetField,
    HTTPClientField,
    LedgerField,
    ThinkingField,
    TimeoutField,
)
from aivideoapi_core._http.model_clients import CLIENT_FIELDS, ModelClients
from aivideoapi_core._secrets import hidden_arguments, without_tokens

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager

    from aivideoapi_core._http.async_client import AsyncMessagesClient
    from aivideoapi_core._http.client import MessagesClient
    from aivideoapi_core._inbound.balance import Balance
    from aivideoapi_core._outbound.names import ArgumentNames

_T = TypeVar("_T")

REQUEST_FIELDS: Final = (
    "model", "max_tokens", "temperature", "top_p", "top_k", "thinking", "effort", "output_config", "betas",
    "service_tier", "container", "reuse_last_container", "inference_geo", "context_management", "mcp_servers",
    "cache_control", "default_headers", "honours_tool_choice",
)  # fmt: skip
"""Fields that go into a request under one name everywhere, unless a call's argument says otherwise."""
_SHARED: Final = ("http_client", "http_async_client", "rate_limiter", "callback_manager", "budget", "ledger")
"""What is connected to the world outside: deep copies share it."""


class ModelSettings(BaseModel):
    """The fields that mean the same in every framework, and how a model's clients come and go.

    To be mixed into a framework's own class of models, before it. Clients never travel: a copy makes its own.
    """

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,  # the input of a failed construction may hold the key
        protected_namespaces=(),
        defer_build=True,  # the validator is made at first use, and never for a class that has only heirs
    )

    base_url: str | None = Field(
        default=None,
        description="Where the platform is, with or without /v1. Default: AIVIDEOAPI_BASE_URL, then the platform.",
    )
    temperature: float | None = Field(default=None, description="0 to 1; not sent unless set.")
    top_p: float | None = Field(default=None, description="0 to 1; not sent unless set.")
    top_k: int | None = Field(
        default=None, description="Tokens to choose from at each step; not sent unless set."
    )
    thinking: ThinkingField | None = Field(
        default=None,
        description="True on the native route; {'type': 'adaptive'} and the like on the direct-forward one.",
    )
    effort: str | None = Field(
        default=None,
        validation_alias=AliasChoices("effort", "reasoning_effort"),
        description="Shorthand for output_config['effort']: low, medium, high, xhigh or max.",
    )
    output_config: dict[str, Any] | None = Field(
        default=None, description="The official object: effort, format."
    )
    betas: list[str] | None = Field(default=None, description="Names for the anthropic-beta header.")
    service_tier: str | None = Field(default=None, description="auto or standard_only.")
    container: str | dict[str, Any] | None = Field(
        default=None, description="Container of the code execution tool: an id, or the official object."
    )
    reuse_last_container: bool | None = Field(
        default=None,
        description="Send the container that the newest reply of the conversation names, unless container has an id.",
    )
    inference_geo: str | None = Field(default=None, description="Where the work may be done.")
    context_management: dict[str, Any] | None = Field(default=None, description="The official (beta) object.")
    mcp_servers: list[dict[str, Any]] | None = Field(
        default=None, repr=False, description="The official (beta) list. Dumps leave the tokens in it out."
    )
    honours_tool_choice: bool | None = Field(
        default=None,
        description="False: the route ignores a forced tool_choice, so the model is told in words, with the "
        "schemas, what to call.",
    )
    cache_control: dict[str, Any] | None = Field(
        default=None,
        description="{'type': 'ephemeral'}: cache up to the last block of each request (direct-forward route).",
    )
    timeout: TimeoutField | None = Field(
        default=None,
        validation_alias=AliasChoices("timeout", "default_request_timeout"),
        description="Seconds between two pieces of a reply, or an httpx.Timeout. Default: 600 (5 to connect).",
    )
    max_retries: int = Field(
        default=2, description="Tries after the first one, for what costs nothing to try again."
    )
    max_retry_wait_s: float = Field(
        default=60.0,
        description="The longest wait that a server may ask for, in seconds; if it asks for more, the error is raised.",
    )
    allow_http: bool = Field(
        default=False, description="Send the key over plain http to hosts other than this machine."
    )
    http_client: HTTPClientField | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="For the synchronous methods, in place of our own: proxies, certificates, limits. Yours to close.",
    )
    http_async_client: AsyncHTTPClientField | None = Field(
        default=None, exclude=True, repr=False, description="The same for the asynchronous methods."
    )
    budget: BudgetField | None = Field(
        default=None,
        exclude=True,
        description="Refuses calls that could pass its limit, before any request; may be shared. A list: a call has to "
        "fit all of them. budget= of a call adds to it, as use_budget blocks do.",
    )
    ledger: LedgerField | None = Field(
        default=None, exclude=True, repr=False, description="Gets a row for every call; may be shared."
    )

    _clients: ModelClients = PrivateAttr(default_factory=ModelClients)

    def __init__(self, *args: Any, **fields: Any) -> None:
        """Raises ``InvalidInputError`` for what could never be sent, values of other types included."""
        with hidden_arguments(fields, self):
            if args:
                args = ()  # a traceback may show local variables, and one of them may be the key
                name = type(self).__name__
                raise self._raised(
                    InvalidInputError(
                        f"{name} takes its settings by name, such as {name}(model='claude-sonnet-4-6')"
                    )
                )
            self._validated(super().__init__, args, fields)

    @classmethod
    def model_validate(cls, *args: Any, **options: Any) -> Self:
        """As the constructor: raises ``InvalidInputError`` for what could never be sent."""
        return cls._validated(super().model_validate, args, options)

    @classmethod
    def model_validate_json(cls, *args: Any, **options: Any) -> Self:
        """The same from JSON text."""
        return cls._validated(super().model_validate_json, args, options)

    @classmethod
    def _validated(cls, make: Callable[..., _T], args: tuple[Any, ...], options: dict[str, Any]) -> _T:
        try:
            return make(*args, **options)
        except ValidationError as error:
            raise cls._raised(settings_error(error)) from None
        except AIVideoAPIError as error:
            raise cls._raised(error) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy; raises ``InvalidInputError`` for an ``update`` that no call could be made with.

        Pydantic looks at none of it, and a name that is no field's would change nothing.
        """
        copied = super().model_copy(update=update, deep=deep)
        if update:
            from aivideoapi_core._outbound.option_values import check_settings

            if unknown := update.keys() - type(self).model_fields.keys():
                names = self._argument_names()
                aliases = sorted(unknown & names.known)
                raise self._raised(
                    InvalidInputError(
                        f"model_copy takes the names of fields, and {aliases} are other names for them"
                    )
                    if aliases
                    else names.refuse(*sorted(unknown))
                )
            try:
                check_settings(vars(copied))
            except AIVideoAPIError as error:
                raise self._raised(error) from None
        return copied

    @staticmethod
    def _raised(error: AIVideoAPIError) -> AIVideoAPIError:
        """An error as the framework's users expect it of what a model is made with."""
        return as_value_error(error)

    @classmethod
    def _argument_names(cls) -> ArgumentNames:
        """The names of the framework's model, which may have more than these fields."""
        raise NotImplementedError

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_names(cls, values: Any) -> Any:
        """Names that other integrations have are mistakes with a known remedy, others nearly always typos."""
        names = cls._argument_names()
        unknown = sorted(values.keys() - names.known) if isinstance(values, dict) else []
        if unknown:
            values = None  # a traceback may show local variables, and it may hold the key
            raise names.refuse(*unknown)
        return values

    def _check(self, settings: Mapping[str, Any]) -> None:
        """Raise ``InvalidInputError`` for a number, an address, a key or a header that no call could be made with."""
        self._validated(self._check_values, (settings,), {})

    def _check_values(self, settings: Mapping[str, Any]) -> None:
        from aivideoapi_core._http.target import check_key_shape, resolve_api_key, resolve_base_url
        from aivideoapi_core._outbound.option_values import check_settings

        check_settings(settings)
        base_url = resolve_base_url(self.base_url, allow_http=self.allow_http)
        if settings.get("default_headers") or self.betas is not None:
            from aivideoapi_core._outbound.headers import build_headers

            build_headers(settings.get("default_headers"), betas=self.betas)
        check_key_shape(resolve_api_key(settings["api_key"]), base_url)

    @field_serializer("mcp_servers")
    def _without_tokens(self, servers: list[dict[str, Any]] | None) -> list[dict[str, Any]] | None:
        return without_tokens(servers)

    @property
    def _client(self) -> MessagesClient:
        return self._own_clients().blocking(self.http_client, self._client_settings)

    @property
    def _async_client(self) -> AsyncMessagesClient:
        return self._own_clients().awaiting(self.http_async_client, self._client_settings)

    def _own_clients(self) -> ModelClients:
        # Not by its attribute, which pydantic looks for in two ``__getattr__`` of its own: a hundredth of a call.
        clients: ModelClients = (self.__pydantic_private__ or {})["_clients"]
        return clients

    def _client_settings(self) -> Mapping[str, Any]:
        """What both clients are made with: the framework's to say."""
        raise NotImplementedError

    @staticmethod
    def _errors() -> AbstractContextManager[None]:
        """A context in which an error of a call is raised as the framework's users expect it."""
        return nullcontext()

    def credits(self) -> Balance:
        """The account's balance, in whole credits."""
        with self._errors():
            return self._client.credits()

    async def acredits(self) -> Balance:
        """The asynchronous twin of ``credits``."""
        with self._errors():
            return await self._async_client.credits()

    def close(self) -> None:
        """Close the connections of the synchronous methods. A later call opens new ones."""
        self._clients.close()

    async def aclose(self) -> None:
        """Close the connections that the asynchronous methods opened on the running event loop. A later call opens new ones."""
        await self._clients.aclose()

    def _excludes_forced_tools(self, call: Mapping[str, Any]) -> bool:
        """Whether the thinking of a call with these arguments leaves no room for a forced tool."""
        from aivideoapi_core._outbound.thinking import excludes_forced_tools

        thinking = call.get("thinking")
        return excludes_forced_tools(self.thinking if thinking is None else thinking)

    def _forget(self) -> None:
        """Drop what was made from the settings."""
        self._clients = ModelClients()

    def __setattr__(self, name: str, value: Any) -> None:
        """A setting that is changed later counts from the next call on, the clients' own included.

        Raises ``InvalidInputError`` for a number or a word that no call could be made with, and for a name that is none.
        """
        if not name.startswith("_"):
            self._validated(self._check_change, (name, value), {})
        super().__setattr__(name, value)
        if name in CLIENT_FIELDS and self.__pydantic_private__ is not None:
            self._forget()

    def _check_change(self, name: str, value: Any) -> None:
        from aivideoapi_core._outbound.option_values import check_settings

        known = type(self).model_fields
        if name not in known and not hasattr(type(self), name):
            raise self._argument_names().refuse(name)
        if name in known:
            check_settings({name: value})

    def __copy__(self) -> Self:
        """A copy, as ``model_copy`` makes one."""
        copied = super().__copy__()
        copied._forget()
        return copied

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """A deep copy; what holds locks or connections (http clients, budgets, ledgers, limiters) is shared."""
        memo = {} if memo is None else memo
        for name in _SHARED:
            if (shared := getattr(self, name, None)) is not None:
                memo[id(shared)] = shared
        copied = super().__deepcopy__(memo)
        copied._forget()
        return copied

    def _check_pickle(self) -> None:
        """Raise ``pickle.PicklingError`` with an http client of the caller's, and what a setting raises that cannot
        be pickled: a model that lost its proxy on the way would not say so, and one without its budget spends on.
        """
        if self.http_client is not None or self.http_async_client is not None:
            raise pickle.PicklingError(
                "a model with http_client or http_async_client cannot be pickled: "
                "make the model where it is used, with a client made there"
            )

        for name, value in vars(self).items():
            try:
                pickle.dumps(value)
            except Exception as error:
                error.add_note(
                    f"{type(self).__name__}.{name} cannot be pickled, so the model cannot be either"
                )
                raise

    def __getstate__(self) -> dict[Any, Any]:
        """Raises for what cannot travel; see ``_check_pickle``."""
        self._check_pickle()
        # Of a copy: LlamaIndex takes from its own object what it could not pickle.
        return super(ModelSettings, self.model_copy()).__getstate__()
