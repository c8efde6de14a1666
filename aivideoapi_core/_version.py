"""The version of all packages of the distribution, and what pip is to be given to install it with one more extra."""

from __future__ import annotations

import json
from contextlib import suppress

__version__ = "0.1.0"


def pip_install(extra: str) -> str:
    """The command that installs ``extra``: from a folder if this project came from one, else by its name."""
    from importlib.metadata import PackageNotFoundError, distribution  # for those who lack a package
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    source = "aivideoapi-adapters"
    with suppress(PackageNotFoundError, ValueError, TypeError, KeyError):
        told = json.loads(distribution(source).read_text("direct_url.json") or "null")
        if told and "dir_info" in told:
            source = url2pathname(urlsplit(told["url"]).path)
    return f"pip install '{source}[{extra}]'"
