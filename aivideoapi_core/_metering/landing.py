"""The landing of a run whose budget ends: when its last call is due, and how it is made to fit. Pure and offline.

An agent calls again and again, each time with a longer conversation. It may go on as long as what is
left has room for the next call at its worst **and** for one more call without tools after that, the
landing, which turns what was found out into an answer. A fixed share of the limit cannot say that: a landing costs what
its conversation costs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final, Protocol, TypeVar

from aivideoapi_core._catalogue.prices import ModelPrices
from aivideoapi_core._errors import BudgetExceededError
from aivideoapi_core._metering.budgets import Budget
from aivideoapi_core._metering.worst_case import WorstCase, worst_case

NO_ANSWER: Final = "The budget of this run was used up before the model gave an answer."
"""What a last reply says that holds nothing but calls."""
ANSWER_TOKENS: Final = 1_024
"""Tokens that the landing's answer is planned with, if ``max_tokens`` is not less."""
LEAST_ANSWER_TOKENS: Final = 256
"""Tokens of answer below which tool results are cut instead."""
TOOL_RESULT_TOKENS: Final = 2_000
"""Bytes of tool results that may come before the landing (a token is a byte at worst), unless the caller knows better."""
_BYTES_OF_TOKEN: Final = 4
"""Bytes that a token of a reply has when the reply is sent back: what English text has (the bound counts bytes)."""
_TURN_TOKENS: Final = 256
"""Allowance for what stands around a reply and its tool results when they are sent back."""
_LINE_TOKENS: Final = 600
"""Allowance for the line that tells the model to finish, above its length in bytes."""


class Standing(Protocol):
    """What is read of how a budget stands, in microcredits."""

    @property
    def spent_micro(self) -> int: ...
    @property
    def limit_micro(self) -> int: ...
    @property
    def available_micro(self) -> int: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Landing:
    """How the last call of a run is made: without tools, with ``line`` at its end.

    ``cut_bytes`` are to be cut from the newest tool results, so that the call fits. ``thinks``: whether its
    ``max_tokens`` has room for the thinking that was asked for. ``tries``: how often it may be made, this one included.
    """

    max_tokens: int
    line: str
    thinks: bool
    cut_bytes: int = 0
    input_price: int
    output_price: int
    tries: int = 3

    @property
    def arguments(self) -> dict[str, Any]:
        """What the last call says in place of what was asked for."""
        thinking = {} if self.thinks else {"thinking": {"type": "disabled"}}
        return {"max_tokens": self.max_tokens, **thinking}

    def tighter(self, error: BudgetExceededError) -> Landing:
        """The next try, which makes up for what ``error`` says is missing; raises ``error`` if there is none.

        Others may have spent in the meantime, and later middleware may have added to the request.
        """
        known = error.needed_micro, error.limit_micro, error.spent_micro, error.reserved_micro
        if self.tries <= 1 or any(micro is None for micro in known) or not self.input_price:
            raise error
        needed, limit, spent, reserved = (micro or 0 for micro in known)
        missing = needed - (limit - spent - reserved)
        if missing <= 0:
            raise error
        return replace(self.less_by(missing), tries=self.tries - 1)

    def less_by(self, missing_micro: int) -> Landing:
        """A landing that costs as much less at its worst: a shorter answer first, then less of the tool results."""
        fewer = min(
            max(0, self.max_tokens - LEAST_ANSWER_TOKENS), math.ceil(missing_micro / self.output_price)
        )
        missing_micro -= fewer * self.output_price
        cut = math.ceil(missing_micro / self.input_price) if missing_micro > 0 else 0
        return replace(self, max_tokens=self.max_tokens - fewer, cut_bytes=self.cut_bytes + cut)


class Runway:
    """What the budgets of an agent's calls have left for them."""

    def __init__(
        self, budget: Budget, prices_of: Callable[[str], ModelPrices | None], *, requests: int
    ) -> None:
        """``requests``: how many times one call may be billed at most."""
        self._budget: Any = budget
        self._prices_of = prices_of
        self._requests = requests

    def standing(self) -> Standing:
        """How that budget stands which has the least left. Raises as ``CreditBudget.standing`` does."""
        ask = getattr(self._budget, "tightest", None) or self._budget.standing
        standing: Standing = ask()
        return standing

    async def astanding(self) -> Standing:
        """The asynchronous twin of ``standing``."""
        ask = getattr(self._budget, "atightest", None) or self._budget.astanding
        standing: Standing = await ask()
        return standing

    def must_land(
        self, payload: Mapping[str, Any], standing: Standing, *, tool_result_tokens: int = TOOL_RESULT_TOKENS
    ) -> bool:
        """Whether the call with ``payload`` would leave too little for a landing after it."""
        worst = self._worst(payload)
        if worst.micro is None or worst.input is None or worst.output is None:
            return False  # nothing bounds it: the budget's own business
        more = _LINE_TOKENS + _TURN_TOKENS + worst.output * _BYTES_OF_TOKEN + tool_result_tokens
        answer = min(worst.output, ANSWER_TOKENS)
        landing = (worst.input + more) * worst.input_price + answer * worst.output_price
        return standing.available_micro < worst.micro + landing * worst.requests

    def landing(self, payload: Mapping[str, Any], standing: Standing) -> Landing | None:
        """The last call; ``payload`` is what it would send but for the line. ``None`` if nothing bounds it."""
        worst = self._worst(payload)
        if worst.micro is None or worst.output is None:
            return None
        line_micro = _LINE_TOKENS * worst.input_price * worst.requests
        room = worst.output_within(standing.available_micro - line_micro)
        max_tokens = min(worst.output, max(room, LEAST_ANSWER_TOKENS))
        landing = Landing(
            max_tokens=max_tokens,
            line="",
            thinks=_thinking_tokens(payload) + LEAST_ANSWER_TOKENS <= max_tokens,
            input_price=worst.input_price * worst.requests,
            output_price=worst.output_price * worst.requests,
        )
        if room < max_tokens:
            landing = landing.less_by((max_tokens - room) * landing.output_price)
        return replace(landing, line=_line(standing, landing.max_tokens))

    def _worst(self, payload: Mapping[str, Any]) -> WorstCase:
        return worst_case(payload, self._prices_of(str(payload["model"]))).times(self._requests)


def _thinking_tokens(payload: Mapping[str, Any]) -> int:
    thinking = payload.get("thinking")
    tokens = thinking.get("budget_tokens") if isinstance(thinking, Mapping) else None
    return tokens if type(tokens) is int else 0


def _line(standing: Standing, max_tokens: int) -> str:
    spent, limit, left = (
        f"{Decimal(micro).scaleb(-6).normalize():f}"
        for micro in (standing.spent_micro, standing.limit_micro, max(0, standing.available_micro))
    )
    return (
        f"The budget of this run is nearly used up: {spent} of {limit} credits are spent, and the {left} that are left "
        f"are for this one answer of at most {max_tokens} tokens. Call no more tools. Answer now, as well as what "
        "is known allows, and say what is missing."
    )


_Message = TypeVar("_Message")


def cut_results(
    messages: Sequence[_Message],
    cut_bytes: int,
    *,
    is_result: Callable[[_Message], bool],
    text_of: Callable[[_Message], str | None],
    with_text: Callable[[_Message, str], _Message],
) -> list[_Message]:
    """A framework's ``messages`` with shorter results of tools in the end, where they are text (``text_of``)."""
    cut = list(messages)
    first = len(cut)
    while cut_bytes > 0 and first and is_result(cut[first - 1]):
        first -= 1
    texts = {place: text for place in range(first, len(cut)) if (text := text_of(cut[place])) is not None}
    for place, text in zip(texts, cut_texts([*texts.values()], cut_bytes), strict=True):
        cut[place] = with_text(cut[place], text)
    return cut


CUT: Final = "\n[The rest was cut, for want of budget.]"


def cut_texts(texts: list[str], cut_bytes: int) -> list[str]:
    """``texts`` shorter by ``cut_bytes`` in all, the longest first; by less if they do not hold as much."""
    cut = list(texts)
    while cut_bytes > 0:
        longest = max(range(len(cut)), key=lambda number: len(cut[number]), default=None)
        if longest is None or len(cut[longest]) <= len(CUT):
            break
        others = [len(text) for number, text in enumerate(cut) if number != longest]
        # Down to the next longest, or by what is still to be cut.
        fewer = min(cut_bytes + len(CUT), max(len(cut[longest]) - max(others, default=0), len(CUT) + 1))
        text = cut[longest].removesuffix(CUT)
        kept = text[: max(0, len(cut[longest]) - fewer - len(CUT))] + CUT
        cut_bytes -= len(cut[longest]) - len(kept)
        if len(kept) >= len(cut[longest]):
            break
        cut[longest] = kept
    return cut
