"""Decoding in a persistent child process with limits: a file that crashes or hangs its decoder costs that file only."""

from __future__ import annotations

import atexit
import contextlib
import os
import queue
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import numpy as np

from vsearch import osys
from vsearch.config import ReadConfig
from vsearch.errors import (
    DecoderCrashError,
    DecoderStallError,
    InputError,
    MediaError,
    NoVideoError,
    RefusedError,
    UnavailableError,
    VsearchError,
)
from vsearch.media import wire
from vsearch.media.source import display_name
from vsearch.processes import start_module
from vsearch.records import ContentIdentity, FrameBatch, MediaInfo, Reading

_QUEUED_MESSAGES = 4  # between the reading thread and the caller: the child waits when the caller is slow
_START_S = 60.0  # how long a child may take to start
_STOP_S = 5.0  # how long a child may take to end by itself, or to stop reading a file
_ERRORS: dict[str, type[VsearchError]] = {
    kind.code: kind for kind in (MediaError, NoVideoError, RefusedError, InputError, UnavailableError)
}

_Message = tuple[bytes, dict[str, Any], bytes]
_Record = TypeVar("_Record")


class _Child:
    """A running decoding process and the thread that receives its messages."""

    def __init__(self, memory_bytes: int) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self._process, self._requests, self._replies = start_module(
            "vsearch.media.child", str(memory_bytes), log=self._log
        )
        self._messages: queue.Queue[_Message | None] = queue.Queue(_QUEUED_MESSAGES)
        self._started = False
        self._ended = threading.Event()
        threading.Thread(target=self._receive, args=(self._replies,), daemon=True).start()
        atexit.register(self.end, 0.0)  # while the thread can still let go of the pipe, which Python insists on

    def _receive(self, pipe: BinaryIO) -> None:
        """Runs in a thread: messages into the queue, then None."""
        message: _Message | None
        try:
            while (message := wire.receive(pipe)) is not None:
                if not self._put(message):
                    return
        except (wire.WireError, OSError, ValueError):
            pass  # a child that died, or went wrong, in the middle of a message: the same as its end
        self._put(None)

    def _put(self, message: _Message | None) -> bool:
        while not self._ended.is_set():
            try:
                self._messages.put(message, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def _wake(self) -> None:
        """Whoever still waits for a message learns that none will come."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._messages.get_nowait()
        with contextlib.suppress(queue.Full):
            self._messages.put_nowait(None)

    def send(self, kind: bytes, fields: dict[str, Any]) -> None:
        """Raises OSError when the child is gone."""
        try:
            wire.send(self._requests, kind, fields)
        except ValueError as error:  # the pipe was closed here
            raise BrokenPipeError from error

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def next(self, timeout_s: float) -> _Message | None:
        """The next message, None when the child has died. Raises queue.Empty after `timeout_s` without one.

        The first one says that the child has started, which may take longer on a busy machine.
        """
        message = self._messages.get(timeout=timeout_s if self._started else max(timeout_s, _START_S))
        self._started = True
        return message

    def death(self) -> str:
        """How it died, for a message."""
        try:
            status = osys.exit_reason(self._process.wait(_STOP_S))
        except subprocess.TimeoutExpired:
            status = "it closed its output"
        try:
            self._log.seek(max(0, self._log.seek(0, os.SEEK_END) - 2000))
            lines = self._log.read().decode("utf-8", "replace").strip().splitlines()
        except ValueError:  # another thread ended it and closed its log
            return status
        return f"{status}; {lines[-1][:200]}" if lines else status

    def end(self, grace_s: float) -> None:
        """Close its input, which ends it; kill it after `grace_s`."""
        atexit.unregister(self.end)
        self._ended.set()
        with contextlib.suppress(OSError):  # it may be dead already
            self._requests.close()
        try:
            self._process.wait(grace_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._wake()
        self._replies.close()
        self._log.close()


class DecodeStream:
    """One file being read in the child.

    Iterating yields FrameBatch of at most `config.batch_frames` frames, fixed H and W. `info` is there from the start,
    `identity` as soon as the file is hashed (before the first batch; asking waits for it), `reading` once the iteration
    has ended (RuntimeError before). Leaving early: `close()`, or use it as a context manager.
    """

    def __init__(self, process: DecodeProcess, display: str) -> None:
        self._process, self._display = process, display
        self._identity: ContentIdentity | None = None
        self._reading: Reading | None = None
        self._finished = False
        self.info: MediaInfo = self._record(MediaInfo, self._expect(wire.INFO).get("info"))

    @property
    def identity(self) -> ContentIdentity:
        """The content's identity; waits until the file is hashed."""
        if self._identity is None:
            self._identity = self._record(ContentIdentity, self._expect(wire.IDENTITY).get("identity"))
        return self._identity

    @property
    def reading(self) -> Reading:
        """What the pass found. Raises RuntimeError before its end."""
        if self._reading is None:
            raise RuntimeError("the file has not been read to its end")
        return self._reading

    def __iter__(self) -> Iterator[FrameBatch]:
        _ = self.identity  # comes before the first batch
        while not self._finished:
            kind, fields, payload = self._next()
            if kind == wire.END:
                self._reading = self._record(Reading, fields.get("reading"))
                self._finished = True
            elif kind == wire.BATCH:
                yield self._batch(fields, payload)
            else:
                raise self._process.lost(self._display, "it sent something unexpected")

    def _batch(self, fields: dict[str, Any], payload: bytes) -> FrameBatch:
        try:
            frames = np.frombuffer(payload, np.uint8).reshape(fields["shape"])
            return FrameBatch(frames, np.array(fields["pts"], np.int64), self.info.time_base)
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise self._process.lost(self._display, "it sent a damaged batch") from error

    def _expect(self, wanted: bytes) -> dict[str, Any]:
        kind, fields, _ = self._next()
        if kind != wanted:
            raise self._process.lost(self._display, "it sent something unexpected")
        return fields

    def _record(self, kind: type[_Record], value: Any) -> _Record:
        try:
            return wire.from_json(kind, value)
        except wire.WireError as error:
            raise self._process.lost(self._display, f"it sent {error}") from error

    def _next(self) -> _Message:
        """The next message that is not a sign of life. Raises what the child raised."""
        try:
            message = self._process.next_message(self._display)
        except VsearchError:
            self._finished = True
            raise
        if message[0] == wire.ERROR:
            self._finished = True
            raise _ERRORS.get(str(message[1].get("code")), MediaError)(str(message[1].get("message")))
        return message

    def close(self) -> None:
        """Stop reading; the child is ready for the next file afterwards."""
        if not self._finished:
            self._finished = True
            self._process.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


class DecodeProcess:
    """A child process that reads files, one at a time. It starts with the first read, anew after a crash or a stall.

    A context manager; not for use by several threads at once (take one process for each).
    """

    def __init__(self, config: ReadConfig) -> None:
        self.config = config
        self._child: _Child | None = None
        self._stream: DecodeStream | None = None
        self._stall_s = config.stall_s

    def start(self) -> None:
        """Start the child now, if none is running: it gets ready while something else is done before the first read."""
        if self._child is None or not self._child.running:
            self._end_child(0)
            self._child = _Child(self.config.memory_bytes)

    def read(self, path: bytes, config: ReadConfig | None = None, *, identify: bool = True) -> DecodeStream:
        """Begin to read `path` (bytes, as the file system gives it); a stream that is still open is closed first.

        `identify`: hash the whole file first (indexing); without it `identity` has the size and empty hashes (queries).

        Raises (here, or while iterating) NoVideoError: no video stream, nothing decodable; RefusedError: a playlist or
        other list of files; DecoderCrashError, DecoderStallError: the child died, or made no progress for
        `config.stall_s`; MediaError: missing, unreadable, not media, changed while it was read.
        """
        if self._stream is not None:
            self._stream.close()
        config = config or self.config
        self._stall_s = config.stall_s
        request = {"path": path.hex(), "config": wire.to_json(config), "identify": identify}
        display = display_name(path)
        if self._child is None or not self._child.running:
            self._end_child(0)
            self._child = _Child(config.memory_bytes)
        try:
            self._child.send(wire.REQUEST, request)
        except OSError as error:
            raise self.lost(display, "it did not take the request") from error
        self._stream = DecodeStream(self, display)
        return self._stream

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._child.pid if self._child else None

    def next_message(self, display: str) -> _Message:
        """The child's next message about the file that is being read. For DecodeStream."""
        while True:
            child = self._child  # another thread may end it at any moment
            if child is None:
                raise DecoderCrashError(f"{display}: the decoding process was ended")
            try:
                message = child.next(self._stall_s)
            except queue.Empty:
                self._end_child(0)
                text = f"{display}: the decoder made no progress for {self._stall_s:g} s and was stopped"
                raise DecoderStallError(text) from None
            if message is None:
                raise self.lost(display, child.death())
            if message[0] != wire.ALIVE:
                return message

    def lost(self, display: str, why: str) -> DecoderCrashError:
        """Ends the child, whose state nobody knows any more; returns the error to raise."""
        self._end_child(0)
        return DecoderCrashError(f"{display}: the decoding process failed ({why})")

    def cancel(self) -> None:
        """Have the child stop with its file, or end it when it does not. For DecodeStream."""
        deadline = time.monotonic() + _STOP_S
        try:
            if (child := self._child) is not None:
                child.send(wire.CANCEL, {})
            while (child := self._child) is not None:
                message = child.next(max(0.01, deadline - time.monotonic()))
                if message is None:
                    self._end_child(0)
                elif message[0] in (wire.END, wire.ERROR):
                    return
        except (queue.Empty, OSError):
            self._end_child(0)

    def _end_child(self, grace_s: float) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end(grace_s)

    def close(self) -> None:
        """End the child."""
        self._end_child(_STOP_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
