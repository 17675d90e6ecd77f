"""A program that computes one IndexedVideo without any database and writes it to stdout, as a worker elsewhere would.

Arguments: codec, head, path.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

from tests import tiny_models  # noqa: F401 - makes the tiny families known
from vsearch.config import IndexConfig
from vsearch.extract import extract
from vsearch.media.isolated import DecodeProcess
from vsearch.models import load_codec, load_head


def main() -> None:
    codec, head, path = sys.argv[1:]
    config = IndexConfig()
    with DecodeProcess(config.read) as decoder:
        video = extract(
            os.fsencode(path), config=config, codec=load_codec(Path(codec)), head=load_head(Path(head)), decoder=decoder
        )
    if "sqlalchemy" in sys.modules:
        raise SystemExit("indexing one video must not touch a database")
    sys.stdout.buffer.write(pickle.dumps(video))


if __name__ == "__main__":
    main()
