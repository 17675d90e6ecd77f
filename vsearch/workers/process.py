"""A child process that computes with models.

What passes in between are messages as `media.wire` has them. The child ends when its input ends, so it can't outlive
this process, however that dies.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from vsearch import osys
from vsearch.errors import InputError, LatentError, UnavailableError, VsearchError
from vsearch.media import wire
from vsearch.processes import start_module

ANSWER, ERROR = b"A", b"X"  # from the child
_ERRORS: dict[str, type[VsearchError]] = {kind.code: kind for kind in (InputError, LatentError, UnavailableError)}

Payload = bytes | memoryview
Answer = tuple[dict[str, Any], bytes]


class ProcessDiedError(VsearchError):
    """The child is gone, for no fault of what it was asked."""


class ModelProcess:
    """One child. It imports what models need as soon as it starts. Threads that ask take turns; `close` waits for none.
    Leaving the context closes it. Raises VsearchError when no process can be started.
    """

    def __init__(self) -> None:
        try:
            self._process, self._requests, self._replies = start_module("vsearch.workers.child")
        except OSError as error:
            raise VsearchError(f"a process for the models can't be started: {error.strerror}") from error
        self._turn = threading.Lock()

    @property
    def pid(self) -> int:
        return self._process.pid

    def ask(self, kind: bytes, fields: dict[str, Any], payload: Payload = b"") -> Answer:
        """What the child answers. Raises what the child raised, and ProcessDiedError."""
        with self._turn:
            try:
                wire.send(self._requests, kind, fields, payload)
                message = wire.receive(self._replies)
            except (wire.WireError, OSError, ValueError) as error:
                raise self._death() from error
            except BaseException:
                self.close()  # in the middle of a message: what comes next would answer another question
                raise
        if message is None or message[0] not in (ANSWER, ERROR):
            raise self._death()
        if message[0] == ERROR:
            raise _ERRORS.get(str(message[1]["code"]), VsearchError)(str(message[1]["message"]))
        return message[1], message[2]

    def _death(self) -> ProcessDiedError:
        self.close()
        reason = osys.exit_reason(self._process.wait())
        return ProcessDiedError(f"a process with the models died ({reason})")

    def close(self) -> None:
        """End it, at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._replies):
            with suppress(OSError):  # what was still to be sent has no reader any more
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
