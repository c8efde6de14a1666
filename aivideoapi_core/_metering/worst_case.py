"""The worst case of a request: what it can cost at most, before it is sent. Pure and offline.

**Input tokens.** No tokenizer of the platform's models is public, so the bound rests on what holds
for every byte-level tokenizer: a token stands for at least one byte, hence a text of n bytes has at
most n tokens. The bytes are those of the UTF-8 text, or of its NFKC form where that is longer (a
tokenizer may normalise first, and some characters grow when it does). To this come allowances
for what the server adds around the text: roles and separators, the hidden system prompt that
switches tools on (officially up to 804 tokens), and a fixed maximum for an image (officially at
most 4,784 tokens after scaling). Documents that are not text have no bound of their own; the model's
context window is theirs, and everybody's: a longer prompt is refused, and not billed.

The bound is loose, three to five times the real count of English text, and it is meant to be: a
budget that counts on an average is passed by the text that is not average. Output dominates most
bounds anyway.

**Output tokens.** ``max_tokens``, thinking included. Where a request does not send it (it is optional
on the native route), the most that any model of the family can give: set ``max_tokens`` to reserve less.

**What is billed beside the answer** (``usage.iterations``: compaction, an advisor) has no bound: there
is no figure for a request that allows it.

**Prices.** Those of the requested id; where the request may write to the prompt cache, the dearest
price that its input can have.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic_core import to_json

from aivideoapi_core._catalogue.models import model_info
from aivideoapi_core._catalogue.prices import ModelPrices
from aivideoapi_core._catalogue.routes import DIRECT_SUFFIX, Route, base_model
from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._metering.quick_records import quick
from aivideoapi_core._outbound.cache_marks import marked_in_request
from aivideoapi_core._outbound.text import mended

REQUEST_TOKENS: Final = 64
"""Allowance for what surrounds a conversation."""
BLOCK_TOKENS: Final = 16
"""Allowance for the role or the separators around each message, block and tool."""
TOOLS_TOKENS: Final = 1_024
"""Allowance for the hidden prompt that switches tools or a JSON output format on."""
IMAGE_TOKENS: Final = 5_000
"""Above the most that one image counts on any model of the catalogue."""

_WITHOUT_TEXT: Final = frozenset({"model", "messages", "stream", "system", "tools", "max_tokens", "metadata"})
_INERT_TOOLS: Final = ("custom", "text_editor_", "bash_", "memory_", "computer_")
"""Kinds of tools that the caller carries out. All others run on the server, inside the call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lowering:
    """That a request's ``max_tokens`` bounds its output for certain, so that a lower one is a lower bound.

    ``is_default``: the caller did not set it. ``thinking``: the tokens of it that thinking has for itself.
    """

    is_default: bool
    thinking: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorstCase:
    """Upper bounds in tokens, and what they cost in microcredits.

    ``input`` or ``output`` is ``None`` where nothing bounds it, ``micro`` also where a price is missing.
    ``input_price`` and ``output_price`` are microcredits per token. ``micro`` is for ``requests`` requests, since
    some are made again although they may be billed. ``lowering``: whether ``max_tokens`` may be lowered.
    """

    input: int | None
    output: int | None
    micro: int | None
    input_price: int = 0
    output_price: int = 0
    requests: int = 1
    lowering: Lowering | None = None

    def times(self, requests: int) -> WorstCase:
        """The bound for as many requests of this kind."""
        micro = None if self.micro is None else self.micro * requests
        return replace(self, micro=micro, requests=self.requests * requests)

    def output_within(self, room_micro: int) -> int:
        """How many output tokens ``room_micro`` has room for beside the input; negative if not even for that."""
        if self.micro is None or self.output is None or not self.output_price:
            return -1
        return self.output + (room_micro - self.micro) // (self.output_price * self.requests)

    def lowered_to(self, output: int) -> WorstCase:
        """The bound with a ``max_tokens`` of ``output``, which must not be more than before."""
        if self.micro is None or self.output is None:
            return self
        fewer = self.output - output
        return replace(self, output=output, micro=self.micro - fewer * self.output_price * self.requests)

    @property
    def output_price_missing(self) -> bool:
        """Whether only a price is missing."""
        return self.micro is None and self.input is not None and self.output is not None


_new_worst_case: Final = quick(WorstCase)


def worst_case(payload: Mapping[str, Any], prices: ModelPrices | None) -> WorstCase:
    """The most that one call with ``payload`` (from ``build_payload``) can cost at ``prices``."""
    tokens, output = max_input_tokens(payload), max_output_tokens(payload)
    if prices is None or tokens is None or output is None:
        return WorstCase(input=tokens, output=output, micro=None)
    per_token = _input_price(payload, prices)
    return _new_worst_case(
        input=tokens,
        output=output,
        micro=tokens * per_token + output * prices.output,
        input_price=per_token,
        output_price=prices.output,
    )


def lowering_of(payload: Mapping[str, Any], *, is_default: bool) -> Lowering | None:
    """Whether ``max_tokens`` of this request may be lowered; ``None`` where a lower one might not be honoured.

    That is the native route, whose pages do not mention it.
    """
    sent = payload.get("max_tokens")
    if type(sent) is not int or model_info(str(payload["model"])).route is Route.NATIVE:
        return None
    thinking = payload.get("thinking")
    tokens = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    return Lowering(is_default=is_default, thinking=tokens if type(tokens) is int else 0)


def max_output_tokens(payload: Mapping[str, Any]) -> int | None:
    """``max_tokens``, else the family's limit; ``None`` for an id without ``max_tokens`` that we do not know."""
    # UNVERIFIED: that the native route respects max_tokens, which its page does not mention.
    sent = payload.get("max_tokens")
    if type(sent) is int:
        return sent
    info = model_info(str(payload["model"]))
    if not info.known:
        return None
    family = model_info(base_model(info.id) + DIRECT_SUFFIX)
    return max(info.max_output_tokens, family.max_output_tokens)


def max_input_tokens(payload: Mapping[str, Any]) -> int | None:
    """An upper bound of all input tokens, cached or not; ``None`` where there is none.

    There is none for tools that the server carries out during the call (their results are input
    too, again and again), for compaction and fallback models (requests of their own, billed beside the
    answer), nor for a non-text document sent to a model whose context is not known.
    """
    try:
        info = model_info(str(payload["model"]))
    except (TypeError, KeyError):
        raise InvalidInputError(
            "a worst case is of a request's body with model and messages, as build_payload makes it"
        ) from None
    window = info.context_window if info.known else None
    if _runs_server_tools(payload) or bills_beside(payload):
        return None
    count = REQUEST_TOKENS
    tools = payload.get("tools")
    if tools or "output_config" in payload:
        count += TOOLS_TOKENS
    if tools:
        count += sum(BLOCK_TOKENS + _json_bytes(tool) for tool in tools)
    if not _WITHOUT_TEXT.issuperset(payload):
        count += _json_bytes({name: value for name, value in payload.items() if name not in _WITHOUT_TEXT})
    contents = [payload.get("system") or ""]
    contents += [message.get("content") for message in payload["messages"]]
    for content in contents:
        size = _content_tokens(content)
        if size is None:
            return window
        count += BLOCK_TOKENS + size
    return count if window is None else min(count, window)


def least_input_tokens(payload: Mapping[str, Any]) -> int:
    """A low count of the input: six characters of text to a token, nothing for what is not text."""
    characters = len(str(payload.get("tools") or ""))
    for content in (payload.get("system"), *(message.get("content") for message in payload["messages"])):
        for block in [content] if isinstance(content, str) else content or ():
            text = block if isinstance(block, str) else block.get("text", "")
            characters += len(text) if isinstance(text, str) else 0
    return max(1, characters // 6)


def _runs_server_tools(payload: Mapping[str, Any]) -> bool:
    if payload.get("mcp_servers"):
        return True
    tools = payload.get("tools")
    if not tools:
        return False
    return any(not str(tool.get("type") or "custom").startswith(_INERT_TOOLS) for tool in tools)


def bills_beside(payload: Mapping[str, Any]) -> bool:
    """Whether the request allows what is billed beside its answer: see ``usage.iterations``.

    That is compaction, asked for by its own field or as an edit of the context, an advisor, and other
    models that may answer instead. Nothing says how often or how long they work.
    """
    if payload.get("compaction") or payload.get("fallbacks") or payload.get("fallback"):
        return True
    tools = payload.get("tools")
    if tools and any("advisor" in str(tool.get("type")) for tool in tools):
        return True
    management = payload.get("context_management")
    if management is None:
        return False
    edits = management.get("edits") if isinstance(management, Mapping) else None
    kinds = [str(edit.get("type")) for edit in edits or () if isinstance(edit, Mapping)]
    return any(kind.startswith("compact") for kind in kinds)


def _content_tokens(content: Any) -> int | None:
    """Bound of a message's content; ``None`` for what only the context window bounds."""
    if isinstance(content, str):
        return _text_bytes(content)
    count = 0
    for block in content or ():
        size = _block_tokens(block)
        if size is None:
            return None
        count += BLOCK_TOKENS + size
    return count


def _block_tokens(block: Mapping[str, Any]) -> int | None:
    kind = block.get("type")
    if kind == "text" and "citations" not in block:
        return _text_bytes(block["text"])
    if kind == "image":
        return IMAGE_TOKENS
    if kind == "document":
        source = block.get("source")
        if not isinstance(source, Mapping) or source.get("type") not in ("text", "content"):
            return None
        if source["type"] == "content":
            return _with_inner(block, source.get("content"))
    if kind == "container_upload":
        return None
    if isinstance(block.get("content"), (list, tuple)):
        return _with_inner(block, block["content"])
    return _json_bytes(block)


def _with_inner(block: Mapping[str, Any], content: Any) -> int | None:
    """A block that holds blocks, such as a tool result with an image."""
    inner = _content_tokens(content)
    if inner is None:
        return None
    return inner + _json_bytes(
        {name: value for name, value in block.items() if name not in ("content", "source")}
    )


def _text_bytes(text: str) -> int:
    if text.isascii():
        return len(text)
    normal = unicodedata.normalize("NFKC", text)
    return max(len(text.encode("utf-8", "surrogatepass")), len(normal.encode("utf-8", "surrogatepass")))


def _json_bytes(value: Any) -> int:
    try:
        data = to_json(value, fallback=str)
    except ValueError:  # half of a surrogate pair, which goes out mended
        data = to_json(mended(value), fallback=str)
    return len(data) if data.isascii() else _text_bytes(data.decode())


def _input_price(payload: Mapping[str, Any], prices: ModelPrices) -> int:
    """The dearest microcredits that one input token of this request can cost."""
    if prices.cache_write_5m is None and prices.cache_write_1h is None:
        return prices.input
    lifetimes = {
        mark.get("ttl") or "5m"
        for block in marked_in_request(payload)
        if isinstance(mark := block["cache_control"], Mapping)
    }
    written = [prices.cache_write_5m] if lifetimes else []
    if "1h" in lifetimes:
        written.append(prices.cache_write_1h)
    return max(prices.input, *(price or 0 for price in (0, *written)))


def may_write_cache(payload: Mapping[str, Any]) -> bool:
    """Whether the request marks anything for the prompt cache."""
    return bool(marked_in_request(payload))
