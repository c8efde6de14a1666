"""The aliases of pydantic fields: the other names that JSON may have them by."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import AliasChoices, BaseModel
from pydantic.fields import FieldInfo


def aliases_of(field: FieldInfo) -> list[str]:
    """The other names of a pydantic field that JSON may have it by."""
    given = field.validation_alias
    choices = given.choices if isinstance(given, AliasChoices) else (given, field.alias)
    return [alias for alias in choices if isinstance(alias, str)]


def by_python_names(value: Any, annotation: Any) -> Any:
    """Part of a JSON value with the fields of the classes in ``annotation`` under their names instead of aliases."""
    kinds = get_args(annotation)
    if isinstance(value, list):
        inner = next((get_args(kind) for kind in (annotation, *kinds) if get_origin(kind) is list), ())
        return [by_python_names(item, *inner) for item in value] if inner else value
    if not isinstance(value, dict):
        return value
    classes = [
        kind for kind in (annotation, *kinds) if isinstance(kind, type) and issubclass(kind, BaseModel)
    ]
    if len(classes) != 1:
        return value
    fields = classes[0].model_fields
    names = {alias: name for name, field in fields.items() for alias in aliases_of(field)}
    found = {names.get(key, key): item for key, item in value.items()}
    return {
        name: by_python_names(item, fields[name].annotation) if name in fields else item
        for name, item in found.items()
    }
