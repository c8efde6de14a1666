"""``TypedDict`` classes as pydantic reads them, which takes the newer class only before Python 3.12."""

from __future__ import annotations

from typing import Any

from pydantic import PydanticUserError, TypeAdapter
from typing_extensions import TypedDict, get_type_hints, is_typeddict

from aivideoapi_core._errors import InvalidInputError


def readable(cls: Any) -> Any:
    """``cls``, or the same ``TypedDict`` of the newer class. Raises ``NameError`` for an annotation that leads nowhere."""
    if not is_typeddict(cls) or type(cls).__module__ == "typing_extensions":
        return cls
    make: Any = TypedDict
    return make(cls.__name__, get_type_hints(cls, include_extras=True), total=cls.__total__)


def typed_dict_schema(cls: Any) -> dict[str, Any] | None:
    """The JSON schema of a ``TypedDict``; ``None`` for anything else. Raises ``InvalidInputError`` if it has none."""
    if not is_typeddict(cls):
        return None
    try:
        schema = {"title": cls.__name__, **TypeAdapter(readable(cls)).json_schema()}
    except (PydanticUserError, NameError, TypeError) as error:
        raise InvalidInputError(f"{cls!r} has no schema: {error}") from error
    described = (cls.__doc__ or "").strip()
    return {**schema, "description": described} if described else schema
