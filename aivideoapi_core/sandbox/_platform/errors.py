"""Error bodies: the platform's own table, the official types, and the exception that carries them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

# code: (HTTP status, type, default message). Platform docs, "Error Reference".
PLATFORM_ERRORS: Final[Mapping[str, tuple[int, str, str]]] = {
    "invalid_request": (400, "invalid_request_error", "A parameter is missing or invalid."),
    "invalid_api_key": (401, "authentication_error", "The API key is malformed, disabled or deleted."),
    "insufficient_credits": (402, "billing_error", "The balance is too low. Please top up."),
    "ip_not_allowed": (403, "permission_error", "The caller's IP is not on the key's allowlist."),
    "model_not_found": (404, "invalid_request_error", "The model is unknown or inactive."),
    "task_not_found": (404, "invalid_request_error", "The task id is unknown."),
    "rate_limit_exceeded": (429, "rate_limit_error", "Too many requests. Please slow down."),
    "spend_limit_exceeded": (429, "billing_error", "The key's spend limit has been reached."),
    "internal_error": (500, "api_error", "Internal platform error."),
    "upstream_error": (503, "upstream_error", "The provider is unavailable. Credits are refunded."),
}

# type: (HTTP status, default message). Official Messages API.
OFFICIAL_ERRORS: Final[Mapping[str, tuple[int, str]]] = {
    "invalid_request_error": (400, "Invalid request."),
    "authentication_error": (401, "Invalid authentication credentials."),
    "billing_error": (402, "Your credit balance is too low."),
    "permission_error": (403, "Your key has no permission for this resource."),
    "not_found_error": (404, "Not found."),
    "conflict_error": (409, "Conflict."),
    "request_too_large": (413, "Request exceeds the maximum size."),
    "rate_limit_error": (429, "Number of requests has exceeded your rate limit."),
    "api_error": (500, "Internal server error."),
    "timeout_error": (504, "The request timed out."),
    "overloaded_error": (529, "Overloaded"),
}

_TYPE_BY_STATUS: Final[Mapping[int, str]] = {status: kind for kind, (status, _) in OFFICIAL_ERRORS.items()}


@dataclass(slots=True)
class SandboxError(Exception):
    """A refusal of the sandbox itself (bad key, bad request, no credits): becomes an error response."""

    code: str
    message: str
    status: int = 0
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def http_status(self) -> int:
        """The status of the code's row, unless one was given."""
        return self.status or PLATFORM_ERRORS[self.code][0]


def bad_request(message: str) -> SandboxError:
    """400 ``invalid_request``; ``message`` starts with the path of the field."""
    return SandboxError("invalid_request", message)


def status_of(code_or_type: str | int) -> int:
    """HTTP status of a platform code, an official type, or an integer code (taken as the status)."""
    if isinstance(code_or_type, int):
        return code_or_type if 400 <= code_or_type <= 599 else 500
    if code_or_type in PLATFORM_ERRORS:
        return PLATFORM_ERRORS[code_or_type][0]
    if code_or_type in OFFICIAL_ERRORS:
        return OFFICIAL_ERRORS[code_or_type][0]
    return 500


def error_body(
    code_or_type: str | int,
    *,
    message: str | None = None,
    request_id: str | None = None,
    official_shape: bool = False,
    outer_type: bool = True,
) -> dict[str, Any]:
    """Body of one error: the platform's shape for its codes, the official shape for official types.

    ``official_shape`` forces the latter; ``outer_type=False`` leaves its ``"type": "error"`` away.
    """
    kind, text = _kind_and_text(code_or_type)
    text = message if message is not None else text
    official = official_shape or (isinstance(code_or_type, str) and code_or_type in OFFICIAL_ERRORS)
    if not official:
        return {"error": {"code": code_or_type, "message": text, "type": kind}}
    body: dict[str, Any] = {"type": "error"} if outer_type else {}
    body["error"] = {"type": kind, "message": text}
    if request_id is not None:
        body["request_id"] = request_id
    return body


def _kind_and_text(code_or_type: str | int) -> tuple[str, str]:
    if isinstance(code_or_type, int):
        kind = _TYPE_BY_STATUS.get(code_or_type, "api_error")
        return kind, OFFICIAL_ERRORS[kind][1]
    if code_or_type in PLATFORM_ERRORS:
        _, kind, text = PLATFORM_ERRORS[code_or_type]
        return kind, text
    if code_or_type in OFFICIAL_ERRORS:
        return code_or_type, OFFICIAL_ERRORS[code_or_type][1]
    return "api_error", f"Scripted error {code_or_type}."
