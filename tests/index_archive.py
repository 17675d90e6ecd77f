"""A program that indexes a folder with the tiny models, for tests that kill or interrupt it.

Arguments: library, codec, head, workers, then paths. Prints the report as JSON; exits as the command line does.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests import tiny_models  # noqa: F401 - makes the tiny families known
from vsearch.config import IndexConfig
from vsearch.errors import VsearchError
from vsearch.library import Library


def main() -> int:
    library, codec, head, workers, *paths = sys.argv[1:]
    try:
        with Library.open(library, create=True, codec=Path(codec), head=Path(head)) as opened:
            report = opened.index(paths, IndexConfig(workers=int(workers)))
    except VsearchError as error:
        print(json.dumps({"error": str(error), "code": error.code}))
        return error.exit_status
    print(json.dumps(report.as_json()))
    return report.exit_status


if __name__ == "__main__":
    sys.exit(main())
