"""Makes ``load_llm`` know our class; LlamaIndex has no public way to add one."""

from __future__ import annotations

import logging

from llamaindex_aivideoapi.base import AIVideoAPI

logger = logging.getLogger("aivideoapi")


def register() -> bool:
    """Enter ``AIVideoAPI`` in LlamaIndex's table of loadable models; whether it is there now.

    Importing this package does it. Doing it again changes nothing, and another class under the same
    name is left alone.
    """
    try:
        from llama_index.core.llms.loading import RECOGNIZED_LLMS
    except ImportError:
        logger.debug("llama-index-core has no table of loadable models any more; load_llm will not find us")
        return False
    return RECOGNIZED_LLMS.setdefault(AIVideoAPI.class_name(), AIVideoAPI) is AIVideoAPI
