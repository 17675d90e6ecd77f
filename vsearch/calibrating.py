"""Fitting a head's calibration: what the search says of generated queries whose answer is known.

Edited excerpts of the videos that the head's training held out are asked of a gallery of all packed videos, views of
the query included. The best segment in the query's own group shows the same material, the best one in another scene
does not; what an edit shows beside or around the excerpt counts neither way. `vsearch.search.calibration` has the model
that is fitted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import InputError
from vsearch.extract import quantise
from vsearch.models import load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.models.weights import ModelFiles, write_card
from vsearch.progress import Progress, SilentProgress
from vsearch.records import EmbeddingBlock
from vsearch.search.align import AlignSettings
from vsearch.search.calibration import FEATURES, Background, Calibration, features, fitted
from vsearch.search.engine import segments_of
from vsearch.search.gallery import Track
from vsearch.search.queries.base import QueryFrames
from vsearch.search.structure import structure_of
from vsearch.search.views import View, views
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.excerpts import Excerpt, edited_excerpts, library_frames, videos_of

CANDIDATES = 6  # videos that are aligned with a view of a query, besides those of its own group
TURNS = 4  # in which model and best segments settle
FALSE_HITS = {"duplicate": 0.002, "similar": 0.025, "any": 1.0}  # share of strangers that reach each threshold

Rows = NDArray[np.float64]


def calibrate(
    head: Path, *, codec: Path, frames: Path, queries: int = 600, seed: int = 11, progress: Progress | None = None
) -> Calibration:
    """Fit the calibration of the head in the folder `head` and write it into its card.

    codec: the folder of the codec whose latents it reads. frames: the packed frames that it was trained with. queries,
    seed: by default those of the shipped head. Raises
    InputError when the head brings no background frames, or no video was held out.
    """
    pairs = generated_pairs(head, codec=codec, frames=frames, queries=queries, seed=seed, progress=progress)
    calibration = calibration_of(pairs)
    files = ModelFiles.read(head)
    write_card(files, search={**files.search, "calibration": {**calibration.as_json(), "queries": queries}})
    return calibration


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Segments of generated queries in videos. rows: (n, f) float64, `features`; same: (n,) bool, whether a segment is
    in the query's own group; queries: (n,) int64, of which query it is.
    """

    rows: Rows
    same: NDArray[np.bool_]
    queries: NDArray[np.int64]

    def best(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """Which have the highest of these scores (n,) of their query, among those that show the same and among those
        that do not: what a search would put first."""
        order = np.lexsort((-scores, self.same, self.queries))
        first = (np.diff(self.queries[order], prepend=-1) != 0) | (
            np.diff(self.same[order].astype(int), prepend=-1) != 0
        )
        return np.asarray(order[first])


def calibration_of(pairs: Pairs) -> Calibration:
    """The model of the best segments of every query, and the probabilities that so many strangers reach as `FALSE_HITS`
    allows. Which are best is the model's own answer, so both are found in turns.
    """
    scores = pairs.rows[:, FEATURES.index("similarity")] * np.exp(pairs.rows[:, FEATURES.index("support")])
    for _ in range(TURNS):
        best = pairs.best(scores)
        weights = fitted(pairs.rows[best], pairs.same[best])
        scores = 1 / (1 + np.exp(-np.clip(pairs.rows @ weights, -50, 50)))
    best = pairs.best(scores)
    strangers = scores[best][~pairs.same[best]]
    thresholds = {
        name: 0.0 if share == 1 else round(float(np.quantile(strangers, 1 - share)), 3)
        for name, share in FALSE_HITS.items()
    }
    return Calibration(tuple(weights.tolist()), thresholds)


def generated_pairs(
    head: Path, *, codec: Path, frames: Path, queries: int, seed: int, progress: Progress | None = None
) -> Pairs:
    """The best segment of each query, in each of its views, and each video that resembles it or is of its group.

    Raises as `calibrate` does.
    """
    reader, progress = load_head(head), progress or SilentProgress()
    if reader.background is None:
        raise InputError(f"{head}: the head brings no background frames: train it with this version")
    background = Background(reader.background, np.zeros(len(reader.background), np.int64))
    packed, writer = PackedFrames(frames, progress), load_codec(codec)
    gallery = _Gallery.of(packed, writer, reader)
    found: list[tuple[Rows, bool, int]] = []
    progress.start("calibrating", total_files=queries)
    for number, excerpt in enumerate(edited_excerpts(packed, queries, np.random.default_rng(seed))):
        for query in _queries(excerpt, writer, reader):
            level = background.level(query.vectors, query.weights)
            for own, track in gallery.candidates(query, excerpt):
                for segment in segments_of(query, track, max_segments=1, settings=AlignSettings()):
                    structure = structure_of(query, track, segment)
                    found.append((features(segment, level, structure, view=bool(query.view)), own, number))
        progress.advance(files=1)
    progress.finish()
    rows, same, numbers = zip(*found, strict=True)
    return Pairs(np.array(rows), np.array(same, bool), np.array(numbers, np.int64))


def _queries(excerpt: Excerpt, codec: LatentCodec, head: EmbeddingHead) -> Iterator[QueryFrames]:
    """An excerpt as it is, then as its views."""
    height, width = excerpt.frames.shape[2:]
    shown = [View("", excerpt.frames), *views(excerpt.frames, display_aspect=width / height)]
    weights = np.ones(len(excerpt.frames), np.float32)
    for view in shown:
        vectors = head.embed(codec.nearest(view.frames))
        yield QueryFrames(vectors, excerpt.times_s, weights, 0.0, excerpt.end_s, excerpt.still, view.name)


@dataclass(frozen=True, slots=True, eq=False)
class _Gallery:
    """All packed videos as a library keeps them. vectors: (n, d), of all tracks one after the other, which begin at
    firsts.
    """

    entries: list[PackedEntry]
    tracks: list[Track]
    vectors: NDArray[np.float32]
    firsts: NDArray[np.int64]

    @classmethod
    def of(cls, packed: PackedFrames, codec: LatentCodec, head: EmbeddingHead) -> _Gallery:
        entries = videos_of(packed)
        tracks = [_track(number, packed, entry, codec, head) for number, entry in enumerate(entries)]
        firsts = np.cumsum([0, *(len(track.vectors) for track in tracks[:-1])])
        return cls(entries, tracks, np.concatenate([track.vectors for track in tracks]), firsts)

    def candidates(self, query: QueryFrames, of: Excerpt) -> Iterator[tuple[bool, Track]]:
        """The videos that most resemble a query, and those of the group that it is of: whether it is such a one, and
        the track. Lookalikes of the same scene are left out, and what the edit shows besides.
        """
        nearest = np.maximum.reduceat(query.vectors @ self.vectors.T, self.firsts, axis=1).mean(axis=0)
        others = 0
        for number in np.argsort(-nearest).tolist():
            entry = self.entries[number]
            if entry.group == of.entry.group:
                yield True, self.tracks[number]
            elif entry.scene not in (of.entry.scene, of.beside.scene) and others < CANDIDATES:
                others += 1
                yield False, self.tracks[number]


def _track(number: int, packed: PackedFrames, entry: PackedEntry, codec: LatentCodec, head: EmbeddingHead) -> Track:
    pictures, times = library_frames(packed, entry)
    values, scale = quantise(head.embed(codec.encode(pictures)))
    vectors = EmbeddingBlock(head.model_id, 0, values, scale, np.zeros(len(values), bool)).unit_vectors()
    duration = entry.shape[0] / entry.fps
    return Track(number, np.arange(len(times)), vectors, times, np.append(times[1:], duration), duration)
