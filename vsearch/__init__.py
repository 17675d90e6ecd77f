"""vsearch: an archive of videos as a small latent library that can be searched by example and looked at offline.

The public API is `Library`, the records it returns, and the errors it raises. Names are resolved on first use, so that
`import vsearch` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from vsearch._version import __version__

if TYPE_CHECKING:
    from vsearch.config import IndexConfig
    from vsearch.errors import VsearchError
    from vsearch.library import Library
    from vsearch.records import Clip, Hit, Segment, Shot
    from vsearch.request import SearchRequest

__all__ = ["Clip", "Hit", "IndexConfig", "Library", "SearchRequest", "Segment", "Shot", "VsearchError", "__version__"]

_HOMES = {
    "Clip": "vsearch.records",
    "Hit": "vsearch.records",
    "IndexConfig": "vsearch.config",
    "Library": "vsearch.library",
    "SearchRequest": "vsearch.request",
    "Segment": "vsearch.records",
    "Shot": "vsearch.records",
    "VsearchError": "vsearch.errors",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'vsearch' has no attribute {name!r}")
