"""The decoding process: `python -m vsearch.media.child MEMORY_BYTES`. Requests come on stdin, messages go to stdout.

It imports numpy and PyAV, never torch. It ends when its stdin ends, so it can't outlive its parent, however that dies.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from queue import SimpleQueue
from typing import BinaryIO

from vsearch import osys
from vsearch.config import ReadConfig
from vsearch.errors import MediaError, VsearchError
from vsearch.media import READERS, wire
from vsearch.media.reading import FileReading

_ALIVE_S = 0.25  # how often progress is reported at most


class _CancelledError(Exception):
    """The parent does not want the rest of this file."""


class _Requests:
    """Reads stdin in a thread, so that a request to stop, and the parent's end, are noticed while decoding."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._queue: SimpleQueue[dict[str, object]] = SimpleQueue()
        self.cancelled = threading.Event()
        threading.Thread(target=self._read, args=(pipe,), daemon=True).start()

    def _read(self, pipe: BinaryIO) -> None:
        while (message := wire.receive(pipe)) is not None:
            kind, fields, _ = message
            if kind == wire.CANCEL:
                self.cancelled.set()
            else:
                self._queue.put(fields)
        os._exit(0)  # the parent is gone: nobody wants what is being decoded

    def next(self) -> dict[str, object]:
        return self._queue.get()


def main() -> None:
    """Serve requests until stdin ends."""
    osys.ignore_interrupts()
    osys.no_core_dumps()
    replies = os.fdopen(os.dup(1), "wb", buffering=1 << 16)
    os.dup2(2, 1)  # whatever a library prints must not end up among the messages
    requests = _Requests(os.fdopen(os.dup(0), "rb", buffering=1 << 16))
    READERS.load("pyav")  # libraries are mapped before the limit counts
    osys.limit_address_space(int(sys.argv[1]))
    wire.send(replies, wire.ALIVE, {})
    while True:
        _serve(requests, replies)


def _serve(requests: _Requests, replies: BinaryIO) -> None:
    """Answer one request with INFO, IDENTITY, BATCH..., END, or with ERROR at any point."""
    request = requests.next()
    requests.cancelled.clear()
    config = wire.from_json(ReadConfig, request["config"])
    path = bytes.fromhex(str(request["path"]))
    try:
        _read(path, config, bool(request["identify"]), requests.cancelled, replies)
    except _CancelledError:
        wire.send(replies, wire.END, {})
    except VsearchError as error:
        wire.send(replies, wire.ERROR, {"code": error.code, "message": str(error)})
    except MemoryError:
        text = f"needs more than the {config.memory_bytes >> 20} MiB of memory that decoding may take"
        wire.send(replies, wire.ERROR, {"code": MediaError.code, "message": text})


def _read(path: bytes, config: ReadConfig, identify: bool, cancelled: threading.Event, replies: BinaryIO) -> None:
    reported = time.monotonic()

    def progress() -> None:
        nonlocal reported
        if cancelled.is_set():
            raise _CancelledError
        if time.monotonic() - reported >= _ALIVE_S:
            wire.send(replies, wire.ALIVE, {})
            reported = time.monotonic()

    with FileReading(path, config, identify=identify, progress=progress) as file:
        wire.send(replies, wire.INFO, {"info": wire.to_json(file.info)})
        wire.send(replies, wire.IDENTITY, {"identity": wire.to_json(file.identity)})
        for batch in file:
            fields = {"shape": list(batch.frames.shape), "pts": batch.pts.tolist()}
            wire.send(replies, wire.BATCH, fields, batch.frames.data.cast("B"))
            progress()
        wire.send(replies, wire.END, {"reading": wire.to_json(file.reading)})


if __name__ == "__main__":
    main()
