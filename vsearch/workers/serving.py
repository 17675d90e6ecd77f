"""The child's side of `process.ModelProcess`: messages come on stdin, answers go to stdout."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

from vsearch.errors import VsearchError
from vsearch.media import wire
from vsearch.models import CODECS, HEADS
from vsearch.threads import collect_rarely, numpy_in_one_thread
from vsearch.workers.process import ANSWER, ERROR, Payload

Serve = Callable[[dict[str, Any], bytes], tuple[dict[str, Any], Payload]]
USUAL = ("dyadic", "gem")  # the families of most libraries, imported before anything is asked


def serve() -> None:
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


def answer(replies: BinaryIO, ask: Serve, fields: dict[str, Any], payload: bytes) -> None:
    """What was asked, or why there is no answer: whatever it is costs this question only."""
    try:
        found, result = ask(fields, payload)
    except VsearchError as error:
        tell(replies, error)
    except Exception as error:
        logging.getLogger(__name__).exception("in a process with models")
        tell(replies, VsearchError(f"{type(error).__name__}: {error}"))
    else:
        wire.send(replies, ANSWER, found, result)


def tell(replies: BinaryIO, error: VsearchError) -> None:
    wire.send(replies, ERROR, {"code": error.code, "message": str(error)})
