"""Stored chunks to embeddings, on every core: batches of chunks go to processes, and come back in order.

Both halves of the work, entropy decoding and the head, hold Python's interpreter lock for much of their time, so that
threads would wait for each other. A process needs a second or two to start; little work is done in the calling one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import LatentError
from vsearch.indexer.model_process import CHUNKS, VECTORS, ModelProcess, Payload
from vsearch.models import load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.records import CodedChunk

CHUNKS_AT_ONCE = 8  # unpacked side by side: docs/benchmarks.md has what more or fewer cost


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Consecutive chunks of one video."""

    video_id: int
    chunks: Sequence[CodedChunk]


class Embedder(Protocol):
    """Turns chunks into vectors, one batch at a time."""

    def embed(self, chunks: Sequence[CodedChunk]) -> NDArray[np.float32]:
        """(frames, d) float32, unit length. Raises LatentError for damaged chunks, or those of another codec."""
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


def embed_chunks(
    chunks: Sequence[bytes], n_frames: Sequence[int], codec: LatentCodec, head: EmbeddingHead
) -> NDArray[np.float32]:
    """(frames, d) float32 of chunks that hold so many frames each. Raises LatentError."""
    unpacked = codec.unpack_many(chunks)
    for latents, recorded in zip(unpacked, n_frames, strict=True):
        if len(latents) != recorded:
            raise LatentError(f"a chunk holds {len(latents)} frames where {recorded} were recorded")
    return np.concatenate([head.embed(latents) for latents in unpacked])


class EmbeddingProcess:
    """In a child process, which ends with this one. Raises what loading the models there raises."""

    def __init__(self, codec: Path, head: Path, device: str) -> None:
        self._process = ModelProcess(codec, head, device=device)
        self._process.wait_ready()

    def embed(self, chunks: Sequence[CodedChunk]) -> NDArray[np.float32]:
        fields = {"sizes": [len(chunk.data) for chunk in chunks], "frames": [chunk.n_frames for chunk in chunks]}
        data = b"".join(chunk.data for chunk in chunks)
        found, payload = self._process.ask(CHUNKS, fields, data, answer=VECTORS)
        return np.frombuffer(payload, np.float32).reshape(found["shape"])

    def close(self) -> None:
        """End it, at once."""
        self._process.close()


def serve(
    fields: dict[str, Any], data: bytes, codec: LatentCodec, head: EmbeddingHead
) -> tuple[dict[str, Any], Payload]:
    """The child's side of `EmbeddingProcess.embed`."""
    chunks = [data[start:stop] for start, stop in pairwise(accumulate(fields["sizes"], initial=0))]
    vectors = np.ascontiguousarray(embed_chunks(chunks, fields["frames"], codec, head))
    return {"shape": list(vectors.shape)}, vectors.data.cast("B")


class EmbeddingPool:
    """Several embedders, each with a thread that feeds it. Leaving the context stops everything.

    make: makes one embedder; called in the threads, when there is work.
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
        raised.
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
        if not hasattr(self._local, "embedder"):
            self._local.embedder = self._added(self._make())
        embedder: Embedder = self._local.embedder
        try:
            return embedder.embed(batch.chunks)
        except LatentError as error:
            return error

    def _added(self, embedder: Embedder) -> Embedder:
        with self._lock:
            if self._stopped:
                embedder.close()
            self._embedders.append(embedder)
        return embedder
