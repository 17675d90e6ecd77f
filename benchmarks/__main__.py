"""`python -m benchmarks NAME [options]`: run one of the programs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from benchmarks.report import BenchmarkError
from vsearch.errors import VsearchError

PROGRAMS = {
    "clusters": "benchmarks.bench_clusters:main",
    "copies": "benchmarks.bench_copies:main",
    "duplicates": "benchmarks.bench_duplicates:main",
    "excerpts": "benchmarks.bench_excerpts:main",
    "gpu": "benchmarks.bench_gpu:main",
    "long": "benchmarks.bench_long:main",
    "previews": "benchmarks.bench_previews:main",
    "query": "benchmarks.bench_query:main",
    "rate_distortion": "benchmarks.bench_rate_distortion:main",
    "scale": "benchmarks.bench_scale:main",
    "shots": "benchmarks.bench_shots:main",
    "side_by_side": "benchmarks.bench_side_by_side:main",
    "size": "benchmarks.bench_size:main",
    "speed": "benchmarks.bench_speed:main",
    "startup": "benchmarks.bench_startup:main",
}

USAGE = f"""usage: python -m benchmarks NAME [options]

NAME is one of {", ".join(PROGRAMS)}; `NAME --help` says what it measures and how. docs/benchmarks.md tells of all.
"""


def main(argv: Sequence[str]) -> int:
    """The exit status: 0 measured (whether or not a goal was met), 1 could not be measured, 2 usage."""
    if argv and argv[0] in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if not argv or argv[0] not in PROGRAMS:
        print(USAGE, end="", file=sys.stderr)
        return 2
    module, _, function = PROGRAMS[argv[0]].partition(":")
    try:
        return int(getattr(import_module(module), function)(list(argv[1:])) or 0)
    except (BenchmarkError, VsearchError) as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
