"""Vector indexes by name. Each kind is a module of its own, imported when it is asked for."""

from __future__ import annotations

from vsearch.registry import Registry

INDEXES = Registry(
    "index",
    {
        "flat": "vsearch.search.ann.flat:FlatIndex",
        "ivf": "vsearch.search.ann.ivf:IvfIndex",
        "ivfpq": "vsearch.search.ann.ivf:IvfPqIndex",
    },
)
