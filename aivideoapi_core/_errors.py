"""The exception tree, and the table that picks a class from what the platform said.

Sources: platform documentation, "Error Reference" (codes and statuses); the official Messages
format for bodies that the direct-forward route passes on (types such as ``overloaded_error``).
"""

from __future__ import annotations

import builtins
import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar
from urllib.parse import quote

if TYPE_CHECKING:
    from pydantic import SecretStr

    from aivideoapi_core._types import Message

EXCERPT_CHARS: Final = 500
"""How much of an unreadable body an error keeps."""
MESSAGE_CHARS: Final = 2_000
"""How much of a server's own error message an error keeps."""
LABEL_CHARS: Final = 200
"""How much of a code, a type or a request id is kept: they go into log lines."""

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
        type: str | None = None,  # noqa: A002 - the wire's word for it
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


class InvalidInputError(AIVideoAPIError, ValueError):
    """What the caller passed cannot be sent. Raised before any I/O."""


class UnsupportedOptionError(InvalidInputError):
    """An option that this route or this model cannot express. Raised before any I/O."""


class BudgetExceededError(AIVideoAPIError, ValueError):
    """A call that could pass the caller's credit budget. Raised before any I/O."""


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
    """The platform answered with an error. One subclass for each documented code."""

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


_BY_CODE: Final[Mapping[str, type[APIStatusError]]] = {
    "invalid_request": InvalidRequestError,
    "invalid_api_key": AuthenticationError,
    "insufficient_credits": InsufficientCreditsError,
    "ip_not_allowed": PermissionDeniedError,
    "model_not_found": ModelNotFoundError,
    "task_not_found": TaskNotFoundError,
    "rate_limit_exceeded": RateLimitError,
    "spend_limit_exceeded": SpendLimitError,
    "internal_error": InternalServerError,
    "upstream_error": UpstreamError,
}

_BY_TYPE: Final[Mapping[str, type[APIStatusError]]] = {
    "invalid_request_error": InvalidRequestError,
    "authentication_error": AuthenticationError,
    "billing_error": InsufficientCreditsError,
    "permission_error": PermissionDeniedError,
    "not_found_error": NotFoundError,
    "request_too_large": RequestTooLargeError,
    "rate_limit_error": RateLimitError,
    "api_error": InternalServerError,
    "upstream_error": UpstreamError,
    "overloaded_error": OverloadedError,
}

_BY_STATUS: Final[Mapping[int, type[APIStatusError]]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: InsufficientCreditsError,
    403: PermissionDeniedError,
    404: NotFoundError,
    413: RequestTooLargeError,
    429: RateLimitError,
    500: InternalServerError,
    503: UpstreamError,
    529: OverloadedError,
}

_CODE_DIGITS: Final = 6
"""Longer numbers are no status, and converting them could be made to take long."""

_RETRYABLE_STATUSES: Final = frozenset({408, 502})
"""Undocumented statuses that say the request was not worked on: it did not arrive, or went no further."""

_ADVICE: Final[Mapping[type[APIStatusError], str]] = {
    AuthenticationError: "check AIVIDEOAPI_API_KEY",
    InsufficientCreditsError: "top up the account's credits",
    ModelNotFoundError: "check the model id; ids of the direct-forward route end in '/anthropic', and "
    "'aivideoapi models' lists those that are known",
    PermissionDeniedError: "check the key's IP allowlist",
    SpendLimitError: "raise the key's hourly, daily or total limit; waiting seconds does not help",
}

_CONTEXT_OVERFLOW: Final = re.compile(
    r"prompt is too long|exceeds? (the )?(model'?s )?(maximum )?context|context (window|length|limit)"
    r"[^.]*exceed|exceed[^.]*context (window|length|limit)",
    re.IGNORECASE,
)
_SPEND_LIMIT: Final = re.compile(r"spend(ing)?[ _-]?(limit|cap)", re.IGNORECASE)
_KEY_LIKE: Final = re.compile(r"(?<![A-Za-z0-9])sk-[A-Za-z0-9_\-]{4,}")
"""A key of the platform; "risk-free" and "task-based" are none."""


def advice_for_name(name: str, known: Iterable[str]) -> str:
    """What to do about an argument that nobody knows: the nearest one that is known, or look again."""
    from difflib import get_close_matches  # only for those who mistype

    close = get_close_matches(name, sorted(known), n=1)
    return f"did you mean {close[0]!r}?" if close else "check the spelling."


def redact(text: str, secret: SecretStr | None = None) -> str:
    """``text`` without ``secret`` and without anything that looks like a key of the platform."""
    if secret:
        for form in _spellings(secret):
            text = text.replace(form, "***")
    return _KEY_LIKE.sub("sk-***", text)


@functools.lru_cache(maxsize=16)
def _spellings(secret: SecretStr) -> tuple[str, ...]:
    """A key as sent, as it stands inside JSON text, and as it stands inside a URL."""
    plain = secret.get_secret_value()
    return tuple(dict.fromkeys((plain, json.dumps(plain)[1:-1], quote(plain, safe=""))))


def excerpt_of(body: bytes | str, secret: SecretStr | None = None) -> str:
    """A short piece of a body for an error text, on any bytes, without the key."""
    text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
    # Redact before cutting: half a key is still a secret.
    text = redact(text, secret)
    return text if len(text) <= EXCERPT_CHARS else text[:EXCERPT_CHARS] + "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFacts:
    """What an error body says, whichever of the known shapes it has."""

    message: str | None = None
    code: str | None = None
    type: str | None = None
    request_id: str | None = None

    @property
    def numeric_code(self) -> int | None:
        """The code as a number: in the ``{"code", "msg", "data"}`` envelope it is a status."""
        known = self.code is not None and self.code.isdecimal() and len(self.code) <= _CODE_DIGITS
        return int(self.code or 0) if known else None

    @property
    def is_success(self) -> bool:
        """Whether the envelope claims success."""
        return self.numeric_code is not None and self.numeric_code < 400

    @classmethod
    def read(cls, payload: Any, secret: SecretStr | None = None) -> Self | None:
        """Read ``{"error": {...}}`` (both dialects) or ``{"code", "msg", "data"}``; else ``None``.

        All texts are one line, of bounded length, and without ``secret``, wherever a server echoed it.
        """
        if not isinstance(payload, Mapping):
            return None
        error = payload.get("error")
        if isinstance(error, str):
            error = {"message": error}
        if not isinstance(error, Mapping):
            if "msg" not in payload or "code" not in payload:
                return None
            error = {"message": payload["msg"]}
        details = error.get("details")
        nested = details.get("error_code") if isinstance(details, Mapping) else None
        codes = (_text(code, secret) for code in (error.get("code"), payload.get("code"), nested))
        return cls(
            message=_text(error.get("message"), secret, limit=MESSAGE_CHARS),
            code=next(filter(None, codes), None),
            type=_text(error.get("type"), secret),
            request_id=_text(payload.get("request_id"), secret),
        )


def _text(value: Any, secret: SecretStr | None, *, limit: int = LABEL_CHARS) -> str | None:
    """A JSON scalar as one line of text: codes are sometimes integers."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if value is None or isinstance(value, (dict, list)):
        return None
    # Redact before cutting: half a key is still a secret.
    text = " ".join(redact(str(value), secret).split())
    return (text if len(text) <= limit else text[:limit] + "…") or None


def error_class(
    *,
    code: str | None,
    type: str | None,  # noqa: A002 - the wire's word for it
    status: int | None,
    message: str,
) -> type[APIStatusError]:
    """Choose by ``code``, then ``type``, then HTTP status (429 alone has two meanings)."""
    chosen = _BY_CODE.get(code or "")
    if chosen is None and status == 429 and type == "billing_error":
        chosen = SpendLimitError
    if chosen is None:
        chosen = _BY_TYPE.get(type or "") or _BY_TYPE.get(code or "") or _BY_STATUS.get(status or 0)
    if chosen is None:
        chosen = APIStatusError
    if chosen is RateLimitError and _SPEND_LIMIT.search(message):
        return SpendLimitError
    if issubclass(chosen, InvalidRequestError) and _CONTEXT_OVERFLOW.search(message):
        return ContextOverflowError
    return chosen


def error_from_payload(
    payload: Any,
    *,
    status_code: int | None = None,
    request_id: str | None = None,
    retry_after_s: float | None = None,
    should_retry: bool | None = None,
    body: bytes | str = b"",
    secret: SecretStr | None = None,
    partial: Message | None = None,
) -> APIStatusError:
    """Build the typed error for an error body, or for whatever came in place of one.

    ``payload`` is the parsed JSON, or ``None`` if the body is not JSON (a proxy's HTML page).
    ``status_code`` is ``None`` for an ``error`` event inside a stream. ``should_retry`` is the
    server's ``x-should-retry``; it never makes a billing refusal retryable.
    """
    facts = ErrorFacts.read(payload, secret) or ErrorFacts()
    excerpt = excerpt_of(body, secret) or None
    message = facts.message or _unreadable(status_code, excerpt)
    status = status_code
    # A numeric code is a status too, and the more exact one: the envelope arrives with HTTP 200.
    meant = facts.numeric_code if facts.numeric_code in range(400, 600) else status
    if status is None or status < 400:
        status = meant
    cls = error_class(code=facts.code, type=facts.type, status=meant, message=message)
    if advice := _ADVICE.get(cls):
        message = f"{message.rstrip('.')}. Advice: {advice}."
    retryable: bool | None = True if cls is APIStatusError and status in _RETRYABLE_STATUSES else None
    if should_retry is not None and not issubclass(cls, (InsufficientCreditsError, SpendLimitError)):
        retryable = should_retry
    return cls(
        message,
        status_code=status if status is None or status >= 300 else None,
        code=facts.code,
        type=facts.type,
        request_id=_text(request_id, secret) or facts.request_id,
        retry_after_s=retry_after_s,
        body=excerpt,
        retryable=retryable,
        partial=partial,
    )


def _unreadable(status_code: int | None, excerpt: str | None) -> str:
    if status_code is None:
        return f"the stream sent an error that says nothing known: {excerpt or '(empty)'}"
    if excerpt is None:
        return f"the server answered {status_code} without a body"
    return f"the server answered {status_code} with a body that is not an error of the platform: {excerpt}"
