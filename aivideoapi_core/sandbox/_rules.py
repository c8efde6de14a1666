"""Rule-made replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aivideoapi_core.sandbox._script import Reply


def rule_made_reply(body: Mapping[str, Any]) -> Reply:
    """The reply of the rules to a validated request."""
    return Reply(text="Hello from the AI Video API sandbox: a rule-made answer, not a model's.")
