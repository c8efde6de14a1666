"""The settings of a ``ChatAIVideoAPI``, its identity, its clients, its copies."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from langchain_core.language_models.base import LangSmithParams
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.language_models.model_profile import ModelProfile
from pydantic import AliasChoices, ConfigDict, Field, SecretStr, field_validator, model_validator

from aivideoapi_core import (
    API_KEY_ENV,
    BASE_URL_ENV,
    InvalidInputError,
    ModelPrices,
    Route,
    adapter_kit,
    route_of,
)
from aivideoapi_core.adapter_kit import REQUEST_FIELDS, EnvironmentKey, ModelSettings, StopField
from langchain_aivideoapi._errors import as_langchain, langchain_errors
from langchain_aivideoapi._inbound.fast import PROVIDER
from langchain_aivideoapi._profiles import profile_of
from langchain_aivideoapi._tags import FRAMEWORK

if TYPE_CHECKING:
    from aivideoapi_core.adapter_kit import ArgumentNames

_SECRETS: Final = {
    "api_key": API_KEY_ENV,
    "mcp_servers": "AIVIDEOAPI_MCP_SERVERS",
    "default_headers": "AIVIDEOAPI_DEFAULT_HEADERS",
}
"""Fields that may hold keys or tokens, and where ``load`` finds their values (JSON but for the key)."""


class Settings(ModelSettings, BaseChatModel):
    """The base of ``ChatAIVideoAPI``: everything but the calls. Most fields are the core's."""

    model: str = Field(validation_alias=AliasChoices("model", "model_name"))
    """Model id. An id that the catalogue does not list works too, without prices."""
    api_key: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("api_key", "aivideoapi_api_key")
    )
    """The platform's key; default: the environment variable ``AIVIDEOAPI_API_KEY``."""
    max_tokens: int | None = Field(
        default=None, validation_alias=AliasChoices("max_tokens", "max_tokens_to_sample")
    )
    """Output limit in tokens; default: from the catalogue on the direct-forward route, else the platform's."""
    stop: StopField | None = Field(default=None, validation_alias=AliasChoices("stop", "stop_sequences"))
    """Stop sequences of every call that gives none itself."""
    request_metadata: dict[str, Any] | None = None
    """The wire's ``metadata``, such as ``{"user_id": ...}``.

    LangChain's own ``metadata`` is for traces and stays there, but for ``user_id``, the one key the
    wire's has: that is sent too unless this field is set.
    """
    default_headers: dict[str, str] | None = Field(default=None, repr=False)
    """Headers of every request. May hold tokens, so dumps leave them out."""
    streaming: bool = False
    """Stream even under ``invoke``."""
    stream_usage: bool = True
    """Whether streamed messages have ``usage_metadata``."""
    model_kwargs: dict[str, Any] = Field(default_factory=dict)
    """Further options; names that are none become fields of the request's body."""
    prices: dict[str, ModelPrices] | None = Field(default=None, exclude=True)
    """Prices by model id, in place of the published ones."""
    spend_tags: list[str] | None = Field(default=None, exclude=True)
    """Tags for every row of the ledger; those of ``aivideoapi_core.spend_tags`` blocks join them."""

    model_config = ConfigDict(populate_by_name=True, arbitrary_types_allowed=True)

    _raised = staticmethod(as_langchain)
    _errors = staticmethod(langchain_errors)

    @classmethod
    @functools.cache
    def _argument_names(cls) -> ArgumentNames:
        from langchain_aivideoapi._outbound.names import OTHER_NAMES

        return adapter_kit.ArgumentNames.of_model(cls, body="model_kwargs", advice=OTHER_NAMES)

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
        if self.model_kwargs:
            from langchain_aivideoapi._outbound.names import NAMES

            NAMES.warn_of(self.model_kwargs, argument="model_kwargs")
        if self.output_version not in (None, "v0", "v1"):
            raise InvalidInputError(f"output_version must be 'v0' or 'v1', not {self.output_version!r}")
        _ = self._client  # which checks its own settings
        return self

    def _read_environment(self) -> None:
        if self.api_key is None:
            self.__dict__["api_key"] = EnvironmentKey.read()
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

    def _model_params(self, config: Any) -> dict[str, str]:
        # LangChain's ProviderToolSearchMiddleware asks here, as of its own configurable models, whose tool search to
        # send. It knows two, and this wire carries the one.
        return {"model_provider": "anthropic"} if route_of(self.model) is Route.DIRECT else {}

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
            options["mcp_servers"] = adapter_kit.without_tokens(options["mcp_servers"])
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
        fields = vars(self)
        defaults = {name: value for name in REQUEST_FIELDS if (value := fields[name]) is not None}
        if self.stop:
            defaults["stop_sequences"] = self.stop
        metadata = self.request_metadata
        if metadata is None and self.metadata and self.metadata.get("user_id") is not None:
            metadata = {"user_id": self.metadata["user_id"]}
        if metadata:
            defaults["metadata"] = metadata
        if self.honours_tool_choice is None and (self.profile or {}).get("tool_choice") is False:
            defaults["honours_tool_choice"] = False
        if not self.stream_usage:
            defaults["stream_usage"] = False
        if self.model_kwargs:
            from langchain_aivideoapi._outbound.names import defaults_from_kwargs

            defaults |= defaults_from_kwargs(self.model_kwargs)
        return defaults

    def _client_settings(self) -> Mapping[str, Any]:
        return adapter_kit.client_settings(self, tags=tuple(self.spend_tags or ()), framework=FRAMEWORK)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        self.__dict__.pop("_serialized", None)

    def _forget(self) -> None:
        super()._forget()
        self.__dict__.pop("_serialized", None)  # LangChain's, which it keeps once it was asked for
