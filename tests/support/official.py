"""The official SDK's types as a judge of what we send. A judge that reads: see ``exhausted``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from anthropic.types import MessageCreateParams
from anthropic.types.beta import BetaMessageParam
from pydantic import BaseModel, TypeAdapter

REQUEST: Final[TypeAdapter[Any]] = TypeAdapter(MessageCreateParams)
"""The body of a request."""
TURNS: Final[TypeAdapter[Any]] = TypeAdapter(list[BetaMessageParam])
"""Its messages, with the blocks that are in beta."""


def assert_accepted(judge: TypeAdapter[Any], sent: Any) -> None:
    """``judge`` takes ``sent`` as it is: the round trip through the official types loses no field."""
    assert exhausted(judge.validate_python(sent)) == exhausted(sent)


def exhausted(value: Any) -> Any:
    """``value`` with every iterable read.

    The official types declare lists as ``Iterable``, which pydantic validates when they are read
    and not before: without this, nothing inside a list is looked at.
    """
    if isinstance(value, BaseModel):  # a received type, which assistant turns may hold too
        value = value.model_dump(exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: exhausted(item) for key, item in value.items()}
    if isinstance(value, (str, bytes, int, float)) or value is None:
        return value
    return [exhausted(item) for item in value]
