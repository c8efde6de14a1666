"""AI Video API, Messages route: what both framework adapters share. Imports neither framework.

What talks to the network and what counts money is imported at first use: with httpx it is most of what
this package takes to import, and nothing that a program needs before its first call.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_core._catalogue.amounts import Credits, parse_reported
from aivideoapi_core._catalogue.models import ModelInfo, known_models, model_info
from aivideoapi_core._catalogue.prices import PRICES, ModelPrices, PriceRow, cost_of, prices_of
from aivideoapi_core._catalogue.routes import DIRECT_SUFFIX, Route, base_model, route_of
from aivideoapi_core._catalogue.tokens import TokenCounts, read_usage
from aivideoapi_core._errors import (
    AIVideoAPIError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BudgetExceededError,
    ContextOverflowError,
    ErrorResponse,
    IncompleteStreamError,
    InsufficientCreditsError,
    InternalServerError,
    InvalidInputError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    ResponseFormatError,
    SpendLimitError,
    StreamError,
    StreamTimeoutError,
    TaskNotFoundError,
    ToolChoiceIgnoredError,
    UnsupportedOptionError,
    UpstreamError,
)
from aivideoapi_core._http.retry import RetryPolicy
from aivideoapi_core._http.target import (
    API_KEY_ENV,
    BASE_URL_ENV,
    DEFAULT_BASE_URL,
    is_loopback_url,
    resolve_api_key,
    resolve_base_url,
)
from aivideoapi_core._received import ContentBlock, Message, StreamEvent, Usage
from aivideoapi_core._version import __version__

if TYPE_CHECKING:
    from aivideoapi_core._http.async_client import AsyncMessagesClient
    from aivideoapi_core._http.async_stream import AsyncMessageStream
    from aivideoapi_core._http.client import MessagesClient
    from aivideoapi_core._http.engines import resolve_engine
    from aivideoapi_core._http.exchange import DEFAULT_TIMEOUT
    from aivideoapi_core._http.pools import Timeout
    from aivideoapi_core._http.stream import MessageStream
    from aivideoapi_core._inbound.accumulator import MessageAccumulator
    from aivideoapi_core._inbound.balance import Balance
    from aivideoapi_core._inbound.error_bodies import error_from_payload
    from aivideoapi_core._inbound.events import EventDecoder
    from aivideoapi_core._inbound.reader import StreamReader, parse_body
    from aivideoapi_core._inbound.reply import Reply
    from aivideoapi_core._inbound.sse import ServerSentEvent, SSEDecoder
    from aivideoapi_core._inbound.whole import ReplyHead, events_of
    from aivideoapi_core._metering.attribution import Attribution, spend_for
    from aivideoapi_core._metering.budgets import use_budget
    from aivideoapi_core._metering.estimate import CreditsEstimate, estimate_credits
    from aivideoapi_core._metering.record import CallRecord, Outcome
    from aivideoapi_core._metering.route_comparison import OtherRoute, RouteCost, compare_routes, what_if
    from aivideoapi_core._metering.summary import CreditsSummary, SpendTracker, track_spend
    from aivideoapi_core._metering.tags import spend_tags
    from aivideoapi_core._metering.telemetry_labels import label_metrics
    from aivideoapi_core._metering.token_estimate import estimate_input_tokens, estimate_text_tokens
    from aivideoapi_core._metering.totals import CreditsTotals
    from aivideoapi_core._metering.worst_case import WorstCase, max_input_tokens, worst_case
    from aivideoapi_core._outbound.headers import build_headers
    from aivideoapi_core._outbound.params import (
        CacheControlParam,
        ContentBlockParam,
        MessageParam,
        OutputConfigParam,
        RequestOptions,
        TextBlockParam,
        ThinkingParam,
        ToolChoiceParam,
        ToolParam,
    )
    from aivideoapi_core._outbound.payload import build_payload
    from aivideoapi_core._stores.budget import CreditBudget
    from aivideoapi_core._stores.budget_calendar import CalendarWindow
    from aivideoapi_core._stores.budget_names import KeptBudget, budgets_in
    from aivideoapi_core._stores.budget_refusals import BudgetStoreError
    from aivideoapi_core._stores.budget_run import BudgetRun
    from aivideoapi_core._stores.budget_terms import BudgetStore, Standing
    from aivideoapi_core._stores.budget_thresholds import ThresholdPassed
    from aivideoapi_core._stores.joint_budget import JointBudget
    from aivideoapi_core._stores.ledger import SpendLedger
    from aivideoapi_core._stores.ledger_store import LedgerStore

_LATER: Final = {
    name: module
    for module, names in {
        "_outbound.payload": "build_payload",
        "_outbound.params": "CacheControlParam ContentBlockParam MessageParam OutputConfigParam"
        " RequestOptions TextBlockParam ThinkingParam ToolChoiceParam ToolParam",
        "_outbound.headers": "build_headers",
        "_inbound.reply": "Reply",
        "_inbound.events": "EventDecoder",
        "_inbound.error_bodies": "error_from_payload",
        "_inbound.accumulator": "MessageAccumulator",
        "_http.async_client": "AsyncMessagesClient",
        "_http.async_stream": "AsyncMessageStream",
        "_metering.worst_case": "WorstCase max_input_tokens worst_case",
        "_stores.budget": "CreditBudget",
        "_stores.budget_refusals": "BudgetStoreError",
        "_stores.budget_calendar": "CalendarWindow",
        "_stores.budget_run": "BudgetRun",
        "_stores.joint_budget": "JointBudget",
        "_stores.budget_names": "KeptBudget budgets_in",
        "_stores.budget_terms": "BudgetStore Standing",
        "_stores.budget_thresholds": "ThresholdPassed",
        "_http.client": "MessagesClient",
        "_http.stream": "MessageStream",
        "_metering.budgets": "use_budget",
        "_metering.estimate": "CreditsEstimate estimate_credits",
        "_http.pools": "Timeout",
        "_stores.ledger": "SpendLedger",
        "_stores.ledger_store": "LedgerStore",
        "_inbound.reader": "StreamReader parse_body",
        "_inbound.whole": "ReplyHead events_of",
        "_metering.record": "CallRecord Outcome",
        "_metering.route_comparison": "OtherRoute RouteCost compare_routes what_if",
        "_metering.attribution": "Attribution spend_for",
        "_metering.tags": "spend_tags",
        "_metering.telemetry_labels": "label_metrics",
        "_metering.totals": "CreditsTotals",
        "_inbound.sse": "ServerSentEvent SSEDecoder",
        "_metering.summary": "CreditsSummary SpendTracker track_spend",
        "_metering.token_estimate": "estimate_input_tokens estimate_text_tokens",
        "_http.engines": "resolve_engine",
        "_http.exchange": "DEFAULT_TIMEOUT",
        "_inbound.balance": "Balance",
    }.items()
    for name in names.split()
}
"""The modules of the names that a type checker imports above."""

_MOVED: Final = {
    name: module
    for module, names in {
        "_fields": "AsyncHTTPClientField BudgetField HTTPClientField LedgerField TimeoutField",
        "_inbound.call_readings": "read_call",
        "_inbound.recovered_calls": "ForcedCall forced_call recover_call settle_text",
        "_metering.record": "may_be_billed",
        "_metering.summary": "count_cache_hit",
        "_metering.tags": "clean_tags",
        "_outbound.cache_marks": "MAX_CACHE_BREAKPOINTS",
        "_outbound.headers": "call_headers",
        "_outbound.names": "advice_for_name",
        "_outbound.output_schema": "output_schema",
        "_outbound.refusals": "TOOL_NAME",
        "_outbound.thinking": "thinking_is_on thinking_fields",
        "_outbound.tool_calls": "UNANSWERED_CALL OpenToolCalls orphan_label",
        "_secrets": "hidden_arguments redact",
    }.items()
    for name in names.split()
}
"""Names that were public here by mistake: they still answer, with a warning, until 0.2."""

if not TYPE_CHECKING:  # a type checker would take any name for one of ours

    def __getattr__(name: str) -> Any:
        if name in _MOVED:
            told = f"{__name__}.{name} is internal to the adapters and leaves this module in 0.2."
            warnings.warn(told, DeprecationWarning, stacklevel=2)
            return getattr(import_module(f"{__name__}.{_MOVED[name]}"), name)
        if name not in _LATER:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "API_KEY_ENV",
    "BASE_URL_ENV",
    "DEFAULT_BASE_URL",
    "DEFAULT_TIMEOUT",
    "DIRECT_SUFFIX",
    "PRICES",
    "AIVideoAPIError",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncMessageStream",
    "AsyncMessagesClient",
    "Attribution",
    "AuthenticationError",
    "Balance",
    "BudgetExceededError",
    "BudgetRun",
    "BudgetStore",
    "BudgetStoreError",
    "CacheControlParam",
    "CalendarWindow",
    "CallRecord",
    "ContentBlock",
    "ContentBlockParam",
    "ContextOverflowError",
    "CreditBudget",
    "Credits",
    "CreditsEstimate",
    "CreditsSummary",
    "CreditsTotals",
    "ErrorResponse",
    "EventDecoder",
    "IncompleteStreamError",
    "InsufficientCreditsError",
    "InternalServerError",
    "InvalidInputError",
    "InvalidRequestError",
    "JointBudget",
    "KeptBudget",
    "LedgerStore",
    "Message",
    "MessageAccumulator",
    "MessageParam",
    "MessageStream",
    "MessagesClient",
    "ModelInfo",
    "ModelNotFoundError",
    "ModelPrices",
    "NotFoundError",
    "OtherRoute",
    "Outcome",
    "OutputConfigParam",
    "OverloadedError",
    "PermissionDeniedError",
    "PriceRow",
    "RateLimitError",
    "Reply",
    "ReplyHead",
    "RequestOptions",
    "RequestTooLargeError",
    "ResponseFormatError",
    "RetryPolicy",
    "Route",
    "RouteCost",
    "SSEDecoder",
    "ServerSentEvent",
    "SpendLedger",
    "SpendLimitError",
    "SpendTracker",
    "Standing",
    "StreamError",
    "StreamEvent",
    "StreamReader",
    "StreamTimeoutError",
    "TaskNotFoundError",
    "TextBlockParam",
    "ThinkingParam",
    "ThresholdPassed",
    "Timeout",
    "TokenCounts",
    "ToolChoiceIgnoredError",
    "ToolChoiceParam",
    "ToolParam",
    "UnsupportedOptionError",
    "UpstreamError",
    "Usage",
    "WorstCase",
    "__version__",
    "base_model",
    "budgets_in",
    "build_headers",
    "build_payload",
    "compare_routes",
    "cost_of",
    "error_from_payload",
    "estimate_credits",
    "estimate_input_tokens",
    "estimate_text_tokens",
    "events_of",
    "is_loopback_url",
    "known_models",
    "label_metrics",
    "max_input_tokens",
    "model_info",
    "parse_body",
    "parse_reported",
    "prices_of",
    "read_usage",
    "resolve_api_key",
    "resolve_base_url",
    "resolve_engine",
    "route_of",
    "spend_for",
    "spend_tags",
    "track_spend",
    "use_budget",
    "what_if",
    "worst_case",
]
