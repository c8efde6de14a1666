"""The state of a chat and what its /commands do to it. Pure: no terminal, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from aivideoapi_cli._terminal import credits_text, reported_text, usd_text
from aivideoapi_core import Credits, MessageParam, Reply, Route, build_payload, route_of

HELP: Final = """\
/model ID       answer with another model; without ID: show it
/system TEXT    set the system prompt; without TEXT: remove it
/thinking       switch thinking on or off
/history        show the conversation
/clear          forget the conversation
/save FILE      write it to FILE: .json as data, anything else as Markdown
/credits        what this conversation cost, and the balance
/help           this list
/quit           leave; so does Ctrl-D

A line that ends in \\ goes on in the next one. Three quotes (\"\"\") begin and end a text of several lines.
Ctrl-C stops an answer and keeps the session."""

_THINKING_BUDGET_TOKENS: Final = 4_096


@dataclass(slots=True, kw_only=True)
class Session:
    """One conversation. ``computed`` sums the exact costs; ``unknown`` counts the calls without one."""

    model: str
    system: str | None = None
    thinking: bool = False
    turns: list[MessageParam] = field(default_factory=list)
    calls: int = 0
    unknown: int = 0
    computed: Credits = field(default_factory=lambda: Credits(0))
    reported: Decimal = Decimal(0)

    def payload(self, text: str) -> dict[str, Any]:
        """The request that puts ``text`` to the model. Raises ``InvalidInputError``."""
        turns: list[MessageParam] = [*self.turns, {"role": "user", "content": text}]
        return build_payload(
            self.model, turns, stream=True, system=self.system, thinking=self._thinking_option()
        )

    def _thinking_option(self) -> Any:
        if not self.thinking:
            return None
        if route_of(self.model) is Route.NATIVE:
            return True
        from aivideoapi_core import model_info

        if "adaptive" in model_info(self.model).thinking:
            return {"type": "adaptive"}
        return {"type": "enabled", "budget_tokens": _THINKING_BUDGET_TOKENS}

    def answered(self, text: str, content: Sequence[Mapping[str, Any]]) -> None:
        """Add a question and its answer; an answer without content leaves the conversation as it was."""
        if content:
            self.turns.append({"role": "user", "content": text})
            self.turns.append({"role": "assistant", "content": [dict(block) for block in content]})

    def charged(self, reply: Reply | None) -> None:
        """Count a call; ``None`` for one that was stopped, whose cost nobody told us."""
        self.calls += 1
        cost = reply.credits_computed if reply is not None else None
        if cost is None:
            self.unknown += 1
        else:
            self.computed += cost
        if reply is not None and reply.credits_reported is not None:
            self.reported += reply.credits_reported

    def meter(self, reply: Reply | None = None) -> str:
        """One line: the last call, and the session so far."""
        parts = [self.model]
        if reply is not None and reply.tokens is not None:
            parts.append(f"{reply.tokens.total_input:,} in, {reply.tokens.output:,} out")
        if reply is not None:
            if reply.credits_reported is not None:
                parts.append(f"{reported_text(reply.credits_reported)} credits reported")
            parts.append(f"{credits_text(reply.credits_computed)} computed")
        more = f" + {self.unknown} unknown" if self.unknown else ""
        parts.append(f"session {credits_text(self.computed)}{more} ({usd_text(self.computed)})")
        return " · ".join(parts)


def transcript(session: Session, *, as_json: bool) -> str:
    """The conversation as a file: data that can be sent again, or Markdown to read."""
    if as_json:
        value = {"model": session.model, "system": session.system, "messages": session.turns}
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"
    lines = [f"# Conversation with {session.model}", ""]
    if session.system:
        lines += ["## System", "", session.system, ""]
    for turn in session.turns:
        lines += [f"## {'You' if turn['role'] == 'user' else 'Answer'}", "", text_of(turn["content"]), ""]
    return "\n".join(lines)


def text_of(content: Any) -> str:
    """The visible text of a turn."""
    if isinstance(content, str):
        return content
    return "".join(str(block.get("text", "")) for block in content if block.get("type") == "text")


def keepable(content: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What of a stopped answer may be sent back: its text. Unsigned thinking would be refused."""
    return [block for block in content if block.get("type") == "text" and str(block.get("text", "")).strip()]
