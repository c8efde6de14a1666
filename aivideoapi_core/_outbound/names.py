"""The names of arguments: what else they are called, and what to say of one that nobody knows."""

from __future__ import annotations

import re
import warnings
from collections.abc import Container, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, Self

from aivideoapi_core._aliases import aliases_of
from aivideoapi_core._errors import InvalidInputError, UnsupportedOptionError
from aivideoapi_core._outbound.params import RequestOptions

if TYPE_CHECKING:
    from pydantic import BaseModel

_NO_CLOUD: Final = "the platform has a key and an address of its own, no way through a cloud; leave it out"
_NO_SUCH: Final = "these models have no such setting; leave it out"
_ADVICE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (
            "region", "project_id", "credentials", "aws_region", "aws_access_key_id", "aws_secret_access_key",
            "aws_access_key", "aws_secret_key", "aws_session_token", "aws_profile", "vertex_project",
            "vertex_location", "azure_endpoint", "api_version", "organization", "region_name", "credentials_profile_name",
            "beta_use_converse_api",
        ),
        _NO_CLOUD,
    ),
    **dict.fromkeys(
        (
            "logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty",
            "repetition_penalty", "min_p", "best_of", "echo", "suffix", "prediction", "modalities", "audio",
            "verbosity", "safety_settings", "guardrails", "truncation", "use_responses_api", "include_thoughts",
            "is_chat_model", "is_function_calling_model", "convert_system_message_to_human", "tokenizer", "mock_response",
            "guardrail_config", "performance_config", "safe_prompt", "merge_reasoning_content_in_choices", "include",
            "background", "max_tool_calls", "supports_tool_choice_values", "config",
        ),
        _NO_SUCH,
    ),
    **dict.fromkeys(
        (
            "api_base", "openai_api_base", "endpoint_url", "endpoint", "api_url", "anthropic_api_url", "url", "host",
            "server_url",
        ),
        "use base_url",
    ),
    **dict.fromkeys(
        ("anthropic_proxy", "openai_proxy", "proxy", "proxies"),
        "use http_client and http_async_client on the model, made with the proxy",
    ),
    **dict.fromkeys(("instructions", "system_prompt", "system"), "use a system message"),
    **dict.fromkeys(
        ("input", "prompt", "messages", "conversation"), "pass the messages as the first argument"
    ),
    **dict.fromkeys(("requests_per_second", "rpm", "tpm"), "limit the pace where the calls are made, or set a budget"),
    **dict.fromkeys(("cache", "caching", "prompt_cache_key", "prompt_cache_retention"), "use cache_control"),
    **dict.fromkeys(
        ("max_budget", "max_credits", "credits_limit", "credit_limit", "limit_credits"),
        "use budget=CreditBudget(...)",
    ),
    "seed": "nothing makes answers repeatable on this platform; leave it out, or keep replies in a cache",
    "n": "a call gives one answer; make the call n times",
    "functions": "pass the functions as tools",
    "function_call": "use tool_choice",
    "max_completion_tokens": "use max_tokens",
    "max_output_tokens": "use max_tokens",
    "max_new_tokens": "use max_tokens",
    "max_tokens_to_sample": "use max_tokens=",
    "stop_words": "use stop",
    "request_timeout": "use timeout=, in seconds",
    "openai_api_key": "use api_key=",
    "anthropic_api_key": "use api_key=",
    "auth_token": "use api_key=",
    "model_id": "use model=",
    "model_name": "use model=",
    "engine": "use model=",
    "deployment": "use model=",
    "deployment_name": "use model=",
    "deployment_id": "use model=",
    "azure_deployment": "use model=",
    "temp": "use temperature",
    "do_sample": "use temperature",
    "thinking_level": "use effort=",
    "num_ctx": "the size of the context is the model's own; leave it out",
    "n_ctx": "the size of the context is the model's own; leave it out",
    "context_window": "the size of the context is the model's own; leave it out",
    "client": "use http_client",
    "async_client": "use http_async_client",
    "async_http_client": "use http_async_client",
    "beta_headers": "use betas",
    "default_query": "the platform takes no query parameters",
    "stream_options": "usage comes with every stream; leave it out",
    "inference_config": "give its settings by their own names",
    "additional_model_request_fields": "give its fields by their own names, or in extra_body",
    "thinking_budget": "use thinking={'type': 'enabled', 'budget_tokens': ...} on the direct-forward route",
    "budget_tokens": "use thinking={'type': 'enabled', 'budget_tokens': ...} on the direct-forward route",
    "max_thinking_tokens": "use thinking={'type': 'enabled', 'budget_tokens': ...} on the direct-forward route",
    "thinking_dict": "use thinking=",
    "thinkingFlag": "use thinking=True",
    "reasoning": "use thinking= or effort=",
    "headers": "use extra_headers= for a call, default_headers= for the model",
    "extra_query": "the platform takes no query parameters",
    "num_retries": "use max_retries",
    **dict.fromkeys(
        ("custom_llm_provider", "provider", "model_provider", "base_model"), "leave it out: the model id says it all"
    ),
    **dict.fromkeys(
        ("drop_params", "additional_drop_params", "allowed_openai_params"),
        "leave it out: what a model cannot take raises, and names the fix",
    ),
    **dict.fromkeys(
        ("fallbacks", "model_list"), "make a model for each id, and call the next one when AIVideoAPIError is raised"
    ),
    "web_search_options": "use the tool {'type': 'web_search_20260318', 'name': 'web_search'}",
    "anthropic_beta": "use betas",
    "anthropic_version": "use default_headers={'anthropic-version': ...} on the model",
    "safety_identifier": "use metadata={'user_id': ...}",
    "text": "use output_config",
    "tags": "use spend_tags",
    "store": "the platform keeps no conversations; leave it out",
    "previous_response_id": "the platform keeps no conversations; send the messages",
}  # fmt: skip
"""Well-known names of other integrations and their clients, and what to use here."""
_OF_MODELS: Final = frozenset(
    {
        *(
            "api_key",
            "base_url",
            "default_headers",
            "max_retries",
            "max_retry_wait_s",
            "allow_http",
            "http_client",
        ),
        *("http_async_client", "ledger", "prices", "spend_tags"),
    }
)
"""Names that a model's settings have and a call's arguments do not."""
_HUMP: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


BODY_ONLY: Final = frozenset({"speed", "diagnostics", "user_profile_id"})
"""Arguments of a call that there is no rule for: fields of the wire, which go into the body as they are."""
CALL_ARGUMENTS: Final = (RequestOptions.__annotations__.keys() - {"system"}).union(
    {"model", "betas", "budget", "cache_prompt", "extra_headers", "honours_tool_choice"},
    {"is_last_try", "reuse_last_container", "timeout"},
    BODY_ONLY,
)
"""Arguments that a call of either framework takes by these names."""


def advice_for_name(name: str, known: Iterable[str]) -> str:
    """What to do about an argument that nobody knows: the nearest one that is known, or look again."""
    near = _nearest(name, known)
    return f"did you mean {near!r}?" if near else "check the spelling."


def _nearest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str | None:
    from difflib import get_close_matches  # only for those who mistype

    return next(iter(get_close_matches(name, sorted(known), n=1, cutoff=cutoff)), None)


class ArgumentNames:
    """The names of the arguments of one place (a model, a call), with their other names.

    ``place`` is what errors call it, ``body`` the argument that takes fields of the request's body without a name
    here. ``advice`` is the framework's own, and wins over what is said in every framework.
    """

    def __init__(
        self,
        known: Iterable[str],
        *,
        place: str,
        body: str,
        aliases: Mapping[str, str] | None = None,
        advice: Mapping[str, str] | None = None,
    ) -> None:
        self.known = frozenset(known)
        self.aliases: Mapping[str, str] = aliases or {}
        self._place, self._body = place, body
        self._advice: Mapping[str, str] = advice or {}

    @classmethod
    def of_model(cls, model: type[BaseModel], *, body: str, advice: Mapping[str, str]) -> Self:
        """Those of a framework's model: its fields, by every name that pydantic knows them by."""
        fields = model.model_fields
        names = {*fields, *(alias for field in fields.values() for alias in aliases_of(field))}
        return cls(names, place=model.__name__, body=body, advice=advice)

    def canonical(self, name: str) -> str | None:
        """The one name of an argument, ``None`` if nobody knows it."""
        name = self.aliases.get(name, name)
        return name if name in self.known else None

    def named(self, arguments: Mapping[str, Any], *, without: Container[str] = ()) -> dict[str, Any]:
        """``arguments`` under one name each, those in ``without`` left out. Raises ``refuse`` for one that nobody knows."""
        named: dict[str, Any] = {}
        for name, value in arguments.items():
            if name in without:
                continue
            if (known := self.canonical(name)) is None:
                raise self.refuse(name)
            named[known] = value
        return named

    def spread(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments given in one dictionary: those that have a name here, the others as fields of the body."""
        named: dict[str, Any] = {}
        body: dict[str, Any] = {}
        for name, value in extra.items():
            if (known := self.canonical(name)) is None:
                body[name] = value
            else:
                named[known] = value
        if body:
            named["extra_body"] = {**(named.get("extra_body") or {}), **body}
        return named

    def warn_of(self, extra: Mapping[str, Any], *, argument: str) -> None:
        """Warn of fields of the body, given in ``argument``, that are nearly called as an argument is."""
        for name in extra:
            if (
                self.canonical(name) is None
                and (near := _nearest(str(name), self.known, cutoff=0.85)) is not None
            ):
                warnings.warn(
                    f"{name!r} in {argument} goes into the request as it is: did you mean {near!r}?",
                    stacklevel=2,
                )

    def advice_for(self, name: str) -> str:
        """What to use in place of ``name``, or how a field without a name is sent."""
        plain = _HUMP.sub("_", name).replace("-", "_").lower()  # topP, top-p
        said = self._advice.get(plain) or _ADVICE.get(plain)
        if said and said != _NO_SUCH:
            return said
        known = self.known | self.aliases.keys()
        near = None if said else _nearest(plain, known | _OF_MODELS)
        if near is not None and near not in known:
            return f"use {near} on the model"
        said = f"{said}." if said else advice_for_name(plain, known)
        return f"{said} For a field of the request's body use {self._body}={{{name!r}: ...}}"

    def refuse(self, *unknown: str) -> UnsupportedOptionError:
        """The error for arguments that nobody knows, with the fix of each."""
        return UnsupportedOptionError(
            "; ".join(
                f"{name!r} is not an argument of {self._place}: {self.advice_for(name)}" for name in unknown
            )
        )


def merged_lists(name: str, default: Any, value: Any) -> Any:
    """A call's ``betas``, ``tools`` or ``mcp_servers`` beside the model's: they add up, each thing once."""
    for part in (default, value):
        if isinstance(part, (str, bytes, Mapping)) or not isinstance(part, Iterable):
            raise InvalidInputError(f"{name} must be a list, not {part!r}")
    merged = list(default)
    merged += [item for item in value if item not in merged]
    return merged


def merged_options(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A call's options on top of the model's.

    Lists of additions add up, settings that have fields are merged field by field, everything else is replaced. An
    ``effort`` of the call wins over one of the model, in whichever of the two places they are.
    """
    options = {**defaults, **given}
    if not given:
        return options
    for name, value in given.items():
        if value is not None and name in _FIELDS and not isinstance(value, Mapping):
            raise InvalidInputError(f"{name} must be a mapping, not a {type(value).__name__}")
        if not value or not (default := defaults.get(name)):
            continue
        if name in _LISTS:
            options[name] = merged_lists(name, default, value)
        elif name in _FIELDS:
            options[name] = {**default, **value}
    if given.get("effort") is not None and options.get("output_config"):
        options["output_config"] = {
            name: value for name, value in options["output_config"].items() if name != "effort"
        }
    elif "effort" not in given and (given.get("output_config") or {}).get("effort") is not None:
        options.pop("effort", None)
    return options


_LISTS: Final = frozenset({"betas", "mcp_servers", "tools"})
_FIELDS: Final = frozenset({"extra_body", "extra_headers", "output_config"})
