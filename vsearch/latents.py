"""Where the latents of frames come from: from memory, or out of the chunks of a library, of which only those are read
that hold what is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from vsearch.db.store import Store
from vsearch.errors import LatentError
from vsearch.models.base import LatentCodec
from vsearch.models.shelf import ModelShelf
from vsearch.records import CodedChunk, Latents

SOURCES_KEPT = 16  # videos whose last unpacked chunk is kept, some 2 MB each
CHUNKS_AT_ONCE = 8  # unpacking side by side is faster; 256 frames' latents are about 4 MB

LatentSource = Callable[[NDArray[np.int64]], Iterator[Latents]]
"""Called with ascending frame numbers; yields their latents in that order, in batches of any length."""

ChunkLoader = Callable[[NDArray[np.int64]], Iterable[CodedChunk]]
"""Called with ascending frame numbers; gives the chunks that hold them, ascending, each once."""


def stored_latents(
    store: Store, shelf: ModelShelf, video_id: int, *, device: str = "cpu"
) -> tuple[LatentCodec, LatentSource] | None:
    """What the pictures of a stored video come from; None for one without. Raises LatentError without the model that
    they need.
    """
    first = store.chunks(video_id, 0, 1)
    if not first:
        return None
    codec = shelf.codec(first[0].model_id, device=device)
    return codec, chunk_source(lambda numbers: _chunks_with(store, video_id, numbers), codec)


class StoredPictures:
    """Pictures of a library's videos, (n, 3, H, W) uint8 RGB of ascending frame numbers, as they are stored."""

    def __init__(self, store: Store, shelf: ModelShelf, *, device: str = "cpu") -> None:
        self._sources = lru_cache(SOURCES_KEPT)(partial(stored_latents, store, shelf, device=device))

    def of(self, video_id: int) -> Callable[[NDArray[np.int64]], NDArray[np.uint8]] | None:
        """What gives a video's; None where the library has none. Raises LatentError without the model that they need,
        and for damaged ones, now or when it is called.
        """
        source = self._sources(video_id)
        if source is None:
            return None
        codec, latents = source
        return lambda numbers: np.concatenate([codec.decode(some) for some in latents(numbers) if len(some)])


def _chunks_with(store: Store, video_id: int, numbers: NDArray[np.int64]) -> Iterator[CodedChunk]:
    """The chunks that hold these frames (ascending), each once, read one at a time."""
    position = 0
    while position < len(numbers):
        number = int(numbers[position])
        (chunk,) = store.chunks(video_id, number, number + 1) or (None,)
        if chunk is None:
            return
        yield chunk
        position = int(np.searchsorted(numbers, chunk.first_frame + chunk.n_frames))


def latents_at_hand(groups: Sequence[Latents]) -> LatentSource:
    """Latents of frames 0, 1, 2 and so on that are in memory, in groups one after the other."""
    firsts = np.cumsum([0, *map(len, groups)])

    def latents(numbers: NDArray[np.int64]) -> Iterator[Latents]:
        for first, stop, group in zip(firsts, firsts[1:], groups, strict=False):
            wanted = numbers[(numbers >= first) & (numbers < stop)] - first
            if len(wanted):
                yield _rows(group, wanted)

    return latents


def chunk_source(load_chunks: ChunkLoader, codec: LatentCodec) -> LatentSource:
    """Latents out of coded chunks. The source raises LatentError when a frame is in none of the chunks.

    It keeps the last chunk that it unpacked: neighbouring clips of one video often share it.
    """
    kept: dict[int, Latents] = {}

    def unpack(some: Sequence[CodedChunk]) -> list[Latents]:
        missing = [chunk for chunk in some if chunk.first_frame not in kept]
        fresh = dict(zip((c.first_frame for c in missing), codec.unpack_many([c.data for c in missing]), strict=True))
        unpacked = [kept[c.first_frame] if c.first_frame in kept else fresh[c.first_frame] for c in some]
        kept.clear()
        kept[some[-1].first_frame] = unpacked[-1]
        return unpacked

    def latents(numbers: NDArray[np.int64]) -> Iterator[Latents]:
        chunks = iter(load_chunks(numbers))
        found = 0
        while some := list(islice(chunks, CHUNKS_AT_ONCE)):
            for chunk, unpacked in zip(some, unpack(some), strict=True):
                last = chunk.first_frame + chunk.n_frames
                wanted = numbers[(numbers >= chunk.first_frame) & (numbers < last)] - chunk.first_frame
                if len(unpacked) != chunk.n_frames:
                    raise LatentError(f"a chunk holds {len(unpacked)} frames where {chunk.n_frames} were recorded")
                found += len(wanted)
                yield _rows(unpacked, wanted)
        if found != len(numbers):
            raise LatentError(f"{len(numbers) - found} of {len(numbers)} frames have no stored pictures")

    return latents


def latent_source(latents: Latents) -> LatentSource:
    """Latents that are in memory already: frame i is row i."""

    def rows(numbers: NDArray[np.int64]) -> Iterator[Latents]:
        for first in range(0, len(numbers), 32):
            yield _rows(latents, numbers[first : first + 32])

    return rows


def _rows(latents: Latents, rows: NDArray[np.int64]) -> Latents:
    return replace(latents, values=latents.values[rows])
