"""Sampled frames to what the library keeps of them, on every core: groups of frames go to processes.

What a writer does to save bytes is thousands of small steps in Python, so that two threads of one process take two
thirds of the time of one. The first encoder works in this process, which is enough for a few
files; the others are processes, begun when there is work for the second or two that they take to start.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import VsearchError
from vsearch.extract import Keeping, KeptFrames, kept_frames
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.workers.process import ProcessDiedError

_log = logging.getLogger(__name__)

GROUPS_A_START = 12  # groups of frames, given so far for each encoder at work, that another one is begun for
WAITING = 2  # groups that wait for each encoder: whoever has more waits


class Encoder(Protocol):
    """Encodes frames, one group at a time."""

    def wait_ready(self) -> None:
        """Until it can. Raises VsearchError when it never will."""
        ...

    def encode(self, frames: NDArray[np.uint8], keeping: Keeping) -> KeptFrames:
        """See `extract.kept_frames`. Raises ProcessDiedError when it can't go on."""
        ...

    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class LocalEncoder:
    """In this process."""

    codec: LatentCodec
    head: EmbeddingHead

    def wait_ready(self) -> None:
        pass

    def encode(self, frames: NDArray[np.uint8], keeping: Keeping) -> KeptFrames:
        return kept_frames(frames, keeping, self.codec, self.head)

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    frames: NDArray[np.uint8]
    keeping: Keeping
    future: Future[KeptFrames]


class EncodingPool:
    """Encoders, each with a thread that feeds it. Leaving the context stops everything; what was not done is cancelled.

    local: the first encoder, which never dies. make: makes another one when there is enough work for it; at most
    `workers` in all. Each does its work in a thread of its own.
    """

    def __init__(self, local: Encoder, make: Callable[[], Encoder], workers: int) -> None:
        self._make = make
        self._workers = workers
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._room = threading.Semaphore(workers * (1 + WAITING))
        self._lock = threading.Lock()
        self._encoders: list[Encoder] = []
        self._threads: list[threading.Thread] = []
        self._given = 0
        self._begun = 0  # encoders, less those that died
        self._stopped = False
        self._local = local
        self._begin(lambda: local)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._stopped = True
            encoders, threads = list(self._encoders), list(self._threads)
        self._cancel()
        for encoder in encoders:
            encoder.close()
        for thread in threads:
            thread.join()

    def keep(self, frames: NDArray[np.uint8], keeping: Keeping) -> Future[KeptFrames]:
        """`extract.Keep`: waits where much is waiting already. Raises CancelledError when the pool is left."""
        self._room.acquire()
        job = _Job(frames, keeping, Future())
        job.future.add_done_callback(lambda _: self._room.release())
        with self._lock:
            if self._stopped:
                job.future.cancel()
                raise CancelledError
            self._jobs.put(job)
            self._given += 1
            if self._given >= GROUPS_A_START * self._begun and self._begun < self._workers:
                self._begin(self._make)
        return job.future

    def _begin(self, make: Callable[[], Encoder]) -> None:
        """Another encoder; the lock is held, or nobody knows of the pool yet."""
        self._begun += 1
        self._threads.append(threading.Thread(target=self._work, args=(make,), name="encode", daemon=True))
        self._threads[-1].start()

    def _cancel(self) -> None:
        """Nothing waits any more, and no thread for something to do."""
        try:
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    job.future.cancel()
        except queue.Empty:
            for _ in self._threads:
                self._jobs.put(None)

    def _work(self, make: Callable[[], Encoder]) -> None:
        """Runs in a thread: an encoder, from its start to its end. Who could not be started is not replaced."""
        ready = False
        try:
            encoder = make()
            with self._lock:
                self._encoders.append(encoder)
                if self._stopped:
                    encoder.close()
            encoder.wait_ready()
            ready = True
            while (job := self._jobs.get()) is not None:
                if job.future.set_running_or_notify_cancel():
                    self._encode(encoder, job)
        except VsearchError as error:  # the others do its work
            with self._lock:
                self._begun -= ready
                stopped = self._stopped
            if not stopped:
                _log.warning("one encoder fewer: %s", error)

    def _encode(self, encoder: Encoder, job: _Job) -> None:
        """Raises ProcessDiedError when the encoder can't go on; the first one does its job, in case that is what kills
        encoders.
        """
        try:
            job.future.set_result(encoder.encode(job.frames, job.keeping))
        except ProcessDiedError:
            if self._stopped:
                job.future.set_exception(CancelledError())
            else:
                self._encode(self._local, job)
            raise
        except BaseException as error:  # noqa: BLE001 - for who asked
            job.future.set_exception(error)
