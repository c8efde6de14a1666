"""The state of a chat and what its /commands do to it. Pure: no terminal, no network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aivideoapi_cli._terminal import UNKNOWN, CommandError, credits_text, reported_text
from aivideoapi_core import Credits, CreditsSummary, MessageParam, Reply, Route, build_payload, route_of

if TYPE_CHECKING:
    from aivideoapi_core import CallRecord

COMMANDS: Final[Mapping[str, str]] = {
    "/model": "/model ID       answer with another model; without ID: show it",
    "/system": "/system TEXT    set the system prompt; without TEXT: remove it",
    "/thinking": "/thinking       switch thinking on or off",
    "/attach": "/attach FILE    send a text, image or PDF file with the next question",
    "/retry": "/retry          ask the last question again, in place of its answer",
    "/history": "/history        show the conversation",
    "/clear": "/clear          forget the conversation",
    "/save": "/save FILE      write it to FILE: .json as data, anything else as Markdown",
    "/load": "/load FILE      go on with a conversation that was saved as .json",
    "/credits": "/credits        what this conversation cost, and the balance",
    "/help": "/help           this list",
    "/quit": "/quit           leave; so does Ctrl-D",
}
HELP: Final = "\n".join(
    [
        *COMMANDS.values(),
        "",
        'A line that ends in \\ goes on in the next one. Three quotes (""") begin and end a text of several lines.',
        "Ctrl-C stops an answer and keeps the session.",
    ]
)

_THINKING_BUDGET_TOKENS: Final = 4_096


@dataclass(slots=True, kw_only=True)
class Session:
    """One conversation, and the records of its calls."""

    model: str
    system: str | None = None
    thinking: bool = False
    max_tokens: int | None = None
    turns: list[MessageParam] = field(default_factory=list)
    attached: list[dict[str, Any]] = field(default_factory=list)
    """Blocks that go out in front of the next question."""
    records: list[CallRecord] = field(default_factory=list)

    def content(self, text: str) -> Any:
        """The next user turn: ``text``, behind what is attached."""
        return [*self.attached, {"type": "text", "text": text}] if self.attached else text

    def payload(self, content: Any) -> dict[str, Any]:
        """The request that puts ``content`` to the model. Raises ``InvalidInputError``."""
        turns: list[MessageParam] = [*self.turns, {"role": "user", "content": content}]
        return build_payload(
            self.model,
            turns,
            stream=True,
            system=self.system,
            max_tokens=self.max_tokens,
            thinking=self._thinking_option(),
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

    def answered(self, content: Any, answer: Sequence[Mapping[str, Any]]) -> None:
        """Add a question and its answer; an answer without content leaves the conversation as it was."""
        if answer:
            self.turns.append({"role": "user", "content": content})
            self.turns.append({"role": "assistant", "content": [dict(block) for block in answer]})
            self.attached.clear()

    def take_back(self) -> Any:
        """Remove the last question and its answer; the question, or ``None`` if there is none."""
        if len(self.turns) < 2:
            return None
        *self.turns, asked, _ = self.turns
        return asked["content"]

    def meter(self, reply: Reply | None = None) -> str:
        """One line: the last call, and what the session was charged so far.

        Charged is what the platform reported, else what the published prices make of the tokens.
        """
        parts = [self.model]
        if reply is not None:
            if reply.tokens is not None:
                parts.append(f"{reply.tokens.total_input:,} in, {reply.tokens.output:,} out")
            if reply.credits_reported is not None:
                parts.append(f"{reported_text(reply.credits_reported)} credits reported")
            parts.append(f"{credits_text(reply.credits_computed)} computed")
        totals = CreditsSummary.of(self.records)
        charged = UNKNOWN if totals.credits is None else f"{totals.credits:,.6f}"
        usd = "" if totals.usd is None else f" (${totals.usd:,.6f})"
        more = f" + {totals.unknown} unknown" if totals.unknown else ""
        parts.append(f"session {charged} charged{more}{usd}")
        return " · ".join(parts)

    def stopped_bound(self) -> str:
        """What a stopped answer can have cost at most, in words; nothing where no bound is known."""
        record = self.records[-1] if self.records else None
        if record is None or record.at_most_micro is None:
            return ""
        return f" It cost at most {credits_text(Credits(record.at_most_micro))} credits."


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


def load_transcript(session: Session, text: str, *, name: str) -> None:
    """Put a conversation that was saved as data in the place of the session's. Raises ``CommandError``."""
    try:
        value = json.loads(text)
        turns = value["messages"]
        if not all(turn["role"] in ("user", "assistant") and turn["content"] for turn in turns):
            raise ValueError
        session.model, session.system = str(value["model"]), value.get("system")
    except (ValueError, KeyError, TypeError) as error:
        raise CommandError(f"{name} is no conversation; /save FILE.json writes one") from error
    session.turns = turns


def text_of(content: Any) -> str:
    """The visible text of a turn."""
    if isinstance(content, str):
        return content
    return "".join(str(block.get("text", "")) for block in content if block.get("type") == "text")


def keepable(content: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """What of a stopped answer may be sent back: its text. Unsigned thinking would be refused."""
    return [block for block in content if block.get("type") == "text" and str(block.get("text", "")).strip()]
