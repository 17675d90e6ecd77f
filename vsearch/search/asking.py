"""Turning what a person asks with into query frames: files through `extract`, as the gallery was; stored videos as they
are."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.config import ReadConfig
from vsearch.db.records import Timeline
from vsearch.errors import InputError
from vsearch.extract import PLAIN_FRAMES, EmbeddedFile, EncodedFrames, embed_file
from vsearch.information import low_information
from vsearch.media.isolated import DecodeProcess
from vsearch.media.sampling import framing
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.records import Latents, Reading, display_path, seconds
from vsearch.search.queries.base import QueryFrames
from vsearch.search.views import views

# Frames a second that a query is sampled at, by how long it is: a short one is placed more finely than the library's
# one frame a second, a long one has frames enough. (seconds up to which, frames a second)
DENSITIES = ((60.0, Fraction(4)), (300.0, Fraction(2)))
SPARSEST = Fraction(1)
MOST_PICTURES = 120  # frames of a query that are kept to be looked at otherwise


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Decoded frames of a query, (n, 3, H, W) uint8 RGB: `rows` (n,) of them, spread over it where it has more than
    `MOST_PICTURES`.
    """

    frames: NDArray[np.uint8]
    rows: NDArray[np.int64]
    display_aspect: float


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A query that was read. `latents`: of its frames, in groups, for pictures in a report; empty for a stored query.
    `pictures`: its frames, to be looked at otherwise; None for a stored query. `video_id`, `numbers`,
    `origin_pts`: of a stored query the video, which (m,) of its sampled frames these are, and from when it counts time.
    """

    frames: QueryFrames
    reading: Reading | None = None
    latents: tuple[Latents, ...] = ()
    pictures: Pictures | None = None
    video_id: int | None = None
    numbers: NDArray[np.int64] | None = None
    origin_pts: int | None = None


def ask_file(
    path: bytes,
    read: ReadConfig,
    *,
    models: Callable[[], tuple[LatentCodec, EmbeddingHead]],
    decoder: DecodeProcess,
) -> Question:
    """The frames of a video or picture file. models: see `extract.embed_file`. Raises InputError (missing, a folder),
    MediaError (unreadable).
    """
    place = Path(os.fsdecode(path))
    if not place.exists():
        raise InputError(f"{display_path(path)}: no such file")
    if place.is_dir():
        raise InputError(f"{display_path(path)} is a folder; name a video or a picture")
    latents: list[Latents] = []
    seen = _Thinned()

    def keep(encoded: EncodedFrames) -> None:
        latents.append(encoded.latents)
        seen.add(encoded.frames)

    fps = max(read.fps, _density(path, read, decoder))
    denser = replace(read, fps=fps, batch_frames=PLAIN_FRAMES)
    embedded = embed_file(path, denser, models=models, decoder=decoder, watch=keep)
    aspect = framing(embedded.reading.info, read.preview_pixels, read.region).display_aspect
    pictures = Pictures(np.stack(seen.frames), np.array(seen.rows, np.int64), float(aspect))
    return Question(_frames(embedded, read), embedded.reading, tuple(latents), pictures)


class _Thinned:
    """Frames as they come, at most `MOST_PICTURES`: when there are more, every second one stays."""

    def __init__(self) -> None:
        self.frames: list[NDArray[np.uint8]] = []
        self.rows: list[int] = []
        self._step, self._seen = 1, 0

    def add(self, frames: NDArray[np.uint8]) -> None:
        for frame in frames:
            if self._seen % self._step == 0:
                self.frames.append(frame.copy())
                self.rows.append(self._seen)
            self._seen += 1
            if len(self.frames) > MOST_PICTURES:
                self.frames, self.rows, self._step = self.frames[::2], self.rows[::2], 2 * self._step


def seen_otherwise(question: Question, *, codec: LatentCodec, head: EmbeddingHead) -> Iterator[QueryFrames]:
    """The question asked with views of its pictures; with none for a stored query."""
    if question.pictures is None:
        return
    rows, asked = question.pictures.rows, question.frames
    for view in views(question.pictures.frames, display_aspect=question.pictures.display_aspect):
        seen = rows[view.rows]
        weights = ~low_information(view.frames) * asked.weights[seen]
        if weights.any():
            vectors = head.embed(codec.nearest(view.frames))
            yield replace(asked, vectors=vectors, times_s=asked.times_s[seen], weights=weights, view=view.name)


def ask_stored(
    timeline: Timeline,
    vectors: NDArray[np.float32],
    low_information: NDArray[np.bool_],
    *,
    start_pts: int | None = None,
    end_pts: int | None = None,
) -> Question:
    """The frames of a stored video, or of [start_pts, end_pts) of it. vectors: (n, d) float32; low_information:
    (n,)."""
    start = timeline.start_pts if start_pts is None else start_pts
    end = timeline.end_pts if end_pts is None else end_pts
    wanted = (timeline.pts >= start) & (timeline.pts < end)
    tick = np.float64(timeline.time_base)
    return Question(
        QueryFrames(
            vectors=vectors[wanted],
            times_s=(timeline.pts[wanted] - timeline.start_pts) * tick,
            weights=(~low_information[wanted]).astype(np.float32),
            start_s=seconds(start, timeline.start_pts, timeline.time_base),
            end_s=seconds(end, timeline.start_pts, timeline.time_base),
            still=False,
        ),
        video_id=timeline.video_id,
        numbers=np.flatnonzero(wanted),
        origin_pts=timeline.start_pts,
    )


def ask_frame(
    timeline: Timeline, vectors: NDArray[np.float32], low_information: NDArray[np.bool_], at_s: float
) -> Question:
    """The stored frame nearest to a time, as a picture. Raises InputError for a time outside the video."""
    times = (timeline.pts - timeline.start_pts) * np.float64(timeline.time_base)
    length = seconds(timeline.end_pts, timeline.start_pts, timeline.time_base)
    if at_s > length:
        raise InputError(f"v{timeline.video_id} ends at {length:.1f} s: it has no frame at {at_s:g} s")
    nearest = int(np.abs(times - at_s).argmin())
    return Question(
        QueryFrames(
            vectors=vectors[nearest : nearest + 1],
            times_s=np.zeros(1),
            weights=(~low_information[nearest : nearest + 1]).astype(np.float32),
            start_s=0.0,
            end_s=0.0,
            still=True,
        ),
        video_id=timeline.video_id,
        numbers=np.array([nearest], np.int64),
        origin_pts=int(timeline.pts[nearest]),
    )


def _density(path: bytes, read: ReadConfig, decoder: DecodeProcess) -> Fraction:
    """Frames a second for a query as long as its header claims, or as the range that was asked for."""
    with decoder.read(path, identify=False) as stream:
        claimed = stream.info.claimed_duration_s
    length = float("inf") if claimed is None else claimed
    if read.end_s is not None:
        length = min(length, read.end_s)
    length -= read.start_s or 0.0
    return next((fps for longest, fps in DENSITIES if length <= longest), SPARSEST)


def _frames(embedded: EmbeddedFile, read: ReadConfig) -> QueryFrames:
    reading = embedded.reading
    end_s = reading.duration_s if read.end_s is None else min(read.end_s, reading.duration_s)
    times = _times_s(reading.frame_pts, reading)
    return QueryFrames(
        vectors=embedded.vectors,
        times_s=times,
        weights=(~embedded.low_information).astype(np.float32),
        start_s=min(read.start_s or 0.0, float(times[0])),
        end_s=max(end_s, float(times[-1])),
        still=reading.info.still,
    )


def _times_s(pts: Sequence[int], reading: Reading) -> NDArray[np.float64]:
    return np.array([seconds(one, reading.start_pts, reading.info.time_base) for one in pts], np.float64)
