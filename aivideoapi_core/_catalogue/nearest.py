"""The ids of the catalogue that somebody may have meant who typed another one."""

from __future__ import annotations

import re
from typing import Final

from aivideoapi_core._catalogue.models import known_models
from aivideoapi_core._catalogue.routes import DIRECT_SUFFIX, base_model, plain_name

_FAMILY: Final = re.compile(r"haiku|sonnet|opus")
_VERSION: Final = re.compile(r"(?<![0-9v])(\d)(?:[-._ ]?(\d))?(?!\d)")


def nearest_models(model: str) -> list[str]:
    """The ids that ``model`` may stand for, likeliest first; none if it is listed or like nothing.

    Other platforms' spellings are read: a provider in front, dots in versions, dates and ``latest`` at the
    end, words in another order, capitals, the family's name alone.
    """
    listed = [info.id for info in known_models()]
    if model in listed:
        return []
    typed = model.strip().lower()
    is_direct = typed.endswith(DIRECT_SUFFIX)
    typed = plain_name(typed)
    family = _FAMILY.search(typed)
    if family is None:
        return _alike(typed, listed)
    bases = [name for name in dict.fromkeys(map(base_model, listed)) if family[0] in name]
    version = _VERSION.search(typed)
    if version is not None:
        wanted = f"-{version[1]}-{version[2]}" if version[2] else f"-{version[1]}-"
        bases = [name for name in bases if wanted in name] or bases
    best = max(bases)
    return sorted(
        (name for name in listed if base_model(name) == best),
        key=lambda name: name.endswith(DIRECT_SUFFIX) != is_direct,
    )


def _alike(typed: str, listed: list[str]) -> list[str]:
    from difflib import get_close_matches  # only for those who mistype

    return get_close_matches(typed, listed, n=1)
