"""The exception tree.

AIVideoAPIError
├─ InvalidInputError                               before any I/O; a ValueError too in constructors
│  └─ UnsupportedOptionError
├─ BudgetExceededError                             before any I/O
├─ ToolChoiceIgnoredError                          a reply without the call that was forced; .text is what it says
├─ APIConnectionError                              no reply
│  └─ APITimeoutError
├─ APIStatusError                                  an error reply; a class for each documented code
│  ├─ InvalidRequestError ── ContextOverflowError  400
│  ├─ AuthenticationError                          401
│  ├─ InsufficientCreditsError                     402
│  ├─ PermissionDeniedError                        403
│  ├─ NotFoundError ── ModelNotFoundError, TaskNotFoundError   404
│  ├─ RequestTooLargeError                         413
│  ├─ RateLimitError, SpendLimitError              429
│  └─ InternalServerError, UpstreamError, OverloadedError      500, 503, 529
├─ ResponseFormatError                             2xx whose body is no message
└─ StreamError ── IncompleteStreamError            a stream that broke; .partial is the message so far
   └─ StreamTimeoutError (also APITimeoutError)
"""

from __future__ import annotations

import builtins
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeVar

if TYPE_CHECKING:
    from aivideoapi_core._received import Message


_E = TypeVar("_E", bound="AIVideoAPIError")


class AIVideoAPIError(Exception):
    """Anything that went wrong between the caller and the platform.

    Every instance carries what is known, and ``None`` where nothing is: ``status_code`` (HTTP),
    ``code`` (the platform's), ``type`` (the official one), ``request_id``, ``retry_after_s``
    (seconds the server asked for), ``body`` (a short excerpt), ``attempts`` (requests made so far)
    and ``partial`` (the message received before a stream failed). ``retryable`` says whether the
    same call may be made again without paying twice and with a chance to succeed.
    """

    retryable: bool = False
    code: str | None = None
    type: str | None = None
    status_code: int | None = None

    def __init__(
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        type: str | None = None,
        request_id: str | None = None,
        retry_after_s: float | None = None,
        body: str | None = None,
        retryable: bool | None = None,
        partial: Message | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status_code = status_code if status_code is not None else self.status_code
        self.code = code if code is not None else self.code
        self.type = type if type is not None else self.type
        self.request_id = request_id
        self.retry_after_s = retry_after_s
        self.body = body
        self.partial = partial
        self.attempts: int | None = None
        if retryable is not None:
            self.retryable = retryable

    def __str__(self) -> str:
        request = f" (request {self.request_id})" if self.request_id else ""
        return f"{self.message}{request}"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_error, (self.__class__, self.args, self.__dict__)

    def recast(self, cls: builtins.type[_E]) -> _E:
        """The same facts as another class of the tree, for a framework's own exception types."""
        error = _rebuild_error(cls, self.args, {**self.__dict__, "retryable": self.retryable})
        error.__cause__ = self.__cause__
        return error


def _rebuild_error(cls: type[_E], args: tuple[Any, ...], facts: Mapping[str, Any]) -> _E:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


class InvalidInputError(AIVideoAPIError):
    """What the caller passed cannot be sent. Raised before any I/O.

    A ``ValueError`` too where a model, a budget or a ledger is made, as pydantic's users expect. A call raises none:
    LlamaIndex' response synthesizers take every ``ValueError`` for an answer that cannot be parsed, and go on without it.
    """


class UnsupportedOptionError(InvalidInputError):
    """An option that this route or this model cannot express. Raised before any I/O."""


class BudgetExceededError(AIVideoAPIError):
    """A call that could pass the caller's credit budget. Raised before any I/O.

    No ``ValueError``, as ``InvalidInputError`` of a call is none.

    ``needed_micro`` is the most the call can cost, in microcredits (``None``: nothing bounds it), beside
    ``spent_micro``, ``reserved_micro`` and ``limit_micro``, the standing that it was refused by.
    ``reserved_by`` says who holds what is reserved, ``host:process`` to microcredits. ``may_fit_later``: the
    same call may be granted without a change of the limit, because only reservations of running calls stand
    in its way, or because what was spent leaves the window, which makes room at ``room_at`` (seconds
    since the epoch, UTC; ``None``: nobody can say when). ``crowded`` says that it is the former.
    ``budget`` is the name of the budget that refused; a call may have to fit several.
    """

    budget: str | None = None
    needed_micro: int | None = None
    spent_micro: int | None = None
    reserved_micro: int | None = None
    limit_micro: int | None = None
    reserved_by: Mapping[str, int] = MappingProxyType({})
    may_fit_later: bool = False
    crowded: bool = False
    room_at: float | None = None


class ToolChoiceIgnoredError(AIVideoAPIError):
    """A reply that should have called a tool, or said an object, and did not; ``text`` is what it says instead.

    Not retryable: the reply is paid, and the next one would most likely say the same. No ``ValueError``, as
    ``BudgetExceededError`` is none.
    """

    def __init__(self, message: str, *, text: str = "", **facts: Any) -> None:
        super().__init__(message, **facts)
        self.text = text


class APIConnectionError(AIVideoAPIError):
    """No reply. Retryable only where the request cannot have been worked on (and billed).

    ``never_sent`` says that the server has certainly not got the whole request.
    """

    def __init__(self, message: str, *, never_sent: bool = False, **facts: Any) -> None:
        super().__init__(message, **facts)
        self.never_sent = never_sent


class APITimeoutError(APIConnectionError):
    """No reply in time. Not retryable once the request was sent: the work may be billed."""


class APIStatusError(AIVideoAPIError):
    """The platform answered with an error. One subclass for each documented code.

    ``billed``: part of an answer had come before it, so that it was not refused but broke.
    """

    billed: bool = False

    def __str__(self) -> str:
        # Frameworks look for "429" and such words in texts to decide on a retry, so where waiting
        # does not help they must not appear, not even in the server's message or in a request id.
        shown = [] if self.status_code == 429 and not self.retryable else [self.status_code]
        # The envelope's code may be the status itself: say it once.
        label = " ".join(dict.fromkeys(str(part) for part in (*shown, self.code or self.type) if part))
        text = super().__str__()
        text = f"{label}: {text}" if label else text
        return text if self.retryable else _RETRY_WORDS.sub(_disguise, text)

    @property
    def response(self) -> ErrorResponse:
        """A snapshot in the shape of an HTTP response, as tracers read it; no secret headers."""
        headers: dict[str, str] = {}
        if self.request_id:
            headers["request-id"] = self.request_id
        if self.retry_after_s is not None:
            headers["retry-after"] = f"{self.retry_after_s:g}"
        return ErrorResponse(status_code=self.status_code or 0, text=self.body or "", headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorResponse:
    """What is kept of an error reply: status, an excerpt of the body, harmless headers."""

    status_code: int
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        """The excerpt parsed. Raises ``ValueError`` if it is not (whole) JSON."""
        return json.loads(self.text)


_RETRY_WORDS: Final = re.compile("429|rate limit|too many requests", re.IGNORECASE)


def _disguise(found: re.Match[str]) -> str:
    """The same words for a reader, but not for a search."""
    return found.group().replace(" ", "-").replace("429", "4·29")


class InvalidRequestError(APIStatusError):
    """400 ``invalid_request``: a missing or bad parameter."""

    status_code = 400


class ContextOverflowError(InvalidRequestError):
    """400: the conversation is longer than the model's context window."""


class AuthenticationError(APIStatusError):
    """401 ``invalid_api_key``: malformed, disabled or deleted key, or its user is banned."""

    status_code = 401


class InsufficientCreditsError(APIStatusError):
    """402 ``insufficient_credits``: the balance is too low; top up."""

    status_code = 402


class PermissionDeniedError(APIStatusError):
    """403 ``ip_not_allowed`` and other refusals."""

    status_code = 403


class NotFoundError(APIStatusError):
    """404: nothing there."""

    status_code = 404


class ModelNotFoundError(NotFoundError):
    """404 ``model_not_found``: unknown or inactive model."""


class TaskNotFoundError(NotFoundError):
    """404 ``task_not_found``: unknown task id."""


class RequestTooLargeError(APIStatusError):
    """413 ``request_too_large``: the body has too many bytes."""

    status_code = 413


class RateLimitError(APIStatusError):
    """429 ``rate_limit_exceeded``: slow down, then try again."""

    status_code = 429
    retryable = True


class SpendLimitError(APIStatusError):
    """429 ``spend_limit_exceeded``: the key's hourly, daily or total cap; waiting seconds does not help."""

    status_code = 429


class InternalServerError(APIStatusError):
    """500 ``internal_error``: a fault of the platform."""

    status_code = 500
    retryable = True


class UpstreamError(APIStatusError):
    """503 ``upstream_error``: provider down, input prohibited or parameter not supported; refunded."""

    status_code = 503
    retryable = True


class OverloadedError(APIStatusError):
    """529 ``overloaded_error``: the provider has no capacity just now."""

    status_code = 529
    retryable = True


class ResponseFormatError(AIVideoAPIError):
    """A 2xx reply whose body is not a message. Not retryable: it may have been billed."""


class StreamError(AIVideoAPIError):
    """A stream that broke the protocol; ``partial`` is the message so far. Not retryable."""


class IncompleteStreamError(StreamError):
    """A stream that ended before ``message_stop``; ``partial`` is the message so far."""


class StreamTimeoutError(IncompleteStreamError, APITimeoutError):
    """A stream that went silent for longer than the read timeout; ``partial`` is the message so far."""
