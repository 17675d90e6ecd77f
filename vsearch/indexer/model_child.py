"""A process with models: `python -m vsearch.indexer.model_child CODEC HEAD DEVICE THREADS`. Messages come on stdin, and
answers go to stdout (`model_process`). It ends when its stdin ends, so it can't outlive its parent, however that dies.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from vsearch import osys
from vsearch.errors import VsearchError
from vsearch.indexer import embedding, encoding
from vsearch.indexer.model_process import CHUNKS, ENCODED, ERROR, FRAMES, READY, VECTORS, Payload
from vsearch.media import wire
from vsearch.models import load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.threads import numpy_in_one_thread

Serve = Callable[[dict[str, Any], bytes, LatentCodec, EmbeddingHead], tuple[dict[str, Any], Payload]]
SERVED: Mapping[bytes, tuple[Serve, bytes]] = {
    CHUNKS: (embedding.serve, VECTORS),
    FRAMES: (encoding.serve, ENCODED),
}


def main() -> None:
    """Serve until stdin ends."""
    osys.ignore_interrupts()
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)  # whatever a library prints must not end up among the messages
    codec_folder, head_folder, device, threads = sys.argv[1:]
    try:
        numpy_in_one_thread()
        codec = load_codec(Path(codec_folder), device=device, threads=int(threads))
        head = load_head(Path(head_folder), device=device, threads=int(threads))
    except VsearchError as error:
        _send_error(replies, error)
        return
    wire.send(replies, READY, {})
    while (message := wire.receive(requests)) is not None and message[0] in SERVED:
        serve, answer = SERVED[message[0]]
        try:
            fields, payload = serve(message[1], message[2], codec, head)
        except VsearchError as error:
            _send_error(replies, error)
        else:
            wire.send(replies, answer, fields, payload)


def _send_error(replies: BinaryIO, error: VsearchError) -> None:
    wire.send(replies, ERROR, {"code": error.code, "message": str(error)})


if __name__ == "__main__":
    main()
