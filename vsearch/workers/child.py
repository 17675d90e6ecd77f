"""A process with models: `python -m vsearch.workers.child`. Messages come on stdin, answers go to stdout. It ends when
its stdin ends, so it can't outlive its parent, however that dies.
"""

from __future__ import annotations

from vsearch import osys

osys.ignore_interrupts()  # first: what is imported below takes a while

import logging  # noqa: E402
import os  # noqa: E402
from collections.abc import Callable, Mapping  # noqa: E402
from typing import Any, BinaryIO  # noqa: E402

from vsearch.errors import VsearchError  # noqa: E402
from vsearch.media import wire  # noqa: E402
from vsearch.models import CODECS, HEADS  # noqa: E402
from vsearch.threads import collect_rarely, numpy_in_one_thread  # noqa: E402
from vsearch.workers.process import ANSWER, ERROR, Payload  # noqa: E402

Serve = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], Payload]]
USUAL = ("dyadic", "gem")  # the families of most libraries, imported before anything is asked


def main() -> None:
    """Serve until stdin ends."""
    collect_rarely()
    requests = os.fdopen(os.dup(0), "rb", buffering=1 << 16)
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)  # whatever a library prints must not end up among the messages
    try:
        served = prepared()
    except VsearchError as error:
        if wire.receive(requests) is not None:
            tell(replies, error)
        return
    try:
        while (message := wire.receive(requests)) is not None and message[0] in served:
            answer(replies, served[message[0]], message[1], message[2])
    except (OSError, wire.WireError):
        return  # the parent died in the middle of a message


def prepared() -> Mapping[bytes, Serve]:
    """What can be asked, once all that it takes is imported."""
    from vsearch.workers import models, pairs

    for registry, family in zip((CODECS, HEADS), USUAL, strict=True):
        registry.load(family)
    numpy_in_one_thread()
    return {**models.SERVED, **pairs.SERVED}


def answer(replies: BinaryIO, serve: Serve, fields: dict[str, Any], payload: bytes) -> None:
    """What was asked, or why there is no answer: whatever it is costs this question only."""
    try:
        found, result = serve(fields, payload)
    except VsearchError as error:
        tell(replies, error)
    except Exception as error:
        logging.getLogger(__name__).exception("in a process with models")
        tell(replies, VsearchError(f"{type(error).__name__}: {error}"))
    else:
        wire.send(replies, ANSWER, found, result)


def tell(replies: BinaryIO, error: VsearchError) -> None:
    wire.send(replies, ERROR, {"code": error.code, "message": str(error)})


if __name__ == "__main__":
    main()
