"""Searching a library: what all queries of one search share, and how one query becomes its hits.

`vsearch.library.Library.search` is the way in. Heavy modules are imported when the first query needs them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vsearch.config import ReadConfig
from vsearch.db.records import Timeline
from vsearch.db.store import Store
from vsearch.errors import InputError, LatentError, MediaError
from vsearch.models.shelf import ModelShelf
from vsearch.records import Clip, CodedChunk, Hit, display_path, path_b64
from vsearch.request import SearchRequest

if TYPE_CHECKING:
    from vsearch.media.isolated import DecodeProcess
    from vsearch.models.base import EmbeddingHead, LatentCodec
    from vsearch.render.frames import Footage
    from vsearch.search.ann.base import AnnIndex
    from vsearch.search.asking import Question
    from vsearch.search.gallery import Gallery
    from vsearch.search.rank import Match


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The answer to one query: its hits, best first, or why it could not be read."""

    query: str
    hits: tuple[Hit, ...]
    error: str | None = None
    error_code: str | None = None
    score_kind: str = "uncalibrated"


@contextmanager
def search_session(store: Store, shelf: ModelShelf, cache: Path, request: SearchRequest) -> Iterator[SearchSession]:
    """A search of a library, with a decoding process of its own. cache: the folder of its index files."""
    from vsearch.media.isolated import DecodeProcess

    with DecodeProcess(request.read) as decoder:
        yield SearchSession(store, shelf, cache, request, decoder)


class SearchSession:
    """A search under way: what all its queries share, made when the first one needs it."""

    def __init__(
        self, store: Store, shelf: ModelShelf, cache: Path, request: SearchRequest, decoder: DecodeProcess
    ) -> None:
        self._store, self._shelf, self._cache = store, shelf, cache
        self._request, self._decoder = request, decoder
        self._meta = store.meta()

    @cached_property
    def _codec(self) -> LatentCodec:
        return self._shelf.codec(_active(self._meta.active_codec), device=self._request.device)

    @cached_property
    def _head(self) -> EmbeddingHead:
        return self._shelf.head(_active(self._meta.active_head), device=self._request.device)

    @cached_property
    def _gallery(self) -> Gallery:
        from vsearch.search.gallery import Gallery

        return Gallery(self._store, self._head.model_id)

    @cached_property
    def _index(self) -> AnnIndex:
        from vsearch.search.cache import open_index

        return open_index(self._gallery, self._cache, d=self._head.d, device=self._request.device)

    @cached_property
    def _floor(self) -> float:
        """The similarity below which unrelated videos lie, as measured for the head."""
        from vsearch.search.engine import DEFAULT_MIN_SIMILARITY

        return float(self._shelf.files(self._head.model_id).search.get("floor", DEFAULT_MIN_SIMILARITY))

    def answer(self, query: Path | str) -> tuple[SearchResult, Question | None]:
        """The answer to one query, and what was asked (None when it could not be read). Raises UnavailableError."""
        name = os.fsdecode(query)
        shown = display_path(os.fsencode(name))
        question = None
        try:
            question = self.ask(name)
            matches = self.find(question)
            return SearchResult(shown, _hits(matches, self._store, still=question.frames.still)), question
        except (InputError, MediaError, LatentError) as error:
            return SearchResult(shown, (), str(error), error.code), question

    def ask(self, name: str) -> Question:
        """The frames of a query file, or of a stored video or clip. Raises InputError, MediaError."""
        from vsearch.search.asking import ask_file

        if not os.path.lexists(name) and re.fullmatch(r"[vc][1-9][0-9]*", name):
            return self._ask_stored(name)
        path = os.fsencode(Path(name).absolute())
        return ask_file(path, self._request.read, codec=self._codec, head=self._head, decoder=self._decoder)

    def _ask_stored(self, name: str) -> Question:
        from vsearch.search.asking import ask_stored

        clip = self._store.clip(int(name[1:])) if name.startswith("c") else None
        video_id = clip.video_id if clip is not None else self._store.resolve(name)
        vectors, low_information = self._store.embeddings_of(video_id, self._head.model_id)
        timeline = self._store.timeline(video_id)
        if len(vectors) != len(timeline.pts):
            raise InputError(f"{name}: its embeddings are of another model than the library searches with")
        start, end = _range_pts(timeline, clip.clip if clip is not None else None, self._request.read)
        return ask_stored(timeline, vectors, low_information, start_pts=start, end_pts=end)

    def find(self, question: Question) -> list[Match]:
        """The best matches of a query, best first. Raises UnavailableError without FAISS."""
        from vsearch.search.engine import find

        request = self._request
        return find(
            question.frames,
            self._gallery,
            self._index,
            k=request.k,
            per_video=request.per_video,
            min_similarity=self._floor if request.min_similarity is None else request.min_similarity,
        )

    def footage(self, name: str, question: Question) -> Footage | None:
        """A query file's frames as they can be drawn; None for a stored query."""
        from vsearch.render.frames import Footage, chunk_source

        reading = question.reading
        if reading is None:
            return None
        chunks = question.chunks
        return Footage(
            name=name,
            frame_pts=np.asarray(reading.frame_pts, np.int64),
            start_pts=reading.start_pts,
            end_pts=reading.end_pts,
            time_base=reading.info.time_base,
            display_aspect=reading.info.display_aspect,
            codec=self._codec,
            latents=chunk_source(lambda numbers: _chunks_among(chunks, numbers), self._codec),
            still=reading.info.still,
        )


def _hits(matches: Sequence[Match], store: Store, *, still: bool) -> tuple[Hit, ...]:
    """What was found, with the names and clips that people and programs ask for."""
    paths = store.paths([match.video_id for match in matches])
    timelines = store.timelines([match.video_id for match in matches])
    hits = []
    # Another process may have removed a video since the index was read.
    there = [match for match in matches if paths.get(match.video_id) and match.video_id in timelines]
    for rank, match in enumerate(there, 1):
        segment, timeline, path = match.segment, timelines[match.video_id], paths[match.video_id][0]
        start, end = (timeline.start_pts + round(s / timeline.time_base) for s in (segment.start_s, segment.end_s))
        clip = store.clip_at(match.video_id, start, end)
        hits.append(
            Hit(
                rank=rank,
                video_id=match.video_id,
                video=display_path(path.absolute),
                video_b64=path_b64(path.absolute),
                volume=path.sighting.volume_label,
                online=path.online,
                clip_id=clip.id if clip is not None else None,
                start_s=float(segment.start_s),
                end_s=float(segment.end_s),
                query_start_s=None if still else float(segment.query_start_s),
                query_end_s=None if still else float(segment.query_end_s),
                similarity=min(1.0, float(segment.similarity)),
                score=float(segment.score),
            )
        )
    return tuple(hits)


def _active(model_id: str | None) -> str:
    if model_id is None:
        raise InputError("the library holds no video yet: index some first")
    return model_id


def _range_pts(timeline: Timeline, clip: Clip | None, read: ReadConfig) -> tuple[int, int]:
    """[start, end) of a stored query: the clip's, or the video's, unless a range is asked for."""
    start, end = (clip.start_pts, clip.end_pts) if clip is not None else (timeline.start_pts, timeline.end_pts)
    if read.start_s is not None:
        start = timeline.start_pts + round(Fraction(read.start_s) / timeline.time_base)
    if read.end_s is not None:
        end = timeline.start_pts + round(Fraction(read.end_s) / timeline.time_base)
    if not ((timeline.pts >= start) & (timeline.pts < end)).any():
        raise InputError(f"v{timeline.video_id} has no stored frame in the range that was asked for")
    return start, end


def _chunks_among(chunks: Sequence[CodedChunk], numbers: NDArray[np.int64]) -> Iterator[CodedChunk]:
    """Of these chunks the ones that hold some of the frames."""
    for chunk in chunks:
        if ((numbers >= chunk.first_frame) & (numbers < chunk.first_frame + chunk.n_frames)).any():
            yield chunk
