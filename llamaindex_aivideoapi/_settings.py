"""The settings of an ``AIVideoAPI``, its identity, its clients, its copies."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from llama_index.core.base.llms.types import LLMMetadata, MessageRole
from llama_index.core.bridge.pydantic import Field, SecretStr
from llama_index.core.callbacks import CallbackManager
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.types import BaseOutputParser
from pydantic import AliasChoices, ValidationInfo, field_validator

from aivideoapi_core import ModelPrices, Route, adapter_kit, model_info
from aivideoapi_core.adapter_kit import REQUEST_FIELDS, ModelSettings, StopField
from llamaindex_aivideoapi._tags import FRAMEWORK, current_attribution, current_tags

if TYPE_CHECKING:
    from aivideoapi_core.adapter_kit import ArgumentNames

DEFAULT_MODEL: Final = "claude-sonnet-4-6"


class EstimatingTokenizer:
    """``encode`` gives as many numbers as ``estimate_text_tokens`` says the text has tokens; no network."""

    def encode(self, text: str, *args: Any, **kwargs: Any) -> list[int]:
        """Numbers that stand for tokens: how many there are counts, not which."""
        from aivideoapi_core import estimate_text_tokens

        return list(range(estimate_text_tokens(text)))


class Settings(ModelSettings, FunctionCallingLLM):
    """The base of ``AIVideoAPI``: everything but the calls. Most fields are the core's."""

    model: str = Field(
        default=DEFAULT_MODEL, description="Model id; one that ends in '/anthropic' is direct-forward."
    )
    api_key: SecretStr | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Default: AIVIDEOAPI_API_KEY, read when the model is made, and again at the first call.",
    )
    max_tokens: int | None = Field(default=None, description="Most tokens of output. Default: by model.")
    stop_sequences: StopField | None = Field(
        default=None,
        validation_alias=AliasChoices("stop_sequences", "stop"),
        description="Texts that end the answer; also stop=.",
    )
    tools: list[dict[str, Any]] | None = Field(
        default=None, description="Server tools, added to every request."
    )
    additional_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="More options; names that are none become fields of the body."
    )
    default_headers: dict[str, str] | None = Field(
        default=None,
        exclude=True,
        repr=False,
        description="Sent with every request; may hold secrets, so not in to_dict().",
    )
    context_window: int | None = Field(
        default=None, gt=0, description="Tokens of input and output. Default: by model."
    )
    num_output: int | None = Field(
        default=None,
        gt=0,
        description="Tokens that LlamaIndex keeps free for the answer. Default: max_tokens.",
    )
    prices: dict[str, ModelPrices] | None = Field(
        default=None, description="By model id, in place of the published prices."
    )
    spend_tags: list[str] = Field(
        default_factory=list,
        description="Tags for every row of the ledger; active instrument tags join them.",
    )

    @field_validator("callback_manager", "output_parser")
    @classmethod
    def _is_of_llama_index(cls, value: Any, field: ValidationInfo) -> Any:
        """LlamaIndex takes anything for either, and fails in the first call."""
        wanted = CallbackManager if field.field_name == "callback_manager" else BaseOutputParser
        if value is not None and not isinstance(value, wanted):
            raise ValueError(f"must be a {wanted.__name__} of LlamaIndex, not {type(value).__name__}")
        return value

    @classmethod
    @functools.cache
    def _argument_names(cls) -> ArgumentNames:
        from llamaindex_aivideoapi._outbound.names import OTHER_NAMES

        return adapter_kit.ArgumentNames.of_model(cls, body="additional_kwargs", advice=OTHER_NAMES)

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

    def _defaults(self) -> dict[str, Any]:
        """The model's settings by the names that a call's arguments have."""
        fields = vars(self)
        return {name: value for name in _OF_REQUESTS if (value := fields[name]) is not None}

    @property
    def route(self) -> Route:
        """The route that serves ``model``."""
        return model_info(self.model).route

    def _client_settings(self) -> Mapping[str, Any]:
        return adapter_kit.client_settings(
            self,
            tags=functools.partial(current_tags, tuple(self.spend_tags)),
            attribution=current_attribution,
            framework=FRAMEWORK,
        )


_OF_REQUESTS: Final = (*REQUEST_FIELDS, "stop_sequences", "tools", "additional_kwargs")
