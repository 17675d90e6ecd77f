"""A child process that computes with a library's models: what holds Python's interpreter lock there holds up nobody
here.

What passes in between are messages as `media.wire` has them. The child ends when its input ends, so it can't outlive
this process, however that dies.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from vsearch import osys
from vsearch.errors import InputError, LatentError, UnavailableError, VsearchError
from vsearch.media import wire

READY, ERROR = b"R", b"X"  # from the child
CHUNKS, VECTORS = b"C", b"V"  # stored chunks are asked about, and what comes back
FRAMES, ENCODED = b"F", b"E"  # sampled frames, and what comes back
_ERRORS: dict[str, type[VsearchError]] = {kind.code: kind for kind in (InputError, LatentError, UnavailableError)}

Payload = bytes | memoryview


class ProcessDiedError(VsearchError):
    """The child is gone, for no fault of what it was asked."""


class ModelProcess:
    """One child that loads a codec and a head. For one thread at a time; `close` may be called by any."""

    def __init__(self, codec: Path, head: Path, *, device: str, threads: int = 1) -> None:
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))
        arguments = [str(codec), str(head), device, str(threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "vsearch.indexer.model_child", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        self._requests = cast(BinaryIO, self._process.stdin)
        self._replies = cast(BinaryIO, self._process.stdout)
        self._ready = False

    def wait_ready(self) -> None:
        """Until it has loaded them, a second or two. Raises what loading raises there, and ProcessDiedError."""
        if not self._ready:
            try:
                self._receive(READY)
            except BaseException:
                self.close()
                raise
            self._ready = True

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(
        self, kind: bytes, fields: dict[str, Any], payload: Payload, *, answer: bytes
    ) -> tuple[dict[str, Any], bytes]:
        """The child's answer, a message of the kind `answer`. Raises what the child raised, and ProcessDiedError."""
        self.wait_ready()
        try:
            wire.send(self._requests, kind, fields, payload)
        except (OSError, ValueError) as error:
            raise self._death() from error
        return self._receive(answer)

    def _receive(self, wanted: bytes) -> tuple[dict[str, Any], bytes]:
        try:
            message = wire.receive(self._replies)
        except (wire.WireError, OSError, ValueError) as error:
            raise self._death() from error
        if message is None:
            raise self._death()
        kind, fields, payload = message
        if kind == ERROR:
            raise _ERRORS.get(str(fields["code"]), VsearchError)(str(fields["message"]))
        if kind != wanted:
            raise self._death()
        return fields, payload

    def _death(self) -> ProcessDiedError:
        self.close()
        reason = osys.exit_reason(self._process.wait())
        return ProcessDiedError(f"a process with the models died ({reason}); the same command goes on from here")

    def close(self) -> None:
        """End it, at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._replies):
            with suppress(OSError):  # what was still to be sent has no reader any more
                pipe.close()
