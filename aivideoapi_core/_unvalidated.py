"""Pydantic objects made by hand, for values that come from our own hands. What the adapters' clever corners stand on.

``model_construct`` is no way out: on pydantic 2.14 it is slower than validation. The slots of a model are set by
their descriptors, which ``object.__setattr__`` would look up each time.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from pydantic import BaseModel

_M = TypeVar("_M", bound=BaseModel)

_new = object.__new__
values_of: Final = BaseModel.__dict__["__dict__"].__get__
set_values: Final = BaseModel.__dict__["__dict__"].__set__
private_of: Final = BaseModel.__dict__["__pydantic_private__"].__get__
set_private: Final = BaseModel.__dict__["__pydantic_private__"].__set__
_set_fields_set: Final = BaseModel.__dict__["__pydantic_fields_set__"].__set__
_set_extra: Final = BaseModel.__dict__["__pydantic_extra__"].__set__


def filled(
    cls: type[_M], values: dict[str, Any], fields_set: set[str], *, extra: Any = None, private: Any = None
) -> _M:
    """An object of ``cls`` with these values; they are handed over, not copied, and must be valid."""
    made = _new(cls)
    set_values(made, values)
    _set_fields_set(made, fields_set)
    _set_extra(made, extra)
    set_private(made, private)
    return made
