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

# Where the exact index keeps its vectors.
ROWS = Registry(
    "rows",
    {
        "cpu": "vsearch.search.ann.on_cpu:FaissRows",
        "gpu": "vsearch.search.ann.on_gpu:TorchRows",
    },
)
