"""The parts of a script: ``Reply`` (one answer) and ``Fault`` (one way to fail). Plain data, no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, Final, Literal, get_args

from aivideoapi_core.sandbox._platform.errors import OFFICIAL_ERRORS, PLATFORM_ERRORS
from aivideoapi_core.sandbox._script.options import (
    check_choice,
    check_credits,
    check_mappings,
    check_number,
    check_pieces,
    check_texts,
)

CreditsAt = Literal["message_start", "message_delta", "usage", "message_stop", "event"]
UsageAt = Literal["both", "start", "delta", "none"]
ToolInputStyle = Literal["deltas", "start", "none"]
OutOfOrder = Literal[
    "delta_first", "start_twice", "unopened_block", "unclosed_block", "block_after_delta", "event_after_stop"
]
Newline = Literal["\n", "\r\n", "\r"]
Ending = Literal["close", "clean", "reset"]
FAULT_KINDS: Final = (
    "error", "delay", "stall", "cut", "disconnect", "malformed", "invalid_utf8", "error_event", "out_of_order",
    "endless_line", "html", "empty", "envelope", "huge_error", "redirect", "truncated_gzip", "wrong_content_type",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted answer, sent as it stands (stop sequences and ``max_tokens`` are not applied to it).

    The blocks are, in this order: ``thinking`` (signed by the sandbox), ``redacted_thinking``,
    ``text``, ``tool_uses`` (``{"name", "input", "id"?}``); or ``content``, raw wire blocks of any
    type, in their place. ``usage`` overrides single counts of the counted usage; the charge follows
    the result. ``credits`` overrides the reported number, never the exact charge.

    The rest shapes a stream and does nothing to a whole reply: ``pieces`` is the number of
    characters per delta, or the very pieces of the text; ``pause_s`` waits between events;
    ``credits_at`` is where the native route reports credits (``None``: nowhere).
    """

    text: str | None = None
    _: KW_ONLY
    thinking: str | None = None
    redacted_thinking: str | None = None
    tool_uses: Sequence[Mapping[str, Any]] = ()
    content: Sequence[Mapping[str, Any]] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Mapping[str, Any] | None = None
    model: str | None = None
    credits: Decimal | float | str | None = None
    pieces: int | Sequence[str] | None = None
    credits_at: CreditsAt | None = "message_delta"
    usage_at: UsageAt = "both"
    tool_input_style: ToolInputStyle = "deltas"
    newline: Newline = "\n"
    comments: bool = False
    event_names: bool = True
    multiline: bool = False
    bom: bool = False
    pings: int = 1
    extra_events: Sequence[Mapping[str, Any]] = ()
    extra_deltas: Sequence[Mapping[str, Any]] = ()
    pause_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Raise for an option that means nothing: it would fail in the server, far from the script."""
        if self.text is not None and not isinstance(self.text, str):
            raise TypeError(f"a Reply's first argument is its text, not {self.text!r}")
        texts = ("thinking", "redacted_thinking", "stop_reason", "stop_sequence", "model")
        check_texts("Reply", {name: getattr(self, name) for name in texts})
        check_mappings("Reply", "tool_uses", self.tool_uses, needs="name")
        for name in ("content", "extra_events", "extra_deltas"):
            check_mappings("Reply", name, getattr(self, name) or ())
        if self.usage is not None and not isinstance(self.usage, Mapping):
            raise ValueError(f"Reply: usage must be a dict of counts, not {self.usage!r}")
        check_credits("Reply", self.credits)
        check_pieces("Reply", self.pieces)
        check_choice("Reply", "credits_at", self.credits_at, (*get_args(CreditsAt), None))
        check_choice("Reply", "usage_at", self.usage_at, get_args(UsageAt))
        check_choice("Reply", "tool_input_style", self.tool_input_style, get_args(ToolInputStyle))
        check_choice("Reply", "newline", self.newline, get_args(Newline))
        check_number("Reply", "pings", self.pings, whole=True)
        check_number("Reply", "pause_s", self.pause_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One scripted failure; make it with the class methods below.

    A fault that begins an answer first (cut, stall, malformed, ...) breaks ``reply``, or the
    rule-made one. ``after_events`` counts stream events sent whole before the fault
    (``message_start`` is the first); on a whole reply 0 means right after the headers and anything
    else means in the middle of the body.
    """

    kind: str
    code: str | int = ""
    status: int = 0
    message: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    official_shape: bool = False
    outer_type: bool = True
    seconds: float = 0.0
    after_events: int = 0
    after_bytes: int | None = None
    ending: Ending = "close"
    reply: Reply | None = None
    then: Reply | Fault | None = None
    variant: OutOfOrder = "delta_first"
    location: str | None = None
    size: int = 0
    data: Any = None
    content_type: str = "text/plain"

    def __post_init__(self) -> None:
        """Raise for an option that means nothing, as a ``Reply`` does."""
        where = f"Fault.{self.kind}"
        check_choice("Fault", "kind", self.kind, FAULT_KINDS)
        check_choice(where, "ending", self.ending, get_args(Ending))
        check_choice(where, "variant", self.variant, get_args(OutOfOrder))
        check_number(where, "seconds", self.seconds)
        check_number(where, "size", self.size, whole=True)
        check_number(where, "after_events", self.after_events, least=-1, whole=True)
        if self.status:
            check_number(where, "status", self.status, least=100, whole=True)
        if self.after_bytes is not None:
            check_number(where, "after_bytes", self.after_bytes, whole=True)
        if self.reply is not None and not isinstance(self.reply, Reply):
            raise ValueError(f"{where}: reply must be a Reply, not {self.reply!r}")
        if self.then is not None and not isinstance(self.then, (Reply, Fault)):
            raise ValueError(f"{where}: then must be a Reply or a Fault, not {self.then!r}")

    @classmethod
    def error(
        cls,
        code_or_type: str | int,
        *,
        retry_after: float | str | None = None,
        headers: Mapping[str, str] | None = None,
        official_shape: bool = False,
        outer_type: bool = True,
        message: str | None = None,
        status: int | None = None,
    ) -> Fault:
        """An error response: a platform code, an official type, or an integer code.

        ``{key}`` inside ``message`` is replaced by the key that was sent, as careless servers do.
        Raises ``ValueError`` for a name in neither table, unless ``status`` says how to answer with it.
        """
        known = {*PLATFORM_ERRORS, *OFFICIAL_ERRORS}
        if isinstance(code_or_type, str) and code_or_type not in known and status is None:
            near = get_close_matches(code_or_type, known, n=1)
            advice = f"do you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
            raise ValueError(
                f"there is no error {code_or_type!r}; {advice} (status=... lets any name through)"
            )
        all_headers = dict(headers or {})
        if retry_after is not None:
            all_headers["retry-after"] = str(retry_after)
        return cls(
            kind="error",
            code=code_or_type,
            status=status or 0,
            message=message,
            headers=all_headers,
            official_shape=official_shape,
            outer_type=outer_type,
        )

    @classmethod
    def delay(cls, seconds: float, then: Reply | Fault | None = None) -> Fault:
        """Wait before the answer (``then``, or the rule-made one)."""
        return cls(kind="delay", seconds=seconds, then=then)

    @classmethod
    def stall(cls, after_events: int = 1, *, reply: Reply | None = None) -> Fault:
        """Stop sending and hold the connection until the client leaves or the sandbox closes.

        ``after_events=-1`` holds before any response byte.
        """
        return cls(kind="stall", after_events=after_events, reply=reply)

    @classmethod
    def cut(
        cls,
        after_events: int = 1,
        *,
        after_bytes: int | None = None,
        ending: Ending = "close",
        reply: Reply | None = None,
    ) -> Fault:
        """End early: ``close`` breaks the HTTP body, ``clean`` ends it as if complete, ``reset`` sends RST."""
        return cls(
            kind="cut",
            after_events=after_events,
            after_bytes=after_bytes,
            ending=ending,
            reply=reply,
        )

    @classmethod
    def disconnect(cls, *, reset: bool = False) -> Fault:
        """Close the connection without any response."""
        return cls(kind="disconnect", ending="reset" if reset else "close")

    @classmethod
    def malformed(cls, after_events: int = 1, *, reply: Reply | None = None) -> Fault:
        """Broken JSON in one event (stream) or in the body."""
        return cls(kind="malformed", after_events=after_events, reply=reply)

    @classmethod
    def invalid_utf8(cls, after_events: int = 2, *, reply: Reply | None = None) -> Fault:
        """Bytes that are no UTF-8 in one event (stream) or in the body."""
        return cls(kind="invalid_utf8", after_events=after_events, reply=reply)

    @classmethod
    def error_event(
        cls,
        type_or_code: str | int = "overloaded_error",
        after_events: int = 1,
        *,
        official_shape: bool = True,
        message: str | None = None,
        reply: Reply | None = None,
    ) -> Fault:
        """An ``error`` event inside the stream; on a whole reply the plain error response."""
        return cls(
            kind="error_event",
            code=type_or_code,
            after_events=after_events,
            official_shape=official_shape,
            message=message,
            reply=reply,
        )

    @classmethod
    def out_of_order(cls, variant: OutOfOrder = "delta_first", *, reply: Reply | None = None) -> Fault:
        """Events in an order that the format forbids; on a whole reply a body that is no message."""
        return cls(kind="out_of_order", variant=variant, reply=reply)

    @classmethod
    def endless_line(
        cls, after_events: int = 1, *, size: int = 64 * 1024 * 1024, reply: Reply | None = None
    ) -> Fault:
        """A line (or body) without end: ``size`` bytes, or until the client leaves; then a close."""
        return cls(kind="endless_line", after_events=after_events, size=size, reply=reply)

    @classmethod
    def html(cls, status: int = 502) -> Fault:
        """An HTML page, as a proxy in front would answer."""
        return cls(kind="html", status=status)

    @classmethod
    def empty(cls, status: int = 200) -> Fault:
        """No body at all."""
        return cls(kind="empty", status=status)

    @classmethod
    def envelope(cls, code: int = 402, msg: str = "insufficient credits", *, data: Any = None) -> Fault:
        """HTTP 200 with the second envelope ``{"code", "msg", "data"}``."""
        return cls(kind="envelope", code=code, message=msg, data=data)

    @classmethod
    def huge_error(cls, code_or_type: str | int = "internal_error", *, size: int = 16 * 1024 * 1024) -> Fault:
        """An error body whose message is ``size`` characters long."""
        return cls(kind="huge_error", code=code_or_type, size=size)

    @classmethod
    def redirect(cls, location: str | None = None, *, status: int = 307) -> Fault:
        """A redirect, by default to another path of the sandbox."""
        return cls(kind="redirect", location=location, status=status)

    @classmethod
    def truncated_gzip(cls, *, reply: Reply | None = None) -> Fault:
        """``content-encoding: gzip`` with half of the compressed bytes, in a complete HTTP body."""
        return cls(kind="truncated_gzip", reply=reply)

    @classmethod
    def wrong_content_type(cls, content_type: str = "text/plain", *, reply: Reply | None = None) -> Fault:
        """A good answer under another ``content-type``."""
        return cls(kind="wrong_content_type", content_type=content_type, reply=reply)


Scripted = Reply | Fault
