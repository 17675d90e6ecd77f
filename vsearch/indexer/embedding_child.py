"""An embedding process: `python -m vsearch.indexer.embedding_child CODEC HEAD DEVICE`. Chunks come on stdin, vectors go
to stdout. It ends when its stdin ends, so it can't outlive its parent, however that dies.
"""

from __future__ import annotations

import os
import sys
from itertools import accumulate, pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vsearch import osys
from vsearch.errors import VsearchError
from vsearch.indexer.embedding import CHUNKS, ERROR, READY, VECTORS, embed_chunks
from vsearch.media import wire
from vsearch.models import load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec


def main() -> None:
    """Serve batches until stdin ends."""
    osys.ignore_interrupts()
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)  # whatever a library prints must not end up among the messages
    codec_folder, head_folder, device = sys.argv[1:]
    try:
        codec = load_codec(Path(codec_folder), device=device, threads=1)
        head = load_head(Path(head_folder), device=device, threads=1)
    except VsearchError as error:
        _send_error(replies, error)
        return
    wire.send(replies, READY, {})
    while (message := wire.receive(requests)) is not None and message[0] == CHUNKS:
        _serve(message[1]["sizes"], message[1]["frames"], message[2], codec, head, replies)


def _serve(
    sizes: list[int], n_frames: list[int], data: bytes, codec: LatentCodec, head: EmbeddingHead, replies: BinaryIO
) -> None:
    chunks = [data[start:stop] for start, stop in pairwise(accumulate(sizes, initial=0))]
    try:
        vectors = np.ascontiguousarray(embed_chunks(chunks, n_frames, codec, head))
    except VsearchError as error:
        _send_error(replies, error)
    else:
        wire.send(replies, VECTORS, {"shape": list(vectors.shape)}, vectors.data.cast("B"))


def _send_error(replies: BinaryIO, error: VsearchError) -> None:
    wire.send(replies, ERROR, {"code": error.code, "message": str(error)})


if __name__ == "__main__":
    main()
