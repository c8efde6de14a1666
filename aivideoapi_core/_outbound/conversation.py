"""``Conversation``: every rule about turns, for both adapters. One pass, nothing passed in is changed.

The wire is stricter than the frameworks: user and assistant alternate, every tool call is answered in
the very next turn before anything else, ids are unique and of few characters, text is never blank,
thinking stands where it stood and only with its signature. Frameworks make lists that break each of
these rules, so messages are brought into that shape here. What cannot stand where it was said is told
as text: nothing is lost.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from typing import Any, Final

from aivideoapi_core._errors import InvalidInputError
from aivideoapi_core._outbound.blocks import Block, SendableBlocks
from aivideoapi_core._outbound.cache_marks import UNMARKABLE
from aivideoapi_core._outbound.params import MessageParam
from aivideoapi_core._outbound.result_content import in_turn, label_of, shared_out
from aivideoapi_core._outbound.result_limits import LONG_RESULT, SEARCH_RESULT
from aivideoapi_core._outbound.server_calls import (
    ServerCalls,
    goes_on,
    is_server_block,
    is_server_result,
)
from aivideoapi_core._outbound.text import mended, text_block, thought_as_text, told, warn_once
from aivideoapi_core._outbound.tool_calls import OpenToolCalls, orphan_label
from aivideoapi_core._outbound.tool_forms import TOOL_CHANGES
from aivideoapi_core._outbound.tool_schema import renamed_keys
from aivideoapi_core._outbound.tools import WireNames
from aivideoapi_core._outbound.turns import Content, Turns, plain
from aivideoapi_core._outbound.well_formed import is_mark, without_bad_mark

CONTINUE: Final = "Continue."
"""Sent after an assistant turn at the end, to models that cannot go on with a turn of their own."""

_FILES: Final = frozenset({"image", "document"})
_ASSISTANT_ONLY: Final = UNMARKABLE | {"tool_use", "server_tool_use", "mcp_tool_use"}
_USER_ONLY: Final = frozenset({"image", "document", "search_result", "tool_result", "container_upload"})


class Conversation:
    """The turns so far. ``at`` is a message's place in the caller's list, for errors and warnings.

    ``names``: of the request's tools. ``answered``: so many messages have had a reply. What
    is in them and cannot be sent is history, whoever wrote it, and told in words; in a later one it raises.
    """

    def __init__(self, names: WireNames | None = None, *, answered: int = 0) -> None:
        self._names = names or WireNames()
        self.answered = answered
        self._system: list[Block] = []
        self._turns: list[MessageParam] = []
        self._role: str = ""
        """Whose turn is open; what it holds is in the next three."""
        self._said: list[Block] = []
        self._results: list[Block] = []
        self._thoughts: list[Block] = []
        """Thinking at the end of what the assistant said: sent as such only if more follows."""
        self._paused = False
        self._calls = OpenToolCalls()
        self._server = ServerCalls()
        self._blocks = SendableBlocks()
        self._watched: list[Block] = []
        """Parts of tools' results, and files of earlier turns, that may be more than a request can hold."""
        self._pictures: list[Block] = []

    def system(self, content: Content, *, at: int) -> None:
        """Take a system message, wherever it stands. Raises ``InvalidInputError`` if it is not all text."""
        for block in self._listed(content):
            if block["type"] in TOOL_CHANGES:
                self.user([block], at=at)  # the one place for them that every model has
                continue
            if block["type"] != "text" and at < self.answered:
                block = told(block) or text_block("")
            elif block["type"] != "text":
                raise InvalidInputError(
                    f"messages[{at}] is a system message with a {block['type']!r} block; "
                    "a system prompt can only hold text: put it into a user message"
                )
            if (taken := self._take(block, at)) is not None:
                self._system.append(taken)

    def user(self, content: Content, *, at: int) -> None:
        """Take what the user says; tool results in it go the way of ``result``."""
        if isinstance(content, str):
            if (text := self._blocks.take_text(content, at)) is not None:
                self._open("user")
                self._said.append(text)
            return
        for block in self._listed(content):
            if block["type"] == "tool_result":
                result = dict(block)
                given = result.pop("content", None) or ""
                self._take_result(result, given, block.get("tool_use_id"), None, at)
                continue
            is_foreign = block["type"] in _ASSISTANT_ONLY or is_server_result(block)
            taken = self._blocks.take_told(block, at) if is_foreign else self._take(block, at)
            if taken is not None:
                self._open("user")
                if taken["type"] in TOOL_CHANGES:
                    taken = self._blocks.last = self._names.of_change(taken)
                elif taken["type"] in _FILES:
                    if at < self.answered:
                        self._watched.append(taken)
                    elif taken["type"] == "image":
                        self._pictures.append(taken)
                self._said.append(taken)

    def _take(self, block: Mapping[str, Any], at: int) -> Block | None:
        """What somebody wrote, if it can be sent; else it raises, or is told where it has been answered."""
        if at >= self.answered:
            return self._blocks.take(block, at)
        if "cache_control" in block:
            block = without_bad_mark(block)
        try:
            return self._blocks.take(block, at)
        except InvalidInputError as error:
            warn_once(f"{error.message}; that turn has been answered, so it is told in words")
            return self._blocks.take_told(block, at)

    def assistant(
        self,
        content: Content,
        *,
        at: int,
        ours: bool = False,
        not_made: Container[int] = (),
        paused: bool = False,
    ) -> None:
        """Take what the assistant said. The order of the blocks is kept.

        ``ours``: the thinking in it is signed for the platform's models; other thinking is told as text.
        ``not_made``: places of tool calls in ``content`` that nobody could carry out. ``paused``: the
        server stopped in the middle (``pause_turn``), and goes on if the turn is the last.
        """
        if isinstance(content, str):
            if (text := self._blocks.take_text(content, at)) is not None:
                self._open_assistant()
                self._paused = paused
                self._said.append(text)
            return
        for place, block in enumerate(content):
            kind = block["type"]
            if "cache_control" in block:
                block = without_bad_mark(block)
            if kind in UNMARKABLE:
                taken = self._blocks.take_thinking(block, at, ours=ours)
                if taken is not None and taken["type"] in UNMARKABLE:
                    self._thoughts.append(taken)
                    continue
            elif kind in _USER_ONLY:
                taken = self._blocks.take_told(block, at)
            else:
                taken = self._blocks.take(block, at)
            if taken is None:
                continue
            if self._role != "assistant" or self._thoughts:
                self._open_assistant()
            self._paused = paused
            if kind != "text":
                taken = self._as_said(taken, is_made=place not in not_made)
            self._said.append(taken)

    def result(
        self,
        call: str | None,
        content: Content = "",
        *,
        at: int,
        name: str | None = None,
        is_error: bool = False,
    ) -> None:
        """Take a tool's result. ``call`` is the id as the call gave it; without one, ``name`` and order decide."""
        result: Block = {"type": "tool_result", "tool_use_id": call, "is_error": is_error}
        self._take_result(result, content or "", call, name, at)

    def cache_point(self, mark: Any, *, at: int) -> None:
        """Mark what was said last for the cache: the last block that can carry a breakpoint."""
        if at >= self.answered or is_mark(mark):
            self._blocks.mark(mark, at=at)

    def turns(self, *, prefill: bool = True) -> Turns:
        """The whole conversation; nothing can be added afterwards.

        ``prefill`` says whether the model can go on with an assistant turn. System messages alone are
        the user's turn, since the wire wants one.
        """
        if self._thoughts:
            self._settle_thoughts()
        if self._role == "assistant" and self._calls:
            self._open("user")
        self._close()
        turns, system = self._turns, self._system
        self._blocks.settle_marks()
        self._server.settle(turns, paused=self._paused)
        if turns and turns[-1]["role"] == "assistant":
            self._end(turns[-1]["content"], prefill=prefill)
        if not turns and system:
            turns.append({"role": "user", "content": [*system]})
            system = []
        for turn in turns:
            content = turn["content"]
            if len(content) == 1:
                turn["content"] = plain(content)
        if self._blocks.mended:
            self._blocks.tell_mended()
        return Turns(
            plain(system) if system else None,
            turns,
            self._watched,
            self._names.defined or None,
            self._pictures,
            self._blocks.citable,
        )

    def _end(self, content: Any, *, prefill: bool) -> None:
        """An assistant turn at the end: one that the server paused goes on by itself."""
        last = content[-1]
        if goes_on(content, paused=self._paused):
            return
        if not prefill:
            self._turns.append({"role": "user", "content": [text_block(CONTINUE)]})
        elif last["type"] == "text":
            last["text"] = last["text"].rstrip()  # the wire refuses blanks at the end of a prefill

    @staticmethod
    def _listed(content: Content) -> Sequence[Mapping[str, Any]]:
        return (text_block(content),) if isinstance(content, str) else content

    def _as_said(self, block: Block, *, is_made: bool) -> Block:
        """A block as it goes to the end of the assistant's open turn."""
        if block["type"] == "tool_use":
            name = block["name"]
            block["id"] = self._calls.open(block.get("id") or None, name)
            self._calls.note(block, is_made=is_made)
            block["name"] = self._names.wire(name)
            if (keys := self._names.keys(name)) and "input" in block:
                block["input"] = renamed_keys(block["input"], keys)
        elif is_server_block(block):
            said = self._server.take(block, self._said)
            if block["type"] == SEARCH_RESULT:
                self._watched.append(said)
            if self._blocks.last is block:
                self._blocks.last = said
            return said
        return block

    def _take_result(self, result: Block, given: Content, call: Any, name: str | None, at: int) -> None:
        """Put a result, ``given`` its content, into the user's open turn."""
        content: Any = (
            self._blocks.clean_text(given, at)
            if isinstance(given, str)
            else plain([taken for block in given if (taken := self._in_result(block, at)) is not None])
        )
        self._open("user")
        wire_id = self._calls.answer(call or None, name)
        if wire_id is None:
            self._tell_result(result, content or "", call)
            return
        result["tool_use_id"] = wire_id
        self._calls.complete(result)
        content, below = shared_out(
            content, is_error=bool(result.get("is_error")), is_alone=self._calls.is_alone(wire_id)
        )
        if below:
            self._said += [label_of(wire_id), *below]
            self._watched += below
        if content:
            result["content"] = content
            if type(content) is not str:
                self._watched += content
            elif len(content) > LONG_RESULT:
                self._watched.append(result)
        self._results.append(result)
        self._blocks.last = result

    def _in_result(self, block: Mapping[str, Any], at: int) -> Block | None:
        """A block of a result; a tool that one refers to goes by its name on the wire."""
        taken = self._blocks.take_in_result(block, at)
        if taken is not None and taken["type"] == "tool_reference":
            taken["tool_name"] = self._names.wire(taken["tool_name"])
        return taken

    def _tell_result(self, result: Block, content: str | list[Block], call: Any) -> None:
        """A result whose call is gone (memories forget the oldest messages first) as text."""
        label = orphan_label(call, is_error=bool(result.get("is_error")))
        if isinstance(content, str):
            said = [text_block(mended(f"{label}\n{content}".rstrip()))]
            self._watched += said
        else:
            said = in_turn([text_block(mended(label)), *content])
            self._watched += said
        self._said += said
        self._blocks.last = said[-1]
        if (mark := result.get("cache_control")) is not None:
            said[-1].setdefault("cache_control", mark)

    def _open(self, role: str) -> None:
        """What follows belongs to a turn of ``role``."""
        if self._thoughts and role == "user":
            self._settle_thoughts()
        if role != self._role:
            self._close()
            self._role = role

    def _open_assistant(self) -> None:
        """What follows belongs to an assistant turn; thinking said before it is followed now."""
        self._open("assistant")
        if self._thoughts:
            self._said += self._thoughts
            self._thoughts = []

    def _settle_thoughts(self) -> None:
        """Thinking that nothing followed is told as text: no turn may end in it."""
        thoughts, self._thoughts = self._thoughts, []
        words = [
            text for thought in thoughts if (text := thought_as_text(thought.get("thinking"))) is not None
        ]
        if words:
            self._open("assistant")
            self._said += words

    def _close(self) -> None:
        """End the open turn; in a user's, every call of the turn before has a result now."""
        said = self._said
        if self._role == "user":
            self._paused = False
            if self._calls:
                self._results += self._calls.missing()
            if self._results:
                said = self._results + said
                self._results = []
        if said:
            self._said = []
            self._turns.append({"role": self._role, "content": said})  # type: ignore[typeddict-item]  # one of the two
