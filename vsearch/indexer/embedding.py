"""Stored chunks to embeddings, on every core: batches of chunks go to processes, and come back in order.

Both halves of the work, entropy decoding and the head, hold Python's interpreter lock for much of their time, so that
threads would wait for each other. A process needs a second or two to start; little work is done in the calling one.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.models import load_codec, load_head
from vsearch.records import CodedChunk
from vsearch.workers.pairs import PairProcess, embed_chunks
from vsearch.workers.process import ProcessDiedError

_log = logging.getLogger(__name__)

CHUNKS_AT_ONCE = 8  # unpacked side by side: docs/benchmarks.md has what more or fewer cost


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive chunks of one video."""

    video_id: int
    chunks: Sequence[CodedChunk]


class Embedder(Protocol):
    """Turns chunks into vectors, one batch at a time."""

    def embed(self, chunks: Sequence[CodedChunk]) -> NDArray[np.float32]:
        """(frames, d) float32, unit length. Raises LatentError for damaged chunks, or those of another codec, and
        ProcessDiedError when it can't go on.
        """
        ...

    def close(self) -> None: ...


class LocalEmbedder:
    """In this process. Raises what loading the models raises."""

    def __init__(self, codec: Path, head: Path, device: str) -> None:
        self._codec = load_codec(codec, device=device, threads=1)
        self._head = load_head(head, device=device, threads=1)

    def embed(self, chunks: Sequence[CodedChunk]) -> NDArray[np.float32]:
        return embed_chunks([chunk.data for chunk in chunks], [c.n_frames for c in chunks], self._codec, self._head)

    def close(self) -> None:
        pass


def embedding_process(codec: Path, head: Path, device: str) -> Embedder:
    """In a child process, which ends with this one. Raises what loading the models there raises."""
    process = PairProcess(codec, head, device=device)
    process.wait_ready()
    return process


class EmbeddingPool:
    """Several embedders, each with a thread that feeds it. Leaving the context stops everything.

    make: makes one embedder; called in the threads, when there is work, and again where one died.
    """

    def __init__(self, make: Callable[[], Embedder], workers: int) -> None:
        self._make = make
        self._workers = workers
        self._threads = ThreadPoolExecutor(workers, thread_name_prefix="embed")
        self._local = threading.local()
        self._lock = threading.Lock()
        self._embedders: list[Embedder] = []
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._stopped = True
            embedders = list(self._embedders)
        self._threads.shutdown(wait=False, cancel_futures=True)
        for embedder in embedders:
            embedder.close()
        self._threads.shutdown(wait=True)

    def embed(self, batches: Iterable[Batch]) -> Iterator[tuple[Batch, NDArray[np.float32] | LatentError]]:
        """Each batch with its vectors, in order, or with why it has none; a few are worked on ahead. Other errors are
        raised, ProcessDiedError for a batch that two embedders died of.
        """
        waiting: deque[tuple[Batch, Future[NDArray[np.float32] | LatentError]]] = deque()
        for batch in batches:
            waiting.append((batch, self._threads.submit(self._work, batch)))
            if len(waiting) > 2 * self._workers:
                first, future = waiting.popleft()
                yield first, future.result()
        for batch, future in waiting:
            yield batch, future.result()

    def _work(self, batch: Batch) -> NDArray[np.float32] | LatentError:
        """Runs in a thread of the pool."""
        try:
            return self._embedded(batch.chunks)
        except LatentError as error:
            return error

    def _embedded(self, chunks: Sequence[CodedChunk]) -> NDArray[np.float32]:
        """By the embedder of this thread, or where it dies of them, by the one that takes its place."""
        try:
            return self._embedder().embed(chunks)
        except ProcessDiedError as error:
            if self._stopped:
                raise
            _log.warning("%s; another one does its work", error)
            del self._local.embedder
            return self._embedder().embed(chunks)

    def _embedder(self) -> Embedder:
        """That of this thread."""
        if not hasattr(self._local, "embedder"):
            self._local.embedder = self._added(self._make())
        embedder: Embedder = self._local.embedder
        return embedder

    def _added(self, embedder: Embedder) -> Embedder:
        with self._lock:
            if self._stopped:
                embedder.close()
            self._embedders.append(embedder)
        return embedder
