"""A process with models: `python -m vsearch.workers.child`. Messages come on stdin, answers go to stdout. It ends when
its stdin ends, so it can't outlive its parent, however that dies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from vsearch import osys
from vsearch.errors import VsearchError
from vsearch.media import wire
from vsearch.models import CODECS, HEADS
from vsearch.threads import collect_rarely, numpy_in_one_thread
from vsearch.workers.process import ANSWER, ERROR, Payload

Serve = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], Payload]]
USUAL = ("dyadic", "gem")  # the families of most libraries, imported before anything is asked


def main() -> None:
    """Serve until stdin ends."""
    osys.ignore_interrupts()
    collect_rarely()
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)  # whatever a library prints must not end up among the messages
    served = prepared()
    while (message := wire.receive(requests)) is not None and message[0] in served:
        answer(replies, served[message[0]], message[1], message[2])


def prepared() -> Mapping[bytes, Serve]:
    """What can be asked, once all that it takes is imported."""
    from vsearch.workers import models, pairs

    for registry, family in zip((CODECS, HEADS), USUAL, strict=True):
        registry.load(family)
    numpy_in_one_thread()
    return {**models.SERVED, **pairs.SERVED}


def answer(replies: BinaryIO, serve: Serve, fields: dict[str, Any], payload: bytes) -> None:
    try:
        found, result = serve(fields, payload)
    except VsearchError as error:
        wire.send(replies, ERROR, {"code": error.code, "message": str(error)})
    else:
        wire.send(replies, ANSWER, found, result)


if __name__ == "__main__":
    main()
