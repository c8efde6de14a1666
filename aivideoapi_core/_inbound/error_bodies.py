"""The table that picks an error's class from what the platform said, whichever of the known shapes it has.

Sources: platform documentation, "Error Reference" (codes and statuses); the official Messages
format for bodies that the direct-forward route passes on (types such as ``overloaded_error``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from aivideoapi_core._errors import (
    APIStatusError,
    AuthenticationError,
    ContextOverflowError,
    InsufficientCreditsError,
    InternalServerError,
    InvalidRequestError,
    ModelNotFoundError,
    NotFoundError,
    OverloadedError,
    PermissionDeniedError,
    RateLimitError,
    RequestTooLargeError,
    SpendLimitError,
    TaskNotFoundError,
    UpstreamError,
)
from aivideoapi_core._secrets import excerpt_of, redact

if TYPE_CHECKING:
    from pydantic import SecretStr

    from aivideoapi_core._received import Message

MESSAGE_CHARS: Final = 2_000
"""How much of a server's own error message an error keeps."""
LABEL_CHARS: Final = 200
"""How much of a code, a type or a request id is kept: they go into log lines."""

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

_RETRYABLE_STATUSES: Final = frozenset({408, 502, 521, 523, 525})
"""Undocumented statuses that say the request was not worked on: it did not arrive, or went no further (the last three
are Cloudflare's: nothing behind it listens, can be reached, or shakes hands)."""

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
_MODEL: Final = re.compile(r"\bmodel\b", re.IGNORECASE)
"""What the official API says of an id that it does not know: ``not_found_error``, ``model: claude-x``."""
_NO_CREDITS: Final = re.compile(
    r"insufficient_?(user_?)?(quota|balance|funds|credits?)\b|token_quota_failed|exceeded_current_quota|arrearage",
    re.IGNORECASE,
)
"""Codes and types by which relays (new-api, one-api) and other families say that the balance is too low; their status
is 403 or 429."""
_SPEND_LIMIT: Final = re.compile(r"spend(ing)?[ _-]?(limit|cap)", re.IGNORECASE)


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

        In the envelope ``msg`` may be called ``message``, and a code that says failure needs none.

        All texts are one line, of bounded length, and without ``secret``, wherever a server echoed it.
        """
        if isinstance(payload, list) and len(payload) == 1:
            payload = payload[0]  # Google's streams begin as a list
        if not isinstance(payload, Mapping):
            return None
        error = payload.get("error")
        if isinstance(error, str):
            error = _told(error, payload)
        if not isinstance(error, Mapping):
            said = payload.get("msg", payload.get("message"))
            if isinstance(said, (dict, list)) or payload.get("code") is None:
                return None
            if said is None and "msg" not in payload and not _is_failure(payload["code"]):
                return None
            error = {"message": said}
        details = error.get("details")
        nested = details.get("error_code") if isinstance(details, Mapping) else None
        codes = (_text(code, secret) for code in (error.get("code"), payload.get("code"), nested))
        return cls(
            message=_text(error.get("message"), secret, limit=MESSAGE_CHARS),
            code=next(filter(None, codes), None),
            type=_text(error.get("type"), secret),
            request_id=_text(payload.get("request_id"), secret),
        )


def _told(error: str, payload: Mapping[str, Any]) -> dict[str, Any]:
    """An error that is a text, with what stands beside it: the text may be no more than the name of a status."""
    beside = (payload.get(name) for name in ("message", "details", "detail"))
    more = next((said for said in beside if isinstance(said, str) and said not in ("", error)), None)
    status = payload.get("status")
    return {
        "message": error if more is None else f"{error}: {more}",
        "code": status if payload.get("code") is None and _is_failure(status) else None,
    }


def _is_failure(code: Any) -> bool:
    return type(code) is int and 400 <= code < 600


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
    type: str | None,
    status: int | None,
    message: str,
) -> type[APIStatusError]:
    """Choose by ``code``, then ``type``, then HTTP status (429 alone has two meanings)."""
    chosen = _BY_CODE.get(code or "")
    if chosen is None and _NO_CREDITS.search(f"{code} {type}"):
        chosen = InsufficientCreditsError
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
    if chosen is NotFoundError and (type or code) and _MODEL.search(message):
        return ModelNotFoundError
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
    model: str | None = None,
) -> APIStatusError:
    """Build the typed error for an error body, or for whatever came in place of one.

    ``payload`` is the parsed JSON, or ``None`` if the body is not JSON (a proxy's HTML page).
    ``status_code`` is ``None`` for an ``error`` event inside a stream. ``should_retry`` is the
    server's ``x-should-retry``; it never makes a billing refusal retryable. ``model``: the id that was asked for.
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
    if advice := _meant(model, cls, message) or _ADVICE.get(cls):
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


def _meant(model: str | None, cls: type[APIStatusError], message: str) -> str | None:
    """The advice for an id that the platform does not know, where the error may be about the model."""
    is_unknown = cls is ModelNotFoundError
    if not model or not (is_unknown or (cls in (NotFoundError, InvalidRequestError) and model in message)):
        return None
    from aivideoapi_core._catalogue.nearest import nearest_models  # only for those who mistype

    nearest = nearest_models(model)
    said = [f"did you mean {' or '.join(map(repr, nearest))}?"] if nearest else []
    return " ".join([*said, _ADVICE[ModelNotFoundError]]) if said or is_unknown else None


def _unreadable(status_code: int | None, excerpt: str | None) -> str:
    if status_code is None:
        return f"the stream sent an error that says nothing known: {excerpt or '(empty)'}"
    if excerpt is None:
        return f"the server answered {status_code} without a body"
    return f"the server answered {status_code} with a body that is not an error of the platform: {excerpt}"
