"""Fitting a head's calibration: what the search says of generated queries whose answer is known.

Edited excerpts of the videos that the head's training held out are asked of a gallery of all packed videos, views of
the query included. The best segment in the query's own group shows the same material; the best one in another scene
does not, nor does the best one elsewhere in the query's own video, where that looks different: other footage of one
camera is what is taken for a copy most easily. What an edit shows beside or around the excerpt counts neither way, and
neither does its own video at another moment than that which the excerpt is of. The likeliest segments by vectors alone
are then looked at, as a search would, and what their pictures say is fitted on top.
The models that are fitted are in `vsearch.search.calibration`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vsearch.errors import InputError
from vsearch.extract import quantise
from vsearch.latents import latents_at_hand
from vsearch.models import load_codec, load_head
from vsearch.models.base import EmbeddingHead, LatentCodec
from vsearch.models.weights import ModelFiles, write_card
from vsearch.progress import Progress, SilentProgress
from vsearch.records import CHUNK_FRAMES, EmbeddingBlock, Latents, Segment
from vsearch.search.calibration import (
    FEATURES,
    LOOK_FEATURES,
    Background,
    Calibration,
    Looks,
    features,
    fitted,
    look_features,
    probability,
)
from vsearch.search.engine import segments_of
from vsearch.search.gallery import Track
from vsearch.search.looking import Looker, Pictures, Shown
from vsearch.search.pair import AlignSettings
from vsearch.search.queries.base import QueryFrames
from vsearch.search.structure import nearest, structure_of
from vsearch.search.views import View, views
from vsearch.searching import LOOKS, WORTH_A_LOOK
from vsearch.training.data import PackedEntry, PackedFrames
from vsearch.training.excerpts import Excerpt, edited_excerpts, library_frames, videos_of

SamePicture = tuple[str, str]

CANDIDATES = 6  # videos that are aligned with a view of a query, besides those of its own group
APART_S = 3.0  # from an excerpt, what shows another moment
ASTRAY_S = 1.0  # off, where a segment is of another moment
DIFFERENT = 6.0  # root mean square, in grey levels, from which on it looks different
TURNS = 4  # in which model and best segments settle
FALSE_HITS = {"duplicate": 0.002, "similar": 0.025, "any": 1.0}  # share of strangers that reach each threshold
FALSE_MOMENTS = {"duplicate": 0.01}  # share of other moments of a query's own video that do

Rows = NDArray[np.float64]


def calibrate(
    head: Path,
    *,
    codec: Path,
    frames: Path,
    queries: int = 600,
    seed: int = 11,
    same: Collection[SamePicture] = (),
    progress: Progress | None = None,
) -> Calibration:
    """Fit the calibration of the head in the folder `head` and write it into its card.

    codec: the folder of the codec whose latents it reads. frames: the packed frames that it was trained with. queries:
    the shipped head's figures are of 1,000. seed: by default that of the shipped head. same: pairs of packed files that
    show the same material, though their scenes say otherwise; they count neither way. Raises InputError when the head
    brings no background frames, or no video was held out.
    """
    progress = progress or SilentProgress()
    made = _Made(PackedFrames(frames, progress), queries, seed, {frozenset(pair) for pair in same})
    gallery = _Gallery.of(made.packed, load_codec(codec), load_head(head))
    found = generated_pairs(made, gallery, progress)
    plain = calibration_of(Pairs.of(found))
    looks = looks_of(Pairs.of(looked_pairs(made, gallery, likely_pairs(found, plain), progress)))
    calibration = replace(plain, looks=looks)
    files = ModelFiles.read(head)
    write_card(files, search={**files.search, "calibration": {**calibration.as_json(), "queries": queries}})
    return calibration


@dataclass(frozen=True, slots=True, eq=False)
class _Made:
    """The queries that are made up: the same ones each time."""

    packed: PackedFrames
    queries: int
    seed: int
    same: Collection[frozenset[str]] = ()

    def excerpts(self) -> Iterator[Excerpt]:
        return edited_excerpts(self.packed, self.queries, np.random.default_rng(self.seed))


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """A segment of a generated query in a video of the gallery, both by their numbers. row: (f,) float64, what it is
    judged by; same: whether the video is of the query's own group; elsewhere: whether it was sought in the rest of its
    own video; astray: whether it is of the own video, but shows something else than the query.
    """

    query: int
    video: int
    segment: Segment
    row: NDArray[np.float64]
    same: bool
    elsewhere: bool = False
    astray: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Segments of generated queries in videos, as `Pair` has them. rows: (n, f) float64; same, elsewhere: (n,) bool;
    queries: (n,) int64.
    """

    rows: Rows
    same: NDArray[np.bool_]
    queries: NDArray[np.int64]
    elsewhere: NDArray[np.bool_]

    @staticmethod
    def of(found: Sequence[Pair]) -> Pairs:
        """Those that count."""
        pairs = [pair for pair in found if not pair.astray]
        return Pairs(
            rows=np.array([pair.row for pair in pairs]),
            same=np.array([pair.same for pair in pairs], bool),
            queries=np.array([pair.query for pair in pairs], np.int64),
            elsewhere=np.array([pair.elsewhere for pair in pairs], bool),
        )

    def best(self, scores: NDArray[np.float64]) -> NDArray[np.int64]:
        """Which have the highest of these scores (n,) of their query, of each kind: what a search would put first."""
        kind = self.same + 2 * self.elsewhere
        order = np.lexsort((-scores, kind, self.queries))
        first = (np.diff(self.queries[order], prepend=-1) != 0) | (np.diff(kind[order], prepend=-1) != 0)
        return np.asarray(order[first])

    def fit(self, scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], Mapping[str, float]]:
        """Weights of the logistic model of the best segments of every query, and the probabilities that so many
        strangers reach as `FALSE_HITS` allows, and so many other moments as `FALSE_MOMENTS` does. Which segments are
        best is the model's own answer, so both are found in turns.
        scores: (n,), what is taken for best at first.
        """
        for _ in range(TURNS):
            best = self.best(scores)
            weights = fitted(self.rows[best], self.same[best])
            scores = probability(self.rows @ weights)
        best = self.best(scores)
        strangers = np.zeros(len(np.unique(self.queries)))  # most queries resemble nothing
        reached = np.sort(scores[best][~self.same[best] & ~self.elsewhere[best]])[::-1]
        strangers[: len(reached)] = reached
        moments = scores[best][self.elsewhere[best]]
        return weights, {name: round(_bar(strangers, moments, name), 3) for name in FALSE_HITS}


def _bar(strangers: NDArray[np.float64], moments: NDArray[np.float64], name: str) -> float:
    """The probability from which on so few strangers, and so few other moments, pass as the named threshold allows."""
    bars = [0.0]
    if FALSE_HITS[name] < 1:
        bars.append(float(np.quantile(strangers, 1 - FALSE_HITS[name])))
    if name in FALSE_MOMENTS and len(moments):
        bars.append(float(np.quantile(moments, 1 - FALSE_MOMENTS[name])))
    return max(bars)


def calibration_of(pairs: Pairs) -> Calibration:
    """What vectors alone say."""
    similar = pairs.rows[:, FEATURES.index("similarity")] * np.exp(pairs.rows[:, FEATURES.index("support")])
    weights, thresholds = pairs.fit(similar)
    return Calibration(tuple(weights.tolist()), thresholds)


def looks_of(pairs: Pairs) -> Looks:
    """What pictures say besides."""
    odds = [LOOK_FEATURES.index(name) for name in ("odds", "odds moving")]
    weights, thresholds = pairs.fit(pairs.rows[:, odds].sum(axis=1))
    return Looks(tuple(weights.tolist()), thresholds)


def generated_pairs(made: _Made, gallery: _Gallery, progress: Progress) -> list[Pair]:
    """The best segment of each query, in each of its views, and each video that resembles it or is of its group.

    Raises as `calibrate` does.
    """
    vectors = gallery.head.background
    if vectors is None:
        raise InputError("the head brings no background frames: train it with this version")
    background = Background(vectors, np.zeros(len(vectors), np.int64))
    found: list[Pair] = []
    progress.start("calibrating", total_files=made.queries)
    for number, excerpt in enumerate(made.excerpts()):
        rest = gallery.besides(excerpt)
        for query in _queries(excerpt, gallery.codec, gallery.head):
            level = background.level(query.vectors, query.weights)
            asked = [(own, False, track) for own, track in gallery.candidates(query, excerpt, made.same)]
            asked += [] if rest is None else [(False, True, rest)]
            for own, elsewhere, track in asked:
                for segment in segments_of(query, track, max_segments=1, settings=AlignSettings()):
                    astray = own and gallery.astray(excerpt, track.video_id, segment)
                    if not elsewhere or gallery.looks_different(excerpt, segment):
                        row = features(segment, level, structure_of(query, track, segment), view=bool(query.view))
                        found.append(Pair(number, track.video_id, segment, row, own, elsewhere, astray))
        progress.advance(files=1)
    progress.finish()
    return found


def looked_pairs(
    made: _Made, gallery: _Gallery, likely: Mapping[int, Sequence[Pair]], progress: Progress
) -> list[Pair]:
    """The likely ones (by query), with what their pictures say."""
    found: list[Pair] = []
    progress.start("comparing pictures", total_files=made.queries)
    for number, excerpt in enumerate(made.excerpts()):
        shown = Shown(excerpt.times_s, partial(np.take, excerpt.frames, axis=0))
        looker = Looker(shown, gallery.pictures, Looks((0.0,) * len(LOOK_FEATURES), {}))
        for pair in likely.get(number, ()):
            track = (gallery.besides(excerpt) if pair.elsewhere else None) or gallery.tracks[pair.video]
            seen = looker.seen(track, pair.segment)
            if seen is not None:
                astray = pair.same and gallery.astray(excerpt, pair.video, seen.placed(pair.segment, track))
                found.append(replace(pair, row=look_features(pair.segment, seen.alike, seen.motion), astray=astray))
        progress.advance(files=1)
    progress.finish()
    return found


def likely_pairs(found: Sequence[Pair], plain: Calibration) -> Mapping[int, Sequence[Pair]]:
    """By query those that vectors alone make likeliest, one a video, with that probability for a score: those that a
    search would look at, and the likeliest of each kind in any case.
    """
    scores = probability(np.array([pair.row for pair in found]) @ np.array(plain.weights))
    likely: dict[int, dict[tuple[int, bool], Pair]] = {}
    kinds: set[tuple[int, bool]] = set()
    for i in np.argsort(-scores, kind="stable").tolist():
        pair = found[i]
        of_query, place, kind = likely.setdefault(pair.query, {}), (pair.video, pair.elsewhere), (pair.query, pair.same)
        wanted = scores[i] >= WORTH_A_LOOK or kind not in kinds
        if wanted and len(of_query) < LOOKS and place not in of_query:
            of_query[place] = replace(pair, segment=replace(pair.segment, score=float(scores[i])))
            kinds.add(kind)
    return {query: list(of_query.values()) for query, of_query in likely.items()}


def _queries(excerpt: Excerpt, codec: LatentCodec, head: EmbeddingHead) -> Iterator[QueryFrames]:
    """An excerpt as it is, then as its views."""
    height, width = excerpt.frames.shape[2:]
    plain = View("", excerpt.frames, np.arange(len(excerpt.frames)))
    for view in (plain, *views(excerpt.frames, display_aspect=width / height)):
        vectors, times = head.embed(codec.nearest(view.frames)), excerpt.times_s[view.rows]
        yield QueryFrames(vectors, times, np.ones(len(times), np.float32), 0.0, excerpt.end_s, excerpt.still, view.name)


@dataclass(frozen=True, slots=True, eq=False)
class _Gallery:
    """All packed videos as a library keeps them. latents: of each, chunk by chunk; vectors: (n, d), of all tracks one
    after the other, which begin at firsts.
    """

    codec: LatentCodec
    head: EmbeddingHead
    entries: list[PackedEntry]
    latents: list[list[Latents]]
    tracks: list[Track]
    vectors: NDArray[np.float32]
    firsts: NDArray[np.int64]

    @classmethod
    def of(cls, packed: PackedFrames, codec: LatentCodec, head: EmbeddingHead) -> _Gallery:
        entries = videos_of(packed)
        kept = [_kept(number, packed, entry, codec, head) for number, entry in enumerate(entries)]
        latents, tracks = [one for one, _ in kept], [track for _, track in kept]
        firsts = np.cumsum([0, *(len(track.vectors) for track in tracks[:-1])])
        vectors = np.concatenate([track.vectors for track in tracks])
        return cls(codec, head, entries, latents, tracks, vectors, firsts)

    def pictures(self, number: int) -> Pictures:
        """Those of a video, as a library would show them."""
        latents = latents_at_hand(self.latents[number])
        return lambda rows: np.concatenate([self.codec.decode(some) for some in latents(rows)])

    def besides(self, of: Excerpt) -> Track | None:
        """The video that an excerpt is of, without that moment; None where nothing else of it is kept."""
        number = self.entries.index(of.entry)
        times = self.tracks[number].times_s
        away = (times < of.source_s.min() - APART_S) | (times > of.source_s.max() + APART_S)
        return self.tracks[number].only(away) if away.any() else None

    def astray(self, of: Excerpt, video: int, segment: Segment) -> bool:
        """Whether a segment of an excerpt's own video is of another moment, that looks different."""
        if self.entries[video] != of.entry:
            return False
        off_s = float(np.median(np.abs(segment.video_times(of.times_s) - of.source_s)))
        return off_s > ASTRAY_S and self.looks_different(of, segment)

    def looks_different(self, of: Excerpt, segment: Segment) -> bool:
        """Whether what a segment of that video shows is not what the excerpt shows, before it was edited."""
        number = self.entries.index(of.entry)
        times, pictures = self.tracks[number].times_s, self.pictures(number)
        here, there = (nearest(times, np.unique(side)) for side in (of.source_s, segment.video_times(of.times_s)))
        n = min(len(here), len(there))
        shown = pictures(np.concatenate([here[:n], there[:n]])).astype(np.float32)
        return bool(np.sqrt(np.square(shown[:n] - shown[n:]).mean()) >= DIFFERENT)

    def candidates(
        self, query: QueryFrames, of: Excerpt, same: Collection[frozenset[str]] = ()
    ) -> Iterator[tuple[bool, Track]]:
        """The videos that most resemble a query, and those of the group that it is of: whether it is such a one, and
        the track. Lookalikes of the same scene are left out, what the edit shows besides, and what shows the `same`.
        """
        nearest = np.maximum.reduceat(query.vectors @ self.vectors.T, self.firsts, axis=1).mean(axis=0)
        others = 0
        for number in np.argsort(-nearest).tolist():
            entry = self.entries[number]
            if entry.group == of.entry.group:
                yield True, self.tracks[number]
            elif (
                others < CANDIDATES
                and entry.scene not in (of.entry.scene, of.beside.scene)
                and frozenset((entry.file, of.entry.file)) not in same
            ):
                others += 1
                yield False, self.tracks[number]


def _kept(
    number: int, packed: PackedFrames, entry: PackedEntry, codec: LatentCodec, head: EmbeddingHead
) -> tuple[list[Latents], Track]:
    """What a library keeps of a video: the latents of its chunks, and its vectors."""
    pictures, times = library_frames(packed, entry)
    groups = [pictures[first : first + CHUNK_FRAMES] for first in range(0, len(pictures), CHUNK_FRAMES)]
    latents = [codec.encode(group) for group in groups]
    values, scale = quantise(np.concatenate([head.embed(one) for one in latents]))
    vectors = EmbeddingBlock(head.model_id, 0, values, scale, np.zeros(len(values), bool)).unit_vectors()
    duration = entry.shape[0] / entry.fps
    return latents, Track(number, np.arange(len(times)), vectors, times, np.append(times[1:], duration), duration)
